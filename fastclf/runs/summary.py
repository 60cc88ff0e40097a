"""Versions for ``summary.json``, and the summary of a run for the terminal."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fastclf import __version__
from fastclf.config import MINIBATCH_RULES
from fastclf.report.facts import ChosenThreshold
from fastclf.runs.directory import REPORT
from fastclf.runs.tables import baseline_line, metrics_table, undefined_lines

if TYPE_CHECKING:
    from fastclf.runs.evaluation import Evaluation

PLAIN: dict[str, Any] = {"markup": False, "highlight": False}
REPORTED = (
    "name",
    "kind",
    "solver",
    "classes",
    "n_train",
    "n_test",
    "n_iter",
    "fit_seconds",
    "warnings",
)
"""Keys of ``summary.json`` that `print_summary` needs."""


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that can influence a run's result."""
    libraries = {name: version(name) for name in ("numpy", "numba", "scikit-learn")}
    return {"fastclf": __version__, "python": platform.python_version(), **libraries}


def print_summary(path: Path, summary: dict[str, Any], console: Console) -> None:
    """Print what a run decided, and its metrics: a column for each part of the data or model.

    The models that the run's own is compared with have a table of their own, so that each fits 80
    columns. Their column "student" is omitted, because it equals "test".
    """
    unit = "epoch" if summary["solver"] in MINIBATCH_RULES else "iteration"
    unit += "s" * (summary["n_iter"] != 1)
    noun = "labels" if summary.get("task") == "multilabel" else "classes"
    compiled = summary.get("compile_seconds", 0.0)  # an older run doesn't have it
    after = f" after {compiled:.1f} s of compilation" if compiled >= 1 else ""
    took = f"{summary['n_iter']} {unit} in {summary['fit_seconds']:.2f} s{after}"
    figures = summary["metrics"]
    own = {name: figures[name] for name in ("train", "test") if name in figures}
    others = {name: figures[name] for name in figures if name not in {*own, "student"}}
    baseline = {"predicts": "", "metrics": {}, **(summary.get("baseline") or {})}
    _print_lines(
        console,
        f"{summary['name']}: {summary['kind']}, {len(summary['classes'])} {noun}",
        *_decided(summary),
    )
    console.print(metrics_table(own, summary.get("intervals", {}), baseline["metrics"]))
    if any(baseline["metrics"].values()):
        _print_lines(console, baseline_line(baseline["predicts"]))
    best = baseline["metrics"].get("test", {}).get("accuracy")
    if best is not None and own.get("test", {}).get("accuracy", 1.0) <= best:
        _print_lines(console, "the accuracy on the test rows isn't above that of the baseline")
    _print_lines(console, *undefined_lines(summary.get("undefined", {})))
    if others:
        console.print(metrics_table({"test": own.get("test", {}), **others}, {}, {}))
    if summary.get("calibration") is not None:
        _print_lines(console, *_calibration(summary["calibration"]))
    _print_lines(console, f"{took}; saved in {path}")
    if (path / REPORT).exists():
        _print_lines(console, f"report: {path / REPORT}")


def print_evaluations(
    found: Mapping[str, "Evaluation"], predicts: str | Sequence[str] | None, console: Console
) -> None:
    """Print evaluations of a model; ``predicts`` is what the baseline predicts, if known."""
    from fastclf.runs.intervals import intervals_by_part, undefined_by_part  # needs scikit-learn

    figures = {name: part.metrics for name, part in found.items()}
    baseline = {name: part.baseline for name, part in found.items()}
    console.print(metrics_table(figures, intervals_by_part(found), baseline))
    if predicts is not None:
        _print_lines(console, baseline_line(predicts))
    _print_lines(console, *undefined_lines(undefined_by_part(found)))


def _print_lines(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, **PLAIN)


def _decided(summary: dict[str, Any]) -> list[str]:
    found = summary.get("decided", {})
    sizes = f"{summary['n_train']:,} training rows + {summary['n_test']:,} test rows"
    lines = [f"rows: {found.get('rows', sizes)}"]
    if "n_features" in summary and "scaling" in found:
        lines.append(f"features: {summary['n_features']:,}, {found['scaling']}")
    return lines + ([f"solver: {found['solver']}"] if "solver" in found else [])


def _calibration(facts: dict[str, Any]) -> list[str]:
    """Return lines about temperature and thresholds, and their effect on the held-out rows."""
    temperature, threshold = facts.get("temperature"), facts.get("threshold")
    decided = [] if temperature is None else [f"temperature {temperature:.4g}"]
    shown = ["log_loss", "cross_entropy", "ece"]
    if "thresholds" in facts:
        decided.append("thresholds of the labels")
        shown.append("macro_f1")
    line = (
        f"calibrated on {facts['n_rows']:,} rows: {', '.join([*decided, *_changes(facts, shown)])}"
    )
    lines = [line] if decided or threshold is None else []
    if threshold is not None:
        chosen = ChosenThreshold.model_validate(threshold)
        changes = _changes(facts, ["accuracy", "precision", "recall", "f1", "cost"])
        lines.append(
            f"threshold {chosen.value:.4g} of {chosen.name}, {chosen.rule}; on "
            f"{facts['n_rows']:,} calibration rows {', '.join(changes)}"
        )
    return lines


def _changes(facts: dict[str, Any], shown: Sequence[str]) -> list[str]:
    return [
        f"{name} from {before:.4f} to {after:.4f}"
        for name, before in facts["before"].items()
        if name in shown and None not in (before, after := facts["after"].get(name))
    ]

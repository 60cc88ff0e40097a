"""Versions for ``summary.json``, and the summary of a run for the terminal."""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from fastclf import __version__
from fastclf.config import MINIBATCH_RULES
from fastclf.runs.tables import metrics_table

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
    """Print a run's metrics: a row for each metric, a column for each part of the data or model.

    The column "student" of a distillation is omitted, because it equals "test".
    """
    unit = "epochs" if summary["solver"] in MINIBATCH_RULES else "iterations"
    title = (
        f"{summary['name']}: {summary['kind']}, {len(summary['classes'])} classes, "
        f"{summary['n_train']} training rows, {summary['n_test']} test rows"
    )
    compiled = summary.get("compile_seconds", 0.0)  # an older run doesn't have it
    after = f" after {compiled:.1f} s of compilation" if compiled >= 1 else ""
    took = f"{summary['n_iter']} {unit} in {summary['fit_seconds']:.2f} s{after}"
    console.print(title, soft_wrap=True, **PLAIN)
    parts = {name: figures for name, figures in summary["metrics"].items() if name != "student"}
    console.print(metrics_table(parts, summary.get("intervals", {})))
    if summary.get("calibration") is not None:
        for line in _calibration(summary["calibration"]):
            console.print(line, soft_wrap=True, **PLAIN)
    console.print(f"{took}; saved in {path}", soft_wrap=True, **PLAIN)


def _calibration(facts: dict[str, Any]) -> list[str]:
    """Return lines about temperature and thresholds, and their effect on the held-out rows."""
    temperature, threshold = facts.get("temperature"), facts.get("threshold")
    decided = [] if temperature is None else [f"temperature {temperature:.4g}"]
    shown = ["log_loss", "cross_entropy", "ece"]
    if "thresholds" in facts:
        decided.append("thresholds of the labels")
        shown.append("macro_f1")
    line = f"calibrated on {facts['n_rows']} rows: {', '.join([*decided, *_changes(facts, shown)])}"
    lines = [line] if decided or threshold is None else []
    if threshold is not None:
        rule = {
            None: "as given",
            "f1": "for the highest f1",
            "cost": "for the lowest cost",
            "precision": "for a precision of {min_precision:g} or more",
        }[threshold["tuned_for"]].format(**threshold)
        changes = _changes(facts, ["accuracy", "precision", "recall", "f1", "cost"])
        lines.append(
            f"threshold {threshold['value']:.4g} of {threshold['class']}, {rule}; on "
            f"{facts['n_rows']} calibration rows {', '.join(changes)}"
        )
    return lines


def _changes(facts: dict[str, Any], shown: Sequence[str]) -> list[str]:
    return [
        f"{name} from {before:.4f} to {after:.4f}"
        for name, before in facts["before"].items()
        if name in shown and None not in (before, after := facts["after"].get(name))
    ]

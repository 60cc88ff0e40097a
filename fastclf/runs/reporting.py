"""The report of a run, ``report.html``, rendered from the other files of the run directory."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from fastclf.config import MINIBATCH_RULES
from fastclf.errors import RunError
from fastclf.linear_model import LinearModel
from fastclf.report.comparison import comparison_page
from fastclf.report.facts import EvaluationFacts, Evaluations, Model, RunFacts, first_mistake
from fastclf.report.page import report_page
from fastclf.runs.comparison import NOT_SAME_DATA, Comparison
from fastclf.runs.directory import (
    EVALUATION,
    METRICS,
    REPORT,
    FinishedRun,
    open_run,
)
from fastclf.runs.files import write_file, write_output
from fastclf.runs.tables import LOWER_IS_BETTER
from fastclf.toml import to_toml

MOST_FEATURES = 10
"""Number of features shown for each class."""


def write_report(run: FinishedRun, path: Path | None = None) -> Path:
    """Write the report of a run, and return its path.

    Parameters
    ----------
    run : FinishedRun
        The run. If its directory lacks a file, such as ``evaluation.json``, the report lacks the
        sections that show it.
    path : Path, optional
        By default ``report.html`` in the run directory.

    Raises
    ------
    RunError
        If a file of the run is damaged, or the report can't be written.
    """
    page = report_page(run_facts(run), LOWER_IS_BETTER)
    remedy = "name another place with --output"
    if path is not None:
        write_output(path, page, remedy)
        return path
    write_file(run.path / REPORT, page, remedy)
    return run.path / REPORT


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write an HTML page that compares runs.

    Raises
    ------
    RunError
        If a file of a run is damaged, or the page can't be written.
    """
    runs = [run_facts(open_run(Path(run))) for run in comparison.runs]
    page = comparison_page(
        comparison.runs,
        runs,
        comparison.differences,
        comparison.metrics,
        LOWER_IS_BETTER,
        "" if comparison.same_data else NOT_SAME_DATA,
        () if comparison.paired is None else comparison.paired.lines(),
    )
    write_output(path, page, "name another place with --html")


def run_facts(run: FinishedRun) -> RunFacts:
    """Read the files of a run that a report shows.

    Raises
    ------
    RunError
        If a file of the run is damaged.
    """
    facts = {
        "summary": run.summary,
        "recipe": to_toml(run.recipe),
        "data": run.recipe.data.model_dump(mode="json", exclude_none=True),
        "steps": _steps(run.path / METRICS),
        "parts": _parts(run.path),
        "model": model_facts(run.model),
        "minibatch": run.recipe.solver.name in MINIBATCH_RULES,
    }
    with _checking(run.path):
        return RunFacts.model_validate(facts)


@contextmanager
def _checking(path: Path) -> Iterator[None]:
    """Turn a validation error about a file's content into a RunError of one line."""
    try:
        yield
    except ValidationError as problem:
        key, what = first_mistake(problem)
        raise RunError(
            f"{path}: {key}: {what}; run fastclf evaluate again, or train the run again"
        ) from None


def model_facts(model: LinearModel) -> Model:
    """Return the facts about a model that a report shows.

    For each class these are the features with the largest absolute coefficients, without those
    whose coefficient is 0.
    """
    coefficients = model.theta[:-1]
    names = model.feature_names or tuple(f"feature {i}" for i in range(model.n_features))
    classes = [str(name) for name in model.classes.tolist()]
    strongest = [
        {"name": name, "features": _strongest(column, names)}
        for name, column in zip(classes[-coefficients.shape[1] :], coefficients.T, strict=True)
    ]
    scaled = model.preprocessing is not None
    columns: tuple[str, ...] = ()
    if model.encoder is not None:
        columns = model.encoder.column_names
        scaled = bool((model.encoder.to_data()[0]["encoder.scale"] != 1).any())
    return Model.model_validate(
        {
            "strongest": strongest,
            "thresholds": [] if model.threshold is None else model.threshold.tolist(),
            "n_nonzero": int(np.count_nonzero(coefficients)),
            "n_coefficients": coefficients.size,
            "columns": list(columns),
            "scaled": scaled,
            "top_k": model.top_k,
        }
    )


def _strongest(column: np.ndarray, names: Sequence[str]) -> list[tuple[str, float]]:
    sizes = np.abs(column)
    most = min(MOST_FEATURES, len(sizes))
    least = np.partition(sizes, -most)[-most]  # sorting all of a million features is slow
    candidates = np.flatnonzero((sizes >= least) & (sizes > 0) & np.isfinite(sizes))
    order = candidates[np.argsort(-sizes[candidates], kind="stable")][:MOST_FEATURES]
    return [(names[i], float(column[i])) for i in order]


def _steps(path: Path) -> list[dict[str, Any]]:
    """Return the lines of ``metrics.jsonl``, without an incomplete last line."""
    if not path.exists():
        return []
    steps = []
    lines = _read(path).split("\n")
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                steps.append(_table(line))
        except ValueError:
            if number < len(lines):
                raise RunError(f"{path}: line {number} isn't JSON; train the run again") from None
    return steps


def _parts(folder: Path) -> dict[str, EvaluationFacts]:
    """Return the evaluations on the run's own data, then those on other data."""
    parts: dict[str, EvaluationFacts] = {}
    for path in (folder / EVALUATION, *sorted(folder.glob("evaluation-*.json"))):
        if path.exists():
            try:
                table = _table(_read(path))
            except ValueError:
                raise RunError(
                    f"{path}: isn't an evaluation; remove it, and run fastclf evaluate again"
                ) from None
            with _checking(path):
                parts |= Evaluations.model_validate(table).root
    return parts


def _table(text: str) -> dict[str, Any]:
    try:
        table = json.loads(text)
    except RecursionError:
        raise ValueError from None
    if not isinstance(table, dict):
        raise ValueError
    return table


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        raise RunError(f"{path}: can't be read: {problem.strerror}") from None

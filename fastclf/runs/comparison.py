"""Comparison of several runs: the differences between their recipes, and their metrics."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fastclf.runs.directory import FinishedRun, open_run
from fastclf.runs.paired import Paired, compare_pair
from fastclf.runs.summary import PLAIN
from fastclf.runs.tables import LOWER_IS_BETTER, interval_text, shown
from fastclf.toml import dotted

NOT_SAME_DATA = "the runs did not read the same rows and columns of the same data"


@dataclass(frozen=True)
class Comparison:
    """Recipes and metrics of several runs.

    Each list has an entry for each run, which is None if the run lacks the key or metric.

    Attributes
    ----------
    runs : tuple of str
        The run directories.
    recipe : dict of str to list
        The values of each recipe key; keys are dotted, as "model.C".
    metrics : dict of str to list
        The values of each metric, named as "test.accuracy", test rows first; and "fit_seconds".
    same_data : bool
        Whether all runs read the same rows and columns of the same data.
    intervals : dict of str to list
        The intervals of 95 % of those metrics that have some, named as ``metrics``.
    paired : Paired, optional
        For two runs: the differences on their test rows.
    """

    runs: tuple[str, ...]
    recipe: dict[str, list[Any]]
    metrics: dict[str, list[float | None]]
    same_data: bool
    intervals: dict[str, list[Sequence[float] | None]] = field(default_factory=dict)
    paired: Paired | None = None

    @property
    def differences(self) -> dict[str, list[Any]]:
        """The recipe keys whose values differ between runs, with their values."""
        return {
            key: values
            for key, values in self.recipe.items()
            if any(value != values[0] for value in values)
        }

    def best(self, metric: str) -> list[bool]:
        """Tell for each run whether it is best by a metric; none is if all are equal."""
        values = self.metrics[metric]
        known = [value for value in values if value is not None]
        if len(set(known)) < 2:
            return [False] * len(values)
        lower = metric == "fit_seconds" or metric.rpartition(".")[2] in LOWER_IS_BETTER
        return [value == (min(known) if lower else max(known)) for value in values]

    def as_json(self) -> dict[str, Any]:
        """Return all attributes, and the best runs by metric, as a dict."""
        best = {
            metric: [
                run for run, is_best in zip(self.runs, self.best(metric), strict=True) if is_best
            ]
            for metric in self.metrics
        }
        found = {
            "runs": list(self.runs),
            "same_data": self.same_data,
            "differences": self.differences,
            "recipe": self.recipe,
            "metrics": self.metrics,
            "intervals": self.intervals,
            "best": best,
        }
        return found if self.paired is None else {**found, "paired": self.paired.as_json()}


def compare_runs(paths: Sequence[Path]) -> Comparison:
    """Read complete runs and compare them; two runs also on their test rows, one by one.

    Raises
    ------
    RunError
        If one of them can't be read.
    """
    runs = [open_run(path) for path in paths]
    recipes = [dict(dotted(run.recipe.model_dump(mode="json", exclude_none=True))) for run in runs]
    figures = [_figures(run) for run in runs]
    return Comparison(
        runs=tuple(map(str, paths)),
        recipe=_side_by_side(recipes),
        metrics=_side_by_side(figures),
        same_data=len({run.summary.get("data_sha256") for run in runs}) == 1,
        intervals=_side_by_side([_intervals(run) for run in runs]),
        paired=compare_pair(*runs) if len(runs) == 2 else None,
    )


def print_comparison(comparison: Comparison, keys: dict[str, list[Any]], console: Console) -> None:
    """Print the given recipe keys and all metrics; the best value of each metric is bold.

    The interval of a metric is below it. Below the table is what two runs' test rows tell.
    """
    table = Table("")
    for run in comparison.runs:
        table.add_column(escape(run), justify="right", overflow="fold")
    for key, values in keys.items():
        table.add_row(key, *("" if value is None else _value(value) for value in values))
    table.add_section()
    for metric, figures in comparison.metrics.items():
        cells = []
        for value, best in zip(figures, comparison.best(metric), strict=True):
            cells.append(f"[bold]{shown(value)}[/bold]" if best else shown(value))
        for place, ends in enumerate(comparison.intervals.get(metric, ())):
            cells[place] += "" if ends is None else f"\n{interval_text(ends)}"
        table.add_row(metric, *cells)
    console.print(table)
    if comparison.paired is not None:
        for line in comparison.paired.lines():
            console.print(line, soft_wrap=True, **PLAIN)


def _figures(run: FinishedRun) -> dict[str, float]:
    parts = run.summary["metrics"]
    ordered = sorted(parts, key=lambda part: part != "test")
    figures = {f"{part}.{name}": value for part in ordered for name, value in parts[part].items()}
    if "fit_seconds" in run.summary:
        figures["fit_seconds"] = run.summary["fit_seconds"]
    return figures


def _intervals(run: FinishedRun) -> dict[str, list[float]]:
    parts = run.summary.get("intervals", {})
    return {f"{part}.{name}": ends for part in parts for name, ends in parts[part].items()}


def _side_by_side(tables: list[dict[str, Any]]) -> dict[str, list[Any]]:
    keys = dict.fromkeys(key for table in tables for key in table)
    return {key: [table.get(key) for table in tables] for key in keys}


def _value(value: Any) -> str:
    return escape(value if isinstance(value, str) else json.dumps(value))

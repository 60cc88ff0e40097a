"""The HTML page that compares several runs."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from fastclf.report.bars import dot_chart
from fastclf.report.chart import Line, line_chart
from fastclf.report.facts import RunFacts
from fastclf.report.layout import (
    best_cells,
    collapsed,
    figure_box,
    grid,
    legend,
    page,
    section,
    table,
)
from fastclf.report.markup import Markup, element
from fastclf.report.scales import scale_of
from fastclf.report.training import numbers, series, step_scale
from fastclf.report.wording import interval_text, metric_title, number_text

CURVES = {
    "objective": ("Objective", "mean loss and penalty, nats"),
    "validation_loss": ("Validation loss", "nats"),
    "gradient_norm": ("Gradient norm", "largest entry"),
    "learning_rate": ("Learning rate", "of the last step"),
}

_MOST_METRICS = 8


def comparison_page(
    paths: Sequence[str],
    runs: Sequence[RunFacts],
    differences: Mapping[str, Sequence[Any]],
    metrics: Mapping[str, Sequence[float | None]],
    lower_is_better: Collection[str],
    warning: str = "",
    on_test_rows: Sequence[str] = (),
) -> str:
    """Return the HTML of a self-contained page that compares runs.

    Parameters
    ----------
    paths : sequence of str
        The run directories.
    runs : sequence of RunFacts
        The contents of each run directory.
    differences : mapping of str to sequence
        The recipe keys whose values differ between runs, with the value in each run.
    metrics : mapping of str to sequence of float or None
        The metrics, named as in "test.accuracy", with the value in each run.
    lower_is_better : collection of str
        The metrics for which a smaller value is better.
    warning : str
        Why the runs can't be compared directly; empty if they can.
    on_test_rows : sequence of str
        What a comparison on the same test rows tells.
    """
    names = short_names(paths)
    head = element(
        "header",
        element("h1", f"{len(names)} runs compared"),
        element("ul", element("li", warning), class_="warnings") if warning else None,
        legend(names),
    )
    sections = (
        section("recipes", "Recipes", _recipes(differences, names)),
        section("metrics", "Metrics", _charts(metrics, names, lower_is_better)),
        section("figures", "Figures", *_figures(metrics, names, lower_is_better, runs)),
        section("rows", "Test rows", _listed(on_test_rows)),
        section("training", "Training", grid(_curves(names, runs))),
    )
    return page("Runs compared · fastclf", head, sections)


def short_names(paths: Sequence[str]) -> list[str]:
    """Return the shortest distinct names of paths: as few trailing parts of each as are needed.

    Examples
    --------
    >>> from fastclf.report.comparison import short_names
    >>> short_names(["runs/first", "runs/second"]), short_names(["a/run", "b/run"])
    (['first', 'second'], ['a/run', 'b/run'])
    """
    parts = [PurePath(os.path.normpath(path)).parts or (path,) for path in paths]
    longest = max(map(len, parts), default=1)
    for size in range(1, longest + 1):
        names = ["/".join(part[-size:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({number})" for number, name in enumerate(paths, 1)]


def _charts(
    metrics: Mapping[str, Sequence[float | None]], names: list[str], lower: Collection[str]
) -> Markup | None:
    """Return dot charts of the metrics on the test rows, or on the first part without test rows."""
    part = next((key.partition(".")[0] for key in metrics if "." in key), "")
    own = {
        key.partition(".")[2]: values
        for key, values in metrics.items()
        if key.startswith(f"{part}.")
    }
    charts = []
    for is_lower, title in ((False, "Higher is better"), (True, "Lower is better")):
        chosen = {
            metric_title(key): values for key, values in own.items() if (key in lower) == is_lower
        }
        if chosen:
            shown = dict(list(chosen.items())[:_MOST_METRICS])
            alt_text = f"{title}, {part} rows: the table below lists all values."
            charts.append(figure_box(title, dot_chart(shown, names, alt_text), unit=f"{part} rows"))
    return grid(charts)


def _listed(lines: Sequence[str]) -> Markup | None:
    return element("ul", *(element("li", line) for line in lines)) if lines else None


def _figures(
    metrics: Mapping[str, Sequence[float | None]],
    names: list[str],
    lower: Collection[str],
    runs: Sequence[RunFacts],
) -> list[Markup]:
    """Return a table of the metrics that several runs have, and a collapsed one of the others."""
    shared: list[tuple[Any, ...]] = []
    alone: list[tuple[Any, ...]] = []
    for key, values in metrics.items():
        part, _, metric = key.rpartition(".")
        title = f"{part.replace('_', ' ')} {metric_title(metric)}".strip()
        intervals = [run.summary.intervals.get(part, {}).get(metric) for run in runs]
        is_lower = metric == "fit_seconds" or metric in lower
        cells = best_cells(list(values), is_lower, [*map(interval_text, intervals)])
        known = sum(value is not None for value in values)
        (alone if known == 1 < len(names) else shared).append((title, *cells))
    head = ("metric", *names)
    caption = "The best figure of each row has a star"
    if any(run.summary.intervals for run in runs):
        caption += "; in parentheses is the interval of 95 %"
    found = [table(caption, head, shared)] if shared else []
    if alone:
        found.append(
            collapsed(f"{len(alone)} of one run", table("Figures of one run", head, alone))
        )
    return found


def _curves(names: list[str], runs: Sequence[RunFacts]) -> list[Markup]:
    units = {"epoch" if run.minibatch else "iteration" for run in runs}
    unit = units.pop() if len(units) == 1 else "iteration or epoch"
    found = []
    for key, (title, y_unit) in CURVES.items():
        curves = [(numbers(run.steps), series(run.steps, key)) for run in runs]
        if any(math.isfinite(value) for _, values in curves for value in values):
            found.append(_curve(title, y_unit, unit, names, curves, log=key == "gradient_norm"))
    times = [(series(run.steps, "seconds"), series(run.steps, "objective")) for run in runs]
    if any(math.isfinite(value) for values, _ in times for value in values):
        title = "Objective by time"
        found.append(_curve(title, CURVES["objective"][1], "seconds", names, times, log=False))
    return found


def _curve(
    title: str,
    y_unit: str,
    unit: str,
    names: list[str],
    curves: list[tuple[list[float], list[float]]],
    log: bool,
) -> Markup:
    lines = [
        Line(name, x, y, number, ("solid", "dashed", "dotted")[number // 8 % 3])
        for number, (name, (x, y)) in enumerate(zip(names, curves, strict=True))
    ]
    ends = []
    for name, (_, y) in zip(names, curves, strict=True):
        known = [value for value in y if math.isfinite(value)]
        if known:
            ends.append(f"{name} ends at {number_text(known[-1])}")
    x_values = [x for x, _ in curves]
    values = [value for _, y in curves for value in y]
    log = log and any(value > 0 for value in values)
    drawn = line_chart(
        lines,
        scale_of((value for x in x_values for value in x), zero=True)
        if unit == "seconds"
        else step_scale(*x_values),
        scale_of(values, log=log),
        unit,
        f"{title} by {unit}: {'; '.join(ends)}.",
        named=False,
    )
    return figure_box(title, drawn, unit=y_unit)


def _recipes(differences: Mapping[str, Sequence[Any]], names: list[str]) -> Markup:
    if not differences:
        return element("p", "The recipes are the same.")
    rows = [(key, *map(_value, values)) for key, values in differences.items()]
    return table("Keys that differ between the recipes", ("key", *names), rows)


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

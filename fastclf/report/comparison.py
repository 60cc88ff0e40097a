"""Several runs side by side, as one page."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from fastclf.report.bars import dots
from fastclf.report.chart import Line, line_chart
from fastclf.report.facts import RunFacts
from fastclf.report.layout import best_cells, figure_box, folded, grid, legend, page, section, table
from fastclf.report.markup import Markup, element
from fastclf.report.scales import fitted
from fastclf.report.training import numbers, series, step_scale
from fastclf.report.wording import figure, spoken

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
) -> str:
    """Return a page that shows runs side by side: HTML that needs no other file.

    Parameters
    ----------
    paths : sequence of str
        The run directories.
    runs : sequence of RunFacts
        What each left behind.
    differences : mapping of str to sequence
        The keys of the recipes that aren't the same in all runs, with a value for each run.
    metrics : mapping of str to sequence of float or None
        The metrics, as "test.accuracy", with a figure for each run.
    lower_is_better : collection of str
        The metrics of which a smaller figure is the better one.
    warning : str
        What makes the runs hard to compare, if anything.
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
        section("figures", "Figures", *_figures(metrics, names, lower_is_better)),
        section("training", "Training", grid(_curves(names, runs))),
    )
    return page("Runs compared · fastclf", head, sections)


def short_names(paths: Sequence[str]) -> list[str]:
    """Return names that tell paths apart: their last part, or more of it where that is the same.

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
    """Return the metrics of the test rows, or else of the first part, as dots."""
    part = next((key.partition(".")[0] for key in metrics if "." in key), "")
    own = {
        key.partition(".")[2]: values
        for key, values in metrics.items()
        if key.startswith(f"{part}.")
    }
    charts = []
    for is_lower, title in ((False, "Higher is better"), (True, "Lower is better")):
        chosen = {spoken(key): values for key, values in own.items() if (key in lower) == is_lower}
        if chosen:
            shown = dict(list(chosen.items())[:_MOST_METRICS])
            told = f"{title}, {part} rows: the table of figures has them all."
            charts.append(figure_box(title, dots(shown, names, told), unit=f"{part} rows"))
    return grid(charts)


def _figures(
    metrics: Mapping[str, Sequence[float | None]], names: list[str], lower: Collection[str]
) -> list[Markup]:
    """Return the metrics that several runs have as a table, and the others in a folded one."""
    shared: list[tuple[Any, ...]] = []
    alone: list[tuple[Any, ...]] = []
    for key, values in metrics.items():
        part, _, metric = key.rpartition(".")
        title = f"{part.replace('_', ' ')} {spoken(metric)}".strip()
        cells = best_cells(list(values), metric == "fit_seconds" or metric in lower)
        known = sum(value is not None for value in values)
        (alone if known == 1 < len(names) else shared).append((title, *cells))
    head = ("metric", *names)
    found = [table("The best figure of each row has a star", head, shared)] if shared else []
    if alone:
        found.append(folded(f"{len(alone)} of one run", table("Figures of one run", head, alone)))
    return found


def _curves(names: list[str], runs: Sequence[RunFacts]) -> list[Markup]:
    units = {"epoch" if run.minibatch else "iteration" for run in runs}
    unit = units.pop() if len(units) == 1 else "iteration or epoch"
    found = []
    for key, (title, told) in CURVES.items():
        curves = [(numbers(run.steps), series(run.steps, key)) for run in runs]
        if any(math.isfinite(value) for _, values in curves for value in values):
            found.append(_curve(title, told, unit, names, curves, log=key == "gradient_norm"))
    times = [(series(run.steps, "seconds"), series(run.steps, "objective")) for run in runs]
    if any(math.isfinite(value) for values, _ in times for value in values):
        title = "Objective by time"
        found.append(_curve(title, CURVES["objective"][1], "seconds", names, times, log=False))
    return found


def _curve(
    title: str,
    told: str,
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
            ends.append(f"{name} ends at {figure(known[-1])}")
    across = [x for x, _ in curves]
    values = [value for _, y in curves for value in y]
    log = log and any(value > 0 for value in values)
    drawn = line_chart(
        lines,
        fitted((value for x in across for value in x), zero=True)
        if unit == "seconds"
        else step_scale(*across),
        fitted(values, log=log),
        unit,
        f"{title} by {unit}: {'; '.join(ends)}.",
        named=False,
    )
    return figure_box(title, drawn, unit=told)


def _recipes(differences: Mapping[str, Sequence[Any]], names: list[str]) -> Markup:
    if not differences:
        return element("p", "The recipes are the same.")
    rows = [(key, *map(_value, values)) for key, values in differences.items()]
    return table("Keys that aren't the same in all recipes", ("key", *names), rows)


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

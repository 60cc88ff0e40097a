"""The HTML page that compares several runs."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from fastclf.report.chart import COLOURS, Line, line_chart
from fastclf.report.facts import RunFacts
from fastclf.report.layout import (
    best_cells,
    best_index,
    collapsed,
    figure_box,
    grid,
    legend,
    named,
    page,
    section,
    table,
)
from fastclf.report.markup import Markup, element
from fastclf.report.record import solver_text
from fastclf.report.scales import Scale, scale_of
from fastclf.report.tracks import metric_panels, track
from fastclf.report.training import numbers, series, step_scale
from fastclf.report.wording import (
    UNDEFINED,
    capital,
    count_text,
    date_text,
    duration_text,
    interval_text,
    metric_title,
    number_text,
    part_title,
    percent_text,
    plain_text,
)

CURVES = {
    "objective": ("Objective", "mean loss and penalty, nats"),
    "validation_loss": ("Validation loss", "nats"),
    "gradient_norm": ("Gradient norm", "largest entry"),
    "learning_rate": ("Learning rate", "of the last step"),
}

_MOST_METRICS = 9
_MOST_KEYS = 6  # of the recipe, in the table of the runs
_MOST_CLASSES = 3  # whose shares are listed


@dataclass(frozen=True)
class Contrast:
    """How a run differs from the first one in its metrics on the test rows that both share.

    Parameters
    ----------
    run : str
        The name of the run.
    differences : mapping of str to (float, (float, float), bool)
        For each metric the run's value minus the first run's, its interval of 95 %, and whether
        the difference exceeds noise.
    reason : str
        Why there are none; empty if there are.
    """

    run: str
    differences: Mapping[str, tuple[float, Sequence[float], bool]]
    reason: str = ""


def comparison_page(
    paths: Sequence[str],
    runs: Sequence[RunFacts],
    differences: Mapping[str, Sequence[Any]],
    metrics: Mapping[str, Sequence[float | None]],
    lower_is_better: Collection[str],
    warning: str = "",
    contrasts: Sequence[Contrast] = (),
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
    contrasts : sequence of Contrast
        The differences of the other runs from the first one.
    """
    names = short_names(paths)
    differences = {key: values for key, values in differences.items() if key != "name"}
    head = element(
        "header",
        element("h1", f"{len(names)} runs compared"),
        element("ul", element("li", warning), class_="warnings") if warning else None,
    )
    sections = (
        section("runs", "Runs", _overview(names, runs, differences)),
        section("metrics", "Metrics", *_panels(metrics, names, lower_is_better, runs, contrasts)),
        section("rows", "Differences", *_contrasts(contrasts, names[0], lower_is_better)),
        section(
            "figures", "All metrics", *_figures(metrics, names, lower_is_better, runs, contrasts)
        ),
        section("recipes", "Recipes", _recipes(differences, names)),
        section("training", "Training", _legend(names, runs), grid(_curves(names, runs))),
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


def _overview(
    names: list[str], runs: Sequence[RunFacts], differences: Mapping[str, Sequence[Any]]
) -> Markup:
    """Return a table of what each run is, and of the keys by which they differ."""
    known = {
        "finished": [date_text(run.summary.finished) for run in runs],
        "model": [capital(metric_title(run.summary.kind)) for run in runs],
        "solver": [solver_text(run) for run in runs],
        "fit": [_duration(run.summary.fit_seconds) for run in runs],
        "training rows": [number_text(run.summary.n_train) for run in runs],
        "test rows": [number_text(run.summary.n_test) for run in runs],
        "features": [number_text(run.summary.n_features) for run in runs],
        "class balance": [_balance_text(run) for run in runs],
    }
    varied = [key for key, values in differences.items() if None not in values][:_MOST_KEYS]
    known |= {key: [*map(_value, differences[key])] for key in varied}
    rows = [
        (key, *(element("td", value or UNDEFINED, class_="left") for value in values))
        for key, values in known.items()
        if any(values)
    ]
    keys = (element("i", class_=f"key dot c{number % COLOURS}") for number in range(len(names)))
    heads = (
        element("th", key, named(name), scope="col") for key, name in zip(keys, names, strict=True)
    )
    return table("What was trained", ("", *heads), rows, kind="overview")


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else duration_text(seconds)


def _balance_text(run: RunFacts) -> str:
    """Return the shares of the classes in the training rows, or those of the extreme ones."""
    part = run.parts.get("train")
    rows = [] if part is None else part.per_class or part.per_label
    known = [(row.support, row.name) for row in rows if row.support is not None]
    if part is None or not part.n_rows or not known:
        return ""
    if len(known) <= _MOST_CLASSES:
        return ", ".join(f"{name} {percent_text(count / part.n_rows)}" for count, name in known)
    least, most = (percent_text(pick(known)[0] / part.n_rows) for pick in (min, max))
    noun = "labels" if part.per_label else "classes"
    return f"{count_text(len(known))} {noun}, {least} to {most} of training rows"


def _panels(
    metrics: Mapping[str, Sequence[float | None]],
    names: list[str],
    lower: Collection[str],
    runs: Sequence[RunFacts],
    contrasts: Sequence[Contrast],
) -> list[Markup | None]:
    """Return charts of the metrics on the test rows, or on the first part without test rows."""
    part = next((key.partition(".")[0] for key in metrics if "." in key), "")
    own = {
        key.partition(".")[2]: values
        for key, values in metrics.items()
        if key.startswith(f"{part}.") and not _is_of_one_run(values)
    }
    shown = dict(list(own.items())[:_MOST_METRICS])
    intervals = {
        key: [run.summary.intervals.get(part, {}).get(key) for run in runs] for key in shown
    }
    best = {key: _best(f"{part}.{key}", values, lower, contrasts) for key, values in shown.items()}
    charts = grid(metric_panels(shown, names, lower, intervals, best), "panels")
    if charts is None:
        return []
    note = f"On the {part_title(part)}."
    note += " Bars are intervals of 95\N{NO-BREAK SPACE}%." if _have_intervals(runs) else ""
    stars = _star_text(contrasts)
    note += f" {stars}." if stars else ""
    return [element("p", note, class_="lead"), charts]


def _is_of_one_run(values: Sequence[float | None]) -> bool:
    return sum(value is not None for value in values) == 1 < len(values)


def _best(
    key: str,
    values: Sequence[float | None],
    lower: Collection[str],
    contrasts: Sequence[Contrast],
) -> set[int]:
    """Return the indices of the best values that are known to be better than others.

    Such a value of another run differs from the first run's by more than noise. If the first run is
    best, all others differ from it by more than noise.
    """
    part, _, metric = key.rpartition(".")
    found = [one.differences.get(metric) for one in contrasts]
    exceeds = [difference is not None and difference[2] for difference in found]
    if part != "test" or not any(exceeds):
        return set()
    best = best_index(values, metric in lower)
    return {i for i in best if (exceeds[i - 1] if i else all(exceeds))}


def _star_text(contrasts: Sequence[Contrast]) -> str:
    """Return the sentence, without a full stop, that says what a star means; empty without any."""
    if not any(one.differences for one in contrasts):
        return ""
    others = "the other run's"
    if len(contrasts) > 1:
        others = "the first run's, or the first run's from all others,"
    return (
        f"A star marks the best value where it differs from {others} by more than noise; "
        "only the metrics under Differences are tested, on the test rows"
    )


def _contrasts(
    contrasts: Sequence[Contrast], first: str, lower_is_better: Collection[str]
) -> list[Markup]:
    """Return a table of the differences from the first run, for each other run."""
    found = []
    for one in contrasts:
        if one.reason:
            text = f"{one.run} and {first} can't be compared row by row: {one.reason}."
            found.append(element("p", text))
            continue
        rows = []
        for key, (value, ends, exceeds) in one.differences.items():
            reach = max(abs(end) for end in (*ends, value)) or 1.0
            better = (value < 0) == (key in lower_is_better)
            verdict = f"{'better' if better else 'worse'}, beyond noise"
            rows.append(
                (
                    capital(metric_title(key)),
                    _signed_number(value),
                    interval_text(ends),
                    track(Scale(-1.05 * reach, 1.05 * reach), value, ends, zero=True),
                    element("td", verdict if exceeds else "within noise", class_="left"),
                )
            )
        chart = element("th", scope="col", class_="track")
        head = ("metric", "difference", "95 % interval", chart, "verdict")
        caption = f"{one.run} minus {first}, by paired bootstrap on the same test rows"
        found.append(table(caption, head, rows, kind="contrast"))
    return found


def _signed_number(value: float) -> str:
    text = number_text(value)
    return f"+{text}" if value > 0 else text


def _legend(names: list[str], runs: Sequence[RunFacts]) -> Markup | None:
    return legend(names) if any(run.steps for run in runs) else None


def _figures(
    metrics: Mapping[str, Sequence[float | None]],
    names: list[str],
    lower: Collection[str],
    runs: Sequence[RunFacts],
    contrasts: Sequence[Contrast],
) -> list[Markup]:
    """Return a table of the metrics that several runs have, and a collapsed one of the others."""
    shared: list[tuple[Any, ...]] = []
    alone: list[tuple[Any, ...]] = []
    for key, values in metrics.items():
        part, _, metric = key.rpartition(".")
        title = f"{metric_title(metric)}, {part_title(part)}" if part else metric_title(metric)
        intervals = [run.summary.intervals.get(part, {}).get(metric) for run in runs]
        best = _best(key, values, lower, contrasts)
        cells = best_cells(values, best, [*map(interval_text, intervals)])
        (alone if _is_of_one_run(values) else shared).append((title, *cells))
    head = ("metric", *_heads(names))
    notes = ["Below a value is its interval of 95 %"] if _have_intervals(runs) else []
    caption = ". ".join(filter(None, [*notes, _star_text(contrasts)])) or "Metrics by run"
    found = [table(caption, head, shared, kind="runs")] if shared else []
    if alone:
        title = "Metrics of one run"
        drawn = table(title, head, alone, kind="runs")
        found.append(collapsed(f"{title} ({len(alone)})", drawn))
    return found


def _have_intervals(runs: Sequence[RunFacts]) -> bool:
    return any(run.summary.intervals for run in runs)


def _heads(names: list[str]) -> list[Markup]:
    """Return the titles of the columns of runs; a long name wraps."""
    return [element("th", named(name), scope="col") for name in names]


def _curves(names: list[str], runs: Sequence[RunFacts]) -> list[Markup]:
    units = {"epoch" if run.minibatch else "iteration" for run in runs}
    unit = units.pop() if len(units) == 1 else "iteration, or epoch of minibatch solvers"
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
    return table("Keys that differ between the recipes", ("key", *_heads(names)), rows, kind="runs")


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return plain_text(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

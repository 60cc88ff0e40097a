"""Training curves: the values that each iteration or epoch reported."""

import math
import re
from collections.abc import Sequence
from typing import Any

from fastclf.report.chart import Line, line_chart
from fastclf.report.facts import RunFacts
from fastclf.report.layout import Section, figure_box, grid, section
from fastclf.report.markup import Markup
from fastclf.report.scales import Scale, scale_of
from fastclf.report.wording import capital, count_text, metric_title, number_text

TIMES = {"seconds", "compile_seconds", "rows_per_second", "eta"}
NOT_CURVES = TIMES | {"iteration", "max_iter", "objective", "passes"}
"""Keys of a step without a chart of their own."""

_PARTS = re.compile(r"(train|validation|test)_(.+)")

Steps = Sequence[dict[str, Any]]


def training(facts: RunFacts) -> Section | None:
    """Return the section with the training curves."""
    figures = training_figures(facts.steps, facts.minibatch)
    constant = constants(facts.steps)
    lead = " ".join(
        f"{capital(metric_title(key))} was {number_text(value)} in every step."
        for key, value in constant.items()
    )
    return section("training", "Training", grid(figures), lead=lead)


def constants(steps: Steps) -> dict[str, float]:
    """Return the quantities that were the same in every step; they have no chart."""
    found = {}
    for key in dict.fromkeys(key for step in steps for key in step):
        known = [value for value in series(steps, key) if math.isfinite(value)]
        if key not in TIMES | {"iteration", "max_iter", "passes"} and len(set(known)) == 1:
            found[key] = known[0]
    return found


def training_figures(steps: Steps, minibatch: bool) -> list[Markup]:
    """Return a chart for each quantity that the steps report.

    The first chart has the objective and the validation loss. The norm of the gradient, the
    learning rate and any other quantities follow. Training and validation values of one quantity
    share a chart.
    """
    unit = "epoch" if minibatch else "iteration"
    if not steps:
        return []
    curves: dict[str, dict[str, list[float]]] = {}
    for key in dict.fromkeys(key for step in steps for key in step):
        values = series(steps, key)
        if key in NOT_CURVES or not any(map(math.isfinite, values)):
            continue
        match = _PARTS.fullmatch(key)
        part, name = match.groups() if match else ("", key)
        curves.setdefault(name, {})[part] = values
    objective = {"objective": series(steps, "objective")}
    if "loss" in curves:
        objective |= {f"{part} loss".strip(): values for part, values in curves.pop("loss").items()}
    curves = {name: parts for name, parts in curves.items() if any(map(_changes, parts.values()))}
    order = ["gradient_norm", "learning_rate", *curves]
    found = [_objective(steps, objective, unit)]
    for name in dict.fromkeys(name for name in order if name in curves):
        found.append(_curve(steps, name, curves[name], unit))
    return [drawn for drawn in found if drawn is not None]


def series(steps: Steps, key: str) -> list[float]:
    """Return the value of a key in each step, NaN where it is missing or isn't a number."""
    return [_number(step.get(key)) for step in steps]


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # JSON may hold any integer
        return math.nan


def numbers(steps: Steps) -> list[float]:
    """Return the iteration or epoch number of each step, counted from 1 if a step has none."""
    known = series(steps, "iteration")
    if all(map(math.isfinite, known)):
        return known
    return [float(number) for number in range(1, len(steps) + 1)]


def step_scale(*numbered: Sequence[float]) -> Scale:
    """Return the scale for step numbers, from the first to the last step of all runs."""
    known = [number for numbers in numbered for number in numbers]
    first, last = min(known, default=0.0), max(known, default=1.0)
    return Scale(min(first, last - 1), last, whole=True)


def _objective(steps: Steps, curves: dict[str, list[float]], unit: str) -> Markup | None:
    values = [value for curve in curves.values() for value in curve]
    if not _changes(values):
        return None
    x = numbers(steps)
    lines, note = [], ""
    for number, (name, curve) in enumerate(curves.items()):
        validates = name == "validation loss"
        best = _lowest(curve) if validates else None
        if best is not None:
            lowest, step = number_text(curve[best]), count_text(x[best])
            note = f"Lowest validation loss: {lowest} at {unit} {step}."
        label = name.removesuffix(" loss")
        lines.append(Line(label, x, curve, number, "dashed" if validates else "solid", best))
    log = _spans_decades(values)
    drawn = line_chart(
        lines,
        step_scale(x),
        scale_of(values, log=log),
        unit,
        f"{_curve_sentence(curves['objective'], 'Objective', unit)} {note}".strip(),
    )
    return figure_box("Objective", drawn, unit="mean loss and penalty, nats", note=note)


def _curve(steps: Steps, name: str, curves: dict[str, list[float]], unit: str) -> Markup:
    values = [value for curve in curves.values() for value in curve]
    log = name != "learning_rate" and (name == "gradient_norm" or _spans_decades(values))
    log = log and any(value > 0 for value in values)
    x = numbers(steps)
    lines = [
        Line(part, x, curve, number, "dashed" if part == "validation" else "solid")
        for number, (part, curve) in enumerate(curves.items())
    ]
    title = capital(metric_title(name))
    units = {"gradient_norm": "largest entry", "learning_rate": "of the last step"}
    drawn = line_chart(
        lines,
        step_scale(x),
        scale_of(values, log=log, zero=name == "learning_rate"),
        unit,
        " ".join(
            _curve_sentence(curve, f"{part} {title}".strip(), unit)
            for part, curve in curves.items()
        ),
    )
    return figure_box(title, drawn, unit=units.get(name, ""))


def _curve_sentence(values: Sequence[float], name: str, unit: str) -> str:
    """Return a sentence with the first and the last value of a curve."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return ""
    steps = f"{len(values)} {unit}{'s' if len(values) != 1 else ''}"
    if len(known) == 1:
        return f"{name}: {number_text(known[0])} after {steps}."
    return f"{name}: from {number_text(known[0])} to {number_text(known[-1])} over {steps}."


def _changes(values: Sequence[float]) -> bool:
    return len({value for value in values if math.isfinite(value)}) > 1


def _lowest(values: Sequence[float]) -> int | None:
    known = [number for number, value in enumerate(values) if math.isfinite(value)]
    return min(known, key=lambda number: values[number], default=None)


def _spans_decades(values: Sequence[float]) -> bool:
    known = [value for value in values if math.isfinite(value)]
    return bool(known) and min(known) > 0 and max(known) / min(known) > 50

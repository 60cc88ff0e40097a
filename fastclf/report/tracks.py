"""Charts that are rows of a table: bars of coefficients, and metrics as dots with their intervals.

They are HTML elements that are placed by percentages, so names and numbers beside them are text of
the page: they wrap, never overlap, and have the size of the text around them.
"""

import math
from collections.abc import Collection, Mapping, Sequence

from fastclf.report.chart import COLOURS
from fastclf.report.facts import Strongest
from fastclf.report.layout import best_index, best_text, figure_box, heading, scrolled
from fastclf.report.markup import Markup, element, join
from fastclf.report.scales import Scale, scale_of
from fastclf.report.wording import (
    capital,
    interval_text,
    metric_title,
    number_text,
    short_number_text,
    signed_text,
)

UNIT = Scale(0, 1)

Ends = Sequence[float] | None


def track(
    scale: Scale,
    value: float | None,
    interval: Ends = None,
    *,
    colour: int = 0,
    other: float | None = None,
    baseline: float | None = None,
    zero: bool = False,
) -> Markup:
    """Return a table cell with a value as a dot on a line, and its interval as a bar.

    Parameters
    ----------
    scale : Scale
        The values at both ends of the line. What is outside isn't drawn.
    value : float, optional
    interval : sequence of two floats, optional
    colour : int
        Index of the dot's colour class in the style sheet.
    other : float, optional
        Another value, drawn as a ring.
    baseline : float, optional
        A value to compare with, drawn as a vertical line.
    zero : bool
        Whether to draw a vertical line at 0.
    """
    marks = []
    for at, kind in ((0.0 if zero else None, "tick zero"), (baseline, "tick")):
        marks.append(_mark(scale, at, kind))
    if interval is not None:
        low, high = (min(max(end, scale.low), scale.high) for end in interval)
        marks.append(_span(scale, low, high, f"whisker c{colour % COLOURS}"))
    marks.append(_mark(scale, other, "ring"))
    marks.append(_mark(scale, value, f"dot c{colour % COLOURS}"))
    line = element("div", *marks, aria_hidden="true")
    return element("td", line, class_="track")


def coefficient_table(strongest: Strongest, scale: Scale, *, odds: bool) -> Markup:
    """Return the largest coefficients of a class as bars, sorted from positive to negative.

    Parameters
    ----------
    strongest : Strongest
    scale : Scale
        The values at the left and the right end of the bars; it contains 0.
    odds : bool
        Whether to show the odds ratios, ``exp(coefficient)``.
    """
    rows = []
    for name, value in sorted(strongest.features, key=lambda feature: -feature[1]):
        low, high = sorted((0.0, min(max(value, scale.low), scale.high)))
        bar = _span(scale, low, high, "bar" if value > 0 else "bar minus")
        cells = [
            element(
                "td",
                element("div", bar, _mark(scale, 0.0, "tick zero"), aria_hidden="true"),
                class_="bars",
            ),
            element("td", signed_text(value)),
        ]
        if odds:
            cells.append(element("td", f"×{_ratio_text(value)}", class_="muted"))
        rows.append(element("tr", heading(name), *cells))
    head = ["feature", "", "coefficient", *(["odds ratio"] if odds else [])]
    titles = element("tr", *(element("th", title, scope="col") for title in head))
    return element(
        "table",
        element("caption", f"Largest coefficients of {strongest.name}", class_="unseen"),
        element("thead", titles),
        element("tbody", join(rows, "\n")),
        class_="coefficients",
    )


def coefficient_scale(shown: Sequence[Strongest]) -> Scale:
    """Return one scale for the bars of several classes, so that they can be compared.

    The longest bars end at its ends. Values too large for an axis are left out.
    """
    values = [value for one in shown for _, value in one.features]
    round_scale = scale_of([0.0, *values], zero=True)
    drawn = [0.0, *filter(round_scale.contains, values)]
    low, high = min(drawn), max(drawn)
    return Scale(low, high) if high - low > 1e-290 else round_scale


def metric_panels(
    metrics: Mapping[str, Sequence[float | None]],
    names: Sequence[str],
    lower_is_better: Collection[str],
    intervals: Mapping[str, Sequence[Ends]] | None = None,
    best: Mapping[str, Collection[int]] | None = None,
) -> list[Markup]:
    """Return a chart for each metric: a row for each run or model, on an axis of the metric's own.

    Parameters
    ----------
    metrics : mapping of str to sequence of float or None
        The values of each metric, in the order of ``names``.
    names : sequence of str
        The runs or models; each has its own colour.
    lower_is_better : collection of str
        The metrics for which a smaller value is better.
    intervals : mapping of str to sequence, optional
        The intervals of those metrics that have some, in the order of ``names``.
    best : mapping of str to collection of int, optional
        The indices of the values that are marked as the best. Without it all best ones are.
    """
    found = []
    for key, values in metrics.items():
        ends = (intervals or {}).get(key) or [None] * len(names)
        lower = key in lower_is_better
        marked = best_index(values, lower) if best is None else best[key]
        found.append(_panel(key, values, ends, names, lower, marked))
    return found


def panel_scale(values: Sequence[float]) -> Scale:
    """Return the scale of a metric: round ends, and no wider than 0 to 1 if all values are there.

    Examples
    --------
    >>> from fastclf.report.tracks import panel_scale
    >>> panel_scale([0.9667, 0.9668])
    Scale(low=0.9, high=1.0, log=False, whole=False)
    """
    found = scale_of(values)
    low = max(found.low, 0.0) if min(values) >= 0 else found.low
    high = min(found.high, 1.0) if max(values) <= 1 else found.high
    return Scale(low, high) if low < high else found


def _panel(
    key: str,
    values: Sequence[float | None],
    ends: Sequence[Ends],
    names: Sequence[str],
    lower: bool,
    best: Collection[int],
) -> Markup:
    known = [value for value in values if value is not None and math.isfinite(value)]
    known += [end for interval in ends if interval is not None for end in interval]
    scale = panel_scale(known) if known else UNIT
    rows = []
    for number, (name, value, interval) in enumerate(zip(names, values, ends, strict=True)):
        text = number_text(value)
        figure = element("td", best_text(text) if number in best else text)
        tip = f"95 % interval {interval_text(interval)}" if interval is not None else None
        cells = track(scale, value, interval, colour=number), figure
        rows.append(element("tr", heading(name), *cells, title=tip))
    axis = element(
        "tr",
        element("td"),
        element(
            "td", element("div", *(element("span", t) for t in _end_texts(scale))), class_="ends"
        ),
        element("td"),
    )
    drawn = element(
        "table",
        element("caption", metric_title(key), class_="unseen"),
        element("tbody", join([*rows, axis], "\n")),
        class_="panel",
    )
    unit = "lower is better" if lower else "higher is better"
    return figure_box(capital(metric_title(key)), scrolled(drawn, metric_title(key)), unit=unit)


def _end_texts(scale: Scale) -> tuple[str, str]:
    return f"{scale.low:.4g}", f"{scale.high:.4g}"


def _ratio_text(value: float) -> str:
    return short_number_text(math.exp(min(value, 700.0)))


def _percent(scale: Scale, value: float) -> str:
    return f"{100 * scale.position(value):.2f}".rstrip("0").rstrip(".") + "%"


def _mark(scale: Scale, value: float | None, kind: str) -> Markup | None:
    if value is None or not scale.contains(value):
        return None
    return element("i", class_=kind, style=f"left:{_percent(scale, value)}")


def _span(scale: Scale, low: float, high: float, kind: str) -> Markup:
    left, right = scale.position(low), scale.position(high)
    width = f"{100 * (right - left):.2f}".rstrip("0").rstrip(".")
    return element("i", class_=kind, style=f"left:{_percent(scale, low)};width:{width}%")

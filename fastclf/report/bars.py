"""Charts with one row per name: bars for coefficients, dots for metrics."""

from collections.abc import Mapping, Sequence

from fastclf.report.chart import COLOURS, TEXT, WIDTH, svg, svg_text
from fastclf.report.facts import Strongest
from fastclf.report.markup import Markup, element
from fastclf.report.scales import Scale, scale_of
from fastclf.report.wording import number_text, short_number_text, shortened, text_width

_ROW = 19.0
_NAMES = 150.0


def coefficient_bars(strongest: Strongest) -> Markup:
    """Return a bar chart of a class's largest coefficients, sorted from positive to negative."""
    features = sorted(strongest.features, key=lambda feature: -feature[1])
    names = [shortened(name, _NAMES, TEXT) for name, _ in features]
    left = max(text_width(name, TEXT) for name in names) + 10
    values = [value for _, value in features]
    texts = [_signed(value) for value in values]
    room = max(text_width(text, TEXT) for text in texts) + 10
    scale = scale_of([0.0, *values], zero=True)
    low, high = min(values), max(values)
    start = left + (room if low < 0 else 2)
    end = WIDTH - (room if high > 0 else 4)

    def x_of(value: float) -> float:
        value = min(max(value, scale.low), scale.high)
        return start + scale.position(value) * (end - start)

    zero = x_of(0.0)
    parts = []
    for number, (name, value, text) in enumerate(zip(names, values, texts, strict=True)):
        top, at = 4 + number * _ROW, x_of(value)
        bar = element(
            "rect",
            element("title", f"{features[number][0]}: {text}"),
            class_="bar" if value > 0 else "bar minus",
            x=min(at, zero),
            y=top + 2,
            width=max(abs(at - zero), 0.5),
            height=_ROW - 5,
        )
        beside = (at + 5, "start") if value > 0 else (at - 5, "end")
        parts += [
            svg_text(name, left - 8, top + 13.5, "end"),
            bar,
            svg_text(text, beside[0], top + 13.5, beside[1], "muted"),
        ]
    high_end = 4 + len(features) * _ROW
    parts.append(element("path", class_="axis", d=f"M{zero:.1f} 2V{high_end:.1f}"))
    listed = ", ".join(f"{name} {text}" for (name, _), text in zip(features, texts, strict=True))
    return svg(WIDTH, high_end + 2, f"Largest coefficients of {strongest.name}: {listed}", *parts)


def dot_chart(
    rows: Mapping[str, Sequence[float | None]], names: Sequence[str], alt_text: str
) -> Markup:
    """Return a dot chart: a row for each metric, a coloured dot for each run or model.

    Parameters
    ----------
    rows : mapping of str to sequence of float or None
        The values of each metric, in the order of ``names``.
    names : sequence of str
        The runs or models; each has its own colour.
    alt_text : str
        Description of the chart for screen readers.
    """
    titles = [shortened(name, _NAMES, TEXT) for name in rows]
    left = max(text_width(title, TEXT) for title in titles) + 14
    scale = _widened(
        scale_of(value for values in rows.values() for value in values if value is not None)
    )

    def x_of(value: float) -> float:
        return left + scale.position(value) * (WIDTH - 16 - left)

    bottom = 10 + len(rows) * (_ROW + 5)
    parts = []
    for tick, text in scale.ticks(4):
        at = x_of(tick)
        parts += [
            element("path", class_="grid", d=f"M{at:.1f} 4V{bottom:.1f}"),
            svg_text(text, at, bottom + 15, "middle"),
        ]
    for row, (title, values) in enumerate(zip(titles, rows.values(), strict=True)):
        at = 10 + (row + 0.5) * (_ROW + 5)
        base = at + (_ROW + 5) / 2
        parts += [
            svg_text(title, left - 12, at + 4, "end"),
            element("path", class_="grid", d=f"M{left - 6:.1f} {base:.1f}H{WIDTH - 6:.1f}"),
        ]
        for number, (name, value) in enumerate(zip(names, values, strict=True)):
            if value is not None and scale.contains(value):
                beside = at + (number - (len(names) - 1) / 2) * min(5, 16 / len(names))
                tooltip = element("title", f"{name}: {number_text(value)}")
                kind = f"dot c{number % COLOURS}"
                parts.append(
                    element("circle", tooltip, class_=kind, cx=x_of(value), cy=beside, r=4)
                )
    return svg(WIDTH, bottom + 22, alt_text, *parts)


def _widened(scale: Scale) -> Scale:
    extra = 0.04 * (scale.high - scale.low)
    return Scale(scale.low - extra, scale.high + extra)


def _signed(value: float) -> str:
    text = short_number_text(value)
    return text if value < 0 else f"+{text}"

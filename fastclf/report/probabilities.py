"""Charts about predicted probabilities: the reliability diagram, and metrics by threshold."""

import math
from collections.abc import Sequence

from fastclf.report.chart import TEXT, WIDTH, Frame, Line, line_chart, svg, svg_text
from fastclf.report.facts import Bin, Threshold
from fastclf.report.layout import figure_box
from fastclf.report.markup import Markup, element
from fastclf.report.scales import Scale
from fastclf.report.wording import count_text, number_text, shortened

WHOLE = Scale(0, 1)
THRESHOLD_KEYS = (("F1", "precision", "recall"), ("solid", "dashed", "dotted"))
_STRIP = 44.0


def reliability_figure(found: Sequence[Bin], title: str, said: str, came_true: str) -> Markup:
    """Return the reliability diagram, with a histogram of the predictions below it.

    Parameters
    ----------
    found : sequence of Bin
    title : str
    said, came_true : str
        The titles of the x and the y axis.
    """
    frame = Frame(WHOLE, WHOLE, said, height=320.0, side=came_true)
    most = max((bin.rows for bin in found), default=1)
    gaps, dots, bars = [], [], []
    base = frame.height + _STRIP + 10
    for bin in found:
        x, y = frame.x_of(bin.confidence), frame.y_of(bin.accuracy)
        tooltip = (
            f"{number_text(bin.low)} to {number_text(bin.high)}: {count_text(bin.rows)} "
            f"predictions, {number_text(bin.confidence)} on average, "
            f"{number_text(bin.accuracy)} came true"
        )
        gaps.append(f"M{x:.1f} {frame.y_of(bin.confidence):.1f}V{y:.1f}")
        radius = 2.2 + 6 * math.sqrt(bin.rows / most)
        dots.append(_titled("circle", tooltip, class_="dot c0", cx=x, cy=y, r=radius))
        left, right = frame.x_of(bin.low) + 1, frame.x_of(bin.high) - 1
        high = max(1.0, _STRIP * bin.rows / most)
        bars.append(
            _titled(
                "rect",
                tooltip,
                class_="bar",
                x=left,
                y=base - high,
                width=right - left,
                height=high,
            )
        )
    diagonal = f"M{frame.x_of(0):.1f} {frame.y_of(0):.1f}L{frame.x_of(1):.1f} {frame.y_of(1):.1f}"
    floor = f"M{frame.left:.1f} {base:.1f}H{WIDTH - frame.right:.1f}"
    middle = (frame.left + WIDTH - frame.right) / 2
    alt_text = (
        f"Reliability diagram in {len(found)} bins: the expected calibration error is "
        f"{number_text(calibration_error(found))}."
    )
    drawn = svg(
        WIDTH,
        base + 20,
        alt_text,
        frame.drawn(),
        element("path", class_="mark", d=diagonal),
        element("path", class_="gap", d="".join(gaps)),
        *dots,
        *bars,
        element("path", class_="axis", d=floor),
        svg_text("predictions in each bin", middle, base + 15, "middle", "muted"),
        svg_text(count_text(most), frame.left - 6, base - _STRIP + 8, "end"),
    )
    return figure_box(title, drawn, unit=f"ECE {number_text(calibration_error(found))}")


def calibration_error(found: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean over rows of |accuracy - confidence|."""
    gaps = sum(bin.rows * abs(bin.accuracy - bin.confidence) for bin in found)
    return gaps / max(sum(bin.rows for bin in found), 1)


def reliability_rows(found: Sequence[Bin]) -> list[tuple[str, ...]]:
    """Return the cells of a table with a row for each bin."""
    return [
        (
            f"{bin.low:.2f} to {bin.high:.2f}",
            count_text(bin.rows),
            number_text(bin.confidence),
            number_text(bin.accuracy),
            number_text(bin.accuracy - bin.confidence),
        )
        for bin in found
    ]


def threshold_figure(
    thresholds: Sequence[float], curve: Threshold, marked: float | None, title: str
) -> Markup:
    """Return a chart of precision, recall and F1 by threshold.

    Parameters
    ----------
    thresholds : sequence of float
    curve : Threshold
    marked : float, optional
        The model's threshold, drawn as a vertical line.
    title : str
    """
    curves = (curve.f1, curve.precision, curve.recall)
    best = max(
        (i for i, value in enumerate(curve.f1) if value is not None),
        key=lambda i: curve.f1[i] or 0.0,
        default=None,
    )
    lines = [
        Line(
            name,
            thresholds,
            [math.nan if value is None else value for value in values],
            number,
            kind,
            best if name == "F1" else None,
        )
        for number, (name, kind, values) in enumerate(zip(*THRESHOLD_KEYS, curves, strict=True))
    ]
    note = ""
    if best is not None:
        note = f"Best F1 {number_text(curve.f1[best])} above {thresholds[best]:.2f}"
        if marked is not None:
            note += f"; the model's threshold is {marked:.2f}"
        note += "."
    alt_text = f"Precision, recall and F1 by threshold. {note}"
    drawn = line_chart(lines, WHOLE, WHOLE, "threshold", alt_text, named=False, marked=marked)
    return figure_box(shortened(title, 300, TEXT), drawn, note=note)


def _titled(name: str, tooltip: str, **attributes: object) -> Markup:
    return element(name, element("title", tooltip), **attributes)

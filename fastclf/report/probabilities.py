"""Figures of probabilities: how far they can be believed, and what a threshold makes of them."""

import math
from collections.abc import Sequence

from fastclf.report.chart import TEXT, WIDTH, Frame, Line, drawing, line_chart, written
from fastclf.report.facts import Bin, Threshold
from fastclf.report.layout import figure_box
from fastclf.report.markup import Markup, element
from fastclf.report.scales import Scale
from fastclf.report.wording import count, figure, shortened

WHOLE = Scale(0, 1)
THRESHOLD_KEYS = (("F1", "precision", "recall"), ("solid", "dashed", "dotted"))
_STRIP = 44.0


def reliability_figure(found: Sequence[Bin], title: str, said: str, came_true: str) -> Markup:
    """Return the reliability diagram, with a histogram of the rows below it.

    Parameters
    ----------
    found : sequence of Bin
    title : str
    said, came_true : str
        What the two axes are.
    """
    frame = Frame(WHOLE, WHOLE, said, height=320.0, side=came_true)
    most = max((bin.rows for bin in found), default=1)
    gaps, dots, bars = [], [], []
    base = frame.height + _STRIP + 10
    for bin in found:
        x, y = frame.across(bin.confidence), frame.up(bin.accuracy)
        told = (
            f"{figure(bin.low)} to {figure(bin.high)}: {count(bin.rows)} predictions, "
            f"{figure(bin.confidence)} on average, {figure(bin.accuracy)} came true"
        )
        gaps.append(f"M{x:.1f} {frame.up(bin.confidence):.1f}V{y:.1f}")
        radius = 2.2 + 6 * math.sqrt(bin.rows / most)
        dots.append(_told("circle", told, class_="dot c0", cx=x, cy=y, r=radius))
        left, right = frame.across(bin.low) + 1, frame.across(bin.high) - 1
        high = max(1.0, _STRIP * bin.rows / most)
        bars.append(
            _told(
                "rect", told, class_="bar", x=left, y=base - high, width=right - left, height=high
            )
        )
    diagonal = f"M{frame.across(0):.1f} {frame.up(0):.1f}L{frame.across(1):.1f} {frame.up(1):.1f}"
    floor = f"M{frame.left:.1f} {base:.1f}H{WIDTH - frame.right:.1f}"
    middle = (frame.left + WIDTH - frame.right) / 2
    spoken = (
        f"Reliability diagram in {len(found)} bins: the expected calibration error is "
        f"{figure(calibration_error(found))}."
    )
    drawn = drawing(
        WIDTH,
        base + 20,
        spoken,
        frame.drawn(),
        element("path", class_="mark", d=diagonal),
        element("path", class_="gap", d="".join(gaps)),
        *dots,
        *bars,
        element("path", class_="axis", d=floor),
        written("predictions in each bin", middle, base + 15, "middle", "muted"),
        written(count(most), frame.left - 6, base - _STRIP + 8, "end"),
    )
    return figure_box(title, drawn, unit=f"ECE {figure(calibration_error(found))}")


def calibration_error(found: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean gap of the bins, weighted by their rows."""
    gaps = sum(bin.rows * abs(bin.accuracy - bin.confidence) for bin in found)
    return gaps / max(sum(bin.rows for bin in found), 1)


def reliability_rows(found: Sequence[Bin]) -> list[tuple[str, ...]]:
    """Return the bins as rows of a table."""
    return [
        (
            f"{bin.low:.2f} to {bin.high:.2f}",
            count(bin.rows),
            figure(bin.confidence),
            figure(bin.accuracy),
            figure(bin.accuracy - bin.confidence),
        )
        for bin in found
    ]


def threshold_figure(
    thresholds: Sequence[float], curve: Threshold, marked: float | None, title: str
) -> Markup:
    """Return precision, recall and F1 for each threshold.

    Parameters
    ----------
    thresholds : sequence of float
    curve : Threshold
    marked : float, optional
        The threshold that the model has.
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
    told = ""
    if best is not None:
        told = f"Best F1 {figure(curve.f1[best])} above {thresholds[best]:.2f}"
        if marked is not None:
            told += f"; the model's threshold is {marked:.2f}"
        told += "."
    spoken = f"Precision, recall and F1 by threshold. {told}"
    drawn = line_chart(lines, WHOLE, WHOLE, "threshold", spoken, named=False, marked=marked)
    return figure_box(shortened(title, 300, TEXT), drawn, told=told)


def _told(name: str, told: str, **attributes: object) -> Markup:
    return element(name, element("title", told), **attributes)

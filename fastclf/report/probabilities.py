"""Charts about predicted probabilities: the reliability diagram, and metrics by threshold."""

import math
from collections.abc import Mapping, Sequence

from fastclf.report.chart import TEXT, WIDTH, Frame, Line, line_chart, svg, svg_text
from fastclf.report.facts import Bin, PrecisionRecallCurve, RocCurve
from fastclf.report.layout import figure_box
from fastclf.report.markup import Markup, element
from fastclf.report.scales import Scale
from fastclf.report.wording import count_text, number_text, percent_text, shortened

WHOLE = Scale(0, 1)
PREDICTED_POSITIVE = "predicted positive"
THRESHOLD_KEYS = (
    ("F1", "precision", "recall", PREDICTED_POSITIVE),
    ("solid", "dashed", "dotted", "solid"),
)
FEW_ROWS = 20
"""A bin with fewer rows is drawn faint."""

CURVE_HEIGHT = 300.0
"""Height of a chart of one rate by another, which is nearly a square."""

_STRIP = 44.0


def reliability_figure(found: Sequence[Bin], title: str, side: str, error_name: str) -> Markup:
    """Return the reliability diagram, with a histogram of the predictions below it.

    Bars are the bins' intervals of 95 %; bins of fewer than `FEW_ROWS` rows are faint.

    Parameters
    ----------
    found : sequence of Bin
    title : str
    side : str
        The title of the y axis.
    error_name : str
        What the calibration error is called.
    """
    frame = Frame(WHOLE, WHOLE, "mean predicted probability", height=300.0, side=side)
    most = max((bin.rows for bin in found), default=1)
    marks, bars = [], []
    base = frame.height + _STRIP + 10
    for bin in found:
        x, y = frame.x_of(bin.confidence), frame.y_of(bin.accuracy)
        low, high = (frame.y_of(end) for end in wilson_interval(bin.accuracy, bin.rows))
        tooltip = (
            f"{bin.low:.2f} to {bin.high:.2f}: {count_text(bin.rows)} predictions, "
            f"mean {number_text(bin.confidence)}, {side} {number_text(bin.accuracy)}"
        )
        marks.append(
            element(
                "g",
                element("title", tooltip),
                element("path", class_="whisker", d=f"M{x:.1f} {low:.1f}V{high:.1f}"),
                element("circle", class_="dot c0", cx=x, cy=y, r=4.0),
                class_="faint" if bin.rows < FEW_ROWS else None,
            )
        )
        left, right = frame.x_of(bin.low) + 1, frame.x_of(bin.high) - 1
        height = max(1.0, _STRIP * bin.rows / most)
        bars.append(
            element(
                "rect",
                element("title", tooltip),
                class_="bar",
                x=left,
                y=base - height,
                width=max(right - left, 1.0),
                height=height,
            )
        )
    diagonal = f"M{frame.x_of(0):.1f} {frame.y_of(0):.1f}L{frame.x_of(1):.1f} {frame.y_of(1):.1f}"
    floor = f"M{frame.left:.1f} {base:.1f}H{WIDTH - frame.right:.1f}"
    middle = (frame.left + WIDTH - frame.right) / 2
    muted = "middle", "muted"
    error = number_text(calibration_error(found))
    alt_text = f"Reliability diagram in {len(found)} bins; {error_name} {error}."
    drawn = svg(
        WIDTH,
        base + 20,
        alt_text,
        frame.drawn(),
        element("path", class_="mark", d=diagonal),
        *marks,
        *bars,
        element("path", class_="axis", d=floor),
        svg_text(f"predictions in each bin, up to {count_text(most)}", middle, base + 15, *muted),
    )
    few = sum(bin.rows < FEW_ROWS for bin in found)
    note = "Bars are 95 % intervals."
    if few:
        note += f" {few} of {len(found)} bins are faint: they have fewer than {FEW_ROWS} rows."
    return figure_box(title, drawn, unit=f"{error_name} {error}", note=note)


def wilson_interval(share: float, rows: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of some rows, by Wilson's score test.

    Examples
    --------
    >>> from fastclf.report.probabilities import wilson_interval
    >>> [round(end, 3) for end in wilson_interval(1.0, 10)]
    [0.722, 1.0]
    """
    z = 1.959964
    scale = 1 + z**2 / rows
    middle = (share + z**2 / (2 * rows)) / scale
    half = z / scale * math.sqrt(max(share * (1 - share), 0) / rows + (z / (2 * rows)) ** 2)
    return max(middle - half, 0.0), min(middle + half, 1.0)


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
    thresholds: Sequence[float],
    curves: Mapping[str, Sequence[float | None]],
    marked: float | None,
    title: str,
    height: float = 216.0,
) -> Markup:
    """Return a chart of precision, recall, F1 and perhaps more by threshold.

    Parameters
    ----------
    thresholds : sequence of float
    curves : mapping of str to sequence of float or None
        The curves by name; the threshold with the largest "F1" is marked.
    marked : float, optional
        The model's threshold, drawn as a vertical line.
    title : str
    height : float
        Height of the drawing.
    """
    f1 = curves["F1"]
    best = max(
        (i for i, value in enumerate(f1) if value is not None),
        key=lambda i: f1[i] or 0.0,
        default=None,
    )
    lines = [
        Line(
            name,
            thresholds,
            [math.nan if value is None else value for value in curves[name]],
            number,
            kind,
            best if name == "F1" else None,
        )
        for number, (name, kind) in enumerate(zip(*THRESHOLD_KEYS, strict=True))
        if name in curves
    ]
    note = ""
    if best is not None:
        note = f"Best F1 of these rows: {number_text(f1[best])} at {thresholds[best]:.2f}."
        if marked is not None:
            note += f" The model's threshold: {marked:.2f}."
    alt_text = f"Precision, recall and F1 by threshold. {note}"
    drawn = line_chart(
        lines, WHOLE, WHOLE, "threshold", alt_text, named=False, marked=marked, height=height
    )
    return figure_box(shortened(title, 300, TEXT), drawn, note=note)


def roc_figure(curve: RocCurve) -> Markup:
    """Return the ROC curve, with the diagonal of random scores."""
    area = number_text(curve.area)
    return _rates_figure(
        "ROC curve",
        f"ROC AUC {area}",
        (curve.false_positive_rate, curve.true_positive_rate),
        ("false positive rate", "true positive rate (recall)"),
        ((0.0, 1.0), (0.0, 1.0)),
        "Dashed line: random scores.",
    )


def precision_recall_figure(curve: PrecisionRecallCurve, positive: float | None) -> Markup:
    """Return the precision-recall curve, with the level of random scores.

    ``positive`` is the fraction of positive rows.
    """
    note = ""
    if positive is not None:
        note = f"Dashed line: random scores; {percent_text(positive)} of the rows are positive."
    return _rates_figure(
        "Precision-recall",
        f"average precision {number_text(curve.average_precision)}",
        (curve.recall, curve.precision),
        ("recall", "precision"),
        None if positive is None else ((0.0, 1.0), (positive, positive)),
        note,
    )


def _rates_figure(
    title: str,
    unit: str,
    curve: tuple[Sequence[float], Sequence[float]],
    titles: tuple[str, str],
    random: tuple[Sequence[float], Sequence[float]] | None,
    note: str,
) -> Markup:
    """Return a chart of one rate by another, both from 0 to 1."""
    frame = Frame(WHOLE, WHOLE, titles[0], height=CURVE_HEIGHT, side=titles[1])
    drawn = svg(
        WIDTH,
        frame.height,
        f"{title}: {unit}.",
        frame.drawn(),
        None if random is None else _path(random, frame, "mark"),
        _path(curve, frame, "line c0"),
    )
    return figure_box(title, drawn, unit=unit, note=note)


def _path(curve: tuple[Sequence[float], Sequence[float]], frame: Frame, kind: str) -> Markup:
    points = (
        f"{frame.x_of(x):.1f} {frame.y_of(y):.1f}"
        for x, y in zip(*curve, strict=True)
        if WHOLE.contains(x) and WHOLE.contains(y)
    )
    return element("path", class_=kind, d=f"M{'L'.join(points)}")

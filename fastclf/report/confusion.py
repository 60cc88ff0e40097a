"""The confusion matrix: a table of counts for some classes, a map of colours for many."""

import math

from fastclf.report.chart import svg, svg_text, vertical_text
from fastclf.report.facts import Confusion
from fastclf.report.layout import figure_box, heading, named, scrolled, table
from fastclf.report.markup import Markup, element, join
from fastclf.report.wording import count_text, percent_text, text_width

MOST_WITH_PERCENTAGES = 12  # classes of a table that shows percentages beside counts
MOST_IN_TABLE = 30  # classes
MOST_IN_MAP = 150  # classes
LEAST_WITH_PAIRS = 6  # classes
MOST_PAIRS = 15  # rows in the table of the most frequent confusions
MOST_PAIRS_BESIDE_MAP = 25

SHADES = (
    "The darker a cell, the larger its share of the row, which is the true class: the shade grows "
    "with the square root of the share."
)

_LEVELS = 32  # shades of the map
_SIDE = 344.0


def matrix(confusion: Confusion) -> Markup | None:
    """Return the matrix as a table or as a map; None if it has too many classes for both."""
    if len(confusion.classes) <= MOST_IN_TABLE:
        return _table(confusion)
    if len(confusion.classes) <= MOST_IN_MAP:
        return _map(confusion)
    return None


def frequent_confusions(confusion: Confusion) -> Markup | None:
    """Return a table of the most frequent confusions.

    None if there are none, or few classes, for which the matrix shows the same at a glance.
    """
    wrong = [
        (times, true, predicted)
        for true, row in enumerate(confusion.counts)
        for predicted, times in enumerate(row)
        if times and true != predicted
    ]
    if not wrong or len(confusion.classes) < LEAST_WITH_PAIRS:
        return None
    wrong.sort(key=lambda item: (-item[0], item[1:]))
    most = MOST_PAIRS if len(confusion.classes) <= MOST_IN_TABLE else MOST_PAIRS_BESIDE_MAP
    rows = []
    for times, true, predicted in wrong[:most]:
        share = times / sum(confusion.counts[true])
        rows.append(
            (
                confusion.classes[true],
                element("td", named(confusion.classes[predicted]), class_="left"),
                count_text(times),
                percent_text(share),
            )
        )
    caption = "Most frequent confusions"
    if len(wrong) > len(rows):
        caption += f": {len(rows)} of {count_text(len(wrong))} pairs"
    return table(caption, ("true", "predicted as", "rows", "of true class"), rows, kind="pairs")


def shade(share: float) -> float:
    """Return the opacity of a cell's colour: the square root of its share of the row.

    One row in a thousand is next to white, one in twenty can be seen.
    """
    return math.sqrt(share)


def _table(confusion: Confusion) -> Markup:
    size = len(confusion.classes)
    with_percentages = size <= MOST_WITH_PERCENTAGES
    rows = []
    for number, (name, counts) in enumerate(zip(confusion.classes, confusion.counts, strict=True)):
        total = sum(counts)
        cells = []
        for column, times in enumerate(counts):
            if not times:
                cells.append(element("td", "·", class_="none"))
                continue
            share = times / total
            percentage = percent_text(share)
            cells.append(
                element(
                    "td",
                    count_text(times),
                    element("small", percentage) if with_percentages else None,
                    class_="right" if column == number else "wrong",
                    style=f"--v:{shade(share):.3f}",
                    title=f"{name} predicted as {confusion.classes[column]}: "
                    f"{count_text(times)} rows, {percentage}",
                )
            )
        rows.append(element("tr", heading(name), *cells))
    heads = [element("th", named(name), scope="col") for name in confusion.classes]
    corner = element("th", "true", scope="col", rowspan=2)
    top = element("tr", corner, element("th", "predicted", scope="colgroup", colspan=size))
    widest = max(text_width(name, 12.5) for name in confusion.classes)
    kind = "matrix tilted" if widest > (90 if size < 5 else 50) else "matrix"
    drawn = element(
        "table",
        element("caption", "Rows by true and predicted class"),
        element("thead", top, element("tr", *heads)),
        element("tbody", join(rows, "\n")),
        class_=kind if with_percentages else f"{kind} dense",
    )
    return scrolled(drawn, "Confusion matrix")


def _map(confusion: Confusion) -> Markup:
    """Return the matrix as a map of squares; equal shades share a path."""
    size = len(confusion.classes)
    cell = _SIDE / size
    levels: dict[tuple[str, int], list[str]] = {}
    for true, row in enumerate(confusion.counts):
        total = sum(row)
        for predicted, times in enumerate(row):
            if times:
                level = max(1, round(shade(times / total) * _LEVELS))
                kind = "right" if true == predicted else "wrong"
                levels.setdefault((kind, level), []).append(f"M{predicted} {true}h1v1h-1z")
    squares = [
        element("path", class_=kind, d="".join(path), style=f"--v:{level / _LEVELS:.3f}")
        for (kind, level), path in sorted(levels.items())
    ]
    left, top = 15.0, 15.0
    right = sum(confusion.counts[i][i] for i in range(size))
    total = sum(map(sum, confusion.counts))
    alt_text = (
        f"Confusion matrix of {size} classes as a map: {count_text(right)} of {count_text(total)} "
        "rows are on the diagonal. A table lists the most frequent confusions."
    )
    middle = _SIDE / 2
    drawn = svg(
        left + _SIDE + 1,
        top + _SIDE + 1,
        alt_text,
        svg_text("predicted", left + middle, 11, "middle", "muted"),
        vertical_text("true", 11, top + middle),
        element("rect", class_="plot", x=left, y=top, width=_SIDE, height=_SIDE),
        element(
            "g",
            *squares,
            class_="map",
            transform=f"translate({left:g} {top:g}) scale({cell:.5f})",
        ),
    )
    note = (
        f"{size} true classes from top to bottom, predicted classes from left to right, in order."
    )
    return figure_box("Confusion matrix", drawn, note=note)

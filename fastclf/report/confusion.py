"""The confusion matrix: a table of counts for few classes, a heat map for many."""

from fastclf.report.chart import svg, svg_text, vertical_text
from fastclf.report.facts import Confusion
from fastclf.report.layout import figure_box, scrolled, table
from fastclf.report.markup import Markup, element, join
from fastclf.report.wording import count_text, shortened, text_width

MOST_IN_TABLE = 20  # classes
MOST_IN_MAP = 150  # classes
MOST_PAIRS = 15  # rows in the table of the most frequent confusions

_LEVELS = 6
_SIDE = 344.0
_NAME = 130.0  # width of a class name, at a font size of 11.5


def matrix(confusion: Confusion) -> Markup | None:
    """Return the matrix as a table or as a heat map; None if it has too many classes for both."""
    if len(confusion.classes) <= MOST_IN_TABLE:
        return _table(confusion)
    if len(confusion.classes) <= MOST_IN_MAP:
        return _map(confusion)
    return None


def frequent_confusions(confusion: Confusion) -> Markup | None:
    """Return a table of the most frequent confusions.

    None if there are none, or fewer than three classes, for which the matrix shows the same.
    """
    wrong = [
        (times, true, predicted)
        for true, row in enumerate(confusion.counts)
        for predicted, times in enumerate(row)
        if times and true != predicted
    ]
    if not wrong or len(confusion.classes) < 3:
        return None
    wrong.sort(key=lambda item: (-item[0], item[1:]))
    rows = []
    for times, true, predicted in wrong[:MOST_PAIRS]:
        share = times / sum(confusion.counts[true])
        rows.append(
            (
                _short(confusion.classes[true]),
                element("td", _short(confusion.classes[predicted]), class_="name"),
                count_text(times),
                f"{share:.1%}",
            )
        )
    more = len(wrong) - len(rows)
    caption = "Most frequent confusions" + (f", of {count_text(len(wrong))} pairs" if more else "")
    return table(caption, ("true", "taken for", "rows", "of the class"), rows, kind="pairs")


def _table(confusion: Confusion) -> Markup:
    names = [_short(name) for name in confusion.classes]
    rows = []
    for number, (name, counts) in enumerate(zip(names, confusion.counts, strict=True)):
        total = sum(counts)
        cells = []
        for column, times in enumerate(counts):
            share = times / total if total else 0.0
            kind = "right" if column == number else "wrong"
            cells.append(
                element(
                    "td",
                    count_text(times) if times else "·",
                    class_=kind if times else "none",
                    style=f"--v:{share:.3f}" if times else None,
                )
            )
        rows.append(element("tr", element("th", name, scope="row"), *cells))
    columns = len(names)
    longest = max(text_width(name, 11.5) for name in names)
    heads = element("tr", *(element("th", name, scope="col") for name in names))
    corner = element("th", "true", scope="col", rowspan=2)
    top = element("tr", corner, element("th", "predicted", scope="colgroup", colspan=columns))
    drawn = element(
        "table",
        element("caption", "Rows by true and predicted class"),
        element("thead", top, heads),
        element("tbody", join(rows, "\n")),
        class_="matrix tilted" if longest > 40 and columns > 4 else "matrix",
    )
    return scrolled(drawn, "Confusion matrix")


def _map(confusion: Confusion) -> Markup:
    """Return a heat map: the colour of a square is the count's share of its row, in six steps."""
    size = len(confusion.classes)
    cell = _SIDE / size
    levels: dict[tuple[str, int], list[str]] = {}
    for true, row in enumerate(confusion.counts):
        total = sum(row)
        for predicted, times in enumerate(row):
            if times:
                level = max(1, -(-times * _LEVELS // total))
                kind = "right" if true == predicted else "wrong"
                square = f"M{predicted} {true}h1v1h-1z"
                levels.setdefault((kind, level), []).append(square)
    squares = [
        element("path", class_=kind, d="".join(path), style=f"--v:{level / _LEVELS:.2f}")
        for (kind, level), path in sorted(levels.items())
    ]
    left, top = 15.0, 15.0
    right = sum(confusion.counts[i][i] for i in range(size))
    total = sum(map(sum, confusion.counts))
    alt_text = (
        f"Confusion matrix of {size} classes as a map: {count_text(right)} of {count_text(total)} "
        "rows are on the diagonal. The table below lists the most frequent confusions."
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
        f"A row for each of {size} true classes, a column for each predicted class, in the order "
        "of the table below. A stronger colour is a larger share of the row."
    )
    return figure_box("Confusion matrix", drawn, unit="share of the true class", note=note)


def _short(name: str) -> str:
    return shortened(name, _NAME, 11.5)

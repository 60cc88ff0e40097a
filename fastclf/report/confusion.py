"""The confusion matrix: a table where its numbers can be read, a map where they are too many."""

from fastclf.report.chart import drawing, sideways, written
from fastclf.report.facts import Confusion
from fastclf.report.layout import figure_box, scrolled, table
from fastclf.report.markup import Markup, element, join
from fastclf.report.wording import count, shortened, width

MOST_READ = 20
MOST_DRAWN = 150
MOST_NAMED = 15

_LEVELS = 6
_SIDE = 344.0
_NAME = 130.0  # room for the name of a class, at 11.5 units of height


def matrix(confusion: Confusion) -> Markup | None:
    """Return all counts, as a table or as a map; None where there are too many for both."""
    if len(confusion.classes) <= MOST_READ:
        return _table(confusion)
    if len(confusion.classes) <= MOST_DRAWN:
        return _map(confusion)
    return None


def most_frequent(confusion: Confusion) -> Markup | None:
    """Return which classes were most often taken for which; None where that says nothing new."""
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
    for times, true, predicted in wrong[:MOST_NAMED]:
        share = times / sum(confusion.counts[true])
        rows.append(
            (
                _short(confusion.classes[true]),
                element("td", _short(confusion.classes[predicted]), class_="name"),
                count(times),
                f"{share:.1%}",
            )
        )
    more = len(wrong) - len(rows)
    caption = "Most frequent confusions" + (f", of {count(len(wrong))} pairs" if more else "")
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
                    count(times) if times else "·",
                    class_=kind if times else "none",
                    style=f"--v:{share:.3f}" if times else None,
                )
            )
        rows.append(element("tr", element("th", name, scope="row"), *cells))
    columns = len(names)
    longest = max(width(name, 11.5) for name in names)
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
    """Return a drawing in which each count is a square, as dark as its part of the row."""
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
    spoken = (
        f"Confusion matrix of {size} classes as a map: {count(right)} of {count(total)} rows are "
        "on the diagonal. The table of the most frequent confusions has the largest of the others."
    )
    middle = _SIDE / 2
    drawn = drawing(
        left + _SIDE + 1,
        top + _SIDE + 1,
        spoken,
        written("predicted", left + middle, 11, "middle", "muted"),
        sideways("true", 11, top + middle),
        element("rect", class_="plot", x=left, y=top, width=_SIDE, height=_SIDE),
        element(
            "g",
            *squares,
            class_="map",
            transform=f"translate({left:g} {top:g}) scale({cell:.5f})",
        ),
    )
    told = (
        f"A row and a column for each of {size} classes, in the order of the table below. The "
        "stronger its colour, the larger its part of the row."
    )
    return figure_box("Confusion matrix", drawn, unit="part of the true class", told=told)


def _short(name: str) -> str:
    return shortened(name, _NAME, 11.5)

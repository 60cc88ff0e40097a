"""Building blocks of HTML pages: sections, charts with captions, tables, and the page itself."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from fastclf.report.chart import COLOURS
from fastclf.report.markup import Markup, element, escape, join
from fastclf.report.wording import number_text

# The page may use only its own style sheet. Text from data can't make it load anything else.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_LONG = 12  # characters of a name that is never cut


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Parameters
    ----------
    name : str
        The anchor for links.
    title : str
    content : Markup
    """

    name: str
    title: str
    content: Markup


def page(title: str, head: Markup, sections: Iterable[Section | None]) -> str:
    """Return the HTML of a self-contained page, with links to its sections."""
    style = files("fastclf.report").joinpath("style.css").read_text(encoding="utf-8")
    shown = [one for one in sections if one is not None]
    links = (element("a", one.title, href=f"#{one.name}") for one in shown)
    top = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", Markup(style)),
    )
    content = [head, element("nav", *links, aria_label="Sections"), *(one.content for one in shown)]
    body = element("body", element("main", join(content, "\n")))
    return f"<!doctype html>\n{element('html', top, body, lang='en')}\n"


def section(name: str, title: str, *content: Markup | None, lead: str = "") -> Section | None:
    """Return a section with its title and a lead sentence; None if it has no content."""
    body = join(content, "\n")
    if not body:
        return None
    lead_text = element("p", lead, class_="lead") if lead else None
    beside = element("div", element("h2", title), lead_text, class_="beside")
    inner = element("div", body, class_="content")
    return Section(name, title, element("section", beside, inner, id=name))


def figure_box(title: str, drawn: Markup, *, unit: str = "", note: str = "") -> Markup:
    """Return a drawing with a caption above it (title and unit), and a note below it."""
    caption = element(
        "figcaption",
        element("b", title),
        element("span", unit, class_="unit") if unit else None,
    )
    note_text = element("p", note, class_="note") if note else None
    return element("figure", caption, drawn, note_text)


def grid(figures: Iterable[Markup | None], kind: str = "grid") -> Markup | None:
    """Return charts side by side, as many in a row as fit; None if there are none."""
    shown = join(figures, "\n")
    return element("div", shown, class_=kind) if shown else None


def flow(parts: Iterable[Markup | None]) -> Markup | None:
    """Return parts side by side, each as wide as its content; they wrap where there is no room."""
    shown = join(parts, "\n")
    return element("div", shown, class_="flow") if shown else None


def named(name: str) -> Markup:
    """Return a name from the data; a long one has a tooltip, for it may be cut on a phone."""
    text = " ".join(name.split()) or "(empty)"
    return element("span", text, class_="name", title=text if len(text) > _LONG else None)


def heading(name: str) -> Markup:
    """Return the title of a table row."""
    return element("th", named(name), scope="row")


def table(
    caption: str,
    head: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    *,
    kind: str | None = None,
) -> Markup:
    """Return a table, which scrolls horizontally if it is wider than the page.

    Parameters
    ----------
    caption : str
    head : sequence
        The column titles: text or ``th`` elements.
    rows : iterable of sequence
        The first cell is the row's title: text or a ``th`` element. Each other cell is text or a
        ``td`` element; None is an empty cell.
    kind : str, optional
        The CSS class.
    """
    titles = element("tr", *(_head(title) for title in head))
    body = [element("tr", _heading(row[0]), *(_cell(cell) for cell in row[1:])) for row in rows]
    drawn = element(
        "table",
        element("caption", caption),
        element("thead", titles),
        element("tbody", join(body, "\n")),
        class_=kind,
    )
    return scrolled(drawn, caption)


def scrolled(content: Markup, label: str) -> Markup:
    """Return wide content in a box that scrolls by itself, with a label for screen readers."""
    return element("div", content, class_="scroll", tabindex=0, role="region", aria_label=label)


def best_index(values: Sequence[float | None], lower: bool) -> set[int]:
    """Return the indices of the best values; none is best if all known ones are equal."""
    known = [value for value in values if value is not None]
    best = (min if lower else max)(known) if len(set(known)) > 1 else None
    return {i for i, value in enumerate(values) if value is not None and value == best}


def best_text(text: str) -> Markup:
    """Return the text of the best value, which is bold and has a star."""
    return element("b", text, class_="best")


def best_cells(
    values: Sequence[float | None], best: Collection[int], notes: Sequence[str]
) -> list[Markup]:
    """Return the cells of a table row, the values at the indices ``best`` marked.

    ``notes`` are written below the values.
    """
    return [
        element(
            "td",
            best_text(number_text(value)) if number in best else number_text(value),
            element("small", note) if note else None,
        )
        for number, (value, note) in enumerate(zip(values, notes, strict=True))
    ]


def facts_list(facts: Iterable[tuple[str, Any]]) -> Markup | None:
    """Return a list of terms and values, without the terms whose value is None or empty."""
    items = [
        element("div", element("dt", term), element("dd", known))
        for term, known in facts
        if known not in (None, "")
    ]
    return element("dl", *items) if items else None


def legend(names: Sequence[str], kinds: Sequence[str] = ("solid",)) -> Markup:
    """Return a legend: each name beside its colour and line style.

    Parameters
    ----------
    names : sequence of str
    kinds : sequence of {"solid", "dashed", "dotted", "dot"}
        The style of each name. If there are fewer styles than names, the last one is repeated.
    """
    items = []
    for number, name in enumerate(names):
        kind = kinds[min(number, len(kinds) - 1)]
        key = element("i", class_=f"key {kind} c{number % COLOURS}")
        items.append(element("li", key, element("span", name)))
    return element("ul", *items, class_="legend")


def collapsed(title: str, content: Markup) -> Markup:
    """Return content that is collapsed until the reader opens it."""
    return element("details", element("summary", title), content)


def _head(title: Any) -> Markup:
    is_cell = isinstance(title, Markup) and title.startswith("<th")
    return title if is_cell else element("th", title, scope="col")


def _heading(cell: Any) -> Markup:
    return cell if isinstance(cell, Markup) and cell.startswith("<th") else heading(str(cell))


def _cell(cell: Any) -> Markup:
    if isinstance(cell, Markup) and cell.startswith("<td"):
        return cell
    return element("td", "" if cell is None else escape(cell))

"""The parts that pages are made of: sections, figures, tables, and the page itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from fastclf.report.chart import COLOURS
from fastclf.report.markup import Markup, element, escape, join
from fastclf.report.wording import figure

# A page may use its own style sheet and nothing else, whatever the data in it say.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Parameters
    ----------
    name : str
        By which it is linked to.
    title : str
    content : Markup
    """

    name: str
    title: str
    content: Markup


def page(title: str, head: Markup, sections: Iterable[Section | None]) -> str:
    """Return a whole page with links to its sections; it needs no other file."""
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


def section(name: str, title: str, *content: Markup | None, told: str = "") -> Section | None:
    """Return a section with its title and a sentence beside it; None where nothing is in it."""
    body = join(content, "\n")
    if not body:
        return None
    lead = element("p", told, class_="lead") if told else None
    beside = element("div", element("h2", title), lead, class_="beside")
    inner = element("div", body, class_="content")
    return Section(name, title, element("section", beside, inner, id=name))


def figure_box(title: str, drawn: Markup, *, unit: str = "", told: str = "") -> Markup:
    """Return a drawing below its title, its unit beside that, and a sentence below it."""
    caption = element(
        "figcaption",
        element("b", title),
        element("span", unit, class_="unit") if unit else None,
    )
    note = element("p", told, class_="note") if told else None
    return element("figure", caption, drawn, note)


def grid(figures: Iterable[Markup | None], kind: str = "grid") -> Markup | None:
    """Return figures side by side, as many as there is room for; None for none."""
    shown = join(figures, "\n")
    return element("div", shown, class_=kind) if shown else None


def table(
    caption: str,
    head: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    *,
    kind: str | None = None,
) -> Markup:
    """Return a table that scrolls within itself where it is too wide.

    Parameters
    ----------
    caption : str
        What it shows.
    head : sequence
        The titles of its columns.
    rows : iterable of sequence
        The first cell of each is its title. A cell is text, or an element ``td``.
    kind : str, optional
        Its class.
    """
    titles = element("tr", *(element("th", title, scope="col") for title in head))
    body = [
        element("tr", element("th", row[0], scope="row"), *(_cell(cell) for cell in row[1:]))
        for row in rows
    ]
    drawn = element(
        "table",
        element("caption", caption),
        element("thead", titles),
        element("tbody", join(body, "\n")),
        class_=kind,
    )
    return scrolled(drawn, caption)


def scrolled(content: Markup, told: str) -> Markup:
    """Return what may be wider than the page, so that it scrolls and the page doesn't."""
    return element("div", content, class_="scroll", tabindex=0, role="region", aria_label=told)


def best_cells(values: list[float | None], lower: bool) -> list[Markup]:
    """Return cells of a table; the best figure is bold, and none where all are equal."""
    known = [value for value in values if value is not None]
    best = (min if lower else max)(known) if len(set(known)) > 1 else None
    return [
        element("td", figure(value), class_="best" if value is not None and value == best else None)
        for value in values
    ]


def facts_list(facts: Iterable[tuple[str, Any]]) -> Markup | None:
    """Return terms with what is known of them; those of which nothing is known are left out."""
    items = [
        element("div", element("dt", term), element("dd", known))
        for term, known in facts
        if known not in (None, "")
    ]
    return element("dl", *items) if items else None


def legend(names: Sequence[str], kinds: Sequence[str] = ("solid",)) -> Markup:
    """Return the names of lines, each beside its colour and its kind of line.

    Parameters
    ----------
    names : sequence of str
    kinds : sequence of {"solid", "dashed", "dotted", "dot"}
        One for each name; the last one is that of the others, too.
    """
    items = []
    for number, name in enumerate(names):
        kind = kinds[min(number, len(kinds) - 1)]
        key = element("i", class_=f"key {kind} c{number % COLOURS}")
        items.append(element("li", key, element("span", name)))
    return element("ul", *items, class_="legend")


def folded(title: str, content: Markup) -> Markup:
    """Return what is hidden until it is asked for."""
    return element("details", element("summary", title), content)


def _cell(cell: Any) -> Markup:
    if isinstance(cell, Markup) and cell.startswith("<td"):
        return cell
    return element("td", escape(cell))

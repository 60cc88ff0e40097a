"""Elements of HTML and SVG as text. What isn't markup already is escaped, so data stay data."""

import html
import re
from collections.abc import Iterable
from typing import Any

VOID = {"link", "meta"}

# What neither HTML nor XML may hold, and what UTF-8 can't encode.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is markup already."""


def escape(text: Any) -> Markup:
    """Return text as markup that shows it; markup is returned as it is.

    Examples
    --------
    >>> from fastclf.report.markup import escape
    >>> escape("a < b & c")
    'a &lt; b &amp; c'
    """
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(_FORBIDDEN.sub("\ufffd", str(text))))


def element(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """Return an element.

    Parameters
    ----------
    name : str
        Of the tag.
    *children : object
        Markup, or text that is escaped; None for nothing.
    **attributes : object
        In Python's spelling: ``class_`` and ``aria_label``; None leaves one out. Floats are
        written with two digits at most.

    Examples
    --------
    >>> from fastclf.report.markup import element
    >>> element("p", "a < b ", element("b", "c"), class_="note", id=None)
    '<p class="note">a &lt; b <b>c</b></p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[Any], between: str = "") -> Markup:
    """Return markup after markup; text is escaped, and None left out."""
    return Markup(between.join(escape(part) for part in parts if part is not None))


def _value(value: Any) -> str:
    if isinstance(value, float):
        text = f"{value:.2f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text
    return escape(value)

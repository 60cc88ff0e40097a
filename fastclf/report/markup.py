"""HTML and SVG elements as strings. All text is escaped unless it is already `Markup`."""

import html
import re
from collections.abc import Iterable
from typing import Any

VOID = {"link", "meta"}

# Characters that HTML or XML forbids, and surrogates, which UTF-8 can't encode.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """A string that is markup already, so it isn't escaped again."""


def escape(text: Any) -> Markup:
    """Return text with ``&``, ``<``, ``>`` and quotes escaped; return `Markup` unchanged.

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
        The tag name.
    *children : object
        Markup, or text, which is escaped; None is skipped.
    **attributes : object
        The attributes, spelled for Python as ``class_`` and ``aria_label``. One that is None is
        omitted. Floats are written with at most two decimals.

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
    """Concatenate markup; text is escaped and None skipped."""
    return Markup(between.join(escape(part) for part in parts if part is not None))


def _value(value: Any) -> str:
    if isinstance(value, float):
        text = f"{value:.2f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text
    return escape(value)

"""Columns of text: which hold numbers, and which should have."""

import re
from collections.abc import Mapping

from fastclf.table import shown

_MANY = 10  # as many different numbers, nearly all of a column, are no categories
_NEARLY_ALL = 0.95
_NUMBER = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)", re.ASCII | re.IGNORECASE
)
_LEADING_ZERO = re.compile(r"[+-]?0\d+", re.ASCII)
_OTHERWISE = re.compile(  # a number with marks between thousands, or with another decimal mark
    r"[+-]?(?:\d{1,3}(?:[.,'\u00a0\u202f]\d{3})+(?:[.,]\d*)?|\d*[.,]\d+)(?:e[+-]?\d+)?",
    re.ASCII | re.IGNORECASE,
)


def is_number(text: str, decimal: str = ".") -> bool:
    """Tell whether some text is a number: ASCII digits, a decimal mark, an exponent; or inf, nan.

    Blanks, underscores and marks between thousands aren't parts of numbers.
    """
    if decimal != ".":
        if "." in text:
            return False
        text = text.replace(decimal, ".")
    return _NUMBER.fullmatch(text) is not None


def has_leading_zero(text: str) -> bool:
    """Tell whether some text looks like a whole number and begins with a 0 too many.

    So do codes, such as 00501 and 007, whose zeros count; 0 and 0.5 don't.
    """
    return _LEADING_ZERO.fullmatch(text) is not None


def is_nearly_numeric(counts: Mapping[str, int], decimal: str = ".") -> bool:
    """Tell whether values with their numbers of rows are many numbers and a little text.

    Numbers that are written otherwise, like 1,5 or 1.234,50, are numbers here, because people mean
    such; and codes with leading zeros are text.
    """
    if any(map(has_leading_zero, counts)):
        return False
    numeric = [
        count
        for text, count in counts.items()
        if is_number(text, decimal) or _OTHERWISE.fullmatch(text)
    ]
    return len(numeric) >= _MANY and sum(numeric) >= _NEARLY_ALL * sum(counts.values())


def why_no_number(text: str, others: str = "") -> str:
    """Return that a value is no number, with more about other values, and a remedy."""
    remedy = "or name the column in data.categorical"
    if _OTHERWISE.fullmatch(text):
        return (
            f"{shown(text)} has another decimal mark, or marks between thousands{others}; write "
            f"numbers alike and without the latter, set data.decimal, {remedy}"
        )
    return f"{shown(text)} is not a number{others}; correct it, {remedy}"

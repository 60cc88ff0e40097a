"""What counts as a number in text, and columns that are numeric except for a few values."""

import re
from collections.abc import Mapping

import numpy as np

from fastclf.table import Categories, quoted

_MIN_NUMBERS = 10  # least number of distinct numbers in a nearly numeric column
_NEARLY_ALL = 0.95  # least share of rows with numbers in a nearly numeric column
_NUMBER = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)", re.ASCII | re.IGNORECASE
)
_LEADING_ZERO = re.compile(r"[+-]?0\d+", re.ASCII)
_OTHER_FORMAT = re.compile(  # a number with thousands separators, or with another decimal mark
    r"[+-]?(?:\d{1,3}(?:[.,'\u00a0\u202f]\d{3})+(?:[.,]\d*)?|\d*[.,]\d+)(?:e[+-]?\d+)?",
    re.ASCII | re.IGNORECASE,
)


def is_number(text: str, decimal: str = ".") -> bool:
    """Tell whether some text is a number: ASCII digits, a decimal mark, an exponent; or inf, nan.

    Text with blanks, underscores or thousands separators isn't a number.
    """
    if decimal != ".":
        if "." in text:
            return False
        text = text.replace(decimal, ".")
    return _NUMBER.fullmatch(text) is not None


def has_leading_zero(text: str) -> bool:
    """Tell whether some text is a whole number with leading zeros, which a number wouldn't have.

    Codes such as 00501 and 007 have them, and would change if they were read as numbers. 0 and 0.5
    have none.
    """
    return _LEADING_ZERO.fullmatch(text) is not None


def is_nearly_numeric(counts: Mapping[str, int], decimal: str = ".") -> bool:
    """Tell whether a column has many different numbers and text in a few rows only.

    Numbers with another decimal mark or thousands separators, like 1,5 or 1.234,50, count as
    numbers here, because they are meant as such. A column of codes with leading zeros is text.

    Parameters
    ----------
    counts : mapping of str to int
        The number of rows of each value.
    decimal : str
        The decimal mark.
    """
    if any(map(has_leading_zero, counts)):
        return False
    numeric = [
        count
        for text, count in counts.items()
        if is_number(text, decimal) or _OTHER_FORMAT.fullmatch(text)
    ]
    return len(numeric) >= _MIN_NUMBERS and sum(numeric) >= _NEARLY_ALL * sum(counts.values())


def first_without_number(column: Categories, decimal: str = ".") -> tuple[int, str] | None:
    """Return the first row with text in a column of many different numbers, and what is wrong.

    Rows are counted from 0. The result is None if the column isn't nearly numeric, or holds numbers
    only.
    """
    numeric = [is_number(text, decimal) for text in column.names]
    if all(numeric):
        return None
    present = np.bincount(column.codes[~column.missing], minlength=len(column.names))
    if not is_nearly_numeric(dict(zip(column.names, present.tolist(), strict=True)), decimal):
        return None
    wrong = np.array([*(not found for found in numeric), False])[column.codes]
    row = int(wrong.argmax())
    others = ", and nearly all other values are numbers" if any(numeric) else ""
    return row, why_no_number(column.names[column.codes[row]], others)


def why_no_number(
    text: str, others: str = "", remedy: str = "or name the column in data.categorical"
) -> str:
    """Return the part of an error message that says why a value isn't a number, and the remedy.

    ``others`` is inserted before the remedy; it says what the other values are. Without ``remedy``
    the value can only be corrected.
    """
    if _OTHER_FORMAT.fullmatch(text):
        return (
            f"{quoted(text)} has another decimal mark, or thousands separators{others}; write all "
            "numbers in the same way and without separators"
            f"{f', set data.decimal, {remedy}' if remedy else ''}"
        )
    return f"{quoted(text)} is not a number{others}; correct it{f', {remedy}' if remedy else ''}"

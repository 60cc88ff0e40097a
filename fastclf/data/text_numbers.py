"""Conversion of Arrow text columns to numbers, by the rules of `fastclf.data.text_columns`."""

import numpy as np
import pyarrow as pa
from pyarrow import compute

from fastclf.data.nulls import NULLS
from fastclf.data.pieces import quoted_values
from fastclf.data.text_columns import has_leading_zero, is_number

_LEADING_ZERO = r"^[+-]?0[0-9]+$"
_BLOCK = 1024  # values that are converted to Python objects at a time
_DIGITS = b"0123456789"


def as_floats(column: pa.ChunkedArray, decimal: str, codes: bool) -> pa.ChunkedArray | None:
    """Return text as float64, with nulls for missing values; None if some text isn't a number.

    Blanks around numbers are ignored. With ``codes``, text with leading zeros isn't a number.
    """
    text, found = column, _cast(column, decimal)
    if found is None:
        text = compute.utf8_trim_whitespace(column)
        missing = compute.is_in(text, value_set=pa.array(NULLS))
        text = compute.if_else(missing, pa.scalar(None, pa.string()), text)
        found = _cast(text, decimal)
    if codes and found is not None:
        if compute.any(compute.match_substring_regex(text, _LEADING_ZERO)).as_py():
            return None
    return found


def _cast(text: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray | None:
    if decimal != ".":
        if compute.any(compute.match_substring(text, ".")).as_py():
            return None
        text = compute.replace_substring(text, decimal, ".")
    try:
        return text.cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def first_without_number(column: pa.ChunkedArray, decimal: str, codes: bool) -> tuple[int, str]:
    """Return the row number, from 1 on, and the text of the first value that isn't a number."""
    for start in range(0, len(column), _BLOCK):
        for row, value in enumerate(column.slice(start, _BLOCK).to_pylist(), start + 1):
            text = "" if value is None else value.strip()
            if text in NULLS or is_number(text, decimal):
                if not codes or not has_leading_zero(text):
                    continue
            return row, text
    return 1, str(column[0])  # Arrow refuses a value that `is_number` accepts


def columns_with_leading_zeros(text: bytes, delimiter: str, n_columns: int) -> set[int]:
    """Return the indices of the columns that may hold a whole number with leading zeros.

    Parameters
    ----------
    text : bytes
        Complete rows.
    delimiter : str
    n_columns : int
    """
    content = np.frombuffer(text, np.uint8)
    places = _leading_zeros(content, delimiter)
    if n_columns == 1 or not len(places):
        return {0} if len(places) else set()
    delimiters = np.flatnonzero(content == ord(delimiter))
    quoted = quoted_values(text, delimiter)
    if len(quoted):
        delimiters = delimiters[np.searchsorted(quoted, delimiters) % 2 == 0]
    # A row has n_columns - 1 delimiters, so the number of delimiters before a place, modulo that,
    # is its column. If it is 0, the place is in the last column of a row, or in the first column of
    # the next row if a line break lies between.
    before = np.searchsorted(delimiters, places)
    columns = before % (n_columns - 1)
    at_edge = (columns == 0) & (before > 0)
    breaks = np.flatnonzero((content == ord("\n")) | (content == ord("\r")))
    last = delimiters[before[at_edge] - 1]
    in_row = np.searchsorted(breaks, last) == np.searchsorted(breaks, places[at_edge])
    columns[at_edge] = np.where(in_row, n_columns - 1, 0)
    return set(np.unique(columns).tolist())


def _leading_zeros(content: np.ndarray, delimiter: str) -> np.ndarray:
    """Return the positions of zeros that may be the first digit of a longer whole number."""
    places = np.flatnonzero(content[:-1] == ord("0"))
    places = places[_any_of(content[places + 1], _DIGITS)]
    ends = np.frombuffer(delimiter.encode() + b'\r\n "\t', np.uint8)
    before = content[places - 1]  # at place 0 this is the last byte; it is overruled below
    signed = (before == ord("+")) | (before == ord("-"))
    before = np.where(signed, content[places - 2], before)
    places = places[np.isin(before, ends) | (places == 0) | (signed & (places == 1))]
    after = content[np.minimum(places + 2, len(content) - 1)]
    goes_on = np.isin(after, ends) | _any_of(after, _DIGITS) | (places + 2 == len(content))
    return places[goes_on]


def _any_of(content: np.ndarray, digits: bytes) -> np.ndarray:
    return (content >= digits[0]) & (content <= digits[-1])

"""Parsing of complete rows of text by Python's ``csv``, where pyarrow isn't installed.

The tables and the errors are those of `fastclf.data.text_parser`.
"""

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from fastclf.data.nulls import NULLS, categories
from fastclf.data.pieces import end_of_rows, open_quote
from fastclf.data.text_columns import has_leading_zero, is_number
from fastclf.data.text_kinds import Kinds, Parsed, not_closed, not_utf8, wrong_length
from fastclf.data.text_layout import Layout
from fastclf.table import Categories, Column, Numbers, Table, concatenated

_LONGEST_VALUE = 1 << 30  # characters
_MAY_HAVE_LEADING_ZERO = ("0", "+0", "-0", " ", "\t")
_NAN = dict.fromkeys(NULLS, "nan").get
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


class PlainParser:
    """Parses rows of a file without pyarrow.

    Parameters
    ----------
    layout : Layout
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_VALUE))

    def parse(self, rows: bytes, kinds: Kinds) -> Parsed:
        """Parse complete rows.

        Raises
        ------
        Fault
            If a row can't be parsed.
        """
        if (opening := open_quote(rows, self._layout.delimiter)) is not None:
            before = rows[: end_of_rows(rows[:opening], self._layout.delimiter)]
            raise not_closed(len(self._split(_decoded(before))) + 1)
        text = _decoded(rows)
        lines = self._split(text)
        names = self._layout.names
        for row, line in enumerate(lines, 1):
            if len(line) != len(names):
                raise wrong_length(row, len(line), len(names))
        values = dict(zip(names, zip(*lines, strict=True), strict=True)) if lines else {}
        columns: dict[str, Column] = {}
        refuted = {}
        for name in kinds.columns:
            found = values.get(name, ())
            if not text.isascii():
                _check_utf8(name, found)
            numbers = None
            if name not in kinds.text:
                numbers = _floats(found, self._layout.decimal, name in kinds.codes)
                if numbers is None:
                    refuted[name] = self._first_without_number(found, name in kinds.codes)
            columns[name] = _coded(found) if numbers is None else Numbers(numbers)
        return Parsed(Table(columns), len(lines), refuted)

    def table(
        self,
        parts: list[Table],
        columns: Sequence[str],
        first_row: int = 1,
        nulls: Mapping[str, Collection[str]] | None = None,
    ) -> Table:
        """Return parsed rows as one table, and empty their list to free memory early."""
        none = Table({name: Numbers(np.empty(0)) for name in columns})
        whole = concatenated(parts or [none])
        parts.clear()
        found = {
            name: categories(column.codes, list(column.names), (nulls or {}).get(name, ()))
            if isinstance(column, Categories)
            else column
            for name, column in whole.columns.items()
        }
        return Table(found, np.arange(first_row, first_row + whole.n_rows))

    def _split(self, text: str) -> list[list[str]]:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=self._layout.delimiter)
        return [line for line in lines if line]

    def _first_without_number(self, values: Sequence[str], codes: bool) -> tuple[int, str]:
        """Return the row number, from 1 on, and the text of the first value that isn't a number."""
        for row, value in enumerate(values, 1):
            text = value.strip()
            if text not in NULLS and not is_number(text, self._layout.decimal):
                return row, text
            if codes and has_leading_zero(text):
                return row, text
        raise AssertionError("all values are numbers")


def _decoded(rows: bytes) -> str:
    return rows.decode("utf-8", "surrogateescape")


def _check_utf8(name: str, values: Sequence[str]) -> None:
    for row, value in enumerate(values, 1):
        if not value.isascii() and _NOT_UTF8.search(value):
            raise not_utf8(row, name)


def _floats(values: Sequence[str], decimal: str, codes: bool) -> np.ndarray | None:
    """Return text as float64, with NaN for missing values; None if some text isn't a number."""
    text = "".join(values)
    usual = decimal == "." and "_" not in text and text.isascii()
    if not usual and not all(
        value in NULLS or is_number(value, decimal) for value in map(str.strip, set(values))
    ):
        return None
    if codes and any(
        has_leading_zero(value.strip())
        for value in values
        if value.startswith(_MAY_HAVE_LEADING_ZERO)
    ):
        return None
    if decimal != ".":
        values = [value.replace(decimal, ".") for value in values]
    try:
        return np.array([float(_NAN(value, value)) for value in values], np.float64)
    except ValueError:
        pass
    try:
        return np.array([float(_NAN(value.strip(), value)) for value in values], np.float64)
    except ValueError:
        return None


def _coded(values: Sequence[str]) -> Categories:
    """Return text as categories in the order of their first rows."""
    position: dict[str, int] = {}
    codes = [position.setdefault(value, len(position)) for value in values]
    return Categories(np.array(codes, np.int32), tuple(position))

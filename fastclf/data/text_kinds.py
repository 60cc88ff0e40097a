"""What parsers of CSV share: the kinds of columns, parsed rows, and faults with their rows."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fastclf.data.text_columns import has_leading_zero, why_no_number
from fastclf.errors import DataError
from fastclf.table import Table


class Kinds(NamedTuple):
    """The columns to read, and which of them are numeric.

    Parameters
    ----------
    columns : list of str
        The columns to read.
    numbers, text : set of str
        The columns that are numeric, and those that are text. Other columns become numeric if all
        of their values are numbers.
    codes : set of str
        Columns in which a value with leading zeros is text.
    """

    columns: list[str]
    numbers: set[str]
    text: set[str]
    codes: set[str]

    @property
    def all_are_known(self) -> bool:
        """Whether every column is in ``numbers`` or in ``text``."""
        return all(name in self.numbers or name in self.text for name in self.columns)


class Parsed(NamedTuple):
    """Parsed rows.

    Parameters
    ----------
    rows : pyarrow.Table or Table
        What the parser made of them; its method ``table`` takes it.
    n_rows : int
    refuted : dict of str to (int, str)
        For each column that isn't numeric and wasn't known to be text: the first row whose value
        isn't a number, counted from 1, and that value.
    """

    rows: Any
    n_rows: int
    refuted: dict[str, tuple[int, str]]


class Fault(Exception):
    """An error in some rows, by its row within these; `in_file` adds the rows before them."""

    def __init__(self, row: int | None, text: str) -> None:
        super().__init__(text)
        self.row, self.text = row, text

    def in_file(self, path: Path | str, before: int) -> DataError:
        """Return the error with the row's number in the file, which has ``before`` rows before."""
        place = "some row" if self.row is None else f"row {self.row + before}"
        return DataError(f"{path}: {place}{self.text}")


class Parser(Protocol):
    """Parses rows of a file, with pyarrow or without it."""

    def parse(self, rows: bytes, kinds: Kinds) -> Parsed:
        """Parse complete rows.

        Raises
        ------
        Fault
            If a row can't be parsed.
        """

    def table(
        self,
        parts: list[Any],
        columns: Sequence[str],
        first_row: int = 1,
        nulls: Mapping[str, Collection[str]] | None = None,
    ) -> Table:
        """Return parsed rows as one table, and empty their list to free memory early.

        ``nulls`` is the text that means a missing value in each column; the first row has the
        number ``first_row``.
        """


def wrong_length(row: int | None, found: int | str, expected: int | str) -> Fault:
    """Return the error that a row has too few or too many values."""
    return Fault(
        row, f" has {found} values for {expected} columns; correct it, or set data.delimiter"
    )


def not_closed(row: int) -> Fault:
    """Return the error that a quote isn't closed."""
    return Fault(row, ": a quote isn't closed; close it, or double it if it is part of the value")


def not_utf8(row: int | None, name: str) -> Fault:
    """Return the error that a value isn't UTF-8 text."""
    return Fault(
        row,
        f', column "{name}": the value isn\'t UTF-8 text; correct it, or set data.encoding, '
        'such as to "cp1252"',
    )


def not_a_number(name: str, row: int, text: str, is_new: bool) -> Fault:
    """Return the error that a value in a numeric column isn't a number.

    ``is_new`` tells that the row is new to a model, which has decided what the column holds.
    """
    if is_new:
        return Fault(row, f', column "{name}": {why_no_number(text, remedy="")}')
    if has_leading_zero(text):
        return Fault(
            row,
            f', column "{name}": "{text}" has a leading zero, as codes have, but the values before '
            "are numbers; name the column in data.categorical",
        )
    return Fault(row, f', column "{name}": {why_no_number(text)}')

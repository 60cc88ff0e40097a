"""Parsing of complete rows of text by pyarrow, with error messages that name the row."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import csv as arrow_csv

from fastclf.data.arrow import TEXT
from fastclf.data.nulls import NULLS
from fastclf.data.pieces import end_of_rows, open_quote
from fastclf.data.text_columns import has_leading_zero, why_no_number
from fastclf.data.text_layout import Layout
from fastclf.data.text_numbers import as_floats, columns_with_leading_zeros, first_without_number
from fastclf.errors import DataError


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
    table : pyarrow.Table
    refuted : dict of str to (int, str)
        For each column that isn't numeric and wasn't known to be text: the first row whose value
        isn't a number, counted from 1, and that value.
    """

    table: pa.Table
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


class Parser:
    """Parses rows of a file.

    Parameters
    ----------
    layout : Layout
    keeps_nulls : bool
        Whether text such as "NA" stays text in columns of text, for the caller to decide about.
    """

    def __init__(self, layout: Layout, keeps_nulls: bool) -> None:
        self._layout, self._keeps_nulls = layout, keeps_nulls

    def parse(self, rows: bytes, kinds: Kinds) -> Parsed:
        """Parse complete rows.

        Raises
        ------
        Fault
            If a row can't be parsed.
        """
        self._check_quotes(rows)
        if kinds.all_are_known and not self._finds_codes(rows, kinds):
            numbers = dict.fromkeys(kinds.numbers, pa.float64())
            try:
                return Parsed(self._read(rows, kinds, numbers), {})
            except pa.ArrowInvalid as problem:
                if "conversion error to double" not in str(problem):
                    raise self._fault(problem) from None
        return self._parse_carefully(rows, kinds)

    def _parse_carefully(self, rows: bytes, kinds: Kinds) -> Parsed:
        """Parse all columns as text and convert them here, to detect leading zeros and text."""
        decimal = self._layout.decimal
        asked = [name for name in kinds.columns if name not in kinds.text]
        try:
            table = self._read(rows, kinds, dict.fromkeys(asked, pa.string()))
        except pa.ArrowInvalid as problem:
            raise self._fault(problem) from None
        columns: dict[str, Any] = dict(zip(table.column_names, table.columns, strict=True))
        refuted = {}
        for name in asked:
            text, codes = columns[name], name in kinds.codes
            columns[name] = as_floats(text, decimal, codes)
            if columns[name] is None:
                columns[name] = text.dictionary_encode()
                refuted[name] = first_without_number(text, decimal, codes)
        return Parsed(pa.table(columns), refuted)

    def _finds_codes(self, rows: bytes, kinds: Kinds) -> bool:
        """Tell whether a numeric column of ``kinds.codes`` may hold a leading zero."""
        asked = kinds.codes.intersection(kinds.numbers)
        if not asked:
            return False
        names = self._layout.names
        found = columns_with_leading_zeros(rows, self._layout.delimiter, len(names))
        return not asked.isdisjoint(names[column] for column in found)

    def _read(self, rows: bytes, kinds: Kinds, types: dict[str, Any]) -> pa.Table:
        return arrow_csv.read_csv(
            pa.BufferReader(rows),
            arrow_csv.ReadOptions(
                use_threads=False,
                block_size=len(rows) + 1,
                column_names=list(self._layout.names),
            ),
            arrow_csv.ParseOptions(
                delimiter=self._layout.delimiter, newlines_in_values=b'"' in rows
            ),
            arrow_csv.ConvertOptions(
                include_columns=kinds.columns,
                column_types=types | dict.fromkeys(kinds.text, TEXT),
                null_values=list(NULLS),
                strings_can_be_null=not self._keeps_nulls,
                decimal_point=self._layout.decimal,
            ),
        )

    def _check_quotes(self, rows: bytes) -> None:
        opening = open_quote(rows, self._layout.delimiter)
        if opening is None:
            return
        before = rows[: end_of_rows(rows[:opening], self._layout.delimiter)]
        row = 1
        if before.strip(b"\r\n"):
            name = self._layout.names[0]
            kinds = Kinds([name], set(), set(), set())
            row += self._read(before, kinds, {name: pa.binary()}).num_rows
        raise Fault(
            row, ": a quote isn't closed; close it, or double it if it is part of the value"
        )

    def _fault(self, problem: pa.ArrowInvalid) -> Fault:
        reason = " ".join(str(problem).split())
        found = re.search(r"Row #(\d+): ", reason)
        row = int(found[1]) if found else None
        if counts := re.search(r"Expected (\d+) columns, got (\d+)", reason):
            return Fault(
                row,
                f" has {counts[2]} values for {counts[1]} columns; "
                "correct it, or set data.delimiter",
            )
        column = re.match(r"In CSV column #(\d+): ", reason)
        if column and "UTF8" in reason:
            name = self._layout.names[int(column[1])]
            return Fault(
                row,
                f', column "{name}": not UTF-8 text; save it as UTF-8, as by: '
                "iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW",
            )
        return Fault(row, f": {reason}")


def not_a_number(name: str, row: int, text: str) -> Fault:
    """Return the error that a value in a numeric column isn't a number."""
    if has_leading_zero(text):
        return Fault(
            row,
            f', column "{name}": "{text}" has a leading zero, as codes have, but the values before '
            "are numbers; name the column in data.categorical",
        )
    return Fault(row, f', column "{name}": {why_no_number(text)}')

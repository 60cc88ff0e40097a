"""Parsing of complete rows of text by pyarrow, with error messages that name the row."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from fastclf.data.arrow import TEXT, to_table
from fastclf.data.nulls import NULLS
from fastclf.data.pieces import end_of_rows, open_quote
from fastclf.data.text_kinds import Fault, Kinds, Parsed, not_closed, not_utf8, wrong_length
from fastclf.data.text_layout import Layout
from fastclf.data.text_numbers import as_floats, columns_with_leading_zeros, first_without_number
from fastclf.table import Table


class ArrowParser:
    """Parses rows of a file by pyarrow.

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
                table = self._read(rows, kinds, numbers)
                return Parsed(table, table.num_rows, {})
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
        return Parsed(pa.table(columns), table.num_rows, refuted)

    def table(
        self,
        parts: list[pa.Table],
        columns: Sequence[str],
        first_row: int = 1,
        nulls: Mapping[str, Collection[str]] | None = None,
    ) -> Table:
        """Return parsed rows as one table, and empty their list to free memory early."""
        return to_table(_concatenated(parts, columns), first_row, nulls)

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
        raise not_closed(row)

    def _fault(self, problem: pa.ArrowInvalid) -> Fault:
        reason = " ".join(str(problem).split())
        found = re.search(r"Row #(\d+): ", reason)
        row = int(found[1]) if found else None
        if counts := re.search(r"Expected (\d+) columns, got (\d+)", reason):
            return wrong_length(row, counts[2], counts[1])
        column = re.match(r"In CSV column #(\d+): ", reason)
        if column and "UTF8" in reason:
            return not_utf8(row, self._layout.names[int(column[1])])
        return Fault(row, f": {reason}")


def _concatenated(parts: list[pa.Table], columns: Sequence[str]) -> pa.Table:
    """Concatenate tables, and empty their list, so that the caller can free columns one by one."""
    if not parts:
        return pa.table({name: pa.nulls(0) for name in columns})
    whole = pa.concat_tables(parts)
    parts.clear()
    return whole

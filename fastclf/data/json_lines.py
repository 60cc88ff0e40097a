"""Reading JSON lines, an object for each row, and JSON arrays of objects.

The columns are the keys of all objects, in the order in which they appear. A missing key, null and
empty text are missing values. A column of numbers is numeric, one of lists can be a target, and any
other is text, with true and false as such.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastclf.data.arriving import Arriving
from fastclf.data.compressed import decompression_errors, open_decompressed
from fastclf.data.encodings import Decoded
from fastclf.data.nulls import categories
from fastclf.data.reading import reading
from fastclf.data.text_columns import first_without_number
from fastclf.errors import DataError, located
from fastclf.preprocessing import as_numbers
from fastclf.table import (
    Categories,
    Column,
    Lists,
    Numbers,
    Table,
    as_categories,
    category_names,
    exact_numbers,
)

_BLOCK = 1 << 20  # bytes that are read at a time
_NUMERIC = {int, float}
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
_NOT_LINES = "write each row as an object on a line of its own, or all rows as an array of objects"

Row = dict[str, Any]


class JSONFile:
    """A file of JSON lines or with an array of objects, or a stream of JSON lines.

    A file is read once to find its columns, and again for its rows. The columns of a stream are
    those of its first rows, and those that are expected.

    Parameters
    ----------
    source : Path, binary file or Arriving
        A path may be that of a compressed file. An `Arriving` file is read as its rows come.
    encoding : str, optional
        As for CSV.
    expected : collection of str, optional
        Columns that a stream should have; a row may lack some of them.

    Attributes
    ----------
    names : tuple of str

    Raises
    ------
    DataError
        If the source can't be read, is empty, or isn't JSON.
    """

    layout = None  # only CSV and TSV have a layout

    def __init__(
        self,
        source: Path | BinaryIO | Arriving,
        encoding: str | None = None,
        expected: Collection[str] | None = None,
    ) -> None:
        self.path: Path | str = source if isinstance(source, Path) else "standard input"
        self._encoding = encoding
        self._types: dict[str, set[type]] = {}
        self._begun: list[list[Row]] = []
        if isinstance(source, Path):
            blocks = self._blocks()
        else:
            with decompression_errors(self.path):
                self._rest = Decoded(source, encoding)
            self._going_on = self._blocks()
            self._begun = list(next(([block] for block in self._going_on if block), []))
            blocks = iter(self._begun)
        for rows in blocks:
            for row in rows:
                for name, value in row.items():
                    self._types.setdefault(name, set()).add(type(value))
        if not self._types:
            raise DataError(f"{self.path}: there are no rows")
        if expected and not self._types.keys().isdisjoint(expected) and self._begun:
            for name in expected:
                self._types.setdefault(name, set())
        self.names = tuple(self._types)

    def read(self, columns: Sequence[str] | None = None, text: Collection[str] = ()) -> Table:
        """Read some columns, or all; those of ``text`` as categories even if they are numbers.

        Raises
        ------
        DataError
            If a line isn't JSON, a column holds objects, or a column has numbers in nearly all rows
            and text in a few; the message names the row.
        """
        wanted = list(self.names if columns is None else columns)
        if not isinstance(self.path, Path):  # a stream can't be read twice
            self._begun = [*self._begun, *self._going_on]
        values: dict[str, list] = {name: [] for name in wanted}
        for rows in self._all_blocks():
            for name in wanted:
                values[name] += [row.get(name) for row in rows]
        found = {}
        with located(self.path, once=True):
            for name in wanted:
                column = _column(name, values.pop(name), 1, name in text)
                if isinstance(column, Categories) and name not in text:
                    self._check_text(name, column)
                found[name] = column
        return Table(found)

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        numbers: Collection[str] = (),
        text: Collection[str] = (),
        codes: bool = False,
        batch_rows: int = 65_536,
    ) -> Iterator[Table]:
        """Yield the rows in tables of at most ``batch_rows`` rows.

        Columns of ``numbers`` are numeric and those of ``text`` are categories. Others are what all
        rows of the file, or the first rows of a stream, make them. ``codes`` is ignored.

        Raises
        ------
        DataError
            If a line isn't JSON, a column holds objects, or a numeric column holds text.
        """
        wanted = list(self.names if columns is None else columns)
        numeric = {*numbers, *(name for name in wanted if self._types[name] <= {int, float, _NONE})}
        is_text = {name for name in wanted if name in text or name not in numeric}
        first = 1
        for rows in self._all_blocks():
            for start in range(0, len(rows), batch_rows):
                some = rows[start : start + batch_rows]
                found: dict[str, Column] = {}
                place = np.arange(first, first + len(some))
                with located(self.path, once=True):
                    for name in wanted:
                        values = [row.get(name) for row in some]
                        if list in self._types[name]:
                            found[name] = _lists(name, values, first)
                            continue
                        column = _column(name, values, first, name in is_text)
                        if name in numeric and isinstance(column, Categories):
                            column = as_numbers(name, column, place)
                        found[name] = column
                yield Table(found, place)
                first += len(some)

    def _check_text(self, name: str, column: Categories) -> None:
        """Refuse a column that has numbers in many rows and text in a few."""
        if not self._types[name] & _NUMERIC:
            return  # all of it is text
        found = first_without_number(column)
        if found is not None:
            raise DataError(f'row {found[0] + 1}, column "{name}": {found[1]}')

    def _all_blocks(self) -> Iterator[list[Row]]:
        if isinstance(self.path, Path):
            return self._blocks()
        return chain(self._begun, self._going_on)

    def _blocks(self) -> Iterator[list[Row]]:
        """Yield all rows, some at a time."""
        line = 0
        with self._open() as file, located(self.path, once=True):
            held = b""
            while block := file.read(_BLOCK):
                if not line and not held:
                    block = block.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
                    if block.startswith(b"["):
                        yield _array(block + file.read())
                        return
                lines = (held + block).split(b"\n")
                held = lines.pop()
                yield [row for row in map(_row, lines, range(line + 1, 1 << 62)) if row is not None]
                line += len(lines)
            last = _row(held, line + 1)
            if last is not None:
                yield [last]

    @contextmanager
    def _open(self) -> Iterator[Decoded]:
        if isinstance(self.path, Path):
            with reading(self.path), open_decompressed(self.path) as file:
                yield Decoded(file, self._encoding)
        else:
            with decompression_errors(self.path):
                yield self._rest


_NONE = type(None)


def _row(text: bytes, line: int) -> Row | None:
    """Return the object in a line, or None for a blank line."""
    if not text.strip():
        return None
    try:
        row = json.loads(text)
    except UnicodeDecodeError:
        raise DataError(f"line {line} isn't UTF-8 text; correct it, or set data.encoding") from None
    except (ValueError, RecursionError) as problem:
        reason = str(problem).removesuffix(f" (char {getattr(problem, 'pos', '')})")
        raise DataError(f"line {line} isn't a JSON object: {reason}; {_NOT_LINES}") from None
    if not isinstance(row, dict):
        raise DataError(f"line {line} holds {_what(row)} instead of an object; {_NOT_LINES}")
    return row


def _array(text: bytes) -> list[Row]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise DataError(f"isn't a JSON array: {problem}; {_NOT_LINES}") from None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(f"row {number} is {_what(row)} instead of an object; {_NOT_LINES}")
    return rows


def _what(value: Any) -> str:
    return _KINDS.get(type(value), "null" if value is None else "a number")


def _column(name: str, values: list[Any], first: int, as_text: bool) -> Column:
    """Return the values of a key, in rows from number ``first`` on, as a column."""
    types = set(map(type, values)) - {_NONE}
    if dict in types or list in types:
        return _lists(name, values, first)
    if types <= _NUMERIC:
        return _categories_of_numbers(values) if as_text else _numbers(name, values, first)
    position: dict[str, int] = {}
    codes = [position.setdefault(_text(value), len(position)) for value in values]
    return categories(np.array(codes, np.int32), list(position))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else category_names(np.array([value]))[0]


def _numbers(name: str, values: list[Any], first: int) -> Numbers:
    if values and all(type(value) is int for value in values):
        low, high = min(values), max(values)
        for dtype in (np.int64, np.uint64):
            if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
                return exact_numbers(np.array(values, dtype))
    try:
        return Numbers(np.array([np.nan if v is None else v for v in values], np.float64))
    except OverflowError:
        row = next(
            i for i, value in enumerate(values) if isinstance(value, int) and _is_huge(value)
        )
        raise DataError(
            f'row {first + row}, column "{name}": the number is too large; correct it'
        ) from None


def _is_huge(value: int) -> bool:
    try:
        float(value)
    except OverflowError:
        return True
    return False


def _categories_of_numbers(values: list[Any]) -> Categories:
    """Return numbers as categories in increasing order; those of integers have all digits."""
    if any(type(value) is float for value in values):
        return as_categories(Numbers(np.array([np.nan if v is None else v for v in values])))
    distinct = sorted({value for value in values if value is not None})
    position = {value: code for code, value in enumerate(distinct)}
    codes = [-1 if value is None else position[value] for value in values]
    return Categories(np.array(codes, np.int32), tuple(map(str, distinct)))


def _lists(name: str, values: list[Any], first: int) -> Lists:
    rows = []
    for row, value in enumerate(values, first):
        if isinstance(value, dict):
            raise DataError(
                f'row {row}, column "{name}": an object; write its values under keys of their own, '
                "or leave it out with data.drop"
            )
    for row, value in enumerate(values, first):
        if value is not None and not isinstance(value, list):
            raise DataError(
                f'row {row}, column "{name}": {_what(value)} instead of a list, which other rows '
                "have; write a list in each row"
            )
        items = [item for item in value or () if item is not None]
        for item in items:
            if isinstance(item, dict | list):
                raise DataError(
                    f'row {row}, column "{name}": {_what(item)} in a list; write a list of names, '
                    "or leave it out with data.drop"
                )
        rows.append([_text(item) for item in items])
    names = sorted({item for row in rows for item in row})
    position = {item: code for code, item in enumerate(names)}
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    codes = np.array([position[item] for row in rows for item in row], np.int32)
    return Lists(offsets, codes, tuple(names))

"""Text with delimiters: CSV and TSV, through pyarrow.

A column is numeric if every value that isn't missing is a number. Types are guessed from the first
megabytes and given to the parser, which then needs no copy of the text to change its mind; where
the guess was wrong the file is read again with that column as text.
"""

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from fastclf.data.arrow import TEXT, arrow_errors, to_table
from fastclf.data.nulls import NULLS
from fastclf.data.pieces import in_order, line_pieces
from fastclf.data.text_columns import is_nearly_numeric, is_number
from fastclf.errors import DataError
from fastclf.table import Categories, Table, shown, twice
from fastclf.threads import resolve_n_threads

DELIMITERS = {"csv": ",", "tsv": "\t"}

_SAMPLE = 1 << 22  # bytes from which the types of columns are guessed


class TextFile:
    """A CSV or TSV file, or a stream of such text.

    Parameters
    ----------
    source : Path or binary file
    delimiter : str
        One character.
    header : bool, optional
        Whether the first row has the names of the columns. By default it has, unless it holds
        nothing but numbers. Without names the columns are c0, c1 and so on.

    Raises
    ------
    DataError
        If it can't be read, is empty, or has a name twice.
    """

    def __init__(
        self, source: Path | BinaryIO, delimiter: str = ",", header: bool | None = None
    ) -> None:
        self.path: Path | str = source if isinstance(source, Path) else "standard input"
        self.delimiter = delimiter
        if isinstance(source, Path):
            with arrow_errors(source), open(source, "rb") as file:
                self._begin(file, header)
        else:
            self._rest = source
            self._begin(source, header)

    def read(self, columns: Sequence[str] | None = None, text: Collection[str] = ()) -> Table:
        """Return some columns, or all; those of ``text`` as categories even if they are numbers.

        Raises
        ------
        DataError
            If a row has another number of values, or a column of text is numeric but for a few
            rows; it names the row.
        """
        wanted = list(self.names if columns is None else columns)
        with arrow_errors(self.path):
            table = to_table(self._whole(wanted, self._guess(wanted, text)), nulls=NULLS)
        for name in set(wanted) - set(text):
            column = table.columns[name]
            if isinstance(column, Categories):
                self._check_text(name, column)
        return table

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        numbers: Collection[str] = (),
        text: Collection[str] = (),
        batch_rows: int = 65_536,
    ) -> Iterator[Table]:
        """Yield the rows in parts of at most ``batch_rows``.

        Columns that are named neither in ``numbers`` nor in ``text`` are what the first megabytes
        say.

        Raises
        ------
        DataError
            If a numeric column has other text, or a row has another number of values.
        """
        wanted = list(self.names if columns is None else columns)
        kinds = {name: pa.float64() for name in numbers} | {name: TEXT for name in text}
        types = {name: kinds[name] for name in wanted if name in kinds}

        def parse(piece: bytes) -> list[Table] | pa.ArrowInvalid:
            try:
                whole = arrow_csv.read_csv(*self._piece_parser(piece, wanted, types))
            except pa.ArrowInvalid as problem:
                return problem  # its row is known when the rows before it are
            starts = range(0, whole.num_rows, batch_rows)
            return [to_table(whole.slice(start, batch_rows), start + 1, NULLS) for start in starts]

        done = 0
        with arrow_errors(self.path), self._after_names() as file:
            pieces: Iterator[bytes] = (
                piece for piece in line_pieces(file, self._block) if not piece.isspace()
            )
            if len(types) < len(wanted) and (first := next(pieces, b"")):
                types |= self._guess_from(first, wanted, types)
                pieces = chain([first], pieces)
            for parts in in_order(parse, pieces, resolve_n_threads(None)):
                if isinstance(parts, pa.ArrowInvalid):
                    raise DataError(self._translated(str(parts), done)) from None
                for part in parts:
                    yield Table(part.columns, part.rows + done)
                done += sum(part.n_rows for part in parts)

    def _begin(self, file: BinaryIO, header: bool | None) -> None:
        """Read the first two rows: the names, and about how long a row is."""
        lines: list[bytes] = []

        def text() -> Iterator[str]:
            for line in file:
                lines.append(line)
                yield line.decode("utf-8-sig" if len(lines) == 1 else "utf-8")

        reader = csv.reader(text(), delimiter=self.delimiter)
        try:
            first = next((row for row in reader if row), None)
            skipped = len(lines)
            next((row for row in reader if row), None)
        except UnicodeDecodeError:
            raise DataError(f"{self.path}: line {len(lines)} isn't UTF-8 text") from None
        except csv.Error as problem:
            raise DataError(f"{self.path}: line {len(lines)}: {problem}") from None
        if first is None:
            raise DataError(f"{self.path}: is empty")
        named = not all(map(is_number, first)) if header is None else header
        names = [name.strip() or f"c{i}" for i, name in enumerate(first)]
        self.names = tuple(names if named else (f"c{i}" for i in range(len(first))))
        if name := twice(self.names):
            raise DataError(
                f'{self.path}: two columns are named "{name}"; rename one, or set data.header to '
                "false if the first row isn't the names"
            )
        self._skipped = skipped if named else 0
        self._begun, self._names_end = b"".join(lines), len(b"".join(lines[: self._skipped]))
        self._block = max(_SAMPLE, 8 * len(self._begun))

    @contextmanager
    def _after_names(self) -> Iterator[BinaryIO]:
        """Give the text from the first row on."""
        if isinstance(self.path, Path):
            with open(self.path, "rb") as file:
                file.seek(self._names_end)
                yield file
        else:
            yield io.BufferedReader(_Joined(self._begun[self._names_end :], self._rest))

    def _piece_parser(self, piece: bytes, columns: list[str], types: dict[str, Any]) -> tuple:
        """Return the source and the options of pyarrow's readers for some rows."""
        return (
            pa.BufferReader(piece),
            arrow_csv.ReadOptions(
                use_threads=False, block_size=len(piece) + 1, column_names=list(self.names)
            ),
            arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=b'"' in piece),
            self._conversion(columns, types),
        )

    def _guess_from(
        self, piece: bytes, columns: list[str], types: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            schema = arrow_csv.read_csv(*self._piece_parser(piece, columns, types)).schema
        except pa.ArrowInvalid as problem:
            raise DataError(self._translated(str(problem), 0)) from None
        return _types(schema)

    def _parser(self, columns: list[str], types: dict[str, Any], threads: bool = True) -> tuple:
        """Return the source and the options of pyarrow's readers."""
        return (
            pa.OSFile(str(self.path)),
            arrow_csv.ReadOptions(
                use_threads=threads,
                block_size=self._block,
                column_names=list(self.names),
                skip_rows=self._skipped,
            ),
            arrow_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=self._has_quotes()),
            self._conversion(columns, types),
        )

    def _conversion(self, columns: list[str], types: dict[str, Any]) -> arrow_csv.ConvertOptions:
        return arrow_csv.ConvertOptions(
            include_columns=columns,
            column_types=types,
            null_values=list(NULLS),
            strings_can_be_null=True,
            auto_dict_encode=True,
            auto_dict_max_cardinality=2**31 - 1,
        )

    def _has_quotes(self) -> bool:
        """Return whether a value may go over several lines; if not, lines are cut in parallel."""
        with open(self.path, "rb") as file:
            return any(b'"' in block for block in iter(lambda: file.read(_SAMPLE), b""))

    def _whole(self, columns: list[str], types: dict[str, Any]) -> pa.Table:
        while True:
            try:
                return arrow_csv.read_csv(*self._parser(columns, types))
            except pa.ArrowInvalid as problem:
                fault = re.match(r"In CSV column #(\d+): .*conversion error", str(problem))
                name = self.names[int(fault[1])] if fault else ""
                if types.get(name) != pa.float64():
                    raise self._told(columns, types) from None
                types[name] = TEXT

    def _guess(self, columns: list[str], text: Collection[str]) -> dict[str, Any]:
        types = {name: TEXT for name in columns if name in text}
        with arrow_errors(self.path):
            try:
                schema = arrow_csv.open_csv(*self._parser(columns, types)).schema
            except pa.ArrowInvalid:
                raise self._told(columns, types) from None
        return types | _types(schema)

    def _told(self, columns: list[str], types: dict[str, Any]) -> DataError:
        """Read once more without threads, which tells the row; return the error with it."""
        try:
            for _ in arrow_csv.open_csv(*self._parser(columns, types, threads=False)):
                pass
        except pa.ArrowInvalid as problem:
            return DataError(self._translated(str(problem), -self._skipped))
        return DataError(f"{self.path}: can't be read twice with the same result")

    def _translated(self, reason: str, before: int) -> str:
        reason = " ".join(reason.split())
        row = re.search(r"Row #(\d+): ", reason)
        place = f"row {int(row[1]) + before}" if row else "some row"
        if counts := re.search(r"Expected (\d+) columns, got (\d+)", reason):
            return (
                f"{self.path}: {place} has {counts[2]} values, and there are {counts[1]} columns; "
                "correct it, or set data.delimiter"
            )
        column = re.match(r"In CSV column #(\d+): ", reason)
        name = self.names[int(column[1])] if column else ""
        if value := re.search(r"invalid value '(.*)'$", reason):
            return (
                f'{self.path}: {place}, column "{name}": {shown(value[1])} is not a number; '
                "correct it, or name the column in data.categorical"
            )
        if column and "UTF8" in reason:
            return f'{self.path}: {place}, column "{name}": not UTF-8 text; save it as UTF-8'
        return f"{self.path}: {place}: {reason}"

    def _check_text(self, name: str, column: Categories) -> None:
        """Refuse a column of many different numbers that has a little text."""
        numeric = [is_number(text) for text in column.names]
        if not any(numeric) or all(numeric):
            return
        present = np.bincount(column.codes[~column.missing], minlength=len(column.names))
        if not is_nearly_numeric(dict(zip(column.names, present.tolist(), strict=True))):
            return
        for row, code in enumerate(column.codes.tolist(), 1):
            if code >= 0 and not numeric[code]:
                raise DataError(
                    f'{self.path}: row {row}, column "{name}": {shown(column.names[code])} is not '
                    "a number, and nearly all other values there are; correct it, or name the "
                    "column in data.categorical"
                )


def _types(schema: pa.Schema) -> dict[str, Any]:
    """Return which columns are read as numbers, and which as text."""
    types = {}
    for field in schema:
        kind = field.type
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        types[field.name] = pa.float64() if numeric or pa.types.is_null(kind) else TEXT
    return types


class _Joined(io.RawIOBase):
    """Bytes that were read from a stream, and then the rest of it."""

    def __init__(self, begun: bytes, rest: BinaryIO) -> None:
        self._begun, self._rest = io.BytesIO(begun), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._begun.read(len(buffer)) or self._rest.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

"""Files of a stream, divided into parts that can be read repeatedly and in any order."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from fastclf import threads
from fastclf.data.arrow import (
    arrow_errors,
    is_number,
    numbers_of,
    pandas_categories,
    rounds,
    to_table,
)
from fastclf.data.ipc_files import IpcFile
from fastclf.data.json_lines import JSONFile
from fastclf.data.parquet_files import ParquetFiles
from fastclf.data.stream_source import Place
from fastclf.data.tables import first_file, text_files
from fastclf.data.text import TextFile
from fastclf.data.text_layout import LayoutHints
from fastclf.errors import DataError
from fastclf.recycling import Recycled
from fastclf.table import Categories, Lists, Numbers, Table, listed

_BUFFER_BYTES = 1 << 16  # bytes that are read at a time of each column of a Parquet file
_DECODED_ROWS = 1 << 15  # rows that are decoded together: fewer take longer, more take memory
_BLOCK = 4096  # rows that are written at a time, so that cache lines of X stay in the cache
_BY_COLUMNS = 1 << 26  # largest size in bytes of a row group's features to decode it by columns
_COLUMN_BYTES = 1 << 23  # bytes of columns that are decoded together when decoding by columns


class Wanted(NamedTuple):
    """The columns to read from a file, and the matrices to make of them.

    Parameters
    ----------
    features : sequence of str
        The columns of the matrix X.
    others : sequence of str
        The columns of targets and weights.
    dtype : numpy.dtype
        The dtype of X.
    most : int
        Largest number of rows of X.
    """

    features: Sequence[str]
    others: Sequence[str]
    dtype: np.dtype
    most: int

    @property
    def names(self) -> list[str]:
        """The names of all columns to read."""
        return [*self.features, *self.others]


class Piece(Protocol):
    """Some rows of a part."""

    @property
    def n_rows(self) -> int:
        """The number of rows."""

    def matrix(self, names: Sequence[str], dtype: np.dtype) -> np.ndarray:
        """Return numeric columns as X (m, d); a missing value is NaN."""

    def column(self, name: str) -> np.ndarray:
        """Return a column (m,) of numbers or text; a missing value is NaN or ""."""

    def table(self, names: Sequence[str], first_row: int) -> Table:
        """Return columns as a table; its first row has the number ``first_row``."""


class TableParts(Protocol):
    """A file of named columns, in parts that can be read in any order."""

    files: list[Path]
    count: int
    schema: pa.Schema | None

    def place(self, part: int) -> Place:
        """Return where a part is."""

    def read(self, part: int, columns: Sequence[str], most: int) -> Iterator[Piece]:
        """Yield the rows of a part in pieces of at most ``most`` rows."""

    def matrices(self, parts: Iterable[int], wanted: Wanted) -> Iterator[tuple[np.ndarray, Piece]]:
        """Yield the rows of parts, one part after another: X (m, d), and the other columns.

        A thread reads the next rows in advance.
        """


def matrices_of(
    file: TableParts, parts: Iterable[int], wanted: Wanted
) -> Iterator[tuple[np.ndarray, Piece]]:
    """Yield the rows of parts as `TableParts.matrices` does; a thread decodes the next piece."""
    for part in parts:
        for piece in threads.prefetch(file.read(part, wanted.names, wanted.most)):
            yield piece.matrix(wanted.features, wanted.dtype), piece


class ArrowPiece:
    """Rows of an Arrow record batch."""

    def __init__(self, batch: pa.RecordBatch | pa.Table, text: Collection[str] = ()) -> None:
        self._batch, self._text = batch, text
        self.n_rows = batch.num_rows

    def matrix(self, names: Sequence[str], dtype: np.dtype) -> np.ndarray:
        """Return numeric columns as X (m, d); a missing value is NaN."""
        return _matrix([numbers_of(self._batch.column(name)) for name in names], dtype)

    def column(self, name: str) -> np.ndarray:
        """Return a column (m,) of numbers or text; a missing value is NaN or ""."""
        values = self._batch.column(name)
        if is_number(values.type) or pa.types.is_null(values.type):
            return numbers_of(values)
        return _text(to_table(pa.table({name: values})), name)

    def table(self, names: Sequence[str], first_row: int) -> Table:
        """Return columns as a table; its first row has the number ``first_row``."""
        columns = {name: self._batch.column(name) for name in names}
        text = [name for name in names if name in self._text and rounds(columns[name])]
        return to_table(pa.table(columns), first_row, text=text)


class TextPiece:
    """Rows of a text file."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.n_rows = table.n_rows

    def matrix(self, names: Sequence[str], dtype: np.dtype) -> np.ndarray:
        """Return numeric columns as X (m, d); a missing value is NaN."""
        return _matrix([self.column(name) for name in names], dtype)

    def column(self, name: str) -> np.ndarray:
        """Return a column (m,) of numbers or text; a missing value is NaN or ""."""
        column = self._table.columns[name]
        if isinstance(column, Categories):
            return _text(self._table, name)
        assert not isinstance(column, Lists)  # text has none
        return column.values

    def table(self, names: Sequence[str], first_row: int) -> Table:
        """Return columns as a table; the rows have the numbers that they have in the file."""
        return self._table.select(names)


class ParquetParts:
    """The row groups of a Parquet file, or of a folder of Parquet files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text: Collection[str] = ()
        self._parquet = ParquetFiles(path, folders_are_columns=False)
        self.schema, self.files = self._parquet.schema, self._parquet.files
        self.check = self._parquet.check
        self._metadata: dict[int, parquet.FileMetaData] = {}
        self._groups: list[tuple[int, int, int]] = []  # file, row group and rows before it
        for i in range(len(self.files)):
            metadata = self._metadata[i] = self._read_metadata(i)
            before = 0
            for group in range(metadata.num_row_groups):
                self._groups.append((i, group, before))
                before += metadata.row_group(group).num_rows
        self.count = len(self._groups)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the metadata of all files, which are read again elsewhere."""
        return {**vars(self), "_metadata": {}, "check": None}

    def place(self, part: int) -> Place:
        """Return where a part is."""
        i, _, before = self._groups[part]
        return Place([self.files[i]], str(self.files[i]), before)

    def _metadata_of(self, file: int) -> parquet.FileMetaData:
        found = self._metadata.get(file)
        if found is None:  # it was pickled; now it keeps that of one file at a time
            found = self._read_metadata(file)
            self._metadata = {file: found}
        return found

    def _read_metadata(self, file: int) -> parquet.FileMetaData:
        with arrow_errors(self.files[file]):
            return parquet.read_metadata(self.files[file])

    def _of_part(self, part: int) -> tuple[Path, parquet.FileMetaData, int]:
        i, group, _ = self._groups[part]
        return self.files[i], self._metadata_of(i), group

    def read(self, part: int, columns: Sequence[str], most: int) -> Iterator[Piece]:
        """Yield the rows of a part in pieces of at most ``most`` rows."""
        path, metadata, group = self._of_part(part)
        with arrow_errors(path):
            file = parquet.ParquetFile(
                path, metadata=metadata, pre_buffer=False, buffer_size=_BUFFER_BYTES
            )
            with file:
                batches = file.iter_batches(
                    _DECODED_ROWS, row_groups=[group], columns=list(columns)
                )
                for batch in batches:
                    for start in range(0, batch.num_rows, most):
                        yield self._piece(batch.slice(start, most), path)
            pa.default_memory_pool().release_unused()

    def matrices(self, parts: Iterable[int], wanted: Wanted) -> Iterator[tuple[np.ndarray, Piece]]:
        """Yield the rows of parts, one part after another: X (m, d), and the other columns.

        Unless a row group is too large, it is decoded a few columns at a time. Otherwise the reader
        would keep a dictionary and a page of each column, which need more memory than the rows.
        """
        for chunks in threads.prefetch(self._read_groups(parts, wanted)):
            while chunks:
                yield chunks.pop(0)
        pa.default_memory_pool().release_unused()

    def _read_groups(
        self, parts: Iterable[int], wanted: Wanted
    ) -> Iterator[list[tuple[np.ndarray, Piece]]]:
        row = wanted.dtype.itemsize * len(wanted.features)
        memory = Recycled()
        for part in parts:
            _, metadata, group = self._of_part(part)
            if metadata.row_group(group).num_rows * row <= _BY_COLUMNS:
                chunks = self._by_columns(part, wanted, memory)
                last = [chunks.pop() for _ in range(len(chunks) // 2)]
                yield chunks
                yield last[::-1]  # so the next group is decoded when half of this one is consumed
            else:
                for chunk in matrices_of(self, [part], wanted):
                    yield [chunk]

    def _by_columns(
        self, part: int, wanted: Wanted, memory: Recycled
    ) -> list[tuple[np.ndarray, Piece]]:
        path, metadata, group = self._of_part(part)
        n = metadata.row_group(group).num_rows
        if n <= 0:
            return []
        length = -(-n // -(-n // wanted.most))  # rows of a chunk, so that chunks are equally long
        X = [
            memory.empty((min(length, n - start), len(wanted.features)), wanted.dtype)
            for start in range(0, n, length)
        ]
        n_columns = max(1, _COLUMN_BYTES // (n * wanted.dtype.itemsize))
        with arrow_errors(path), parquet.ParquetFile(path, metadata=metadata) as file:
            for first in range(0, len(wanted.features), n_columns):
                names = list(wanted.features[first : first + n_columns])
                found = _group(file, group, names, n)
                columns = [numbers_of(found.column(name).chunk(0)) for name in names]
                for i, chunk in enumerate(X):
                    rows = slice(i * length, i * length + len(chunk))
                    _write(chunk, first, [column[rows] for column in columns])
                del found, columns
            others = _group(file, group, list(wanted.others), n)
        pieces = [self._piece(batch, path) for batch in others.to_batches(length)]
        return list(zip(X, pieces, strict=True))

    def _piece(self, batch: pa.RecordBatch, path: Path) -> ArrowPiece:
        with arrow_errors(path):
            batch.validate(full=True)
        if self._parquet.is_uniform:
            return ArrowPiece(batch, self.text)
        table = self._parquet.unified(pa.Table.from_batches([batch]), path)
        return ArrowPiece(table.combine_chunks().to_batches()[0], self.text)


class IpcParts:
    """The record batches of an Arrow IPC file; a file in the stream format is one part."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = [path]
        self.text: Collection[str] = ()
        self._file = IpcFile(path)
        self.schema, self.count = self._file.schema, self._file.count

    def place(self, part: int) -> Place:
        """Return where a part is."""
        of = f": record batch {part + 1}" if self.count > 1 else ""
        return Place(self.files, f"{self.path}{of}", 0)

    def read(self, part: int, columns: Sequence[str], most: int) -> Iterator[Piece]:
        """Yield the rows of a part in pieces of at most ``most`` rows."""
        for batch in self._file.read(part, columns):
            for start in range(0, batch.num_rows, most):
                yield ArrowPiece(batch.slice(start, most), self.text)

    def matrices(self, parts: Iterable[int], wanted: Wanted) -> Iterator[tuple[np.ndarray, Piece]]:
        """Yield the rows of parts, one part after another: X (m, d), and the other columns."""
        return matrices_of(self, parts, wanted)


class TextParts:
    """A file of CSV, TSV or JSON lines, or a folder of CSV or TSV files; each file is a part.

    The first file decides the layout of all, and which of the columns ``beside`` the features are
    numbers.
    """

    schema = None

    def __init__(
        self, path: Path, kind: str, hints: LayoutHints, beside: Collection[str] = ()
    ) -> None:
        self.path = path
        self._hints = hints
        self.files = text_files(path)
        self._first: TextFile | JSONFile
        if kind == "jsonl":
            self._first = JSONFile(path, hints.encoding)
        else:
            self._first = TextFile(first_file(path, "csv"), hints)
        self.count = len(self.files)
        self._checked: set[int] = set()
        self.names = self._first.names
        self.numbers: Sequence[str] = ()
        self.text: Collection[str] = ()
        self._kinds: dict[str, bool] = {}  # which of the others are numbers
        if self.count > 1:
            layout = self._first.layout
            assert layout is not None
            self._hints = hints._replace(delimiter=layout.delimiter, decimal=layout.decimal)
            known = [name for name in beside if name in self.names]
            for table in islice(self._first.batches(known), 1):
                self._kinds = {name: isinstance(table.columns[name], Numbers) for name in known}
            for part in range(1, self.count):
                self._open(part)

    def place(self, part: int) -> Place:
        """Return where a part is."""
        return Place([self.files[part]], str(self.files[part]), 0)

    def read(self, part: int, columns: Sequence[str], most: int) -> Iterator[Piece]:
        """Yield the rows of a part in pieces of at most ``most`` rows."""
        kinds = {**self._kinds, **dict.fromkeys(self.numbers, True)}
        kinds |= dict.fromkeys(self.text, False)
        numbers = [name for name in columns if kinds.get(name) is True]
        text = [name for name in columns if kinds.get(name) is False]
        codes = part not in self._checked
        tables = self._open(part).batches(
            columns, numbers=numbers, text=text, codes=codes, batch_rows=most
        )
        for table in tables:
            yield TextPiece(table)
        self._checked.add(part)  # the first complete pass has checked leading zeros

    def _open(self, part: int) -> TextFile | JSONFile:
        if part == 0:
            return self._first
        file = TextFile(self.files[part], self._hints)
        if file.names != self.names:
            raise DataError(
                f"{self.files[part]}: its columns are {listed(file.names)}, but those of "
                f"{self.files[0].name} are {listed(self.names)}; give all files of the folder the "
                "same header"
            )
        return file

    def matrices(self, parts: Iterable[int], wanted: Wanted) -> Iterator[tuple[np.ndarray, Piece]]:
        """Yield the rows of parts, one part after another: X (m, d), and the other columns."""
        return matrices_of(self, parts, wanted)


def _group(file: parquet.ParquetFile, group: int, columns: list[str], n: int) -> pa.Table:
    found = file.read_row_group(group, columns).combine_chunks()
    if columns and found.num_rows != n:
        raise ValueError(
            f"a row group has {found.num_rows} rows, but its metadata says {n}; it is damaged"
        )
    return found


def _matrix(columns: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    X = np.empty((len(columns[0]), len(columns)), dtype)
    _write(X, 0, columns)
    return X


def _write(X: np.ndarray, first: int, columns: list[np.ndarray]) -> None:
    """Write columns (m,) into X (m, d), from its column ``first`` on."""
    for start in range(0, len(X), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = X[rows]
        for j, column in enumerate(columns, first):
            block[:, j] = column[rows]


def _text(table: Table, name: str) -> np.ndarray:
    column = table.columns[name]
    assert isinstance(column, Categories)
    return np.array([*column.names, ""])[column.codes]  # code -1, a missing value, is the last


def categorical_columns(path: Path, kind: str, columns: Sequence[str], file: Any) -> set[str]:
    """Return which columns aren't numeric, by the file's schema or the first rows of text."""
    if kind in ("parquet", "arrow"):
        schema = ParquetParts(path).schema if kind == "parquet" else IpcParts(path).schema
        for name in columns:
            if name not in schema.names:
                raise DataError(
                    f'{path}: the column "{name}" is in folder names, which a stream doesn\'t '
                    "read; leave it out with data.drop"
                )
        return set(columns) - (number_columns(schema).keys() - pandas_categories(schema))
    first = next(file.batches(list(columns)), None)
    if first is None:
        return set()
    return {name for name in columns if not isinstance(first.columns[name], Numbers)}


def number_columns(schema: pa.Schema) -> dict[str, bool]:
    """Return the numeric columns, each with whether float32 can hold its values exactly."""
    small = (pa.float32(), pa.float16(), pa.int8(), pa.int16(), pa.uint8(), pa.uint16())
    return {field.name: field.type in small for field in schema if is_number(field.type)}

"""Files that are read in pieces, again and again: their parts, which can be read in any order."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from pyarrow import dataset as arrow_dataset
from pyarrow import ipc, parquet

from fastclf.data.arrow import arrow_errors, to_table
from fastclf.data.text import TextFile
from fastclf.errors import DataError
from fastclf.table import Categories, Lists, Table

_BUFFER = 1 << 18  # bytes of each column of a Parquet file that are read at a time
_DECODED = 1 << 16  # rows that are decoded together: fewer take longer, more take memory
_BLOCK = 4096  # rows that are written at a time, so that lines of the matrix stay in cache


class Piece(Protocol):
    """Some rows: their columns, by name."""

    @property
    def n_rows(self) -> int:
        """How many they are."""

    def matrix(self, names: Sequence[str], dtype: np.dtype) -> np.ndarray:
        """Return numeric columns as X (m, d); a missing value is NaN."""

    def column(self, name: str) -> np.ndarray:
        """Return a column (m,): numbers, with NaN, or text, with "" for what is missing."""

    def table(self, first_row: int) -> Table:
        """Return all columns, for an encoder."""


class TableParts(Protocol):
    """A file of columns, in parts that can be read in any order."""

    files: list[Path]
    count: int

    def read(self, part: int, columns: Sequence[str], most: int) -> Iterator[Piece]:
        """Yield the rows of a part in pieces of at most so many."""


class ArrowPiece:
    """Rows of an Arrow record batch."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self.n_rows = batch.num_rows

    def matrix(self, names: Sequence[str], dtype: np.dtype) -> np.ndarray:
        """Return numeric columns as X (m, d); a missing value is NaN."""
        return _matrix([_numbers(self._batch.column(name)) for name in names], dtype)

    def column(self, name: str) -> np.ndarray:
        """Return a column (m,): numbers, with NaN, or text, with "" for what is missing."""
        values = self._batch.column(name)
        if _is_number(values.type):
            return _numbers(values)
        return _text(to_table(pa.table({name: values})), name)

    def table(self, first_row: int) -> Table:
        """Return all columns, for an encoder."""
        return to_table(pa.Table.from_batches([self._batch]), first_row)


class TextPiece:
    """Rows of text that was parsed."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.n_rows = table.n_rows

    def matrix(self, names: Sequence[str], dtype: np.dtype) -> np.ndarray:
        """Return numeric columns as X (m, d); a missing value is NaN."""
        return _matrix([self.column(name) for name in names], dtype)

    def column(self, name: str) -> np.ndarray:
        """Return a column (m,): numbers, with NaN, or text, with "" for what is missing."""
        column = self._table.columns[name]
        if isinstance(column, Categories):
            return _text(self._table, name)
        assert not isinstance(column, Lists)  # text has none
        return column.values

    def table(self, first_row: int) -> Table:
        """Return all columns, for an encoder."""
        return self._table


class ParquetParts:
    """The row groups of a Parquet file, or of a folder of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with arrow_errors(path):
            found = arrow_dataset.dataset(path, format="parquet")
            self.schema = found.schema
            self.files = [Path(name) for name in found.files]
        self._groups = []
        for file in self.files:
            with arrow_errors(file):
                metadata = parquet.read_metadata(file)
            self._groups += [(file, metadata, i) for i in range(metadata.num_row_groups)]
        self.count = len(self._groups)

    def read(self, part: int, columns: Sequence[str], most: int) -> Iterator[Piece]:
        """Yield the rows of a part in pieces of at most so many."""
        path, metadata, group = self._groups[part]
        with arrow_errors(path):
            file = parquet.ParquetFile(
                path, metadata=metadata, pre_buffer=False, buffer_size=_BUFFER
            )
            with file:
                batches = file.iter_batches(_DECODED, row_groups=[group], columns=list(columns))
                for batch in batches:
                    for start in range(0, batch.num_rows, most):
                        yield ArrowPiece(batch.slice(start, most))
            pa.default_memory_pool().release_unused()


class IpcParts:
    """The record batches of an Arrow file; a stream of them is one part."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = [path]
        with arrow_errors(path), pa.OSFile(str(path)) as file:
            try:
                reader: Any = ipc.open_file(file)
                self.count = reader.num_record_batches
                self._is_file = True
            except pa.ArrowInvalid:  # the stream format has no footer
                file.seek(0)
                reader = ipc.open_stream(file)
                self.count = 1
                self._is_file = False
            self.schema = reader.schema

    def read(self, part: int, columns: Sequence[str], most: int) -> Iterator[Piece]:
        """Yield the rows of a part in pieces of at most so many."""
        with arrow_errors(self.path), pa.OSFile(str(self.path)) as file:
            if self._is_file:
                batches: Any = [ipc.open_file(file).get_batch(part)]
            else:
                batches = ipc.open_stream(file)
            for batch in batches:
                batch = batch.select(list(columns))
                batch.validate(full=True)
                for start in range(0, batch.num_rows, most):
                    yield ArrowPiece(batch.slice(start, most))


class TextParts:
    """A CSV or TSV file, which has one part."""

    count = 1
    schema = None

    def __init__(self, path: Path, delimiter: str, header: bool | None) -> None:
        self.path = path
        self.files = [path]
        self._file = TextFile(path, delimiter, header)
        self.names = self._file.names
        self.numbers: tuple[str, ...] = ()

    def read(self, part: int, columns: Sequence[str], most: int) -> Iterator[Piece]:
        """Yield the rows in pieces of at most so many."""
        numbers = [name for name in columns if name in self.numbers]
        for table in self._file.batches(columns, numbers=numbers, batch_rows=most):
            yield TextPiece(table)


class ArrayParts:
    """Rows of an NPY file, with the targets of another; parts of a given length."""

    def __init__(self, path: Path, target_path: Path, rows: int) -> None:
        self.path = path
        self.files = [path, target_path]
        self._rows = rows
        self._arrays = [_mapped(file) for file in self.files]
        X, y = self._arrays
        if X.ndim != 2 or X.dtype.kind not in "biuf":
            raise DataError(f"{path}: must hold a matrix of numbers, got {X.shape} of {X.dtype}")
        if len(X) != len(y) or y.ndim > 2:
            raise DataError(f"{target_path}: shape {y.shape} doesn't go with {len(X)} rows of X")
        self.dtype, self.n_features = X.dtype, X.shape[1]
        self.several_targets = y.ndim == 2 and y.shape[1] != 1
        self.count = -(-len(X) // rows)

    def read(self, part: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of a part."""
        rows = slice(part * self._rows, (part + 1) * self._rows)
        X, y = self._arrays
        return np.array(X[rows], dtype=dtype, order="C"), np.array(y[rows])


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as problem:
        reason = getattr(problem, "strerror", None) or " ".join(str(problem).split())
        raise DataError(f"{path}: can't be read: {reason}") from None


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)


def _numbers(values: pa.Array) -> np.ndarray:
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.float64())
    return values.to_numpy(zero_copy_only=False)


def _matrix(columns: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    n = len(columns[0])
    X = np.empty((n, len(columns)), dtype)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = X[rows]
        for j, column in enumerate(columns):
            block[:, j] = column[rows]
    return X


def _text(table: Table, name: str) -> np.ndarray:
    column = table.columns[name]
    assert isinstance(column, Categories)
    return np.array([*column.names, ""])[column.codes]  # a code of -1 is the last


def number_columns(schema: pa.Schema) -> dict[str, bool]:
    """Return which columns hold numbers, and whether single precision holds them."""
    small = (pa.float32(), pa.float16(), pa.int8(), pa.int16(), pa.uint8(), pa.uint16())
    return {field.name: field.type in small for field in schema if _is_number(field.type)}

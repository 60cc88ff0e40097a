"""Reading the rows to predict for in batches: from files and streams of columns, and matrices."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastclf.data.arrays import load_matrix
from fastclf.data.arriving import as_it_comes
from fastclf.data.nulls import without_nulls
from fastclf.data.options import FileOptions
from fastclf.data.tables import TABLES, format_of, open_table, set_known_names
from fastclf.errors import DataError, InputError
from fastclf.linear_model import LinearModel
from fastclf.preprocessing import Encoder
from fastclf.table import Categories, Lists, as_categories, check_columns


@dataclass(frozen=True, eq=False)
class Rows:
    """A batch of rows of a file.

    Attributes
    ----------
    X : Table, ndarray or CSR matrix of n rows
        The input of the model.
    kept : mapping of str to Categories
        Columns that are copied into the output, as text.
    first : int
        The number of the first row in the file, from 1 on.
    """

    X: Any
    kept: Mapping[str, Categories] = field(default_factory=dict)
    first: int = 1


def stream_rows(
    source: Path | BinaryIO,
    model: LinearModel,
    *,
    options: FileOptions | None = None,
    keep: Sequence[str] = (),
    batch_rows: int = 65_536,
) -> Iterator[Rows]:
    """Yield the rows of a file in batches of at most ``batch_rows`` rows.

    Parameters
    ----------
    source : Path or binary file
        A stream holds CSV, or TSV if ``options`` says so. The rows of a pipe or terminal are
        yielded as they come.
    model : LinearModel
        Decides which columns are read, and which of them are categories.
    options : FileOptions, optional
        The options with which the training file was read. They are used where this file has the
        same format.
    keep : sequence of str
        Columns of a table that are copied into the output.
    batch_rows : int

    Raises
    ------
    DataError
        If the file can't be read, or a column is missing.
    """
    kind = _format(source, options)
    with naming(source):
        if kind in TABLES:
            yield from _table_rows(source, kind, model, options, keep, batch_rows)
            return
        assert isinstance(source, Path)
        if keep:
            raise DataError(f"{kind} files have no named columns, so none can be kept")
        if kind == "npz" and _has_dense(source):
            parts = _npz_rows(source, batch_rows)
        else:
            parts = _slices(load_matrix(source, kind, model.feature_names), batch_rows)
        target = None if options is None else options.target
        first = 1
        for X in parts:
            # Columns without names: drop the one at the index of the target, if it is there.
            if isinstance(target, int) and X.shape[1] == model.n_features + 1:
                X = np.delete(X, target, axis=1)
            yield Rows(X, first=first)
            first += X.shape[0]


def _format(source: Path | BinaryIO, options: FileOptions | None) -> Any:
    given = None if options is None else options.format
    if not isinstance(source, Path):
        return given if given in ("csv", "tsv") else "csv"
    try:
        return format_of(source)
    except DataError:
        if given is None or not source.exists():
            raise
        return given


def _table_rows(
    source: Path | BinaryIO,
    kind: Any,
    model: LinearModel,
    options: FileOptions | None,
    keep: Sequence[str],
    batch_rows: int,
) -> Iterator[Rows]:
    encoder = model.encoder
    if encoder is None and model.feature_names is not None:
        encoder = Encoder.of_numbers(model.feature_names)
    if encoder is None:
        raise DataError(
            "the model has no names of features, so it can't predict for a table; give a matrix "
            "(NPY, NPZ or svmlight)"
        )
    is_text = options is not None and kind in ("csv", "tsv")
    file = open_table(
        source if isinstance(source, Path) else as_it_comes(source),
        format=kind,
        header=options.header if options is not None and is_text else None,
        delimiter=options.delimiter if options is not None and is_text else None,
        decimal=options.decimal if options is not None and is_text else None,
        encoding=options.encoding if options is not None and is_text else None,
        expected=(*encoder.column_names, *keep),
    )
    check_columns((*encoder.column_names, *keep), file.names)
    set_known_names(file, encoder.known)
    text = {*encoder.categorical, *keep}
    wanted = list(dict.fromkeys((*encoder.column_names, *keep)))
    numbers = [name for name in wanted if name not in text]
    for table in file.batches(wanted, numbers=numbers, text=text, batch_rows=batch_rows):
        kept = {}
        for name in keep:
            column = table.columns[name]
            if isinstance(column, Lists):
                raise DataError(f'column "{name}" holds lists, which can\'t be kept')
            kept[name] = as_categories(column)
        yield Rows(without_nulls(table, encoder.known), kept)


def _has_dense(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "X.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False  # reading the whole file reports the error


def _npz_rows(path: Path, batch_rows: int) -> Iterator[np.ndarray]:
    """Yield the rows of the array X in an NPZ file; X is read as a whole only in Fortran order."""
    with _array_errors(), zipfile.ZipFile(path) as archive, archive.open("X.npy") as entry:
        version = np.lib.format.read_magic(entry)
        read_header = np.lib.format.read_array_header_2_0
        if version == (1, 0):
            read_header = np.lib.format.read_array_header_1_0
        shape, is_fortran, dtype = read_header(entry)
        if len(shape) != 2 or dtype.kind not in "biuf":
            raise DataError(
                f"X must be a matrix of numbers, of shape (n, d), got {shape} of {dtype}"
            )
        n, d = shape
        if is_fortran:
            yield from _slices(np.frombuffer(entry.read(), dtype).reshape(d, n).T, batch_rows)
            return
        for start in range(0, max(n, 1), batch_rows):
            rows = min(batch_rows, n - start)
            content = entry.read(rows * d * dtype.itemsize)
            yield np.frombuffer(content, dtype).reshape(rows, d)


def _slices(X: Any, batch_rows: int) -> Iterator[Any]:
    for start in range(0, max(X.shape[0], 1), batch_rows):
        yield X[start : start + batch_rows]


@contextmanager
def _array_errors() -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        reason = " ".join(str(getattr(problem, "strerror", None) or problem).split())
        raise DataError(f"can't be read: {reason}") from None


@contextmanager
def naming(source: Path | str | BinaryIO) -> Iterator[None]:
    """Put the name of the file before messages of errors in the block that don't begin with it."""
    name = str(source) if isinstance(source, Path | str) else "standard input"
    try:
        yield
    except (DataError, InputError) as problem:
        named = str(problem).startswith(name)
        raise DataError(str(problem) if named else f"{name}: {problem}") from None

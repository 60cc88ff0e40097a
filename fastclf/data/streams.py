"""Rows to predict for, read in parts: from tables and streams of text, and from matrices."""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse

from fastclf.data.options import FileOptions
from fastclf.data.tables import TABLES, format_of, open_table
from fastclf.errors import DataError, InputError
from fastclf.preprocessing import Encoder
from fastclf.table import Categories, Lists, as_categories, check_columns


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of a file.

    Attributes
    ----------
    X : Table, ndarray or CSR matrix of n rows
        What a model takes.
    kept : mapping of str to Categories
        Other columns, as text.
    """

    X: Any
    kept: Mapping[str, Categories] = field(default_factory=dict)


def stream_rows(
    source: Path | BinaryIO,
    encoder: Encoder | None,
    n_features: int,
    *,
    options: FileOptions | None = None,
    keep: Sequence[str] = (),
    batch_rows: int = 65_536,
) -> Iterator[Rows]:
    """Yield the rows of a file in parts of at most ``batch_rows``.

    Parameters
    ----------
    source : Path or binary file
        A stream holds CSV.
    encoder : Encoder or None
        Which columns are read from a table, and which of them are categories.
    n_features : int
        Columns of a sparse matrix, whose last ones may be empty.
    options : FileOptions, optional
        How the file is read that the model was trained on; another one is read likewise if it has
        the same format.
    keep : sequence of str
        Columns of a table that are passed on.
    batch_rows : int
        The most rows of a part.

    Raises
    ------
    DataError
        If the file can't be read, or a column isn't there.
    """
    kind = _format(source, options)
    with naming(source):
        if kind in TABLES:
            yield from _table_rows(source, kind, encoder, options, keep, batch_rows)
            return
        assert isinstance(source, Path)
        if keep:
            raise DataError(f"{kind} files have no columns with names that could be kept")
        for X in _MATRICES[kind](source, n_features, batch_rows):
            yield Rows(X)


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
    encoder: Encoder | None,
    options: FileOptions | None,
    keep: Sequence[str],
    batch_rows: int,
) -> Iterator[Rows]:
    if encoder is None:
        raise DataError(
            "the model doesn't know the names of its features, so it can't take a table; give a "
            "matrix (NPY, NPZ or svmlight)"
        )
    is_text = options is not None and kind in ("csv", "tsv")
    file = open_table(
        source,
        format=kind,
        header=options.header if options is not None and is_text else None,
        delimiter=options.delimiter if options is not None and is_text else None,
    )
    check_columns((*encoder.column_names, *keep), file.names)
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
        yield Rows(table, kept)


def _npy_rows(path: Path, n_features: int, batch_rows: int) -> Iterator[np.ndarray]:
    with _array_errors():
        X = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(X, np.ndarray):
        raise DataError("not an NPY file, though it is called so")
    _check_matrix(X.shape, X.dtype)
    for start in range(0, max(len(X), 1), batch_rows):
        yield X[start : start + batch_rows]


def _npz_rows(path: Path, n_features: int, batch_rows: int) -> Iterator[Any]:
    with _array_errors(), zipfile.ZipFile(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        if "X" in names:
            with archive.open("X.npy") as entry:
                yield from _entry_rows(entry, batch_rows)
            return
        for prefix in ("X_", ""):
            parts = [f"{prefix}{part}" for part in ("data", "indices", "indptr", "shape")]
            if names.issuperset(parts):
                data, indices, indptr, shape = (_entry(archive, part) for part in parts)
                X = scipy.sparse.csr_array((data, indices, indptr), shape=tuple(shape))
                yield from _slices(X, batch_rows)
                return
    raise DataError(f"has no array X, and no parts of a CSR matrix; it has {sorted(names)}")


def _entry(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    return np.load(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)


def _entry_rows(entry: Any, batch_rows: int) -> Iterator[np.ndarray]:
    """Yield the rows of an array in an archive without reading all of it, if its order allows."""
    version = np.lib.format.read_magic(entry)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in read_header:
        raise DataError(f"an array in format {version}")
    shape, is_fortran, dtype = read_header[version](entry)
    _check_matrix(shape, dtype)
    n, d = shape
    if is_fortran:
        X = np.frombuffer(entry.read(), dtype).reshape(d, n).T
        yield from _slices(X, batch_rows)
        return
    for start in range(0, max(n, 1), batch_rows):
        rows = min(batch_rows, n - start)
        content = entry.read(rows * d * dtype.itemsize)
        yield np.frombuffer(content, dtype).reshape(rows, d)


def _svmlight_rows(path: Path, n_features: int, batch_rows: int) -> Iterator[Any]:
    from sklearn.datasets import load_svmlight_file

    with _array_errors():
        X, _ = load_svmlight_file(path, n_features=n_features, multilabel=False)
    yield from _slices(X, batch_rows)


def _slices(X: Any, batch_rows: int) -> Iterator[Any]:
    for start in range(0, max(X.shape[0], 1), batch_rows):
        yield X[start : start + batch_rows]


def _check_matrix(shape: tuple[int, ...], dtype: np.dtype) -> None:
    if len(shape) != 2 or dtype.kind not in "biuf":
        raise DataError(f"holds an array of shape {shape} and dtype {dtype}, not a matrix")


_MATRICES = {"npy": _npy_rows, "npz": _npz_rows, "svmlight": _svmlight_rows}


@contextmanager
def _array_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as problem:
        if isinstance(problem, DataError):
            raise
        reason = " ".join(str(getattr(problem, "strerror", None) or problem).split())
        raise DataError(f"can't be read: {reason}") from None


@contextmanager
def naming(source: Path | BinaryIO) -> Iterator[None]:
    """Put the name of the file before errors about its rows that don't begin with it."""
    name = str(source) if isinstance(source, Path) else "standard input"
    try:
        yield
    except (DataError, InputError) as problem:
        named = str(problem).startswith(name)
        raise DataError(str(problem) if named else f"{name}: {problem}") from None

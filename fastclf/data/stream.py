"""Data that are larger than memory, as a source that `fit` takes in place of X and y."""

import copy
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastclf.data.tables import SUFFIXES, Format, format_of
from fastclf.errors import DataError
from fastclf.estimators.streams import Rows
from fastclf.linear_model import Affine
from fastclf.table import check_columns, twice

if TYPE_CHECKING:
    from fastclf.data.stream_files import ArrayParts, TableParts

_CHUNK = 1 << 23
"""Bytes of X in a chunk. Three or four of them are in memory at a time."""


class Stream:
    """Rows of a file that are read anew in each pass, in chunks; the file may be of any size.

    Features are numbers, none of them missing. Chunks of Parquet, Arrow and NPY files can be
    shuffled; CSV is read in its order, and only shuffled within a buffer.

    Parameters
    ----------
    path : path-like
        A Parquet file or a folder of them, an Arrow IPC file, CSV or TSV; or a matrix in an NPY
        file, which is mapped into memory.
    target : str or sequence of str, optional
        The column with the labels; or several, with indicators or distributions. Needed but for
        NPY.
    target_path : path-like, optional
        For NPY: the file of y, (n,) or (n, L).
    columns : sequence of str, optional
        Those that are features; by default all others.
    drop : sequence of str
        Columns that aren't features.
    weight : str, optional
        A column by which rows count.
    dtype : {"float32", "float64"}, optional
        Of X; by default single precision if the file has no more.
    chunk_rows : int, optional
        The most rows of a chunk; by default those that take 8 MB.
    format : str, optional
        By default that of the suffix.
    header : bool, optional
        For text: whether its first row has the names of the columns.
    delimiter : str, optional
        For text: what is between two values.

    Attributes
    ----------
    feature_names : tuple of str, or None
    target_names : tuple of str, or None
        Those of several target columns.

    Raises
    ------
    DataError
        If it can't be read, a column isn't there or no number, or pyarrow isn't installed; later if
        the file has changed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from fastclf import LogisticRegression
    >>> from fastclf.data import Stream
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder, "X.npy"), X)
    ...     np.save(Path(folder, "y.npy"), X[:, 0] > 0)
    ...     source = Stream(Path(folder, "X.npy"), target_path=Path(folder, "y.npy"))
    ...     clf = LogisticRegression().fit(source)
    >>> clf.score(X, X[:, 0] > 0) > 0.99
    True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        target: str | Sequence[str] | None = None,
        *,
        target_path: str | os.PathLike[str] | None = None,
        columns: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        weight: str | None = None,
        dtype: str | None = None,
        chunk_rows: int | None = None,
        format: Format | None = None,
        header: bool | None = None,
        delimiter: str | None = None,
    ) -> None:
        self.path = Path(path)
        if dtype not in (None, "float32", "float64"):
            raise DataError(f'dtype must be "float32" or "float64", got {dtype!r}')
        if chunk_rows is not None and chunk_rows < 1:
            raise DataError(f"chunk_rows must be at least 1, got {chunk_rows}")
        kind = format_of(self.path, format)
        self.target_names: tuple[str, ...] | None = None
        self.feature_names: tuple[str, ...] | None = None
        self._weight = weight
        self._scaling: Affine | None = None
        self._arrays: ArrayParts | None = None
        self._tables: TableParts | None = None
        if kind == "npy":
            for key, value in (("target", target), ("columns", columns), ("weight", weight)):
                if value is not None:
                    raise DataError(
                        f"{self.path}: the columns of a matrix have no names; leave out {key}"
                    )
            self._open_arrays(target_path, dtype, chunk_rows)
        else:
            if target_path is not None:
                raise DataError(f"{self.path}: target_path goes with NPY files; name a target")
            self._open_table(kind, target, columns, drop, header, delimiter, dtype, chunk_rows)
        self._stamps = self._stamped()

    def scaled(self, scaling: Affine | None) -> "Stream":
        """Return the same rows with their features scaled.

        Parameters
        ----------
        scaling : Affine, optional

        Returns
        -------
        Stream
        """
        part = copy.copy(self)
        part._scaling = scaling
        return part

    def rows_in_order(self) -> Iterator[Rows]:
        """Yield all rows, always in the same order and the same pieces.

        Raises
        ------
        DataError
            If a file is damaged, or has changed.
        """
        return self._scale(self._read(np.arange(self._parts.count)))

    def rows_shuffled(self, rng: np.random.Generator) -> Iterator[Rows]:
        """Yield all rows, with the parts of the file in a random order."""
        return self._scale(self._read(rng.permutation(self._parts.count)))

    def _scale(self, pieces: Iterator[Rows]) -> Iterator[Rows]:
        for X, y, weights in pieces:
            if self._scaling is not None:  # in place, for no one else has it
                X -= self._scaling.shift.astype(X.dtype)
                X /= self._scaling.scale.astype(X.dtype)
            yield Rows(X, y, weights)

    def _read(self, parts: np.ndarray) -> Iterator[Rows]:
        checked = self._checked(parts.tolist())
        if self._arrays is not None:
            for part in checked:
                X, y = self._arrays.read(part, self.dtype)
                yield Rows(X, y if self.several_targets else y.ravel())
        else:
            assert self._tables is not None  # it is one of the two
            first = 0
            for X, piece in self._tables.matrices(checked, self._wanted):
                if piece.n_rows:
                    yield self._rows(X, piece, first)
                    first += piece.n_rows
        self._check_unchanged()

    def _checked(self, parts: list[int]) -> Iterator[int]:
        for part in parts:
            self._check_unchanged()
            yield part

    def _rows(self, X: np.ndarray, piece: Any, first: int) -> Rows:
        targets = [piece.column(name) for name in self._targets]
        for name, values in zip(self._targets, targets, strict=True):
            is_text = values.dtype.kind == "U"
            if is_text and self.several_targets:
                raise DataError(
                    f'{self.path}: column "{name}" holds text; several targets are numbers'
                )
            missing = values == "" if is_text else np.isnan(values)
            if missing.any() and not self.several_targets:  # of some labels nothing may be known
                row = first + int(missing.argmax()) + 1
                raise DataError(f'{self.path}: row {row}, column "{name}": the target is missing')
        y = np.stack(targets, axis=1) if self.several_targets else _labels(targets[0])
        weights = None if self._weight is None else piece.column(self._weight)
        return Rows(X, y, weights)

    def _open_arrays(self, target_path: Any, dtype: str | None, chunk_rows: int | None) -> None:
        from fastclf.data.stream_files import ArrayParts

        if target_path is None:
            raise DataError(f"{self.path}: name the file of its targets with target_path")
        found = ArrayParts(self.path, Path(target_path), 1)
        self.dtype = np.dtype(dtype or ("float32" if found.dtype.itemsize <= 4 else "float64"))
        if dtype is None and found.dtype.kind in "iu" and found.dtype.itemsize > 2:
            self.dtype = np.dtype(np.float64)
        most = chunk_rows or max(1, _CHUNK // (self.dtype.itemsize * max(found.n_features, 1)))
        self._arrays = ArrayParts(self.path, Path(target_path), most)
        self.several_targets = found.several_targets

    def _open_table(
        self,
        kind: Format,
        target: str | Sequence[str] | None,
        columns: Sequence[str] | None,
        drop: Sequence[str],
        header: bool | None,
        delimiter: str | None,
        dtype: str | None,
        chunk_rows: int | None,
    ) -> None:
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise DataError(
                f"{self.path}: streams are read with pyarrow, which isn't installed; "
                "run: pip install 'fastclf[data]'"
            ) from None
        from fastclf.data import stream_files as files
        from fastclf.data.text import DELIMITERS

        if target is None:
            raise DataError(f"{self.path}: name the target column, or the target columns")
        self._targets = (target,) if isinstance(target, str) else tuple(target)
        self.several_targets = len(self._targets) > 1
        if self.several_targets:
            self.target_names = self._targets
        parts: Any
        if kind == "parquet":
            parts = files.ParquetParts(self.path)
        elif kind == "arrow":
            parts = files.IpcParts(self.path)
        elif kind in DELIMITERS:
            parts = files.TextParts(self.path, delimiter or DELIMITERS[kind], header)
        else:
            streamed = sorted({*SUFFIXES.values()} - {"npz", "svmlight"})
            raise DataError(
                f"{self.path}: {kind} can't be streamed; the formats are {', '.join(streamed)}"
            )
        self._tables = parts
        names = parts.names if parts.schema is None else tuple(parts.schema.names)
        others = () if self._weight is None else (self._weight,)
        with_file = f"{self.path}: "
        if name := twice(names):
            raise DataError(f'{with_file}two columns are named "{name}"; rename one')
        for key, listed in (("target", self._targets), ("columns", columns or ()), ("drop", drop)):
            _check_columns(self.path, key, listed, names)
        _check_columns(self.path, "weight", others, names)
        left_out = {*self._targets, *others, *drop}
        chosen = names if columns is None else dict.fromkeys(columns)
        self.feature_names = tuple(name for name in chosen if name not in left_out)
        if not self.feature_names:
            raise DataError(f"{with_file}no column is left to be a feature")
        single = False
        if parts.schema is None:
            parts.numbers = (*self.feature_names, *others)
        else:
            numbers = files.number_columns(parts.schema)
            for name in (*self.feature_names, *others):
                if name not in numbers:
                    raise DataError(
                        f'{with_file}column "{name}" holds {parts.schema.field(name).type}, and a '
                        "stream takes numbers; leave it out with drop"
                    )
            single = all(numbers[name] for name in self.feature_names)
        self.dtype = np.dtype(dtype or ("float32" if single else "float64"))
        row = self.dtype.itemsize * len(self.feature_names)
        most = chunk_rows or max(1, min(_CHUNK // row, 1 << 18))
        beside = (*self._targets, *others)
        self._wanted = files.Wanted(self.feature_names, beside, self.dtype, most)

    @property
    def _parts(self) -> "ArrayParts | TableParts":
        parts = self._arrays or self._tables
        assert parts is not None
        return parts

    def _stamped(self) -> list[tuple[int, int] | None]:
        return [_stamp(path) for path in self._parts.files]

    def _check_unchanged(self) -> None:
        for path, before in zip(self._parts.files, self._stamps, strict=True):
            if _stamp(path) != before:
                raise DataError(
                    f"{path}: has changed since it was opened; start again when nobody writes to it"
                )


def _check_columns(path: Path, key: str, listed: Sequence[str], names: Sequence[str]) -> None:
    try:
        check_columns(listed, names)
    except DataError as problem:
        raise DataError(f"{path}: {key}: {problem}") from None


def _labels(values: np.ndarray) -> np.ndarray:
    # Whole numbers are integers, however the file holds them.
    if values.dtype.kind == "f" and (values == np.rint(values)).all():
        return values.astype(np.int64)
    return values


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns

"""`Stream`: data larger than memory, which ``fit`` takes in place of X and y."""

import copy
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastclf import threads
from fastclf.data.prediction_rows import naming
from fastclf.data.tables import SUFFIXES, Format, format_of
from fastclf.errors import DataError
from fastclf.estimators.streams import Rows, check_rows
from fastclf.preprocessing import Encoder
from fastclf.table import Table, check_columns, first_duplicate

if TYPE_CHECKING:
    from fastclf.data.stream_files import ArrayParts, Place, TableParts

_CHUNK = 1 << 23
"""Size of X in a chunk, in bytes. Three or four chunks are in memory at a time."""


class RawRows(NamedTuple):
    """Rows of a stream before encoding.

    Parameters
    ----------
    table : Table
        The columns that become features.
    y : ndarray of shape (m,) or (m, L)
    weights : ndarray of shape (m,), optional
    """

    table: Table
    y: np.ndarray
    weights: np.ndarray | None


class Stream:
    """Rows of a file of any size, which are read again in each pass, in chunks.

    Without an ``encoder``, features are numeric columns without missing values. Minibatch solvers
    read the chunks of Parquet, Arrow and NPY files in random order. A CSV file is read from
    beginning to end, and its rows are shuffled within a buffer.

    A stream can be pickled, for machines that have the same files at the same paths, and be read
    there in parts: row groups of Parquet, record batches of Arrow, files of CSV.

    Parameters
    ----------
    path : path-like
        A Parquet, CSV or TSV file, or a folder of one of these kinds; an Arrow IPC file; or a
        matrix in an NPY file, which is mapped into memory.
    target : str or sequence of str, optional
        The column with the labels; or several columns with indicators or distributions. Required
        for all formats but NPY.
    target_path : path-like, optional
        For NPY, required: the file of y, of shape (n,) or (n, L).
    columns : sequence of str, optional
        The columns that are features; by default all others.
    drop : sequence of str
        Columns that aren't features.
    weight : str, optional
        The column with the weights of the rows.
    encoder : Encoder, optional
        Turns columns into features. It decides the columns and the dtype, so that ``columns`` and
        ``dtype`` are ignored.
    dtype : {"float32", "float64"}, optional
        The dtype of X; by default float32 if it can hold the features without rounding.
    chunk_rows : int, optional
        Largest number of rows in a chunk; by default as many as take 8 MB.
    format : str, optional
        By default that of the suffix.
    header : bool, optional
        For text: whether the first row holds the names of the columns.
    delimiter, decimal : str, optional
        For text: the delimiter and the decimal mark; by default detected from the first rows.

    Attributes
    ----------
    feature_names : tuple of str, or None
        The names of the features; None for NPY.
    target_names : tuple of str, or None
        The names of the target columns, if there are several.
    n_parts : int
        The number of parts.

    Raises
    ------
    DataError
        If the file can't be read, a column is missing or isn't numeric, or pyarrow isn't installed;
        and in a later pass, if the file was changed.

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
        encoder: Encoder | None = None,
        dtype: str | None = None,
        chunk_rows: int | None = None,
        format: Format | None = None,
        header: bool | None = None,
        delimiter: str | None = None,
        decimal: str | None = None,
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
        self._encoder = encoder
        self._arrays: ArrayParts | None = None
        self._tables: TableParts | None = None
        if kind == "npy":
            named = {"target": target, "columns": columns, "weight": weight, "encoder": encoder}
            for key, value in named.items():
                if value is not None:
                    raise DataError(
                        f"{self.path}: the columns of a matrix have no names; leave out {key}"
                    )
            self._open_arrays(target_path, dtype, chunk_rows)
        else:
            if target_path is not None:
                raise DataError(f"{self.path}: target_path goes with NPY files; name a target")
            layout = header, delimiter, decimal
            self._open_table(kind, target, columns, drop, layout, dtype, chunk_rows)
        self._stamps: dict[Path, tuple[int, int | None] | None] = {
            path: _stamp(path) for path in self._parts.files
        }

    def encoded(self, encoder: Encoder) -> "Stream":
        """Return a stream of the same rows with another encoder.

        Parameters
        ----------
        encoder : Encoder
            Must have the same columns, of the same kinds, as the encoder of this stream.

        Returns
        -------
        Stream
        """
        part = copy.copy(self)
        part._stamps = self._stamps
        part._encoder, part.feature_names = encoder, encoder.feature_names
        part._wanted = part._wanted._replace(most=part._chunk_length(encoder.column_names))
        return part

    def _chunk_length(self, columns: Sequence[str]) -> int:
        assert self.feature_names is not None  # it is a table
        row = self.dtype.itemsize * max(len(columns), len(self.feature_names))
        return self._chunk_rows or max(1, min(_CHUNK // row, 1 << 18))

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another machine, on which the files may have other times."""
        stamps = {path: stamp and (stamp[0], None) for path, stamp in self._stamps.items()}
        return {**vars(self), "_stamps": stamps}

    @property
    def n_parts(self) -> int:
        """The number of parts."""
        return self._parts.count

    @property
    def is_text(self) -> bool:
        """Whether it is CSV or TSV, whose parts are files."""
        return self._tables is not None and self._tables.schema is None

    def place(self, number: int) -> "Place":
        """Return where a part is: its file, what messages call it, and the rows before it."""
        return self._parts.place(number)

    def part_name(self, number: int) -> str:
        """Return what messages call a part: its file, and for Arrow the record batch, too."""
        return self.place(number).name

    def part(self, number: int) -> Rows:
        """Return all rows of a part, checked to be finite.

        Raises
        ------
        DataError
            If its file is missing, damaged or was changed, or a value can't be used. The message
            names the file, and the row in it.
        """
        pieces = list(self.rows_of_part(number))
        if not pieces:
            d = self._n_features
            y = np.empty((0, len(self.target_names or ())) if self.several_targets else 0)
            return Rows(np.empty((0, d), self.dtype), y)
        X, y = (np.concatenate([piece[i] for piece in pieces]) for i in (0, 1))
        given = [rows.weights for rows in pieces if rows.weights is not None]
        rows = Rows(X, y, np.concatenate(given) if given else None)
        place = self.place(number)
        with naming(place.name):
            check_rows(rows.X, rows.weights, place.before, self.feature_names)
        return rows

    def rows_of_part(self, number: int) -> Iterator[Rows]:
        """Yield the rows of a part in chunks; errors are as for :meth:`part`."""
        with naming(self.part_name(number)):
            yield from self._read_together([number], self.place(number))

    def tables_of_part(self, number: int) -> Iterator[RawRows]:
        """Yield the rows of a part before encoding; errors are as for :meth:`part`."""
        with naming(self.part_name(number)):
            yield from self._raw_together([number], self.place(number))

    def tables_in_order(self) -> Iterator[RawRows]:
        """Yield all rows before encoding, in the order of the file.

        Raises
        ------
        DataError
            If a file is damaged, or was changed.
        """
        assert self._tables is not None  # a matrix has no columns
        for parts, place in self._together(np.arange(self._tables.count)):
            yield from self._raw_together(parts, place)

    def rows_in_order(self) -> Iterator[Rows]:
        """Yield all rows, in the order of the file; each pass has the same chunks.

        Raises
        ------
        DataError
            If a file is damaged, or was changed.
        """
        return self._read(np.arange(self._parts.count))

    def rows_shuffled(self, rng: np.random.Generator) -> Iterator[Rows]:
        """Yield all rows, with the parts of the file in random order."""
        return self._read(rng.permutation(self._parts.count))

    def _together(self, parts: np.ndarray) -> Iterator[tuple[list[int], "Place | None"]]:
        # Parts that are read one after another, and numbered so: a text file is alone.
        if self.is_text:
            assert self._tables is not None
            yield from (([part], self._tables.place(part)) for part in parts.tolist())
        else:
            yield parts.tolist(), None

    def _read(self, parts: np.ndarray) -> Iterator[Rows]:
        for some, place in self._together(parts):
            yield from self._read_together(some, place)

    def _read_together(self, parts: list[int], place: "Place | None") -> Iterator[Rows]:
        encoder = self._encoder
        if self._arrays is not None:
            for part in self._checked(parts):
                X, y = self._arrays.read(part, self.dtype)
                yield Rows(X, y if self.several_targets else y.ravel())
        elif encoder is not None and encoder.categorical:
            for table, y, weights in self._raw_together(parts, place):
                yield Rows(encoder.apply(table), y, weights)
        else:
            assert self._tables is not None  # a stream has either arrays or tables
            first, name = (0, str(self.path)) if place is None else (place.before, place.name)
            for X, piece in self._tables.matrices(self._checked(parts), self._wanted):
                if piece.n_rows:
                    if encoder is not None:
                        encoder.apply_in_place(X)
                    yield Rows(X, *self._targets_of(piece, first, name))
                    first += piece.n_rows

    def _raw_together(self, parts: list[int], place: "Place | None") -> Iterator[RawRows]:
        assert self._tables is not None  # a matrix has no columns
        first, name = (0, str(self.path)) if place is None else (place.before, place.name)
        for part in self._checked(parts):
            pieces = self._tables.read(part, self._wanted.names, self._wanted.most)
            for piece in threads.prefetch(pieces):
                if piece.n_rows:
                    table = piece.table(first + 1).select(self._wanted.features)
                    yield RawRows(table, *self._targets_of(piece, first, name))
                    first += piece.n_rows

    def _checked(self, parts: list[int]) -> Iterator[int]:
        for part in parts:
            files = self._parts.place(part).files
            self._check_unchanged(files)
            yield part
            self._check_unchanged(files)

    def _targets_of(
        self, piece: Any, first: int, file: str
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the targets and weights of a piece, whose first row has the index ``first``."""
        targets = [piece.column(name) for name in self._targets]
        for name, values in zip(self._targets, targets, strict=True):
            is_text = values.dtype.kind == "U"
            if is_text and self.several_targets:
                raise DataError(
                    f'{file}: column "{name}" holds text; several targets must be numbers'
                )
            missing = values == "" if is_text else np.isnan(values)
            if missing.any() and not self.several_targets:  # of several labels some may be unknown
                row = first + int(missing.argmax()) + 1
                raise DataError(f'{file}: row {row}, column "{name}": the target is missing')
        y = np.stack(targets, axis=1) if self.several_targets else _labels(file, targets[0])
        weights = None if self._weight is None else piece.column(self._weight)
        return y, weights

    def _open_arrays(self, target_path: Any, dtype: str | None, chunk_rows: int | None) -> None:
        from fastclf.data.stream_files import ArrayParts

        if target_path is None:
            raise DataError(f"{self.path}: set target_path to the file with the targets")
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
        layout: tuple[bool | None, str | None, str | None],
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
        from fastclf.data.text_layout import DELIMITERS, LayoutHints

        if target is None:
            raise DataError(f"{self.path}: set target to the target column, or to several")
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
            header, delimiter, decimal = layout
            hints = LayoutHints(delimiter, decimal, header, format_delimiter=DELIMITERS[kind])
            beside = (*self._targets, *(() if self._weight is None else (self._weight,)))
            parts = files.TextParts(self.path, hints, beside)
        else:
            streamed = sorted({*SUFFIXES.values()} - {"npz", "svmlight"})
            raise DataError(
                f"{self.path}: {kind} can't be streamed; the formats are {', '.join(streamed)}"
            )
        self._tables = parts
        names = parts.names if parts.schema is None else tuple(parts.schema.names)
        others = () if self._weight is None else (self._weight,)
        with_file = f"{self.path}: "
        if name := first_duplicate(names):
            raise DataError(f'{with_file}two columns are named "{name}"; rename one')
        for key, listed in (("target", self._targets), ("columns", columns or ()), ("drop", drop)):
            _check_columns(self.path, key, listed, names)
        _check_columns(self.path, "weight", others, names)
        left_out = {*self._targets, *others, *drop}
        chosen = names if columns is None else dict.fromkeys(columns)
        features = tuple(name for name in chosen if name not in left_out)
        text: set[str] = set()
        if self._encoder is not None:
            features, text = self._encoder.column_names, {*self._encoder.categorical}
            dtype = self._encoder.dtype
            _check_columns(self.path, "encoder", features, names)
        if not features:
            raise DataError(f"{with_file}no column is left to be a feature")
        self.feature_names = features if self._encoder is None else self._encoder.feature_names
        numeric = [name for name in (*features, *others) if name not in text]
        single = False
        parts.text = text
        if parts.schema is None:
            parts.numbers = numeric
        else:
            numbers = files.number_columns(parts.schema)
            for name in numeric:
                if name not in numbers:
                    raise DataError(
                        f'{with_file}column "{name}" holds {parts.schema.field(name).type}, but a '
                        "stream needs numbers; leave it out with drop, or give an encoder"
                    )
            single = all(numbers[name] for name in features if name not in text)
        self.dtype = np.dtype(dtype or ("float32" if single else "float64"))
        self._chunk_rows = chunk_rows
        most = self._chunk_length(features)
        beside = (*self._targets, *others)
        if kind == "parquet":
            parts.check((*features, *beside))
        self._wanted = files.Wanted(features, beside, self.dtype, most)

    @property
    def _parts(self) -> "ArrayParts | TableParts":
        parts = self._arrays or self._tables
        assert parts is not None
        return parts

    @property
    def _n_features(self) -> int:
        if self._arrays is not None:
            return self._arrays.n_features
        assert self.feature_names is not None  # it is a table
        return len(self.feature_names)

    def _check_unchanged(self, files: Sequence[Path]) -> None:
        for path in files:
            before, now = self._stamps[path], _stamp(path)
            if now is None:
                raise DataError(
                    f"{path}: no such file on {platform.node()}; every machine that reads the "
                    "stream needs the files at the same path"
                )
            if before is None or now[0] != before[0] or before[1] not in (None, now[1]):
                raise DataError(
                    f"{path}: has changed since it was opened; start again once it is complete"
                )


def stream_categories(
    path: Path, format: Format | None, file: Any, columns: Sequence[str]
) -> set[str]:
    """Return which of some columns aren't numeric.

    Parameters
    ----------
    path : Path
    format : str, optional
        By default that of the suffix.
    file : TextFile or ColumnarFile
        The file at ``path``, open.
    columns : sequence of str
    """
    from fastclf.data.stream_files import categorical_columns

    return categorical_columns(path, format_of(path, format), columns, file)


def _check_columns(path: Path, key: str, listed: Sequence[str], names: Sequence[str]) -> None:
    try:
        check_columns(listed, names)
    except DataError as problem:
        raise DataError(f"{path}: {key}: {problem}") from None


def _labels(file: str, values: np.ndarray) -> np.ndarray:
    # Labels that are whole numbers become integers, even if the file stores floats.
    if values.dtype.kind == "f" and (values == np.rint(values)).all():
        if (np.abs(values) >= 2**53).any():
            raise DataError(
                f"{file}: labels from 2^53 on are rounded as they are read; save them as integers "
                "in Parquet or Arrow files, or as text"
            )
        return values.astype(np.int64)
    return values


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns

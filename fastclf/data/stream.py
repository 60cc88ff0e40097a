"""`Stream`: data larger than memory, which ``fit`` takes in place of X and y."""

import copy
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastclf.data.options import FileOptions
from fastclf.data.prediction_rows import naming
from fastclf.data.reading import check_pyarrow
from fastclf.data.row_parts import RowPart
from fastclf.data.stream_opening import Choice, Layout, open_batches, open_source
from fastclf.data.stream_source import Place, RawRows, Source, Span, no_columns
from fastclf.data.stream_svmlight import SvmlightSource
from fastclf.data.stream_targets import ClassChoice
from fastclf.data.tables import Format, format_of
from fastclf.errors import DataError
from fastclf.estimators.streams import Rows, check_rows
from fastclf.linear_model import Affine
from fastclf.preprocessing import Encoder

if TYPE_CHECKING:
    from fastclf.data.stream_tables import TableSource


class Stream:
    """Rows of a file of any size, which are read again in each pass, in chunks.

    Without an ``encoder``, features are numeric columns without missing values. Minibatch solvers
    read the chunks of Parquet, Arrow and NPY files in random order. A CSV or svmlight file is read
    from beginning to end, and its rows are shuffled within a buffer. Features are a CSR matrix for
    svmlight and for an encoder that is sparse.

    A stream can be pickled, for machines that have the same files at the same paths, and be read
    there in parts: row groups of Parquet, record batches of Arrow, files of CSV.

    Parameters
    ----------
    path : path-like
        A Parquet, CSV or TSV file, or a folder of one of these kinds; an Arrow IPC file; a matrix
        in an NPY file, which is mapped into memory; or an svmlight file, whose rows are CSR.
    target : str or sequence of str, optional
        The column with the labels; or several columns with indicators or distributions. Required
        for all formats but NPY and svmlight.
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
    encoding : str, optional
        For text: the encoding. By default UTF-8, UTF-16 or UTF-32 with a byte-order mark, or else
        Windows-1252, with a warning.
    n_features : int, optional
        For svmlight: the number of features, which saves a pass that counts them. Indices then
        begin with 0 if the first rows, of 4 MB of text, have a feature 0, otherwise with 1. Rows of
        several labels are read through in any case.

    Attributes
    ----------
    feature_names : tuple of str, or None
        The names of the features; None for NPY. Those of svmlight are their indices.
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

    path: Path
    dtype: np.dtype
    several_targets: bool
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] | None

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
        encoding: str | None = None,
        n_features: int | None = None,
    ) -> None:
        self.path = Path(path)
        choice = Choice(target, columns, drop, weight, encoder, dtype, chunk_rows, n_features)
        layout = Layout(header, delimiter, decimal, encoding)
        self._open(open_source(self.path, format, target_path, layout, choice))

    @classmethod
    def from_batches(
        cls,
        batches: Callable[[], Iterable[Any]],
        target: str | Sequence[str] | None = None,
        *,
        columns: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        weight: str | None = None,
        encoder: Encoder | None = None,
        dtype: str | None = None,
        chunk_rows: int | None = None,
    ) -> "Stream":
        """Return a stream of batches of any origin.

        Minibatch solvers shuffle the rows within a buffer, in the order in which they come.

        Parameters
        ----------
        batches : callable
            Is called for each pass, and once on opening, and returns an iterable of batches: the
            same rows in the same order in each pass, in batches of any size. A batch is a tuple
            (X, y) or (X, y, weights) of arrays, CSR matrices or tensors; or a table of columns:
            Arrow data, a frame of pandas or polars, or anything with ``__arrow_c_stream__``.
        target, columns, drop, weight, encoder
            Which columns of tables are what, as for the class. Tuples have no names, so leave these
            out there.
        dtype, chunk_rows
            As for the class.

        Returns
        -------
        Stream

        Raises
        ------
        DataError
            If the first batch can't be used, or an argument can't; and in a pass, if another batch
            can't, or differs from the first in its columns.

        Examples
        --------
        >>> import numpy as np
        >>> from fastclf import LogisticRegression
        >>> from fastclf.data import Stream
        >>> def batches():
        ...     rng = np.random.default_rng(0)
        ...     for _ in range(20):
        ...         X = rng.normal(size=(64, 3))
        ...         yield X, X[:, 0] > 0
        >>> LogisticRegression().fit(Stream.from_batches(batches)).coef_.shape
        (1, 3)
        """
        choice = Choice(target, columns, drop, weight, encoder, dtype, chunk_rows)
        stream = cls.__new__(cls)
        stream._open(open_batches(batches, choice))
        return stream

    def _open(self, source: Source) -> None:
        self._use(source)
        self._stamps: dict[Path, tuple[int, int | None] | None] = {
            path: _stamp(path) for path in source.files
        }

    def _use(self, source: Source) -> None:
        self._source = source
        self.dtype, self.several_targets = source.dtype, source.several_targets
        self.feature_names, self.target_names = source.feature_names, source.target_names

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
        return self._with(self._source.encoded(encoder))

    def with_targets(self, options: FileOptions, beside: Sequence[str] = ()) -> "Stream":
        """Return a stream of the same rows, with their targets read by the options of a recipe.

        Of several target columns the options say the kind. For lists of labels the target column
        is read here, to find all labels. Some columns may come ``beside`` the features of rows
        before encoding.
        """
        return self._with(self._columns().with_targets(options, tuple(beside)))

    @property
    def is_soft(self) -> bool:
        """Whether targets that are read by options are distributions."""
        return not isinstance(self._source, SvmlightSource) and self._columns().is_soft

    def part_sizes(self) -> list[int]:
        """Return the number of rows in each part, also of those that are left out."""
        return self._columns().part_sizes()

    def choosing(self, chosen: ClassChoice) -> "Stream":
        """Return a stream of the rows of the chosen classes, if targets are read by options."""
        return self._with(self._columns().choosing(chosen))

    def restricted(self, part: RowPart) -> "Stream":
        """Return a stream of the rows of a part."""
        return self._with(self._source.restricted(part))

    def scaled(self, scaling: Affine) -> "Stream":
        """Return a stream of the same rows of svmlight with scaled features."""
        assert isinstance(self._source, SvmlightSource)
        return self._with(self._source.scaled(scaling))

    def _columns(self) -> "TableSource":
        from fastclf.data.stream_tables import TableSource

        if not isinstance(self._source, TableSource):
            raise no_columns(self._source.name)
        return self._source

    def _with(self, source: Source) -> "Stream":
        stream = copy.copy(self)
        stream._stamps = self._stamps
        stream._use(source)
        return stream

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another machine, on which the files may have other times."""
        stamps = {path: stamp and (stamp[0], None) for path, stamp in self._stamps.items()}
        return {**vars(self), "_stamps": stamps}

    @property
    def n_parts(self) -> int:
        """The number of parts."""
        return self._source.count

    @property
    def is_text(self) -> bool:
        """Whether it is CSV, TSV or svmlight, whose parts are files."""
        return self._source.is_text

    def place(self, number: int) -> Place:
        """Return where a part is: its file, what messages call it, and the rows before it."""
        return self._source.place(number)

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
            d = self._source.n_features
            y = np.empty((0, len(self.target_names or ())) if self.several_targets else 0)
            return Rows(np.empty((0, d), self.dtype), y)
        rows = Rows.joined(pieces)
        place = self.place(number)
        with naming(place.name):
            check_rows(rows.X, rows.weights, place.before, self.feature_names)
        return rows

    def rows_of_part(self, number: int) -> Iterator[Rows]:
        """Yield the rows of a part in chunks; errors are as for :meth:`part`."""
        with naming(self.part_name(number)):
            span = self._alone(number)
            yield from self._source.rows(self._checked(span), span)

    def tables_of_part(self, number: int) -> Iterator[RawRows]:
        """Yield the rows of a part before encoding; errors are as for :meth:`part`."""
        with naming(self.part_name(number)):
            span = self._alone(number)
            yield from self._source.tables(self._checked(span), span)

    def tables_in_order(self) -> Iterator[RawRows]:
        """Yield all rows before encoding, in the order of the file.

        Raises
        ------
        DataError
            If a file is damaged, or was changed; or it holds a matrix.
        """
        for span in self._spans(range(self.n_parts)):
            yield from self._source.tables(self._checked(span), span)

    def rows_in_order(self) -> Iterator[Rows]:
        """Yield all rows, in the order of the file; each pass has the same chunks.

        Raises
        ------
        DataError
            If a file is damaged, or was changed.
        """
        return self._read(range(self.n_parts))

    def rows_shuffled(self, rng: np.random.Generator) -> Iterator[Rows]:
        """Yield all rows, with the parts of the file in random order."""
        return self._read(rng.permutation(self.n_parts).tolist())

    def _read(self, parts: Sequence[int]) -> Iterator[Rows]:
        for span in self._spans(parts):
            yield from self._source.rows(self._checked(span), span)

    def _spans(self, parts: Sequence[int]) -> Iterator[Span]:
        # Parts that are read one after another, and numbered so: a text file is alone.
        if self.is_text:
            yield from map(self._alone, parts)
        else:
            yield Span(parts, self._source.name, 0)

    def _alone(self, part: int) -> Span:
        place = self.place(part)
        return Span([part], place.name, place.before)

    def _checked(self, span: Span) -> Iterator[int]:
        for part in span.parts:
            files = self._source.place(part).files
            self._check_unchanged(files)
            yield part
            self._check_unchanged(files)

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
                    f"{path}: the file has changed since it was opened; start again once it is "
                    "complete"
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
    file : TextFile, JSONFile or ColumnarFile
        The file at ``path``, open.
    columns : sequence of str

    Raises
    ------
    DataError
        If pyarrow isn't installed.
    """
    check_pyarrow(path, "a stream of named columns")
    from fastclf.data.stream_files import categorical_columns

    return categorical_columns(path, format_of(path, format), columns, file)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns

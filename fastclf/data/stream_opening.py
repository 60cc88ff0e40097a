"""From the arguments of a stream to its source: which file it is, and which columns are what."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastclf.data.reading import check_pyarrow
from fastclf.data.stream_batches import NAME, ArrayBatches, Batches
from fastclf.data.stream_matrices import MatrixSource
from fastclf.data.stream_source import Source
from fastclf.data.stream_svmlight import SvmlightSource
from fastclf.data.tables import Format, format_of
from fastclf.errors import DataError
from fastclf.preprocessing import Encoder
from fastclf.table import check_columns, first_duplicate

if TYPE_CHECKING:
    from fastclf.data.stream_tables import TableSource


class Choice(NamedTuple):
    """Which columns a stream reads, and how; the fields are arguments of `Stream`."""

    target: str | Sequence[str] | None = None
    columns: Sequence[str] | None = None
    drop: Sequence[str] = ()
    weight: str | None = None
    encoder: Encoder | None = None
    dtype: str | None = None
    chunk_rows: int | None = None
    n_features: int | None = None

    def check(self) -> None:
        """Refuse a dtype or a number of rows that can't be used."""
        if self.dtype not in (None, "float32", "float64"):
            raise DataError(f'dtype must be "float32" or "float64", got {self.dtype!r}')
        if self.chunk_rows is not None and self.chunk_rows < 1:
            raise DataError(f"chunk_rows must be at least 1, got {self.chunk_rows}")
        if self.n_features is not None and self.n_features < 1:
            raise DataError(f"n_features must be at least 1, got {self.n_features}")

    def refuse_names(self, name: str) -> None:
        """Refuse arguments that name columns, for a matrix called ``name``."""
        for key in ("target", "columns", "drop", "weight", "encoder"):
            if getattr(self, key) not in (None, ()):
                raise DataError(f"{name}: the columns of a matrix have no names; leave out {key}")

    @property
    def targets(self) -> tuple[str, ...]:
        """The target columns."""
        assert self.target is not None
        return (self.target,) if isinstance(self.target, str) else tuple(self.target)

    @property
    def beside(self) -> tuple[str, ...]:
        """The columns of targets and weights."""
        return (*self.targets, *(() if self.weight is None else (self.weight,)))


class Layout(NamedTuple):
    """How a text file is written; the fields are arguments of `Stream`."""

    header: bool | None
    delimiter: str | None
    decimal: str | None
    encoding: str | None


def open_source(
    path: Path,
    format: Format | None,
    target_path: Any,
    layout: Layout,
    choice: Choice,
) -> Source:
    """Return the source of the rows in a file or folder.

    Raises
    ------
    DataError
        If it can't be read, or an argument can't be used.
    """
    choice.check()
    kind = format_of(path, format)
    if choice.n_features is not None and kind != "svmlight":
        raise DataError(f"{path}: n_features is for svmlight; leave it out")
    if target_path is not None and kind != "npy":
        raise DataError(f"{path}: target_path is for NPY files; leave it out")
    if kind == "npy":
        choice.refuse_names(str(path))
        if target_path is None:
            raise DataError(f"{path}: set target_path to the file with the targets")
        return MatrixSource(path, Path(target_path), choice.dtype, choice.chunk_rows)
    if kind == "svmlight":
        choice.refuse_names(str(path))
        return SvmlightSource(path, choice.n_features, choice.dtype, choice.chunk_rows)
    if kind == "npz":
        raise DataError(
            f"{path}: an NPZ file can't be read in pieces; save a dense X and y as NPY files with "
            "numpy.save and give target_path, or a sparse X as svmlight with "
            "sklearn.datasets.dump_svmlight_file; or load it and fit to its arrays"
        )
    return _open_table(path, kind, layout, choice)


def open_batches(make: Callable[[], Iterable[Any]], choice: Choice) -> Source:
    """Return the source of batches that a function gives anew for each pass.

    Raises
    ------
    DataError
        If it isn't a function, the first batch can't be used, or an argument can't.
    """
    choice.check()
    batches = Batches(make)
    first = batches.first()
    if isinstance(first, tuple | list):
        choice.refuse_names(NAME)
        return ArrayBatches(batches, first, choice.dtype, choice.chunk_rows)
    check_pyarrow(NAME, "a stream of named columns")
    from fastclf.data.stream_frames import FrameParts

    if choice.target is None:
        raise DataError(
            f"{NAME}: set target to the name of the target column, or to a list of names"
        )
    return table_source(NAME, FrameParts(batches, first), choice)


def _open_table(path: Path, kind: Format, layout: Layout, choice: Choice) -> Source:
    check_pyarrow(path, "a stream of named columns")
    from fastclf.data import stream_files as files
    from fastclf.data.text_layout import DELIMITERS, LayoutHints

    if choice.target is None:
        raise DataError(
            f"{path}: set target to the name of the target column, or to a list of names"
        )
    parts: Any
    if kind == "parquet":
        parts = files.ParquetParts(path)
    elif kind == "arrow":
        parts = files.IpcParts(path)
    else:
        header, delimiter, decimal, encoding = layout
        hints = LayoutHints(
            delimiter, decimal, header, format_delimiter=DELIMITERS.get(kind), encoding=encoding
        )
        parts = files.TextParts(path, kind, hints, choice.beside)
    source = table_source(str(path), parts, choice)
    if kind == "parquet":
        parts.check((*source.wanted.features, *choice.beside))
    return source


def table_source(name: str, parts: Any, choice: Choice) -> "TableSource":
    """Return the source of chosen columns of a table; ``parts`` are `TableParts`.

    Raises
    ------
    DataError
        If a column is missing or can't be used.
    """
    from fastclf.data.stream_files import Wanted, number_columns
    from fastclf.data.stream_tables import TableSource, chunk_length

    names = parts.names if parts.schema is None else tuple(parts.schema.names)
    targets, encoder, dtype = choice.targets, choice.encoder, choice.dtype
    weights = choice.beside[len(targets) :]
    if duplicate := first_duplicate(names):
        raise DataError(f'{name}: two columns are named "{duplicate}"; rename one')
    for key, listed in (
        ("target", targets),
        ("columns", choice.columns or ()),
        ("drop", choice.drop),
        ("weight", weights),
    ):
        _check_columns(name, key, listed, names)
    left_out = {*choice.beside, *choice.drop}
    chosen = names if choice.columns is None else dict.fromkeys(choice.columns)
    features = tuple(column for column in chosen if column not in left_out)
    text: set[str] = set()
    if encoder is not None:
        features, text = encoder.column_names, {*encoder.categorical}
        dtype = encoder.dtype
        _check_columns(name, "encoder", features, names)
    if not features:
        raise DataError(f"{name}: no column is left to be a feature")
    numeric = [column for column in (*features, *weights) if column not in text]
    single = False
    parts.text = text
    if parts.schema is None:
        parts.numbers = numeric
    else:
        numbers = number_columns(parts.schema)
        for column in numeric:
            if column not in numbers:
                raise DataError(
                    f'{name}: column "{column}" holds {parts.schema.field(column).type}, but a '
                    "stream needs numbers; leave it out with drop, or give an encoder"
                )
        single = all(numbers[column] for column in features if column not in text)
    kind = np.dtype(dtype or ("float32" if single else "float64"))
    most = chunk_length(features, encoder, kind, choice.chunk_rows)
    wanted = Wanted(features, choice.beside, kind, most)
    return TableSource(name, parts, wanted, targets, choice.weight, encoder, choice.chunk_rows)


def _check_columns(name: str, key: str, listed: Sequence[str], names: Sequence[str]) -> None:
    try:
        check_columns(listed, names)
    except DataError as problem:
        raise DataError(f"{name}: {key}: {problem}") from None

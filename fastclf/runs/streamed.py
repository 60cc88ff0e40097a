"""Rows of a run that don't fit into memory: read once to fit the encoder, then in each pass."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastclf import threads
from fastclf.config import DataTable
from fastclf.data import FileOptions, Stream, load_file, open_table
from fastclf.data.column_tallies import EncoderTally
from fastclf.data.columns import date_columns, warn_of_dates
from fastclf.data.compressed import stem
from fastclf.data.files import feature_columns, labels_to_test
from fastclf.data.nulls import KnownNames
from fastclf.data.prediction_rows import naming
from fastclf.data.stream import stream_categories
from fastclf.data.stream_source import RawRows
from fastclf.data.tables import first_file
from fastclf.data.targets import target_columns
from fastclf.errors import DataError, FastclfError, located
from fastclf.estimators.streams import Rows
from fastclf.estimators.tallies import IndicatorTally, LabelTally
from fastclf.linear_model import LinearModel, Task
from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
from fastclf.runs.parts import Part, check_two_classes
from fastclf.table import Categories, Numbers, Table

if TYPE_CHECKING:
    from distributed import Client

    from fastclf.data.text_layout import Layout


@dataclass(frozen=True, eq=False)
class StreamedData:
    """A stream of training rows, with what one pass over them has found out.

    Attributes
    ----------
    name : str
        The name of the file, without folder and suffix.
    stream : Stream
        The encoded training rows.
    test : Part
        The raw test rows, in memory.
    task : {"binary", "multiclass", "multilabel"}
    labels : ndarray of shape (K,)
        The classes; for multi-label data the indices of the labels.
    class_names : tuple of str
        The names of the classes or labels.
    n_rows : int
        The number of training rows.
    encoder : Encoder
        The encoder, fitted to the training rows.
    sha256 : str
        The SHA-256 of the training rows, in hexadecimal.
    layout : Layout, optional
        The delimiter and the decimal mark of a text file.
    n_parts : int, optional
        On a cluster: the number of parts, on which its results depend.
    """

    name: str
    stream: Stream
    test: Part
    task: Task
    labels: np.ndarray
    class_names: tuple[str, ...]
    n_rows: int
    encoder: Encoder
    sha256: str
    layout: "Layout | None"
    n_parts: int | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features."""
        return self.encoder.feature_names

    def fingerprint(self) -> str:
        """Return the SHA-256 of all rows, in hexadecimal."""
        return self.sha256

    def for_raw_rows(self, model: LinearModel) -> LinearModel:
        """Return a model that takes raw tables from one that takes encoded features."""
        return replace(model, encoder=self.encoder, feature_names=self.encoder.feature_names)


@dataclass(eq=False)
class Counts:
    """What a pass over a stream counts, or over some of its parts.

    Attributes
    ----------
    targets : LabelTally or IndicatorTally
    columns : EncoderTally
    as_tables : bool
        Whether rows are read as tables; otherwise all columns are numbers, and come as matrices.
    n_rows : int
    digests : bytes
        The SHA-256 of the rows of each `add`.
    """

    targets: LabelTally | IndicatorTally
    columns: EncoderTally
    as_tables: bool
    n_rows: int = 0
    digests: bytes = b""

    def add_part(self, stream: Stream, number: int) -> None:
        """Count the rows of a part; a DataError names its file and the row."""
        place = stream.place(number)
        read = stream.tables_of_part if self.as_tables else stream.rows_of_part
        with naming(place.name):
            self.add(read(number), place.name, place.before)

    def add(
        self, pieces: Iterator[Rows | RawRows], file: str | None = None, before: int | None = None
    ) -> None:
        """Count rows; for messages, they are from a file that has some rows before them."""
        digest = hashlib.sha256()
        for features, y, weights in threads.prefetch(pieces):
            self.n_rows += len(y)
            try:
                self.targets.add(y, np.ones(len(y)) if weights is None else weights)
            except FastclfError:
                raise
            except ValueError as error:  # scikit-learn's, of targets that are no classes
                raise DataError(str(error)) from None
            if isinstance(features, Table):
                self.columns.add(features, file)
            else:
                self.columns.numbers.add(features, before)
                before = None if before is None else before + len(y)
            _update_digest(digest, features, y, weights)
        self.digests += digest.digest()

    def merge(self, other: "Counts") -> None:
        """Count what other counts have, whose rows come after these."""
        self.targets.merge(other.targets)  # type: ignore[arg-type]
        self.columns.merge(other.columns)
        self.n_rows += other.n_rows
        self.digests += other.digests

    def sha256(self) -> str:
        """Return the SHA-256 of all rows, in hexadecimal; that of several is of theirs."""
        one = len(self.digests) == hashlib.sha256().digest_size
        return self.digests.hex() if one else hashlib.sha256(self.digests).hexdigest()


def open_stream(table: DataTable, client: "Client | None" = None) -> StreamedData:
    """Read the rows that a recipe's ``[data]`` names once, and fit the encoder to them.

    The workers of the ``client`` read them, if there is one.

    Raises
    ------
    DataError
        If a file can't be read, or a value can't be used.
    """
    assert table.path is not None and table.test_path is not None  # checked with the recipe
    path = Path(table.path)
    file = open_table(
        first_file(path, table.format),
        format=table.format,
        header=table.header,
        delimiter=table.delimiter,
        decimal=table.decimal,
    )
    targets = target_columns(file.names, table)
    several = table.target_kind == "indicators"
    if len(targets) > 1 and not several:
        raise DataError(
            f"{path}: several target columns of a stream are indicators of labels; set "
            'data.target_kind = "indicators", or name one column'
        )
    with naming(path):
        columns = feature_columns(file.names, targets, table)
        categorical = stream_categories(path, table.format, file, columns) | {*table.categorical}
        categorical &= set(columns)
    stream = Stream(
        path,
        list(targets) if several else targets[0],
        weight=table.weight,
        encoder=_raw_encoder(columns, categorical, table.dtype),
        format=table.format,
        header=table.header,
        delimiter=table.delimiter,
        decimal=table.decimal,
    )
    dates = _dates(stream, table) if table.dates == "parts" and categorical else set()
    columns_found = EncoderTally(
        columns,
        categorical - dates,
        scale=table.scale,
        impute=table.impute,
        min_frequency=table.min_frequency,
        dtype=table.dtype,
        dates=dates,
    )
    tally = IndicatorTally() if stream.several_targets else LabelTally()
    with naming(path):
        found = _counted(stream, Counts(tally, columns_found, bool(categorical)), client)
        if found.n_rows == 0:
            raise DataError("has no rows")
        for column in found.columns.categories:
            if column.name not in table.categorical:
                column.check()
        encoder = found.columns.encoder()
    warn_of_dates(encoder)
    names: tuple[str, ...]
    task: Task = "multilabel"
    if isinstance(found.targets, IndicatorTally):
        names = tuple(targets)
        labels = np.arange(len(names))
    else:
        labels = found.targets.encoded()[0].classes
        names = tuple(map(str, labels.tolist()))
        check_two_classes(table.path, names)
        task = "binary" if len(names) == 2 else "multiclass"
    return StreamedData(
        stem(path),
        stream.encoded(encoder),
        _test_rows(table, encoder, names),
        task,
        labels,
        names,
        found.n_rows,
        encoder,
        found.sha256(),
        file.layout,
        None if client is None else stream.n_parts,
    )


def _counted(stream: Stream, counts: Counts, client: "Client | None") -> Counts:
    """Return the counts of all rows, given empty ones, which may change."""
    if client is not None:
        from fastclf.runs.cluster import counted_there

        return counted_there(client, stream, counts)
    if stream.is_text:  # each file alone, so that messages name it
        for number in range(stream.n_parts):
            counts.add_part(stream, number)
    else:
        counts.add(stream.tables_in_order() if counts.as_tables else stream.rows_in_order())
    return counts


def _raw_encoder(columns: Sequence[str], categorical: set[str], dtype: str) -> Encoder:
    """Return an encoder that passes numbers unchanged and knows no categories yet."""
    kinds = [
        CategoricalColumn(name, ()) if name in categorical else NumericColumn(name)
        for name in columns
    ]
    return Encoder(tuple(kinds), dtype)


def _dates(stream: Stream, table: DataTable) -> set[str]:
    """Return the columns that contain dates in the first rows."""
    with naming(stream.path):
        first = next(stream.tables_in_order(), None)
    return set() if first is None else {*date_columns(first.table)} - {*table.categorical}


def _update_digest(digest: Any, features: Any, y: np.ndarray, weights: np.ndarray | None) -> None:
    arrays = [y] if weights is None else [y, weights]
    if isinstance(features, Table):
        for name, column in features.columns.items():
            if isinstance(column, Categories):
                digest.update(json.dumps([name, column.names]).encode())
                arrays.append(column.codes)
            else:
                assert isinstance(column, Numbers)  # lists raise an error before this
                arrays.append(column.values)
    else:
        arrays.append(features)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)


def _test_rows(table: DataTable, encoder: Encoder, names: Sequence[str]) -> Part:
    options = table.model_dump(include=set(FileOptions.model_fields))
    options |= {"test_path": None, "weight": None, "drop": (), "columns": encoder.column_names}
    options |= {"categorical": encoder.categorical}
    path = Path(str(table.test_path))
    known = KnownNames(encoder.known, names)
    found = load_file(path, FileOptions.model_validate(options), known=known)
    with located(path):
        y = labels_to_test(found.y, names) if found.y.ndim == 1 else found.y
    return Part(found.features, y, found.is_soft)

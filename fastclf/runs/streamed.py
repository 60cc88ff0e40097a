"""The rows of a run that are too many for memory: counted once, and read anew in each pass."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from fastclf import threads
from fastclf.config import DataTable
from fastclf.data import FileOptions, Stream, load_file, open_table
from fastclf.data.scaling import comparable
from fastclf.data.streams import naming
from fastclf.data.targets import target_columns
from fastclf.errors import DataError
from fastclf.estimators.tallies import IndicatorTally, LabelTally
from fastclf.linear_model import Affine, LinearModel, Task
from fastclf.preprocessing import Encoder, NumericColumn
from fastclf.runs.parts import Part


@dataclass(frozen=True, eq=False)
class StreamedData:
    """What a run knows of rows that it doesn't hold.

    Attributes
    ----------
    name : str
    stream : Stream
        The rows to train on, scaled.
    test : Part
        The rows to test on, in memory, as they were read.
    task : {"binary", "multiclass", "multilabel"}
    labels : ndarray of shape (K,)
        The classes; with several labels a row their numbers.
    class_names : tuple of str
    n_rows : int
    scaling : Affine, optional
    sha256 : str
    """

    name: str
    stream: Stream
    test: Part
    task: Task
    labels: np.ndarray
    class_names: tuple[str, ...]
    n_rows: int
    scaling: Affine | None
    sha256: str

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features."""
        assert self.stream.feature_names is not None  # it is a table
        return self.stream.feature_names

    def fingerprint(self) -> str:
        """Return the SHA-256 of all rows, in hexadecimal."""
        return self.sha256

    def for_raw_rows(self, model: LinearModel) -> LinearModel:
        """Return a model of scaled rows as one of raw tables."""
        d = len(self.feature_names)
        scaling = self.scaling or Affine(np.zeros(d), np.ones(d))
        numbers = zip(
            self.feature_names, scaling.shift.tolist(), scaling.scale.tolist(), strict=True
        )
        columns = tuple(NumericColumn(name, None, shift, scale) for name, shift, scale in numbers)
        encoder = Encoder(columns, self.stream.dtype.name)
        return replace(model, encoder=encoder, feature_names=self.feature_names)


def open_stream(table: DataTable) -> StreamedData:
    """Read the rows that a recipe's ``[data]`` names once; return what it takes to train on them.

    Raises
    ------
    DataError
        If a file can't be read, or a value can't be used.
    """
    assert table.path is not None and table.test_path is not None  # the table says so
    path = Path(table.path)
    file = open_table(path, format=table.format, header=table.header, delimiter=table.delimiter)
    targets = target_columns(file.names, table)
    several = table.target_kind == "indicators"
    if len(targets) > 1 and not several:
        raise DataError(
            f"{path}: several target columns of a stream are indicators of labels; set "
            'data.target_kind = "indicators", or name one column'
        )
    stream = Stream(
        path,
        list(targets) if several else targets[0],
        columns=table.columns,
        drop=table.drop,
        weight=table.weight,
        dtype=table.dtype,
        format=table.format,
        header=table.header,
        delimiter=table.delimiter,
    )
    tally = IndicatorTally() if stream.several_targets else LabelTally()
    scaler = MinMaxScaler() if table.scale == "minmax" else StandardScaler()
    digest = hashlib.sha256()
    n = 0
    with naming(path):
        for X, y, weights in threads.ahead(stream.rows_in_order()):
            n += len(X)
            for array in (X, y, weights):
                if array is not None:
                    digest.update(f"{array.dtype.str}{array.shape}".encode())
                    digest.update(np.ascontiguousarray(array).data)
            tally.add(y, np.ones(len(X)) if weights is None else weights)
            if table.scale != "none":
                scaler.partial_fit(X)
    if n == 0:
        raise DataError(f"{path}: has no rows")
    scaling = _scaling(scaler, table.scale)
    test = _test_rows(table, stream)
    names: tuple[str, ...]
    task: Task = "multilabel"
    if isinstance(tally, IndicatorTally):
        names = tuple(targets)
        labels = np.arange(len(names))
    else:
        labels = tally.encoded()[0].classes
        names = tuple(map(str, labels.tolist()))
        task = "binary" if len(names) == 2 else "multiclass"
    sha256 = digest.hexdigest()
    scaled = stream.scaled(scaling)
    return StreamedData(path.stem, scaled, test, task, labels, names, n, scaling, sha256)


def _scaling(scaler: Any, method: str) -> Affine | None:
    if method == "none":
        return None
    if method == "minmax":
        return Affine(shift=scaler.data_min_, scale=1 / scaler.scale_)
    scaling = Affine(shift=scaler.mean_, scale=scaler.scale_)
    return None if method == "auto" and comparable(scaling) else scaling


def _test_rows(table: DataTable, stream: Stream) -> Part:
    options = table.model_dump(include=set(FileOptions.model_fields))
    options |= {"test_path": None, "weight": None, "drop": (), "columns": stream.feature_names}
    found = load_file(Path(str(table.test_path)), FileOptions.model_validate(options))
    return Part(found.features, found.y, found.is_soft)

"""The raw rows of a streamed run on an svmlight file; their features are a CSR matrix."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse

from fastclf.config import DataTable, Recipe
from fastclf.data import Dataset, FileOptions, Stream
from fastclf.data.arrays import check_no_columns, load_arrays
from fastclf.data.prediction_rows import naming
from fastclf.data.scaling import SparseTally
from fastclf.data.tables import format_of
from fastclf.errors import DataError, located
from fastclf.runs.counts import Counts
from fastclf.runs.parts import in_dtype
from fastclf.runs.streamed_opening import OpenedStream, shares_of, target_tally

_REFUSED = ("classes", "ignore_index", "missing_target", "target", "weight")
"""Keys that go with named columns, or need all labels in memory."""


def is_svmlight(table: DataTable) -> bool:
    """Return whether the file of a recipe's ``[data]`` is there, and svmlight."""
    path = None if table.path is None else Path(table.path)
    return path is not None and path.exists() and format_of(path, table.format) == "svmlight"


def opened_svmlight(recipe: Recipe, most_rows: int | None = None) -> OpenedStream:
    """Open the svmlight file of a recipe, as `opened_stream` does for named columns.

    Raises
    ------
    DataError
        If it can't be read, or a key of the recipe doesn't go with it.
    """
    table = recipe.data
    path = Path(str(table.path))
    with naming(path):
        check_no_columns(table, "svmlight")
        for key in _REFUSED:
            if getattr(table, key) != DataTable.model_fields[key].default:
                raise DataError(
                    f"data.{key} can't be used with a stream of an svmlight file; leave it out"
                )
        if recipe.distill is not None:
            raise DataError(
                "[distill] can't be used with a stream of an svmlight file; save the rows as "
                "Parquet, or set data.stream to false"
            )
        stream = Stream(path, format=table.format, dtype=table.dtype)
        kind, what = "labels", "a row has one label"
        if stream.several_targets:
            kind, what = "label_lists", "rows have several labels"
        if table.target_kind not in ("auto", kind):
            raise DataError(f"data.target_kind: {what}; leave it out")
    tally = SparseTally(stream.feature_names or (), table.scale)
    empty = Counts(
        target_tally(stream), tally, as_tables=False, shares=shares_of(recipe), most_rows=most_rows
    )
    return OpenedStream(stream, empty, (), None)


def rows_to_test(table: DataTable, stream: Stream, names: Sequence[str]) -> Dataset:
    """Return the rows of the recipe's svmlight file to test on.

    They have the features of ``stream``, and of several labels in a row those in ``names``.

    Raises
    ------
    DataError
        If the file can't be read, or a value can't be used.
    """
    path = Path(str(table.test_path))
    features = stream.feature_names or ()
    no_rows = scipy.sparse.csr_array((0, len(features)))
    like = Dataset(path.name, no_rows, np.empty(0), features, tuple(names))
    options = table.model_dump(include=set(FileOptions.model_fields)) | {"test_path": None}
    with located(path):
        found = load_arrays(path, "svmlight", FileOptions.model_validate(options), like)
    return in_dtype(replace(found, name=str(path)), table.dtype)

"""Conversion of data frames, Arrow data and dicts of columns to a `fastclf.table.Table`.

The result is that of a Parquet file with the same columns. pyarrow isn't needed for pandas frames
and dicts if they hold numbers, text and booleans only.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from fastclf.data.nulls import without_nulls
from fastclf.errors import DataError, located
from fastclf.estimators.encoding import is_missing
from fastclf.table import (
    Categories,
    Column,
    Numbers,
    Table,
    as_categories,
    check_columns,
    exact_numbers,
    first_duplicate,
)


def is_frame(X: Any) -> bool:
    """Tell whether X has named columns: a frame of pandas or polars, Arrow data, or a dict."""
    return isinstance(X, Table) or names_of(X) is not None


def to_table(
    X: Any, columns: Sequence[str], known: Mapping[str, Collection[str]] | None = None
) -> Table:
    """Return some columns of a frame as a table, whose rows are numbered from 1.

    Parameters
    ----------
    X : DataFrame of pandas or polars, pyarrow Table or RecordBatch, dict of columns, or Table
        It may have other columns, too, in any order.
    columns : sequence of str
        The columns to convert.
    known : dict of str to collection of str, optional
        Columns that are categories even if they hold numbers, each with its known categories. Text
        such as "?" or "NA" is a missing value, as in a text file, unless it is a known category.

    Raises
    ------
    DataError
        If a column is missing or can't be read, or columns differ in length.

    Examples
    --------
    >>> from fastclf.data.frames import to_table
    >>> table = to_table({"city": ["Rome", None], "age": [31, 45], "id": [7, 8]}, ["age", "city"])
    >>> table.columns["age"].values.tolist(), table.columns["city"].missing.tolist()
    ([31.0, 45.0], [False, True])
    """
    if isinstance(X, Table):
        return X.select(columns)
    names = names_of(X)
    if names is None:
        raise DataError(
            f"the input needs named columns, such as those of a DataFrame, got {type(X).__name__}"
        )
    check_columns(columns, names)
    if name := first_duplicate([name for name in names if name in columns]):
        raise DataError(f'two columns are named "{name}"; rename one')
    places = {name: i for i, name in enumerate(names)}
    known = known or {}
    table = {name: _column(name, _values(X, name, places[name]), name in known) for name in columns}
    return without_nulls(Table(table), {name: known.get(name, ()) for name in columns})


def names_of(X: Any) -> list[str] | None:
    """Return the names of the columns of a frame, Arrow data or a dict; None for other data."""
    if isinstance(X, Mapping):
        return [str(name) for name in X]
    names = getattr(X, "column_names", None)  # of Arrow data
    if names is None:
        names = getattr(X, "columns", None)
    if names is None or callable(names):
        return None
    return [str(name) for name in names]


def _values(X: Any, name: str, place: int) -> Any:
    if isinstance(X, Mapping):
        return list(X.values())[place]
    if hasattr(X, "iloc"):  # pandas; its names may be of any type, so use the position
        return X.iloc[:, place]
    if hasattr(X, "get_column"):  # polars
        return X.get_column(name)
    if hasattr(X, "column"):
        return X.column(place)
    raise DataError(f"{type(X).__name__} has no columns that can be read; give a DataFrame")


def _column(name: str, values: Any, as_text: bool) -> Column:
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise DataError(f'column "{name}" must hold a value for each row, got {values!r:.60}')
    if len(getattr(values, "shape", (0,))) != 1:
        raise DataError(f'column "{name}" must have one dimension, got shape {values.shape}')
    try:
        import pyarrow as pa
    except ImportError:
        return _without_arrow(name, values)
    from fastclf.data import arrow

    with located(f'column "{name}"'):
        array = _as_arrow(values, pa)
    text = (name,) if as_text else ()
    return arrow.to_table(pa.table({name: array}), text=text).columns[name]


def _as_arrow(values: Any, pa: Any) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if hasattr(values, "to_arrow"):
        return values.to_arrow()
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return pa.array(_texts(values), pa.string())  # mixed types: written as in a text file


def _texts(values: Any) -> list[str | None]:
    items = list(values)
    if any(isinstance(item, list | tuple | dict | set | np.ndarray) for item in items):
        raise DataError("holds lists or other containers; give a number or text in each row")
    return [
        None if missing else str(item).lower() if isinstance(item, bool | np.bool_) else str(item)
        for item, missing in zip(items, map(is_missing, items), strict=True)
    ]


def _without_arrow(name: str, values: Any) -> Column:
    is_list = isinstance(values, list | tuple)  # may mix text and NaN
    array = np.asarray(values, dtype=object if is_list else None)
    kind = array.dtype.kind
    inner = getattr(getattr(getattr(values, "dtype", None), "categories", None), "dtype", None)
    if getattr(inner, "kind", "") in ("i", "u") and kind in "iuf":
        return as_categories(exact_numbers(array) if kind in "iu" else Numbers(array))
    if kind == "O":
        present = [item for item in array.tolist() if not is_missing(item)]
        if all(isinstance(item, bool | np.bool_ | str) for item in present):
            kind = "U"
        elif all(isinstance(item, int | float | np.number) for item in present):
            numbers = [np.nan if is_missing(item) else float(item) for item in array.tolist()]
            array, kind = np.array(numbers), "f"
    if kind in "iu":
        return exact_numbers(array)
    if kind == "f":
        return Numbers(array.astype(np.float32 if array.dtype.itemsize <= 4 else np.float64))
    if kind not in "bU":
        raise DataError(
            f'column "{name}" holds {getattr(values, "dtype", array.dtype)}; convert it to numbers '
            "or text, or install pyarrow: pip install 'fastclf[data]'"
        )
    texts = np.array([(text or "").strip() for text in _texts(array.tolist())], dtype=object)
    found = sorted(set(texts.tolist()) - {""})
    position = {text: code for code, text in enumerate(found)}
    codes = np.array([position.get(text, -1) for text in texts.tolist()], dtype=np.int32)
    return Categories(codes, tuple(found))

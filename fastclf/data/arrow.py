"""Conversion of Arrow columns to those of a `fastclf.table.Table`, and of Arrow's errors.

Numbers stay numbers; durations and times of day become numbers of seconds. Text, booleans, dates
and time stamps become categories, named by their text. Empty text is a missing value.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import compute

from fastclf.data.nulls import categories
from fastclf.errors import DataError
from fastclf.table import (
    Categories,
    Column,
    Lists,
    Numbers,
    Table,
    as_categories,
    exact_numbers,
)

_RELEASE_AFTER = 1 << 26  # bytes of converted columns after which Arrow's free memory is released
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NO_FOOTER = ("magic bytes not found", "smaller than the minimum file footer")
_SINGLE = (pa.float16(), pa.float32())
TEXT = pa.dictionary(pa.int32(), pa.string())


@contextmanager
def arrow_errors(path: Path | str) -> Iterator[None]:
    """Turn Arrow's exceptions about a file into a `DataError` that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError) as problem:
        if isinstance(problem, DataError):
            if str(problem).startswith(str(path)):
                raise
            raise DataError(f"{path}: {problem}") from None
        raise DataError(f"{path}: can't be read: {_reason(problem)}") from None


def _reason(problem: Exception) -> str:
    reason = getattr(problem, "strerror", None) or " ".join(str(problem).split())
    if any(words in reason for words in _NO_FOOTER):
        named = re.search(r"Could not read schema from '(.*?)'", reason)
        if named and Path(named[1]).suffix.lower() not in ("", ".parquet", ".pq"):
            return (
                f"a folder must hold Parquet files of one table only, and {Path(named[1]).name} is "
                "none; give the path of one file"
            )
        which = f"{named[1]} is" if named else "it is"
        return f"{which} truncated, or not a Parquet file; make a new copy, or remove it"
    if "more than 64 bits" in reason:
        return (
            "a column holds integers of 128 bits, which pyarrow can't read; save it as decimals, "
            "as text, or as integers of 64 bits"
        )
    if "orrupt" in reason:
        return f"{reason.rstrip('.')}; make a new copy"
    return reason


def to_table(
    arrow: pa.Table,
    first_row: int = 1,
    nulls: Mapping[str, Collection[str]] | None = None,
    text: Collection[str] = (),
) -> Table:
    """Convert an Arrow table.

    Each Arrow column is freed once it is converted, unless the caller holds a reference to it.

    Parameters
    ----------
    arrow : pyarrow.Table
    first_row : int
        The number of the table's first row in its file.
    nulls : dict of str to collection of str, optional
        Text that means a missing value in a column, besides empty text.
    text : collection of str
        Columns that become categories even if they hold numbers; the names have all digits.

    Raises
    ------
    DataError
        If the type of a column can't be a feature or a target.
    """
    rows = np.arange(first_row, first_row + arrow.num_rows)
    names, waiting = arrow.column_names, arrow.columns[::-1]
    marked = pandas_categories(arrow.schema)
    del arrow
    columns: dict[str, Column] = {}
    converted = 0
    for name in names:
        column = waiting.pop()
        if name in marked and pa.types.is_integer(column.type):
            column = column.dictionary_encode()
        columns[name] = _named(name, column, (nulls or {}).get(name, ()), name in text)
        del column
        converted += 8 * len(rows)
        if converted > _RELEASE_AFTER:
            pa.default_memory_pool().release_unused()
            converted = 0
    return Table(columns, rows)


def pandas_categories(schema: pa.Schema) -> set[str]:
    """Return the columns that pandas has marked as categories in a file's metadata.

    Parquet keeps no dictionaries of integers, so that nothing else says it of such a column.
    """
    kinds = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("columns", ())
    return {str(kind["name"]) for kind in kinds if kind.get("pandas_type") == "categorical"}


def is_number(kind: pa.DataType) -> bool:
    """Tell whether columns of an Arrow type become numbers."""
    return (
        pa.types.is_floating(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_duration(kind)
        or pa.types.is_time(kind)
    )


def is_text(kind: pa.DataType) -> bool:
    """Tell whether an Arrow type is text."""
    return str(kind) in ("string", "large_string", "string_view")


def numbers_of(values: pa.Array) -> np.ndarray:
    """Return numbers as an array, with NaN for missing values; durations and times in seconds."""
    kind = values.type
    if pa.types.is_null(kind):
        return np.full(len(values), np.nan)
    if pa.types.is_decimal(kind):
        values = values.cast(pa.float64())
    elif pa.types.is_duration(kind) or pa.types.is_time(kind):
        counts = values.view(pa.int32() if pa.types.is_time32(kind) else pa.int64())
        return (
            counts.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            / _PER_SECOND[kind.unit]
        )
    return values.to_numpy(zero_copy_only=False)


def rounds(values: pa.Array) -> bool:
    """Tell whether float64 would round a column that an array of integers can't hold either.

    These are decimals, and integers with missing values, if some are 2^53 or larger.
    """
    kind = values.type
    if not (pa.types.is_decimal(kind) or pa.types.is_integer(kind) and values.null_count):
        return False
    extremes = [value for value in compute.min_max(values).as_py().values() if value is not None]
    return any(abs(value) >= 2**53 for value in extremes)


def _named(name: str, column: pa.ChunkedArray, nulls: Collection[str], as_text: bool) -> Column:
    kind = column.type
    try:
        return _column(column, nulls, as_text)
    except (pa.ArrowException, TypeError):
        raise DataError(
            f'column "{name}" holds {kind}, which can\'t be read; leave it out with data.drop'
        ) from None


def _column(column: pa.ChunkedArray, nulls: Collection[str], as_text: bool) -> Column:
    kind = column.type
    if pa.types.is_dictionary(kind) and not is_text(kind.value_type):
        column, kind = column.cast(kind.value_type), kind.value_type
        if pa.types.is_integer(kind):  # the type says that they are categories
            return replace(_exact_categories(column), of_integers=True)
    if as_text and (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return _exact_categories(column)
    is_time = pa.types.is_temporal(kind) and (as_text or not is_number(kind))
    if pa.types.is_null(kind) or is_number(kind) and not is_time:
        return as_categories(_numbers(column)) if as_text else _numbers(column)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _lists(column)
    if is_time or pa.types.is_boolean(kind):
        column = column.cast(pa.string())
    elif not (pa.types.is_dictionary(kind) or is_text(kind)):
        raise TypeError
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.large_string())
    codes, names = _coded(column)
    return categories(codes, ["" if name is None else name for name in names], nulls)


def _coded(column: pa.ChunkedArray) -> tuple[np.ndarray, list]:
    """Return the codes of a column, -1 for missing values, and the values they stand for."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if column.num_chunks == 0:
        return np.empty(0, np.int64), []
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0)
    codes = whole.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, whole.dictionary.to_pylist()


def _exact_categories(column: pa.ChunkedArray) -> Categories:
    """Return integers or decimals as categories named by all their digits, in increasing order."""
    codes, values = _coded(column)
    order = sorted(range(len(values)), key=values.__getitem__)
    moved = np.full(len(values) + 1, -1, np.int32)
    moved[order] = np.arange(len(values))
    return Categories(moved[codes], tuple(_digits(values[i]) for i in order))


def _digits(value: int | Decimal) -> str:
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _numbers(column: pa.ChunkedArray) -> Numbers:
    kind = column.type
    if kind in (pa.int64(), pa.uint64()) and column.null_count == 0 and len(column):
        return exact_numbers(column.to_numpy())
    values = np.empty(len(column), np.float32 if kind in _SINGLE else np.float64)
    start = 0
    for chunk in column.chunks:
        values[start : start + len(chunk)] = numbers_of(chunk)
        start += len(chunk)
    return Numbers(values)


def _lists(column: pa.ChunkedArray) -> Lists:
    rows = [[str(item) for item in row or () if item is not None] for row in column.to_pylist()]
    flat = [item for row in rows for item in row]
    distinct, codes = np.unique(np.array(flat, dtype=str), return_inverse=True)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Lists(offsets, codes.astype(np.int32), tuple(distinct.tolist()))

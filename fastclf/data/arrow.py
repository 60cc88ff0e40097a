"""From Arrow's columns to those of a `fastclf.table.Table`, and from its errors to ours.

Numbers stay numbers. Text, booleans, dates and times become categories, named as they are written.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from fastclf.errors import DataError
from fastclf.table import Categories, Column, Lists, Numbers, Table

NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")  # text that is a missing value
_RELEASED = 8  # columns after which Arrow's memory goes back to the system
_NO_FOOTER = ("magic bytes not found", "smaller than the minimum file footer")
TEXT = pa.dictionary(pa.int32(), pa.string())


@contextmanager
def arrow_errors(path: Path | str) -> Iterator[None]:
    """Turn Arrow's errors about a file into one line."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError) as problem:
        if isinstance(problem, DataError):
            raise
        raise DataError(f"{path}: can't be read: {_reason(problem)}") from None


def _reason(problem: Exception) -> str:
    reason = getattr(problem, "strerror", None) or " ".join(str(problem).split())
    if any(words in reason for words in _NO_FOOTER):
        named = re.search(r"Could not read schema from '(.*?)'", reason)
        which = f"{named[1]} is" if named else "it is"
        return f"{which} cut short, or no Parquet file; make a new copy, or take it away"
    if "orrupt" in reason:
        return f"{reason.rstrip('.')}; make a new copy"
    return reason


def to_table(arrow: pa.Table, first_row: int = 1) -> Table:
    """Return an Arrow table as ours; its first row has a number in the file.

    Each of Arrow's columns can be freed as soon as it is converted, if nothing else holds it.

    Raises
    ------
    DataError
        If a column has a type that can be neither a feature nor a target.
    """
    rows = np.arange(first_row, first_row + arrow.num_rows)
    columns: dict[str, Column] = {}
    for i, name in enumerate(arrow.column_names, 1):
        column, arrow = arrow.column(0), arrow.remove_column(0)
        columns[name] = _column(name, column)
        del column
        if i % _RELEASED == 0:
            pa.default_memory_pool().release_unused()
    return Table(columns, rows)


def categories(codes: np.ndarray, names: list[str]) -> Categories:
    """Return categories whose names are stripped of blanks, free of `NULLS`, and in order."""
    stripped = np.array([name.strip() for name in names] + [""], dtype=object)
    distinct = sorted(set(stripped.tolist()) - set(NULLS))
    position = {name: code for code, name in enumerate(distinct)}
    moved = np.array([position.get(name, -1) for name in stripped.tolist()], dtype=np.int32)
    return Categories(moved[codes], tuple(distinct))  # a code of -1 is the last, a missing value


def _column(name: str, column: pa.ChunkedArray) -> Column:
    kind = column.type
    if pa.types.is_dictionary(kind) and not _is_text(kind.value_type):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_null(kind):
        return Numbers(np.full(len(column), np.nan))
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return _numbers(column)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _lists(name, column)
    if pa.types.is_temporal(kind) or pa.types.is_boolean(kind):
        column = column.cast(pa.string())
        kind = column.type
    if not (pa.types.is_dictionary(kind) or _is_text(kind)):
        raise DataError(
            f'column "{name}" holds {kind}, which can\'t be read; leave it out with data.drop'
        )
    if not pa.types.is_dictionary(kind):
        column = column.cast(pa.large_string()).dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        if whole.num_chunks == 0:
            return Categories(np.empty(0, np.int32), ())
        whole = whole.chunk(0)
    codes = whole.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    names = ["" if text is None else text for text in whole.dictionary.to_pylist()]
    return categories(codes, names)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view"


def _numbers(column: pa.ChunkedArray) -> Numbers:
    single = column.type in (pa.float16(), pa.float32())
    values = np.empty(len(column), np.float32 if single else np.float64)
    start = 0
    for chunk in column.chunks:
        if pa.types.is_decimal(chunk.type):
            chunk = chunk.cast(pa.float64())
        values[start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
        start += len(chunk)
    return Numbers(values)


def _lists(name: str, column: pa.ChunkedArray) -> Lists:
    rows = column.to_pylist()
    try:
        flat = [str(item) for row in rows for item in row or ()]
    except TypeError:
        raise DataError(f'column "{name}" holds {column.type}; leave it out') from None
    distinct, codes = np.unique(np.array(flat, dtype=str), return_inverse=True)
    offsets = np.concatenate([[0], np.cumsum([len(row or ()) for row in rows])]).astype(np.int64)
    return Lists(offsets, codes.astype(np.int32), tuple(distinct.tolist()))

"""Text such as "NA" that means a missing value, in formats that can't mark missing values."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from fastclf.table import NULLS, Categories, Column, Table, kept_for_names


class KnownNames(NamedTuple):
    """Names that are values though they may read "NA": those of a model or of the training rows.

    Parameters
    ----------
    columns : mapping of str to collection of str
        The categories of each text column.
    classes : collection of str
        The classes of the target.
    """

    columns: Mapping[str, Collection[str]]
    classes: Collection[str] = ()


def nulls_besides(known: Collection[str]) -> tuple[str, ...]:
    """Return the text that means a missing value in a column with some known names."""
    return tuple(text for text in NULLS if text not in known)


def without_nulls(table: Table, known: Mapping[str, Collection[str]]) -> Table:
    """Return a table in which text such as "NA" is a missing value, unless it is a known name.

    Parameters
    ----------
    table : Table
    known : dict of str to collection of str
        The known names of each column. Other columns are left as they are.
    """
    columns = dict(table.columns)
    for name in known.keys() & columns.keys():
        columns[name] = _without(columns[name], nulls_besides(known[name]))
    return Table(columns, table.rows)


def _without(column: Column, nulls: tuple[str, ...]) -> Column:
    if not isinstance(column, Categories):
        return column
    is_null = [name in nulls for name in column.names]
    if not any(is_null):
        return column
    codes = np.where(np.array([*is_null, False])[column.codes], -1, column.codes)
    return Categories(codes.astype(np.int32), column.names)


def categories(codes: np.ndarray, names: list[str], nulls: Collection[str] = ()) -> Categories:
    """Return categories with stripped and sorted names.

    A name that is empty after stripping, or is one of ``nulls``, is a missing value.
    """
    moved, distinct = _sorted(frozenset(nulls), tuple(names))
    return Categories(moved[codes], distinct)  # code -1, a missing value, is the last


@kept_for_names
def _sorted(nulls: frozenset[str], names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    # The code of each name among the sorted ones, and these.
    stripped = [*(name.strip() for name in names), ""]
    distinct = tuple(sorted({*stripped} - {"", *nulls}))
    position = {name: code for code, name in enumerate(distinct)}
    moved = np.array([position.get(name, -1) for name in stripped], dtype=np.int32)
    return moved, distinct

"""Text that is a missing value in formats that have no other."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from fastclf.table import Categories, Column, Table

NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")


class Known(NamedTuple):
    """What is known of the text in a file, by a model or by the rows to train on.

    Parameters
    ----------
    columns : mapping of str to collection of str
        The names of categories of each column of text.
    classes : collection of str
    """

    columns: Mapping[str, Collection[str]]
    classes: Collection[str] = ()


def nulls_besides(known: Collection[str]) -> tuple[str, ...]:
    """Return the text that is a missing value where some names are known to be values."""
    return tuple(text for text in NULLS if text not in known)


def without_nulls(table: Table, known: Mapping[str, Collection[str]]) -> Table:
    """Return a table in which text such as "NA" is a missing value, unless it is a known name.

    Parameters
    ----------
    table : Table
    known : dict of str to collection of str
        The columns that are looked at, and the names that are known of each.
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

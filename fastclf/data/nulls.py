"""Text such as "NA" that means a missing value, in formats that can't mark missing values."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from fastclf.table import NULLS, Categories, Column, Table


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

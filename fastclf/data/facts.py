"""What can be said of raw columns at a glance, before anything is fitted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from fastclf import dates
from fastclf.table import Categories, Lists, Numbers, Table

_NAME_OF_ID = re.compile(r"(?i:(^|[_ .-])(id|uuid|guid|index|rowid|rownames|key)$)|[a-z](ID|Id)$")
_MANY_ROWS = 20  # fewer rows may well differ in each value of a feature
_OWN = 0.9  # a column where so large a share of the values are different tells rows apart


@dataclass(frozen=True)
class ColumnFacts:
    """What can be said of one column.

    Attributes
    ----------
    name : str
    kind : {"numbers", "categories", "lists"}
    n_rows, missing, distinct : int
        The numbers of rows, of missing values and of different ones.
    low, high : float or None
        The range of numbers.
    is_identifier : bool
        Whether it seems to name rows, which tells nothing of others.
    is_date : bool
        Whether all categories are dates.
    """

    name: str
    kind: str
    n_rows: int
    missing: int
    distinct: int
    low: float | None = None
    high: float | None = None
    is_identifier: bool = False
    is_date: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether no two rows differ."""
        return self.distinct + (self.missing > 0) < 2

    def __str__(self) -> str:
        """Return the facts in some words."""
        if self.kind == "numbers":
            text = "no numbers"
            if self.distinct:
                text = f"numbers from {self.low:g} to {self.high:g}"
        else:
            names = "dates" if self.is_date else "categories"
            text = f"{self.distinct:,} {'labels' if self.kind == 'lists' else names}"
        return f"{text}, {self.missing:,} missing" if self.missing else text


def column_facts(table: Table) -> list[ColumnFacts]:
    """Return what can be said of each column of a table.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.table import Categories, Numbers, Table
    >>> codes = np.array([0, 1, -1], np.int32)
    >>> age = Numbers(np.array([31.0, np.nan, 45.5]))
    >>> table = Table({"age": age, "city": Categories(codes, ("Bonn", "Rome"))})
    >>> [str(facts) for facts in column_facts(table)]
    ['numbers from 31 to 45.5, 1 missing', '2 categories, 1 missing']
    """
    return [_facts(name, column) for name, column in table.columns.items()]


def constant_columns(X: Any) -> Iterator[int]:
    """Yield the columns of a matrix, dense or sparse, in which no two rows differ."""
    for start in range(0, X.shape[1], 64):
        part = X[:, start : start + 64]
        low, high = part.min(axis=0), part.max(axis=0)
        if scipy.sparse.issparse(part):
            low, high = low.toarray().ravel(), high.toarray().ravel()
        yield from (start + np.flatnonzero(np.asarray(low == high))).tolist()


def _facts(name: str, column: Numbers | Categories | Lists) -> ColumnFacts:
    n = len(column)
    missing = int(column.missing.sum())
    if isinstance(column, Lists):
        return ColumnFacts(name, "lists", n, missing, len(column.names))
    if isinstance(column, Categories):
        count = len(np.unique(column.codes[column.codes >= 0]))
        tells_apart = n >= _MANY_ROWS and count > _OWN * (n - missing)
        is_date = count > 0 and all(map(dates.is_date, column.names))
        return ColumnFacts(
            name,
            "categories",
            n,
            missing,
            count,
            is_identifier=tells_apart and not is_date,
            is_date=is_date,
        )
    values = column.values[~column.missing]
    distinct = np.unique(values)
    if not len(distinct):
        return ColumnFacts(name, "numbers", n, missing, 0)
    tells_apart = n >= _MANY_ROWS and len(distinct) == n and _counts(name, values, distinct)
    low, high = float(distinct[0]), float(distinct[-1])
    return ColumnFacts(name, "numbers", n, missing, len(distinct), low, high, tells_apart)


def _counts(name: str, values: np.ndarray, distinct: np.ndarray) -> bool:
    """Tell whether different numbers number the rows, or are called so."""
    if not np.array_equal(distinct, np.floor(distinct)):
        return False
    in_order = np.array_equal(values, distinct) and distinct[-1] - distinct[0] == len(values) - 1
    return bool(in_order or _NAME_OF_ID.search(name))

"""What can be said of raw columns at a glance, before anything is fitted."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from fastclf import dates
from fastclf.data.text_columns import has_leading_zero, is_number
from fastclf.table import Categories, Lists, Numbers, Table, listed, shown

_NAME_OF_ID = re.compile(
    r"(?i:(^|[_ .-])(id|uuid|guid|index|rowid|rownames|key)$)|[a-z](ID|Id)$"
    r"|^c0$|^Unnamed: ?0|^__index_level_\d+__$"  # what the index of a frame is called in a file
)
_MANY_ROWS = 20  # fewer rows may well differ in each value of a feature
_OWN = 0.9  # a column where so large a share of the values are different tells rows apart
_MANY_NUMBERS, _MANY_MARKS = 10, 3  # so many different numbers and so few other texts
_MANY_CLASSES = 20  # more whole numbers may well be amounts


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


def identifiers(table: Table) -> list[str]:
    """Return the columns that seem to name rows, which tells nothing of others.

    It sorts only those that may well be such, and so takes little time.
    """
    return [name for name, column in table.columns.items() if _is_identifier(name, column)]


def looks_like_amounts(y: np.ndarray, n_classes: int) -> bool:
    """Tell whether labels (n,) of a file of columns may be amounts, which are no classes."""
    return y.ndim == 1 and y.dtype.kind in "iu" and n_classes > _MANY_CLASSES


def amounts_warning(n_classes: int) -> str:
    """Return a warning that labels look like amounts."""
    return (
        f"the target has {n_classes} different whole numbers, and each becomes a class; if they "
        "are amounts, such as ages or prices, make a few groups of them first"
    )


def marks_warnings(table: Table, categorical: Collection[str] = ()) -> list[str]:
    """Return warnings about columns of numbers in which a few marks stand for something.

    Such as "-" or "unknown" for what is missing: each number is then a category, which is meant in
    the columns that are named to be ``categorical``.
    """
    return [
        f"{name}: a category for each number, because some rows hold {marks}; if that is a missing "
        "value, leave it empty"
        for name, column in table.columns.items()
        if isinstance(column, Categories) and name not in categorical and (marks := _marks(column))
    ]


def _marks(column: Categories) -> str:
    numeric = np.array([is_number(text) or is_number(text, ",") for text in column.names], bool)
    marks = [text for text, found in zip(column.names, numeric, strict=True) if not found]
    if not 0 < len(marks) <= _MANY_MARKS or numeric.sum() < _MANY_NUMBERS:
        return ""
    if any(map(has_leading_zero, column.names)):
        return ""
    counts = np.bincount(column.codes[~column.missing], minlength=len(column.names))
    if counts[numeric].sum() < counts.sum() / 2:
        return ""
    return ", ".join(map(shown, marks))


def identifiers_warning(names: list[str]) -> str:
    """Return a warning that columns seem to name rows."""
    return (
        f"{listed(names)}: a value of its own in nearly every row, as of an identifier, an index "
        "or free text; leave it out with data.drop"
    )


def _facts(name: str, column: Numbers | Categories | Lists) -> ColumnFacts:
    n = len(column)
    missing = int(column.missing.sum())
    if isinstance(column, Lists):
        return ColumnFacts(name, "lists", n, missing, len(column.names))
    if isinstance(column, Categories):
        count = _distinct(column)
        return ColumnFacts(
            name,
            "categories",
            n,
            missing,
            count,
            is_identifier=_is_identifier(name, column),
            is_date=_is_dates(column),
        )
    values = column.values[~column.missing]
    distinct = np.unique(values)
    if not len(distinct):
        return ColumnFacts(name, "numbers", n, missing, 0)
    tells_apart = _is_identifier(name, column)
    low, high = float(distinct[0]), float(distinct[-1])
    return ColumnFacts(name, "numbers", n, missing, len(distinct), low, high, tells_apart)


def _distinct(column: Categories) -> int:
    present = np.bincount(column.codes[~column.missing], minlength=len(column.names))
    return int((present > 0).sum())


def _is_dates(column: Categories) -> bool:
    return len(column.names) > 0 and all(map(dates.is_date, column.names))


def _is_identifier(name: str, column: Numbers | Categories | Lists) -> bool:
    """Tell whether all values of a column differ, and it numbers the rows or is called so."""
    if len(column) < _MANY_ROWS or isinstance(column, Lists):
        return False
    if isinstance(column, Categories):
        return _distinct(column) > _OWN * int((~column.missing).sum()) and not _is_dates(column)
    values = column.values
    if (np.diff(values) == 1).all() and float(values[0]).is_integer():
        return True
    if not _NAME_OF_ID.search(name) or not np.array_equal(values, np.floor(values)):
        return False
    return len(np.unique(values)) == len(values)

"""Summaries of raw columns before a fit, and warnings about columns that look wrong."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from fastclf import dates
from fastclf.data.text_columns import has_leading_zero, is_number
from fastclf.table import Categories, Column, Lists, Numbers, Table, listed, quoted

_NAME_OF_ID = re.compile(
    r"(?i:(^|[_ .-])(id|uuid|guid|index|rowid|rownames|key)$)|[a-z](ID|Id)$"
    r"|^c0$|^Unnamed: ?0|^__index_level_\d+__$"  # names that pandas gives to an index in a file
)
_MIN_ROWS = 20  # with fewer rows, all values of an ordinary feature may differ by chance
_DISTINCT_SHARE = 0.9  # share of distinct values above which a text column is an identifier
_TEXT_SHARE = 0.5  # least share of distinct values in a column of raw text
_TEXT_WORDS = 4  # least mean number of words of raw text; names and titles have fewer
_TEXT_SAMPLE = 1000  # values whose words are counted
_MIN_NUMBERS = 10  # least number of distinct numbers in a column with placeholders
_MAX_PLACEHOLDERS = 3  # largest number of distinct placeholders in a column
_MAX_CLASSES = 20  # integer labels with more distinct values than this are probably amounts


@dataclass(frozen=True)
class ColumnFacts:
    """A summary of one column.

    Attributes
    ----------
    name : str
    kind : {"numbers", "categories", "lists"}
    n_rows, missing, distinct : int
        How many rows, missing values and distinct values there are.
    low, high : float or None
        The smallest and the largest number.
    is_identifier : bool
        Whether the values seem to identify rows, as a key or an index does. Such a column is
        useless for predicting new rows.
    is_date : bool
        Whether all categories are dates.
    words : float
        For raw text, such as messages, the mean number of words in a value; 0 for other columns.
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
    words: float = 0.0

    @property
    def is_text(self) -> bool:
        """Whether the values are raw text, such as messages."""
        return self.words > 0

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same value; a missing value counts as one."""
        return self.distinct + (self.missing > 0) < 2

    def __str__(self) -> str:
        """Return the summary in words."""
        if self.is_text:
            text = f"text, {self.words:.0f} words on average"
        elif self.kind == "numbers":
            text = "no numbers"
            if self.distinct:
                text = f"numbers from {self.low:g} to {self.high:g}"
        else:
            names = "dates" if self.is_date else "categories"
            text = f"{self.distinct:,} {'labels' if self.kind == 'lists' else names}"
        return f"{text}, {self.missing:,} missing" if self.missing else text


def column_facts(table: Table) -> list[ColumnFacts]:
    """Return a summary of each column of a table.

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


def constant_names(table: Table) -> list[str]:
    """Return the names of the columns of a table in which all rows have the same value.

    A missing value counts as one. Columns of lists are not examined.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.table import Categories, Numbers, Table
    >>> year = Categories(np.zeros(2, np.int32), ("1994", "1995"))
    >>> constant_names(Table({"year": year, "age": Numbers(np.array([31.0, np.nan]))}))
    ['year']
    """
    return [name for name, column in table.columns.items() if _is_constant(column)]


def _is_constant(column: Column) -> bool:
    if isinstance(column, Lists) or not len(column):
        return False
    values = column.values if isinstance(column, Numbers) else column.codes
    first = values[0]
    same = np.isnan(values) if first != first else values == first
    return bool(same.all())


def constant_columns(X: Any) -> Iterator[int]:
    """Yield the indices of the columns of a dense or sparse matrix in which all rows are equal."""
    for start in range(0, X.shape[1], 64):
        part = X[:, start : start + 64]
        low, high = part.min(axis=0), part.max(axis=0)
        if scipy.sparse.issparse(part):
            low, high = low.toarray().ravel(), high.toarray().ravel()
        yield from (start + np.flatnonzero(np.asarray(low == high))).tolist()


def identifiers(table: Table) -> list[str]:
    """Return the names of the columns whose values seem to identify rows.

    Only columns with a name such as "id" are sorted to look for duplicates, which saves time.
    """
    return [name for name, column in table.columns.items() if _is_identifier(name, column)]


def looks_like_amounts(y: np.ndarray, n_classes: int) -> bool:
    """Tell whether integer labels (n,) have so many values that they may be amounts."""
    return y.ndim == 1 and y.dtype.kind in "iu" and n_classes > _MAX_CLASSES


def amounts_warning(n_classes: int) -> str:
    """Return the warning that labels look like amounts."""
    return (
        f"the target has {n_classes} different whole numbers, and each becomes a class; if they "
        "are amounts, such as ages or prices, group them into a few ranges first"
    )


def placeholder_warnings(table: Table, categorical: Collection[str] = ()) -> list[str]:
    """Return warnings about columns of numbers that have placeholders, such as "-" or "unknown".

    A placeholder makes the whole column text, so that each number becomes a category. Columns of
    ``categorical`` are left out, because there the user asked for that.
    """
    return [
        f"{name}: each number becomes a category, because some rows hold {marks}; if that stands "
        "for a missing value, leave the cell empty"
        for name, column in table.columns.items()
        if isinstance(column, Categories)
        and name not in categorical
        and (marks := _placeholders(column))
    ]


def _placeholders(column: Categories) -> str:
    numeric = np.array([is_number(text) or is_number(text, ",") for text in column.names], bool)
    marks = [text for text, found in zip(column.names, numeric, strict=True) if not found]
    if not 0 < len(marks) <= _MAX_PLACEHOLDERS or numeric.sum() < _MIN_NUMBERS:
        return ""
    if any(map(has_leading_zero, column.names)):
        return ""
    counts = np.bincount(column.codes[~column.missing], minlength=len(column.names))
    if counts[numeric].sum() < counts.sum() / 2:
        return ""
    return ", ".join(map(quoted, marks))


def identifiers_warning(names: list[str]) -> str:
    """Return the warning that columns seem to identify rows."""
    return (
        f"{listed(names)}: nearly every row has a different value, as in an identifier, an index "
        "or free text; leave the column out with data.drop, or name it in data.text if it is text"
    )


def _facts(name: str, column: Numbers | Categories | Lists) -> ColumnFacts:
    n = len(column)
    missing = int(column.missing.sum())
    if isinstance(column, Lists):
        return ColumnFacts(name, "lists", n, missing, len(column.names))
    if isinstance(column, Categories):
        count = _distinct(column)
        words = _words(column)
        return ColumnFacts(
            name,
            "categories",
            n,
            missing,
            count,
            is_identifier=not words and _is_identifier(name, column),
            is_date=_is_dates(column),
            words=words,
        )
    values = column.values[~column.missing]
    distinct = np.unique(values)
    if not len(distinct):
        return ColumnFacts(name, "numbers", n, missing, 0)
    low, high = float(distinct[0]), float(distinct[-1])
    is_identifier = _is_identifier(name, column)
    return ColumnFacts(name, "numbers", n, missing, len(distinct), low, high, is_identifier)


def _distinct(column: Categories) -> int:
    present = np.bincount(column.codes[~column.missing], minlength=len(column.names))
    return int((present > 0).sum())


def _words(column: Categories) -> float:
    """Return the mean number of words in the values of a column of raw text; 0 for other columns.

    In raw text many values differ, and they have several words, which consist of letters.
    """
    present = int((~column.missing).sum())
    if len(column) < _MIN_ROWS or _distinct(column) < _TEXT_SHARE * present:
        return 0.0
    some = column.names[:: max(1, len(column.names) // _TEXT_SAMPLE)]
    words = [sum(any(map(str.isalpha, part)) for part in text.split()) for text in some]
    mean = sum(words) / max(len(words), 1)
    return mean if mean >= _TEXT_WORDS else 0.0


def _is_dates(column: Categories) -> bool:
    return len(column.names) > 0 and all(map(dates.is_date, column.names))


def _is_identifier(name: str, column: Numbers | Categories | Lists) -> bool:
    """Tell whether a column seems to identify rows.

    Text does if nearly all values differ and they aren't dates. Numbers do if each is the previous
    one plus 1; or if all are distinct integers and the column has a name such as "id".
    """
    if len(column) < _MIN_ROWS or isinstance(column, Lists):
        return False
    if isinstance(column, Categories):
        present = int((~column.missing).sum())
        return _distinct(column) > _DISTINCT_SHARE * present and not _is_dates(column)
    values = column.values
    if (np.diff(values) == 1).all() and float(values[0]).is_integer():
        return True
    if not _NAME_OF_ID.search(name) or not np.array_equal(values, np.floor(values)):
        return False
    return len(np.unique(values)) == len(values)

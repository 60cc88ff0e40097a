"""`Table`: raw rows with named columns of numbers, categories, or lists of names.

A fitted `fastclf.preprocessing.Encoder` turns a table into the features of a linear model.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from fastclf.errors import DataError, nearest

NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")
"""Text that means a missing value, unless it is a known name of its column."""

SHOWN_NAMES = 20  # largest number of names in a message
SHOWN_LETTERS = 60  # largest number of characters of a value in a message

_KEPT, _FEW = 128, 1 << 13  # results that `kept_for_names` keeps, and most names of each

_EXACT = 2**53  # float64 holds every integer up to this
_WHOLE = re.compile(r"[+-]?[0-9]{1,100}")

_BOOLEANS = {
    **dict.fromkeys(("true", "1", "1.0"), "true"),
    **dict.fromkeys(("false", "0", "0.0"), "false"),
}


@dataclass(frozen=True, eq=False)
class Numbers:
    """A numeric column.

    Parameters
    ----------
    values : ndarray of shape (n,)
        float32 or float64, in which NaN is a missing value. Or int64 or uint64 without missing
        values, if some are beyond 2^53, where float64 would round them.
    """

    values: np.ndarray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    @property
    def missing(self) -> np.ndarray:
        """Which values are missing, (n,)."""
        return np.isnan(self.values)

    def take(self, rows: np.ndarray | slice) -> "Numbers":
        """Return the column at some rows (m,)."""
        return Numbers(self.values[rows])


@dataclass(frozen=True, eq=False)
class Categories:
    """A column of categories.

    Parameters
    ----------
    codes : ndarray of int32 of shape (n,)
        Indices into ``names``; -1 is a missing value.
    names : tuple of str
        The names of the categories, without duplicates.
    of_integers : bool
        Whether the source held integers of a categorical type. As a target they are integers.
    """

    codes: np.ndarray
    names: tuple[str, ...]
    of_integers: bool = False

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    @property
    def missing(self) -> np.ndarray:
        """Which values are missing, (n,)."""
        return self.codes < 0

    def take(self, rows: np.ndarray | slice) -> "Categories":
        """Return the column at some rows (m,)."""
        return Categories(self.codes[rows], self.names, self.of_integers)


@dataclass(frozen=True, eq=False)
class Lists:
    """A column with any number of names in each row. It can be a target, but not a feature.

    Parameters
    ----------
    offsets : ndarray of shape (n + 1,)
        Row i has the codes ``codes[offsets[i]:offsets[i + 1]]``.
    codes : ndarray of int
        Indices into ``names``.
    names : tuple of str
        Without duplicates.
    """

    offsets: np.ndarray
    codes: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.offsets) - 1

    @property
    def missing(self) -> np.ndarray:
        """Which rows have no names, (n,)."""
        return np.diff(self.offsets) == 0

    def take(self, rows: np.ndarray | slice) -> "Lists":
        """Return the column at some rows (m,), given as indices or as a mask."""
        kept = np.arange(len(self))[rows].tolist()
        parts = [self.codes[self.offsets[i] : self.offsets[i + 1]] for i in kept]
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        codes = np.concatenate(parts) if parts else self.codes[:0]
        return Lists(offsets, codes, self.names)


Column = Numbers | Categories | Lists


class Table:
    """Named columns of equal length, in order.

    Parameters
    ----------
    columns : mapping of str to Numbers, Categories or Lists
    rows : ndarray of shape (n,), optional
        The number of each row in its file, for messages; by default 1 to n.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.table import Categories, Numbers, Table
    >>> codes = np.array([0, -1, 1], np.int32)
    >>> age = Numbers(np.array([31.0, 45.0, np.nan]))
    >>> table = Table({"age": age, "city": Categories(codes, ("Bonn", "Rome"))})
    >>> table.n_rows, table.names, table.take(np.array([2])).columns["city"].codes.tolist()
    (3, ('age', 'city'), [1])
    """

    def __init__(self, columns: Mapping[str, Column], rows: np.ndarray | None = None) -> None:
        lengths = {len(column) for column in columns.values()}
        if rows is not None:
            lengths.add(len(rows))
        if len(lengths) > 1:
            raise DataError(f"the columns of a table differ in length: {sorted(lengths)}")
        self.columns: dict[str, Column] = dict(columns)
        self.n_rows: int = lengths.pop() if lengths else 0
        self.rows: np.ndarray = np.arange(1, self.n_rows + 1) if rows is None else rows

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.n_rows

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        return self.n_rows, len(self.columns)

    def take(self, rows: np.ndarray | slice) -> "Table":
        """Return some rows, given by indices, a mask or a slice; a slice copies nothing."""
        taken = {name: column.take(rows) for name, column in self.columns.items()}
        return Table(taken, self.rows[rows])

    def select(self, names: Sequence[str]) -> "Table":
        """Return some columns, in the given order.

        Raises
        ------
        DataError
            If a column doesn't exist.
        """
        check_columns(names, self.names)
        return Table({name: self.columns[name] for name in names}, self.rows)


def concatenated(tables: Sequence[Table]) -> Table:
    """Return the rows of one table or more with the same columns, which keep their numbers.

    A column that holds categories in one of them holds categories in all.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    columns = {name: _joined([table.columns[name] for table in tables]) for name in first.names}
    return Table(columns, np.concatenate([table.rows for table in tables]))


def _joined(columns: Sequence[Column]) -> Column:
    numbers = [column.values for column in columns if isinstance(column, Numbers)]
    if len(numbers) == len(columns):
        return Numbers(np.concatenate(numbers))
    parts = [as_categories(column) for column in columns if not isinstance(column, Lists)]
    names = sorted({name for part in parts for name in part.names})
    position = {name: code for code, name in enumerate(names)}
    codes = [
        np.array([*(position[name] for name in part.names), -1], np.int32)[part.codes]
        for part in parts
    ]
    whole = all(isinstance(part, Categories) and part.of_integers for part in columns)
    return Categories(np.concatenate(codes), tuple(names), whole)


def check_columns(wanted: Iterable[str], names: Sequence[str]) -> None:
    """Check that columns exist, where ``names`` are the existing ones.

    Raises
    ------
    DataError
        If a column doesn't exist; the message gives the most similar name, and all names.
    """
    known = set(names)
    for name in wanted:
        if name not in known:
            raise DataError(
                f"there is no column {quoted(name)}{nearest(name, list(names))}; "
                f"there are {listed(names)}"
            )


def listed(names: Sequence[str]) -> str:
    """Return names separated by commas; of very many, the first ones and the number of others."""
    text = ", ".join(names[:SHOWN_NAMES])
    more = len(names) - SHOWN_NAMES
    return f"{text} and {more} more" if more > 0 else text


def quoted(text: str) -> str:
    """Return a value in quotes, shortened if it is long."""
    return f'"{shortened(text)}"'


def shortened(text: str) -> str:
    """Return a value, shortened if it is long."""
    return text if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]}..."


def first_duplicate(names: Sequence[str]) -> str | None:
    """Return the first name that occurs a second time, or None."""
    seen = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def matched_names(names: Iterable[str], known: Iterable[str]) -> dict[str, str] | None:
    """Match names with known names.

    Equal names match. If the known names are true and false, in whatever case, other spellings
    match, too: True, TRUE, 1 and 1.0 match true; False, FALSE, 0 and 0.0 match false.

    Parameters
    ----------
    names : iterable of str
        The names to match, such as the labels of a file.
    known : iterable of str
        The known names, such as the classes of a model.

    Returns
    -------
    dict of str to str, or None
        The known name of each name that matches one. None if there are names and none matches.

    Examples
    --------
    >>> from fastclf.table import matched_names
    >>> matched_names(["FALSE", "1"], ["false", "true"])
    {'FALSE': 'false', '1': 'true'}
    >>> matched_names(["yes", "Yes"], ["no", "yes"]), matched_names(["No"], ["no", "yes"])
    ({'yes': 'yes'}, None)
    """
    found, exact = list(names), dict.fromkeys(known)
    by_word = {name.lower(): name for name in exact}
    if by_word and len(by_word) == len(exact) and by_word.keys() <= {"false", "true"}:
        words = {name: _BOOLEANS.get(name.lower(), "") for name in found}
        matches = {name: by_word[word] for name, word in words.items() if word in by_word}
    else:
        matches = {name: name for name in found if name in exact}
    return matches if matches or not found else None


def kept_for_names(function: Callable[[Any, tuple[str, ...]], Any]) -> Callable[..., Any]:
    """Return a function of something and names that keeps its last results, unless names are many.

    One piece of a file after another often has the same names. Nobody may change the results.
    """
    kept = lru_cache(_KEPT)(function)

    def with_kept(what: Any, names: tuple[str, ...]) -> Any:
        return (kept if len(names) <= _FEW else function)(what, names)

    return with_kept


def number_of(text: str) -> float:
    """Return text as a number, or NaN if it is none; 1_000, which Python accepts, is none."""
    if "_" in text:
        return np.nan
    try:
        return float(text)
    except ValueError:
        return np.nan


def category_names(values: np.ndarray) -> list[str]:
    """Return the names of numbers as categories: "3" for 3.0, "0.5" for 0.5."""
    return [
        str(int(value)) if float(value).is_integer() else str(value) for value in values.tolist()
    ]


def exact_numbers(values: np.ndarray) -> Numbers:
    """Return numbers as a column of float64; or of integers if float64 would round some.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.table import exact_numbers
    >>> exact_numbers(np.array([1, 2], np.int32)).values
    array([1., 2.])
    >>> exact_numbers(np.array([2**60 + 1, 2])).values.tolist()
    [1152921504606846977, 2]
    """
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8 and values.size:
        low, high = int(values.min()), int(values.max())
        if low < -_EXACT or high > _EXACT:
            return Numbers(values.astype(np.uint64 if high >= 2**63 else np.int64, copy=False))
    return Numbers(values.astype(np.float64))


def is_rounded(column: Column) -> bool:
    """Tell whether a column of floats has values so large that integers may have been rounded."""
    if not isinstance(column, Numbers) or column.values.dtype.kind != "f":
        return False
    return bool((np.abs(column.values) >= _EXACT).any())


def as_whole_numbers(column: Categories) -> Column | None:
    """Return categories that are all whole numbers as a column of integers; else None.

    The column is returned unchanged if values are missing or need more than 64 bits, because no
    array of integers can hold them.
    """
    if not all(map(_WHOLE.fullmatch, column.names)):
        return None
    numbers = [int(name) for name in column.names]
    if not numbers or column.missing.any():
        return column
    for dtype in (np.int64, np.uint64):
        if np.iinfo(dtype).min <= min(numbers) and max(numbers) <= np.iinfo(dtype).max:
            return Numbers(np.array(numbers, dtype)[column.codes])
    return column


def as_categories(column: Numbers | Categories) -> Categories:
    """Return a column as categories; numbers become categories in increasing order."""
    if isinstance(column, Categories):
        return column
    missing = column.missing
    distinct, codes = np.unique(column.values, return_inverse=True)  # at most one NaN, the last
    codes = codes.astype(np.int32)
    codes[missing] = -1
    return Categories(codes, tuple(category_names(distinct[~np.isnan(distinct)])))

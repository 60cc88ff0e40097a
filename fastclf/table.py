"""Raw rows with named columns, as they come from a file: numbers, categories, or lists of names.

It is what a fitted `fastclf.preprocessing.Encoder` turns into the features of a linear model.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fastclf.errors import DataError, nearest

SHOWN_NAMES = 20  # as many names of columns as a message lists
SHOWN_LETTERS = 60  # as much of a value

_EXACT = 2**53  # up to which float64 holds every whole number
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
        In float32 or float64, where NaN is a missing value; or int64 or uint64, where none is
        missing and some are beyond the 2^53 up to which a float holds every whole number.
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
    """A column of names.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        int32 indices into ``names``; -1 is a missing value.
    names : tuple of str
        All different.
    """

    codes: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    @property
    def missing(self) -> np.ndarray:
        """Which values are missing, (n,)."""
        return self.codes < 0

    def take(self, rows: np.ndarray | slice) -> "Categories":
        """Return the column at some rows (m,)."""
        return Categories(self.codes[rows], self.names)


@dataclass(frozen=True, eq=False)
class Lists:
    """A column with any number of names in each row; it can be a target, and not a feature.

    Parameters
    ----------
    offsets : ndarray of shape (n + 1,)
        Row i has ``codes[offsets[i]:offsets[i + 1]]``.
    codes : ndarray of int
        Indices into ``names``.
    names : tuple of str
        All different.
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
    """Columns of equal length, by name and in order.

    Parameters
    ----------
    columns : mapping of str to Numbers, Categories or Lists
    rows : ndarray of shape (n,), optional
        The number of each row in its file, for messages; by default they count from 1.

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
        self.columns = dict(columns)
        self.n_rows = lengths.pop() if lengths else 0
        self.rows = np.arange(1, self.n_rows + 1) if rows is None else rows

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
        """Return some rows, given as indices, as a mask or as a slice, which copies nothing."""
        taken = {name: column.take(rows) for name, column in self.columns.items()}
        return Table(taken, self.rows[rows])

    def select(self, names: Sequence[str]) -> "Table":
        """Return some columns, in the given order.

        Raises
        ------
        DataError
            If there is no column of a name.
        """
        check_columns(names, self.names)
        return Table({name: self.columns[name] for name in names}, self.rows)


def check_columns(wanted: Iterable[str], there: Sequence[str]) -> None:
    """Refuse names of columns that aren't there.

    Raises
    ------
    DataError
        If one isn't; it names the nearest, and those that are there.
    """
    known = set(there)
    for name in wanted:
        if name not in known:
            raise DataError(
                f"there is no column {quoted(name)}{nearest(name, list(there))}; "
                f"there are {listed(there)}"
            )


def listed(names: Sequence[str]) -> str:
    """Return names in a row, the later ones of very many as a number."""
    text = ", ".join(names[:SHOWN_NAMES])
    more = len(names) - SHOWN_NAMES
    return f"{text} and {more} more" if more > 0 else text


def quoted(text: str) -> str:
    """Return a value in quotes, the end of a long one left out."""
    return f'"{shortened(text)}"'


def shortened(text: str) -> str:
    """Return a value, the end of a long one left out."""
    return text if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]}..."


def first_duplicate(names: Sequence[str]) -> str | None:
    """Return the first name that is there twice, or None."""
    seen = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def matched_names(names: Iterable[str], known: Iterable[str]) -> dict[str, str] | None:
    """Return which of the known names each of some names stands for.

    Names match that are the same. Where the known ones are true and false, in whatever case, their
    other spellings match too: True, TRUE, 1 and 1.0 is one, False, FALSE, 0 and 0.0 the other.

    Parameters
    ----------
    names : iterable of str
        Names that were found, such as the labels of a file.
    known : iterable of str
        Names that a model knows.

    Returns
    -------
    dict of str to str, or None
        The known name of each name that has one; None if there are names, and none has one.

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


def number_of(text: str) -> float:
    """Return the number that some text is, or NaN; 1_000 is one to Python only."""
    if "_" in text:
        return np.nan
    try:
        return float(text)
    except ValueError:
        return np.nan


def category_names(values: np.ndarray) -> list[str]:
    """Return how numbers are called as categories: 3.0 is "3", 0.5 is "0.5"."""
    return [
        str(int(value)) if float(value).is_integer() else str(value) for value in values.tolist()
    ]


def exact_numbers(values: np.ndarray) -> Numbers:
    """Return numbers as a column: integers that float64 can't hold stay such.

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
    """Tell whether a column of floats may have had whole numbers that a float can't hold."""
    if not isinstance(column, Numbers) or column.values.dtype.kind != "f":
        return False
    return bool((np.abs(column.values) >= _EXACT).any())


def as_whole_numbers(column: Categories) -> Column | None:
    """Return text that is whole numbers as such; None if there is other text.

    Where some are missing, or need more than 64 bits, no array holds them, and they stay text.
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
    """Return a column as categories; numbers become their names, in order of size."""
    if isinstance(column, Categories):
        return column
    missing = column.missing
    distinct, codes = np.unique(column.values, return_inverse=True)  # NaN is last, and once
    codes = codes.astype(np.int32)
    codes[missing] = -1
    return Categories(codes, tuple(category_names(distinct[~np.isnan(distinct)])))

"""Medians and most frequent values of columns that are read in chunks.

Values are counted as integers in the order of the values. Where a column has too many different
ones, counts for a median are of intervals, and another pass counts the values in the middle one;
for a most frequent value rare ones are left out. Counts of parts of the rows can be merged.
"""

from typing import Protocol

import numpy as np

_ENTRIES = 1 << 19
"""Values that are counted apart, over all columns: 16 MB with those that wait to be counted."""

_FEWEST, _MOST = 256, 1 << 16
"""Least and largest number of values that are counted apart in a column."""

_LOWEST, _HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class Fill(Protocol):
    """What is found out about columns, to fill in their missing values."""

    def add(self, X: np.ndarray) -> None:
        """Add rows (m, k); a missing value is NaN."""

    def merge(self, other: "Fill") -> None:
        """Add the rows of another one of the same columns."""

    def refined(self) -> "Fill | None":
        """Return what another pass over all rows must add to, or None if all is known."""

    def values(self) -> list[float]:
        """Return the value of each column (k,), 0 for one without values."""


class _Counts:
    """How often the values of one column occur, in increasing order of the values."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.keys, self.counts = np.empty((2, 0), np.int64)
        self._waiting: list[np.ndarray] = []
        self._n_waiting = 0

    def add(self, keys: np.ndarray) -> None:
        """Count some values (m,), as `_keys` returns them."""
        self._waiting.append(keys)
        self._n_waiting += len(keys)
        if self._n_waiting >= self.most:
            self.settle()

    def settle(self) -> None:
        """Count the values that wait."""
        if self._waiting:
            keys, counts = np.unique(np.concatenate(self._waiting), return_counts=True)
            self._waiting, self._n_waiting = [], 0
            self.combine(keys, counts)

    def combine(self, keys: np.ndarray, counts: np.ndarray) -> None:
        """Add counts of values."""
        both, places = np.unique(np.concatenate([self.keys, keys]), return_inverse=True)
        total = np.zeros(len(both), np.int64)
        np.add.at(total, places, np.concatenate([self.counts, counts]))
        self.keys, self.counts = both, total
        self.shorten()

    def shorten(self) -> None:
        """Keep to ``most`` values."""
        raise NotImplementedError


class _Intervals(_Counts):
    """Counts of values from ``lowest`` to ``highest``; of intervals of 2^shift if they are many."""

    def __init__(self, most: int, lowest: int = _LOWEST, highest: int = _HIGHEST) -> None:
        super().__init__(most)
        self.lowest, self.highest = lowest, highest
        self.shift = self.below = self.total = 0

    def add(self, keys: np.ndarray) -> None:
        self.total += len(keys)
        if self.lowest > _LOWEST or self.highest < _HIGHEST:
            self.below += int((keys < self.lowest).sum())
            keys = keys[(keys >= self.lowest) & (keys <= self.highest)]
        super().add(keys)

    def combine(self, keys: np.ndarray, counts: np.ndarray) -> None:
        super().combine(keys >> self.shift, counts)

    def shorten(self) -> None:
        while len(self.keys) > self.most:
            self.shift += 1
            self.keys, first = np.unique(self.keys >> 1, return_index=True)
            self.counts = np.add.reduceat(self.counts, first)

    def merge(self, other: "_Intervals") -> None:
        self.settle()
        other.settle()
        keys, counts = other.keys << other.shift, other.counts
        if other.shift > self.shift:
            self.shift, own, own_counts = (
                other.shift,
                self.keys >> (other.shift - self.shift),
                self.counts,
            )
            self.keys, self.counts = np.empty((2, 0), np.int64)
            super().combine(own, own_counts)
        self.combine(keys, counts)
        self.below, self.total = self.below + other.below, self.total + other.total

    def middle(self) -> tuple[int, int]:
        """Return the intervals of the two middle values."""
        self.settle()
        ends = self.below + np.cumsum(self.counts)
        first, second = (
            int(self.keys[np.searchsorted(ends, rank, side="right")])
            for rank in ((self.total - 1) // 2, self.total // 2)
        )
        return first, second


class Medians:
    """The exact median of each column, in as many passes as it needs: mostly one or two.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.data.value_counts import Medians
    >>> found = Medians(2)
    >>> found.add(np.array([[1.0, np.nan], [5.0, 2.0], [2.0, 3.0]]))
    >>> found.refined() is None, found.values()
    (True, [2.0, 2.5])
    """

    def __init__(self, n_columns: int) -> None:
        self._columns = [_Intervals(_most(n_columns)) for _ in range(n_columns)]

    def add(self, X: np.ndarray) -> None:
        """Add rows (m, k); a missing value is NaN."""
        for column, values in zip(self._columns, X.T, strict=True):
            column.add(_keys(values))

    def merge(self, other: "Medians") -> None:
        """Add the rows of another one of the same columns."""
        for own, added in zip(self._columns, other._columns, strict=True):
            own.merge(added)

    def refined(self) -> "Medians | None":
        """Return what another pass over all rows must add to, or None if all is known."""
        more = Medians(0)
        for column in self._columns:
            lowest, highest = column.lowest, column.highest
            if column.total:
                first, second = column.middle()
                lowest = first << column.shift
                highest = ((second + 1) << column.shift) - 1
            more._columns.append(_Intervals(column.most, lowest, highest))
        known = all(column.shift == 0 for column in self._columns)
        return None if known else more

    def values(self) -> list[float]:
        """Return the median of each column, 0 for one without values."""
        return [
            float(_values(np.array(column.middle())).mean()) if column.total else 0.0
            for column in self._columns
        ]


class _Frequent(_Counts):
    """Counts of frequent values, each too small by at most 2 / most of all."""

    def shorten(self) -> None:
        # Misra and Gries, Finding repeated elements, 1982; merged as Agarwal et al., Mergeable
        # summaries, 2012.
        if len(self.keys) > self.most:
            half = self.most // 2
            self.counts = self.counts - np.partition(self.counts, -half - 1)[-half - 1]
            kept = self.counts > 0
            self.keys, self.counts = self.keys[kept], self.counts[kept]


class Modes:
    """The most frequent value of each column, of several the smallest.

    It is exact for columns of up to ``_most(k)`` different values, 65,536 if there are few columns.
    Otherwise it occurs less often than the most frequent value by at most 2 / ``_most(k)`` of the
    rows; where no value is more frequent than that, it is any value, or 0.
    """

    def __init__(self, n_columns: int) -> None:
        self._columns = [_Frequent(_most(n_columns)) for _ in range(n_columns)]

    def add(self, X: np.ndarray) -> None:
        """Add rows (m, k); a missing value is NaN."""
        for column, values in zip(self._columns, X.T, strict=True):
            column.add(_keys(values))

    def merge(self, other: "Modes") -> None:
        """Add the rows of another one of the same columns."""
        for own, added in zip(self._columns, other._columns, strict=True):
            own.settle()
            added.settle()
            own.combine(added.keys, added.counts)

    def refined(self) -> None:
        """Return None: one pass is enough."""

    def values(self) -> list[float]:
        """Return the most frequent value of each column, 0 for one without values."""
        found = []
        for column in self._columns:
            column.settle()
            best = column.keys[[int(column.counts.argmax())]] if len(column.keys) else None
            found.append(0.0 if best is None else float(_values(best)[0]))
        return found


FILLS: dict[str, type[Medians] | type[Modes]] = {"median": Medians, "most_frequent": Modes}
"""The values of ``data.impute`` that are found by counting values."""


def _most(n_columns: int) -> int:
    return min(max(_ENTRIES // max(n_columns, 1), _FEWEST), _MOST)


def _keys(values: np.ndarray) -> np.ndarray:
    """Return numbers as integers in the same order, without missing ones; -0 is 0."""
    present = values[~np.isnan(values)].astype(np.float64) + 0.0
    return _reordered(present.view(np.int64))


def _values(keys: np.ndarray) -> np.ndarray:
    """Return the numbers of keys."""
    return _reordered(keys).view(np.float64)


def _reordered(bits: np.ndarray) -> np.ndarray:
    # The bits of a float are its sign and its size; those of negative ones are turned round.
    return bits ^ ((bits >> 63) & _HIGHEST)

"""Parts of the rows of a stream by a hash of their raw features: to train, calibrate, test on."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastclf import row_hash
from fastclf.preprocessing import as_numbers
from fastclf.table import Lists, Table, as_categories


@dataclass(frozen=True)
class RowPart:
    """The rows whose numbers are in [low, high).

    The number of a row is a hash of the values of its features before encoding, and of the seed. So
    it depends neither on the format and order of the rows nor on how they are read, and equal rows
    are in the same part.

    Parameters
    ----------
    seed : tuple of int
    low, high : float
        In [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.data.row_parts import RowPart
    >>> X = np.random.default_rng(0).normal(size=(1000, 3))
    >>> train, test = RowPart((0,), 0.25, 1.0), RowPart((0,), 0.0, 0.25)
    >>> rows = sorted([*train.rows(X).tolist(), *test.rows(X).tolist()])
    >>> rows == list(range(1000)), 200 < len(test.rows(X)) < 300
    (True, True)
    """

    seed: tuple[int, ...]
    low: float
    high: float

    def rows(self, features: Any, categorical: Collection[str] = ()) -> np.ndarray:
        """Return the indices (m,) of the rows that are in the part; see `hashed_rows`."""
        u = hashed_rows(features, self.seed, categorical)
        return np.flatnonzero((u >= self.low) & (u < self.high))


def hashed_rows(
    features: Any, seed: tuple[int, ...], categorical: Collection[str] = ()
) -> np.ndarray:
    """Return the number of each row (n,), in [0, 1).

    Parameters
    ----------
    features : ndarray or CSR matrix of shape (n, d), or Table
        A table of numbers has the numbers of the matrix that it would make.
    seed : tuple of int
    categorical : collection of str
        The columns of a table that are categories, whatever they hold.
    """
    if not isinstance(features, Table):
        return row_hash.of_matrix(features, seed)
    columns = (_bits(name, features, name in categorical) for name in features.names)
    return row_hash.of_columns(columns, len(features.names), seed)


def _bits(name: str, table: Table, is_category: bool) -> np.ndarray:
    column = table.columns[name]
    if isinstance(column, Lists):  # they can't be features, and what fits the encoder says so
        return np.zeros(len(column), np.uint64)
    if is_category:
        found = as_categories(column)
        return row_hash.text_bits(found.names)[found.codes]  # code -1, a missing value, is the last
    return row_hash.number_bits(as_numbers(name, column, table.rows).values)


def compacted(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Move some rows of X (n, d), given by increasing indices (m,), to its start; return them."""
    step = max(1, (1 << 15) // max(X.shape[1], 1))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        X[start : start + len(some)] = X[some]  # no index is less than its place
    return X[: len(rows)]

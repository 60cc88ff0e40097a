"""Which rows each fold of a cross-validation trains on and holds out, in few bytes for a row."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Membership:
    """The folds of n rows: rows that are alike in all folds share a pattern.

    Parameters
    ----------
    patterns : ndarray of shape (n,)
        The number of each row's pattern.
    train : ndarray of shape (F, P)
        How often each fold trains on the rows of a pattern.
    test : ndarray of shape (F, P)
        Whether it holds them out.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.estimators.membership import Membership
    >>> folds = [(np.array([2, 3]), np.array([0, 1])), (np.array([0, 1]), np.array([2, 3]))]
    >>> found = Membership.of(folds, 4)
    >>> found.patterns, found.train.shape
    (array([0, 0, 1, 1], dtype=uint8), (2, 2))
    >>> train, test = found.rows(slice(1, 3))
    >>> test.tolist()
    [[True, False], [False, True]]
    """

    patterns: np.ndarray
    train: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, folds: Iterable[tuple[np.ndarray, np.ndarray]], n: int) -> "Membership":
        """Return the membership of n rows; a fold is those to train on and to hold out."""
        patterns = np.zeros(n, np.uint8)
        train, test = np.zeros((0, 1), np.int64), np.zeros((0, 1), bool)
        for own, held in folds:
            # A row's place in a table of the patterns so far, each with all counts and both sides.
            counts = np.bincount(own, minlength=n)
            present = np.bincount(counts) > 0
            values = np.flatnonzero(present)
            places = patterns.astype(np.int64) * len(values)
            places += (np.cumsum(present) - 1)[counts]
            del counts
            places *= 2
            places[held] += 1
            used = np.bincount(places, minlength=2 * len(values) * train.shape[1]) > 0
            moved = (np.cumsum(used) - 1).astype(np.min_scalar_type(int(used.sum())))
            patterns = moved[places]
            before, rest = np.divmod(np.flatnonzero(used), 2 * len(values))
            train = np.vstack([train[:, before], values[rest // 2]])
            test = np.vstack([test[:, before], rest % 2 == 1])
        return cls(patterns, train.astype(np.uint16), test)

    @property
    def n_folds(self) -> int:
        """F."""
        return len(self.train)

    def rows(self, some: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return how often each fold trains on some rows, and whether it holds them out, (F, m)."""
        patterns = self.patterns[some]
        return self.train[:, patterns], self.test[:, patterns]

"""Rows that are kept in memory, chosen by their numbers: those of a part, or a sample of it."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastclf import row_hash

HELD_BYTES = 1 << 26
"""Most bytes of the features of a part that is kept in memory: validation, calibration or test."""


class HeldOut(NamedTuple):
    """Which rows of a stream aren't trained on.

    Parameters
    ----------
    share : float
        The expected share of the rows, in (0, 1).
    seed : tuple of int
        Of `row_hash`.
    """

    share: float
    seed: tuple[int, ...]

    def numbers(self, X: Any) -> np.ndarray:
        """Return the numbers (m,) of the rows of X; those below ``share`` are held out."""
        return row_hash.of_matrix(X, self.seed)


class Sample:
    """The rows whose numbers are in [low, high), or if they need too much memory, in a part of it.

    The part is ``[low, low + (high - low) / 2^k)`` for the least k that does. So which rows are
    kept depends on all rows and not on their order, and samples of some rows each can be merged.

    Parameters
    ----------
    low, high : float
    most : int
        Most bytes, as `size` counts them.
    take : callable
        Returns some rows of a piece, given their indices (m,).
    size : callable
        Returns the bytes of a piece: the sum over its rows, however these are cut into pieces.

    Attributes
    ----------
    n_rows : int
        The rows in [low, high), whether they are kept or not.
    bound : float
        The numbers of the kept rows are below it.
    kept : list of (ndarray, piece)
        The kept rows, with their numbers.
    """

    def __init__(
        self,
        low: float,
        high: float,
        most: int,
        take: Callable[[Any, np.ndarray], Any],
        size: Callable[[Any], int],
    ) -> None:
        self.n_rows = 0
        self._low, self._high, self.bound = low, high, high
        self._most, self._take, self._size = most, take, size
        self.kept: list[tuple[np.ndarray, Any]] = []

    def add(self, u: np.ndarray, rows_at: Callable[[np.ndarray], Any]) -> None:
        """Look at rows whose numbers are u (m,); a piece of some is made from their indices."""
        self.n_rows += int(((u >= self._low) & (u < self._high)).sum())
        self._keep(u, rows_at)
        self._shrink()

    def merge(self, other: "Sample") -> None:
        """Look at the rows of another sample with the same arguments, which come after these."""
        self.n_rows += other.n_rows
        self.bound = min(self.bound, other.bound)
        pieces, self.kept = [*self.kept, *other.kept], []
        for u, piece in pieces:
            self._keep(u, partial(self._take, piece))
        self._shrink()

    def taken(self) -> list[Any]:
        """Return the pieces of the rows that were kept, in order, and keep them no longer."""
        kept, self.kept = self.kept, []
        return [piece for _, piece in kept]

    @property
    def n_kept(self) -> int:
        """The number of rows that are kept."""
        return sum(len(u) for u, _ in self.kept)

    def _keep(self, u: np.ndarray, rows_at: Callable[[np.ndarray], Any]) -> None:
        rows = np.flatnonzero((u >= self._low) & (u < self.bound))
        if rows.size:
            self.kept.append((u[rows], rows_at(rows)))

    def _shrink(self) -> None:
        while sum(self._size(piece) for _, piece in self.kept) > self._most:
            self.bound = self._low + (self.bound - self._low) / 2
            pieces, self.kept = self.kept, []
            for u, piece in pieces:
                self._keep(u, partial(self._take, piece))

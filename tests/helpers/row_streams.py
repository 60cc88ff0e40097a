"""A stream of rows that are in memory, dense or CSR."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastclf.estimators.streams import Rows


class Pieces:
    """Rows in pieces; each pass counts in ``read``."""

    feature_names = None
    target_names = None

    def __init__(self, X: Any, y: np.ndarray, weights: Any = None, rows: int = 100) -> None:
        self.X, self.y, self.weights, self.size = X, y, weights, rows
        self.dtype = X.dtype
        self.several_targets = y.ndim == 2
        self.read = 0

    def rows_in_order(self) -> Iterator[Rows]:
        self.read += 1
        for start in range(0, self.X.shape[0], self.size):
            yield self.cut(start)

    def rows_shuffled(self, rng: np.random.Generator) -> Iterator[Rows]:
        for start in self.size * rng.permutation(-(-self.X.shape[0] // self.size)):
            yield self.cut(int(start))

    def cut(self, start: int) -> Rows:
        some = slice(start, start + self.size)
        weights = None if self.weights is None else self.weights[some]
        return Rows(self.X[some], self.y[some], weights)

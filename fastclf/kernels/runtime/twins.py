"""What intrinsics do, in Python.

With ``NUMBA_DISABLE_JIT=1`` Numba compiles nothing, and kernels can be debugged as the Python
functions that they are. Intrinsics are no such functions: :func:`fastclf.kernels.runtime.jit.twin`
puts these in their places.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_lock = threading.Lock()


def maximum(a, b):
    """Return the larger of two numbers."""
    return a if a > b else b


def prefetch(row):
    """Do nothing: there is no cache to fill."""


def load(counters, i):
    """Return a counter."""
    return int(counters[i])


def increase(counters, i):
    """Add 1 to a counter, and return what it was."""
    with _lock:
        before = int(counters[i])
        counters[i] += 1
    return before


def give_way():
    """Let another thread run."""
    time.sleep(0)
    return 0


def transpose(X, rows, j, center, x, r):
    """Write four rows of X about a center as columns of a tile, four features of them."""
    four = slice(j, j + 4)
    x[four, r : r + 4] = (X[list(rows), four] - center[four]).T


class _Vector(np.ndarray):
    """A number for each lane, with the methods of ``_Vector`` in ``lanes.py``."""

    def where(self, mask: Any, other: Any = None) -> Any:
        """Return these numbers where the mask isn't 0, and others, or 0, elsewhere."""
        return np.where(mask != 0, self, 0 if other is None else other).view(_Vector)

    def maximum(self, other: Any) -> Any:
        """Return the larger of two numbers in each lane."""
        return np.maximum(self, other)


def sweep(body: Callable, width: int) -> Callable:
    """Return what ``sweep`` of ``lanes.py`` makes of a body, for ``width`` lanes."""

    def vector(values: Any) -> Any:
        return np.array(np.broadcast_to(values, width)).view(_Vector)

    def over_rows(rows: tuple, lanes: tuple, totals: tuple) -> None:
        own = [vector(array) for array in lanes]
        sums = [vector(np.zeros(width, array.dtype)) for array in totals]
        for i in range(len(rows[0])):
            changed, sums = body([vector(array[i]) for array in rows], own, sums)
            for number, values in changed.items():
                rows[number][i] = values
        for array, values in zip(totals, sums, strict=True):
            array[:] = values

    return over_rows


def add_products(triangular: bool) -> Callable:
    """Return the twin of ``add_products`` in :mod:`fastclf.kernels.runtime.lanes`."""

    def add(X: tuple, first: int, rows: int, w: np.ndarray, z: np.ndarray) -> None:
        for r in range(rows):
            for j, value in _entries(X, first + r, triangular):
                z[r] += w[j] * w.dtype.type(value)

    return add


def add_outer_products(triangular: bool) -> Callable:
    """Return the twin of ``add_outer_products`` in :mod:`fastclf.kernels.runtime.lanes`."""

    def add(X: tuple, first: int, rows: int, g: np.ndarray, gradient: np.ndarray) -> None:
        for r in range(rows):
            for j, value in _entries(X, first + r, triangular):
                gradient[j] += g[r] * gradient.dtype.type(value)

    return add


def _entries(X: tuple, i: int, triangular: bool) -> Any:
    # Column and value of each entry of row i, from the diagonal on if that is all there is.
    if len(X) == 1:
        start = i if triangular else 0
        return enumerate(X[0][i, start:], start)
    data, indices, indptr = X
    part = slice(indptr[i], indptr[i + 1])
    return zip(indices[part], data[part], strict=True)

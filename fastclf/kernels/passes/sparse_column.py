"""Passes over a CSR X for one problem of one column, in float64, with the Hessian if asked for.

The kernels are called as ``kernel(data, w, start, stop, sums)``; ``data`` are the fields of
:class:`fastclf.kernels.runtime.records.Data`, in the order of X, and w (d + 1,) has the intercept
last.
"""

from functools import cache

import numpy as np

from fastclf.kernels.loss.columns import TILE
from fastclf.kernels.products.sparse import add_moments
from fastclf.kernels.runtime.arrays import fill
from fastclf.kernels.runtime.jit import inlined, kernel
from fastclf.kernels.runtime.records import Data


@inlined
def _load(data, w, start, rows, z, y, weight):
    # Logits, targets and weights of a tile; rows beyond the last weigh nothing.
    values, indices, indptr = data.X
    d = np.uintp(w.size - 1)
    p = np.uintp(indptr[start])
    for r in range(rows):
        i = np.uintp(start + r)
        last = np.uintp(indptr[i + np.uintp(1)])
        total = w[d]
        while p < last:
            total += values[p] * w[np.uintp(indices[p])]
            p += np.uintp(1)
        z[r] = total
        y[r] = data.soft[i, 0]
        weight[r] = data.weights[0, i]
    fill(weight[rows:], 0.0)


@cache
def value_and_grad(kind):
    """Return the kernel that adds to (values (1,), gradient (d + 1,), blocks).

    The blocks are (1, d + 1, d + 1), or (0, 0, 0) for no Hessian. For one, indices must rise.
    """
    return _value_and_grad(kind.column)


def _value_and_grad(loss):
    @kernel
    def value_and_grad(data, w, start, stop, sums):
        data = Data(*data)
        entries, indices, indptr = data.X
        values, gradient, blocks = sums
        d = w.size - 1
        z, y, weight, curvature = np.zeros((4, TILE))
        positive, scale = float(data.positive[0]), data.scale[0]
        for first in range(start, stop, TILE):
            rows = min(TILE, stop - first)
            _load(data, w, first, rows, z, y, weight)
            values[0] += loss(z, y, weight, positive, scale, data.parameters, curvature)
            p = np.uintp(indptr[first])
            for r in range(rows):
                start_of_row, last = p, np.uintp(indptr[first + r + 1])
                slope = z[r]
                gradient[d] += slope
                while p < last:
                    gradient[np.uintp(indices[p])] += slope * entries[p]
                    p += np.uintp(1)
                if blocks.shape[0]:
                    add_moments(entries, indices, start_of_row, last, curvature[r], blocks[0])

    return value_and_grad


@cache
def value_and_slopes(kind):
    """Return the kernel that adds to values (1,) and writes slopes in the logits to (n, 1)."""
    return _value_and_slopes(kind.column)


def _value_and_slopes(loss):
    @kernel
    def value_and_slopes(data, w, start, stop, sums):
        data = Data(*data)
        values, slopes = sums
        z, y, weight, curvature = np.zeros((4, TILE))
        positive, scale = float(data.positive[0]), data.scale[0]
        for first in range(start, stop, TILE):
            rows = min(TILE, stop - first)
            _load(data, w, first, rows, z, y, weight)
            values[0] += loss(z, y, weight, positive, scale, data.parameters, curvature)
            for r in range(rows):
                slopes[first + r, 0] = z[r]

    return value_and_slopes

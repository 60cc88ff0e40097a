"""One pass over rows of X: logits, loss and gradient of a tile at a time, while it is in cache.

A pass serves M problems of K columns each over the same rows; for losses by column K = 1 and all
problems share one tile. Its kernel closes over those of the loss and of the storage of X, which is
one of the modules :mod:`~fastclf.kernels.products.dense`, :mod:`~fastclf.kernels.products.sparse`
and :mod:`~fastclf.kernels.products.logits`.

Kernels share arguments:

``data``
    the fields of :class:`fastclf.kernels.runtime.records.Data`.
``model``
    the tuple (w, b): the coefficients, (M * K, d) or for CSR (d, M * K), and intercepts (M * K,).
``sums``
    the tuple (values (M,), gw, gb) that is added to; gw and gb are like w and b.
"""

from functools import cache

import numpy as np

from fastclf.kernels.loss.softmax import TILE
from fastclf.kernels.products import dense, logits, sparse
from fastclf.kernels.runtime import sharing
from fastclf.kernels.runtime.arrays import copy, not_literal
from fastclf.kernels.runtime.jit import kernel
from fastclf.kernels.runtime.records import Data, Tile


@cache
def value_and_grad(kind, storage):
    """Return the kernel ``value_and_grad(data, model, start, stop, sums)``.

    It adds the weighted losses of rows start to stop, and their gradients.

    Parameters
    ----------
    kind : fastclf.kernels.loss.kinds.Kind
    storage : module
    """
    return _make(kind.tile, kind.by_column, storage.forward, storage.backward, storage is logits)


@cache
def shared(kind):
    """Return the kernel of a dense X that takes pieces of the rows with other threads."""
    return sharing.shared(value_and_grad(kind, dense))


def _make(loss, by_column, forward, backward, from_start):
    @kernel
    def value_and_grad(data, model, start, stop, sums):
        data = Data(*data)
        w, b = model
        values, gw, gb = sums
        order, codes, soft, teacher = data.order, data.codes, data.soft, data.teacher
        groups = 1 if by_column else values.size
        K = b.size // groups
        number = b.dtype.type
        batch = Tile(
            np.zeros((TILE, K), b.dtype),
            np.zeros(TILE, codes.dtype),
            np.zeros((TILE if soft.shape[0] else 0, K), b.dtype),
            np.zeros((TILE if teacher.shape[0] else 0, K), b.dtype),
            np.zeros((TILE, K if by_column else 1), b.dtype),
            np.zeros((TILE if by_column else 0, K), b.dtype),
        )
        z, code, weight = batch.logits, batch.codes, batch.weights
        g = np.zeros((TILE, K), b.dtype)
        first_column, _ = not_literal()
        for r in range(len(batch.positive)):
            copy(data.positive, batch.positive[r])
        for first in range(start, stop, TILE):
            rows = min(TILE, stop - first)
            at = first - start if from_start else first
            for r in range(rows):
                i = dense.row_of(order, first + r)
                if codes.size:
                    code[r] = codes[i]
                if soft.shape[0]:
                    copy(soft[i], batch.soft[r])
                if teacher.shape[0]:
                    copy(teacher[i], batch.teacher[r])
            for m in range(groups):
                forward(data.X, order, at, rows, w, b, first_column + m * K, z)
                for r in range(rows):
                    i = dense.row_of(order, first + r)
                    for k in range(weight.shape[1]):
                        p = k if by_column else m
                        own = data.weights[p if len(data.weights) > 1 else 0, i]
                        weight[r, k] = own * number(data.scale[p])
                loss(batch, data.parameters, rows, g, values if by_column else values[m : m + 1])
                backward(data.X, order, at, rows, g, first_column + m * K, gw, gb)

    return value_and_grad


@kernel
def decision_dense(X, w, b, start, stop, out):
    """Write the logits of rows start to stop of a dense X to ``out`` (stop - start, C)."""
    none = np.empty(0, np.intp)
    z = np.zeros((TILE, b.size), b.dtype)
    column, _ = not_literal()
    for first in range(start, stop, TILE):
        rows = min(TILE, stop - first)
        dense.forward(X, none, first, rows, w, b, column, z)
        for r in range(rows):
            copy(z[r], out[first - start + r])


@kernel
def decision_sparse(X, w, b, start, stop, out):
    """Write the logits of rows start to stop of a CSR X to ``out`` (stop - start, C)."""
    none = np.empty(0, np.intp)
    column, _ = not_literal()
    for first in range(start, stop, TILE):
        rows = min(TILE, stop - first)
        sparse.forward(X, none, first, rows, w, b, column, out[first - start :])

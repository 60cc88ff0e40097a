"""One pass over rows of X: logits, loss and gradient of a tile at a time, while it is in cache.

A pass serves M problems of K columns each over the same rows; for sigmoid losses K = 1 and all
problems share one tile. Which loss and which storage is a closed-over integer: Numba prunes the
other branches before it compiles, and its cache tells the variants apart.

Arguments that all passes share, n rows in all:

``X, order``
    see :mod:`fastclf.kernels.products.dense` and :mod:`fastclf.kernels.products.sparse`.
``target``
    the tuple (codes (n,), soft (n, K), teacher (n, K)); those that a loss doesn't read are empty.
    For sigmoid losses soft and teacher are (n, M).
``weights, scale``
    row i counts ``weights[m, i] * scale[m]`` in problem m; ``weights`` is (1, n) or (M, n).
``pos_weight``
    (M,), for sigmoid losses.
``parameters``
    the tuple (label smoothing, temperature, hard weight).
``w, b``
    the coefficients, (M * K, d) or for CSR (d, M * K), and intercepts (M * K,).
"""

import numpy as np

from fastclf.kernels.loss import cross_entropy, sigmoid
from fastclf.kernels.loss.softmax import TILE
from fastclf.kernels.products import dense, logits, sparse
from fastclf.kernels.runtime import sharing
from fastclf.kernels.runtime.arrays import copy, not_literal
from fastclf.kernels.runtime.jit import kernel

SOFTMAX_HARD, SOFTMAX_SOFT, SOFTMAX_DISTILLED, SIGMOID, SIGMOID_DISTILLED = range(5)
DENSE, SPARSE, LOGITS = range(3)
"""How X is stored; ``LOGITS`` are products that BLAS took: see :mod:`..products.logits`."""


def _make_value_and_grad(KIND, STORAGE):
    @kernel
    def value_and_grad(
        X, order, target, weights, scale, pos_weight, parameters, w, b, start, stop, values, gw, gb
    ):
        """Add the weighted losses of rows start to stop to ``values`` (M,), gradients to gw, gb."""
        codes, soft, teacher = target
        smoothing, temperature, hard_weight = parameters
        M = values.size
        number = b.dtype.type
        softmax = KIND <= SOFTMAX_DISTILLED
        groups = M if softmax else 1
        K = b.size // groups
        z = np.zeros((TILE, K), b.dtype)
        g = np.zeros((TILE, K), b.dtype)
        weight = np.zeros((TILE if softmax else TILE * K), b.dtype)
        code = np.zeros(TILE, codes.dtype)
        # A smoothed hard target is a soft one.
        has_soft = soft.shape[0] > 0 or smoothing > 0 or not softmax
        soft_tile = np.zeros((TILE if has_soft else 0, K), b.dtype)
        teacher_tile = np.zeros((TILE, teacher.shape[1]), b.dtype)
        no_losses = np.empty(0)
        begin, add = not_literal()
        if not softmax:
            losses = np.zeros(TILE * K, b.dtype)
            positive = np.zeros(TILE * K, b.dtype)
            unit = np.ones(1, b.dtype)
            for r in range(TILE):
                copy(pos_weight, positive[r * K : (r + 1) * K])
        for first in range(start, stop, TILE):
            rows = min(TILE, stop - first)
            for r in range(rows):
                i = dense.row_of(order, first + r)
                if codes.size:
                    code[r] = codes[i]
                if soft.shape[0]:
                    copy(soft[i], soft_tile[r])
                elif has_soft:
                    cross_entropy.smoothed(code[r], smoothing, soft_tile[r])
                if teacher.shape[0]:
                    copy(teacher[i], teacher_tile[r])
            for m in range(groups):
                if STORAGE == DENSE:
                    dense.forward(X, order, first, rows, w, b, m * K, z)
                elif STORAGE == SPARSE:
                    sparse.forward(X, order, first, rows, w, b, m * K, z)
                else:
                    logits.forward(X, first - start, rows, b, m * K, z)
                if softmax:
                    own = weights[m if weights.shape[0] > 1 else 0]
                    for r in range(rows):
                        weight[r] = own[dense.row_of(order, first + r)]
                else:
                    for r in range(rows):
                        i = dense.row_of(order, first + r)
                        for k in range(K):
                            own = weights[k if weights.shape[0] > 1 else 0, i]
                            weight[r * K + k] = own * number(scale[k])
                if KIND == SOFTMAX_HARD:
                    values[m] += cross_entropy.hard(
                        z, code, weight, scale[m], temperature, begin, rows, g, no_losses
                    )
                if KIND == SOFTMAX_SOFT:
                    values[m] += cross_entropy.soft(
                        z, soft_tile, weight, scale[m], temperature, begin, rows, g, no_losses, add
                    )
                if KIND == SOFTMAX_DISTILLED:
                    values[m] += cross_entropy.distilled(
                        z, code, soft_tile, teacher_tile,
                        weight, scale[m], temperature, hard_weight, begin, rows, g,
                    )  # fmt: skip
                if KIND == SIGMOID:
                    sigmoid.cross_entropy(
                        z.reshape(-1), soft_tile.reshape(-1), weight, positive,
                        1.0, temperature, begin, rows * K, g.reshape(-1), losses, add,
                    )  # fmt: skip
                    _add_columns(losses, weight, 1.0, rows, values)
                if KIND == SIGMOID_DISTILLED:
                    sigmoid.cross_entropy(
                        z.reshape(-1), soft_tile.reshape(-1), weight, positive,
                        hard_weight, 1.0, begin, rows * K, g.reshape(-1), losses, add,
                    )  # fmt: skip
                    _add_columns(losses, weight, hard_weight, rows, values)
                    share = (1 - hard_weight) * temperature * temperature
                    sigmoid.cross_entropy(
                        z.reshape(-1), teacher_tile.reshape(-1), weight, unit,
                        share, temperature, begin, rows * K, g.reshape(-1), losses, not add,
                    )  # fmt: skip
                    _add_columns(losses, weight, share, rows, values)
                if STORAGE == DENSE:
                    dense.backward(X, order, first, rows, g, m * K, gw, gb)
                elif STORAGE == SPARSE:
                    sparse.backward(X, order, first, rows, g, m * K, gw, gb)
                else:
                    logits.backward(first - start, rows, g, m * K, gw, gb)

    return value_and_grad


def _make_shared(KIND):
    # It doesn't close over the function that it calls: that would be compiled in every process.
    @kernel
    def share(
        X, order, target, weights, scale, pos_weight, parameters, w, b, pieces, turns, leads,
        values, gw, gb,
    ):  # fmt: skip
        """Add up pieces (P, 2) of the rows, with other threads that do the same.

        The sums have a place for each piece. See :mod:`fastclf.kernels.runtime.sharing` for the
        others.
        """
        sharing.begin(turns, leads)
        i = sharing.take(turns)
        while i < len(pieces):
            start, stop = pieces[i, 0], pieces[i, 1]
            head = X, order, target, weights, scale, pos_weight, parameters, w, b, start, stop
            if KIND == SOFTMAX_HARD:
                _SOFTMAX_HARD(*head, values[i], gw[i], gb[i])
            if KIND == SOFTMAX_SOFT:
                _SOFTMAX_SOFT(*head, values[i], gw[i], gb[i])
            if KIND == SOFTMAX_DISTILLED:
                _SOFTMAX_DISTILLED(*head, values[i], gw[i], gb[i])
            if KIND == SIGMOID:
                _SIGMOID(*head, values[i], gw[i], gb[i])
            if KIND == SIGMOID_DISTILLED:
                _SIGMOID_DISTILLED(*head, values[i], gw[i], gb[i])
            sharing.done(turns)
            i = sharing.take(turns)
        sharing.finish(turns, leads, len(pieces))

    return share


@kernel
def _add_columns(losses, weights, scale, rows, values):
    K = values.size
    if K == 1:
        total = 0.0
        for r in range(rows):
            total += float(weights[r]) * float(losses[r])
        values[0] += total * scale
        return
    for r in range(rows):
        w = weights[r * K : (r + 1) * K]
        loss = losses[r * K : (r + 1) * K]
        for k in range(K):
            values[k] += float(w[k]) * float(loss[k]) * scale


_KINDS = range(5)
DENSE_VALUE_AND_GRAD = tuple(_make_value_and_grad(kind, DENSE) for kind in _KINDS)
_SOFTMAX_HARD, _SOFTMAX_SOFT, _SOFTMAX_DISTILLED, _SIGMOID, _SIGMOID_DISTILLED = (
    DENSE_VALUE_AND_GRAD
)
SHARED_VALUE_AND_GRAD = tuple(_make_shared(kind) for kind in _KINDS)
SPARSE_VALUE_AND_GRAD = tuple(_make_value_and_grad(kind, SPARSE) for kind in _KINDS)
LOGITS_VALUE_AND_GRAD = tuple(_make_value_and_grad(kind, LOGITS) for kind in _KINDS)


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

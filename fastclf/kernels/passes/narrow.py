r"""One pass over rows of a narrow dense X: values, gradient and the whole Hessian together.

Tiles are transposed: each feature of :data:`TILE` rows lies in one stretch, so that all loops run
over rows, however few the features. With :math:`x_i` the features of row i about a center, and 1,
the Hessian of a softmax has for each pair of classes k > l a block

.. math:: -H_{kl} = \sum_i w_i \, p_{ik} p_{il} \, x_i x_i^\top

and :math:`H_{kk} = -\sum_{l \ne k} H_{kl}`, for probabilities sum to 1; a sigmoid column has one
block. Each is symmetric, so K (K - 1) / 2 lower triangles are all there is to sum. Sums are float64
whatever the dtype of X.

The kernels are called as ``kernel(data, model, start, stop, sums)``:

``data``
    the fields of :class:`fastclf.kernels.runtime.records.Data`. Its order names the rows of X that
    positions stand for; all else goes by position.
``model``
    the tuple (w, center, pairs). w (C, side) has a row for each column, its intercept after its d
    coefficients, and then zeros: the side is d + 1 rounded up to a multiple of :data:`STEP`. The
    center (d,) is subtracted from the features. With ``pairs`` blocks are of pairs of columns.
``sums``
    the tuple (values (M,), gradient (C, side), blocks (P, side, side)) that is added to. There are
    P = M K (K - 1) / 2 pairs, those of a problem together, of class k the pairs with those before
    it; or C blocks of single columns, or none. Above its diagonal a block means nothing.
"""

from functools import cache

import numpy as np

from fastclf.kernels.loss.columns import TILE
from fastclf.kernels.loss.softmax import shifted
from fastclf.kernels.products.dense import row_of
from fastclf.kernels.runtime import sharing
from fastclf.kernels.runtime.arrays import fill
from fastclf.kernels.runtime.jit import kernel, primitive, routine
from fastclf.kernels.runtime.primitives import exp, log1p, maximum
from fastclf.kernels.runtime.records import Data
from fastclf.kernels.runtime.transposing import SIDE, transpose

PAD = 8
"""What keeps rows of a tile out of each other's place in the cache."""

STEP = 4
"""Features that are multiplied with as many others at a time."""


@routine
def _load(X, order, center, start, rows, x):
    # Rows beyond the last are zeros, which add nothing. Eight rows fill a line of the cache.
    d = X.shape[1]
    for j in range(x.shape[0]):
        fill(x[j, rows:], 0.0)
    whole = d - d % SIDE
    r = 0
    while r + 2 * SIDE <= rows:
        i = start + r
        four = row_of(order, i), row_of(order, i + 1), row_of(order, i + 2), row_of(order, i + 3)
        i += SIDE
        more = row_of(order, i), row_of(order, i + 1), row_of(order, i + 2), row_of(order, i + 3)
        for j in range(0, whole, SIDE):
            transpose(X, four, j, center, x, r)
            transpose(X, more, j, center, x, r + SIDE)
        for j in range(whole, d):
            for row in range(r, r + 2 * SIDE):
                x[j, row] = X[row_of(order, start + row), j] - center[j]
        r += 2 * SIDE
    for last in range(r, rows):
        row = X[row_of(order, start + last)]
        for j in range(d):
            x[j, last] = row[j] - center[j]
    fill(x[d, :rows], 1.0)


@routine
def _forward(x, w, z):
    for k in range(z.shape[0]):
        zk = z[k]
        fill(zk, 0.0)
        for j in range(0, x.shape[0], STEP):
            w0, w1, w2, w3 = w[k, j], w[k, j + 1], w[k, j + 2], w[k, j + 3]
            x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
            for r in range(TILE):
                zk[r] += (w0 * x0[r] + w1 * x1[r]) + (w2 * x2[r] + w3 * x3[r])


@routine
def _backward(x, slopes, gradient):
    for k in range(slopes.shape[0]):
        s = slopes[k]
        for j in range(0, x.shape[0], STEP):
            x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
            s0 = s1 = s2 = s3 = 0.0
            for r in range(TILE):
                s0 += s[r] * x0[r]
                s1 += s[r] * x1[r]
                s2 += s[r] * x2[r]
                s3 += s[r] * x3[r]
            gradient[k, j] += s0
            gradient[k, j + 1] += s1
            gradient[k, j + 2] += s2
            gradient[k, j + 3] += s3


@routine
def _add_block(x, curvature, t, block):
    # The lower triangle, in squares of four by four.
    t0, t1, t2, t3 = t[0], t[1], t[2], t[3]
    for i in range(0, x.shape[0], STEP):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        for r in range(TILE):
            c = curvature[r]
            t0[r] = c * x0[r]
            t1[r] = c * x1[r]
            t2[r] = c * x2[r]
            t3[r] = c * x3[r]
        for j in range(0, i + 1, STEP):
            x0, x1, x2, x3 = x[j], x[j + 1], x[j + 2], x[j + 3]
            s00 = s01 = s02 = s03 = 0.0
            s10 = s11 = s12 = s13 = 0.0
            s20 = s21 = s22 = s23 = 0.0
            s30 = s31 = s32 = s33 = 0.0
            for r in range(TILE):
                u0, u1, u2, u3 = t0[r], t1[r], t2[r], t3[r]
                v0, v1, v2, v3 = x0[r], x1[r], x2[r], x3[r]
                s00 += u0 * v0
                s01 += u0 * v1
                s02 += u0 * v2
                s03 += u0 * v3
                s10 += u1 * v0
                s11 += u1 * v1
                s12 += u1 * v2
                s13 += u1 * v3
                s20 += u2 * v0
                s21 += u2 * v1
                s22 += u2 * v2
                s23 += u2 * v3
                s30 += u3 * v0
                s31 += u3 * v1
                s32 += u3 * v2
                s33 += u3 * v3
            b0, b1, b2, b3 = block[i], block[i + 1], block[i + 2], block[i + 3]
            b0[j] += s00
            b0[j + 1] += s01
            b0[j + 2] += s02
            b0[j + 3] += s03
            b1[j] += s10
            b1[j + 1] += s11
            b1[j + 2] += s12
            b1[j + 3] += s13
            b2[j] += s20
            b2[j + 1] += s21
            b2[j + 2] += s22
            b2[j + 3] += s23
            b3[j] += s30
            b3[j + 1] += s31
            b3[j + 2] += s32
            b3[j + 3] += s33


def _by_columns(loss):
    @kernel
    def by_columns(data, model, start, stop, sums):
        """Add up the losses of columns, each of which is a problem: ``soft`` is (n, M)."""
        data = Data(*data)
        w, center, _ = model
        values, gradient, blocks = sums
        M = values.size
        x = np.zeros((w.shape[1], TILE + PAD))
        z = np.empty((M, TILE))
        t = np.empty((STEP, TILE))
        y, weight, curvature = np.zeros(TILE), np.zeros(TILE), np.empty(TILE)
        for first in range(start, stop, TILE):
            rows = min(TILE, stop - first)
            _load(data.X, data.order, center, first, rows, x)
            _forward(x, w, z)
            for m in range(M):
                own = data.weights[m if len(data.weights) > 1 else 0]
                for r in range(rows):
                    y[r] = data.soft[first + r, m]
                    weight[r] = own[first + r]
                fill(weight[rows:], 0.0)
                positive, scale = float(data.positive[m]), data.scale[m]
                values[m] += loss(z[m], y, weight, positive, scale, data.parameters, curvature)
                if blocks.shape[0]:
                    _add_block(x, curvature, t, blocks[m])
            _backward(x, z, gradient)

    return by_columns


@primitive
def _log_sum(others, chosen):
    # One of all that are summed is 1. Not for reordering: others may be tiny beside it.
    return log1p(others + (chosen - 1.0))


@kernel
def _softmax(data, model, start, stop, sums):
    """Add up softmax cross-entropies of M problems over the same classes or distributions.

    Hard targets are smoothed by the first of the parameters.
    """
    data = Data(*data)
    w, center, pairs = model
    values, gradient, blocks = sums
    smoothing = data.parameters[0]
    M = values.size
    K = w.shape[0] // M
    x = np.zeros((w.shape[1], TILE + PAD))
    z = np.empty((M * K, TILE))
    t = np.empty((STEP, TILE))
    y, weight, curvature = np.zeros((K, TILE)), np.zeros(TILE), np.empty(TILE)
    top, linear, others, chosen = np.empty((4, TILE))
    for first in range(start, stop, TILE):
        rows = min(TILE, stop - first)
        _load(data.X, data.order, center, first, rows, x)
        _forward(x, w, z)
        for k in range(K):
            if data.soft.shape[0]:
                for r in range(rows):
                    y[k, r] = data.soft[first + r, k]
            else:
                for r in range(rows):
                    on = 1.0 if data.codes[first + r] == k else 0.0
                    y[k, r] = on * (1.0 - smoothing) + smoothing / K
        for m in range(M):
            own = data.weights[m if len(data.weights) > 1 else 0]
            for r in range(rows):
                weight[r] = data.scale[m] * own[first + r]
            fill(weight[rows:], 0.0)
            p = z[m * K : (m + 1) * K]
            fill(top, -np.inf)
            fill(linear, 0.0)
            fill(others, 0.0)
            fill(chosen, 0.0)
            for k in range(K):
                pk = p[k]
                for r in range(TILE):
                    top[r] = maximum(top[r], pk[r])
            for k in range(K):
                pk, yk = p[k], y[k]
                for r in range(TILE):
                    pk[r] = shifted(pk[r], top[r], 1.0)
                    linear[r] += yk[r] * pk[r]
                    e = exp(pk[r])
                    pk[r] = e
                    # Apart, so that a row that is sure of its one class keeps its tiny loss.
                    sure = yk[r] == 1.0
                    others[r] += 0.0 if sure else e
                    chosen[r] += e if sure else 0.0
            total = 0.0
            for r in range(TILE):
                lse = _log_sum(others[r], chosen[r])
                total += weight[r] * (lse - linear[r])
            values[m] += total
            for r in range(TILE):
                inverse = 1.0 / (others[r] + chosen[r])
                others[r] *= inverse
                chosen[r] = inverse
            for k in range(K):
                pk = p[k]
                for r in range(TILE):
                    pk[r] *= chosen[r]
            at = m * (blocks.shape[0] // M)
            for k in range(K if blocks.shape[0] else 0):
                pk = p[k]
                for other in range(k if pairs else 0):
                    pl = p[other]
                    for r in range(TILE):
                        curvature[r] = weight[r] * (pk[r] * pl[r])
                    _add_block(x, curvature, t, blocks[at])
                    at += 1
                if not pairs:
                    for r in range(TILE):
                        curvature[r] = weight[r] * (pk[r] * (1.0 - pk[r]))
                    _add_block(x, curvature, t, blocks[at])
                    at += 1
            for k in range(K):
                pk, yk = p[k], y[k]
                for r in range(TILE):
                    slope = -others[r] if yk[r] == 1.0 else pk[r] - yk[r]
                    pk[r] = weight[r] * slope
        _backward(x, z, gradient)


@cache
def of_kind(kind):
    """Return the kernel of a :class:`~fastclf.kernels.loss.kinds.Kind` that has such a pass."""
    return _softmax if kind.is_softmax else _by_columns(kind.column)


@cache
def shared(kind):
    """Return the kernel that takes pieces of the rows with other threads."""
    return sharing.shared(of_kind(kind))


@routine
def _copy_lower(block, q, out):
    for i in range(q):
        for j in range(i + 1):
            out[i, j] = block[i, j]


@routine
def _add_pair(block, q, k, other, out):
    # Into the lower triangle, where the columns of two classes begin at k > other.
    for i in range(q):
        for j in range(i + 1):
            v = block[i, j]
            out[k + i, other + j] = -v
            out[k + j, other + i] = -v
            out[k + i, k + j] += v
            out[other + i, other + j] += v


@kernel
def assemble(blocks, q, whole):
    """Write the symmetric matrices (M, K q, K q) that blocks (P, side, side) stand for."""
    M = whole.shape[0]
    K = whole.shape[1] // q
    at = 0
    for m in range(M):
        out = whole[m]
        if K == 1:
            _copy_lower(blocks[at], q, out)
            at += 1
        else:
            for i in range(K * q):
                fill(out[i], 0.0)
            for k in range(K):
                for other in range(k):
                    _add_pair(blocks[at], q, k * q, other * q, out)
                    at += 1
        for i in range(K * q):
            for j in range(i):
                out[j, i] = out[i, j]

"""A pass over X for sigmoid problems that lie in the lanes of a block.

``X`` is the tuple (data, indices, indptr) of a CSR matrix (n, d), or the tuple of a dense one;
``w`` and its gradient are (d + 1, LANES), the intercepts last. A pass computes in their dtype,
whatever that of X is: an entry meets one vector of coefficients, and logits stay in registers while
a row is read.
"""

import numpy as np

from fastclf.kernels.loss import sigmoid
from fastclf.kernels.loss.softmax import TILE
from fastclf.kernels.runtime.arrays import not_literal
from fastclf.kernels.runtime.jit import kernel, routine
from fastclf.kernels.runtime.lanes import LANES, add_outer_products, add_products
from fastclf.kernels.runtime.primitives import log1p, maximum


@routine
def _plain(z, soft, scale, rows, g, values):
    # Losses of rows that all count alike. Of log(1 + e), e <= 1, only the sum is wanted, which is
    # the logarithm of a product of numbers up to 2.
    products = np.ones(LANES)
    linear = np.zeros(LANES, z.dtype)
    number = z.dtype.type
    zero = number(0)
    for r in range(rows):
        zr, yr, gr = z[r], soft[r], g[r]
        for m in range(LANES):
            x, y = zr[m], number(yr[m])
            e, probability, _ = sigmoid.both(x)
            gr[m] = (probability - y) * number(scale[m])
            linear[m] += maximum(x, zero) - y * x
            products[m] *= 1.0 + float(e)
    for m in range(LANES):
        values[m] += scale[m] * (float(linear[m]) + log1p(products[m] - 1.0))


@kernel
def value_and_grad(X, soft, weights, scale, pos_weight, w, values, gradient):
    """Add the weighted losses of all rows to ``values`` (LANES,), and their gradients.

    ``soft`` are the targets (n, LANES), of any dtype; row i counts ``weights[i, m] * scale[m]`` in
    lane m, where ``weights`` is (n, LANES), or (n, 1) for all lanes. Empty ones are all 1, as is
    then ``pos_weight`` (LANES,).
    """
    n, d = soft.shape[0], w.shape[0] - 1
    z, g = np.empty((TILE, LANES), w.dtype), np.empty((TILE, LANES), w.dtype)
    size = TILE if weights.shape[0] else 0
    weight, losses = np.empty((size, LANES), w.dtype), np.empty((size, LANES), w.dtype)
    targets, positive = np.empty((size, LANES), w.dtype), np.empty((size, LANES), w.dtype)
    start, add = not_literal()
    for r in range(size):
        for m in range(LANES):
            positive[r, m] = pos_weight[m]
    for first in range(0, n, TILE):
        rows = min(TILE, n - first)
        for r in range(rows):
            for m in range(LANES):
                z[r, m] = w[d, m]
        add_products(X, first, rows, w, z)
        if size == 0:
            _plain(z, soft[first:], scale, rows, g, values)
        else:
            for r in range(rows):
                own, y = weights[first + r], soft[first + r]
                for m in range(LANES):
                    weight[r, m] = own[m if own.size > 1 else 0] * scale[m]
                    targets[r, m] = y[m]
            sigmoid.cross_entropy(
                z.reshape(-1), targets.reshape(-1), weight.reshape(-1), positive.reshape(-1),
                1.0, 1.0, start, rows * LANES, g.reshape(-1), losses.reshape(-1), add,
            )  # fmt: skip
            for r in range(rows):
                for m in range(LANES):
                    values[m] += float(weight[r, m]) * float(losses[r, m])
        for r in range(rows):
            for m in range(LANES):
                gradient[d, m] += g[r, m]
        add_outer_products(X, first, rows, g, gradient)

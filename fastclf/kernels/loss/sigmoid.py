r"""Sigmoid and binary cross-entropy: value, gradient and curvature in the logits.

With :math:`l = \log(1 + e^{-|z|})`, a target y in [0, 1] and the weight p of the positive class,

.. math::
    \ell = (1 - y) (\max(z, 0) + l) + p y (\max(-z, 0) + l),\qquad
    \frac{\partial \ell}{\partial z} = (1 - y) \sigma(z) - p y \sigma(-z)

which is ``max(z, 0) - y z + l`` and ``σ - y`` for p = 1. Both sigmoids come from one exponential
of :math:`-|z|`, so neither is ever a difference from 1.

All arrays are flat. ``weights`` and ``pos_weight`` have one entry for each logit or one for all.
"""

import numpy as np

from fastclf.kernels.runtime.arrays import fill_weights
from fastclf.kernels.runtime.jit import kernel
from fastclf.kernels.runtime.primitives import exp, log1p, maximum

BLOCK = 1024
"""Logits whose losses are kept in cache before they are summed."""


@kernel
def sigmoid(z, start, stop, out):
    """Write 1 / (1 + exp(-z))."""
    z = z[start:stop]
    out = out[start:stop]
    one = z.dtype.type(1)
    for i in range(z.size):
        e = exp(-abs(z[i]))
        larger = one / (one + e)
        out[i] = e * larger if z[i] < 0 else larger


@kernel
def log_sigmoid(z, start, stop, out):
    """Write -log(1 + exp(-z))."""
    z = z[start:stop]
    out = out[start:stop]
    zero = z.dtype.type(0)
    for i in range(z.size):
        out[i] = -(maximum(-z[i], zero) + log1p(exp(-abs(z[i]))))


@kernel
def cross_entropy(
    z, y, weights, pos_weight, scale, temperature, start, stop, gradient, losses, accumulate
):
    """Return the weighted sum of the losses of ``z / temperature``, entries start to stop.

    The gradient is written to ``gradient``, or added to it with ``accumulate``; the unweighted
    losses are written to ``losses``.
    """
    number = z.dtype.type
    one = number(1)
    zero = number(0)
    inverse_t = number(1 / temperature)
    gradient_scale = number(scale / temperature)
    w = np.empty(BLOCK, z.dtype)
    p = np.empty(BLOCK, z.dtype)
    slope = np.empty(BLOCK, z.dtype)
    total = 0.0
    for first in range(start, stop, BLOCK):
        last = min(first + BLOCK, stop)
        zb = z[first:last]
        yb = y[first:last]
        gb = gradient[first:last]
        loss = losses[first:last]
        fill_weights(weights, first, w)
        fill_weights(pos_weight, first, p)
        for i in range(zb.size):
            x = zb[i] * inverse_t
            e = exp(-abs(x))
            larger = one / (one + e)
            smaller = e * larger
            log_sum = log1p(e)
            negative = one - yb[i]
            positive = yb[i] * p[i]
            up = smaller if x < 0 else larger
            down = larger if x < 0 else smaller
            slope[i] = negative * up - positive * down
            above = negative * (maximum(x, zero) + log_sum)
            below = positive * (maximum(-x, zero) + log_sum)
            # 0 * inf is 0 here
            loss[i] = (zero if negative == zero else above) + (zero if positive == zero else below)
        for i in range(zb.size):
            total += float(w[i]) * float(loss[i])
        if accumulate:
            for i in range(zb.size):
                gb[i] += gradient_scale * w[i] * slope[i]
        else:
            for i in range(zb.size):
                gb[i] = gradient_scale * w[i] * slope[i]
    return total * scale

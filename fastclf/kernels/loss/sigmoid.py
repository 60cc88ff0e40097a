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

from fastclf.kernels.loss.columns import add_columns, column_of, tile_of
from fastclf.kernels.runtime.arrays import fill_weights, not_literal
from fastclf.kernels.runtime.jit import inlined, kernel, primitive
from fastclf.kernels.runtime.primitives import exp, log1p, maximum

BLOCK = 1024
"""Logits whose losses are kept in cache before they are summed."""


@primitive
def both(z):
    """Return e = exp(-|z|), σ(z) and σ(-z); neither sigmoid is a difference from 1."""
    one = type(z)(1)
    e = exp(-abs(z))
    larger = one / (one + e)
    smaller = e * larger
    return e, smaller if z < 0 else larger, larger if z < 0 else smaller


@primitive
def loss_and_derivatives(z, negative, positive):
    """Return loss, slope and curvature for the masses (1 - y) and p y of both classes."""
    zero = type(z)(0)
    e, up, down = both(z)
    log_sum = log1p(e)
    above = negative * (maximum(z, zero) + log_sum)
    below = positive * (maximum(-z, zero) + log_sum)
    # 0 * inf is 0 here
    loss = (zero if negative == zero else above) + (zero if positive == zero else below)
    return loss, negative * up - positive * down, (negative + positive) * (up * down)


@primitive
def binary_cross_entropy(z, y, positive, parameters):
    """Return value, slope and curvature; see :mod:`fastclf.kernels.loss.columns`."""
    return loss_and_derivatives(z, type(z)(1) - y, y * positive)


@kernel
def sigmoid(z, start, stop, out):
    """Write 1 / (1 + exp(-z))."""
    z = z[start:stop]
    out = out[start:stop]
    for i in range(z.size):
        _, out[i], _ = both(z[i])


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
            loss[i], slope[i], _ = loss_and_derivatives(
                zb[i] * inverse_t, one - yb[i], yb[i] * p[i]
            )
        for i in range(zb.size):
            total += float(w[i]) * float(loss[i])
        if accumulate:
            for i in range(zb.size):
                gb[i] += gradient_scale * w[i] * slope[i]
        else:
            for i in range(zb.size):
                gb[i] = gradient_scale * w[i] * slope[i]
    return total * scale


tile = tile_of(binary_cross_entropy)
column = column_of(binary_cross_entropy)


@inlined
def distilled_tile(batch, parameters, rows, slopes, values):
    """Add ``a BCE(y, z) + (1 - a) T² BCE(q, z / T)``, q the ``teacher``."""
    _, temperature, hard_weight = parameters
    taught_weight = (1 - hard_weight) * temperature * temperature
    begin, add = not_literal()
    unit = np.ones(1, batch.logits.dtype)
    losses = np.empty(batch.logits.size, batch.logits.dtype)
    z, slope, weights = batch.logits.reshape(-1), slopes.reshape(-1), batch.weights.reshape(-1)
    size = rows * batch.logits.shape[1]
    cross_entropy(
        z, batch.soft.reshape(-1), weights, batch.positive.reshape(-1),
        hard_weight, 1.0, begin, size, slope, losses, add,
    )  # fmt: skip
    add_columns(losses, weights, hard_weight, rows, values)
    cross_entropy(
        z, batch.teacher.reshape(-1), weights, unit,
        taught_weight, temperature, begin, size, slope, losses, not add,
    )  # fmt: skip
    add_columns(losses, weights, taught_weight, rows, values)

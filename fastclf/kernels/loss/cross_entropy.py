r"""Softmax cross-entropy: value, gradient and curvature in the logits.

For a row of logits z with targets q that sum to s, :math:`x_k = (z_k - \max z) / T`,
:math:`e_k = e^{x_k}` and the rest u (see :mod:`fastclf.kernels.loss.softmax`):

.. math::
    \ell = s \log(1 + u) - \sum_k q_k x_k,\qquad
    \frac{\partial \ell}{\partial z_k} = \frac{(s e_k - q_k) - q_k u}{T (1 + u)}

The gradient is :math:`(s \sigma_k - q_k) / T`, written so that nothing cancels where the target has
all its mass on a saturated class. The distilled loss is a sum of two such terms.

Every function takes rows ``start`` to ``stop`` of arrays with one row an observation: ``weights``
is (n,), or (1,) for equal weights; row i counts ``weights[i] * scale``. Gradients are written to
``gradient`` (n, K), unweighted losses to ``losses`` (n,) unless it is empty, and the weighted sum
of the losses is returned in float64. ``gradient`` must not overlap ``logits``.
"""

import numpy as np

from fastclf.kernels.loss.softmax import (
    ACROSS,
    TILE,
    exponentials_across,
    exponentials_within,
    scale_across,
    scratch,
    shifted,
)
from fastclf.kernels.runtime.arrays import fill, fill_weights, not_literal
from fastclf.kernels.runtime.jit import inlined, kernel, primitive
from fastclf.kernels.runtime.primitives import log1p

BLOCK = 16384
"""Entries of the blocks between which the distilled loss alternates its two terms, in cache."""


@primitive
def _slope(mass, e, q, rest):
    # In a kernel, LLVM would turn this into ``mass e - q (1 + rest)`` and lose a tiny rest.
    return (mass * e - q) - q * rest


@kernel
def hard(logits, codes, weights, scale, temperature, start, stop, gradient, losses):
    """Take integer classes ``codes`` (n,); a negative code leaves its row out."""
    K = logits.shape[1]
    number = logits.dtype.type
    one = number(1)
    inverse_t = number(1 / temperature)
    gradient_scale = number(scale / temperature)
    x, e = scratch(K, logits)
    w = np.zeros(TILE, logits.dtype)
    top = np.zeros(TILE, logits.dtype)
    rest = np.zeros(TILE, logits.dtype)
    factor = np.zeros(TILE, logits.dtype)
    at_class = np.zeros(TILE, logits.dtype)
    total = 0.0
    for first in range(start, stop, TILE):
        last = min(first + TILE, stop)
        tile = logits[first:last]
        g = gradient[first:last]
        code = codes[first:last]
        rows = last - first
        fill_weights(weights, first, w)
        if K <= ACROSS:
            exponentials_across(tile, inverse_t, x, e, top, rest)
            for r in range(TILE):
                factor[r] = w[r] * gradient_scale / (one + rest[r])
            scale_across(e, factor, g)
            for r in range(rows):
                at_class[r] = e[max(code[r], 0), r]
        else:
            for r in range(rows):
                gr = g[r]
                top[r], rest[r] = exponentials_within(tile[r], inverse_t, gr)
                at_class[r] = gr[max(code[r], 0)]
                f = w[r] * gradient_scale / (one + rest[r])
                for k in range(K):
                    gr[k] *= f
                factor[r] = f
        for r in range(rows):
            if code[r] >= 0:
                g[r, code[r]] = _slope(one, at_class[r], one, rest[r]) * factor[r]
                at_class[r] = tile[r, code[r]]
            else:
                fill(g[r], number(0))
                top[r] = number(0)
                at_class[r] = number(0)
                rest[r] = number(0)
        for r in range(TILE):
            rest[r] = log1p(rest[r])
        for r in range(rows):
            below = shifted(float(top[r]), float(at_class[r]), 1.0)
            total += float(w[r]) * (float(rest[r]) + below / temperature)
        if losses.size:
            for r in range(rows):
                below = shifted(float(top[r]), float(at_class[r]), 1.0)
                losses[first + r] = float(rest[r]) + below / temperature
    return total * scale


@inlined
def smoothed(code, smoothing, out):
    """Fill ``out`` (K,) with the target ``(1 - ε) onehot + ε / K`` of a class."""
    K = out.size
    fill(out, out.dtype.type(smoothing / K))
    out[code] += out.dtype.type(1 - smoothing)


@kernel
def soft(logits, targets, weights, scale, temperature, start, stop, gradient, losses, accumulate):
    """Take a distribution a row, ``targets`` (n, K) of any sum.

    With ``accumulate`` the gradient is added to what ``gradient`` holds.
    """
    K = logits.shape[1]
    number = logits.dtype.type
    one = number(1)
    zero = number(0)
    inverse_t = number(1 / temperature)
    gradient_scale = number(scale / temperature)
    x, e = scratch(K, logits)
    q, _ = scratch(K, logits)
    w = np.zeros(TILE, logits.dtype)
    top = np.zeros(TILE, logits.dtype)
    rest = np.zeros(TILE, logits.dtype)
    mass = np.zeros(TILE, logits.dtype)
    inner = np.zeros(TILE, logits.dtype)
    factor = np.zeros(TILE, logits.dtype)
    total = 0.0
    for first in range(start, stop, TILE):
        last = min(first + TILE, stop)
        tile = logits[first:last]
        target = targets[first:last]
        g = gradient[first:last]
        rows = last - first
        fill_weights(weights, first, w)
        if K <= ACROSS:
            exponentials_across(tile, inverse_t, x, e, top, rest)
            for r in range(TILE):
                mass[r] = zero
                inner[r] = zero
                factor[r] = w[r] * gradient_scale / (one + rest[r])
            for k in range(K):
                qk = q[k]
                xk = x[k]
                for r in range(rows):
                    qk[r] = target[r, k]
                for r in range(TILE):
                    mass[r] += qk[r]
                for r in range(TILE):
                    product = qk[r] * xk[r]
                    inner[r] += zero if qk[r] == zero else product  # 0 * -inf is 0 here
            for k in range(K):
                ek = e[k]
                qk = q[k]
                for r in range(TILE):
                    ek[r] = _slope(mass[r], ek[r], qk[r], rest[r])
            if accumulate:
                for k in range(K):
                    ek = e[k]
                    for r in range(rows):
                        g[r, k] += ek[r] * factor[r]
            else:
                scale_across(e, factor, g)
        else:
            row = e[0]
            for r in range(rows):
                z = tile[r]
                t = target[r]
                gr = g[r]
                shift, u = exponentials_within(z, inverse_t, row)
                s = zero
                for k in range(K):
                    s += t[k]
                dot = zero
                for k in range(K):
                    product = t[k] * shifted(z[k], shift, inverse_t)
                    dot += zero if t[k] == zero else product
                f = w[r] * gradient_scale / (one + u)
                if accumulate:
                    for k in range(K):
                        gr[k] += _slope(s, row[k], t[k], u) * f
                else:
                    for k in range(K):
                        gr[k] = _slope(s, row[k], t[k], u) * f
                rest[r] = u
                mass[r] = s
                inner[r] = dot
        for r in range(TILE):
            rest[r] = log1p(rest[r])
        for r in range(rows):
            total += float(w[r]) * (float(mass[r]) * float(rest[r]) - float(inner[r]))
        if losses.size:
            for r in range(rows):
                losses[first + r] = float(mass[r]) * float(rest[r]) - float(inner[r])
    return total * scale


@kernel
def distilled(
    logits, codes, targets, teacher, weights, scale, temperature, hard_weight, start, stop, gradient
):
    """Return ``a CE(y, z) + (1 - a) T² CE(q, z / T)``, q the softened ``teacher`` (n, K).

    y is ``targets`` (n, K), or where that is empty ``codes`` (n,). Neither is read if a is 0.
    """
    no_losses = np.empty(0)
    _, add = not_literal()
    rows = max(TILE, BLOCK // logits.shape[1])
    hard_scale = hard_weight * scale
    soft_scale = (1 - hard_weight) * temperature * temperature * scale
    total = 0.0
    for first in range(start, stop, rows):
        last = min(first + rows, stop)
        if hard_weight == 0:
            for i in range(first, last):
                fill(gradient[i], logits.dtype.type(0))
        elif targets.shape[0] > 0:
            total += soft(
                logits, targets, weights, hard_scale, 1.0, first, last, gradient, no_losses, add
            )
        else:
            total += hard(logits, codes, weights, hard_scale, 1.0, first, last, gradient, no_losses)
        where = first, last, gradient, no_losses
        total += soft(logits, teacher, weights, soft_scale, temperature, *where, not add)
    return total


@inlined
def _targets(batch, smoothing, rows):
    # A smoothed hard target is a soft one.
    if batch.soft.shape[0] > 0:
        return batch.soft
    targets = np.empty_like(batch.logits)
    for r in range(rows):
        smoothed(batch.codes[r], smoothing, targets[r])
    return targets


@inlined
def hard_tile(batch, parameters, rows, slopes, values):
    """Take the classes of a :class:`~fastclf.kernels.runtime.records.Tile`."""
    begin, _ = not_literal()
    none = np.empty(0)
    values[0] += hard(
        batch.logits, batch.codes, batch.weights.reshape(-1), 1.0, 1.0, begin, rows, slopes, none
    )


@inlined
def soft_tile(batch, parameters, rows, slopes, values):
    """Take the distributions of a tile, or its classes smoothed."""
    begin, add = not_literal()
    targets, none = _targets(batch, parameters[0], rows), np.empty(0)
    values[0] += soft(
        batch.logits, targets, batch.weights.reshape(-1), 1.0, 1.0, begin, rows, slopes, none, add
    )


@inlined
def distilled_tile(batch, parameters, rows, slopes, values):
    """Take whichever targets a tile has, and its teacher."""
    begin, _ = not_literal()
    smoothing, temperature, hard_weight = parameters
    targets = _targets(batch, smoothing, rows) if smoothing > 0 else batch.soft
    values[0] += distilled(
        batch.logits, batch.codes, targets, batch.teacher, batch.weights.reshape(-1),
        1.0, temperature, hard_weight, begin, rows, slopes,
    )  # fmt: skip

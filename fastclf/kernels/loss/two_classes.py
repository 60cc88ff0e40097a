r"""Softmax cross-entropy of two classes: a function of the difference of their logits.

With :math:`x = (z_1 - z_0) / T` and :math:`l = \log(1 + e^{-|x|})`,

.. math::
    \ell = q_0 (\max(x, 0) + l) + q_1 (\max(-x, 0) + l),\qquad
    \frac{\partial \ell}{\partial z_1} = -\frac{\partial \ell}{\partial z_0}
    = \frac{q_0 \sigma(x) - q_1 \sigma(-x)}{T}

which takes one exponential a row, and no transposition of tiles. Rows start to stop otherwise as in
:mod:`fastclf.kernels.loss.cross_entropy`.
"""

import numpy as np

from fastclf.kernels.loss.sigmoid import loss_and_derivatives
from fastclf.kernels.runtime.arrays import fill_weights
from fastclf.kernels.runtime.jit import kernel, primitive
from fastclf.kernels.runtime.primitives import maximum

BLOCK = 1024


@primitive
def difference(z0, z1, inverse_t):
    """Return x; NaN where softmax isn't defined: at +inf, or -inf twice."""
    top = maximum(z0, z1)
    return (z1 - z0) * inverse_t + (top - top)  # 0, or NaN; a kernel would reorder it to 0


@kernel
def two_classes(logits, codes, targets, weights, scale, temperature, start, stop, gradient, losses):
    """Take ``targets`` (n, 2), or where those are empty ``codes`` (n,), all of them 0 or 1."""
    number = logits.dtype.type
    one = number(1)
    inverse_t = number(1 / temperature)
    gradient_scale = number(scale / temperature)
    w = np.empty(BLOCK, logits.dtype)
    off = np.empty(BLOCK, logits.dtype)
    on = np.empty(BLOCK, logits.dtype)
    slope = np.empty(BLOCK, logits.dtype)
    loss = np.empty(BLOCK, logits.dtype)
    total = 0.0
    for first in range(start, stop, BLOCK):
        last = min(first + BLOCK, stop)
        rows = last - first
        z = logits[first:last].reshape(-1)
        g = gradient[first:last].reshape(-1)
        fill_weights(weights, first, w)
        if codes.size:
            code = codes[first:last]
            for i in range(rows):
                on[i] = number(code[i])
            for i in range(rows):
                off[i] = one - on[i]
        else:
            q = targets[first:last].reshape(-1)
            for i in range(rows):
                off[i] = q[2 * i]
                on[i] = q[2 * i + 1]
        for i in range(rows):
            x = difference(z[2 * i], z[2 * i + 1], inverse_t)
            loss[i], slope[i], _ = loss_and_derivatives(x, off[i], on[i])
        for i in range(rows):
            total += float(w[i]) * float(loss[i])
        for i in range(rows):
            slope[i] *= gradient_scale * w[i]
        for i in range(rows):
            g[2 * i] = -slope[i]
            g[2 * i + 1] = slope[i]
        if losses.size:
            for i in range(rows):
                losses[first + i] = loss[i]
    return total * scale

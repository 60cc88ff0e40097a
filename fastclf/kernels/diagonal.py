"""The inverse of a diagonal Hessian, with the intercepts moved to the features' center."""

import numpy as np

from fastclf.kernels._jit import kernel


@kernel
def _centre(row, K):
    # Make the sum over the K columns of each problem 0.
    for first in range(0, row.size, K):
        mean = 0.0
        for c in range(first, first + K):
            mean += row[c] / K
        for c in range(first, first + K):
            row[c] -= mean


@kernel
def apply(gradient, center, second, logits, ridge, K, out):
    """Write the inverse times a gradient (d + 1, R C) to ``out``, for R times C columns.

    The entry of feature j and column c is ``logits[c] * (second[j] + ridge[c])``, that of an
    intercept ``logits[c]``. Before and after, each row is projected to a sum of 0 over the K
    classes of each problem; nothing for K = 1.
    """
    q, columns = gradient.shape
    d, C = q - 1, logits.size
    inverse = np.empty(columns)
    strength = np.empty(columns)
    top = np.empty(columns)
    for c in range(columns):
        inverse[c] = 1.0 / logits[c % C]
        strength[c] = ridge[c % C]
        top[c] = gradient[d, c]
    if K > 1:
        _centre(top, K)
    low = out[d]
    for c in range(columns):
        top[c] *= inverse[c]
        low[c] = top[c]
    row = np.empty(columns)
    for j in range(d):
        g, o, middle, moment = gradient[j], out[j], center[j], second[j]
        for c in range(columns):
            row[c] = g[c]
        if K > 1:
            _centre(row, K)
        for c in range(columns):
            row[c] = (row[c] * inverse[c] - middle * top[c]) / (moment + strength[c])
            low[c] -= middle * row[c]
        if K > 1:
            _centre(row, K)
        for c in range(columns):
            o[c] = row[c]
    if K > 1:
        _centre(low, K)

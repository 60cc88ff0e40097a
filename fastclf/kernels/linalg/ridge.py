"""The squared norm of coefficients, and its gradient."""

import numpy as np

from fastclf.kernels.runtime.jit import kernel


@kernel
def add(theta, strength, values, gradient):
    """Add ``strength / 2`` times the squared norm of each problem's coefficients, and its gradient.

    ``theta`` and ``gradient`` are (d + 1, M K), the intercepts last; ``strength`` and ``values``
    are (M,).
    """
    M = strength.size
    rows, C = theta.shape
    K = C // M
    if C == 1:
        square = 0.0
        for j in range(rows - 1):
            square += theta[j, 0] * theta[j, 0]
            gradient[j, 0] += strength[0] * theta[j, 0]
        values[0] += 0.5 * strength[0] * square
        return
    scale = np.empty(C)
    squares = np.zeros(C)
    for c in range(C):
        scale[c] = strength[c // K]
    for j in range(rows - 1):
        t, g = theta[j], gradient[j]
        for c in range(C):
            squares[c] += t[c] * t[c]
            g[c] += scale[c] * t[c]
    for c in range(C):
        values[c // K] += 0.5 * scale[c] * squares[c]

"""Cholesky factors of small matrices, for kernels that call LAPACK too often for its calls."""

import numpy as np

from fastclf.kernels.runtime.jit import inlined, routine

JITTER, JITTER_OF_SINGLE = 1e-12, 1e-7
"""Share of its diagonal that is added to a matrix whose features may be constant or collinear:
features in float64 and in float32 that differ by rounding alone are the same.
"""

MORE_JITTER, MOST_JITTER = 100.0, 1e12
"""By what the jitter grows until the matrix is definite, and from where on it isn't finite."""


@inlined
def floor(mean):
    """Return what a diagonal is taken to be at least, for jitter; ``mean`` is that of it."""
    return 1e-8 * max(mean, 1e-300)


@routine
def factor(a):
    """Replace the lower triangle of ``a`` (n, n) by its factor; False if it isn't definite."""
    for i in range(a.shape[0]):
        ai = a[i]
        for j in range(i + 1):
            aj = a[j]
            s = ai[j]
            for m in range(j):
                s -= ai[m] * aj[m]
            if j < i:
                ai[j] = s / aj[j]
            elif s > 0.0:
                ai[i] = np.sqrt(s)
            else:
                return False
    return True


@routine
def solve_half(a, x):
    """Multiply the right-hand side ``x`` (n,) by the inverse factor in place.

    The sum of squares is then the inner product of the right-hand side with the solution.
    """
    for i in range(x.size):
        ai = a[i]
        s = x[i]
        for m in range(i):
            s -= ai[m] * x[m]
        x[i] = s / ai[i]


@routine
def solve(a, x):
    """Solve for the right-hand side ``x`` (n,) in place, given the factor."""
    solve_half(a, x)
    for i in range(x.size - 1, -1, -1):
        ai = a[i]
        x[i] /= ai[i]
        s = x[i]
        for m in range(i):
            x[m] -= ai[m] * s

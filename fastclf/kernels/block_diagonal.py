"""The inverse of a matrix of diagonal blocks, with the intercepts moved to the features' center.

A block is that of K' classes, one after the other, each with its d coefficients and its intercept.
Gradients and steps are (d + 1, C); before and after, each row is projected to a sum of 0 over the K
classes of each problem, unless K = 1.
"""

from fastclf.kernels import cholesky
from fastclf.kernels._jit import kernel


@kernel
def gather(gradient, center, K, sides):
    """Write a gradient as the right-hand sides (C, d + 1)."""
    d = center.size
    for j in range(d, -1, -1):
        g = gradient[j]
        middle = center[j] if j < d else 0.0
        for first in range(0, g.size, K):
            mean = 0.0
            for c in range(first, first + K if K > 1 else first):
                mean += g[c] / K
            for c in range(first, first + K):
                sides[c, j] = g[c] - mean
                if j < d:
                    sides[c, j] -= middle * sides[c, d]


@kernel
def solve(factors, first, last, half, sides):
    """Solve for blocks first to last, in place, given Cholesky factors (B, q, q).

    Right-hand sides are (R, B, q). With ``half`` they are multiplied by the inverse factors alone,
    as :func:`fastclf.kernels.cholesky.solve_half` says.
    """
    for r in range(sides.shape[0]):
        for b in range(first, last):
            if half:
                cholesky.solve_half(factors[b], sides[r, b])
            else:
                cholesky.solve(factors[b], sides[r, b])


@kernel
def scatter(sides, center, K, step):
    """Write solutions (C, d + 1) as a step."""
    d = center.size
    for c in range(len(sides)):
        for j in range(d):
            sides[c, d] -= center[j] * sides[c, j]
    for j in range(d + 1):
        out = step[j]
        for first in range(0, out.size, K):
            mean = 0.0
            for c in range(first, first + K if K > 1 else first):
                mean += sides[c, j] / K
            for c in range(first, first + K):
                out[c] = sides[c, j] - mean

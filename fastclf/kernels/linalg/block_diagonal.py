"""The inverse of a matrix of diagonal blocks, with the intercepts moved to the features' center.

A block is that of a class, or of all K of a problem, each with its d coefficients and then its
intercept. Gradients and steps are (d + 1, C); before and after, each row is projected to a sum of 0
over the K classes of each problem, unless K = 1.
"""

import numpy as np

from fastclf.kernels.linalg import cholesky
from fastclf.kernels.linalg.diagonal import centre
from fastclf.kernels.runtime.arrays import copy
from fastclf.kernels.runtime.jit import kernel


@kernel
def gather(gradient, center, K, sides):
    """Write a gradient as the right-hand sides (C, d + 1)."""
    d = center.size
    row = np.empty(gradient.shape[1])
    for j in range(d, -1, -1):
        copy(gradient[j], row)
        if K > 1:
            centre(row, K)
        for c in range(row.size):
            sides[c, j] = row[c]
            if j < d:
                sides[c, j] -= center[j] * sides[c, d]


@kernel
def solve(factors, first, last, half, sides):
    """Solve for blocks first to last, in place, given Cholesky factors (B, q, q).

    Right-hand sides are (R, B, q). With ``half`` they are multiplied by the inverse factors alone,
    as :func:`fastclf.kernels.linalg.cholesky.solve_half` says.
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
        for c in range(out.size):
            out[c] = sides[c, j]
        if K > 1:
            centre(out, K)

"""Rows whose products with the coefficients were taken elsewhere.

In place of X comes ``X @ w`` (rows, C) of a block of rows, without the intercepts, and in place of
the gradient in w that in these logits. BLAS then does the rest: for many columns it is faster than
the register tiles of :mod:`fastclf.kernels.products.dense`.
"""

from fastclf.kernels.runtime.jit import routine


@routine
def forward(products, order, first, rows, w, b, column, z):
    """Write rows from ``first`` on and columns from ``column`` on to ``z[:rows]`` (rows, K).

    ``order`` and ``w`` are those of the products, and aren't read.
    """
    K = z.shape[1]
    b = b[column : column + K]
    for r in range(rows):
        zr = z[r]
        p = products[first + r, column : column + K]
        for k in range(K):
            zr[k] = p[k] + b[k]


@routine
def backward(products, order, first, rows, g, column, out, gb):
    """Write ``g[:rows]`` (rows, K) to its place in ``out``; add its sums to ``gb`` (C,)."""
    K = g.shape[1]
    gb = gb[column : column + K]
    for r in range(rows):
        gr = g[r]
        o = out[first + r, column : column + K]
        for k in range(K):
            o[k] = gr[k]
    for r in range(rows):
        gr = g[r]
        for k in range(K):
            gb[k] += gr[k]

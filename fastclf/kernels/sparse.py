"""Products of a few rows of a CSR X with the coefficients, and moments of its features.

``X`` is the tuple (data, indices, indptr). Coefficients are held as ``w`` (d, C), so that one
stored entry of X meets one contiguous row of w. Otherwise as :mod:`fastclf.kernels.dense`.
"""

import numpy as np

from fastclf.kernels._jit import kernel
from fastclf.kernels.dense import row_of


@kernel
def forward(X, order, start, rows, w, b, column, z):
    """Write ``X[rows] @ w + b`` to ``z[:rows]`` (rows, K)."""
    data, indices, indptr = X
    K = z.shape[1]
    for r in range(rows):
        i = row_of(order, start + r)
        zr = z[r]
        if K == 1:
            total = b[column]
            for p in range(indptr[i], indptr[i + 1]):
                total += data[p] * w[indices[p], column]
            zr[0] = total
        else:
            for k in range(K):
                zr[k] = b[column + k]
            for p in range(indptr[i], indptr[i + 1]):
                value = data[p]
                wj = w[indices[p], column : column + K]
                for k in range(K):
                    zr[k] += value * wj[k]


@kernel
def backward(X, order, start, rows, g, column, gw, gb):
    """Add ``X[rows].T @ g[:rows]`` to ``gw`` (d, C) and the sums of g to ``gb`` (C,)."""
    data, indices, indptr = X
    K = g.shape[1]
    for r in range(rows):
        i = row_of(order, start + r)
        gr = g[r]
        for k in range(K):
            gb[column + k] += gr[k]
        if K == 1:
            for p in range(indptr[i], indptr[i + 1]):
                gw[indices[p], column] += data[p] * gr[0]
        else:
            for p in range(indptr[i], indptr[i + 1]):
                value = data[p]
                wj = gw[indices[p], column : column + K]
                for k in range(K):
                    wj[k] += value * gr[k]


@kernel
def moments(X, slopes, start, stop, blocks):
    """Add weighted moments of rows start to stop, and of 1, to ``blocks`` (P, d + 1, d + 1).

    ``slopes`` (n, P) weigh the rows, whose indices must rise. Only lower triangles are added to.
    """
    data, indices, indptr = X
    P, d = blocks.shape[0], blocks.shape[1] - 1
    for i in range(start, stop):
        first, last = np.uintp(indptr[i]), np.uintp(indptr[i + 1])
        for k in range(P):
            slope = float(slopes[i, k])
            block = blocks[k]
            means = block[d]
            means[d] += slope
            for p in range(first, last):
                j = np.uintp(indices[p])
                value = slope * data[p]
                means[j] += value
                row = block[j]
                for other in range(first, p + np.uintp(1)):
                    row[np.uintp(indices[other])] += value * data[other]

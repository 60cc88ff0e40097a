"""Products of a few rows of a CSR X with the coefficients, and moments of its features.

``X`` is the tuple (data, indices, indptr). Coefficients are held as ``w`` (d, C), so that one
stored entry of X meets one contiguous row of w. Otherwise as :mod:`fastclf.kernels.products.dense`.
"""

import numpy as np

from fastclf.kernels.products.dense import row_of
from fastclf.kernels.runtime.arrays import fill
from fastclf.kernels.runtime.jit import kernel, routine


@routine
def forward(X, order, start, rows, w, b, column, z):
    """Write ``X[rows] @ w + b`` to ``z[:rows]`` (rows, K)."""
    data, indices, indptr = X
    K = z.shape[1]
    for r in range(rows):
        i = row_of(order, start + r)
        zr = z[r]
        if K == 1:
            total = b[column]
            for p in range(np.uintp(indptr[i]), np.uintp(indptr[i + 1])):
                total += data[p] * w[np.uintp(indices[p]), column]
            zr[0] = total
        else:
            for k in range(K):
                zr[k] = b[column + k]
            for p in range(np.uintp(indptr[i]), np.uintp(indptr[i + 1])):
                value = data[p]
                wj = w[np.uintp(indices[p]), column : column + K]
                for k in range(K):
                    zr[k] += value * wj[k]


@routine
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
            for p in range(np.uintp(indptr[i]), np.uintp(indptr[i + 1])):
                gw[np.uintp(indices[p]), column] += data[p] * gr[0]
        else:
            for p in range(np.uintp(indptr[i]), np.uintp(indptr[i + 1])):
                value = data[p]
                wj = gw[np.uintp(indices[p]), column : column + K]
                for k in range(K):
                    wj[k] += value * gr[k]


@kernel
def backward_columns(X, g, start, stop, out):
    """Write ``X.T @ g`` (d, C) of features start to stop to ``out``; g is (n, C).

    ``X`` is the tuple (data, rows, indptr) of its columns. Each row of ``out`` is written once, in
    order, so threads can share one.
    """
    data, rows, indptr = X
    C = g.shape[1]
    for j in range(np.uintp(start), np.uintp(stop)):
        first, last = np.uintp(indptr[j]), np.uintp(indptr[j + np.uintp(1)])
        if C == 1:
            total = 0.0
            for p in range(first, last):
                total += data[p] * g[np.uintp(rows[p]), 0]
            out[j, 0] = total
        else:
            oj = out[j]
            fill(oj, 0.0)
            for p in range(first, last):
                value = data[p]
                gi = g[np.uintp(rows[p])]
                for c in range(C):
                    oj[c] += value * gi[c]


@kernel
def sums(X, weights, start, stop, first, second):
    """Add the features of rows start to stop, weighted, to ``first`` (d,), their squares too."""
    data, indices, indptr = X
    for i in range(np.uintp(start), np.uintp(stop)):
        weight = weights[i]
        for p in range(np.uintp(indptr[i]), np.uintp(indptr[i + np.uintp(1)])):
            j = np.uintp(indices[p])
            value = float(data[p])
            part = weight * value
            first[j] += part
            second[j] += part * value


@routine
def add_moments(data, indices, first, last, slope, block):
    """Add the lower triangle of a row's moments, and of 1, times the slope; indices must rise."""
    d = block.shape[0] - 1
    means = block[d]
    means[d] += slope
    for p in range(first, last):
        j = np.uintp(indices[p])
        value = slope * data[p]
        means[j] += value
        row = block[j]
        for other in range(first, p + np.uintp(1)):
            row[np.uintp(indices[other])] += value * data[other]


@kernel
def moments(X, slopes, start, stop, blocks):
    """Add weighted moments of rows start to stop, and of 1, to ``blocks`` (P, d + 1, d + 1).

    ``slopes`` (n, P) weigh the rows, whose indices must rise. Only lower triangles are added to.
    """
    data, indices, indptr = X
    for i in range(start, stop):
        first, last = np.uintp(indptr[i]), np.uintp(indptr[i + 1])
        for k in range(blocks.shape[0]):
            add_moments(data, indices, first, last, float(slopes[i, k]), blocks[k])


@kernel
def move_to_center(center, gradient, block):
    """Make a gradient (d + 1,) and moments (d + 1, d + 1) those of the features about a center.

    Only the block's lower triangle is read, all of it is written.
    """
    d = center.size
    means = block[d].copy()
    total = means[d]
    for j in range(d):
        gradient[j] -= center[j] * gradient[d]
        shifted = means[j] - total * center[j]
        row = block[j]
        for other in range(j + 1):
            row[other] -= center[j] * means[other] + shifted * center[other]
            block[other, j] = row[other]
        block[d, j] = shifted
        row[d] = shifted

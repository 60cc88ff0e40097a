r"""Products of a few rows of a dense X with the coefficients, in register tiles.

Coefficients are held transposed, ``w`` (C, d), so that a row of X and a row of w are both
contiguous. Four rows by five columns are twenty sums for nine loads; a plain loop would load two
numbers for each. Functions work on the K columns from ``column`` on, those of one problem.

``order`` (n,) names the rows that positions stand for; an empty one means the rows themselves.
Rows are taken four at a time: ``z`` and ``g`` have room for a multiple of four, and what lies in
them beyond ``rows`` means nothing.
"""

import numpy as np

from fastclf.kernels.runtime.arrays import fill
from fastclf.kernels.runtime.jit import inlined, kernel, routine
from fastclf.kernels.runtime.primitives import prefetch


@inlined
def row_of(order, position):
    """Return the row of X at a position; unsigned, so that Numba doesn't look for negative ones."""
    return np.uintp(order[np.uintp(position)] if order.size else position)


@inlined
def _ask_for_two_rows(X, order, position):
    # Half a tile's rows are asked for in its predecessor's forward product and half in the backward
    # one, so that they come from memory while other rows are worked on.
    end = order.size if order.size else X.shape[0]
    for p in range(position, min(position + 2, end)):
        prefetch(X[row_of(order, p)])


@routine
def forward(X, order, start, rows, w, b, column, z):
    """Write ``X[rows] @ w.T + b`` to ``z[:rows]`` (rows, K)."""
    C = z.shape[1]
    d = w.shape[1]
    w = w[column : column + C]
    b = b[column : column + C]
    zero = z.dtype.type(0)
    last = start + rows - 1
    for r in range(0, rows, 4):
        if column == 0:
            _ask_for_two_rows(X, order, start + rows + r // 2)
        x0 = X[row_of(order, start + r)]
        x1 = X[row_of(order, min(start + r + 1, last))]
        x2 = X[row_of(order, min(start + r + 2, last))]
        x3 = X[row_of(order, min(start + r + 3, last))]
        z0, z1, z2, z3 = z[r], z[r + 1], z[r + 2], z[r + 3]
        c = 0
        while c + 5 <= C:
            w0, w1, w2, w3, w4 = w[c], w[c + 1], w[c + 2], w[c + 3], w[c + 4]
            s00 = s01 = s02 = s03 = s04 = zero
            s10 = s11 = s12 = s13 = s14 = zero
            s20 = s21 = s22 = s23 = s24 = zero
            s30 = s31 = s32 = s33 = s34 = zero
            for j in range(d):
                u0, u1, u2, u3 = x0[j], x1[j], x2[j], x3[j]
                v0, v1, v2, v3, v4 = w0[j], w1[j], w2[j], w3[j], w4[j]
                s00 += u0 * v0
                s01 += u0 * v1
                s02 += u0 * v2
                s03 += u0 * v3
                s04 += u0 * v4
                s10 += u1 * v0
                s11 += u1 * v1
                s12 += u1 * v2
                s13 += u1 * v3
                s14 += u1 * v4
                s20 += u2 * v0
                s21 += u2 * v1
                s22 += u2 * v2
                s23 += u2 * v3
                s24 += u2 * v4
                s30 += u3 * v0
                s31 += u3 * v1
                s32 += u3 * v2
                s33 += u3 * v3
                s34 += u3 * v4
            z0[c], z0[c + 1], z0[c + 2], z0[c + 3], z0[c + 4] = s00, s01, s02, s03, s04
            z1[c], z1[c + 1], z1[c + 2], z1[c + 3], z1[c + 4] = s10, s11, s12, s13, s14
            z2[c], z2[c + 1], z2[c + 2], z2[c + 3], z2[c + 4] = s20, s21, s22, s23, s24
            z3[c], z3[c + 1], z3[c + 2], z3[c + 3], z3[c + 4] = s30, s31, s32, s33, s34
            c += 5
        while c < C:
            w0 = w[c]
            s0 = s1 = s2 = s3 = zero
            for j in range(d):
                v0 = w0[j]
                s0 += x0[j] * v0
                s1 += x1[j] * v0
                s2 += x2[j] * v0
                s3 += x3[j] * v0
            z0[c], z1[c], z2[c], z3[c] = s0, s1, s2, s3
            c += 1
    for r in range(rows):
        zr = z[r]
        for c in range(C):
            zr[c] += b[c]


@routine
def backward(X, order, start, rows, g, column, gw, gb):
    """Add ``g[:rows].T @ X[rows]`` to ``gw`` (C, d) and the sums of g to ``gb`` (C,)."""
    C = g.shape[1]
    d = gw.shape[1]
    gw = gw[column : column + C]
    gb = gb[column : column + C]
    last = start + rows - 1
    for r in range(rows, (rows + 3) // 4 * 4):
        fill(g[r], g.dtype.type(0))
    for r in range(0, rows, 4):
        if column == 0:
            _ask_for_two_rows(X, order, start + rows + (rows + r) // 2)
        x0 = X[row_of(order, start + r)]
        x1 = X[row_of(order, min(start + r + 1, last))]
        x2 = X[row_of(order, min(start + r + 2, last))]
        x3 = X[row_of(order, min(start + r + 3, last))]
        g0, g1, g2, g3 = g[r], g[r + 1], g[r + 2], g[r + 3]
        c = 0
        while c + 5 <= C:
            w0, w1, w2, w3, w4 = gw[c], gw[c + 1], gw[c + 2], gw[c + 3], gw[c + 4]
            g00, g01, g02, g03, g04 = g0[c], g0[c + 1], g0[c + 2], g0[c + 3], g0[c + 4]
            g10, g11, g12, g13, g14 = g1[c], g1[c + 1], g1[c + 2], g1[c + 3], g1[c + 4]
            g20, g21, g22, g23, g24 = g2[c], g2[c + 1], g2[c + 2], g2[c + 3], g2[c + 4]
            g30, g31, g32, g33, g34 = g3[c], g3[c + 1], g3[c + 2], g3[c + 3], g3[c + 4]
            for j in range(d):
                u0, u1, u2, u3 = x0[j], x1[j], x2[j], x3[j]
                w0[j] += g00 * u0 + g10 * u1 + g20 * u2 + g30 * u3
                w1[j] += g01 * u0 + g11 * u1 + g21 * u2 + g31 * u3
                w2[j] += g02 * u0 + g12 * u1 + g22 * u2 + g32 * u3
                w3[j] += g03 * u0 + g13 * u1 + g23 * u2 + g33 * u3
                w4[j] += g04 * u0 + g14 * u1 + g24 * u2 + g34 * u3
            c += 5
        while c < C:
            w0 = gw[c]
            g00, g10, g20, g30 = g0[c], g1[c], g2[c], g3[c]
            for j in range(d):
                w0[j] += g00 * x0[j] + g10 * x1[j] + g20 * x2[j] + g30 * x3[j]
            c += 1
    for r in range(rows):
        gr = g[r]
        for c in range(C):
            gb[c] += gr[c]


@kernel
def moments(X, weights, shift, start, stop, sums, squares):
    """Add weighted sums of ``X - shift`` and of its squares to ``sums`` and ``squares`` (d,)."""
    d = X.shape[1]
    tile_sums = np.zeros(d, X.dtype)
    tile_squares = np.zeros(d, X.dtype)
    for first in range(start, stop, 64):
        fill(tile_sums, X.dtype.type(0))
        fill(tile_squares, X.dtype.type(0))
        for i in range(first, min(first + 64, stop)):
            x = X[np.uintp(i)]
            w = weights[np.uintp(i)]
            for j in range(d):
                t = x[j] - shift[j]
                tile_sums[j] += w * t
                tile_squares[j] += w * (t * t)
        for j in range(d):
            sums[j] += tile_sums[j]
            squares[j] += tile_squares[j]

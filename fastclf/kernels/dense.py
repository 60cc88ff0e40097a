r"""Products of a few rows of a dense X with the coefficients, in register tiles.

Coefficients are held transposed, ``w`` (C, d), so that a row of X and a row of w are both
contiguous. Four rows by four columns are sixteen sums for eight loads; a plain loop would load two
numbers for each. Functions work on the K columns from ``column`` on, those of one problem.

``order`` (n,) names the rows that positions stand for; an empty one means the rows themselves.
"""

from fastclf.kernels._jit import kernel


@kernel
def row_of(order, position):
    """Return the row of X at a position."""
    return order[position] if order.size else position


@kernel
def forward(X, order, start, rows, w, b, column, z):
    """Write ``X[rows] @ w.T + b`` to ``z[:rows]`` (rows, K)."""
    C = z.shape[1]
    d = w.shape[1]
    w = w[column : column + C]
    b = b[column : column + C]
    zero = z.dtype.type(0)
    for r in range(0, rows - 3, 4):
        x0 = X[row_of(order, start + r)]
        x1 = X[row_of(order, start + r + 1)]
        x2 = X[row_of(order, start + r + 2)]
        x3 = X[row_of(order, start + r + 3)]
        for c in range(0, C - 3, 4):
            w0, w1, w2, w3 = w[c], w[c + 1], w[c + 2], w[c + 3]
            s00 = s01 = s02 = s03 = zero
            s10 = s11 = s12 = s13 = zero
            s20 = s21 = s22 = s23 = zero
            s30 = s31 = s32 = s33 = zero
            for j in range(d):
                u0, u1, u2, u3 = x0[j], x1[j], x2[j], x3[j]
                v0, v1, v2, v3 = w0[j], w1[j], w2[j], w3[j]
                s00 += u0 * v0
                s01 += u0 * v1
                s02 += u0 * v2
                s03 += u0 * v3
                s10 += u1 * v0
                s11 += u1 * v1
                s12 += u1 * v2
                s13 += u1 * v3
                s20 += u2 * v0
                s21 += u2 * v1
                s22 += u2 * v2
                s23 += u2 * v3
                s30 += u3 * v0
                s31 += u3 * v1
                s32 += u3 * v2
                s33 += u3 * v3
            z0, z1, z2, z3 = z[r], z[r + 1], z[r + 2], z[r + 3]
            z0[c], z0[c + 1], z0[c + 2], z0[c + 3] = s00, s01, s02, s03
            z1[c], z1[c + 1], z1[c + 2], z1[c + 3] = s10, s11, s12, s13
            z2[c], z2[c + 1], z2[c + 2], z2[c + 3] = s20, s21, s22, s23
            z3[c], z3[c + 1], z3[c + 2], z3[c + 3] = s30, s31, s32, s33
        for c in range(C - C % 4, C):
            w0 = w[c]
            s0 = s1 = s2 = s3 = zero
            for j in range(d):
                v = w0[j]
                s0 += x0[j] * v
                s1 += x1[j] * v
                s2 += x2[j] * v
                s3 += x3[j] * v
            z[r, c], z[r + 1, c], z[r + 2, c], z[r + 3, c] = s0, s1, s2, s3
    for r in range(rows - rows % 4, rows):
        x0 = X[row_of(order, start + r)]
        for c in range(C):
            w0 = w[c]
            s0 = zero
            for j in range(d):
                s0 += x0[j] * w0[j]
            z[r, c] = s0
    for r in range(rows):
        for c in range(C):
            z[r, c] += b[c]


@kernel
def backward(X, order, start, rows, g, column, gw, gb):
    """Add ``g[:rows].T @ X[rows]`` to ``gw`` (C, d) and the sums of g to ``gb`` (C,)."""
    C = g.shape[1]
    d = gw.shape[1]
    gw = gw[column : column + C]
    gb = gb[column : column + C]
    for r in range(0, rows - 3, 4):
        x0 = X[row_of(order, start + r)]
        x1 = X[row_of(order, start + r + 1)]
        x2 = X[row_of(order, start + r + 2)]
        x3 = X[row_of(order, start + r + 3)]
        for c in range(0, C - 3, 4):
            w0, w1, w2, w3 = gw[c], gw[c + 1], gw[c + 2], gw[c + 3]
            g00, g01, g02, g03 = g[r, c], g[r, c + 1], g[r, c + 2], g[r, c + 3]
            g10, g11, g12, g13 = g[r + 1, c], g[r + 1, c + 1], g[r + 1, c + 2], g[r + 1, c + 3]
            g20, g21, g22, g23 = g[r + 2, c], g[r + 2, c + 1], g[r + 2, c + 2], g[r + 2, c + 3]
            g30, g31, g32, g33 = g[r + 3, c], g[r + 3, c + 1], g[r + 3, c + 2], g[r + 3, c + 3]
            for j in range(d):
                u0, u1, u2, u3 = x0[j], x1[j], x2[j], x3[j]
                w0[j] += g00 * u0 + g10 * u1 + g20 * u2 + g30 * u3
                w1[j] += g01 * u0 + g11 * u1 + g21 * u2 + g31 * u3
                w2[j] += g02 * u0 + g12 * u1 + g22 * u2 + g32 * u3
                w3[j] += g03 * u0 + g13 * u1 + g23 * u2 + g33 * u3
        for c in range(C - C % 4, C):
            w0 = gw[c]
            g0, g1, g2, g3 = g[r, c], g[r + 1, c], g[r + 2, c], g[r + 3, c]
            for j in range(d):
                w0[j] += g0 * x0[j] + g1 * x1[j] + g2 * x2[j] + g3 * x3[j]
    for r in range(rows - rows % 4, rows):
        x0 = X[row_of(order, start + r)]
        for c in range(C):
            w0 = gw[c]
            g0 = g[r, c]
            for j in range(d):
                w0[j] += g0 * x0[j]
    for r in range(rows):
        for c in range(C):
            gb[c] += g[r, c]

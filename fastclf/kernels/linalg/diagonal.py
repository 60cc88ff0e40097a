"""The inverse of a diagonal Hessian, with the intercepts moved to the features' center."""

import numpy as np

from fastclf.kernels.runtime.jit import inlined, kernel, routine

TILE = 64
"""Features that are taken together."""


@inlined
def centre(row, K):
    """Make the sum over the K columns of each problem 0, in place."""
    for first in range(0, row.size, K):
        mean = 0.0
        for c in range(first, first + K):
            mean += row[c] / K
        for c in range(first, first + K):
            row[c] -= mean


@routine
def _centre_tile(tile, size, K):
    # The same for each of the first ``size`` features of a tile (C, TILE).
    mean = np.empty(TILE)
    for first in range(0, tile.shape[0], K):
        row = tile[first]
        for j in range(size):
            mean[j] = row[j]
        for c in range(first + 1, first + K):
            row = tile[c]
            for j in range(size):
                mean[j] += row[j]
        for j in range(size):
            mean[j] /= K
        for c in range(first, first + K):
            row = tile[c]
            for j in range(size):
                row[j] -= mean[j]


@routine
def _by_rows(gradient, center, second, inverse, strength, top, out):
    d = center.size
    low = out[d]
    for j in range(d):
        g, o, middle, moment = gradient[j], out[j], center[j], second[j]
        for c in range(top.size):
            o[c] = (g[c] * inverse[c] - middle * top[c]) / (moment + strength[c])
        for c in range(top.size):
            low[c] -= middle * o[c]


@routine
def _by_tiles(gradient, center, second, inverse, strength, top, K, out):
    # Loops over a few classes start up more often than they run, so tiles are turned over.
    d, columns = center.size, top.size
    low = out[d]
    tile = np.empty((columns, TILE))
    for first in range(0, d, TILE):
        size = min(TILE, d - first)
        middle, moment = center[first : first + size], second[first : first + size]
        for j in range(size):
            g = gradient[first + j]
            for c in range(columns):
                tile[c, j] = g[c]
        _centre_tile(tile, size, K)
        for c in range(columns):
            row = tile[c]
            scale, shift, added, total = inverse[c], top[c], strength[c], 0.0
            for j in range(size):
                row[j] = (row[j] * scale - middle[j] * shift) / (moment[j] + added)
            for j in range(size):
                total += middle[j] * row[j]
            low[c] -= total
        _centre_tile(tile, size, K)
        for j in range(size):
            o = out[first + j]
            for c in range(columns):
                o[c] = tile[c, j]


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
        centre(top, K)
    low = out[d]
    for c in range(columns):
        top[c] *= inverse[c]
        low[c] = top[c]
    if K == 1:
        _by_rows(gradient, center, second, inverse, strength, top, out)
    else:
        _by_tiles(gradient, center, second, inverse, strength, top, K, out)
        centre(low, K)

r"""Stable exponentials of rows of logits, and softmax, log-softmax and logsumexp over them.

With :math:`x_k = (z_k - \max z) / T` and :math:`e_k = e^{x_k}`, everything follows from the *rest*
:math:`u`, the sum of all :math:`e_k` but one that belongs to the maximum:

.. math:: \sigma_k = e_k / (1 + u),\qquad \log\sum_k e^{z_k / T} = \max z / T + \log(1 + u)

Summing the rest by itself keeps the tiny loss of a saturated row; ``log(sum(e))`` rounds it to 0.

Few classes are vectorised across the rows of a tile, through a transposed copy that stays in cache;
many classes within each row. A loop here touches few arrays, because LLVM gives up vectorising
when it has more than eight pairs of them to check for overlap.
"""

import numpy as np

from fastclf.kernels.runtime.jit import inlined, kernel, primitive
from fastclf.kernels.runtime.primitives import exp, log1p, maximum

TILE = 64
"""Rows that are worked on together, in cache."""

ACROSS = 20
"""Up to this many classes a tile is vectorised across its rows."""


@primitive
def _combine(rest, below, K):
    # In a kernel, LLVM would merge the two sums and round a tiny rest away.
    return rest + (K - 1 - below)


@primitive
def shifted(z, top, inverse_t):
    """Return ``(z - top) * inverse_t``; in a kernel, sums might be taken of the terms apart."""
    return (z - top) * inverse_t


@inlined
def exponentials_across(tile, inverse_t, x, e, top, rest):
    """Fill ``x`` and ``e`` (K, TILE), transposed, ``top`` and ``rest`` (TILE,) from a tile.

    x holds ``(z - top) * inverse_t`` and e its exponentials.
    """
    rows, K = tile.shape
    number = tile.dtype.type
    one = number(1)
    below = np.zeros(TILE, tile.dtype)
    for r in range(rows):
        top[r] = tile[r, 0]
    for k in range(K):
        xk = x[k]
        for r in range(rows):
            xk[r] = tile[r, k]
        for r in range(TILE):
            top[r] = maximum(top[r], xk[r])
    for r in range(TILE):
        rest[r] = number(0)
    for k in range(K):
        xk = x[k]
        ek = e[k]
        for r in range(TILE):
            xk[r] = shifted(xk[r], top[r], inverse_t)
        for r in range(TILE):
            ek[r] = exp(xk[r])
        for r in range(TILE):
            is_below = number(ek[r] < one)
            rest[r] += ek[r] * is_below
            below[r] += is_below
    for r in range(TILE):
        rest[r] = _combine(rest[r], below[r], number(K))


@inlined
def exponentials_within(z, inverse_t, e):
    """Fill ``e`` (K,) from one row; return its maximum and its rest."""
    number = z.dtype.type
    one = number(1)
    top = z[0]
    for k in range(z.size):
        top = maximum(top, z[k])
    for k in range(z.size):
        e[k] = exp(shifted(z[k], top, inverse_t))
    # A loop of its own, without a store: whether LLVM's check for overlap then picks the vectorised
    # loop or the scalar one would depend on addresses, and with it the order of the sum.
    rest = number(0)
    below = number(0)
    for k in range(z.size):
        is_below = number(e[k] < one)
        rest += e[k] * is_below
        below += is_below
    return top, _combine(rest, below, number(z.size))


@inlined
def scale_across(e, factor, out):
    """Write a transposed tile to its rows ``out``, each multiplied by its factor."""
    rows, K = out.shape
    for k in range(K):
        ek = e[k]
        for r in range(rows):
            out[r, k] = ek[r] * factor[r]


@inlined
def scratch(K, like):
    """Return the buffers that a tile needs: x and e (K, TILE), or one row where K is large."""
    if K <= ACROSS:
        return np.zeros((K, TILE), like.dtype), np.zeros((K, TILE), like.dtype)
    return np.zeros((1, 1), like.dtype), np.zeros((1, K), like.dtype)


def _over_tiles(write):
    @kernel
    def over_tiles(logits, temperature, start, stop, out):
        inverse_t = logits.dtype.type(1 / temperature)
        x, e = scratch(logits.shape[1], logits)
        top, rest = np.zeros(TILE, logits.dtype), np.zeros(TILE, logits.dtype)
        for first in range(start, stop, TILE):
            last = min(first + TILE, stop)
            write(logits[first:last], inverse_t, x, e, top, rest, out[first:last])

    return over_tiles


@inlined
def _write_softmax(tile, inverse_t, x, e, top, rest, out):
    K = tile.shape[1]
    one = tile.dtype.type(1)
    if K <= ACROSS:
        exponentials_across(tile, inverse_t, x, e, top, rest)
        for r in range(TILE):
            rest[r] = one / (one + rest[r])
        scale_across(e, rest, out)
    else:
        for r in range(tile.shape[0]):
            o = out[r]
            _, u = exponentials_within(tile[r], inverse_t, o)
            factor = one / (one + u)
            for k in range(K):
                o[k] *= factor


@inlined
def _log_sum(tile, inverse_t, x, e, top, log_sum):
    # log_sum (TILE,): the logarithm of one plus the rest
    if tile.shape[1] <= ACROSS:
        exponentials_across(tile, inverse_t, x, e, top, log_sum)
    else:
        for r in range(tile.shape[0]):
            top[r], log_sum[r] = exponentials_within(tile[r], inverse_t, e[0])
    for r in range(TILE):
        log_sum[r] = log1p(log_sum[r])


@inlined
def _write_logsumexp(tile, inverse_t, x, e, top, log_sum, out):
    _log_sum(tile, inverse_t, x, e, top, log_sum)
    for r in range(tile.shape[0]):
        value = top[r] * inverse_t + log_sum[r]
        if np.isinf(top[r]):  # inf - inf above; the sum itself is defined
            value = top[r]
            for k in range(tile.shape[1]):
                if np.isnan(tile[r, k]):
                    value = tile[r, k]
        out[r] = value


@inlined
def _write_log_softmax(tile, inverse_t, x, e, top, log_sum, out):
    _log_sum(tile, inverse_t, x, e, top, log_sum)
    for r in range(tile.shape[0]):
        z, o = tile[r], out[r]
        for k in range(z.size):
            o[k] = shifted(z[k], top[r], inverse_t) - log_sum[r]


softmax = _over_tiles(_write_softmax)
"""``softmax(logits, temperature, start, stop, out)`` of logits / temperature, for some rows."""

logsumexp = _over_tiles(_write_logsumexp)
"""The same for log(sum(exp(logits / temperature))), to ``out`` (n,)."""

log_softmax = _over_tiles(_write_log_softmax)
"""The same for the logarithm of the softmax."""

r"""Second derivatives of the mean loss as matrices, by BLAS on blocks of rows that stay in cache.

With :math:`p_i` the probabilities of row i and :math:`x_i` its features about a center, and 1,

.. math::
    \nabla^2_{kl} = \frac{1}{\sum_i w_i} \sum_i w_i \, (\delta_{kl} p_{ik} - p_{ik} p_{il})
    \, x_i x_i^\top

for softmax; a sigmoid column has :math:`p (1 - p)`. A distilled loss is a sum of two such terms:
that of the targets, and that of the teacher at its temperature.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastclf import threads
from fastclf.blas import single_threaded
from fastclf.kernels.products import sparse
from fastclf.losses import Softmax
from fastclf.plan.costs import MANY_FEATURES

_BLOCK = 1 << 17
"""Entries of a block of rows that fits into cache."""

_TALL = 1024
"""Largest block of rows for matrices whose side is too long for cache."""

_SMALL = 1 << 15
"""Entries up to which all rows are one block on one thread."""

_PARTIAL = 1 << 19
"""Largest number of entries in the sums of all threads together."""


def rows_of_a_block(side: int) -> int:
    """Return how many rows to take in a block whose matrix has this side.

    Each block writes and adds a whole matrix, so wide matrices need blocks of many rows.
    """
    return max(_BLOCK // side, min(side, _TALL))


def blocks_of(piece: tuple[int, int], step: int) -> Iterator[slice]:
    """Yield the rows of a piece (start, stop) in blocks of up to ``step`` rows."""
    start, stop = piece
    for first in range(start, stop, step):
        yield slice(first, min(first + step, stop))


def diagonal_blocks(
    features: Any, center: np.ndarray, slopes: np.ndarray, n_threads: int | None
) -> np.ndarray:
    """Return a matrix (C, d + 1, d + 1) for each column: moments of rows, weighted by slopes.

    The features are dense, of n rows. ``slopes`` (n, C) are the second derivatives in each logit
    times the share of each row.
    """
    d = center.size
    n, C = slopes.shape
    dtype = np.dtype(np.float32) if d >= MANY_FEATURES else features.dtype
    roots = np.sqrt(np.ascontiguousarray(slopes.T, dtype=dtype))
    if n * C * (d + 1) <= _SMALL:
        scaled = np.empty((C, n, d + 1), dtype)
        centred = (features.block(slice(None)) - center).astype(dtype, copy=False)
        np.multiply(centred, roots[:, :, None], out=scaled[:, :, :d])
        scaled[:, :, d] = roots
        return scaled.transpose(0, 2, 1) @ scaled
    pieces = _pieces(n, d + 1, d + 1, C)
    sums = np.zeros((len(pieces), C, d + 1, d + 1), dtype)
    step = rows_of_a_block(d + 1)

    def task(i: int) -> None:
        piece, k = divmod(i, C)
        scaled = np.empty((min(step, n), d + 1), dtype)
        for block in blocks_of(pieces[piece], step):
            part = scaled[: block.stop - block.start]
            np.subtract(features.block(block), center, out=part[:, :d], casting="same_kind")
            part[:, :d] *= roots[k, block, None]
            part[:, d] = roots[k, block]
            sums[piece, k] += part.T @ part

    _run(task, len(pieces) * C, n_threads)
    return sums[0] if len(sums) == 1 else sums.sum(axis=0)


def whole(
    features: Any,
    center: np.ndarray,
    shares: np.ndarray,
    terms: list[tuple[float, np.ndarray]],
    n_threads: int | None,
) -> np.ndarray:
    """Return the matrix (K (d + 1), K (d + 1)) of a softmax, its diagonal blocks left out.

    The features are dense, the weights ``shares`` (n,) of their rows sum to 1, and ``terms`` are
    what :meth:`Softmax.probabilities` returns.
    """
    d, dtype = center.size, features.dtype
    n, K = terms[0][1].shape
    q = K * (d + 1)
    pieces = [(0, n)] if n * q <= _SMALL else _pieces(n, q, q, 1)
    sums = np.zeros((len(pieces), q, q), dtype)
    step = max(1, _BLOCK // q)

    def task(piece: int) -> None:
        products = np.empty((min(step, n), K, d + 1), dtype)
        for block in blocks_of(pieces[piece], step):
            centred = features.block(block) - center
            part = products[: len(centred)]
            for share, p in terms:
                scaled = p[block] * np.sqrt(share * shares[block])[:, None]
                np.multiply(scaled[:, :, None], centred[:, None, :], out=part[:, :, :d])
                part[:, :, d] = scaled
                flat = part.reshape(len(part), q)
                sums[piece] -= flat.T @ flat

    _run(task, len(pieces), n_threads)
    return sums.sum(axis=0)


def slopes_of_pairs(loss: Softmax, logits: np.ndarray, shares: np.ndarray, K: int) -> np.ndarray:
    """Return the second derivatives (n, P) of each row's share of the mean loss.

    They are those of P pairs of columns, in the order of :mod:`fastclf.kernels.passes.narrow` and
    with its sign. ``shares`` (1, n) or (M, n) are weights that sum to 1.
    """
    M = logits.shape[1] // K
    shares = np.repeat(shares, M // len(shares), axis=0).T
    pairs = np.zeros((len(logits), M * K * (K - 1) // 2), logits.dtype)
    terms = loss.probabilities(logits, K)
    at = 0
    for m in range(M):
        for k in range(m * K, (m + 1) * K):
            for other in range(m * K, k):
                for share, p in terms:
                    pairs[:, at] += share * shares[:, m] * p[:, k] * p[:, other]
                at += 1
    return pairs


def sparse_blocks(
    X: tuple[Any, ...], slopes: np.ndarray, center: np.ndarray, n_threads: int | None
) -> np.ndarray:
    """Return symmetric matrices (P, d + 1, d + 1): moments of CSR rows, weighted by slopes (n, P).

    ``X`` is as kernels read it; features are taken about the center (d,).
    """
    n, P = slopes.shape
    q = center.size + 1
    per_row = X[0].size / max(n, 1)
    most = max(1, min(4, _PARTIAL // (q * q * P)))
    pieces = threads.chunks(n, P * per_row * (1 + per_row), most)
    sums = np.zeros((len(pieces), P, q, q))

    def task(i: int) -> None:
        sparse.moments(X, slopes, *pieces[i], sums[i])

    threads.run(task, len(pieces), n_threads)
    blocks = sums[0] if len(sums) == 1 else sums.sum(axis=0)
    unused = np.zeros(q)
    for block in blocks:
        sparse.move_to_center(center, unused, block)
    return blocks


def _pieces(n: int, row: int, side: int, matrices: int) -> list[tuple[int, int]]:
    # Pieces of rows for different threads; few enough for their sums to be small beside the rows.
    most = max(1, min(4, _PARTIAL // (side * side * matrices), n // (2 * side)))
    return threads.chunks(n, 0.02 * row * side * matrices, 1 if matrices >= 4 else most)


def _run(task: Callable[[int], None], count: int, n_threads: int | None) -> None:
    with single_threaded():
        threads.run(task, count, n_threads)

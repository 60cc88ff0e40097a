r"""Second derivatives of the mean loss as matrices, by BLAS on blocks of rows that stay in cache.

With :math:`p_i` the probabilities of row i and :math:`x_i` its features about a center, and 1,

.. math::
    \nabla^2_{kl} = \frac{1}{\sum_i w_i} \sum_i w_i \, (\delta_{kl} p_{ik} - p_{ik} p_{il})
    \, x_i x_i^\top

for softmax; a sigmoid column has :math:`p (1 - p)`. A distilled loss is a sum of two such terms:
that of the targets, and that of the teacher at its temperature.
"""

from collections.abc import Callable

import numpy as np

from fastclf import threads
from fastclf.losses import Softmax

_BLOCK = 1 << 17
"""Entries of the blocks of rows that are worked on in cache."""

_PARTIAL = 1 << 19
"""Entries that the partial sums of several threads may take together."""


def diagonal_blocks(
    X: np.ndarray, center: np.ndarray, slopes: np.ndarray, n_threads: int | None
) -> np.ndarray:
    """Return a matrix (C, d + 1, d + 1) for each column: moments of the rows, weighted by slopes.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    center : ndarray of shape (d,)
    slopes : ndarray of shape (n, C)
        The second derivative in each logit times the share of each row.
    """
    n, d = X.shape
    C = slopes.shape[1]
    roots = np.sqrt(np.ascontiguousarray(slopes.T, dtype=X.dtype))
    pieces = _pieces(n, d + 1, d + 1, C)
    sums = np.zeros((len(pieces), C, d + 1, d + 1), X.dtype)
    step = max(1, _BLOCK // (d + 1))

    def task(i: int) -> None:
        piece, k = divmod(i, C)
        start, stop = pieces[piece]
        scaled = np.empty((min(step, stop - start), d + 1), X.dtype)
        for first in range(start, stop, step):
            rows = slice(first, min(first + step, stop))
            part = scaled[: rows.stop - first]
            np.subtract(X[rows], center, out=part[:, :d])
            part[:, :d] *= roots[k, rows, None]
            part[:, d] = roots[k, rows]
            sums[piece, k] += part.T @ part

    _run(task, len(pieces) * C, n_threads)
    return sums.sum(axis=0)


def whole(
    X: np.ndarray,
    center: np.ndarray,
    shares: np.ndarray,
    terms: list[tuple[float, np.ndarray]],
    n_threads: int | None,
) -> np.ndarray:
    """Return the matrix (K (d + 1), K (d + 1)) of a softmax, its diagonal blocks left out.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    center : ndarray of shape (d,)
    shares : ndarray of shape (n,)
        Weights of the rows, which sum to 1.
    terms : list
        What :meth:`Softmax.probabilities` returns.
    """
    n, d = X.shape
    K = terms[0][1].shape[1]
    q = K * (d + 1)
    pieces = _pieces(n, q, q, 1)
    sums = np.zeros((len(pieces), q, q), X.dtype)
    step = max(1, _BLOCK // q)

    def task(piece: int) -> None:
        start, stop = pieces[piece]
        products = np.empty((min(step, stop - start), K, d + 1), X.dtype)
        for first in range(start, stop, step):
            rows = slice(first, min(first + step, stop))
            part = products[: rows.stop - first]
            centred = X[rows] - center
            for share, p in terms:
                scaled = p[rows] * np.sqrt(share * shares[rows, None]).astype(X.dtype)
                np.multiply(scaled[:, :, None], centred[:, None, :], out=part[:, :, :d])
                part[:, :, d] = scaled
                flat = part.reshape(-1, q)
                sums[piece] -= flat.T @ flat

    _run(task, len(pieces), n_threads)
    return sums.sum(axis=0)


def _pieces(n: int, row: int, side: int, matrices: int) -> list[tuple[int, int]]:
    # Pieces of rows for different threads, where their partial sums are small beside them.
    most = max(1, min(4, _PARTIAL // (side * side * matrices), n // (2 * side)))
    return threads.chunks(n, 0.02 * row * side * matrices, 1 if matrices >= 4 else most)


def _run(task: Callable[[int], None], count: int, n_threads: int | None) -> None:
    with threads.single_threaded_blas():
        threads.run(task, count, n_threads)

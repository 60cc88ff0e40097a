"""Hessians of the mean loss over an X in memory, and means of its curvatures in the logits."""

import numpy as np

from fastclf.kernels.passes import narrow
from fastclf.losses import Softmax
from fastclf.objective import matrices
from fastclf.objective.arrays import Arrays
from fastclf.objective.features import CSRFeatures, DenseFeatures, logits_of
from fastclf.objective.moments import Hessian
from fastclf.targets import Target

_LOGITS = 1 << 20
"""Logits that are held at a time: those of all rows and many classes may be larger than X."""


def mean_curvatures(
    arrays: Arrays,
    features: DenseFeatures | CSRFeatures,
    target: Target,
    weights: np.ndarray,
    theta: np.ndarray,
    n_threads: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss's curvature in each logit (M K,), averaged over rows, and in each row (n,).

    ``target`` and ``weights`` (n,) are those of the rows.
    """
    n, columns = target.n_rows, theta.shape[1]
    sums, of_rows = np.zeros(columns), np.empty(n)
    step = max(1, _LOGITS // columns)
    for rows in matrices.blocks_of((0, n), step):
        some, own = features, target
        if step < n:
            some, own = features.piece(rows), target.rows(np.arange(rows.start, rows.stop))
        logits = logits_of(some, theta, n_threads)
        slopes = arrays.loss.curvature(logits, own, arrays.n_outputs)
        sums += weights[rows] @ slopes
        of_rows[rows] = slopes.mean(axis=1)
    return sums / weights.sum(), of_rows


def hessian_of(
    arrays: Arrays,
    features: DenseFeatures | CSRFeatures,
    logits: np.ndarray,
    target: Target,
    shares: np.ndarray,
    whole: bool,
    n_threads: int | None,
) -> Hessian:
    """Return the Hessian of the rows of some features, for each problem or for each column.

    ``logits`` (n, M K) and ``target`` are those of the rows, ``shares`` (1, n) or (M, n) their
    weights, which sum to 1.
    """
    loss, center, K = arrays.loss, arrays.center, arrays.n_outputs
    q, M = center.size + 1, logits.shape[1] // K
    if whole and isinstance(loss, Softmax) and isinstance(features, CSRFeatures):
        slopes = matrices.slopes_of_pairs(loss, logits, shares, K)
        blocks = matrices.sparse_blocks(features.canonical, slopes, center, n_threads)
        problems = np.empty((M, K * q, K * q))
        narrow.assemble(blocks, q, problems)
        return arrays.hessian(problems)
    slopes = loss.curvature(logits, target, K)
    slopes *= shares.T if len(shares) == 1 else np.repeat(shares, K, axis=0).T
    if isinstance(features, CSRFeatures):
        blocks = matrices.sparse_blocks(features.canonical, slopes, center, n_threads)
        return arrays.hessian(blocks)
    blocks = matrices.diagonal_blocks(features, center, slopes, n_threads)
    if whole and isinstance(loss, Softmax):
        problems = np.empty((M, K, q, K, q), features.dtype)
        for m in range(M):
            columns = slice(m * K, (m + 1) * K)
            own = shares[m if len(shares) > 1 else 0]
            terms = loss.probabilities(np.ascontiguousarray(logits[:, columns]), K)
            matrix = matrices.whole(features, center, own, terms, n_threads)
            problems[m] = matrix.reshape(K, q, K, q)
            problems[m, np.arange(K), :, np.arange(K)] = blocks[columns]
        blocks = problems.reshape(M, K * q, K * q)
    return arrays.hessian(blocks)

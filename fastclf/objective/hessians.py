"""Hessians of the mean loss over an X in memory."""

import numpy as np

from fastclf.kernels.passes import narrow
from fastclf.losses import Softmax
from fastclf.objective import matrices
from fastclf.objective.arrays import Arrays
from fastclf.objective.features import CSRFeatures, DenseFeatures
from fastclf.objective.moments import Hessian
from fastclf.targets import Target


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

"""Hessians of the mean loss over an X in memory."""

import numpy as np

from fastclf.kernels.passes import narrow
from fastclf.losses import Softmax
from fastclf.objective import matrices
from fastclf.objective.arrays import Arrays
from fastclf.objective.features import CSRFeatures, DenseFeatures
from fastclf.objective.moments import Hessian
from fastclf.targets import Target


def dense_hessian(
    arrays: Arrays,
    features: DenseFeatures,
    logits: np.ndarray,
    target: Target,
    shares: np.ndarray,
    whole: bool,
    n_threads: int | None,
) -> Hessian:
    """Return the Hessian of the rows of dense features, by BLAS.

    ``logits`` (n, M K) and ``target`` are those of the rows, ``shares`` (1, n) or (M, n) their
    weights, which sum to 1.
    """
    center, K = arrays.center, arrays.n_outputs
    slopes = arrays.loss.curvature(logits, target, K)
    slopes *= shares.T if len(shares) == 1 else np.repeat(shares, K, axis=0).T
    blocks = matrices.diagonal_blocks(features, center, slopes, n_threads)
    if whole and isinstance(arrays.loss, Softmax):
        q = blocks.shape[1]
        problems = []
        for m in range(logits.shape[1] // K):
            columns = slice(m * K, (m + 1) * K)
            own = shares[m if len(shares) > 1 else 0]
            terms = arrays.loss.probabilities(np.ascontiguousarray(logits[:, columns]), K)
            matrix = matrices.whole(features, center, own, terms, n_threads)
            by_class = matrix.reshape(K, q, K, q)
            for k, block in enumerate(blocks[columns]):
                by_class[k, :, k] = block
            problems.append(matrix)
        blocks = np.stack(problems)
    return arrays.hessian(blocks)


def sparse_hessian(
    arrays: Arrays,
    features: CSRFeatures,
    logits: np.ndarray,
    target: Target,
    shares: np.ndarray,
    whole: bool,
    n_threads: int | None,
) -> Hessian:
    """Return the Hessian of the rows of sparse features; see :func:`dense_hessian`."""
    K, q = arrays.n_outputs, arrays.features.shape[1] + 1
    slopes = matrices.slopes_of_pairs(arrays.loss, logits, target, shares, K, whole)
    blocks = matrices.sparse_blocks(tuple(features.canonical), slopes, arrays.center, n_threads)
    if whole and K > 1:
        problems = np.empty((logits.shape[1] // K, K * q, K * q))
        narrow.assemble(blocks, q, problems)
        blocks = problems
    return arrays.hessian(blocks)

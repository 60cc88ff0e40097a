"""Hessians of the mean loss over an X in memory."""

import numpy as np

from fastclf.losses import Softmax
from fastclf.objective import matrices, narrow
from fastclf.objective.arrays import Arrays
from fastclf.objective.features import CSRFeatures
from fastclf.objective.moments import Hessian
from fastclf.targets import Target


def dense_hessian(
    arrays: Arrays,
    logits: np.ndarray,
    rows: np.ndarray | None,
    target: Target,
    shares: np.ndarray,
    whole: bool,
    n_threads: int | None,
) -> Hessian:
    """Return the Hessian from the logits (m, M K) of some rows of a dense X, by BLAS.

    Parameters
    ----------
    arrays : Arrays
    logits : ndarray of shape (m, M K)
    rows : ndarray of shape (m,) or None
        The rows that count; None for all.
    target : Target
        Of these rows.
    shares : ndarray of shape (1, m) or (M, m)
        Weights that sum to 1.
    whole : bool
        A matrix for each problem instead of each column.
    """
    X, center, K = arrays.features.X, arrays.center, arrays.n_outputs
    slopes = arrays.loss.curvature(logits, target, K)
    slopes *= shares.T if len(shares) == 1 else np.repeat(shares, K, axis=0).T
    blocks = matrices.diagonal_blocks(X, rows, center, slopes, n_threads)
    if whole and isinstance(arrays.loss, Softmax):
        q = blocks.shape[1]
        problems = []
        for m in range(logits.shape[1] // K):
            columns = slice(m * K, (m + 1) * K)
            own = shares[m if len(shares) > 1 else 0]
            terms = arrays.loss.probabilities(np.ascontiguousarray(logits[:, columns]), K)
            matrix = matrices.whole(X, rows, center, own, terms, n_threads)
            by_class = matrix.reshape(K, q, K, q)
            for k, block in enumerate(blocks[columns]):
                by_class[k, :, k] = block
            problems.append(matrix)
        blocks = np.stack(problems)
    return Hessian(center.astype(np.float64), blocks)


def sparse_hessian(
    arrays: Arrays,
    logits: np.ndarray,
    features: CSRFeatures,
    target: Target,
    whole: bool,
    n_threads: int | None,
) -> Hessian:
    """Return the Hessian from the logits (m, M K) of the rows of ``features``."""
    K, q = arrays.n_outputs, arrays.features.shape[1] + 1
    slopes = matrices.slopes_of_pairs(arrays.loss, logits, target, K, whole)
    blocks = matrices.sparse_blocks(tuple(features.canonical), slopes, arrays.center, n_threads)
    if whole and K > 1:
        side = K * q
        whole_matrices = np.empty((logits.shape[1] // K, side, side))
        narrow.assemble(blocks, whole_matrices)
        blocks = whole_matrices
    return Hessian(arrays.center.astype(np.float64), blocks)


def without_intercepts(hessian: Hessian) -> Hessian:
    """Make the rows and columns of the intercepts those of the identity, in place."""
    d, blocks = hessian.center.size, hessian.blocks
    intercepts = np.arange(d, blocks.shape[1], d + 1)
    blocks[:, intercepts] = 0
    blocks[:, :, intercepts] = 0
    blocks[:, intercepts, intercepts] = 1
    return hessian

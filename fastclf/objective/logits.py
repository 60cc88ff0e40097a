"""Logits of rows, for second derivatives of the loss."""

from typing import Any

import numpy as np

from fastclf import threads
from fastclf.kernels.passes import value_and_grad as passes
from fastclf.objective.features import CSRFeatures, DenseFeatures

_SMALL = 1 << 15
"""Entries up to which NumPy takes all products in one call."""


def logits_of(
    features: DenseFeatures | CSRFeatures,
    theta: np.ndarray,
    rows: np.ndarray | None,
    n_threads: int | None,
) -> np.ndarray:
    """Return the logits (m, C) of ``rows`` (m,) in the dtype of the features; None for all rows.

    Dense features are those of all rows, sparse ones those of the chosen rows.
    """
    X: Any = features.X
    theta = theta.astype(features.dtype)
    is_sparse = isinstance(features, CSRFeatures)
    n = features.shape[0] if is_sparse or rows is None else rows.size
    if n * features.shape[1] <= _SMALL:
        return (X if is_sparse or rows is None else X[rows]) @ theta[:-1] + theta[-1]
    logits = np.empty((n, theta.shape[1]), features.dtype)
    w, b = np.ascontiguousarray(theta[:-1]), theta[-1].copy()
    entries = features.entries / max(features.shape[0], 1)
    pieces = threads.chunks(n, entries * (1 + 0.1 * theta.shape[1]))

    def task(i: int) -> None:
        piece = slice(*pieces[i])
        if is_sparse:
            passes.decision_sparse(features.arrays, w, b, *pieces[i], logits[piece])
        else:
            logits[piece] = X[piece if rows is None else rows[piece]] @ theta[:-1] + theta[-1]

    with threads.single_threaded_blas():
        threads.run(task, len(pieces), n_threads)
    return logits

"""The logits of rows for the coefficients of a fitted model."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

from fastclf import threads
from fastclf.errors import InputError
from fastclf.finite import check_logits
from fastclf.kernels.passes import value_and_grad as passes
from fastclf.targets import csr_for_kernels, for_kernels


def logits_of(
    theta: np.ndarray,
    X: Any,
    transform: Callable[[Any], Any] | None = None,
    n_threads: int | None = None,
) -> np.ndarray:
    """Return the logits of rows, shape (n, C).

    Parameters
    ----------
    theta : ndarray of shape (d + 1, C)
        Coefficients, and intercepts in the last row.
    X : ndarray or sparse matrix of shape (n, d)
        Floats.
    transform : callable, optional
        Applied to the features before the coefficients: to a sparse X at once, to a dense one
        slice by slice.
    n_threads : int, optional

    Raises
    ------
    InputError
        If X has another number of columns than the model, or X is sparse with wrong indices.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.logits import logits_of
    >>> logits_of(np.array([[1.0], [2.0], [0.5]]), np.array([[1.0, 1.0], [0.0, 3.0]])).ravel()
    array([3.5, 6.5])
    """
    if X.ndim != 2 or X.shape[1] != len(theta) - 1:
        raise InputError(
            f"X must have shape (n, {len(theta) - 1}), the features of this model; got {X.shape}"
        )
    dtype = np.result_type(X.dtype, theta.dtype)
    logits = np.empty((X.shape[0], theta.shape[1]), dtype)
    sparse = scipy.sparse.issparse(X)
    write = (_sparse_rows if sparse else _dense_rows)(theta, X, transform, dtype)
    entries = X.nnz if sparse else X.size
    n, d = X.shape
    pieces = threads.chunks(n, entries / max(n, 1) * (1 + 0.1 * theta[:-1].size / d))

    def task(i: int) -> None:
        start, stop = pieces[i]
        write(start, stop, logits[start:stop])

    threads.run(task, len(pieces), n_threads)
    return logits


def check_finite(
    X: Any, logits: np.ndarray, theta: np.ndarray, rows: np.ndarray | int, names: Any
) -> None:
    """Raise an InputError that names the first NaN or infinity in X, if the logits have one.

    ``rows`` are the numbers of the rows in their file, or that of the first one; ``names`` are
    those of the features, or None.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        finite = math.isfinite(logits.sum())
    if not finite and np.isfinite(theta).all():
        numbers = np.arange(rows, rows + len(logits)) if isinstance(rows, int) else rows
        check_logits(X, logits, numbers, names)


def _dense_rows(
    theta: np.ndarray, X: np.ndarray, transform: Callable[[Any], Any] | None, dtype: np.dtype
) -> Callable[[int, int, np.ndarray], None]:
    """Return ``write(start, stop, out)``, which computes the logits of a slice of rows."""
    w = np.ascontiguousarray(theta[:-1].T, dtype)
    b = theta[-1].astype(dtype)

    def write(start: int, stop: int, out: np.ndarray) -> None:
        part = X[start:stop]
        if transform is not None:
            part = transform(part)
        passes.decision_dense(for_kernels(part, dtype), w, b, 0, stop - start, out)

    return write


def _sparse_rows(
    theta: np.ndarray, X: Any, transform: Callable[[Any], Any] | None, dtype: np.dtype
) -> Callable[[int, int, np.ndarray], None]:
    if transform is not None:
        X = transform(X)
    X = X.tocsr().astype(dtype, copy=False)
    X.check_format(full_check=True)  # the kernel doesn't check the indices
    arrays = csr_for_kernels(X)
    w = np.ascontiguousarray(theta[:-1], dtype)
    b = theta[-1].astype(dtype)
    return lambda start, stop, out: passes.decision_sparse(arrays, w, b, start, stop, out)

r"""The same problem in the span of its rows, if there are fewer rows than features.

With :math:`X^\top = Q R`, Q with orthonormal columns, an optimal W under an L2 penalty lies in the
span of the rows: :math:`W = Q V`, :math:`X W = R^\top V` and :math:`\lVert W \rVert = \lVert V
\rVert` (the representer theorem). So the problem on the n columns of :math:`R^\top` is the same.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from fastclf.blas import single_threaded
from fastclf.plan import Shape, current_costs
from fastclf.plan.engines import takes_row_span

_ORTHONORMAL = 1e-12
"""Largest product of two columns of a basis, relative to that of a column with itself."""


@dataclass(frozen=True)
class RowSpace:
    """An orthonormal basis (d, n) of the span of n rows, and their coordinates ``rows`` (n, n)."""

    basis: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, X: Any) -> "RowSpace | None":
        """Return the span of the rows of X; None where it doesn't pay."""
        n, d = X.shape
        shape = Shape(n, d, is_sparse=scipy.sparse.issparse(X))
        if not takes_row_span(shape, current_costs()):
            return None
        with single_threaded():
            factors = _cholesky_qr(X)
            if factors is None:
                q, r = scipy.linalg.qr(X.T, mode="economic", check_finite=False)
                factors = np.ascontiguousarray(q), np.ascontiguousarray(r.T)
        return cls(*factors)

    def coordinates(self, X: Any) -> np.ndarray:
        """Return coordinates (m, n) of the projection of other rows."""
        return np.ascontiguousarray(X @ self.basis)

    def reduce(self, theta: np.ndarray) -> np.ndarray:
        """Return theta (d + 1, C) in coordinates, (n + 1, C)."""
        return np.vstack([self.basis.T @ theta[:-1], theta[-1:]])

    def expand(self, theta: np.ndarray) -> np.ndarray:
        """Return theta (d + 1, C) from coordinates (n + 1, C)."""
        return np.vstack([self.basis @ theta[:-1], theta[-1:]])


def _cholesky_qr(X: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    # Q and R' by two Cholesky factorisations (Fukaya et al., CholeskyQR2, 2014), five times as fast
    # as by Householder's reflections; None if rows are (almost) linearly dependent. If they are far
    # from dependent, Q is orthonormal after one.
    q, r = X, np.eye(len(X), dtype=X.dtype)
    for _ in range(2):
        try:
            factor = np.linalg.cholesky(q @ q.T)
        except np.linalg.LinAlgError:
            return None
        diagonal = factor.diagonal()
        ratio, eps = diagonal.min() / diagonal.max(), np.finfo(X.dtype).eps
        if not ratio > eps**0.4:
            return None
        q = np.tril(np.linalg.inv(factor)) @ q  # faster than to solve with so many columns
        r = r @ factor
        if eps <= _ORTHONORMAL * ratio**2:
            break
    return np.ascontiguousarray(q.T), r

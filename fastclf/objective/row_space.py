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
    r"""An orthonormal basis of the span of n rows, and their coordinates in it.

    The basis is :math:`Q = B^\top L^{-\top}`. It isn't computed itself: its products with vectors
    are cheap.

    Parameters
    ----------
    spanning : ndarray of shape (n, d)
        B, n rows that span the space.
    factor : ndarray of shape (n, n)
        L, a lower triangle.
    rows : ndarray of shape (n, n)
        The coordinates of the rows of X in the basis.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.objective import RowSpace
    >>> X = np.random.default_rng(0).normal(size=(10, 1000))
    >>> space = RowSpace.of(X)
    >>> space.rows.shape
    (10, 10)
    >>> theta = np.ones((11, 1))
    >>> bool(np.allclose(X @ space.expand(theta)[:-1], space.rows @ theta[:-1]))
    True
    >>> RowSpace.of(X.T) is None  # more rows than features
    True
    """

    spanning: np.ndarray
    factor: np.ndarray
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
                factors = q.T, np.eye(n, dtype=X.dtype), np.ascontiguousarray(r.T)
        return cls(*factors)

    def coordinates(self, X: Any) -> np.ndarray:
        """Return coordinates (m, n) of the projection of other rows."""
        with single_threaded():
            return np.ascontiguousarray(self._solve((X @ self.spanning.T).T).T)

    def reduce(self, theta: np.ndarray) -> np.ndarray:
        """Return theta (d + 1, C) in coordinates, (n + 1, C)."""
        with single_threaded():
            return np.vstack([self._solve(self.spanning @ theta[:-1]), theta[-1:]])

    def expand(self, theta: np.ndarray) -> np.ndarray:
        """Return theta (d + 1, C) from coordinates (n + 1, C)."""
        with single_threaded():
            return np.vstack([self.spanning.T @ self._solve(theta[:-1], trans=1), theta[-1:]])

    def _solve(self, right: np.ndarray, trans: int = 0) -> np.ndarray:
        how: Any = {"trans": trans, "lower": True, "check_finite": False}
        return scipy.linalg.solve_triangular(self.factor, right, **how)


def _cholesky_qr(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    # B, L and the coordinates of the rows, by one or two Cholesky factorisations (Fukaya et al.,
    # CholeskyQR2, 2014), faster than Householder's reflections; None if rows are (almost) linearly
    # dependent. If they are far from dependent, the basis is orthonormal after one.
    rows, coordinates = X, np.eye(len(X), dtype=X.dtype)
    for _ in range(2):
        try:
            factor = np.linalg.cholesky(rows @ rows.T)
        except np.linalg.LinAlgError:
            return None
        diagonal = factor.diagonal()
        ratio, eps = diagonal.min() / diagonal.max(), np.finfo(X.dtype).eps
        if not ratio > eps**0.4:
            return None
        found = rows, factor, coordinates @ factor
        if eps <= _ORTHONORMAL * ratio**2:
            break
        rows, coordinates = np.tril(np.linalg.inv(factor)) @ rows, found[2]
    return found

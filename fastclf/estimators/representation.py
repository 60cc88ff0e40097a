r"""The features that a solver works on, where they aren't the features that were given.

Liblinear penalises the intercept. Each row gets one more feature of the constant value s, the
``intercept_scaling``, and there is no other intercept. With v the coefficient of that feature, the
intercept is :math:`b = s v`, and its penalty is :math:`b^2 / (2 s^2)`, or :math:`|b| / s` with an
L1 penalty: a larger s penalises the intercept less (Fan et al., *LIBLINEAR: a library for large
linear classification*, 2008, where s is the bias term).

Where there are fewer rows than features, the problem is solved in the span of the rows; see
:class:`fastclf.objective.RowSpace`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastclf.estimators import choice
from fastclf.objective import RowSpace
from fastclf.plan import Shape, current_costs
from fastclf.plan.engines import takes_dense_copy


@dataclass(frozen=True)
class InterceptColumn:
    """A column of the constant ``scaling``, whose coefficient takes the place of the intercept."""

    scaling: float

    @classmethod
    def of(cls, estimator: Any) -> "InterceptColumn | None":
        """Return the column that an estimator's solver asks for; None for a free intercept."""
        if not choice.is_liblinear(estimator.solver) or not estimator.fit_intercept:
            return None
        return cls(float(getattr(estimator, "intercept_scaling", 1.0)))

    def rows(self, X: Any) -> Any:
        """Return a copy of X (n, d) with the column at its end (n, d + 1)."""
        column = np.full((X.shape[0], 1), self.scaling, X.dtype)
        if scipy.sparse.issparse(X):
            return scipy.sparse.hstack([X, scipy.sparse.csr_array(column)], format="csr")
        return np.hstack([X, column])

    def reduce(self, theta: np.ndarray) -> np.ndarray:
        """Return theta (d + 1, C) as that of the longer rows, without intercept (d + 2, C)."""
        return np.vstack([theta[:-1], theta[-1:] / self.scaling, np.zeros_like(theta[-1:])])

    def expand(self, theta: np.ndarray) -> np.ndarray:
        """Return theta (d + 1, C) with an intercept, from that of the longer rows (d + 2, C)."""
        return np.vstack([theta[:-2], theta[-2:-1] * self.scaling])


class Representation(NamedTuple):
    """The features ``X`` that a solver works on, and how coefficients get there and back."""

    X: Any
    column: InterceptColumn | None
    space: RowSpace | None

    @classmethod
    def of(
        cls, X: Any, column: InterceptColumn | None, may_reduce: bool, one_problem: bool
    ) -> "Representation":
        """Return X (n, d) with a column, if any, and in the span of its rows if that is faster.

        A small sparse X becomes dense, unless there are several problems, one for each label.
        ``may_reduce`` is False if the penalty depends on the directions of the features, as an L1
        penalty does, or if X isn't in memory.
        """
        X = X if column is None else column.rows(X)
        if not may_reduce:
            return cls(X, column, None)
        n, d = X.shape
        shape = Shape(n, d, is_sparse=scipy.sparse.issparse(X))
        if one_problem and takes_dense_copy(shape, current_costs()):
            X = X.toarray()
        space = RowSpace.of(X)
        return cls(X if space is None else space.rows, column, space)

    def rows(self, X: Any) -> Any:
        """Return the representation of other rows X (m, d)."""
        X = X if self.column is None else self.column.rows(X)
        return X if self.space is None else self.space.coordinates(X)

    def tolerance(self, tol: float) -> float:
        """Return the largest entry of the gradient here that implies ``tol`` for all features."""
        # No entry of a vector is larger than its norm.
        return tol if self.space is None else tol / np.sqrt(len(self.X))

    def reduce(self, theta: np.ndarray) -> np.ndarray:
        """Return theta (d + 1, C) as that of the representation."""
        theta = theta if self.column is None else self.column.reduce(theta)
        return theta if self.space is None else self.space.reduce(theta)

    def expand(self, theta: np.ndarray) -> np.ndarray:
        """Return theta (d + 1, C) of the features that were given."""
        theta = theta if self.space is None else self.space.expand(theta)
        return theta if self.column is None else self.column.expand(theta)

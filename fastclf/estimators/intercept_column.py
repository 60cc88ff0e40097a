r"""Liblinear's intercept: the coefficient of one more feature, penalised like all others.

Each row gets a feature of the constant value s, the ``intercept_scaling``. With v its coefficient,
the intercept is :math:`b = s v`, and the penalty of v is :math:`b^2 / (2 s^2)` or :math:`|b| / s`:
a larger s penalises the intercept less (Fan et al., *LIBLINEAR: a library for large linear
classification*, 2008, where s is the bias term).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from fastclf.estimators import choice


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

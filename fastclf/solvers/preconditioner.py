r"""An approximation of the inverse Hessian, from second moments of the features.

With the intercept moved to the features' center c, :math:`b' = b + c^\top w`, the Hessian at equal
logits is block diagonal: :math:`h S + \lambda I` for the coefficients of each column, S the
covariance and h the curvature of the loss in a logit, and h for the intercept. There it bounds the
Hessian everywhere (Böhning, *Multinomial logistic regression algorithm*, 1992); with moments that
are weighted by the curvature of each row at some theta it is close to the Hessian there. Either way
it undoes the scales and correlations of the features, which is what makes raw data hard.
"""

import numpy as np
import scipy.linalg

from fastclf.objective import Curvature

FULL_MATRIX = 2048
"""Up to this many features S is a matrix; above, its diagonal."""


class Preconditioner:
    """Applies the approximate inverse Hessian of every column to a gradient.

    Parameters
    ----------
    curvature : Curvature
    penalty : ndarray of shape (M * K,)
        Strength of the penalty on each column.
    """

    def __init__(self, curvature: Curvature, penalty: np.ndarray) -> None:
        self.center = curvature.center
        self.logit = curvature.logit
        self.groups = [(value, penalty == value) for value in np.unique(penalty)]
        self.factors = [_factor(curvature, value) for value, _ in self.groups]

    def apply(self, gradient: np.ndarray) -> np.ndarray:
        """Return the approximate inverse Hessian times a gradient (d + 1, M * K)."""
        step = np.empty_like(gradient)
        for factor, (_, columns) in zip(self.factors, self.groups, strict=True):
            centred = gradient[:-1, columns] - np.outer(self.center, gradient[-1, columns])
            if factor.ndim == 2:
                solved = scipy.linalg.cho_solve((factor, False), centred, check_finite=False)
            else:
                solved = centred / factor[:, None]
            step[:-1, columns] = solved
            step[-1, columns] = gradient[-1, columns] / self.logit - self.center @ solved
        return step


def _factor(curvature: Curvature, penalty: float) -> np.ndarray:
    second = curvature.logit * curvature.second
    diagonal = second.diagonal() if second.ndim == 2 else second
    # Keeps constant or collinear features solvable where there is (almost) no penalty.
    ridge = penalty + 1e-10 * max(float(diagonal.mean()), 1e-300)
    if second.ndim == 1:
        return second + ridge
    matrix = second + 0.0
    matrix.flat[:: matrix.shape[0] + 1] += ridge + 1e-12 * diagonal
    return scipy.linalg.cholesky(matrix, lower=False, overwrite_a=True, check_finite=False)

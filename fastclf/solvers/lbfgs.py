"""Limited-memory BFGS over the covariance of the features."""

from dataclasses import dataclass

import numpy as np

from fastclf.objective import Objective
from fastclf.solvers.preconditioner import MomentsInverse
from fastclf.solvers.quasi_newton import QuasiNewton

FULL_MATRIX = 4096
"""Up to this many features their covariance is a matrix; above, its diagonal."""


@dataclass(frozen=True)
class LBFGS(QuasiNewton):
    """Limited-memory BFGS over the features' covariance, which undoes scales and correlations.

    Parameters
    ----------
    memory : int
        How many past steps the approximation of the Hessian uses.
    sample : int
        Number of rows that the covariance is taken from, and that are solved first for a start;
        0 for all rows and no start.
    tol : float, optional
        Stop when no entry of the gradient of the mean loss and penalty is larger. None: the
        estimator's.
    max_iter : int, optional
        None: the estimator's.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> import fastclf
    >>> X, y = load_wine(return_X_y=True)
    >>> clf = fastclf.LogisticRegression(solver=LBFGS(memory=10)).fit(X, y)
    >>> clf.history_["gradient_norm"][-1] < 1e-4
    np.True_
    """

    def approximate(
        self, objective: Objective, theta: np.ndarray, penalty: np.ndarray
    ) -> MomentsInverse:
        """Return an approximate inverse Hessian at theta."""
        at = theta if theta.any() else None  # with equal logits all rows count alike
        curvature = objective.curvature(objective.n_features <= FULL_MATRIX, at)
        return MomentsInverse(curvature, penalty, objective.n_outputs)

    def cost(self, objective: Objective) -> float:
        """Return the cost of :meth:`approximate`, in passes over the objective."""
        columns = objective.n_problems * objective.n_outputs
        full = objective.n_features <= FULL_MATRIX and not objective.is_sparse
        return 1 + (objective.n_features / (12 * columns) if full else 0)

    def is_exact(self, objective: Objective) -> bool:
        """Tell whether :meth:`approximate` leaves nothing for the pairs to mend."""
        return False

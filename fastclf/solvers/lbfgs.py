"""Limited-memory BFGS over the covariance of the features."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastclf.objective import Objective
from fastclf.plan import MEASURED, Costs, Plan, Shape, engines
from fastclf.solvers.engines.label_block import constant_optimum
from fastclf.solvers.engines.label_blocks import LabelBlocksState
from fastclf.solvers.preconditioner import MomentsInverse
from fastclf.solvers.quasi_newton import QuasiNewton, from_moments


@dataclass(frozen=True)
class LBFGS(QuasiNewton):
    """Limited-memory BFGS preconditioned by the covariance of the features.

    Parameters
    ----------
    memory : int
        How many past steps the approximation of the Hessian uses.
    sample : int
        Number of rows that are fitted first, to start from; 0 for none. A sample that is too small
        for the number of coefficients isn't used.
    tol : float, optional
        Stop when no entry of the gradient of the mean loss and penalty is larger. None: the
        estimator's.
    max_iter : int, optional
        None: the estimator's.
    negligible : float
        Go on below ``tol`` while a step is expected to decrease the objective by more than this,
        relative to its value at theta = 0.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> import fastclf
    >>> X, y = load_wine(return_X_y=True)
    >>> clf = fastclf.LogisticRegression(solver=LBFGS(memory=10)).fit(X, y)
    >>> clf.history_["gradient_norm"][-1] < 1e-4
    np.True_
    """

    def init(self, objective: Objective, theta: np.ndarray) -> Any:
        """Return the first state."""
        plan = self._plan(objective)
        if plan.engine != engines.LABEL_BLOCKS:
            return super().init(objective, theta)
        assert objective.arrays is not None
        theta = np.array(theta, np.float64, order="C")
        full, start = plan.matrix == engines.COVARIANCE, theta if theta.any() else None
        curvature = objective.curvature(full, start)
        if self.max_iter != 0 and start is None and objective.arrays.fit_intercept:
            # From the best constant, where all rows have the same curvature.
            theta[-1], logits = constant_optimum(objective)
            curvature = replace(curvature, logits=logits)
        penalty = objective.penalty.columns(objective.n_problems)
        if full:  # one factor is enough for all
            penalty = np.full(penalty.size, penalty.mean())
        inverse = MomentsInverse(curvature, penalty, 1)
        return LabelBlocksState.at(
            objective, theta, inverse, self._stopping, self.memory, self.max_iter or 0
        )

    def approximate(self, objective: Objective, theta: np.ndarray, n_rows: int) -> MomentsInverse:
        """Return an approximate inverse Hessian at theta, from about so many rows."""
        full = self._plan(objective).matrix == engines.COVARIANCE
        return from_moments(objective, theta, full, n_rows)

    def plan(self, shape: Shape, costs: Costs = MEASURED) -> Plan:
        """Return what the solver does with a problem of this shape."""
        return engines.lbfgs(shape, costs, self.sample, self.memory, self.negligible)

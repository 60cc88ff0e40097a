"""Limited-memory BFGS over the covariance of the features."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastclf.objective import MANY_FEATURES, Objective
from fastclf.solvers.label_blocks import LabelBlocksState
from fastclf.solvers.preconditioner import FULL_MATRIX, MomentsInverse
from fastclf.solvers.quasi_newton import QuasiNewton, QuasiNewtonState, passes_for

_RARELY = 6.0
"""Passes that go by before variances are taken anew; they cost two, but help little."""


@dataclass(frozen=True)
class LBFGS(QuasiNewton):
    """Limited-memory BFGS over the features' covariance, which undoes scales and correlations.

    Parameters
    ----------
    memory : int
        How many past steps the approximation of the Hessian uses.
    sample : int
        Number of rows that are solved first, for a start; 0 for none. Too small a sample, for the
        number of coefficients, isn't used.
    tol : float, optional
        Stop when no entry of the gradient of the mean loss and penalty is larger. None: the
        estimator's.
    max_iter : int, optional
        None: the estimator's.
    negligible : float
        Go on below ``tol`` as long as a step promises to decrease the objective by more than this,
        relative to the objective at zero.

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
        if not self._takes_blocks(objective):
            return super().init(objective, theta)
        theta = np.array(theta, dtype=np.float64)
        full, start = _has_matrix(objective), theta if theta.any() else None
        curvature = objective.curvature(full, start)
        if self.max_iter != 0 and start is None and objective.fit_intercept:
            # From the best constant, where all rows have the same curvature.
            theta[-1], logits = objective.constant_optimum()
            curvature = replace(curvature, logits=logits)
        penalty = objective.penalty.columns(objective.n_problems)
        if full:  # one factor is enough for all
            penalty = np.full(penalty.size, penalty.mean())
        inverse = MomentsInverse(curvature, penalty, 1)
        return LabelBlocksState.at(
            objective, theta, inverse, self._stopping, self.memory, self.max_iter or 0
        )

    def step(self, objective: Objective, state: QuasiNewtonState | LabelBlocksState) -> None:
        """Take one step of every problem that still runs."""
        if isinstance(state, LabelBlocksState):
            state.step(objective)
        else:
            super().step(objective, state)

    def approximate(self, objective: Objective, theta: np.ndarray, n_rows: int) -> MomentsInverse:
        """Return an approximate inverse Hessian at theta, from about so many rows."""
        full = _has_matrix(objective)
        curvature = objective.curvature(full, theta if theta.any() else None, n_rows)
        penalty = objective.penalty.columns(theta.shape[1])
        return MomentsInverse(curvature, penalty, objective.n_outputs)

    def cost(self, objective: Objective) -> float:
        """Return the cost of :meth:`approximate` over all rows, in passes."""
        if not _has_matrix(objective):
            return _RARELY
        columns = objective.n_problems * objective.n_outputs
        return passes_for(objective, 0.1 * objective.n_features / columns)

    def is_exact(self, objective: Objective) -> bool:
        """Tell whether :meth:`approximate` over all rows is the inverse Hessian."""
        return False

    def path(self, objective: Objective) -> str:
        """Describe in words what the solver does with a problem."""
        moments = "covariance" if _has_matrix(objective) else "variances"
        if self._takes_blocks(objective):
            return f"L-BFGS: {moments} of the features, labels in blocks"
        return f"L-BFGS: {moments} of the features{self.started_on(objective)}"

    def _takes_blocks(self, objective: Objective) -> bool:
        return objective.has_label_blocks and self.sample == 0  # they start from no sample


def _has_matrix(objective: Objective) -> bool:
    d = objective.n_features
    return not objective.is_sparse and d <= max(min(FULL_MATRIX, objective.n_rows), MANY_FEATURES)

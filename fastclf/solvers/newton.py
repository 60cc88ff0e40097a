"""Newton's method with a Hessian that is factorised seldom, and mended between."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastclf.objective import Objective
from fastclf.solvers.preconditioner import FULL_MATRIX, HessianInverse, MomentsInverse
from fastclf.solvers.quasi_newton import QuasiNewton, QuasiNewtonState
from fastclf.solvers.small_newton import SmallNewtonState

WHOLE = 200
"""Coefficients up to which the whole Hessian of a softmax pays, without an L1 penalty."""


@dataclass(frozen=True)
class Newton(QuasiNewton):
    """Newton's method.

    The Hessian, or its diagonal blocks, is factorised at a few points only, and taken from a sample
    of rows where that is enough; updates of limited-memory BFGS mend the rest.

    Parameters
    ----------
    whole : bool, optional
        Take the whole Hessian of a softmax, instead of one block for each class. None: where the
        problem has few coefficients.
    memory : int
        How many past steps the updates use.
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
    >>> clf = fastclf.LogisticRegression(solver=Newton()).fit(X, y)
    >>> clf.history_["gradient_norm"][-1] < 1e-4
    np.True_
    """

    whole: bool | None = None

    needs: ClassVar[tuple[str, ...]] = ("value_and_grad", "curvature", "hessian")

    def init(self, objective: Objective, theta: np.ndarray) -> Any:
        """Return the first state."""
        if self._is_small(objective):
            point = objective.newton_point(self._start(objective, theta))
            return SmallNewtonState(point, self._stopping, objective.value_at_zero)
        return super().init(objective, theta)

    def step(self, objective: Objective, state: QuasiNewtonState | SmallNewtonState) -> None:
        """Take one step of every problem that still runs."""
        if isinstance(state, SmallNewtonState):
            state.step(objective)
        else:
            super().step(objective, state)

    def approximate(
        self, objective: Objective, theta: np.ndarray, n_rows: int
    ) -> HessianInverse | MomentsInverse:
        """Return an approximate inverse Hessian at theta, from about so many rows."""
        penalty = objective.penalty.columns(theta.shape[1])
        exact = self.is_exact(objective)
        one_matrix = exact and objective.n_problems == 1
        too_many = _has_no_matrix(objective)
        if too_many or not (one_matrix or theta.any()):  # the blocks are all the same
            curvature = objective.curvature(full=not too_many)
            return MomentsInverse(curvature, penalty, objective.n_outputs)
        return HessianInverse(objective.hessian(theta, exact, n_rows), penalty, objective.n_outputs)

    def cost(self, objective: Objective) -> float:
        """Return the cost of :meth:`approximate` over all rows, in passes."""
        exact = self.is_exact(objective)
        if exact and objective.hessian_comes_along:
            return 0.0
        return objective.hessian_cost(exact)

    def is_exact(self, objective: Objective) -> bool:
        """Tell whether :meth:`approximate` over all rows is the inverse Hessian."""
        if _has_no_matrix(objective):
            return False
        few = objective.n_outputs * (objective.n_features + 1) <= WHOLE
        return objective.n_outputs == 1 or (few if self.whole is None else self.whole)

    def _is_small(self, objective: Objective) -> bool:
        return objective.has_small_passes and self.is_exact(objective)

    def path(self, objective: Objective) -> str:
        """Describe in words what the solver does with a problem."""
        matrix = "Hessian" if self.is_exact(objective) else "a block of the Hessian for each class"
        return f"Newton: {matrix}{self.started_on(objective)}"


def _has_no_matrix(objective: Objective) -> bool:
    return objective.is_sparse and objective.n_features > FULL_MATRIX

"""Newton's method with a Hessian that is rarely factorised, and updated in between."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastclf.objective import Objective
from fastclf.plan import MEASURED, Costs, Plan, Shape, engines
from fastclf.solvers.engines.small_newton import SmallNewtonState
from fastclf.solvers.preconditioner import HessianInverse, MomentsInverse
from fastclf.solvers.quasi_newton import QuasiNewton


@dataclass(frozen=True)
class Newton(QuasiNewton):
    """Newton's method.

    The Hessian, or its diagonal blocks, is factorised at a few points only, and computed from some
    rows where these are enough; updates of limited-memory BFGS correct it between these points.

    Parameters
    ----------
    whole : bool, optional
        Use the whole Hessian of a softmax instead of one block for each class. None: use it if the
        problem has few coefficients.
    memory : int
        How many past steps the updates use.
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
    >>> clf = fastclf.LogisticRegression(solver=Newton()).fit(X, y)
    >>> clf.history_["gradient_norm"][-1] < 1e-4
    np.True_
    """

    whole: bool | None = None

    needs: ClassVar[tuple[str, ...]] = ("value_and_grad", "curvature", "hessian")

    def init(self, objective: Objective, theta: np.ndarray) -> Any:
        """Return the first state."""
        if self._plan(objective).engine == engines.COMPILED_NEWTON:
            start = self._start(objective, theta)
            state = SmallNewtonState.at(objective, start, self._stopping)
            if self.max_iter == 0:
                state.look(objective)
            return state
        return super().init(objective, theta)

    def approximate(
        self, objective: Objective, theta: np.ndarray, n_rows: int
    ) -> HessianInverse | MomentsInverse:
        """Return an approximate inverse Hessian at theta, from about ``n_rows`` rows."""
        penalty = objective.penalty.columns(theta.shape[1])
        plan = self._plan(objective)
        has_matrix = plan.matrix != engines.VARIANCES
        one_matrix = plan.is_exact and objective.n_problems == 1
        if not has_matrix or not (one_matrix or theta.any()):  # the blocks are all the same
            curvature = objective.curvature(full=has_matrix)
            return MomentsInverse(curvature, penalty, objective.n_outputs)
        hessian = objective.hessian(theta, plan.is_exact, n_rows)
        return HessianInverse(hessian, penalty, objective.n_outputs)

    def plan(self, shape: Shape, costs: Costs = MEASURED) -> Plan:
        """Return what the solver does with a problem of this shape."""
        return engines.newton(shape, costs, self.sample, self.whole, self.negligible)

"""Newton's method with a Hessian that is factorised seldom, and mended between."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastclf.objective import Objective
from fastclf.solvers.preconditioner import HessianInverse, MomentsInverse
from fastclf.solvers.quasi_newton import QuasiNewton


@dataclass(frozen=True)
class Newton(QuasiNewton):
    """Newton's method.

    The Hessian, or its diagonal blocks, is factorised at a few points only, and taken from a sample
    of rows where that is enough; updates of limited-memory BFGS mend the rest.

    Parameters
    ----------
    whole : bool
        Take the whole Hessian of a softmax problem, instead of one block for each class.
    memory : int
        How many past steps the updates use.
    sample : int
        Number of rows that the Hessian is taken from, and that are solved first for a start; 0 for
        all rows and no start.
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
    >>> clf = fastclf.LogisticRegression(solver=Newton(whole=True)).fit(X, y)
    >>> clf.history_["gradient_norm"][-1] < 1e-4
    np.True_
    """

    whole: bool = True

    needs: ClassVar[tuple[str, ...]] = ("value_and_grad", "curvature", "hessian")

    def approximate(
        self, objective: Objective, theta: np.ndarray, penalty: np.ndarray
    ) -> HessianInverse | MomentsInverse:
        """Return an approximate inverse Hessian at theta."""
        K = objective.n_outputs
        if not theta.any() and not self.whole and K > 1:  # the blocks are all the same
            return MomentsInverse(objective.curvature(full=True), penalty, K)
        return HessianInverse(objective.hessian(theta, self.whole), penalty, K)

    def cost(self, objective: Objective) -> float:
        """Return the cost of :meth:`approximate`, in passes over the objective."""
        return 1 + objective.n_features / 12 * (objective.n_outputs if self.whole else 1)

    def is_exact(self, objective: Objective) -> bool:
        """Tell whether :meth:`approximate` leaves nothing for the pairs to mend."""
        return self.whole or objective.n_outputs == 1

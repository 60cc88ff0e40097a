"""Newton's method on a problem so small that its steps are compiled as a whole."""

from dataclasses import dataclass, field

import numpy as np

from fastclf.kernels.steps import newton
from fastclf.objective import NewtonPoint, Objective
from fastclf.solvers.stopping import Stopping


@dataclass
class SmallNewtonState:
    """A point, and when to stop; the objective has the rest.

    Parameters
    ----------
    point : NewtonPoint
    stopping : Stopping
    scale : float
        The objective at zero.
    """

    point: NewtonPoint
    stopping: Stopping
    scale: float
    iteration: int = 0
    status: str = "running"
    learning_rate: None = field(default=None, init=False)

    def step(self, objective: Objective) -> None:
        """Take a step, unless there is nothing to gain."""
        end = objective.newton_step(self.point, self.stopping.limits(self.scale))
        if end == newton.CONVERGED:
            self.status = "converged"
            return
        self.iteration += 1
        if end == newton.STUCK:
            small = self.gradient_norm <= self.stopping.tol
            self.status = "converged" if small else "precision"

    def theta(self) -> np.ndarray:
        """Return the coefficients now."""
        return self.point.theta()

    @property
    def gradient(self) -> np.ndarray:
        """The gradient about the center of the features (K, d + 1)."""
        return self.point.gradient_about_center

    @property
    def objective(self) -> float:
        """The value."""
        return self.point.value

    @property
    def gradient_norm(self) -> float:
        """The largest absolute entry of the gradient."""
        return self.point.gradient_norm

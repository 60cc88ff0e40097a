"""Where a compiled Newton method stands, on a problem whose passes are shorter than calls."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastclf.kernels import newton
from fastclf.objective.narrow import padded


@dataclass(frozen=True)
class NewtonProblem:
    """What the kernels of :mod:`fastclf.kernels.newton` read.

    Parameters
    ----------
    data : tuple
        X, order, codes, soft, weights, scale, pos_weight, smoothing and the features' center.
    strength : float
        Of the penalty.
    fit_intercept : bool
    is_sigmoid : bool
    """

    data: tuple
    strength: float
    fit_intercept: bool
    is_sigmoid: bool


class NewtonPoint:
    """A point with its value, gradient and Hessian, which steps move in place.

    Parameters
    ----------
    problem : NewtonProblem
    theta : ndarray of shape (d + 1, K)
        Where to start.
    count : callable
        Called with the number of passes that were made.
    """

    def __init__(
        self, problem: NewtonProblem, theta: np.ndarray, count: Callable[[float], None]
    ) -> None:
        self._problem = problem
        self._count = count
        self._center = problem.data[-1]
        K = theta.shape[1]
        self._w = padded(theta, self._center)
        side = self._w.shape[1]
        self._gradient = np.empty((K, side))
        self._blocks = np.empty((K * (K + 1) // 2, side, side))
        self._numbers = np.zeros(newton.NUMBERS)
        self.step((0.0,) * 5)

    def step(self, limits: tuple[float, ...]) -> int:
        """Take a step and return RUNNING or STUCK; or CONVERGED, if none is needed.

        ``limits`` are those that the kernel names.
        """
        problem = self._problem
        passes = self._numbers[newton.PASSES]
        step = newton.STEP_SIGMOID if problem.is_sigmoid else newton.STEP_SOFTMAX
        end = step(
            problem.data, problem.strength, problem.fit_intercept, limits,
            self._w, self._gradient, self._blocks, self._numbers,
        )  # fmt: skip
        self._count(self._numbers[newton.PASSES] - passes)
        return end

    def theta(self) -> np.ndarray:
        """Return the coefficients now, (d + 1, K)."""
        theta = self._w[:, : self._center.size + 1].T.copy()
        theta[-1] -= self._center @ theta[:-1]
        return theta

    @property
    def value(self) -> float:
        """The objective."""
        return float(self._numbers[newton.VALUE])

    @property
    def gradient_norm(self) -> float:
        """The largest absolute entry of the gradient."""
        return float(self._numbers[newton.NORM])

"""Compiled proximal Newton steps for few coefficients, on all features."""

from dataclasses import dataclass

import numpy as np

from fastclf.kernels.steps import proximal
from fastclf.objective import Objective
from fastclf.objective.features import CSRFeatures
from fastclf.solvers.engines.l1_point import L1Point


@dataclass(frozen=True)
class ProximalPoint(L1Point):
    """A point of one problem, in the layout of :mod:`fastclf.kernels.steps.proximal`.

    Parameters
    ----------
    center : ndarray of shape (d,)
    x, slopes : ndarray of shape (K, d + 1)
    matrix : ndarray of shape (K (d + 1), K (d + 1))
    numbers : ndarray
    """

    center: np.ndarray
    x: np.ndarray
    slopes: np.ndarray
    matrix: np.ndarray
    numbers: np.ndarray

    @classmethod
    def at(cls, theta: np.ndarray, objective: Objective) -> "ProximalPoint":
        """Return the point theta (d + 1, K), before the first pass."""
        assert objective.arrays is not None
        center = objective.arrays.center
        x = np.array(theta.T, np.float64, order="C")
        x[:, -1] += center @ theta[:-1]
        numbers = np.zeros(proximal.NUMBERS)
        return cls(center, x, np.empty(x.shape), np.empty((x.size, x.size)), numbers)

    def theta(self) -> np.ndarray:
        """Return the coefficients now, (d + 1, K)."""
        theta = self.x.T.copy()
        theta[-1] -= self.center @ theta[:-1]
        return theta

    def gradient(self) -> np.ndarray:
        """Return the gradient of the smooth part, (d + 1, K)."""
        gradient = self.slopes.T.copy()
        gradient[:-1] += self.center[:, None] * gradient[-1]
        return gradient

    def advance(
        self, objective: Objective, limits: tuple[float, float, float], most_steps: int
    ) -> int:
        """Take up to ``most_steps`` steps of one problem.

        Return the kernel's code of how it ended; the kernel's docstring names the limits.
        """
        arrays, penalty = objective.arrays, objective.penalty
        assert arrays is not None
        is_sparse = isinstance(arrays.features, CSRFeatures)
        before = self.passes
        end = proximal.take_steps(arrays.kind, is_sparse)(
            arrays.data,
            self.center,
            (float(penalty.strength[0]), float(penalty.l1[0])),
            arrays.fit_intercept,
            limits,
            most_steps,
            self.x,
            self.slopes,
            self.matrix,
            self.numbers,
        )
        objective.passes += self.passes - before
        return int(end)

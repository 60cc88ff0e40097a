"""Compiled proximal Newton steps over the columns of a sparse X, for one sigmoid."""

from dataclasses import dataclass

import numpy as np

from fastclf.kernels.steps import proximal, proximal_columns
from fastclf.objective import Objective
from fastclf.solvers.engines.l1_point import L1Point


@dataclass(frozen=True)
class ColumnsPoint(L1Point):
    """A point of one problem of one output, for :mod:`fastclf.kernels.steps.proximal_columns`.

    Parameters
    ----------
    x, slopes : ndarray of shape (d + 1,)
    logits : ndarray of shape (n,)
    numbers : ndarray
    """

    x: np.ndarray
    slopes: np.ndarray
    logits: np.ndarray
    numbers: np.ndarray

    @classmethod
    def at(cls, theta: np.ndarray, objective: Objective) -> "ColumnsPoint":
        """Return the point theta (d + 1, 1), before the first pass."""
        x = np.array(theta[:, 0], np.float64)
        return cls(x, np.empty(x.size), np.empty(objective.n_rows), np.zeros(proximal.NUMBERS))

    def theta(self) -> np.ndarray:
        """Return the coefficients now, (d + 1, 1)."""
        return self.x[:, None].copy()

    def gradient(self) -> np.ndarray:
        """Return the gradient of the smooth part, (d + 1, 1)."""
        return self.slopes[:, None].copy()

    def advance(
        self, objective: Objective, limits: tuple[float, float, float], most_steps: int
    ) -> int:
        """Take up to ``most_steps`` steps of one problem.

        Return the kernel's code of how it ended; the kernel's docstring names the limits.
        """
        arrays, penalty = objective.arrays, objective.penalty
        assert arrays is not None
        own = arrays.selection
        before = self.passes
        end = proximal_columns.take_steps(
            arrays.features.by_column,
            (own.target.soft, own.target.weights, own.scale, own.pos_weight),
            (float(penalty.strength[0]), float(penalty.l1[0])),
            arrays.fit_intercept,
            limits,
            most_steps,
            self.x,
            self.logits,
            self.slopes,
            self.numbers,
        )
        objective.passes += self.passes - before
        return int(end)

"""Points of the proximal Newton methods whose steps are compiled and go over all features."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastclf.kernels.steps import proximal, proximal_columns
from fastclf.objective import Arrays, Objective
from fastclf.objective.features import CSRFeatures


class _Point:
    """A point of one problem, with the ``numbers`` of :mod:`fastclf.kernels.steps.proximal`."""

    numbers: np.ndarray

    @property
    def outcome(self) -> tuple[float, float, float]:
        """The objective with its L1 part, the largest violation and the last promised decrease."""
        value, norm = self.numbers[proximal.VALUE], self.numbers[proximal.NORM]
        return float(value), float(norm), float(self.numbers[proximal.EXPECTED])

    def advance(
        self, objective: Objective, limits: tuple[float, float, float], most_steps: int
    ) -> int:
        """Take up to ``most_steps`` steps and return the kernel's code of how they ended.

        The kernel's docstring names the limits.
        """
        arrays, penalty = objective.arrays, objective.penalty
        assert arrays is not None
        strengths = float(penalty.strength[0]), float(penalty.l1[0])
        before = float(self.numbers[proximal.PASSES])
        end = self._take_steps(arrays, strengths, arrays.fit_intercept, limits, most_steps)
        objective.passes += float(self.numbers[proximal.PASSES]) - before
        return int(end)

    def _take_steps(self, arrays: Arrays, *how: Any) -> int:
        raise NotImplementedError


@dataclass(frozen=True)
class ProximalPoint(_Point):
    """A point of a problem with few coefficients.

    ``center`` is (d,), ``x`` and ``slopes`` (K, d + 1), ``matrix`` (K (d + 1), K (d + 1)).
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

    def _take_steps(self, arrays: Arrays, *how: Any) -> int:
        kernel = proximal.take_steps(arrays.kind, isinstance(arrays.features, CSRFeatures))
        point = self.x, self.slopes, self.matrix, self.numbers
        return kernel(arrays.data, self.center, *how, *point)


@dataclass(frozen=True)
class ColumnsPoint(_Point):
    """A point of one sigmoid, whose steps go over the columns of a sparse X.

    ``x`` and ``slopes`` are (d + 1,), ``logits`` (n,).
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

    def _take_steps(self, arrays: Arrays, *how: Any) -> int:
        own = arrays.selection
        target = own.target.soft, own.target.weights, own.scale, own.pos_weight
        point = self.x, self.logits, self.slopes, self.numbers
        return proximal_columns.take_steps(arrays.features.by_column, target, *how, *point)

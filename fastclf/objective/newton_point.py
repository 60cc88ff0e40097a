"""Where a compiled Newton method stands, on a problem whose passes are shorter than calls."""

from dataclasses import dataclass

import numpy as np

from fastclf.kernels.steps import newton
from fastclf.objective.narrow import padded, pairs


@dataclass(frozen=True)
class NewtonPoint:
    """A point of one problem, in the layout of :mod:`fastclf.kernels.steps.newton`.

    Parameters
    ----------
    center : ndarray of shape (d,)
    w, gradient : ndarray of shape (K, side)
    blocks : ndarray of shape (P, side, side)
    numbers : ndarray
    """

    center: np.ndarray
    w: np.ndarray
    gradient: np.ndarray
    blocks: np.ndarray
    numbers: np.ndarray

    @classmethod
    def at(cls, theta: np.ndarray, center: np.ndarray) -> "NewtonPoint":
        """Return the point theta (d + 1, K), at which nothing was computed yet."""
        K = theta.shape[1]
        w = padded(theta, center)
        side = w.shape[1]
        blocks = np.empty((pairs(1, K), side, side))
        return cls(center, w, np.empty((K, side)), blocks, np.zeros(newton.NUMBERS))

    def theta(self) -> np.ndarray:
        """Return the coefficients now, (d + 1, K)."""
        theta = self.w[:, : self.center.size + 1].T.copy()
        theta[-1] -= self.center @ theta[:-1]
        return theta

    @property
    def value(self) -> float:
        """The objective."""
        return float(self.numbers[newton.VALUE])

    @property
    def gradient_norm(self) -> float:
        """The largest absolute entry of the gradient; NaN doesn't count."""
        return float(self.numbers[newton.NORM])

    @property
    def gradient_about_center(self) -> np.ndarray:
        """The gradient with the intercepts at the center (K, d + 1)."""
        return self.gradient[:, : self.center.size + 1]

    @property
    def passes(self) -> float:
        """How many times X was read on the way."""
        return float(self.numbers[newton.PASSES])

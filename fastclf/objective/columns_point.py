"""Where a compiled Newton method with an L1 penalty stands that goes over columns of X."""

from dataclasses import dataclass

import numpy as np

from fastclf.kernels.steps import proximal
from fastclf.objective.l1_point import L1Point


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
    def at(cls, theta: np.ndarray, n_rows: int) -> "ColumnsPoint":
        """Return the point theta (d + 1, 1), at which nothing was computed yet."""
        x = np.array(theta[:, 0], np.float64)
        return cls(x, np.empty(x.size), np.empty(n_rows), np.zeros(proximal.NUMBERS))

    def theta(self) -> np.ndarray:
        """Return the coefficients now, (d + 1, 1)."""
        return self.x[:, None].copy()

    def gradient(self) -> np.ndarray:
        """Return the gradient of the smooth part, (d + 1, 1)."""
        return self.slopes[:, None].copy()

r"""The penalty on the coefficients.

.. math:: \frac{1}{C \sum_i w_i} \cdot \frac{1}{2} \lVert W \rVert_2^2

added to the mean loss; the intercept is never penalised. The scaling is scikit-learn's.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class L2:
    """Half the squared norm of the coefficients of each problem, times its strength.

    Parameters
    ----------
    strength : ndarray of shape (M,)
        1 / (C Σw) of each problem.
    """

    strength: np.ndarray

    @classmethod
    def from_C(cls, C: float, total_weight: np.ndarray) -> "L2":
        """Return the penalty that scikit-learn's C means for problems of some total weight (M,)."""
        return cls(np.asarray(1 / (C * total_weight), dtype=np.float64))

    def value(self, theta: np.ndarray) -> np.ndarray:
        """Return the penalty of each problem (M,), of theta (d + 1, M * K)."""
        M = self.strength.size
        squares = np.einsum("jc,jc->c", theta[:-1], theta[:-1])
        return 0.5 * self.strength * squares.reshape(M, -1).sum(axis=1)

    def add_gradient(self, theta: np.ndarray, gradient: np.ndarray) -> None:
        """Add the gradient of the penalty to ``gradient`` (d + 1, M * K), in place."""
        gradient[:-1] += self.columns(theta.shape[1]) * theta[:-1]

    def columns(self, n_columns: int) -> np.ndarray:
        """Return the strength for each of the M * K columns of theta."""
        return np.repeat(self.strength, n_columns // self.strength.size)

r"""The penalty on the coefficients.

.. math:: \frac{1}{C \sum_i w_i} \cdot \frac{1}{2} \lVert W \rVert_2^2

added to the mean loss; the intercept is never penalised. The scaling is scikit-learn's.
"""

from dataclasses import dataclass

import numpy as np

from fastclf.kernels import ridge


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

    def add(self, theta: np.ndarray, values: np.ndarray, gradient: np.ndarray) -> None:
        """Add the penalty of theta (d + 1, M * K) to ``values`` (M,) and ``gradient``, in place."""
        ridge.add(theta, self.strength, values, gradient)

    def columns(self, n_columns: int) -> np.ndarray:
        """Return the strength for each of the M * K columns of theta."""
        return np.repeat(self.strength, n_columns // self.strength.size)

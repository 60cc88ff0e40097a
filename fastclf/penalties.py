r"""Penalties on the coefficients.

With :math:`\lambda = 1 / (C \sum_i w_i)` and an L1 ratio r

.. math::
    \lambda \left(\frac{1 - r}{2} \lVert W \rVert_2^2 + r \lVert W \rVert_1\right)

added to the mean loss; the intercept is never penalised. The scaling is scikit-learn's.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastclf.kernels.linalg import ridge


class Penalty(Protocol):
    """The members that objectives and solvers use of a penalty on M problems."""

    @property
    def strength(self) -> np.ndarray:
        """The factor (M,) of half the squared norm of the coefficients of each problem."""

    @property
    def l1(self) -> np.ndarray:
        """The factor (M,) of the sum of absolute values of the coefficients of each problem."""

    def add(self, theta: np.ndarray, values: np.ndarray, gradient: np.ndarray) -> None:
        """Add the smooth part to ``values`` (M,) and ``gradient`` (d + 1, M K), in place."""

    def columns(self, n_columns: int) -> np.ndarray:
        """Return the strength for each of the M * K columns of theta."""

    def scaled(self, factor: np.ndarray) -> "Penalty":
        """Return the penalty of each problem times a factor (M,)."""

    def problems(self, chosen: np.ndarray) -> "Penalty":
        """Return the penalty of the problems in a mask (M,)."""


@dataclass(frozen=True)
class L2:
    """``strength / 2`` times the squared norm of the coefficients of each problem.

    Parameters
    ----------
    strength : ndarray of shape (M,)
        1 / (C Σw) of each problem.
    """

    strength: np.ndarray

    @classmethod
    def from_C(cls, C: float, total_weight: np.ndarray) -> "L2":
        """Return scikit-learn's penalty for C and the total weight Σw of each problem (M,)."""
        return cls(np.asarray(1 / (C * total_weight), dtype=np.float64))

    @property
    def l1(self) -> np.ndarray:
        """Zeros (M,): there is no L1 part."""
        return np.zeros_like(self.strength)

    def add(self, theta: np.ndarray, values: np.ndarray, gradient: np.ndarray) -> None:
        """Add the penalty of theta (d + 1, M * K) to ``values`` (M,) and ``gradient``, in place."""
        ridge.add(theta, self.strength, values, gradient)

    def columns(self, n_columns: int) -> np.ndarray:
        """Return the strength for each of the M * K columns of theta."""
        return np.repeat(self.strength, n_columns // self.strength.size)

    def scaled(self, factor: np.ndarray) -> "L2":
        """Return the penalty of each problem times a factor (M,)."""
        return L2(self.strength * factor)

    def problems(self, chosen: np.ndarray) -> "L2":
        """Return the penalty of the problems in a mask (M,)."""
        return L2(self.strength[chosen])


@dataclass(frozen=True)
class ElasticNet:
    """Half the squared norm and the sum of absolute values of each problem's coefficients.

    Parameters
    ----------
    smooth : L2
        The squared part, with the strength ``(1 - r) / (C Σw)`` of each problem.
    l1 : ndarray of shape (M,)
        ``r / (C Σw)`` of each problem. The L1 part isn't differentiable, so `add` leaves it out and
        the solver handles it.
    """

    smooth: L2
    l1: np.ndarray

    @classmethod
    def from_C(cls, C: float, l1_ratio: float, total_weight: np.ndarray) -> "ElasticNet":
        """Return scikit-learn's penalty for C, l1_ratio and each problem's total weight (M,)."""
        strength = L2.from_C(C, total_weight).strength
        return cls(L2((1 - l1_ratio) * strength), l1_ratio * strength)

    @property
    def strength(self) -> np.ndarray:
        """The strength of the squared part (M,)."""
        return self.smooth.strength

    def add(self, theta: np.ndarray, values: np.ndarray, gradient: np.ndarray) -> None:
        """Add the squared part to ``values`` (M,) and ``gradient`` (d + 1, M * K), in place."""
        self.smooth.add(theta, values, gradient)

    def columns(self, n_columns: int) -> np.ndarray:
        """Return the strength of the squared part for each of the M * K columns of theta."""
        return self.smooth.columns(n_columns)

    def scaled(self, factor: np.ndarray) -> "ElasticNet":
        """Return the penalty of each problem times a factor (M,)."""
        return ElasticNet(self.smooth.scaled(factor), self.l1 * factor)

    def problems(self, chosen: np.ndarray) -> "ElasticNet":
        """Return the penalty of the problems in a mask (M,)."""
        return ElasticNet(self.smooth.problems(chosen), self.l1[chosen])


def from_C(C: Any, l1_ratio: Any, total_weight: np.ndarray) -> L2 | ElasticNet:
    """Return scikit-learn's penalty for C, l1_ratio and the total weight of each problem (M,).

    C and l1_ratio are numbers or arrays (M,). Without an L1 part the result is an :class:`L2`.
    """
    if np.any(l1_ratio) and np.any(np.isfinite(C)):
        return ElasticNet.from_C(C, l1_ratio, total_weight)
    return L2.from_C(C, total_weight)

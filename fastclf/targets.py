"""What each row is to be fitted to, as arrays that kernels read.

Class weights are in the weights already: with hard targets a row i weighs ``w_i c_y``, with soft
ones ``w_i Σ_k c_k y_ik``, and its target is ``c ∘ y`` divided by its sum. So every row of ``soft``
that stands for a distribution sums to 1, and the sum of the weights is the Σw of the objective.
"""

from dataclasses import dataclass, field, replace

import numpy as np


def _no_rows() -> np.ndarray:
    return np.empty((0, 0))


def for_kernels(array: np.ndarray, dtype: np.dtype | type | None = None) -> np.ndarray:
    """Return an array C-contiguous and read-only, which copies only where it must.

    Numba compiles a kernel anew for read-only arrays, so everything that kernels only read is
    handed to them as such, whether the user's array was or not.
    """
    view = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


def weighted_sums(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the weighted sum of each column of values (n, C), which is (C,).

    Weights are (1, n), or (C, n) where each column has its own.
    """
    # Not by BLAS, whose threads take a millisecond to wake.
    return np.einsum("ki,ik->k" if len(weights) > 1 else "li,ik->k", weights, values)


@dataclass(frozen=True)
class Target:
    """Encoded targets of n rows.

    Parameters
    ----------
    weights : ndarray of shape (1, n) or (M, n)
        Weight of each row, for all problems or for each.
    codes : ndarray of shape (n,)
        Integer classes; empty for soft targets.
    soft : ndarray of shape (n, K)
        Distributions over classes, or for sigmoid losses the probability of each column's positive
        class; empty for hard targets.
    teacher : ndarray of shape (n, K)
        The teacher's softened probabilities; empty unless distilled.
    """

    weights: np.ndarray
    codes: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    soft: np.ndarray = field(default_factory=_no_rows)
    teacher: np.ndarray = field(default_factory=_no_rows)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self.weights.shape[1]

    @property
    def total_weight(self) -> np.ndarray:
        """The sum of the weights of each problem, of shape (1,) or (M,), in float64."""
        return self.weights.sum(axis=1, dtype=np.float64)

    @property
    def strata(self) -> np.ndarray | None:
        """Integers (n,) by which rows can be sampled; None if rows have no single class."""
        if self.codes.size:
            return self.codes
        if self.soft.shape[1] == 1 and ((self.soft == 0) | (self.soft == 1)).all():
            return self.soft[:, 0].astype(np.intp)
        return None

    def astype(self, dtype: np.dtype) -> "Target":
        """Return the same targets as kernels read them, in a dtype."""
        return Target(
            weights=for_kernels(self.weights, dtype),
            codes=for_kernels(self.codes, np.intp),
            soft=for_kernels(self.soft, dtype),
            teacher=for_kernels(self.teacher, dtype),
        )

    def rows(self, index: np.ndarray) -> "Target":
        """Return the targets of some rows (m,)."""
        return Target(
            weights=self.weights[:, index],
            codes=self.codes[index] if self.codes.size else self.codes,
            soft=self.soft[index] if self.soft.size else self.soft,
            teacher=self.teacher[index] if self.teacher.size else self.teacher,
        )

    def columns(self, active: np.ndarray) -> "Target":
        """Return the targets of some columns, a mask (C,); for a sigmoid loss each is a problem."""
        return replace(
            self.problems(active),
            soft=for_kernels(self.soft[:, active] if self.soft.size else self.soft),
            teacher=for_kernels(self.teacher[:, active] if self.teacher.size else self.teacher),
        )

    def problems(self, active: np.ndarray) -> "Target":
        """Return the weights of some problems, a mask (M,), with the same targets."""
        if self.weights.shape[0] == 1:
            return self
        return replace(self, weights=for_kernels(self.weights[active]))

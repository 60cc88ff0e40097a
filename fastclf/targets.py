"""`Target`: the weights and targets of rows, as arrays for kernels.

The weights of rows include the class weights c. With hard targets the weight of row i is
``w_i c_y``. With soft targets it is ``w_i Σ_k c_k y_ik``, and the target is ``c ∘ y`` divided by
its sum. So every row of ``soft`` that is a distribution sums to 1, and the weights sum to the Σw of
the objective.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np


def _no_rows() -> np.ndarray:
    return np.empty((0, 0))


def for_kernels(array: np.ndarray, dtype: np.dtype | type | None = None) -> np.ndarray:
    """Return a read-only, C-contiguous view of an array, or of a copy if the layout requires one.

    Numba compiles a kernel separately for writable and for read-only arrays. Inputs are always
    passed as read-only arrays, so that each kernel is compiled once.
    """
    view = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


def csr_for_kernels(X: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (data, indices, indptr) of a CSR matrix; as int32, if they fit, like scipy does.

    A matrix that others made can have int64, for which kernels would be compiled again.
    """
    fits = max(X.nnz, *X.shape) <= np.iinfo(np.int32).max
    integers = np.int32 if fits else None
    return for_kernels(X.data), for_kernels(X.indices, integers), for_kernels(X.indptr, integers)


def weighted_sums(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the weighted sums (C,) of the columns of values (n, C).

    Weights have shape (1, n), or (C, n) if each column has its own.
    """
    # einsum doesn't call BLAS, whose threads take a millisecond to wake up.
    if values.shape[1] == 1 and values.flags.c_contiguous:  # much faster on vectors
        return np.array([np.einsum("i,i->", weights[0], values.reshape(-1))])
    return np.einsum("ki,ik->k" if len(weights) > 1 else "li,ik->k", weights, values)


@dataclass(frozen=True)
class Target:
    """Encoded targets of n rows.

    Parameters
    ----------
    weights : ndarray of shape (1, n) or (M, n)
        The weight of each row, common to all problems or separate for each.
    codes : ndarray of shape (n,)
        Integer classes; empty for soft targets.
    soft : ndarray of shape (n, K)
        Distributions over classes; for sigmoid losses the probability of the positive class of each
        column. Empty for hard targets.
    teacher : ndarray of shape (n, K)
        The teacher's probabilities at temperature T; empty without distillation.
    """

    weights: np.ndarray
    codes: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    soft: np.ndarray = field(default_factory=_no_rows)
    teacher: np.ndarray = field(default_factory=_no_rows)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return self.weights.shape[1]

    @cached_property
    def total_weight(self) -> np.ndarray:
        """The sum of the weights of each problem, of shape (1,) or (M,), in float64."""
        return self.weights.sum(axis=1, dtype=np.float64)

    @property
    def strata(self) -> np.ndarray | None:
        """The class of each row (n,) for stratified sampling; None if rows have no single class."""
        if self.codes.size:
            return self.codes
        if self.soft.shape[1] == 1:
            codes = self.soft[:, 0].astype(np.intp)
            return codes if (codes == self.soft[:, 0]).all() else None
        return None

    def astype(self, dtype: np.dtype) -> "Target":
        """Return the targets as read-only arrays for kernels, floats in a dtype."""
        return Target(
            weights=for_kernels(self.weights, dtype),
            codes=for_kernels(self.codes, np.intp),
            soft=for_kernels(self.soft, dtype),
            teacher=for_kernels(self.teacher, dtype),
        )

    def rows(self, index: np.ndarray | slice) -> "Target":
        """Return the targets of some rows (m,)."""
        return Target(
            weights=self.weights[:, index],
            codes=self.codes[index] if self.codes.size else self.codes,
            soft=self.soft[index] if self.soft.size else self.soft,
            teacher=self.teacher[index] if self.teacher.size else self.teacher,
        )

    def columns(self, active: np.ndarray) -> "Target":
        """Return the targets of the columns in a mask (C,), each of which is a sigmoid problem."""
        return replace(
            self.problems(active),
            soft=for_kernels(self.soft[:, active] if self.soft.size else self.soft),
            teacher=for_kernels(self.teacher[:, active] if self.teacher.size else self.teacher),
        )

    def problems(self, active: np.ndarray) -> "Target":
        """Return the same targets with the weights of the problems in a mask (M,)."""
        if self.weights.shape[0] == 1:
            return self
        return replace(self, weights=for_kernels(self.weights[active]))

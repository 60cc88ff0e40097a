r"""Approximations of the inverse Hessian, from second moments of the features.

The intercepts are moved to the features' center c, :math:`b' = b + c^\top w`, which undoes the
correlation of coefficients and intercept. Then

* :class:`MomentsInverse` takes :math:`h_k S + \lambda I` for the coefficients of column k and
  :math:`h_k` for its intercept, S the covariance (or its diagonal) and :math:`h_k` the curvature of
  the loss in the logit. With equal logits this is the Hessian's diagonal block, and bounds it
  everywhere (Böhning, *Multinomial logistic regression algorithm*, 1992); with rows weighted by
  their curvature at some theta it is close to the Hessian there.
* :class:`HessianInverse` takes the diagonal blocks of the Hessian themselves, or all of it.

A softmax doesn't change when all classes of a problem shift together, so in those directions the
Hessian has only the penalty, which is smallest where the sum over the classes is 0. Gradients and
steps are projected there. Without the projection, fits with diagonal blocks take five times the
passes on MNIST.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.linalg import lapack

from fastclf import threads
from fastclf.kernels.linalg import block_diagonal, cholesky, diagonal, pairs
from fastclf.objective import Curvature, Hessian

_DOUBLE = 1 << 21
"""Entries of all factors up to which they are float64; above, they have the matrices' dtype."""


class Preconditioner(Protocol):
    """An approximate inverse Hessian."""

    def apply(self, gradient: np.ndarray, n_threads: int | None = None) -> np.ndarray:
        """Return the matrix times one gradient (d + 1, M K) or R gradients (d + 1, R M K)."""

    def squares(self, gradient: np.ndarray, n_threads: int | None = None) -> np.ndarray:
        """Return g' H g for each of the B blocks of R gradients g, H being this matrix, (R B,)."""


@dataclass(init=False, eq=False)
class MomentsInverse:
    """The inverse for columns that share a covariance, up to their curvature.

    The strengths ``penalty`` of the penalty are (M K,), one for each column.
    """

    center: np.ndarray
    n_outputs: int
    logits: np.ndarray
    factors: list[tuple[np.ndarray, np.ndarray]]
    second: np.ndarray | None
    ridge: np.ndarray | None

    def __init__(self, curvature: Curvature, penalty: np.ndarray, n_outputs: int) -> None:
        self.center = curvature.center
        self.n_outputs = n_outputs
        self.logits = np.maximum(curvature.logits, 1e-6 * curvature.logits.max())
        second = curvature.second
        ridge = penalty / self.logits
        self.factors = []
        self.second = self.ridge = None
        if second.ndim == 1:
            smallest = 1e-10 * max(float(second.mean()), 1e-300)
            self.second = second
            self.ridge = np.maximum(ridge, smallest)
        else:
            # Columns with the same penalty share a factor, at their geometric mean curvature.
            dtype = _dtype(second, len(np.unique(penalty)))
            for value in np.unique(penalty):
                columns = penalty == value
                middle = float(np.exp(np.log(self.logits[columns]).mean()))
                self.factors.append((columns, _factor(second, value / middle, range(0), dtype)))

    def apply(self, gradient: np.ndarray, n_threads: int | None = None) -> np.ndarray:
        """Return the approximate inverse Hessian times R gradients, (d + 1, R M K)."""
        if self.second is not None:
            step = np.empty(gradient.shape)
            moments = self.center, self.second, self.logits, self.ridge
            diagonal.apply(gradient, *moments, self.n_outputs, step)
            return step
        repeats = gradient.shape[1] // self.logits.size
        step = centred(gradient, self.n_outputs) / np.tile(self.logits, repeats)
        step[:-1] -= self.center[:, None] * step[-1]
        for mask, factor in self.factors:
            columns = np.tile(mask, repeats)
            step[:-1, columns] = _solve(factor, step[:-1, columns])
        step[-1] -= self.center @ step[:-1]
        return step if self.n_outputs == 1 else centred(step, self.n_outputs)

    def squares(self, gradient: np.ndarray, n_threads: int | None = None) -> np.ndarray:
        """Return the inner products of each column of R gradients (d + 1, R M K) with its step."""
        out = np.empty(gradient.shape[1])
        pairs.dots(gradient, self.apply(gradient), out)
        return out

    @cached_property
    def separated(self) -> tuple[np.ndarray, ...]:
        """The tuple (center (d,), second (d,), logits (M K,), ridge (M K,), basis (d, d)).

        The columns of ``basis``, in float32, are uncorrelated directions with the second moments
        ``second``. It is empty if the directions are the features. All columns have one penalty.
        """
        if self.second is not None:
            assert self.ridge is not None
            nothing = np.empty((0, 0), np.float32)
            return self.center, self.second, self.logits, self.ridge, nothing
        ((_, factor),) = self.factors
        trtri = lapack.dtrtri if factor.dtype == np.float64 else lapack.strtri
        basis = np.ascontiguousarray(np.triu(trtri(factor)[0]), np.float32)
        return self.center, np.ones(len(basis)), self.logits, np.zeros(self.logits.size), basis


@dataclass(init=False, eq=False)
class HessianInverse:
    """The inverse of the Hessian's diagonal blocks, or of the whole Hessian of each problem.

    The strengths ``penalty`` of the penalty are (M K,), one for each column.
    """

    center: np.ndarray
    n_outputs: int
    factors: np.ndarray

    def __init__(self, hessian: Hessian, penalty: np.ndarray, n_outputs: int) -> None:
        self.center = hessian.center
        self.n_outputs = n_outputs
        q = len(self.center) + 1
        intercepts = range(q - 1, hessian.blocks.shape[1], q)
        strengths = penalty.reshape(len(hessian.blocks), -1)[:, 0]
        dtype = _dtype(hessian.blocks[0], len(hessian.blocks))
        self.factors = np.empty(hessian.blocks.shape, dtype)
        for room, block, strength in zip(self.factors, hessian.blocks, strengths, strict=True):
            room.T[:] = _factor(block, strength, intercepts, dtype, len(intercepts), room)

    def apply(self, gradient: np.ndarray, n_threads: int | None = None) -> np.ndarray:
        """Return the approximate inverse Hessian times R gradients, (d + 1, R M K)."""
        step = np.empty(gradient.shape)
        solved = self._solve(gradient, False, n_threads).reshape(-1, len(gradient))
        block_diagonal.scatter(solved, self.center, self.n_outputs, step)
        return step

    def squares(self, gradient: np.ndarray, n_threads: int | None = None) -> np.ndarray:
        """Return the inner products of each block of R gradients (d + 1, R M K) with its step."""
        halves = self._solve(gradient, True, n_threads)
        return np.einsum("rbi,rbi->rb", halves, halves).reshape(-1)

    def _solve(self, gradient: np.ndarray, half: bool, n_threads: int | None) -> np.ndarray:
        # With few right-hand sides (R, B, q) this is faster than LAPACK.
        columns = np.empty((gradient.shape[1], len(gradient)))
        block_diagonal.gather(gradient, self.center, self.n_outputs, columns)
        B, q, _ = self.factors.shape
        sides = columns.reshape(-1, B, q)
        work = 0.15 * q * q * len(sides)
        pieces = threads.chunks(B, work)

        def task(i: int) -> None:
            block_diagonal.solve(self.factors, *pieces[i], half, sides)

        threads.run(task, len(pieces), n_threads, B * work)
        return sides


def centred(a: np.ndarray, K: int) -> np.ndarray:
    """Return a copy of ``a`` (d + 1, M K) with a sum of 0 over the K columns of each problem.

    For K = 1 there is nothing to centre.
    """
    if K == 1:
        return a.copy()
    classes = a.reshape(len(a), -1, K)
    return (classes - classes.sum(axis=2, keepdims=True) / K).reshape(a.shape)


def _dtype(matrix: np.ndarray, count: int) -> np.dtype:
    return np.dtype(np.float64) if matrix.size * count <= _DOUBLE else matrix.dtype


def _factor(
    matrix: np.ndarray,
    penalty: float,
    intercepts: range,
    dtype: np.dtype,
    n_outputs: int = 1,
    room: np.ndarray | None = None,
) -> np.ndarray:
    # The upper Cholesky factor. Jitter on the diagonal makes the matrix definite for constant or
    # collinear features, and for those whose second moment is negative by rounding.
    side = len(matrix) // n_outputs
    diagonal = np.abs(matrix.diagonal().astype(np.float64))
    scale = diagonal + cholesky.floor(float(diagonal.sum()) / len(matrix))
    jitter = cholesky.JITTER if matrix.dtype == np.float64 else cholesky.JITTER_OF_SINGLE
    potrf = lapack.dpotrf if dtype == np.float64 else lapack.spotrf
    while jitter < cholesky.MOST_JITTER:
        system = np.empty(matrix.shape, dtype) if room is None else room
        system[:] = matrix
        ridge = penalty + jitter * scale
        ridge[intercepts] -= penalty
        system.flat[:: len(system) + 1] += ridge
        if n_outputs > 1:  # a softmax is singular where all classes shift together
            at = np.arange(side)
            middle = scale.reshape(n_outputs, side).sum(axis=0) / n_outputs**2
            blocks = system.reshape(n_outputs, side, n_outputs, side)
            blocks[:, at, :, at] += middle[:, None, None].astype(dtype)
        factor, info = potrf(system.T, lower=0, clean=0, overwrite_a=1)
        if info == 0:
            return factor
        jitter *= cholesky.MORE_JITTER
    return np.eye(len(matrix), dtype=dtype)  # the matrix isn't finite: the line search fails


def _solve(factor: np.ndarray, right: np.ndarray) -> np.ndarray:
    potrs = lapack.dpotrs if factor.dtype == np.float64 else lapack.spotrs
    return potrs(factor, right)[0]

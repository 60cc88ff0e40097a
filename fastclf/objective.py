r"""The only meeting of data and coefficients.

An Objective holds M independent problems over one X,

.. math::
    f_m(\theta_m) = \frac{1}{\sum_i w_{mi}} \sum_i w_{mi} \,\ell(y_{mi}, z_{mi})
    + \frac{1}{2 C \sum_i w_{mi}} \lVert W_m \rVert^2,\qquad Z = X W + b

with theta (d + 1, M K), C order, problem after problem, the intercepts in its last row. One read of
X serves all problems. Solvers see nothing of the data but this.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import scipy.sparse
from scipy.special import expit, softmax

from fastclf import threads
from fastclf.kernels import dense, minibatch, passes
from fastclf.losses import Loss
from fastclf.penalties import L2
from fastclf.targets import Target, for_kernels

_NO_ORDER = np.empty(0, dtype=np.intp)
_GRADIENT_SHARE = 0.08
"""Partial gradients of all chunks together may take this share of the memory of X."""


class Objective(Protocol):
    """What solvers ask of an objective. Each call reads X once, whatever the number of problems.

    Attributes
    ----------
    n_problems, n_outputs, n_features, n_rows : int
        M, K, d and n.
    dtype : numpy.dtype
        In which the passes compute; values and gradients are float64.
    passes : float
        How many times X has been read so far.
    penalty : L2
    total_weight : ndarray of shape (M,)
        The sum of the weights of each problem.
    value_at_zero : float
        The value of each problem where theta is 0, or more; found without reading X.
    by_feature : bool
        Whether minibatch rules hold coefficients as (d, C) instead of (C, d).
    """

    n_problems: int
    n_outputs: int
    n_features: int
    n_rows: int
    dtype: np.dtype
    passes: float
    penalty: L2
    total_weight: np.ndarray
    by_feature: bool

    @property
    def value_at_zero(self) -> float:
        """A bound of the value at theta = 0."""

    def value_and_grad(
        self, theta: np.ndarray, active: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return values (M,) and gradient (d + 1, M K); 0 where the mask ``active`` is False."""

    def hessian_product(
        self, theta: np.ndarray, direction: np.ndarray, active: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the Hessian at theta times a direction, both (d + 1, M K)."""

    def curvature(self, full: bool, theta: np.ndarray | None = None) -> "Curvature":
        """Return second moments of the features, for preconditioning and standardising.

        Rows count with the loss's curvature at theta, or all alike with that at equal logits.
        ``full`` asks for a matrix, where the features can afford it, instead of its diagonal.
        """

    def run_batches(
        self, rule: "Rule", state: Any, order: np.ndarray, first: int, last: int
    ) -> None:
        """Run batches first to last of an epoch over rows in an order, updating ``state``."""


class Rule(Protocol):
    """The numbers of a minibatch update rule."""

    kernel_rule: int
    batch_size: int
    clip_norm: float | None
    kernel_parameters: tuple[float, float, float]

    def decay(self, objective: Objective) -> np.ndarray:
        """Return the decoupled weight decay of each column."""


@dataclass(frozen=True)
class Curvature:
    """Weighted second moments of the features about a center.

    Parameters
    ----------
    center : ndarray of shape (d,)
        Weighted means; zeros for sparse data, which must not be centred.
    second : ndarray of shape (d, d) or (d,)
        Matrix of second moments about the center, or its diagonal.
    logit : float
        Second derivative of the loss in one logit, at equal logits or averaged over the rows.
    """

    center: np.ndarray
    second: np.ndarray
    logit: float


class DenseFeatures:
    """A dense X (n, d), C-contiguous, float32 or float64."""

    value_and_grad = passes.DENSE_VALUE_AND_GRAD
    hessian_product = passes.DENSE_HESSIAN_PRODUCT
    run_batches = minibatch.DENSE_RUN_BATCHES
    by_feature = False

    def __init__(self, X: np.ndarray) -> None:
        self.X = X
        self.arrays = for_kernels(X)
        self.shape = X.shape
        self.dtype = X.dtype
        self.entries = X.size

    def to_kernel(self, weights: np.ndarray) -> np.ndarray:
        """Return weights (d, C) as the kernels hold them, (C, d)."""
        return np.ascontiguousarray(weights.T, dtype=self.dtype)

    def from_kernel(self, weights: np.ndarray) -> np.ndarray:
        """Return weights of the kernels as (d, C)."""
        return weights.T

    def moments(
        self, weights: np.ndarray, full: bool, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weighted means (d,) and second moments about them, (d, d) or (d,)."""
        row_weights = weights.astype(self.dtype)
        moments = self._matrix if full else self._diagonal
        return moments(row_weights, weights.sum(), n_threads)

    def _diagonal(
        self, weights: np.ndarray, total: float, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        n, d = self.shape
        # Sums about a point near the mean, in one pass; the first rows know it well enough.
        shift = self.X[:64].mean(axis=0, dtype=np.float64).astype(self.dtype)
        pieces = threads.chunks(n, d)
        sums, squares = np.zeros((2, len(pieces), d))

        def add_sums(i: int) -> None:
            dense.moments(self.arrays, weights, shift, *pieces[i], sums[i], squares[i])

        threads.run(add_sums, len(pieces), n_threads)
        mean = sums.sum(axis=0) / total
        return shift + mean, np.maximum(squares.sum(axis=0) / total - mean**2, 0)

    def _matrix(
        self, weights: np.ndarray, total: float, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        # By BLAS on blocks that stay in cache. A matrix for each chunk must be small beside X.
        n, d = self.shape
        pieces = threads.chunks(n, 0.02 * d * d, max(1, n // d))
        sums = np.zeros((len(pieces), d))
        products = np.zeros((len(pieces), d, d))
        step = max(1, (1 << 17) // d)

        def blocks(i: int) -> Iterator[slice]:
            start, stop = pieces[i]
            for first in range(start, stop, step):
                yield slice(first, min(first + step, stop))

        def add_sums(i: int) -> None:
            for rows in blocks(i):
                sums[i] += weights[rows] @ self.X[rows]

        def add_products(i: int) -> None:
            for rows in blocks(i):
                part = self.X[rows] - center
                part *= np.sqrt(weights[rows])[:, None]
                products[i] += part.T @ part

        with threads.single_threaded_blas():
            threads.run(add_sums, len(pieces), n_threads)
            center = (sums.sum(axis=0) / total).astype(self.dtype)
            threads.run(add_products, len(pieces), n_threads)
        return center.astype(np.float64), products.sum(axis=0) / total


class CSRFeatures:
    """A sparse X (n, d) in CSR form, float32 or float64."""

    value_and_grad = passes.SPARSE_VALUE_AND_GRAD
    hessian_product = passes.SPARSE_HESSIAN_PRODUCT
    run_batches = minibatch.SPARSE_RUN_BATCHES
    by_feature = True

    def __init__(self, X: Any) -> None:
        self.X = X
        self.arrays = tuple(for_kernels(array) for array in (X.data, X.indices, X.indptr))
        self.shape = X.shape
        self.dtype = X.dtype
        self.entries = X.nnz

    def to_kernel(self, weights: np.ndarray) -> np.ndarray:
        """Return weights (d, C) as the kernels hold them."""
        return np.ascontiguousarray(weights, dtype=self.dtype)

    def from_kernel(self, weights: np.ndarray) -> np.ndarray:
        """Return weights of the kernels as (d, C)."""
        return weights

    def moments(
        self, weights: np.ndarray, full: bool, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return zeros (d,) and second moments about zero (d,); never a full matrix."""
        data, indices, indptr = self.arrays
        d = self.shape[1]
        repeated = np.repeat(weights, np.diff(indptr))
        second = np.bincount(indices, repeated * np.square(data, dtype=np.float64), minlength=d)
        return np.zeros(d), second / weights.sum()


class InMemoryObjective:
    """The objective over an X in memory, dense or CSR; see :class:`Objective` for the methods.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d)
        C-contiguous, float32 or float64, finite.
    target : Target
    loss : Loss
    n_columns : int
        Number of columns of theta, M * K.
    penalty : L2
    fit_intercept : bool
        If False the intercepts keep their value: their gradient is 0.
    n_threads : int, optional
    """

    def __init__(
        self,
        X: Any,
        target: Target,
        loss: Loss,
        n_columns: int,
        penalty: L2,
        fit_intercept: bool = True,
        n_threads: int | None = None,
    ) -> None:
        self.features = CSRFeatures(X) if scipy.sparse.issparse(X) else DenseFeatures(X)
        self.dtype = self.features.dtype
        self.target = target.astype(self.dtype)
        self.loss = loss
        self.penalty = penalty
        self.fit_intercept = fit_intercept
        self.n_threads = n_threads
        self.n_rows, self.n_features = self.features.shape
        self.n_problems = n_columns if loss.is_sigmoid else penalty.strength.size
        self.n_outputs = n_columns // self.n_problems
        self.passes = 0.0
        self.total_weight = np.broadcast_to(target.total_weight, (self.n_problems,)).copy()
        self.by_feature = self.features.by_feature
        self._pos_weight = loss.pos_weights(self.n_problems).astype(self.dtype)
        self._everything = _Selection(
            np.ones(self.n_problems, bool), self.target, 1 / self.total_weight, self._pos_weight
        )
        self._selection = self._everything

    def value_and_grad(
        self, theta: np.ndarray, active: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return values (M,) and gradient (d + 1, M K); 0 where the mask ``active`` is False."""
        chosen = self._select(active)
        columns = np.repeat(chosen.mask, self.n_outputs)
        w, b = self._to_kernel(theta, columns)
        pieces = self._chunks(w.size)
        values = np.zeros((len(pieces), chosen.mask.sum()))
        gw = np.zeros((len(pieces), *w.shape), self.dtype)
        gb = np.zeros((len(pieces), b.size), self.dtype)
        kernel = self.features.value_and_grad[self.loss.kind(self.target)]
        arguments = self._arguments(chosen)

        def task(i: int) -> None:
            start, stop = pieces[i]
            kernel(*arguments, w, b, start, stop, values[i], gw[i], gb[i])

        threads.run(task, len(pieces), self.n_threads)
        self.passes += 1
        gradient = self._gather(theta.shape, columns, gw, gb)
        self.penalty.add_gradient(theta, gradient)
        all_values = np.zeros(self.n_problems)
        all_values[chosen.mask] = values.sum(axis=0)
        all_values += self.penalty.value(theta)
        return self._only(all_values, gradient, active)

    def hessian_product(
        self, theta: np.ndarray, direction: np.ndarray, active: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the Hessian at theta times a direction, both (d + 1, M K)."""
        chosen = self._select(active)
        columns = np.repeat(chosen.mask, self.n_outputs)
        w, b = self._to_kernel(theta, columns)
        vw, vb = self._to_kernel(direction, columns)
        if not self.fit_intercept:
            vb[:] = 0
        pieces = self._chunks(w.size)
        hw = np.zeros((len(pieces), *w.shape), self.dtype)
        hb = np.zeros((len(pieces), b.size), self.dtype)
        kernel = self.features.hessian_product[self.loss.kind(self.target)]
        arguments = self._arguments(chosen)

        def task(i: int) -> None:
            start, stop = pieces[i]
            kernel(*arguments, w, b, vw, vb, start, stop, hw[i], hb[i])

        threads.run(task, len(pieces), self.n_threads)
        self.passes += 1
        product = self._gather(theta.shape, columns, hw, hb)
        self.penalty.add_gradient(direction, product)
        return self._only(np.zeros(self.n_problems), product, active)[1]

    @property
    def value_at_zero(self) -> float:
        """The value of each problem where theta is 0, or more; found without reading X."""
        return self.loss.value_at_zero(self.n_outputs)

    def curvature(self, full: bool, theta: np.ndarray | None = None) -> Curvature:
        """Return second moments of the features, for preconditioning and standardising.

        Rows count with the loss's curvature at theta, or all alike with that at equal logits.
        ``full`` asks for a matrix, where the features can afford it, instead of its diagonal.
        """
        weights = self.target.weights.mean(axis=0, dtype=np.float64)
        logit = self.loss.largest_curvature(self.n_outputs)
        if theta is not None:
            before = weights.sum()
            weights = weights * self._row_curvature(theta)
            logit = weights.sum() / before
        center, second = self.features.moments(weights, full, self.n_threads)
        self.passes += 1
        if not self.fit_intercept:
            second = second + (np.outer(center, center) if second.ndim == 2 else center**2)
            center = np.zeros_like(center)
        return Curvature(center, second, logit)

    def _row_curvature(self, theta: np.ndarray) -> np.ndarray:
        # The second derivative in a logit for each row, the mean over all columns.
        theta = theta.astype(self.dtype)
        pieces = self._chunks(theta.size)
        curvature = np.empty(self.n_rows)

        def task(i: int) -> None:
            rows = slice(*pieces[i])
            logits = self.features.X[rows] @ theta[:-1] + theta[-1]
            p = expit(logits) if self.loss.is_sigmoid else softmax(logits, axis=1)
            curvature[rows] = (p * (1 - p)).mean(axis=1)

        with threads.single_threaded_blas():
            threads.run(task, len(pieces), self.n_threads)
        self.passes += 1
        return curvature

    def run_batches(self, rule: Rule, state: Any, order: np.ndarray, first: int, last: int) -> None:
        """Run batches first to last of an epoch over rows in an order, updating ``state``."""
        kernel = self.features.run_batches[self.loss.kind(self.target)]
        codes, soft, teacher = self.target.codes, self.target.soft, self.target.teacher
        state.step = kernel(
            self.features.arrays,
            order,
            (codes, soft, teacher),
            self.target.weights,
            self._pos_weight,
            self.loss.parameters,
            rule.batch_size,
            first,
            last,
            state.rates(last - first),
            state.step,
            rule.kernel_rule,
            rule.kernel_parameters,
            float(rule.clip_norm or 0.0),
            state.average_from,
            state.penalty.astype(self.dtype),
            rule.decay(self).astype(self.dtype),
            self.fit_intercept,
            state.center,
            state.inverse_scale,
            self.by_feature,
            state.u,
            state.u0,
            state.moments,
            state.moments0,
            state.average,
            state.average0,
            state.values,
        )
        rows = min(last * rule.batch_size, order.size) - first * rule.batch_size
        self.passes += rows / self.n_rows

    def _arguments(self, chosen: "_Selection") -> tuple:
        target = chosen.target
        return (
            self.features.arrays,
            _NO_ORDER,
            (target.codes, target.soft, target.teacher),
            target.weights,
            chosen.scale,
            chosen.pos_weight,
            self.loss.parameters,
        )

    def _select(self, active: np.ndarray | None) -> "_Selection":
        # Gathering the columns of some problems costs a copy of the targets, so do it when it
        # saves a quarter of the work, and compute a few finished problems until then.
        if active is None or active.all():
            return self._everything
        if (active & ~self._selection.mask).any():
            self._selection = self._everything
        if active.sum() <= 0.75 * self._selection.mask.sum():
            pick = self.target.columns if self.loss.is_sigmoid else self.target.problems
            self._selection = _Selection(
                active.copy(),
                pick(active),
                1 / self.total_weight[active],
                self._pos_weight[active],
            )
        return self._selection

    def _to_kernel(self, theta: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not columns.all():
            theta = theta[:, columns]
        return self.features.to_kernel(theta[:-1]), theta[-1].astype(self.dtype)

    def _gather(
        self, shape: tuple[int, ...], columns: np.ndarray, gw: np.ndarray, gb: np.ndarray
    ) -> np.ndarray:
        gradient = np.zeros(shape)
        gradient[:-1, columns] = self.features.from_kernel(gw.sum(axis=0, dtype=np.float64))
        if self.fit_intercept:
            gradient[-1, columns] = gb.sum(axis=0, dtype=np.float64)
        return gradient

    def _only(
        self, values: np.ndarray, gradient: np.ndarray, active: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        if active is not None and not active.all():
            values[~active] = 0
            gradient[:, np.repeat(~active, self.n_outputs)] = 0
        return values, gradient

    def _chunks(self, n_coefficients: int) -> list[tuple[int, int]]:
        row = self.features.entries / max(self.n_rows, 1)
        most = max(1, int(_GRADIENT_SHARE * self.features.entries / max(n_coefficients, 1)))
        columns = self.n_problems * self.n_outputs
        return threads.chunks(self.n_rows, 0.1 * row * columns + row + 2 * columns, most)


@dataclass(frozen=True)
class _Selection:
    mask: np.ndarray
    target: Target
    scale: np.ndarray
    pos_weight: np.ndarray

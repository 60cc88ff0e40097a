"""Losses: frozen values that choose kernels. A loss is a function of logits and never sees X.

The formulas are in :mod:`fastclf.kernels.loss.cross_entropy` and
:mod:`fastclf.kernels.loss.sigmoid`. :class:`Loss` is the protocol of losses; :class:`ColumnLoss`
makes a loss from a single compiled function.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

import numpy as np

from fastclf.kernels.loss import kinds, sigmoid, softmax
from fastclf.kernels.loss.columns import curvatures_of
from fastclf.kernels.loss.kinds import Kind
from fastclf.targets import Target


class Loss(Protocol):
    """The members that objectives, solvers and estimators use of a loss.

    A loss that inherits from it has no weights of positive classes, and is the same for all
    problems.
    """

    @property
    def is_sigmoid(self) -> bool:
        """Whether each column is a separate problem, with targets in [0, 1]."""

    @property
    def distillation(self) -> "Distillation | None":
        """How the teacher's probabilities enter the loss; None without a teacher."""

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that are passed to the kernels."""

    def kind(self, target: Target) -> Kind:
        """Return the row of the table of kernels for a target."""

    def pos_weights(self, n_columns: int) -> np.ndarray:
        """Return the weight of the positive class of each column."""
        return np.ones(n_columns)

    def problems(self, chosen: np.ndarray) -> "Loss":
        """Return the loss of the problems in a mask (M,)."""
        return self

    def value_at_zero(self, n_columns: int) -> float:
        """Return the largest loss of a row of K columns whose logits are all 0."""

    def largest_curvature(self, n_columns: int) -> float:
        """Return the second derivative in one logit, of K columns, at equal logits."""

    def curvature(self, logits: np.ndarray, target: Target, n_columns: int) -> np.ndarray:
        """Return the second derivative of each row's loss in each of its logits, both (n, M K)."""


@dataclass(frozen=True)
class Distillation:
    """The weights of targets and teacher in a loss: ``a CE(y, z) + (1 - a) T² CE(q, z / T)``.

    q is the teacher's distribution at temperature T. The source is Hinton, Vinyals and Dean,
    *Distilling the knowledge in a neural network*, 2015, section 2.

    Parameters
    ----------
    temperature : float
        T > 0.
    hard_weight : float
        a, from 0 (teacher only) to 1 (targets only).
    """

    temperature: float
    hard_weight: float


@dataclass(frozen=True)
class Softmax(Loss):
    """Softmax cross-entropy over the K >= 2 columns of each problem.

    Parameters
    ----------
    label_smoothing : float
        ε: hard targets become ``(1 - ε) onehot + ε / K``. Soft targets must be smoothed already.
    distillation : Distillation, optional
        Adds a term for the target's teacher.
    """

    label_smoothing: float = 0.0
    distillation: Distillation | None = None

    is_sigmoid = False

    def kind(self, target: Target) -> Kind:
        """Return the row of the table of kernels for a target."""
        if self.distillation:
            return kinds.SOFTMAX_DISTILLED
        if target.codes.size and not self.label_smoothing:
            return kinds.SOFTMAX_HARD
        return kinds.SOFTMAX_SOFT

    @property
    def parameters(self) -> tuple[float, float, float]:
        """Label smoothing, temperature and hard weight, as the kernels take them."""
        return _parameters(self.label_smoothing, self.distillation)

    def value_at_zero(self, n_columns: int) -> float:
        """Return the loss of a row of K columns whose logits are all 0."""
        return _entropy_factor(self.distillation) * float(np.log(n_columns))

    def largest_curvature(self, n_columns: int) -> float:
        """Return the second derivative in one logit, of K columns, at equal logits."""
        return (1 - 1 / n_columns) / n_columns

    def curvature(self, logits: np.ndarray, target: Target, n_columns: int) -> np.ndarray:
        """Return the second derivative of each row's loss in each of its logits, both (n, M K)."""
        terms = self.probabilities(logits, n_columns)
        for share, p in terms:
            p -= np.square(p)
            p *= logits.dtype.type(share)
        return sum((p for _, p in terms[1:]), terms[0][1])

    def probabilities(self, logits: np.ndarray, n_columns: int) -> list[tuple[float, np.ndarray]]:
        """Return the terms of the Hessian in the logits, each as a share and p of shape (n, M K).

        A term is ``share (diag(p) - p p')``, where p are the probabilities of the K columns of a
        problem. There are two terms with distillation, else one.
        """
        terms = []
        for share, temperature in _hessian_terms(self.distillation):
            p = np.empty(logits.shape, logits.dtype)
            rows = logits.reshape(-1, n_columns)
            softmax.softmax(rows, temperature, 0, len(rows), p.reshape(-1, n_columns))
            terms.append((share, p))
        return terms


@dataclass(frozen=True)
class Sigmoid(Loss):
    """Binary cross-entropy of each column; each column is a separate problem.

    Parameters
    ----------
    pos_weight : ndarray of shape (M,), optional
        Weight of the positive class of each column.
    distillation : Distillation, optional
        Adds a term for the target's teacher.
    """

    pos_weight: np.ndarray | None = None
    distillation: Distillation | None = None

    is_sigmoid = True

    def kind(self, target: Target) -> Kind:
        """Return the row of the table of kernels for a target."""
        return kinds.SIGMOID_DISTILLED if self.distillation else kinds.SIGMOID

    @property
    def parameters(self) -> tuple[float, float, float]:
        """Label smoothing, temperature and hard weight, as the kernels take them."""
        return _parameters(0.0, self.distillation)

    def pos_weights(self, n_columns: int) -> np.ndarray:
        """Return the weight of the positive class of each column (M,)."""
        return np.ones(n_columns) if self.pos_weight is None else self.pos_weight

    def problems(self, chosen: np.ndarray) -> "Sigmoid":
        """Return the loss of the problems in a mask (M,)."""
        if self.pos_weight is None:
            return self
        return replace(self, pos_weight=self.pos_weight[chosen])

    def value_at_zero(self, n_columns: int) -> float:
        """Return the largest loss of a row whose logit is 0."""
        heaviest = 1.0 if self.pos_weight is None else max(1.0, float(self.pos_weight.max()))
        return _entropy_factor(self.distillation) * heaviest * float(np.log(2))

    def largest_curvature(self, n_columns: int) -> float:
        """Return the second derivative in the logit at 0."""
        return 0.25

    def curvature(self, logits: np.ndarray, target: Target, n_columns: int) -> np.ndarray:
        """Return the second derivative of each row's loss in each of its logits, both (n, M)."""
        total = np.zeros(logits.shape, logits.dtype)
        smaller = np.empty(logits.shape, logits.dtype)
        for number, (share, temperature) in enumerate(_hessian_terms(self.distillation)):
            z = -np.abs(logits).ravel() / logits.dtype.type(temperature)
            sigmoid.sigmoid(z, 0, z.size, smaller.reshape(-1))  # at most 1/2, so 1 - smaller > 0
            slope = logits.dtype.type(share) * (smaller * (1 - smaller))
            if number == 0 and self.pos_weight is not None:
                slope *= 1 + target.soft * (self.pos_weight - 1).astype(logits.dtype)
            total += slope
        return total


@dataclass(frozen=True)
class ColumnLoss(Loss):
    """A loss of one logit and its target, from a single compiled function.

    It works with dense and sparse data, minibatches and every solver, and needs no other code.

    Parameters
    ----------
    function : callable
        ``function(z, y, positive, parameters) -> value, slope, curvature`` of a logit z and its
        target y in [0, 1], as :mod:`fastclf.kernels.loss.columns` describes it, compiled by
        :func:`fastclf.kernels.runtime.jit.primitive`. ``positive``, the weight of the positive
        class, is always 1. The curvature must not be negative: where the loss isn't convex, return
        an upper bound.
    parameters : tuple of float
        Passed to the function.

    Examples
    --------
    >>> from fastclf.kernels.runtime.jit import primitive
    >>> @primitive
    ... def squared(z, y, positive, parameters):
    ...     error = z - y
    ...     return 0.5 * error * error, error, type(z)(1)
    >>> loss = ColumnLoss(squared)
    >>> loss.value_at_zero(1), loss.largest_curvature(1)
    (0.5, 1.0)
    """

    function: Any
    parameters: tuple[float, ...] = ()

    is_sigmoid = True
    distillation = None

    def kind(self, target: Target) -> Kind:
        """Return the row of the table of kernels, compiled for the function."""
        return kinds.kind_of_column(self.function.__name__, self.function)

    def value_at_zero(self, n_columns: int) -> float:
        """Return the larger of the losses of both classes at the logit 0."""
        return max(self.function(0.0, y, 1.0, self.parameters)[0] for y in (0.0, 1.0))

    def largest_curvature(self, n_columns: int) -> float:
        """Return the largest second derivative at a logit between -4 and 4."""
        logits = np.linspace(-4, 4, 65)
        targets = Target(np.ones((1, 65)), soft=np.ones((65, 1)))
        return float(self.curvature(logits[:, None], targets, 1).max())

    def curvature(self, logits: np.ndarray, target: Target, n_columns: int) -> np.ndarray:
        """Return the second derivative of each row's loss in each of its logits, both (n, M)."""
        out = np.empty(logits.shape, logits.dtype)
        soft = np.ascontiguousarray(target.soft, logits.dtype)
        curvatures = _curvatures_of(self.function)
        curvatures(logits.ravel(), soft.ravel(), self.parameters, out.reshape(-1))
        return out


_curvatures_of = cache(curvatures_of)


def _entropy_factor(distillation: Distillation | None) -> float:
    # a + (1 - a) T²: the loss at logits of 0, divided by that of a plain cross-entropy.
    if distillation is None:
        return 1.0
    a = distillation.hard_weight
    return a + (1 - a) * distillation.temperature**2


def _hessian_terms(distillation: Distillation | None) -> list[tuple[float, float]]:
    # The share and temperature of each term of the second derivative. The factor T² of the
    # distillation term cancels against 1 / T² from its inner derivative.
    if distillation is None:
        return [(1.0, 1.0)]
    a = distillation.hard_weight
    return [(a, 1.0), (1 - a, distillation.temperature)]


def _parameters(smoothing: float, distillation: Distillation | None) -> tuple[float, float, float]:
    if distillation is None:
        return float(smoothing), 1.0, 1.0
    return float(smoothing), float(distillation.temperature), float(distillation.hard_weight)

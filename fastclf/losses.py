"""Losses: small frozen values that name their kernels. They are defined on logits and never see X.

The formulas stand in :mod:`fastclf.kernels.loss.cross_entropy` and
:mod:`fastclf.kernels.loss.sigmoid`.
"""

from dataclasses import dataclass, replace

import numpy as np

from fastclf.kernels.loss import sigmoid, softmax
from fastclf.kernels.passes import value_and_grad as passes
from fastclf.targets import Target


@dataclass(frozen=True)
class Distillation:
    """How a loss mixes the targets with a teacher: ``a CE(y, z) + (1 - a) T² CE(q, z / T)``.

    q is the teacher's distribution softened by T. The source is Hinton, Vinyals and Dean,
    *Distilling the knowledge in a neural network*, 2015, section 2.

    Parameters
    ----------
    temperature : float
        T > 0.
    hard_weight : float
        a, from 0 (the teacher alone) to 1 (the targets alone).
    """

    temperature: float
    hard_weight: float


@dataclass(frozen=True)
class Softmax:
    """Softmax cross-entropy over the K >= 2 columns of each problem.

    Parameters
    ----------
    label_smoothing : float
        ε: hard targets become ``(1 - ε) onehot + ε / K``. Soft ones are smoothed by who makes them.
    distillation : Distillation, optional
        Mixes in the target's teacher.
    """

    label_smoothing: float = 0.0
    distillation: Distillation | None = None

    is_sigmoid = False

    def kind(self, target: Target) -> int:
        """Return the number of the kernel for this kind of target."""
        if self.distillation:
            return passes.SOFTMAX_DISTILLED
        if target.codes.size and not self.label_smoothing:
            return passes.SOFTMAX_HARD
        return passes.SOFTMAX_SOFT

    @property
    def parameters(self) -> tuple[float, float, float]:
        """Label smoothing, temperature and hard weight, as the kernels take them."""
        return _parameters(self.label_smoothing, self.distillation)

    def pos_weights(self, n_columns: int) -> np.ndarray:
        """Return the weight of the positive class of each column; softmax has none, so 1."""
        return np.ones(n_columns)

    def problems(self, chosen: np.ndarray) -> "Softmax":
        """Return the loss of some problems, a mask (M,); all have the same."""
        return self

    def value_at_zero(self, n_columns: int) -> float:
        """Return the loss of a row of K columns whose logits are all 0."""
        return _mixed(self.distillation) * float(np.log(n_columns))

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
        """Return the terms of the Hessian in the logits: their shares and probabilities (n, M K).

        A share times ``diag(p) - p p'`` for each term, over the K columns of each problem.
        """
        terms = []
        for share, temperature in _terms(self.distillation):
            p = np.empty(logits.shape, logits.dtype)
            rows = logits.reshape(-1, n_columns)
            softmax.softmax(rows, temperature, 0, len(rows), p.reshape(-1, n_columns))
            terms.append((share, p))
        return terms


@dataclass(frozen=True)
class Sigmoid:
    """Binary cross-entropy of each column, which is a problem of its own.

    Parameters
    ----------
    pos_weight : ndarray of shape (M,), optional
        Weight of the positive class of each column.
    distillation : Distillation, optional
        Mixes in the target's teacher.
    """

    pos_weight: np.ndarray | None = None
    distillation: Distillation | None = None

    is_sigmoid = True

    def kind(self, target: Target) -> int:
        """Return the number of the kernel for this kind of target."""
        return passes.SIGMOID_DISTILLED if self.distillation else passes.SIGMOID

    @property
    def parameters(self) -> tuple[float, float, float]:
        """Label smoothing, temperature and hard weight, as the kernels take them."""
        return _parameters(0.0, self.distillation)

    def pos_weights(self, n_columns: int) -> np.ndarray:
        """Return the weight of the positive class of each column (M,)."""
        return np.ones(n_columns) if self.pos_weight is None else self.pos_weight

    def problems(self, chosen: np.ndarray) -> "Sigmoid":
        """Return the loss of some problems, a mask (M,)."""
        if self.pos_weight is None:
            return self
        return replace(self, pos_weight=self.pos_weight[chosen])

    def value_at_zero(self, n_columns: int) -> float:
        """Return the largest loss of a row whose logit is 0."""
        heaviest = 1.0 if self.pos_weight is None else max(1.0, float(self.pos_weight.max()))
        return _mixed(self.distillation) * heaviest * float(np.log(2))

    def largest_curvature(self, n_columns: int) -> float:
        """Return the second derivative in the logit at 0."""
        return 0.25

    def curvature(self, logits: np.ndarray, target: Target, n_columns: int) -> np.ndarray:
        """Return the second derivative of each row's loss in each of its logits, both (n, M)."""
        total = np.zeros(logits.shape, logits.dtype)
        smaller = np.empty(logits.shape, logits.dtype)
        for number, (share, temperature) in enumerate(_terms(self.distillation)):
            z = -np.abs(logits).ravel() / logits.dtype.type(temperature)
            sigmoid.sigmoid(z, 0, z.size, smaller.reshape(-1))  # never rounded to 1
            slope = logits.dtype.type(share) * (smaller * (1 - smaller))
            if number == 0 and self.pos_weight is not None:
                slope *= 1 + target.soft * (self.pos_weight - 1).astype(logits.dtype)
            total += slope
        return total


Loss = Softmax | Sigmoid


def _mixed(distillation: Distillation | None) -> float:
    # The shares of both terms, each times what it multiplies an entropy with.
    if distillation is None:
        return 1.0
    a = distillation.hard_weight
    return a + (1 - a) * distillation.temperature**2


def _terms(distillation: Distillation | None) -> list[tuple[float, float]]:
    # Shares and temperatures of the second derivatives of both terms: T² cancels.
    if distillation is None:
        return [(1.0, 1.0)]
    a = distillation.hard_weight
    return [(a, 1.0), (1 - a, distillation.temperature)]


def _parameters(smoothing: float, distillation: Distillation | None) -> tuple[float, float, float]:
    if distillation is None:
        return float(smoothing), 1.0, 1.0
    return float(smoothing), float(distillation.temperature), float(distillation.hard_weight)

"""Compiled Newton steps for small problems."""

from dataclasses import dataclass, field

import numpy as np

from fastclf import threads
from fastclf.kernels.linalg import cholesky
from fastclf.kernels.passes import narrow as narrow_kernels
from fastclf.kernels.steps import newton
from fastclf.objective import Objective, narrow
from fastclf.objective.arrays import Arrays
from fastclf.plan.engines import whole_pass
from fastclf.solvers.stopping import Stopping

_MOST_PIECES = 16


@dataclass(frozen=True)
class NewtonPoint:
    """A point of one problem, in the layout of :mod:`fastclf.kernels.steps.newton`.

    ``center`` is (d,), ``w`` and ``gradient`` (K, side), ``blocks`` (P, side, side).
    """

    center: np.ndarray
    w: np.ndarray
    gradient: np.ndarray
    blocks: np.ndarray
    numbers: np.ndarray

    @classmethod
    def at(cls, theta: np.ndarray, center: np.ndarray) -> "NewtonPoint":
        """Return the point theta (d + 1, K), before the first pass."""
        K = theta.shape[1]
        w = narrow.padded(theta, center)
        side = w.shape[1]
        blocks = np.empty((narrow.pairs(1, K), side, side))
        return cls(center, w, np.empty((K, side)), blocks, np.zeros(newton.NUMBERS))

    def theta(self) -> np.ndarray:
        """Return the coefficients now, (d + 1, K)."""
        theta = self.w[:, : self.center.size + 1].T.copy()
        theta[-1] -= self.center @ theta[:-1]
        return theta

    @property
    def _place(self) -> tuple[np.ndarray, ...]:
        return self.w, self.gradient, self.blocks, self.numbers

    def advance(self, objective: Objective, limits: tuple[float, ...]) -> int:
        """Take a step and return the kernel's code of how it ended; the kernel has the limits."""
        arrays = objective.arrays
        assert arrays is not None
        before = self.numbers[newton.PASSES]
        # The jitter makes Hessians definite for features that differ by rounding alone.
        is_double = arrays.features.dtype == np.float64
        jitter = cholesky.JITTER if is_double else cholesky.JITTER_OF_SINGLE
        strength = float(objective.penalty.strength[0])
        model = strength, arrays.fit_intercept, self.center, jitter
        work = whole_pass(objective.shape, objective.costs)
        if work < objective.costs.shared_pass:
            end = newton.step(arrays.kind)(arrays.data, model, limits, *self._place)
        else:
            end = self._shared_step(arrays, model, limits, objective.n_threads, work)
        objective.passes += float(self.numbers[newton.PASSES] - before)
        return int(end)

    def _shared_step(
        self,
        arrays: Arrays,
        model: tuple,
        limits: tuple[float, ...],
        n_threads: int | None,
        work: float,
    ) -> int:
        # A step whose passes several threads share, between compiled calls.
        n = arrays.features.shape[0]
        pieces = threads.chunks(n, work / n, _MOST_PIECES, narrow_kernels.TILE)
        search = np.empty((3, *self.w.shape))
        P, kernel = len(pieces), narrow_kernels.shared(arrays.kind)
        values, gradients = np.empty((P, 1)), np.empty((P, *self.w.shape))
        blocks = np.empty((P, *self.blocks.shape))
        nothing = np.empty((P, 0, *self.blocks.shape[1:]))
        state = *self._place, tuple(search), (values, gradients, blocks)
        end = newton.propose(model, limits, *state)
        if end != newton.RUNNING:
            return end
        more = True
        while more:
            sums = values, gradients, nothing if self.numbers[newton.ENDING] else blocks
            trial = search[2], self.center, True
            narrow.share(kernel, arrays.data, trial, pieces, sums, n_threads, work)
            more = newton.judge(model, *state)
        return newton.conclude(self.center, limits, self.gradient, self.numbers)


@dataclass
class SmallNewtonState:
    """State of Newton's method on a small problem; ``scale`` is the objective at zero."""

    point: NewtonPoint
    stopping: Stopping
    scale: float
    iteration: int = 0
    status: str = "running"
    learning_rate: None = field(default=None, init=False)

    @classmethod
    def at(cls, objective: Objective, theta: np.ndarray, stopping: Stopping) -> "SmallNewtonState":
        """Return the state at theta (d + 1, K), after the first pass."""
        assert objective.arrays is not None
        point = NewtonPoint.at(theta, objective.arrays.center)
        point.advance(objective, (0.0,) * 5)
        return cls(point, stopping, objective.value_at_zero)

    def step(self, objective: Objective) -> None:
        """Take a step, or stop if the problem is solved."""
        end = self.point.advance(objective, self.stopping.limits(self.scale))
        if end == newton.CONVERGED:
            self.status = "converged"
            return
        self.iteration += 1
        if end == newton.STUCK:
            small = self.gradient_norm <= self.stopping.tol
            self.status = "converged" if small else "precision"

    def theta(self) -> np.ndarray:
        """Return the coefficients now."""
        return self.point.theta()

    @property
    def gradient(self) -> np.ndarray:
        """The gradient in ``(w, b + c @ w)`` for the center c of the features, (K, d + 1)."""
        return self.point.gradient[:, : self.point.center.size + 1]

    @property
    def objective(self) -> float:
        """The value."""
        return float(self.point.numbers[newton.VALUE])

    @property
    def gradient_norm(self) -> float:
        """The largest absolute entry of the gradient; NaN doesn't count."""
        return float(self.point.numbers[newton.NORM])

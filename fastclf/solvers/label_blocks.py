"""Limited-memory BFGS on many labels of sparse data, in blocks whose steps are compiled."""

from dataclasses import dataclass, field

import numpy as np

from fastclf.kernels.label_descent import STUCK
from fastclf.objective import Objective
from fastclf.objective.label_blocks import LabelBlock, joined
from fastclf.solvers.preconditioner import MomentsInverse
from fastclf.solvers.stopping import Stopping


@dataclass
class LabelBlocksState:
    """Where M labels stand: those that run in blocks, all others in ``point`` (d + 1, M).

    ``values``, ``norms``, ``counts`` and ``stuck`` (M,) are as in
    :class:`fastclf.solvers.quasi_newton.QuasiNewtonState`, and hold for all labels.
    """

    point: np.ndarray
    values: np.ndarray
    norms: np.ndarray
    counts: np.ndarray
    stuck: np.ndarray
    blocks: list[LabelBlock]
    inverse: MomentsInverse
    stopping: Stopping
    scale: float
    max_iter: int
    iteration: int = 0
    status: str = "running"
    learning_rate: None = field(default=None, init=False)

    @classmethod
    def at(
        cls,
        objective: Objective,
        theta: np.ndarray,
        inverse: MomentsInverse,
        stopping: Stopping,
        memory: int,
        max_iter: int,
    ) -> "LabelBlocksState":
        """Return the state at theta (d + 1, M), where one pass evaluates all labels."""
        M = objective.n_problems
        blocks = objective.label_blocks(theta, memory)
        numbers = np.zeros(M), np.zeros(M), np.zeros(M, int), np.zeros(M, bool)
        scale = objective.value_at_zero
        state = cls(theta, *numbers, blocks, inverse, stopping, scale, max_iter)
        state._advance(objective, 1)
        return state

    def step(self, objective: Objective) -> None:
        """Take some steps of each label that runs."""
        self._advance(objective, objective.passes_of_blocks)
        if self.blocks:
            # The loop ends with the last label: it is told of the one that took the fewest steps.
            running = [self.counts[block.labels[block.running]] for block in self.blocks]
            self.iteration = int(np.concatenate(running).min())
            return
        self.iteration = int(self.counts.max())
        unfinished = self.norms > self.stopping.tol
        if not (unfinished & ~self.stuck).any():
            self.status = "precision" if unfinished.any() else "converged"

    def theta(self) -> np.ndarray:
        """Return the coefficients now."""
        theta = self.point.copy()
        for block in self.blocks:
            theta[:, block.labels] = block.theta[: len(theta), : block.labels.size]
        return theta

    @property
    def objective(self) -> float:
        """The mean value over the labels."""
        return float(self.values.mean())

    @property
    def gradient_norm(self) -> float:
        """The largest absolute entry of the gradient."""
        return float(self.norms.max(initial=0.0))

    def _advance(self, objective: Objective, most_passes: int) -> None:
        inverse = self.inverse
        moments = inverse.center, inverse.second, inverse.logits, inverse.ridge
        limits = self.stopping.limits(self.scale)
        objective.advance_blocks(self.blocks, moments, limits, self.max_iter, most_passes)
        for block in self.blocks:
            labels, done = block.labels, ~block.running
            self.values[labels] = block.values
            self.norms[labels] = block.norms
            self.counts[labels] = block.counts
            self.stuck[labels] = block.states == STUCK
            lanes = np.flatnonzero(done)
            self.point[:, labels[lanes]] = block.theta[: len(self.point), lanes]
        self.blocks = joined(self.blocks)

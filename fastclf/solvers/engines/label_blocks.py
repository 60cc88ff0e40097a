"""Limited-memory BFGS on many labels, in compiled blocks."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastclf.kernels.runtime.lanes import LANES
from fastclf.kernels.steps.labels import COUNT, NORM, STATE, STUCK, VALUE
from fastclf.objective import Objective
from fastclf.solvers.engines.label_block import LabelBlock, LabelDescent, blocks_at, joined
from fastclf.solvers.exact import ExactState
from fastclf.solvers.loop import minimize
from fastclf.solvers.newton import Newton
from fastclf.solvers.preconditioner import HessianInverse, MomentsInverse
from fastclf.solvers.progress import observing, the_observer
from fastclf.solvers.stopping import Stopping

_PATIENCE = 20
"""Passes after which labels that still run get Hessians of their own, and later newer ones."""


@dataclass(kw_only=True)
class LabelBlocksState(ExactState):
    """State of M labels: the running ones are in blocks, all others in ``point``.

    ``counts`` (M,) are the steps of each label. ``age`` counts the passes since Hessians of single
    labels were computed; ``hard`` says that some were.
    """

    counts: np.ndarray
    blocks: list[LabelBlock]
    inverse: MomentsInverse
    stopping: Stopping
    max_iter: int
    memory: int
    single: bool
    age: int = 0
    hard: bool = False
    descent: LabelDescent | None = field(default=None, metadata={"follows": True})

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
        state = cls(
            point=theta,
            values=np.zeros(M),
            norms=np.zeros(M),
            stuck=np.zeros(M, bool),
            scale=objective.value_at_zero,
            counts=np.zeros(M, int),
            blocks=[],
            inverse=inverse,
            stopping=stopping,
            max_iter=max_iter,
            memory=memory,
            single=objective.dtype == np.float64 and stopping.allows_single(),
        )
        state._evaluate(objective)
        if state.single and not stopping.allows_single(state.gradient_norm):
            state.single = False
            state._evaluate(objective)
        return state

    def step(self, objective: Objective) -> None:
        """Take some steps of each running label, or one pass if there is an observer."""
        if self.age >= _PATIENCE:
            self._renew(objective)
        # Both numbers divide the patience, so that Hessians are taken at the same points.
        passes = 1 if the_observer() is not None else self._descent_of(objective).most_passes
        self._advance(objective, passes)
        self.age += passes
        if not self.blocks and self.single:
            self._look_closely(objective)
        if not self.blocks and not objective.shape.is_sparse:
            self._finish(objective)
        if self.blocks:
            # The loop compares the iteration with max_iter, so report the least of running labels.
            running = [self.counts[block.labels[block.running]] for block in self.blocks]
            self.iteration = int(np.concatenate(running).min())
            return
        self.iteration = int(self.counts.max())
        # A label that is stuck where it starts has numbers that aren't finite.
        unfinished = ~(self.norms <= self.stopping.tol) | (self.stuck & (self.counts == 0))
        if not (unfinished & ~self.stuck).any():
            self.status = "precision" if unfinished.any() else "converged"

    def theta(self) -> np.ndarray:
        """Return the coefficients now."""
        theta = self.point.copy()
        for block in self.blocks:
            theta[:, block.labels] = block.theta[:, : block.labels.size]
        return theta

    def _renew(self, objective: Objective) -> None:
        # Give each running label a factor of its own Hessian.
        self.age = 0
        side, room = len(self.point), objective.costs.own_hessians_room
        if objective.shape.is_sparse or len(self.blocks) * side**2 * LANES * 4 > room:
            return
        labels = np.sort(np.concatenate([block.labels[block.running] for block in self.blocks]))
        part = objective.part(None, labels, objective.n_threads)
        hessian = part.hessian(self.theta()[:, labels], whole=True)
        inverse = HessianInverse(hessian, part.penalty.columns(labels.size), 1)
        objective.passes += part.passes * labels.size / objective.n_problems
        self.hard = True
        factors = dict(zip(labels.tolist(), inverse.factors.transpose(0, 2, 1), strict=True))
        self.blocks = [block.over(inverse.center, factors) for block in self.blocks]

    def _look_closely(self, objective: Objective) -> None:
        # Check in float64 that the gradient is small. That the objective can't get much lower is
        # known from float32.
        self.single = False
        if not self.stuck.any():
            self.stopping = replace(self.stopping, negligible=np.inf)
        self._evaluate(objective)
        if self.hard:
            self.age = _PATIENCE

    def _evaluate(self, objective: Objective) -> None:
        # Start all labels anew from their points, by a pass.
        self.blocks = blocks_at(objective, self.point, self.memory)
        for block in self.blocks:
            block.number(COUNT)[:] = self.counts[block.labels]
        self._advance(objective, 1)

    def _finish(self, objective: Objective) -> None:
        # Directions in blocks are float32. Labels that got stuck by that are solved by Newton's
        # method from zero, because they may be far along directions where the objective is flat.
        tol = self.stopping.tol
        labels = np.flatnonzero(self.stuck & ~(self.norms <= tol))
        if labels.size == 0:
            return
        part = objective.part(None, labels, objective.n_threads)
        newton: Any = Newton(tol=tol, max_iter=self.max_iter, negligible=self.stopping.negligible)
        with observing(None):
            result = minimize(part, np.zeros((len(self.point), labels.size)), newton)
        values, gradient = part.value_and_grad(result.theta)
        norms = np.abs(gradient).max(axis=0)
        better = norms < self.norms[labels]
        chosen = labels[better]
        self.point[:, chosen] = result.theta[:, better]
        self.values[chosen], self.norms[chosen] = values[better], norms[better]
        self.counts[chosen] = result.n_iter
        self.stuck[chosen] = result.status == "precision"
        objective.passes += part.passes * labels.size / objective.n_problems

    def _advance(self, objective: Objective, most_passes: int) -> None:
        limits = self.stopping.limits(self.scale)
        numbers = self.single, limits, self.max_iter, most_passes
        strength, moments = objective.penalty.strength, self.inverse.separated
        descent = self._descent_of(objective)
        objective.passes += descent(self.blocks, strength, moments, *numbers)
        for block in self.blocks:
            labels, done = block.labels, ~block.running
            self.values[labels] = block.number(VALUE)
            self.norms[labels] = block.number(NORM)
            self.counts[labels] = block.number(COUNT)
            self.stuck[labels] = block.number(STATE) == STUCK
            lanes = np.flatnonzero(done)
            self.point[:, labels[lanes]] = block.theta[:, lanes]
        self.blocks = joined(self.blocks)

    def _descent_of(self, objective: Objective) -> LabelDescent:
        if self.descent is None or self.descent.arrays is not objective.arrays:
            self.descent = LabelDescent(objective)
        return self.descent

"""Compiled Newton steps for small problems, each with a Hessian of its own."""

from collections.abc import Callable
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

_STEPS = 8.0
"""Steps of a problem, for the work that threads share."""

_TRACED = [newton.VALUE, newton.NORM, newton.PASSES]
"""The numbers of a row of a trace."""

_CHEAP = 0.5
"""Cost of a pass without a Hessian, as a share of one with it, at which it may polish a point."""

Limits = tuple[float, ...]


@dataclass
class SmallNewtonState:
    """State of Newton's method on M small problems.

    The points are in the layout of :mod:`fastclf.kernels.steps.newton`: ``center`` (d,), ``w``,
    ``slopes`` and ``direction`` (M, K, side), ``blocks`` (M, P, side, side), and ``numbers`` (M,
    NUMBERS).
    ``running`` and ``stuck`` (M,) mark the problems that aren't done, and those for which the
    arithmetic allows no better point; ``counts`` (M,) are the steps of each. ``scale`` is the
    objective at zero.
    """

    center: np.ndarray
    w: np.ndarray
    slopes: np.ndarray
    blocks: np.ndarray
    direction: np.ndarray
    numbers: np.ndarray
    running: np.ndarray
    stuck: np.ndarray
    counts: np.ndarray
    stopping: Stopping
    scale: float
    iteration: int = 0
    status: str = "running"
    learning_rate: None = field(default=None, init=False)

    @classmethod
    def at(cls, objective: Objective, theta: np.ndarray, stopping: Stopping) -> "SmallNewtonState":
        """Return the state at theta (d + 1, M K), before the first pass."""
        center, M = _arrays(objective).center, objective.n_problems
        w = narrow.padded(theta, center).reshape(M, objective.n_outputs, -1)
        side = w.shape[2]
        blocks = np.empty((M, narrow.pairs(1, objective.n_outputs), side, side))
        place = center, w, np.empty(w.shape), blocks, np.empty(w.shape)
        marks = np.ones(M, bool), np.zeros(M, bool), np.zeros(M, int)
        numbers, scale = np.zeros((M, newton.NUMBERS)), objective.value_at_zero
        return cls(*place, numbers, *marks, stopping, scale)

    def look(self, objective: Objective) -> None:
        """Compute the value, gradient and Hessian at the start, unless they are known."""
        if not self._has_looked:
            self._end(self._advance(objective))

    def step(self, objective: Objective) -> None:
        """Take a step of each problem that runs; stop if all are solved."""
        self.look(objective)
        if self.status == "running":
            self.counts += self.running
            self._end(self._advance(objective))

    def finish(self, objective: Objective, max_iter: int) -> list[list[float]]:
        """Take all steps, a problem in one call; see :class:`fastclf.solvers.loop.State`."""
        if _is_shared(objective):
            return self._finish_shared(objective, max_iter)
        arrays, how = _arrays(objective), self._how(objective)
        before, M = self.numbers[:, newton.PASSES].copy(), len(self.w)
        looks = 0 if self._has_looked else 1  # the first step of all
        traces = np.empty((M, max_iter - self.iteration + looks, 3))
        ends, steps = np.zeros(M, int), np.zeros(M, int)
        run = newton.run(arrays.kind)

        def task(m: int) -> None:
            model = _model(objective, arrays, m)
            data, point = arrays.data_of(m), self._point(m)
            ends[m], steps[m] = run(data, model, *how, *point, traces[m])

        self._share(objective, task, _STEPS)
        self.counts += np.maximum(steps - looks, 0)
        self._end(ends)
        objective.passes += float((self.numbers[:, newton.PASSES] - before).sum())
        for m, count in enumerate(steps.tolist()):
            done = traces[m, count - 1] if count else self.numbers[m, _TRACED]
            traces[m, count:] = done
        traces = traces[:, looks : steps.max()]
        traces[:, :, 2] -= before[:, None]
        if M == 1:
            return traces[0].tolist()
        value, norm, passes = traces.transpose(2, 0, 1)
        rows = value.mean(axis=0), norm.max(axis=0), passes.sum(axis=0)
        return np.stack(rows, axis=1).tolist()

    def _finish_shared(self, objective: Objective, max_iter: int) -> list[list[float]]:
        before, rows = self.numbers[0, newton.PASSES], []
        self.look(objective)
        while self.status == "running" and self.iteration < max_iter:
            self.step(objective)
            value, norm, passes = self.numbers[0, _TRACED].tolist()
            rows.append([value, norm, passes - before])
        return rows

    @property
    def _has_looked(self) -> bool:
        return bool(self.numbers[0, newton.PASSES])

    def theta(self) -> np.ndarray:
        """Return the coefficients now."""
        d = self.center.size
        theta = self.w[:, :, : d + 1].reshape(-1, d + 1).T.copy()
        theta[-1] -= self.center @ theta[:-1]
        return theta

    @property
    def gradient(self) -> np.ndarray:
        """The gradients in ``(w, b + c @ w)`` for the center c of the features, (M, K, d + 1)."""
        return self.slopes[:, :, : self.center.size + 1]

    @property
    def objective(self) -> float:
        """The mean value over the problems."""
        return float(self.numbers[:, newton.VALUE].mean())

    @property
    def gradient_norm(self) -> float:
        """The largest absolute entry of the gradients; NaN doesn't count."""
        return float(self.numbers[:, newton.NORM].max())

    def _point(self, m: int) -> tuple[np.ndarray, ...]:
        arrays = self.w, self.slopes, self.blocks, self.direction, self.numbers
        return tuple(array[m] for array in arrays)

    def _how(self, objective: Objective) -> tuple[Limits, int]:
        # The limits by which kernels stop, and the passes in which they may polish a point: where
        # these would take more than a tenth of the time, only the step that needs none is taken.
        shape, costs = objective.shape, objective.costs
        row = costs.pass_of_row(shape.n_features, shape.n_outputs)
        is_cheap = shape.n_rows * row <= _CHEAP * whole_pass(shape, costs)
        polish = newton.POLISHED
        if len(self.w) > 1 or (_is_shared(objective) and not is_cheap):
            polish = newton.ONE_STEP
        if self.stopping.tol == np.inf:
            polish = newton.UNPOLISHED
        return self.stopping.limits(self.scale), polish

    def _end(self, ends: np.ndarray) -> None:
        # Mark problems by the kernels' codes of how their last step ended, (M,).
        self.iteration = int(self.counts.max())
        self.stuck |= self.running & (ends == newton.STUCK)
        self.running &= ends == newton.RUNNING
        if not self.running.any():
            unfinished = self.stuck & ~(self.numbers[:, newton.NORM] <= self.stopping.tol)
            self.status = "precision" if unfinished.any() else "converged"

    def _share(self, objective: Objective, task: Callable[[int], None], passes: float) -> None:
        # Call a task for each problem that runs; each takes so many passes.
        chosen = np.flatnonzero(self.running).tolist()
        if len(chosen) == 1:
            task(chosen[0])
            return
        work = passes * whole_pass(objective.shape, objective.costs) * len(chosen)
        threads.run(lambda i: task(chosen[i]), len(chosen), objective.n_threads, work)

    def _advance(self, objective: Objective) -> np.ndarray:
        # Take a step of each problem that runs; return the kernels' codes of how it ended.
        arrays, before = _arrays(objective), self.numbers[:, newton.PASSES].sum()
        ends, how = np.zeros(len(self.w), int), self._how(objective)
        if _is_shared(objective):
            ends[0] = self._shared_step(objective, arrays, *how)
        else:
            run, traces = newton.run(arrays.kind), np.empty((len(self.w), 1, 3))

            def task(m: int) -> None:
                model = _model(objective, arrays, m)
                ends[m], _ = run(arrays.data_of(m), model, *how, *self._point(m), traces[m])

            self._share(objective, task, 1.0)
        objective.passes += float(self.numbers[:, newton.PASSES].sum() - before)
        return ends

    def _shared_step(self, objective: Objective, arrays: Arrays, limits: Limits, left: int) -> int:
        # A step whose passes several threads share, between compiled calls.
        n, work = objective.n_rows, whole_pass(objective.shape, objective.costs)
        pieces = threads.chunks(n, work / n, _MOST_PIECES, narrow_kernels.TILE)
        w, _, blocks, direction, numbers = self._point(0)
        search = tuple(np.empty((2, *w.shape)))
        P, kernel = len(pieces), narrow_kernels.shared(arrays.kind)
        values, gradients = np.empty((P, 1)), np.empty((P, *w.shape))
        sums = values, gradients, np.empty((P, *blocks.shape))
        model = _model(objective, arrays, 0)
        place = *self._point(0), search, sums

        def read(hessian: bool) -> None:
            chosen = sums if hessian else (values, gradients, sums[2][:, :0])
            trial = search[1], self.center, True
            narrow.share(kernel, arrays.data, trial, pieces, chosen, objective.n_threads, work)

        newton.begin(w, direction, numbers, search, sums)
        more = True
        while more:
            read(hessian=True)
            more = newton.judge(model, *place)
        end = int(newton.conclude(model, limits, *place))
        if end == newton.CONVERGED:
            while left > 0 and not newton.is_sharp(w, direction, numbers):
                read(hessian=False)
                left = left - 1 if newton.polish(model, *place) else newton.UNPOLISHED
            if left >= 0:
                w[:] = search[1]
        return end


def _is_shared(objective: Objective) -> bool:
    # Whether several threads share each pass.
    work = whole_pass(objective.shape, objective.costs)
    return objective.n_problems == 1 and work >= objective.costs.shared_pass


def _arrays(objective: Objective) -> Arrays:
    assert objective.arrays is not None
    return objective.arrays


def _model(objective: Objective, arrays: Arrays, m: int) -> tuple:
    # A problem's model, as kernels take it. The jitter makes Hessians definite for features that
    # differ by rounding alone.
    is_double = arrays.features.dtype == np.float64
    jitter = cholesky.JITTER if is_double else cholesky.JITTER_OF_SINGLE
    return float(objective.penalty.strength[m]), arrays.fit_intercept, arrays.center, jitter

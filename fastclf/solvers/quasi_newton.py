"""Quasi-Newton iterations over an approximate inverse Hessian, for M problems in lockstep.

Limited-memory BFGS (Nocedal and Wright, *Numerical Optimization*, 2nd ed., algorithm 7.4) whose
first inverse Hessian is a preconditioner. The preconditioner is computed anew when that pays, from
as many rows as are enough; updates correct it in between. All inner products are taken problem by
problem, so every problem gets the steps that it would get alone, and each evaluation serves all
problems that still run.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastclf.kernels.linalg import line_search, pairs
from fastclf.objective import Objective
from fastclf.penalties import Penalty
from fastclf.plan.engines import rows_for_matrix
from fastclf.solvers.exact import FAST, ExactSolver, ExactState, affordable_rows
from fastclf.solvers.line_search import search
from fastclf.solvers.preconditioner import MomentsInverse, Preconditioner, centred

_FIRST_REFRESH, _FIRST_REFRESH_TOGETHER = 6, 20
"""Most iterations before the preconditioner is computed anew for the first time: for one problem,
and for several, most of which are done by then.
"""

_MANY = 1 << 18
"""Coefficients from which on pairs don't fit into cache and are float32."""


@dataclass
class Pairs:
    """The last steps and changes of the gradient, both (m, d + 1, M K), as a ring buffer."""

    steps: np.ndarray
    changes: np.ndarray
    rhos: np.ndarray
    alphas: np.ndarray
    newest: int = -1
    used: int = 0

    @classmethod
    def empty(cls, memory: int, shape: tuple[int, ...], n_problems: int) -> "Pairs":
        """Return an empty buffer for ``memory`` pairs; float32 for many coefficients."""
        dtype = np.float32 if shape[0] * shape[1] >= _MANY else np.float64
        steps, changes = np.empty((2, memory, *shape), dtype)
        rhos, alphas = np.zeros((2, memory, n_problems))
        return cls(steps, changes, rhos, alphas)

    def add(
        self,
        running: np.ndarray,
        old: tuple[np.ndarray, np.ndarray],
        new: tuple[np.ndarray, np.ndarray],
    ) -> np.ndarray:
        """Replace the oldest pair by that of two points (theta, gradient).

        Returns the largest entry of each problem's new gradient, (M,).
        """
        i = self.newest = (self.newest + 1) % len(self.steps)
        self.used = min(self.used + 1, len(self.steps))
        norms = np.empty(running.size)
        pair = self.steps[i], self.changes[i], self.rhos[i]
        pairs.advance(running, *old, *new, np.finfo(np.float64).eps, *pair, norms)
        return norms

    def penalise(self, change: np.ndarray) -> None:
        """Add the gradient of another L2 penalty, by the ``change`` (M K,) of its strengths."""
        for i in range(self.used):
            step, rhos = self.steps[i], self.rhos[i]
            self.changes[i, :-1] += change * step[:-1]
            products = np.empty(rhos.size)
            pairs.dots(step, self.changes[i], products)
            np.divide(1, products, out=rhos, where=(rhos > 0) & (products > 0))

    def apply(
        self, preconditioner: Preconditioner, gradient: np.ndarray, n_threads: int | None
    ) -> np.ndarray:
        """Return the approximate inverse Hessian times a gradient."""
        past = self.steps, self.changes, self.rhos, self.newest, self.used, self.alphas
        q = gradient.copy()
        pairs.first_loop(*past, q)
        r = preconditioner.apply(q, n_threads)
        if self.used:
            # Scale the preconditioner by the curvature of the last pair.
            i = self.newest
            M = self.rhos.shape[1]
            squares = preconditioner.squares(self.changes[i], n_threads).reshape(M, -1)
            scale = self.rhos[i] * squares.sum(axis=1)
            r /= np.repeat(np.where(scale > 0, scale, 1), r.shape[1] // M)
        pairs.second_loop(*past, r)
        return r


@dataclass(kw_only=True)
class QuasiNewtonState(ExactState):
    """State of M problems.

    ``running`` (M,) marks the problems that aren't done. ``lowest`` and ``smallest`` (M,) are the
    lowest value and the smallest gradient norm so far, ``counts`` (M,) the steps of each problem.
    If ``single``, passes compute in float32. If ``ending``, this step is expected to be the last,
    so no preconditioner is computed after it. If ``light``, the variances of the features still
    take the place of a matrix; ``began`` is the decrease that was expected when that was decided.
    """

    gradient: np.ndarray
    running: np.ndarray
    lowest: np.ndarray
    smallest: np.ndarray
    stale: np.ndarray
    first: np.ndarray
    preconditioner: Any
    pairs: Pairs
    wait: float
    counts: np.ndarray
    single: bool
    ending: bool = False
    refreshed: int = 0
    expected: float = np.inf
    contraction: float = 1.0
    light: bool = False
    began: float = np.inf


@dataclass(frozen=True)
class QuasiNewton(ExactSolver):
    """Base of :class:`LBFGS` and :class:`Newton`, which choose the preconditioner."""

    needs: ClassVar[tuple[str, ...]] = ("value_and_grad", "curvature")

    def approximate(self, objective: Objective, theta: np.ndarray, n_rows: int) -> Preconditioner:
        """Return an approximate inverse Hessian at theta, from about ``n_rows`` rows."""
        raise NotImplementedError

    def init(self, objective: Objective, theta: np.ndarray) -> QuasiNewtonState:
        """Return the first state."""
        theta = np.array(theta, np.float64, order="C")
        M = objective.n_problems
        plan = self._plan(objective)
        wait = min(plan.cost, _FIRST_REFRESH if M == 1 else _FIRST_REFRESH_TOGETHER)
        n_rows = self._affordable(objective, wait)
        if self._starts_on_sample(objective, theta):
            n_rows = min(n_rows, self.sample)
        theta = self._start(objective, theta)
        light = plan.price > 0
        wants = theta.any() and n_rows == objective.n_rows and plan.is_exact and not light
        values, gradient = objective.value_and_grad(theta, None, wait == 0 or bool(wants))
        preconditioner = (
            from_moments(objective, theta, full=False)
            if light
            else self.approximate(objective, theta, n_rows)
        )
        past = Pairs.empty(self.memory, theta.shape, M)
        return self._first(objective, theta, (values, gradient), preconditioner, past, wait, light)

    def proceed(
        self, objective: Objective, theta: np.ndarray, state: Any, before: Penalty
    ) -> QuasiNewtonState | None:
        """Return the first state at theta with the pairs and the preconditioner of another state.

        That is the last one of the same problems under the L2 penalty ``before``. None if its pairs
        are worth nothing here, for the method computes exact Hessians.
        """
        plan = self._plan(objective)
        if not isinstance(state, QuasiNewtonState) or plan.is_exact or state.light:
            return None
        columns = theta.shape[1]
        state.pairs.penalise(objective.penalty.columns(columns) - before.columns(columns))
        theta = centred(theta, objective.n_outputs)
        at = objective.value_and_grad(theta)
        return self._first(objective, theta, at, state.preconditioner, state.pairs, state.wait)

    def _first(
        self,
        objective: Objective,
        theta: np.ndarray,
        at: tuple[np.ndarray, np.ndarray],
        preconditioner: Preconditioner | None,
        past: Pairs,
        wait: float,
        light: bool = False,
    ) -> QuasiNewtonState:
        # The first state, at theta with its values and gradient.
        values, gradient = at
        M = objective.n_problems
        norms = _norms(gradient, M)
        largest = float(norms.max(initial=0.0))
        return QuasiNewtonState(
            point=theta,
            values=values,
            gradient=gradient,
            running=np.ones(M, bool),
            stuck=np.zeros(M, bool),
            norms=norms,
            lowest=values.copy(),
            smallest=norms.copy(),
            stale=np.zeros(M, int),
            first=np.ones(M),
            preconditioner=preconditioner,
            pairs=past,
            wait=wait,
            scale=objective.value_at_zero,
            counts=np.zeros(M, int),
            single=self._plan(objective).float32_first and self._stopping.allows_single(largest),
            light=light,
        )

    def step(self, objective: Objective, state: Any) -> None:
        """Take one step of every problem that still runs."""
        if not isinstance(state, QuasiNewtonState):  # of an engine, which takes its own steps
            state.step(objective)
            return
        M = objective.n_problems
        self._refresh(objective, state)
        direction, slopes = self._direct(objective, state)
        if state.status != "running" and state.single:
            self._look_closely(objective, state)
            direction, slopes = self._direct(objective, state)
        if state.status != "running":
            return
        expected = -0.5 * slopes
        state.contraction = float(expected.sum() / state.expected)
        state.expected = float(expected.sum())
        if state.iteration == 0:
            state.began = state.expected
        running = state.running
        if M > 1 and not running.all():
            direction[:, np.repeat(~running, objective.n_outputs)] = 0
        start = state.point, state.values, state.gradient
        dtype = np.dtype(np.float32) if state.single else objective.dtype
        state.ending = self._ends(objective, state, expected)
        hessian = state.wait == 0 and not state.ending
        # After a step that was cut, the next one begins with twice its length, at most 1.
        found = search(objective, *start, direction, slopes, running, state.first, hessian, dtype)
        state.first = np.minimum(1.0, 2 * found.steps)
        eps = float(np.finfo(dtype).eps)
        # A pair along a slope of noise would have the next steps follow the noise.
        is_slope = -slopes > line_search.ROUNDED * eps * np.abs(state.values)
        state.norms = state.pairs.add(
            running & is_slope, (state.point, state.gradient), (found.theta, found.gradient)
        )
        state.point = found.theta
        state.values = found.values
        state.gradient = found.gradient
        state.iteration += 1
        state.counts += running
        held = state.lowest, state.smallest, state.stale, state.stuck
        line_search.retire(
            state.values, state.norms, eps, found.steps, line_search.PATIENCE, *held, running
        )

    def _start(self, objective: Objective, theta: np.ndarray) -> np.ndarray:
        if self._starts_on_sample(objective, theta):
            return self._optimum_of_sample(objective, theta)
        # A centred theta is no worse, and preconditioners assume it.
        return theta if self.max_iter == 0 else centred(theta, objective.n_outputs)

    def _affordable(self, objective: Objective, passes: float) -> int:
        # The rows whose matrix costs that many passes, but enough for a matrix of full rank.
        enough = rows_for_matrix(objective.shape)
        return affordable_rows(objective.n_rows, self._plan(objective).cost, passes, enough)

    def _refresh(self, objective: Objective, state: QuasiNewtonState) -> None:
        # Spend as much on preconditioners as on passes: the first after few passes and from few
        # rows, each later one after twice as many passes and from twice as many rows.
        plan = self._plan(objective)
        age: float = state.iteration - state.refreshed
        if state.light:
            if not self._pays(plan.price, state):
                return
            age, state.light = state.wait, False
        else:
            missing = state.preconditioner is None  # Ctrl-C came while it was computed
            young = age < max(state.wait, 1)
            enough = state.contraction < FAST if state.wait else state.ending
            if not missing and (young or enough):
                return
        n_rows = self._affordable(objective, age)
        state.preconditioner = None  # memory may not hold two of them
        state.preconditioner = self.approximate(objective, state.point, n_rows)
        state.refreshed = state.iteration
        if n_rows == objective.n_rows and plan.is_exact:
            state.pairs.used = 0  # the new Hessian is better than they are
        else:
            state.wait *= 2

    def _pays(self, price: float, state: QuasiNewtonState) -> bool:
        # Whether a matrix costs less than the passes that are likely to be left. It is looked at
        # after 6 steps, 12, 24 and so on: as fast as the promised decrease came down since the last
        # time, it will go on.
        age = state.iteration - state.refreshed
        if age < max(state.refreshed, _FIRST_REFRESH):
            return False
        expected = max(state.expected, 1e-300)
        rate = np.log(state.began / expected) / age
        tol, negligible, *_ = self._stopping.limits(state.scale)
        below = expected / negligible if negligible else np.inf
        above = (state.gradient_norm / tol) ** 2 if tol else np.inf
        state.refreshed, state.began = state.iteration, expected
        return bool(np.log(max(below, above)) > rate * price) or state.iteration > price

    def _ends(self, objective: Objective, state: QuasiNewtonState, expected: np.ndarray) -> bool:
        # Whether all problems will be done after a step that reduces the expected decrease as much
        # as the last step did. For the first step that isn't known, except after a sample.
        if state.iteration == 0 and self._plan(objective).sample == 0:
            return False
        share = min(state.contraction, 1.0)
        norms = np.sqrt(share) * state.norms[state.running]
        left = share * expected[state.running]
        return bool(self._stopping.is_met(norms, left, state.scale).all())

    def _direct(
        self, objective: Objective, state: QuasiNewtonState
    ) -> tuple[np.ndarray, np.ndarray]:
        # The direction and the slopes along it; problems that are done stop running.
        n_threads = objective.n_threads
        direction = -state.pairs.apply(state.preconditioner, state.gradient, n_threads)
        slopes = np.empty(objective.n_problems)
        pairs.dots(direction, state.gradient, slopes)
        state.running &= ~self._stopping.is_met(state.norms, -0.5 * slopes, state.scale)
        if not state.running.any():
            unfinished = state.stuck & ~(state.norms <= self._stopping.tol)  # NaN isn't small
            state.status = "precision" if unfinished.any() else "converged"
        return direction, slopes

    def _look_closely(self, objective: Objective, state: QuasiNewtonState) -> None:
        # Problems that are solved in float32 are checked in float64, and go on from there.
        M = objective.n_problems
        state.single = False
        state.values, state.gradient = objective.value_and_grad(state.point)
        state.norms = _norms(state.gradient, M)
        state.lowest, state.smallest = state.values.copy(), state.norms.copy()
        state.stale, state.stuck = np.zeros(M, int), np.zeros(M, bool)
        state.running = np.ones(M, bool)
        state.status = "running"


def from_moments(
    objective: Objective, theta: np.ndarray, full: bool, n_rows: int | None = None
) -> MomentsInverse:
    """Return an approximate inverse Hessian at theta, from the features' second moments.

    They are the covariance if ``full``, else the variances, of about ``n_rows`` rows.
    """
    curvature = objective.curvature(full, theta if theta.any() else None, n_rows)
    penalty = objective.penalty.columns(theta.shape[1])
    return MomentsInverse(curvature, penalty, objective.n_outputs)


def _norms(gradient: np.ndarray, M: int) -> np.ndarray:
    return np.abs(gradient).reshape(gradient.shape[0], M, -1).max(axis=(0, 2))

"""Quasi-Newton iterations over an approximate inverse Hessian, for M problems in lockstep.

Limited-memory BFGS (Nocedal and Wright, *Numerical Optimization*, 2nd ed., algorithm 7.4) whose
first inverse Hessian is a preconditioner. It is made anew when that pays, and from a sample of rows
where a sample is enough; the updates between mend what it doesn't know. All inner products are taken
problem by problem, so every problem gets the steps that it would get alone, and each evaluation
serves all that still run.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from fastclf.kernels import pairs
from fastclf.objective import Objective
from fastclf.solvers.checks import check_integer, check_limits
from fastclf.solvers.line_search import rounding, search
from fastclf.solvers.loop import minimize, observing
from fastclf.solvers.preconditioner import Preconditioner

_NEGLIGIBLE = 1e-7
"""Relative decrease of the objective that isn't worth another step."""

_NEGLIGIBLE_IN_SAMPLE = 1e-3
"""The same for a sample, whose optimum is some way from that of all rows anyway."""

_STALE = 10
"""Iterations with neither a smaller gradient nor a lower value, rounding aside: no more to gain."""

_FAST = 0.1
"""Where each step divides the expected decrease by ten, a new preconditioner wouldn't pay."""


@dataclass
class Pairs:
    """The last steps and changes of the gradient, (m, d + 1, M K), cyclically."""

    steps: np.ndarray
    changes: np.ndarray
    rhos: np.ndarray
    alphas: np.ndarray
    newest: int = -1
    used: int = 0

    @classmethod
    def empty(cls, memory: int, shape: tuple[int, ...], n_problems: int) -> "Pairs":
        """Return room for ``memory`` pairs."""
        steps, changes = np.empty((2, memory, *shape))
        rhos, alphas = np.zeros((2, memory, n_problems))
        return cls(steps, changes, rhos, alphas)

    def add(self, step: np.ndarray, change: np.ndarray, rho: np.ndarray) -> None:
        """Store a pair in the place of the oldest."""
        self.newest = (self.newest + 1) % len(self.steps)
        self.used = min(self.used + 1, len(self.steps))
        self.steps[self.newest] = step
        self.changes[self.newest] = change
        self.rhos[self.newest] = rho

    def apply(self, preconditioner: Preconditioner, gradient: np.ndarray) -> np.ndarray:
        """Return the approximate inverse Hessian times a gradient."""
        past = self.steps, self.changes, self.rhos, self.newest, self.used, self.alphas
        q = gradient.copy()
        pairs.first_loop(*past, q)
        r = preconditioner.apply(q)
        pairs.second_loop(*past, r)
        return r


@dataclass
class QuasiNewtonState:
    """Point, gradient and pairs; ``running`` (M,) marks live problems.

    ``stuck`` (M,) marks those for which the arithmetic allows no better point; ``lowest`` and
    ``smallest`` (M,) are the value and the gradient norm that the next point is held against.
    """

    point: np.ndarray
    values: np.ndarray
    gradient: np.ndarray
    running: np.ndarray
    stuck: np.ndarray
    lowest: np.ndarray
    smallest: np.ndarray
    stale: np.ndarray
    preconditioner: Any
    pairs: Pairs
    wait: float
    refreshed: int = 0
    expected: float = np.inf
    contraction: float = 1.0
    iteration: int = 0
    status: str = "running"
    learning_rate: None = field(default=None, init=False)

    def theta(self) -> np.ndarray:
        """Return the coefficients now."""
        return self.point

    @property
    def objective(self) -> float:
        """The mean value over the problems."""
        return float(self.values.mean())

    @property
    def gradient_norm(self) -> float:
        """The largest absolute entry of the gradient."""
        return float(np.abs(self.gradient).max(initial=0.0))


@dataclass(frozen=True)
class QuasiNewton:
    """What :class:`LBFGS` and :class:`Newton` share; they choose the preconditioner."""

    memory: int = 20
    sample: int = 0
    tol: float | None = None
    max_iter: int | None = None
    negligible: float = field(default=_NEGLIGIBLE, repr=False)

    needs: ClassVar[tuple[str, ...]] = ("value_and_grad", "curvature")
    early_stopping: ClassVar[None] = None

    def __post_init__(self) -> None:
        """Check what can be checked without data."""
        check_integer("memory", self.memory, 1)
        check_integer("sample", self.sample, 0)
        check_limits(self.tol, self.max_iter)

    def approximate(
        self, objective: Objective, theta: np.ndarray, penalty: np.ndarray
    ) -> Preconditioner:
        """Return an approximate inverse Hessian at theta."""
        raise NotImplementedError

    def cost(self, objective: Objective) -> float:
        """Return the cost of :meth:`approximate`, in passes over the objective."""
        raise NotImplementedError

    def is_exact(self, objective: Objective) -> bool:
        """Tell whether :meth:`approximate` leaves nothing for the pairs to mend."""
        raise NotImplementedError

    def init(self, objective: Objective, theta: np.ndarray) -> QuasiNewtonState:
        """Return the first state."""
        theta = np.array(theta, dtype=np.float64)
        M = objective.n_problems
        if self.sample and self.max_iter != 0 and not theta.any():
            theta = self._start(objective, theta)
        values, gradient = objective.value_and_grad(theta)
        part = objective.sample(self.sample) if self.sample else objective
        return QuasiNewtonState(
            point=theta,
            values=values,
            gradient=gradient,
            running=np.ones(M, bool),
            stuck=np.zeros(M, bool),
            lowest=values,
            smallest=_norms(gradient, M),
            stale=np.zeros(M, int),
            preconditioner=self._precondition(part, objective, theta),
            pairs=Pairs.empty(self.memory, theta.shape, M),
            wait=max(1.0, self.cost(part) * part.n_rows / objective.n_rows),
        )

    def step(self, objective: Objective, state: QuasiNewtonState) -> None:
        """Take one step of every problem that still runs."""
        M = objective.n_problems
        self._refresh(objective, state)
        direction = -state.pairs.apply(state.preconditioner, state.gradient)
        slopes = _dots(direction, state.gradient, M)
        expected = -0.5 * slopes
        self._retire(state, expected)
        if state.status != "running":
            return
        state.contraction = float(expected.sum() / state.expected)
        state.expected = float(expected.sum())
        if not state.running.all():
            direction[:, np.repeat(~state.running, objective.n_outputs)] = 0
        start = state.point, state.values, state.gradient
        found = search(objective, *start, direction, slopes, state.running)
        step = found.theta - state.point
        change = found.gradient - state.gradient
        product = _dots(step, change, M)
        usable = product > np.finfo(np.float64).eps * _dots(change, change, M)
        rho = np.where(usable & state.running, 1 / np.where(usable, product, 1), 0)
        state.pairs.add(step, change, rho)
        running = state.running
        state.point = found.theta
        state.values = np.where(running, found.values, state.values)
        columns = np.repeat(running, objective.n_outputs)
        state.gradient = np.where(columns, found.gradient, state.gradient)
        state.iteration += 1
        norms = _norms(state.gradient, M)
        better = state.values < state.lowest - rounding(state.lowest, objective.dtype)
        better |= norms < state.smallest
        state.lowest = np.where(better, np.minimum(state.values, state.lowest), state.lowest)
        state.smallest = np.minimum(norms, state.smallest)
        state.stale = np.where(better, 0, state.stale + 1)
        state.stuck |= running & (found.stuck | (state.stale >= _STALE))
        state.running = running & ~state.stuck

    def _start(self, objective: Objective, theta: np.ndarray) -> np.ndarray:
        # The optimum of a sample with the same C is near that of all rows, and cheap.
        inner: Self = replace(
            self, sample=0, tol=np.inf, max_iter=50, negligible=_NEGLIGIBLE_IN_SAMPLE
        )
        with observing(_ignore):
            return minimize(objective.sample(self.sample), theta, inner).theta

    def _precondition(
        self, part: Objective, objective: Objective, theta: np.ndarray
    ) -> Preconditioner:
        return self.approximate(part, theta, objective.penalty.columns(theta.shape[1]))

    def _refresh(self, objective: Objective, state: QuasiNewtonState) -> None:
        # As many passes go by before the next one as it costs, and twice as many each time unless
        # there is nothing between it and the truth but its age. When all rows are affordable they
        # are taken, for the sample may have been what was wrong.
        age = state.iteration - state.refreshed
        if age == 0 or age < state.wait or state.contraction < _FAST:
            return
        affordable = not self.sample or age >= self.cost(objective)
        part = objective if affordable else objective.sample(self.sample)
        state.preconditioner = self._precondition(part, objective, state.point)
        state.refreshed = state.iteration
        if affordable and self.is_exact(objective):
            state.pairs.used = 0
            state.wait = max(1.0, self.cost(objective))
        else:
            state.wait *= 2

    def _retire(self, state: QuasiNewtonState, expected: np.ndarray) -> None:
        # The gradient's norm says little of the objective where the Hessian is small, so go on
        # while the model of it promises a decrease: near the optimum that takes few steps.
        small = _norms(state.gradient, state.running.size) <= (self.tol or 0.0)
        state.running &= ~(small & (expected <= self.negligible * np.abs(state.values)))
        if not state.running.any():
            state.status = "precision" if (state.stuck & ~small).any() else "converged"


def _ignore(progress: Any) -> None:
    pass


def _norms(gradient: np.ndarray, M: int) -> np.ndarray:
    return np.abs(gradient).reshape(gradient.shape[0], M, -1).max(axis=(0, 2))


def _dots(a: np.ndarray, b: np.ndarray, M: int) -> np.ndarray:
    out = np.empty(M)
    pairs.dots(a, b, out)
    return out

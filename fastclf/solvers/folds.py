"""The folds of a cross-validation, along a path of penalties.

Small folds are solved apart, each with its own Hessian, in compiled code. Larger ones have most
rows in common, so the Hessian of all rows is a preconditioner for each, and a pass serves all. Each
fold starts from its own last solution. It must not start from the solution of all rows, which has
seen the rows that the fold holds out: with a weak penalty the fold would stop right there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastclf.objective import Objective
from fastclf.penalties import Penalty
from fastclf.plan import MEASURED, Costs, Plan, Shape, engines
from fastclf.solvers.engines.small_newton import SmallNewtonState
from fastclf.solvers.loop import Result, minimize
from fastclf.solvers.newton import Newton
from fastclf.solvers.preconditioner import Preconditioner
from fastclf.solvers.progress import Observer
from fastclf.solvers.quasi_newton import QuasiNewton


@dataclass(frozen=True)
class Folds(QuasiNewton):
    """A quasi-Newton method for folds, with one preconditioner for all of them.

    ``base`` is the method for one fold, ``reference`` the objective of G problems over all rows.
    The objective has R G problems: G for one fold after another.
    """

    base: Any = None
    reference: Any = field(default=None, repr=False)

    def approximate(self, objective: Objective, theta: np.ndarray, n_rows: int) -> Preconditioner:
        """Return the approximate inverse Hessian of the reference at the folds' mean theta."""
        repeats = objective.n_problems // self.reference.n_problems
        middle = theta.reshape(len(theta), repeats, -1).mean(axis=1)
        return self.base.approximate(self.reference, middle, n_rows)

    def plan(self, shape: Shape, costs: Costs = MEASURED) -> Plan:
        """Return the plan of one fold, with the matrix of all rows."""
        plan = self.base.plan(self.reference.shape, costs)
        return replace(
            plan,
            engine=engines.LOCKSTEP,
            matrix=f"{plan.matrix} of all rows",
            cost=max(plan.cost, 1.0) * self.reference.n_problems / shape.n_problems,
            sample=0,
            float32_first=False,
        )


@dataclass(frozen=True)
class SmallFolds(Newton):
    """Newton's method for folds that are so small that each is solved by itself, compiled."""

    def init(self, objective: Objective, theta: np.ndarray) -> Any:
        """Return the first state."""
        return SmallNewtonState.at(objective, theta, self._stopping)


def follow(
    objective: Objective,
    reference: Objective,
    penalties: Iterable[tuple[Penalty, Penalty]],
    solver: Any,
    observer: Observer | None = None,
) -> Iterator[Result]:
    """Yield results (d + 1, R G K) of R folds of G problems along a path of penalties.

    The objective has G problems for one fold after another, the reference the G problems over all
    rows. ``penalties`` are pairs of both their penalties, from strong to weak.
    """
    if objective.n_problems > reference.n_problems and isinstance(solver, QuasiNewton):
        plan = solver.plan(reference.shape, objective.costs)
        settings = solver.memory, 0, solver.tol, solver.max_iter, solver.negligible
        if plan.engine == engines.COMPILED_NEWTON:
            solver = SmallFolds(*settings)
        elif not engines.folds_have_own_hessians(plan, objective.shape, objective.costs):
            solver = Folds(*settings, base=solver)
    size = objective.n_features + 1, objective.n_problems * objective.n_outputs
    ahead, last, before = _Ahead(objective.n_outputs), None, objective.penalty
    for own, middle in penalties:
        if isinstance(solver, Folds):
            solver = replace(solver, reference=reference.with_penalty(middle))
        here, start = objective.with_penalty(own), ahead.start(size)
        state = None
        if isinstance(solver, QuasiNewton):
            state = solver.proceed(here, start, last, before)
        last = None  # neither it nor a start takes memory during a fit
        found = minimize(here, start, solver, state=state, observer=observer)
        last, before = found.state, own
        ahead.add(found.theta)
        yield replace(found, state=None)
        del found, start, state


class _Ahead:
    """Where the next fit of a path starts.

    Each problem is extrapolated along its last step, shortened if that step was shorter than the
    one before. The very first step came from zero, so no shortening is computed from it.
    """

    def __init__(self, n_outputs: int) -> None:
        self._n_outputs = n_outputs
        self._last: np.ndarray | None = None
        self._step: np.ndarray | None = None
        self._length: np.ndarray | None = None

    def start(self, size: tuple[int, int]) -> np.ndarray:
        """Return the start (d + 1, M K) of the next fit."""
        if self._last is None:
            return np.zeros(size)
        start = self._last if self._step is None else self._last + self._step
        self._step = None
        return start

    def add(self, theta: np.ndarray) -> None:
        """Take the solution of a fit."""
        if self._last is not None:
            step = theta - self._last
            length = _norms(step, self._n_outputs)
            if self._length is not None:
                share = np.divide(
                    length, self._length, out=np.ones_like(length), where=self._length > length
                )
                step *= np.repeat(share, self._n_outputs)
            self._step, self._length = step, length
        self._last = theta


def _norms(a: np.ndarray, K: int) -> np.ndarray:
    return np.sqrt(np.square(a).reshape(len(a), -1, K).sum(axis=(0, 2)))

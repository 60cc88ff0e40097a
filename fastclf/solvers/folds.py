"""Problems that are nearly one: the folds of a cross-validation, along a path of penalties.

All folds have most of their rows in common, so the Hessian of all rows serves each of them as a
preconditioner. Each starts from its own path alone: from the solution of all rows it wouldn't move
where the penalty is weak, and that one has seen the rows that the fold holds out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastclf.objective import Objective
from fastclf.penalties import Penalty
from fastclf.plan import MEASURED, Costs, Plan, Shape, engines
from fastclf.solvers.loop import Result, minimize
from fastclf.solvers.preconditioner import Preconditioner
from fastclf.solvers.progress import Observer
from fastclf.solvers.quasi_newton import QuasiNewton


@dataclass(frozen=True)
class Folds(QuasiNewton):
    """A quasi-Newton method for folds, with a preconditioner that is made for all of them at once.

    Parameters
    ----------
    base : QuasiNewton
        The method for one of them.
    reference : Objective
        G problems over all rows, where the objective has R G: those of one fold after another's.
    """

    base: Any = None
    reference: Any = field(default=None, repr=False)

    def approximate(self, objective: Objective, theta: np.ndarray, n_rows: int) -> Preconditioner:
        """Return the approximate inverse Hessian of the reference amid the folds."""
        repeats = objective.n_problems // self.reference.n_problems
        middle = theta.reshape(len(theta), repeats, -1).mean(axis=1)
        return self.base.approximate(self.reference, middle, n_rows)

    def plan(self, shape: Shape, costs: Costs = MEASURED) -> Plan:
        """Return the plan of one fold, with the matrix of another problem: that of all rows."""
        plan = self.base.plan(self.reference.shape, costs)
        return replace(
            plan,
            engine=engines.LOCKSTEP,
            matrix=f"{plan.matrix} of all rows",
            cost=max(plan.cost, 1.0) * self.reference.n_problems / shape.n_problems,
            sample=0,
            float32_first=False,
        )


def follow(
    objective: Objective,
    reference: Objective,
    penalties: Iterable[tuple[Penalty, Penalty]],
    solver: Any,
    observer: Observer | None = None,
) -> Iterator[Result]:
    """Solve R folds of G problems along a path of penalties, from strong ones to weak ones.

    Parameters
    ----------
    objective : Objective
        R G problems: those of one fold after another's.
    reference : Objective
        The G problems over all rows.
    penalties : iterable of pairs
        Of the objective and of the reference, one pair for each point of the path.
    solver : object
        With all its numbers.
    observer : callable, optional

    Yields
    ------
    Result
        For each pair in turn; theta is (d + 1, R G K).
    """
    shared = objective.n_problems > reference.n_problems and isinstance(solver, QuasiNewton)
    if shared:
        costs = objective.costs
        plan = solver.plan(reference.shape, costs)
        shared = not engines.folds_have_own_hessians(plan, objective.shape, costs)
    if shared:
        solver = Folds(solver.memory, 0, solver.tol, solver.max_iter, solver.negligible, solver)
    size = objective.n_features + 1, objective.n_problems * objective.n_outputs
    past: list[np.ndarray] = []
    for own, middle in penalties:
        start = _next(past, objective.n_outputs) if past else np.zeros(size)
        if isinstance(solver, Folds):
            solver = replace(solver, reference=reference.with_penalty(middle))
        result = minimize(objective.with_penalty(own), start, solver, observer=observer)
        past = [*past[-2:], result.theta]
        yield result


def _next(past: list[np.ndarray], K: int) -> np.ndarray:
    # Each problem goes on as it went last, by a step that shrinks as its last one did. The first
    # step of all isn't one of the path: it comes from zero.
    theta = past[-1]
    if len(past) < 2:
        return theta
    step = theta - past[-2]
    if len(past) < 3:
        return theta + step
    length, before = _norms(step, K), _norms(past[-2] - past[-3], K)
    share = np.divide(length, before, out=np.ones_like(length), where=before > length)
    return theta + np.repeat(share, K) * step


def _norms(a: np.ndarray, K: int) -> np.ndarray:
    return np.sqrt(np.square(a).reshape(len(a), -1, K).sum(axis=(0, 2)))

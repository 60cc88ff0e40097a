"""Newton's method with an L1 penalty on one problem, on all features or on some.

Where a step of the problem is one compiled call, the points of ``small_proximal.py`` and
``proximal_columns.py`` take it; elsewhere a model is minimised and the objective searched along the
way to its minimum.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastclf.kernels.linalg import coordinate_descent, line_search
from fastclf.kernels.steps.proximal import (
    CONVERGED,
    RUNNING,
    SHARE,
    STUCK,
    cut,
    enough,
)
from fastclf.objective import Objective
from fastclf.plan import Plan, engines
from fastclf.solvers.engines.column_descent import descend
from fastclf.solvers.engines.proximal_columns import ColumnsPoint
from fastclf.solvers.engines.small_proximal import ProximalPoint
from fastclf.solvers.quadratic_model import Proposal, QuadraticModel

_FAST = 0.1
"""Where each step divides the expected decrease by ten, another Hessian wouldn't pay."""

_HASTE = 0.5
"""A Hessian is computed anew after this share of the passes that it costs."""

_FLOOR_IN_SAMPLE = 1e-4
"""The share of a feature's variance over all rows that a sample shows of it, at least."""

_REFRESH = 6
"""Steps after which the Hessian is computed anew, if not sooner."""


@dataclass
class Descent:
    """Where one problem stands.

    ``value`` has the L1 part, ``gradient`` (d + 1, K) hasn't; ``norm`` is the largest violation of
    optimality. ``expected`` is the decrease that the last model promised, ``cut`` tells whether the
    step to its minimum was too long.
    """

    objective: Objective
    theta: np.ndarray
    value: float
    gradient: np.ndarray
    norm: float
    l1: float
    memory: int
    point: Any = None
    model: QuadraticModel | None = None
    variances: np.ndarray | None = None
    age: float = 0
    wait: float = 0
    expected: float = np.inf
    unchanged: int = 0
    damping: float = 1.0
    cut: bool = False
    lowest: float = np.inf
    smallest: float = np.inf
    end: int = RUNNING

    @classmethod
    def at(
        cls,
        objective: Objective,
        theta: np.ndarray,
        value: float,
        gradient: np.ndarray,
        memory: int,
    ) -> "Descent":
        """Return the descent of one problem from theta (d + 1, K)."""
        l1, norm = float(objective.penalty.l1[0]), float(norms(objective, theta, gradient)[0])
        return cls(objective, theta, value, gradient, norm, l1, memory)

    @property
    def is_running(self) -> bool:
        """Whether steps may still gain something."""
        return self.end == RUNNING

    @property
    def is_stuck(self) -> bool:
        """Whether the arithmetic allowed no better point."""
        return self.end == STUCK

    @property
    def is_converged(self) -> bool:
        """Whether there was nothing to gain."""
        return self.end == CONVERGED

    def run(
        self,
        tol: float,
        negligible: float,
        most_steps: int,
        longest_pass: float,
        share: float = 0.0,
    ) -> None:
        """Take up to ``most_steps`` steps.

        Steps are compiled where a pass takes up to ``longest_pass`` nanoseconds. It stops where
        violations are up to ``tol`` and the expected decrease is up to ``negligible``, or up to a
        ``share`` of the first one.
        """
        shape, costs = self.objective.shape, self.objective.costs
        by_column = engines.goes_by_column(shape, costs)
        if by_column or engines.proximal_pass(shape, costs) <= longest_pass:
            if self.point is None:
                kind: Any = ColumnsPoint if by_column else ProximalPoint
                self.point = kind.at(self.theta, self.objective)
            point = self.point
            self.end = point.advance(self.objective, (tol, negligible, share), most_steps)
            self.theta, self.gradient = point.theta(), point.gradient()
            self.value, self.norm, self.expected = point.value, point.norm, point.expected
            return
        for number in range(most_steps):
            self._advance(tol, negligible)
            if number == 0:
                negligible = max(negligible, share * self.expected)
            if self.end != RUNNING:
                return

    def _advance(self, tol: float, negligible: float) -> None:
        # A step, unless there is nothing to gain.
        plan = engines.proximal(self.objective.shape, self.objective.costs)
        proposal = self._propose(plan)
        self.expected = proposal.decrease
        if self.norm <= tol and proposal.decrease <= negligible:
            self.end = CONVERGED
            return
        if not self._search(proposal, plan.cost == 0):
            self.end = STUCK
            return
        eps = float(np.finfo(self.objective.dtype).eps)
        self.lowest, self.smallest, unchanged = line_search.record(
            self.value, self.norm, eps, self.lowest, self.smallest, float(self.unchanged)
        )
        self.unchanged = int(unchanged)
        if self.unchanged >= line_search.PATIENCE:
            self.end = STUCK

    def _propose(self, plan: Plan) -> Proposal:
        objective, model = self.objective, self.model
        if not engines.has_matrix_l1(objective.shape, objective.costs):
            if self.cut:
                self.damping = min(max(4 * self.damping, 0.25), 1.0)
            elif np.isfinite(self.expected):
                self.damping = 0.25 * self.damping if self.damping > 0.01 else 0.0
            return descend(objective, self.theta, self.gradient, self.damping)
        where = self.theta, self.gradient, self.l1, SHARE
        if model is not None:
            self.age += 1
            if self.age < self.wait:
                return model.minimise(*where)
            if self.wait > 0:
                proposal = model.minimise(*where)
                if proposal.decrease <= _FAST * self.expected:
                    return proposal
        if model is None:
            self.age = self.wait = min(_HASTE * plan.cost, _REFRESH)
        n_rows = _affordable(objective, _HASTE * plan.cost, self.age)
        hessian = objective.hessian(self.theta, plan.is_exact, n_rows)
        least = np.zeros(objective.n_features)
        if n_rows is not None:
            if self.variances is None:
                self.variances = objective.curvature(full=False).second
            least = _FLOOR_IN_SAMPLE * self.variances
        if model is None:
            strength = float(objective.penalty.strength[0])
            model = self.model = QuadraticModel.of(hessian, strength, self.memory, least)
        else:
            model.renew(hessian, least)
        if plan.is_exact and n_rows is None:
            model.forget()
        else:
            self.wait *= 2
        self.age = 0
        return model.minimise(*where)

    def _search(self, proposal: Proposal, hessian: bool) -> bool:
        # Move towards where the model leads; False if no point on the way is better.
        objective = self.objective
        direction = proposal.theta - self.theta
        noise = line_search.rounding(self.value, float(np.finfo(objective.dtype).eps))
        t = 1.0
        for _ in range(line_search.MOST_TRIALS):
            trial = proposal.theta if t == 1 else self.theta + t * direction
            values, gradient = objective.value_and_grad(trial, None, hessian)
            value = float(values[0]) + self.l1 * float(np.abs(trial[:-1]).sum())
            norm = float(norms(objective, trial, gradient)[0])
            start = self.value, proposal.slope, t
            if enough(*start, value, noise, self.norm, norm):
                if self.model is not None:
                    self.model.remember(trial - self.theta, gradient - self.gradient)
                self.theta, self.value, self.gradient, self.norm = trial, value, gradient, norm
                self.cut = t < 1
                return True
            t = cut(*start, value)
        return False


def _affordable(objective: Objective, cost: float, passes: float) -> int | None:
    # As many rows as cost so many passes, but enough for a matrix of full rank.
    n, d = objective.n_rows, objective.n_features
    if cost == 0:
        return None
    n_rows = max(int(n * passes / cost), engines.ENOUGH_ROWS_L1 * (d + 1))
    return n_rows if n_rows < n else None


def violations(objective: Objective, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Return by how much each coefficient (d + 1, M K) violates optimality."""
    out = np.empty(theta.shape)
    strengths = np.repeat(objective.penalty.l1, theta.shape[1] // objective.n_problems)
    coordinate_descent.violations(theta, gradient, strengths, out)
    return out


def norms(objective: Objective, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Return the largest violation of each problem (M,)."""
    out = violations(objective, theta, gradient)
    return out.reshape(len(out), objective.n_problems, -1).max(axis=(0, 2))

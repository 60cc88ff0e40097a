"""Proximal Newton on one problem, on all features or on some.

If passes are short or X is sparse, the points of ``proximal_points.py`` take compiled steps.
Otherwise a step minimises a model, and a line search goes to its minimum.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastclf.kernels.linalg import coordinate_descent, line_search
from fastclf.kernels.steps.proximal import CONVERGED, RUNNING, STUCK, cut, enough
from fastclf.objective import Objective
from fastclf.plan import Plan, engines
from fastclf.solvers.engines.column_descent import descend
from fastclf.solvers.engines.proximal_points import ColumnsPoint, ProximalPoint
from fastclf.solvers.exact import FAST, affordable_rows
from fastclf.solvers.quadratic_model import Proposal, QuadraticModel

_HASTE = 0.5
"""A Hessian is computed anew after this share of its cost in passes."""

_SHARE = 0.05
"""A model is minimised until its violations are this share of those at the start."""

_FLOOR_IN_SAMPLE = 1e-4
"""Least variance of a feature in a sample, as a share of its variance over all rows."""

_REFRESH = 6
"""Most steps before the Hessian is computed anew for the first time."""


@dataclass
class Descent:
    """State of one problem.

    ``value`` includes the L1 part, ``gradient`` (d + 1, K) doesn't. ``norm`` is the largest
    violation of optimality, ``expected`` the decrease that the last model promised. ``cut`` says
    that the step to that model's minimum was too long. ``end`` is RUNNING, CONVERGED or STUCK.
    """

    objective: Objective
    theta: np.ndarray
    value: float
    gradient: np.ndarray
    memory: int
    norm: float = field(init=False)
    l1: float = field(init=False)
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

    def __post_init__(self) -> None:
        """Compute the violation, and read the strength of the penalty."""
        self.norm = float(norms(self.objective, self.theta, self.gradient)[0])
        self.l1 = float(self.objective.penalty.l1[0])

    def run(
        self,
        tol: float,
        negligible: float,
        most_steps: int,
        longest_pass: float,
        share: float = 0.0,
    ) -> None:
        """Take up to ``most_steps`` steps.

        Steps are compiled if a pass takes up to ``longest_pass`` nanoseconds. It stops if no
        violation exceeds ``tol`` and the expected decrease is at most ``negligible``, or at most a
        ``share`` of the first expected decrease.
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
            self.value, self.norm, self.expected = point.outcome
            return
        for number in range(most_steps):
            self._advance(tol, negligible)
            if number == 0:
                negligible = max(negligible, share * self.expected)
            if self.end != RUNNING:
                return

    def _advance(self, tol: float, negligible: float) -> None:
        # Take a step, or stop if the problem is solved.
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
        where = self.theta, self.gradient, self.l1, _SHARE
        if model is not None:
            self.age += 1
            if self.wait > 0:
                proposal = model.minimise(*where)
                if self.age < self.wait or proposal.decrease <= FAST * self.expected:
                    return proposal
        if model is None:
            self.age = self.wait = min(_HASTE * plan.cost, _REFRESH)
        n, d = objective.n_rows, objective.n_features
        enough_rows = engines.ENOUGH_ROWS_L1 * (d + 1)  # for a matrix of full rank
        n_rows = affordable_rows(n, _HASTE * plan.cost, self.age, enough_rows)
        hessian = objective.hessian(self.theta, plan.is_exact, n_rows)
        least = np.zeros(d)
        if n_rows < n:
            if self.variances is None:
                self.variances = objective.curvature(full=False).second
            least = _FLOOR_IN_SAMPLE * self.variances
        if model is None:
            strength = float(objective.penalty.strength[0])
            model = QuadraticModel(hessian.center, hessian.blocks, strength, self.memory)
        model.renew(hessian, least)
        self.model = model
        if plan.is_exact and n_rows == n:
            model.forget()
        else:
            self.wait *= 2
        self.age = 0
        return model.minimise(*where)

    def _search(self, proposal: Proposal, hessian: bool) -> bool:
        # Search on the way to the model's minimum; return False if no point is better.
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

"""What the exact solvers share: hyperparameters, a state, a start on a sample, rows of a matrix."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from fastclf.objective import Objective
from fastclf.plan import MEASURED, Costs, Plan, Shape
from fastclf.plan.engines import NEGLIGIBLE
from fastclf.solvers.checks import check_integer, check_limits
from fastclf.solvers.loop import minimize
from fastclf.solvers.progress import observing
from fastclf.solvers.stopping import Stopping

FAST = 0.1
"""Ratio of expected decreases below which another matrix wouldn't pay."""

_NEGLIGIBLE_IN_SAMPLE = 1e-3
"""``negligible`` for a sample, whose optimum is not exactly that of all rows."""


@dataclass(kw_only=True)
class ExactState:
    """State of M problems.

    ``point`` (d + 1, M K) has the coefficients, ``values`` (M,) the objectives. ``norms`` (M,) are
    the largest absolute entries of the gradients or, under an L1 penalty, the largest violations of
    optimality. ``stuck`` (M,) marks the problems for which the arithmetic allows no better point.
    ``scale`` is the objective at zero.
    """

    point: np.ndarray
    values: np.ndarray
    norms: np.ndarray
    stuck: np.ndarray
    scale: float
    iteration: int = 0
    status: str = "running"
    learning_rate: None = field(default=None, init=False)

    @property
    def objective(self) -> float:
        """The mean value over the problems."""
        return float(self.values.mean())

    @property
    def gradient_norm(self) -> float:
        """The largest norm."""
        return float(self.norms.max(initial=0.0))

    def theta(self) -> np.ndarray:
        """Return the coefficients now."""
        return self.point


@dataclass(frozen=True)
class ExactSolver:
    """Base of the solvers that go on until the gradient is within ``tol``."""

    memory: int = 20
    sample: int = 0
    tol: float | None = None
    max_iter: int | None = None
    negligible: float = field(default=NEGLIGIBLE, repr=False)

    early_stopping: ClassVar[None] = None

    def __post_init__(self) -> None:
        """Check what can be checked without data."""
        check_integer("memory", self.memory, 1)
        check_integer("sample", self.sample, 0)
        check_limits(self.tol, self.max_iter)

    def plan(self, shape: Shape, costs: Costs = MEASURED) -> Plan:
        """Return what the solver does with a problem of this shape."""
        raise NotImplementedError

    def _plan(self, objective: Objective) -> Plan:
        return self.plan(objective.shape, objective.costs)

    @property
    def _stopping(self) -> Stopping:
        return Stopping(self.tol or 0.0, self.negligible)

    def _starts_on_sample(self, objective: Objective, theta: np.ndarray) -> bool:
        return self.max_iter != 0 and self._plan(objective).sample > 0 and not theta.any()

    def _optimum_of_sample(self, objective: Objective, theta: np.ndarray) -> np.ndarray:
        # A sample has the same C, so its optimum is near that of all rows.
        limits: Any = {"tol": np.inf, "max_iter": 50, "negligible": _NEGLIGIBLE_IN_SAMPLE}
        inner: Any = replace(self, sample=0, **limits)
        with observing(None):
            return minimize(objective.sample(self.sample), theta, inner).theta


def affordable_rows(n_rows: int, cost: float, passes: float, least: int) -> int:
    """Return the rows whose matrix costs so many passes, but at least ``least``.

    The matrix of all ``n_rows`` costs ``cost`` passes.
    """
    return n_rows if cost == 0 else min(n_rows, max(int(n_rows * passes / cost), least))

"""Proximal Newton: Newton's method for L1 penalties, on working sets of features.

A quadratic model of the smooth part is minimised together with the L1 part by coordinate descent,
then a line search on the objective goes to the model's minimum (Yuan, Ho and Lin, *An improved
GLMNET for L1-regularized logistic regression*, JMLR 13, 2012). With many features, a problem is
solved on a working set: the features whose coefficients aren't 0, and those that promise the
largest decrease. Then all features are checked. Sparse sigmoids need no working set: a compiled
step goes over all features.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastclf import threads
from fastclf.errors import InputError
from fastclf.kernels.linalg import coordinate_descent
from fastclf.objective import Objective
from fastclf.plan import MEASURED, Costs, Plan, Shape, engines
from fastclf.solvers.engines.proximal_descent import (
    CONVERGED,
    RUNNING,
    STUCK,
    Descent,
    norms,
    violations,
)
from fastclf.solvers.exact import ExactSolver, ExactState

_COPY = 1 << 21
"""Entries that the columns of a working set may have in any case; a tenth of X more is allowed."""

_SHARE_ELSEWHERE = 0.2
"""Largest share of the features in a working set whose columns are copied elsewhere."""

_MOST_STEPS = 20
"""Most steps on a working set before all features are checked."""

_INNER = 0.5
"""Share of its violation, or of the first expected decrease, at which a working set is solved."""


@dataclass(kw_only=True)
class ProximalState(ExactState):
    """State of M problems; the gradient is that of the smooth part.

    ``running`` (M,) marks the problems that aren't done. ``descent`` is kept between steps if a
    single problem is solved on all features.
    """

    gradient: np.ndarray
    running: np.ndarray
    expected: np.ndarray
    curvature: np.ndarray | None = None
    descent: Descent | None = None


@dataclass(frozen=True)
class Proximal(ExactSolver):
    """Newton's method for L1 penalties and elastic nets, with coordinate descent inside.

    Parameters
    ----------
    memory : int
        How many past steps correct a model whose matrix is old or has a block for each class.
    sample : int
        Number of rows that are fitted first, to start from; 0 for none. A sample that is too small
        for the number of coefficients isn't used.
    tol : float, optional
        Stop when no coefficient violates optimality by more. With gradient g of the smooth part and
        L1 strength s, a coefficient w violates it by ``|g + s sign(w)|``, and w = 0 by
        ``max(|g| - s, 0)``. None: the estimator's.
    max_iter : int, optional
        None: the estimator's.
    negligible : float
        Go on below ``tol`` while a step is expected to decrease the objective by more than this,
        relative to its value at theta = 0.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> import fastclf
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> clf = fastclf.LogisticRegression(l1_ratio=1.0, C=0.1, solver=Proximal()).fit(X, y)
    >>> int((clf.coef_ != 0).sum())
    6
    """

    needs: ClassVar[tuple[str, ...]] = ("value_and_grad", "curvature", "hessian", "part")
    handles_l1: ClassVar[bool] = True

    def plan(self, shape: Shape, costs: Costs = MEASURED) -> Plan:
        """Return what the solver does with a problem of this shape."""
        return engines.proximal(shape, costs, self.sample, self.negligible)

    def init(self, objective: Objective, theta: np.ndarray) -> ProximalState:
        """Return the first state."""
        theta = np.array(theta, np.float64, order="C")
        if self._starts_on_sample(objective, theta):
            theta = self._optimum_of_sample(objective, theta)
        M = objective.n_problems
        values, gradient = objective.value_and_grad(theta, None, self._plan(objective).cost == 0)
        return ProximalState(
            point=theta,
            values=values + _l1_parts(objective, theta),
            norms=norms(objective, theta, gradient),
            stuck=np.zeros(M, bool),
            scale=objective.value_at_zero,
            gradient=gradient,
            running=np.ones(M, bool),
            expected=np.full(M, np.inf),
        )

    def step(self, objective: Objective, state: ProximalState) -> None:
        """Take a step on all features, or solve each problem on its working set."""
        todo = {}
        for m in np.flatnonzero(state.running).tolist():
            features = self._working_set(objective, state, m)
            if features is not None and self._is_optimal(objective, state, m):
                state.running[m] = False
            else:
                todo[m] = features
        if not todo:
            self._finish(state)
            return
        if objective.n_problems == 1 and todo[0] is None:
            self._continue(objective, state)
        else:
            self._solve_each(objective, state, todo)

    def _continue(self, objective: Objective, state: ProximalState) -> None:
        # One step on all features.
        if state.descent is None:
            value = float(state.values[0])
            state.descent = Descent(objective, state.point, value, state.gradient, self.memory)
        descent, negligible = state.descent, self.negligible * state.scale
        before, norm = descent.value, state.norms[0]
        descent.run(self._stopping.tol, negligible, 1, objective.costs.small_pass)
        state.running[0] = descent.end == RUNNING
        state.stuck[0] = descent.end == STUCK
        if descent.end == CONVERGED and descent.value == before and descent.norm >= norm:
            self._finish(state)
            return
        state.point, state.gradient = descent.theta, descent.gradient
        state.values[0], state.norms[0] = descent.value, descent.norm
        state.iteration += 1
        if descent.end != RUNNING:
            self._finish(state)

    def _solve_each(
        self, objective: Objective, state: ProximalState, todo: dict[int, np.ndarray | None]
    ) -> None:
        # Each problem on its working set, then one pass for all of them.
        state.descent = None
        problems, costs = list(todo), objective.costs
        M, K = objective.n_problems, objective.n_outputs
        n_threads = 1 if len(problems) > 1 else objective.n_threads
        longest = costs.small_pass if M == 1 else costs.small_pass_of_many
        point, passes = state.point.copy(), np.zeros(M)
        limited = np.zeros(M, bool)

        def solve(i: int) -> None:
            m = problems[i]
            features = todo[m]
            columns = slice(m * K, (m + 1) * K)
            rows = slice(None) if features is None else np.append(features, len(point) - 1)
            start, slopes = (a[:, columns][rows].copy() for a in (state.point, state.gradient))
            part = objective.part(features, np.array([m]), n_threads)
            descent = Descent(part, start, float(state.values[m]), slopes, self.memory)
            self._solve(descent, state.scale, longest, features is None)
            point[rows, columns] = descent.theta
            state.expected[m] = descent.expected
            limited[m] = features is not None
            state.stuck[m] = descent.end == STUCK and not descent.norm <= self._stopping.tol
            if not limited[m]:
                state.running[m] = descent.end == RUNNING
                state.values[m], state.norms[m] = descent.value, descent.norm
                state.gradient[:, columns] = descent.gradient
            passes[m] = part.passes * part.shape.entries / max(objective.shape.entries * M, 1)

        threads.run(solve, len(problems), objective.n_threads)
        objective.passes += float(passes.sum())
        state.point = point
        if limited.any():
            values, gradient = objective.value_and_grad(point, limited)
            values += _l1_parts(objective, point)
            found = norms(objective, point, gradient)
            columns = np.repeat(limited, K)
            state.values = np.where(limited, values, state.values)
            state.norms = np.where(limited, found, state.norms)
            state.gradient = np.where(columns, gradient, state.gradient)
        state.iteration += 1

    def _solve(self, descent: Descent, scale: float, longest_pass: float, final: bool) -> None:
        # Solve a problem; on a working set only roughly, since other features are checked next.
        tol, negligible, share = self._stopping.tol, self.negligible * scale, 0.0
        if not final:
            tol = max(0.5 * tol, _INNER * descent.norm)
            negligible, share = 0.25 * negligible, _INNER
        descent.run(tol, negligible, _MOST_STEPS, longest_pass, share)

    def _working_set(self, objective: Objective, state: ProximalState, m: int) -> Any:
        # The features to solve problem m on; None for all of them.
        if self._plan(objective).engine != engines.WORKING_SETS:
            return None
        promises, used = _promises(objective, state, m)
        promises[used] = np.inf
        costs, growth = objective.costs, 3 if objective.shape.is_sparse else 2
        first = costs.working_set_sparse if objective.shape.is_sparse else costs.working_set
        room = max(first, growth * int(used.sum()))
        size = min(max(int((promises > 0).sum()), 1), room, promises.size)
        features = np.sort(np.argpartition(-promises, size - 1)[:size])
        shape = objective.shape
        if objective.arrays is None:
            return features if _is_worth_copying(objective, size) else None
        entries, most = objective.arrays.features.entries_of(features), shape.entries
        if shape.is_sparse:
            return features if entries < 0.7 * most else None
        return features if entries <= max(_COPY, 0.1 * most) else None

    def _is_optimal(self, objective: Objective, state: ProximalState, m: int) -> bool:
        # Whether problem m, solved on a working set, is optimal on all features.
        if not state.norms[m] <= self._stopping.tol:
            return bool(state.stuck[m])
        promises, used = _promises(objective, state, m)
        promises[used] = 0
        return bool(state.expected[m] + promises.sum() <= self.negligible * state.scale)

    def _finish(self, state: ProximalState) -> None:
        state.status = "converged" if (state.norms <= self._stopping.tol).all() else "precision"


def _is_worth_copying(objective: Objective, size: int) -> bool:
    # Whether a problem is solved on that many features, where X isn't in memory: with a matrix, for
    # there are no columns.
    shape, costs = objective.shape._replace(n_problems=1), objective.costs
    if engines.has_matrix_l1(shape, costs):
        return size <= _SHARE_ELSEWHERE * shape.n_features
    if engines.has_matrix_l1(shape._replace(n_features=size), costs):
        return True
    raise InputError(
        f"with this penalty about {size} coefficients of {objective.n_outputs} classes aren't 0; "
        "for so many an L1 fit needs all rows in memory; lower C, or set l1_ratio=0"
    )


def _promises(objective: Objective, state: ProximalState, m: int) -> tuple[np.ndarray, np.ndarray]:
    # An estimate (d,) of the decrease of problem m by each feature alone, and a mask (d,) of the
    # features that have coefficients.
    K = objective.n_outputs
    columns = slice(m * K, (m + 1) * K)
    if state.curvature is None:
        curvature = objective.curvature(full=False)
        state.curvature = curvature.second[:, None] * curvature.logits
        state.curvature += objective.penalty.columns(state.curvature.shape[1])
    out = violations(objective, state.point, state.gradient)[:-1, columns]
    second = state.curvature[:, columns]
    promises = (out**2 / np.maximum(2 * second, 1e-300)).sum(axis=1)
    return promises, np.any(state.point[:-1, columns], axis=1)


def _l1_parts(objective: Objective, theta: np.ndarray) -> np.ndarray:
    # The L1 part of the penalty of each problem (M,).
    sums = np.empty(objective.n_problems)
    coordinate_descent.absolute_sums(theta, sums)
    return objective.penalty.l1 * sums

"""Newton's method for L1 penalties, on those features that matter.

A quadratic model of the smooth part is minimised together with the L1 part by coordinate descent,
and the objective is searched along the way there (Yuan, Ho and Lin, *An improved GLMNET for
L1-regularized logistic regression*, JMLR 13, 2012). Where there are many features, that happens on
a working set: those with coefficients, and those that promise most. All others are looked at again
when the problem is solved on these. Sparse labels need none: a compiled step looks at all features.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from fastclf import threads
from fastclf.kernels.linalg import coordinate_descent, line_search
from fastclf.kernels.steps.proximal import (
    CONVERGED,
    MOST_EVALUATIONS,
    RUNNING,
    SHARE,
    STUCK,
    cut,
    enough,
)
from fastclf.objective import Objective
from fastclf.solvers.checks import check_integer, check_limits
from fastclf.solvers.loop import OfProblems, minimize, unobserved
from fastclf.solvers.preconditioner import FULL_MATRIX
from fastclf.solvers.quadratic_model import QuadraticModel, Step
from fastclf.solvers.stopping import NEGLIGIBLE, STALE

_FEW_FEATURES = 64
"""Up to this many features there is no working set."""

_FIRST_SET, _FIRST_SET_OF_SPARSE = 100, 300
"""Features that a working set has at least room for."""

_COPY = 1 << 21
"""Entries that the columns of a working set may have in any case, and a tenth of X more."""

_MOST_STEPS = 20
"""Steps on a working set before all features are looked at again."""

_INNER = 1e-2
"""To which share of its violation, or of the first expected decrease, a problem is solved."""

_FAST = 0.1
"""Where each step divides the expected decrease by ten, another Hessian wouldn't pay."""

_ROOM = 1 << 21
"""Entries that a matrix may have in any case, and that of a dense X a tenth of its entries more."""

_SHARE_BY_COLUMN, _MOST_READS = 0.1, 20
"""To which share of its violation a model is minimised by columns, and reads of X for that."""

_HASTE = 0.5
"""A Hessian is taken anew after this share of the passes that it costs."""

_FLOOR_IN_SAMPLE = 1e-4
"""The share of a feature's variance over all rows that a sample tells of it, at least."""

_REFRESH = 6
"""Steps after which the Hessian is taken anew, if not sooner."""

_ENOUGH = 50
"""Rows for each coefficient from which on the optimum of a sample is worth starting from, and its
Hessian that of all rows: no squared penalty makes up for directions that few rows don't know.
"""

WHOLE = 300
"""Coefficients up to which the whole Hessian of a softmax pays."""

_SMALL, _SMALL_OF_MANY = 2e6, 1e9
"""Nanoseconds of a pass up to which a problem is solved by one compiled function, on one thread;
where there are many problems, each has a thread anyway.
"""


@dataclass
class Descent:
    """Where one problem stands, on all features or on some.

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

    def settle(self, limits: tuple[float, float, float], most: int) -> None:
        """Take up to ``most`` compiled steps; see :meth:`Objective.settle`."""
        if self.point is None:
            self.point = self.objective.proximal_point(self.theta)
        point = self.point
        self.end = self.objective.settle(point, limits, most)
        self.theta, self.gradient = point.theta(), point.gradient()
        self.value, self.norm, self.expected = point.value, point.norm, point.expected

    def move(self, theta: np.ndarray, value: float, gradient: np.ndarray, norm: float) -> None:
        """Go to another point, and keep what the way there tells."""
        if self.model is not None:
            self.model.remember(theta - self.theta, gradient - self.gradient)
        self.theta, self.value, self.gradient, self.norm = theta, value, gradient, norm


@dataclass
class ProximalState(OfProblems):
    """Point, gradient of the smooth part and violations of all problems; ``running`` (M,).

    ``descent`` is that of a single problem on all features, which goes on from where it is.
    """

    point: np.ndarray
    values: np.ndarray
    gradient: np.ndarray
    running: np.ndarray
    stuck: np.ndarray
    norms: np.ndarray
    expected: np.ndarray
    scale: float
    curvature: np.ndarray | None = None
    descent: Descent | None = None
    iteration: int = 0
    status: str = "running"
    learning_rate: None = field(default=None, init=False)

    def theta(self) -> np.ndarray:
        """Return the coefficients now."""
        return self.point


@dataclass(frozen=True)
class Proximal:
    """Newton's method for L1 penalties and elastic nets, with coordinate descent inside.

    Parameters
    ----------
    memory : int
        How many past steps mend a model whose matrix is old, or has only a block for each class.
    sample : int
        Number of rows that are solved first, for a start; 0 for none. Too small a sample, for the
        number of coefficients, isn't used.
    tol : float, optional
        Stop when no coefficient violates optimality by more: for one that isn't 0 the gradient's
        distance from minus the L1 strength times its sign, for one that is 0 by how much the
        gradient is larger than the strength. None: the estimator's.
    max_iter : int, optional
        None: the estimator's.
    negligible : float
        Go on below ``tol`` as long as a step promises to decrease the objective by more than this,
        relative to the objective at zero.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> import fastclf
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> clf = fastclf.LogisticRegression(l1_ratio=1.0, C=0.1, solver=Proximal()).fit(X, y)
    >>> int((clf.coef_ != 0).sum())
    6
    """

    memory: int = 20
    sample: int = 0
    tol: float | None = None
    max_iter: int | None = None
    negligible: float = field(default=NEGLIGIBLE, repr=False)

    needs: ClassVar[tuple[str, ...]] = (
        *("value_and_grad", "curvature", "hessian", "part", "entries"),
        *("proximal_point", "settle", "descend"),
    )
    early_stopping: ClassVar[None] = None

    def __post_init__(self) -> None:
        """Check what can be checked without data."""
        check_integer("memory", self.memory, 1)
        check_integer("sample", self.sample, 0)
        check_limits(self.tol, self.max_iter)

    def path(self, objective: Objective) -> str:
        """Describe in words what the solver does with a problem."""
        if objective.settles_columns:
            return "proximal Newton over columns"
        matrix = "Hessian" if _is_whole(objective) else "a block of the Hessian for each class"
        if objective.is_sparse and not _is_whole(objective):
            matrix = "Hessian by columns"
        features = "all features" if _takes_all(objective) else "a working set of features"
        started = f", started on {self.sample} rows" if self._has_sample(objective) else ""
        return f"proximal Newton: {matrix}, {features}{started}"

    def init(self, objective: Objective, theta: np.ndarray) -> ProximalState:
        """Return the first state."""
        theta = self._start(objective, np.array(theta, dtype=np.float64))
        M = objective.n_problems
        values, gradient = objective.value_and_grad(theta, None, _comes_along(objective))
        state = ProximalState(
            point=theta,
            values=values + objective.penalty.l1 * _absolute_sums(theta, M),
            gradient=gradient,
            running=np.ones(M, bool),
            stuck=np.zeros(M, bool),
            norms=np.zeros(M),
            expected=np.full(M, np.inf),
            scale=objective.value_at_zero,
        )
        state.norms = _norms(objective, theta, gradient)
        return state

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
            state.descent = _descent(objective, state, 0, None)
        descent, negligible = state.descent, self.negligible * state.scale
        before, norm = descent.value, state.norms[0]
        if objective.settles_columns or objective.descent_work <= _SMALL:
            descent.settle((self._tol, negligible, 0.0), 1)
        else:
            self._advance(descent, self._tol, negligible)
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
        problems = list(todo)
        M, K = objective.n_problems, objective.n_outputs
        n_threads = 1 if len(problems) > 1 else objective.n_threads
        point, passes = state.point.copy(), np.zeros(M)
        limited = np.zeros(M, bool)

        def solve(i: int) -> None:
            m = problems[i]
            features = todo[m]
            part = objective.part(features, np.array([m]), n_threads)
            descent = _descent(part, state, m, features)
            work = _SMALL if M == 1 else _SMALL_OF_MANY
            self._settle(descent, state.scale, work, features is None)
            columns = slice(m * K, (m + 1) * K)
            rows = slice(None) if features is None else np.append(features, len(point) - 1)
            point[rows, columns] = descent.theta
            state.expected[m] = descent.expected
            limited[m] = features is not None
            state.stuck[m] = descent.end == STUCK and not descent.norm <= self._tol
            if not limited[m]:
                state.running[m] = descent.end == RUNNING
                state.values[m], state.norms[m] = descent.value, descent.norm
                state.gradient[:, columns] = descent.gradient
            passes[m] = part.passes * part.entries() / max(objective.entries() * M, 1)

        threads.run(solve, len(problems), objective.n_threads)
        objective.passes += float(passes.sum())
        state.point = point
        if limited.any():
            values, gradient = objective.value_and_grad(point, limited)
            values += objective.penalty.l1 * _absolute_sums(point, M)
            norms = _norms(objective, point, gradient)
            columns = np.repeat(limited, K)
            state.values = np.where(limited, values, state.values)
            state.norms = np.where(limited, norms, state.norms)
            state.gradient = np.where(columns, gradient, state.gradient)
        state.iteration += 1

    def _settle(self, descent: Descent, scale: float, work: float, final: bool) -> None:
        # Solve a problem; on a working set only as well as it's worth before others are looked at.
        tol, negligible, share = self._tol, self.negligible * scale, 0.0
        if not final:
            tol, negligible, share = (
                max(0.5 * tol, _INNER * descent.norm),
                0.25 * negligible,
                _INNER,
            )
        if descent.objective.settles_columns or descent.objective.descent_work <= work:
            descent.settle((tol, negligible, share), _MOST_STEPS)
            return
        for number in range(_MOST_STEPS):
            self._advance(descent, tol, negligible)
            if number == 0:
                negligible = max(negligible, share * descent.expected)
            if descent.end != RUNNING:
                return

    def _advance(self, descent: Descent, tol: float, negligible: float) -> None:
        # A step, unless there is nothing to gain.
        step = self._propose(descent)
        descent.expected = step.decrease
        if descent.norm <= tol and step.decrease <= negligible:
            descent.end = CONVERGED
            return
        if not _search(descent, step):
            descent.end = STUCK
            return
        eps = float(np.finfo(descent.objective.dtype).eps)
        lowest = descent.lowest
        better = descent.value < lowest - line_search.rounding(lowest, eps)
        better |= descent.norm < descent.smallest
        descent.lowest = min(lowest, descent.value)
        descent.smallest = min(descent.smallest, descent.norm)
        descent.unchanged = 0 if better else descent.unchanged + 1
        if descent.unchanged >= STALE:
            descent.end = STUCK

    def _propose(self, descent: Descent) -> Step:
        objective, model = descent.objective, descent.model
        if not _has_matrix(objective):
            if descent.cut:
                descent.damping = min(max(4 * descent.damping, 0.25), 1.0)
            elif np.isfinite(descent.expected):
                descent.damping = 0.25 * descent.damping if descent.damping > 0.01 else 0.0
            where = descent.theta, descent.gradient, _SHARE_BY_COLUMN, _MOST_READS
            return Step(*objective.descend(*where, descent.damping))
        where = descent.theta, descent.gradient, descent.l1, SHARE
        exact = _is_whole(objective)
        if model is not None:
            descent.age += 1
            if descent.age < descent.wait:
                return model.minimise(*where)
            if descent.wait > 0:
                step = model.minimise(*where)
                if step.decrease <= _FAST * descent.expected:
                    return step
        cost = 0.0 if _comes_along(objective) else objective.hessian_cost(exact)
        if model is None:
            descent.age = descent.wait = min(_HASTE * cost, _REFRESH)
        n_rows = self._affordable(objective, _HASTE * cost, descent.age)
        hessian = objective.hessian(descent.theta, exact, n_rows)
        least = np.zeros(objective.n_features)
        if n_rows is not None:
            if descent.variances is None:
                descent.variances = objective.curvature(full=False).second
            least = _FLOOR_IN_SAMPLE * descent.variances
        if model is None:
            strength = float(objective.penalty.strength[0])
            model = descent.model = QuadraticModel.of(hessian, strength, self.memory, least)
        else:
            model.renew(hessian, least)
        if exact and n_rows is None:
            model.forget()
        else:
            descent.wait *= 2
        descent.age = 0
        return model.minimise(*where)

    def _affordable(self, objective: Objective, cost: float, passes: float) -> int | None:
        # As many rows as cost so many passes, but enough for a matrix of full rank.
        n, d = objective.n_rows, objective.n_features
        if cost == 0:
            return None
        n_rows = max(int(n * passes / cost), _ENOUGH * (d + 1))
        return n_rows if n_rows < n else None

    def _working_set(self, objective: Objective, state: ProximalState, m: int) -> Any:
        # The features to solve problem m on; None for all of them.
        if _takes_all(objective):
            return None
        promises = _promises(objective, state, m)
        columns = slice(m * objective.n_outputs, (m + 1) * objective.n_outputs)
        used = state.point[:-1, columns].any(axis=1)
        promises[used] = np.inf
        growth, first = (3, _FIRST_SET_OF_SPARSE) if objective.is_sparse else (2, _FIRST_SET)
        room = max(first, growth * int(used.sum()))
        size = min(max(int((promises > 0).sum()), 1), room, promises.size)
        features = np.sort(np.argpartition(-promises, size - 1)[:size])
        entries, most = objective.entries(features), objective.entries()
        if objective.is_sparse:
            return features if entries < 0.7 * most else None
        return features if entries <= max(_COPY, 0.1 * most) else None

    def _is_optimal(self, objective: Objective, state: ProximalState, m: int) -> bool:
        # On all features, once problem m is solved on a working set.
        if not state.norms[m] <= self._tol:
            return bool(state.stuck[m])
        columns = slice(m * objective.n_outputs, (m + 1) * objective.n_outputs)
        promises = _promises(objective, state, m)
        promises[state.point[:-1, columns].any(axis=1)] = 0
        return bool(state.expected[m] + promises.sum() <= self.negligible * state.scale)

    def _finish(self, state: ProximalState) -> None:
        state.status = "converged" if (state.norms <= self._tol).all() else "precision"

    def _has_sample(self, objective: Objective) -> bool:
        return self.sample >= _ENOUGH * (objective.n_features + 1) * objective.n_outputs

    def _start(self, objective: Objective, theta: np.ndarray) -> np.ndarray:
        if self.max_iter == 0 or not self._has_sample(objective) or theta.any():
            return theta
        # The optimum of a sample with the same C is near that of all rows, and cheap.
        inner: Any = replace(self, sample=0, tol=np.inf, max_iter=50, negligible=1e-3)
        with unobserved():
            return minimize(objective.sample(self.sample), theta, inner).theta

    @property
    def _tol(self) -> float:
        return self.tol or 0.0


def _descent(
    objective: Objective, state: ProximalState, m: int, features: np.ndarray | None
) -> Descent:
    # From where problem m stands; the objective is that problem on the features.
    K = objective.n_outputs
    columns = slice(m * K, (m + 1) * K)
    theta, gradient = state.point[:, columns], state.gradient[:, columns]
    if features is not None:
        rows = np.append(features, len(theta) - 1)
        theta, gradient = theta[rows], gradient[rows]
    value, l1 = float(state.values[m]), float(objective.penalty.l1[0])
    if not (features is None and objective.n_problems == len(state.values)):
        theta, gradient = theta.copy(), gradient.copy()
    norm = float(_norms(objective, theta, gradient)[0])
    return Descent(objective, theta, value, gradient, norm, l1)


def _search(descent: Descent, step: Step) -> bool:
    # Move towards where the model leads; False if no point on the way is better.
    objective = descent.objective
    direction = step.theta - descent.theta
    noise = line_search.rounding(descent.value, float(np.finfo(objective.dtype).eps))
    t = 1.0
    for _ in range(MOST_EVALUATIONS):
        trial = step.theta if t == 1 else descent.theta + t * direction
        values, gradient = objective.value_and_grad(trial, None, _comes_along(objective))
        value = float(values[0]) + descent.l1 * float(np.abs(trial[:-1]).sum())
        norm = float(_norms(objective, trial, gradient)[0])
        start = descent.value, step.slope, t
        if enough(*start, value, noise, descent.norm, norm):
            descent.move(trial, value, gradient, norm)
            descent.cut = t < 1
            return True
        t = cut(*start, value)
    return False


def _takes_all(objective: Objective) -> bool:
    few = not objective.is_sparse and objective.n_features <= _FEW_FEATURES
    return few or objective.settles_columns


def _has_matrix(objective: Objective) -> bool:
    # Or else coordinate descent goes over columns of X.
    q, K = objective.n_features + 1, objective.n_outputs
    if objective.is_sparse:
        return _is_whole(objective) and (K * q) ** 2 <= _ROOM
    return q <= FULL_MATRIX and K * q**2 <= max(_ROOM, 0.1 * objective.entries())


def _is_whole(objective: Objective) -> bool:
    K = objective.n_outputs
    return K == 1 or K * (objective.n_features + 1) <= WHOLE


def _comes_along(objective: Objective) -> bool:
    return _is_whole(objective) and objective.hessian_comes_along


def _promises(objective: Objective, state: ProximalState, m: int) -> np.ndarray:
    # By how much each feature alone would decrease problem m, or so (d,).
    K = objective.n_outputs
    columns = slice(m * K, (m + 1) * K)
    if state.curvature is None:
        curvature = objective.curvature(full=False)
        state.curvature = curvature.second[:, None] * curvature.logits
        state.curvature += objective.penalty.columns(state.curvature.shape[1])
    out = _violations(objective, state.point, state.gradient)[:-1, columns]
    second = state.curvature[:, columns]
    return (out**2 / np.maximum(2 * second, 1e-300)).sum(axis=1)


def _violations(objective: Objective, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    out = np.empty(theta.shape)
    strengths = np.repeat(objective.penalty.l1, theta.shape[1] // objective.n_problems)
    coordinate_descent.violations(theta, gradient, strengths, out)
    return out


def _norms(objective: Objective, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    out = _violations(objective, theta, gradient)
    return out.reshape(len(out), objective.n_problems, -1).max(axis=(0, 2))


def _absolute_sums(theta: np.ndarray, M: int) -> np.ndarray:
    out = np.empty(M)
    coordinate_descent.absolute_sums(theta, out)
    return out

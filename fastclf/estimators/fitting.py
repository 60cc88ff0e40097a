"""The function that all estimators call to fit a problem, and the settings that it takes."""

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastclf.errors import InputError
from fastclf.estimators import choice, compatibility, prediction, validation
from fastclf.estimators.callbacks import Tasks, tasks_of
from fastclf.estimators.elsewhere import RowsElsewhere
from fastclf.estimators.endings import STALLED, lacks_optimum, overflow, stopped_early
from fastclf.estimators.problem import Massless, Problem, split_off
from fastclf.estimators.representation import InterceptColumn, Representation
from fastclf.kernels.runtime import obtained
from fastclf.objective import InMemoryObjective
from fastclf.penalties import from_C
from fastclf.solvers import Progress, Result, choose, minimize, plan_of
from fastclf.solvers.ending import NOT_FINITE
from fastclf.solvers.optimality import far_from_optimum
from fastclf.solvers.progress import Observer
from fastclf.threads import resolve_n_threads


class Settings(NamedTuple):
    """How problems are fitted: an estimator's parameters, and its name for messages.

    ``C`` and ``l1_ratio`` are numbers, or arrays with a number for each label. An
    ``intercept_column`` takes the place of an intercept that is penalised.
    """

    estimator: str
    C: Any
    l1_ratio: Any
    intercept_column: InterceptColumn | None
    fit_intercept: bool
    solver: Any
    tol: float
    max_iter: int
    random_state: Any
    n_threads: int | None
    verbose: int

    @classmethod
    def of(cls, estimator: Any, C: Any, l1_ratio: Any) -> "Settings":
        """Return an estimator's settings with a penalty; check all other parameters."""
        validation.fraction(estimator.label_smoothing, "label_smoothing", below_one=True)
        validation.natural_number(estimator.max_iter, "max_iter")
        validation.boolean(estimator.fit_intercept, "fit_intercept")
        validation.non_negative_number(estimator.tol, "tol")
        resolve_n_threads(estimator.n_threads)
        choice.named(estimator.solver)
        name, column = type(estimator).__name__, InterceptColumn.of(estimator)
        parameters = [getattr(estimator, field) for field in cls._fields[4:]]
        settings = cls(name, C, l1_ratio, column, *parameters)
        if settings.has_l1:
            choice.check_l1(estimator.solver)
        return settings

    @classmethod
    def of_single_fit(cls, estimator: Any, C: float, l1_ratio: float) -> "Settings":
        """Return the settings of an estimator with C and warm_start, all checked."""
        validation.strength_number(estimator.C, "C")
        validation.boolean(estimator.warm_start, "warm_start")
        validation.fraction(l1_ratio, "l1_ratio")
        dual = getattr(estimator, "dual", False)
        compatibility.check_solver(estimator.solver, C, l1_ratio, dual)
        return cls.of(estimator, C, l1_ratio)

    @property
    def has_l1(self) -> bool:
        """Whether any penalty has an L1 part."""
        if not isinstance(self.l1_ratio, np.ndarray) and not self.l1_ratio:
            return False
        return bool(np.any(self.l1_ratio) and np.any(np.isfinite(self.C)))

    @property
    def free_intercept(self) -> bool:
        """Whether there is an intercept without a penalty."""
        return self.fit_intercept and self.intercept_column is None


class Fitted(NamedTuple):
    """The outcome of a fit: theta (d + 1, C), the dtype of X, the history and warnings."""

    theta: np.ndarray
    dtype: np.dtype
    n_iter: int
    history: dict[str, np.ndarray]
    warnings: list[Warning]

    def store(self, estimator: Any) -> None:
        """Set the fitted attributes of an estimator."""
        prediction.set_coefficients(estimator, self.theta, self.dtype)
        estimator.n_iter_ = np.array([self.n_iter], dtype=np.int32)
        estimator.history_ = self.history

    def warn(self, stacklevel: int) -> None:
        """Warn of what is wrong with the fit; 1 for warnings that point to the caller."""
        for warning in self.warnings:
            warnings.warn(warning, stacklevel=stacklevel + 1)


def fit_estimator(
    estimator: Any,
    X: Any,
    problem: Problem,
    settings: Settings,
    held_out: tuple[Any, Problem] | None,
    y: Any,
    sample_weight: Any,
) -> None:
    """Fit a problem and set the fitted attributes; with a warm start and callbacks, if any.

    ``fit`` itself must call it, so that warnings point to the caller of ``fit``. Only callbacks see
    y and sample_weight.
    """
    shape, start = (problem.n_columns, X.shape[1]), None
    if estimator.warm_start and getattr(getattr(estimator, "coef_", None), "shape", ()) == shape:
        start = prediction.starting_theta(estimator)
    with tasks_of(estimator, X, y, sample_weight) as tasks:
        fitted = fit_problem(
            X, problem, settings, estimator, start=start, held_out=held_out, tasks=tasks
        )
        fitted.store(estimator)
    fitted.warn(stacklevel=3)


def fit_problem(
    X: Any,
    problem: Problem,
    settings: Settings,
    estimator: Any,
    *,
    start: np.ndarray | None = None,
    held_out: tuple[Any, Problem] | None = None,
    tasks: Tasks | None = None,
) -> Fitted:
    """Fit a problem with validated features (n, d): an array, a CSR matrix or RowsElsewhere.

    The fit begins at ``start`` (d + 1, C), in float64, or at zero. ``held_out`` has the features
    and the problem of rows to validate on. The ``classes_`` and ``feature_names_in_`` of the
    ``estimator`` are used for messages only.
    """
    solver = choice.named(settings.solver)
    draws = settings.random_state is not None or hasattr(solver, "seed")
    seed = validation.seed_from(settings.random_state) if draws else 0
    if solver is not None and solver.early_stopping is not None and held_out is None:
        if not isinstance(X, RowsElsewhere):
            X, problem, held_out = split_off(X, problem, solver.validation_fraction, seed)
        elif (held_out := X.split_off()) is None:
            raise InputError(
                f"early stopping can't split rows off {X.noun}; give X_val and y_val, or "
                "set early_stopping to None"
            )
    massless = Massless.find(problem, settings.free_intercept)
    theta = np.zeros((X.shape[1] + 1, problem.n_columns)) if start is None else start
    theta, problem = theta[:, massless.present], massless.restrict(problem)
    found = massless.warnings(estimator.classes_)
    result, path = Result(theta, "converged", 0, {}, None), "nothing to fit"
    if massless.present.any():
        in_memory = X
        if isinstance(X, RowsElsewhere):
            X, in_memory = X.restricted(massless), None
        if held_out is not None:
            held_out = held_out[0], massless.restrict(held_out[1])
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            result, path = _minimize(X, problem, theta, settings, seed, held_out, tasks, massless)
        names = getattr(estimator, "feature_names_in_", None)
        if result.status == NOT_FINITE or not np.isfinite(result.theta).all():
            raise overflow(in_memory, names)
        if not choice.is_minibatch(settings.solver):
            columns = estimator.classes_[-massless.present.size :][massless.present]
            lacking = lacks_optimum(X, problem, result.theta, settings.C, columns)
            found += lacking or stopped_early(settings, result, X.dtype, in_memory, names)
    history = {**result.history, "path": np.array(path), "status": np.array(result.status)}
    return Fitted(massless.expand(result.theta), X.dtype, result.n_iter, history, found)


def _minimize(
    X: Any,
    problem: Problem,
    theta: np.ndarray,
    settings: Settings,
    seed: int,
    held_out: tuple[Any, Problem] | None,
    tasks: Tasks | None,
    massless: Massless,
) -> tuple[Result, str]:
    # The result, and a description of how it was found.
    dtype, has_l1 = X.dtype, settings.has_l1
    in_memory = not isinstance(X, RowsElsewhere)
    if not in_memory:
        X.check(settings.solver, settings.intercept_column)
    solver = choice.named(settings.solver)
    may_reduce = solver is None and not has_l1 and in_memory
    shown = Representation.of(X, settings.intercept_column, may_reduce, problem.is_one)
    X, theta, tol = shown.X, shown.reduce(theta), shown.tolerance(settings.tol)
    if held_out is not None:
        held_out = shown.rows(held_out[0]), held_out[1]

    def full(theta: np.ndarray) -> np.ndarray:
        return shown.expand(problem.centred(theta, squared=not has_l1))

    def attributes(theta: np.ndarray) -> dict[str, np.ndarray]:
        return prediction.coefficients(massless.expand(full(theta)), dtype)

    objective = objective_of(X, problem, settings)
    solver = choice.complete(solver or choose(objective), tol, settings.max_iter, seed)
    plan = plan_of(solver, objective.shape, objective.costs)
    sentence = plan.sentence(0 if shown.space is None else len(X))
    after_step = to_validate = None
    if settings.verbose:
        _print(sentence)
    if tasks is not None:
        tasks.iteration_name = compatibility.iteration_name(settings.solver, solver)
        tasks.begin_iteration(lambda: attributes(theta))

        def after_step(state: Any) -> bool:
            return tasks.end_iteration(lambda: attributes(state.theta()))

    if held_out is not None:
        to_validate = objective_of(*held_out, settings._replace(C=np.inf))
    with shown_progress(settings.verbose) as observer:
        result = minimize(
            objective,
            theta,
            solver,
            validation=to_validate,
            observer=observer,
            after_step=after_step,
        )
    status = result.status
    if status == "precision" and far_from_optimum(objective, result.theta, tol).any():
        status = STALLED
    history = {**result.history, "solver": np.array(type(solver).__name__.lower())}
    return replace(result, theta=full(result.theta), history=history, status=status), sentence


def objective_of(X: Any, problem: Problem, settings: Settings) -> Any:
    """Return the objective of a problem on features in memory or in a stream."""
    total = problem.target.total_weight
    if problem.loss.is_sigmoid:
        total = np.broadcast_to(total, (problem.n_columns,))
    penalty = from_C(settings.C, settings.l1_ratio, total)
    if isinstance(X, RowsElsewhere):
        return X.objective(problem, penalty, total, settings.fit_intercept, settings.n_threads)
    what = problem.target, problem.loss, problem.n_columns, penalty
    return InMemoryObjective(X, *what, settings.free_intercept, settings.n_threads)


def shown_progress(verbose: int) -> AbstractContextManager[Observer | None]:
    """Yield an observer that prints each step, and long compilations, if ``verbose``; else None."""
    return _printing() if verbose else nullcontext()


@contextmanager
def _printing() -> Iterator[Observer]:
    with obtained.telling(_print):
        yield _print_step


def _print_step(progress: Progress) -> None:
    line = f"{progress.solver} {progress.iteration}/{progress.max_iter}"
    line += f"  objective {progress.objective:.6g}"
    if progress.gradient_norm is not None:
        line += f"  gradient {progress.gradient_norm:.2e}"
    if progress.validation_loss is not None:
        line += f"  validation {progress.validation_loss:.6g}"
    _print(line)


def _print(line: str) -> None:
    print(line, flush=True)

"""The only loop over iterations or epochs.

It reports progress, stops early and takes snapshots; solvers have only ``init`` and ``step``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fastclf.blas import single_threaded
from fastclf.errors import FastclfError
from fastclf.kernels.runtime.obtained import Stopwatch
from fastclf.objective import Objective
from fastclf.plan.passes import work_of_fit
from fastclf.solvers.ending import NOT_FINITE, at_the_end, is_finite
from fastclf.solvers.progress import Observer, Progress, columns_of, the_observer
from fastclf.solvers.snapshots import Snapshot, the_keeper


@dataclass(frozen=True)
class Result:
    """The outcome of a fit.

    Parameters
    ----------
    theta : ndarray of shape (d + 1, M * K)
        The coefficients, the intercepts in the last row.
    status : str
        "converged"; "precision": the arithmetic allows no further progress; "max_iter";
        "early_stopping"; "stopped" by ``after_step``; or
        :data:`fastclf.solvers.ending.NOT_FINITE`.
    n_iter : int
        Iterations or epochs.
    counts : ndarray of shape (M,)
        Iterations of each problem; ``n_iter`` if the solver doesn't count them.
    history : dict of str to ndarray
        One entry an iteration or epoch for each field of :class:`Progress` that the solver knows.
    state : object
        Pass it to :func:`minimize` to go on from here.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.solvers import Newton, minimize
    >>> from sklearn.datasets import load_iris
    >>> from fastclf.losses import Softmax
    >>> from fastclf.objective import InMemoryObjective
    >>> from fastclf.penalties import L2
    >>> from fastclf.targets import Target
    >>> X, y = load_iris(return_X_y=True)
    >>> target = Target(np.ones((1, len(y))), codes=y)
    >>> penalty = L2.from_C(1.0, target.total_weight)
    >>> objective = InMemoryObjective(X, target, Softmax(), n_columns=3, penalty=penalty)
    >>> result = minimize(objective, np.zeros((5, 3)), Newton(tol=1e-6, max_iter=50))
    >>> result.status, result.theta.shape
    ('converged', (5, 3))
    >>> len(result.history["objective"]) == result.n_iter
    True
    """

    theta: np.ndarray
    status: str
    n_iter: int
    history: dict[str, np.ndarray]
    state: Any
    counts: np.ndarray = field(default_factory=lambda: np.empty(0, int))


class State(Protocol):
    """The state of a solver between steps: arrays and scalars.

    ``status`` is "running" until the solver itself has a reason to stop. It may have a method
    ``finish(objective, max_iter)``, which takes all steps at once where nobody looks at them. It
    returns the objective, the gradient norm and the passes so far after each.
    """

    iteration: int
    status: str
    objective: float
    gradient_norm: float | None
    learning_rate: float | None

    def theta(self) -> np.ndarray:
        """Return the coefficients now."""


class Solver(Protocol):
    """A frozen dataclass of hyperparameters, whose ``tol`` and ``max_iter`` may be None.

    ``needs`` names the members of :class:`fastclf.objective.Objective` that it uses. It may also
    have ``handles_l1 = True``, and ``plan(shape, costs)``, which returns a
    :class:`fastclf.plan.Plan`.
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """The members of the objective that it uses."""

    @property
    def max_iter(self) -> int | None:
        """The most iterations or epochs."""

    @property
    def tol(self) -> float | None:
        """The tolerance that the solver converges to."""

    @property
    def early_stopping(self) -> int | None:
        """Epochs without a better validation loss after which to stop; None for never."""

    def init(self, objective: Any, theta: np.ndarray) -> Any:
        """Return the first state."""

    def step(self, objective: Any, state: Any) -> None:
        """Advance the state by an iteration, or by a slice of an epoch."""


@dataclass
class _Best:
    """The coefficients of the lowest validation loss, if there is a patience to wait for others."""

    patience: int | None
    loss: float = np.inf
    theta: np.ndarray | None = None
    stale: int = 0

    def look(self, validation: Objective, theta: np.ndarray) -> float:
        loss = float(validation.value_and_grad(theta)[0].mean())
        if self.patience is not None:
            if loss < self.loss:
                self.loss, self.theta, self.stale = loss, theta.copy(), 0
            else:
                self.stale += 1
        return loss

    @property
    def exhausted(self) -> bool:
        return self.patience is not None and self.stale >= self.patience


def minimize(
    objective: Objective,
    theta: np.ndarray,
    solver: Solver,
    *,
    state: Any = None,
    validation: Objective | None = None,
    observer: Observer | None = None,
    after_step: Callable[[Any], bool] | None = None,
) -> Result:
    """Minimise an objective.

    Parameters
    ----------
    objective : Objective
        What to minimise.
    theta : ndarray of shape (d + 1, M * K)
        Where to start; not changed. Ignored if `state` is given.
    solver : Solver
        One of this package, or any object with the members of the protocol.
    state : object, optional
        The state of an earlier :class:`Result`, to go on from there.
    validation : Objective, optional
        Its value is reported, and with a solver that stops early the best theta is kept.
    observer : callable, optional
        Called with a :class:`Progress` after each iteration or epoch, as is the one of
        :func:`observing`.
    after_step : callable, optional
        Called with the state after each iteration or epoch; the next step may change it in place.
        Returns True to stop there.

    Returns
    -------
    Result

    Raises
    ------
    FastclfError
        If the objective lacks a method that the solver needs.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from fastclf.losses import Softmax
    >>> from fastclf.objective import InMemoryObjective
    >>> from fastclf.penalties import L2
    >>> from fastclf.targets import Target
    >>> X, y = load_iris(return_X_y=True)
    >>> target = Target(np.ones((1, len(y))), codes=y)
    >>> penalty = L2.from_C(1.0, target.total_weight)
    >>> objective = InMemoryObjective(X, target, Softmax(), n_columns=3, penalty=penalty)
    >>> from fastclf.solvers import LBFGS, minimize
    >>> result = minimize(objective, np.zeros((5, 3)), LBFGS(tol=1e-6, max_iter=100))
    >>> result.status
    'converged'
    >>> bool(abs(objective.value_and_grad(result.theta)[1]).max() <= 1e-6)
    True
    """
    name = type(solver).__name__.lower()
    missing = [name for name in solver.needs if getattr(objective, name, None) is None]
    if missing:
        raise FastclfError(
            f"solver {name!r} needs {', '.join(missing)}, which "
            f"{type(objective).__name__} doesn't have; choose another solver"
        )
    given = theta, solver, state, validation, observer, after_step
    with single_threaded(work_of_fit(objective.shape, objective.costs)):
        return _minimize(objective, *given)


def _minimize(
    objective: Objective,
    theta: np.ndarray,
    solver: Solver,
    state: Any,
    validation: Objective | None,
    observer: Observer | None,
    after_step: Callable[[Any], bool] | None,
) -> Result:
    name = type(solver).__name__.lower()
    watch = Stopwatch()
    passes_before = objective.passes
    observers = [o for o in (observer, the_observer()) if o is not None]
    best = _Best(solver.early_stopping)
    max_iter = solver.max_iter or 0
    keeper = the_keeper()
    if state is None:
        state = solver.init(objective, theta)
    status = state.status
    history: list[Progress] = []

    def take() -> Snapshot:
        seconds, compile_seconds = watch.read()
        return Snapshot(
            solver=name,
            state=state,
            status=status,
            max_iter=max_iter,
            history=columns_of(history),
            best_loss=best.loss,
            best_theta=best.theta,
            stale=best.stale,
            seconds=seconds,
            compile_seconds=compile_seconds,
            passes=objective.passes,
            passes_before=passes_before,
            selected=objective.last_pass.selected,
            has_hessian=objective.last_pass.hessian_at is state.theta(),
        )

    kept = None if keeper is None else keeper.start(objective, take())
    if kept is not None:
        state, status, history = kept.state, kept.status, kept.progress()
        best.loss, best.theta, best.stale = kept.best_loss, kept.best_theta, kept.stale
        # Repeat the last pass, so that the objective has the same state as before.
        objective.value_and_grad(state.theta(), kept.selected, kept.has_hessian)
        watch = Stopwatch(kept.seconds, kept.compile_seconds)
        objective.passes, passes_before = kept.passes, kept.passes_before
    finish = getattr(state, "finish", None)
    unseen = keeper is None and not (observers or validation or after_step)
    if finish is not None and unseen and status == "running" and state.iteration < max_iter:
        already, first = objective.passes - passes_before, state.iteration + 1
        rows = finish(objective, max_iter)
        seconds, compile_seconds = watch.read()
        told = {"solver": name, "max_iter": max_iter, "compile_seconds": compile_seconds}
        history = [
            Progress(
                iteration=i,
                objective=value,
                gradient_norm=norm,
                learning_rate=None,
                validation_loss=None,
                seconds=seconds * passes / rows[-1][2],
                passes=already + passes,
                **told,
            )
            for i, (value, norm, passes) in enumerate(rows, first)
        ]
        status = state.status
    while status == "running" and state.iteration < max_iter:
        before = state.iteration
        solver.step(objective, state)
        status = state.status
        if state.iteration > before:
            loss = None if validation is None else best.look(validation, state.theta())
            seconds, compile_seconds = watch.read()
            progress = Progress(
                solver=name,
                iteration=state.iteration,
                max_iter=max_iter,
                objective=state.objective,
                gradient_norm=state.gradient_norm,
                learning_rate=state.learning_rate,
                validation_loss=loss,
                seconds=seconds,
                compile_seconds=compile_seconds,
                passes=objective.passes - passes_before,
            )
            history.append(progress)
            for observe in observers:
                observe(progress)
            if after_step is not None and after_step(state):
                status = "stopped"
            if best.exhausted:
                status = "early_stopping"
        if keeper is not None:
            keeper.look(state.iteration, take)
    found = best.theta if best.theta is not None else state.theta()
    if status == "running":
        status = at_the_end(state, solver)
    return Result(
        theta=found,
        status=status if is_finite(state, found) else NOT_FINITE,
        n_iter=state.iteration,
        history=columns_of(history),
        state=state,
        counts=getattr(state, "counts", np.full(objective.n_problems, state.iteration)),
    )

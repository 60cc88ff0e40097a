"""The only loop over iterations or epochs.

Progress, early stopping, checkpoints and Ctrl-C hang here, once; solvers know only ``init`` and
``step``.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fastclf.errors import FastclfError
from fastclf.objective import Objective
from fastclf.solvers.ending import NOT_FINITE, at_the_end, is_finite
from fastclf.threads import single_threaded_blas


@dataclass(frozen=True)
class Progress:
    """Where a fit stands after an iteration or an epoch.

    Parameters
    ----------
    solver : str
        Name of the solver.
    iteration, max_iter : int
        Iterations or epochs done, and how many there will be at most.
    objective : float
        Mean loss and penalty, the mean over all problems; for minibatch solvers the running mean
        of the epoch.
    gradient_norm : float or None
        Largest absolute entry of the gradient, for solvers that know it.
    learning_rate : float or None
        Of the last step, for minibatch solvers.
    validation_loss : float or None
        Mean loss on the validation rows, if there are any.
    seconds : float
        Since the start of the fit.
    passes : float
        How many times X has been read.
    """

    solver: str
    iteration: int
    max_iter: int
    objective: float
    gradient_norm: float | None
    learning_rate: float | None
    validation_loss: float | None
    seconds: float
    passes: float


Observer = Callable[[Progress], None]


@dataclass(frozen=True)
class Result:
    """What every solver reports.

    Parameters
    ----------
    theta : ndarray of shape (d + 1, M * K)
    status : str
        "converged"; "precision": the arithmetic allows no further progress; "max_iter";
        "early_stopping"; "stopped" by who asked for it after a step; or
        :data:`fastclf.solvers.ending.NOT_FINITE`.
    n_iter : int
        Iterations or epochs.
    counts : ndarray of shape (M,)
        Those of each problem, where a solver counts them.
    history : dict of str to ndarray
        One entry an iteration or epoch for each field of :class:`Progress` that the solver knows.
    state : object
        Pass it to :func:`minimize` to go on from here.
    """

    theta: np.ndarray
    status: str
    n_iter: int
    history: dict[str, np.ndarray]
    state: Any
    counts: np.ndarray = field(default_factory=lambda: np.empty(0, int))


class State(Protocol):
    """What a solver keeps between steps: arrays and scalars.

    ``status`` is "running" until the solver itself has a reason to stop.
    """

    iteration: int
    status: str
    objective: float
    gradient_norm: float | None
    learning_rate: float | None

    def theta(self) -> np.ndarray:
        """Return the coefficients now."""


class OfProblems:
    """What a :class:`State` of M problems tells of them together.

    It has their ``values`` and ``norms`` (M,): the largest absolute entries of their gradients, or,
    under an L1 penalty, the largest violations of optimality.
    """

    values: np.ndarray
    norms: np.ndarray

    @property
    def objective(self) -> float:
        """The mean value over the problems."""
        return float(self.values.mean())

    @property
    def gradient_norm(self) -> float:
        """The largest norm."""
        return float(self.norms.max(initial=0.0))


class Solver(Protocol):
    """A frozen dataclass of hyperparameters, whose ``tol`` and ``max_iter`` may be None.

    ``needs`` names the members of :class:`fastclf.objective.Objective` that it uses. It may also
    have ``handles_l1 = True``, and ``plan(shape, costs)``, which returns a
    :class:`fastclf.plan.Plan`.
    """

    needs: tuple[str, ...]

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


_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


@contextmanager
def _setting(variable: ContextVar, value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Have every fit in this context report its progress.

    Parameters
    ----------
    observer : callable
        Called with a :class:`Progress` after each iteration or epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import fastclf
    >>> seen = []
    >>> with observing(seen.append):
    ...     _ = fastclf.LogisticRegression().fit(*load_iris(return_X_y=True))
    >>> seen[0].solver
    'newton'
    """
    with _setting(_observer, observer):
        yield


@contextmanager
def unobserved() -> Iterator[None]:
    """Have no fit in this context report its progress: they are steps of another one."""
    with _setting(_observer, None):
        yield


@dataclass(frozen=True)
class Snapshot:
    """Where a fit stands: all that it takes to go on from there, and end with the same bits.

    Parameters
    ----------
    solver : str
        Name of the solver.
    state : State
        The solver's.
    status : str
        "running", or why the loop would stop here.
    max_iter : int
        Iterations or epochs that there will be at most.
    history : dict of str to ndarray
        As in :class:`Result`, with the columns that are known.
    best_loss : float
        The lowest validation loss so far, of a solver that stops early.
    best_theta : ndarray of shape (d + 1, M * K) or None
        Where it was found.
    stale : int
        Epochs since then.
    seconds : float
        Since the start of the fit.
    passes, passes_before : float
        How many times X has been read, now and before the fit.
    selected : ndarray of shape (M,)
        The problems whose columns the objective has gathered for its passes.
    has_hessian : bool
        Whether that pass took the Hessian along, and the objective still has it.
    """

    solver: str
    state: Any
    status: str
    max_iter: int
    history: dict[str, np.ndarray]
    best_loss: float
    best_theta: np.ndarray | None
    stale: int
    seconds: float
    passes: float
    passes_before: float
    selected: np.ndarray
    has_hessian: bool

    def progress(self) -> list[Progress]:
        """Return what observers were told until here."""
        columns = {name: column.tolist() for name, column in self.history.items()}
        absent = [None] * len(columns["iteration"])
        rows = zip(*(columns.get(name, absent) for name in _COLUMNS), strict=True)
        return [
            Progress(
                solver=self.solver, max_iter=self.max_iter, **dict(zip(_COLUMNS, row, strict=True))
            )
            for row in rows
        ]


class Keeper(Protocol):
    """What keeps snapshots of a fit, and knows whether there is one to go on from."""

    def start(self, objective: Any, first: Snapshot) -> Snapshot | None:
        """Return where the fit is to go on, if not at its first state."""

    def look(self, iteration: int, take: Callable[[], Snapshot]) -> None:
        """Keep a snapshot if it's time to; called after each iteration or slice of an epoch.

        ``iteration`` is how many iterations or epochs were done. ``take`` takes the snapshot; its
        state is that of the solver, and lasts until this returns.
        """


_keeper: ContextVar[list[Keeper] | None] = ContextVar("keeper", default=None)


@contextmanager
def keeping(keeper: Keeper) -> Iterator[None]:
    """Have a keeper look at the first fit in this context.

    Parameters
    ----------
    keeper : Keeper
        It sees nothing of fits inside that fit, such as one on a sample.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> import fastclf
    >>> class Latest:
    ...     def start(self, objective, first):
    ...         return None
    ...     def look(self, iteration, take):
    ...         self.seconds = take().seconds
    >>> latest = Latest()
    >>> with keeping(latest):
    ...     _ = fastclf.LogisticRegression().fit(*load_iris(return_X_y=True))
    >>> latest.seconds > 0
    True
    """
    with _setting(_keeper, [keeper]):
        yield


class _BestSoFar:
    def __init__(self, validation: Objective | None, patience: int | None) -> None:
        self.validation = validation
        self.patience = patience
        self.loss = np.inf
        self.theta: np.ndarray | None = None
        self.stale = 0

    def look(self, theta: np.ndarray) -> float | None:
        if self.validation is None:
            return None
        loss = float(self.validation.value_and_grad(theta)[0].mean())
        if self.patience is not None:
            if loss < self.loss:
                self.loss, self.theta, self.stale = loss, theta.copy(), 0
            else:
                self.stale += 1
        return loss

    @property
    def exhausted(self) -> bool:
        return self.patience is not None and self.stale >= self.patience


@single_threaded_blas()  # the same bits whatever the number of BLAS threads
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
    theta : ndarray of shape (d + 1, M * K)
        Where to start; not changed. Ignored if `state` is given.
    solver : Solver
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
    """
    name = type(solver).__name__.lower()
    missing = [name for name in solver.needs if getattr(objective, name, None) is None]
    if missing:
        raise FastclfError(
            f"solver {name!r} needs {', '.join(missing)}, which "
            f"{type(objective).__name__} doesn't have; choose another solver"
        )
    started = time.perf_counter()
    passes_before = objective.passes
    observers = [o for o in (observer, _observer.get()) if o is not None]
    best = _BestSoFar(validation, solver.early_stopping)
    max_iter = solver.max_iter or 0
    keeper = _the_keeper()
    if state is None:
        state = solver.init(objective, theta)
    status = state.status
    history: list[Progress] = []

    def take() -> Snapshot:
        return Snapshot(
            solver=name,
            state=state,
            status=status,
            max_iter=max_iter,
            history=_columns(history),
            best_loss=best.loss,
            best_theta=best.theta,
            stale=best.stale,
            seconds=time.perf_counter() - started,
            passes=objective.passes,
            passes_before=passes_before,
            selected=objective.last_pass.selected,
            has_hessian=objective.last_pass.hessian_at is state.theta(),
        )

    kept = None if keeper is None else keeper.start(objective, take())
    if kept is not None:
        state, status, history = kept.state, kept.status, kept.progress()
        best.loss, best.theta, best.stale = kept.best_loss, kept.best_theta, kept.stale
        # So that the objective holds what it held.
        objective.value_and_grad(state.theta(), kept.selected, kept.has_hessian)
        started = time.perf_counter() - kept.seconds
        objective.passes, passes_before = kept.passes, kept.passes_before
    while status == "running" and state.iteration < max_iter:
        before = state.iteration
        solver.step(objective, state)
        status = state.status
        if state.iteration > before:
            progress = Progress(
                solver=name,
                iteration=state.iteration,
                max_iter=max_iter,
                objective=state.objective,
                gradient_norm=state.gradient_norm,
                learning_rate=state.learning_rate,
                validation_loss=best.look(state.theta()) if validation is not None else None,
                seconds=time.perf_counter() - started,
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
        history=_columns(history),
        state=state,
        counts=getattr(state, "counts", np.full(objective.n_problems, state.iteration)),
    )


def is_watched() -> bool:
    """Tell whether somebody observes each iteration, be it a short one."""
    return _observer.get() is not None


def _the_keeper() -> Keeper | None:
    # Taken out of the context, so that no other fit finds it.
    waiting = _keeper.get()
    return waiting.pop() if waiting else None


_COLUMNS = (
    *("iteration", "objective", "gradient_norm", "learning_rate", "validation_loss"),
    *("seconds", "passes"),
)


def _columns(history: list[Progress]) -> dict[str, np.ndarray]:
    table = {name: [getattr(entry, name) for entry in history] for name in _COLUMNS}
    return {
        name: np.array(column)
        for name, column in table.items()
        if not any(value is None for value in column)
    }

"""The only loop over iterations or epochs.

Progress, early stopping and Ctrl-C hang here, once; solvers know only ``init`` and ``step``.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np

from fastclf.errors import FastclfError
from fastclf.objective import Objective
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
    theta : callable
        Returns the coefficients now, (d + 1, M * K); the next step may change them in place.
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
    theta: Callable[[], np.ndarray] = field(default=lambda: np.empty((0, 0)), repr=False)

    def figures(self) -> dict[str, Any]:
        """Return everything but theta by name, as JSON can hold it."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)[:-1]}


Observer = Callable[[Progress], bool | None]
"""What is called after each iteration or epoch; True stops the fit there."""


@dataclass(frozen=True)
class Result:
    """What every solver reports.

    Parameters
    ----------
    theta : ndarray of shape (d + 1, M * K)
    status : str
        "converged"; "precision": the arithmetic allows no further progress; "max_iter";
        "early_stopping"; or "stopped" by an observer.
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


class Solver(Protocol):
    """A frozen set of hyperparameters."""

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
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


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

    Returns
    -------
    Result

    Raises
    ------
    FastclfError
        If the objective lacks a method that the solver needs.
    """
    name = type(solver).__name__.lower()
    missing = [method for method in solver.needs if not hasattr(objective, method)]
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
    if state is None:
        state = solver.init(objective, theta)
    status = state.status
    history: list[Progress] = []
    while status == "running" and state.iteration < max_iter:
        before = state.iteration
        solver.step(objective, state)
        status = state.status
        if state.iteration == before:
            continue
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
            theta=state.theta,
        )
        history.append(progress)
        if any([observe(progress) for observe in observers]):
            status = "stopped"
        if best.exhausted:
            status = "early_stopping"
    return Result(
        theta=best.theta if best.theta is not None else state.theta(),
        status=_at_the_end(state, solver) if status == "running" else status,
        n_iter=state.iteration,
        history=_columns(history),
        state=state,
        counts=getattr(state, "counts", np.full(objective.n_problems, state.iteration)),
    )


def _at_the_end(state: State, solver: Solver) -> str:
    # A solver may go on below its tolerance for a better objective; then the limit is no failure.
    if state.gradient_norm is not None and state.gradient_norm <= (solver.tol or 0.0):
        return "converged"
    return "max_iter"


def _columns(history: list[Progress]) -> dict[str, np.ndarray]:
    names = ["iteration", "objective", "gradient_norm", "learning_rate", "validation_loss"]
    names += ["seconds", "passes"]
    table = {name: [getattr(entry, name) for entry in history] for name in names}
    return {
        name: np.array(column)
        for name, column in table.items()
        if not any(value is None for value in column)
    }

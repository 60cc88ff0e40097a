"""Progress of a fit, and its observer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np


class Progress(NamedTuple):
    """Progress of a fit after an iteration or an epoch.

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
        Since the start of the fit, without `compile_seconds`.
    compile_seconds : float
        The time since then in which kernels were compiled or loaded.
    passes : float
        How many times X has been read.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastclf import LogisticRegression
    >>> from fastclf.solvers import observing
    >>> seen = []
    >>> with observing(seen.append):
    ...     clf = LogisticRegression(solver="lbfgs").fit(*load_iris(return_X_y=True))
    >>> last = seen[-1]
    >>> last.solver, last.iteration == len(seen), last.max_iter, last.learning_rate
    ('lbfgs', True, 100, None)
    """

    solver: str
    iteration: int
    max_iter: int
    objective: float
    gradient_norm: float | None
    learning_rate: float | None
    validation_loss: float | None
    seconds: float
    compile_seconds: float
    passes: float


Observer = Callable[[Progress], None]


_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


@contextmanager
def setting(variable: ContextVar, value: Any) -> Iterator[None]:
    """Give a context variable a value for a while."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


@contextmanager
def observing(observer: Observer | None) -> Iterator[None]:
    """Have every fit in this context report its progress.

    Parameters
    ----------
    observer : callable or None
        Called with a :class:`Progress` after each iteration or epoch. None: no fit reports its
        progress, because it is a step of another fit.

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
    with setting(_observer, observer):
        yield


def the_observer() -> Observer | None:
    """Return the observer of the fits in this context."""
    return _observer.get()


COLUMNS = [name for name in Progress._fields if name not in ("solver", "max_iter")]
"""The fields that a history has a column of."""


def columns_of(history: list[Progress]) -> dict[str, np.ndarray]:
    """Return a column for each field of :class:`Progress` that is known in all entries."""
    columns = zip(*history, strict=True) if history else ((),) * len(Progress._fields)
    table = dict(zip(Progress._fields, columns, strict=True))
    return {name: np.array(table[name]) for name in COLUMNS if None not in table[name]}

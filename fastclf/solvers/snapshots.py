"""Snapshots of a fit, from which it can be resumed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastclf.solvers.progress import COLUMNS, Progress, setting


@dataclass(frozen=True)
class Snapshot:
    """The state of a fit between two steps, from which it ends with the same bits.

    Parameters
    ----------
    solver : str
        Name of the solver.
    state : State
        State of the solver.
    status : str
        "running", or why the loop would stop here.
    max_iter : int
        Iterations or epochs that there will be at most.
    history : dict of str to ndarray
        As in :class:`Result`, with the columns that are known.
    best_loss : float
        The lowest validation loss so far, of a solver that stops early.
    best_theta : ndarray of shape (d + 1, M * K) or None
        The coefficients that had it.
    stale : int
        Epochs since then.
    seconds, compile_seconds : float
        As in :class:`Progress`.
    passes, passes_before : float
        How many times X has been read, now and before the fit.
    selected : ndarray of shape (M,)
        The problems whose columns the objective has gathered for its passes.
    has_hessian : bool
        Whether the objective holds the Hessian that its latest pass computed.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastclf import LogisticRegression
    >>> from fastclf.solvers import keeping
    >>> class Every:
    ...     def __init__(self):
    ...         self.taken = []
    ...     def start(self, objective, first):
    ...         return None
    ...     def look(self, iteration, take):
    ...         self.taken.append(take())
    >>> every = Every()
    >>> with keeping(every):
    ...     clf = LogisticRegression(solver="lbfgs").fit(*load_iris(return_X_y=True))
    >>> last = every.taken[-1]
    >>> last.solver, last.progress()[0].iteration
    ('lbfgs', 1)
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
    compile_seconds: float
    passes: float
    passes_before: float
    selected: np.ndarray
    has_hessian: bool

    def progress(self) -> list[Progress]:
        """Return the progress of each iteration so far."""
        columns = {name: column.tolist() for name, column in self.history.items()}
        absent = [None] * len(columns["iteration"])
        rows = zip(*(columns.get(name, absent) for name in COLUMNS), strict=True)
        return [
            Progress(
                solver=self.solver, max_iter=self.max_iter, **dict(zip(COLUMNS, row, strict=True))
            )
            for row in rows
        ]


class Keeper(Protocol):
    """Stores snapshots of a fit, and may have one to resume from.

    Examples
    --------
    A keeper of the snapshot after ten iterations; a second fit goes on from there, and ends with
    the same bits:

    >>> import copy
    >>> from sklearn.datasets import load_iris
    >>> from fastclf import LogisticRegression
    >>> from fastclf.solvers import keeping
    >>> class AtTen:
    ...     kept = None
    ...     def start(self, objective, first):
    ...         return self.kept
    ...     def look(self, iteration, take):
    ...         if iteration == 10:
    ...             self.kept = copy.deepcopy(take())
    >>> keeper, (X, y) = AtTen(), load_iris(return_X_y=True)
    >>> clf = LogisticRegression(solver="lbfgs", tol=1e-8)
    >>> with keeping(keeper):
    ...     first = clf.fit(X, y).coef_
    >>> with keeping(keeper):
    ...     again = clf.fit(X, y).coef_
    >>> bool((first == again).all())
    True
    """

    def start(self, objective: Any, first: Snapshot) -> Snapshot | None:
        """Return the snapshot to resume from, or None to start at the first state."""

    def look(self, iteration: int, take: Callable[[], Snapshot]) -> None:
        """Store a snapshot if it is time to; called after each iteration or slice of an epoch.

        ``iteration`` is the number of iterations or epochs done. ``take`` returns a snapshot; its
        state is the solver's own, which changes once this method returns.
        """


_keeper: ContextVar[list[Keeper] | None] = ContextVar("keeper", default=None)


@contextmanager
def keeping(keeper: Keeper) -> Iterator[None]:
    """Give the first fit in this context a keeper.

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
    with setting(_keeper, [keeper]):
        yield


def the_keeper() -> Keeper | None:
    """Take the keeper out of the context, so that no other fit finds it."""
    waiting = _keeper.get()
    return waiting.pop() if waiting else None

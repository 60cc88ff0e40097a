"""Scikit-learn's callbacks: a fit is a task, and each iteration or epoch is a task within it.

Before scikit-learn 1.9 there are none, and the mixin is empty.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback._callback_support import callback_management_context
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """No callbacks."""


class Tasks:
    """The task of a fit, and the task of the iteration that is running.

    An iteration is only seen when it ends, and the next one begins then; so after the last one a
    task is left over, which ends with nothing done. Tasks of iterations are called
    ``iteration_name``.
    """

    def __init__(self, estimator: Any, fit: Any, data: dict[str, Any]) -> None:
        self._estimator = estimator
        self._fit = fit
        self._data = data
        self._iteration: Any = None
        self.iteration_name = "iteration"

    def begin(self) -> None:
        """Begin the fit."""
        self._fit.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def begin_iteration(self, fitted: Callable[[], dict[str, Any]]) -> None:
        """Begin an iteration from an estimator with the attributes that ``fitted`` returns."""
        self._iteration = self._fit.subcontext(task_name=self.iteration_name)
        self._iteration.call_on_fit_task_begin(
            estimator=self._estimator, reconstruction_attributes=fitted, **self._data
        )

    def end_iteration(self, fitted: Callable[[], dict[str, Any]]) -> bool:
        """End an iteration and begin the next; return True if a callback asks to stop the fit."""
        stop = self._iteration.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes=fitted, **self._data
        )
        self.begin_iteration(fitted)
        return bool(stop)

    def end(self) -> None:
        """End the iteration that is left over, if there was one at all, and the fit."""
        if self._iteration is not None:
            self._iteration.call_on_fit_task_end(estimator=self._estimator)
        self._fit.call_on_fit_task_end(
            estimator=self._estimator, reconstruction_attributes={}, **self._data
        )


@contextmanager
def tasks_of(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Iterator[Tasks | None]:
    """Give the tasks of a fit whose estimator has callbacks; None if it has none."""
    if not hasattr(estimator, "_skl_callbacks"):
        yield None
        return
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    max_iter = getattr(estimator.solver, "max_iter", None)
    max_iter = estimator.max_iter if max_iter is None else max_iter
    with callback_management_context(estimator):
        fit = estimator._init_callback_context(max_subtasks=max_iter + 1)
        tasks = Tasks(estimator, fit, {"X": X, "y": y, "metadata": metadata})
        tasks.begin()
        yield tasks
        tasks.end()

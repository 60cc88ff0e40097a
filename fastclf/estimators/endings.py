"""Errors and warnings of fits that overflow, have no optimum, or stop before they reach it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from fastclf.errors import InputError
from fastclf.estimators import compatibility
from fastclf.estimators.elsewhere import RowsElsewhere
from fastclf.estimators.problem import Problem
from fastclf.estimators.separation import separated
from fastclf.solvers import Result
from fastclf.solvers.optimality import EXTREME

if TYPE_CHECKING:
    from fastclf.estimators.fitting import Settings

STALLED = "stalled"
"""The status of a fit that rounding ends far from the optimum."""

_SHOWN = 3
"""Most columns that a message names."""


def stopped_early(
    settings: "Settings", result: Result, dtype: np.dtype, X: Any, names: Any
) -> list[Warning]:
    """Return the warning of a fit that stopped early, if it did; X and names as in `advice`."""
    name = settings.estimator
    if result.status == STALLED:
        text = (
            f"{name} stopped far from the optimum, because {dtype} arithmetic allows no further "
            f"progress. {advice(X, names)}"
        )
    elif result.status == "max_iter":
        text = (
            f"{compatibility.failure(settings.solver, result.n_iter)}{name} stopped "
            f"after {result.n_iter} iterations, before its gradient was within "
            f"tol={settings.tol}: increase max_iter; or scale the features, or lower C, either of "
            "which makes the problem easier; or increase tol if less precision is enough"
        )
    else:
        return []
    return [ConvergenceWarning(text)]


def lacks_optimum(
    X: Any, problem: Problem, theta: np.ndarray, C: Any, classes: np.ndarray
) -> list[Warning]:
    """Return the warning of a fit without a penalty (C infinite) that has no optimum.

    ``classes`` are the names of the columns of theta (d + 1, C).
    """
    free = np.isinf(C)
    if not free.any():
        return []
    if isinstance(X, RowsElsewhere):
        apart = free & X.separated(problem, theta)
    else:
        apart = free & separated(X, problem, theta)
    if not apart.any():
        return []
    what = "a linear function separates the classes without error"
    if len(apart) > 1:
        listed = ", ".join(repr(name) for name in classes[apart].tolist())
        what = f"linear functions separate without error the rows with and without {listed}"
    text = (
        f"without a penalty (C=inf) there is no optimum, because {what}: the coefficients would "
        "grow without bound. The fit stopped at finite ones, which separate as well as larger "
        "ones; give a finite C"
    )
    return [ConvergenceWarning(text)]


def overflow(X: Any, names: Any = None) -> InputError:
    """Return the error of a fit with numbers that aren't finite; see :func:`advice`."""
    what = "the fit overflows: its coefficients, objective or gradient aren't finite"
    return InputError(f"{what}. {advice(X, names)}")


def advice(X: Any, names: Any = None) -> str:
    """Return a sentence that names the columns of X with the largest numbers, and the remedy.

    X is None if it isn't in memory; ``names`` are those of the features, or None.
    """
    where = "Its features may be too large"
    if X is not None and X.shape[0]:
        sizes = _sizes(X)
        order = np.argsort(-sizes, kind="stable")
        extreme = [j for j in order.tolist() if sizes[j] >= EXTREME] or order[:1].tolist()
        listed = ", ".join(_described(X, j, names) for j in extreme[:_SHOWN])
        more = f" and in {len(extreme) - _SHOWN} other columns" if len(extreme) > _SHOWN else ""
        where = f"The largest numbers of X are {listed}{more}"
    return (
        f"{where}: such numbers often stand for an infinite or a missing value, e.g. after "
        "np.nan_to_num; drop or replace them, or scale the columns, e.g. with "
        "sklearn.preprocessing.StandardScaler"
    )


def _sizes(X: Any) -> np.ndarray:
    # The largest absolute value of each column.
    if scipy.sparse.issparse(X):
        return np.asarray(abs(X).max(axis=0).toarray()).reshape(-1)
    return np.maximum(X.max(axis=0), -X.min(axis=0))


def _described(X: Any, column: int, names: Any) -> str:
    values = X[:, [column]].toarray()[:, 0] if scipy.sparse.issparse(X) else X[:, column]
    row = int(np.abs(values).argmax())
    name = "" if names is None else f" ({names[column]!r})"
    return f"{values[row]:.3g} in row {row}, column {column}{name}"

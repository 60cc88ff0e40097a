"""Errors and warnings of fits that overflow, have no optimum, or stop before they reach it.

A fit without a penalty has no optimum where some theta separates the rows, ``y_i z_i > 0``: twice
that theta has a lower loss in each row, and so on, and the loss falls towards 0, which no finite
coefficients reach (Albert and Anderson, *On the existence of maximum likelihood estimates in
logistic regression models*, 1984). A solver stops at a theta that separates the rows, so its logits
show it.

This test never warns without reason. It misses two cases, which only a linear programme finds: a
margin so narrow that the solver stops before it separates the rows beside it, and rows of which
only some can be separated (quasi-complete separation).
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from fastclf.errors import InputError
from fastclf.estimators import compatibility
from fastclf.estimators.problem import Problem
from fastclf.estimators.streams import StreamedRows
from fastclf.solvers import Result
from fastclf.solvers.optimality import EXTREME
from fastclf.targets import Target

if TYPE_CHECKING:
    from fastclf.estimators.fitting import Settings

STALLED = "stalled"
"""The status of a fit that rounding ends far from the optimum."""

_SHOWN = 3
"""Most columns that a message names."""

_ROWS = 4096
"""Rows whose logits are computed at a time."""

_ROUNDING = 1e-10
"""Smallest share of a row's products that a margin must have, so that it is no rounding error."""


def stopped_early(
    settings: "Settings", result: Result, dtype: np.dtype, X: Any, names: Any
) -> list[Warning]:
    """Return the warning of a fit that stopped early, if it did; X and names as in `advice`."""
    name = settings.estimator
    if result.status == STALLED:
        text = (
            f"{name} stopped far from the optimum, for {dtype} arithmetic allows no further "
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
    apart = np.ones(1, bool)
    blocks = X.in_order() if isinstance(X, StreamedRows) else [(X, problem.target)]
    for rows, target in blocks:
        apart = apart & separated(rows, replace(problem, target=target), theta)
        if not apart.any():
            break
    apart = free & apart
    if not apart.any():
        return []
    what = "a linear function tells the classes apart without error"
    if len(apart) > 1:
        listed = ", ".join(repr(name) for name in classes[apart].tolist())
        what = f"linear functions tell without error which rows have {listed}"
    text = (
        f"without a penalty (C=inf) there is no optimum, for {what}: the coefficients would grow "
        "for ever, and those at which the fit stopped are as good as any larger ones; "
        "give a finite C"
    )
    return [ConvergenceWarning(text)]


def separated(X: Any, problem: Problem, theta: np.ndarray) -> np.ndarray:
    """Return a mask of the columns (C,), or of a softmax (1,): whether theta tells all rows apart.

    Rows whose target isn't a single class count as not told apart: their loss has a finite minimum.
    Reading stops at the first block of rows after which no column is left.
    """
    right = np.ones(problem.n_columns if problem.loss.is_sigmoid else 1, bool)
    smoothing, _, hard_weight = problem.loss.parameters
    if smoothing > 0 or hard_weight < 1:
        return ~right
    margins = _sigmoid_margins if problem.loss.is_sigmoid else _softmax_margins
    n = X.shape[0]
    for start in range(0, n, _ROWS):
        rows = np.arange(start, min(start + _ROWS, n))
        weighted = problem.target.weights[:, rows].T > 0
        products = X[start : rows[-1] + 1] @ theta[:-1]
        margin = margins(problem.target.rows(rows), products + theta[-1])
        enough = _ROUNDING * (np.abs(products) + np.abs(theta[-1])).max(axis=1, keepdims=True)
        right &= ((margin > enough) | ~weighted).all(axis=0)
        if not right.any():
            break
    return right


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


def _sigmoid_margins(target: Target, logits: np.ndarray) -> np.ndarray:
    return np.where(target.soft == 1, logits, np.where(target.soft == 0, -logits, -np.inf))


def _softmax_margins(target: Target, logits: np.ndarray) -> np.ndarray:
    n = len(logits)
    codes = target.codes if target.codes.size else target.soft.argmax(axis=1)
    others = logits.copy()
    others[np.arange(n), codes] = -np.inf
    margin = logits[np.arange(n), codes] - others.max(axis=1)
    if target.soft.size:
        margin = np.where(target.soft[np.arange(n), codes] == 1, margin, -np.inf)
    return margin[:, None]

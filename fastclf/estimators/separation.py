"""Whether a fit without a penalty has an optimum at all.

Where theta tells all rows apart, ``y_i z_i > 0``, twice theta has a lower loss in each row, and so
on: the loss falls towards 0, which no finite coefficients reach (Albert and Anderson, *On the
existence of maximum likelihood estimates in logistic regression models*, 1984). A solver stops
somewhere on the way. Near the limit it has told the rows apart, so one look at the logits tells.

The look raises no false alarm, and misses two cases that take a linear programme to find: a margin
so narrow that the solver stops before it has told the rows beside it apart, and rows of which only
some are told apart while the others stay where they are (quasi-complete separation).
"""

from dataclasses import replace
from typing import Any

import numpy as np

from fastclf.estimators.problem import Massless, Problem
from fastclf.estimators.streams import StreamedRows
from fastclf.targets import Target

_ROWS = 4096
_ROUNDING = 1e-10
"""Of a row's products, what a margin must exceed to be no error of rounding."""


def told_apart(X: Any, massless: Massless, problem: Problem, theta: np.ndarray) -> np.ndarray:
    """Return the mask of :func:`separated` for the columns present, of an array or a stream."""
    problem = massless.restrict(problem)
    if not isinstance(X, StreamedRows):
        return separated(X, problem, theta)
    apart = np.ones(1, bool)
    for rows, target in X.restricted(massless).in_order():
        apart = apart & separated(rows, replace(problem, target=target), theta)
        if not apart.any():
            break
    return apart


def separated(X: Any, problem: Problem, theta: np.ndarray) -> np.ndarray:
    """Return a mask of the columns (C,), or of the one softmax (1,), whose rows theta tells apart.

    It looks at no more rows than up to the first that is wrong. A row whose target isn't one class
    alone is always wrong, for its loss is least at finite logits.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d)
    problem : Problem
    theta : ndarray of shape (d + 1, C)
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


def without_optimum(labels: np.ndarray | None) -> str:
    """Return a warning that names the labels whose rows are told apart; None for the classes."""
    what = "a linear function tells the classes apart without error"
    if labels is not None:
        listed = ", ".join(repr(name) for name in labels.tolist())
        what = f"linear functions tell without error which rows have {listed}"
    return (
        f"without a penalty (C=inf) there is no optimum, for {what}: the coefficients would grow "
        "for ever, and those at which the fit stopped are as good as any larger ones; "
        "give a finite C"
    )


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

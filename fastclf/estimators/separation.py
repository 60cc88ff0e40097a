"""Whether theta separates all rows, so that a fit without a penalty has no optimum.

A fit without a penalty has no optimum where some theta separates the rows, ``y_i z_i > 0``: twice
that theta has a lower loss in each row, and so on, and the loss falls towards 0, which no finite
coefficients reach (Albert and Anderson, *On the existence of maximum likelihood estimates in
logistic regression models*, 1984). A solver stops at a theta that separates the rows, so its logits
show it.

This test never warns without reason. It misses two cases, which only a linear programme finds: a
margin so narrow that the solver stops before it separates the rows beside it, and rows of which
only some can be separated (quasi-complete separation).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from fastclf.targets import Target

if TYPE_CHECKING:
    from fastclf.estimators.problem import Problem

_ROWS = 4096
"""Rows whose logits are computed at a time."""

_ROUNDING = 1e-10
"""Smallest share of a row's products that a margin must have, so that it is no rounding error."""


def separated(X: Any, problem: "Problem", theta: np.ndarray) -> np.ndarray:
    """Return a mask of the columns (C,), or of a softmax (1,): whether theta separates all rows.

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

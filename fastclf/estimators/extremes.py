"""Errors and advice for fits whose features are too large for floating-point arithmetic."""

from typing import Any

import numpy as np
import scipy.sparse

from fastclf.errors import InputError
from fastclf.solvers.optimality import EXTREME

_SHOWN = 3


def overflow(X: Any, names: Any = None) -> InputError:
    """Return the error of a fit whose coefficients, objective or gradient aren't finite.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d), or None where it isn't in memory
    names : array-like of shape (d,), optional
    """
    what = "the fit overflows: its coefficients, objective or gradient aren't finite"
    return InputError(f"{what}. {advice(X, names)}")


def advice(X: Any, names: Any = None) -> str:
    """Return a sentence that names the columns with the largest numbers, and the remedy."""
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

"""Column scaling, kept as data: a shift and a scale for each column.

- "standard": mean 0 and standard deviation 1.
- "minmax": from 0 to 1.
- "none": as they are.
- "auto": "none" where every column is already on a comparable scale, that is where the standard
  deviations (apart from constant columns) lie between 0.1 and 10 and the means between -10 and 10;
  else "standard".

A constant column is shifted, and not divided.

A sparse matrix stays sparse, so nothing is shifted: "standard" divides by the standard deviation,
"minmax" by the largest absolute value, and "auto" is "none".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from fastclf.errors import DataError
from fastclf.linear_model import Affine


def fit_scaling(X: Any, method: str, names: Sequence[str] | None = None) -> Affine | None:
    """Return the scaling of the training rows ``X``, or None where they stay as they are.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d)
        The training rows, and only they.
    method : {"auto", "standard", "minmax", "none"}
        See the module.
    names : sequence of str, optional
        Those of the columns, for errors.

    Raises
    ------
    DataError
        If numbers of a column are so large that its scale is no number.
    """
    if method == "none":
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        scaling = _fitted(X, method)
    if scaling is not None and not np.isfinite([scaling.shift, scaling.scale]).all():
        column = int((~np.isfinite([scaling.shift, scaling.scale])).any(axis=0).argmax())
        name = str(column) if names is None else f'"{names[column]}"'
        raise DataError(too_large(name, float(abs(X[:, [column]]).max())))
    return scaling


def too_large(name: str, value: float | None = None) -> str:
    """Return that a column has so large a number that its scale is none."""
    what = "it has" if value is None else f"{value:.3g} is"
    return (
        f"column {name}: {what} too large a number to be scaled; such numbers often stand "
        "for an infinite or a missing value, so correct or drop them"
    )


def _fitted(X: Any, method: str) -> Affine | None:
    if scipy.sparse.issparse(X):
        return _sparse_scaling(X, method)
    if method == "minmax":
        minmax = MinMaxScaler().fit(X)
        return Affine(shift=minmax.data_min_, scale=1 / minmax.scale_)
    standard = StandardScaler().fit(X)
    scaling = Affine(shift=standard.mean_, scale=standard.scale_)
    return None if method == "auto" and comparable(scaling) else scaling


def comparable(standard: Affine) -> bool:
    """Return whether columns need no scaling, from their means and deviations (1 if constant)."""
    alike = (standard.scale >= 0.1) & (standard.scale <= 10)
    return bool(alike.all() and (np.abs(standard.shift) <= 10).all())


def _sparse_scaling(X: Any, method: str) -> Affine | None:
    if method == "auto":
        return None
    scaler = MaxAbsScaler() if method == "minmax" else StandardScaler(with_mean=False)
    return Affine(shift=np.zeros(X.shape[1]), scale=scaler.fit(X).scale_)

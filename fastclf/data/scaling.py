"""Scaling of columns by a shift and a scale for each.

- "standard": mean 0 and standard deviation 1.
- "minmax": minimum 0 and maximum 1.
- "none": no change.
- "auto": "none" if all columns are on comparable scales already: all means lie between -10 and 10,
  and all standard deviations but those of constant columns between 0.1 and 10. Else "standard".

A constant column is shifted only.

A sparse matrix stays sparse, so it is never shifted: "standard" divides by the standard deviation,
"minmax" by the largest absolute value, and "auto" means "none".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from fastclf.errors import DataError
from fastclf.linear_model import Affine


def fit_scaling(X: Any, method: str, names: Sequence[str] | None = None) -> Affine | None:
    """Return the scaling of the training rows ``X``, or None if they need none.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d)
        The training rows, without test rows.
    method : {"auto", "standard", "minmax", "none"}
        "standard" gives mean 0 and standard deviation 1, "minmax" minimum 0 and maximum 1. "auto"
        is "none" if all columns are on comparable scales: means between -10 and 10, and standard
        deviations between 0.1 and 10 (constant columns apart). A sparse matrix is never
        shifted: "standard" divides by the standard deviation, "minmax" by the largest absolute
        value, and "auto" means "none".
    names : sequence of str, optional
        The names of the columns, for errors.

    Returns
    -------
    Affine or None
        The ``shift`` and ``scale`` (d,) of the features ``(x - shift) / scale``.

    Raises
    ------
    DataError
        If values of a column are so large that its shift or scale overflows.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.data import fit_scaling
    >>> X = np.array([[1.0, 200.0], [3.0, 600.0]])
    >>> scaling = fit_scaling(X, "standard")
    >>> scaling.shift.tolist(), scaling.scale.tolist()
    ([2.0, 400.0], [1.0, 200.0])
    >>> fit_scaling(X[:, :1], "auto") is None  # comparable scales: nothing to do
    True
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
    """Return the error message that a column has a value too large to be scaled."""
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
    """Tell whether columns need no scaling, by their means and deviations (1 if constant)."""
    alike = (standard.scale >= 0.1) & (standard.scale <= 10)
    return bool(alike.all() and (np.abs(standard.shift) <= 10).all())


def _sparse_scaling(X: Any, method: str) -> Affine | None:
    if method == "auto":
        return None
    return Affine(shift=np.zeros(X.shape[1]), scale=_sparse_scaler(method).fit(X).scale_)


def _sparse_scaler(method: str) -> MaxAbsScaler | StandardScaler:
    return MaxAbsScaler() if method == "minmax" else StandardScaler(with_mean=False)


class SparseTally:
    """Fits the scaling of CSR rows that are added one piece after another.

    Parameters
    ----------
    columns : sequence of str
        The names of the features.
    method : {"auto", "standard", "minmax", "none"}
        See the module's docstring.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from fastclf.data.scaling import SparseTally
    >>> tally = SparseTally(("1", "2"), "minmax")
    >>> for row in ([[0.0, -2.0]], [[4.0, 1.0]]):
    ...     tally.add(scipy.sparse.csr_array(np.array(row)))
    >>> tally.scaling().scale.tolist()
    [4.0, 2.0]
    """

    def __init__(self, columns: Sequence[str], method: str) -> None:
        self.columns = tuple(columns)
        self._scaler = None if method in ("auto", "none") else _sparse_scaler(method)

    def add(self, X: Any) -> None:
        """Add rows (m, d)."""
        if self._scaler is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                self._scaler.partial_fit(X)

    def scaling(self) -> Affine | None:
        """Return the scaling of all rows, or None if they need none.

        Raises
        ------
        DataError
            If values of a column are so large that its scale overflows.
        """
        if self._scaler is None:
            return None
        finite = np.isfinite(self._scaler.scale_)
        if not finite.all():
            raise DataError(too_large(f'"{self.columns[int(finite.argmin())]}"'))
        return Affine(np.zeros(finite.size), self._scaler.scale_)

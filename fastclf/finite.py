"""The check that features are finite, and its error messages."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy

from fastclf import threads
from fastclf.errors import InputError

_MANY = 1 << 20
"""Entries from which on several threads add them up."""


class Entry(NamedTuple):
    """An entry of a matrix that is NaN or infinite.

    Parameters
    ----------
    row, column : int
        Its indices.
    value : float
    total : int
        The number of such entries in the matrix.
    """

    row: int
    column: int
    value: float
    total: int

    def described(self, row: int, names: Sequence[str] | None = None) -> str:
        """Return its row, its column and its kind, for a message.

        Parameters
        ----------
        row : int
            The number of its row in the file.
        names : sequence of str, optional
            The names of the columns.
        """
        column = f"column {self.column}" if names is None else f'column "{names[self.column]}"'
        kind = "a missing value" if np.isnan(self.value) else "an infinite number"
        return f"row {row}, {column}: {kind}"


def first_not_finite(X: Any, allow_nan: bool = False, n_threads: int | None = None) -> Entry | None:
    """Return the first entry of a matrix that isn't finite, or None.

    Entries are examined only if their sum isn't finite, so that usually X is read once.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d)
    allow_nan : bool
        Whether NaN counts as finite.
    n_threads : int, optional
        By default as many as there are CPUs.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.finite import first_not_finite
    >>> X = np.array([[1.0, 2.0], [np.nan, np.inf]])
    >>> first_not_finite(X[:1]), first_not_finite(X).described(2, ["a", "b"])
    (None, 'row 2, column "a": a missing value')
    """
    values = X.data if scipy.sparse.issparse(X) else X
    if values.dtype.kind != "f":
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(_total(values, n_threads)):
            return None
    bad = np.isinf(values) if allow_nan else ~np.isfinite(values)
    count = int(np.count_nonzero(bad))
    if not count:  # a sum of finite numbers may overflow
        return None
    position = int(bad.argmax())
    if scipy.sparse.issparse(X):
        row = int(np.searchsorted(X.indptr, position, side="right")) - 1
        return Entry(row, int(X.indices[position]), float(X.data[position]), count)
    row, column = (int(i) for i in np.unravel_index(position, X.shape))
    return Entry(row, column, float(X[row, column]), count)


def _total(values: np.ndarray, n_threads: int | None) -> float:
    # The sum of all entries, by several threads where there are many.
    if values.size < _MANY or not (values.flags.c_contiguous or values.flags.f_contiguous):
        return float(values.sum())
    flat = values.reshape(-1, order="A")
    pieces = threads.chunks(flat.size, 0.2)
    sums = np.zeros(len(pieces))

    def task(i: int) -> None:
        sums[i] = flat[slice(*pieces[i])].sum()

    threads.run(task, len(pieces), n_threads, 0.2 * flat.size)
    return float(sums.sum())


def check_logits(X: Any, logits: np.ndarray, rows: np.ndarray, names: Sequence[str] | None) -> None:
    """Refuse features that aren't finite, or so large that their logits aren't finite.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, d)
    logits : ndarray of shape (n, C)
        The logits of X.
    rows : ndarray of shape (n,)
        The number of each row in its file.
    names : sequence of str, optional
        The names of the features.

    Raises
    ------
    InputError
        If a feature or a logit isn't finite; the message names the row, and the feature if it is
        one.
    """
    found = first_not_finite(X.tocsr() if scipy.sparse.issparse(X) else X)
    if found is not None:
        where = found.described(rows[found.row], names)
        raise InputError(f"{where}; correct it, or leave the row out")
    bad = ~np.isfinite(logits).all(axis=1)
    if bad.any():  # else only the caller's sum of the logits overflowed
        raise InputError(
            f"row {rows[int(bad.argmax())]}: its values are so large that its logits aren't "
            "finite; correct them, or scale the features before the fit"
        )

"""How far probabilities that come from elsewhere may be off, for rounding alone."""

import numpy as np

ROUNDING = 1e-6
"""By how much a probability may lie outside [0, 1]: some spacings of float32 at 1, in which it may
have been computed, whatever its dtype is now. Such ones are clipped.
"""

SUM_TOLERANCE = 0.01
"""By how much the probabilities of a row may miss a sum of 1: they may have been written with two
digits. Each row is divided by its sum.
"""


def off_sum(sums: np.ndarray) -> np.ndarray:
    """Return a mask of the rows whose sums are too far from 1 to be those of probabilities.

    Parameters
    ----------
    sums : ndarray of shape (n,)

    Examples
    --------
    >>> off_sum(np.array([1.0, 0.99, 0.98, np.nan]))
    array([False, False,  True,  True])
    """
    return ~(np.abs(sums - 1) <= SUM_TOLERANCE + ROUNDING)


def with_sum_one(p: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Return probabilities whose rows sum to 1, as they are if they do within their own rounding.

    Parameters
    ----------
    p : ndarray of shape (..., K)
    sums : ndarray of shape (...)
        Those of p over the last axis, in float64.

    Examples
    --------
    >>> p = np.array([[0.5, 0.5], [0.3, 0.69]])
    >>> with_sum_one(p, p.sum(axis=1)).sum(axis=1)
    array([1., 1.])
    """
    away = np.abs(sums - 1) > p.shape[-1] * np.finfo(p.dtype).eps
    if not away.any():
        return p
    return (p / np.where(away, sums, 1)[..., None]).astype(p.dtype, copy=False)

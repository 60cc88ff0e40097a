"""Tolerances for rounding errors in the probabilities that users give."""

import numpy as np

ROUNDING = 1e-6
"""Largest distance of a probability from [0, 1]. It is a few spacings of float32 at 1, because
probabilities of any dtype may have been computed in float32. Probabilities are clipped to [0, 1].
"""

SUM_TOLERANCE = 0.01
"""Largest distance of a row's sum from 1, because probabilities may have been rounded to two
digits. Each row is divided by its sum.
"""


def off_sum(sums: np.ndarray) -> np.ndarray:
    """Return a mask of the rows whose sums are too far from 1.

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
    """Return probabilities divided by their sums, except rows that sum to 1 within rounding.

    Parameters
    ----------
    p : ndarray of shape (..., K)
    sums : ndarray of shape (...)
        The sums of p over the last axis, in float64.

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

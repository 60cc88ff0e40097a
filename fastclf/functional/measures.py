"""Measures of probabilities: entropy, information, divergence, calibration."""

from numbers import Integral

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from fastclf.errors import InputError
from fastclf.functional._arrays import (
    as_distribution,
    as_probabilities,
    class_codes,
    log_base,
    real_array,
)
from fastclf.functional.rounding import ROUNDING


def entropy(p: ArrayLike, base: float = np.e) -> np.ndarray | np.floating:
    """Return the entropy ``-Σ p log(p)`` over the last axis, with ``0 log 0 = 0``.

    Parameters
    ----------
    p : array-like of shape (..., K)
        Probabilities.
    base : float
        Base of the logarithm: e for nats, 2 for bits, 10 for hartleys.

    Returns
    -------
    ndarray of shape (...), or a scalar for one row

    Raises
    ------
    InputError
        If an entry is negative.

    Examples
    --------
    >>> float(entropy([0.5, 0.25, 0.25], base=2))
    1.5
    """
    p = as_distribution(p, "p", positive_sum=False)
    p = np.where((p > 1) & (p <= 1 + ROUNDING), p.dtype.type(1), p)
    return (scipy.special.entr(p).sum(axis=-1) / p.dtype.type(log_base(base)))[()]


def information(p: ArrayLike, base: float = np.e) -> np.ndarray | np.floating:
    """Return the information content ``-log(p)`` of an event of probability p.

    Parameters
    ----------
    p : array-like
        Probabilities in [0, 1], of any shape.
    base : float
        Base of the logarithm: e for nats, 2 for bits, 10 for hartleys.

    Returns
    -------
    ndarray of the shape of p, or a scalar for a scalar

    Raises
    ------
    InputError
        If an entry is outside [0, 1].

    Examples
    --------
    >>> information([1.0, 0.25, 0.0], base=2)
    array([ 0.,  2., inf])
    """
    p = as_probabilities(p, "p")
    with np.errstate(divide="ignore"):
        return (0 - np.log(p) / p.dtype.type(log_base(base)))[()]


def kl_divergence(p: ArrayLike, q: ArrayLike) -> np.ndarray | np.floating:
    """Return the divergence ``Σ p log(p / q)`` over the last axis, with ``0 log 0 = 0``.

    It is 0 if p equals q.

    Parameters
    ----------
    p, q : array-like of shape (..., K)
        Probabilities; p is the reference, such as a teacher's distribution.

    Returns
    -------
    ndarray of shape (...), or a scalar for one row

    Raises
    ------
    InputError
        If an entry is negative, or the shapes can't be broadcast.

    Examples
    --------
    >>> round(float(kl_divergence([0.5, 0.5], [0.9, 0.1])), 4)
    0.5108
    """
    p = as_distribution(p, "p", positive_sum=False)
    q = as_distribution(q, "q", positive_sum=False)
    try:
        if p.shape[-1] != q.shape[-1]:
            raise ValueError
        np.broadcast_shapes(p.shape, q.shape)
    except ValueError:
        raise InputError(
            f"p and q must have as many classes and shapes that broadcast, got {p.shape} and "
            f"{q.shape}"
        ) from None
    return scipy.special.rel_entr(p, q).sum(axis=-1)[()]


def expected_calibration_error(p: ArrayLike, y: ArrayLike, n_bins: int = 15) -> float:
    """Return the mean difference between accuracy and confidence, the expected calibration error.

    It is ``Σ_b n_b / n |accuracy_b - confidence_b|`` over bins b of the top probability. The bins
    have equal width and don't contain their lower bound, except that the first contains 0. The
    source is Guo et al., *On calibration of modern neural networks*, ICML 2017.

    Parameters
    ----------
    p : array-like of shape (n, K) or (n,)
        Probabilities of all classes, or of class 1 of two classes.
    y : array-like of shape (n,)
        Integer classes.
    n_bins : int

    Returns
    -------
    float

    Raises
    ------
    InputError
        If shapes don't match, or an entry is outside its range.

    Examples
    --------
    >>> round(expected_calibration_error([0.9, 0.9, 0.9, 0.9], [1, 1, 1, 0]), 4)
    0.15
    """
    counts, confidence, accuracy = reliability(p, y, n_bins)
    gaps = np.abs(accuracy - confidence)[counts > 0]
    return float(counts[counts > 0] @ gaps / counts.sum())


def reliability(
    p: ArrayLike, y: ArrayLike, n_bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the data of a reliability diagram for bins of the top probability.

    The bins are those of :func:`expected_calibration_error`.

    Parameters
    ----------
    p : array-like of shape (n, K) or (n,)
        Probabilities of all classes, or of class 1 of two classes.
    y : array-like of shape (n,)
        Integer classes.
    n_bins : int

    Returns
    -------
    counts : ndarray of int of shape (n_bins,)
        The number of rows in each bin.
    confidence, accuracy : ndarray of shape (n_bins,)
        The mean top probability, and the share of rows whose most probable class is right; NaN for
        a bin without rows.

    Raises
    ------
    InputError
        If shapes don't match, or an entry is outside its range.

    Examples
    --------
    >>> counts, confidence, accuracy = reliability([0.9, 0.9, 0.6, 0.3], [1, 0, 1, 0], n_bins=2)
    >>> counts
    array([0, 4])
    >>> confidence[1].round(3), accuracy[1].round(3)
    (np.float64(0.775), np.float64(0.75))
    """
    if not (isinstance(n_bins, Integral) and n_bins >= 1):
        raise InputError(f"n_bins must be an integer >= 1, got {n_bins!r}")
    confidence, right = _tops(p, y)
    return in_bins(confidence, right, int(n_bins))


def _tops(p: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    # The top probability of each row, and whether that class is the right one.
    p = as_probabilities(p, "p")
    if p.ndim == 1:
        p = np.stack([1 - p, p], axis=1)
    labels = real_array(y, "y")
    if p.ndim != 2 or labels.shape != p.shape[:1] or not labels.size:
        raise InputError(
            f"p must have shape (n, K) or (n,) and y (n,), n > 0; got {p.shape} and {labels.shape}"
        )
    if labels.dtype.kind not in "biu":
        raise InputError(f"y must hold integer classes, got dtype {labels.dtype}")
    codes, _ = class_codes(labels, p.shape[1], None)
    return p.max(axis=1), p.argmax(axis=1) == codes


def in_bins(
    confidence: np.ndarray, right: np.ndarray, n_bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each bin the number of confidences (n,), their mean, and the mean of ``right``."""
    bins = np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], confidence)
    counts = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        means = [
            np.bincount(bins, values.astype(np.float64), minlength=n_bins) / counts
            for values in (confidence, right)
        ]
    return counts, means[0], means[1]

"""Softmax, sigmoid and related functions between logits and probabilities."""

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from fastclf.functional._arrays import (
    as_distribution,
    as_logits,
    as_probabilities,
    as_rows,
    by_entries,
    by_rows,
    floats,
    fraction,
    positive_temperature,
    run,
)
from fastclf.kernels.loss import sigmoid as _sigmoid
from fastclf.kernels.loss import softmax as _softmax


def softmax(z: ArrayLike, temperature: float = 1.0, *, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``exp(z / T) / sum(exp(z / T))`` over the last axis.

    Parameters
    ----------
    z : array-like of shape (..., K)
        Logits. A row with NaN or +inf, or with -inf only, gives NaN.
    temperature : float
        T > 0. As T goes to 0, the maximum gets all probability; as T goes to infinity, all classes
        get the same.
    out : ndarray of shape (..., K), optional
        Where to write the result: C-contiguous, of the result's dtype.

    Returns
    -------
    ndarray of shape (..., K)

    Raises
    ------
    InputError
        If z has no classes, or `temperature` or `out` can't be used.

    Examples
    --------
    >>> softmax([0.0, 0.0])
    array([0.5, 0.5])
    >>> softmax([0.0, 1000.0], temperature=1000).round(3)
    array([0.269, 0.731])
    """
    return by_rows(_softmax.softmax, z, temperature, out)


def log_softmax(
    z: ArrayLike, temperature: float = 1.0, *, out: np.ndarray | None = None
) -> np.ndarray:
    """Return the logarithm of :func:`softmax`, exact even where the softmax rounds to 0 or 1.

    Parameters
    ----------
    z : array-like of shape (..., K)
        Logits.
    temperature : float
        T > 0.
    out : ndarray of shape (..., K), optional
        Where to write the result.

    Returns
    -------
    ndarray of shape (..., K)

    Raises
    ------
    InputError
        If z has no classes, or `temperature` or `out` can't be used.

    Examples
    --------
    >>> log_softmax([0.0, 1000.0])
    array([-1000.,     0.])
    """
    return by_rows(_softmax.log_softmax, z, temperature, out)


def logsumexp(z: ArrayLike, temperature: float = 1.0) -> np.ndarray | np.floating:
    """Return ``log(sum(exp(z / T)))`` over the last axis; its gradient is the softmax divided by T.

    Parameters
    ----------
    z : array-like of shape (..., K)
        Logits. A row with +inf gives +inf, one with -inf only gives -inf.
    temperature : float
        T > 0.

    Returns
    -------
    ndarray of shape (...), or a scalar for one row

    Raises
    ------
    InputError
        If z has no classes, or `temperature` can't be used.

    Examples
    --------
    >>> round(float(logsumexp([1000.0, 1000.0])) - 1000, 6)  # log(2)
    0.693147
    """
    z = as_logits(z)
    temperature = positive_temperature(temperature)
    rows = as_rows(z)
    result = np.empty(len(rows), z.dtype)
    run(_softmax.logsumexp, rows, rows, temperature, out=result)
    return result.reshape(z.shape[:-1])[()]


def softmax_jacobian(z: ArrayLike, temperature: float = 1.0) -> np.ndarray:
    """Return ``(diag(p) - p p^T) / T``, the derivative of ``p = softmax(z, T)``.

    Parameters
    ----------
    z : array-like of shape (..., K)
        Logits.
    temperature : float
        T > 0.

    Returns
    -------
    ndarray of shape (..., K, K)

    Raises
    ------
    InputError
        If z has no classes, or `temperature` can't be used.

    Examples
    --------
    >>> softmax_jacobian([0.0, 0.0])
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    p = softmax(z, temperature)
    jacobian = -p[..., :, None] * p[..., None, :]
    k = np.arange(p.shape[-1])
    # The diagonal is p (1 - p). Computing 1 - p as the sum of the other probabilities avoids
    # cancellation where p is near 1.
    others = np.where(np.eye(p.shape[-1], dtype=bool), p.dtype.type(0), p[..., None, :]).sum(
        axis=-1
    )
    jacobian[..., k, k] = p * others
    return (jacobian / temperature).astype(p.dtype)


def hardmax(z: ArrayLike) -> np.ndarray:
    """Return 1 at the first maximum over the last axis and 0 elsewhere.

    Parameters
    ----------
    z : array-like of shape (..., K)
        Logits. A row with NaN gives NaN.

    Returns
    -------
    ndarray of shape (..., K)

    Raises
    ------
    InputError
        If z has no classes.

    Examples
    --------
    >>> hardmax([1.0, 3.0, 3.0])
    array([0., 1., 0.])
    """
    z = as_logits(z)
    result = np.zeros_like(z)
    np.put_along_axis(result, z.argmax(axis=-1)[..., None], 1, axis=-1)
    result[np.isnan(z).any(axis=-1)] = np.nan
    return result


def sigmoid(z: ArrayLike, *, out: np.ndarray | None = None) -> np.ndarray | np.floating:
    """Return ``1 / (1 + exp(-z))``.

    Parameters
    ----------
    z : array-like
        Logits, of any shape.
    out : ndarray, optional
        Where to write the result: C-contiguous, of the result's shape and dtype.

    Returns
    -------
    ndarray of the shape of z, or a scalar for a scalar

    Raises
    ------
    InputError
        If `out` can't be used.

    Examples
    --------
    >>> sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    return by_entries(_sigmoid.sigmoid, z, out)


def sigmoid_derivative(z: ArrayLike) -> np.ndarray | np.floating:
    """Return ``σ(z) (1 - σ(z))``, between 0 and 1/4.

    Parameters
    ----------
    z : array-like
        Logits, of any shape.

    Returns
    -------
    ndarray of the shape of z, or a scalar for a scalar

    Examples
    --------
    >>> sigmoid_derivative([0.0, 2.0]).round(4)
    array([0.25 , 0.105])
    """
    z = floats(z, "z")
    return sigmoid(z) * sigmoid(-z)


def log_sigmoid(z: ArrayLike, *, out: np.ndarray | None = None) -> np.ndarray | np.floating:
    """Return ``log(σ(z)) = -log(1 + exp(-z))``, exact in both tails.

    Parameters
    ----------
    z : array-like
        Logits, of any shape.
    out : ndarray, optional
        Where to write the result.

    Returns
    -------
    ndarray of the shape of z, or a scalar for a scalar

    Raises
    ------
    InputError
        If `out` can't be used.

    Examples
    --------
    >>> log_sigmoid([-20.0, 0.0]).round(4)
    array([-20.    ,  -0.6931])
    """
    return by_entries(_sigmoid.log_sigmoid, z, out)


def logit(p: ArrayLike) -> np.ndarray | np.floating:
    """Return ``log(p / (1 - p)) = -log(1 / p - 1)``, the inverse of :func:`sigmoid`.

    Parameters
    ----------
    p : array-like
        Probabilities in [0, 1], of any shape.

    Returns
    -------
    ndarray of the shape of p, or a scalar for a scalar

    Raises
    ------
    InputError
        If an entry is outside [0, 1].

    Examples
    --------
    >>> logit([0.0, 0.5, 0.9]).round(4)
    array([  -inf, 0.    , 2.1972])
    """
    return scipy.special.logit(as_probabilities(p, "p"))[()]


def soften(p: ArrayLike, temperature: float) -> np.ndarray:
    """Return ``p ** (1 / T)`` divided by its sum, which is ``softmax(log(p), T)``.

    Parameters
    ----------
    p : array-like of shape (..., K)
        Probabilities or counts; each row must have a positive sum. Zeros stay zeros.
    temperature : float
        T > 0.

    Returns
    -------
    ndarray of shape (..., K)

    Raises
    ------
    InputError
        If an entry is negative, a row sums to 0, or `temperature` can't be used.

    Examples
    --------
    >>> soften([0.9, 0.1, 0.0], temperature=2)
    array([0.75, 0.25, 0.  ])
    """
    p = as_distribution(p, "p")
    with np.errstate(divide="ignore"):
        return softmax(np.log(p), temperature)


def smooth_labels(y: ArrayLike, eps: float) -> np.ndarray:
    """Return smoothed targets ``(1 - ε) y + ε / K``.

    Parameters
    ----------
    y : array-like of shape (..., K)
        One-hot or soft targets.
    eps : float
        ε in [0, 1].

    Returns
    -------
    ndarray of shape (..., K)

    Raises
    ------
    InputError
        If an entry is negative or ε is outside [0, 1].

    Examples
    --------
    >>> smooth_labels([0, 1, 0, 0], 0.2)
    array([0.05, 0.85, 0.05, 0.05])
    """
    y = as_distribution(y, "y", positive_sum=False)
    eps = fraction(eps, "eps")
    return ((1 - eps) * y + eps / y.shape[-1]).astype(y.dtype)

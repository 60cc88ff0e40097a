r"""The mathematics of linear classifiers on arrays: functions, losses and their gradients.

Functions work over the last axis of float32 and float64 arrays, or of anything that NumPy makes an
array of; integers become float64. Arrays come back in the input's dtype, scalars in float64. Where
there is ``out=``, a reused array saves the time that fresh memory costs, which is often as long as
the computation. Work on large arrays is shared among all CPUs; results don't depend on how many.

Formulas: :mod:`fastclf.kernels.softmax`, :mod:`fastclf.kernels.cross_entropy` and
:mod:`fastclf.kernels.sigmoid`.
"""

from collections.abc import Callable
from math import log
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from fastclf import threads
from fastclf.errors import InputError
from fastclf.kernels import cross_entropy as _softmax_loss
from fastclf.kernels import sigmoid as _sigmoid
from fastclf.kernels import softmax as _softmax
from fastclf.kernels.arrays import for_reading

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_grad",
    "cross_entropy",
    "cross_entropy_with_grad",
    "distillation_loss_with_grad",
    "entropy",
    "expected_calibration_error",
    "hardmax",
    "information",
    "kl_divergence",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "sigmoid",
    "sigmoid_derivative",
    "smooth_labels",
    "soften",
    "softmax",
    "softmax_jacobian",
]

Reduction = Literal["mean", "sum", "none"]

_NONE = np.empty(0)
_IGNORE = -100
_ENTRY = 1.0
"""Nanoseconds or so that a kernel spends on an entry."""


def softmax(z: ArrayLike, temperature: float = 1.0, *, out: np.ndarray | None = None) -> np.ndarray:
    """Return ``exp(z / T) / sum(exp(z / T))`` over the last axis.

    Parameters
    ----------
    z : array-like of shape (..., K)
        Logits. A row with NaN or +inf, or with nothing but -inf, gives NaN.
    temperature : float
        T > 0. Towards 0 all mass goes to the maximum, towards infinity it spreads evenly.
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
    return _by_rows(_softmax.softmax, z, temperature, out)


def log_softmax(
    z: ArrayLike, temperature: float = 1.0, *, out: np.ndarray | None = None
) -> np.ndarray:
    """Return the logarithm of :func:`softmax`, exact where that rounds to 0 or 1.

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
    return _by_rows(_softmax.log_softmax, z, temperature, out)


def logsumexp(z: ArrayLike, temperature: float = 1.0) -> np.ndarray | np.floating:
    """Return ``log(sum(exp(z / T)))`` over the last axis; softmax is its gradient.

    Parameters
    ----------
    z : array-like of shape (..., K)
        Logits. A row with +inf gives +inf, one with nothing but -inf gives -inf.
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
    z = _logits(z)
    temperature = _temperature(temperature)
    rows = _as_rows(z)
    result = np.empty(len(rows), z.dtype)
    _run(_softmax.logsumexp, rows, rows, temperature, out=result)
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
    # p (1 - p) with 1 - p as the sum of the others: no digits are lost where p is near 1.
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
    z = _logits(z)
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
    return _by_entries(_sigmoid.sigmoid, z, out)


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
    z = _floats(z, "z")
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
    return _by_entries(_sigmoid.log_sigmoid, z, out)


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
    return scipy.special.logit(_probabilities(p, "p"))[()]


def soften(p: ArrayLike, temperature: float) -> np.ndarray:
    """Return ``p ** (1 / T)`` over its sum: what softmax at T would give for p's logits.

    Parameters
    ----------
    p : array-like of shape (..., K)
        Probabilities, or counts; each row with a positive sum. Zeros stay zeros.
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
    p = _distribution(p, "p")
    with np.errstate(divide="ignore"):
        return softmax(np.log(p), temperature)


def smooth_labels(y: ArrayLike, eps: float) -> np.ndarray:
    """Return ``(1 - ε) y + ε s / K``, s the sum of each row of targets.

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
    y = _distribution(y, "y", positive_sum=False)
    eps = _fraction(eps, "eps")
    return ((1 - eps) * y + eps * y.mean(axis=-1, keepdims=True)).astype(y.dtype)


def entropy(p: ArrayLike, base: float = np.e) -> np.ndarray | np.floating:
    """Return ``-Σ p log(p)`` over the last axis, ``0 log 0`` being 0.

    Parameters
    ----------
    p : array-like of shape (..., K)
        Probabilities.
    base : float
        Of the logarithm: e for nats, 2 for bits, 10 for hartleys.

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
    p = _distribution(p, "p", positive_sum=False)
    return (scipy.special.entr(p).sum(axis=-1) / p.dtype.type(_log_base(base)))[()]


def information(p: ArrayLike, base: float = np.e) -> np.ndarray | np.floating:
    """Return ``-log(p)``, how surprising an event of probability p is.

    Parameters
    ----------
    p : array-like
        Probabilities in [0, 1], of any shape.
    base : float
        Of the logarithm: e for nats, 2 for bits, 10 for hartleys.

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
    p = _probabilities(p, "p")
    with np.errstate(divide="ignore"):
        return (0 - np.log(p) / p.dtype.type(_log_base(base)))[()]


def kl_divergence(p: ArrayLike, q: ArrayLike) -> np.ndarray | np.floating:
    """Return ``Σ p log(p / q)`` over the last axis: 0 where they match, ``0 log 0`` being 0.

    Parameters
    ----------
    p, q : array-like of shape (..., K)
        Probabilities; p is the reference, such as a teacher.

    Returns
    -------
    ndarray of shape (...), or a scalar for one row

    Raises
    ------
    InputError
        If an entry is negative, or the shapes don't fit.

    Examples
    --------
    >>> round(float(kl_divergence([0.5, 0.5], [0.9, 0.1])), 4)
    0.5108
    """
    p = _distribution(p, "p", positive_sum=False)
    q = _distribution(q, "q", positive_sum=False)
    try:
        if p.shape[-1] != q.shape[-1]:
            raise ValueError
        np.broadcast_shapes(p.shape, q.shape)
    except ValueError:
        raise InputError(f"p and q have shapes that don't fit: {p.shape} and {q.shape}") from None
    return scipy.special.rel_entr(p, q).sum(axis=-1)[()]


def cross_entropy(
    logits: ArrayLike,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    temperature: float = 1.0,
    ignore_index: int = _IGNORE,
    reduction: Reduction = "mean",
    from_logits: bool = True,
) -> float | np.ndarray:
    """Return the softmax cross-entropy of logits and targets.

    Options mean what they mean in PyTorch's ``cross_entropy``.

    Parameters
    ----------
    logits : array-like of shape (..., K)
        Logits, or with ``from_logits=False`` probabilities that sum to 1.
    y : array-like of shape (...) or (..., K)
        Integer classes, or a distribution for each row, of any sum.
    weight : array-like of shape (K,), optional
        Weight of each class.
    label_smoothing : float
        ε: targets become ``(1 - ε) y + ε / K``.
    temperature : float
        Divides the logits.
    ignore_index : int
        Rows of this class are left out; for integer classes only.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the total class weight of the rows that are not ignored if `y` holds
        classes (and is NaN if there are none), and by their number if it holds distributions.
    from_logits : bool
        Whether `logits` are logits.

    Returns
    -------
    float, or ndarray of shape (...) for "none"

    Raises
    ------
    InputError
        If shapes don't fit, a class is outside 0..K-1, or an argument can't be used.

    Examples
    --------
    >>> round(cross_entropy([[2.0, 0.0], [0.0, 0.0]], [0, 1]), 4)
    0.41
    >>> round(cross_entropy([2.0, 0.0], [0.7, 0.3]), 4)
    0.7269
    """
    if not from_logits:
        logits = _log_probabilities(logits)
    z = _logits(logits, "logits")
    return _cross_entropy(
        z,
        y,
        weight,
        label_smoothing,
        temperature,
        ignore_index,
        reduction,
        np.empty(z.shape, z.dtype),
    )


def cross_entropy_with_grad(
    logits: ArrayLike,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    temperature: float = 1.0,
    ignore_index: int = _IGNORE,
    reduction: Reduction = "mean",
    out: np.ndarray | None = None,
) -> tuple[float | np.ndarray, np.ndarray]:
    """Return :func:`cross_entropy` and its gradient in the logits.

    The gradient is ``s σ - y`` for a row whose targets sum to s, times what the reduction and the
    weights make of the row.

    Parameters
    ----------
    logits, y, weight, label_smoothing, temperature, ignore_index, reduction
        As for :func:`cross_entropy`.
    out : ndarray of shape (..., K), optional
        Where to write the gradient: C-contiguous, of its dtype, apart from all inputs.

    Returns
    -------
    value : float, or ndarray of shape (...) for "none"
    gradient : ndarray of shape (..., K)
        Of the mean or sum; for "none" of each row's loss.

    Raises
    ------
    InputError
        If shapes don't fit, a class is outside 0..K-1, or an argument can't be used.

    Examples
    --------
    >>> value, gradient = cross_entropy_with_grad([[0.0, 0.0]], [1])
    >>> gradient
    array([[ 0.5, -0.5]])
    """
    z = _logits(logits, "logits")
    gradient = _result(out, z, apart_from=(z, y))
    value = _cross_entropy(
        z, y, weight, label_smoothing, temperature, ignore_index, reduction, gradient
    )
    return value, gradient


def _cross_entropy(
    z: np.ndarray,
    y: ArrayLike,
    weight: ArrayLike | None,
    label_smoothing: float,
    temperature: float,
    ignore_index: int,
    reduction: Reduction,
    gradient: np.ndarray,
) -> float | np.ndarray:
    K = z.shape[-1]
    rows = _as_rows(z)
    n = len(rows)
    temperature = _temperature(temperature)
    smoothing = _fraction(label_smoothing, "label_smoothing")
    _check_reduction(reduction)
    class_weight = None if weight is None else _class_weight(weight, K, z.dtype)
    labels = _array(y, "y")
    g = gradient.reshape(rows.shape)
    losses = np.empty(n) if reduction == "none" else _NONE
    ones = np.ones(1, z.dtype)
    if labels.shape == z.shape[:-1] and labels.dtype.kind in "biu":
        codes, ignored = _codes(labels, K, ignore_index)
        row_weight = ones if class_weight is None else class_weight[codes]
        if class_weight is None:
            total = float(n if ignored is None else n - ignored.sum())
        else:
            kept = row_weight if ignored is None else np.where(ignored, 0, row_weight)
            total = float(kept.sum(dtype=np.float64))
        scale = 1.0 if reduction != "mean" else (1 / total if total > 0 else 0.0)
        if smoothing > 0:
            q = np.full((n, K), smoothing / K, z.dtype)
            q[np.arange(n), codes] += 1 - smoothing
            if class_weight is not None:
                q *= class_weight
            if ignored is not None:
                q[ignored] = 0
                rows = np.where(ignored[:, None], z.dtype.type(0), rows)
            value = _run_sum(
                _softmax_loss.soft, rows, rows, q, ones, scale, temperature, out=(g, losses, False)
            )
        else:
            if ignored is not None:
                codes = np.where(ignored, -1, codes)
            value = _run_sum(
                _softmax_loss.hard,
                rows, rows, codes, row_weight, scale, temperature,
                out=(g, losses),
            )  # fmt: skip
            if reduction == "none" and class_weight is not None:
                losses *= row_weight
        if reduction == "mean" and total == 0:
            value = float("nan")
    elif labels.shape == z.shape:
        if ignore_index != _IGNORE:
            raise InputError("ignore_index works with integer classes only, not with distributions")
        q = _as_rows(_distribution(labels, "y", positive_sum=False)).astype(z.dtype, copy=False)
        if smoothing > 0:
            q = (1 - smoothing) * q + smoothing / K
        if class_weight is not None:
            q = q * class_weight
        scale = 1 / n if reduction == "mean" and n else 1.0
        value = _run_sum(
            _softmax_loss.soft, rows, rows, q, ones, scale, temperature, out=(g, losses, False)
        )
        if reduction == "mean" and n == 0:
            value = float("nan")
    elif labels.shape == z.shape[:-1]:
        raise InputError(
            f"y of shape {labels.shape} must hold integer classes, got dtype {labels.dtype}; "
            "convert with y.astype(int), or give a distribution for each row"
        )
    else:
        raise InputError(
            f"y must have shape {z.shape[:-1]} (classes) or {z.shape} (distributions) for logits "
            f"of shape {z.shape}; got {labels.shape}"
        )
    if reduction == "none":
        return losses.astype(z.dtype).reshape(z.shape[:-1])
    return value


def binary_cross_entropy(
    logits: ArrayLike,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
    from_logits: bool = True,
) -> float | np.ndarray:
    """Return the binary cross-entropy of logits and targets in [0, 1].

    Options mean what they mean in PyTorch's ``binary_cross_entropy_with_logits``.

    Parameters
    ----------
    logits : array-like of shape (...)
        Logits, or with ``from_logits=False`` probabilities.
    y : array-like of shape (...)
        Targets in [0, 1].
    weight : array-like, optional
        Weight of each entry; broadcast to the shape of the logits.
    pos_weight : array-like, optional
        Weight of the positive class; broadcast to the shape of the logits, so of shape (L,) for
        L labels.
    label_smoothing : float
        ε: targets become ``(1 - ε) y + ε / 2``.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of all entries.
    from_logits : bool
        Whether `logits` are logits.

    Returns
    -------
    float, or ndarray of shape (...) for "none"

    Raises
    ------
    InputError
        If shapes don't fit, a target is outside [0, 1], or an argument can't be used.

    Examples
    --------
    >>> round(binary_cross_entropy([0.0, 2.0], [0, 1]), 4)
    0.41
    """
    if not from_logits:
        logits = _probabilities(logits, "logits (as probabilities)")
        with np.errstate(divide="ignore"):
            # Where p is 0 or 1 a finite logit that rounds to the same keeps 0 * inf away.
            limit = 800.0 if logits.dtype == np.float64 else 100.0
            logits = np.clip(scipy.special.logit(logits), -limit, limit)
    value, _ = binary_cross_entropy_with_grad(
        logits,
        y,
        weight=weight,
        pos_weight=pos_weight,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )
    return value


def binary_cross_entropy_with_grad(
    logits: ArrayLike,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
    out: np.ndarray | None = None,
) -> tuple[float | np.ndarray, np.ndarray]:
    """Return :func:`binary_cross_entropy` and its gradient in the logits.

    With weight p of the positive class the gradient is ``(1 + (p - 1) y) σ - p y``, which is
    ``σ - y`` for p = 1, times what the reduction and the weight make of the entry.

    Parameters
    ----------
    logits, y, weight, pos_weight, label_smoothing, reduction
        As for :func:`binary_cross_entropy`.
    out : ndarray of shape (...), optional
        Where to write the gradient: C-contiguous, of its dtype, apart from all inputs.

    Returns
    -------
    value : float, or ndarray of shape (...) for "none"
    gradient : ndarray of shape (...)
        Of the mean or sum; for "none" of each entry's loss.

    Raises
    ------
    InputError
        If shapes don't fit, a target is outside [0, 1], or an argument can't be used.

    Examples
    --------
    >>> value, gradient = binary_cross_entropy_with_grad([0.0, 0.0], [0, 1], pos_weight=3.0)
    >>> gradient
    array([ 0.25, -0.75])
    """
    z = _floats(logits, "logits")
    targets = _probabilities(y, "y")
    if targets.shape != z.shape:
        raise InputError(f"y must have the shape {z.shape} of the logits, got {targets.shape}")
    _check_reduction(reduction)
    smoothing = _fraction(label_smoothing, "label_smoothing")
    if smoothing > 0:
        targets = (1 - smoothing) * targets + smoothing / 2
    flat = np.ascontiguousarray(z).reshape(-1)
    flat_targets = np.ascontiguousarray(targets, z.dtype).reshape(-1)
    weights = _entry_weights(weight, z, "weight")
    positive = _entry_weights(pos_weight, z, "pos_weight")
    gradient = _result(out, z, apart_from=(z, targets))
    losses = np.empty_like(flat)
    scale = 1 / flat.size if reduction == "mean" and flat.size else 1.0
    value: float | np.ndarray = _run_sum(
        _sigmoid.cross_entropy,
        flat, flat, flat_targets, weights, positive, scale, 1.0,
        out=(gradient.reshape(-1), losses, False),
    )  # fmt: skip
    if reduction == "none":
        value = (losses * weights).reshape(z.shape)
    elif reduction == "mean" and not flat.size:
        value = float("nan")
    return value, gradient


def distillation_loss_with_grad(
    logits: ArrayLike,
    teacher_logits: ArrayLike,
    *,
    y: ArrayLike | None = None,
    temperature: float = 2.0,
    hard_weight: float = 0.0,
    out: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    """Return the mean of ``a CE(y, z) + (1 - a) T² CE(q_T, z / T)`` and its gradient in z.

    q_T is ``softmax(teacher_logits, T)``; the gradient of a row is
    ``a (σ(z) - y) + (1 - a) T (σ(z / T) - q_T)``, over N rows divided by N. The source is Hinton,
    Vinyals and Dean, *Distilling the knowledge in a neural network*, 2015, section 2.

    Parameters
    ----------
    logits : array-like of shape (..., K)
        The student's logits z.
    teacher_logits : array-like of shape (..., K)
    y : array-like of shape (...) or (..., K), optional
        Integer classes or distributions; needed if `hard_weight` is not 0.
    temperature : float
        T > 0.
    hard_weight : float
        a in [0, 1].
    out : ndarray of shape (..., K), optional
        Where to write the gradient.

    Returns
    -------
    value : float
    gradient : ndarray of shape (..., K)

    Raises
    ------
    InputError
        If shapes don't fit, `y` is missing, or an argument can't be used.

    Examples
    --------
    >>> value, gradient = distillation_loss_with_grad([[0.0, 0.0]], [[0.0, 2.0]], temperature=2.0)
    >>> gradient.round(4)
    array([[ 0.4621, -0.4621]])
    """
    z = _logits(logits, "logits")
    teacher = _logits(teacher_logits, "teacher_logits")
    temperature = _temperature(temperature)
    hard_weight = _fraction(hard_weight, "hard_weight")
    if teacher.shape != z.shape:
        raise InputError(
            f"teacher_logits must have the shape {z.shape} of the logits, got {teacher.shape}"
        )
    rows = _as_rows(z)
    n, K = rows.shape
    codes = np.empty(0, np.intp)
    targets = np.empty((0, K), z.dtype)
    if hard_weight > 0:
        if y is None:
            raise InputError("hard_weight > 0 needs y, the targets of the hard term")
        labels = _array(y, "y")
        if labels.shape == z.shape:
            targets = _as_rows(_distribution(labels, "y", positive_sum=False)).astype(z.dtype)
        elif labels.shape == z.shape[:-1] and labels.dtype.kind in "biu":
            codes, _ = _codes(labels, K, None)
        else:
            raise InputError(
                f"y must hold integer classes of shape {z.shape[:-1]} or distributions of shape "
                f"{z.shape}; got dtype {labels.dtype} of shape {labels.shape}"
            )
    q = softmax(_as_rows(teacher).astype(z.dtype, copy=False), temperature)
    gradient = _result(out, z, apart_from=(z, teacher, y))
    value = _run_sum(
        _softmax_loss.distilled,
        rows, rows, codes, targets, q, np.ones(1, z.dtype), 1 / max(n, 1), temperature,
        hard_weight,
        out=(gradient.reshape(rows.shape),),
    )  # fmt: skip
    return (value if n else float("nan")), gradient


def expected_calibration_error(p: ArrayLike, y: ArrayLike, n_bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy, over bins of the top probability.

    ``Σ_b n_b / n |accuracy_b - confidence_b|`` over bins of equal width, open on the left: Guo et
    al., *On calibration of modern neural networks*, ICML 2017.

    Parameters
    ----------
    p : array-like of shape (n, K) or (n,)
        Probabilities of all classes, or of class 1 of two.
    y : array-like of shape (n,)
        Integer classes.
    n_bins : int

    Returns
    -------
    float

    Raises
    ------
    InputError
        If shapes don't fit, or an entry is outside its range.

    Examples
    --------
    >>> round(expected_calibration_error([0.9, 0.9, 0.9, 0.9], [1, 1, 1, 0]), 4)
    0.15
    """
    p = _probabilities(p, "p")
    if p.ndim == 1:
        p = np.stack([1 - p, p], axis=1)
    labels = _array(y, "y")
    if p.ndim != 2 or labels.shape != p.shape[:1] or not labels.size:
        raise InputError(
            f"p must have shape (n, K) or (n,) and y (n,), n > 0; got {p.shape} and {labels.shape}"
        )
    if labels.dtype.kind not in "biu":
        raise InputError(f"y must hold integer classes, got dtype {labels.dtype}")
    codes, _ = _codes(labels, p.shape[1], None)
    if not (isinstance(n_bins, Integral) and n_bins >= 1):
        raise InputError(f"n_bins must be an integer >= 1, got {n_bins!r}")
    confidence = p.max(axis=1).astype(np.float64)
    correct = p.argmax(axis=1) == codes
    bins = np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], confidence)
    gaps = np.bincount(bins, correct - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(codes))


def _array(array: ArrayLike, name: str) -> np.ndarray:
    try:
        return np.asarray(array)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"{name} can't be made an array: {error}") from None


def _floats(array: ArrayLike, name: str) -> np.ndarray:
    values = _array(array, name)
    if values.dtype in (np.float32, np.float64):
        return values
    if values.dtype.kind not in "biuf":
        raise InputError(f"{name} must hold real numbers, got dtype {values.dtype}")
    return values.astype(np.float64)


def _logits(z: ArrayLike, name: str = "z") -> np.ndarray:
    z = _floats(z, name)
    if z.ndim == 0 or z.shape[-1] == 0:
        raise InputError(f"{name} must have shape (..., K) with K >= 1 classes, got {z.shape}")
    return z


def _probabilities(p: ArrayLike, name: str) -> np.ndarray:
    p = _floats(p, name)
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        bad = np.argwhere(~((p >= 0) & (p <= 1)))[0]
        index = tuple(int(i) for i in bad)
        raise InputError(f"{name} must lie in [0, 1], got {p[index]} at index {index}")
    return p


def _distribution(p: ArrayLike, name: str, positive_sum: bool = True) -> np.ndarray:
    p = _logits(p, name)
    if p.size and not p.min() >= 0:
        index = tuple(int(i) for i in np.argwhere(~(p >= 0))[0])
        raise InputError(f"{name} must not be negative or NaN, got {p[index]} at index {index}")
    if positive_sum and not (p.sum(axis=-1) > 0).all():
        row = np.argwhere(~(p.sum(axis=-1) > 0))[0]
        raise InputError(
            f"{name} must have a positive sum in each row; row {row.tolist()} has none"
        )
    return p


def _log_probabilities(p: ArrayLike) -> np.ndarray:
    p = _probabilities(p, "logits (as probabilities)")
    sums = _logits(p, "logits (as probabilities)").sum(axis=-1)
    if not np.allclose(sums, 1, rtol=0, atol=1e-8 if p.dtype == np.float64 else 1e-5):
        raise InputError("with from_logits=False each row must sum to 1; divide it by its sum")
    with np.errstate(divide="ignore"):
        return np.log(p)


def _codes(
    labels: np.ndarray, n_classes: int, ignore_index: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    # The classes as flat intp, and a mask of the ignored ones (whose code is then 0) or None.
    codes = np.ascontiguousarray(labels, dtype=np.intp).reshape(-1)
    if not codes.size or (codes.min() >= 0 and codes.max() < n_classes):
        if ignore_index is None or ignore_index < 0 or not (codes == ignore_index).any():
            return codes, None
    ignored = codes == ignore_index if ignore_index is not None else np.zeros(codes.shape, bool)
    bad = ~ignored & ((codes < 0) | (codes >= n_classes))
    if bad.any():
        at = int(bad.argmax())
        raise InputError(f"y must hold classes 0 to {n_classes - 1}, got {codes[at]} at row {at}")
    return np.where(ignored, 0, codes), ignored


def _class_weight(weight: ArrayLike, n_classes: int, dtype: np.dtype) -> np.ndarray:
    values = _floats(weight, "weight").astype(dtype, copy=False)
    if values.shape != (n_classes,) or not (values >= 0).all():
        raise InputError(f"weight must hold {n_classes} numbers >= 0, one a class; got {weight!r}")
    return values


def _entry_weights(weight: ArrayLike | None, z: np.ndarray, name: str) -> np.ndarray:
    if weight is None:
        return np.ones(1, z.dtype)
    values = _floats(weight, name).astype(z.dtype, copy=False)
    if not (values >= 0).all():
        raise InputError(f"{name} must not be negative or NaN")
    try:
        return np.ascontiguousarray(np.broadcast_to(values, z.shape)).reshape(-1)
    except ValueError:
        raise InputError(
            f"{name} of shape {values.shape} doesn't broadcast to the logits' {z.shape}"
        ) from None


def _number(value: float, name: str, low: float, high: float) -> float:
    if not (isinstance(value, Real) and low <= value <= high):
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)


def _temperature(temperature: float) -> float:
    # Its inverse must be a float32, too.
    return _number(temperature, "temperature", 1e-30, 1e30)


def _fraction(value: float, name: str) -> float:
    return _number(value, name, 0, 1)


def _log_base(base: float) -> float:
    if not (isinstance(base, Real) and 0 < base < np.inf and base != 1):
        raise InputError(f"base must be a positive number other than 1, got {base!r}")
    return log(base)


def _check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise InputError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _as_rows(z: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(z).reshape(-1, z.shape[-1])


def _result(
    out: np.ndarray | None, like: np.ndarray, apart_from: tuple[Any, ...] = ()
) -> np.ndarray:
    if out is None:
        return np.empty(like.shape, like.dtype)
    if not isinstance(out, np.ndarray):
        raise InputError(f"out must be an array, got {type(out).__name__}")
    if out.shape != like.shape or out.dtype != like.dtype:
        raise InputError(
            f"out must have shape {like.shape} and dtype {like.dtype}, "
            f"got {out.shape} and {out.dtype}"
        )
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise InputError("out must be C-contiguous and writable")
    if any(isinstance(a, np.ndarray) and np.may_share_memory(out, a) for a in apart_from):
        raise InputError("out must not share memory with the logits or targets")
    return out


def _by_rows(
    kernel: Callable[..., None], z: ArrayLike, temperature: float, out: np.ndarray | None
) -> np.ndarray:
    z = _logits(z)
    temperature = _temperature(temperature)
    result = _result(out, z)
    rows = _as_rows(z)
    if np.may_share_memory(rows, result):
        rows = rows.copy()
    _run(kernel, rows, rows, temperature, out=result.reshape(rows.shape))
    return result


def _by_entries(
    kernel: Callable[..., None], z: ArrayLike, out: np.ndarray | None
) -> np.ndarray | np.floating:
    z = _floats(z, "z")
    result = _result(out, z)
    flat = np.ascontiguousarray(z).reshape(-1)
    if np.may_share_memory(flat, result) and flat.ctypes.data != result.ctypes.data:
        flat = flat.copy()
    _run(kernel, flat, flat, out=result.reshape(-1))
    return result if out is not None else result[()]


def _for_reading(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(for_reading(a) if isinstance(a, np.ndarray) else a for a in arguments)


def _run(kernel: Callable[..., None], along: np.ndarray, *arguments: Any, out: np.ndarray) -> None:
    arguments = _for_reading(arguments)
    pieces = threads.chunks(len(along), _ENTRY * along[:1].size)
    threads.run(lambda i: kernel(*arguments, *pieces[i], out), len(pieces))


def _run_sum(kernel: Callable[..., float], along: np.ndarray, *arguments: Any, out: tuple) -> float:
    # The kernel's sum over all rows; chunks are added in order.
    arguments = _for_reading(arguments)
    pieces = threads.chunks(len(along), _ENTRY * along[:1].size)
    sums = np.zeros(len(pieces))

    def task(i: int) -> None:
        sums[i] = kernel(*arguments, *pieces[i], *out)

    threads.run(task, len(pieces))
    return float(sums.sum())

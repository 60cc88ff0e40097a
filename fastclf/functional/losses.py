"""Cross-entropies of logits and targets, and their gradients."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from fastclf.errors import InputError
from fastclf.functional._arrays import (
    as_distribution,
    as_logits,
    as_probabilities,
    as_rows,
    check_reduction,
    class_codes,
    class_weights,
    entry_weights,
    floats,
    fraction,
    log_probabilities,
    positive_temperature,
    real_array,
    result_array,
    run_sum,
)
from fastclf.functional.transforms import softmax
from fastclf.kernels.loss import cross_entropy as _softmax_loss
from fastclf.kernels.loss import sigmoid as _sigmoid
from fastclf.kernels.loss.two_classes import two_classes

Reduction = Literal["mean", "sum", "none"]

_NO_CODES = np.empty(0, np.intp)
_IGNORE = -100


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
        Logits; or with ``from_logits=False`` probabilities, which must sum to 1 within 0.01 and are
        divided by their sum.
    y : array-like of shape (...) or (..., K)
        Integer classes, or a distribution for each row. The sum of a distribution may differ from
        1.
    weight : array-like of shape (K,), optional
        Weight of each class.
    label_smoothing : float
        ε: targets become ``(1 - ε) y + ε / K``.
    temperature : float
        T > 0, by which the logits are divided.
    ignore_index : int
        Rows of this class are ignored; for integer classes only.
    reduction : {"mean", "sum", "none"}
        If `y` holds classes, "mean" divides by the sum of the class weights of all rows that aren't
        ignored, and is NaN if there are none. If `y` holds distributions, it divides by the number
        of rows.
    from_logits : bool
        Whether `logits` are logits.

    Returns
    -------
    float, or ndarray of shape (...) for "none"

    Raises
    ------
    InputError
        If shapes don't match, a class is outside 0..K-1, or an argument can't be used.

    Examples
    --------
    >>> round(cross_entropy([[2.0, 0.0], [0.0, 0.0]], [0, 1]), 4)
    0.41
    >>> round(cross_entropy([2.0, 0.0], [0.7, 0.3]), 4)
    0.7269
    """
    if not from_logits:
        logits = log_probabilities(logits, "logits (as probabilities)")
    z = as_logits(logits, "logits")
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
    """Return :func:`cross_entropy` and its gradient with respect to the logits.

    The gradient of a row whose targets sum to s is ``(s σ(z / T) - y) / T``, times the weight of
    the row, and divided by the same number as the loss for "mean".

    Parameters
    ----------
    logits, y, weight, label_smoothing, temperature, ignore_index, reduction
        As for :func:`cross_entropy`.
    out : ndarray of shape (..., K), optional
        Where to write the gradient: C-contiguous, of the gradient's dtype, sharing no memory with
        the inputs.

    Returns
    -------
    value : float, or ndarray of shape (...) for "none"
    gradient : ndarray of shape (..., K)
        The gradient of the mean or sum; for "none" of the loss of each row.

    Raises
    ------
    InputError
        If shapes don't match, a class is outside 0..K-1, or an argument can't be used.

    Examples
    --------
    >>> value, gradient = cross_entropy_with_grad([[0.0, 0.0]], [1])
    >>> gradient
    array([[ 0.5, -0.5]])
    """
    z = as_logits(logits, "logits")
    gradient = result_array(out, z, apart_from=(z, y))
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
    temperature = positive_temperature(temperature)
    check_reduction(reduction)
    targets = _targets(z, y, weight, fraction(label_smoothing, "label_smoothing"), ignore_index)
    rows = as_rows(z)
    if targets.ignored is not None:  # logits of ignored rows may be NaN
        rows = np.where(targets.ignored[:, None], z.dtype.type(0), rows)
    losses = np.empty(len(rows)) if reduction == "none" else np.empty(0)
    scale = 1 / targets.divisor if reduction == "mean" and targets.divisor > 0 else 1.0
    value = _run_softmax_loss(
        rows, targets, scale, temperature, gradient.reshape(rows.shape), losses
    )
    if reduction == "none":
        return (losses * targets.weights).astype(z.dtype).reshape(z.shape[:-1])
    return float("nan") if reduction == "mean" and targets.divisor == 0 else value


@dataclass(frozen=True)
class _Targets:
    # Either codes (n,) or q (n, K) is empty. Weights have shape (n,) or (1,). A mean divides by
    # divisor. If rows are ignored, ignored is their mask, and their code is -1 or their q is 0.
    codes: np.ndarray
    q: np.ndarray
    weights: np.ndarray
    divisor: float
    ignored: np.ndarray | None = None


def _targets(
    z: np.ndarray, y: ArrayLike, weight: ArrayLike | None, smoothing: float, ignore_index: int
) -> _Targets:
    K = z.shape[-1]
    labels = real_array(y, "y")
    class_weight = None if weight is None else class_weights(weight, K, z.dtype)
    if labels.shape == z.shape[:-1] and labels.dtype.kind in "biu":
        return _hard_targets(labels, class_weight, smoothing, ignore_index, K, z.dtype)
    if labels.shape == z.shape:
        if ignore_index != _IGNORE:
            raise InputError("ignore_index works with integer classes only, not with distributions")
        q = as_rows(as_distribution(labels, "y", positive_sum=False)).astype(z.dtype, copy=False)
        if smoothing > 0:
            q = (1 - smoothing) * q + smoothing / K
        if class_weight is not None:
            q = q * class_weight
        return _Targets(_NO_CODES, q, np.ones(1, z.dtype), len(q))
    if labels.shape == z.shape[:-1]:
        raise InputError(
            f"y of shape {labels.shape} must hold integer classes, got dtype {labels.dtype}; "
            "convert with y.astype(int), or give a distribution for each row"
        )
    raise InputError(
        f"y must have shape {z.shape[:-1]} (classes) or {z.shape} (distributions) for logits "
        f"of shape {z.shape}; got {labels.shape}"
    )


def _hard_targets(
    labels: np.ndarray,
    class_weight: np.ndarray | None,
    smoothing: float,
    ignore_index: int,
    K: int,
    dtype: np.dtype,
) -> _Targets:
    codes, ignored = class_codes(labels, K, ignore_index)
    ones = np.ones(1, dtype)
    row_weight = ones if class_weight is None else class_weight[codes]
    kept = True if ignored is None else ~ignored
    if class_weight is None:
        divisor = float(len(codes) if ignored is None else np.count_nonzero(kept))
    else:
        divisor = float(row_weight.sum(dtype=np.float64, where=kept))
    if smoothing == 0:
        if ignored is not None:
            codes = np.where(ignored, -1, codes)
        return _Targets(codes, np.empty((0, K), dtype), row_weight, divisor, ignored)
    q = np.full((len(codes), K), smoothing / K, dtype)
    q[np.arange(len(codes)), codes] += 1 - smoothing
    if class_weight is not None:
        q *= class_weight
    if ignored is not None:
        q[ignored] = 0
    return _Targets(_NO_CODES, q, ones, divisor, ignored)


def _run_softmax_loss(
    rows: np.ndarray,
    targets: _Targets,
    scale: float,
    temperature: float,
    gradient: np.ndarray,
    losses: np.ndarray,
) -> float:
    codes, q, weights = targets.codes, targets.q, targets.weights
    if rows.shape[1] == 2 and targets.ignored is None:
        kernel, out = two_classes, (gradient, losses)
        return run_sum(kernel, rows, rows, codes, q, weights, scale, temperature, out=out)
    if codes.size:
        kernel, out = _softmax_loss.hard, (gradient, losses)
        return run_sum(kernel, rows, rows, codes, weights, scale, temperature, out=out)
    soft = _softmax_loss.soft
    return run_sum(soft, rows, rows, q, weights, scale, temperature, out=(gradient, losses, False))


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
        "mean" divides by the number of entries.
    from_logits : bool
        Whether `logits` are logits.

    Returns
    -------
    float, or ndarray of shape (...) for "none"

    Raises
    ------
    InputError
        If shapes don't match, a target is outside [0, 1], or an argument can't be used.

    Examples
    --------
    >>> round(binary_cross_entropy([0.0, 2.0], [0, 1]), 4)
    0.41
    """
    if not from_logits:
        logits = as_probabilities(logits, "logits (as probabilities)")
        with np.errstate(divide="ignore"):
            logits = scipy.special.logit(logits)
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
    """Return :func:`binary_cross_entropy` and its gradient with respect to the logits.

    The gradient is ``(1 + (p - 1) y) σ(z) - p y`` for the weight p of the positive class, which is
    ``σ(z) - y`` for p = 1. It is multiplied by the weight of the entry, and divided by the number
    of entries for "mean".

    Parameters
    ----------
    logits, y, weight, pos_weight, label_smoothing, reduction
        As for :func:`binary_cross_entropy`.
    out : ndarray of shape (...), optional
        Where to write the gradient: C-contiguous, of the gradient's dtype, sharing no memory with
        the inputs.

    Returns
    -------
    value : float, or ndarray of shape (...) for "none"
    gradient : ndarray of shape (...)
        The gradient of the mean or sum; for "none" of the loss of each entry.

    Raises
    ------
    InputError
        If shapes don't match, a target is outside [0, 1], or an argument can't be used.

    Examples
    --------
    >>> value, gradient = binary_cross_entropy_with_grad([0.0, 0.0], [0, 1], pos_weight=3.0)
    >>> gradient
    array([ 0.25, -0.75])
    """
    z = floats(logits, "logits")
    targets = as_probabilities(y, "y")
    if targets.shape != z.shape:
        raise InputError(f"y must have the shape {z.shape} of the logits, got {targets.shape}")
    check_reduction(reduction)
    smoothing = fraction(label_smoothing, "label_smoothing")
    if smoothing > 0:
        targets = (1 - smoothing) * targets + smoothing / 2
    flat = np.ascontiguousarray(z).reshape(-1)
    flat_targets = np.ascontiguousarray(targets, z.dtype).reshape(-1)
    weights = entry_weights(weight, z, "weight")
    positive = entry_weights(pos_weight, z, "pos_weight")
    gradient = result_array(out, z, apart_from=(z, y, weight, pos_weight))
    losses = np.empty_like(flat)
    scale = 1 / flat.size if reduction == "mean" and flat.size else 1.0
    value: float | np.ndarray = run_sum(
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

    q_T is ``softmax(teacher_logits, T)``. The gradient of a row is
    ``a (σ(z) - y) + (1 - a) T (σ(z / T) - q_T)``, divided by the number of rows. The source is
    Hinton, Vinyals and Dean, *Distilling the knowledge in a neural network*, 2015, section 2.

    Parameters
    ----------
    logits : array-like of shape (..., K)
        The student's logits z.
    teacher_logits : array-like of shape (..., K)
    y : array-like of shape (...) or (..., K), optional
        Integer classes or distributions; required if `hard_weight` isn't 0.
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
        If shapes don't match, `y` is missing, or an argument can't be used.

    Examples
    --------
    >>> value, gradient = distillation_loss_with_grad([[0.0, 0.0]], [[0.0, 2.0]], temperature=2.0)
    >>> gradient.round(4)
    array([[ 0.4621, -0.4621]])
    """
    z = as_logits(logits, "logits")
    teacher = as_logits(teacher_logits, "teacher_logits")
    temperature = positive_temperature(temperature)
    hard_weight = fraction(hard_weight, "hard_weight")
    if teacher.shape != z.shape:
        raise InputError(
            f"teacher_logits must have the shape {z.shape} of the logits, got {teacher.shape}"
        )
    rows = as_rows(z)
    n, K = rows.shape
    codes = np.empty(0, np.intp)
    targets = np.empty((0, K), z.dtype)
    if hard_weight > 0:
        if y is None:
            raise InputError("hard_weight > 0 requires y, the targets of the hard term")
        labels = real_array(y, "y")
        if labels.shape == z.shape:
            targets = as_rows(as_distribution(labels, "y", positive_sum=False)).astype(z.dtype)
        elif labels.shape == z.shape[:-1] and labels.dtype.kind in "biu":
            codes, _ = class_codes(labels, K, None)
        else:
            raise InputError(
                f"y must hold integer classes of shape {z.shape[:-1]} or distributions of shape "
                f"{z.shape}; got dtype {labels.dtype} of shape {labels.shape}"
            )
    q = softmax(as_rows(teacher).astype(z.dtype, copy=False), temperature)
    gradient = result_array(out, z, apart_from=(z, teacher, y))
    value = run_sum(
        _softmax_loss.distilled,
        rows, rows, codes, targets, q, np.ones(1, z.dtype), 1 / max(n, 1), temperature,
        hard_weight,
        out=(gradient.reshape(rows.shape),),
    )  # fmt: skip
    return (value if n else float("nan")), gradient

"""Slow, obvious twins of the kernels, in long double and without one trick for speed.

Where a plain formula would cancel (``1 - p``), the oracle sums the other terms instead.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
from scipy import special

LONG = np.longdouble


def ulps(actual: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Return the errors in units in the last place of the actual dtype; inf must match inf."""
    rounded = exact.astype(actual.dtype)
    same = (actual == rounded) | (np.isnan(actual) & np.isnan(rounded))
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(actual.astype(LONG) - exact) / np.spacing(np.abs(rounded))
    return np.where(same, 0, error).astype(float)


def depths(z: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return ``(z - max z) / T``."""
    z = z.astype(LONG)
    with np.errstate(invalid="ignore", over="ignore"):
        return (z - z.max(axis=-1, keepdims=True)) / LONG(temperature)


def softmax(z: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    e = np.exp(depths(z, temperature))
    return e / e.sum(axis=-1, keepdims=True)


def log_one_plus_rest(z: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return ``logsumexp(z / T) - max(z) / T``, tiny where a row is saturated."""
    e = np.sort(np.exp(depths(z, temperature)), axis=-1)
    return np.log1p(e[..., :-1].sum(axis=-1))


def log_softmax(z: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    return depths(z, temperature) - log_one_plus_rest(z, temperature)[..., None]


def logsumexp(z: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    return z.max(axis=-1).astype(LONG) / LONG(temperature) + log_one_plus_rest(z, temperature)


def one_hot(codes: np.ndarray, n_classes: int) -> np.ndarray:
    return np.eye(n_classes, dtype=LONG)[codes]


def cross_entropy(
    z: np.ndarray, q: np.ndarray, temperature: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the loss of each row (n,) and its gradient (n, K) for targets q of any sum."""
    q = q.astype(LONG)
    x = depths(z, temperature)
    p = softmax(z, temperature)
    inner = np.where(q == 0, 0, q * np.where(q == 0, 0, x)).sum(axis=-1)
    losses = q.sum(axis=-1) * log_one_plus_rest(z, temperature) - inner
    gradient = np.empty_like(p)
    for k in range(z.shape[-1]):
        others_q = np.delete(q, k, axis=-1).sum(axis=-1)
        others_p = np.delete(p, k, axis=-1).sum(axis=-1)
        gradient[..., k] = (p[..., k] * others_q - q[..., k] * others_p) / LONG(temperature)
    return losses, gradient


def sigmoid(z: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z.astype(LONG)))


def log_sigmoid(z: np.ndarray) -> np.ndarray:
    z = z.astype(LONG)
    return np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))


def binary_cross_entropy(
    z: np.ndarray, y: np.ndarray, pos_weight: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    y = y.astype(LONG)
    losses = -(pos_weight * y * log_sigmoid(z) + (1 - y) * log_sigmoid(-z))
    return losses, (1 - y) * sigmoid(z) - pos_weight * y * sigmoid(-z)


def distilled(
    z: np.ndarray, q: np.ndarray, teacher: np.ndarray, temperature: float, hard_weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return loss and gradient of each row; q are the hard term's targets (n, K)."""
    a, t = LONG(hard_weight), LONG(temperature)
    hard, hard_gradient = cross_entropy(z, q)
    soft, soft_gradient = cross_entropy(z, softmax(teacher, t), t)
    return a * hard + (1 - a) * t**2 * soft, a * hard_gradient + (1 - a) * t**2 * soft_gradient


def torch_cross_entropy(
    z: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> np.ndarray:
    """Follow the formulas in the documentation of torch.nn.CrossEntropyLoss, row by row."""
    n, K = z.shape
    w = np.ones(K) if weight is None else weight
    log_p = log_softmax(z)
    losses = np.zeros(n, LONG)
    divisor = LONG(0)
    for i in range(n):
        if y.ndim == 2:
            target = (1 - label_smoothing) * y[i] + label_smoothing / K
            divisor += 1
        elif y[i] == ignore_index:
            continue
        else:
            target = (1 - label_smoothing) * one_hot(y[i], K) + label_smoothing / K
            divisor += w[y[i]]
        losses[i] = -sum(w[k] * target[k] * log_p[i, k] for k in range(K) if target[k] > 0)
    if reduction == "none":
        return losses
    with np.errstate(invalid="ignore"):
        return losses.sum() / divisor if reduction == "mean" else losses.sum()


def differences(f: Callable[[np.ndarray], float], z: np.ndarray, h: float = 1e-3) -> np.ndarray:
    """Return the gradient of f at z by central differences of fourth order."""
    gradient = np.empty(z.shape)
    for index in np.ndindex(z.shape):

        def at(step: float, index: tuple[int, ...] = index) -> float:
            moved = z.copy()
            moved[index] += step
            return f(moved)

        near, far = at(h) - at(-h), at(2 * h) - at(-2 * h)
        gradient[index] = (8 * near - far) / (12 * h)
    return gradient


def hessian_product(objective: Any, theta: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return the Hessian of an objective times a direction, both (d + 1, M K), in float64.

    It is computed by the formulas from the objective's X, targets, loss and penalty. An intercept
    that is fixed takes no part in the direction, and its entry of the product is 0.
    """
    X = objective.features.X
    X = np.asarray(X.toarray() if scipy.sparse.issparse(X) else X, float)
    loss, target = objective.loss, objective.target
    v = np.array(direction, float)
    if not objective.fit_intercept:
        v[-1] = 0
    Z, V = X @ theta[:-1] + theta[-1], X @ v[:-1] + v[-1]
    C, M = theta.shape[1], objective.penalty.strength.size
    slopes = np.empty(Z.shape)
    for m in range(M):
        columns = slice(m * C // M, (m + 1) * C // M)
        own = np.asarray(target.weights[m if len(target.weights) > 1 else 0], float)
        slopes[:, columns] = (own / own.sum())[:, None] * _moved_slopes(
            loss, target, m, Z[:, columns], V[:, columns]
        )
    product = np.vstack([X.T @ slopes, slopes.sum(axis=0)])
    if not objective.fit_intercept:
        product[-1] = 0
    product[:-1] += np.repeat(objective.penalty.strength, C // M) * v[:-1]
    return product


def _moved_slopes(loss: Any, target: Any, m: int, z: np.ndarray, v: np.ndarray) -> np.ndarray:
    # The Hessian of each row's loss in its logits z (n, K) times v, in problem m.
    if loss.is_sigmoid:
        positive = 1.0 if loss.pos_weight is None else loss.pos_weight[m]
        y = target.soft[:, m : m + 1].astype(float)
        mass = 1 - y + positive * y
    elif target.codes.size:
        mass = (target.codes >= 0).astype(float)[:, None]
    else:
        mass = target.soft.astype(float).sum(axis=1, keepdims=True)
    terms = [(1.0, 1.0, mass)]
    if loss.distillation:
        a, temperature = loss.distillation.hard_weight, loss.distillation.temperature
        taught = 1.0 if loss.is_sigmoid else target.teacher.astype(float).sum(axis=1)[:, None]
        terms = [(a, 1.0, mass), ((1 - a) * temperature**2, temperature, taught)]
    total = np.zeros(z.shape)
    for share, temperature, mass in terms:
        if loss.is_sigmoid:
            p = special.expit(z / temperature)
            moved = p * special.expit(-z / temperature) * v
        else:
            p = special.softmax(z / temperature, axis=1)
            moved = p * (v - (p * v).sum(axis=1, keepdims=True))
        total += share * mass * moved / temperature**2
    return total

"""The search for the temperature with the smallest cross-entropy."""

import warnings

import numpy as np

from fastclf.errors import InputError
from fastclf.estimators.teachers import two_columns
from fastclf.functional import softmax

_PRECISION = 1e-12
"""Size of a step in log β at which the search ends."""

_MOST_STEPS = 200


def best_temperature(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None
) -> float | None:
    r"""Return the temperature with the least cross-entropy, or None where there is none.

    Logits and targets, which are distributions, are (n, K), and the weights of rows (n,).

    With :math:`\beta = 1 / T` the slope of the cross-entropy

    .. math:: D(\beta) = \sum_i w_i \sum_k (\sigma(\beta z_i)_k - q_{ik}) z_{ik}

    grows with β. Newton's method looks for its zero in log β, between bounds that close in on it.
    There is no best temperature if every row's target is its largest logit, so that a smaller
    temperature is always better; or if the logits don't depend on the targets, so that a larger
    one is.

    >>> import numpy as np
    >>> from fastclf.estimators.temperature import best_temperature
    >>> z = np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])
    >>> y = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> T = best_temperature(z, y)
    >>> float(round(1 / (1 + np.exp(-4 / T)), 6))  # right in three rows of four
    0.75
    """
    z = logits.astype(np.float64)
    with np.errstate(over="ignore"):
        z -= z.max(axis=1, keepdims=True)
    share = np.full(len(z), 1 / len(z)) if weights is None else weights / weights.sum()
    expected = np.einsum("i,ik,ik->", share, targets, z)  # 0 or less
    size = share @ np.abs(z).max(axis=1)
    if not np.isfinite(size):
        raise InputError(
            f"logits are as large as {np.abs(logits).max():.3g}, too large to be divided by a "
            "temperature; scale the features of the classifier"
        )
    rounding = 1e-12 * size
    if not expected < -rounding or not share @ z.mean(axis=1) < expected - rounding:
        return None

    def slope(u: float) -> tuple[float, float]:
        # D, and its derivative in log β.
        beta = np.exp(u)
        p = softmax(beta * z)
        mean = np.einsum("ik,ik->i", p, z)
        variance = np.einsum("ik,ik->i", p, (z - mean[:, None]) ** 2)
        return float(share @ mean - expected), float(beta * (share @ variance))

    u, low, high = -np.log(size), -np.inf, np.inf
    for _ in range(_MOST_STEPS):
        value, derivative = slope(u)
        if value == 0:
            break
        low, high = (u, high) if value < 0 else (low, u)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            step = -np.divide(value, derivative)
        step = float(np.clip(step, -2, 2)) if np.isfinite(step) else 2.0 * np.sign(-value)
        if abs(step) <= _PRECISION:
            break
        u = u + step if low < u + step < high else (low + high) / 2
    return float(np.exp(-u))


def labels_temperature(
    logits: np.ndarray, values: np.ndarray, weights: np.ndarray | None = None
) -> float | None:
    """Return the one temperature that is best for all labels (n, L) together; NaN is unknown."""
    known = ~np.isnan(values)
    if not known.any():
        return None
    y = values[known].astype(np.float64)
    own = None if weights is None else np.broadcast_to(weights[:, None], values.shape)[known]
    return best_temperature(two_columns(logits[known]), np.stack([1 - y, y], axis=1), own)


def or_one(temperature: float | None) -> float:
    """Return a temperature, and for None 1 with a warning to the caller's caller."""
    if temperature is None:
        warnings.warn(
            "there is no best temperature: the logits are right in every row, or carry no "
            "information about the targets. The temperature stays 1. Calibrate on more rows, to "
            "which the classifier wasn't fitted",
            UserWarning,
            stacklevel=3,
        )
        return 1.0
    return temperature

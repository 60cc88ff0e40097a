"""Thresholds of labels: where the F1 score on rows that weren't fitted to is the highest."""

import numpy as np


def best_thresholds(
    p: np.ndarray, y: np.ndarray, default: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the threshold of each label with the highest F1 score.

    A threshold lies in the middle between two probabilities. Of equal scores it is the one nearest
    to the default, which stays where no row has the label.

    Parameters
    ----------
    p : ndarray of shape (n, L)
        Probabilities; a label is predicted where its own is larger than the threshold.
    y : ndarray of shape (n, L)
        Indicators, or probabilities, which count as present above one half; NaN where unknown.
    default : ndarray of shape (L,)
    weights : ndarray of shape (n,), optional

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.estimators.thresholds import best_thresholds
    >>> p = np.array([[0.1], [0.2], [0.3], [0.9]])
    >>> best_thresholds(p, np.array([[0], [0], [1], [1]]), np.array([0.5]))
    array([0.25])
    """
    found = default.astype(np.float64)
    for k in range(p.shape[1]):
        known = ~np.isnan(y[:, k])
        own = np.ones(known.sum()) if weights is None else weights[known]
        if (own * (y[known, k] > 0.5)).any():
            found[k] = _best(p[known, k].astype(np.float64), y[known, k] > 0.5, own, default[k])
    return found


def _best(p: np.ndarray, on: np.ndarray, weights: np.ndarray, default: float) -> float:
    values, place = np.unique(p, return_inverse=True)
    right = np.bincount(place, weights * on)
    chosen = np.bincount(place, weights)
    # What is predicted above each of the places between values, and below all of them.
    right, chosen = (np.append(np.cumsum(part[::-1])[::-1], 0) for part in (right, chosen))
    f1 = 2 * right / (chosen + right[0])
    middle = np.concatenate([[values[0] / 2], (values[1:] + values[:-1]) / 2, [1.0]])
    # The middle of two neighbouring floats may be one of them: p > threshold must tell them apart.
    middle[1:-1] = np.where(middle[1:-1] < values[1:], middle[1:-1], values[:-1])
    best = np.flatnonzero(f1 >= f1.max() * (1 - 1e-12))
    # Thresholds in between two places do the same, so the default itself may be among the best.
    place_of_default = int(np.searchsorted(values, default, side="right"))
    if place_of_default in best:
        return float(default)
    return float(middle[best[np.abs(middle[best] - default).argmin()]])

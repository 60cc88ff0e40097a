"""Curves over thresholds: those of labels, and those of the second of two classes."""

from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix_at_thresholds

THRESHOLDS = np.arange(1, 50) / 50
MOST_LABELS = 12
"""Number of labels with curves of their own; the most frequent ones are chosen."""

MOST_POINTS = 200
"""Largest number of points of a ROC curve or a precision-recall curve."""

_MOST_RANKED = 10_000_000
"""Number of rows above which there is no ROC or precision-recall curve: a sort outlasts a fit."""

_HUNDREDTHS = np.arange(1, 100) / 100


def threshold_curves(
    y: np.ndarray, p: np.ndarray, names: list[str], known: np.ndarray | None = None
) -> dict[str, Any]:
    """Return precision, recall and F1 at each of `THRESHOLDS`.

    Parameters
    ----------
    y : ndarray of shape (n, L)
        0/1 indicators.
    p : ndarray of shape (n, L)
        Probabilities; a label is predicted where its probability is larger than the threshold.
    names : list of str
        The names of the labels.
    known : ndarray of bool of shape (n, L), optional
        Which entries of ``y`` are known; the others are ignored. By default all are known.

    Returns
    -------
    dict
        "thresholds"; "micro", the curves of all labels pooled; and "labels", a list with the
        curves of the `MOST_LABELS` most frequent labels, each with its "name". Precision without
        a predicted row, and recall without a positive row, are None.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.runs.threshold_curves import threshold_curves
    >>> p = np.array([[0.9], [0.7], [0.2]])
    >>> found = threshold_curves(np.array([[1], [0], [1]]), p, ["late"])
    >>> found["thresholds"][24], found["micro"]["recall"][24], found["micro"]["precision"][44]
    (0.5, 0.5, None)
    """
    predicted = np.empty((y.shape[1], len(THRESHOLDS)))
    right = np.empty_like(predicted)
    if known is None:
        known = np.ones(y.shape, bool)
    for label in range(y.shape[1]):
        truth, probability = (array[known[:, label], label] for array in (y, p))
        predicted[label], right[label] = _above(THRESHOLDS, probability, truth)
    true = (known & (y > 0)).sum(axis=0).astype(np.float64)
    micro = _scores(predicted.sum(axis=0), right.sum(axis=0), true.sum())
    shown = sorted(np.argsort(-true, kind="stable")[:MOST_LABELS].tolist())
    labels = [{"name": names[i], **_scores(predicted[i], right[i], true[i])} for i in shown]
    return {"thresholds": THRESHOLDS.tolist(), "micro": micro, "labels": labels}


def positive_class_curves(positive: np.ndarray, p: np.ndarray) -> dict[str, Any]:
    """Return the curves of the second of two classes, the positive one.

    Parameters
    ----------
    positive : ndarray of bool of shape (n,)
        Which rows are of that class, at least one row.
    p : ndarray of shape (n,)
        Its probability in each row; it is predicted where this is larger than the threshold.

    Returns
    -------
    dict
        "threshold_curve" with "thresholds", "precision", "recall", "f1" and "predicted_positive",
        the fraction of rows that are predicted positive. The thresholds are the hundredths and the
        percentiles of ``p``, so that rare classes, whose probabilities are small, have some.
        Precision without a predicted row, and recall without a positive row, are None.

        If there are positive rows, "precision_recall_curve" with "recall", "precision" and
        "average_precision"; if there are others, too, "roc_curve" with "false_positive_rate",
        "true_positive_rate" and "area". Both begin at the largest threshold and end where all rows
        are predicted positive. They have at most `MOST_POINTS` points of the whole curves, rounded
        to four decimals; "area" and "average_precision" are those of the whole curves.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.runs.threshold_curves import positive_class_curves
    >>> found = positive_class_curves(np.array([True, False, True]), np.array([0.9, 0.7, 0.2]))
    >>> found["roc_curve"]["false_positive_rate"], found["roc_curve"]["true_positive_rate"]
    ([0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0])
    >>> found["roc_curve"]["area"], round(found["precision_recall_curve"]["average_precision"], 3)
    (0.5, 0.833)
    """
    n, true = len(p), int(positive.sum())
    percentiles = np.percentile(p, np.arange(1, 100)).tolist()
    own = [float(f"{value:.4g}") for value in percentiles]
    thresholds = np.unique(np.clip(np.concatenate([_HUNDREDTHS, own]), 0, 1))
    predicted, right = _above(thresholds, p, positive)
    found: dict[str, Any] = {
        "threshold_curve": {
            "thresholds": thresholds.tolist(),
            **_scores(predicted, right, true),
            "predicted_positive": _rounded(predicted / n),
        }
    }
    if true == 0 or n > _MOST_RANKED:
        return found
    _, false_positives, _, true_positives, _ = confusion_matrix_at_thresholds(positive, p)
    recall = true_positives / true
    precision = true_positives / (true_positives + false_positives)
    levels = np.linspace(recall[0], 1, MOST_POINTS - 1)
    places = np.unique(np.append(np.searchsorted(recall, levels), len(recall) - 1))
    found["precision_recall_curve"] = {
        "recall": _rounded(recall[places]),
        "precision": _rounded(precision[places]),
        "average_precision": float(np.diff(recall, prepend=0) @ precision),
    }
    if true == n:
        return found
    rates = [np.append(0.0, counts) / counts[-1] for counts in (false_positives, true_positives)]
    # Evenly spaced along the curve, whose length is measured in both directions together.
    along = rates[0] + rates[1]
    places = np.unique(np.searchsorted(along, np.linspace(0, along[-1], MOST_POINTS)))
    found["roc_curve"] = {
        "false_positive_rate": _rounded(rates[0][places]),
        "true_positive_rate": _rounded(rates[1][places]),
        "area": float(np.trapezoid(rates[1], rates[0])),
    }
    return found


def _above(
    thresholds: np.ndarray, p: np.ndarray, positive: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many rows have a larger p than each threshold, and how many of them are true."""
    passed = np.searchsorted(thresholds, p)  # number of thresholds below it
    counts = (np.bincount(passed, weights, len(thresholds) + 1) for weights in (None, positive))
    predicted, right = (count.sum() - np.cumsum(count)[:-1] for count in counts)
    return predicted, right


def _scores(predicted: np.ndarray, right: np.ndarray, true: float) -> dict[str, Any]:
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {
            "precision": right / predicted,
            "recall": right / true,
            "f1": 2 * right / (predicted + true),
        }
    return {name: _rounded(values) for name, values in found.items()}


def _rounded(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(value, 4) for value in values.tolist()]

"""Precision, recall and F1 of a multi-label model as functions of the threshold."""

from typing import Any

import numpy as np

THRESHOLDS = np.arange(1, 50) / 50
MOST_LABELS = 12
"""Number of labels with curves of their own; the most frequent ones are chosen."""


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
    size = len(THRESHOLDS) + 1
    predicted = np.empty((y.shape[1], len(THRESHOLDS)))
    right = np.empty_like(predicted)
    if known is None:
        known = np.ones(y.shape, bool)
    for label in range(y.shape[1]):
        truth, probability = (array[known[:, label], label] for array in (y, p))
        passed = np.searchsorted(THRESHOLDS, probability)  # number of thresholds below it
        for out, weights in ((predicted, None), (right, truth)):
            counts = np.bincount(passed, weights, size)
            out[label] = counts.sum() - np.cumsum(counts)[:-1]
    true = (known & (y > 0)).sum(axis=0).astype(np.float64)
    micro = _scores(predicted.sum(axis=0), right.sum(axis=0), true.sum())
    shown = sorted(np.argsort(-true, kind="stable")[:MOST_LABELS].tolist())
    labels = [{"name": names[i], **_scores(predicted[i], right[i], true[i])} for i in shown]
    return {"thresholds": THRESHOLDS.tolist(), "micro": micro, "labels": labels}


def _scores(predicted: np.ndarray, right: np.ndarray, true: float) -> dict[str, Any]:
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {
            "precision": right / predicted,
            "recall": right / true,
            "f1": 2 * right / (predicted + true),
        }
    return {
        name: [None if np.isnan(value) else round(value, 4) for value in values.tolist()]
        for name, values in found.items()
    }

"""What probabilities are worth, as curves: reliability, and what each threshold would decide."""

from typing import Any

import numpy as np

BINS = 15
THRESHOLDS = np.arange(1, 50) / 50
MOST_LABELS = 12
"""Labels with curves of their own: those with the most rows."""


def reliability(p: np.ndarray, came_true: np.ndarray) -> dict[str, Any]:
    """Return how often predictions came true, beside how probable they were said to be.

    Parameters
    ----------
    p : ndarray of shape (n,)
        What was predicted with which probability.
    came_true : ndarray of shape (n,)
        1 where it came true, 0 where not; or how much of it did.

    Returns
    -------
    dict
        "ece", the expected calibration error: the mean gap between both, each bin counting by its
        rows; and "bins" of equal width, open on the left, without the empty ones: "low", "high",
        "rows", and the means "confidence" and "accuracy".

    References
    ----------
    Guo et al., *On calibration of modern neural networks*, ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.runs.curves import reliability
    >>> found = reliability(np.array([0.9, 0.9, 0.9, 0.9]), np.array([1, 1, 1, 0]))
    >>> round(found["ece"], 4), found["bins"][0]["accuracy"]
    (0.15, 0.75)
    """
    edges = np.linspace(0, 1, BINS + 1)
    p = p.astype(np.float64, copy=False)
    number = np.searchsorted(edges[1:-1], p)
    rows = np.bincount(number, minlength=BINS)
    confidence = np.bincount(number, p, BINS)
    accuracy = np.bincount(number, came_true, BINS)
    bins = [
        {
            "low": float(edges[i]),
            "high": float(edges[i + 1]),
            "rows": int(rows[i]),
            "confidence": float(confidence[i] / rows[i]),
            "accuracy": float(accuracy[i] / rows[i]),
        }
        for i in np.flatnonzero(rows)
    ]
    return {"ece": float(np.abs(accuracy - confidence).sum() / max(len(p), 1)), "bins": bins}


def threshold_curves(y: np.ndarray, p: np.ndarray, names: list[str]) -> dict[str, Any]:
    """Return precision, recall and F1 of labels for each threshold that they might have.

    Parameters
    ----------
    y : ndarray of shape (n, L)
        0/1 indicators.
    p : ndarray of shape (n, L)
        Probabilities; a label is predicted where its probability is larger than the threshold.
    names : list of str
        Of the labels.

    Returns
    -------
    dict
        "thresholds"; "micro", the curves of all labels together; and "labels", those of the
        `MOST_LABELS` that have the most rows, each with its "name". Precision where nothing is
        predicted, and recall where nothing is there, are None.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.runs.curves import threshold_curves
    >>> p = np.array([[0.9], [0.7], [0.2]])
    >>> found = threshold_curves(np.array([[1], [0], [1]]), p, ["late"])
    >>> found["thresholds"][24], found["micro"]["recall"][24], found["micro"]["precision"][44]
    (0.5, 0.5, None)
    """
    size = len(THRESHOLDS) + 1
    present = np.empty((y.shape[1], len(THRESHOLDS)))
    right = np.empty_like(present)
    for label, (truth, probability) in enumerate(zip(y.T, p.T, strict=True)):
        passed = np.searchsorted(THRESHOLDS, probability)  # how many thresholds it is above
        for out, weights in ((present, None), (right, truth)):
            counts = np.bincount(passed, weights, size)
            out[label] = counts.sum() - np.cumsum(counts)[:-1]
    true = y.sum(axis=0).astype(np.float64)
    micro = _scores(present.sum(axis=0), right.sum(axis=0), true.sum())
    shown = sorted(np.argsort(-true, kind="stable")[:MOST_LABELS].tolist())
    labels = [{"name": names[i], **_scores(present[i], right[i], true[i])} for i in shown]
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

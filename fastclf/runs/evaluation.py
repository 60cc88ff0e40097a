"""The figures by which a run's model is judged."""

import numpy as np
from sklearn import metrics

from fastclf.linear_model import LinearModel
from fastclf.runs.parts import Part

Metrics = dict[str, float]


def evaluate(model: LinearModel, part: Part) -> Metrics:
    """Return the metrics of a model on some rows, for distributions by the most probable class."""
    if part.is_soft:
        p = model.predict_proba(part.X)
        return score(part.y.argmax(axis=1), p.argmax(axis=1), p, np.arange(p.shape[1]))
    return score(part.y, model.predict(part.X), model.predict_proba(part.X), model.classes)


def score(
    y: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, classes: np.ndarray
) -> Metrics:
    """Return the metrics of predictions against the truth.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, L)
        Labels, or 0/1 indicators of L labels.
    predicted : ndarray of the shape of y
        Predicted labels or indicators.
    probabilities : ndarray of shape (n, K) or (n, L)
        Predicted probabilities.
    classes : ndarray of shape (K,) or (L,)
        What the columns of ``probabilities`` stand for.

    Returns
    -------
    dict of str to float
        "accuracy", "log_loss" and "macro_f1" for single labels; "subset_accuracy",
        "hamming_loss", "micro_f1" and "macro_f1" for several labels a row.
    """
    # zero_division: a class that is neither there nor predicted scores 0 without a warning
    macro_f1 = float(metrics.f1_score(y, predicted, average="macro", zero_division=0))
    if y.ndim == 2:
        return {
            "subset_accuracy": float(metrics.accuracy_score(y, predicted)),
            "hamming_loss": float(metrics.hamming_loss(y, predicted)),
            "micro_f1": float(metrics.f1_score(y, predicted, average="micro", zero_division=0)),
            "macro_f1": macro_f1,
        }
    return {
        "accuracy": float(metrics.accuracy_score(y, predicted)),
        "log_loss": float(metrics.log_loss(y, probabilities, labels=classes)),
        "macro_f1": macro_f1,
    }

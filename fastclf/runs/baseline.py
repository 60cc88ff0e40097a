"""The baseline of a model: the metrics of predictions that ignore the features.

The baseline predicts the most frequent class of the training rows for every row, with the class
frequencies of the training rows as probabilities. For several labels per row it predicts each label
that more than half of the training rows have. These are the strategy "prior" of scikit-learn's
`DummyClassifier`, and its counterpart for labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastclf.linear_model import LinearModel
from fastclf.runs.evaluation import Evaluation, Metrics, codes_of, others_than


def class_frequencies(y: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return the share of the rows that belong to each class or have each label, shape (K,).

    Parameters
    ----------
    y : ndarray of shape (n,), (n, K) or (n, L)
        The targets of the training rows: labels, distributions, or indicators (NaN where unknown).
    names : sequence of str of length K or L
        The names of the classes or labels.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.runs.baseline import class_frequencies
    >>> class_frequencies(np.array(["no", "yes", "no", "no"]), ["no", "yes"]).tolist()
    [0.75, 0.25]
    """
    if y.ndim == 1:
        counts = np.bincount(codes_of(y, list(names)), minlength=len(names))
        return counts / len(y)
    known = np.maximum((~np.isnan(y)).sum(axis=0), 1)
    return np.nansum(y, axis=0, dtype=np.float64) / known


def baseline_metrics(
    y: np.ndarray, frequencies: np.ndarray, names: Sequence[str], *, several_labels: bool
) -> Metrics:
    """Return the metrics of the baseline on some rows.

    Parameters
    ----------
    y : ndarray of shape (n,), (n, K) or (n, L)
        The targets of the rows.
    frequencies : ndarray of shape (K,) or (L,)
        The class frequencies of the training rows.
    names : sequence of str of length K or L
        The names of the classes or labels.
    several_labels : bool
        Whether the rows have several labels.

    Returns
    -------
    dict of str to float
        For labels "accuracy", and "log_loss" if the model has all their classes; for distributions
        "accuracy" and "cross_entropy"; for several labels per row "subset_accuracy",
        "hamming_loss" and "log_loss". Empty if there are no rows.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.runs.baseline import baseline_metrics
    >>> y = np.array(["no", "yes", "no", "yes"])
    >>> found = baseline_metrics(y, np.array([0.75, 0.25]), ["no", "yes"], several_labels=False)
    >>> found["accuracy"], round(found["log_loss"], 3)
    (0.5, 0.837)
    """
    if len(y) == 0:
        return {}
    eps = np.finfo(np.float64).eps
    p = np.clip(frequencies, eps, 1 - eps)  # finite, as in the metrics of a model
    if several_labels:
        known = ~np.isnan(y)
        if not known.any():
            return {}
        wrong = ((y > 0.5) != (frequencies > 0.5)) & known
        losses = -np.where(known, y * np.log(p) + (1 - y) * np.log1p(-p), 0)
        return {
            "subset_accuracy": float(np.mean(~wrong.any(axis=1)[known.any(axis=1)])),
            "hamming_loss": float(wrong.sum() / known.sum()),
            "log_loss": float(losses.sum() / known.sum()),
        }
    most = int(np.argmax(frequencies))
    if y.ndim == 2:
        accuracy = float(np.mean(y.argmax(axis=1) == most))
        return {"accuracy": accuracy, "cross_entropy": float(-np.mean(y @ np.log(p)))}
    codes = codes_of(y, [*names, *others_than(list(names), y)])
    found = {"accuracy": float(np.mean(codes == most))}
    if codes.max() < len(names):
        found["log_loss"] = float(-np.mean(np.log(p)[codes]))
    return found


def with_baseline(
    found: Evaluation, model: LinearModel, y: np.ndarray, frequencies: np.ndarray
) -> Evaluation:
    """Return the evaluation of a model on rows with targets ``y``, with the baseline's metrics."""
    several_labels = model.task == "multilabel"
    figures = baseline_metrics(y, frequencies, names_of(model), several_labels=several_labels)
    return replace(found, baseline=figures)


def baseline_facts(
    model: LinearModel, frequencies: np.ndarray, found: Mapping[str, Evaluation]
) -> dict[str, Any]:
    """Return the value of "baseline" in ``summary.json``.

    "predicts" is the predicted class, or the list of the predicted labels; "frequencies" are those
    of the training rows, in the order of the key "classes"; "metrics" are by part of the data.
    """
    return {
        "predicts": predicted_by_baseline(names_of(model), frequencies, model.task == "multilabel"),
        "frequencies": frequencies.tolist(),
        "metrics": {name: one.baseline for name, one in found.items()},
    }


def predicted_by_baseline(
    names: Sequence[str], frequencies: np.ndarray, several_labels: bool
) -> str | list[str]:
    """Return the name of the class that the baseline predicts, or the names of its labels."""
    if several_labels:
        return [name for name, f in zip(names, frequencies, strict=True) if f > 0.5]
    return names[int(np.argmax(frequencies))]


def names_of(model: LinearModel) -> list[str]:
    """Return the names of a model's classes or labels."""
    return [str(name) for name in model.classes.tolist()]

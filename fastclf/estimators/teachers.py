"""Logits of any fitted classifier, and logits for rows that it wasn't fitted to.

A ``decision_function`` is taken for logits where its softmax is what ``predict_proba`` returns, or
where there is no ``predict_proba``: for an SVC with ``probability=False`` the probabilities are the
softmax of its margins. Elsewhere, as in an SVC with ``probability=True`` or a one-vs-rest
classifier, the logits are the logarithms of the probabilities.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import has_fit_parameter

from fastclf.errors import InputError
from fastclf.estimators.encoding import Distributions, Labels
from fastclf.functional import softmax

_AGREEMENT = 1e-3
"""Largest difference of probabilities from the softmax of the logits that they were made from."""


def logits_of(classifier: Any, X: Any, bounded: bool = False) -> np.ndarray:
    """Return a fitted classifier's logits (n, K).

    The logarithm of a probability of 0 is -inf. If ``bounded``, probabilities are at least the
    spacing of floats at 1, as in scikit-learn's calibration: a 0 of a forest or of neighbours only
    means that few were asked.
    """
    name = type(classifier).__name__
    if not hasattr(classifier, "classes_"):
        raise InputError(f"{name} must be a fitted classifier, but has no classes_")
    K = len(classifier.classes_)
    logits: np.ndarray | None = None
    if hasattr(classifier, "decision_function"):
        logits = two_columns(np.asarray(classifier.decision_function(X)))
    if not hasattr(classifier, "predict_proba"):
        if logits is None:
            raise InputError(f"{name} has neither decision_function nor predict_proba")
        if logits.shape[1] != K:
            raise InputError(
                f"the decision_function of {name} has {logits.shape[1]} columns for {K} classes; "
                "set decision_function_shape='ovr', or use a classifier with predict_proba"
            )
        return logits
    p = np.asarray(classifier.predict_proba(X))
    if p.ndim != 2 or p.shape[1] != K:
        raise InputError(f"the predict_proba of {name} has shape {p.shape} for {K} classes")
    if logits is not None and logits.shape == p.shape and np.isfinite(logits).all():
        if np.abs(softmax(logits) - p).max(initial=0) <= _AGREEMENT:
            return logits
    if bounded:
        p = np.maximum(p, np.finfo(p.dtype if p.dtype.kind == "f" else np.float64).eps)
    with np.errstate(divide="ignore"):
        return np.log(p)


def two_columns(logits: np.ndarray) -> np.ndarray:
    """Return logits (n,) or (n, 1) of the second of two classes as (0, z), others as they are."""
    if logits.ndim == 1 or (logits.ndim == 2 and logits.shape[1] == 1):
        second = logits.reshape(-1)
        return np.stack([np.zeros_like(second), second], axis=1)
    return logits


def check_finite(logits: np.ndarray, sentence: str) -> np.ndarray:
    """Return logits (n, K), or refuse them in a sentence that ends with the row of the first."""
    wrong = ~np.isfinite(logits)
    if wrong.any():
        row = int(wrong.any(axis=1).argmax())
        raise InputError(f"{sentence} row {row} holds NaN or infinity")
    return logits


def aligned(logits: np.ndarray, known: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return columns of the classes ``known`` (K,) in the order of ``classes``, the same ones."""
    if np.array_equal(known, classes):
        return logits
    missing = sorted(set(classes.tolist()) ^ set(known.tolist()), key=str)
    if missing:
        raise InputError(
            f"the teacher's classes {known.tolist()} are not those of y {classes.tolist()}; "
            f"they differ in {missing}"
        )
    return logits[:, [known.tolist().index(name) for name in classes.tolist()]]


def fitted(classifier: Any, X: Any, y: Any, sample_weight: np.ndarray | None) -> Any:
    """Fit a classifier, with weights if it takes them."""
    if sample_weight is not None and has_fit_parameter(classifier, "sample_weight"):
        return classifier.fit(X, y, sample_weight=sample_weight)
    return classifier.fit(X, y)


def cross_fitted(
    classifier: Any,
    X: Any,
    encoded: Labels | Distributions,
    sample_weight: np.ndarray | None,
    cv: Any,
    ask: Callable[[Any, Any], np.ndarray],
) -> np.ndarray:
    """Return the logits (n, K) of clones of a classifier, for rows that they weren't fitted to.

    ``ask`` maps a fitted classifier and rows to an array (m, K), in the order of its own classes.
    Each row must be held out once, and the training rows of each fold must have all classes.
    """
    classes, codes = encoded.classes, encoded.codes
    n = len(codes)
    X, y = indexable(X, encoded.y)
    held_out = np.zeros(n, np.intp)
    answers: np.ndarray | None = None
    folds = check_cv(cv, codes, classifier=True).split(np.empty((n, 1)), codes)
    for f, (train, test) in enumerate(folds):
        own = None if sample_weight is None else sample_weight[train]
        rows = np.arange(n)[train]
        part = fitted(clone(classifier), _safe_indexing(X, rows), _safe_indexing(y, rows), own)
        lacking = sorted(set(classes.tolist()) - set(part.classes_.tolist()), key=str)
        if lacking:
            raise InputError(
                f"fold {f} of cv has no training rows of {lacking}: use fewer folds, or leave out "
                "classes with so few rows"
            )
        test = np.arange(n)[test]
        logits = aligned(ask(part, _safe_indexing(X, test)), part.classes_, classes)
        if answers is None:
            answers = np.zeros((n, *logits.shape[1:]), logits.dtype)
        answers[test] = logits
        held_out[test] += 1
    if answers is None or (held_out != 1).any():
        row = int((held_out != 1).argmax())
        raise InputError(
            f"cv must hold out each row once, and row {row} is held out {held_out[row]} times"
        )
    return answers

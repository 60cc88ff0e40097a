"""Several labels per row: their encoding, targets and weights, their thresholds and their score."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils.multiclass import type_of_target

from fastclf.errors import InputError, nearest
from fastclf.estimators import encoding
from fastclf.estimators.encoding import Labels
from fastclf.estimators.prediction import theta_of
from fastclf.estimators.problem import Problem
from fastclf.estimators.validation import check_rows
from fastclf.linear_model import Task
from fastclf.losses import Sigmoid
from fastclf.table import listed
from fastclf.targets import Target, weighted_sums

_LARGEST = 1e30
"""Largest weight of a positive class: sums of losses must be finite in float32, too."""

Scores = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


class LabelPredictions:
    """Mixin of linear predictors that decide several labels by thresholds, or a single one."""

    _saved_as = "MultiLabelLogisticRegression"
    classes_: np.ndarray
    coef_: Any
    threshold: Any
    pos_weight: Any
    label_smoothing: float

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the estimator can do."""
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        return tags

    @property
    def _one_label(self) -> bool:
        # After a fit to a 1-D y of two classes there is one column of coefficients.
        return len(self.classes_) == 2 and np.shape(self.coef_)[0] == 1

    def _task(self) -> Task:
        return "binary" if self._one_label else "multilabel"

    def _threshold(self) -> np.ndarray:
        # If coefficients were set by hand, there is no fitted threshold, and the parameter counts.
        known = getattr(self, "threshold_", None)
        if known is not None:
            return known
        return self._given_threshold(theta_of(self).shape[1])

    def _given_threshold(self, L: int) -> np.ndarray:
        # The threshold of each label (L,) that the parameter means.
        values = _one_for_each(self.threshold, self._names(L), "threshold", 0.5)
        if (values > 1).any():
            raise InputError(f"threshold must be in [0, 1], got {self.threshold!r}")
        return values

    def _problem(self, values: np.ndarray, weights: np.ndarray) -> Problem:
        names = self._names(values.shape[1])
        return problem_of_labels(values, weights, self.label_smoothing, self.pos_weight, names)

    def _names(self, L: int) -> list[Any]:
        # Of the two classes of a single label the second one names it.
        return self.classes_.tolist()[-L:]


def encode_labels(
    X: Any, y: Any, classes: np.ndarray | None = None, one_label: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return indicators (n, L) of the labels of the rows of X, and the labels' names.

    A single label is named by its two classes. If ``classes``, those of a fitted estimator, are
    given, y must have the same labels; ``one_label`` means that they are the two classes of a
    single label.
    """
    check_rows(X, y)
    if scipy.sparse.issparse(y) and y.shape[1] == 1:
        y = y.toarray().ravel()
    shape = encoding.shape_of(y)
    if len(shape) == 2 and shape[1] != 1:
        values, names = encoding.indicators(y)
        L = len(names) if classes is None else 1 if one_label else len(classes)
        if len(names) != L:
            raise InputError(f"y has {len(names)} labels, but the estimator was fitted to {L}")
        if classes is not None:
            encoding.check_names(encoding.column_names(y), classes)
        return values, names
    labels = encoding.encode(y, classes)
    assert isinstance(labels, Labels)  # y has a single column
    if len(labels.classes) > 2:
        raise InputError(
            "Only binary classification is supported for a 1-D y. The type of the target is "
            f"{type_of_target(y)}; use LogisticRegression, or give indicators of shape (n, L)"
        )
    if len(labels.classes) < 2:
        raise InputError(
            f"a 1-D y needs two classes, but it holds only one class: "
            f"{labels.classes.tolist()[0]!r}"
        )
    return labels.codes[:, None].astype(np.float64), labels.classes


def problem_of_labels(
    values: np.ndarray, weights: np.ndarray, label_smoothing: float, pos_weight: Any, names: Any
) -> Problem:
    """Return the problem of indicators (n, L), NaN where nothing is known.

    Weights are (n,) or (n, L); ``pos_weight`` is the parameter, and ``names`` are those of the L
    labels.
    """
    weights, values = _of_labels(weights, values)
    positive, total = weighted_sums(weights, values), weights.sum(axis=1)
    loss = Sigmoid(_pos_weights(pos_weight, positive, total, names))
    eps = float(label_smoothing)
    soft = values if eps == 0 else (1 - eps) * values + eps / 2
    return Problem(Target(weights, soft=soft), loss, values.shape[1])


def _pos_weights(
    pos_weight: Any, positive: np.ndarray, total: np.ndarray, names: list[Any]
) -> np.ndarray | None:
    if pos_weight is None:
        return None
    if isinstance(pos_weight, str):
        if pos_weight != "balanced":
            raise InputError(
                "pos_weight must be a number, an array of shape (L,), 'balanced' or None; "
                f"got {pos_weight!r}"
            )
        both = (positive > 0) & (positive < total)
        return np.where(both, (total - positive) / np.where(both, positive, 1), 1.0)
    weights = _one_for_each(pos_weight, names, "pos_weight", 1.0)
    if (weights > _LARGEST).any():
        raise InputError(f"pos_weight must be at most {_LARGEST:g}, got {weights.max():g}")
    return weights


def subset_accuracy(values: np.ndarray, predicted: np.ndarray, sample_weight: Any) -> float:
    """Return the fraction of rows in which all known labels are predicted correctly.

    A target (n, L) above one half counts as a label; NaN is unknown. Rows without a known label
    don't count, and there must be others.
    """
    known = ~np.isnan(values)
    some = known.any(axis=1)
    if not some.any():
        raise InputError("y holds no known label, so there is nothing to score")
    right = (((values > 0.5) == predicted) | ~known).all(axis=1)
    weights = None if sample_weight is None else np.asarray(sample_weight)[some]
    return float(np.average(right[some], weights=weights))


def _of_labels(weights: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # The weights of a Target, (1, n), or (L, n) where labels of a row differ; and its values
    # (n, L), of which NaN becomes 0 with no weight.
    unknown = np.isnan(values)
    if not unknown.any():
        return np.ascontiguousarray(weights.T) if weights.ndim == 2 else weights[None, :], values
    rows = weights if weights.ndim == 2 else weights[:, None]
    return np.ascontiguousarray((rows * ~unknown).T), np.where(unknown, 0, values)


def _one_for_each(value: Any, labels: list[Any], name: str, default: float) -> np.ndarray:
    # A number for each label, from a number, an array, or a dict by the names of labels.
    L = len(labels)
    if isinstance(value, dict):
        unknown = [label for label in value if label not in labels]
        if unknown:
            shown = [str(label) for label in labels]
            raise InputError(
                f"{name} has a number for {unknown[0]!r}, which isn't a label"
                f"{nearest(str(unknown[0]), shown)}; the labels are {listed(shown)}"
            )
        value = [value.get(label, default) for label in labels]
    try:
        values = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"{name} must be a number, an array of shape ({L},) or a dict by label, got {value!r}"
        ) from None
    if values.ndim not in (0, 1) or (values.ndim == 1 and values.size != L):
        raise InputError(
            f"{name} must be a number or have shape ({L},), one for each label, got {values.shape}"
        )
    if not (values >= 0).all() or not np.isfinite(values).all():
        raise InputError(f"{name} must not be negative or infinite, got {value!r}")
    return np.broadcast_to(values, (L,)).copy()


def best_thresholds(
    p: np.ndarray, y: np.ndarray, default: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the threshold of each label (L,) with the highest F1 score.

    Thresholds lie in the middle between two of the probabilities ``p`` (n, L). Of equal scores the
    one nearest to the default (L,) is taken, and the default where no row has the label. Targets
    ``y`` (n, L) count as present above one half; NaN is unknown.

    >>> import numpy as np
    >>> from fastclf.estimators.labels import best_thresholds
    >>> p = np.array([[0.1], [0.2], [0.3], [0.9]])
    >>> best_thresholds(p, np.array([[0], [0], [1], [1]]), np.array([0.5]))
    array([0.25])
    """
    found = default.astype(np.float64)
    for k in range(p.shape[1]):
        known = ~np.isnan(y[:, k])
        own = np.ones(known.sum()) if weights is None else weights[known]
        on = y[known, k] > 0.5
        if (own * on).any():
            found[k] = best_threshold(p[known, k], on, own, default[k])
    return found


def f1_scores(right: np.ndarray, chosen: np.ndarray, true: float) -> np.ndarray:
    """Return the F1 score at each threshold, for `best_threshold`."""
    return 2 * right / (chosen + true)


def best_threshold(
    p: np.ndarray, on: np.ndarray, weights: np.ndarray, default: float, scores: Scores = f1_scores
) -> float:
    """Return the threshold of a label with the highest score, by the rules of `best_thresholds`.

    Parameters
    ----------
    p : ndarray of shape (n,)
        Probabilities.
    on : ndarray of bool of shape (n,)
        Which rows have the label: at least one with a positive weight.
    weights : ndarray of shape (n,)
    default : float
    scores : callable
        ``scores(right, chosen, true)`` returns the score at each of some thresholds, from the
        weight of the rows above it, ``chosen``, and of those among them with the label, ``right``,
        both (m,). ``true`` is the weight of all rows with the label.
    """
    p = p.astype(np.float64)
    values, place = np.unique(p, return_inverse=True)
    right = np.bincount(place, weights * on)
    chosen = np.bincount(place, weights)
    # Sums over the rows that are predicted, for thresholds below all values, between neighbouring
    # ones, and above all.
    right, chosen = (np.append(np.cumsum(part[::-1])[::-1], 0) for part in (right, chosen))
    score = scores(right, chosen, right[0])
    middle = np.concatenate([[values[0] / 2], (values[1:] + values[:-1]) / 2, [1.0]])
    # The middle of two neighbouring floats may round to the upper one, which p > threshold would
    # then leave out.
    middle[1:-1] = np.where(middle[1:-1] < values[1:], middle[1:-1], values[:-1])
    best = np.flatnonzero(score >= score.max() - 1e-12 * abs(score.max()))
    # Any threshold between two values predicts the same, so the default itself may be a best one.
    place_of_default = int(np.searchsorted(values, default, side="right"))
    if place_of_default in best:
        return float(default)
    return float(middle[best[np.abs(middle[best] - default).argmin()]])

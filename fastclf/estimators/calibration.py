"""Calibration: a temperature with which predicted probabilities match observed frequencies."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from fastclf.errors import InputError
from fastclf.estimators import encoding, validation
from fastclf.estimators.labels import LabelPredictions, subset_accuracy
from fastclf.estimators.prediction import Predictions
from fastclf.estimators.teachers import check_finite, cross_fitted, fitted, logits_of, two_columns
from fastclf.estimators.temperature import best_temperature, labels_temperature, or_one
from fastclf.linear_model import LinearModel

_Told = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Logits, their targets, and weights of the rows."""

_OF_ESTIMATOR = "the estimator's logits must be finite, but"


def _has_linear_model(scaler: Any) -> bool:
    return hasattr(getattr(scaler, "estimator_", scaler.estimator), "linear_model")


class TemperatureScaler(Predictions, ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Divides logits by the temperature with which probabilities match observed frequencies.

    One number is fitted, to the cross-entropy, so predicted classes stay as they are (Guo et al.,
    *On calibration of modern neural networks*, ICML 2017). Two classes have logits (0, z):
    scikit-learn's ``CalibratedClassifierCV(method="temperature")`` takes (-z, z), so its
    temperature is twice this one.

    Parameters
    ----------
    estimator : classifier, optional
        A fitted classifier, to be calibrated on rows that it wasn't fitted to; one of several
        labels has one temperature for all of them. A classifier that isn't fitted is fitted to
        all rows, and the temperature to the predictions of clones for rows that `cv` held out from
        them. Logits are its decision_function where the softmax of that is its predict_proba, else
        logarithms of probabilities. None: `fit` and the predictions take logits in place of X.
    cv : int, splitter, iterable of splits, or None
        As for scikit-learn; for a classifier that isn't fitted.

    Attributes
    ----------
    temperature_ : float
        T > 0; 1, with a warning, where none is the best.
    classes_ : ndarray of shape (K,)
    estimator_ : classifier
        The fitted one; None for logits.
    n_features_in_, feature_names_in_
        Those of the classifier, or the number of columns of the logits.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from fastclf import LogisticRegression, TemperatureScaler
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = LogisticRegression(C=100.0).fit(X[:900], y[:900])
    >>> scaler = TemperatureScaler(clf).fit(X[900:1300], y[900:1300])
    >>> bool(scaler.temperature_ > 1)  # the classifier was overconfident
    True
    """

    estimator_: Any

    def __init__(self, estimator: Any = None, *, cv: Any = None) -> None:
        self.estimator = estimator
        self.cv = cv

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the estimator can do."""
        tags = super().__sklearn_tags__()
        if self.estimator is not None:
            own = get_tags(self.estimator)
            tags.input_tags.sparse = own.input_tags.sparse
            tags.classifier_tags.multi_class = own.classifier_tags.multi_class
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "TemperatureScaler":
        """Fit the temperature, and return the estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
            Rows for the estimator; without one logits of shape (n, K), or (n,) for the second of
            two classes.
        y : array-like of shape (n,) or (n, K)
            Labels or distributions. Without an estimator labels may be the numbers 0 to K - 1, of
            which some may be lacking.
        sample_weight : array-like of shape (n,), optional

        Raises
        ------
        ValueError
            If y holds a class that the logits have no column for, or logits aren't finite.
        """
        validation.refuse_stream(
            X,
            "TemperatureScaler takes no stream, because a few thousand rows are enough for one "
            "temperature",
            "give arrays of rows that the classifier wasn't fitted to",
        )
        if y is None:
            raise InputError("requires y to be passed, but the target y is None")
        if self.cv is not None and (self.estimator is None or _is_fitted(self.estimator)):
            what = "the input is logits" if self.estimator is None else "this one is fitted"
            raise InputError(
                f"cv={self.cv!r} is for an unfitted classifier, but {what}; leave out cv, or "
                "give sklearn.base.clone(estimator)"
            )
        self._labels = _has_labels(self.estimator)
        if self._labels:
            told = self._ask_for_labels(X, y, sample_weight)
        else:
            X, y, sample_weight = _that_count(self.estimator, X, y, sample_weight)
            known = self.estimator is None or _is_fitted(self.estimator)
            told = (self._ask if known else self._fit_and_ask)(X, y, sample_weight)
        temperature = (labels_temperature if self._labels else best_temperature)(*told)
        self.temperature_: float = or_one(temperature)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        return self

    def _ask(self, X: Any, y: Any, sample_weight: Any) -> _Told:
        # For a fitted classifier, or for logits in place of X.
        logits = _logits(self.estimator, X)
        validation.check_rows(logits, y)
        if self.estimator is None:
            classes = _classes_of(y, logits.shape[1])
            self.n_features_in_ = logits.shape[1]
        else:
            classes = self.estimator.classes_
        encoded = encoding.encode(y, classes)
        self.estimator_, self.classes_ = self.estimator, encoded.classes
        return logits, encoded.p, validation.weights_if_any(sample_weight, logits)

    def _fit_and_ask(self, X: Any, y: Any, sample_weight: Any) -> _Told:
        # The logits are those of clones of the classifier, for rows that they weren't fitted to.
        validation.check_rows(X, y)
        encoded = encoding.encode(y)
        validation.check_two_classes(encoded.classes, type(self).__name__)
        weights = validation.weights_if_any(sample_weight, X)
        self.estimator_ = fitted(clone(self.estimator), X, encoded.y, weights)
        self.classes_ = self.estimator_.classes_
        ask = partial(logits_of, bounded=True)
        logits = cross_fitted(self.estimator, X, encoded, weights, self.cv, ask)
        check_finite(logits, _OF_ESTIMATOR)
        return logits, encoded.p, weights

    def _ask_for_labels(self, X: Any, y: Any, sample_weight: Any) -> _Told:
        if not _is_fitted(self.estimator):
            raise InputError(
                f"{type(_inner(self.estimator)).__name__} must be fitted before it is calibrated, "
                "on other rows"
            )
        self.estimator_ = self.estimator
        if len(encoding.shape_of(y)) == 1:
            values = encoding.encode(y, self.estimator.classes_).codes[:, None]
        else:
            values = encoding.indicators(y)[0]
        logits = self.estimator.decision_function(X)
        logits = logits.reshape(len(logits), -1)
        if values.shape != logits.shape:
            raise InputError(f"y must have shape {logits.shape}, got {values.shape}")
        self.classes_ = self.estimator.classes_
        return logits, values, validation.weights_if_any(sample_weight, logits)

    def _scored(self, X: Any) -> tuple[LinearModel, np.ndarray]:
        check_is_fitted(self)
        if self._labels:
            logits = self.estimator_.decision_function(X) / self.temperature_
            return self.linear_model(), logits
        logits, K = _logits(self.estimator_, X), len(self.classes_)
        if logits.shape[1] != K:
            raise InputError(
                f"X has {logits.shape[1]} columns of logits, but there are {K} classes"
            )
        logits, two = logits / self.temperature_, K == 2
        model = LinearModel(np.empty((1, 0)), "binary" if two else "multiclass", self.classes_)
        return model, logits[:, 1] - logits[:, 0] if two else logits

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy, as the classifiers of fastclf do.

        Of distributions y the most probable class counts; of several labels the share of rows whose
        labels are all right, as far as they are known; what the classifier ignores doesn't count.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d), or logits
        y : array-like of shape (n,), (n, K) or (n, L)
        sample_weight : array-like of shape (n,), optional
        """
        check_is_fitted(self)
        if self._labels and len(encoding.shape_of(y)) == 2:
            values, predicted = encoding.indicators(y)[0], self.predict(X)
            if values.shape != predicted.shape:
                raise InputError(f"y must have shape {predicted.shape}, got {values.shape}")
            return subset_accuracy(values, predicted, sample_weight)
        X, y, sample_weight = _that_count(self.estimator_, X, y, sample_weight)
        return super().score(X, encoding.most_probable(y, self.classes_), sample_weight)

    @available_if(_has_linear_model)
    def linear_model(self) -> LinearModel:
        """Return the calibrated linear model as plain data; there for fastclf's classifiers."""
        check_is_fitted(self)
        model = _inner(self.estimator_).linear_model()
        return replace(model, temperature=model.temperature * self.temperature_)

    save = available_if(_has_linear_model)(Predictions.save)
    to_sklearn = available_if(_has_linear_model)(Predictions.to_sklearn)

    def _asked(self) -> Any:
        inner = _inner(self.estimator_)
        return getattr(inner, "student_", inner)


def _logits(estimator: Any, X: Any) -> np.ndarray:
    if estimator is not None:
        return check_finite(logits_of(estimator, X, bounded=True), _OF_ESTIMATOR)
    logits = two_columns(
        check_array(X, ensure_2d=False, dtype=[np.float64, np.float32], ensure_all_finite=False)
    )
    if logits.ndim != 2:
        raise InputError(f"logits must have shape (n, K) or (n,), got {logits.shape}")
    return check_finite(logits, "logits must be finite, but")


def _inner(estimator: Any) -> Any:
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator


def _has_labels(estimator: Any) -> bool:
    # Other classifiers don't show whether two columns are labels or classes.
    return isinstance(_inner(estimator), LabelPredictions)


def _that_count(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Any, ...]:
    # The rows whose label the classifier doesn't ignore.
    inner = _inner(estimator)
    ignore = getattr(getattr(inner, "student_", inner), "ignore_index", None)
    return encoding.of_rows(encoding.rows_that_count(y, ignore), X, y, sample_weight)


def _is_fitted(estimator: Any) -> bool:
    return hasattr(estimator, "classes_")


def _classes_of(y: Any, K: int) -> np.ndarray | None:
    # All labels in y if there are K of them; else 0 to K - 1, if y holds such integers.
    values = encoding.plain(y)
    if values.ndim == 2 and values.shape[1] > 1:
        return None
    found = np.unique(values)
    if len(found) == K:
        return found
    if found.dtype.kind in "iu" and found.min() >= 0 and found.max() < K:
        return np.arange(K)
    raise InputError(
        f"y has {len(found)} classes, but the logits have {K} columns; give a column for each "
        "class, or labels from 0 to K - 1"
    )

"""Multi-label classification: one sigmoid a label, all labels fitted over the same passes."""

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import type_of_target

from fastclf.errors import InputError
from fastclf.estimators.base import LinearClassifier
from fastclf.estimators.encoding import Labels, check_names, column_names, encode, indicators
from fastclf.estimators.problem import Problem
from fastclf.estimators.validation import (
    check_rows,
    validate_features,
    validate_sample_weight,
)
from fastclf.linear_model import Task
from fastclf.losses import Sigmoid
from fastclf.targets import Target


class MultiLabelLogisticRegression(ClassifierMixin, LinearClassifier):
    """Independent logistic regressions for L labels, in one fit.

    A row's loss is summed over its labels, so C means what it means in L separate binary fits, and
    the optimum is theirs; but each pass over X serves all labels.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty; infinity for none.
    pos_weight : float, array-like of shape (L,), "balanced" or None
        Weight of the positive class of each label; "balanced" is the weight of the negative rows
        over that of the positive ones.
    threshold : float or array-like of shape (L,)
        A label is predicted where its probability is larger.
    label_smoothing : float
        ε in [0, 1): targets become ``(1 - ε) y + ε / 2``.
    l1_ratio, fit_intercept, solver, tol, max_iter, warm_start, random_state, n_threads, verbose
        As for :class:`fastclf.LogisticRegression`.

    Attributes
    ----------
    classes_ : ndarray of shape (L,)
        The labels: 0 to L - 1, or the names of the columns of a frame. After a fit to a 1-D y, its
        two classes.
    coef_ : ndarray of shape (L, d)
    intercept_ : ndarray of shape (L,)
    threshold_ : ndarray of shape (L,)
    n_iter_, history_, n_features_in_, feature_names_in_
        As for :class:`fastclf.LogisticRegression`.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from fastclf import MultiLabelLogisticRegression
    >>> X, Y = make_multilabel_classification(n_labels=3, random_state=0)
    >>> clf = MultiLabelLogisticRegression().fit(X, Y)
    >>> clf.coef_.shape, clf.predict(X[:2]).shape
    ((5, 20), (2, 5))
    """

    _saved_as = "MultiLabelLogisticRegression"

    def __init__(
        self,
        C: float = 1.0,
        *,
        pos_weight: Any = None,
        threshold: Any = 0.5,
        label_smoothing: float = 0.0,
        l1_ratio: float = 0.0,
        fit_intercept: bool = True,
        solver: Any = "auto",
        tol: float = 1e-4,
        max_iter: int = 100,
        warm_start: bool = False,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.C = C
        self.pos_weight = pos_weight
        self.threshold = threshold
        self.label_smoothing = label_smoothing
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the estimator can do."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
    ) -> "MultiLabelLogisticRegression":
        """Fit to indicators.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like or sparse matrix of shape (n, L)
            Indicators or probabilities in [0, 1]; a 1-D y of two classes is one label.
        sample_weight : array-like of shape (n,), optional
        X_val, y_val : array-like, optional
            Rows to validate on and never to train on; for ``early_stopping`` of a minibatch solver.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X isn't finite, an indicator is outside [0, 1], y has another length, or a parameter
            can't be used.
        """
        self._check_parameters()
        X = validate_features(self, X, reset=True)
        values, self.classes_ = self._encode(X, y)
        self._one_label = values.shape[1] == 1
        weights = validate_sample_weight(sample_weight, X)
        self.threshold_ = self._thresholds(values.shape[1])
        validation = None
        if (X_val is None) != (y_val is None):
            raise InputError("X_val and y_val must be given together")
        if X_val is not None:
            X_val = validate_features(self, X_val, reset=False)
            held_out = self._encode(X_val, y_val, known=True)[0]
            validation = X_val, self._problem(held_out, np.ones(len(held_out)))
        problem = self._problem(values, weights)
        self._fit_problem(X, problem, validation, y=y, sample_weight=sample_weight)
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows whose labels are all right.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n, L) or (n,)
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        float
        """
        return accuracy_score(y, self.predict(X), sample_weight=sample_weight)

    def _task(self) -> Task:
        return "binary" if self._one_label else "multilabel"

    def _encode(self, X: Any, y: Any, known: bool = False) -> tuple[np.ndarray, np.ndarray]:
        check_rows(X, y)
        if scipy.sparse.issparse(y) and y.shape[1] == 1:
            y = y.toarray().ravel()
        shape = y.shape if scipy.sparse.issparse(y) else np.asarray(y).shape
        if len(shape) == 2 and shape[1] != 1:
            values, names = indicators(y)
            if known and len(names) != len(self.classes_):
                raise InputError(f"y_val has {len(names)} labels, y has {len(self.classes_)}")
            if known:
                check_names(column_names(y), self.classes_)
            return values, names
        labels = encode(y, self.classes_ if known else None)
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

    def _problem(self, values: np.ndarray, weights: np.ndarray) -> Problem:
        L = values.shape[1]
        eps = float(self.label_smoothing)
        soft = values if eps == 0 else (1 - eps) * values + eps / 2
        loss = Sigmoid(self._pos_weights(weights @ values, weights.sum(), L))
        return Problem(Target(weights[None, :], soft=soft), loss, L)

    def _pos_weights(self, positive: np.ndarray, total: float, L: int) -> np.ndarray | None:
        if self.pos_weight is None:
            return None
        if isinstance(self.pos_weight, str):
            if self.pos_weight != "balanced":
                raise InputError(
                    "pos_weight must be a number, an array of shape (L,), 'balanced' or None; "
                    f"got {self.pos_weight!r}"
                )
            both = (positive > 0) & (positive < total)
            return np.where(both, (total - positive) / np.where(both, positive, 1), 1.0)
        return _one_for_each(self.pos_weight, L, "pos_weight")

    def _thresholds(self, L: int) -> np.ndarray:
        thresholds = _one_for_each(self.threshold, L, "threshold")
        if (thresholds > 1).any():
            raise InputError(f"threshold must be in [0, 1], got {self.threshold!r}")
        return thresholds


def _one_for_each(value: Any, L: int, name: str) -> np.ndarray:
    values = np.asarray(value, dtype=np.float64)
    if values.ndim not in (0, 1) or (values.ndim == 1 and values.size != L):
        raise InputError(f"{name} must be a number or have shape ({L},), got {values.shape}")
    if not (values >= 0).all() or not np.isfinite(values).all():
        raise InputError(f"{name} must not be negative or infinite, got {value!r}")
    return np.broadcast_to(values, (L,)).copy()

"""Multi-label classification: one sigmoid a label, all labels fitted over the same passes."""

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from fastclf.errors import InputError, nearest
from fastclf.estimators import choice
from fastclf.estimators.base import LinearClassifier
from fastclf.estimators.encoding import (
    Labels,
    check_names,
    column_names,
    encode,
    indicators,
    shape_of,
)
from fastclf.estimators.plain import plain
from fastclf.estimators.problem import Problem
from fastclf.estimators.streams import RowStream, StreamedRows, is_stream, survey
from fastclf.estimators.tallies import IndicatorTally
from fastclf.estimators.thresholds import best_thresholds
from fastclf.estimators.validation import (
    check_alone,
    check_rows,
    label_weights,
    natural_number,
    validate_features,
    validate_sample_weight,
)
from fastclf.linear_model import Task
from fastclf.losses import Sigmoid
from fastclf.table import listed
from fastclf.targets import Target, weighted_sums

_LARGEST = 1e30
"""Weight of a positive class: sums of losses must be finite in float32, too."""


class MultiLabelLogisticRegression(ClassifierMixin, LinearClassifier):
    """Independent logistic regressions for L labels, in one fit.

    A row's loss is summed over its labels, so C means what it means in L separate binary fits, and
    the optimum is theirs; but each pass over X serves all labels.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty; infinity for none.
    pos_weight : float, array-like of shape (L,), dict, "balanced" or None
        Weight of the positive class of each label; "balanced" is the weight of the negative rows
        over that of the positive ones. In a dict by label those that aren't named have 1.
    threshold : float, array-like of shape (L,) or dict
        A label is predicted where its probability is larger; see :meth:`tune_thresholds`. In a
        dict by label those that aren't named have 0.5.
    label_smoothing : float
        ε in [0, 1): targets become ``(1 - ε) y + ε / 2``.
    top_k : int, optional
        Predict the k most probable labels of each row, whatever the threshold.
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
        As for :class:`fastclf.LogisticRegression`. Labels in blocks take several iterations an
        entry of the history, which names the one that all labels have reached.

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
    _one_label = False

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
        top_k: int | None = None,
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
        self.top_k = top_k

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
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
    ) -> "MultiLabelLogisticRegression":
        """Fit to indicators.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d), or a stream
            A stream, such as `fastclf.data.Stream`, has y and weights with it.
        y : array-like or sparse matrix of shape (n, L)
            Indicators or probabilities in [0, 1]; a 1-D y of two classes is one label. NaN is a
            label of which nothing is known: it counts neither in the loss nor in the C of that
            label, whose fit is that of the other rows alone.
        sample_weight : array-like of shape (n,) or (n, L), optional
            Weights of rows, or of each label in each row.
        X_val, y_val : array-like, optional
            Rows to validate on and never to train on; for ``early_stopping`` of a minibatch solver.
            Other solvers only write their loss to ``history_["validation_loss"]``, and a warning
            says so.

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
        if is_stream(X):
            check_alone(y, sample_weight)
            X, problem = self._survey(X)
        else:
            X = validate_features(self, X, reset=True)
            values, self.classes_ = self._encode(X, y)
            self._one_label = values.shape[1] == 1
            problem = self._problem(values, label_weights(sample_weight, X, values.shape[1]))
        self.threshold_ = self._thresholds(problem.n_columns)
        validation = None
        if (X_val is None) != (y_val is None):
            raise InputError("X_val and y_val must be given together")
        if X_val is not None:
            X_val = validate_features(self, X_val, reset=False)
            held_out = self._encode(X_val, y_val, known=True)[0]
            validation = X_val, self._problem(held_out, np.ones(len(held_out)))
            choice.warn_of_no_use(self.solver, stacklevel=2)
        self._check_top_k(problem.n_columns)
        self._fit_problem(X, problem, validation, y=y, sample_weight=sample_weight)
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows whose labels are all right, as far as they are known.

        A probability counts as a label above one half; a row of which nothing is known doesn't.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n, L) or (n,)
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If y has another shape, or no label is known.
        """
        predicted = self.predict(X)
        if self._one_label:
            return accuracy_score(plain(y), predicted, sample_weight=sample_weight)
        return subset_accuracy(self._encode(predicted, y, known=True)[0], predicted, sample_weight)

    def tune_thresholds(
        self, X_val: Any, y_val: Any, metric: str = "f1", sample_weight: Any = None
    ) -> "MultiLabelLogisticRegression":
        """Set ``threshold_`` to what scores best on rows that the fit hasn't seen.

        Parameters
        ----------
        X_val : array-like or sparse matrix of shape (n, d)
        y_val : array-like or sparse matrix of shape (n, L)
            Labels that aren't known are NaN. The threshold of a label that no row has stays.
        metric : {"f1"}
            The F1 score of each label.
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If y has another shape, or there is no such metric, or ``top_k`` is set.

        Examples
        --------
        >>> from sklearn.datasets import make_multilabel_classification
        >>> from fastclf import MultiLabelLogisticRegression
        >>> X, Y = make_multilabel_classification(n_samples=200, random_state=0)
        >>> clf = MultiLabelLogisticRegression().fit(X[:100], Y[:100])
        >>> clf.tune_thresholds(X[100:], Y[100:]).threshold_.shape
        (5,)
        """
        check_is_fitted(self)
        if metric != "f1":
            raise InputError(f"metric must be 'f1', got {metric!r}")
        if self.top_k is not None:
            raise InputError(f"top_k={self.top_k} decides without thresholds; set it to None")
        X_val = validate_features(self, X_val, reset=False)
        values, _ = self._encode(X_val, y_val, known=True)
        weights = None
        if sample_weight is not None:
            weights = validate_sample_weight(sample_weight, X_val)
        p = self.predict_proba(X_val)
        p = p[:, 1:] if self._one_label else p
        self.threshold_ = best_thresholds(p, values, self.threshold_, weights)
        return self

    def _survey(self, stream: RowStream) -> tuple[StreamedRows, Problem]:
        # The rows, and a problem of few rows whose sums of weights are theirs.
        if not stream.several_targets:
            raise InputError(
                "several labels need several target columns in a stream; for one use "
                "LogisticRegression"
            )
        tally = IndicatorTally()
        found = survey(stream, tally)
        values, mass = tally.encoded()
        names = stream.target_names
        self.classes_ = np.arange(values.shape[1]) if names is None else np.asarray(names)
        problem = self._problem(values, mass)
        loss, L = problem.loss, problem.n_columns

        def encoded_problem(y: np.ndarray, weights: np.ndarray) -> Problem:
            return Problem(self._target(*reversed(of_labels(weights, indicators(y)[0]))), loss, L)

        self._one_label = False
        self._takes_stream(stream, found.n_features)
        return StreamedRows(stream, found, encoded_problem), problem

    def _task(self) -> Task:
        return "binary" if self._one_label else "multilabel"

    def _encode(self, X: Any, y: Any, known: bool = False) -> tuple[np.ndarray, np.ndarray]:
        check_rows(X, y)
        if scipy.sparse.issparse(y) and y.shape[1] == 1:
            y = y.toarray().ravel()
        shape = shape_of(y)
        if len(shape) == 2 and shape[1] != 1:
            values, names = indicators(y)
            if known and (self._one_label or len(names) != len(self.classes_)):
                L = 1 if self._one_label else len(self.classes_)
                raise InputError(f"this y has {len(names)} labels, and the one fitted to has {L}")
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
        weights, values = of_labels(weights, values)
        positive = weighted_sums(weights, values)
        loss = Sigmoid(self._pos_weights(positive, weights.sum(axis=1), L))
        return Problem(self._target(values, weights), loss, L)

    def _target(self, values: np.ndarray, weights: np.ndarray) -> Target:
        eps = float(self.label_smoothing)
        return Target(weights, soft=values if eps == 0 else (1 - eps) * values + eps / 2)

    def _check_top_k(self, L: int) -> None:
        if self.top_k is None:
            return
        if L == 1:
            raise InputError(f"top_k={self.top_k!r} needs several labels, and y has one")
        if not 1 <= natural_number(self.top_k, "top_k") <= L:
            raise InputError(f"top_k must be from 1 to {L}, the number of labels; got {self.top_k}")

    def _pos_weights(self, positive: np.ndarray, total: np.ndarray, L: int) -> np.ndarray | None:
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
        weights = _one_for_each(self.pos_weight, self._label_names(L), "pos_weight", 1.0)
        if (weights > _LARGEST).any():
            raise InputError(f"pos_weight must be at most {_LARGEST:g}, got {weights.max():g}")
        return weights

    def _thresholds(self, L: int) -> np.ndarray:
        thresholds = _one_for_each(self.threshold, self._label_names(L), "threshold", 0.5)
        if (thresholds > 1).any():
            raise InputError(f"threshold must be in [0, 1], got {self.threshold!r}")
        return thresholds

    def _threshold(self) -> np.ndarray:
        # Labels whose coefficients were set by hand have the parameter's.
        known = super()._threshold()
        return self._thresholds(self._dense_coef().shape[0]) if known is None else known

    def _label_names(self, L: int) -> list[Any]:
        # Of two classes the second one is the label.
        return self.classes_.tolist()[-L:]


def subset_accuracy(values: np.ndarray, predicted: np.ndarray, sample_weight: Any) -> float:
    """Return the share of rows whose labels are all right, as far as they are known.

    Parameters
    ----------
    values : ndarray of shape (n, L)
        Indicators or probabilities; NaN where nothing is known.
    predicted : ndarray of shape (n, L)
    sample_weight : array-like of shape (n,), optional

    Raises
    ------
    InputError
        If no label is known.
    """
    known = ~np.isnan(values)
    some = known.any(axis=1)
    if not some.any():
        raise InputError("y holds no label that is known, so there is nothing to score by")
    right = (((values > 0.5) == predicted) | ~known).all(axis=1)
    weights = None if sample_weight is None else np.asarray(sample_weight)[some]
    return float(np.average(right[some], weights=weights))


def of_labels(weights: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of a Target, and values without NaN, which weigh nothing.

    Parameters
    ----------
    weights : ndarray of shape (n,) or (n, L)
    values : ndarray of shape (n, L)

    Returns
    -------
    weights : ndarray of shape (1, n), or (L, n) where labels of a row differ in weight
    values : ndarray of shape (n, L)
    """
    unknown = np.isnan(values)
    if not unknown.any():
        return np.ascontiguousarray(weights.T) if weights.ndim == 2 else weights[None, :], values
    rows = weights if weights.ndim == 2 else weights[:, None]
    return np.ascontiguousarray((rows * ~unknown).T), np.where(unknown, 0, values)


def _one_for_each(value: Any, labels: list[Any], name: str, default: float) -> np.ndarray:
    # A number for each label, from one for all, an array, or a dict by their names.
    L = len(labels)
    if isinstance(value, dict):
        unknown = [label for label in value if label not in labels]
        if unknown:
            shown = [str(label) for label in labels]
            raise InputError(
                f"{name} has a number for {unknown[0]!r}, and there is no such label"
                f"{nearest(str(unknown[0]), shown)}; there are {listed(shown)}"
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

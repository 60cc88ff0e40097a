"""Multi-label classification: one sigmoid per label, all labels fitted in the same passes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted

from fastclf.errors import InputError
from fastclf.estimators import choice, labels, streams, validation
from fastclf.estimators.encoding import plain
from fastclf.estimators.fitting import Settings, fit_estimator
from fastclf.estimators.labels import LabelPredictions
from fastclf.estimators.prediction import LinearPredictor
from fastclf.estimators.problem import Problem
from fastclf.estimators.sampled import HeldOut
from fastclf.estimators.streams import RowStream, StreamedRows
from fastclf.estimators.tallies import IndicatorTally, counted_labels, label_tally


@dataclass(kw_only=True, eq=False, repr=False)
class MultiLabelLogisticRegression(choice.SolverParameters, LabelPredictions, LinearPredictor):
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

    C: float = field(default=1.0, kw_only=False)
    pos_weight: Any = None
    threshold: Any = 0.5
    label_smoothing: float = 0.0
    l1_ratio: float = 0.0
    fit_intercept: bool = True
    solver: Any = "auto"
    tol: float = 1e-4
    max_iter: int = 100
    warm_start: bool = False
    random_state: Any = None
    n_threads: int | None = None
    verbose: int = 0
    top_k: int | None = None

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
    ) -> "MultiLabelLogisticRegression":
        """Fit to indicators, and return the estimator.

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
            Without them it holds out some rows of X; of a stream, by a hash of their features.
            Other solvers only write their loss to ``history_["validation_loss"]``, and a warning
            says so.

        Raises
        ------
        ValueError
            If X isn't finite, an indicator is outside [0, 1], y has another length, or a parameter
            can't be used.
        """
        settings = settings_of(self)
        if streams.is_stream(X):
            validation.check_alone(y, sample_weight)
            X, problem = self._survey(X, choice.held_out(self.solver, self.random_state, X_val))
            one_label = False
        else:
            X = validation.validate_features(self, X, reset=True)
            values, self.classes_ = labels.encode_labels(X, y)
            one_label = values.shape[1] == 1
            weights = validation.label_weights(sample_weight, X, values.shape[1])
            problem = self._problem(values, weights)
        L = problem.n_columns
        self.threshold_ = self._given_threshold(L)
        held_out = None
        if validation.check_both(X_val, y_val):
            X_val = validation.validate_features(self, X_val, reset=False)
            values, _ = labels.encode_labels(X_val, y_val, self.classes_, one_label)
            held_out = X_val, self._problem(values, np.ones(len(values)))
            choice.warn_of_no_use(self.solver, stacklevel=2)
        self._check_top_k(L)
        fit_estimator(self, X, problem, settings, held_out, y, sample_weight)
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the fraction of rows whose known labels are all predicted correctly.

        A probability counts as a label above one half; a row of which nothing is known doesn't.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n, L) or (n,)
        sample_weight : array-like of shape (n,), optional

        Raises
        ------
        ValueError
            If y has another shape, or no label is known.
        """
        predicted = self.predict(X)
        if self._one_label:
            return accuracy_score(plain(y), predicted, sample_weight=sample_weight)
        values, _ = labels.encode_labels(predicted, y, self.classes_)
        return labels.subset_accuracy(values, predicted, sample_weight)

    def tune_thresholds(
        self, X_val: Any, y_val: Any, metric: str = "f1", sample_weight: Any = None
    ) -> "MultiLabelLogisticRegression":
        """Set ``threshold_`` to the values with the best score on other rows; return the estimator.

        Parameters
        ----------
        X_val : array-like or sparse matrix of shape (n, d)
        y_val : array-like or sparse matrix of shape (n, L)
            Labels that aren't known are NaN. The threshold of a label that no row has stays.
        metric : {"f1"}
            The F1 score of each label.
        sample_weight : array-like of shape (n,), optional

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
            raise InputError(
                f"top_k={self.top_k} leaves thresholds without effect; set top_k to None"
            )
        X_val = validation.validate_features(self, X_val, reset=False)
        values, _ = labels.encode_labels(X_val, y_val, self.classes_, self._one_label)
        weights = validation.weights_if_any(sample_weight, X_val)
        p = self.predict_proba(X_val)
        p = p[:, 1:] if self._one_label else p
        self.threshold_ = labels.best_thresholds(p, values, self.threshold_, weights)
        return self

    def _survey(
        self, stream: RowStream, held_out: HeldOut | None = None
    ) -> tuple[StreamedRows, Problem]:
        # The rows of the stream, and a problem that stands for theirs.
        tally = self._tally(stream.several_targets, stream.target_names)
        found = streams.survey(self, stream, tally, held_out)
        problem, encode = counted_labels(self, tally)
        return StreamedRows(stream, found, encode), problem

    def _tally(self, several: bool, names: tuple[str, ...] | None) -> IndicatorTally:
        return label_tally(several, names)

    def _check_top_k(self, L: int) -> None:
        if self.top_k is None:
            return
        if L == 1:
            raise InputError(f"top_k={self.top_k!r} needs several labels, but y has one")
        if not 1 <= validation.natural_number(self.top_k, "top_k") <= L:
            raise InputError(f"top_k must be from 1 to {L}, the number of labels; got {self.top_k}")


def settings_of(estimator: MultiLabelLogisticRegression) -> Settings:
    """Check the parameters of a MultiLabelLogisticRegression; return how it fits problems."""
    l1_ratio = 0.0 if estimator.l1_ratio is None else estimator.l1_ratio
    return Settings.of_single_fit(estimator, estimator.C, l1_ratio)

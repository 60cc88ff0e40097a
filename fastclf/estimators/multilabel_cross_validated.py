"""Multi-label classification with C, or that of each label, chosen by cross-validation."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastclf.errors import InputError
from fastclf.estimators import held_out, labels, search, streams
from fastclf.estimators.fitting import Settings
from fastclf.estimators.folds_elsewhere import LabelScores, StudyOfStream
from fastclf.estimators.labels import LabelPredictions
from fastclf.estimators.paths import Grid, StudyInMemory
from fastclf.estimators.prediction import LinearPredictor, theta_of
from fastclf.estimators.streams import RowStream, StreamedRows
from fastclf.estimators.tallies import counted_labels, label_tally
from fastclf.estimators.validation import check_alone, validate_features, validate_sample_weight


@dataclass(kw_only=True, eq=False, repr=False)
class MultiLabelLogisticRegressionCV(search.PenaltySearch, LabelPredictions, LinearPredictor):
    """Logistic regressions for L labels that choose C by cross-validation, jointly or one for each.

    All labels and all folds are fitted together, along a path from strong penalties to weak ones.

    Parameters
    ----------
    Cs : int or array-like of shape (c,)
        Values of C to try; a number stands for as many from 1e-4 to 1e4, on a logarithmic scale.
    per_label : bool
        Choose C for each label by its own score, instead of one for all.
    pos_weight, threshold, label_smoothing, fit_intercept
        As for :class:`fastclf.MultiLabelLogisticRegression`; a `pos_weight` that is "balanced"
        counts all rows, for all folds.
    l1_ratios : array-like of shape (r,)
        Shares of the L1 penalty to try with each C.
    cv : int, splitter, iterable of splits, or None
        As for scikit-learn; None for five folds.
    scoring : str, callable or None
        None or "neg_log_loss" is minus the binary cross-entropy, the mean over the labels. Any
        other scorer of scikit-learn sees indicators, of a single label with `per_label`; where y
        holds probabilities, whether they are above one half.
    solver, tol, max_iter, refit, random_state, n_threads, verbose
        As for :class:`fastclf.LogisticRegressionCV`.

    Attributes
    ----------
    classes_, coef_, intercept_, threshold_
        As for :class:`fastclf.MultiLabelLogisticRegression`.
    C_, l1_ratio_ : float, or ndarray of shape (L,) with `per_label`
        The best ones; without `refit` the means over the folds.
    Cs_ : ndarray of shape (c,)
    l1_ratios_ : ndarray of shape (r,)
    scores_ : ndarray of shape (folds, r, c), or (folds, r, c, L) with `per_label`
    coefs_paths_ : ndarray of shape (folds, r, c, L, d + 1)
        The coefficients of each fit, its intercept last, if there is one.
    n_iter_ : ndarray of shape (folds, r, c)
    history_, n_features_in_, feature_names_in_
        As for :class:`fastclf.LogisticRegressionCV`.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from fastclf import MultiLabelLogisticRegressionCV
    >>> X, Y = make_multilabel_classification(n_labels=3, random_state=0)
    >>> clf = MultiLabelLogisticRegressionCV(Cs=[0.01, 1.0], cv=3, per_label=True).fit(X, Y)
    >>> clf.C_.shape, clf.scores_.shape
    ((5,), (3, 1, 2, 5))
    """

    _default_scoring = search.LIKELIHOOD

    Cs: Any = field(default=10, kw_only=False)
    per_label: bool = False
    pos_weight: Any = None
    threshold: Any = 0.5
    label_smoothing: float = 0.0
    l1_ratios: Any = (0.0,)
    fit_intercept: bool = True
    cv: Any = None
    scoring: Any = None
    solver: Any = "auto"
    tol: float = 1e-4
    max_iter: int = 100
    refit: bool = True
    random_state: Any = None
    n_threads: int | None = None
    verbose: int = 0

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> "MultiLabelLogisticRegressionCV":
        """Fit to indicators, and return the estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d), or a stream
            A stream, such as `fastclf.data.Stream`, has y and weights with it. The splitter then
            sees no y, and zeros in place of X; `scoring` is "neg_log_loss" or None.
        y : array-like or sparse matrix of shape (n, L)
            Indicators or probabilities in [0, 1]; a 1-D y of two classes is one label. NaN is a
            label of which nothing is known, which counts neither in fits nor in scores; `scoring`
            must then be the likelihood, or see one label at a time, with `per_label`.
        sample_weight : array-like of shape (n,), optional
            For fits and scores alike.
        **params
            For the splitter and the scorer, with scikit-learn's metadata routing.

        Raises
        ------
        ValueError
            If X isn't finite, an indicator is outside [0, 1], y has another length, or a parameter
            can't be used.
        """
        routed = self._routed("fit", sample_weight, params)
        grid, settings = self._settings(self.l1_ratios)
        if streams.is_stream(X):
            check_alone(y, sample_weight)
            search.check_scoring(self.scoring, (search.LIKELIHOOD,), "arrays in memory")
            of_stream = self._study_of_stream(X, grid, settings, routed.splitter.split)
            self._search(of_stream, of_stream.scores, self.per_label)
            return self
        X = validate_features(self, X, reset=True)
        values, self.classes_ = labels.encode_labels(X, y)
        L = values.shape[1]
        weights = validate_sample_weight(sample_weight, X)
        self.threshold_ = self._given_threshold(L)
        problem = self._problem(values, weights)
        known = ~np.isnan(values)
        if not known.all():
            self._check_scoring()
        on = (values > 0.5).astype(np.intp)
        truth = self.classes_[on[:, 0]] if L == 1 else on
        folds = [*search.split(self.cv, X, truth, routed.splitter.split)]
        self._check_held_out(known, weights, folds)
        some = None if known.all() else known
        study = StudyInMemory(X, problem, grid, settings, weights, folds, some)
        own, judge = None if sample_weight is None else weights, self._judge(values, L == 1)
        score = partial(self._scores, study, own, routed.scorer.score, judge)
        self._search(study, score, self.per_label)
        return self

    def score(self, X: Any, y: Any, *, sample_weight: Any = None, **params: Any) -> float:
        """Return the score by the parameter `scoring`, of all labels together.

        With `per_label` that is the mean of the labels' scores.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n, L) or (n,)
        sample_weight : array-like of shape (n,), optional
        **params
            For the scorer, with scikit-learn's metadata routing.
        """
        routed = self._routed("score", sample_weight, params)
        check_is_fitted(self)
        X = validate_features(self, X, reset=False)
        values, _ = labels.encode_labels(X, y, self.classes_, self._one_label)
        known, parameters = ~np.isnan(values), routed.scorer.score
        if self._takes_likelihood:
            everything = [(np.empty(0), np.arange(len(values)))]
            self._check_held_out(known, np.ones(len(values)), everything)
        elif not known.all():
            self._check_scoring()
        if self._takes_likelihood or (self.per_label and not self._one_label):
            judge = self._judge(values, self._one_label)
            scores = judge(slice(None), X, parameters.get("sample_weight"), parameters)
            logits = self.decision_function(X).reshape(len(values), 1, -1)
            return float(scores(logits, theta_of(self).T[None]).mean())
        on = (values > 0.5).astype(np.intp)
        truth = self.classes_[on[:, 0]] if self._one_label else on
        return self._get_scorer()(self, X, truth, **parameters)

    def _study_of_stream(
        self, stream: RowStream, grid: Grid, settings: Settings, params: dict[str, Any]
    ) -> StudyOfStream:
        tally = label_tally(stream.several_targets, stream.target_names)
        found = streams.survey(self, stream, tally)
        problem, encode = counted_labels(self, tally)
        self.threshold_ = self._given_threshold(problem.n_columns)
        folds = search.folds_of(found.extent.n_rows, self.cv, None, params)
        rows = StreamedRows(stream, found, encode)
        return StudyOfStream(rows, problem, grid, settings, folds, LabelScores(self.classes_))

    def _check_scoring(self) -> None:
        if not self._takes_likelihood and not self.per_label:
            raise InputError(
                f"scoring={self.scoring!r} can't skip unknown labels, which are NaN in y; use "
                "scoring=None, the likelihood of the known labels, or per_label=True, which scores "
                "each label on the rows where it is known"
            )

    def _check_held_out(self, known: np.ndarray, weights: np.ndarray, folds: search.Folds) -> None:
        if known.all():
            return
        for f, (_, test) in enumerate(folds):
            lacking = ~(known[test] & (weights[test, None] > 0)).any(axis=0)
            if lacking.any():
                raise InputError(
                    f"fold {f} holds out no row where {self.classes_[lacking].tolist()[0]!r} is "
                    "known: choose another cv, or leave out that label"
                )

    def _judge(self, values: np.ndarray, one_label: bool) -> Callable[..., held_out.Scores]:
        if self._takes_likelihood:
            return lambda test, rows, own, _: held_out.label_log_likelihood(values[test], own)
        # The scorer sees all labels, or one at a time.
        single = self.per_label or one_label
        view = held_out.MultiLabelView(n_threads=self.n_threads)
        view.threshold_, view.n_features_in_ = self._threshold(), self.n_features_in_
        # Several labels have 2-D classes, or scorers would take two labels for two classes.
        of_labels = np.tile([0, 1], (values.shape[1], 1))
        view.classes_ = self.classes_ if one_label else of_labels[0] if single else of_labels
        scorer = self._get_scorer()
        scorer = held_out.with_classes(scorer, view.classes_) if single else scorer
        known, on = ~np.isnan(values), (values > 0.5).astype(np.intp)
        truth = self.classes_[on] if one_label else on

        def judge(test: Any, rows: Any, _: Any, parameters: dict[str, Any]) -> held_out.Scores:
            asked = scorer, view, rows, truth[test], parameters
            if single:
                return held_out.by_scorer_of_labels(*asked, known[test])
            return held_out.by_scorer(*asked)

        return judge

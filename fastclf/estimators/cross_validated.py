"""Logistic regression whose penalty is chosen by cross-validation."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import _check_method_params, check_is_fitted

from fastclf.estimators import compatibility, encoding, held_out, search, streams, validation
from fastclf.estimators.encoding import Distributions, Labels
from fastclf.estimators.fitting import Settings
from fastclf.estimators.folds_elsewhere import ClassScores, StudyOfStream, codes_of_stream
from fastclf.estimators.logistic import counted_classes, set_classes
from fastclf.estimators.membership import Membership
from fastclf.estimators.paths import Grid, StudyInMemory
from fastclf.estimators.prediction import LinearPredictor
from fastclf.estimators.problem import problem_of_classes
from fastclf.estimators.streams import RowStream, StreamedRows
from fastclf.estimators.tallies import ClassEncoding, class_tally

ELSEWHERE = ("accuracy", search.LIKELIHOOD)
"""Scorers of rows that aren't in memory, besides None."""

_LEGACY = "use_legacy_attributes"


@dataclass(kw_only=True, eq=False, repr=False)
class LogisticRegressionCV(search.PenaltySearch, LinearPredictor):
    """Logistic regression that chooses C by cross-validation.

    All folds are fitted together, along a path from strong penalties to weak ones, and each pass
    over X serves all of them. Of every C and fold the optimum is that of
    :class:`fastclf.LogisticRegression` on the fold's training rows.

    Parameters
    ----------
    Cs : int or array-like of shape (c,)
        Values of C to try; a number stands for as many from 1e-4 to 1e4, on a logarithmic scale.
    l1_ratios : array-like of shape (r,), or None
        Shares of the L1 penalty to try with each of them. None is 0, and legacy attributes then
        lack that axis. Left out it is the default of the installed scikit-learn.
    fit_intercept : bool
        Whether there is an intercept, which isn't penalised.
    cv : int, splitter, iterable of splits, or None
        As for scikit-learn: a number of stratified folds, None for five. Distributions are split by
        their most probable class.
    class_weight : dict, "balanced" or None
        As for :class:`fastclf.LogisticRegression`; "balanced" counts all rows, for all folds.
    label_smoothing : float
        ε in [0, 1): targets become ``(1 - ε) y + ε / K``. Scores are of the targets themselves.
    scoring : str, callable or None
        Any scorer of scikit-learn, for labels. None is the accuracy for labels, and for
        distributions "neg_log_loss", which is minus the cross-entropy there; other scorers see the
        most probable class of a distribution. Left out it is the default of the installed
        scikit-learn, which is None before its version 1.11.
    solver : str or object of :mod:`fastclf.solvers`
        An exact one.
    tol : float
        Largest entry of the gradient at the optimum.
    max_iter : int
        Most iterations of each fit.
    refit : bool
        Fit all rows with the best C of all folds; otherwise average the coefficients of each fold's
        best one.
    random_state : int, RandomState or None
        Without effect: exact solvers don't draw.
    n_threads : int, optional
        None uses all CPUs. The result is the same for any number.
    verbose : int
        Print a line for each iteration, and one if kernels are compiled for long.
    use_legacy_attributes : bool
        Give ``C_``, ``l1_ratio_``, ``scores_``, ``coefs_paths_`` and ``n_iter_`` the shapes that
        they had in scikit-learn before its version 1.10. Left out it is the default of the
        installed scikit-learn, which is True before that version; 1.8 and 1.9 warn of the change,
        and so does `fit`.
    penalty, dual, intercept_scaling
        As for :class:`fastclf.LogisticRegression`. Scikit-learn forgets the last one in its final
        fit of all rows; here all fits have it.
    ignore_index : label, optional
        As for :class:`fastclf.LogisticRegression`.
    n_jobs : int, optional
        Without effect; see n_threads.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
    coef_ : ndarray of shape (1, d) for two classes, else (K, d)
    intercept_ : ndarray of shape (1,) or (K,)
    C_, l1_ratio_ : float
        The best ones; without `refit` the means over the folds. With `use_legacy_attributes` an
        ndarray that repeats it for each class, (1,) for two.
    Cs_ : ndarray of shape (c,)
    l1_ratios_ : ndarray of shape (r,)
        Holds None alone if `l1_ratios` is None.
    scores_ : ndarray of shape (folds, r, c)
        With `use_legacy_attributes` a dict of (folds, c, r) by class, of two by the second.
    coefs_paths_ : ndarray of shape (folds, r, c, 1 or K, d + 1)
        The coefficients of each fit, its intercept last, if there is one. With
        `use_legacy_attributes` a dict of (folds, c, r, d + 1) by class.
    n_iter_ : ndarray of shape (folds, r, c)
        With `use_legacy_attributes` of shape (1, folds, c, r).
    history_ : dict of str to ndarray
        That of the last fit, and "path_passes": how many times all others together read X.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (d,)

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import scale
    >>> from fastclf import LogisticRegressionCV
    >>> X, y = load_wine(return_X_y=True)
    >>> settings = {"l1_ratios": (0,), "scoring": "accuracy", "use_legacy_attributes": False}
    >>> clf = LogisticRegressionCV(Cs=5, cv=3, **settings).fit(scale(X), y)
    >>> clf.C_, clf.scores_.shape
    (1.0, (3, 1, 5))
    """

    Cs: Any = field(default=10, kw_only=False)
    l1_ratios: Any = compatibility.ANNOUNCED
    fit_intercept: bool = True
    cv: Any = None
    class_weight: Any = None
    label_smoothing: float = 0.0
    scoring: Any = compatibility.ANNOUNCED
    solver: Any = "auto"
    tol: float = 1e-4
    max_iter: int = 100
    refit: bool = True
    random_state: Any = None
    n_threads: int | None = None
    verbose: int = 0
    use_legacy_attributes: Any = compatibility.ANNOUNCED
    penalty: Any = compatibility.UNSET
    dual: bool = False
    intercept_scaling: float = 1.0
    n_jobs: int | None = None
    ignore_index: Any = None

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> "LogisticRegressionCV":
        """Fit to labels or distributions, and return the estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d), or a stream
            A stream, such as `fastclf.data.Stream`, has y and weights with it. The splitter then
            sees the numbers of the classes in place of y, and zeros in place of X; `scoring` is
            "accuracy", "neg_log_loss" or None.
        y : array-like of shape (n,) or (n, K)
            Labels, or a distribution over classes in each row, as for
            :class:`fastclf.LogisticRegression`.
        sample_weight : array-like of shape (n,), optional
            For fits and scores alike.
        **params
            For the splitter and the scorer, with scikit-learn's metadata routing.

        Raises
        ------
        ValueError
            If X isn't finite, y has another length or a single class, a row of a 2-D y isn't a
            distribution, or a parameter can't be used.
        """
        routed = self._routed("fit", sample_weight, params)
        grid, settings, legacy = self._checked()
        if streams.is_stream(X):
            validation.check_alone(y, sample_weight)
            search.check_scoring(self._scoring, ELSEWHERE, "arrays in memory")
            if not X.several_targets:
                compatibility.announce("scoring", self.scoring, stacklevel=2)
            of_stream = self._study_of_stream(X, grid, settings, routed.splitter.split)
            self._search(of_stream, of_stream.scores)
            self._finish(legacy)
            return self
        X = validation.validate_features(self, X, reset=True)
        X = compatibility.in_its_precision(X, self.solver)
        validation.check_rows(X, y)
        encoded = encoding.encode(y, ignore=self.ignore_index)
        weights = validation.validate_sample_weight(sample_weight, X)
        if isinstance(encoded, Labels):
            compatibility.announce("scoring", self.scoring, stacklevel=2)
        of_class = set_classes(self, encoded, weights)
        problem = problem_of_classes(encoded, weights, of_class, X.dtype, self.label_smoothing)
        ignored, labels = encoded.ignored, encoded.classes[encoded.codes]
        # Stratification spreads ignored rows evenly, too.
        strata = labels if ignored is None else np.where(ignored, -1, encoded.codes)
        folds = [*search.split(self.cv, X, strata, routed.splitter.split, ignored)]
        weights_in_fit = problem.target.weights[0]
        study = StudyInMemory(X, problem, grid, settings, weights_in_fit, folds)
        own = None if sample_weight is None else weights
        how = study, own, routed.scorer.score, self._judge(encoded, labels)
        self._search(study, partial(self._scores, *how))
        self._finish(legacy)
        return self

    def score(self, X: Any, y: Any, *, sample_weight: Any = None, **params: Any) -> float:
        """Return the score by the parameter `scoring`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,) or (n, K)
        sample_weight : array-like of shape (n,), optional
        **params
            For the scorer, with scikit-learn's metadata routing.
        """
        routed = self._routed("score", sample_weight, params)
        check_is_fitted(self)
        parameters = routed.scorer.score
        if encoding.is_table(y):
            encoding.check_names(encoding.column_names(y), self.classes_)
            encoded = encoding.encode(y, self.classes_)
            if self._takes_likelihood:
                logits = self.decision_function(X).reshape(len(encoded.p), 1, -1)
                judge = held_out.log_likelihood(encoded.p, parameters.get("sample_weight"))
                return float(judge(logits, self.coef_)[0])
            y = self.classes_[encoded.codes]
        else:
            y = encoding.plain(y)
            rows = encoding.rows_that_count(y, self.ignore_index, self.classes_)
            if rows is not None:
                parameters = _check_method_params(X, parameters, indices=rows)
                X, y = encoding.of_rows(rows, X, y)
        return self._get_scorer()(self, X, y, **parameters)

    def _checked(self) -> tuple[Grid, Settings, bool]:
        # The grid, the settings, and whether attributes have their old shapes. Warnings point to
        # the caller of ``fit``.
        compatibility.check_penalties(self.penalty, self.l1_ratios, stacklevel=3)
        compatibility.announce(_LEGACY, self.use_legacy_attributes, stacklevel=3)
        legacy = compatibility.stands_for(_LEGACY, self.use_legacy_attributes)
        validation.boolean(legacy, _LEGACY)
        validation.positive_number(self.intercept_scaling, "intercept_scaling")
        return *self._settings(compatibility.shares(self.penalty, self.l1_ratios)), legacy

    def _study_of_stream(
        self, stream: RowStream, grid: Grid, settings: Settings, params: dict[str, Any]
    ) -> StudyOfStream:
        tally = class_tally(not stream.several_targets, stream.target_names, self.ignore_index)
        found = streams.survey(self, stream, tally)
        problem, encode = counted_classes(self, tally, np.dtype(stream.dtype))
        rows = StreamedRows(stream, found, encode)
        judge = self._judge_elsewhere(encode, found.weighted)
        folds = self._folds_elsewhere(*codes_of_stream(rows, judge.truth), params)
        return StudyOfStream(rows, problem, grid, settings, folds, judge)

    def _folds_elsewhere(
        self, codes: np.ndarray, counts: np.ndarray, params: dict[str, Any]
    ) -> Membership:
        # The folds of rows of which only the classes (n,) are in memory, and which of them count.
        if counts.all():
            return search.folds_of(codes.size, self.cv, codes, params)
        codes[~counts] = -1
        return search.folds_of(codes.size, self.cv, codes, params, ~counts)

    def _judge_elsewhere(self, encode: ClassEncoding, weighted: bool) -> ClassScores:
        truth = replace(encode, of_class=np.ones(len(self.classes_)), label_smoothing=0.0)
        of_distributions = self._scoring is None and not encode.are_labels
        return ClassScores(truth, self._scoring == search.LIKELIHOOD or of_distributions, weighted)

    def _finish(self, legacy: bool) -> None:
        if self._has_no_l1_ratios:
            self.l1_ratios_ = np.array([None])
        if legacy:
            self._set_legacy()

    @property
    def _scoring(self) -> Any:
        return compatibility.stands_for("scoring", self.scoring)

    def _judge(
        self, encoded: Labels | Distributions, labels: np.ndarray
    ) -> Callable[..., held_out.Scores]:
        codes, soft = encoded.codes, encoded.p if isinstance(encoded, Distributions) else None
        scorer = held_out.with_classes(self._get_scorer(), self.classes_)
        view = held_out.LogisticView(n_threads=self.n_threads)
        view.classes_, view.n_features_in_ = self.classes_, self.n_features_in_

        def judge(test: Any, rows: Any, own: Any, parameters: dict[str, Any]) -> held_out.Scores:
            if soft is not None and self._takes_likelihood:
                return held_out.log_likelihood(soft[test], own)
            if self._scoring in (None, "accuracy"):
                return held_out.accuracy(codes[test], own)
            return held_out.by_scorer(scorer, view, rows, labels[test], parameters)

        return judge

    @property
    def _has_no_l1_ratios(self) -> bool:
        return compatibility.stands_for("l1_ratios", self.l1_ratios) is None

    def _set_legacy(self) -> None:
        # Scores are repeated for each class. The axis of C comes before that of the L1 ratios,
        # which is left out if l1_ratios is None.
        names = self.classes_[1:] if len(self.classes_) == 2 else self.classes_
        scores, coefs = self.scores_.swapaxes(1, 2), np.moveaxis(self.coefs_paths_, (3, 2), (0, 2))
        n_iter, l1_ratio = self.n_iter_.swapaxes(1, 2), self.l1_ratio_
        if self._has_no_l1_ratios:
            scores, coefs, n_iter = scores[:, :, 0], coefs[:, :, :, 0], n_iter[:, :, 0]
            l1_ratio = None if self.refit else 0.0
        self.scores_ = {name: scores for name in names}
        self.coefs_paths_ = dict(zip(names, coefs, strict=True))
        self.n_iter_ = n_iter[None]
        self.C_, self.l1_ratio_ = (np.array([one] * len(names)) for one in (self.C_, l1_ratio))

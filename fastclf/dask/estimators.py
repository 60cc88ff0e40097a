"""Estimators that are fitted to rows on the machines of a Dask cluster."""

from dataclasses import dataclass
from typing import Any

from dask.base import is_dask_collection

from fastclf.dask.on_cluster import OnCluster
from fastclf.errors import InputError
from fastclf.estimators import compatibility, cross_validated, logistic, multilabel, search
from fastclf.estimators.fitting import fit_estimator
from fastclf.estimators.folds_elsewhere import StudyOfPartitions, codes_of
from fastclf.estimators.partitions import PartitionedRows, survey
from fastclf.estimators.streams import is_stream
from fastclf.estimators.tallies import class_tally, counted_labels


@dataclass(kw_only=True, eq=False, repr=False)
class LogisticRegression(OnCluster, logistic.LogisticRegression):
    """Logistic regression on the rows of a Dask array or data frame.

    The client runs the solver. In each pass the workers get the coefficients, compute the sums over
    their partitions, and send these back; rows stay where they are, but for a small sample. The
    optimum is that of :class:`fastclf.LogisticRegression`. Its bits depend on how the rows are cut
    into partitions, and neither on the number of workers nor on which of them has which.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty; infinity for none.
    client : distributed.Client, optional
        By default the current one.
    n_threads : int, optional
        Threads that a task uses on a worker; by default 1, for a worker runs as many tasks as it
        has threads. On the client: threads for the sample.
    solver : str or object of :mod:`fastclf.solvers`
        An exact one. Minibatch solvers are refused.
    l1_ratio, fit_intercept, class_weight, label_smoothing, tol, max_iter, warm_start, \
random_state, verbose, penalty, dual, intercept_scaling, n_jobs, ignore_index
        As for :class:`fastclf.LogisticRegression`.

    Attributes
    ----------
    client_ : distributed.Client
        The client of the last fit. It isn't pickled.
    classes_, coef_, intercept_, n_iter_, history_, n_features_in_, feature_names_in_
        As for :class:`fastclf.LogisticRegression`.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn.datasets import load_breast_cancer
    >>> from fastclf.dask import LogisticRegression
    >>> X, y = (da.from_array(a, chunks=100) for a in load_breast_cancer(return_X_y=True))
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     clf = LogisticRegression(client=client).fit(X, y)
    ...     p = clf.predict_proba(X)  # nothing is computed yet
    ...     print(p.shape, p.chunks[0], round(clf.score(X, y), 3))
    (569, 2) (100, 100, 100, 100, 100, 69) 0.958
    """

    _local = logistic.LogisticRegression

    client: Any = None

    def fit(  # type: ignore[override]
        self, X: Any, y: Any = None, sample_weight: Any = None
    ) -> "LogisticRegression":
        """Fit to labels or distributions, and return the estimator.

        Parameters
        ----------
        X : Dask array or data frame of shape (n, d), or a stream
            Blocks of an array may be dense or CSR. Lengths of partitions needn't be known. A
            stream, such as `fastclf.data.Stream`, has y and weights with it; the workers read its
            files, a part at a time, and keep the rows.
        y : Dask array, series or data frame of shape (n,) or (n, K)
            Labels or distributions, in partitions like those of X; an array whose lengths are known
            is cut like X. It may be in memory if the lengths of X are known.
        sample_weight : as y, of shape (n,), optional

        Raises
        ------
        ValueError
            If some partition can't be used, which the message names; X and y can't be cut alike;
            there is no open client; or for the reasons of :class:`fastclf.LogisticRegression`.
        """
        settings = logistic.settings_of(self)
        rows, reading, names = self._begin(X, y, sample_weight)
        tally = self._tally(reading.several_targets, names)
        found = survey(self, rows, reading, tally)
        problem, encode = logistic.counted_classes(self, tally, reading.dtype)
        X = PartitionedRows(rows, found, encode)
        fit_estimator(self, X, problem, settings, None, y, sample_weight)
        self._weight_seen = float(problem.target.total_weight[0])
        return self


@dataclass(kw_only=True, eq=False, repr=False)
class MultiLabelLogisticRegression(OnCluster, multilabel.MultiLabelLogisticRegression):
    """Independent logistic regressions for L labels, on the rows of a Dask array or data frame.

    See :class:`fastclf.dask.LogisticRegression` for how it is fitted.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty; infinity for none.
    client, n_threads, solver
        As for :class:`fastclf.dask.LogisticRegression`.
    pos_weight, threshold, label_smoothing, top_k, l1_ratio, fit_intercept, tol, max_iter, \
warm_start, random_state, verbose
        As for :class:`fastclf.MultiLabelLogisticRegression`.

    Attributes
    ----------
    client_ : distributed.Client
        The client of the last fit. It isn't pickled.
    classes_, coef_, intercept_, threshold_, n_iter_, history_, n_features_in_, feature_names_in_
        As for :class:`fastclf.MultiLabelLogisticRegression`.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from fastclf.dask import MultiLabelLogisticRegression
    >>> X, Y = make_multilabel_classification(n_labels=3, random_state=0)
    >>> X, Y = da.from_array(X, chunks=30), da.from_array(Y, chunks=30)
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     MultiLabelLogisticRegression(client=client).fit(X, Y).coef_.shape
    (5, 20)
    """

    _local = multilabel.MultiLabelLogisticRegression
    _label_weights = True

    client: Any = None

    def fit(  # type: ignore[override]
        self, X: Any, y: Any = None, sample_weight: Any = None
    ) -> "MultiLabelLogisticRegression":
        """Fit to indicators, and return the estimator.

        Parameters
        ----------
        X : Dask array or data frame of shape (n, d), or a stream
            As for :class:`fastclf.dask.LogisticRegression`.
        y : Dask array or data frame of shape (n, L)
            Indicators or probabilities; NaN where nothing is known.
        sample_weight : as y, of shape (n,) or (n, L), optional

        Raises
        ------
        ValueError
            If some partition can't be used, which the message names; X and y can't be cut alike;
            there is no open client; or for the reasons of
            :class:`fastclf.MultiLabelLogisticRegression`.
        """
        settings = multilabel.settings_of(self)
        rows, reading, names = self._begin(X, y, sample_weight)
        tally = self._tally(reading.several_targets, names)
        found = survey(self, rows, reading, tally)
        problem, encode = counted_labels(self, tally)
        self.threshold_ = self._given_threshold(problem.n_columns)
        self._check_top_k(problem.n_columns)
        X = PartitionedRows(rows, found, encode)
        fit_estimator(self, X, problem, settings, None, y, sample_weight)
        return self


@dataclass(kw_only=True, eq=False, repr=False)
class LogisticRegressionCV(  # type: ignore[misc]
    OnCluster, cross_validated.LogisticRegressionCV
):
    """Logistic regression that chooses C by cross-validation, on the rows of a Dask collection.

    Folds are weights of the rows, and stay with them; each pass serves all folds. The folds are
    those of :class:`fastclf.LogisticRegressionCV` on the same rows in the same order; the labels of
    all rows come to the client for it, as one integer each.

    Parameters
    ----------
    Cs : int or array-like of shape (c,)
        Values of C to try; a number stands for as many from 1e-4 to 1e4, on a logarithmic scale.
    scoring : {"accuracy", "neg_log_loss"} or None
        None is the accuracy for labels, and the likelihood for distributions. Others would need all
        rows in one place.
    client, n_threads, solver
        As for :class:`fastclf.dask.LogisticRegression`.
    l1_ratios, fit_intercept, cv, class_weight, label_smoothing, tol, max_iter, refit, \
random_state, verbose, use_legacy_attributes, penalty, dual, intercept_scaling, ignore_index, n_jobs
        As for :class:`fastclf.LogisticRegressionCV`.

    Attributes
    ----------
    client_ : distributed.Client
        The client of the last fit. It isn't pickled.
    classes_, coef_, intercept_, C_, l1_ratio_, Cs_, l1_ratios_, scores_, coefs_paths_, n_iter_, \
history_, n_features_in_, feature_names_in_
        As for :class:`fastclf.LogisticRegressionCV`.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import scale
    >>> from fastclf.dask import LogisticRegressionCV
    >>> X, y = load_wine(return_X_y=True)
    >>> X, y = da.from_array(scale(X), chunks=60), da.from_array(y, chunks=60)
    >>> settings = {"l1_ratios": (0,), "scoring": "accuracy", "use_legacy_attributes": False}
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     clf = LogisticRegressionCV(Cs=5, cv=3, client=client, **settings).fit(X, y)
    >>> clf.C_, clf.scores_.shape
    (1.0, (3, 1, 5))
    """

    _local = cross_validated.LogisticRegressionCV

    client: Any = None

    def fit(  # type: ignore[override]
        self, X: Any, y: Any = None, sample_weight: Any = None
    ) -> "LogisticRegressionCV":
        """Fit to labels or distributions, and return the estimator.

        Parameters
        ----------
        X : Dask array or data frame of shape (n, d)
        y : Dask array, series or data frame of shape (n,) or (n, K)
        sample_weight : as y, of shape (n,), optional
            For fits and scores alike.

        Raises
        ------
        ValueError
            For the reasons of :class:`fastclf.dask.LogisticRegression`, or if `scoring` needs all
            rows in one place.
        """
        others = "fastclf.LogisticRegressionCV with arrays"
        search.check_scoring(self._scoring, cross_validated.ELSEWHERE, others)
        grid, settings, legacy = self._checked()
        if not is_dask_collection(X) and is_stream(X):
            raise InputError(
                "LogisticRegressionCV takes no stream here; give Dask arrays or data frames, or "
                "fit fastclf.LogisticRegressionCV, which reads the stream on one machine"
            )
        rows, reading, names = self._begin(X, y, sample_weight)
        soft = reading.several_targets
        tally = class_tally(not soft, names, self.ignore_index)
        found = survey(self, rows, reading, tally)
        problem, encode = logistic.counted_classes(self, tally, reading.dtype)
        if not soft:
            compatibility.announce("scoring", self.scoring, stacklevel=2)
        judge = self._judge_elsewhere(encode, sample_weight is not None)
        folds = self._folds_elsewhere(*codes_of(rows, judge.truth), {})
        X = PartitionedRows(rows, found, encode)
        study = StudyOfPartitions(X, problem, grid, settings, folds, judge)
        self._search(study, study.scores)
        self._finish(legacy)
        return self

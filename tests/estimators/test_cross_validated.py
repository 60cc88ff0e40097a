"""LogisticRegressionCV and its multi-label sibling: many fits in the passes of a few."""

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from settled import LogisticRegressionCV
from sklearn import config_context
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV as ScikitLearnCV
from sklearn.metrics import get_scorer, log_loss, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.preprocessing import scale

import fastclf
from fastclf import (
    LogisticRegression,
    MultiLabelLogisticRegression,
    MultiLabelLogisticRegressionCV,
)
from fastclf.errors import FastclfError
from fastclf.estimators.paths import training_counts

RNG = np.random.default_rng(0)
CANCER_X, CANCER = load_breast_cancer(return_X_y=True)
CANCER_X = scale(CANCER_X)
IRIS_X, IRIS = load_iris(return_X_y=True)
CS = [0.01, 1.0, 30.0]
TIGHT = {"tol": 1e-9, "max_iter": 1000}
WEIGHTS = RNG.uniform(0.2, 3, len(CANCER))
LABELS = np.column_stack([CANCER, CANCER_X[:, 0] > 0.5, RNG.random(len(CANCER)) < 0.2]).astype(int)


def splits(y: np.ndarray, n: int = 3) -> list:
    return list(StratifiedKFold(n).split(np.zeros(len(y)), y))


def assert_paths_are_fits(
    clf: Any, single: Any, X: Any, y: np.ndarray, folds: list, weights: Any = None, r: int = 0
) -> None:
    """Compare each fit of each fold, with the L1 ratio r, with one of its training rows alone."""
    for f, (train, _) in enumerate(folds):
        for c, C in enumerate(clf.Cs_):
            own = None if weights is None else weights[train]
            alone = single.set_params(C=C).fit(X[train], y[train], sample_weight=own)
            found = clf.coefs_paths_[f, r, c]
            if single.fit_intercept:
                np.testing.assert_allclose(found[:, -1], alone.intercept_, atol=2e-5)
                found = found[:, :-1]
            np.testing.assert_allclose(found, alone.coef_, atol=2e-5)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("X, y", [(CANCER_X, CANCER), (IRIS_X, IRIS)], ids=["two", "three"])
@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
def test_each_fold_is_a_fit_of_its_own(X, y, fit_intercept, solver):
    params = {"fit_intercept": fit_intercept, "solver": solver, **TIGHT}
    clf = LogisticRegressionCV(CS, cv=3, **params).fit(X, y)
    assert_paths_are_fits(clf, LogisticRegression(**params), X, y, splits(y))
    whole = LogisticRegression(clf.C_, **params).fit(X, y)
    np.testing.assert_allclose(clf.coef_, whole.coef_, atol=2e-5)
    np.testing.assert_allclose(clf.intercept_, whole.intercept_, atol=2e-5)


def test_each_fold_has_its_weights():
    weights = {0: 0.5, 1: 3.0}
    params = {"class_weight": weights, "label_smoothing": 0.1, **TIGHT}
    clf = LogisticRegressionCV(CS, cv=3, **params).fit(CANCER_X, CANCER, WEIGHTS)
    single = LogisticRegression(**params)
    assert_paths_are_fits(clf, single, CANCER_X, CANCER, splits(CANCER), WEIGHTS)


def test_balanced_counts_all_rows_as_scikit_learn_does():
    params = {"cv": 3, "class_weight": "balanced", **TIGHT}
    ours = LogisticRegressionCV(CS, **params).fit(CANCER_X, CANCER, WEIGHTS)
    theirs = ScikitLearnCV(
        Cs=CS,
        l1_ratios=(0,),
        scoring="accuracy",
        use_legacy_attributes=False,
        solver="newton-cholesky",
        **params,
    ).fit(CANCER_X, CANCER, WEIGHTS)
    np.testing.assert_allclose(ours.coefs_paths_, theirs.coefs_paths_, atol=1e-4)


@pytest.mark.parametrize("X, y", [(CANCER_X, CANCER), (scale(IRIS_X), IRIS)], ids=["two", "three"])
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
def test_l1_ratios(X, y, kind):
    shares, tight = (0.0, 0.4, 1.0), {**TIGHT, "tol": 1e-9}
    clf = LogisticRegressionCV([0.1, 1.0], l1_ratios=shares, cv=3, **tight).fit(kind(X), y)
    for r, share in enumerate(shares):
        single = LogisticRegression(l1_ratio=share, **tight)
        assert_paths_are_fits(clf, single, X, y, splits(y), r=r)
    assert (clf.coefs_paths_[:, 2, 0] == 0).mean() > 0.2
    whole = LogisticRegression(clf.C_, l1_ratio=clf.l1_ratio_, **tight).fit(X, y)
    np.testing.assert_allclose(clf.coef_, whole.coef_, atol=2e-5)


@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_sparse_is_dense(kind):
    X = np.where(np.abs(CANCER_X) > 0.8, CANCER_X, 0)
    dense = LogisticRegressionCV(CS, cv=3, **TIGHT).fit(X, CANCER)
    sparse = LogisticRegressionCV(CS, cv=3, **TIGHT).fit(kind(X), CANCER)
    np.testing.assert_allclose(sparse.coefs_paths_, dense.coefs_paths_, atol=2e-5)
    np.testing.assert_array_equal(sparse.scores_, dense.scores_)


def test_more_features_than_rows():
    X = RNG.standard_normal((60, 600))
    y = (X[:, :3].sum(axis=1) > 0).astype(int)
    clf = LogisticRegressionCV(CS, cv=3, **TIGHT).fit(X, y)
    assert_paths_are_fits(clf, LogisticRegression(**TIGHT), X, y, splits(y))


def test_many_columns():
    y = np.arange(400) % 25
    X = RNG.standard_normal((400, 12)) + np.eye(25)[y][:, :12]
    clf = LogisticRegressionCV([0.1, 1.0], cv=4, **TIGHT).fit(X, y)
    assert_paths_are_fits(clf, LogisticRegression(**TIGHT), X, y, splits(y, 4))


def test_keeps_the_dtype():
    clf = LogisticRegressionCV(CS, cv=3).fit(IRIS_X.astype(np.float32), IRIS)
    assert clf.coef_.dtype == clf.coefs_paths_.dtype == clf.intercept_.dtype == np.float32
    wide = LogisticRegressionCV(CS, cv=3).fit(IRIS_X, IRIS)
    np.testing.assert_allclose(clf.scores_, wide.scores_, atol=0.03)


def test_reads_rows_a_fifth_as_often_as_separate_fits():
    X, y = load_digits(return_X_y=True)  # smaller problems have folds of their own
    X = scale(X)
    clf = LogisticRegressionCV(cv=5).fit(X, y)
    rows = sum(
        LogisticRegression(C).fit(X[train], y[train]).history_["passes"][-1] * len(train)
        for train, _ in splits(y, 5)
        for C in clf.Cs_
    )
    assert clf.history_["path_passes"] * len(X) <= rows / 5


@pytest.mark.parametrize("X, y", [(CANCER_X, CANCER), (scale(IRIS_X), IRIS)], ids=["two", "three"])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_attributes_are_scikit_learns(X, y, legacy, refit, fit_intercept):
    pytest.importorskip("sklearn", "1.9", reason="before, l1_ratio_ holds None without refit")
    params: dict[str, Any] = {"cv": 4, "refit": refit, "use_legacy_attributes": legacy}
    params |= {"tol": 1e-8, "max_iter": 5000, "fit_intercept": fit_intercept}
    Cs = [1.0, 0.01, 20.0, 1.0]  # neither sorted nor distinct
    ours = LogisticRegressionCV(Cs, **params).fit(X, y)
    reference = {"l1_ratios": (0.0,), "scoring": "accuracy", "solver": "newton-cholesky"}
    theirs = ScikitLearnCV(Cs=Cs, **reference, **params).fit(X, y)
    for name in ("Cs_", "l1_ratios_", "C_", "l1_ratio_", "classes_"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    assert type(ours.C_) is type(theirs.C_)
    assert ours.n_iter_.shape == theirs.n_iter_.shape
    for name, atol in (("scores_", 0), ("coefs_paths_", 1e-3)):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert type(one) is type(other)
        if legacy:
            assert list(one) == list(other)
            one, other = (np.stack(list(paths.values())) for paths in (one, other))
        np.testing.assert_allclose(one, other, atol=atol, err_msg=name)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-3)


def test_number_of_Cs():
    clf = LogisticRegressionCV(4, cv=2).fit(IRIS_X, IRIS)
    np.testing.assert_allclose(clf.Cs_, np.logspace(-4, 4, 4))
    assert clf.scores_.shape == clf.n_iter_.shape == (2, 1, 4)
    assert clf.coefs_paths_.shape == (2, 1, 4, 3, 5)


def test_the_first_of_equal_scores_is_best():
    clf = LogisticRegressionCV([2.0, 1.0], cv=2, scoring=lambda *_: 0.5).fit(IRIS_X, IRIS)
    assert clf.C_ == 2.0


def test_without_penalty():
    X = RNG.standard_normal((300, 3))
    y = (X[:, 0] + RNG.standard_normal(300) > 0).astype(int)
    clf = LogisticRegressionCV([1.0, np.inf], cv=3, **TIGHT).fit(X, y)
    assert_paths_are_fits(clf, LogisticRegression(**TIGHT), X, y, splits(y))


SCORINGS = ["neg_log_loss", "roc_auc_ovr", "f1_macro", "balanced_accuracy", "neg_brier_score"]


@pytest.mark.parametrize("scoring", SCORINGS)
def test_scores_are_those_of_a_scorer(scoring):
    clf = LogisticRegressionCV(CS, cv=3, scoring=scoring, **TIGHT).fit(IRIS_X, IRIS)
    for c, C in enumerate(CS):
        alone = LogisticRegression(C, **TIGHT)
        expected = cross_val_score(alone, IRIS_X, IRIS, cv=3, scoring=scoring)
        np.testing.assert_allclose(clf.scores_[:, 0, c], expected, atol=1e-6)
    assert clf.C_ == CS[clf.scores_.mean(axis=(0, 1)).argmax()]
    assert clf.score(IRIS_X, IRIS) == get_scorer(scoring)(clf, IRIS_X, IRIS)


def test_a_scorer_of_any_kind_sees_fitted_estimators():
    seen = []

    def scorer(estimator: Any, X: Any, y: np.ndarray) -> float:
        assert estimator.coef_.shape == (3, 4)
        assert set(y) <= {"a", "b", "c"}
        z = X @ estimator.coef_.T + estimator.intercept_
        np.testing.assert_allclose(estimator.decision_function(X), z, atol=1e-9)
        np.testing.assert_allclose(estimator.decision_function(X[1:]), z[1:], atol=1e-9)
        assert (estimator.predict(X) == estimator.predict(X.copy())).all()
        rest = estimator.predict_proba(X[::2]), estimator.predict_log_proba(X[::2])
        np.testing.assert_allclose(estimator.predict_proba(X)[::2], rest[0], atol=1e-9)
        np.testing.assert_allclose(estimator.predict_log_proba(X)[::2], rest[1], atol=1e-9)
        seen.append(len(y))
        return (estimator.predict(X) == y).mean()

    y = np.array(["a", "b", "c"])[IRIS]
    clf = LogisticRegressionCV(CS, cv=3, scoring=scorer).fit(IRIS_X, y)
    assert seen == [50] * 9
    np.testing.assert_array_equal(
        clf.scores_, LogisticRegressionCV(CS, cv=3).fit(IRIS_X, y).scores_
    )


def test_agrees_with_a_grid_search():
    clf = LogisticRegressionCV(CS, cv=4, scoring="neg_log_loss", **TIGHT).fit(CANCER_X, CANCER)
    search = GridSearchCV(LogisticRegression(**TIGHT), {"C": CS}, cv=4, scoring="neg_log_loss")
    assert clf.C_ == search.fit(CANCER_X, CANCER).best_params_["C"]
    np.testing.assert_allclose(
        clf.predict_proba(CANCER_X), search.predict_proba(CANCER_X), atol=1e-6
    )


@pytest.mark.parametrize("scoring", [None, "accuracy", "neg_log_loss"])
def test_scores_are_weighted(scoring):
    params: dict[str, Any] = {"scoring": scoring, "cv": 3, "tol": 1e-8}
    ours = LogisticRegressionCV(CS, **params).fit(CANCER_X, CANCER, WEIGHTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        theirs = ScikitLearnCV(
            Cs=CS,
            l1_ratios=(0.0,),
            use_legacy_attributes=False,
            solver="newton-cholesky",
            **params,
        ).fit(CANCER_X, CANCER, WEIGHTS)
    np.testing.assert_allclose(ours.scores_, theirs.scores_, atol=1e-5)
    assert ours.score(CANCER_X, CANCER, sample_weight=WEIGHTS) == pytest.approx(
        get_scorer(scoring or "accuracy")(ours, CANCER_X, CANCER, sample_weight=WEIGHTS)
    )


def test_metadata_are_routed():
    groups = RNG.integers(0, 6, len(CANCER))
    splitter = GroupKFold(3)
    with config_context(enable_metadata_routing=True):
        weighted = get_scorer("accuracy").set_score_request(sample_weight=True)
        plain = get_scorer("accuracy").set_score_request(sample_weight=False)
        scores = {}
        for name, scorer in {"weighted": weighted, "plain": plain}.items():
            clf = LogisticRegressionCV(CS, cv=splitter, scoring=scorer)
            clf.fit(CANCER_X, CANCER, sample_weight=WEIGHTS, groups=groups)
            scores[name] = clf.scores_
        assert not np.array_equal(scores["weighted"], scores["plain"])
        with pytest.raises(TypeError, match="sample_weight"):
            clf.score(CANCER_X, CANCER, sample_weight=WEIGHTS)
    folds = list(splitter.split(CANCER_X, CANCER, groups))
    same = LogisticRegressionCV(CS, cv=folds).fit(CANCER_X, CANCER, WEIGHTS)
    np.testing.assert_allclose(same.scores_, scores["weighted"], rtol=1e-12)
    with pytest.raises(ValueError, match="enable_metadata_routing"):
        same.fit(CANCER_X, CANCER, groups=groups)


@pytest.mark.parametrize(
    "cv", [KFold(3, shuffle=True, random_state=0), ShuffleSplit(4, random_state=0)]
)
def test_splitters_and_iterables(cv):
    params: dict[str, Any] = {"Cs": CS, **TIGHT}
    clf = LogisticRegressionCV(cv=cv, **params).fit(IRIS_X, IRIS)
    folds = list(cv.split(IRIS_X))
    assert_paths_are_fits(clf, LogisticRegression(**TIGHT), IRIS_X, IRIS, folds)
    masks = [tuple(np.isin(np.arange(150), part) for part in fold) for fold in folds]
    for same in (folds, iter(folds), masks):
        again = LogisticRegressionCV(cv=same, **params).fit(IRIS_X, IRIS)
        np.testing.assert_array_equal(again.coefs_paths_, clf.coefs_paths_)


def test_one_fold():
    folds = splits(IRIS)[:1]
    clf = LogisticRegressionCV(CS, cv=folds, **TIGHT).fit(IRIS_X, IRIS)
    assert_paths_are_fits(clf, LogisticRegression(**TIGHT), IRIS_X, IRIS, folds)


def test_held_out_rows_need_weight():
    weights = np.where(np.arange(150) % 50 < 17, 0.0, 1.0)
    with pytest.raises(FastclfError, match="fold 0 holds out no rows of positive weight"):
        LogisticRegressionCV(CS, cv=3).fit(IRIS_X, IRIS, weights)


def test_a_row_that_a_fold_has_twice_counts_twice():
    folds = [(np.array([0, 0, 2]), np.array([1])), (np.array([1, 2]), np.array([0]))]
    assert training_counts(folds, 3).tolist() == [[2, 0, 1], [0, 1, 1]]


def test_rows_of_no_weight_are_no_rows():
    weights = np.where(RNG.random(len(CANCER)) < 0.7, WEIGHTS, 0)
    kept = np.flatnonzero(weights)
    places = np.full(len(CANCER), -1)
    places[kept] = np.arange(len(kept))
    folds = [tuple(np.setdiff1d(places[part], [-1]) for part in fold) for fold in splits(CANCER)]
    whole = LogisticRegressionCV(CS, cv=3, **TIGHT).fit(CANCER_X, CANCER, weights)
    part = LogisticRegressionCV(CS, cv=folds, **TIGHT)
    part.fit(CANCER_X[kept], CANCER[kept], weights[kept])
    np.testing.assert_allclose(whole.coefs_paths_, part.coefs_paths_, atol=2e-5)
    np.testing.assert_allclose(whole.scores_, part.scores_, atol=1e-12)


@pytest.mark.parametrize("K", [2, 3])
def test_distributions(K):
    X = scale(IRIS_X)
    P = np.exp(X[:, :K] * 2 + RNG.standard_normal((150, K)))
    P /= P.sum(axis=1, keepdims=True)
    best = P.argmax(axis=1)
    clf = LogisticRegressionCV(CS, cv=3, **TIGHT).fit(X, P, WEIGHTS[:150])
    folds = splits(best)
    assert_paths_are_fits(clf, LogisticRegression(**TIGHT), X, P, folds, WEIGHTS[:150])
    for f, (train, test) in enumerate(folds):
        alone = LogisticRegression(CS[1], **TIGHT).fit(X[train], P[train], WEIGHTS[train])
        losses = -(P[test] * alone.predict_log_proba(X[test])).sum(axis=1)
        expected = -np.average(losses, weights=WEIGHTS[test])
        assert clf.scores_[f, 0, 1] == pytest.approx(expected, abs=1e-6)
    losses = -(P * clf.predict_log_proba(X)).sum(axis=1)
    assert clf.score(X, P) == pytest.approx(-losses.mean())
    by_class = LogisticRegressionCV(CS, cv=3, scoring="accuracy").fit(X, P)
    assert by_class.score(X, P) == (by_class.predict(X) == best).mean()
    assert by_class.scores_[0, 0, 2] > 0.5


def test_one_hot_distributions_are_labels():
    labels = LogisticRegressionCV(CS, cv=3, scoring="neg_log_loss", **TIGHT).fit(IRIS_X, IRIS)
    one_hot = LogisticRegressionCV(CS, cv=3, **TIGHT).fit(IRIS_X, np.eye(3)[IRIS])
    np.testing.assert_allclose(one_hot.coefs_paths_, labels.coefs_paths_, atol=2e-5)
    np.testing.assert_allclose(one_hot.scores_, labels.scores_, atol=1e-6)


@pytest.mark.parametrize("K", [2, 3, 4])
def test_folds_that_lack_a_class(K):
    y = np.repeat(np.arange(K), 40)
    X = RNG.standard_normal((len(y), 3)) + np.eye(4)[y][:, :3]
    clf = LogisticRegressionCV(CS, cv=KFold(K), scoring="neg_log_loss", **TIGHT)
    with pytest.warns(UserWarning, match="in some folds there is no weight .* negative rows of 0"):
        clf.fit(X, y)
    assert np.isfinite(clf.scores_).all()
    for f, (train, _) in enumerate(KFold(K).split(X)):
        for c in range(3):
            found = clf.coefs_paths_[f, 0, c]
            if K == 2:
                assert (found[:, :-1] == 0).all()
                rate = np.log((y[train].sum() + 0.5) / ((y[train] == 0).sum() + 0.5))
                assert found[0, -1] == pytest.approx(rate)
                continue
            assert (found[f, :-1] == 0).all()
            assert found[f, -1] == pytest.approx(np.log(0.5 / (len(train) + 0.5)))
            alone = LogisticRegression(CS[c], **TIGHT).fit(X[train], y[train])
            others = np.delete(found, f, axis=0)
            if K == 3:  # two classes are left, whose softmax has twice the penalty of a sigmoid
                alone = LogisticRegression(2 * CS[c], **TIGHT).fit(X[train], y[train])
                np.testing.assert_allclose(
                    others[1, :-1] - others[0, :-1], alone.coef_[0], atol=1e-4
                )
            else:
                np.testing.assert_allclose(others[:, :-1], alone.coef_, atol=2e-5)


def test_classes_that_held_out_rows_lack_are_known_to_scorers():
    y = np.repeat(["a", "b", "c"], 30)
    X = RNG.standard_normal((90, 2))
    folds = [(np.arange(90), np.arange(30)), (np.arange(90), np.arange(45, 90))]
    clf = LogisticRegressionCV([1.0], cv=folds, scoring="neg_log_loss").fit(X, y)
    alone = LogisticRegression().fit(X, y)
    expected = -log_loss(y[:30], alone.predict_proba(X[:30]), labels=["a", "b", "c"])
    assert clf.scores_[0, 0, 0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("X, y", [(CANCER_X, CANCER), (IRIS_X, IRIS)], ids=["two", "three"])
def test_same_bits_on_any_number_of_threads(X, y):
    X, y = np.tile(X, (20, 1)), np.tile(y, 20)
    one, *others = (LogisticRegressionCV(4, cv=3, n_threads=n).fit(X, y) for n in (1, 2, 3, 8))
    for other in others:
        np.testing.assert_array_equal(one.coefs_paths_, other.coefs_paths_)
        np.testing.assert_array_equal(one.coef_, other.coef_)
        np.testing.assert_array_equal(one.scores_, other.scores_)


def test_saves_as_a_logistic_regression(tmp_path):
    clf = LogisticRegressionCV(CS, cv=3).fit(IRIS_X, IRIS)
    clf.save(tmp_path / "model.safetensors")
    loaded = fastclf.load(tmp_path / "model.safetensors")
    assert type(loaded) is LogisticRegression
    np.testing.assert_array_equal(loaded.predict_proba(IRIS_X), clf.predict_proba(IRIS_X))


def test_limit_on_iterations():
    clf = LogisticRegressionCV(CS, cv=3, max_iter=1)
    with pytest.warns(ConvergenceWarning) as caught:
        clf.fit(IRIS_X, IRIS)
    assert "at C = 0.01, 1, 30" in str(caught[0].message)
    assert caught[0].filename == __file__
    with pytest.warns(ConvergenceWarning):
        clf.set_params(max_iter=0).fit(IRIS_X, IRIS)
    assert not clf.coefs_paths_.any() and not clf.n_iter_.any()


BAD = [
    ({"Cs": 0}, "Cs must be an integer >= 1"),
    ({"Cs": []}, "Cs is empty"),
    ({"Cs": [1.0, -2.0]}, "each of Cs must be a positive number, got -2.0"),
    ({"l1_ratios": [0.0, 0.5], "solver": "newton"}, "solver Newton can't fit an L1 penalty"),
    ({"l1_ratios": []}, "l1_ratios must be a list"),
    ({"l1_ratios": [2.0]}, r"each of l1_ratios must be in \[0, 1\]"),
    ({"solver": "adam"}, "solver='adam' trains on minibatches"),
    ({"solver": "best"}, "solver must be one of"),
    ({"tol": -1.0}, "tol must be a number >= 0"),
    ({"max_iter": -1}, "max_iter must be an integer >= 0"),
    ({"label_smoothing": 1.0}, "label_smoothing must be in"),
    ({"cv": []}, "cv has no folds"),
    ({"cv": [([0, 1], [])]}, "fold 0 holds out no rows"),
    ({"cv": [([], [0, 1])]}, "fold 0 has no training rows of positive weight"),
    ({"scoring": "beauty"}, "beauty"),
]


@pytest.mark.parametrize("kind", [LogisticRegressionCV, MultiLabelLogisticRegressionCV])
@pytest.mark.parametrize("params, message", BAD, ids=lambda value: str(value)[:30])
def test_bad_parameters(kind, params, message):
    with pytest.raises(ValueError, match=message) as caught:
        kind(**params).fit(CANCER_X, CANCER)
    assert isinstance(caught.value, FastclfError) or params == {"scoring": "beauty"}


def test_bad_targets():
    with pytest.raises(FastclfError, match="only one class"):
        LogisticRegressionCV().fit(IRIS_X, np.zeros(150))
    with pytest.raises(FastclfError, match="row 0 of y sums to 2"):
        LogisticRegressionCV().fit(IRIS_X, np.ones((150, 2)))


# Several labels.


def label_fits(C: Any, X: Any, Y: np.ndarray, **params: Any) -> MultiLabelLogisticRegression:
    return MultiLabelLogisticRegression(C, **TIGHT, **params).fit(X, Y)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_each_fold_of_all_labels(fit_intercept):
    params = {"fit_intercept": fit_intercept, "pos_weight": 2.0, "label_smoothing": 0.1, **TIGHT}
    clf = MultiLabelLogisticRegressionCV(CS, cv=3, **params).fit(CANCER_X, LABELS, WEIGHTS)
    folds = list(KFold(3).split(CANCER_X))
    single = MultiLabelLogisticRegression(**params)
    assert_paths_are_fits(clf, single, CANCER_X, LABELS, folds, WEIGHTS)
    whole = single.set_params(C=clf.C_).fit(CANCER_X, LABELS, WEIGHTS)
    np.testing.assert_allclose(clf.coef_, whole.coef_, atol=2e-5)
    np.testing.assert_array_equal(clf.predict(CANCER_X), whole.predict(CANCER_X))


@pytest.mark.parametrize("soft", [False, True])
def test_labels_are_scored_by_their_likelihood(soft):
    Y = np.clip(0.8 * LABELS + 0.1, 0, 1) if soft else LABELS
    joint = MultiLabelLogisticRegressionCV(CS, cv=3, **TIGHT).fit(CANCER_X, Y)
    each = MultiLabelLogisticRegressionCV(CS, cv=3, per_label=True, **TIGHT).fit(CANCER_X, Y)
    assert joint.scores_.shape == (3, 1, 3) and each.scores_.shape == (3, 1, 3, 3)
    np.testing.assert_allclose(each.scores_.mean(axis=3), joint.scores_, rtol=1e-12)
    for f, (train, test) in enumerate(KFold(3).split(CANCER_X)):
        p = label_fits(CS[1], CANCER_X[train], Y[train]).predict_proba(CANCER_X[test])
        scores = Y[test] * np.log(p) + (1 - Y[test]) * np.log(1 - p)
        np.testing.assert_allclose(each.scores_[f, 0, 1], scores.mean(axis=0), atol=1e-5)
    assert joint.C_ == CS[joint.scores_.sum(axis=(0, 1)).argmax()]
    best = np.array(CS)[each.scores_.sum(axis=(0, 1)).argmax(axis=0)]
    np.testing.assert_array_equal(each.C_, best)
    p = joint.predict_proba(CANCER_X)
    expected = (Y * np.log(p) + (1 - Y) * np.log(1 - p)).mean()
    assert joint.score(CANCER_X, Y) == pytest.approx(expected)


def test_each_label_has_its_own_C():
    clf = MultiLabelLogisticRegressionCV(CS, cv=3, per_label=True, **TIGHT).fit(CANCER_X, LABELS)
    assert len(set(clf.C_)) > 1
    for k, C in enumerate(clf.C_):
        alone = LogisticRegression(C, **TIGHT).fit(CANCER_X, LABELS[:, k])
        np.testing.assert_allclose(clf.coef_[k], alone.coef_[0], atol=2e-5)


@pytest.mark.parametrize("per_label", [False, True])
@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 2]], ids=["two labels", "three labels"])
def test_labels_by_a_scorer(per_label, labels):
    Y = LABELS[:, labels]
    scoring = "f1" if per_label else "f1_macro"
    clf = MultiLabelLogisticRegressionCV(
        CS, cv=3, per_label=per_label, threshold=0.4, scoring=scoring, **TIGHT
    ).fit(CANCER_X, Y)
    train, test = next(KFold(3).split(CANCER_X))
    fit = label_fits(CS[1], CANCER_X[train], Y[train], threshold=0.4)
    found, predicted = clf.scores_[0, 0, 1], fit.predict(CANCER_X[test])
    f1 = [
        2 * (p & y).sum() / (p.sum() + y.sum()) for p, y in zip(predicted.T, Y[test].T, strict=True)
    ]
    np.testing.assert_allclose(found, f1 if per_label else np.mean(f1))
    ranked = MultiLabelLogisticRegressionCV(CS, cv=3, per_label=per_label, scoring="roc_auc").fit(
        CANCER_X, Y[:, :2]
    )
    assert (ranked.scores_ > 0.9).all()


def test_labels_without_refit():
    params: dict[str, Any] = {"cv": 3, "refit": False, "per_label": True}
    clf = MultiLabelLogisticRegressionCV(CS, **params).fit(CANCER_X, LABELS)
    best = clf.scores_[:, 0].argmax(axis=1)  # folds, labels
    np.testing.assert_allclose(clf.C_, np.array(CS)[best].mean(axis=0))
    each = [
        np.mean([clf.coefs_paths_[f, 0, best[f, k], k, :-1] for f in range(3)], axis=0)
        for k in range(3)
    ]
    np.testing.assert_allclose(clf.coef_, each, rtol=1e-12)


def test_labels_that_a_fold_lacks():
    Y = LABELS.copy()
    Y[:, 1] = 0
    Y[:100, 1] = 1  # all in the first held-out part
    Y[:, 2] = 1  # everywhere
    clf = MultiLabelLogisticRegressionCV(CS, cv=KFold(3), per_label=True, **TIGHT)
    with pytest.warns(UserWarning, match="no weight on the positive or on the negative"):
        clf.fit(CANCER_X, Y)
    folds = list(KFold(3).split(CANCER_X))
    rates = [np.log(0.5 / (len(folds[0][0]) + 0.5)), np.log((len(folds[1][0]) + 0.5) / 0.5)]
    assert not clf.coefs_paths_[0, :, :, 1, :-1].any()
    assert clf.coefs_paths_[0, 0, :, 1, -1] == pytest.approx(rates[0])
    assert not clf.coefs_paths_[:, :, :, 2, :-1].any()
    assert clf.coefs_paths_[1, 0, :, 2, -1] == pytest.approx(rates[1])
    for f, k in ((0, 0), (1, 0), (1, 1), (2, 1)):
        train = folds[f][0]
        alone = LogisticRegression(CS[1], **TIGHT).fit(CANCER_X[train], Y[train, k])
        np.testing.assert_allclose(clf.coefs_paths_[f, 0, 1, k, :-1], alone.coef_[0], atol=2e-5)
    assert not clf.coef_[2].any() and clf.C_.shape == (3,)


@pytest.mark.parametrize("per_label", [False, True])
def test_one_label_is_two_classes(per_label, tmp_path):
    y = np.array(["no", "yes"])[CANCER]
    clf = MultiLabelLogisticRegressionCV(CS, cv=3, per_label=per_label, scoring="accuracy", **TIGHT)
    clf.fit(CANCER_X, y)
    same = LogisticRegressionCV(CS, cv=3, **TIGHT).fit(CANCER_X, y)
    np.testing.assert_allclose(clf.coefs_paths_, same.coefs_paths_, atol=1e-6)
    np.testing.assert_array_equal(clf.scores_.reshape(3, 1, 3), same.scores_)
    np.testing.assert_array_equal(clf.predict(CANCER_X), same.predict(CANCER_X))
    assert clf.score(CANCER_X, y) == same.score(CANCER_X, y)
    clf.save(tmp_path / "model.safetensors")
    loaded = fastclf.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(CANCER_X), clf.predict(CANCER_X))


def test_folds_that_have_to_wait_are_no_different(monkeypatch):
    params: dict[str, Any] = {"cv": 5, **TIGHT}
    together = MultiLabelLogisticRegressionCV(CS, **params).fit(CANCER_X, LABELS)
    monkeypatch.setattr("fastclf.estimators.paths._ROOM", 2 * LABELS.size)
    apart = MultiLabelLogisticRegressionCV(CS, **params).fit(CANCER_X, LABELS)
    np.testing.assert_allclose(together.coefs_paths_, apart.coefs_paths_, atol=2e-5)
    assert apart.history_["path_passes"] > together.history_["path_passes"]


def test_a_custom_scorer_of_labels():
    def hits(truth: np.ndarray, predicted: np.ndarray) -> float:
        return float((truth == predicted).mean())

    clf = MultiLabelLogisticRegressionCV([0.01, 1.0], cv=3, scoring=make_scorer(hits))
    scores = clf.fit(scipy.sparse.csr_array(CANCER_X), scipy.sparse.csr_array(LABELS)).scores_
    assert (scores > 0.8).all() and clf.score(CANCER_X, LABELS) > 0.8


def test_larger_problems_start_on_a_sample():
    X, y = make_classification(4000, 60, n_informative=20, n_classes=4, random_state=0)
    clf = LogisticRegressionCV([0.01, 1.0], cv=3, **TIGHT).fit(X, y)
    assert_paths_are_fits(clf, LogisticRegression(**TIGHT), X, y, splits(y))


def test_held_out_rows_say_nothing_to_a_fold():
    # Where classes are separable and penalties weak, a fit ends close to where it started from.
    X, y = load_digits(return_X_y=True)
    clf = LogisticRegressionCV([1e-4, 1e-2, 1.0, 1e2, 1e4], cv=3).fit(X, y)
    for f, (train, test) in enumerate(splits(y)):
        alone = [LogisticRegression(C).fit(X[train], y[train]) for C in clf.Cs_]
        scores = [one.score(X[test], y[test]) for one in alone]
        np.testing.assert_allclose(clf.scores_[f, 0], scores, atol=0.05)


@pytest.mark.parametrize("part", [[0, 50], [440, 569], [100, 180], [5, 6]])
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
def test_a_validation_part_anywhere(part: list[int], kind: Any):
    held_out = np.zeros(len(CANCER), bool)
    held_out[slice(*part)] = True
    cv = PredefinedSplit(np.where(held_out, 0, -1))
    X = kind(CANCER_X)
    clf = LogisticRegressionCV(Cs=CS, cv=cv, refit=False, **TIGHT)
    clf.fit(X, CANCER, sample_weight=WEIGHTS)
    folds = [(np.flatnonzero(~held_out), np.flatnonzero(held_out))]
    assert_paths_are_fits(clf, LogisticRegression(**TIGHT), X, CANCER, folds, WEIGHTS)
    single = LogisticRegression(**TIGHT).set_params(C=clf.C_)
    single.fit(X[~held_out], CANCER[~held_out], sample_weight=WEIGHTS[~held_out])
    right = single.predict(X[held_out]) == CANCER[held_out]
    np.testing.assert_allclose(clf.scores_.max(), np.average(right, weights=WEIGHTS[held_out]))


def test_a_validation_part_of_partly_known_labels():
    Y = LABELS.astype(float)
    Y[RNG.random(Y.shape) < 0.1] = np.nan
    held_out = np.arange(len(Y)) >= 400
    params: dict[str, Any] = {"Cs": CS, "refit": False, **TIGHT}
    order = RNG.permutation(len(Y))
    apart, mixed = (
        MultiLabelLogisticRegressionCV(cv=PredefinedSplit(-1 + held_out[rows]), **params).fit(
            CANCER_X[rows], Y[rows]
        )
        for rows in (np.arange(len(Y)), order)
    )
    np.testing.assert_allclose(apart.coefs_paths_, mixed.coefs_paths_, atol=2e-5)
    np.testing.assert_allclose(apart.scores_, mixed.scores_, rtol=1e-6)

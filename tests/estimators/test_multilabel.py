"""MultiLabelLogisticRegression: L labels in one fit, each as it would be alone."""

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from scipy.special import expit
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.model_selection import KFold, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import scale

import fastclf
from fastclf import (
    LogisticRegression,
    MultiLabelLogisticRegression,
    MultiLabelLogisticRegressionCV,
)
from fastclf.errors import FastclfError
from fastclf.solvers import SGD, Adam

X, WINE = load_wine(return_X_y=True)
X = scale(X)
RNG = np.random.default_rng(0)
N = len(X)
Y = np.column_stack([WINE == 0, WINE == 2, X[:, 0] > 0.3, RNG.random(N) < 0.1]).astype(int)
SOFT = np.clip(0.8 * Y + 0.2 * RNG.random(Y.shape), 0, 1)
WEIGHTS = RNG.uniform(0.1, 3, N)


def exact(**arguments: Any) -> MultiLabelLogisticRegression:
    return MultiLabelLogisticRegression(**{"tol": 1e-10, "max_iter": 1000, **arguments})


def assert_same_fit(one: Any, other: Any, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(one.coef_, other.coef_, atol=atol)
    np.testing.assert_allclose(one.intercept_, other.intercept_, atol=atol)


def test_shapes_and_predictions():
    clf = MultiLabelLogisticRegression().fit(X, Y)
    assert clf.coef_.shape == (4, 13) and clf.intercept_.shape == clf.threshold_.shape == (4,)
    assert clf.classes_.tolist() == [0, 1, 2, 3]
    z = X @ clf.coef_.T + clf.intercept_
    np.testing.assert_allclose(clf.decision_function(X), z, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(clf.predict_proba(X), expit(z), rtol=1e-9)
    np.testing.assert_allclose(np.exp(clf.predict_log_proba(X)), expit(z), rtol=1e-9)
    assert np.array_equal(clf.predict(X), z > 0) and clf.predict(X).dtype.kind == "i"
    assert clf.score(X, Y) == (clf.predict(X) == Y).all(axis=1).mean()


@pytest.mark.parametrize("C", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_is_one_binary_fit_a_label(C: float, fit_intercept: bool):
    ours = exact(C=C, fit_intercept=fit_intercept).fit(X, Y)
    theirs = OneVsRestClassifier(
        ScikitLearn(C=C, fit_intercept=fit_intercept, tol=1e-11, max_iter=10_000)
    ).fit(X, Y)
    coef = np.vstack([one.coef_ for one in theirs.estimators_])
    np.testing.assert_allclose(ours.coef_, coef, atol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


def test_soft_targets_and_weights_are_those_of_one_label():
    ours = exact().fit(X, SOFT, WEIGHTS)
    for k in range(4):
        p = np.column_stack([1 - SOFT[:, k], SOFT[:, k]])
        alone = LogisticRegression(tol=1e-10, max_iter=1000).fit(X, p, WEIGHTS)
        np.testing.assert_allclose(ours.coef_[k], alone.coef_[0], atol=1e-6)
        np.testing.assert_allclose(ours.intercept_[k], alone.intercept_[0], atol=1e-6)


def test_mean_probability_is_the_rate_of_each_label():
    clf = exact().fit(X, SOFT, WEIGHTS)
    np.testing.assert_allclose(WEIGHTS @ clf.predict_proba(X), WEIGHTS @ SOFT, rtol=1e-7)


@pytest.mark.parametrize(
    "change",
    [
        scipy.sparse.csr_array,
        scipy.sparse.csc_matrix,
        np.asfortranarray,
        lambda A: A.astype(bool),
        lambda A: A.astype(float),
        np.ndarray.tolist,
    ],
    ids=["csr", "csc", "fortran", "bool", "float", "list"],
)
def test_any_indicators(change: Any):
    clf = MultiLabelLogisticRegression().fit(X, change(Y))
    assert np.array_equal(clf.coef_, MultiLabelLogisticRegression().fit(X, Y).coef_)
    assert clf.score(X, change(Y)) == (clf.predict(X) == Y).all(axis=1).mean()


def test_columns_of_a_frame_name_the_labels():
    pandas = pytest.importorskip("pandas")
    clf = MultiLabelLogisticRegression().fit(X, pandas.DataFrame(Y, columns=list("wxyz")))
    assert clf.classes_.tolist() == list("wxyz")


def test_sparse_rows_are_dense_ones():
    rows = np.where(np.abs(X) > 0.7, X, 0)
    assert_same_fit(exact().fit(scipy.sparse.csr_array(rows), Y), exact().fit(rows, Y))


def test_one_dimensional_labels_are_a_binary_classifier():
    labels = np.array(["no", "yes"])[Y[:, 0]]
    clf = exact().fit(X, labels)
    alone = LogisticRegression(tol=1e-10, max_iter=1000).fit(X, labels)
    assert_same_fit(clf, alone)
    assert clf.classes_.tolist() == ["no", "yes"] and clf.coef_.shape == (1, 13)
    assert clf.decision_function(X).shape == (N,) and clf.predict_proba(X).shape == (N, 2)
    assert clf.score(X, labels) == alone.score(X, labels)
    with pytest.warns(DataConversionWarning):
        column = exact().fit(X, labels[:, None])
    assert np.array_equal(column.coef_, clf.coef_)
    sparse = exact().fit(X, scipy.sparse.csr_array(Y[:, :1]))
    assert np.array_equal(sparse.coef_, clf.coef_)


def test_label_smoothing_is_a_soft_target():
    assert_same_fit(exact(label_smoothing=0.2).fit(X, Y), exact().fit(X, 0.8 * Y + 0.1))


# Weights of the positive rows


@pytest.mark.parametrize("pos_weight", [3.0, [0.5, 1.0, 2.0, 10.0]])
def test_pos_weight_is_a_repeated_positive_row(pos_weight: Any):
    ours = exact(pos_weight=pos_weight).fit(X, Y)
    for k, p in enumerate(np.broadcast_to(pos_weight, 4)):
        # The penalty goes by Σw without pos_weight, so C makes up for what the rows weigh more.
        weights = np.where(Y[:, k] == 1, p, 1.0)
        alone = ScikitLearn(tol=1e-11, max_iter=10_000).fit(X, Y[:, k], weights)
        np.testing.assert_allclose(ours.coef_[k], alone.coef_[0], atol=1e-4)


def test_balanced_pos_weight_is_the_odds_of_the_negative_rows():
    for weights in (np.ones(N), WEIGHTS):
        positive = weights @ Y
        odds = (weights.sum() - positive) / positive
        ours = exact(pos_weight="balanced").fit(X, Y, weights)
        assert_same_fit(ours, exact(pos_weight=odds).fit(X, Y, weights))
        # Balanced, the mean probability weighs both sides alike.
        p = ours.predict_proba(X)
        sides = weights[:, None] * np.where(Y == 1, odds, 1.0)
        np.testing.assert_allclose((sides * p).sum(0), (sides * Y).sum(0), rtol=1e-6)


def test_integer_weight_is_a_repeated_row_and_weight_zero_a_removed_one():
    counts = RNG.integers(0, 3, N)
    rows = np.repeat(np.arange(N), counts)
    for arguments in ({}, {"pos_weight": "balanced"}):
        ours = exact(**arguments).fit(X, SOFT, counts)
        assert_same_fit(ours, exact(**arguments).fit(X[rows], SOFT[rows]))


def test_thresholds():
    clf = MultiLabelLogisticRegression(threshold=[0.1, 0.5, 0.9, 0.05]).fit(X, Y)
    assert clf.threshold_.tolist() == [0.1, 0.5, 0.9, 0.05]
    assert np.array_equal(clf.predict(X), clf.predict_proba(X) > clf.threshold_)
    one = MultiLabelLogisticRegression(threshold=0.3).fit(X, Y)
    assert np.array_equal(one.predict(X), one.predict_proba(X) > 0.3)
    zero = MultiLabelLogisticRegression(threshold=1.0).fit(X, Y)
    assert not zero.predict(X).any()


def test_thresholds_and_pos_weights_by_label():
    frame = pd.DataFrame(Y, columns=list("abcd"))
    named = exact(threshold={"b": 0.2, "d": 0.9}, pos_weight={"c": 3}).fit(X, frame)
    assert named.threshold_.tolist() == [0.5, 0.2, 0.5, 0.9]
    assert_same_fit(named, exact(pos_weight=[1, 1, 3, 1]).fit(X, Y), atol=1e-12)
    numbered = MultiLabelLogisticRegression(threshold={2: 0.25}).fit(X, Y)
    assert numbered.threshold_.tolist() == [0.5, 0.5, 0.25, 0.5]
    words = np.where(Y[:, 0], "yes", "no")
    one = MultiLabelLogisticRegression(threshold={"yes": 0.3}).fit(X, words)
    assert one.threshold_.tolist() == [0.3]
    folds = KFold(2, shuffle=True, random_state=0)
    both = MultiLabelLogisticRegressionCV([1.0], cv=folds, threshold={"b": 0.2}).fit(X, frame)
    assert both.threshold_.tolist() == [0.5, 0.2, 0.5, 0.5]


def test_passes_do_not_grow_with_the_labels():
    one = MultiLabelLogisticRegression().fit(X, Y[:, :2])
    many = MultiLabelLogisticRegression().fit(X, np.tile(Y[:, :2], 20))
    # Those of a label on average; in a block it may wait for another one.
    assert abs(many.history_["passes"][-1] - one.history_["passes"][-1]) <= 2
    np.testing.assert_allclose(many.coef_, np.tile(one.coef_, (20, 1)), atol=1e-8)


# Labels without a positive or a negative row


@pytest.mark.parametrize("seed", range(4))
def test_labels_that_are_always_or_never_true(seed: int):
    weights = np.random.default_rng(seed).random(N)
    targets = np.column_stack([np.ones(N), Y[:, 0], np.zeros(N), Y[:, 1]])
    clf = exact()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, targets, weights)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert "0, 2" in str(caught[0].message)
    assert (clf.coef_[[0, 2]] == 0).all()
    log_odds = np.log((weights.sum() + 0.5) / 0.5)
    np.testing.assert_allclose(clf.intercept_[[0, 2]], [log_odds, -log_odds])
    others = exact().fit(X, Y[:, :2], weights)
    np.testing.assert_allclose(clf.coef_[[1, 3]], others.coef_, atol=1e-6)
    assert np.isfinite(clf.predict_log_proba(X)).all()


@pytest.mark.parametrize("solver", ["auto", "adam", SGD(early_stopping=2)], ids=str)
def test_no_label_that_can_be_fitted(solver: Any):
    clf = MultiLabelLogisticRegression(solver=solver, random_state=0)
    with pytest.warns(UserWarning, match="0, 1, 2"):
        clf.fit(X, np.zeros((N, 3)))
    assert (clf.coef_ == 0).all() and not clf.predict(X).any()
    assert clf.n_iter_[0] == 0


def test_a_pos_weight_of_zero_leaves_no_positive_weight():
    with pytest.warns(UserWarning, match="no weight"):
        clf = exact(pos_weight=[0, 1, 1, 1]).fit(X, Y)
    assert (clf.coef_[0] == 0).all() and np.isfinite(clf.intercept_).all()


def test_smoothing_gives_every_label_an_optimum():
    clf = exact(label_smoothing=0.1).fit(X, np.zeros((N, 2)))
    np.testing.assert_allclose(clf.predict_proba(X), 0.05, atol=1e-6)


# Minibatches and validation


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw"])
def test_minibatch_solvers_learn(solver: str):
    clf = MultiLabelLogisticRegression(solver=solver, random_state=0).fit(X, Y)
    assert (clf.predict(X) == Y).mean() > 0.93
    again = MultiLabelLogisticRegression(solver=solver, random_state=0, n_threads=3).fit(X, Y)
    assert np.array_equal(again.coef_, clf.coef_)


def test_early_stopping_restores_the_best_epoch():
    rows, held, labels, wanted = train_test_split(X, Y, random_state=0)
    solver = Adam(batch_size=16, early_stopping=3, max_iter=300, learning_rate=0.05)
    clf = MultiLabelLogisticRegression(solver=solver, C=np.inf, random_state=0)
    clf.fit(rows, labels, X_val=held, y_val=wanted)
    losses = clf.history_["validation_loss"]
    assert clf.history_["status"] == "early_stopping"
    p = clf.predict_proba(held)
    loss = -np.log(np.where(wanted, p, 1 - p)).mean()
    np.testing.assert_allclose(loss, losses.min(), rtol=1e-9)


def test_rows_split_off_never_train():
    _, held_out = train_test_split(np.arange(N), test_size=0.1, random_state=5)
    rows, labels = X.copy(), Y.copy()
    rows[held_out] *= -1e3
    labels[held_out] = 1 - labels[held_out]
    solver = SGD(batch_size=16, early_stopping=1000, max_iter=10)
    one, other = (
        MultiLabelLogisticRegression(solver=solver, random_state=5).fit(*data)
        for data in ((X, Y), (rows, labels))
    )
    assert np.array_equal(one.history_["objective"], other.history_["objective"])
    assert not np.array_equal(one.history_["validation_loss"], other.history_["validation_loss"])


# Inputs, errors, files


def test_float32_stays_float32():
    clf = MultiLabelLogisticRegression().fit(X.astype(np.float32), Y)
    assert clf.coef_.dtype == clf.predict_proba(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(
        clf.predict_proba(X), MultiLabelLogisticRegression().fit(X, Y).predict_proba(X), atol=2e-3
    )


def changed(A: np.ndarray, value: float, *place: int) -> np.ndarray:
    A = np.array(A, dtype=float)
    A[place] = value
    return A


BAD_FITS = {
    "above one": (({}, changed(Y, 1.5, 7, 2)), r"\[0, 1\].*y\[7, 2\] is 1.5"),
    "below zero": (({}, changed(Y, -0.1, 7, 2)), r"y\[7, 2\] is -0.1"),
    "words": (({}, np.array([["a", "b"]] * N)), "indicators"),
    "other length": (({}, Y[:-1]), "inconsistent"),
    "no columns": (({}, Y[:, :0]), "no columns"),
    "no y": (({}, None), "requires y to be passed"),
    "multiclass": (({}, WINE), "Only binary classification is supported"),
    "one class": (({}, np.ones(N)), "one class: 1.0"),
    "short pos_weight": (({"pos_weight": [1, 2]}, Y), r"pos_weight.*\(4,\)"),
    "negative pos_weight": (({"pos_weight": -1}, Y), "pos_weight"),
    "pos_weight word": (({"pos_weight": "balance"}, Y), "pos_weight.*'balanced'"),
    "short threshold": (({"threshold": [0.5]}, Y), r"threshold.*\(4,\)"),
    "threshold of no label": (({"threshold": {4: 0.1}}, Y), "isn't a label.*0, 1, 2, 3"),
    "pos_weight of words": (({"pos_weight": {1: "much"}}, Y), "pos_weight must be a number"),
    "large threshold": (({"threshold": 1.5}, Y), "threshold"),
    "smoothing": (({"label_smoothing": 1.0}, Y), "label_smoothing"),
    "lists": (({}, [["a"] * (i % 3) for i in range(N)]), "different lengths.*MultiLabelBinarizer"),
}


@pytest.mark.parametrize("name", BAD_FITS)
def test_bad_input(name: str):
    (arguments, target), message = BAD_FITS[name]
    with pytest.raises(FastclfError if name != "other length" else ValueError, match=message):
        MultiLabelLogisticRegression(**arguments).fit(X, target)


def test_bad_validation():
    for validation, message in (
        ({"X_val": X}, "together"),
        ({"X_val": X, "y_val": Y[:, :3]}, "has 3 labels, but the estimator was fitted to 4"),
        ({"X_val": X, "y_val": Y[:-1]}, "inconsistent"),
    ):
        with pytest.raises(ValueError, match=message):
            MultiLabelLogisticRegression().fit(X, Y, **validation)


def test_it_cannot_fit_parts():
    assert not hasattr(MultiLabelLogisticRegression(solver="adam"), "partial_fit")


def test_files_and_pickles(tmp_path: Any):
    for target in (Y, np.array(["no", "yes"])[Y[:, 0]]):
        clf = MultiLabelLogisticRegression(threshold=0.3).fit(X, target)
        clf.save(tmp_path / "m")
        for other in (fastclf.load(tmp_path / "m"), pickle.loads(pickle.dumps(clf))):
            assert np.array_equal(other.predict_proba(X), clf.predict_proba(X))
            assert np.array_equal(other.predict(X), clf.predict(X))
            assert np.array_equal(other.classes_, clf.classes_)


def test_warm_start_and_no_iterations():
    clf = MultiLabelLogisticRegression(warm_start=True).fit(X, Y)
    assert clf.fit(X, Y).n_iter_[0] <= 1
    with pytest.warns(ConvergenceWarning):
        assert (MultiLabelLogisticRegression(max_iter=0).fit(X, Y).coef_ == 0).all()

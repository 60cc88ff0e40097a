"""Weights of rows and of classes, one by one and together, by every exact solver."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.preprocessing import scale

from fastclf import LogisticRegression, MultiLabelLogisticRegression
from fastclf.solvers import LBFGS, Newton

X, y = load_iris(return_X_y=True)
X = scale(X)
BINARY = (y == 1).astype(int)
RNG = np.random.default_rng(0)
WEIGHTS = RNG.uniform(0.1, 3, len(y))
P = RNG.dirichlet(np.ones(3), len(y))
P2 = P[:, :2] / P[:, :2].sum(axis=1, keepdims=True)
ZEROS = RNG.random(len(y)) < 0.3

EXACT = {"auto": "auto", "newton": Newton(), "blocks": Newton(whole=False), "lbfgs": LBFGS()}
every_solver = pytest.mark.parametrize("solver", EXACT.values(), ids=EXACT.keys())
TARGETS = {"binary": BINARY, "multiclass": y, "two columns": P2, "three columns": P}
every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())


def exact(**arguments: Any) -> LogisticRegression:
    return LogisticRegression(**{"tol": 1e-9, "max_iter": 1000, **arguments})


def assert_same_fit(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-5)
    np.testing.assert_allclose(one.intercept_, other.intercept_, atol=1e-5)


OF_CLASS = np.array([0.5, 2.0, 3.0])


@every_solver
@every_target
def test_class_weights_and_row_weights_multiply(target: np.ndarray, solver: Any):
    K = 2 if target is BINARY or target is P2 else 3
    by_class = dict(enumerate(OF_CLASS[:K]))
    clf = exact(class_weight=by_class, solver=solver).fit(X, target, WEIGHTS)
    if target.ndim == 1:
        assert_same_fit(clf, exact(solver=solver).fit(X, target, WEIGHTS * OF_CLASS[target]))
    else:  # each row as K rows of one class
        rows = np.repeat(np.arange(len(y)), K)
        weights = (WEIGHTS[:, None] * target * OF_CLASS[:K]).ravel()
        labels = np.tile(np.arange(K), len(y))
        assert_same_fit(clf, exact(solver=solver).fit(X[rows], labels, weights))


@every_solver
@pytest.mark.parametrize("target", [BINARY, y], ids=["binary", "multiclass"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_balanced_weights_are_scikit_learns(target: np.ndarray, solver: Any, weights: Any):
    clf = exact(class_weight="balanced", solver=solver).fit(X, target, weights)
    expected = ScikitLearn(class_weight="balanced", tol=1e-10, max_iter=10_000)
    assert_same_fit(clf, expected.fit(X, target, weights))


def test_balanced_weights_leave_out_rows_without_weight():
    weights = np.where(ZEROS, 0, WEIGHTS)
    for target in (BINARY, y, P):
        clf = exact(class_weight="balanced")
        expected = clone(clf).fit(X[~ZEROS], target[~ZEROS], weights[~ZEROS])
        assert_same_fit(clf.fit(X, target, weights), expected)


@every_solver
@every_target
@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array], ids=["dense", "CSR"])
def test_weight_zero_is_a_removed_row(target: np.ndarray, solver: Any, storage: Any):
    if storage is scipy.sparse.csr_array and isinstance(solver, Newton):
        pytest.skip("Newton needs a dense X")
    weights = np.where(ZEROS, 0, WEIGHTS)
    rows = np.where(ZEROS[:, None], 1e3, X)  # which would tell, if they counted
    rows = np.where(np.abs(rows) > 0.5, rows, 0)
    clf = exact(solver=solver).fit(storage(rows), target, weights)
    expected = exact(solver=solver).fit(storage(rows[~ZEROS]), target[~ZEROS], weights[~ZEROS])
    assert_same_fit(clf, expected)


def test_weight_zero_is_a_removed_row_for_labels():
    weights, labels = np.where(ZEROS, 0, WEIGHTS), np.eye(3, dtype=int)[y]
    for pos_weight in (None, "balanced", [0.5, 1, 2]):
        clf = MultiLabelLogisticRegression(pos_weight=pos_weight, tol=1e-9)
        expected = clone(clf).fit(X[~ZEROS], labels[~ZEROS], weights[~ZEROS])
        assert_same_fit(clf.fit(X, labels, weights), expected)


@every_target
def test_weights_and_c_scale_together(target: np.ndarray):
    clf = exact(C=0.5).fit(X, target, 3 * WEIGHTS)
    assert_same_fit(clf, exact(C=1.5).fit(X, target, WEIGHTS))
    clf = exact(C=np.inf, tol=1e-6).fit(X, P, 1e-6 * WEIGHTS)  # nothing to scale with
    assert_same_fit(clf, exact(C=np.inf, tol=1e-6).fit(X, P, WEIGHTS))


@pytest.mark.parametrize(
    "weights",
    [
        np.arange(len(y)),
        np.arange(len(y)).astype(np.float32),
        np.arange(len(y)) > 20,
        list(range(len(y))),
        2,
    ],
    ids=["integers", "float32", "booleans", "list", "number"],
)
def test_kinds_of_weights(weights: Any):
    as_floats = np.broadcast_to(np.asarray(weights, dtype=np.float64), len(y))
    clf = LogisticRegression().fit(X, y, weights)
    assert np.array_equal(clf.coef_, LogisticRegression().fit(X, y, as_floats).coef_)


def test_class_weights_of_classes_that_are_not_there():
    partial = exact(class_weight={1: 2.0}).fit(X, y)  # the others count once
    assert_same_fit(partial, exact(class_weight={0: 1.0, 1: 2.0, 2: 1.0}).fit(X, y))
    with pytest.raises(ValueError, match="class_weight"):
        LogisticRegression(class_weight={0: 1.0, 7: 2.0}).fit(X, y)
    with pytest.raises(ValueError, match="weights of all rows are 0"):
        LogisticRegression(class_weight={0: 0, 1: 0, 2: 0}).fit(X, y)


def test_weights_by_name():
    names = np.array(["ant", "bee", "cat"])
    clf = exact(class_weight=dict(zip(names, OF_CLASS, strict=True))).fit(X, names[y])
    assert_same_fit(clf, exact().fit(X, y, OF_CLASS[y]))


@pytest.mark.parametrize("labels", [BINARY, BINARY > 0, np.array(["no", "yes"])[BINARY]])
def test_a_logit_of_zero_is_the_first_class(labels: np.ndarray):
    for clf in (LogisticRegression(fit_intercept=False), MultiLabelLogisticRegression()):
        clf.fit(X, labels)
        clf.intercept_[:] = 0
        assert (clf.decision_function(np.zeros((2, 4))) == 0).all()
        assert (clf.predict(np.zeros((2, 4))) == clf.classes_[0]).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_balance_property_with_weights_of_both_kinds(seed: int):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0, 2, len(y)) * (rng.random(len(y)) < 0.8)
    clf = exact(class_weight=dict(enumerate(OF_CLASS))).fit(X, y, weights)
    total = weights * OF_CLASS[y]
    np.testing.assert_allclose(total @ clf.predict_proba(X), total @ np.eye(3)[y], rtol=1e-6)

"""Problems without an optimum, or with many: no penalty, separable rows, columns that depend."""

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastclf import LogisticRegression, MultiLabelLogisticRegression
from fastclf.solvers import LBFGS, Newton

SOLVERS = {
    "auto": "auto",
    "lbfgs": "lbfgs",
    "newton": "newton",
    "blocks": Newton(whole=False),
    "newton from a sample": Newton(sample=100),
    "lbfgs from a sample": LBFGS(sample=100),
}
every_solver = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())


# Separable rows


RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
LINE = np.linspace(-1, 1, 20)[:, None]
FAR = np.concatenate([X[:100] - 1e3, X[100:] + 1e3])
FLAG = X[:, 0] > 1
SEPARABLE = {
    "two classes": (X, X[:, 0] > 0),
    "three classes": (X, np.digitize(X[:, 0], [-0.5, 0.5])),
    "on a line": (LINE, LINE[:, 0] > 0),
    "one row alone": (LINE, LINE[:, 0] > 0.95),
    "two rows": (np.array([[0.0], [1.0]]), np.array([0, 1])),
    "far apart": (FAR, np.arange(200) >= 100),
    "indicators": (np.eye(5)[np.arange(50) % 5], np.arange(50) % 5),
    "more features than rows": (RNG.normal(size=(30, 100)), np.arange(30) % 3),
    "in the span of the rows": (RNG.normal(size=(30, 400)), np.arange(30) % 3),
    # Where a flag is set all rows are of one class, elsewhere they are of any.
    "by a flag": (np.column_stack([X, FLAG]), FLAG | (RNG.random(200) < 0.4)),
    "one class by a flag": (np.column_stack([X, FLAG]), np.where(FLAG, 2, RNG.integers(0, 2, 200))),
}


def assert_a_finite_end(clf: Any, rows: np.ndarray, y: np.ndarray) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(rows, y)
    assert np.isfinite(clf.coef_).all() and np.isfinite(clf.intercept_).all()
    assert np.isfinite(clf.predict_log_proba(rows)).all()
    assert clf.history_["status"] in ("converged", "max_iter", "precision")
    if clf.history_["status"] == "precision":
        assert clf.history_["gradient_norm"][-1] <= 1e-4 and not caught
    elif clf.history_["status"] == "converged":
        assert clf.history_["gradient_norm"][-1] <= clf.tol and not caught
    else:
        (warning,) = caught
        assert warning.category is ConvergenceWarning and warning.filename == __file__
        for remedy in ("increase max_iter", "scale the features", "lower C", "increase tol"):
            assert remedy in str(warning.message)


@every_solver
@pytest.mark.parametrize("name", SEPARABLE)
def test_separable_rows_come_to_a_finite_end(solver: Any, name: str):
    rows, y = SEPARABLE[name]
    for tol in (1e-4, 1e-8):
        clf = LogisticRegression(C=np.inf, tol=tol, solver=solver)
        assert_a_finite_end(clf, rows, y)
        if "flag" not in name:
            assert clf.score(rows, y) == 1


@pytest.mark.parametrize("name", SEPARABLE)
def test_separable_labels_come_to_a_finite_end(name: str):
    rows, y = SEPARABLE[name]
    labels = np.column_stack([y == k for k in range(int(y.max()) + 1)]).astype(int)
    clf = MultiLabelLogisticRegression(C=np.inf)
    assert_a_finite_end(clf, rows, labels)
    # The class in the middle can't be told from the two at its sides.
    assert "flag" in name or name == "three classes" or clf.score(rows, labels) == 1


@pytest.mark.parametrize("name", SEPARABLE)
def test_separable_rows_in_float32(name: str):
    rows, y = SEPARABLE[name]
    clf = LogisticRegression(C=np.inf)
    assert_a_finite_end(clf, rows.astype(np.float32), y)


def test_few_iterations_are_told_with_their_number_and_tolerance():
    rows, y = SEPARABLE["two classes"]
    clf = LogisticRegression(C=np.inf, tol=1e-12, max_iter=3)
    with pytest.warns(ConvergenceWarning, match="after 3 iterations.*tol=1e-12.*increase max_iter"):
        clf.fit(rows, y)
    assert clf.n_iter_[0] == 3 and clf.history_["status"] == "max_iter"


# Columns that depend on others


BASE = RNG.normal(size=(300, 4)) * np.geomspace(0.1, 10, 4) + RNG.normal(size=4)
LOGITS = (BASE / np.geomspace(0.1, 10, 4)) @ RNG.normal(size=(4, 3))
CLASSES = (LOGITS + 2 * RNG.gumbel(size=(300, 3))).argmax(axis=1)
ONE = np.ones((300, 1))
EXTRA = {
    "a column twice": BASE[:, :1],
    "a column four times": np.repeat(BASE[:, :1], 3, axis=1),
    "every column twice": BASE,
    "a sum": BASE.sum(axis=1, keepdims=True),
    "a multiple": -3 * BASE[:, 1:2],
    "other units": np.hstack([1e-4 * BASE[:, :1], 1e4 * BASE[:, 1:2]]),
    "zeros": 0 * ONE,
}
WITH_INTERCEPT = {
    "ones": ONE,
    "a multiple and a shift": 2 * BASE[:, 1:2] + 5,
    "halves": np.hstack([BASE[:, :1] > 0, BASE[:, :1] <= 0]),
}


@every_solver
@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("name", [*EXTRA, *WITH_INTERCEPT])
def test_columns_that_add_nothing_change_no_prediction(solver: Any, K: int, name: str):
    y = CLASSES % K
    added = {**EXTRA, **WITH_INTERCEPT}[name]
    # One half tells the other, beside an intercept.
    base = np.hstack([BASE, added[:, :1]]) if name == "halves" else BASE
    for fit_intercept in (True, False)[: 2 if name in EXTRA else 1]:
        arguments = {"C": np.inf, "tol": 1e-6, "fit_intercept": fit_intercept, "solver": solver}
        expected = LogisticRegression(**arguments).fit(base, y)
        clf = LogisticRegression(**arguments).fit(np.hstack([BASE, added]), y)
        assert expected.history_["status"] == clf.history_["status"] == "converged"
        np.testing.assert_allclose(
            clf.predict_proba(np.hstack([BASE, added])), expected.predict_proba(base), atol=1e-4
        )


@pytest.mark.parametrize("name", [*EXTRA, *WITH_INTERCEPT])
def test_columns_that_add_nothing_change_no_label(name: str):
    Y = np.column_stack([CLASSES == 0, CLASSES == 1, CLASSES != 1]).astype(int)
    added = {**EXTRA, **WITH_INTERCEPT}[name]
    base = np.hstack([BASE, added[:, :1]]) if name == "halves" else BASE
    expected = MultiLabelLogisticRegression(C=np.inf, tol=1e-6).fit(base, Y)
    clf = MultiLabelLogisticRegression(C=np.inf, tol=1e-6).fit(np.hstack([BASE, added]), Y)
    assert expected.history_["status"] == clf.history_["status"] == "converged"
    np.testing.assert_allclose(
        clf.predict_proba(np.hstack([BASE, added])), expected.predict_proba(base), atol=1e-4
    )


@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("name", ["a column twice", "a sum", "zeros"])
def test_columns_that_add_nothing_in_float32(C: float, K: int, name: str):
    rows, y = np.hstack([BASE, EXTRA[name]]), CLASSES % K
    expected = LogisticRegression(C=C, tol=1e-6).fit(rows, y)
    clf = LogisticRegression(C=C).fit(rows.astype(np.float32), y)
    np.testing.assert_allclose(clf.predict_proba(rows), expected.predict_proba(rows), atol=2e-3)


def test_under_a_penalty_a_column_twice_counts_half_each():
    # ‖(w/2, w/2)‖² is half of ‖w‖²: the same as one column times the root of two.
    y = CLASSES
    twice = LogisticRegression(tol=1e-9).fit(np.hstack([BASE, BASE]), y)
    once = LogisticRegression(tol=1e-9).fit(np.sqrt(2) * BASE, y)
    np.testing.assert_allclose(twice.coef_[:, :4], twice.coef_[:, 4:], atol=1e-7)
    np.testing.assert_allclose(twice.coef_[:, :4] * np.sqrt(2), once.coef_, atol=1e-6)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("value", [1.0, 3.3, 255.0])
def test_under_a_penalty_a_constant_column_is_left_to_the_intercept(
    K: int, value: float, dtype: type
):
    y = CLASSES % K
    rows = np.hstack([BASE, value * ONE])
    expected = LogisticRegression(tol=1e-8).fit(BASE, y)
    clf = LogisticRegression().fit(rows.astype(dtype), y)
    np.testing.assert_allclose(clf.coef_[:, -1], 0, atol=1e-3)
    np.testing.assert_allclose(clf.predict_proba(rows), expected.predict_proba(BASE), atol=2e-3)

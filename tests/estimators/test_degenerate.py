"""Problems without an optimum, or with many: no penalty, separable rows, columns that depend."""

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from fastclf import DistilledClassifier, LogisticRegression, MultiLabelLogisticRegression
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


def assert_a_finite_end(clf: Any, rows: np.ndarray, y: np.ndarray, separable: bool) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(rows, y)
    assert np.isfinite(clf.coef_).all() and np.isfinite(clf.intercept_).all()
    assert np.isfinite(clf.predict_log_proba(rows)).all()
    status = clf.history_["status"]
    if status == "stalled" and not separable:  # only a part has an optimum: rounding decides
        assert [each.category for each in caught] == [ConvergenceWarning]
        return str(caught[0].message)
    assert status in ("converged", "max_iter", "precision")
    if status == "precision":
        assert clf.history_["gradient_norm"][-1] <= 1e-3
    if status == "converged":
        assert clf.history_["gradient_norm"][-1] <= clf.tol
    if not separable and status != "max_iter":
        assert not caught
        return ""
    (warning,) = caught
    assert warning.category is ConvergenceWarning and warning.filename == __file__
    message = str(warning.message)
    remedies = ("increase max_iter", "scale the features", "lower C", "increase tol")
    for words in ("no optimum", "finite C") if separable else remedies:
        assert words in message
    return message


@every_solver
@pytest.mark.parametrize("name", SEPARABLE)
def test_separable_rows_come_to_a_finite_end(solver: Any, name: str):
    rows, y = SEPARABLE[name]
    for tol in (1e-4, 1e-8):
        clf = LogisticRegression(C=np.inf, tol=tol, solver=solver)
        # What a flag tells apart is so only in part: the other rows have their optimum.
        assert_a_finite_end(clf, rows, y, separable="flag" not in name)
        if "flag" not in name:
            assert clf.score(rows, y) == 1


def indicators_of(y: np.ndarray) -> np.ndarray:
    return np.column_stack([y == k for k in range(int(y.max()) + 1)]).astype(int)


SEPARABLE_LABELS = {
    "three classes": [0, 2],  # the one in the middle can't be told from those at its sides
    "by a flag": [],
    "one class by a flag": [2],
}


@pytest.mark.parametrize("name", SEPARABLE)
def test_separable_labels_come_to_a_finite_end(name: str):
    rows, y = SEPARABLE[name]
    labels = indicators_of(y)
    apart = SEPARABLE_LABELS.get(name, list(range(labels.shape[1])))
    clf = MultiLabelLogisticRegression(C=np.inf)
    message = assert_a_finite_end(clf, rows, labels, separable=bool(apart))
    assert (clf.predict(rows) == labels)[:, apart].all()
    if apart:
        listed = message.partition("the rows with and without ")[2].partition(":")[0]
        assert listed == ", ".join(map(str, apart))


@pytest.mark.parametrize("name", SEPARABLE)
def test_separable_rows_in_float32(name: str):
    rows, y = SEPARABLE[name]
    clf = LogisticRegression(C=np.inf)
    assert_a_finite_end(clf, rows.astype(np.float32), y, separable="flag" not in name)


def no_warning(clf: Any, *data: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.fit(*data)


@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("K", [2, 3])
def test_one_wrong_row_gives_an_optimum_and_no_warning(K: int, storage: Any):
    rows = RNG.normal(size=(6000, 3))
    y = np.digitize(rows[:, 0], [-0.5, 0.5]) if K == 3 else (rows[:, 0] > 0).astype(int)
    rows[:, 0] += y  # a wide margin
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        LogisticRegression(C=np.inf).fit(storage(rows), y)
    middle = np.flatnonzero(y == 1)[-1]
    wrong = y.copy()
    for near in (middle, *np.argsort(rows[:, 0])[[0, -1]]):  # inside, and at both ends
        wrong[near] = (y[near] + 1) % K
    no_warning(LogisticRegression(C=np.inf, max_iter=1000), storage(rows), wrong)
    # Without weight they are as good as away.
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        LogisticRegression(C=np.inf).fit(storage(rows), wrong, (wrong == y).astype(float))


@pytest.mark.parametrize("K", [2, 3])
def test_a_row_that_is_not_one_class_alone_gives_an_optimum(K: int):
    y = (LINE[:, 0] > 0).astype(int) if K == 2 else np.digitize(LINE[:, 0], [-0.4, 0.4])
    one_hot = np.eye(K)[y]
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        LogisticRegression(C=np.inf).fit(LINE, one_hot)
    no_warning(LogisticRegression(C=np.inf), LINE, 0.9 * one_hot + 0.1 / K)
    no_warning(LogisticRegression(C=np.inf, label_smoothing=0.1), LINE, y)
    no_warning(LogisticRegression(C=1e6), LINE, y)  # any penalty gives one, too


def test_same_rows_of_two_classes_are_not_told_apart_by_rounding():
    rows = np.repeat(RNG.normal(size=(50, 7)) + 1e3, 2, axis=0)
    clf = LogisticRegression(C=np.inf, max_iter=1000)
    no_warning(clf, rows, np.arange(100) % 2)


def test_distilled_separable_rows():
    y = (LINE[:, 0] > 0).astype(int)
    student = LogisticRegression(C=np.inf)
    logits = 2 * LINE[:, 0]
    for hard_weight in (0.0, 0.5):
        clf = DistilledClassifier(None, student=student, hard_weight=hard_weight)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            clf.fit(LINE, y, teacher_logits=logits)
    clf = DistilledClassifier(None, student=student, hard_weight=1.0)
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        clf.fit(LINE, y, teacher_logits=logits)


def test_few_iterations_are_told_with_their_number_and_tolerance():
    rows, y = SEPARABLE["two classes"]
    clf = LogisticRegression(C=1e6, tol=1e-12, max_iter=3)
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

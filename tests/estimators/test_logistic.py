"""LogisticRegression: labels and distributions, weights, shapes, warnings, parts of the data."""

import pickle
import threading
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import scale

from fastclf import LogisticRegression
from fastclf.errors import FastclfError
from fastclf.solvers import LBFGS, SGD, Adam, AdamW, Constant

X, y = load_iris(return_X_y=True)
X = scale(X)
BINARY = (y > 0).astype(int)
RNG = np.random.default_rng(0)
WEIGHTS = RNG.uniform(0.1, 3, len(y))
P = RNG.dirichlet(np.ones(3), len(y))
ONE_HOT = np.eye(3)[y]
LETTERS = np.array(["a", "b", "c"])[y]


def exact(**arguments: Any) -> LogisticRegression:
    return LogisticRegression(**{"tol": 1e-10, "max_iter": 1000, **arguments})


def scikit_learn(**arguments: Any) -> ScikitLearn:
    return ScikitLearn(**{"tol": 1e-11, "max_iter": 10_000, **arguments})


def frame(values: np.ndarray, columns: list[str]) -> Any:
    return pytest.importorskip("pandas").DataFrame(values, columns=columns)


def polars_frame(values: np.ndarray, columns: list[str]) -> Any:
    return pytest.importorskip("polars").DataFrame(values, schema=columns)


def series(labels: np.ndarray, library: str, **arguments: Any) -> Any:
    return pytest.importorskip(library).Series(labels, **arguments)


def assert_same_fit(one: Any, other: Any, **tolerance: Any) -> None:
    tolerance = tolerance or {"atol": 1e-6}
    np.testing.assert_allclose(one.coef_, other.coef_, **tolerance)
    np.testing.assert_allclose(
        one.intercept_ - one.intercept_.mean() * (one.intercept_.size > 1),
        other.intercept_ - other.intercept_.mean() * (other.intercept_.size > 1),
        **tolerance,
    )


# Shapes and targets


def test_binary_shapes():
    clf = LogisticRegression().fit(X, BINARY)
    assert clf.coef_.shape == (1, 4) and clf.intercept_.shape == (1,)
    assert clf.decision_function(X).shape == (150,)
    assert clf.predict_proba(X).shape == clf.predict_log_proba(X).shape == (150, 2)
    assert np.array_equal(clf.predict(X), clf.classes_[(clf.decision_function(X) > 0).astype(int)])


def test_multiclass_shapes():
    clf = LogisticRegression().fit(X, y)
    assert clf.coef_.shape == (3, 4) and clf.intercept_.shape == (3,)
    assert clf.decision_function(X).shape == clf.predict_proba(X).shape == (150, 3)
    assert clf.n_iter_.shape == (1,) and clf.n_iter_[0] == clf.history_["objective"].size
    assert (np.diff(clf.history_["objective"]) <= 0).all()


@pytest.mark.parametrize("target", [BINARY, y], ids=["binary", "multiclass"])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"C": 0.01}, {"C": 100.0}, {"fit_intercept": False}, {"class_weight": "balanced"}],
)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_agrees_with_scikit_learn(target: np.ndarray, arguments: Any, weights: Any):
    ours = exact(**arguments).fit(X, target, weights)
    assert_same_fit(ours, scikit_learn(**arguments).fit(X, target, weights), atol=1e-4)


def test_one_hot_distributions_are_labels():
    for labels, K in ((BINARY, 2), (y, 3)):
        ours = exact().fit(X, np.eye(K)[labels], WEIGHTS)
        assert_same_fit(ours, exact().fit(X, labels, WEIGHTS))
        assert ours.classes_.tolist() == list(range(K))
        assert ours.coef_.shape == (1 if K == 2 else K, 4)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("class_weight", [None, {0: 0.5, 1: 2.0}, "balanced"])
def test_distributions_are_expanded_weighted_rows(K: int, class_weight: Any):
    p = P[:, :K] / P[:, :K].sum(axis=1, keepdims=True)
    if isinstance(class_weight, dict):
        class_weight = {k: class_weight.get(k, 1.0) for k in range(K)}
    ours = exact(class_weight=class_weight).fit(X, p, WEIGHTS)
    rows = np.repeat(np.arange(len(y)), K)
    theirs = scikit_learn(class_weight=class_weight).fit(
        X[rows], np.tile(np.arange(K), len(y)), (WEIGHTS[:, None] * p).ravel()
    )
    assert_same_fit(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("target", [BINARY, y], ids=["binary", "multiclass"])
def test_label_smoothing_is_a_distribution(target: np.ndarray):
    K = target.max() + 1
    smooth = 0.8 * np.eye(K)[target] + 0.2 / K
    for weights in (None, WEIGHTS):
        ours = exact(label_smoothing=0.2).fit(X, target, weights)
        assert_same_fit(ours, exact().fit(X, smooth, weights))
        assert_same_fit(exact(label_smoothing=0.2).fit(X, np.eye(K)[target], weights), ours)


def test_class_weights_come_before_smoothing():
    of_class = np.array([0.5, 1.0, 3.0])
    ours = exact(class_weight=dict(enumerate(of_class)), label_smoothing=0.3).fit(X, y)
    smooth = 0.7 * ONE_HOT + 0.1
    assert_same_fit(ours, exact().fit(X, smooth, of_class[y]))


def test_balanced_counts_are_weighted():
    counts = np.bincount(y, WEIGHTS)
    as_dict = dict(enumerate(WEIGHTS.sum() / (3 * counts)))
    ours = exact(class_weight="balanced").fit(X, y, WEIGHTS)
    assert_same_fit(ours, exact(class_weight=as_dict).fit(X, y, WEIGHTS))


def test_columns_of_a_frame_name_the_classes():
    named = frame(P, ["z", "m", "a"])
    clf = LogisticRegression().fit(X, named)
    assert clf.classes_.tolist() == ["z", "m", "a"]
    assert clf.score(X, named) == np.mean(clf.predict(X) == named.columns[P.argmax(axis=1)])
    polars = LogisticRegression().fit(X, polars_frame(P, ["z", "m", "a"]))
    assert polars.classes_.tolist() == ["z", "m", "a"]


def test_score_against_distributions():
    clf = LogisticRegression().fit(X, P)
    assert clf.score(X, P) == clf.score(X, P.argmax(axis=1))
    with pytest.raises(ValueError, match="2 columns"):
        clf.score(X, P[:, :2])


@pytest.mark.parametrize(
    "labels",
    [
        lambda: LETTERS,
        lambda: LETTERS.astype(object),
        lambda: y.astype(np.int8) - 5,
        lambda: y.astype(float) * 2,
        lambda: LETTERS.tolist(),
        lambda: series(LETTERS, "pandas"),
        lambda: series(LETTERS, "pandas", dtype="category"),
        lambda: series(LETTERS, "polars"),
    ],
    ids=["str", "object", "int8", "float", "list", "pandas", "category", "polars"],
)
def test_any_labels(labels: Any):
    labels = labels()
    clf = LogisticRegression().fit(X, labels)
    expected = LogisticRegression().fit(X, y)
    assert np.array_equal(clf.coef_, expected.coef_)
    assert clf.classes_.tolist() == sorted(set(np.asarray(labels).tolist()))
    assert clf.predict(X).dtype == clf.classes_.dtype
    assert clf.score(X, labels) == expected.score(X, y)


def test_bool_labels_and_a_column_of_labels():
    assert LogisticRegression().fit(X, BINARY > 0).classes_.dtype == bool
    expected = LogisticRegression().fit(X, y)
    with pytest.warns(DataConversionWarning):
        clf = LogisticRegression().fit(X, y[:, None])
    assert np.array_equal(clf.coef_, expected.coef_)


# The optimum


def gradient(clf: LogisticRegression, rows: np.ndarray, q: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The gradient of the documented objective, by NumPy, in coefficients and intercepts."""
    z = rows @ clf.coef_.T + clf.intercept_
    slope = (expit(z) - q[:, 1:] if q.shape[1] == 2 else softmax(z, axis=1) - q) * w[:, None]
    total = w.sum()
    return np.vstack(
        [rows.T @ slope / total + clf.coef_.T / (clf.C * total), slope.sum(axis=0) / total]
    )


@pytest.mark.parametrize("raw", [False, True])
def test_default_reaches_its_tolerance_on_raw_data_without_a_warning(raw: bool):
    for load in (load_iris, load_breast_cancer):
        rows, labels = load(return_X_y=True)
        rows = rows if raw else scale(rows)
        clf = LogisticRegression().fit(rows, labels)
        q = np.eye(labels.max() + 1)[labels]
        assert np.abs(gradient(clf, rows, q, np.ones(len(rows)))).max() <= 1e-4
        assert clf.history_["status"] == "converged"


@pytest.mark.parametrize("target", [np.eye(2)[BINARY], ONE_HOT, P])
def test_mean_probability_is_the_mean_target(target: np.ndarray):
    clf = exact().fit(X, target, WEIGHTS)
    np.testing.assert_allclose(WEIGHTS @ clf.predict_proba(X), WEIGHTS @ target, rtol=1e-7)


def test_coefficients_are_centred_over_three_and_more_classes():
    for target in (y, P):
        clf = LogisticRegression(C=0.3).fit(X, target)
        np.testing.assert_allclose(clf.coef_.sum(axis=0), 0, atol=1e-13)
        np.testing.assert_allclose(clf.intercept_.sum(), 0, atol=1e-13)


def test_integer_weight_is_a_repeated_row_and_weight_zero_a_removed_one():
    counts = RNG.integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), counts)
    for target in (BINARY, y, P):
        assert_same_fit(exact().fit(X, target, counts), exact().fit(X[rows], target[rows]))


def test_label_order_and_shift_of_the_features_do_not_matter():
    clf = exact().fit(X, y)
    flipped = exact().fit(X, 2 - y)
    np.testing.assert_allclose(flipped.predict_proba(X)[:, ::-1], clf.predict_proba(X), atol=1e-8)
    moved = exact().fit(X + 100, y)
    np.testing.assert_allclose(moved.coef_, clf.coef_, atol=1e-6)


def test_separable_data_without_a_penalty_stop_and_say_so():
    rows = np.linspace(-1, 1, 20)[:, None]
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        clf = LogisticRegression(C=np.inf, tol=1e-8, max_iter=20).fit(rows, rows[:, 0] > 0)
    assert np.isfinite(clf.coef_).all()
    assert clf.score(rows, rows[:, 0] > 0) == 1


@pytest.mark.filterwarnings("ignore:Setting penalty=None:UserWarning")  # scikit-learn's, in 1.8
def test_no_penalty_where_the_optimum_exists():
    noisy = BINARY ^ (RNG.random(len(y)) < 0.2)
    assert_same_fit(exact(C=np.inf).fit(X, noisy), scikit_learn(C=np.inf).fit(X, noisy), atol=1e-3)


@pytest.mark.parametrize("solver", ["auto", "sgd", "adam"])
def test_no_iterations_are_zeros(solver: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf = LogisticRegression(max_iter=0, solver=solver).fit(X, y)
    assert (clf.coef_ == 0).all() and (clf.intercept_ == 0).all() and clf.n_iter_[0] == 0


def test_warm_start_goes_on():
    clf = LogisticRegression(warm_start=True).fit(X, y)
    again = clf.fit(X, y)
    assert again.n_iter_[0] <= 1
    cold = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(again.predict_proba(X), cold.predict_proba(X), atol=1e-3)
    assert clf.fit(X, BINARY).coef_.shape == (1, 4)  # another shape begins anew


def test_saturated_probabilities_have_finite_logarithms():
    rows = np.array([[-1e4], [1e4]])
    for labels in ([0, 1], [[1, 0, 0], [0, 0.5, 0.5]]):
        clf = LogisticRegression(C=1e6).fit(rows / 1e4, labels)
        logs = clf.predict_log_proba(rows)
        assert np.isfinite(logs).all() and logs.min() < -800
        assert np.isfinite(clf.predict_proba(rows)).all()


# Classes without weight


def one_warning(clf: Any, *data: Any, **more: Any) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(*data, **more)
    assert len(caught) == 1 and caught[0].filename == __file__, [str(w.message) for w in caught]
    return str(caught[0].message)


NAMES = np.array(["ant", "bee", "cat"])


@pytest.mark.parametrize("absent", [0, 1, 2])
@pytest.mark.parametrize("how", ["weight", "class_weight", "distribution"])
def test_a_class_without_weight(absent: int, how: str):
    weights = np.where(y == absent, 0, WEIGHTS)
    clf, target = exact(), NAMES[y]
    if how == "class_weight":
        clf.set_params(class_weight={name: float(name != NAMES[absent]) for name in NAMES})
        weights = WEIGHTS
    if how == "distribution":
        left = np.where(np.arange(3) == absent, 0, P)
        target = frame(left / left.sum(axis=1, keepdims=True), NAMES.tolist())
        weights = WEIGHTS
    message = one_warning(clf, X, target, weights)
    assert repr(NAMES[absent].item()) in message
    assert all(repr(name) not in message for name in np.delete(NAMES, absent).tolist())
    total = WEIGHTS.sum() if how == "distribution" else WEIGHTS[y != absent].sum()
    assert (clf.coef_[absent] == 0).all()
    np.testing.assert_allclose(clf.intercept_[absent], np.log(0.5 / (total + 0.5)))
    assert np.isfinite(clf.predict_log_proba(X)).all()
    if how != "distribution":
        rest = exact().fit(X[y != absent], y[y != absent], WEIGHTS[y != absent])
        others = np.delete(clf.predict_proba(X), absent, axis=1)
        odds = np.log(others[:, 1] / others[:, 0])
        # Two columns share the penalty that one bears alone, so the odds are those at 2 C.
        twice = exact(C=2.0).fit(X[y != absent], y[y != absent], WEIGHTS[y != absent])
        np.testing.assert_allclose(odds, twice.decision_function(X), atol=1e-6)
        assert np.mean(rest.predict(X) == np.delete(np.arange(3), absent)[others.argmax(1)]) > 0.95


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("absent", [0, 1])
def test_one_of_two_classes_without_weight(absent: int, seed: int):
    weights = np.random.default_rng(seed).random(len(y)) * (BINARY != absent)
    clf = LogisticRegression()
    message = one_warning(clf, X, NAMES[BINARY], weights)
    assert repr(NAMES[absent].item()) in message and repr(NAMES[1 - absent].item()) not in message
    assert (clf.coef_ == 0).all()
    log_odds = np.log((weights.sum() + 0.5) / 0.5)
    np.testing.assert_allclose(clf.intercept_, log_odds * (1 if absent == 0 else -1))
    assert (clf.predict(X) == NAMES[1 - absent]).all()


def test_a_single_class_with_weight_among_three():
    clf = LogisticRegression()
    one_warning(clf, X, y, (y == 1).astype(float))
    assert (clf.coef_ == 0).all() and np.isfinite(clf.intercept_).all()
    assert (clf.predict(X) == 1).all()


def test_smoothing_gives_every_class_an_optimum():
    weights = np.where(y == 0, 0, 1.0)
    clf = exact(label_smoothing=0.1).fit(X, y, weights)
    q = 0.9 * ONE_HOT + 0.1 / 3
    assert np.abs(gradient(clf, X, q, weights)).max() < 1e-9


# Inputs


@pytest.mark.parametrize("target", [BINARY, y], ids=["binary", "multiclass"])
@pytest.mark.parametrize("solver", ["auto", "adam"])
def test_float32_stays_float32(solver: str, target: np.ndarray):
    clf = LogisticRegression(solver=solver, random_state=0).fit(X.astype(np.float32), target)
    assert clf.coef_.dtype == clf.intercept_.dtype == np.float32
    assert clf.predict_proba(X.astype(np.float32)).dtype == np.float32
    exact_ = LogisticRegression(solver=solver, random_state=0).fit(X, target)
    np.testing.assert_allclose(clf.predict_proba(X), exact_.predict_proba(X), atol=2e-3)
    assert exact_.coef_.dtype == np.float64
    assert LogisticRegression().fit((10 * X).astype(np.int16), target).coef_.dtype == np.float64


def read_only(A: np.ndarray) -> np.ndarray:
    A = A.copy()
    A.flags.writeable = False
    return A


LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": lambda A: np.repeat(A, 2, axis=1)[:, ::2],
    "reversed": lambda A: A[::-1].copy()[::-1],
    "read only": read_only,
    "list": np.ndarray.tolist,
    "pandas": lambda A: frame(A, list("abcd")),
    "polars": lambda A: polars_frame(A, list("abcd")),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_any_layout(name: str):
    rows = LAYOUTS[name](X)
    clf = LogisticRegression().fit(rows, y, read_only(WEIGHTS))
    expected = LogisticRegression().fit(X, y, WEIGHTS)
    assert np.array_equal(clf.coef_, expected.coef_)
    assert np.array_equal(clf.predict_proba(rows), expected.predict_proba(X))
    assert hasattr(clf, "feature_names_in_") == (name in ("pandas", "polars"))


def test_memory_maps(tmp_path: Any):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    rows, labels = (np.load(tmp_path / name, mmap_mode="r") for name in ("X.npy", "y.npy"))
    clf = LogisticRegression().fit(rows, labels)
    assert np.array_equal(clf.coef_, LogisticRegression().fit(X, y).coef_)
    assert np.array_equal(clf.predict(rows), clf.predict(X))


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.csc_matrix])
@pytest.mark.parametrize("indices", [np.int32, np.int64])
def test_sparse_is_dense(kind: Any, indices: type):
    rows = np.where(np.abs(X) > 0.8, X, 0)
    sparse = kind(rows)
    sparse.indices, sparse.indptr = sparse.indices.astype(indices), sparse.indptr.astype(indices)
    clf = exact().fit(sparse, y, WEIGHTS)
    assert_same_fit(clf, exact().fit(rows, y, WEIGHTS))
    np.testing.assert_allclose(clf.predict_proba(sparse), clf.predict_proba(rows), rtol=1e-9)


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_a_small_sparse_fit_is_the_dense_one_bit_for_bit(load: Any):
    rows, labels = load(return_X_y=True)
    clf = LogisticRegression().fit(scipy.sparse.csc_array(rows), labels)
    assert np.array_equal(clf.coef_, LogisticRegression().fit(rows, labels).coef_)


def test_weights_are_repeated_rows():
    counts = np.random.default_rng(0).integers(1, 4, 150)
    repeated = LogisticRegression().fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    weighted = LogisticRegression().fit(X, y, counts)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=0, atol=1e-8)


def test_nothing_of_the_user_is_changed():
    rows, weights, p = X.copy(), WEIGHTS.copy(), P.copy()
    for solver in ("auto", "adam"):
        clf = LogisticRegression(solver=solver, class_weight="balanced", label_smoothing=0.1)
        clf.fit(rows, p, weights)
        clf.fit(rows, y, weights)
    assert np.array_equal(rows, X) and np.array_equal(weights, WEIGHTS) and np.array_equal(p, P)


def test_constant_columns_and_more_columns_than_rows():
    rows = np.hstack([X, np.ones((150, 1)), np.zeros((150, 1)), X[:, :1] * 1e-8, X[:, :1] * 1e8])
    clf = LogisticRegression(max_iter=1000).fit(rows, y)
    assert np.isfinite(clf.coef_).all() and clf.score(rows, y) > 0.9
    wide = np.random.default_rng(0).normal(size=(12, 300))
    for solver in ("auto", "sgd", "adam"):
        clf = LogisticRegression(solver=solver, random_state=0).fit(wide, np.arange(12) % 3)
        assert clf.score(wide, np.arange(12) % 3) == 1


# Errors


def with_(A: np.ndarray, value: float, *place: int) -> np.ndarray:
    A = np.array(A, dtype=float)
    A[place] = value
    return A


BAD_FITS = {
    "X of another length": ((X[:-1], y), "inconsistent numbers of samples"),
    "no rows": ((X[:0], y[:0]), "0 sample"),
    "no columns": ((X[:, :0], y), "0 feature"),
    "flat X": ((X[:, 0], y), "2D array"),
    "words": ((np.array([["a"] * 4] * 150), y), "could not convert"),
    "one class": ((X, np.zeros(150)), "one class: 0.0"),
    "no y": ((X, None), "requires y to be passed"),
    "continuous y": ((X, RNG.random(150)), "continuous"),
    "NaN in y": ((X, np.where(y == 1, np.nan, y)), "row 50"),
    "negative probability": ((X, with_(P, -0.1, 7, 2)), r"y\[7, 2\] is -0.1"),
    "NaN probability": ((X, with_(P, np.nan, 7, 2)), r"y\[7, 2\] is nan"),
    "unnormalised row": ((X, with_(P, 0.9999, 9, 0)), "row 9.*divide each row.*MultiLabel"),
    "indicators": ((X, np.ones((150, 2))), "MultiLabelLogisticRegression"),
    "sparse y": ((X, scipy.sparse.csr_array(ONE_HOT)), "sparse"),
    "words as distribution": ((X, np.array([["a", "b"]] * 150)), "distribution"),
    "negative weight": ((X, y, with_(WEIGHTS, -1, 3)), "Negative values"),
    "NaN weight": ((X, y, with_(WEIGHTS, np.nan, 3)), "NaN"),
    "no weight": ((X, y, np.zeros(150)), "0 for every row|at least one non-zero"),
    "weights of another length": ((X, y, WEIGHTS[:-1]), "sample_weight"),
}


@pytest.mark.parametrize("name", BAD_FITS)
@pytest.mark.parametrize("solver", ["auto", "adam"])
def test_bad_data(name: str, solver: str):
    data, message = BAD_FITS[name]
    with pytest.raises(ValueError, match=f"(?is){message}"):
        LogisticRegression(solver=solver).fit(*data)


@pytest.mark.parametrize(
    "value, name", [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
)
def test_the_place_of_a_bad_number_is_named(value: float, name: str):
    bad = with_(X, value, 17, 2)
    clf = LogisticRegression().fit(X, y)
    for call in (lambda A: LogisticRegression().fit(A, y), clf.predict, clf.predict_proba):
        with pytest.raises(ValueError, match=f"contains {name}.*row 17, column 2"):
            call(bad)
        with pytest.raises(ValueError, match=f"contains {name}.*row 17, column 2"):
            call(scipy.sparse.csr_array(np.where(np.abs(bad) < 0.2, 0, bad)))
    with pytest.raises(ValueError, match="row 17, column 2 .'width'."):
        LogisticRegression().fit(frame(bad, ["a", "b", "width", "d"]), y)


def test_large_finite_numbers_are_no_infinity():
    rows = np.full((150, 4), 3e38, dtype=np.float32) * np.sign(X).astype(np.float32)
    with np.errstate(all="ignore"):
        try:
            LogisticRegression(max_iter=1).fit(rows, y)
        except ValueError as error:
            assert "infinity" not in str(error)
        except Warning:
            pass


BAD_PARAMETERS = [
    {"C": 0},
    {"C": -1.0},
    {"C": "1"},
    {"C": np.nan},
    {"l1_ratio": 1.5},
    {"l1_ratio": "elastic"},
    {"label_smoothing": 1.0},
    {"label_smoothing": -0.1},
    {"solver": "adamm"},
    {"solver": Adam},
    {"solver": None},
    {"tol": -1},
    {"tol": None},
    {"max_iter": -1},
    {"max_iter": 2.5},
    {"n_threads": 0},
    {"n_threads": -1},
    {"class_weight": "balance"},
    {"class_weight": {0: -1.0}},
    {"class_weight": [1, 2, 3]},
]


@pytest.mark.parametrize("arguments", BAD_PARAMETERS, ids=str)
def test_bad_parameters_are_named(arguments: dict[str, Any]):
    with pytest.raises(FastclfError, match=next(iter(arguments))):
        LogisticRegression(**arguments).fit(X, y)


def test_an_unknown_solver_shows_those_there_are():
    with pytest.raises(ValueError, match="lbfgs.*adamw.*'newtn'"):
        LogisticRegression(solver="newtn").fit(X, y)


def test_predicting_before_fitting_and_with_other_features():
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(LogisticRegression(), method)(X)
        with pytest.raises(ValueError, match="3 features.*4 features"):
            getattr(LogisticRegression().fit(X, y), method)(X[:, :3])
    for method in ("save", "score"):
        with pytest.raises(NotFittedError):
            getattr(LogisticRegression(), method)(*(["m"] if method == "save" else [X, y]))


@pytest.mark.parametrize("name", ["lbfgs", "newton-cg", "newton-cholesky", "sag", "saga"])
def test_names_of_scikit_learn_reach_the_optimum(name: str):
    expected = exact().fit(X, y)
    coef = exact(solver=name).fit(X, y).coef_
    np.testing.assert_allclose(coef, expected.coef_, atol=1e-6)


# Validation and early stopping


EARLY = Adam(batch_size=32, early_stopping=3, max_iter=200, learning_rate=0.05)


def test_early_stopping_restores_the_best_epoch():
    rows, held, labels, wanted = train_test_split(X, y, random_state=0, stratify=y)
    clf = LogisticRegression(solver=EARLY, C=np.inf, random_state=0)
    clf.fit(rows, labels, X_val=held, y_val=wanted)
    losses = clf.history_["validation_loss"]
    assert clf.history_["status"] == "early_stopping"
    assert losses.argmin() == losses.size - 4
    p = clf.predict_proba(held)[np.arange(len(wanted)), wanted]
    np.testing.assert_allclose(-np.log(p).mean(), losses.min(), rtol=1e-9)


@pytest.mark.filterwarnings("ignore:X_val and y_val have no influence")
@pytest.mark.parametrize("solver", ["auto", EARLY])
def test_given_validation_rows_never_train(solver: Any):
    absurd = (y[:30] + 1) % 3
    fits = [
        LogisticRegression(solver=solver, random_state=0).fit(X, y, X_val=rows, y_val=labels)
        for rows, labels in ((X[:30], y[:30]), (1e6 * X[:30], absurd), (X[:3], [0, 0, 0]))
    ]
    shortest = min(fit.history_["objective"].size for fit in fits)
    for fit in fits[1:]:
        one, other = (clf.history_["objective"][:shortest] for clf in (fit, fits[0]))
        assert np.array_equal(one, other)
    if solver == "auto":
        assert np.array_equal(fits[0].coef_, LogisticRegression().fit(X, y).coef_)


def test_rows_split_off_never_train():
    # Distributions aren't stratified, so the split depends on the seed alone.
    _, held_out = train_test_split(np.arange(150), test_size=0.1, random_state=5)
    rows, p = X.copy(), P.copy()
    rows[held_out] *= -1e3
    p[held_out] = [1, 0, 0]
    solver = SGD(batch_size=16, early_stopping=1000, max_iter=10)
    one, other = (
        LogisticRegression(solver=solver, random_state=5).fit(*data) for data in ((X, P), (rows, p))
    )
    assert np.array_equal(one.history_["objective"], other.history_["objective"])
    assert not np.array_equal(one.history_["validation_loss"], other.history_["validation_loss"])


@pytest.mark.filterwarnings("ignore:X_val and y_val have no influence")
def test_validation_with_unsorted_class_names():
    named = frame(ONE_HOT, ["z", "m", "a"])
    names = np.array(["z", "m", "a"])[y]
    by_name = LogisticRegression().fit(X, named, X_val=X, y_val=names)
    by_row = LogisticRegression().fit(X, named, X_val=X, y_val=ONE_HOT)
    np.testing.assert_allclose(
        by_name.history_["validation_loss"], by_row.history_["validation_loss"]
    )


@pytest.mark.parametrize(
    "validation, message",
    [
        ({"X_val": X}, "together"),
        ({"y_val": y}, "together"),
        ({"X_val": X, "y_val": y[:-1]}, "inconsistent"),
        ({"X_val": X, "y_val": y + 1}, "unknown label 3 in row 100"),
        ({"X_val": X, "y_val": P[:, :2] / P[:, :2].sum(1, keepdims=True)}, "2 columns"),
        ({"X_val": X[:, :3], "y_val": y}, "3 features"),
        ({"X_val": with_(X, np.nan, 0, 1), "y_val": y}, "row 0, column 1"),
    ],
)
def test_bad_validation_rows(validation: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        LogisticRegression(solver=EARLY).fit(X, y, **validation)


def test_too_few_rows_to_split():
    with pytest.raises(ValueError, match="X_val"):
        solver = SGD(early_stopping=3, validation_fraction=0.99)
        LogisticRegression(solver=solver).fit(X[[0, 60, 120]], [0, 1, 2])


def test_early_stopping_with_a_class_without_weight():
    clf = LogisticRegression(solver=EARLY, random_state=0)
    with pytest.warns(UserWarning, match="no weight"):
        clf.fit(X, y, (y > 0).astype(float))
    assert "validation_loss" in clf.history_


# Partial fits


def parts(n: int = 5) -> list[np.ndarray]:
    return np.array_split(np.random.default_rng(0).permutation(len(y)), n)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", SGD(average=True)], ids=str)
def test_partial_fit_learns(solver: Any):
    clf = LogisticRegression(solver=solver, random_state=0)
    for _ in range(30):
        for rows in parts():
            clf.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    assert clf.score(X, y) > 0.9
    assert clf.n_iter_[0] == 150
    np.testing.assert_allclose(clf.coef_.sum(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(clf.intercept_.sum(), 0, atol=1e-13)


def test_partial_fit_needs_a_minibatch_solver():
    for solver in ("auto", "lbfgs", LBFGS()):
        clf = LogisticRegression(solver=solver)
        assert not hasattr(clf, "partial_fit")
        with pytest.raises(AttributeError) as caught:
            _ = clf.partial_fit
        assert "minibatch" in str(caught.value.__cause__ or caught.value)
    assert hasattr(LogisticRegression(solver=AdamW()), "partial_fit")


def test_partial_fit_rules():
    clf = LogisticRegression(solver="adam", random_state=0)
    with pytest.raises(ValueError, match="classes must be given in the first call"):
        clf.partial_fit(X, y)
    with pytest.raises(ValueError, match="at least two classes"):
        clf.partial_fit(X, np.zeros(150), classes=[0])
    with pytest.raises(ValueError, match=r"unknown label 2 in row 100.*\[0, 1\]"):
        clf.partial_fit(X, y, classes=[0, 1])
    assert not hasattr(clf, "classes_")
    clf.partial_fit(X[:50], y[:50], classes=[2, 1, 0])  # only class 0 is there
    assert clf.classes_.tolist() == [0, 1, 2] and (clf.coef_ != 0).all()
    clf.partial_fit(X, y)
    with pytest.raises(ValueError, match="'spam' in row 0"):
        clf.partial_fit(X, ["spam"] * 150)
    with pytest.raises(ValueError, match="not those of the first call"):
        clf.partial_fit(X, y, classes=[0, 1, 2, 3])
    with pytest.raises(ValueError, match="3 features"):
        clf.partial_fit(X[:, :3], y)
    with pytest.raises(ValueError, match="row 3, column 1"):
        clf.partial_fit(with_(X, np.nan, 3, 1), y)
    balanced = LogisticRegression(solver="adam", class_weight="balanced")
    with pytest.raises(ValueError, match="balanced"):
        balanced.partial_fit(X, y, classes=[0, 1, 2])


def test_partial_fit_with_distributions_and_weights():
    clf = LogisticRegression(solver="adam", random_state=0)
    clf.partial_fit(X, P, sample_weight=WEIGHTS)
    assert clf.classes_.tolist() == [0, 1, 2]
    clf.partial_fit(X, y, sample_weight=WEIGHTS)
    weighted = LogisticRegression(solver="adam", random_state=0, class_weight={0: 1, 1: 2, 2: 3})
    weighted.partial_fit(X, y, classes=[0, 1, 2])
    plain = LogisticRegression(solver="adam", random_state=0)
    plain.partial_fit(X, y, [0, 1, 2], np.array([1, 2, 3])[y])
    np.testing.assert_allclose(weighted.coef_, plain.coef_, rtol=1e-9)


def test_the_penalty_goes_by_all_weight_seen():
    # One batch a part, plain gradient steps: the second part's penalty is 1 / (C (w1 + w2)).
    solver = SGD(learning_rate=Constant(0.5), momentum=0.0, nesterov=False, batch_size=1000)
    C = 0.01
    clf = LogisticRegression(solver=solver, C=C, random_state=0)
    clf.partial_fit(X, BINARY, classes=[0, 1])
    before = np.append(clf.coef_[0], clf.intercept_)
    shift = 2.0  # a part with other moments than the first
    rows = X[:60] + shift
    clf.partial_fit(rows, BINARY[:60])
    after = np.append(clf.coef_[0], clf.intercept_)
    state = clf._incremental.state
    w, b = before[:-1], before[-1]
    slope = expit(rows @ w + b) - BINARY[:60]
    gw, gb = rows.T @ slope / 60 + w / (C * 210), slope.mean()
    inner = state.inverse_scale**2 * (gw - state.center * gb)
    expected = np.append(w - 0.5 * inner, b - 0.5 * gb + 0.5 * state.center @ inner)
    np.testing.assert_allclose(after, expected, rtol=1e-9)


def test_partial_fit_goes_on_from_a_fit():
    clf = LogisticRegression(solver="sgd", random_state=0).fit(X, y)
    fitted = clf.score(X, y), clf.coef_.copy()
    clf.partial_fit(X, y)
    assert clf.score(X, y) >= fitted[0] - 0.05
    assert 0 < np.abs(clf.coef_ - fitted[1]).max() < 1
    clf.fit(X, y)
    assert np.array_equal(clf.coef_, fitted[1])  # and a fit begins anew


def test_averaged_partial_fits_average_over_all_parts():
    solver = SGD(average=True, learning_rate=Constant(0.3), batch_size=1000)
    averaged = LogisticRegression(solver=solver, random_state=0)
    plain = LogisticRegression(solver=SGD(learning_rate=Constant(0.3), batch_size=1000))
    seen = []
    for _ in range(10):
        averaged.partial_fit(X, BINARY, classes=[0, 1])
        plain.partial_fit(X, BINARY, classes=[0, 1])
        seen.append(plain.coef_)
    np.testing.assert_allclose(averaged.coef_, np.mean(seen[1:], axis=0), rtol=1e-6)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_labels_may_change_between_parts_and_warm_starts(solver: str):
    clf = LogisticRegression(solver=solver, C=1e6, random_state=0, warm_start=True, tol=0)
    clf.fit(5 * X, BINARY)
    for _ in range(60):
        clf.partial_fit(5 * X, 1 - BINARY)
    assert clf.score(5 * X, 1 - BINARY) > 0.5 > clf.score(5 * X, BINARY)
    clf.fit(5 * X, BINARY)
    assert clf.score(5 * X, BINARY) > 0.9


def test_partial_fit_survives_a_pickle():
    clf = LogisticRegression(solver="adam", random_state=0).partial_fit(X, y, [0, 1, 2])
    other = pickle.loads(pickle.dumps(clf))
    for _ in range(3):
        clf.partial_fit(X, y)
        other.partial_fit(X, y)
    assert np.array_equal(clf.coef_, other.coef_)


# Parameters


def test_nested_parameters_of_the_solver():
    clf = LogisticRegression(solver="adam")
    assert clf.set_params(solver__learning_rate=0.3, C=2.0) is clf
    assert clf.solver == Adam(learning_rate=0.3) and clf.C == 2.0
    clf.set_params(solver__batch_size=16)
    assert clf.get_params()["solver__batch_size"] == 16
    assert clf.get_params()["solver__learning_rate"] == 0.3
    assert "solver__batch_size" not in clf.get_params(deep=False)
    clf.set_params(solver=SGD(), solver__momentum=0.5)
    assert clf.solver == SGD(momentum=0.5)
    with pytest.raises(ValueError, match="beta1"):
        clf.set_params(solver__beta1=0.5)
    with pytest.raises(ValueError, match="lr"):
        clf.set_params(lr=0.5)
    with pytest.raises(ValueError, match="batch_size"):
        clf.set_params(solver__batch_size=0)


def test_clones_and_pickles():
    clf = LogisticRegression(solver=SGD(batch_size=16), random_state=3, C=0.5).fit(X, y)
    copy = clone(clf)
    assert copy.get_params() == clf.get_params() and not hasattr(copy, "coef_")
    assert np.array_equal(copy.fit(X, y).coef_, clf.coef_)
    same = pickle.loads(pickle.dumps(clf))
    assert np.array_equal(same.predict_proba(X), clf.predict_proba(X))
    assert same.get_params() == clf.get_params()


def test_a_grid_over_the_solver():
    grid = GridSearchCV(
        LogisticRegression(solver="adam", max_iter=5, random_state=0),
        {"solver__learning_rate": [1e-5, 0.1]},
        cv=2,
    )
    assert grid.fit(X, y).best_params_ == {"solver__learning_rate": 0.1}


def test_the_solvers_own_numbers_win():
    clf = LogisticRegression(solver=SGD(max_iter=3, tol=0.0, seed=1), max_iter=50, random_state=2)
    assert clf.fit(X, y).n_iter_[0] == 3
    other = LogisticRegression(solver=SGD(tol=0.0), max_iter=3, random_state=1)
    assert np.array_equal(other.fit(X, y).coef_, clf.coef_)


def test_tol_zero_runs_all_epochs_and_a_large_one_stops():
    assert LogisticRegression(solver="sgd", tol=0, max_iter=60).fit(X, y).n_iter_[0] == 60
    clf = LogisticRegression(solver="sgd", tol=0.5, max_iter=60).fit(X, y)
    assert clf.n_iter_[0] < 20 and clf.history_["status"] == "converged"


def test_verbose_prints_a_line_an_iteration(capsys: pytest.CaptureFixture):
    clf = LogisticRegression(verbose=1).fit(X, y)
    plan, *lines = capsys.readouterr().out.splitlines()
    assert plan == clf.history_["path"].item()
    assert len(lines) == clf.n_iter_[0] and lines[0].startswith("newton 1/100  objective")
    LogisticRegression().fit(X, y)
    assert not capsys.readouterr().out


# The same bits


RANDOM = np.random.default_rng(4)
MANY = RANDOM.normal(size=(6000, 20))
LABELS = (MANY @ RANDOM.normal(size=(20, 3)) + RANDOM.normal(size=(6000, 3))).argmax(axis=1)


@pytest.mark.parametrize("solver", ["auto", "adam"])
@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
def test_any_number_of_threads(solver: str, storage: Any):
    rows = storage(np.where(np.abs(MANY) > 0.5, MANY, 0))
    fits = [
        LogisticRegression(solver=solver, max_iter=30, n_threads=n, random_state=0).fit(
            rows, LABELS
        )
        for n in (1, 2, 3, 8)
    ]
    for fit in fits[1:]:
        assert np.array_equal(fit.coef_, fits[0].coef_)
        assert np.array_equal(fit.intercept_, fits[0].intercept_)
        assert np.array_equal(fit.predict_proba(rows), fits[0].predict_proba(rows))


def test_fits_in_two_threads_at_once_are_those_one_after_the_other():
    def fit(C: float) -> np.ndarray:
        return LogisticRegression(C=C, n_threads=2).fit(MANY, LABELS).coef_

    def fit_into(results: dict[float, np.ndarray], C: float) -> None:
        results[C] = fit(C)

    strengths = (0.01, 0.1, 1.0, 10.0)
    serial = {C: fit(C) for C in strengths}
    together: dict[float, np.ndarray] = {}
    threads = [threading.Thread(target=fit_into, args=(together, C)) for C in strengths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(serial[C], together[C]) for C in strengths)


def test_random_state():
    def fit(seed: Any) -> np.ndarray:
        return LogisticRegression(solver=SGD(batch_size=16), random_state=seed).fit(X, y).coef_

    assert np.array_equal(fit(0), fit(0))
    assert np.array_equal(fit(np.random.RandomState(0)), fit(np.random.RandomState(0)))
    assert not np.array_equal(fit(0), fit(1))
    state = np.random.get_state()[1].copy()
    fit(None)
    assert np.array_equal(np.random.get_state()[1], state)
    with pytest.raises(ValueError, match="seed"):
        fit("seven")

"""L1 penalties and elastic nets: optimal by an oracle, on every path that solves them."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import oracles
import pytest
import scipy.linalg
import scipy.sparse
from grids import half_by_default
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import sigmoid, softmax
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.preprocessing import scale

from fastclf import DistilledClassifier, LogisticRegression, MultiLabelLogisticRegression
from fastclf.config import load_recipe
from fastclf.errors import ConfigError, InputError
from fastclf.kernels.linalg import coordinate_descent
from fastclf.kernels.steps import column_descent
from fastclf.losses import Distillation, Sigmoid, Softmax
from fastclf.objective import InMemoryObjective
from fastclf.penalties import L2, ElasticNet
from fastclf.runs.build import build_estimator
from fastclf.solvers import LBFGS, Newton, Proximal, choose, minimize, observing
from fastclf.solvers.engines.column_descent import bound_of_curvature, descend
from fastclf.targets import Target

TIGHT = {"tol": 1e-9, "max_iter": 1000}


def data(n: int = 300, d: int = 12, K: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.geomspace(0.3, 3, d) + rng.normal(size=d)
    W = rng.normal(size=(d, K)) * (rng.random((d, 1)) < 0.5)
    return X, (X @ W / 2 + rng.gumbel(size=(n, K))).argmax(axis=1)


def smooth_gradient(
    clf: Any, X: Any, P: np.ndarray, weights: np.ndarray, pos_weight: Any = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of mean loss and squared penalty in the coefficients and intercepts (K, …)."""
    X = X.toarray() if scipy.sparse.issparse(X) else X
    Z = X.astype(np.longdouble) @ clf.coef_.T.astype(np.longdouble) + clf.intercept_
    if len(clf.coef_) == P.shape[1] and isinstance(clf, LogisticRegression) and P.shape[1] > 1:
        slopes = softmax(Z) - P
    else:
        slopes = (1 - P) * sigmoid(Z) - pos_weight * P * sigmoid(-Z)
    slopes = slopes * weights[:, None] / weights.sum()
    ridge = (1 - clf.l1_ratio) / (clf.C * weights.sum())
    return slopes.T @ X + ridge * clf.coef_, slopes.sum(axis=0)


def violation(clf: Any, X: Any, P: np.ndarray, weights: Any = None, pos_weight: Any = 1.0) -> float:
    """By how much the conditions of Karush, Kuhn and Tucker are violated at most."""
    weights = np.ones(X.shape[0]) if weights is None else weights
    gradient, intercepts = smooth_gradient(clf, X, P, weights, pos_weight)
    strength = clf.l1_ratio / (clf.C * weights.sum())
    used = clf.coef_ != 0
    worst = np.abs(gradient + strength * np.sign(clf.coef_))[used].max(initial=0)
    worst = max(worst, (np.abs(gradient) - strength)[~used].max(initial=0))
    return float(max(worst, np.abs(intercepts).max() if clf.fit_intercept else 0))


def value(clf: Any, X: np.ndarray, y: np.ndarray) -> float:
    """The objective of labels, at the coefficients of any estimator."""
    Z = X @ clf.coef_.T + clf.intercept_
    if Z.shape[1] == 1:
        Z = np.hstack([np.zeros_like(Z), Z])
    losses = np.logaddexp.reduce(Z, axis=1) - Z[np.arange(len(Z)), y]
    r = clf.l1_ratio
    penalty = (1 - r) / 2 * (clf.coef_**2).sum() + r * np.abs(clf.coef_).sum()
    return float(losses.mean() + penalty / (clf.C * len(y)))


def one_hot(y: np.ndarray) -> np.ndarray:
    return np.eye(y.max() + 1)[y] if y.max() > 1 else y[:, None].astype(float)


SETS = {
    "breast_cancer": (load_breast_cancer, False),
    "breast_cancer scaled": (load_breast_cancer, True),
    "iris": (load_iris, False),
    "wine": (load_wine, False),
    "wine scaled": (load_wine, True),
}


@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
@pytest.mark.parametrize("C", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("name", SETS)
def test_optimal_on_real_data(name: str, C: float, l1_ratio: float):
    load, scaled = SETS[name]
    X, y = load(return_X_y=True)
    X = scale(X) if scaled else X
    tol = 1e-9
    clf = LogisticRegression(C=C, l1_ratio=l1_ratio, tol=tol, max_iter=1000).fit(X, y)
    assert clf.history_["status"] == "converged"
    assert clf.history_["solver"] == "proximal"
    assert violation(clf, X, one_hot(y)) < 2 * tol
    assert clf.history_["objective"][-1] == pytest.approx(value(clf, X, y), rel=1e-12)
    assert clf.history_["gradient_norm"][-1] <= tol
    assert np.diff(clf.history_["objective"]).max(initial=0) <= 1e-12


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("K", [2, 3])
def test_optimum_is_that_of_saga(K: int, l1_ratio: float):
    X, y = data(K=K)
    X = scale(X)
    theirs = ScikitLearn(l1_ratio=l1_ratio, C=0.1, solver="saga", tol=1e-10, max_iter=10_000)
    theirs.fit(X, y)
    ours = LogisticRegression(l1_ratio=l1_ratio, C=0.1, **TIGHT).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    np.testing.assert_array_equal(ours.coef_ == 0, np.abs(theirs.coef_) < 1e-7)


def test_default_fit_is_no_worse_than_liblinear_and_saga():
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    ours = value(LogisticRegression(l1_ratio=1.0).fit(X, y), X, y)
    for solver in ("liblinear", "saga"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            theirs = ScikitLearn(l1_ratio=1.0, solver=solver, random_state=0).fit(X, y)
        assert ours <= value(theirs, X, y) * (1 + 1e-7)


def test_liblinear_without_intercept():
    X, y = data()
    theirs = ScikitLearn(l1_ratio=1.0, solver="liblinear", fit_intercept=False, tol=1e-10)
    theirs.fit(X, y)
    ours = LogisticRegression(l1_ratio=1.0, solver="liblinear", fit_intercept=False, **TIGHT)
    ours.fit(X, y)
    assert ours.intercept_ == 0
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-4)
    assert violation(ours, X, one_hot(y)) < 2e-9


def ways() -> dict[str, dict[str, float]]:
    """Costs by which each way of the solver is taken on small data."""
    from_python = {"small_pass": 0.0, "small_pass_of_many": 0.0}
    few = {"few_features_l1": 0, "working_set": 3, "working_set_sparse": 3}
    return {
        "compiled": {},
        "steps": from_python,
        "working sets": few,
        "working sets, steps": {**from_python, **few},
        "columns": {**from_python, "matrix_room_l1": 0, "full_matrix": 0},
        "blocks": {**from_python, "whole_hessian_l1": 0},
        "compiled columns": {"proximal_coefficients": 0},
    }


@pytest.fixture(params=ways())
def way(request: pytest.FixtureRequest, use_costs: Any) -> str:
    use_costs(**ways()[request.param])
    return request.param


@half_by_default(
    storage={"dense": np.asarray, "sparse": scipy.sparse.csr_array},
    K={"2": 2, "3": 3},
    dtype={"float64": np.float64, "float32": np.float32},
)
def test_every_way_is_optimal(way: str, K: int, storage: Any, dtype: type):
    X, y = data(K=K)
    X[np.abs(X) < 0.5] = 0
    X = storage(X.astype(dtype))
    weights = np.random.default_rng(1).uniform(0, 2, len(y)) * (np.arange(len(y)) % 5 > 0)
    tight = TIGHT if dtype == np.float64 else {**TIGHT, "tol": 1e-6}
    for C, l1_ratio, free in ((1.0, 1.0, True), (0.1, 0.5, True), (0.1, 1.0, False)):
        clf = LogisticRegression(C, l1_ratio=l1_ratio, fit_intercept=free, **tight)
        clf.fit(X, y, weights)
        assert clf.coef_.dtype == dtype
        limit = 1e-8 if dtype == np.float64 else 2e-5
        assert violation(clf, X, one_hot(y), weights) < limit, clf.history_


@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
def test_soft_targets(way: str, storage: Any):
    X, _ = data(K=3)
    for K in (2, 3):
        P = np.random.default_rng(3).dirichlet(np.ones(K), len(X))
        clf = LogisticRegression(0.5, l1_ratio=1.0, **TIGHT).fit(storage(X), P)
        assert violation(clf, X, P if K > 2 else P[:, 1:]) < 1e-8
        assert (clf.coef_ == 0).any()


@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("pos_weight", [None, [0.5, 1.0, 2.0, 4.0]])
def test_labels_are_separate_fits(way: str, pos_weight: Any, storage: Any):
    X, _ = data()
    rng = np.random.default_rng(4)
    Y = (X @ rng.normal(size=(12, 4)) + rng.logistic(size=(len(X), 4)) > 1).astype(float)
    model = MultiLabelLogisticRegression(0.2, l1_ratio=1.0, pos_weight=pos_weight, **TIGHT)
    model.fit(storage(X), Y)
    p = 1.0 if pos_weight is None else np.array(pos_weight)
    assert violation(model, X, Y, pos_weight=p) < 1e-8
    if pos_weight is None:
        for k in range(4):
            alone = LogisticRegression(0.2, l1_ratio=1.0, **TIGHT).fit(X, Y[:, k])
            np.testing.assert_allclose(model.coef_[k], alone.coef_[0], atol=1e-6)
            np.testing.assert_array_equal(model.coef_[k] == 0, alone.coef_[0] == 0)


@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("K", [2, 3])
def test_any_number_of_threads_gives_the_same_bits(way: str, K: int, storage: Any):
    X, y = data(n=3000, K=K)
    fits = [
        LogisticRegression(0.1, l1_ratio=1.0, n_threads=n).fit(storage(X), y) for n in (1, 2, 3)
    ]
    for other in fits[1:]:
        np.testing.assert_array_equal(fits[0].coef_, other.coef_)
        np.testing.assert_array_equal(fits[0].intercept_, other.intercept_)


def test_labels_on_any_number_of_threads_give_the_same_bits():
    X, _ = data(n=500)
    Y = (X[:, :5] > np.median(X[:, :5], axis=0)).astype(float)
    fits = [MultiLabelLogisticRegression(0.1, l1_ratio=1.0, n_threads=n).fit(X, Y) for n in (1, 3)]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    np.testing.assert_array_equal(fits[0].history_["passes"], fits[1].history_["passes"])


def test_support_grows_with_C():
    X, y = load_digits(return_X_y=True)
    X, y = X / 16, (y > 4).astype(int)
    used = [
        int((LogisticRegression(C, l1_ratio=1.0).fit(X, y).coef_ != 0).sum())
        for C in (1e-4, 1e-2, 0.1, 1.0)
    ]
    assert used[0] == 0
    assert used == sorted(used) and used[-1] > used[1] > 0


def test_all_is_zero_exactly_up_to_the_largest_slope():
    X, y = data()
    null = LogisticRegression(1e-9, l1_ratio=1.0, **TIGHT).fit(X, y)
    gradient, _ = smooth_gradient(null, X, one_hot(y), np.ones(len(y)))
    largest = 1 / (float(np.abs(gradient).max()) * len(y))
    below = LogisticRegression(0.999 * largest, l1_ratio=1.0, **TIGHT).fit(X, y)
    above = LogisticRegression(1.01 * largest, l1_ratio=1.0, **TIGHT).fit(X, y)
    assert not below.coef_.any() and above.coef_.any()
    assert below.intercept_[0] == pytest.approx(np.log(y.mean() / (1 - y.mean())), abs=1e-7)


def test_more_features_than_a_working_set_and_few_rows():
    X, y = data(n=60, d=500)
    clf = LogisticRegression(l1_ratio=1.0, **TIGHT).fit(X, y)
    assert "working set" in str(clf.history_["path"])
    assert violation(clf, X, one_hot(y)) < 2e-9
    assert 0 < (clf.coef_ != 0).sum() < 60


def text(n: int = 400, d: int = 600) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """Many features, few of them frequent, some rows without any."""
    rng = np.random.default_rng(7)
    X = rng.poisson(1 / (1 + np.arange(d)) ** 0.8, (n, d)) * rng.uniform(0.5, 2, (n, d))
    X[rng.random(n) < 0.05] = 0
    w = rng.normal(size=d) * (rng.random(d) < 0.3)
    return scipy.sparse.csr_array(X), (X @ w + rng.logistic(size=n) > 0.5).astype(int)


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
@pytest.mark.parametrize("C", [0.02, 0.3, 30.0])
def test_many_sparse_features(C: float, l1_ratio: float, free: bool):
    X, y = text()
    before = X.copy()
    clf = LogisticRegression(C, l1_ratio=l1_ratio, fit_intercept=free, **TIGHT).fit(X, y)
    assert "over columns" in str(clf.history_["path"])
    assert clf.history_["status"] == "converged"
    assert violation(clf, X, one_hot(y)) < 2e-9
    assert np.diff(clf.history_["objective"]).max(initial=0) <= 1e-12
    assert clf.history_["objective"][-1] == pytest.approx(value(clf, X.toarray(), y), rel=1e-12)
    np.testing.assert_array_equal(X.toarray(), before.toarray())


def test_columns_solve_what_matrices_solve(use_costs: Any):
    X, y = text(d=60)
    Y = np.stack([y, 1 - y, np.roll(y, 1)], axis=1)
    one, several = (
        LogisticRegression(l1_ratio=1.0, **TIGHT),
        MultiLabelLogisticRegression(l1_ratio=1.0, **TIGHT),
    )
    matrix = one.fit(X, y).coef_, several.fit(X, Y).coef_
    use_costs(proximal_coefficients=0)
    columns = one.fit(X, y).coef_, several.fit(X, Y).coef_
    for theirs, ours in zip(matrix, columns, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
        np.testing.assert_array_equal(ours == 0, theirs == 0)


def test_warm_starts_over_columns_leave_what_became_0():
    X, y = text()
    clf = LogisticRegression(30.0, l1_ratio=1.0, warm_start=True, **TIGHT).fit(X, y)
    used = (clf.coef_ != 0).sum()
    X = X.multiply(np.arange(X.shape[1]) != 3).tocsr()  # a feature whose values all become 0
    clf.set_params(C=0.3).fit(X, y)
    assert 0 < (clf.coef_ != 0).sum() < used and clf.coef_[0, 3] == 0
    assert violation(clf, X, one_hot(y)) < 2e-9


def test_digits():
    X, y = load_digits(return_X_y=True)
    clf = LogisticRegression(0.1, l1_ratio=1.0, tol=1e-7, max_iter=1000).fit(X / 16, y)
    assert "a block" in str(clf.history_["path"])
    assert violation(clf, X / 16, one_hot(y)) < 2e-7


def test_duplicated_and_constant_columns(way: str):
    X, y = data(d=5)
    X = np.hstack([X, X, np.full((len(X), 1), 7.0), np.zeros((len(X), 1))])
    for l1_ratio in (1.0, 0.5):
        clf = LogisticRegression(l1_ratio=l1_ratio, **TIGHT).fit(X, y)
        assert violation(clf, X, one_hot(y)) < 1e-8
        assert (clf.coef_[:, -2:] == 0).all()


@settings(max_examples=25)
@given(
    st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 8), st.integers(2, 4),
    st.sampled_from([0.01, 0.3, 10.0]), st.sampled_from([0.1, 0.9, 1.0]), st.booleans(),
)  # fmt: skip
def test_any_problem_is_solved(
    seed: int, n: int, d: int, K: int, C: float, l1_ratio: float, sparse: bool
):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (n, d)).astype(float)
    y = np.concatenate([np.arange(K), rng.integers(0, K, n)])
    X = np.vstack([rng.integers(-2, 3, (K, d)), X]).astype(float)
    clf = LogisticRegression(C, l1_ratio=l1_ratio, tol=1e-7, max_iter=1000)
    clf.fit(scipy.sparse.csr_array(X) if sparse else X, y)
    assert clf.history_["status"] == "converged"
    assert violation(clf, X, one_hot(y)) < 3e-7


def test_class_weights_are_weights():
    X, y = data(K=3)
    of_class = {0: 1.0, 1: 3.0, 2: 0.5}
    clf = LogisticRegression(0.2, l1_ratio=1.0, class_weight=of_class, **TIGHT).fit(X, y)
    assert violation(clf, X, one_hot(y), np.array([of_class[k] for k in y])) < 2e-9


def test_warm_start_is_already_there():
    X, y = data(d=80)
    clf = LogisticRegression(0.1, l1_ratio=1.0, warm_start=True, tol=1e-8).fit(X, y)
    first = clf.coef_
    clf.fit(X, y)
    assert clf.n_iter_[0] <= 1
    np.testing.assert_allclose(clf.coef_, first, atol=1e-8)


def test_softmax_is_not_centred():
    X, y = data(K=3)
    clf = LogisticRegression(0.05, l1_ratio=1.0, **TIGHT).fit(X, y)
    assert (clf.coef_ == 0).any() and np.abs(clf.coef_.sum(axis=0)).max() > 1e-3


def test_no_penalty_is_left_to_the_other_solvers():
    X, y = data()
    clf = LogisticRegression(np.inf, l1_ratio=1.0).fit(X, y)
    assert clf.history_["solver"] == "newton"
    plain = LogisticRegression(np.inf).fit(X, y)
    np.testing.assert_array_equal(clf.coef_, plain.coef_)


def test_separable_data_end_finitely():
    X = np.linspace(-1, 1, 40)[:, None] ** np.array([1, 3])
    clf = LogisticRegression(1e12, l1_ratio=1.0, max_iter=5)
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, (X[:, 0] > 0).astype(int))
    assert np.isfinite(clf.coef_).all()


def test_distilled_students():
    X, y = data(K=3)
    student = LogisticRegression(0.1, l1_ratio=1.0, tol=1e-8)
    teacher = np.random.default_rng(0).normal(size=(len(y), 3))
    for storage in (np.asarray, scipy.sparse.csr_array):
        clf = DistilledClassifier(None, student=student, temperature=2.0, hard_weight=0.5)
        clf.fit(storage(X), y, teacher_logits=teacher)
        Z = X @ clf.coef_.T + clf.intercept_
        slopes = 0.5 * (softmax(Z) - one_hot(y)) + 0.5 * 2 * (softmax(Z, 2.0) - softmax(teacher, 2))
        gradient = slopes.T @ X / len(y)
        strength = 1 / (0.1 * len(y))
        used = clf.coef_ != 0
        assert 0 < used.sum() < used.size
        np.testing.assert_allclose(gradient[used].astype(float),
                                   -strength * np.sign(clf.coef_[used]), atol=3e-8)  # fmt: skip
        assert np.abs(gradient[~used]).max() <= strength + 3e-8


# Who may fit an L1 penalty


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cholesky", "adam", LBFGS(), Newton()])
def test_solvers_without_l1_are_refused(solver: Any):
    X, y = data(n=20)
    with pytest.raises(InputError, match="'proximal'.*l1_ratio=0|solver='auto' or 'saga'"):
        LogisticRegression(l1_ratio=0.5, solver=solver).fit(X, y)


@pytest.mark.parametrize("solver", ["auto", "saga", "liblinear", "proximal", Proximal(memory=3)])
def test_names_of_solvers_with_l1(solver: Any):
    X, y = data(n=50)
    share = 1.0 if solver == "liblinear" else 0.5
    clf = LogisticRegression(l1_ratio=share, solver=solver).fit(X, y)
    assert clf.history_["solver"] == "proximal"


def test_proximal_without_l1_finds_the_same_optimum():
    X, y = data(K=3)
    ours = LogisticRegression(solver="proximal", **TIGHT).fit(X, y)
    plain = LogisticRegression(**TIGHT).fit(X, y)
    np.testing.assert_allclose(ours.coef_, plain.coef_, atol=1e-6)


@pytest.mark.parametrize("l1_ratio", [-0.1, 1.1, "all"])
def test_ratios_outside_0_and_1_are_refused(l1_ratio: Any):
    with pytest.raises(InputError, match="l1_ratio"):
        LogisticRegression(l1_ratio=l1_ratio).fit(*data(n=20))


def test_recipe(tmp_path: Path):
    path = tmp_path / "lasso.toml"
    path.write_text(
        '[data]\nname = "iris"\n[model]\nkind = "softmax"\nl1_ratio = 1.0\nC = 0.5\n'
        '[solver]\nname = "proximal"\n'
    )
    clf = build_estimator(load_recipe(path), np.arange(3))
    assert clf.l1_ratio == 1.0 and isinstance(clf.solver, Proximal)
    with pytest.raises(ConfigError, match='model.l1_ratio.*"lbfgs".*auto, proximal'):
        load_recipe(path, ['solver.name="lbfgs"'])


def test_progress_and_resuming():
    X, y = data(n=400, d=20)
    target = Target(np.ones((1, 400)), soft=y[:, None].astype(float))
    penalty = ElasticNet.from_C(0.5, 0.7, np.array([400.0]))
    objective = InMemoryObjective(X, target, Sigmoid(), 1, penalty)
    assert isinstance(choose(objective), Proximal)
    seen: list[Any] = []
    solver = Proximal(tol=1e-8, max_iter=100)
    with observing(seen.append):
        whole = minimize(objective, np.zeros((21, 1)), solver)
    assert [p.solver for p in seen] == ["proximal"] * whole.n_iter
    part = minimize(objective, np.zeros((21, 1)), replace(solver, max_iter=2))
    assert part.n_iter == 2 and part.status == "max_iter"
    resumed = minimize(objective, part.theta, solver, state=part.state)
    np.testing.assert_array_equal(resumed.theta, whole.theta)


# Its parts


def test_penalties():
    total = np.array([10.0, 20.0])
    net = ElasticNet.from_C(2.0, 0.25, total)
    whole = L2.from_C(2.0, total)
    np.testing.assert_allclose(net.strength, 0.75 * whole.strength)
    np.testing.assert_allclose(net.l1, 0.25 * whole.strength)
    np.testing.assert_array_equal(whole.l1, 0)
    np.testing.assert_array_equal(net.columns(4), np.repeat(net.strength, 2))
    np.testing.assert_array_equal(net.scaled(np.array([1.0, 2.0])).l1, net.l1 * [1, 2])
    chosen = net.problems(np.array([False, True]))
    np.testing.assert_array_equal(chosen.l1, net.l1[1:])
    theta, values, gradient = np.ones((3, 2)), np.zeros(2), np.zeros((3, 2))
    net.add(theta, values, gradient)
    np.testing.assert_allclose(values, net.strength)
    np.testing.assert_allclose(gradient[:2], [net.strength] * 2)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 2), st.integers(0, 2))
def test_coordinate_descent_minimises_its_model(seed: int, q: int, G: int, R: int):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(G, q, q + 2))
    blocks = A @ A.transpose(0, 2, 1)
    U = rng.normal(size=(G * q, R))
    strengths = rng.uniform(0, 2, (G, q)) * (rng.random((G, q)) < 0.8)
    x, g = rng.normal(size=(2, G, q)) * 2
    u, r = x.copy(), g.copy()
    coordinate_descent.minimise(blocks, U, U, strengths, 1e-10, 10_000, u, r)
    B = scipy.linalg.block_diag(*blocks) + U @ U.T
    np.testing.assert_allclose(r.ravel(), g.ravel() + B @ (u - x).ravel(), atol=1e-8)
    used = u != 0
    np.testing.assert_allclose(r[used], -(strengths * np.sign(u))[used], atol=1e-7)
    assert (np.abs(r) <= strengths + 1e-7)[~used].all()


@pytest.mark.parametrize("kind", ["sigmoid", "softmax", "distilled", "distilled sigmoid"])
@pytest.mark.parametrize("damping", [0.0, 1.0])
def test_descent_by_columns_minimises_the_model_of_the_hessian(kind: str, damping: float):
    rng = np.random.default_rng(5)
    n, d = 40, 6
    K = 1 if "sigmoid" in kind else 3
    X = scipy.sparse.csr_array(rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.5))
    weights = rng.uniform(0.5, 2, (1, n))
    mixture = Distillation(2.0, 0.4) if "distilled" in kind else None
    P = rng.dirichlet(np.ones(3), n) if K == 3 else rng.random((n, 1))
    loss = Softmax(distillation=mixture) if K == 3 else Sigmoid(distillation=mixture)
    target = Target(weights, soft=P, teacher=P[::-1].copy() if mixture else np.empty((0, 0)))
    penalty = ElasticNet(L2(np.array([0.01])), np.array([0.02]))
    objective = InMemoryObjective(X, target, loss, K, penalty)
    theta = rng.normal(size=(d + 1, K)) * (rng.random((d + 1, K)) < 0.7)
    _, gradient = objective.value_and_grad(theta)
    found = descend(objective, theta, gradient, damping, 1e-9, 10_000)
    point, decrease, slope = found.theta, found.decrease, found.slope
    step = point - theta
    first = (gradient * step).sum() + 0.02 * (np.abs(point[:-1]) - np.abs(theta[:-1])).sum()
    assert slope == pytest.approx(-first)
    if damping == 0:
        curved = oracles.hessian_product(objective, theta, step)
        assert decrease == pytest.approx(-first - 0.5 * (curved * step).sum())
        r = gradient + curved
        used = point[:-1] != 0
        np.testing.assert_allclose(r[:-1][used], -0.02 * np.sign(point[:-1][used]), atol=1e-7)
        np.testing.assert_allclose(r[-1], 0, atol=1e-7)
    elif kind == "sigmoid":  # where the model is above the objective
        before, after = (
            objective.value_and_grad(t)[0][0] + 0.02 * np.abs(t[:-1]).sum() for t in (theta, point)
        )
        assert after <= before - decrease + 1e-12
    assert column_descent.minimise.signatures


def test_bound_of_curvature():
    z, x = np.meshgrid(np.linspace(-8, 8, 33), np.linspace(-8, 8, 33))
    p = sigmoid(x).astype(float)
    loss, touching = np.logaddexp(0, z), np.logaddexp(0, x)
    parabola = touching + p * (z - x) + 0.5 * bound_of_curvature(p) * (z - x) ** 2
    assert (parabola >= loss - 1e-12).all()
    np.testing.assert_allclose(bound_of_curvature(np.array([0.5, 0.5 + 1e-6])), 0.25, rtol=1e-6)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_sparse_hessians_are_dense_ones(kind: str, whole: bool):
    rng = np.random.default_rng(6)
    n, d, K = 90, 7, 3
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.4)
    if kind == "softmax":
        target, loss = Target(rng.random((1, n)), codes=rng.integers(0, K, n)), Softmax()
        penalty = L2(np.array([0.1]))
    else:
        target, loss = Target(rng.random((1, n)), soft=rng.random((n, K))), Sigmoid()
        penalty = L2(np.full(K, 0.1))
    theta = rng.normal(size=(d + 1, K))
    dense, sparse = (
        InMemoryObjective(storage(X), target, loss, K, penalty).hessian(theta, whole)
        for storage in (np.asarray, scipy.sparse.csr_array)
    )
    np.testing.assert_allclose(sparse.center, dense.center)
    np.testing.assert_allclose(sparse.blocks, dense.blocks, atol=1e-12)


def test_rows_with_indices_out_of_order_or_twice(way: str):
    X, y = data(n=100, d=6)
    plain = scipy.sparse.csr_array(X)
    half = scipy.sparse.csr_array(X / 2)
    indices = np.concatenate([np.r_[np.arange(6)[::-1], np.arange(6)]] * 100)
    doubled = np.hstack([half.toarray()[:, ::-1], half.toarray()]).ravel()
    strange = scipy.sparse.csr_array((doubled, indices, np.arange(101) * 12), shape=X.shape)
    ours = LogisticRegression(0.1, l1_ratio=1.0, **TIGHT).fit(plain, y)
    other = LogisticRegression(0.1, l1_ratio=1.0, **TIGHT).fit(strange, y)
    np.testing.assert_allclose(ours.coef_, other.coef_, atol=1e-7)
    assert strange.nnz == 1200  # the caller's matrix stays as it was

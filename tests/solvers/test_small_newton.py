"""Newton's method on small problems, compiled: the steps that the one for larger ones takes."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import oracles
import pytest
from scipy.optimize import minimize as scipy_minimize
from sklearn import datasets
from sklearn.preprocessing import scale

import fastclf
from fastclf import threads
from fastclf.kernels.steps import newton
from fastclf.losses import Sigmoid, Softmax
from fastclf.objective import InMemoryObjective
from fastclf.penalties import L2
from fastclf.solvers import LBFGS, Newton, minimize
from fastclf.solvers.engines.small_newton import SmallNewtonState
from fastclf.solvers.folds import SmallFolds
from fastclf.solvers.progress import Progress, observing
from fastclf.solvers.stopping import Stopping
from fastclf.targets import Target

K = 3


def problem(
    kind: str = "hard", n: int = 331, d: int = 6, strength: float = 0.01, **arguments: Any
) -> InMemoryObjective:
    rng = np.random.default_rng(n + d)
    X = rng.normal(size=(n, d)) * np.geomspace(0.1, 10, d) + np.arange(d)
    weights = rng.uniform(0.5, 2, (1, n)) * (np.arange(n) % 7 > 0)
    z = (X - X.mean(axis=0)) @ rng.normal(size=(d, K)) / 3 + rng.gumbel(size=(n, K))
    codes = z.argmax(axis=1)
    target: dict[str, Any] = {"codes": codes}
    loss: Any = Softmax()
    if kind == "smoothed":
        loss = Softmax(0.2)
    if kind == "soft":
        target = {"soft": rng.dirichlet(np.ones(K), n)}
    if kind == "binary":
        target, loss = {"soft": (codes[:, None] > 0).astype(float)}, Sigmoid(np.array([3.0]))
    if kind == "probabilities":
        target, loss = {"soft": rng.random((n, 1))}, Sigmoid()
    columns = 1 if isinstance(loss, Sigmoid) else K
    penalty = L2(np.full(1, strength))
    return InMemoryObjective(X, Target(weights, **target), loss, columns, penalty, **arguments)


def state_at(objective: InMemoryObjective, theta: np.ndarray) -> SmallNewtonState:
    state = SmallNewtonState.at(objective, theta, Stopping(0.0, 0.0))
    state.look(objective)
    return state


@pytest.fixture(params=[np.inf, 0.0], ids=["one call", "shared passes"], autouse=True)
def shared_from(request: pytest.FixtureRequest, use_costs: Any, monkeypatch: pytest.MonkeyPatch):
    """Steps that are one compiled call, and such whose passes several threads share."""
    use_costs(shared_pass=request.param)
    monkeypatch.setattr(threads, "_MIN_CHUNK_WORK", 1)


every_kind = pytest.mark.parametrize(
    "kind", ["hard", "smoothed", "soft", "binary", "probabilities"]
)


def zero(objective: InMemoryObjective) -> np.ndarray:
    return np.zeros((objective.n_features + 1, objective.n_outputs))


def fit(objective: InMemoryObjective, theta: np.ndarray | None = None, **changes: Any) -> Any:
    solver = Newton(**{"tol": 1e-9, "max_iter": 100, **changes})
    return minimize(objective, zero(objective) if theta is None else theta, solver)


@every_kind
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_it_ends_where_the_gradient_is_zero(kind: str, fit_intercept: bool):
    objective = problem(kind, fit_intercept=fit_intercept)
    result = fit(objective)
    assert isinstance(result.state, SmallNewtonState)
    assert result.status == "converged"
    values, gradient = objective.value_and_grad(result.theta)
    assert np.abs(gradient).max() <= 1.001e-9
    np.testing.assert_allclose(result.state.objective, values, rtol=1e-13)
    assert fit_intercept or (result.theta[-1] == 0).all()


@every_kind
def test_its_figures_are_those_of_the_objective(kind: str):
    objective = problem(kind)
    theta = 0.1 * np.random.default_rng(0).normal(size=zero(objective).shape)
    theta -= theta.mean(axis=1, keepdims=True) * (theta.shape[1] > 1)
    result = fit(objective, theta, tol=np.inf, negligible=np.inf)  # there already, not polished
    assert result.n_iter == 0
    values, gradient = objective.value_and_grad(theta)
    np.testing.assert_allclose(result.theta, theta, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(result.state.objective, values, rtol=1e-13)
    np.testing.assert_allclose(result.state.gradient_norm, np.abs(gradient).max(), rtol=1e-12)


@every_kind
def test_it_takes_the_steps_of_newtons_method(kind: str):
    objective = problem(kind)
    theta = zero(objective)
    _, gradient = objective.value_and_grad(theta)
    once = fit(objective, max_iter=1).theta
    # A step p with H p = -g, up to its length.
    product = oracles.hessian_product(objective, theta, once)
    ratio = -(product * gradient).sum() / (gradient**2).sum()
    np.testing.assert_allclose(product, -ratio * gradient, atol=1e-9 * np.abs(gradient).max())
    assert ratio > 0.05


@every_kind
def test_threads_change_no_bit(kind: str):
    thetas = [fit(problem(kind, n_threads=n_threads)).theta for n_threads in (1, 2, 5)]
    np.testing.assert_array_equal(thetas[0], thetas[1])
    np.testing.assert_array_equal(thetas[0], thetas[2])


@every_kind
def test_a_solved_problem_is_polished(kind: str):
    objective = problem(kind)
    exact = fit(objective, tol=1e-13).theta
    shared = objective.costs.shared_pass == 0
    rough = fit(objective, tol=1e-4)
    assert rough.status == "converged" and rough.n_iter < fit(objective, tol=1e-13).n_iter
    error = (1e-6 if shared else 1e-8) * np.abs(exact).max()  # a pass may cost too much there
    np.testing.assert_allclose(rough.theta, exact, rtol=0, atol=error)
    left = objective.passes
    fit(objective, tol=1e-4, max_iter=rough.n_iter - 1)  # isn't solved
    assert objective.passes - left == rough.history["passes"][-2]


@every_kind
def test_a_point_that_is_the_optimum_costs_no_more_passes(kind: str):
    objective = problem(kind)
    exact = fit(objective, tol=1e-13).theta
    before = objective.passes
    again = fit(objective, exact, tol=1e-4)
    assert again.n_iter == 0 and objective.passes - before <= 2
    np.testing.assert_allclose(again.theta, exact, rtol=0, atol=1e-12 * np.abs(exact).max())


@every_kind
def test_the_optimum_does_not_depend_on_the_start(kind: str):
    objective = problem(kind)
    start = np.random.default_rng(0).normal(size=zero(objective).shape)
    near, far = fit(objective, tol=1e-4).theta, fit(objective, start, tol=1e-4).theta
    error = 1e-8 if objective.costs.shared_pass > 0 else 1e-6
    np.testing.assert_allclose(far, near, rtol=0, atol=error * np.abs(near).max())


@every_kind
def test_passes_and_iterations_are_counted(kind: str):
    objective = problem(kind)
    result = fit(objective)
    assert len(result.history["objective"]) == result.n_iter >= 3
    assert (np.diff(result.history["passes"]) >= 1).all()
    assert result.history["passes"][-1] <= 2 * result.n_iter + 1
    assert 0 <= objective.passes - result.history["passes"][-1] <= newton.POLISHED
    assert (np.diff(result.history["objective"]) <= 1e-15).all()
    assert result.history["gradient_norm"][-1] <= 1e-9


@every_kind
def test_larger_problems_reach_the_same_optimum(kind: str, use_costs: Any):
    small = fit(problem(kind))
    use_costs(small_pass=0)
    large = fit(problem(kind))
    assert not isinstance(large.state, SmallNewtonState)
    np.testing.assert_allclose(small.theta, large.theta, atol=1e-7)


@every_kind
def test_who_looks_changes_nothing(kind: str):
    objective = problem(kind)
    seen = []
    solver = Newton(tol=1e-9, max_iter=100)
    state = solver.init(objective, zero(objective))
    while state.status == "running":
        seen.append(state.theta())
        assert np.array_equal(state.theta(), seen[-1])
        solver.step(objective, state)
    assert np.array_equal(state.theta(), fit(problem(kind)).theta)


@every_kind
def test_an_observer_changes_nothing(kind: str):
    seen: list[Progress] = []
    with observing(seen.append):
        looked = fit(problem(kind))
    alone = fit(problem(kind))
    assert np.array_equal(looked.theta, alone.theta)
    assert [p.iteration for p in seen] == list(range(1, alone.n_iter + 1))
    for name in ("iteration", "objective", "gradient_norm", "passes"):
        np.testing.assert_array_equal(looked.history[name], alone.history[name])
    assert (np.diff(alone.history["seconds"]) > 0).all()


def several(M: int, kind: str, **arguments: Any) -> InMemoryObjective:
    """Return M problems over the same rows: with weights of their own, and their own labels."""
    one = problem(kind, **arguments)
    weights = one.target.weights * np.random.default_rng(1).integers(0, 3, (M, one.n_rows))
    target = replace(one.target, weights=weights)
    if one.loss.is_sigmoid:
        target = replace(target, soft=np.repeat(one.target.soft, M, axis=1))
    loss = Sigmoid() if one.loss.is_sigmoid else one.loss
    penalty = L2(np.geomspace(0.001, 0.1, M))
    return InMemoryObjective(one.features.X, target, loss, M * one.n_outputs, penalty)


@pytest.mark.parametrize("kind", ["hard", "soft", "probabilities"])
def test_several_problems_are_solved_as_each_alone(kind: str):
    objective = several(3, kind)
    zeros = np.zeros((7, 3 * objective.n_outputs))
    result = minimize(objective, zeros, SmallFolds(tol=1e-6, max_iter=100))
    assert isinstance(result.state, SmallNewtonState) and result.status == "converged"
    for m in range(3):
        alone = objective.part(None, np.array([m]), 1)
        one = fit(alone, tol=1e-6)
        columns = slice(m * objective.n_outputs, (m + 1) * objective.n_outputs)
        np.testing.assert_allclose(result.theta[:, columns], one.theta, rtol=0, atol=1e-7)
        assert abs(result.counts[m] - one.n_iter) <= 1


def test_blocks_that_were_asked_for_are_taken():
    result = fit(problem(), whole=False)
    assert not isinstance(result.state, SmallNewtonState)


def test_it_goes_on_from_a_state():
    objective = problem()
    whole = fit(objective)
    half = fit(objective, max_iter=3)
    assert half.status == "max_iter" and half.n_iter == 3
    rest = minimize(objective, half.theta, Newton(tol=1e-9, max_iter=100), state=half.state)
    assert rest.n_iter == whole.n_iter
    assert np.array_equal(rest.theta, whole.theta)


def test_a_point_far_away_finds_back():
    objective = problem("binary")
    far = fit(objective, np.full((7, 1), 40.0))
    assert far.status == "converged"
    np.testing.assert_allclose(far.theta, fit(objective).theta, atol=1e-7)


def test_collinear_and_constant_features():
    X, y = datasets.load_iris(return_X_y=True)
    X = np.hstack([X, X[:, :2] @ np.ones((2, 1)), X, np.ones((150, 1)), np.zeros((150, 1))])
    clf = fastclf.LogisticRegression(C=1e6, tol=1e-8, max_iter=1000).fit(X, y)
    assert str(clf.history_["path"]).startswith("Newton with the Hessian, compiled steps")
    assert clf.history_["gradient_norm"][-1] <= 1e-8
    assert (clf.coef_[:, -1] == 0).all()


def test_unpenalised_and_separable_data_end():
    X, y = datasets.load_iris(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf = fastclf.LogisticRegression(C=np.inf, max_iter=1000).fit(X[:100], y[:100])
    assert np.isfinite(clf.coef_).all() and clf.score(X[:100], y[:100]) == 1


def test_a_loss_that_is_steep_in_places():
    # A feature of a single large value, where full steps overshoot.
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(60, 2)), [[1e4, 0.0]]])
    y = np.append(rng.random(60) < 0.5, 1)

    def f(theta: np.ndarray) -> float:
        z = X @ theta[:2] + theta[2]
        return np.logaddexp(0, np.where(y, -z, z)).sum() + 0.5 * (theta[:2] ** 2).sum()

    clf = fastclf.LogisticRegression(tol=1e-8, max_iter=500).fit(X, y)
    ours = f(np.append(clf.coef_[0], clf.intercept_))
    reference = scipy_minimize(f, np.append(clf.coef_[0], clf.intercept_), method="Nelder-Mead")
    assert ours <= reference.fun * (1 + 1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_is_summed_up_in_float64(dtype: type):
    X, y = datasets.load_wine(return_X_y=True)
    X = X.astype(dtype)
    clf = fastclf.LogisticRegression(tol=1e-10, max_iter=1000).fit(X, y)
    assert clf.history_["status"] == "converged" and clf.coef_.dtype == dtype
    exact = fastclf.LogisticRegression(tol=1e-10, max_iter=1000).fit(X.astype(float), y)
    np.testing.assert_allclose(clf.coef_, exact.coef_, rtol=1e-5, atol=1e-6)


def test_as_good_as_lbfgs_on_scaled_data():
    for load in (datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer):
        X, y = load(return_X_y=True)
        X = scale(X)
        fits = [
            fastclf.LogisticRegression(tol=1e-8, max_iter=500, solver=solver).fit(X, y)
            for solver in (Newton(), LBFGS())
        ]
        np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, atol=1e-5)


def test_a_sure_row_keeps_its_tiny_loss():
    X = np.array([[1.0], [1.0]])
    target = Target(np.ones((1, 2)), codes=np.array([0, 0]))
    objective = InMemoryObjective(X, target, Softmax(), 3, L2(np.zeros(1)))
    theta = np.array([[50.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    value = state_at(objective, theta).objective
    np.testing.assert_allclose(value, np.log1p(np.exp(-50.0) + np.exp(-51.0)), rtol=1e-12)

"""Approximate inverse Hessians: exact where they say so, and finite whatever the features."""

from dataclasses import replace
from typing import Any

import numpy as np
import oracles
import pytest

from fastclf.losses import Sigmoid
from fastclf.objective import InMemoryObjective
from fastclf.penalties import L2
from fastclf.solvers.preconditioner import HessianInverse, MomentsInverse, centred
from tests.objective.test_objective import SOFTMAX, Case, D, K, N, every_kind, make, many

RNG = np.random.default_rng(11)


def inverse(objective: InMemoryObjective, theta: np.ndarray, whole: bool) -> HessianInverse:
    penalty = objective.penalty.columns(theta.shape[1])
    return HessianInverse(objective.hessian(theta, whole), penalty, objective.n_outputs)


def moments(objective: InMemoryObjective, full: bool, theta: np.ndarray | None = None) -> Any:
    penalty = objective.penalty.columns(objective.n_problems * objective.n_outputs)
    return MomentsInverse(objective.curvature(full, theta), penalty, objective.n_outputs)


@every_kind
@many
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_inverse_hessian_undoes_the_hessian(kind: str, problems: int, fit_intercept: bool):
    case = make(kind, problems)
    objective = case.objective(case.X + 3, fit_intercept=fit_intercept)
    theta = 0.3 * case.theta
    gradient = RNG.normal(size=theta.shape)
    if not fit_intercept:
        gradient[-1] = 0
    step = inverse(objective, theta, True).apply(gradient)
    expected = centred(gradient, objective.n_outputs)
    np.testing.assert_allclose(oracles.hessian_product(objective, theta, step), expected, atol=1e-8)
    assert fit_intercept or np.abs(step[-1]).max() <= 1e-13


def test_a_sample_does_not_take_rare_features_to_be_constant():
    X = make("hard").X.copy()
    X[:, 0] = 0
    X[N // 2, 0] = 200.0
    objective = make("hard").objective(X)
    sampled = objective.curvature(True, n_rows=N // 4).second
    variances = objective.curvature(False).second
    assert (sampled.diagonal() >= variances * (1 - 1e-12)).all()
    apart = sampled - np.diag(sampled.diagonal())
    assert np.abs(apart).max() > 0  # the sample's


@every_kind
@many
@pytest.mark.parametrize("whole", [True, False, None], ids=["whole", "blocks", "moments"])
def test_squares_are_inner_products_with_the_step(kind: str, problems: int, whole: bool | None):
    objective = make(kind, problems).objective()
    M = objective.n_problems
    theta = 0.3 * make(kind, problems).theta
    made: Any = moments(objective, True) if whole is None else inverse(objective, theta, whole)
    for R in (1, 3):  # gradients
        gradient = RNG.normal(size=(len(theta), R * theta.shape[1]))
        products = (gradient * made.apply(gradient)).reshape(len(theta), R * M, -1)
        squares = made.squares(gradient).reshape(R * M, -1).sum(axis=1)
        np.testing.assert_allclose(squares, products.sum(axis=(0, 2)))


@every_kind
@many
def test_blocks_are_inverted_each_by_itself(kind: str, problems: int):
    case = make(kind, problems)
    objective = case.objective(case.X + 3)
    theta = 0.3 * case.theta
    gradient = centred(RNG.normal(size=theta.shape), objective.n_outputs)
    expected = np.empty(theta.shape)
    for k in range(theta.shape[1]):
        block = np.empty((D + 1, D + 1))
        for j in range(D + 1):
            e = np.zeros(theta.shape)
            e[j, k] = 1
            block[:, j] = oracles.hessian_product(objective, theta, e)[:, k]
        expected[:, k] = np.linalg.solve(block, gradient[:, k])
    step = inverse(objective, theta, False).apply(gradient)
    np.testing.assert_allclose(step, centred(expected, objective.n_outputs), rtol=1e-6, atol=1e-7)


def at_equal_logits(kind: str, n: int = N) -> Case:
    """A case whose curvature at zero is that of equal logits: no weight of the positive class."""
    case = make(kind, n=n)
    mixture = case.loss.distillation
    return case._replace(loss=Sigmoid(distillation=mixture) if kind not in SOFTMAX else case.loss)


@every_kind
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_moments_at_equal_logits_are_the_blocks_at_zero(kind: str, fit_intercept: bool):
    case = at_equal_logits(kind)
    zero = np.zeros(case.theta.shape)
    gradient = RNG.normal(size=zero.shape)
    if not fit_intercept:
        gradient[-1] = 0
    objective = case.objective(case.X + 3, fit_intercept=fit_intercept)
    step = moments(objective, True).apply(gradient)
    expected = inverse(objective, zero, False).apply(gradient)
    np.testing.assert_allclose(step, expected, rtol=1e-7, atol=1e-9)
    if kind not in SOFTMAX:
        np.testing.assert_allclose(
            oracles.hessian_product(objective, zero, step), gradient, atol=1e-8
        )


@pytest.mark.parametrize("kind", SOFTMAX)
def test_moments_of_a_softmax_point_where_its_hessian_does(kind: str):
    case = make(kind)._replace(penalty=L2(np.zeros(1)))
    objective = case.objective(case.X + 3)
    zero = np.zeros(case.theta.shape)
    gradient = centred(RNG.normal(size=zero.shape), K)
    product = oracles.hessian_product(objective, zero, moments(objective, True).apply(gradient))
    np.testing.assert_allclose(product / gradient, product[0, 0] / gradient[0, 0], rtol=1e-8)


@every_kind
def test_variances_are_the_covariance_of_uncorrelated_features(kind: str):
    case = at_equal_logits(kind)
    target = replace(case.target, weights=np.ones((1, N)))
    q = np.linalg.qr(np.column_stack([np.ones(N), case.X]))[0][:, 1:]
    objective = case._replace(target=target).objective(q * np.arange(1, D + 1) + 3)
    gradient = RNG.normal(size=case.theta.shape)
    np.testing.assert_allclose(
        moments(objective, False).apply(gradient),
        moments(objective, True).apply(gradient),
        rtol=1e-7,
    )


@every_kind
@pytest.mark.parametrize("full", [True, False], ids=["matrix", "diagonal"])
def test_each_problem_has_its_own_penalty(kind: str, full: bool):
    case = at_equal_logits(kind)
    M = case.penalty.strength.size
    curvature = case.objective().curvature(full)
    gradient = RNG.normal(size=case.theta.shape)
    strengths = np.linspace(0.1, 3, M)
    together = MomentsInverse(curvature, np.repeat(strengths, K // M), K // M).apply(gradient)
    for m in range(M):
        columns = slice(m * K // M, (m + 1) * K // M)
        own = replace(curvature, logits=curvature.logits[columns])
        penalty = np.full(K // M, strengths[m])
        alone = MomentsInverse(own, penalty, K // M).apply(gradient[:, columns])
        np.testing.assert_allclose(together[:, columns], alone, rtol=1e-12)


@pytest.mark.parametrize("kind", SOFTMAX)
@pytest.mark.parametrize("how", ["whole", "blocks", "moments"])
def test_steps_of_a_softmax_are_centred(kind: str, how: str):
    case = make(kind, problems=2)
    objective = case.objective()
    gradient = RNG.normal(size=case.theta.shape)
    if how == "moments":
        approximation: Any = moments(objective, True, case.theta)
    else:
        approximation = inverse(objective, case.theta, how == "whole")
    before = gradient.copy()
    step = approximation.apply(gradient)
    sums = step.reshape(D + 1, 2, K).sum(axis=2)
    np.testing.assert_allclose(sums, 0, atol=1e-12 * np.abs(step).max())
    assert np.array_equal(gradient, before)
    np.testing.assert_allclose(approximation.apply(centred(gradient, K)), step, rtol=1e-9)


# Features that no inverse likes


EXTRA = {
    "constant": lambda X: np.ones(len(X)),
    "zero": lambda X: np.zeros(len(X)),
    "twice": lambda X: X[:, 0],
    "collinear": lambda X: X @ np.arange(1, D + 1),
    "tiny": lambda X: 1e-8 * X[:, 1] ** 2,
    "huge": lambda X: 1e8 * X[:, 1] ** 2,
    "tiny and huge": lambda X: np.outer(X[:, 1] ** 2, [1e-8, 1e8]),
    "more than rows": lambda X: X[:, [0]] + np.outer(X[:, 1] ** 2, np.arange(70)),
}
PRECONDITIONERS = {
    "whole": lambda objective, theta: inverse(objective, theta, True),
    "blocks": lambda objective, theta: inverse(objective, theta, False),
    "matrix": lambda objective, theta: moments(objective, True),
    "variances": lambda objective, theta: moments(objective, False),
    "matrix at theta": lambda objective, theta: moments(objective, True, theta),
    "variances at theta": lambda objective, theta: moments(objective, False, theta),
}
every_preconditioner = pytest.mark.parametrize("how", PRECONDITIONERS)


def without_penalty(kind: str, X: np.ndarray, dtype: type, **arguments: Any) -> tuple:
    """An objective over other features, and coefficients that make its classes differ."""
    case = make(kind)
    theta = np.zeros((X.shape[1] + 1, K))
    theta[:2], theta[-1] = case.theta[:2], case.theta[-1]
    case = case._replace(theta=theta, penalty=L2(np.zeros(case.penalty.strength.shape)))
    return case.objective(X, dtype, **arguments), theta


@pytest.mark.parametrize("kind", ["hard", "sigmoid"])
@every_preconditioner
@pytest.mark.parametrize("name", [*EXTRA, "zeros"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_no_feature_gives_an_infinite_step(
    kind: str, how: str, name: str, fit_intercept: bool, dtype: type
):
    X = make(kind).X
    X = 0 * X if name == "zeros" else np.column_stack([X, EXTRA[name](X)])
    objective, theta = without_penalty(kind, X, dtype, fit_intercept=fit_intercept)
    values, gradient = objective.value_and_grad(theta)
    step = PRECONDITIONERS[how](objective, theta).apply(gradient)
    assert np.isfinite(step).all()
    width = objective.n_outputs
    slopes = (step * gradient).reshape(len(step), -1, width).sum(axis=(0, 2))
    assert (slopes > 0).all() or (name == "zeros" and not fit_intercept)
    # A small part of it leads down; small, for variances see collinear features as many.
    nearby, _ = objective.value_and_grad(theta - 1e-3 * step)
    assert (nearby <= values + 1e-6 * np.abs(values)).all()


@pytest.mark.parametrize("kind", ["hard", "sigmoid"])
@every_preconditioner
def test_the_units_of_the_features_do_not_matter(kind: str, how: str):
    X = make(kind).X
    # The matrices' diagonals get a little of their mean, and the variances more of it.
    exponents = np.array([-4, 4, 0, 3, -3]) / (4 if how.startswith("variances") else 1)
    units = 10.0**exponents
    steps = []
    for scale in (np.ones(D), units):
        objective, theta = without_penalty(kind, X * scale, np.float64)
        theta[:-1] /= scale[:, None]
        _, gradient = objective.value_and_grad(theta)
        step = PRECONDITIONERS[how](objective, theta).apply(gradient)
        step[:-1] *= scale[:, None]
        steps.append(step)
    np.testing.assert_allclose(steps[1], steps[0], rtol=1e-3, atol=1e-3 * np.abs(steps[0]).max())


@every_preconditioner
def test_a_column_twice_shares_the_step_of_one(how: str):
    X = make("hard").X
    objective, theta = without_penalty("hard", X, np.float64)
    _, gradient = objective.value_and_grad(theta)
    one = PRECONDITIONERS[how](objective, theta).apply(gradient)
    twice = np.column_stack([X, X[:, -1]])
    objective, theta = without_penalty("hard", twice, np.float64)
    _, gradient = objective.value_and_grad(theta)
    two = PRECONDITIONERS[how](objective, theta).apply(gradient)
    if not how.startswith("variances"):  # which don't know of correlation
        moved = twice @ two[:-1] + two[-1]
        np.testing.assert_allclose(moved, X @ one[:-1] + one[-1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(two[D - 1], two[D], rtol=1e-2, atol=1e-3 * np.abs(two).max())


@pytest.mark.parametrize("full", [True, False], ids=["matrix", "variances"])
def test_a_column_without_curvature_gets_a_finite_step(full: bool):
    # Its probabilities are all 0 or 1 already.
    curvature = make("sigmoid").objective().curvature(full)
    curvature = replace(curvature, logits=np.array([0.25, 1e-30, 0.0]))
    step = MomentsInverse(curvature, np.zeros(K), 1).apply(np.ones((D + 1, K)))
    assert np.isfinite(step).all()

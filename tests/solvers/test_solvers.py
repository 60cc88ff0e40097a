"""Solvers: minibatch rules against a plain loop, and every solver on real problems."""

import pickle
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from scipy.special import expit, softmax
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

import fastclf
from fastclf.errors import FastclfError, InputError
from fastclf.losses import Distillation, Sigmoid, Softmax
from fastclf.objective import InMemoryObjective
from fastclf.penalties import L2
from fastclf.plan.passes import batch_pieces
from fastclf.solvers import (
    LBFGS,
    SGD,
    Adam,
    AdamW,
    Constant,
    InverseTime,
    Newton,
    Proximal,
    minimize,
    observing,
)
from fastclf.solvers.engines.small_newton import SmallNewtonState
from fastclf.targets import Target

# Minibatch rules against an obvious loop


N, D, K, BATCH = 53, 4, 3, 8


def problem(kind: str, weights: np.ndarray | None = None, storage: Any = np.asarray, **arguments):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(N, D)) * [1, 10, 0.1, 3] + [0, 5, 0, -2]
    weights = rng.uniform(0.5, 2, (1, N)) if weights is None else weights
    codes, Y = rng.integers(0, K, N), rng.random((N, K))
    if kind == "softmax":
        target, loss, M = Target(weights, codes=codes), Softmax(), 1
    else:
        target, loss, M = Target(weights, soft=Y), Sigmoid(), K
    penalty = L2(np.full(M, 0.02))
    return InMemoryObjective(storage(X), target, loss, K, penalty, **arguments), X, target


def loop(solver: Any, objective: InMemoryObjective, X: np.ndarray, target: Target, epochs: int):
    """Train as the documentation of the kernels says, batch by batch; return theta."""
    state = solver.init(objective, np.zeros((D + 1, K)))
    center = state.center if state.center.size else np.zeros(D)
    shrink = state.inverse_scale
    u, u0 = np.zeros((D, K)), np.zeros(K)
    first, first0, second, second0 = (np.zeros(a.shape) for a in (u, u0, u, u0))
    total, total0, averaged = np.zeros((D, K)), np.zeros(K), 0
    lam = 0.02
    t = 0
    Y = np.eye(K)[target.codes] if target.codes.size else target.soft
    per_epoch = -(-N // solver.batch_size)
    for epoch in range(epochs):
        order = np.random.default_rng([solver.seed, epoch]).permutation(N)
        for start in range(0, N, solver.batch_size):
            rows = order[start : start + solver.batch_size]
            weights = target.weights[0, rows]
            if weights.sum() == 0:
                continue
            w = u * shrink[:, None]
            z = X[rows] @ w + u0 - center @ w
            p = softmax(z, axis=1) if target.codes.size else expit(z)
            slope = (p - Y[rows]) * weights[:, None] / weights.sum()
            gw, gb = X[rows].T @ slope, slope.sum(axis=0)
            decoupled = isinstance(solver, AdamW)
            g = (gw - np.outer(center, gb) + (0 if decoupled else lam) * w) * shrink[:, None]
            g0 = gb if objective.fit_intercept else np.zeros(K)
            if solver.clip_norm:
                norm = np.sqrt((g**2).sum() + (g0**2).sum())
                if norm > solver.clip_norm:
                    g, g0 = g * solver.clip_norm / norm, g0 * solver.clip_norm / norm
            rate = state.schedule(t)
            t += 1
            if decoupled:
                decay = lam if solver.weight_decay is None else solver.weight_decay
                u = u - rate * decay * u * shrink[:, None] ** 2
            for v, gradient, m, s in ((u, g, first, second), (u0, g0, first0, second0)):
                if isinstance(solver, SGD):
                    m[:] = solver.momentum * m + gradient
                    v -= rate * (gradient + solver.momentum * m if solver.nesterov else m)
                else:
                    m[:] = solver.beta1 * m + (1 - solver.beta1) * gradient
                    s[:] = solver.beta2 * s + (1 - solver.beta2) * gradient**2
                    mean, square = m / (1 - solver.beta1**t), s / (1 - solver.beta2**t)
                    v -= rate * mean / (np.sqrt(square) + solver.epsilon)
            if t > per_epoch:
                total, total0, averaged = total + u, total0 + u0, averaged + 1
    if solver.average and averaged:
        u, u0 = total / averaged, total0 / averaged
    w = u * shrink[:, None]
    return np.vstack([w, u0 - center @ w])


RULES = {
    "sgd": SGD(momentum=0.0, nesterov=False, learning_rate=0.3),
    "momentum": SGD(nesterov=False, learning_rate=0.1),
    "nesterov": SGD(learning_rate=0.1),
    "adam": Adam(),
    "adamw": AdamW(),
    "decay": AdamW(weight_decay=0.5),
    "clipped": SGD(learning_rate=0.1, clip_norm=0.2),
    "averaged": Adam(average=True),
    "cosine": SGD(schedule="cosine", warmup=5),
    "step": Adam(schedule="step", warmup=3),
    "inverse time": SGD(schedule="inverse_time"),
    "schedule object": Adam(learning_rate=InverseTime(0.1, half_life=4, warmup=2)),
}
RULES = {
    name: replace(rule, batch_size=BATCH, seed=3, max_iter=2, tol=0.0)
    for name, rule in RULES.items()
}

EXACT = {
    "lbfgs": LBFGS(),
    "lbfgs from a sample": LBFGS(sample=100),
    "newton": Newton(),
    "newton, whole": Newton(whole=True),
    "newton, blocks": Newton(whole=False),
    "newton from a sample": Newton(sample=100),
    "newton, blocks, from a sample": Newton(whole=False, sample=100),
    "one pair": LBFGS(memory=1),
    "proximal": Proximal(),
}
"""Solvers that reach the optimum, and not just its neighbourhood."""

every_exact = pytest.mark.parametrize("exact", EXACT.values(), ids=EXACT.keys())


@pytest.mark.parametrize("name", RULES)
def test_epochs_are_an_obvious_loop(name: str):
    objective, X, target = problem("softmax")
    assert N % BATCH  # the last batch is a partial one
    result = minimize(objective, np.zeros((D + 1, K)), RULES[name])
    expected = loop(RULES[name], objective, X, target, epochs=2)
    np.testing.assert_allclose(result.theta, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
@pytest.mark.parametrize("name", ["nesterov", "adamw"])
def test_loop_for_every_storage_and_loss(name: str, kind: str, storage: Any):
    objective, X, target = problem(kind, storage=storage)
    result = minimize(objective, np.zeros((D + 1, K)), RULES[name])
    expected = loop(RULES[name], objective, X, target, epochs=2)
    np.testing.assert_allclose(result.theta, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["adam", "clipped"])
def test_loop_without_intercept(name: str):
    objective, X, target = problem("softmax", fit_intercept=False)
    result = minimize(objective, np.zeros((D + 1, K)), RULES[name])
    assert (result.theta[-1] == 0).all()
    expected = loop(RULES[name], objective, X, target, epochs=2)
    np.testing.assert_allclose(result.theta, expected, rtol=1e-9, atol=1e-11)


def weightless_batches() -> np.ndarray:
    """Weights (1, N) that are 0 in the second and the fifth batch of the first epoch."""
    order = np.random.default_rng([3, 0]).permutation(N)
    weights = np.ones((1, N))
    weights[0, order[BATCH : 2 * BATCH]] = 0
    weights[0, order[4 * BATCH : 5 * BATCH]] = 0
    return weights


@pytest.mark.parametrize("name", ["nesterov", "adam", "cosine"])
def test_a_batch_without_weight_is_skipped(name: str):
    solver = replace(RULES[name], max_iter=1)
    objective, X, target = problem("softmax", weightless_batches())
    result = minimize(objective, np.zeros((D + 1, K)), solver)
    assert result.state.step == -(-N // BATCH) - 2
    expected = loop(solver, objective, X, target, epochs=1)
    np.testing.assert_allclose(result.theta, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("weights", [None, weightless_batches()])
@pytest.mark.parametrize("name", ["nesterov", "averaged", "cosine", "adamw"])
def test_two_slices_are_one(name: str, weights: np.ndarray | None):
    solver = RULES[name]
    objective = problem("softmax", weights)[0]
    order = np.random.default_rng([3, 0]).permutation(N)
    last = -(-N // BATCH)
    states = []
    for cuts in ([0, last], [0, 3, last], [0, 1, 2, 5, last]):
        state = solver.init(objective, np.ones((D + 1, K)))
        state.average_from = 2
        for first, stop in zip(cuts[:-1], cuts[1:], strict=True):
            objective.run_batches(solver, state, first, stop, order)
        states.append(state)
    for other in states[1:]:
        assert np.array_equal(other.theta(), states[0].theta())
        assert np.array_equal(other.moments, states[0].moments)
        assert np.array_equal(other.values, states[0].values)


@pytest.mark.parametrize("solver", [RULES["averaged"], RULES["nesterov"]])
def test_same_seed_gives_the_same_bits_for_any_number_of_threads(solver: Any):
    thetas = [
        minimize(problem("softmax", n_threads=n)[0], np.zeros((D + 1, K)), solver).theta
        for n in (1, 2, 3, 8)
    ]
    assert all(np.array_equal(theta, thetas[0]) for theta in thetas)
    other = minimize(problem("softmax")[0], np.zeros((D + 1, K)), replace(solver, seed=4))
    assert not np.array_equal(other.theta, thetas[0])


def large(
    kind: str, n: int = 9000, d: int = D, storage: Any = np.asarray, **arguments: Any
) -> InMemoryObjective:
    """Rows enough for several threads, and for a start on a sample of them."""
    rng = np.random.default_rng(8)
    X = rng.normal(size=(n, d)) * np.geomspace(0.1, 10, d) + 1
    z = scale(X) @ rng.normal(size=(d, K)) + rng.gumbel(size=(n, K))
    if kind == "softmax":
        target, loss, M = Target(np.ones((1, n)), codes=z.argmax(axis=1)), Softmax(), 1
    else:
        target, loss, M = Target(np.ones((1, n)), soft=(z > 1).astype(float)), Sigmoid(), K
    penalty = L2.from_C(1.0, np.full(M, float(n)))
    return InMemoryObjective(storage(X), target, loss, K, penalty, **arguments)


@pytest.mark.parametrize("fit", ["softmax", "sigmoid"])
def test_pieces_of_a_batch_are_the_same_for_any_number_of_threads(fit: str, use_costs: Any):
    solver = replace(RULES["averaged"], batch_size=300)
    whole = minimize(large(fit), np.zeros((D + 1, K)), solver).theta
    use_costs(batch_piece=1.0)
    objective = large(fit)
    assert batch_pieces(objective.shape, objective.costs, 300)[0] == 5
    thetas = [
        minimize(large(fit, n_threads=n), np.zeros((D + 1, K)), solver).theta for n in (1, 2, 8)
    ]
    assert all(np.array_equal(theta, thetas[0]) for theta in thetas)
    np.testing.assert_allclose(thetas[0], whole, rtol=1e-9, atol=1e-11)


@every_exact
@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_exact_solvers_give_the_same_bits_for_any_number_of_threads(exact: Any, kind: str):
    d = 12
    solver = replace(exact, tol=1e-6, max_iter=100, sample=exact.sample and 300)
    assert len(large(kind, d=d)._chunks(d * K)[0]) > 3
    first, *others = (
        minimize(large(kind, d=d, n_threads=n), np.zeros((d + 1, K)), solver) for n in (1, 2, 3, 8)
    )
    assert first.status == "converged"
    assert ("started on 300 rows" in sentence(solver, large(kind, d=d))) == (exact.sample > 0)
    for other in others:
        assert np.array_equal(other.theta, first.theta) and other.n_iter == first.n_iter


@pytest.mark.parametrize(
    "arguments",
    [
        {"learning_rate": 0.0},
        {"learning_rate": -1},
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"schedule": "linear"},
        {"warmup": -1},
        {"clip_norm": 0.0},
        {"early_stopping": 0},
        {"validation_fraction": 1.0},
        {"patience": 0},
        {"max_iter": -1},
        {"tol": -1e-3},
        {"momentum": 1.0},
    ],
)
def test_impossible_numbers_are_refused_by_name(arguments: dict[str, Any]):
    with pytest.raises(InputError, match=next(iter(arguments))):
        SGD(**arguments)


@pytest.mark.parametrize(
    "arguments", [{"beta1": 1.0}, {"beta2": -0.1}, {"epsilon": 0}, {"weight_decay": -1.0}]
)
def test_impossible_numbers_of_adamw_are_refused(arguments: dict[str, Any]):
    with pytest.raises(InputError, match=next(iter(arguments))):
        AdamW(**arguments)


# The loop


@pytest.mark.parametrize(
    "solver",
    [*(replace(exact, tol=0.0) for exact in EXACT.values()), RULES["averaged"], RULES["nesterov"]],
    ids=[*EXACT, "averaged", "nesterov"],
)
@pytest.mark.parametrize("where", [0.0, 0.3])
def test_going_on_from_a_state_is_an_uninterrupted_run(solver: Any, where: float):
    objective = problem("softmax")[0]
    start = np.full((D + 1, K), where)
    whole = minimize(objective, start, replace(solver, max_iter=14))
    part = minimize(objective, start, replace(solver, max_iter=4))
    state = pickle.loads(pickle.dumps(part.state))
    rest = minimize(objective, np.zeros((D + 1, K)), replace(solver, max_iter=14), state=state)
    assert part.n_iter == 4 and rest.n_iter == whole.n_iter
    assert np.array_equal(rest.theta, whole.theta)
    for name in ("iteration", "objective"):
        both = np.concatenate([part.history[name], rest.history[name]])
        assert np.array_equal(both, whole.history[name])
    assert (start == where).all()


def test_observers_hear_of_every_iteration():
    objective = problem("softmax")[0]
    seen, outer = [], []
    with observing(outer.append):
        result = minimize(objective, np.zeros((D + 1, K)), LBFGS(max_iter=5), observer=seen.append)
    assert seen == outer
    assert [progress.iteration for progress in seen] == [1, 2, 3, 4, 5]
    assert [progress.objective for progress in seen] == result.history["objective"].tolist()
    assert seen[0].solver == "lbfgs" and seen[0].max_iter == 5
    assert seen[-1].passes == result.history["passes"][-1] > 5
    minimize(objective, np.zeros((D + 1, K)), LBFGS(max_iter=2))
    assert len(outer) == 5


@pytest.mark.parametrize("name", [name for name in EXACT if "sample" in name])
def test_observers_hear_of_no_iteration_on_a_sample(name: str):
    objective = large("softmax", n=2000)
    seen, outer = [], []
    with observing(outer.append):
        result = minimize(
            objective, np.zeros((D + 1, K)), replace(EXACT[name], max_iter=3), observer=seen.append
        )
        assert [progress.iteration for progress in seen] == [1, 2, 3]
        assert seen == outer and len(result.history["objective"]) == 3
        minimize(objective, result.theta, LBFGS(max_iter=1))
    assert len(outer) == 4


def test_an_observer_may_stop_the_fit():
    def stop(progress: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), observing(stop):
        fastclf.LogisticRegression().fit(*datasets.load_iris(return_X_y=True))


def test_a_solver_whose_methods_are_missing_is_refused_by_their_names():
    class Streamed:
        curvature = None

        def value_and_grad(self, theta: np.ndarray, active: Any = None) -> None: ...

    with pytest.raises(FastclfError, match="'sgd' needs curvature, run_batches.*Streamed"):
        minimize(Streamed(), np.zeros((2, 1)), SGD())


def test_early_stopping_keeps_the_best_epoch():
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(60, 30)), rng.normal(size=(60, 30))
    y = rng.integers(0, 3, 60)
    strength = L2(np.zeros(1))
    objective, validation = (
        InMemoryObjective(A, Target(np.ones((1, 60)), codes=y), Softmax(), 3, strength)
        for A in (X, X + noise)
    )
    solver = Adam(batch_size=10, max_iter=200, early_stopping=4, tol=0.0, learning_rate=0.1)
    result = minimize(objective, np.zeros((31, 3)), solver, validation=validation)
    losses = result.history["validation_loss"]
    assert result.status == "early_stopping"
    assert result.n_iter == losses.size == losses.argmin() + 1 + 4 < 200
    found = validation.value_and_grad(result.theta)[0].mean()
    assert found == pytest.approx(losses.min(), rel=1e-14)


def test_no_epochs_and_no_iterations_leave_theta():
    start = np.full((D + 1, K), 0.3)
    for solver in (*EXACT.values(), SGD()):
        solver = replace(solver, max_iter=0)
        result = minimize(problem("softmax")[0], start, solver)
        np.testing.assert_allclose(result.theta, start, rtol=1e-12)
        assert result.n_iter == 0 and result.status == "max_iter"


def test_exploding_steps_back_off_and_say_so():
    objective = problem("softmax")[0]
    solver = SGD(learning_rate=1e4, batch_size=BATCH, max_iter=20, seed=0)
    with pytest.warns(ConvergenceWarning, match="learning rate"):
        result = minimize(objective, np.zeros((D + 1, K)), solver)
    at_zero = objective.value_and_grad(np.zeros((D + 1, K)))[0]
    assert np.isfinite(result.theta).all()
    assert objective.value_and_grad(result.theta)[0] < 3 * at_zero


def test_no_rate_that_helps_is_an_error():
    solver = SGD(learning_rate=Constant(1e300), batch_size=BATCH, max_iter=3, seed=0)
    with pytest.raises(InputError, match="learning_rate"), np.errstate(all="ignore"):
        minimize(problem("softmax")[0], np.zeros((D + 1, K)), solver)


# Solvers on real problems


def data(name: str, scaled: bool) -> tuple[np.ndarray, np.ndarray]:
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    if name == "digits":
        X, y = X[:300], y[:300]
    return (scale(X) if scaled else X), y


def indicators(name: str, y: np.ndarray) -> np.ndarray:
    """Several labels a row: is it class k, and is its number odd."""
    return np.column_stack([np.eye(y.max() + 1)[y], y % 2])


def gradient_norm(X: np.ndarray, Y: np.ndarray, theta: np.ndarray, link: Any, C: float) -> float:
    slope = (link(X @ theta[:-1] + theta[-1]) - Y) / len(X)
    g = X.T @ slope + theta[:-1] / (C * len(X))
    return max(np.abs(g).max(), np.abs(slope.sum(axis=0)).max())


def solve(X: np.ndarray, y: np.ndarray, multilabel: bool, C: float, solver: Any):
    """Fit with any solver; return theta, targets (n, columns), the link and the result."""
    n, d = X.shape
    ones = np.ones((1, n))
    if multilabel or y.max() == 1:
        Y = y[:, None].astype(float) if y.ndim == 1 else y
        target, loss, M, link = Target(ones, soft=Y), Sigmoid(), Y.shape[1], expit
    else:
        Y = np.eye(y.max() + 1)[y]
        target, loss, M = Target(ones, codes=y), Softmax(), 1

        def link(z: np.ndarray) -> np.ndarray:
            return softmax(z, axis=1)

    penalty = L2.from_C(C, np.full(M, float(n)))
    objective = InMemoryObjective(X, target, loss, Y.shape[1], penalty)
    result = minimize(objective, np.zeros((d + 1, Y.shape[1])), solver)
    return result, Y, link


PROBLEMS = [
    (name, multilabel)
    for name in ("iris", "wine", "breast_cancer", "digits")
    for multilabel in (False, True)
    if (name, multilabel) != ("breast_cancer", True)
]


@every_exact
@pytest.mark.parametrize("scaled", [False, True], ids=["raw", "scaled"])
@pytest.mark.parametrize("name, multilabel", PROBLEMS)
def test_exact_solvers_reach_their_tolerance(name: str, multilabel: bool, scaled: bool, exact: Any):
    X, y = data(name, scaled)
    y = indicators(name, y) if multilabel else y
    for tol in (1e-4, 1e-8):
        result, Y, link = solve(X, y, multilabel, 1.0, replace(exact, tol=tol, max_iter=500))
        norm = gradient_norm(X, Y, result.theta, link, C=1.0)
        assert result.status == "converged"
        assert norm <= tol * 1.001
        known = result.history["gradient_norm"][-1]
        assert norm <= known * 1.001 + 1e-10
        if not isinstance(result.state, SmallNewtonState):  # whose last step isn't looked at
            np.testing.assert_allclose(known, norm, rtol=1e-3, atol=1e-10)


@every_exact
@pytest.mark.parametrize("name, multilabel", PROBLEMS)
def test_exact_solvers_agree_with_scikit_learn(name: str, multilabel: bool, exact: Any):
    X, y = data(name, scaled=True)
    y = indicators(name, y) if multilabel else y
    result, _, _ = solve(X, y, multilabel, 1.0, replace(exact, tol=1e-9, max_iter=1000))
    expected = optimum_of_scikit_learn(name, multilabel)
    theta = result.theta
    if theta.shape[1] > 1 and not multilabel:
        theta = theta - theta.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(theta, expected, atol=1e-4)


@cache
def optimum_of_scikit_learn(name: str, multilabel: bool) -> np.ndarray:
    """Theta (d + 1, columns), centred over the classes of a softmax."""
    X, y = data(name, scaled=True)
    theirs = ScikitLearn(tol=1e-10, max_iter=10_000)
    if multilabel:
        columns = indicators(name, y).T
        fits = [np.append(theirs.fit(X, column).coef_, theirs.intercept_) for column in columns]
        return np.array(fits).T
    theirs.fit(X, y)
    theta = np.vstack([theirs.coef_.T, theirs.intercept_])
    return theta - theta.mean(axis=1, keepdims=True) * (theta.shape[1] > 1)


def sentence(solver: Any, objective: InMemoryObjective) -> str:
    return solver.plan(objective.shape, objective.costs).sentence()


@pytest.fixture
def no_small_passes(use_costs: Any):
    """Have tests on little data take the path of larger ones."""
    use_costs(small_pass=0)


@pytest.mark.usefixtures("no_small_passes")
@pytest.mark.parametrize("name", [name for name in EXACT if "sample" in name])
@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_a_start_on_a_sample_goes_most_of_the_way_to_the_same_optimum(name: str, kind: str):
    objective = large(kind, n=3000)
    zero = np.zeros((D + 1, K))
    solver = replace(EXACT[name], sample=1000, tol=1e-8, max_iter=100)
    cold = minimize(objective, zero, replace(solver, sample=0))
    warm = minimize(objective, zero, solver)
    assert warm.status == cold.status == "converged"
    np.testing.assert_allclose(warm.theta, cold.theta, atol=1e-6)
    # What is left of the way in the objective, and what the start took.
    before = objective.passes
    start = solver.init(objective, zero)
    left, all_of_it = (at - cold.state.values for at in (start.values, objective.value_at_zero))
    assert (left < 0.1 * all_of_it).all()
    assert 1.5 < objective.passes - before < 6
    assert warm.history["passes"][0] >= objective.passes - before


VARIANTS = {
    "sparse": {"storage": scipy.sparse.csr_array},
    "no intercept": {"fit_intercept": False},
    "sparse, no intercept": {"storage": scipy.sparse.csr_array, "fit_intercept": False},
    "float32": {"storage": lambda X: X.astype(np.float32)},
}


@pytest.mark.usefixtures("no_small_passes")
@every_exact
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_exact_solvers_for_every_storage_and_without_intercept(exact: Any, variant: str, kind: str):
    single = variant == "float32"
    solver = replace(exact, tol=1e-5 if single else 1e-8, max_iter=500)
    objective = large(kind, n=2000, **VARIANTS[variant])
    result = minimize(objective, np.zeros((D + 1, K)), solver)
    assert result.status == "converged"
    dense = large(kind, n=2000, fit_intercept=objective.fit_intercept)
    gradient = dense.value_and_grad(result.theta)[1]
    assert np.abs(gradient).max() <= (3e-5 if single else 1.001e-8)
    assert objective.fit_intercept or (result.theta[-1] == 0).all()


@pytest.mark.usefixtures("no_small_passes")
@pytest.mark.parametrize(
    "kind, d, whole, matrix",
    [
        ("softmax", 4, None, "the Hessian"),
        ("softmax", 65, None, "the Hessian"),  # of 198 coefficients
        ("softmax", 66, None, "a block of the Hessian for each class"),
        ("softmax", 100, True, "the Hessian"),
        ("softmax", 4, False, "a block of the Hessian for each class"),
        ("sigmoid", 100, None, "the Hessian"),
        ("sigmoid", 4, False, "the Hessian"),
    ],
)
def test_newton_takes_the_matrices_that_it_says(kind: str, d: int, whole: Any, matrix: str):
    objective = large(kind, n=600, d=d)
    asked = []
    hessian = objective.hessian
    objective.hessian = lambda theta, whole, n: asked.append(whole) or hessian(theta, whole, n)
    solver = Newton(whole=whole, tol=1e-8, max_iter=100)
    result = minimize(objective, np.full((d + 1, K), 0.1), solver)
    assert result.status == "converged"
    assert sentence(solver, objective).startswith(f"Newton with {matrix},")
    assert asked and set(asked) == {matrix == "the Hessian"}


@pytest.mark.parametrize(("correlated", "count"), [(False, 0), (True, 1)])
@pytest.mark.parametrize("solver", [Newton(), LBFGS()], ids=repr)
def test_a_costly_matrix_is_computed_once_variances_are_not_enough(
    correlated: bool, count: int, solver: Any
):
    rng = np.random.default_rng(0)
    n, d = 1500, 1000
    X = rng.normal(size=(n, d))
    if correlated:
        X = scale(X.cumsum(axis=1))
    y = X @ rng.normal(size=d) / np.sqrt(d) + rng.normal(size=n) > 0
    target = Target(np.ones((1, n)), soft=y[:, None].astype(float))
    objective = InMemoryObjective(X, target, Sigmoid(), 1, L2(np.full(1, 1 / n)))
    asked = []
    hessian, curvature = objective.hessian, objective.curvature
    objective.hessian = lambda *given: asked.append(True) or hessian(*given)
    objective.curvature = lambda full, *given: asked.append(full) or curvature(full, *given)
    solver = replace(solver, tol=1e-4, max_iter=300)
    result = minimize(objective, np.zeros((d + 1, 1)), solver)
    assert result.status == "converged"
    assert min(sum(asked), 1) == count
    best = minimize(objective, np.zeros((d + 1, 1)), replace(solver, tol=1e-9, max_iter=2000))
    np.testing.assert_allclose(result.theta, best.theta, atol=1e-2 * np.abs(best.theta).max())


@pytest.mark.parametrize("solver", [Newton(), LBFGS(), Proximal()], ids=repr)
def test_a_start_in_any_order_compiles_no_kernel_anew(solver: Any):
    objective = large("softmax", d=40)
    state = solver.init(objective, np.zeros((41, K), order="F"))
    assert state.theta().flags.c_contiguous


def test_the_first_covariance_knows_features_of_few_rows():
    # A sample takes them to be constant, and steps along them are far too long.
    objective = large("softmax", n=6000, d=100)
    solver = Newton(tol=1e-8, max_iter=0)
    asked = []
    curvature = objective.curvature
    objective.curvature = lambda **given: asked.append(given.get("n_rows")) or curvature(**given)
    solver.init(objective, np.zeros((101, K)))
    assert asked == [None]


@pytest.mark.usefixtures("no_small_passes")
@pytest.mark.parametrize("sample", [74, 75])
def test_too_small_a_sample_is_not_used(sample: int):
    # Five rows for each of the 15 coefficients.
    objective = large("softmax")
    solver = Newton(sample=sample, max_iter=0, tol=1e-8)
    assert (f"started on {sample} rows" in sentence(solver, objective)) == (sample == 75)
    state = replace(solver, max_iter=9).init(objective, np.zeros((D + 1, K)))
    assert state.point.any() == (sample == 75)


@pytest.mark.parametrize("name", [name for name in EXACT if "sample" in name])
def test_a_start_of_the_callers_is_kept(name: str):
    objective = large("softmax", n=3000)
    solver = replace(EXACT[name], tol=1e-8, max_iter=100)
    first = minimize(objective, np.zeros((D + 1, K)), solver)
    again = minimize(objective, first.theta, solver)
    assert again.n_iter == 0 and again.status == "converged"
    np.testing.assert_allclose(again.theta, first.theta, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("solver", [SGD, Adam])
def test_minibatch_solvers_end_near_the_optimum(solver: Any):
    X, y = data("wine", scaled=False)
    best = solve(X, y, False, 1.0, LBFGS(tol=1e-8, max_iter=500))[0].history["objective"][-1]
    rule = solver(batch_size=32, max_iter=200, schedule="cosine", tol=0.0, seed=0)
    theta = solve(X, y, False, 1.0, rule)[0].theta
    n = len(y)
    objective = InMemoryObjective(
        X, Target(np.ones((1, n)), codes=y), Softmax(), 3, L2(np.full(1, 1 / n))
    )
    assert best <= objective.value_and_grad(theta)[0] <= best + 0.02


def test_sgd_with_all_rows_in_a_batch_ends_at_the_optimum():
    X, y = data("wine", scaled=False)
    X = X[:, :6]
    optimum = solve(X, y, False, 0.1, LBFGS(tol=1e-8, max_iter=500))[0].theta
    rule = SGD(batch_size=178, max_iter=2000, tol=0.0, seed=0)
    plain = solve(X, y, False, 0.1, rule)[0].theta
    p = [softmax(X @ theta[:-1] + theta[-1], axis=1) for theta in (optimum, plain)]
    np.testing.assert_allclose(p[0], p[1], atol=0.02)


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_default_minibatch_solvers_learn_raw_data(solver: str, name: str):
    X, y = data(name, scaled=False)
    for seed in range(10):
        X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=seed)
        clf = fastclf.LogisticRegression(solver=solver, random_state=seed).fit(X_train, y_train)
        assert clf.score(X_test, y_test) >= 0.90, seed


@pytest.mark.parametrize("scaled", [False, True])
def test_float32_ends_quietly_where_its_arithmetic_does(scaled: bool):
    X, y = data("digits", scaled)  # few features are summed up in float64
    exact = fastclf.LogisticRegression(tol=1e-6, max_iter=1000).fit(X, y)
    clf = fastclf.LogisticRegression(tol=1e-12, max_iter=1000).fit(X.astype(np.float32), y)
    assert clf.history_["status"] == "precision"
    np.testing.assert_allclose(clf.predict_proba(X), exact.predict_proba(X), atol=2e-3)


@every_exact
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_exact_solvers_on_a_distilled_problem(temperature: float, exact: Any):
    X, y = data("iris", scaled=True)
    q = np.random.default_rng(0).dirichlet(np.ones(3), len(y))
    loss = Softmax(distillation=Distillation(temperature, 0.4))
    target = Target(np.ones((1, len(y))), codes=y, teacher=q)
    objective = InMemoryObjective(X, target, loss, 3, L2(np.full(1, 0.01)))
    theta = minimize(objective, np.zeros((5, 3)), replace(exact, tol=1e-9, max_iter=300)).theta
    z = X @ theta[:-1] + theta[-1]
    slope = 0.4 * (softmax(z, axis=1) - np.eye(3)[y])
    slope += 0.6 * temperature * (softmax(z / temperature, axis=1) - q)
    g = np.vstack([X.T @ slope / len(y) + 0.01 * theta[:-1], slope.mean(axis=0)])
    assert np.abs(g).max() < 1e-8


@every_exact
def test_problems_of_very_different_difficulty_are_solved_together(exact: Any):
    X, y = data("breast_cancer", scaled=False)
    rng = np.random.default_rng(0)
    Y = np.column_stack([y, rng.integers(0, 2, y.size), X[:, 0] > 14, rng.random(y.size) < 0.02])
    penalty = L2(np.array([1e-8, 1.0, 1e-3, 1e-2]))
    target = Target(np.ones((1, y.size)), soft=Y.astype(float))
    objective = InMemoryObjective(X, target, Sigmoid(), 4, penalty)
    result = minimize(objective, np.zeros((31, 4)), replace(exact, tol=1e-5, max_iter=2000))
    assert result.status == "converged"
    for m in range(4):
        one = Target(np.ones((1, y.size)), soft=Y[:, [m]].astype(float))
        alone = InMemoryObjective(X, one, Sigmoid(), 1, L2(penalty.strength[[m]]))
        g = alone.value_and_grad(result.theta[:, [m]])[1]
        assert np.abs(g).max() <= 1e-5

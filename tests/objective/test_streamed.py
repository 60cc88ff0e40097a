"""The objective over chunks: it must agree with the one over all rows in memory."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

from fastclf.errors import InputError
from fastclf.losses import Sigmoid, Softmax
from fastclf.objective import Extent, InMemoryObjective, StreamedObjective, Totals
from fastclf.penalties import L2
from fastclf.plan.passes import hessian_cost
from fastclf.solvers import LBFGS, SGD, AdamW, Newton, minimize
from fastclf.targets import Target

N, D, K = 301, 6, 3


class Pieces:
    """Rows in memory, given in pieces."""

    def __init__(self, X: np.ndarray, target: Target, rows: int = 64) -> None:
        self.X, self.target, self.rows = X, target, rows
        self.extent = Extent(*X.shape, X.dtype, X.nnz if scipy.sparse.issparse(X) else None)
        self.read = 0

    def in_order(self) -> Iterator[tuple[np.ndarray, Target]]:
        self.read += 1
        yield from self.cut(np.arange(self.X.shape[0]), self.rows)

    def shuffled(self, seed: int, epoch: int, multiple: int) -> Iterator[tuple]:
        order = np.random.default_rng([seed, epoch]).permutation(self.X.shape[0])
        yield from self.cut(order, 4 * multiple)

    def cut(self, order: np.ndarray, rows: int) -> Iterator[tuple[np.ndarray, Target]]:
        for start in range(0, len(order), rows):
            some = order[start : start + rows]
            yield self.X[some], self.target.rows(some)


def both(kind: str, d: int = D, sparse: bool = False, **settings):
    """The same problem over pieces and over all rows."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(N, d)) + 1
    if sparse:
        X[rng.random(X.shape) < 0.6] = 0
        X = scipy.sparse.csr_array(X)
    weights = rng.uniform(0.2, 3, (1, N))
    target, loss, columns, M = {
        "binary": (Target(weights, soft=rng.integers(0, 2, (N, 1)) * 1.0), Sigmoid(), 1, 1),
        "hard": (Target(weights, codes=rng.integers(0, K, N)), Softmax(0.1), K, 1),
        "soft": (Target(weights, soft=rng.dirichlet(np.ones(K), N)), Softmax(), K, 1),
        "labels": (
            Target(weights, soft=rng.random((N, K))),
            Sigmoid(np.array([0.5, 1.0, 3.0])),
            K,
            K,
        ),
    }[kind]
    if kind == "labels":  # nothing is known of one label in a whole piece
        known = np.ones((K, N))
        known[1, 64:128] = 0
        target = replace(target, weights=known * weights)
    penalty = L2(np.linspace(0.01, 0.03, M))
    memory = InMemoryObjective(X, target, loss, columns, penalty, **settings)
    center = np.asarray(X[::4].mean(axis=0)).reshape(-1)
    pieces = Pieces(X, target)
    streamed = StreamedObjective(
        pieces, loss, columns, penalty, Totals(memory.total_weight, center), **settings
    )
    return streamed, memory, rng.normal(size=(d + 1, columns))


KINDS = ("binary", "hard", "soft", "labels")


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("d", [D, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients(kind: str, d: int, sparse: bool):
    streamed, memory, theta = both(kind, d, sparse)
    assert streamed.shape.is_sparse == sparse and streamed.shape.entries == memory.shape.entries
    for found, wanted in zip(
        streamed.value_and_grad(theta), memory.value_and_grad(theta), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    assert streamed.passes == 1


@pytest.mark.parametrize("kind", ["labels"])
def test_finished_problems_are_left_out(kind: str):
    streamed, memory, theta = both(kind)
    active = np.array([False, True, False])
    for found, wanted in zip(
        streamed.value_and_grad(theta, active), memory.value_and_grad(theta, active), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    values, gradient = streamed.value_and_grad(theta, ~active & active)
    assert not values.any() and not gradient.any() and streamed.passes == 1


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("d", [D, 300])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_hessians_about_the_same_center(
    kind: str, sparse: bool, d: int, whole: bool, fit_intercept: bool
):
    streamed, memory, theta = both(kind, d, sparse, fit_intercept=fit_intercept)
    theta = theta / d
    found, wanted = (
        about_zero(objective.hessian(theta, whole), fit_intercept)
        for objective in (streamed, memory)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def about_zero(hessian, fit_intercept: bool) -> np.ndarray:
    # In (w, b) instead of (w, b + c w).
    q = len(hessian.center) + 1
    change = np.eye(q)
    if fit_intercept:
        change[-1, :-1] = hessian.center
    many = np.kron(np.eye(hessian.blocks.shape[1] // q), change)
    blocks = many.T @ hessian.blocks @ many
    if not fit_intercept:  # where nothing depends on them
        at = np.arange(q - 1, blocks.shape[1], q)
        blocks[:, at] = 0
        blocks[:, :, at] = 0
    return blocks


@pytest.mark.parametrize("kind", ["binary", "hard"])
def test_the_hessian_comes_along(kind: str):
    streamed, _, theta = both(kind)
    assert hessian_cost(streamed.shape, streamed.costs, whole=True) == 0
    streamed.value_and_grad(theta, None, True)
    taken = streamed.hessian(theta, whole=True)
    assert streamed.passes == 1 and streamed.last_pass.hessian_at is theta
    again = both(kind)[0].hessian(theta, whole=True)
    np.testing.assert_allclose(taken.blocks, again.blocks, rtol=1e-10)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("at_theta", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_curvature(kind: str, fit_intercept: bool, at_theta: bool, full: bool):
    streamed, memory, theta = both(kind, fit_intercept=fit_intercept)
    found, wanted = (
        objective.curvature(full, theta if at_theta else None) for objective in (streamed, memory)
    )
    for name in ("center", "second", "logits"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(wanted, name), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("solver", [Newton(), LBFGS(), Newton(whole=False)])
@pytest.mark.parametrize("kind", KINDS)
def test_exact_solvers_reach_the_same_optimum(kind: str, solver):
    streamed, memory, theta = both(kind)
    solver = replace(solver, tol=1e-9, max_iter=100)
    found, wanted = (
        minimize(objective, np.zeros_like(theta), solver) for objective in (streamed, memory)
    )
    assert found.status in ("converged", "precision")
    found, wanted = (
        result.theta - result.theta.mean(axis=1, keepdims=True) * (kind in ("hard", "soft"))
        for result in (found, wanted)
    )
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_any_number_of_threads_gives_the_same_bits(n_threads: int):
    one, many = (both("hard", 40, n_threads=number) for number in (1, n_threads))
    for a, b in zip(one[0].value_and_grad(one[2]), many[0].value_and_grad(one[2]), strict=True):
        assert (a == b).all()


def test_resident_rows_stand_for_all():
    streamed, memory, theta = both("binary")
    some = slice(None, None, 2)
    pieces = streamed.chunks
    assert isinstance(pieces, Pieces)
    resident = pieces.X[some].copy(), pieces.target.rows(np.arange(N)[some])
    own = StreamedObjective(
        pieces, Sigmoid(), 1, memory.penalty, Totals(memory.total_weight, theta[:-1, 0]), resident
    )
    start = own.sample(100)
    assert isinstance(start, InMemoryObjective) and start.n_rows < N
    strength = memory.penalty.strength * memory.total_weight / start.total_weight
    np.testing.assert_allclose(start.penalty.strength, strength)
    own.hessian(theta, True, 50)
    own.curvature(True, theta, 50)
    assert pieces.read == 0
    assert streamed.sample(100) is streamed
    stronger = own.with_penalty(L2(np.array([1.0])))
    strength = memory.total_weight / stronger.sample(100).total_weight
    np.testing.assert_allclose(stronger.sample(100).penalty.strength, strength)


@pytest.mark.parametrize("solver", [SGD(), AdamW()])
@pytest.mark.parametrize("kind", KINDS)
def test_minibatch_solvers_come_near_the_optimum(kind: str, solver):
    streamed, memory, theta = both(kind)
    best = minimize(memory, np.zeros_like(theta), Newton(tol=1e-8, max_iter=100))
    solver = replace(solver, schedule="cosine", max_iter=60, tol=0.0, batch_size=16, seed=3)
    found = minimize(streamed, np.zeros_like(theta), solver)
    at_best, at_found = (memory.value_and_grad(r.theta)[0].mean() for r in (best, found))
    assert at_best <= at_found < at_best + 2e-3
    again = minimize(both(kind)[0], np.zeros_like(theta), solver)
    assert (found.theta == again.theta).all()


def test_batches_go_on_in_the_middle_of_an_epoch():
    solver = SGD(batch_size=16, max_iter=2, seed=1, learning_rate=0.01)
    results = []
    for stop in (19, 7):
        streamed, _, theta = both("binary")
        state = solver.init(streamed, np.zeros_like(theta))
        streamed.run_batches(solver, state, 0, stop)
        if stop < 19:  # as after a resume, with an objective that has read nothing yet
            both("binary")[0].run_batches(solver, state, stop, 19)
        results.append(state.theta())
    assert (results[0] == results[1]).all()


def test_rows_that_are_gone_are_an_error():
    streamed, _, theta = both("binary")
    pieces = streamed.chunks
    assert isinstance(pieces, Pieces)
    pieces.X, pieces.target = pieces.X[:200], pieces.target.rows(np.arange(200))
    with pytest.raises(InputError, match="had 301 rows, and now have 200"):
        streamed.value_and_grad(theta)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_some_features_and_problems(kind: str, sparse: bool):
    streamed, memory, theta = both(kind, 40, sparse)
    chosen = np.array([0, 2]) if kind == "labels" else np.zeros(1, int)
    features = np.array([3, 5, 30])
    found, wanted = (o.part(features, chosen, 1) for o in (streamed, memory))
    some = theta[np.append(features, -1)]
    some = some[:, chosen] if kind == "labels" else some
    for a, b in zip(found.value_and_grad(some), wanted.value_and_grad(some), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    assert found.shape.is_sparse == sparse and found.n_features == 3

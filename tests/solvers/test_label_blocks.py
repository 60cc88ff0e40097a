"""Many labels in blocks of lanes, each label on its own."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from grids import half_by_default
from oracles import sigmoid
from sklearn.exceptions import ConvergenceWarning

from fastclf import LogisticRegression, MultiLabelLogisticRegression
from fastclf.kernels.passes.labels import value_and_grad
from fastclf.kernels.runtime.lanes import LANES
from fastclf.losses import Sigmoid
from fastclf.objective import InMemoryObjective
from fastclf.penalties import L2
from fastclf.plan import MEASURED, Shape, engines
from fastclf.solvers import LBFGS, minimize
from fastclf.solvers.engines.label_block import LabelBlock, joined
from fastclf.targets import Target

L = 2 * LANES + 3


def sparse_data(n: int = 150, d: int = 30, seed: int = 0) -> tuple[Any, np.ndarray]:
    """Rows, and labels from rare ones to frequent ones; each has both classes."""
    rng = np.random.default_rng(seed)
    X = scipy.sparse.random_array((n, d), density=0.2, format="csr", random_state=rng)
    Z = X @ (4 * rng.normal(size=(d, L))) + rng.normal(size=(n, L)) + np.linspace(-3, 2, L)
    Y = (Z > 0).astype(float)
    Y[0], Y[1] = 0, 1
    return X, Y


def fit(X: Any, Y: np.ndarray, weights: Any = None, **parameters: Any) -> Any:
    solver = parameters.pop("solver", LBFGS())
    clf = MultiLabelLogisticRegression(solver=solver, **parameters)
    clf.fit(X, Y, sample_weight=weights)
    assert "labels in blocks" in str(clf.history_["path"])
    return clf


def gradients(X: Any, Y: np.ndarray, clf: Any, C: float = 1.0) -> np.ndarray:
    n = len(Y)
    slopes = (sigmoid(X @ clf.coef_.T + clf.intercept_) - Y) / n
    return np.vstack([X.T @ slopes + clf.coef_.T / (C * n), slopes.sum(axis=0)])


@half_by_default(
    dtype={"float32": np.float32, "float64": np.float64},
    computed={"in float32": np.float32, "in float64": np.float64},
    soft={"classes": False, "soft": True},
    dense={"sparse": False, "dense": True},
)
@pytest.mark.parametrize("weights", ["none", "rows", "labels"])
def test_a_pass(dtype: Any, computed: Any, weights: str, soft: bool, dense: bool):
    rng = np.random.default_rng(0)
    X, Y = sparse_data()
    X = X.astype(dtype)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    n, d = X.shape
    y = rng.random((n, LANES)) if soft else Y[:, :LANES].astype(np.uint8)
    w = rng.normal(size=(d + 1, LANES)).astype(computed)
    scale = rng.uniform(0.5, 2, LANES) / n
    positive = np.ones(LANES) if weights == "none" else rng.uniform(0.5, 2, LANES)
    shape = {"none": (0, 1), "rows": (n, 1), "labels": (n, LANES)}[weights]
    own = rng.uniform(0, 2, shape).astype(dtype)
    values, gradient = np.zeros(LANES), np.zeros((d + 1, LANES), computed)
    arrays = (X.toarray(),) if dense else (X.data, X.indices, X.indptr)
    value_and_grad(arrays, y, own, scale, positive, w, values, gradient)

    z = X.astype(float) @ w[:-1].astype(float) + w[-1]
    mass = (own if own.size else np.ones((n, 1))) * scale
    losses = (1 - y) * np.logaddexp(0, z) + positive * y * np.logaddexp(0, -z)
    slopes = mass * ((1 - y) * sigmoid(z) - positive * y * sigmoid(-z))
    precision = 1e-4 if np.float32 in (dtype, computed) else 1e-12
    np.testing.assert_allclose(values, (mass * losses).sum(axis=0), rtol=precision)
    np.testing.assert_allclose(gradient[:-1], X.T @ slopes, atol=precision)
    np.testing.assert_allclose(gradient[-1], slopes.sum(axis=0), atol=precision)


def test_losses_of_rows_that_are_certain_are_not_lost():
    """A loss of 1e-17 vanishes beside 1, but a mean of 1e-12 must not."""
    X = scipy.sparse.csr_array(np.eye(3))
    y = np.ones((3, LANES), np.uint8)
    w = np.zeros((4, LANES))
    w[:3] = 27.0
    values, gradient = np.zeros(LANES), np.zeros((4, LANES))
    ones = np.ones(LANES)
    arrays = X.data, X.indices, X.indptr
    value_and_grad(arrays, y, np.empty((0, 1)), ones, ones, w, values, gradient)
    exact = 3 * np.exp(-27.0)  # log(1 + e) is about e
    np.testing.assert_allclose(values, exact, rtol=1e-3)


@pytest.mark.parametrize("case", ["plain", "weights", "unknown", "soft", "pos_weight", "through 0"])
@pytest.mark.parametrize("dense", [False, True])
def test_each_label_is_a_fit_of_its_own(case: str, dense: bool):
    X, Y = sparse_data()
    X = X.toarray() if dense else X
    rng = np.random.default_rng(1)
    weights, parameters = None, {}
    if case == "weights":
        weights = rng.integers(0, 3, len(Y)).astype(float)
        weights[:2] = 1
    elif case == "unknown":
        hidden = rng.random(Y.shape) < 0.2
        hidden[:2] = False
        Y[hidden] = np.nan
    elif case == "soft":
        Y = np.clip(0.9 * Y + 0.1 * rng.random(Y.shape), 0, 1)
    elif case == "pos_weight":
        parameters = {"pos_weight": np.linspace(0.5, 3, L)}
    elif case == "through 0":
        parameters = {"fit_intercept": False}
    clf = fit(X, Y, weights, tol=1e-9, max_iter=500, **parameters)
    assert clf.history_["gradient_norm"][-1] <= 1e-9
    for label in range(0, L, 5):
        known = ~np.isnan(Y[:, label])
        own = dict(parameters)
        if "pos_weight" in own:
            own["pos_weight"] = own["pos_weight"][[label, label]]
        alone = MultiLabelLogisticRegression(tol=1e-9, max_iter=500, **own)
        sample_weight = None if weights is None else weights[known]
        alone.fit(X[known], Y[known][:, [label, label]], sample_weight=sample_weight)
        np.testing.assert_allclose(clf.coef_[label], alone.coef_[0], atol=1e-6)
        np.testing.assert_allclose(clf.intercept_[label], alone.intercept_[0], atol=1e-6)


@pytest.mark.parametrize("tol", [1e-3, 1e-4, 1e-5, 1e-7])
@pytest.mark.parametrize("magnitude", [1.0, 1e3])
@pytest.mark.parametrize("dense", [False, True])
def test_the_gradient_is_as_small_as_asked_for(tol: float, magnitude: float, dense: bool):
    X, Y = sparse_data()
    X = X.toarray() * magnitude if dense else X * magnitude
    clf = fit(X, Y, tol=tol, max_iter=5000)
    assert np.abs(gradients(X, Y, clf)).max() <= tol * (1 + 1e-9)
    assert clf.history_["status"] == "converged"


@pytest.mark.parametrize("dense", [False, True])
def test_defaults_end_no_higher_than_scikit_learn(dense: bool):
    from sklearn.linear_model import LogisticRegression as Peer

    X, Y = sparse_data(n=400, d=600)
    X = X.toarray() if dense else X
    clf = MultiLabelLogisticRegression().fit(X, Y)
    assert "labels in blocks" in str(clf.history_["path"])

    def objective(coef: np.ndarray, intercept: np.ndarray) -> float:
        Z = X @ coef.T + intercept
        losses = np.logaddexp(0, Z) - Y * Z
        return float(losses.mean(axis=0).sum() + 0.5 * (coef**2).sum() / len(Y))

    peers = [Peer().fit(X, column) for column in Y.T]
    theirs = objective(
        np.vstack([peer.coef_ for peer in peers]),
        np.concatenate([peer.intercept_ for peer in peers]),
    )
    assert objective(clf.coef_, clf.intercept_) <= theirs * (1 + 1e-6)


@pytest.mark.parametrize("tol", [1e-4, 1e-8])
@pytest.mark.parametrize("dense", [False, True])
def test_bits_depend_on_neither_threads_nor_other_labels(tol: float, dense: bool):
    X, Y = sparse_data()
    X = X.toarray() if dense else X
    one = fit(X, Y, tol=tol, n_threads=1)
    several = fit(X, Y, tol=tol, n_threads=3)
    assert one.coef_.tobytes() == several.coef_.tobytes()
    for seed in range(5):
        some = np.random.default_rng(seed).permutation(L)[: LANES + 1 + seed]
        fewer = fit(X, Y[:, some], tol=tol)
        if dense:  # which Hessians are taken together depends on the others
            np.testing.assert_allclose(fewer.coef_, one.coef_[some], atol=max(30 * tol, 1e-5))
        else:
            assert fewer.coef_.tobytes() == one.coef_[some].tobytes()


@pytest.mark.parametrize("dense", [False, True])
def test_float32_stays_float32(dense: bool):
    X, Y = sparse_data()
    X = X.toarray() if dense else X
    clf = fit(X.astype(np.float32), Y)
    assert clf.coef_.dtype == np.float32
    np.testing.assert_allclose(clf.coef_, fit(X, Y).coef_, atol=1e-2)


def test_labels_stop_at_the_limit_of_steps():
    X, Y = sparse_data()
    with pytest.warns(ConvergenceWarning, match="after 3 iterations"):
        clf = fit(X, Y, tol=1e-9, max_iter=3)
    assert clf.n_iter_ == [3]
    assert clf.history_["status"] == "max_iter"
    unfitted = fit(X, Y, max_iter=3, tol=1.0)
    assert unfitted.history_["status"] == "converged"


def test_a_fit_goes_on_from_another():
    X, Y = sparse_data()
    clf = fit(X, Y, tol=1e-8, warm_start=True)
    steps = clf.n_iter_[0]
    again = clf.fit(X, Y)
    assert again.n_iter_[0] <= 2 < steps


@pytest.mark.filterwarnings("ignore:MultiLabelLogisticRegression stopped")
@pytest.mark.parametrize("dense", [False, True])
def test_huge_and_tiny_features(dense: bool):
    X, Y = sparse_data()
    X = X.toarray() if dense else X
    for magnitude in (1e-25, 1e25):
        clf = fit(X * magnitude, Y, C=1e60 if magnitude < 1 else 1.0, max_iter=100)
        assert np.isfinite(clf.coef_).all()
        assert np.isfinite(clf.intercept_).all()


def test_labels_of_one_class_have_no_optimum_and_stop():
    X, Y = sparse_data()
    Y[:, 4] = 1e-300  # not quite a class of its own
    clf = fit(X, Y, max_iter=500)
    assert np.isfinite(clf.intercept_).all()
    assert clf.intercept_[4] < -5


def blocks_of(n_labels: list[int], running: list[int]) -> list[LabelBlock]:
    blocks, first = [], 0
    for count, still in zip(n_labels, running, strict=True):
        labels = np.arange(first, first + count)
        block = LabelBlock.at(np.tile(np.arange(100.0), (5, 1)), labels, memory=2)
        block.numbers[-1, :count] = 3  # done
        block.numbers[-1, :still] = 2
        blocks.append(block)
        first += count
    return blocks


@pytest.mark.parametrize(
    ("running", "sizes"),
    [
        ([16, 16], [16, 16]),
        ([8, 7], [8, 7]),
        ([7, 7, 7], [10, 11]),
        ([7, 7], [14]),
        ([0, 3, 16, 2], [16, 5]),
        ([0, 0], []),
    ],
)
def test_blocks_that_are_nearly_done_are_put_together(running: list[int], sizes: list[int]):
    blocks = blocks_of([LANES] * len(running), running)
    left = {int(label) for block in blocks for label in block.labels[block.running]}
    found = joined(blocks)
    assert [int(block.running.sum()) for block in found] == sizes
    assert {int(label) for block in found for label in block.labels[block.running]} == left
    for block in found:
        lanes = np.flatnonzero(block.running)
        assert np.array_equal(block.theta[:, lanes], np.tile(block.labels[lanes], (5, 1)))


@pytest.mark.parametrize("field", ["theta", "steps", "numbers", "places", "labels"])
def test_a_block_of_another_problem_is_refused(field: str):
    X, Y = sparse_data()
    penalty = L2(np.ones(L))
    objective = InMemoryObjective(X, Target(np.ones((1, len(Y))), soft=Y), Sigmoid(), L, penalty)
    solver = LBFGS(max_iter=100, tol=0.0, negligible=0.0)
    result = minimize(objective, np.zeros((31, L)), solver, after_step=lambda state: True)
    block = result.state.blocks[0]
    damaged = {
        "theta": block.theta[:-1],
        "steps": block.steps[:, :-1],
        "numbers": block.numbers[:-1],
        "places": np.array([7, 99]),
        "labels": block.labels + L,
    }
    result.state.blocks[0] = LabelBlock(**{**vars(block), field: damaged[field]})
    with pytest.raises(ValueError, match="of another problem"):
        minimize(objective, np.zeros(0), solver, state=result.state)


def test_few_labels_take_passes_together():
    X, Y = sparse_data()
    few = MultiLabelLogisticRegression(solver=LBFGS()).fit(X, Y[:, :LANES])
    assert "blocks" not in str(few.history_["path"])
    single = LogisticRegression(solver=LBFGS()).fit(X, Y[:, 20])
    many = fit(X, Y)
    np.testing.assert_allclose(many.coef_[20], single.coef_[0], atol=1e-2)


def hard_data() -> tuple[np.ndarray, np.ndarray]:
    """Features of very different scales, and labels that they nearly separate."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 40)) @ rng.normal(size=(40, 40)) * 10.0 ** rng.uniform(-2, 2, 40)
    Y = (X @ rng.normal(size=(40, L)) / X.std() + 0.1 * rng.normal(size=(120, L)) > 0).astype(float)
    return X, Y


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_labels_that_take_long_get_hessians_of_their_own(fit_intercept: bool, use_costs: Any):
    X, Y = hard_data()
    parameters = {"tol": 1e-8, "max_iter": 2000, "fit_intercept": fit_intercept}
    clf = fit(X, Y, **parameters)
    taken = clf.history_["passes"][-1]
    use_costs(own_hessians_room=0)
    with pytest.warns(ConvergenceWarning):
        fit(X, Y, **parameters)
    assert taken < 200
    assert clf.history_["status"] == "converged"
    slopes = gradients(X, Y, clf)
    assert np.abs(slopes if fit_intercept else slopes[:-1]).max() <= 1e-8 * (1 + 1e-6)


def test_labels_of_different_penalties_take_passes_together():
    def pay(M: int, entries: int, ratio: float = 1.0) -> bool:
        shape = Shape(100, 10, M, entries=entries, is_plain_sigmoid=True, penalty_ratio=ratio)
        return engines.blocks_pay(shape, MEASURED)

    assert pay(2, 1000, ratio=2.0)
    assert not pay(2, 1000, ratio=20.0)
    assert not pay(2, 1 << 20)
    assert pay(20, 1 << 20)


@pytest.mark.parametrize(
    ("strengths", "ratio"), [([1.0, 20.0], 20.0), ([0.0, 0.0], 1.0), ([0.0, 1.0], np.inf)]
)
def test_the_ratio_of_penalties_of_which_some_are_zero(strengths: list[float], ratio: float):
    target = Target(np.ones((1, 4)), soft=np.eye(4)[:, :2])
    objective = InMemoryObjective(np.ones((4, 3)), target, Sigmoid(), 2, L2(np.array(strengths)))
    assert objective.shape.penalty_ratio == ratio

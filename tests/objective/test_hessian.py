"""Hessians as matrices: the same as the oracle, whatever the path to them."""

from dataclasses import replace
from typing import Any

import numpy as np
import oracles
import pytest
import scipy.sparse
import scipy.special

from fastclf import threads
from fastclf.losses import Softmax
from fastclf.objective import Hessian, InMemoryObjective, matrices
from fastclf.penalties import L2
from fastclf.plan.costs import MANY_FEATURES
from fastclf.targets import Target
from tests.objective.test_objective import SOFTMAX, K, every_kind, make, many

both = pytest.mark.parametrize("whole", [True, False], ids=["whole", "blocks"])


def uncentred(hessian: Hessian) -> np.ndarray:
    """Its blocks in (w, b) instead of (w, b + c @ w), column after column in each."""
    d = hessian.center.size
    shift = np.eye(d + 1)
    shift[-1, :-1] = hessian.center
    columns = hessian.blocks.shape[1] // (d + 1)
    shift = np.kron(np.eye(columns), shift)
    return shift.T @ hessian.blocks @ shift


def by_products(objective: InMemoryObjective, theta: np.ndarray, whole: bool) -> np.ndarray:
    """The same blocks, an entry of theta at a time, without the penalty."""
    rows, columns = theta.shape
    width = objective.n_outputs if whole else 1
    blocks = np.zeros((columns // width, width * rows, width * rows))
    strength = objective.penalty.columns(columns)
    for j, k in np.ndindex(rows, columns):
        e = np.zeros(theta.shape)
        e[j, k] = 1
        product = oracles.hessian_product(objective, theta, e)
        if j < rows - 1:
            product[j, k] -= strength[k]
        block, first = k // width, k // width * width
        own = product[:, first : first + width]
        blocks[block, :, (k - first) * rows + j] = own.T.ravel()
    return blocks


def assert_near(actual: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Entries of one block are compared at the scale of the largest one."""
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


@every_kind
@many
@both
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_columns_are_products_with_unit_directions(
    kind: str, problems: int, whole: bool, fit_intercept: bool, dtype: type
):
    case = make(kind, problems)
    X = case.X + 1  # away from 0, or there were nothing to undo
    objective = case.objective(X, dtype, fit_intercept=fit_intercept)
    hessian = objective.hessian(case.theta, whole)
    exact = case.objective(X, fit_intercept=fit_intercept)
    expected = by_products(exact, case.theta, whole)
    assert hessian.center.dtype == np.float64
    if fit_intercept:
        assert (hessian.center > 0.5).all()
    else:
        # An intercept that stays where it is has the row and column of a unit matrix.
        assert (hessian.center == 0).all()
        intercepts = np.arange(case.X.shape[1], expected.shape[1], case.X.shape[1] + 1)
        expected[:, intercepts, intercepts] = 1
    tolerance = 1e-13 if dtype == np.float64 else 1e-5
    assert_near(uncentred(hessian), expected, tolerance)


@pytest.mark.parametrize("kind", ["distilled", "sigmoid distilled"])
@both
def test_blocks_and_pieces_of_rows_add_up(kind: str, whole: bool, monkeypatch: pytest.MonkeyPatch):
    case = make(kind, n=7001)  # so many that the logits are cut into pieces, too
    cuts = []
    original = matrices._pieces

    def pieces(*arguments: Any) -> list[tuple[int, int]]:
        cuts.append(len(original(*arguments)))
        return original(*arguments)

    at_once = case.objective().hessian(case.theta, whole)
    monkeypatch.setattr(matrices, "_pieces", pieces)
    monkeypatch.setattr(matrices, "_SMALL", 0)
    monkeypatch.setattr(matrices, "_BLOCK", 1000)  # neither 6 nor 18 divide it
    monkeypatch.setattr(threads, "_MIN_CHUNK_WORK", 1)
    cut = case.objective().hessian(case.theta, whole)
    assert cuts and min(cuts) > 1
    cuts.clear()
    monkeypatch.setattr(matrices, "_PARTIAL", 0)  # no room for a sum of each piece
    in_one_piece = case.objective().hessian(case.theta, whole)
    assert cuts and max(cuts) == 1
    monkeypatch.setattr(matrices, "_SMALL", 1 << 40)
    in_one_block = case.objective().hessian(case.theta, whole)
    assert len(cuts) == 1 + (whole and kind in SOFTMAX)
    expected = by_products(case.objective(), case.theta, whole)
    for hessian in (at_once, cut, in_one_piece, in_one_block):
        assert_near(uncentred(hessian), expected, 1e-12)


@pytest.mark.parametrize("kind", ["hard", "sigmoid"])
@both
@pytest.mark.parametrize("small", [0, 1 << 40], ids=["blocks of rows", "all rows"])
def test_many_features_are_summed_in_float32(
    kind: str, whole: bool, small: int, monkeypatch: pytest.MonkeyPatch
):
    case = make(kind, n=90, d=MANY_FEATURES)
    theta = 0.1 * case.theta
    monkeypatch.setattr(matrices, "_SMALL", small)
    objective = case.objective()
    blocks = uncentred(objective.hessian(theta, whole))
    assert_near(blocks, by_products(objective, theta, whole), 1e-5)


@every_kind
@both
@pytest.mark.parametrize("n_rows", [None, 1000])
def test_same_bits_for_any_number_of_threads(kind: str, whole: bool, n_rows: int | None):
    case = make(kind, n=9001, d=17)
    first, *others = (
        case.objective(n_threads=n).hessian(case.theta, whole, n_rows) for n in (1, 2, 3, 8)
    )
    for other in others:
        assert np.array_equal(first.center, other.center)
        assert np.array_equal(first.blocks, other.blocks)


@every_kind
@both
def test_some_rows_are_near_all_of_them(kind: str, whole: bool):
    case = make(kind, n=9001)
    objective = case.objective()
    full, some = (objective.hessian(case.theta, whole, m) for m in (None, 3000))
    for one, other in zip(uncentred(some), uncentred(full), strict=True):
        assert 0 < np.linalg.norm(one - other) < 0.1 * np.linalg.norm(other)
    for n_rows in (9001, 10_000):
        same = objective.hessian(case.theta, whole, n_rows)
        assert np.array_equal(same.blocks, full.blocks)


@every_kind
@many
@both
def test_a_row_of_weight_zero_is_a_removed_one(kind: str, problems: int, whole: bool):
    case = make(kind, problems)
    weights = case.target.weights.copy()
    weights[:, ::3] = 0
    kept = np.flatnonzero(weights[0])
    without = case._replace(X=case.X[kept], target=case.target.rows(kept))
    weighted = case._replace(target=replace(case.target, weights=weights))
    assert_near(
        uncentred(weighted.objective().hessian(case.theta, whole)),
        uncentred(without.objective().hessian(case.theta, whole)),
        1e-13,
    )


@pytest.mark.parametrize("kind", SOFTMAX)
def test_all_classes_together_change_no_gradient(kind: str):
    case = make(kind)
    matrix = case.objective().hessian(case.theta, whole=True).blocks[0]
    side = len(matrix) // K
    together = matrix.reshape(K, side, K, side).sum(axis=2)
    np.testing.assert_allclose(together, 0, atol=1e-15)


@every_kind
@many
@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
def test_moments_at_theta_weigh_rows_by_their_slopes(kind: str, problems: int, storage: Any):
    case = make(kind, problems)
    objective = case.objective(storage(case.X))
    logits = case.X @ case.theta[:-1] + case.theta[-1]
    slopes = case.loss.curvature(logits, case.target, objective.n_outputs)
    weights = case.target.weights.mean(axis=0)
    curvature = objective.curvature(False, case.theta)
    np.testing.assert_allclose(curvature.logits, weights @ slopes / weights.sum(), rtol=1e-12)
    weights = weights * slopes.sum(axis=1)
    sparse = storage is scipy.sparse.csr_array
    mean = np.average(case.X, axis=0, weights=weights)
    centred = case.X - mean
    second = (centred.T * weights) @ centred / weights.sum()
    np.testing.assert_allclose(curvature.center, mean, atol=1e-13)
    np.testing.assert_allclose(curvature.second, second.diagonal(), rtol=1e-11)
    if not sparse:
        full = objective.curvature(True, case.theta)
        np.testing.assert_allclose(full.second, second, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
def test_moments_at_theta_of_more_logits_than_are_held(storage: Any):
    n, d, classes = 6000, 3, 190
    rng = np.random.default_rng(8)
    X, theta = rng.normal(size=(n, d)), rng.normal(size=(d + 1, classes))
    target = Target(rng.uniform(1, 2, size=(1, n)), codes=rng.integers(classes, size=n))
    ridge = L2(np.full(1, 0.1))
    objective = InMemoryObjective(storage(X), target, Softmax(), classes, ridge)
    p = scipy.special.softmax(X @ theta[:-1] + theta[-1], axis=1)
    weights = target.weights[0]
    found = objective.curvature(False, theta)
    np.testing.assert_allclose(found.logits, weights @ (p * (1 - p)) / weights.sum(), rtol=1e-11)
    of_rows = weights * (p * (1 - p)).sum(axis=1)
    np.testing.assert_allclose(found.center, np.average(X, axis=0, weights=of_rows), atol=1e-12)


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
def test_moments_of_some_rows_are_near_those_of_all(storage: Any, full: bool):
    case = make("hard", n=9001)
    objective = case.objective(storage(case.X))
    for theta in (None, case.theta):
        every, some = (objective.curvature(full, theta, n) for n in (None, 3000))
        near = {"rtol": 0, "atol": 0.1 * every.second.max()}
        assert not np.array_equal(some.second, every.second)
        np.testing.assert_allclose(some.second, every.second, **near)
        np.testing.assert_allclose(some.center, every.center, **near)
        np.testing.assert_allclose(some.logits, every.logits, rtol=0.1)
        same = objective.curvature(full, theta, 9001)
        assert np.array_equal(same.second, every.second)


@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("d", [6, MANY_FEATURES])
def test_matrices_are_in_float32_if_the_features_are_or_are_many(storage: Any, d: int, dtype: type):
    rng = np.random.default_rng(0)
    X = storage(rng.normal(size=(50, d)).astype(dtype))
    target = Target(np.ones((1, 50)), codes=np.arange(50) % 3)
    objective = InMemoryObjective(X, target, Softmax(), 3, L2(np.full(1, 0.1)))
    blocks = objective.hessian(np.zeros((d + 1, 3)), whole=False).blocks
    is_wide = storage is np.asarray and d >= MANY_FEATURES
    assert blocks.dtype == (np.float32 if is_wide else dtype)

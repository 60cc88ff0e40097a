"""Which rows stand for all: deterministic, of every class, and with the weight of all."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse

from fastclf.objective.sampling import representative_rows
from fastclf.penalties import L2
from fastclf.targets import Target
from tests.objective.test_objective import every_kind, make, many

N = 5000
RARE = 30
SHARES = np.array([0.7, 0.28, 0.016, 0.004])
"""Of four classes: two frequent ones, one with some 80 rows, one with some 20."""


def labels(n: int = N) -> np.ndarray:
    return np.random.default_rng(2).choice(len(SHARES), n, p=SHARES)


def hard(codes: np.ndarray, weights: np.ndarray | None = None) -> Target:
    return Target(np.ones((1, codes.size)) if weights is None else weights, codes=codes)


def binary(codes: np.ndarray, weights: np.ndarray | None = None) -> Target:
    """One sigmoid column whose positive class is the rare one."""
    positive = (codes == len(SHARES) - 1).astype(float)[:, None]
    return Target(np.ones((1, codes.size)) if weights is None else weights, soft=positive)


def soft(codes: np.ndarray, weights: np.ndarray | None = None) -> Target:
    P = np.random.default_rng(0).dirichlet(np.ones(3), codes.size)
    return Target(np.ones((1, codes.size)) if weights is None else weights, soft=P)


every_target = pytest.mark.parametrize("make_target", [hard, binary, soft])


@every_target
@pytest.mark.parametrize("n_rows", [1, 2, 77, 500, 2500])
def test_rows_rise_and_are_always_the_same(make_target, n_rows: int):
    target = make_target(labels())
    rows, up = representative_rows(target, n_rows)
    assert rows.dtype == np.intp and rows.shape == up.shape
    assert (np.diff(rows) >= 0).all() and 0 <= rows[0] and rows[-1] < N
    assert n_rows <= rows.size <= n_rows + 4 * RARE
    again = representative_rows(target, n_rows)
    assert np.array_equal(rows, again[0]) and np.array_equal(up, again[1])


@every_target
def test_rows_come_from_everywhere(make_target):
    rows, _ = representative_rows(make_target(labels()), 100)
    stretches, counts = np.unique(rows // 50, return_counts=True)
    assert stretches.size == 100 and np.median(counts) == 1


def test_rows_without_weight_are_never_drawn():
    weights = np.random.default_rng(1).integers(0, 2, (2, N)).astype(float)
    weights[:, 1000:3000] = 0
    for codes in (np.zeros(N, int), np.arange(N) % 3):
        rows, _ = representative_rows(hard(codes, weights), 500)
        assert weights[:, rows].any(axis=0).all()
    rows, _ = representative_rows(soft(codes, weights), 50)
    assert weights[:, rows].any(axis=0).all()


@pytest.mark.parametrize("make_target", [hard, binary])
@pytest.mark.parametrize("n_rows", [20, 200, 1000])
def test_a_class_with_few_rows_keeps_them(make_target, n_rows: int):
    codes = labels()
    target = make_target(codes)
    rows, up = representative_rows(target, n_rows)
    strata = target.strata
    for k, count in enumerate(np.bincount(strata)):
        assert np.sum(strata[rows] == k) >= min(count, RARE // 2)
        if count <= RARE:
            assert set(np.flatnonzero(strata == k)) <= set(rows)
            np.testing.assert_allclose(up[strata[rows] == k], rows.size / N)


@pytest.mark.parametrize("make_target", [hard, binary])
@pytest.mark.parametrize("n_rows", [20, 200, 1000])
def test_shares_of_the_classes_are_those_of_all_rows(make_target, n_rows: int):
    target = make_target(labels())
    rows, up = representative_rows(target, n_rows)
    shares = np.bincount(target.strata[rows], up) / up.sum()
    np.testing.assert_allclose(shares, np.bincount(target.strata) / N, rtol=1e-12)
    np.testing.assert_allclose(up.sum(), rows.size, rtol=1e-12)


def test_rows_of_a_class_that_was_left_out():
    codes = labels() - 1  # as it is encoded where a class has no weight
    weights = (codes >= 0).astype(float)[None]
    for n_rows in (20, 500):
        rows, up = representative_rows(hard(codes, weights), n_rows)
        assert (codes[rows] >= 0).any() and np.isfinite(up).all() and (up > 0).all()


# Objectives over samples


@every_kind
@many
@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_sample_is_the_same_problem(kind: str, problems: int, storage: Any, fit_intercept: bool):
    case = make(kind, problems, n=6000)
    objective = case.objective(storage(case.X), fit_intercept=fit_intercept)
    part = objective.sample(3000)
    for name in ("n_problems", "n_outputs", "n_features", "dtype", "fit_intercept"):
        assert getattr(part, name) == getattr(objective, name)
    assert part.shape.is_sparse == objective.shape.is_sparse
    assert 3000 <= part.n_rows < 6000
    strength = objective.penalty.strength * objective.total_weight
    np.testing.assert_allclose(part.penalty.strength * part.total_weight, strength, rtol=1e-12)
    # Its total weight is about half, so without the penalty's share its value is about the same.
    whole = case._replace(penalty=L2(0 * case.penalty.strength)).objective(
        storage(case.X), fit_intercept=fit_intercept
    )
    values, gradient = whole.value_and_grad(case.theta)
    some, estimate = whole.sample(3000).value_and_grad(case.theta)
    np.testing.assert_allclose(some, values, rtol=0.05)
    np.testing.assert_allclose(estimate, gradient, atol=0.05)


@pytest.mark.parametrize("fraction", [1.0, 2.0])
def test_a_sample_of_all_rows_is_the_objective(fraction: float):
    case = make("hard")
    objective = case.objective()
    part = objective.sample(int(fraction * objective.n_rows))
    assert np.shares_memory(part.features.X, objective.features.X)
    expected = objective.value_and_grad(case.theta)
    for one, other in zip(part.value_and_grad(case.theta), expected, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("kind", ["hard", "sigmoid"])
@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
def test_passes_over_a_sample_count_by_its_rows(kind: str, storage: Any):
    case = make(kind, n=600)
    objective = case.objective(storage(case.X))
    part = objective.sample(150)
    assert objective.passes == part.passes == 0
    part.value_and_grad(case.theta)
    part.hessian(case.theta, whole=True)
    assert part.passes == 2
    np.testing.assert_allclose(objective.passes, 2 * part.n_rows / 600)
    part.curvature(False)
    assert part.passes == 3
    inner = part.sample(50)
    inner.value_and_grad(case.theta)
    np.testing.assert_allclose(part.passes, 3 + inner.n_rows / part.n_rows)
    np.testing.assert_allclose(objective.passes, (3 * part.n_rows + inner.n_rows) / 600)
    objective.value_and_grad(case.theta)
    np.testing.assert_allclose(objective.passes, (3 * part.n_rows + inner.n_rows) / 600 + 1)
    np.testing.assert_allclose(part.passes, 3 + inner.n_rows / part.n_rows)


def test_matrices_of_some_rows_count_by_those():
    case = make("hard", n=600)
    objective = case.objective()
    objective.curvature(True, None, 150)
    rows = objective.sample(150).n_rows
    np.testing.assert_allclose(objective.passes, 1 + rows / 600)  # and variances, once of all
    objective.curvature(True, case.theta, 150)  # which reads the rows twice
    np.testing.assert_allclose(objective.passes, 1 + 3 * rows / 600)

"""The objective over partitions: it must agree with the one over all rows in memory."""

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from partitions import LocalPartitions, cut

from fastclf.losses import Sigmoid, Softmax
from fastclf.objective import Extent, InMemoryObjective, PartitionedObjective, Totals
from fastclf.objective.partitioned import Part
from fastclf.objective.summed import PartMaking
from fastclf.penalties import L2
from fastclf.plan import current_costs
from fastclf.solvers import SGD, minimize
from fastclf.targets import Target

N, D, K = 301, 6, 3
KINDS = ("binary", "hard", "soft", "labels")


def both(kind: str, d: int = D, sparse: bool = False, **settings: Any):
    """The same problem over partitions, one of them empty, and over all rows."""
    rng = np.random.default_rng(5)
    X: Any = rng.normal(size=(N, d)) + 1
    if sparse:
        X = scipy.sparse.csr_array(np.where(rng.random((N, d)) < 0.3, X, 0))
    weights = rng.uniform(0.2, 3, (1, N))
    target, loss, columns, M = {
        "binary": (Target(weights, soft=rng.integers(0, 2, (N, 1)) * 1.0), Sigmoid(), 1, 1),
        "hard": (Target(weights, codes=rng.integers(0, K, N)), Softmax(0.1), K, 1),
        "soft": (Target(weights, soft=rng.dirichlet(np.ones(K), N)), Softmax(), K, 1),
        "labels": (Target(weights, soft=rng.random((N, K))), Sigmoid(np.array([0.5, 1, 3])), K, K),
    }[kind]
    parts = LocalPartitions([(X[rows], target.rows(rows)) for rows in cut(N, 7, [0, 4])])
    penalty = L2(np.linspace(0.01, 0.03, M))
    memory = InMemoryObjective(X, target, loss, columns, penalty, **settings)
    totals = Totals(memory.total_weight, np.asarray(X.mean(axis=0)).ravel())
    extent = Extent(N, d, X.dtype, X.nnz if sparse else None)
    there = PartitionedObjective(parts, extent, loss, columns, penalty, totals, **settings)
    return there, memory, rng.normal(size=(d + 1, columns))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_values_gradients_and_second_derivatives(kind: str, sparse: bool):
    there, memory, theta = both(kind, sparse=sparse)
    for found, wanted in zip(
        there.value_and_grad(theta), memory.value_and_grad(theta), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    assert there.passes == 1
    found, wanted = there.curvature(True, theta), memory.curvature(True, theta)
    for name in ("center", "second", "logits"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), atol=1e-10)
    found_blocks = there.hessian(theta, whole=True).blocks
    center = there.hessian(theta, whole=True).center
    other = InMemoryObjective(
        memory.features, memory.target, memory.loss, theta.shape[1], memory.penalty,
        totals=Totals(memory.total_weight, center),
    )  # fmt: skip
    np.testing.assert_allclose(found_blocks, other.hessian(theta, True).blocks, atol=1e-10)


def test_a_pass_leaves_nothing_behind_that_changes_the_next():
    there, _, theta = both("labels")
    before = there.value_and_grad(theta)
    there.value_and_grad(theta + 1, np.array([False, True, False]), hessian=True)
    after = there.value_and_grad(theta)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_hessian_of_a_pass_is_kept_for_its_theta():
    there, _, theta = both("binary")
    there.value_and_grad(theta, hessian=True)
    passes = there.passes
    kept = there.hessian(theta, whole=True)
    assert there.passes == passes and there.last_pass.hessian_at is theta
    np.testing.assert_array_equal(kept.blocks, there.hessian(theta.copy(), whole=True).blocks)


@pytest.mark.parametrize("sparse", [False, True])
def test_some_rows_of_each_partition_stand_for_all(sparse: bool):
    rng = np.random.default_rng(0)
    X: Any = rng.normal(size=(4000, D))
    X = scipy.sparse.csr_array(np.where(rng.random(X.shape) < 0.3, X, 0)) if sparse else X
    target = Target(np.ones((1, 4000)), soft=rng.integers(0, 2, (4000, 1)) * 1.0)
    parts = LocalPartitions([(X[rows], target.rows(rows)) for rows in cut(4000, 5)])
    totals = Totals(np.full(1, 4000.0), np.zeros(D))
    extent = Extent(4000, D, X.dtype, X.nnz if sparse else None)
    there = PartitionedObjective(parts, extent, Sigmoid(), 1, L2(np.zeros(1)), totals)
    theta = np.zeros((D + 1, 1))
    whole, some = (there.hessian(theta, True, n).blocks[0] for n in (None, 1000))
    assert some[-1, -1] == pytest.approx(0.25)  # of any rows: the curvature at 0
    np.testing.assert_allclose(some, whole, atol=0.03)
    assert not np.array_equal(some, whole)
    np.testing.assert_allclose(
        there.curvature(True, None, 1000).second, there.curvature(True).second, atol=0.1
    )


@pytest.mark.parametrize("kind", KINDS)
def test_some_features_and_problems(kind: str):
    there, memory, theta = both(kind)
    chosen, features = np.array([0]), np.array([4, 1])
    part, wanted = (each.part(features, chosen, 1) for each in (there, memory))
    theta = np.random.default_rng(0).normal(size=(3, part.n_outputs))
    for a, b in zip(part.value_and_grad(theta), wanted.value_and_grad(theta), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_batches_are_refused_by_name():
    there, _, theta = both("binary")
    with pytest.raises(NotImplementedError):
        minimize(there, theta * 0, SGD(tol=0.0, max_iter=1, seed=0))


def test_a_part_travels_as_its_rows():
    there, memory, theta = both("hard")
    rows = memory.features.X, memory.target
    making = PartMaking(
        Softmax(0.1), K, L2(np.zeros(1)), True, 1, Totals(np.ones(1), np.zeros(D)), current_costs()
    )
    part = Part(rows, making)
    first = part.objective()
    assert first is not None and first.value_and_grad(theta)[0] > 0
    again = pickle.loads(pickle.dumps(part)).objective()
    assert np.array_equal(again.value_and_grad(theta)[1], first.value_and_grad(theta)[1])
    X = part.objective().features.X
    assert X is rows[0] or np.shares_memory(X, rows[0])  # no second copy of X


def test_rows_without_weight_are_no_part():
    target = Target(np.zeros((1, 4)), soft=np.ones((4, 1)))
    making = PartMaking(
        Sigmoid(), 1, L2(np.zeros(1)), True, 1, Totals(np.ones(1), np.zeros(2)), current_costs()
    )
    assert Part((np.ones((4, 2)), target), making).objective() is None

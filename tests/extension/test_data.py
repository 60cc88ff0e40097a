"""A kind of data from outside the package: rows in blocks. CONTRIBUTING.md explains this file."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.preprocessing import scale

from fastclf.losses import Loss, Sigmoid, Softmax
from fastclf.objective import (
    Curvature,
    Hessian,
    InMemoryObjective,
    LastPass,
    Objective,
    Totals,
)
from fastclf.penalties import L2, Penalty
from fastclf.plan import MEASURED, Shape
from fastclf.solvers import LBFGS, SGD, Newton, choose, minimize
from fastclf.targets import Target

Block = tuple[np.ndarray, Target]


class BlocksObjective:
    """The objective over rows that lie in several arrays: each is an objective, which are added."""

    costs = MEASURED
    arrays = None  # not in one piece

    def __init__(
        self,
        blocks: list[Block],
        loss: Loss,
        n_columns: int,
        penalty: Penalty,
        n_threads: int | None = None,
    ) -> None:
        self.blocks, self.loss, self.penalty, self.n_threads = blocks, loss, penalty, n_threads
        self.dtype = blocks[0][0].dtype
        self.n_rows = sum(len(X) for X, _ in blocks)
        self.n_features = blocks[0][0].shape[1]
        self.n_problems = n_columns if loss.is_sigmoid else 1
        self.n_outputs = n_columns // self.n_problems
        self.total_weight = np.sum([target.total_weight for _, target in blocks], axis=0)
        self.value_at_zero = loss.value_at_zero(self.n_outputs)
        self.passes = 0.0
        center = np.mean([X.mean(axis=0) for X, _ in blocks], axis=0)
        nothing = L2(np.zeros(self.n_problems))
        totals = Totals(self.total_weight, center)
        self._parts = [
            InMemoryObjective(X, target, loss, n_columns, nothing, True, n_threads, totals)
            for X, target in blocks
        ]

    @property
    def shape(self) -> Shape:
        entries = self.n_rows * self.n_features
        sizes = self.n_rows, self.n_features, self.n_problems, self.n_outputs, entries, self.dtype
        return Shape(*sizes, in_memory=False)

    @property
    def last_pass(self) -> LastPass:
        return LastPass(np.ones(self.n_problems, bool), None)

    def value_and_grad(
        self,
        theta: np.ndarray,
        active: np.ndarray | None = None,
        hessian: bool = False,
        dtype: np.dtype | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        sums = [part.value_and_grad(theta, active, hessian, dtype) for part in self._parts]
        values, gradient = (np.sum(terms, axis=0) for terms in zip(*sums, strict=True))
        self.penalty.add(theta, values, gradient)
        if active is not None:
            values[~active] = 0
            gradient[:, np.repeat(~active, self.n_outputs)] = 0
        self.passes += 1
        return values, gradient

    def hessian(self, theta: np.ndarray, whole: bool, n_rows: int | None = None) -> Hessian:
        found = [part.hessian(theta, whole) for part in self._parts]
        self.passes += 1
        return Hessian(found[0].center, np.sum([each.blocks for each in found], axis=0))

    def curvature(
        self, full: bool, theta: np.ndarray | None = None, n_rows: int | None = None
    ) -> Curvature:
        moments, mass = self._parts[0].curvature(full, theta), len(self.blocks[0][0])
        for part in self._parts[1:]:
            mass += part.n_rows
            moments = moments.joined(part.curvature(full, theta), part.n_rows / mass)
        return moments

    def sample(self, n_rows: int) -> "BlocksObjective":
        return self  # a sample of all rows

    def with_penalty(self, penalty: Penalty) -> "BlocksObjective":
        columns = self.n_problems * self.n_outputs
        return BlocksObjective(self.blocks, self.loss, columns, penalty, self.n_threads)

    def part(
        self, features: np.ndarray | None, chosen: np.ndarray, n_threads: int | None
    ) -> "BlocksObjective":
        features = np.arange(self.n_features) if features is None else features
        blocks = [(X[:, features], target.columns(chosen)) for X, target in self.blocks]
        columns = self.n_outputs * len(chosen)
        loss, penalty = self.loss.problems(chosen), self.penalty.problems(chosen)
        return BlocksObjective(blocks, loss, columns, penalty, n_threads)

    def run_batches(self, rule: Any, state: Any, first: int, last: int) -> None:
        start = 0
        for part in self._parts:  # one block after another; each in an order of its own
            stop = start + -(-part.n_rows // rule.batch_size)
            if first < stop and last > start:
                part.run_batches(rule, state, max(first - start, 0), min(last, stop) - start)
            start = stop


def both(name: str) -> tuple[BlocksObjective, InMemoryObjective]:
    """The same problem in three blocks of whole batches, and in memory."""
    X, y = (load_iris if name == "iris" else load_breast_cancer)(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    X, y = scale(X)[order], y[order]
    weights, loss, columns = np.ones((1, len(y))), Softmax(), 3
    target = Target(weights, codes=y)
    if name != "iris":
        target, loss, columns = Target(weights, soft=y[:, None].astype(float)), Sigmoid(), 1
    penalty = L2(np.full(1, 1 / len(y)))
    cuts = [slice(0, 50), slice(50, 100), slice(100, len(y))]
    rows = np.arange(len(y))
    blocks = [(np.ascontiguousarray(X[cut]), target.rows(rows[cut])) for cut in cuts]
    return (
        BlocksObjective(blocks, loss, columns, penalty),
        InMemoryObjective(X, target, loss, columns, penalty),
    )


@pytest.mark.parametrize("solver", [LBFGS, Newton, None], ids=["lbfgs", "newton", "chosen"])
@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
def test_exact_solvers_find_the_same_optimum(name: str, solver: Any):
    blocks, memory = both(name)
    zero = np.zeros((blocks.n_features + 1, blocks.n_outputs))
    chosen = choose(blocks) if solver is None else solver()
    numbers = {"tol": 1e-9, "max_iter": 200}
    ours = minimize(blocks, zero, type(chosen)(**numbers))
    theirs = minimize(memory, zero, LBFGS(**numbers))
    assert ours.status == "converged"
    np.testing.assert_allclose(ours.theta, theirs.theta, atol=1e-6)


def test_minibatch_training():
    blocks, memory = both("breast_cancer")
    zero = np.zeros((31, 1))
    solver = SGD(batch_size=10, max_iter=40, schedule="cosine", seed=0, tol=0)
    found = minimize(blocks, zero, solver).theta
    best = minimize(memory, zero, LBFGS(tol=1e-9, max_iter=200)).theta
    at_found, at_best = (float(memory.value_and_grad(theta)[0][0]) for theta in (found, best))
    assert at_best <= at_found <= 1.05 * at_best


def test_it_has_all_that_an_objective_has():
    blocks, memory = both("iris")
    members = {name for name in vars(Objective) if not name.startswith("_")}
    members |= set(Objective.__annotations__)
    assert all(hasattr(blocks, name) for name in members)
    assert all(hasattr(memory, name) for name in members)
    part = blocks.part(np.array([0, 2]), np.array([0]), None)
    assert part.n_features == 2

"""The two-loop recursion: updates of a dense inverse Hessian, for each problem as if alone."""

from typing import Any

import numpy as np
import pytest

from fastclf.kernels.linalg import pairs
from fastclf.solvers.quasi_newton import Pairs

ROWS = 4
EPS = float(np.finfo(np.float64).eps)
shapes = pytest.mark.parametrize("M, K", [(1, 1), (1, 3), (3, 1), (2, 3)])
memories = pytest.mark.parametrize("memory, added", [(1, 1), (3, 2), (3, 3), (3, 8)])


class Quadratics:
    """M convex quadratics, whose gradients make pairs as those of an objective do."""

    def __init__(self, M: int, K: int) -> None:
        rng = np.random.default_rng(M + 10 * K)
        roots = rng.normal(size=(M, ROWS * K, ROWS * K))
        self.shape = ROWS, M * K
        self.M, self.K = M, K
        self.matrices = roots @ roots.transpose(0, 2, 1) + np.eye(ROWS * K)
        self.points = rng.normal(size=(20, *self.shape))

    def flat(self, a: np.ndarray) -> np.ndarray:
        """The columns of each problem as a vector, (M, rows K)."""
        return a.reshape(ROWS, self.M, self.K).transpose(1, 0, 2).reshape(self.M, -1)

    def times(self, matrices: np.ndarray, a: np.ndarray) -> np.ndarray:
        product = np.einsum("mij,mj->mi", matrices, self.flat(a))
        return product.reshape(self.M, ROWS, self.K).transpose(1, 0, 2).reshape(self.shape)

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        return self.times(self.matrices, theta)

    def fill(self, memory: int, added: int, running: Any = True) -> Pairs:
        past = Pairs.empty(memory, self.shape, self.M)
        live = np.broadcast_to(running, (added, self.M))
        for i in range(added):
            ends = [(theta, self.gradient(theta)) for theta in self.points[i : i + 2]]
            past.add(live[i].copy(), *ends)
        return past

    def updated(
        self, memory: int, added: int, first: np.ndarray, running: Any = True
    ) -> np.ndarray:
        """BFGS updates of an inverse Hessian (M, rows K, rows K), in their textbook form."""
        live = np.broadcast_to(running, (added, self.M))
        H = first.copy()
        unit = np.eye(ROWS * self.K)
        for i in range(max(0, added - memory), added):
            steps = self.flat(self.points[i + 1] - self.points[i])
            changes = self.flat(self.gradient(self.points[i + 1]) - self.gradient(self.points[i]))
            for m, (s, y) in enumerate(zip(steps, changes, strict=True)):
                if live[i, m]:
                    rho = 1 / (y @ s)
                    left = unit - rho * np.outer(s, y)
                    H[m] = left @ H[m] @ left.T + rho * np.outer(s, s)
        return H


class Dense:
    """A preconditioner that is a matrix for each problem."""

    def __init__(self, problems: Quadratics, matrices: np.ndarray) -> None:
        self.problems, self.matrices = problems, matrices

    def apply(self, gradient: np.ndarray, n_threads: int | None = None) -> np.ndarray:
        return self.problems.times(self.matrices, gradient)

    def squares(self, gradient: np.ndarray, n_threads: int | None = None) -> np.ndarray:
        return (gradient * self.apply(gradient)).sum(axis=0)


def two_loops(past: Pairs, gradient: np.ndarray, between: Any = lambda q: q) -> np.ndarray:
    arguments = past.steps, past.changes, past.rhos, past.newest, past.used, past.alphas
    q = gradient.copy()
    pairs.first_loop(*arguments, q)
    r = np.ascontiguousarray(between(q))
    pairs.second_loop(*arguments, r)
    return r


def units(problems: Quadratics) -> np.ndarray:
    return np.repeat(np.eye(ROWS * problems.K)[None], problems.M, axis=0)


@shapes
@memories
def test_two_loops_are_updates_of_a_matrix(M: int, K: int, memory: int, added: int):
    problems = Quadratics(M, K)
    past = problems.fill(memory, added)
    g = problems.points[-1]
    first = 0.5 * np.linalg.inv(problems.matrices) + 0.1 * units(problems)
    actual = two_loops(past, g, Dense(problems, first).apply)
    expected = problems.times(problems.updated(memory, added, first), g)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-11)


@shapes
def test_without_pairs_nothing_changes(M: int, K: int):
    problems = Quadratics(M, K)
    g = problems.points[0]
    assert np.array_equal(two_loops(Pairs.empty(3, problems.shape, M), g), g)


@shapes
@memories
def test_each_problem_is_as_it_would_be_alone(M: int, K: int, memory: int, added: int):
    problems = Quadratics(M, K)
    together = two_loops(problems.fill(memory, added), problems.points[-1])
    for m in range(M):
        columns = slice(m * K, (m + 1) * K)
        alone = Pairs.empty(memory, (ROWS, K), 1)
        for i in range(added):
            ends = [
                (np.ascontiguousarray(a[:, columns]) for a in (theta, problems.gradient(theta)))
                for theta in problems.points[i : i + 2]
            ]
            alone.add(np.ones(1, bool), *(tuple(end) for end in ends))
        expected = two_loops(alone, np.ascontiguousarray(problems.points[-1][:, columns]))
        np.testing.assert_allclose(together[:, columns], expected, rtol=1e-10, atol=1e-12)


def test_problems_that_rest_get_no_update():
    problems = Quadratics(3, 2)
    running = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 1, 1]], bool)
    past = problems.fill(4, 4, running)
    assert np.array_equal(past.rhos > 0, running)
    g = problems.points[-1]
    expected = problems.times(problems.updated(4, 4, units(problems), running), g)
    np.testing.assert_allclose(two_loops(past, g), expected, rtol=1e-9, atol=1e-11)


@shapes
@memories
def test_the_newest_pair_gives_the_preconditioner_its_scale(
    M: int, K: int, memory: int, added: int
):
    problems = Quadratics(M, K)
    past = problems.fill(memory, added)
    g = problems.points[-1]
    first = 7.0 * np.linalg.inv(problems.matrices + 2 * units(problems))
    steps = problems.flat(problems.points[added] - problems.points[added - 1])
    changes = np.einsum("mij,mj->mi", problems.matrices, steps)
    scales = np.einsum("mi,mij,mj->m", changes, first, changes) / (changes * steps).sum(axis=1)
    H = problems.updated(memory, added, first / scales[:, None, None])
    actual = past.apply(Dense(problems, first), g, None)
    np.testing.assert_allclose(actual, problems.times(H, g), rtol=1e-9, atol=1e-11)
    # So its own scale doesn't matter.
    other = past.apply(Dense(problems, 100 * first), g, None)
    np.testing.assert_allclose(other, actual, rtol=1e-9, atol=1e-11)


def test_the_inverse_hessian_needs_no_update():
    problems = Quadratics(2, 3)
    inverse = Dense(problems, np.linalg.inv(problems.matrices))
    g = problems.points[-1]
    before = g.copy()
    step = problems.fill(3, 5).apply(inverse, g, None)
    np.testing.assert_allclose(step, inverse.apply(g), rtol=1e-7)
    assert np.array_equal(g, before)


@shapes
def test_a_pair_is_differences_and_their_product(M: int, K: int):
    problems = Quadratics(M, K)
    a, b = problems.points[:2]
    past = Pairs.empty(2, problems.shape, M)
    norms = past.add(np.ones(M, bool), (a, problems.gradient(a)), (b, problems.gradient(b)))
    change = problems.gradient(b) - problems.gradient(a)
    products = (problems.flat(b - a) * problems.flat(change)).sum(axis=1)
    assert past.used == 1 and past.newest == 0
    assert np.array_equal(past.steps[0], b - a) and np.array_equal(past.changes[0], change)
    np.testing.assert_allclose(past.rhos[0], 1 / products, rtol=1e-13)
    assert np.array_equal(norms, np.abs(problems.flat(problems.gradient(b))).max(axis=1))


@pytest.mark.parametrize(
    "step, change, updates",
    [
        (1.0, 0.5, True),
        (1.0, 0.0, False),  # the gradient didn't change
        (0.0, 0.5, False),  # no step
        (1.0, -0.5, False),  # no convex function does this
        (0.1 * EPS, 1.0, False),  # all rounding
        (10 * EPS, 1.0, True),
        (1.0, np.nan, False),
    ],
)
def test_what_is_no_curvature_is_no_update(step: float, change: float, updates: bool):
    zero = np.zeros((1, 1))
    past = Pairs.empty(1, (1, 1), 1)
    past.add(np.ones(1, bool), (zero, zero), (zero + step, zero + change))
    assert (past.rhos[0, 0] > 0) == updates and np.isfinite(past.rhos[0, 0])


@shapes
def test_inner_products_are_taken_problem_by_problem(M: int, K: int):
    a, b = np.random.default_rng(0).normal(size=(2, ROWS, M * K))
    out = np.full(M, np.nan)
    pairs.dots(a, b, out)
    np.testing.assert_allclose(out, (a * b).reshape(ROWS, M, K).sum(axis=(0, 2)), rtol=1e-13)

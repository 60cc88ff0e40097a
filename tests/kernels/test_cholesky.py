"""Cholesky factors of small matrices: laws, and what isn't definite."""

import numpy as np
import pytest

from fastclf.kernels.linalg import cholesky


@pytest.mark.parametrize("n", [1, 2, 5, 17])
def test_a_factor_times_its_transpose_is_the_matrix(n: int, rng: np.random.Generator):
    rows = rng.normal(size=(n + 3, n))
    matrix = rows.T @ rows
    factor = matrix.copy()
    assert cholesky.factor(factor)
    lower = np.tril(factor)
    np.testing.assert_allclose(lower @ lower.T, matrix, rtol=1e-12, atol=1e-12)
    x = rng.normal(size=n)
    solution, half = x.copy(), x.copy()
    cholesky.solve(factor, solution)
    np.testing.assert_allclose(matrix @ solution, x, rtol=1e-8, atol=1e-8)
    cholesky.solve_half(factor, half)
    np.testing.assert_allclose(half @ half, x @ solution, rtol=1e-8)


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.0]],
        [[1.0, 0.0], [0.0, 0.0]],
        [[1.0, 2.0], [2.0, 4.0]],
        [[1.0, 2.0], [2.0, 3.0]],
        [[np.nan]],
        [[-1.0]],
    ],
)
def test_what_is_not_definite_has_no_factor(matrix: list[list[float]]):
    assert not cholesky.factor(np.array(matrix))

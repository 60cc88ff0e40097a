"""The squared penalty of several problems, with one column each or several."""

import numpy as np
import pytest

from fastclf.kernels.linalg import ridge


@pytest.mark.parametrize(("problems", "columns"), [(1, 1), (1, 3), (4, 1), (2, 3)])
def test_value_and_gradient_of_the_penalty_are_added(
    problems: int, columns: int, rng: np.random.Generator
):
    theta = rng.normal(size=(5, problems * columns))
    strength = rng.uniform(0.5, 2, size=problems)
    values, gradient = rng.normal(size=problems), rng.normal(size=theta.shape)
    coefficients = theta[:-1].reshape(4, problems, columns)  # the intercepts have no penalty
    expected_values = values + strength / 2 * (coefficients**2).sum(axis=(0, 2))
    expected = gradient.copy()
    expected[:-1] += (strength[:, None] * coefficients).reshape(4, -1)
    ridge.add(theta, strength, values, gradient)
    np.testing.assert_allclose(values, expected_values, rtol=1e-14)
    np.testing.assert_allclose(gradient, expected, rtol=1e-14)

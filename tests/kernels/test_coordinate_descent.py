"""Kernels of coordinate descent that aren't reached with every value by fits."""

import numpy as np

from fastclf.kernels.linalg import coordinate_descent


def test_the_l1_penalty_of_each_problem_leaves_out_its_intercepts(rng: np.random.Generator):
    theta = rng.normal(size=(4, 6))  # two problems of three columns; the last row is intercepts
    sums = np.full(2, np.nan)
    coordinate_descent.absolute_sums(theta, sums)
    coefficients = np.abs(theta[:-1])
    np.testing.assert_allclose(sums, [coefficients[:, :3].sum(), coefficients[:, 3:].sum()])


def test_violations_are_zero_at_an_optimum(rng: np.random.Generator):
    strengths = np.array([0.5, 2.0])
    theta = np.array([[1.5, 0.0], [0.0, -2.0], [3.0, -1.0]])
    gradient = -np.sign(theta) * strengths  # balances the penalty where theta isn't 0
    gradient[0, 1], gradient[1, 0] = 1.9, -0.4  # below the strength where it is
    gradient[2] = 0.0  # of intercepts
    out = np.full((3, 2), np.nan)
    coordinate_descent.violations(theta, gradient, strengths, out)
    np.testing.assert_array_equal(out, 0)


def test_violations_are_distances_from_the_subdifferential():
    strengths = np.array([0.5, 2.0])
    theta = np.array([[1.5, 0.0], [0.0, -2.0], [0.0, 1.0]])
    gradient = np.array([[0.25, 3.0], [-0.75, 1.0], [-0.5, 0.125]])
    out = np.full((3, 2), np.nan)
    coordinate_descent.violations(theta, gradient, strengths, out)
    np.testing.assert_array_equal(out, [[0.75, 1.0], [0.25, 1.0], [0.5, 0.125]])

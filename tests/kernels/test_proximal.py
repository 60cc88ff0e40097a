"""When a step of Newton's method with an L1 penalty is good enough, and what is left to do."""

import numpy as np
import pytest

from fastclf.kernels.steps import proximal


@pytest.mark.parametrize(
    ("trial_value", "trial_norm", "taken"),
    [
        (9.0, 5.0, True),  # all that the slope promised
        (10.0 - 1e-5, 5.0, False),  # less than a share of it
        (10.0 - 1e-5, 0.5, True),  # but the violation is smaller
        (10.0 + 1e-5, 0.5, False),
        (10.0 + 1e-13, 0.5, True),  # too close to tell, and the violation is smaller
        (10.0 + 1e-13, 5.0, False),
        (np.nan, 0.5, False),
        (np.inf, 0.5, False),
    ],
)
def test_a_step_must_lower_the_value_or_else_the_violation(
    trial_value: float, trial_norm: float, taken: bool
):
    value, slope, noise, norm = 10.0, 1.0, 1e-12, 1.0
    assert proximal.enough(value, slope, 1.0, trial_value, noise, norm, trial_norm) == taken


def test_violations_are_those_of_raw_features():
    center = np.array([100.0, 0.0])
    gradient = np.array([[-0.25, 0.5, 0.01]])  # of centered features, and of the intercept
    x = np.array([[1.0, 0.0, 3.0]])
    # That of the first raw feature is -0.25 + 100 * 0.01, and its coefficient is positive.
    assert proximal.violation(x, gradient, center, 0.125) == pytest.approx(0.75 + 0.125)
    assert proximal.violation(x, gradient, np.zeros(2), 0.125) == pytest.approx(0.5 - 0.125)

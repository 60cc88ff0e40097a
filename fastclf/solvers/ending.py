"""The status of a fit that ran out of steps, or whose numbers aren't finite."""

import math
from typing import Any

import numpy as np

NOT_FINITE = "not finite"
"""The status of a fit whose coefficients, objective or gradient aren't finite."""


def at_the_end(state: Any, solver: Any) -> str:
    """Return the status of a fit that has done ``max_iter`` steps.

    It is "converged" if the gradient is within the tolerance: the solver went on below it only for
    a lower objective.
    """
    if state.gradient_norm is not None and state.gradient_norm <= (solver.tol or 0.0):
        return "converged"
    return "max_iter"


def is_finite(state: Any, theta: np.ndarray) -> bool:
    """Return whether theta, and the objective and gradient if they are known, are finite.

    Stopping rules compare numbers, and NaN passes some comparisons.
    """
    gradient = getattr(state, "gradient", None)
    known = state.iteration > 0 or gradient is not None  # minibatch solvers compute it later
    if known and not math.isfinite(state.objective):
        return False
    return bool(np.isfinite(theta).all() and (gradient is None or np.isfinite(gradient).all()))

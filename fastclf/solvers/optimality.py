"""Checks whether a point at which a solver stalled is near the optimum."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastclf.objective import Objective

EXTREME = 1e15
"""Size of a feature beside which features of usual size vanish in float64."""

_ROUNDED = 100.0
"""Rounding of a gradient, in spacings of floats and units of the features."""


def far_from_optimum(objective: Objective, theta: np.ndarray, tol: float) -> np.ndarray:
    r"""Return a mask (M,) of the problems whose gradient says that theta isn't their optimum.

    The gradient has the units of the features, and so has its rounding: where these are large,
    a gradient far above ``tol`` may be as small as arithmetic allows. So it is taken about the
    center c of the features and held against their deviations :math:`s_j`,

    .. math:: |g_j - c_j g_0| > \max(tol, \sqrt\epsilon) s_j + 100 \epsilon (|c_j| + s_j),

    and under an L1 penalty the violation of optimality takes its place. Gradients of features that
    deviate by 1e15 and more, or aren't finite, are far from the optimum in any case.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        gradient = objective.value_and_grad(theta)[1]
        curvature = objective.curvature(full=False)
        center, spread = curvature.center.astype(np.float64), np.sqrt(curvature.second)
        l1 = np.repeat(objective.penalty.l1, objective.n_outputs)
        about_center = gradient[:-1] - center[:, None] * gradient[-1]
        norms = np.vstack([_violations(about_center, theta[:-1], l1), np.abs(gradient[-1])])
        plain = np.vstack([_violations(gradient[:-1], theta[:-1], l1), np.abs(gradient[-1])])
        eps = float(np.finfo(objective.dtype).eps)
        size, middle = np.append(spread, 1.0), np.append(np.abs(center), 0.0)
        limits = max(tol, np.sqrt(eps)) * size + _ROUNDED * eps * (middle + size)
        near = (norms <= limits[:, None]) & (size < EXTREME)[:, None]
    far = ~(near | (plain <= tol))
    return far.reshape(len(theta), objective.n_problems, -1).any(axis=(0, 2))


def warn_of_extremes(deviations: np.ndarray) -> None:
    """Warn of the feature with the largest deviation, if it is at least :data:`EXTREME`."""
    if not (deviations >= EXTREME).any():
        return
    warnings.warn(
        f"column {deviations.argmax()} of the features has a standard deviation of "
        f"{deviations.max():.3g}: such numbers often stand for an infinite or a missing value, "
        "e.g. after np.nan_to_num; drop or replace them, or scale the columns",
        ConvergenceWarning,
        stacklevel=3,
    )


def _violations(gradient: np.ndarray, w: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    # The smallest absolute value in the subdifferential of each entry.
    at_zero = np.maximum(np.abs(gradient) - strengths, 0)
    return np.where(w == 0, at_zero, np.abs(gradient + np.sign(w) * strengths))

"""A line search for M problems at once, with one evaluation of the objective for all of them.

The rule by which steps are taken is in :mod:`fastclf.kernels.linalg.line_search`.
"""

from dataclasses import dataclass

import numpy as np

from fastclf.kernels.linalg import line_search, pairs
from fastclf.objective import Objective


@dataclass(frozen=True)
class Found:
    """The point found, and the ``steps`` (M,) that led there: 0 where none was better."""

    theta: np.ndarray
    values: np.ndarray
    gradient: np.ndarray
    steps: np.ndarray


def search(
    objective: Objective,
    theta: np.ndarray,
    values: np.ndarray,
    gradient: np.ndarray,
    direction: np.ndarray,
    slopes: np.ndarray,
    running: np.ndarray,
    first: np.ndarray,
    hessian: bool = False,
    dtype: np.dtype | None = None,
) -> Found:
    """Search along ``direction`` (d + 1, M K) for every problem that is ``running`` (M,).

    ``values`` (M,), ``gradient`` and the slopes (M,) along the direction are those at theta. Steps
    of lengths ``first`` (M,) are tried first. Passes compute in ``dtype``.
    """
    M = running.size
    K = theta.shape[1] // M
    eps = float(np.finfo(dtype or objective.dtype).eps)
    pending = running & (slopes < 0)
    t = np.where(pending, first, 0.0)
    taken = np.zeros(M)
    take = np.zeros(M, bool)
    trial_slopes = np.empty(M)
    out = theta, values, gradient
    for _ in range(line_search.MOST_TRIALS):
        if not pending.any():
            break
        trial = theta + (t if K == 1 else np.repeat(t, K)) * direction
        trial_values, trial_gradient = objective.value_and_grad(trial, pending, hessian, dtype)
        pairs.dots(trial_gradient, direction, trial_slopes)
        line_search.judge(values, slopes, eps, trial_values, trial_slopes, t, taken, pending, take)
        if take.all():
            out = trial, trial_values, trial_gradient
        elif take.any():
            columns = np.flatnonzero(np.repeat(take, K))
            if out[0] is theta:
                out = theta.copy(), values.copy(), gradient.copy()
            out[0][:, columns] = trial[:, columns]
            out[1][take] = trial_values[take]
            out[2][:, columns] = trial_gradient[:, columns]
    return Found(*out, taken)

r"""A line search for M problems at once: each evaluation of the objective serves all of them.

A step t is taken when it satisfies the weak Wolfe conditions,

.. math:: f(t) \le f(0) + c_1 t f'(0),\qquad f'(t) \ge c_2 f'(0)

or, where values are too close for the first to mean anything in the precision at hand, the
approximate ones of Hager and Zhang (*A new conjugate gradient method with guaranteed descent*, SIAM
J. Optim. 16, 2005), which compare gradients instead. The bracket shrinks by the secant of f'.
"""

from dataclasses import dataclass

import numpy as np

from fastclf.objective import Objective

_C1, _C2 = 1e-4, 0.9
_MAX_EVALUATIONS = 25


@dataclass(frozen=True)
class Found:
    """Where the search ended; ``stuck`` (M,) marks problems for which it found no better point."""

    theta: np.ndarray
    values: np.ndarray
    gradient: np.ndarray
    stuck: np.ndarray


def rounding(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return by how much values may differ for rounding alone."""
    return 16 * np.finfo(dtype).eps * np.maximum(np.abs(values), 1e-300)


def search(
    objective: Objective,
    theta: np.ndarray,
    values: np.ndarray,
    gradient: np.ndarray,
    direction: np.ndarray,
    running: np.ndarray,
) -> Found:
    """Search along ``direction`` (d + 1, M K) for every problem that is ``running`` (M,).

    ``values`` (M,) and ``gradient`` are those of theta. The first step tried is 1.
    """
    M = running.size
    K = theta.shape[1] // M

    def slopes(g: np.ndarray) -> np.ndarray:
        return np.einsum("jc,jc->c", g, direction).reshape(M, K).sum(axis=1)

    noise = rounding(values, objective.dtype)
    slope0 = slopes(gradient)
    pending = running & (slope0 < 0)
    stuck = running & ~pending
    t = np.where(pending, 1.0, 0.0)
    low, slope_low = np.zeros(M), slope0.copy()
    high, slope_high = np.full(M, np.inf), np.full(M, np.nan)
    out_theta, out_values, out_gradient = theta.copy(), values.copy(), gradient.copy()
    for _ in range(_MAX_EVALUATIONS):
        if not pending.any():
            break
        trial = theta + np.repeat(t, K) * direction
        trial_values, trial_gradient = objective.value_and_grad(trial, pending)
        slope = slopes(trial_gradient)
        finite = np.isfinite(trial_values) & np.isfinite(slope)
        decrease = trial_values <= values + _C1 * t * slope0
        near = (trial_values <= values + noise) & (slope <= (2 * _C1 - 1) * slope0)
        good = finite & (decrease | near)
        accepted = pending & good & (slope >= _C2 * slope0)
        # A point that only descends is kept too: the last resort when the bracket collapses.
        better = pending & good & (trial_values <= out_values + noise)
        take = accepted | better
        columns = np.repeat(take, K)
        out_theta[:, columns] = trial[:, columns]
        out_gradient[:, columns] = trial_gradient[:, columns]
        out_values = np.where(take, trial_values, out_values)
        pending = pending & ~accepted
        short = pending & good
        long = pending & ~good
        low, slope_low = np.where(short, t, low), np.where(short, slope, slope_low)
        high = np.where(long, t, high)
        slope_high = np.where(long, np.where(finite, slope, np.nan), slope_high)
        t = np.where(pending, _next(low, high, slope_low, slope_high), t)
    moved = np.abs(out_theta - theta).reshape(theta.shape[0], M, K).max(axis=(0, 2)) > 0
    return Found(out_theta, out_values, out_gradient, stuck | (pending & ~moved))


def _next(
    low: np.ndarray, high: np.ndarray, slope_low: np.ndarray, slope_high: np.ndarray
) -> np.ndarray:
    # Inside a bracket the zero of the secant of the slope, kept off its ends; outside, further out.
    bracketed = np.isfinite(high)
    upper = np.where(bracketed, high, low)
    width = upper - low
    rising = np.isfinite(slope_high) & (slope_high > slope_low)
    change = np.where(rising, slope_high - slope_low, 1.0)
    share = np.where(rising, -slope_low / change, 0.5)
    inside = low + np.clip(share, 0.1, 0.9) * width
    return np.where(bracketed, inside, np.maximum(4 * low, 4.0))

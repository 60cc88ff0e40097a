r"""One round of a line search, for M problems.

A step t along a direction is taken when it decreases the objective enough,

.. math:: f(t) \le f(0) + c_1 t f'(0)

or, where values are too close for that to mean anything in the precision at hand, when it passes
the test of Hager and Zhang (*A new conjugate gradient method with guaranteed descent*, SIAM J.
Optim. 16, 2005), which compares slopes instead. A step that leaves more than the share
:math:`c_2` of the slope is followed by one four times as long, and the longest of the good ones is
kept; but not where a slope is so small that it may be noise. A step that was too long is cut at the
minimum of the cubic through both ends (Nocedal and Wright, *Numerical Optimization*, 2nd ed.,
equation 3.59). The objective is convex, so every step taken leaves an update of the Hessian that is
positive definite, whatever its slope.
"""

import numpy as np

from fastclf.kernels.runtime.jit import inlined, kernel

MOST_TRIALS = 25
"""Trials of a search, after which no point is better within the arithmetic."""

PATIENCE = 10
"""Steps without a smaller gradient or a lower value after which a problem is stuck."""

ROUNDED = 0.01
"""Decrease of the objective, as a share of its rounding, that noise of the gradient may promise."""

_C1, _C2 = 1e-4, 0.9
_SHORTEST, _LONGEST = 0.01, 0.6
"""Shares of a bracket between which a step that was too long is cut."""


@inlined
def rounding(value, eps):
    """Return by how much values may differ for rounding alone."""
    return 16 * eps * max(abs(value), 1e-300)


@kernel
def judge(values, slopes, eps, trial_values, trial_slopes, t, taken, pending, take):
    """Mark in ``take`` the problems that move to their trial; set ``t`` for the next round.

    All arrays are (M,). ``values`` and ``slopes`` are those of the start, computed with a precision
    of ``eps``; ``taken`` is the longest step that was taken so far, or 0. Problems that need no
    other trial leave ``pending``.
    """
    for m in range(values.size):
        take[m] = False
        if not pending[m]:
            continue
        trial = trial_values[m], trial_slopes[m]
        take[m], pending[m], t[m], taken[m] = judged(
            values[m], slopes[m], eps, *trial, t[m], taken[m]
        )


@inlined
def judged(value0, slope0, eps, value1, slope1, t, taken):
    """Judge a step t of one problem; return whether it is taken and whether another follows.

    Then the length to try next, and the longest that was taken.
    """
    if decreases(value0, slope0, eps, value1, slope1, t):
        if slope1 >= _C2 * slope0 or -slope0 <= ROUNDED * eps * abs(value0):
            return True, False, t, t
        return True, True, 4.0 * t, t
    if taken > 0.0:
        return False, False, t, taken
    return False, True, t * share_of_step(t, value0, slope0, value1, slope1), taken


@inlined
def decreases(value0, slope0, eps, value1, slope1, t):
    """Tell whether a step t, from a value and slope to others, decreases the objective enough."""
    if not (np.isfinite(value1) and np.isfinite(slope1)):
        return False
    near = value1 <= value0 + rounding(value0, eps) and slope1 <= (2 * _C1 - 1) * slope0
    return near or value1 <= value0 + _C1 * t * slope0


@inlined
def share_of_step(t, value0, slope0, value1, slope1):
    """Return what share of a step t to try that was too long."""
    share = _SHORTEST
    if np.isfinite(value1) and np.isfinite(slope1):
        a = slope0 + slope1 - 3.0 * (value1 - value0) / t
        square = a * a - slope0 * slope1
        if square >= 0.0:
            root = np.sqrt(square)
            share = 1.0 - (slope1 + root - a) / (slope1 - slope0 + 2.0 * root)
    return min(max(share, _SHORTEST), _LONGEST) if share == share else _SHORTEST


@kernel
def record(value, norm, eps, lowest, smallest, stale):
    """Return the lowest value, the smallest gradient and the steps since one of them was beaten.

    Those before a step come in; a value must be lower by more than the spacing of floats.
    """
    better = value < lowest - eps * abs(lowest) or norm < smallest
    if better:
        return min(lowest, value), min(smallest, norm), 0.0
    return lowest, smallest, stale + 1.0


@inlined
def is_met(norm, expected, limits):
    """Tell whether a problem is done: :meth:`fastclf.solvers.stopping.Stopping.is_met` of one."""
    tol, negligible, much_smaller, modest, _ = limits
    enough = expected <= negligible or (norm <= much_smaller and expected <= modest)
    return norm <= tol and enough


@kernel
def retire(values, norms, eps, steps, patience, lowest, smallest, stale, stuck, running):
    """Retire from ``running`` problems that can't get better, and mark them ``stuck``; all (M,).

    Those are the ones whose search took no step, or which for ``patience`` iterations didn't get
    better.
    """
    for m in range(values.size):
        lowest[m], smallest[m], stale[m] = record(
            values[m], norms[m], eps, lowest[m], smallest[m], float(stale[m])
        )
        if running[m] and (steps[m] == 0.0 or stale[m] >= patience):
            stuck[m] = True
            running[m] = False

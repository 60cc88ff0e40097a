r"""Newton's method with an L1 penalty on a small problem, all of it compiled.

The passes are those of :mod:`fastclf.kernels.passes.narrow` and
:mod:`fastclf.kernels.passes.sparse_column`, each with the whole Hessian; the model that the Hessian
makes is minimised by :mod:`fastclf.kernels.linalg.coordinate_descent`, and the objective is
searched along the way there. A step t towards it is taken when it brings a share of what the
model's slope promises,

.. math:: F(x + t p) \le F(x) - c \, t \Delta,\qquad
    -\Delta = g^\top p + \lambda_1 (\lVert x + p \rVert_1 - \lVert x \rVert_1)

or else when values are too close to tell, and optimality is violated less. A step that was too long
is cut at the minimum of the parabola. Coefficients are held as (K, d + 1), the intercept last in
each row and moved to the features' center.
"""

from functools import cache

import numpy as np

from fastclf.kernels.linalg import coordinate_descent, line_search
from fastclf.kernels.passes import narrow, sparse_column
from fastclf.kernels.passes.narrow import STEP
from fastclf.kernels.products import sparse
from fastclf.kernels.runtime.arrays import copy, fill
from fastclf.kernels.runtime.jit import inlined, kernel, routine
from fastclf.kernels.runtime.records import Data

RUNNING, CONVERGED, STUCK = range(3)
"""How it ends: steps are left; the problem is solved; no better point can be found."""

VALUE, NORM, EXPECTED, LOWEST, SMALLEST, STALE, PASSES = range(7)
"""Places in ``numbers``, all 0 at first: the objective with its L1 part; the largest violation of
optimality; the decrease that the last model predicted; the lowest value and the smallest violation
so far, and the steps since; the passes so far.
"""

NUMBERS = PASSES + 1

MOST_SWEEPS = 1000
SHARE = 1e-2
"""A model is minimised until its violations are this share of those at the start."""

_SHORTEST, _LONGEST = 0.05, 0.6
"""Shares of a step that was too long between which it is cut."""

_SUFFICIENT = 1e-4
"""Share of the predicted decrease that a step must achieve."""

FLOOR = 1e-20
"""Least curvature of a feature, as a share of the mean; those of raw features differ by 1e12."""

_EPS = float(np.finfo(np.float64).eps)


@inlined
def enough(value, slope, t, trial_value, noise, norm, trial_norm):
    """Tell whether a trial with a step t is good enough."""
    if not np.isfinite(trial_value):
        return False
    if trial_value <= value - _SUFFICIENT * t * slope:
        return True
    return trial_value <= value + noise and trial_norm < norm


@inlined
def cut(value, slope, t, trial_value):
    """Return a shorter step than t, whose value was too large."""
    if not np.isfinite(trial_value):
        return _SHORTEST * t
    excess = trial_value - value + t * slope
    share = 0.5 * t * slope / excess if excess > 0.0 else _LONGEST
    return t * min(max(share, _SHORTEST), _LONGEST)


@routine
def violation(x, gradient, center, l1):
    """Return the largest violation, as raw features have it; the gradient is of centered ones."""
    d = center.size
    largest = 0.0
    for k in range(x.shape[0]):
        at_intercept = gradient[k, d]
        largest = max(largest, abs(at_intercept))
        for j in range(d):
            own = gradient[k, j] + center[j] * at_intercept
            largest = max(largest, coordinate_descent.violation(own, x[k, j], l1))
    return largest


@cache
def take_steps(kind, is_sparse):
    """Return the kernel for a :class:`~fastclf.kernels.loss.kinds.Kind`, and a dense or CSR X."""
    return _make(_of_sparse(kind) if is_sparse else _of_dense(kind), 1 if is_sparse else STEP)


def _of_dense(kind):
    add_rows = narrow.of_kind(kind)

    @routine
    def of_dense(data, w, center, n, values, sums, blocks):
        add_rows(data, (w, center, True), 0, n, (values, sums, blocks))

    return of_dense


def _of_sparse(kind):
    add_rows = sparse_column.value_and_grad(kind)

    @routine
    def of_sparse(data, w, center, n, values, sums, blocks):
        own, d = w[0], center.size
        for j in range(d):
            own[d] -= center[j] * own[j]
        add_rows(data, own, 0, n, (values, sums[0], blocks))
        sparse.move_to_center(center, sums[0], blocks[0])

    return of_sparse


def _make(evaluate, step):
    @kernel
    def take_steps(data, center, penalty, free, limits, most, x, gradient, matrix, numbers):
        """Take up to ``most`` steps, and return RUNNING, CONVERGED or STUCK.

        ``data`` are the fields of :class:`~fastclf.kernels.runtime.records.Data`, ``penalty`` is
        (l2, l1); unless ``free`` the intercepts keep their values. ``limits`` is
        (tol, negligible, share): a problem is solved if optimality is violated by at most tol and
        the model predicts at most the negligible decrease, or at most a share of the decrease that
        the first model predicted; one more step is taken then. ``x`` and ``gradient`` (K, d + 1),
        ``matrix`` (K (d + 1), K (d + 1)) and ``numbers`` are changed in place.
        """
        l2, l1 = penalty
        tol, negligible, share = limits
        n = Data(*data).weights.shape[1]
        K, q = x.shape
        d = q - 1
        side = (q + step - 1) // step * step
        w = np.zeros((K, side))
        sums = np.zeros((K, side))
        blocks = np.zeros((max(K * (K - 1) // 2, 1), side, side))
        values = np.zeros(1)
        none = np.zeros((K * q, 0))
        strengths = np.full((1, K * q), l1)
        for k in range(K):
            strengths[0, k * q + d] = 0.0
        trial = x.copy()
        u = x.copy().reshape(1, -1)
        r = np.empty((1, K * q))
        looks = numbers[PASSES] == 0.0
        accepted, last = not looks, False
        slope, t, tries, steps = 0.0, 1.0, 0, 0
        while True:
            if accepted:
                if last and numbers[NORM] <= tol:
                    return CONVERGED
                if steps >= most:
                    return RUNNING
                copy(x.reshape(-1), u[0])
                copy(gradient.reshape(-1), r[0])
                coordinate_descent.minimise(
                    matrix.reshape(1, K * q, K * q), none, none, strengths, SHARE, MOST_SWEEPS, u, r
                )
                slope = 0.0
                decrease = 0.0
                flat, g = x.reshape(-1), gradient.reshape(-1)
                for j in range(K * q):
                    p = u[0, j] - flat[j]
                    slope -= g[j] * p + strengths[0, j] * (abs(u[0, j]) - abs(flat[j]))
                    decrease -= 0.5 * (r[0, j] - g[j]) * p
                decrease += slope
                numbers[EXPECTED] = decrease
                if steps == 0:
                    negligible = max(negligible, share * decrease)
                last = numbers[NORM] <= tol and decrease <= negligible
                steps += 1
                t, tries = 1.0, 0
                copy(u[0], trial.reshape(-1))
            fill(values, 0.0)
            fill(sums.reshape(-1), 0.0)
            fill(blocks.reshape(-1), 0.0)
            for k in range(K):
                for j in range(q):
                    w[k, j] = trial[k, j]
            evaluate(data, w, center, n, values, sums, blocks)
            numbers[PASSES] += 1.0
            for k in range(K):
                for j in range(d):
                    values[0] += 0.5 * l2 * trial[k, j] * trial[k, j] + l1 * abs(trial[k, j])
                    sums[k, j] += l2 * trial[k, j]
                if not free:
                    sums[k, d] = 0.0
            norm = violation(trial, sums, center, l1)
            value, noise = numbers[VALUE], line_search.rounding(numbers[VALUE], _EPS)
            accepted = looks or enough(value, slope, t, values[0], noise, numbers[NORM], norm)
            if not accepted:
                tries += 1
                if tries >= line_search.MOST_TRIALS:
                    return CONVERGED if last else STUCK
                t = cut(value, slope, t, values[0])
                flat, target, to = x.reshape(-1), u[0], trial.reshape(-1)
                for j in range(K * q):
                    to[j] = flat[j] + t * (target[j] - flat[j])
                continue
            copy(trial.reshape(-1), x.reshape(-1))
            for k in range(K):
                for j in range(q):
                    gradient[k, j] = sums[k, j]
            narrow.assemble(blocks, q, matrix.reshape(1, K * q, K * q))
            mean = 0.0
            middle = 0.0
            for k in range(K):
                middle += matrix[k * q + d, k * q + d] / (K * K)
                for j in range(k * q, k * q + d):
                    mean += matrix[j, j] / (K * max(d, 1))
            for k in range(K):
                for other in range(K if K > 1 else 0):  # no loss tells where all are together
                    matrix[k * q + d, other * q + d] += middle
            for k in range(K):
                for j in range(k * q, k * q + d):
                    matrix[j, j] = max(matrix[j, j], FLOOR * max(mean, 1e-300)) + l2
                if not free:
                    for j in range(K * q):
                        matrix[k * q + d, j] = matrix[j, k * q + d] = 0.0
                    matrix[k * q + d, k * q + d] = 1.0
            numbers[VALUE], numbers[NORM] = values[0], norm
            if looks:
                numbers[LOWEST] = numbers[SMALLEST] = np.inf
            numbers[LOWEST], numbers[SMALLEST], numbers[STALE] = line_search.record(
                values[0], norm, _EPS, numbers[LOWEST], numbers[SMALLEST], numbers[STALE]
            )
            looks = False
            if numbers[STALE] >= line_search.PATIENCE:
                return STUCK

    return take_steps

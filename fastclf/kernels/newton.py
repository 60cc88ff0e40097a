r"""A step of Newton's method on a small dense problem, all of it compiled.

The passes are those of :mod:`fastclf.kernels.narrow`, whose layout the arrays share; the line
search is that of :mod:`fastclf.kernels.line_search`. Where the problem is small, calling each of
these from Python would take longer than the work itself. One problem of K columns:

.. math:: (H + \lambda I + \epsilon D) \, p = -g,\qquad \theta \leftarrow \theta + t p

with the intercepts moved to the features' center, and :math:`\epsilon D` a share of H's diagonal
that keeps the matrix of collinear features definite. For K > 1 the Hessian has nothing but the
penalty in the directions that shift all classes alike; a multiple of their projection is added, and
p, whose sum over the classes is 0, doesn't change by it.
"""

import numpy as np

from fastclf.kernels import cholesky, line_search, narrow
from fastclf.kernels._jit import kernel
from fastclf.kernels.arrays import copy, fill

RUNNING, CONVERGED, STUCK = range(3)
"""What a step returns: that it was taken; that none was needed; that none will be better."""

VALUE, NORM, LOWEST, SMALLEST, STALE, FIRST, EXPECTED, PASSES = range(8)
"""Places in ``numbers``, all 0 at first: the value and the largest entry of the gradient; what the
next point is held against; the first step to try; the decrease that the last step promised; and
passes so far.
"""

NUMBERS = PASSES + 1

_MAX_EVALUATIONS = 25
_JITTER, _JITTER_OF_SINGLE = 1e-12, 1e-7
_EPS = float(np.finfo(np.float64).eps)


@kernel
def _norm(gradient, center):
    # The largest entry of the gradient, the center undone.
    d = center.size
    largest = 0.0
    for k in range(gradient.shape[0]):
        g = gradient[k]
        largest = max(largest, abs(g[d]))
        for j in range(d):
            largest = max(largest, abs(g[j] + center[j] * g[d]))
    return largest


@kernel
def _fill_system(blocks, K, strength, free, jitter, a):
    # The matrix (K q, K q), of which the lower triangle counts.
    q = a.shape[0] // K
    narrow.assemble(blocks, q, a.reshape(1, K * q, K * q))
    mean = 0.0
    for i in range(K * q):
        mean += a[i, i] / (K * q)
    floor = 1e-8 * max(mean, 1e-300)
    for j in range(q):
        middle = 0.0
        for i in range(j, K * q, q):
            scale = a[i, i] + floor
            middle += scale / (K * K)
            a[i, i] += jitter * scale + (strength if j < q - 1 else 0.0)
        if K > 1:
            for i in range(j, K * q, q):
                for other in range(j, i + 1, q):
                    a[i, other] += middle
    if not free:
        for i in range(q - 1, K * q, q):
            for j in range(K * q):
                a[max(i, j), min(i, j)] = 1.0 if i == j else 0.0


@kernel
def _direct(gradient, blocks, strength, free, q, jitter, direction):
    # Fill the Newton direction (K, side); return its slope.
    K = gradient.shape[0]
    a = np.empty((K * q, K * q))
    x = np.empty(K * q)
    definite = False
    while not definite:
        if not jitter < 1.0:  # there are numbers that aren't finite
            return 0.0
        _fill_system(blocks, K, strength, free, jitter, a)
        definite = cholesky.factor(a)
        jitter *= 100.0
    for k in range(K):
        for j in range(q):
            x[k * q + j] = -gradient[k, j]
    cholesky.solve(a, x)
    slope = 0.0
    for j in range(q):
        mean = 0.0
        if K > 1:
            for i in range(j, K * q, q):
                mean += x[i] / K
        for k in range(K):
            step = x[k * q + j] - mean
            direction[k, j] = step
            slope += step * gradient[k, j]
    return slope


def _make_step(SIGMOID):
    @kernel
    def step(data, strength, free, limits, w, gradient, blocks, numbers):
        """Take a step, and return RUNNING, CONVERGED or STUCK; at first, only look around.

        ``data`` is the tuple (X, order, codes, soft, weights, scale, pos_weight, smoothing,
        center), ``strength`` that of the penalty; unless ``free`` the intercepts stay as they are.
        ``limits`` is the tuple of :meth:`fastclf.solvers.stopping.Stopping.limits`. ``w`` and
        ``gradient`` (K, side), ``blocks`` (P, side, side) and ``numbers`` are moved in place.
        """
        X, order, codes, soft, weights, scale, pos_weight, smoothing, center = data
        patience = limits[4]
        n, d = X.shape
        K = w.shape[0]
        looks = numbers[PASSES] == 0.0
        ending = False
        direction = np.zeros(w.shape)
        slopes = np.zeros(1)
        if not looks:
            # Features that differ by rounding alone are the same.
            jitter = _JITTER if X.itemsize == 8 else _JITTER_OF_SINGLE
            slopes[0] = _direct(gradient, blocks, strength, free, d + 1, jitter, direction)
            expected = -0.5 * slopes[0]
            if line_search.is_met(numbers[NORM], expected, limits):
                return CONVERGED
            # If it brings as much as the last step did, will it be the last, and need no Hessian?
            share = expected / max(expected, numbers[EXPECTED], 1e-300)
            ending = line_search.is_met(np.sqrt(share) * numbers[NORM], share * expected, limits)
            numbers[EXPECTED] = expected
        values = np.full(1, numbers[VALUE])
        trial_values = np.empty(1)
        trial_slopes = np.empty(1)
        t = np.full(1, numbers[FIRST])
        taken = np.zeros(1)
        pending = np.ones(1, np.bool_)
        pending[0] = looks or slopes[0] < 0.0
        take = np.ones(1, np.bool_)
        origin = w.copy()
        trial = np.zeros(w.shape)
        trial_gradient = np.empty(gradient.shape)
        trial_blocks = np.empty(blocks.shape)[: 0 if ending else len(blocks)]
        for _ in range(_MAX_EVALUATIONS):
            if not pending[0]:
                break
            fill(trial_values, 0.0)
            fill(trial_gradient.reshape(-1), 0.0)
            fill(trial_blocks.reshape(-1), 0.0)
            for k in range(K):
                for j in range(d + 1):
                    trial[k, j] = origin[k, j] + t[0] * direction[k, j]
            sums = trial_values, trial_gradient, trial_blocks
            if SIGMOID:
                narrow.sigmoid(
                    X, order, soft, weights, scale, pos_weight, trial, center, 0, n, *sums
                )
            else:
                narrow.softmax(
                    X, order, codes, soft, smoothing, weights, scale, trial, center, 0, n,
                    *sums, True,
                )  # fmt: skip
            numbers[PASSES] += 1.0
            square = 0.0
            trial_slopes[0] = 0.0
            for k in range(K):
                for j in range(d):
                    square += trial[k, j] * trial[k, j]
                    trial_gradient[k, j] += strength * trial[k, j]
                if not free:
                    trial_gradient[k, d] = 0.0
                for j in range(d + 1):
                    trial_slopes[0] += direction[k, j] * trial_gradient[k, j]
            trial_values[0] += 0.5 * strength * square
            if looks:
                pending[0] = False
                taken[0] = 1.0
            else:
                line_search.judge(
                    values, slopes, _EPS, trial_values, trial_slopes, t, taken, pending, take
                )
            if take[0]:
                numbers[VALUE] = trial_values[0]
                copy(trial.reshape(-1), w.reshape(-1))
                copy(trial_gradient.reshape(-1), gradient.reshape(-1))
                if not ending:
                    copy(trial_blocks.reshape(-1), blocks.reshape(-1))
        numbers[NORM] = _norm(gradient, center)
        numbers[FIRST] = min(1.0, 2.0 * taken[0])
        lowest = numbers[LOWEST]
        better = looks or line_search.improves(
            numbers[VALUE], numbers[NORM], _EPS, lowest, numbers[SMALLEST]
        )
        numbers[LOWEST] = numbers[VALUE] if looks else min(lowest, numbers[VALUE])
        numbers[SMALLEST] = numbers[NORM] if looks else min(numbers[SMALLEST], numbers[NORM])
        numbers[STALE] = 0.0 if better else numbers[STALE] + 1.0
        return STUCK if taken[0] == 0.0 or numbers[STALE] >= patience else RUNNING

    return step


STEP_SOFTMAX, STEP_SIGMOID = _make_step(0), _make_step(1)

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

from fastclf.kernels import line_search, narrow
from fastclf.kernels._jit import kernel
from fastclf.kernels.arrays import fill

RUNNING, CONVERGED, STUCK = range(3)
"""What a step returns: that it was taken; that none was needed; that none will be better."""

VALUE, NORM, EXPECTED, LOWEST, SMALLEST, STALE, FIRST, PASSES = range(8)
"""Places in ``numbers``: the value and the largest entry of the gradient; the decrease that the
Newton step promises; what the next point is held against; the first step to try; passes so far.
"""

NUMBERS = PASSES + 1

_MAX_EVALUATIONS = 25
_EPS = float(np.finfo(np.float64).eps)


@kernel
def _evaluate_sigmoid(data, strength, free, w, values, gradient, blocks):
    X, order, _, soft, weights, scale, pos_weight, _, center = data
    _clear(values, gradient, blocks)
    narrow.sigmoid(
        X, order, soft, weights, scale, pos_weight, w, center, 0, len(X), values, gradient, blocks
    )
    _penalise(strength, free, center.size, w, values, gradient)


@kernel
def _evaluate_softmax(data, strength, free, w, values, gradient, blocks):
    X, order, codes, soft, weights, scale, _, smoothing, center = data
    _clear(values, gradient, blocks)
    narrow.softmax(
        X,
        order,
        codes,
        soft,
        smoothing,
        weights,
        scale,
        w,
        center,
        0,
        len(X),
        values,
        gradient,
        blocks,
    )
    _penalise(strength, free, center.size, w, values, gradient)


@kernel
def _clear(values, gradient, blocks):
    fill(values, 0.0)
    fill(gradient.reshape(-1), 0.0)
    fill(blocks.reshape(-1), 0.0)


@kernel
def _penalise(strength, free, d, w, values, gradient):
    square = 0.0
    for k in range(w.shape[0]):
        for j in range(d):
            square += w[k, j] * w[k, j]
            gradient[k, j] += strength * w[k, j]
        if not free:
            gradient[k, d] = 0.0
    values[0] += 0.5 * strength * square


@kernel
def norm(gradient, center):
    """Return the largest entry of the gradient (K, side), the center undone."""
    d = center.size
    largest = 0.0
    for k in range(gradient.shape[0]):
        intercept = gradient[k, d]
        largest = max(largest, abs(intercept))
        for j in range(d):
            largest = max(largest, abs(gradient[k, j] + center[j] * intercept))
    return largest


@kernel
def _fill_system(blocks, K, q, strength, free, jitter, a):
    # The lower triangle of the matrix (K q, K q).
    pair = 0
    for k in range(K):
        for other in range(k + 1):
            block = blocks[pair]
            pair += 1
            for i in range(q):
                for j in range(i + 1):
                    a[k * q + i, other * q + j] = block[i, j]
                    if other < k:
                        a[k * q + j, other * q + i] = block[i, j]
    mean = 0.0
    for i in range(K * q):
        mean += a[i, i] / (K * q)
    floor = 1e-8 * max(mean, 1e-300)
    for j in range(q):
        middle = 0.0
        for k in range(K):
            i = k * q + j
            scale = a[i, i] + floor
            middle += scale / (K * K)
            a[i, i] += jitter * scale + (strength if j < q - 1 else 0.0)
        if K > 1:
            for k in range(K):
                for other in range(k + 1):
                    a[k * q + j, other * q + j] += middle
    if not free:
        for k in range(K):
            i = k * q + q - 1
            for j in range(i):
                a[i, j] = 0.0
            for j in range(i + 1, K * q):
                a[j, i] = 0.0
            a[i, i] = 1.0


@kernel
def _factor(a):
    # The lower Cholesky factor, in place; False where the matrix isn't definite.
    for i in range(a.shape[0]):
        ai = a[i]
        for j in range(i + 1):
            aj = a[j]
            s = ai[j]
            for m in range(j):
                s -= ai[m] * aj[m]
            if j < i:
                ai[j] = s / aj[j]
            elif s > 0.0:
                ai[i] = np.sqrt(s)
            else:
                return False
    return True


@kernel
def _solve(a, x):
    for i in range(x.size):
        ai = a[i]
        s = x[i]
        for m in range(i):
            s -= ai[m] * x[m]
        x[i] = s / ai[i]
    for i in range(x.size - 1, -1, -1):
        ai = a[i]
        x[i] /= ai[i]
        s = x[i]
        for m in range(i):
            x[m] -= ai[m] * s


@kernel
def _direct(gradient, blocks, strength, free, d, a, direction):
    # The Newton direction (K, side), and its slope.
    K = gradient.shape[0]
    q = d + 1
    x = np.empty(K * q)
    jitter = 1e-12
    _fill_system(blocks, K, q, strength, free, jitter, a)
    while not _factor(a):
        jitter *= 100.0
        _fill_system(blocks, K, q, strength, free, jitter, a)
    for k in range(K):
        for j in range(q):
            x[k * q + j] = -gradient[k, j]
    _solve(a, x)
    slope = 0.0
    for j in range(q):
        mean = 0.0
        if K > 1:
            for k in range(K):
                mean += x[k * q + j] / K
        for k in range(K):
            step = x[k * q + j] - mean
            direction[k, j] = step
            slope += step * gradient[k, j]
    return slope


@kernel
def _assign(source, out):
    a, b = source.reshape(-1), out.reshape(-1)
    for i in range(a.size):
        b[i] = a[i]


def _make_start(SIGMOID):
    @kernel
    def start(data, strength, free, w, gradient, blocks, numbers):
        """Fill gradient, blocks and ``numbers`` at ``w`` (K, side)."""
        value = np.empty(1)
        if SIGMOID:
            _evaluate_sigmoid(data, strength, free, w, value, gradient, blocks)
        else:
            _evaluate_softmax(data, strength, free, w, value, gradient, blocks)
        numbers[VALUE] = value[0]
        numbers[NORM] = norm(gradient, data[8])
        numbers[LOWEST] = value[0]
        numbers[SMALLEST] = numbers[NORM]
        numbers[STALE] = 0.0
        numbers[FIRST] = 1.0
        numbers[PASSES] = 1.0

    return start


def _make_step(SIGMOID):
    @kernel
    def step(data, strength, free, limits, w, gradient, blocks, numbers):
        """Take a step, and return RUNNING, CONVERGED or STUCK.

        ``data`` is the tuple (X, order, codes, soft, weights, scale, pos_weight, smoothing,
        center), ``strength`` that of the penalty; unless ``free`` the intercepts stay as they are.
        ``limits`` is the tuple of :meth:`fastclf.solvers.stopping.Stopping.limits`.
        """
        tol, negligible, much_smaller, modest, patience = limits
        center = data[8]
        d = center.size
        K = w.shape[0]
        a = np.empty((K * (d + 1), K * (d + 1)))
        direction = np.zeros(w.shape)
        slopes = np.empty(1)
        slopes[0] = _direct(gradient, blocks, strength, free, d, a, direction)
        numbers[EXPECTED] = -0.5 * slopes[0]
        size, expected = numbers[NORM], numbers[EXPECTED]
        if size <= tol and (
            expected <= negligible or (size <= much_smaller and expected <= modest)
        ):
            return CONVERGED
        values = np.full(1, numbers[VALUE])
        trial_values = np.empty(1)
        trial_slopes = np.empty(1)
        t = np.full(1, numbers[FIRST])
        taken = np.zeros(1)
        pending = np.ones(1, np.bool_)
        pending[0] = slopes[0] < 0.0
        take = np.zeros(1, np.bool_)
        trial = w.copy()
        origin = w.copy()
        trial_gradient = np.empty(gradient.shape)
        trial_blocks = np.empty(blocks.shape)
        for _ in range(_MAX_EVALUATIONS):
            if not pending[0]:
                break
            for k in range(K):
                for j in range(d + 1):
                    trial[k, j] = origin[k, j] + t[0] * direction[k, j]
            found = trial_values, trial_gradient, trial_blocks
            if SIGMOID:
                _evaluate_sigmoid(data, strength, free, trial, *found)
            else:
                _evaluate_softmax(data, strength, free, trial, *found)
            numbers[PASSES] += 1.0
            trial_slopes[0] = 0.0
            for k in range(K):
                for j in range(d + 1):
                    trial_slopes[0] += direction[k, j] * trial_gradient[k, j]
            line_search.judge(
                values, slopes, _EPS, trial_values, trial_slopes, t, taken, pending, take
            )
            if take[0]:
                numbers[VALUE] = trial_values[0]
                _assign(trial, w)
                _assign(trial_gradient, gradient)
                _assign(trial_blocks, blocks)
        numbers[NORM] = norm(gradient, center)
        numbers[FIRST] = min(1.0, 2.0 * taken[0])
        lowest, smallest = numbers[LOWEST], numbers[SMALLEST]
        better = (
            numbers[VALUE] < lowest - line_search.rounding(lowest, _EPS) or numbers[NORM] < smallest
        )
        numbers[LOWEST] = min(lowest, numbers[VALUE])
        numbers[SMALLEST] = min(smallest, numbers[NORM])
        numbers[STALE] = 0.0 if better else numbers[STALE] + 1.0
        if taken[0] == 0.0 or numbers[STALE] >= patience:
            return STUCK
        return RUNNING

    return step


START_SOFTMAX, START_SIGMOID = _make_start(0), _make_start(1)
STEP_SOFTMAX, STEP_SIGMOID = _make_step(0), _make_step(1)

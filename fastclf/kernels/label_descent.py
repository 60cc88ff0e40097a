r"""Limited-memory BFGS on a block of sigmoid problems over a sparse X, compiled as a whole.

The problems of a block lie in the lanes of :mod:`fastclf.kernels.lanes`. Each takes the steps that
it would take alone: a pass evaluates one trial for each, and those which it doesn't satisfy try a
shorter step along the same direction while the others go on. The first inverse Hessian is that of
:mod:`fastclf.kernels.diagonal`, and the recursion that of :mod:`fastclf.kernels.pairs`, whose place
of this pass stays empty in the lanes that didn't move.

Arrays of coefficients are (rows, LANES), the intercepts in row d, and rows a multiple of
:data:`STEP`; what is beyond d stays 0.
"""

import numpy as np

from fastclf.kernels._jit import kernel
from fastclf.kernels.arrays import fill
from fastclf.kernels.lanes import LANES, value_and_grad
from fastclf.kernels.line_search import decreases, rounding, share_of_step

STEP = 4
"""Rows that are summed up before their sum goes to memory."""

VALUE, SLOPE, LENGTH, SCALE, NORM, EXPECTED = range(6)
LOWEST, SMALLEST, STALE, TRIALS, COUNT, STATE = range(6, 12)
NUMBERS = STATE + 1
"""What is known of each lane: the value of the objective; the slope along the direction and the
step to try; the scale of the Hessian; the gradient's largest entry and the decrease that is
expected of a step; the lowest value and the smallest gradient so far, and for how many steps they
weren't beaten; the trials of this step; the steps taken, and whether it runs.
"""

EMPTY, NEW, RUNNING, DONE, STUCK, LIMITED = range(6)
"""States of a lane: nothing in it, to be evaluated, running, converged, without a better point
within the arithmetic, at the limit of steps.
"""

_MOST_TRIALS = 25
_EPS, _EPS32 = float(np.finfo(np.float64).eps), float(np.finfo(np.float32).eps)
_LARGEST = 1e70
"""The square of what pairs may hold, which are float32."""


@kernel
def _dots(a, b, out):
    fill(out, 0.0)
    for j in range(0, a.shape[0], STEP):
        a0, a1, a2, a3 = a[j], a[j + 1], a[j + 2], a[j + 3]
        b0, b1, b2, b3 = b[j], b[j + 1], b[j + 2], b[j + 3]
        for m in range(LANES):
            out[m] += (a0[m] * b0[m] + a1[m] * b1[m]) + (a2[m] * b2[m] + a3[m] * b3[m])


@kernel
def _add(scale, a, out):
    for j in range(a.shape[0]):
        source, target = a[j], out[j]
        for m in range(LANES):
            target[m] += scale[m] * source[m]


@kernel
def _add_and_dot(scale, a, out, b, product):
    # Add a multiple of a to out, and take the inner product of that and b.
    fill(product, 0.0)
    for j in range(0, a.shape[0], STEP):
        a0, a1, a2, a3 = a[j], a[j + 1], a[j + 2], a[j + 3]
        b0, b1, b2, b3 = b[j], b[j + 1], b[j + 2], b[j + 3]
        out0, out1, out2, out3 = out[j], out[j + 1], out[j + 2], out[j + 3]
        for m in range(LANES):
            x0 = out0[m] + scale[m] * a0[m]
            x1 = out1[m] + scale[m] * a1[m]
            x2 = out2[m] + scale[m] * a2[m]
            x3 = out3[m] + scale[m] * a3[m]
            out0[m], out1[m], out2[m], out3[m] = x0, x1, x2, x3
            product[m] += (x0 * b0[m] + x1 * b1[m]) + (x2 * b2[m] + x3 * b3[m])


@kernel
def _precondition(a, center, inverse, curvature, scales, out):
    # The inverse of the diagonal Hessian, with the intercepts moved to the center, times a.
    d = center.size
    top, low, factor = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for m in range(LANES):
        top[m] = float(a[d, m])
        factor[m] = 1.0 / scales[m]
        low[m] = top[m] * factor[m] / curvature[m]
    for j in range(d):
        source, target, own, middle = a[j], out[j], inverse[j], center[j]
        for m in range(LANES):
            step = (source[m] - middle * top[m]) * own[m] * factor[m]
            target[m] = step
            low[m] -= middle * step
    for m in range(LANES):
        out[d, m] = low[m]


@kernel
def _direct(steps, changes, rhos, places, center, inverse, curvature, scales, q, r):
    # The approximate inverse Hessian times q, which is lost, to r.
    newest, used = places
    memory = len(steps)
    alphas = np.empty((memory, LANES))
    factor, product = np.empty(LANES), np.empty(LANES)
    _dots(steps[newest], q, product)
    for age in range(used):
        i = (newest - age) % memory
        for m in range(LANES):
            alphas[i, m] = rhos[i, m] * product[m]
            factor[m] = -alphas[i, m]
        if age + 1 < used:
            _add_and_dot(factor, changes[i], q, steps[(i - 1) % memory], product)
        else:
            _add(factor, changes[i], q)
    _precondition(q, center, inverse, curvature, scales, r)
    _dots(changes[(newest - used + 1) % memory], r, product)
    for age in range(used - 1, -1, -1):
        i = (newest - age) % memory
        for m in range(LANES):
            factor[m] = alphas[i, m] - rhos[i, m] * product[m]
        if age > 0:
            _add_and_dot(factor, steps[i], r, changes[(i + 1) % memory], product)
        else:
            _add(factor, steps[i], r)


@kernel
def _evaluate(X, target, penalty, fit_intercept, theta, w, slopes, values, gradient):
    # The objective at theta, computed in the dtype of w and slopes (d + 1, LANES).
    d = w.shape[0] - 1
    for j in range(d + 1):
        for m in range(LANES):
            w[j, m] = theta[j, m]
            slopes[j, m] = 0
    fill(values, 0.0)
    value_and_grad(X, *target, w, values, slopes)
    squares = np.zeros(LANES)
    for j in range(d):
        for m in range(LANES):
            squares[m] += theta[j, m] * theta[j, m]
            gradient[j, m] = float(slopes[j, m]) + penalty[m] * theta[j, m]
    for m in range(LANES):
        gradient[d, m] = float(slopes[d, m]) if fit_intercept else 0.0
        values[m] += 0.5 * penalty[m] * squares[m]


@kernel
def _judge(numbers, eps, trial_values, trial_slopes, moved):
    # Mark in ``moved`` the lanes that go to their trials, count them, and tell the others what to
    # try next.
    count = 0
    for m in range(LANES):
        moved[m] = False
        own = numbers[:, m]
        if own[STATE] == NEW:
            moved[m] = True
        elif own[STATE] == RUNNING:
            start = own[VALUE], own[SLOPE]
            trial = trial_values[m], trial_slopes[m]
            if decreases(*start, eps, *trial, own[LENGTH]):
                moved[m] = True
            else:
                own[LENGTH] *= share_of_step(own[LENGTH], *start, *trial)
                own[TRIALS] += 1.0
                if own[TRIALS] >= _MOST_TRIALS:
                    own[STATE] = STUCK
        if moved[m]:
            count += 1
    return count


@kernel
def _settle(numbers, eps, limits, values, norms, moved):
    # Where the lanes stand that moved; directions come next.
    patience = limits[4]
    for m in range(LANES):
        if not moved[m]:
            continue
        own = numbers[:, m]
        if own[STATE] == NEW:
            own[STATE] = RUNNING
            own[LOWEST], own[SMALLEST] = values[m], norms[m]
            own[LENGTH] = 1.0
        else:
            own[COUNT] += 1.0
            better = values[m] < own[LOWEST] - rounding(own[LOWEST], eps) or norms[m] < own[SMALLEST]
            own[LOWEST] = min(own[LOWEST], values[m]) if better else own[LOWEST]
            own[SMALLEST] = min(own[SMALLEST], norms[m])
            own[STALE] = 0.0 if better else own[STALE] + 1.0
            if own[STALE] >= patience:
                own[STATE] = STUCK
            # A step that had to be cut is a hint for the next one.
            own[LENGTH] = 1.0
        own[VALUE], own[NORM] = values[m], norms[m]
        own[TRIALS] = 0.0


@kernel
def _retire(numbers, limits, most_steps, moved):
    tol, negligible, much_smaller, modest, _ = limits
    for m in range(LANES):
        own = numbers[:, m]
        if not moved[m] or own[STATE] == STUCK:
            continue
        own[EXPECTED] = -0.5 * own[SLOPE]
        enough = own[EXPECTED] <= negligible
        enough |= own[NORM] <= much_smaller and own[EXPECTED] <= modest
        if own[NORM] <= tol and enough:
            own[STATE] = DONE
        elif own[COUNT] >= most_steps:
            own[STATE] = LIMITED
        elif not own[SLOPE] < 0.0:
            own[STATE] = STUCK


@kernel
def descend(
    X, target, penalty, moments, fit_intercept, single, limits, most_steps, most_passes,
    theta, gradient, direction, steps, changes, rhos, numbers, places,
):  # fmt: skip
    """Move the lanes of a block, in up to ``most_passes`` passes, and return how many it took.

    Parameters
    ----------
    X : tuple
    target : tuple
        (soft, weights, scale, pos_weight) of :func:`fastclf.kernels.lanes.value_and_grad`.
    penalty : ndarray of shape (LANES,)
    moments : tuple
        (center (d,), second (d,), curvature (LANES,), ridge (LANES,)): see
        :mod:`fastclf.kernels.diagonal`.
    fit_intercept : bool
    single : bool
        Compute passes in float32, whatever the dtype of X.
    limits : tuple
        Those of :class:`fastclf.solvers.stopping.Stopping`.
    most_steps : int
        For each lane.
    most_passes : int
    theta, gradient, direction : ndarray of shape (rows, LANES)
        The next trial is theta and the step times the direction.
    steps, changes : ndarray of shape (memory, rows, LANES)
    rhos : ndarray of shape (memory, LANES)
        As in :mod:`fastclf.kernels.pairs`; steps and changes are float32.
    numbers : ndarray of shape (NUMBERS, LANES)
    places : ndarray of shape (2,)
        That of the newest pair, and how many there are.
    """
    center, second, curvature, ridge = moments
    rows, d = theta.shape[0], center.size
    eps = _EPS32 if single else float(np.finfo(X[0].dtype).eps)
    inverse = np.empty((d, LANES))
    for j in range(d):
        for m in range(LANES):
            inverse[j, m] = 1.0 / (curvature[m] * (second[j] + ridge[m]))
    trial, trial_gradient = np.zeros((rows, LANES)), np.zeros((rows, LANES))
    q, r = np.zeros((rows, LANES)), np.zeros((rows, LANES))
    size, size32 = (0, d + 1) if single else (d + 1, 0)
    w, slopes = np.empty((size, LANES), X[0].dtype), np.empty((size, LANES), X[0].dtype)
    w32, slopes32 = np.empty((size32, LANES), np.float32), np.empty((size32, LANES), np.float32)
    values, trial_slopes, norms = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    products, squares, lengths = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    ones, moved = np.ones(LANES), np.zeros(LANES, np.bool_)
    passes = 0
    while passes < most_passes:
        running = 0
        for m in range(LANES):
            state = numbers[STATE, m]
            running += state == NEW or state == RUNNING
        if running == 0:
            break
        length = numbers[LENGTH]
        for j in range(rows):
            for m in range(LANES):
                trial[j, m] = theta[j, m] + length[m] * direction[j, m]
        problem = X, target, penalty, fit_intercept
        if single:
            _evaluate(*problem, trial, w32, slopes32, values, trial_gradient)
        else:
            _evaluate(*problem, trial, w, slopes, values, trial_gradient)
        passes += 1
        _dots(trial_gradient, direction, trial_slopes)
        if _judge(numbers, eps, values, trial_slopes, moved) == 0:
            continue
        at = (places[0] + 1) % len(steps)
        places[0], places[1] = at, min(places[1] + 1, len(steps))
        fill(products, 0.0)
        fill(squares, 0.0)
        fill(lengths, 0.0)
        fill(norms, 0.0)
        for j in range(rows):
            step, change = steps[at, j], changes[at, j]
            old, new = theta[j], trial[j]
            old_slope, new_slope = gradient[j], trial_gradient[j]
            for m in range(LANES):
                s = new[m] - old[m] if moved[m] else 0.0
                y = new_slope[m] - old_slope[m] if moved[m] else 0.0
                step[m], change[m] = s, y
                products[m] += s * y
                squares[m] += y * y
                lengths[m] += s * s
                norms[m] = max(norms[m], abs(new_slope[m]))
                old[m] = new[m] if moved[m] else old[m]
                old_slope[m] = new_slope[m] if moved[m] else old_slope[m]
        for m in range(LANES):
            used = products[m] > _EPS * squares[m] and max(squares[m], lengths[m]) < _LARGEST
            rhos[at, m] = 1.0 / products[m] if used else 0.0
            if not used:
                for j in range(rows):
                    steps[at, j, m] = changes[at, j, m] = 0.0
        _settle(numbers, eps, limits, values, norms, moved)
        _precondition(changes[at], center, inverse, curvature, ones, r)
        _dots(changes[at], r, products)
        for m in range(LANES):
            scale = rhos[at, m] * products[m]
            numbers[SCALE, m] = scale if scale > 0.0 else numbers[SCALE, m]
        for j in range(rows):
            for m in range(LANES):
                q[j, m] = gradient[j, m]
        _direct(steps, changes, rhos, places, center, inverse, curvature, numbers[SCALE], q, r)
        _dots(gradient, r, products)
        for j in range(rows):
            for m in range(LANES):
                direction[j, m] = -r[j, m] if moved[m] else direction[j, m]
        for m in range(LANES):
            numbers[SLOPE, m] = -products[m] if moved[m] else numbers[SLOPE, m]
        _retire(numbers, limits, most_steps, moved)
    return passes

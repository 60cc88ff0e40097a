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
            out[m] += float((a0[m] * b0[m] + a1[m] * b1[m]) + (a2[m] * b2[m] + a3[m] * b3[m]))


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
            product[m] += float((x0 * b0[m] + x1 * b1[m]) + (x2 * b2[m] + x3 * b3[m]))


@kernel
def _precondition(q, center, inverse, curvature, scales):
    # Multiply q by the inverse of the diagonal Hessian, with the intercepts moved to the center.
    d = center.size
    top, factor = np.empty(LANES, q.dtype), np.empty(LANES, q.dtype)
    low = np.empty(LANES)
    for m in range(LANES):
        top[m] = q[d, m]
        factor[m] = 1.0 / scales[m]
        low[m] = top[m] / (scales[m] * curvature[m])
    for j in range(d):
        row, own, middle = q[j], inverse[j], center[j]
        for m in range(LANES):
            row[m] = (row[m] - middle * top[m]) * own[m] * factor[m]
            low[m] -= float(middle * row[m])
    for m in range(LANES):
        q[d, m] = low[m]


@kernel
def _squares(change, center, inverse, curvature, out):
    # The inner products of a change and the diagonal inverse times it.
    d = center.size
    top = change[d]
    for m in range(LANES):
        out[m] = float(top[m]) * float(top[m]) / curvature[m]
    for j in range(d):
        row, own, middle = change[j], inverse[j], center[j]
        for m in range(LANES):
            moved = row[m] - middle * top[m]
            out[m] += float(moved * moved * own[m])


@kernel
def _direct(steps, changes, rhos, places, center, inverse, curvature, scales, gradient, q):
    # The approximate inverse Hessian times the gradient, to q.
    newest, used = places
    memory = len(steps)
    alphas = np.empty((memory, LANES))
    factor, product = np.empty(LANES, q.dtype), np.empty(LANES)
    for j in range(q.shape[0]):
        for m in range(LANES):
            q[j, m] = gradient[j, m]
    _dots(steps[newest], q, product)
    for age in range(used):
        i = (newest - age) % memory
        for m in range(LANES):
            alphas[i, m] = rhos[i, m] * product[m]
            factor[m] = -alphas[i, m]
        # The oldest step is read in vain.
        _add_and_dot(factor, changes[i], q, steps[(i - 1) % memory], product)
    _precondition(q, center, inverse, curvature, scales)
    _dots(changes[(newest - used + 1) % memory], q, product)
    for age in range(used - 1, -1, -1):
        i = (newest - age) % memory
        for m in range(LANES):
            factor[m] = alphas[i, m] - rhos[i, m] * product[m]
        _add_and_dot(factor, steps[i], q, changes[(i + 1) % memory], product)


@kernel
def _evaluate(X, target, penalty, fit_intercept, at, w, slopes, values, gradient, along):
    # The objective at theta and the step times the direction, computed in the dtype of w and slopes
    # (d + 1, LANES), and its slope along the direction.
    theta, length, direction = at
    d = w.shape[0] - 1
    for j in range(d + 1):
        for m in range(LANES):
            w[j, m] = theta[j, m] + length[m] * direction[j, m]
            slopes[j, m] = 0
    fill(values, 0.0)
    fill(along, 0.0)
    value_and_grad(X, *target, w, values, slopes)
    squares = np.zeros(LANES)
    for j in range(d):
        for m in range(LANES):
            trial = theta[j, m] + length[m] * direction[j, m]
            slope = float(slopes[j, m]) + penalty[m] * trial
            squares[m] += trial * trial
            along[m] += slope * direction[j, m]
            gradient[j, m] = slope
    for m in range(LANES):
        gradient[d, m] = float(slopes[d, m]) if fit_intercept else 0.0
        along[m] += gradient[d, m] * direction[d, m]
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
        else:
            own[COUNT] += 1.0
            better = values[m] < own[LOWEST] - rounding(own[LOWEST], eps) or norms[m] < own[SMALLEST]
            own[LOWEST] = min(own[LOWEST], values[m]) if better else own[LOWEST]
            own[SMALLEST] = min(own[SMALLEST], norms[m])
            own[STALE] = 0.0 if better else own[STALE] + 1.0
            if own[STALE] >= patience:
                own[STATE] = STUCK
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
        As in :mod:`fastclf.kernels.pairs`; steps, changes and the direction are float32.
    numbers : ndarray of shape (NUMBERS, LANES)
    places : ndarray of shape (2,)
        That of the newest pair, and how many there are.
    """
    center, second, curvature, ridge = moments
    rows, d = theta.shape[0], center.size
    eps = _EPS32 if single else float(np.finfo(X[0].dtype).eps)
    inverse = np.empty((d, LANES), np.float32)
    middle = np.empty(d, np.float32)
    for j in range(d):
        middle[j] = center[j]
        for m in range(LANES):
            inverse[j, m] = 1.0 / (curvature[m] * (second[j] + ridge[m]))
    of_step, q = np.zeros((rows, LANES)), np.zeros((rows, LANES), np.float32)
    size, size32 = (0, d + 1) if single else (d + 1, 0)
    w, slopes = np.empty((size, LANES), X[0].dtype), np.empty((size, LANES), X[0].dtype)
    w32, slopes32 = np.empty((size32, LANES), np.float32), np.empty((size32, LANES), np.float32)
    values, along, norms = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    products, squares, lengths = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    moved = np.zeros(LANES, np.bool_)
    passes = 0
    while passes < most_passes:
        running = 0
        for m in range(LANES):
            state = numbers[STATE, m]
            running += state == NEW or state == RUNNING
        if running == 0:
            break
        length = numbers[LENGTH].copy()
        problem = X, target, penalty, fit_intercept, (theta, length, direction)
        if single:
            _evaluate(*problem, w32, slopes32, values, of_step, along)
        else:
            _evaluate(*problem, w, slopes, values, of_step, along)
        passes += 1
        if _judge(numbers, eps, values, along, moved) == 0:
            continue
        at = (places[0] + 1) % len(steps)
        places[0], places[1] = at, min(places[1] + 1, len(steps))
        fill(products, 0.0)
        fill(squares, 0.0)
        fill(lengths, 0.0)
        fill(norms, 0.0)
        for j in range(rows):
            step, change, way = steps[at, j], changes[at, j], direction[j]
            own, slope, new_slope = theta[j], gradient[j], of_step[j]
            for m in range(LANES):
                s = length[m] * way[m] if moved[m] else 0.0
                y = new_slope[m] - slope[m] if moved[m] else 0.0
                step[m], change[m] = s, y
                products[m] += s * y
                squares[m] += y * y
                lengths[m] += s * s
                norms[m] = max(norms[m], abs(new_slope[m]))
                own[m] += s
                slope[m] = new_slope[m] if moved[m] else slope[m]
        for m in range(LANES):
            used = products[m] > _EPS * squares[m] and max(squares[m], lengths[m]) < _LARGEST
            rhos[at, m] = 1.0 / products[m] if used else 0.0
            if not used:
                for j in range(rows):
                    steps[at, j, m] = changes[at, j, m] = 0.0
        _settle(numbers, eps, limits, values, norms, moved)
        _squares(changes[at], middle, inverse, curvature, products)
        for m in range(LANES):
            scale = rhos[at, m] * products[m]
            numbers[SCALE, m] = scale if scale > 0.0 else numbers[SCALE, m]
        scales = numbers[SCALE]
        _direct(steps, changes, rhos, places, middle, inverse, curvature, scales, gradient, q)
        _dots(gradient, q, products)
        for j in range(rows):
            for m in range(LANES):
                direction[j, m] = -q[j, m] if moved[m] else direction[j, m]
        for m in range(LANES):
            numbers[SLOPE, m] = -products[m] if moved[m] else numbers[SLOPE, m]
        _retire(numbers, limits, most_steps, moved)
    return passes

r"""Limited-memory BFGS on a block of sigmoid problems, compiled as a whole.

The problems of a block lie in the lanes of :mod:`fastclf.kernels.runtime.lanes`. Each takes the
steps that it would take alone: a pass evaluates one trial for each, and those which it doesn't
satisfy try a shorter step along the same direction while the others go on. The recursion is that of
:mod:`fastclf.kernels.linalg.pairs`, whose place of this pass stays empty in the lanes that didn't
move. The first inverse Hessian is that of :mod:`fastclf.kernels.linalg.diagonal`, in a basis of its
own if there is one:

.. math:: H^{-1} = B \, \mathrm{diag}\frac{1}{h (s_j + r)} \, B^\top

with s the second moments along the columns of B, and the center taken off first as there. Or each
lane has the Cholesky factor of a Hessian of its own.

Arrays of coefficients are (d + 1, LANES), the intercepts last.
"""

from typing import Any, NamedTuple

import numpy as np

from fastclf.kernels.linalg.line_search import MOST_TRIALS, decreases, is_met, record, share_of_step
from fastclf.kernels.linalg.pairs import two_loops
from fastclf.kernels.passes.labels import value_and_grad
from fastclf.kernels.runtime.arrays import copy, fill
from fastclf.kernels.runtime.jit import kernel, routine
from fastclf.kernels.runtime.lanes import (
    LANES,
    add_outer_triangular_products,
    add_triangular_products,
    sweep,
)

VALUE, SLOPE, LENGTH, SCALE, NORM = range(5)
LOWEST, SMALLEST, STALE, TRIALS, COUNT, STATE = range(5, 11)
NUMBERS = STATE + 1
"""Numbers of each lane: the objective; the slope along the direction; the step to try; the scale of
the Hessian; the largest entry of the gradient; the lowest value and the smallest gradient so far,
and the steps since; the trials of this step; the steps taken; the state.
"""

EMPTY, NEW, RUNNING, DONE, STUCK, LIMITED, RENEWED = range(7)
"""States of a lane: empty; to be evaluated; running; converged; no better point can be found; at
the limit of steps; to be evaluated again because the inverse Hessian was replaced.
"""

_EPS, _EPS32 = float(np.finfo(np.float64).eps), float(np.finfo(np.float32).eps)
_LARGEST = 1e70
"""The square of what pairs may hold, which are float32."""


@sweep
def _dots(rows, lanes, totals):
    a, b = rows
    return {}, [totals[0] + a * b]


@sweep
def _copy_and_dot(rows, lanes, totals):
    # q becomes the gradient; its inner product with b.
    _, gradient, b = rows
    return {0: gradient}, [totals[0] + gradient * b]


@sweep
def _add_and_dot(rows, lanes, totals):
    # Add a multiple of a to q; the inner product of that and b.
    q, a, b = rows
    total = q + lanes[0] * a
    return {0: total}, [totals[0] + total * b]


@routine
def _add_lanes_and_dot(scales, a, out, b, products):
    factor = np.empty(LANES, out.dtype)
    for m in range(LANES):
        factor[m] = scales[m]
    _add_and_dot((out, a, b), (factor,), (products,))


_first_loop, _second_loop = two_loops(_add_lanes_and_dot)


@sweep
def _scale_features(rows, lanes, totals):
    # Multiply q by the inverse of the diagonal Hessian; what moves the intercept to the center.
    q, inverse, middle = rows
    top, factor = lanes
    step = (q - middle * top) * inverse * factor
    return {0: step}, [totals[0] - middle * step]


@sweep
def _add_squares(rows, lanes, totals):
    # The inner product of a change and the same inverse times it.
    change, inverse, middle = rows
    moved = change - middle * lanes[0]
    return {}, [totals[0] + moved * moved * inverse]


@sweep
def _take_off(rows, lanes, totals):
    # The change of a gradient when the intercept is moved to the center.
    _, gradient, middle = rows
    return {0: gradient - middle * lanes[0]}, []


@sweep
def _scale(rows, lanes, totals):
    coordinates, inverse = rows
    return {0: coordinates * inverse * lanes[0]}, []


@sweep
def _add_weighted_squares(rows, lanes, totals):
    coordinates, inverse = rows
    return {}, [totals[0] + coordinates * coordinates * inverse]


@sweep
def _go(rows, lanes, totals):
    # The trial to w.
    _, theta, direction = rows
    return {0: theta + lanes[0] * direction}, []


@sweep
def _add_penalty(rows, lanes, totals):
    # The gradient of a trial, its squared norm and its slope along the direction.
    slope, theta, direction = rows[1:]
    length, penalty = lanes
    trial = theta + length * direction
    slope = slope + penalty * trial
    return {0: slope}, [totals[0] + trial * trial, totals[1] + slope * direction]


@sweep
def _move(rows, lanes, totals):
    # Lanes whose mask isn't 0 go to their trials, and leave a pair.
    _, _, theta, gradient, new, direction = rows
    length, mask = lanes
    s, y = (length * direction).where(mask), (new - gradient).where(mask)
    products, squares, lengths, norms = totals
    changed = {0: s, 1: y, 2: theta + s, 3: new.where(mask, gradient)}
    sums = [products + s * y, squares + y * y, lengths + s * s, norms.maximum(abs(new))]
    return changed, sums


@sweep
def _turn(rows, lanes, totals):
    # The new direction, where the mask isn't 0.
    direction, q = rows
    return {0: (-q).where(lanes[0], direction)}, []


@sweep
def _add_multiple(rows, lanes, totals):
    total, a = rows
    return {0: total + a * lanes[0]}, []


@routine
def _to_basis(gradient, inverse_hessian):
    # The coordinates of the gradient about the center: its products with the basis, or what solves
    # for it with the transposed factors.
    middle, basis, factors, _, _, moved, coordinates = inverse_hessian
    d = middle.size
    copy(gradient[d], moved[d])
    _take_off((moved[:d], gradient[:d], middle), (moved[d],), ())
    if factors.shape[0] == 0:
        fill(coordinates.reshape(-1), coordinates.dtype.type(0))
        add_outer_triangular_products((basis,), 0, d, moved, coordinates)
        return
    minus = np.empty(LANES, moved.dtype)
    for i in range(d + 1):
        for m in range(LANES):
            coordinates[i, m] = moved[i, m] / factors[i, i, m]
            minus[m] = -coordinates[i, m]
        _add_multiple((moved[i + 1 :], factors[i, i + 1 :]), (minus,), ())


@routine
def _precondition(q, inverse_hessian, scales):
    middle, basis, factors, inverse, curvature, _, coordinates = inverse_hessian
    d = middle.size
    top, factor, shift = q[d].copy(), np.empty(LANES, q.dtype), np.empty(LANES)
    for m in range(LANES):
        factor[m] = 1.0 / scales[m]
    if coordinates.shape[0] == 0:
        _scale_features((q[:d], inverse, middle), (top, factor), (shift,))
        for m in range(LANES):
            q[d, m] = float(top[m]) / (scales[m] * curvature[m]) + shift[m]
        return
    _to_basis(q, inverse_hessian)
    if factors.shape[0] == 0:
        _scale((coordinates[:d], inverse), (factor,), ())
        fill(q[:d].reshape(-1), q.dtype.type(0))
        add_triangular_products((basis,), 0, d, coordinates, q)
        for m in range(LANES):
            q[d, m] = float(top[m]) / (scales[m] * curvature[m])
    else:
        sums = np.empty(LANES, q.dtype)
        for i in range(d, -1, -1):
            _dots((factors[i, i + 1 :], q[i + 1 :]), (), (sums,))
            for m in range(LANES):
                q[i, m] = (coordinates[i, m] * factor[m] - sums[m]) / factors[i, i, m]
    _dots((middle, q[:d]), (), (shift,))
    for m in range(LANES):
        q[d, m] -= shift[m]


@routine
def _products_with_inverse(change, inverse_hessian, products):
    # Of each change (d + 1, LANES) of the gradient with the inverse Hessian times it.
    middle, _, factors, inverse, curvature, _, coordinates = inverse_hessian
    d = middle.size
    top = change[d]
    if coordinates.shape[0] == 0:
        _add_squares((change[:d], inverse, middle), (top,), (products,))
    else:
        _to_basis(change, inverse_hessian)
        if factors.shape[0] > 0:
            _dots((coordinates, coordinates), (), (products,))
            return
        _add_weighted_squares((coordinates[:d], inverse), (), (products,))
    for m in range(LANES):
        products[m] += float(top[m]) * float(top[m]) / curvature[m]


@routine
def _direct(steps, changes, rhos, places, inverse_hessian, scales, gradient, q):
    # The approximate inverse Hessian times the gradient, to q.
    newest, used = places
    alphas, products = np.empty((len(steps), LANES)), np.empty(LANES)
    past = steps, changes, rhos, newest, used, alphas, products
    _copy_and_dot((q, gradient, steps[newest]), (), (products,))
    _first_loop(*past, q)
    _precondition(q, inverse_hessian, scales)
    _dots((q, changes[(newest - used + 1) % len(steps)]), (), (products,))
    _second_loop(*past, q)


@routine
def _evaluate(X, target, penalty, fit_intercept, at, w, slopes, values, gradient, along):
    # The objective at theta and the step times the direction, computed in the dtype of w and slopes
    # (d + 1, LANES), and its slope along the direction.
    theta, length, direction = at
    d = w.shape[0] - 1
    _go((w, theta, direction), (length,), ())
    fill(slopes.reshape(-1), slopes.dtype.type(0))
    fill(values, 0.0)
    value_and_grad(X, *target, w, values, slopes)
    squares = np.empty(LANES)
    rows = gradient[:d], slopes, theta, direction
    _add_penalty(rows, (length, penalty), (squares, along))
    for m in range(LANES):
        gradient[d, m] = float(slopes[d, m]) if fit_intercept else 0.0
        along[m] += gradient[d, m] * direction[d, m]
        values[m] += 0.5 * penalty[m] * squares[m]


@routine
def _judge(numbers, eps, trial_values, trial_slopes, moved):
    # Mark with 1 in ``moved`` the lanes that go to their trials, and count them; the others get the
    # length of their next trial.
    count = 0
    for m in range(LANES):
        moved[m] = 0.0
        own = numbers[:, m]
        if own[STATE] == NEW or own[STATE] == RENEWED:
            moved[m] = 1.0
        elif own[STATE] == RUNNING:
            start = own[VALUE], own[SLOPE]
            trial = trial_values[m], trial_slopes[m]
            if decreases(*start, eps, *trial, own[LENGTH]):
                moved[m] = 1.0
            else:
                own[LENGTH] *= share_of_step(own[LENGTH], *start, *trial)
                own[TRIALS] += 1.0
                if own[TRIALS] >= MOST_TRIALS:
                    own[STATE] = STUCK
        if moved[m]:
            count += 1
    return count


@routine
def _update_states(numbers, eps, limits, values, norms, moved):
    # Update the numbers of the lanes that moved, before they get directions.
    patience = limits[4]
    for m in range(LANES):
        if not moved[m]:
            continue
        own = numbers[:, m]
        if own[STATE] == NEW:
            own[LOWEST] = own[SMALLEST] = np.inf
        else:
            own[COUNT] += 1.0
        own[LOWEST], own[SMALLEST], own[STALE] = record(
            values[m], norms[m], eps, own[LOWEST], own[SMALLEST], own[STALE]
        )
        own[STATE] = STUCK if own[STALE] >= patience else RUNNING
        own[LENGTH] = 1.0
        own[VALUE], own[NORM] = values[m], norms[m]
        own[TRIALS] = 0.0


@routine
def _retire(numbers, limits, most_steps, moved):
    for m in range(LANES):
        own = numbers[:, m]
        if not moved[m] or own[STATE] == STUCK:
            continue
        if is_met(own[NORM], -0.5 * own[SLOPE], limits):
            own[STATE] = DONE
        elif own[COUNT] >= most_steps:
            own[STATE] = LIMITED
        elif not own[SLOPE] < 0.0:
            own[STATE] = STUCK


class Block(NamedTuple):
    """Where the lanes of a block stand.

    Parameters
    ----------
    factors : ndarray of shape (d + 1, d + 1, LANES)
        Upper Cholesky factors of the Hessians about the center, or empty.
    theta, gradient, direction : ndarray of shape (d + 1, LANES)
        The next trial is theta and the step times the direction.
    steps, changes : ndarray of shape (memory, d + 1, LANES)
    rhos : ndarray of shape (memory, LANES)
        As in :mod:`fastclf.kernels.linalg.pairs`; steps, changes and the direction are float32.
    numbers : ndarray of shape (NUMBERS, LANES)
    places : ndarray of shape (2,)
        That of the newest pair, and how many there are.
    """

    factors: Any
    theta: Any
    gradient: Any
    direction: Any
    steps: Any
    changes: Any
    rhos: Any
    numbers: Any
    places: Any


@kernel
def descend(
    X, X32, target, penalty, moments, fit_intercept, single, limits, most_steps, most_passes, block
):
    """Move the lanes of a block, in up to ``most_passes`` passes, and return how many it took.

    Parameters
    ----------
    X, X32 : tuple
        Those of :mod:`fastclf.kernels.passes.labels`, and what is read instead where ``single``.
    target : tuple
        (soft, weights, scale, pos_weight) of :func:`fastclf.kernels.passes.labels.value_and_grad`.
    penalty : ndarray of shape (LANES,)
    moments : tuple
        (center (d,), second (d,), curvature (LANES,), ridge (LANES,), basis (d, d)): an
        upper triangle; an empty one stands for the features.
    fit_intercept : bool
    single : bool
        Compute passes in float32, whatever the dtype of X.
    limits : tuple
        Those of :class:`fastclf.solvers.stopping.Stopping`.
    most_steps : int
        For each lane.
    most_passes : int
    block : tuple
        The fields of :class:`Block`, which are moved in place.
    """
    factors, theta, gradient, direction, steps, changes, rhos, numbers, places = block
    center, second, curvature, ridge, basis = moments
    rows, d = theta.shape[0], center.size
    eps = _EPS32 if single else float(np.finfo(X[0].dtype).eps)
    inverse = np.empty((d, LANES), np.float32)
    middle = np.empty(d, np.float32)
    for j in range(d):
        middle[j] = center[j]
        for m in range(LANES):
            inverse[j, m] = 1.0 / (curvature[m] * (second[j] + ridge[m]))
    room = d + 1 if basis.shape[0] or factors.shape[0] else 0
    moved_gradient = np.empty((room, LANES), np.float32)
    coordinates = np.empty((room, LANES), np.float32)
    inverse_hessian = middle, basis, factors, inverse, curvature, moved_gradient, coordinates
    of_step, q = np.zeros((rows, LANES)), np.zeros((rows, LANES), np.float32)
    size, size32 = (0, d + 1) if single else (d + 1, 0)
    w, slopes = np.empty((size, LANES), X[0].dtype), np.empty((size, LANES), X[0].dtype)
    w32, slopes32 = np.empty((size32, LANES), np.float32), np.empty((size32, LANES), np.float32)
    values, along, norms = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    products, squares, lengths = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    moved = np.zeros(LANES)
    passes = 0
    while passes < most_passes:
        running = 0
        for m in range(LANES):
            state = numbers[STATE, m]
            running += state == NEW or state == RUNNING or state == RENEWED
        if running == 0:
            break
        length = numbers[LENGTH].copy()
        problem = target, penalty, fit_intercept, (theta, length, direction)
        if single:
            _evaluate(X32, *problem, w32, slopes32, values, of_step, along)
        else:
            _evaluate(X, *problem, w, slopes, values, of_step, along)
        passes += 1
        count = _judge(numbers, eps, values, along, moved)
        at = (places[0] + 1) % len(steps)
        places[0], places[1] = at, min(places[1] + 1, len(steps))
        pair = steps[at], changes[at]
        totals = products, squares, lengths, norms
        _move((*pair, theta, gradient, of_step, direction), (length, moved), totals)
        for m in range(LANES):
            used = products[m] > _EPS * squares[m] and max(squares[m], lengths[m]) < _LARGEST
            rhos[at, m] = 1.0 / products[m] if used else 0.0
            if not used:
                for j in range(rows):
                    steps[at, j, m] = changes[at, j, m] = 0.0
        if count == 0:
            continue
        _update_states(numbers, eps, limits, values, norms, moved)
        _products_with_inverse(changes[at], inverse_hessian, products)
        for m in range(LANES):
            scale = rhos[at, m] * products[m]
            numbers[SCALE, m] = scale if scale > 0.0 else numbers[SCALE, m]
        scales = numbers[SCALE]
        _direct(steps, changes, rhos, places, inverse_hessian, scales, gradient, q)
        _dots((q, gradient), (), (products,))
        _turn((direction, q), (moved,), ())
        for m in range(LANES):
            numbers[SLOPE, m] = -products[m] if moved[m] else numbers[SLOPE, m]
        _retire(numbers, limits, most_steps, moved)
    return passes

r"""Newton's method with an L1 penalty on a sigmoid of one column, over columns of X.

A direction moves the logits of row i by :math:`v_i`; with :math:`c_i` the curvature of its loss and
g the gradient, the model's slope in the coefficient of feature j, which goes from x to u, is

.. math:: r_j = g_j + \lambda_2 (u_j - x_j) + \sum_i x_{ij} c_i v_i

so a read of the column tells it, and another one moves the v, in which products with C are ready.
The intercept follows each step to where it is optimal, in a shift of all v. The model is minimised
by sweeps as in :mod:`fastclf.kernels.linalg.coordinate_descent`, over the coefficients that aren't
0 and those that violate optimality; between them, conjugate gradients move all that aren't 0
together, up to the first that changes its sign, which becomes 0. The search needs no column: v is
the direction.

Codes, numbers and limits are those of :mod:`fastclf.kernels.steps.proximal`. Kernels share
arguments:

``X``
    (data, rows, indptr) of a CSC matrix (n, d + 1), whose last column are ones.
``features, curvatures, products``
    the chosen features, and for each of them the model's curvature, and the product of its column
    and the ones under C.
``weighted``
    the entries of the chosen columns times the c of their rows, where they lie in ``data``.
"""

import numpy as np

from fastclf.kernels.linalg import line_search
from fastclf.kernels.linalg.coordinate_descent import lowest, violation
from fastclf.kernels.loss import sigmoid
from fastclf.kernels.loss.columns import TILE
from fastclf.kernels.runtime.arrays import copy, fill
from fastclf.kernels.runtime.jit import inlined, kernel
from fastclf.kernels.steps.proximal import (
    CONVERGED,
    EXPECTED,
    LOWEST,
    NORM,
    PASSES,
    RUNNING,
    SMALLEST,
    STALE,
    STUCK,
    VALUE,
    cut,
    enough,
)

_SHARE = 0.1
"""A model is minimised until its violations are this share of those at the start."""

_MOST_SWEEPS = 20

_FIRST_CLIMB, _CLIMBS = 6, 4
"""Sweeps before conjugate gradients, and between them."""

_MOST_DIRECTIONS = 20

_FLOOR = 1e-10
"""Least share of a feature's curvature that is left when the intercept moves along."""

_EPS = float(np.finfo(np.float64).eps)


@inlined
def _logits(X, x, logits):
    data, rows, indptr = X
    fill(logits, x[x.size - 1])
    for j in range(x.size - 1):
        if x[j] != 0.0:
            for place in range(np.uintp(indptr[j]), np.uintp(indptr[j + 1])):
                logits[np.uintp(rows[place])] += x[j] * data[place]


@inlined
def _look(target, logits, v, t, trial, slopes, curvatures):
    # The mean loss at logits + t v, which are written to ``trial``, and its derivatives in them.
    soft, weights, scale, pos_weight = target
    n = logits.size
    z, y, weight, curvature = np.zeros(TILE), np.zeros(TILE), np.zeros(TILE), np.empty(TILE)
    total = 0.0
    for first in range(0, n, TILE):
        rows = min(TILE, n - first)
        for r in range(rows):
            i = first + r
            z[r] = logits[i] + t * v[i]
            trial[i] = z[r]
            y[r] = soft[i, 0]
            weight[r] = weights[0, i]
        fill(weight[rows:], 0.0)
        total += sigmoid.column(z, y, weight, float(pos_weight[0]), scale[0], (), curvature)
        copy(z[:rows], slopes[first:])
        copy(curvature[:rows], curvatures[first:])
    return total


@inlined
def _gradient(X, slopes, penalty, free, x, gradient):
    # Return the largest violation of optimality.
    data, rows, indptr = X
    l2, l1 = penalty
    d = x.size - 1
    gradient[d] = slopes.sum() if free else 0.0
    norm = abs(gradient[d])
    for j in range(d):
        total = l2 * x[j]
        for place in range(np.uintp(indptr[j]), np.uintp(indptr[j + 1])):
            total += data[place] * slopes[np.uintp(rows[place])]
        gradient[j] = total
        norm = max(norm, violation(total, x[j], l1))
    return norm


@inlined
def _choose(X, c, total, penalty, x, gradient, arrays):
    # Return how many features matter, and how many entries they have.
    data, rows, indptr = X
    l2, l1 = penalty
    features, curvatures, products, weighted = arrays
    count, entries = 0, 0.0
    for j in range(x.size - 1):
        if x[j] == 0.0 and abs(gradient[j]) <= l1:
            continue
        curvature, product = 0.0, 0.0
        for place in range(np.uintp(indptr[j]), np.uintp(indptr[j + 1])):
            part = c[np.uintp(rows[place])] * data[place]
            weighted[place] = part
            product += part
            curvature += part * data[place]
        left = curvature - product * product / total if total > 0.0 else curvature
        features[count] = j
        curvatures[count] = max(left, _FLOOR * curvature, 1e-300) + l2
        products[count] = product if total > 0.0 else 0.0
        entries += float(indptr[j + 1] - indptr[j])
        count += 1
    return count, entries


@inlined
def _slope(X, weighted, j, v):
    rows, indptr = X[1], X[2]
    total = 0.0
    for place in range(np.uintp(indptr[j]), np.uintp(indptr[j + 1])):
        total += weighted[place] * v[np.uintp(rows[place])]
    return total


@inlined
def _move(X, j, change, v):
    data, rows, indptr = X
    for place in range(np.uintp(indptr[j]), np.uintp(indptr[j + 1])):
        v[np.uintp(rows[place])] += change * data[place]


@inlined
def _sweep(model, shift, u, v):
    # Return the largest violation that was met, and the shift.
    X, weighted, total, (l2, l1), x, gradient, features, curvatures, products = model
    worst = 0.0
    for turn in range(features.size):
        at = features.size - 1 - turn
        j = features[at]
        old, curvature = u[j], curvatures[at]
        slope = gradient[j] + l2 * (old - x[j]) + shift * products[at]
        slope += _slope(X, weighted, j, v)
        worst = max(worst, violation(slope, old, l1))
        new = lowest(old, slope, curvature, l1)
        if new != old:
            u[j] = new
            _move(X, j, new - old, v)
            if total > 0.0:
                shift -= (new - old) * products[at] / total
    return worst, shift


@inlined
def _climb(model, tolerance, shift, u, v):
    # Conjugate gradients, preconditioned by the diagonal, over all that aren't 0, until one of them
    # becomes 0 or none violates optimality by more than the tolerance. Return passes and the shift.
    X, weighted, total, (l2, l1), x, gradient, features, curvatures, products = model
    count = 0
    chosen = np.empty(features.size, np.intp)
    for at in range(features.size):
        if u[features[at]] != 0.0:
            chosen[count] = at
            count += 1
    residual, direction, image = np.empty(count), np.empty(count), np.empty(count)
    moved = np.empty(v.size)
    square = 0.0
    for i in range(count):
        at = chosen[i]
        j = features[at]
        slope = gradient[j] + l2 * (u[j] - x[j]) + shift * products[at] + np.sign(u[j]) * l1
        residual[i] = -slope - _slope(X, weighted, j, v)
        direction[i] = residual[i] / curvatures[at]
        square += residual[i] * direction[i]
    for number in range(_MOST_DIRECTIONS):
        fill(moved, 0.0)
        follow = 0.0
        for i in range(count):
            _move(X, features[chosen[i]], direction[i], moved)
            if total > 0.0:
                follow -= direction[i] * products[chosen[i]] / total
        bend = 0.0
        for i in range(count):
            at = chosen[i]
            image[i] = l2 * direction[i] + follow * products[at]
            image[i] += _slope(X, weighted, features[at], moved)
            bend += image[i] * direction[i]
        if not bend > 0.0:
            return 1.0 + number, shift
        t, first = square / bend, -1
        for i in range(count):
            old = u[features[chosen[i]]]
            if old * (old + t * direction[i]) < 0.0:
                t, first = -old / direction[i], i
        for i in range(count):
            j = features[chosen[i]]
            u[j] = 0.0 if i == first else u[j] + t * direction[i]
        for i in range(v.size):
            v[i] += t * moved[i]
        shift += t * follow
        worst, before = 0.0, square
        square = 0.0
        for i in range(count):
            residual[i] -= t * image[i]
            worst = max(worst, abs(residual[i]))
            square += residual[i] * residual[i] / curvatures[chosen[i]]
        if first >= 0 or worst <= tolerance:
            return 1.5 + number, shift
        share = square / before
        for i in range(count):
            direction[i] = residual[i] / curvatures[chosen[i]] + share * direction[i]
    return 0.5 + _MOST_DIRECTIONS, shift


@inlined
def _minimise(X, c, penalty, free, norm, x, gradient, u, v, weighted):
    # Move u, which is x, towards the minimum of the model, and v with it. Return the decrease, the
    # part of it that is of first order, and passes.
    d = x.size - 1
    l2, l1 = penalty
    total = c.sum() if free else 0.0
    chosen = np.empty(d, np.intp)
    both = np.empty((2, d))
    arrays = chosen, both[0], both[1], weighted
    count, entries = _choose(X, c, total, penalty, x, gradient, arrays)
    features, curvatures, products = chosen[:count], both[0, :count], both[1, :count]
    model = X, weighted, total, penalty, x, gradient, features, curvatures, products
    tolerance = _SHARE * norm
    shift = -gradient[d] / total if total > 0.0 else 0.0
    fill(v, 0.0)
    passes = 0.5
    for sweep in range(1, _MOST_SWEEPS + 1):
        worst, shift = _sweep(model, shift, u, v)
        passes += 1.0
        if worst <= tolerance:
            break
        if sweep >= _FIRST_CLIMB and (sweep - _FIRST_CLIMB) % _CLIMBS == 0:
            more, shift = _climb(model, 0.5 * tolerance, shift, u, v)
            passes += more
    u[d] += shift
    slope, curved = -gradient[d] * shift, 0.0
    for at in range(count):
        j = features[at]
        change = u[j] - x[j]
        slope -= gradient[j] * change + l1 * (abs(u[j]) - abs(x[j]))
        curved += l2 * change * change
    for i in range(v.size):
        v[i] += shift
        curved += c[i] * v[i] * v[i]
    return slope - 0.5 * curved, slope, passes * entries / max(float(X[0].size - v.size), 1.0)


@kernel
def take_steps(X, target, penalty, free, limits, most, x, logits, gradient, numbers):
    """Take up to ``most`` steps, and return RUNNING, CONVERGED or STUCK.

    ``target`` is the tuple (soft, weights, scale, pos_weight), ``penalty`` (l2, l1); unless
    ``free`` the intercept stays as it is. ``x`` and ``gradient`` (d + 1,), the intercept last,
    ``logits`` (n,) and ``numbers`` are moved in place; at first only x means anything.
    """
    tol, negligible, share = limits
    l1 = penalty[1]
    n, d = logits.size, x.size - 1
    v, slopes, c = np.zeros((3, n))
    trial_logits = np.empty(n)
    trial, trial_gradient = x.copy(), np.empty(d + 1)
    weighted = np.empty(X[0].size)
    if numbers[PASSES] == 0.0:
        _logits(X, x, logits)
        numbers[VALUE] = _look(target, logits, v, 0.0, trial_logits, slopes, c)
        for j in range(d):
            numbers[VALUE] += 0.5 * penalty[0] * x[j] * x[j] + l1 * abs(x[j])
        numbers[NORM] = _gradient(X, slopes, penalty, free, x, gradient)
        numbers[LOWEST], numbers[SMALLEST] = numbers[VALUE], numbers[NORM]
        numbers[PASSES] = 1.0
    else:
        _look(target, logits, v, 0.0, trial_logits, slopes, c)
    for step in range(most):
        u = x.copy()
        decrease, slope, passes = _minimise(
            X, c, penalty, free, numbers[NORM], x, gradient, u, v, weighted
        )
        numbers[EXPECTED] = decrease
        numbers[PASSES] += passes
        if step == 0:
            negligible = max(negligible, share * decrease)
        last = numbers[NORM] <= tol and decrease <= negligible
        noise = line_search.rounding(numbers[VALUE], _EPS)
        t = 1.0
        accepted = False
        for _ in range(line_search.MOST_TRIALS):
            value = _look(target, logits, v, t, trial_logits, slopes, c)
            for j in range(d + 1):
                trial[j] = u[j] if t == 1.0 else x[j] + t * (u[j] - x[j])
            for j in range(d):
                value += 0.5 * penalty[0] * trial[j] * trial[j] + l1 * abs(trial[j])
            norm = np.inf
            if value <= numbers[VALUE] + noise:
                norm = _gradient(X, slopes, penalty, free, trial, trial_gradient)
                numbers[PASSES] += 0.5
            accepted = enough(numbers[VALUE], slope, t, value, noise, numbers[NORM], norm)
            if accepted:
                break
            t = cut(numbers[VALUE], slope, t, value)
        if not accepted:
            return CONVERGED if last else STUCK
        copy(trial, x)
        copy(trial_gradient, gradient)
        copy(trial_logits, logits)
        numbers[VALUE], numbers[NORM] = value, norm
        numbers[LOWEST], numbers[SMALLEST], numbers[STALE] = line_search.record(
            value, norm, _EPS, numbers[LOWEST], numbers[SMALLEST], numbers[STALE]
        )
        if last and norm <= tol:
            return CONVERGED
        if numbers[STALE] >= line_search.PATIENCE:
            return STUCK
    return RUNNING

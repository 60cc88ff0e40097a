r"""Coordinate descent on the quadratic model of a sparse problem, over columns of X.

Where there are too many coefficients for a matrix, the Hessian is applied by columns. A direction
moves the logits of row i by :math:`v_i`; with probabilities :math:`p_i` of weight :math:`a_i`, the
model's slope in the coefficient of feature j and class k is

.. math:: r_{jk} = g_{jk} + \lambda (u_{jk} - x_{jk}) + \sum_i x_{ij} \, a_i p_{ik}
    (v_{ik} - \bar v_i),\qquad \bar v_i = \sum_l p_{il} v_{il}

which is exact for softmax: one number for each row tells a class of all others. A distilled loss is
a sum of two such terms. For a sigmoid :math:`a_i p_{i1}` is the curvature and there is no mean.
Each coordinate is minimised over in turn as in :mod:`fastclf.kernels.coordinate_descent`, whose
letters these are.
"""

import numpy as np

from fastclf.kernels._jit import kernel
from fastclf.kernels.coordinate_descent import violation

_ACTIVE_SWEEPS = 20
"""Sweeps over coefficients that aren't 0 between two over all."""


@kernel
def _slope(data, rows, first, last, a, p, means, v):
    # The sum over the rows of a column; p (T, n) is that of one class, v (n,) too.
    total = 0.0
    for term in range(p.shape[0]):
        own, weight = p[term], a[term]
        if means.shape[0]:
            mean = means[term]
            for at in range(first, last):
                i = np.uintp(rows[at])
                total += data[at] * (weight[i] * own[i] * (v[i] - mean[i]))
        else:
            for at in range(first, last):
                i = np.uintp(rows[at])
                total += data[at] * (weight[i] * own[i] * v[i])
    return total


@kernel
def _curvature(data, rows, first, last, a, p, means):
    total = 0.0
    for term in range(p.shape[0]):
        own, weight = p[term], a[term]
        for at in range(first, last):
            i = np.uintp(rows[at])
            rest = 1.0 - own[i] if means.shape[0] else 1.0
            total += data[at] * data[at] * (weight[i] * own[i] * rest)
    return total


@kernel
def _move(data, rows, first, last, p, means, v, change):
    for at in range(first, last):
        v[np.uintp(rows[at])] += change * data[at]
    for term in range(means.shape[0]):
        own, mean = p[term], means[term]
        for at in range(first, last):
            i = np.uintp(rows[at])
            mean[i] += own[i] * (change * data[at])


@kernel
def minimise(X, a, p, softmax, gradient, penalty, share, most, x, u):
    """Move ``u`` (K, d + 1), which is x at first, towards the minimum of the model.

    Until violations are a share of the largest at first, or the columns were read ``most`` times.
    ``X`` is the tuple (data, rows, indptr) of a CSC matrix (n, d + 1) whose last column are ones;
    ``a`` is (T, n), ``p`` (K, T, n), ``gradient`` (K, d + 1) and ``penalty`` (l2, l1). Return the
    decrease of the model and the part of it that is of first order. Coordinates that are 0 and
    optimal at first are left out, and so are intercepts that stay, for their gradient is 0.
    """
    data, rows, indptr = X
    l2, l1 = penalty
    K, q = u.shape
    n = p.shape[2]
    v = np.zeros((K, n))
    means = np.zeros((p.shape[1] if softmax else 0, n))
    count = 0
    tolerance = 0.0
    pairs = np.empty(K * q, np.intp)
    for k in range(K):
        for j in range(q):
            own = violation(gradient[k, j], u[k, j], l1 if j < q - 1 else 0.0)
            if own > 0.0 or u[k, j] != 0.0:
                pairs[count] = k * q + j
                count += 1
                tolerance = max(tolerance, share * own)
    pairs = pairs[:count]
    curvatures = np.empty(count)
    for c in range(count):
        k, j = pairs[c] // q, pairs[c] % q
        curvatures[c] = _curvature(data, rows, indptr[j], indptr[j + 1], a, p[k], means)
        if j < q - 1:
            curvatures[c] += l2
    reads = 0.0
    total = float(K * data.size)
    quiet = 0
    every = True
    while True:
        worst = 0.0
        for c in range(count):
            k, j = pairs[c] // q, pairs[c] % q
            intercept = j == q - 1
            strength = 0.0 if intercept else l1
            old = u[k, j]
            if not every and old == 0.0 and not intercept:
                continue
            first, last = indptr[j], indptr[j + 1]
            slope = gradient[k, j] + _slope(data, rows, first, last, a, p[k], means, v[k])
            if not intercept:
                slope += l2 * (old - x[k, j])
            reads += last - first
            worst = max(worst, violation(slope, old, strength))
            curvature = curvatures[c]
            if not curvature > 0.0:
                continue
            free = old - slope / curvature
            threshold = strength / curvature
            new = 0.0
            if free > threshold:
                new = free - threshold
            elif free < -threshold:
                new = free + threshold
            if new != old:
                u[k, j] = new
                _move(data, rows, first, last, p[k], means, v[k], new - old)
        if reads > most * total:
            break
        if every and worst <= tolerance:
            break
        quiet = 0 if every else quiet + 1
        every = worst <= tolerance or quiet >= _ACTIVE_SWEEPS
    decrease = 0.0
    slope = 0.0
    for c in range(count):
        k, j = pairs[c] // q, pairs[c] % q
        change = u[k, j] - x[k, j]
        strength = l1 if j < q - 1 else 0.0
        slope -= gradient[k, j] * change + strength * (abs(u[k, j]) - abs(x[k, j]))
        if change != 0.0:
            own = _slope(data, rows, indptr[j], indptr[j + 1], a, p[k], means, v[k])
            own += l2 * change if j < q - 1 else 0.0
            decrease -= 0.5 * own * change
    return decrease + slope, slope

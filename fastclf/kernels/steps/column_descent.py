r"""Coordinate descent on the quadratic model of a sparse problem, over columns of X.

Where there are too many coefficients for a matrix, the Hessian is applied by columns. A direction
moves the logits of row i by :math:`v_i`; with probabilities :math:`p_i` of weight :math:`a_i`, the
model's slope in the coefficient of feature j and class k is

.. math:: r_{jk} = g_{jk} + \lambda_2 (u_{jk} - x_{jk}) + \sum_i x_{ij} e_{ik},\qquad
    e_{ik} = a_i p_{ik} (v_{ik} - \bar v_i),\qquad \bar v_i = \sum_l p_{il} v_{il}

which is exact for softmax: one number for each row tells a class of all others. A distilled loss is
a sum of two such terms. For a sigmoid :math:`a_i p_{i1}` is the curvature and there is no mean.
Each coordinate is minimised over in turn as in :mod:`fastclf.kernels.linalg.coordinate_descent`,
whose letters these are; one class after the other, with :math:`e` at hand.
"""

import numpy as np

from fastclf.kernels.linalg.coordinate_descent import lowest, violation
from fastclf.kernels.runtime.arrays import copy
from fastclf.kernels.runtime.jit import inlined, kernel

_ACTIVE_SWEEPS = 10
"""Sweeps over coefficients that aren't 0 between two over all."""


@inlined
def _prepare(a, p, extra, v, means, e, c):
    # Fill e (n,) and its derivative c (n,) in the logits of a class; p (T, n) and v (n,) are its.
    n = e.size
    for i in range(n):
        c[i] = extra[i]
        e[i] = extra[i] * v[i]
    for term in range(p.shape[0]):
        own, weight = p[term], a[term]
        if means.shape[0]:
            mean = means[term]
            for i in range(n):
                h = float(weight[i]) * float(own[i])
                e[i] += h * (v[i] - mean[i])
                c[i] += h * (1.0 - float(own[i]))
        else:
            for i in range(n):
                h = float(weight[i]) * float(own[i])
                e[i] += h * v[i]
                c[i] += h


@inlined
def _sweep(X, by_row, total, gradient, penalty, every, chosen, x, u, counts):
    # One class; return the largest violation that was met. The intercept, where it is free, stays
    # optimal: a step of a feature moves it too, by ``shift``, which all rows share. ``by_row`` is
    # (v, e, c), ``chosen`` features with their curvatures and their products with ones.
    shift = 0.0
    data, rows, indptr = X
    v, e, c = by_row
    l2, l1 = penalty
    features, curvatures, products = chosen
    q = u.size
    worst = 0.0
    for turn in range(features.size):
        # From the intercept on, which is last.
        at = features.size - 1 - turn
        j = features[at]
        intercept = j == q - 1
        strength = 0.0 if intercept else l1
        old = u[j]
        if not every and old == 0.0 and not intercept:
            continue
        first, last = np.uintp(indptr[j]), np.uintp(indptr[j + 1])
        slope = 0.0
        for place in range(first, last):
            slope += data[place] * e[np.uintp(rows[place])]
        slope += gradient[j] + shift * products[at]
        if not intercept:
            slope += l2 * (old - x[j])
        counts[0] += float(last - first)
        worst = max(worst, violation(slope, old, strength))
        curvature = curvatures[at]
        if not curvature > 0.0:
            continue
        new = lowest(old, slope, curvature, strength)
        if new != old:
            u[j] = new
            change = new - old
            counts[0] += float(last - first)
            for place in range(first, last):
                i = np.uintp(rows[place])
                step = change * data[place]
                v[i] += step
                e[i] += c[i] * step
            if total > 0.0 and not intercept:
                follow = change * products[at] / total
                shift -= follow
                u[q - 1] -= follow
    if shift != 0.0:
        for i in range(v.size):
            v[i] += shift
            e[i] += c[i] * shift
    return worst


@kernel
def minimise(X, a, p, extra, softmax, gradient, penalty, share, most, x, u):
    """Move ``u`` (K, d + 1), which is x at first, towards the minimum of the model.

    Until violations are a share of the largest at first, or the columns were read ``most`` times.
    ``X`` is the tuple (data, rows, indptr) of a CSC matrix (n, d + 1) whose last column are ones;
    ``a`` is (T, n), ``p`` (K, T, n), ``extra`` (K, n) what is added to the curvature of each logit,
    ``gradient`` (K, d + 1) and ``penalty`` (l2, l1). Return the decrease of the model and the
    part of it that is of first order. Coordinates that are 0 and optimal at first are left out, and
    so are intercepts that stay, for their gradient is 0.
    """
    data, rows, indptr = X
    l2, l1 = penalty
    K, q = u.shape
    n = p.shape[2]
    v = np.zeros((K, n))
    before = np.zeros(n)
    means = np.zeros((p.shape[1] if softmax else 0, n))
    e, c = np.zeros(n), np.zeros(n)
    features = np.empty(K * q, np.intp)
    curvatures, products = np.zeros((2, K * q))
    totals = np.zeros(K)
    bounds = np.zeros(K + 1, np.intp)
    counts = np.zeros(1)
    count = 0
    tolerance = 0.0
    for k in range(K):
        for j in range(q):
            own = violation(gradient[k, j], u[k, j], l1 if j < q - 1 else 0.0)
            if own > 0.0 or (u[k, j] != 0.0 and j < q - 1):
                features[count] = j
                count += 1
                tolerance = max(tolerance, share * own)
        bounds[k + 1] = count
    total = float(K * data.size)
    quiet = 0
    every, first_time = True, True
    while True:
        worst = 0.0
        for k in range(K):
            own = features[bounds[k] : bounds[k + 1]]
            if own.size == 0:
                continue
            of_class = curvatures[bounds[k] : bounds[k + 1]]
            with_ones = products[bounds[k] : bounds[k + 1]]
            if K > 1 or first_time:
                _prepare(a, p[k], extra[k], v[k], means, e, c)
            if first_time:
                if own[own.size - 1] == q - 1:
                    totals[k] = c.sum()
                for at in range(own.size):
                    j = own[at]
                    curvature, product = 0.0, 0.0
                    for place in range(np.uintp(indptr[j]), np.uintp(indptr[j + 1])):
                        value = data[place]
                        weighted = value * c[np.uintp(rows[place])]
                        product += weighted
                        curvature += value * weighted
                    if j < q - 1:
                        if totals[k] > 0.0:
                            curvature -= product * product / totals[k]
                        curvature += l2
                    of_class[at] = curvature
                    with_ones[at] = product
            if softmax:
                copy(v[k], before)
                counts[0] += 3.0 * n
            met = 0.0
            for repeat in range(3 if K > 1 else 1):
                met_now = _sweep(
                    X, (v[k], e, c), totals[k], gradient[k], penalty, every and repeat == 0,
                    (own, of_class, with_ones), x[k], u[k], counts,
                )  # fmt: skip
                if repeat == 0:
                    met = met_now
                if met_now <= tolerance:
                    break
            worst = max(worst, met)
            for term in range(means.shape[0]):
                mean, own_p, moved = means[term], p[k, term], v[k]
                for i in range(n):
                    mean[i] += own_p[i] * (moved[i] - before[i])
        first_time = False
        if counts[0] > most * total or (every and worst <= tolerance):
            break
        quiet = 0 if every else quiet + 1
        every = worst <= tolerance or quiet >= _ACTIVE_SWEEPS
    decrease = 0.0
    slope = 0.0
    for k in range(K):
        if bounds[k] == bounds[k + 1]:
            continue
        _prepare(a, p[k], extra[k], v[k], means, e, c)
        for j in features[bounds[k] : bounds[k + 1]]:
            change = u[k, j] - x[k, j]
            slope -= gradient[k, j] * change
            if j < q - 1:
                slope -= l1 * (abs(u[k, j]) - abs(x[k, j]))
                decrease -= 0.5 * l2 * change * change
        # The quadratic part is half the sum over rows of v and e.
        moved = v[k]
        for i in range(n):
            decrease -= 0.5 * moved[i] * e[i]
    return decrease + slope, slope

r"""Coordinate descent on a quadratic model with an L1 penalty.

The model of an objective about a point x, with gradient g there,

.. math::
    m(u) = g^\top (u - x) + \frac{1}{2} (u - x)^\top B (u - x) + \sum_j \lambda_j |u_j|,
    \qquad B = \mathrm{diag}(B_1, \dots, B_G) + Q U^\top

is minimised over one coordinate after the other (Friedman, Hastie and Tibshirani, *Regularization
paths for generalized linear models via coordinate descent*, 2010):

.. math:: u_j \leftarrow S(u_j - r_j / B_{jj}, \lambda_j / B_{jj}),\qquad r = g + B (u - x)

with S the soft threshold. Between such sweeps, once the signs of a group's coordinates stay as they
are, all that aren't 0 jump together towards the minimum for these signs, as far as the first that
changes its sign there, which becomes 0. So collinear features take no more sweeps than others.

All vectors are (G, q), a row for each group; U and Q are (G q, R), where R may be 0.
"""

import numpy as np

from fastclf.kernels.linalg import cholesky
from fastclf.kernels.runtime.arrays import fill
from fastclf.kernels.runtime.jit import inlined, kernel

_MOST_SIGNS = 400
"""Coordinates up to which a group jumps: it takes a Cholesky factor of theirs."""

_AGAIN = 4
"""Sweeps between two jumps, at least."""


@inlined
def violation(gradient, u, strength):
    """Return how far a coordinate is from optimal: the least entry of the subdifferential."""
    if u > 0.0 or strength == 0.0:
        return abs(gradient + strength)
    if u < 0.0:
        return abs(gradient - strength)
    return max(abs(gradient) - strength, 0.0)


@inlined
def lowest(u, slope, curvature, strength):
    """Return where a coordinate's model with slope and curvature at u is lowest."""
    free = u - slope / curvature
    threshold = strength / curvature
    if free > threshold:
        return free - threshold
    if free < -threshold:
        return free + threshold
    return 0.0


@inlined
def _couple(Q, at, v):
    total = 0.0
    q = Q[at]
    for m in range(q.size):
        total += q[m] * v[m]
    return total


@inlined
def _move(block, U, at, j, change, r, v):
    row = block[j]
    for i in range(r.size):
        r[i] += change * row[i]
    direction = U[at + j]
    for m in range(v.size):
        v[m] += change * direction[m]


@inlined
def _sweep(block, U, Q, at, strengths, every, u, r, v):
    # Return the largest violation that was met, and whether a sign changed.
    worst = 0.0
    turned = False
    for j in range(u.size):
        old, strength = u[j], strengths[j]
        if not every and old == 0.0 and strength > 0.0:
            continue
        slope, curvature = r[j], block[j, j]
        if v.size:
            slope += _couple(Q, at + j, v)
            curvature += _couple(Q, at + j, U[at + j])
        worst = max(worst, violation(slope, old, strength))
        if not curvature > 0.0:
            continue
        new = lowest(old, slope, curvature, strength)
        if new != old:
            turned |= strength > 0.0 and new * old <= 0.0
            u[j] = new
            _move(block, U, at, j, new - old, r, v)
    return worst, turned


@inlined
def _jump(block, U, Q, at, strengths, u, r, v):
    # Return False if there are too many coordinates, or the matrix is no help.
    count = 0
    for j in range(u.size):
        if (u[j] != 0.0 or strengths[j] == 0.0) and block[j, j] > 0.0:
            count += 1
    if count == 0 or count > _MOST_SIGNS:
        return False
    chosen = np.empty(count, np.intp)
    p = np.empty(count)
    i = 0
    for j in range(u.size):
        if (u[j] != 0.0 or strengths[j] == 0.0) and block[j, j] > 0.0:
            chosen[i] = j
            p[i] = -r[j] - np.sign(u[j]) * strengths[j]
            if v.size:
                p[i] -= _couple(Q, at + j, v)
            i += 1
    a = np.empty((count, count))
    jitter = cholesky.JITTER
    while True:
        for i in range(count):
            row = block[chosen[i]]
            for other in range(i + 1):
                a[i, other] = row[chosen[other]]
                if v.size:
                    a[i, other] += _couple(Q, at + chosen[i], U[at + chosen[other]])
            a[i, i] *= 1.0 + jitter
        if cholesky.factor(a):
            break
        jitter *= cholesky.MORE_JITTER
        if jitter > 1.0:
            return False
    cholesky.solve(a, p)
    t = 1.0
    first = -1
    for i in range(count):
        j = chosen[i]
        if strengths[j] > 0.0 and u[j] * (u[j] + p[i]) < 0.0 and -u[j] / p[i] < t:
            t = -u[j] / p[i]
            first = i
    for i in range(count):
        j = chosen[i]
        change = -u[j] if i == first else t * p[i]
        u[j] += change
        _move(block, U, at, j, change, r, v)
    return True


@kernel
def minimise(blocks, U, Q, strengths, share, most, u, r):
    r"""Move ``u`` towards the minimum, until violations are a share of the largest at first.

    ``blocks`` are (G, q, q), ``strengths`` the :math:`\lambda_j`; ``u`` is x and ``r`` is g at
    first, both are moved in place. No more than ``most`` sweeps are taken.
    """
    G, q = u.shape
    v = np.zeros(U.shape[1])
    tolerance = 0.0
    for g in range(G):
        for j in range(q):
            tolerance = max(tolerance, share * violation(r[g, j], u[g, j], strengths[g, j]))
    sweeps = 0
    quiet = np.zeros(G, np.intp)
    jumps = np.ones(G, np.bool_)
    every = True
    while sweeps < most:
        worst = 0.0
        for g in range(G):
            ug, rg, at = u[g], r[g], g * q
            met, turned = _sweep(blocks[g], U, Q, at, strengths[g], every, ug, rg, v)
            worst = max(worst, met)
            quiet[g] = 0 if turned else quiet[g] + 1
            if met > tolerance and quiet[g] > _AGAIN and jumps[g]:
                jumps[g] = _jump(blocks[g], U, Q, at, strengths[g], ug, rg, v)
                quiet[g] = 0
        sweeps += 1
        if worst <= tolerance:
            if every:
                break
            every = True
        else:
            every = False
    if v.size:
        for g in range(G):
            for j in range(q):
                r[g, j] += _couple(Q, g * q + j, v)
    return sweeps


@kernel
def violations(theta, gradient, strengths, out):
    """Write how far each entry of theta (d + 1, C) is from optimal to ``out``; see the module.

    ``gradient`` is that of the smooth part; ``strengths`` (C,) don't count for the last row.
    """
    d, C = theta.shape[0] - 1, theta.shape[1]
    for j in range(d):
        for k in range(C):
            out[j, k] = violation(gradient[j, k], theta[j, k], strengths[k])
    for k in range(C):
        out[d, k] = abs(gradient[d, k])


@kernel
def absolute_sums(theta, out):
    """Write the sums of absolute values of each problem's coefficients to ``out`` (M,)."""
    M = out.size
    K = theta.shape[1] // M
    fill(out, 0.0)
    for j in range(theta.shape[0] - 1):
        for m in range(M):
            for k in range(m * K, (m + 1) * K):
                out[m] += abs(theta[j, k])

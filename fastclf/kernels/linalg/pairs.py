r"""The two-loop recursion of limited-memory BFGS, for M problems in lockstep.

Nocedal and Wright, *Numerical Optimization*, 2nd ed., algorithm 7.4: with steps :math:`s_i`,
changes of the gradient :math:`y_i` and :math:`\rho_i = 1 / y_i^\top s_i`, from the newest pair to
the oldest

.. math:: \alpha_i = \rho_i \, s_i^\top q,\qquad q \leftarrow q - \alpha_i y_i

then from the oldest to the newest

.. math:: \beta_i = \rho_i \, y_i^\top r,\qquad r \leftarrow r + (\alpha_i - \beta_i) s_i

where r is the first approximation of the inverse Hessian times q. All inner products are taken
problem by problem. ``steps`` and ``changes`` are (m, rows, M K), ``rhos`` and ``alphas`` (m, M);
the pair ``newest`` was stored last, the one after it, cyclically, is the oldest of ``used`` pairs.
"""

import numpy as np

from fastclf.kernels.runtime.arrays import fill
from fastclf.kernels.runtime.jit import kernel, routine


@kernel
def dots(a, b, out):
    """Write the inner products of each problem's columns of a and b (rows, M K) to ``out`` (M,)."""
    M = out.size
    if M == 1:
        x, y = a.reshape(-1), b.reshape(-1)
        total = 0.0
        for i in range(x.size):
            total += x[i] * y[i]
        out[0] = total
        return
    fill(out, 0.0)
    K = a.shape[1] // M
    for j in range(a.shape[0]):
        x, y = a[j], b[j]
        if K == 1:
            for m in range(M):
                out[m] += x[m] * y[m]
        else:
            for m in range(M):
                for k in range(m * K, (m + 1) * K):
                    out[m] += x[k] * y[k]


@routine
def _add(scales, a, out):
    M = scales.size
    if M == 1:
        x, y, scale = a.reshape(-1), out.reshape(-1), scales[0]
        for i in range(x.size):
            y[i] += scale * x[i]
        return
    K = a.shape[1] // M
    for j in range(a.shape[0]):
        x, y = a[j], out[j]
        if K == 1:
            for m in range(M):
                y[m] += scales[m] * x[m]
        else:
            for m in range(M):
                for k in range(m * K, (m + 1) * K):
                    y[k] += scales[m] * x[k]


@routine
def _advance_one(old, old_gradient, new, new_gradient, step, change, products, squares, largest):
    # A single column: its sums stay in registers.
    product, square, most = 0.0, 0.0, 0.0
    for j in range(len(step)):
        s = new[j, 0] - old[j, 0]
        y = new_gradient[j, 0] - old_gradient[j, 0]
        step[j, 0] = s
        change[j, 0] = y
        product += s * y
        square += y * y
        most = max(most, abs(new_gradient[j, 0]))
    products[0], squares[0], largest[0] = product, square, most


@kernel
def advance(running, old, old_gradient, new, new_gradient, eps, step, change, rho, norms):
    """Fill a pair (rows, M K) and its ``rho`` (M,), and ``norms`` (M,): largest gradient entries.

    Problems that don't run, or whose step is all rounding, get a rho of 0: no update.
    """
    rows, C = step.shape
    M = rho.size
    group = C // M
    products, squares, largest = np.zeros(C), np.zeros(C), np.zeros(C)
    if C == 1:
        _advance_one(old, old_gradient, new, new_gradient, step, change, products, squares, largest)
    else:
        for j in range(rows):
            x, x_old, s = new[j], old[j], step[j]
            g, g_old, y = new_gradient[j], old_gradient[j], change[j]
            for c in range(C):
                s[c] = x[c] - x_old[c]
                y[c] = g[c] - g_old[c]
            for c in range(C):  # a loop over all nine arrays would stay scalar
                products[c] += s[c] * y[c]
                squares[c] += y[c] * y[c]
                largest[c] = max(largest[c], abs(g[c]))
    for m in range(M):
        product = 0.0
        square = 0.0
        norms[m] = 0.0
        for c in range(m * group, (m + 1) * group):
            product += products[c]
            square += squares[c]
            norms[m] = max(norms[m], largest[c])
        rho[m] = 1.0 / product if running[m] and product > eps * square else 0.0


@routine
def _add_and_dot(scales, a, out, b, products):
    # Both in one read of ``out``: its inner products with b, once the multiple of a is added.
    M = scales.size
    if M == 1:
        x, y, z, scale = a.reshape(-1), out.reshape(-1), b.reshape(-1), scales[0]
        total = 0.0
        for i in range(x.size):
            new = y[i] + scale * x[i]
            y[i] = new
            total += new * z[i]
        products[0] = total
        return
    _add(scales, a, out)
    dots(b, out, products)


def two_loops(add_and_dot):
    """Return both loops of the recursion, for vectors of any layout.

    Parameters
    ----------
    add_and_dot : kernel
        ``add_and_dot(scales, a, out, b, products)`` adds multiples of a to ``out``, and writes its
        inner products with b then, both one for each problem.

    Returns
    -------
    first, second : kernel
        Each gets (steps, changes, rhos, newest, used, alphas, products, vector). ``products`` (M,)
        of the vector are with the newest step at first, or with the oldest change in the second
        loop. The first fills ``alphas``, both change the vector in place.
    """

    @routine
    def first(steps, changes, rhos, newest, used, alphas, products, q):
        scales = np.zeros(products.size)
        for age in range(used):
            i = (newest - age) % len(steps)
            for m in range(products.size):
                alphas[i, m] = rhos[i, m] * products[m]
                scales[m] = -alphas[i, m]
            # The product with the oldest step is one too many.
            add_and_dot(scales, changes[i], q, steps[(i - 1) % len(steps)], products)

    @routine
    def second(steps, changes, rhos, newest, used, alphas, products, r):
        scales = np.zeros(products.size)
        for age in range(used - 1, -1, -1):
            i = (newest - age) % len(steps)
            for m in range(products.size):
                scales[m] = alphas[i, m] - rhos[i, m] * products[m]
            add_and_dot(scales, steps[i], r, changes[(i + 1) % len(steps)], products)

    return first, second


_first, _second = two_loops(_add_and_dot)


@kernel
def first_loop(steps, changes, rhos, newest, used, alphas, q):
    """Fill ``alphas`` and change ``q`` (rows, M K) in place."""
    products = np.zeros(rhos.shape[1])
    if used > 0:
        dots(steps[newest], q, products)
    _first(steps, changes, rhos, newest, used, alphas, products, q)


@kernel
def second_loop(steps, changes, rhos, newest, used, alphas, r):
    """Change ``r`` (rows, M K) in place."""
    products = np.zeros(rhos.shape[1])
    if used > 0:
        dots(changes[(newest - used + 1) % len(steps)], r, products)
    _second(steps, changes, rhos, newest, used, alphas, products, r)

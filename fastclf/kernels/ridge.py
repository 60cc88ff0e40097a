"""The squared norm of coefficients, and its gradient."""

from fastclf.kernels._jit import kernel


@kernel
def add(theta, strength, values, gradient):
    """Add ``strength / 2`` times the squared norm of each problem's coefficients, and its gradient.

    ``theta`` and ``gradient`` are (d + 1, M K), the intercepts last; ``strength`` and ``values``
    are (M,).
    """
    M = strength.size
    K = theta.shape[1] // M
    for m in range(M):
        square = 0.0
        scale = strength[m]
        for j in range(theta.shape[0] - 1):
            for k in range(m * K, (m + 1) * K):
                t = theta[j, k]
                square += t * t
                gradient[j, k] += scale * t
        values[m] += 0.5 * scale * square

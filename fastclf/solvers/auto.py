"""Which solver ``solver="auto"`` stands for."""

import numpy as np

from fastclf.objective import MANY_FEATURES, Objective
from fastclf.solvers.lbfgs import LBFGS
from fastclf.solvers.newton import WHOLE, Newton
from fastclf.solvers.preconditioner import FULL_MATRIX
from fastclf.solvers.proximal import Proximal
from fastclf.solvers.stopping import NEGLIGIBLE

_ROOM = 1 << 24
"""Bytes that Hessian blocks may take in any case, and a tenth of X more."""

_NEGLIGIBLE_OF_MANY = 1e-5
"""What is negligible for sparse data and very many features: the last digits take many steps."""

_NEGLIGIBLE_IN_BLOCKS = 3e-6
"""The same for many labels, of which rare ones have a much lower objective than at zero."""

_TINY = 100_000
"""Multiplications of a pass up to which a start on a sample costs more than it saves."""

_START = 200
"""Rows for each coefficient beyond which a larger sample gives no better start."""


def choose(objective: Objective) -> LBFGS | Newton | Proximal:
    """Return the solver that was measured to be the fastest for problems of this shape.

    With n rows, d features, M problems of K outputs:

    ====================================================== =====================================
    problem                                                solver
    ====================================================== =====================================
    a penalty with an L1 part                              proximal Newton
    several sigmoids, a small dense X                      L-BFGS over the features' covariance
    sparse, one output, d small beside the entries         Newton, whole Hessians
    otherwise sparse, or d > 4096, or n < d >= 256         L-BFGS over the features' variances
    one output, a matrix for each problem has room         Newton, whole Hessians
    softmax, K (d + 1) <= 200                              Newton, whole Hessian
    softmax, a matrix for each class has room              Newton, a block for each class
    otherwise                                              L-BFGS over the features' covariance
    ====================================================== =====================================

    Matrices have room if they take less than 16 MB and a tenth of X. Where a tenth of the rows has
    five for each of the K (d + 1) coefficients, the fit starts from a solution on them, or on 200
    for each coefficient. With at most 160 coefficients and passes of two milliseconds Newton's
    steps are compiled; more than 16 labels of sparse data, and labels of a small dense X (up to
    131,072 entries for each, 2 million in all) go in blocks. The dtype, C and tol don't change
    which is fastest, only how many steps it takes; the measurements are in
    ``docs/benchmarks/solvers.md``.
    """
    n, d = objective.n_rows, objective.n_features
    M, K = objective.n_problems, objective.n_outputs
    coefficients = (d + 1) * K
    sample = min(n // 10, _START * coefficients) if n * d * M * K > _TINY else 0
    if objective.penalty.l1.any():
        return Proximal(sample=0 if objective.is_sparse else sample)
    if objective.is_sparse:
        return _of_sparse(objective, sample)
    if objective.has_label_blocks:
        return LBFGS(memory=10)
    if d > FULL_MATRIX or n < d >= MANY_FEATURES:
        return LBFGS(negligible=_NEGLIGIBLE_OF_MANY)
    size = 4 if d >= MANY_FEATURES else 8
    room = _ROOM + 0.1 * n * d * objective.dtype.itemsize
    if K > 1 and coefficients > WHOLE:
        if M * coefficients * (d + 1) * size <= room:
            return Newton(whole=False, sample=sample)
        return LBFGS(sample=sample)
    if M * coefficients**2 * size <= room:
        return Newton(sample=sample)
    return LBFGS(sample=sample)


def _of_sparse(objective: Objective, sample: int) -> LBFGS | Newton:
    d, M, K = objective.n_features, objective.n_problems, objective.n_outputs
    entries = objective.entries()
    factorisation = d**3 / 60  # nanoseconds
    if K == 1 and M * (d + 1) ** 2 * 8 <= _ROOM and factorisation <= max(entries, _TINY):
        return Newton(sample=sample)
    # Where columns are short, past steps cost as much as passes.
    memory = int(np.clip(entries / (4 * d), 6, 10))
    if objective.has_label_blocks:
        return LBFGS(memory, negligible=_NEGLIGIBLE_IN_BLOCKS)
    return LBFGS(memory, negligible=_NEGLIGIBLE_OF_MANY if M == 1 else NEGLIGIBLE)

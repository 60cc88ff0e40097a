"""Passes over a dense X with few features, which can compute Hessians, too."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastclf import threads
from fastclf.kernels.passes import narrow
from fastclf.objective.arrays import Arrays
from fastclf.objective.moments import Hessian
from fastclf.objective.selection import NO_ORDER, Selection
from fastclf.plan import Costs
from fastclf.recycling import Recycled

_PARTIAL = 1 << 18
"""Largest number of entries in the sums of all chunks together."""

_FEW, _MANY = 1 << 15, 1 << 22
"""Entries of the sums of Hessians between which their memory is kept for the next pass."""

_memory = Recycled()
"""Of fresh memory, page faults take longer than a pass over a few hundred rows."""


def narrow_pass(
    arrays: Arrays,
    chosen: Selection,
    theta: np.ndarray,
    size: str,
    n_threads: int | None,
    costs: Costs,
    order: np.ndarray = NO_ORDER,
) -> tuple[np.ndarray, np.ndarray, Hessian | None]:
    """Return values (M,), gradient (d + 1, M K) and Hessians, the penalty left out.

    ``chosen`` are the problems of theta (d + 1, M K). ``size`` says which Hessians: "none",
    "blocks" or "whole". The rows ``order`` (m,) count, or all of them if it is empty.
    """
    center, C, K = arrays.center, theta.shape[1], arrays.n_outputs
    d, M = center.size, C // K
    w = padded(theta, center)
    side = w.shape[1]
    whole = size == "whole"
    count, work = 0, costs.pass_of_row(d, C)
    if size != "none":
        count = pairs(M, K) if whole else C
        work += costs.hessian_of_row(d, M, K, whole)
    most = max(2, _PARTIAL // (side * (C + count * side)))
    n = chosen.target.n_rows
    pieces = threads.chunks(n, work, most, narrow.TILE)
    values = np.zeros((len(pieces), M))
    gradients = np.zeros((len(pieces), C, side))
    blocks = _zeros(len(pieces), count, side, side)
    data = chosen.data(arrays.features.arrays, arrays.loss.parameters, order)
    sums, kernel = (values, gradients, blocks), narrow.shared(arrays.kind)
    share(kernel, data, (w, center, whole), pieces, sums, n_threads, n * work)
    gradient = _total(gradients)[:, : d + 1].T.copy()
    gradient[:-1] += center[:, None] * gradient[-1]
    if not count:
        return _total(values), gradient, None
    groups = M if whole else C
    q = C // groups * (d + 1)
    matrices = np.empty((groups, q, q))
    narrow.assemble(_total(blocks), d + 1, matrices)
    return _total(values), gradient, arrays.hessian(matrices)


def pairs(n_problems: int, n_outputs: int) -> int:
    """Return how many pairs of columns the Hessians of all problems are made from."""
    return n_problems * max(n_outputs * (n_outputs - 1) // 2, 1)


def share(
    kernel: Callable,
    data: tuple[Any, ...],
    model: tuple[Any, ...],
    pieces: list[tuple[int, int]],
    sums: tuple[Any, ...],
    n_threads: int | None,
    work: float,
) -> None:
    """Add up P pieces of the rows on several threads, by calls of one ``shared`` kernel.

    The other arguments are those of the kernel; ``sums`` are zeros at first.
    """
    rows = np.array(pieces)

    def work_on(turns: np.ndarray, leads: bool) -> None:
        kernel(data, model, rows, turns, leads, sums)

    threads.run_pieces(work_on, len(rows), n_threads, work)


def padded(theta: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Return theta (d + 1, C) as the kernels hold it, its intercepts moved to the center."""
    d, C = center.size, theta.shape[1]
    side = -(-(d + 1) // narrow.STEP) * narrow.STEP
    w = np.zeros((C, side))
    w[:, : d + 1] = theta.T
    w[:, d] += center @ theta[:-1]
    return w


def _zeros(*shape: int) -> np.ndarray:
    if not _FEW <= math.prod(shape) <= _MANY:
        return np.zeros(shape)
    found = _memory.empty(shape, np.float64)
    found.fill(0.0)
    return found


def _total(parts: np.ndarray) -> np.ndarray:
    # The sum of the parts; if they are large, in place of the first.
    if parts.size < _FEW:
        return parts[0] if len(parts) == 1 else parts.sum(axis=0)
    for part in parts[1:]:
        parts[0] += part
    return parts[0]

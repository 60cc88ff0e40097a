"""Passes over a dense X with few features, which can compute Hessians, too."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastclf import threads
from fastclf.kernels.loss.kinds import Kind
from fastclf.kernels.passes import narrow
from fastclf.objective.moments import Hessian
from fastclf.objective.selection import Selection
from fastclf.plan import Costs

_PARTIAL = 1 << 18
"""Largest number of entries in the sums of all chunks together."""


def pairs(n_problems: int, n_outputs: int) -> int:
    """Return how many pairs of columns the Hessians of all problems are made from."""
    return n_problems * max(n_outputs * (n_outputs - 1) // 2, 1)


@dataclass(frozen=True)
class NarrowPass:
    """A pass with the kernels of :mod:`fastclf.kernels.passes.narrow`.

    Parameters
    ----------
    kind : Kind
        One that has such a pass.
    n_outputs : int
        K.
    parameters : tuple
        Those of the loss.
    n_threads : int, optional
    costs : Costs
    """

    kind: Kind
    n_outputs: int
    parameters: tuple
    n_threads: int | None
    costs: Costs

    def __call__(
        self,
        X: Any,
        order: np.ndarray,
        center: np.ndarray,
        chosen: Selection,
        theta: np.ndarray,
        size: str,
    ) -> tuple[np.ndarray, np.ndarray, Hessian | None]:
        """Return values (M,), gradient (d + 1, M K) and Hessians, the penalty left out.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            As kernels read it.
        order : ndarray of shape (m,)
            The rows that count; empty for all of them.
        center : ndarray of shape (d,)
        chosen : Selection
        theta : ndarray of shape (d + 1, M K)
        size : {"none", "blocks", "whole"}
            Which Hessians.
        """
        d, C, K = X.shape[1], theta.shape[1], self.n_outputs
        M = C // K
        w = padded(theta, center)
        side = w.shape[1]
        whole = size == "whole"
        count, work = 0, self.costs.pass_of_row(d, C)
        if size != "none":
            count = pairs(M, K) if whole else C
            work += self.costs.hessian_of_row(d, M, K, whole)
        most = max(2, _PARTIAL // (side * (C + count * side)))
        n = chosen.target.n_rows
        pieces = threads.chunks(n, work, most, narrow.TILE)
        values = np.zeros((len(pieces), M))
        gradients = np.zeros((len(pieces), C, side))
        blocks = np.zeros((len(pieces), count, side, side))
        data = chosen.data(X, self.parameters, order)
        sums, rows = (values, gradients, blocks), np.array(pieces)
        share(self.kind, data, (w, center, whole), rows, sums, self.n_threads, n * work)
        gradient = _total(gradients)[:, : d + 1].T.copy()
        gradient[:-1] += center[:, None] * gradient[-1]
        if not count:
            return _total(values), gradient, None
        groups = M if whole else C
        q = C // groups * (d + 1)
        matrices = np.empty((groups, q, q))
        narrow.assemble(_total(blocks), d + 1, matrices)
        # Features in float32 that differ by rounding alone must not look different.
        hessian = Hessian(center.astype(np.float64), matrices.astype(X.dtype, copy=False))
        return _total(values), gradient, hessian


def share(
    kind: Kind,
    data: tuple,
    model: tuple,
    rows: np.ndarray,
    sums: tuple,
    n_threads: int | None,
    work: float,
) -> None:
    """Add up pieces (P, 2) of the rows on several threads.

    ``data`` and ``model`` are those of the kernels, ``sums`` (values (P, M), gradients
    (P, C, side), blocks (P, pairs or columns, side, side)), all zeros at first.
    """
    shared = narrow.shared(kind)

    def work_on(turns: np.ndarray, leads: bool) -> None:
        shared(data, model, rows, turns, leads, sums)

    threads.run_pieces(work_on, len(rows), n_threads, work)


def padded(theta: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Return theta (d + 1, C) as the kernels hold it, its intercepts moved to the center."""
    d, C = center.size, theta.shape[1]
    w = np.zeros((C, _side(d)))
    w[:, : d + 1] = theta.T
    w[:, d] += center @ theta[:-1]
    return w


def assemble(blocks: np.ndarray, matrices: np.ndarray) -> None:
    """Fill symmetric matrices (B, q, q) from lower triangles of pairs, or of single columns."""
    narrow.assemble(blocks, blocks.shape[1], matrices)


def _total(parts: np.ndarray) -> np.ndarray:
    return parts[0] if len(parts) == 1 else parts.sum(axis=0)


def _side(d: int) -> int:
    return -(-(d + 1) // narrow.STEP) * narrow.STEP

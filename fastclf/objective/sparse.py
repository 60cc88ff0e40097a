"""Passes over a sparse X."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastclf import threads
from fastclf.kernels.loss.kinds import Kind
from fastclf.kernels.passes import sparse_column
from fastclf.kernels.passes import value_and_grad as passes
from fastclf.kernels.products import logits, sparse
from fastclf.objective.arrays import Arrays
from fastclf.objective.matrices import blocks_of
from fastclf.objective.selection import Selection
from fastclf.plan import Costs, Shape
from fastclf.plan.passes import (
    CSR_COLUMNS,
    LABEL_GROUPS,
    label_width,
    most_gradients,
    sparse_pass,
)

_BLOCK = 1 << 15
"""Entries of a block of logits, or of coefficients, that fits into cache."""


class SparsePass:
    """Passes over CSR features, for values and gradient of one kind of loss.

    Rows are cut into chunks, each with a gradient of its own. With too many coefficients for that,
    a pass first computes the slopes in the logits by rows, and then the gradient from them by
    columns. Many labels are cut into blocks whose coefficients stay in cache.
    """

    def __init__(self, arrays: Arrays, n_threads: int | None, shape: Shape, costs: Costs) -> None:
        self.features: Any = arrays.features
        self.kind: Kind = arrays.kind
        self.parameters: tuple[float, ...] = arrays.loss.parameters
        self.n_threads = n_threads
        self.shape = shape
        self.costs = costs
        self._blocks: tuple[Selection, list[tuple[slice, Selection]]] | None = None

    def __call__(self, chosen: Selection, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return values (M,) and gradient (d + 1, M K) at theta, the penalty left out.

        ``chosen`` are the problems of theta.
        """
        n, C = self.features.shape[0], theta.shape[1]
        way = sparse_pass(self.shape, self.costs, C)
        if way == LABEL_GROUPS:
            return self._by_labels(chosen, theta)
        work = (self.features.entries * C + 4 * n * C) / max(n, 1)
        if way == CSR_COLUMNS:
            return self._by_columns(chosen, theta, work)
        pieces = threads.chunks(n, work, most_gradients(self.shape, self.costs))
        values = np.zeros((len(pieces), chosen.scale.size))
        gradients = np.zeros((len(pieces), *theta.shape))
        add = self._adder(chosen, theta)

        def task(i: int) -> None:
            add(pieces[i], values[i], gradients[i])

        threads.run(task, len(pieces), self.n_threads)
        if len(pieces) == 1:
            return values[0], gradients[0]
        return values.sum(axis=0), gradients.sum(axis=0)

    def _adder(self, chosen: Selection, theta: np.ndarray) -> Callable:
        # A function that adds a piece of the rows to values (M,) and a gradient (d + 1, C).
        data = chosen.data(self.features.arrays, self.parameters)
        if self._is_one(theta):
            of_column, coefficients = sparse_column.value_and_grad(self.kind), theta.ravel()
            nothing = np.empty((0, 0, 0))

            def add_one(piece: tuple, values: np.ndarray, gradient: np.ndarray) -> None:
                of_column(data, coefficients, *piece, (values, gradient.ravel(), nothing))

            return add_one
        kernel, dtype = passes.value_and_grad(self.kind, sparse), self.features.dtype
        model = self._coefficients(theta)

        def add(piece: tuple, values: np.ndarray, gradient: np.ndarray) -> None:
            own = gradient if dtype == gradient.dtype else np.zeros(gradient.shape, dtype)
            kernel(data, model, *piece, (values, own[:-1], own[-1]))
            if own is not gradient:
                gradient[:] = own

        return add

    def _is_one(self, theta: np.ndarray) -> bool:
        return theta.shape[1] == 1 and self.kind.column is not None

    def _coefficients(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Weights (d, C) and intercepts (C,), as kernels hold them.
        dtype = self.features.dtype
        return np.ascontiguousarray(theta[:-1], dtype=dtype), theta[-1].astype(dtype)

    def _by_labels(self, chosen: Selection, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._blocks is None or self._blocks[0] is not chosen:
            self._blocks = chosen, list(_blocks(chosen, label_width(self.shape, self.costs)))
        blocks = self._blocks[1]
        values = np.zeros(theta.shape[1])
        gradient = np.empty(theta.shape)

        def task(i: int) -> None:
            columns, block = blocks[i]
            own = np.zeros((len(theta), block.scale.size))
            add = self._adder(block, theta[:, columns])
            add((0, block.target.n_rows), values[columns], own)
            gradient[:, columns] = own

        threads.run(task, len(blocks), self.n_threads)
        return values, gradient

    def _by_columns(
        self, chosen: Selection, theta: np.ndarray, work: float
    ) -> tuple[np.ndarray, np.ndarray]:
        n = self.features.shape[0]
        pieces = threads.chunks(n, work)
        values = np.zeros((len(pieces), chosen.scale.size))
        slopes = np.empty((n, theta.shape[1]), self.features.dtype)
        write = self._writer_of_slopes(chosen, theta)

        def forward(i: int) -> None:
            write(pieces[i], values[i], slopes)

        threads.run(forward, len(pieces), self.n_threads)
        gradient = np.empty(theta.shape)
        columns = self.features.by_column
        cuts = _cuts(columns[2], len(pieces))

        def backward(i: int) -> None:
            sparse.backward_columns(columns, slopes, *cuts[i], gradient)

        threads.run(backward, len(cuts), self.n_threads)
        return values.sum(axis=0), gradient

    def _writer_of_slopes(self, chosen: Selection, theta: np.ndarray) -> Callable:
        # A function that adds a piece of the rows to values (M,), and writes its slopes (n, C).
        if self._is_one(theta):
            of_column, coefficients = sparse_column.value_and_slopes(self.kind), theta.ravel()
            data = chosen.data(self.features.arrays, self.parameters)

            def write_one(piece: tuple, values: np.ndarray, slopes: np.ndarray) -> None:
                of_column(data, coefficients, *piece, (values, slopes))

            return write_one
        kernel = passes.value_and_grad(self.kind, logits)
        w, b = model = self._coefficients(theta)
        step = max(64, _BLOCK // b.size)

        def write(piece: tuple, values: np.ndarray, slopes: np.ndarray) -> None:
            nothing, unused = np.zeros_like(b), np.zeros_like(b)
            products = np.empty((min(step, piece[1] - piece[0]), b.size), b.dtype)
            for block in blocks_of(piece, step):
                rows, z = (block.start, block.stop), products[: block.stop - block.start]
                passes.decision_sparse(self.features.arrays, w, nothing, *rows, z)
                kernel(
                    chosen.data(z, self.parameters), model, *rows, (values, slopes[block], unused)
                )

        return write


def _blocks(chosen: Selection, width: int) -> Iterator[tuple[slice, Selection]]:
    # Blocks with nearly the same number of labels.
    M = chosen.scale.size
    count = -(-M // width)
    for i in range(count):
        columns = slice(M * i // count, M * (i + 1) // count)
        mask = np.zeros(M, bool)
        mask[columns] = True
        yield columns, chosen.part(mask, by_column=True)


def _cuts(indptr: Any, count: int) -> list[tuple[int, int]]:
    # Ranges of columns with about the same number of entries.
    goals = indptr[-1] * np.arange(1, count) / count
    bounds = np.unique(np.concatenate([[0], np.searchsorted(indptr, goals), [len(indptr) - 1]]))
    return [(int(a), int(b)) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]

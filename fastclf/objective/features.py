"""Dense and CSR features: how X is stored, read and summed up."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import scipy.sparse

from fastclf import threads
from fastclf.blas import single_threaded
from fastclf.kernels.loss.kinds import Kind
from fastclf.kernels.loss.softmax import TILE
from fastclf.kernels.passes import value_and_grad as passes
from fastclf.kernels.products import dense, logits, sparse
from fastclf.kernels.runtime.arrays import copy
from fastclf.kernels.runtime.records import Data
from fastclf.objective import matrices
from fastclf.objective.selection import NO_ORDER
from fastclf.plan.costs import MANY_FEATURES
from fastclf.plan.passes import BLAS, COPIES
from fastclf.targets import csr_for_kernels, for_kernels

_ROWS_OF_A_BLOCK = 512

_SMALL = 1 << 15
"""Entries up to which NumPy takes all logits in one call."""

_COPIED = 1 << 17
"""Entries of a block of rows that is copied to the dtype of a pass."""


class DenseFeatures:
    """A dense X (n, d), C-contiguous, float32 or float64, or some rows of it.

    Only the rows ``order`` (m,) of X count, or all if it is empty; they stay where they are.
    """

    products = dense

    arrays: Any
    canonical: Any

    def __init__(self, X: np.ndarray, order: np.ndarray = NO_ORDER) -> None:
        self.X = X
        self.order = order
        self.arrays = self.canonical = for_kernels(X)
        self.shape: tuple[int, int] = order.size or len(X), X.shape[1]
        self.dtype: np.dtype = X.dtype
        self.entries: int = self.shape[0] * self.shape[1]

    def rows(self, index: np.ndarray) -> "DenseFeatures":
        """Return the features of some rows, without a copy."""
        return DenseFeatures(self.X, index)

    def block(self, block: slice) -> np.ndarray:
        """Return a block of the rows."""
        return self.X[self.order[block] if self.order.size else block]

    def piece(self, block: slice) -> "DenseFeatures":
        """Return the features of a block of the rows."""
        return DenseFeatures(self.block(block))

    def pass_over(self, kind: Kind, way: str) -> Callable | None:
        """Return the function that reads rows once, for values and gradient of a kind of loss.

        ``way`` is a kind of pass of :mod:`fastclf.plan.passes`. None where threads can share a call
        of :func:`fastclf.kernels.passes.value_and_grad.shared`.
        """
        if way == BLAS:
            return partial(_pass_by_blas, passes.value_and_grad(kind, logits))
        if way == COPIES:
            return partial(_pass_over_copies, passes.value_and_grad(kind, dense))
        return None

    def columns(self, index: np.ndarray) -> np.ndarray:
        """Return a copy of some columns of X."""
        return np.take(self.X, index, axis=1)

    def entries_of(self, index: np.ndarray) -> int:
        """Return how many entries some columns have."""
        return self.shape[0] * index.size

    @cached_property
    def by_column(self) -> tuple[Any, ...]:
        """The arrays (data, rows, indptr) of the columns, and a last one of ones."""
        return columns_and_ones(self.X)

    def moments(
        self, weights: np.ndarray, full: bool, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weighted means (d,) and second moments about them, (d, d) or (d,)."""
        row_weights, total = weights.astype(self.dtype), weights.sum()
        if full:
            return self._matrix(row_weights, total, n_threads)
        features = DenseFeatures(self.block(slice(None)))
        return features._diagonal(row_weights, total, n_threads)

    def _diagonal(
        self, weights: np.ndarray, total: float, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        n, d = self.shape
        # One pass, with sums about a point near the mean: the mean of the first rows will do.
        shift = self.X[:64].mean(axis=0, dtype=np.float64).astype(self.dtype)
        pieces = threads.chunks(n, d)
        sums, squares = np.zeros((2, len(pieces), d))

        def add_sums(i: int) -> None:
            dense.moments(self.arrays, weights, shift, *pieces[i], sums[i], squares[i])

        threads.run(add_sums, len(pieces), n_threads)
        mean = sums.sum(axis=0) / total
        return shift + mean, np.maximum(squares.sum(axis=0) / total - mean**2, 0)

    def _matrix(
        self, weights: np.ndarray, total: float, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        # By BLAS on blocks of rows. The rows may be half of X, so only blocks of them are copied.
        # Each chunk has a matrix of sums, so the chunks are few enough for these to be small.
        n, d = self.shape
        pieces = threads.chunks(n, 0.02 * d * d, max(4, n // (32 * d)))
        sums = np.zeros((len(pieces), d))
        products = [np.zeros((d, d)) for _ in pieces]
        step = matrices.rows_of_a_block(d)

        dtype = np.dtype(np.float32) if d >= MANY_FEATURES else self.dtype

        def add_sums(i: int) -> None:
            for block in matrices.blocks_of(pieces[i], step):
                sums[i] += weights[block] @ self.block(block)

        def add_products(i: int) -> None:
            part = np.empty((min(step, n), d), dtype)
            for block in matrices.blocks_of(pieces[i], step):
                scaled = part[: block.stop - block.start]
                np.subtract(self.block(block), center, out=scaled, casting="same_kind")
                scaled *= np.sqrt(weights[block]).astype(dtype, copy=False)[:, None]
                products[i] += scaled.T @ scaled

        with single_threaded():
            threads.run(add_sums, len(pieces), n_threads)
            center = (sums.sum(axis=0) / total).astype(self.dtype)
            threads.run(add_products, len(pieces), n_threads)
        second = products.pop(0)
        for product in products:
            second += product
        second /= total
        return center.astype(np.float64), second


def columns_and_ones(X: Any) -> tuple[Any, ...]:
    """Return (data, rows, indptr) of X (n, d) as CSC, with a last column of ones."""
    columns = scipy.sparse.csc_array(X)
    n = X.shape[0]
    data = np.concatenate([columns.data, np.ones(n, columns.dtype)])
    rows = np.concatenate([columns.indices, np.arange(n, dtype=columns.indices.dtype)])
    return data, rows, np.append(columns.indptr, data.size).astype(np.intp)


def _pass_by_blas(
    kernel: Any,
    data: tuple[Any, ...],
    model: tuple[Any, ...],
    start: int,
    stop: int,
    sums: tuple[Any, ...],
) -> None:
    # The same as a kernel of the passes, with BLAS for both products, on blocks in cache. It
    # computes in the dtype of w.
    X, *rest = data
    w, b = model
    values, gw, gb = sums
    products, slopes = np.empty((2, min(_ROWS_OF_A_BLOCK, stop - start), b.size), w.dtype)
    part = np.empty_like(gw)
    for block, rows in _blocks_in(w.dtype, X, (start, stop), _ROWS_OF_A_BLOCK):
        z, g = products[: len(rows)], slopes[: len(rows)]
        np.matmul(rows, w.T, out=z)
        kernel((z, *rest), model, block.start, block.stop, (values, g, gb))
        np.matmul(g.T, rows, out=part)
        gw += part


def _pass_over_copies(
    kernel: Any,
    data: tuple[Any, ...],
    model: tuple[Any, ...],
    start: int,
    stop: int,
    sums: tuple[Any, ...],
) -> None:
    # The same as a kernel of the passes, on copies of some rows in the dtype of w.
    every, w = Data(*data), model[0]
    step = max(1, _COPIED // (TILE * w.shape[1])) * TILE
    for block, rows in _blocks_in(w.dtype, every.X, (start, stop), step):
        part = every._replace(
            X=rows,
            codes=every.codes[block],
            soft=every.soft[block],
            teacher=every.teacher[block],
            weights=every.weights[:, block],
        )
        kernel(tuple(part), model, 0, len(rows), sums)


def _blocks_in(
    dtype: np.dtype, X: np.ndarray, piece: tuple[int, int], step: int
) -> Iterator[tuple[slice, np.ndarray]]:
    # Blocks and their rows of X; if X has another dtype, all are copied to one array.
    step = min(step, piece[1] - piece[0])
    room = np.empty((step if dtype != X.dtype else 0, X.shape[1]), dtype)
    for block in matrices.blocks_of(piece, step):
        rows = X[block]
        if dtype != X.dtype:
            rows = room[: len(rows)]
            copy(X[block].reshape(-1), rows.reshape(-1))
        yield block, rows


def stacked(parts: Sequence[Any]) -> Any:
    """Return matrices (m, d) below each other: an array, or a CSR matrix if they are such."""
    if len(parts) == 1:
        return parts[0]
    if scipy.sparse.issparse(parts[0]):
        return scipy.sparse.vstack(parts, format="csr")
    return np.concatenate(parts)


def nbytes(X: Any) -> int:
    """Return how many bytes the arrays of a dense or CSR matrix take."""
    if scipy.sparse.issparse(X):
        return int(X.data.nbytes + X.indices.nbytes + X.indptr.nbytes)
    return int(X.nbytes)


class CSRFeatures:
    """A sparse X (n, d) in CSR form, float32 or float64."""

    products = sparse

    def __init__(self, X: Any) -> None:
        self.X = X
        self.arrays: tuple[Any, ...] = csr_for_kernels(X)
        self.shape: tuple[int, int] = X.shape
        self.dtype: np.dtype = X.dtype
        self.entries: int = X.nnz

    def rows(self, index: np.ndarray) -> "CSRFeatures":
        """Return the features of some rows."""
        return CSRFeatures(self.X[index])

    def piece(self, block: slice) -> "CSRFeatures":
        """Return the features of a block of the rows."""
        return CSRFeatures(self.X[block])

    def columns(self, index: np.ndarray) -> Any:
        """Return a copy of some columns of X."""
        return self.X[:, index]

    def entries_of(self, index: np.ndarray) -> int:
        """Return how many entries some columns have."""
        return int(self._of_columns[index].sum())

    @cached_property
    def canonical(self) -> tuple[Any, ...]:
        """The arrays, with indices in rising order in each row and no duplicates."""
        if self.X.has_canonical_format:
            return self.arrays
        X = self.X.copy()
        X.sum_duplicates()
        return CSRFeatures(X).arrays

    @cached_property
    def by_column(self) -> tuple[Any, ...]:
        """The arrays (data, rows, indptr) of the columns, and a last one of ones."""
        return columns_and_ones(scipy.sparse.csr_array(self.canonical, shape=self.shape))

    @cached_property
    def _of_columns(self) -> np.ndarray:
        return np.bincount(self.X.indices, minlength=self.shape[1])

    def moments(
        self, weights: np.ndarray, full: bool, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weighted means (d,) and second moments about them, (d, d) or (d,)."""
        center, second = self._diagonal(weights, n_threads)
        if not full:
            return center, second
        slopes = (weights / weights.sum())[:, None]
        blocks = matrices.sparse_blocks(self.canonical, slopes, center, n_threads)
        return center, blocks[0, :-1, :-1].astype(self.dtype, copy=False)

    def _diagonal(
        self, weights: np.ndarray, n_threads: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        n, d = self.shape
        pieces = threads.chunks(n, 2 * self.entries / max(n, 1), max(1, self.entries // (40 * d)))
        first, second = np.zeros((2, len(pieces), d))

        def task(i: int) -> None:
            sparse.sums(self.arrays, weights, *pieces[i], first[i], second[i])

        threads.run(task, len(pieces), n_threads)
        total = weights.sum()
        center = first.sum(axis=0) / total
        return center, np.maximum(second.sum(axis=0) / total - center**2, 0)


def logits_of(
    features: DenseFeatures | CSRFeatures, theta: np.ndarray, n_threads: int | None
) -> np.ndarray:
    """Return the logits (n, C) at theta (d + 1, C), in the dtype of the features."""
    theta = theta.astype(features.dtype)
    n, d = features.shape
    if n * d <= _SMALL:
        X: Any = features.X if isinstance(features, CSRFeatures) else features.block(slice(None))
        return X @ theta[:-1] + theta[-1]
    logits = np.empty((n, theta.shape[1]), features.dtype)
    w, b = np.ascontiguousarray(theta[:-1]), theta[-1].copy()
    pieces = threads.chunks(n, features.entries / max(n, 1) * (1 + 0.1 * theta.shape[1]))

    def task(i: int) -> None:
        piece = slice(*pieces[i])
        if isinstance(features, CSRFeatures):
            passes.decision_sparse(features.arrays, w, b, *pieces[i], logits[piece])
        else:
            logits[piece] = features.block(piece) @ theta[:-1] + theta[-1]

    with single_threaded():
        threads.run(task, len(pieces), n_threads)
    return logits

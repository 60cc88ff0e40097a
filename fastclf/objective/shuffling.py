"""A shuffle buffer: it changes the order of rows within a limited memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse

from fastclf.recycling import Recycled
from fastclf.targets import Target

Chunk = tuple[Any, Target]
"""X (m, d), dense or CSR, and its targets."""

_INDEX = np.dtype(np.int32)


def through_buffer(
    chunks: Iterator[Chunk], rng: np.random.Generator, n_rows: int, multiple: int
) -> Iterator[Chunk]:
    """Yield the rows of chunks in chunks of about ``n_rows``, each in a random order.

    The number of rows in each chunk but the last is divisible by ``multiple``.
    """
    waiting: list[Chunk] = []
    memory = Recycled()
    count = 0
    n_rows = max(n_rows, multiple)
    for chunk in chunks:
        waiting.append(chunk)
        count += chunk[1].n_rows
        if count >= n_rows:
            order = rng.permutation(count)
            whole = count - count % multiple
            rest = order[whole:]
            target = _joined([target for _, target in waiting])
            left = [(_gathered(waiting, rest, Recycled()), target.rows(rest))] if rest.size else []
            X = _gathered(waiting, order[:whole], memory)
            waiting, count = left, rest.size
            yield X, target.rows(order[:whole])
            del X, target
    if count:
        order = rng.permutation(count)
        target = _joined([target for _, target in waiting])
        yield _gathered(waiting, order, memory), target.rows(order)


def _gathered(chunks: list[Chunk], rows: np.ndarray, memory: Recycled) -> Any:
    """Return rows of chunks that follow each other, without joining these first."""
    first = chunks[0][0]
    if scipy.sparse.issparse(first):
        return _gathered_csr(chunks, rows, memory)
    X = memory.empty((rows.size, first.shape[1]), first.dtype)
    for places, some in _taken(chunks, rows):
        X[places] = some
    return X


def _gathered_csr(chunks: list[Chunk], rows: np.ndarray, memory: Recycled) -> Any:
    first = chunks[0][0]
    lengths = np.concatenate([np.diff(X.indptr) for X, _ in chunks])[rows]
    indptr = np.append(0, np.cumsum(lengths))
    split = int(indptr[-1]) * first.dtype.itemsize
    block = memory.empty((split + int(indptr[-1]) * _INDEX.itemsize,), np.uint8)
    data, indices = block[:split].view(first.dtype), block[split:].view(_INDEX)
    for places, some in _taken(chunks, rows):
        shifts = np.repeat(indptr[places] - some.indptr[:-1], np.diff(some.indptr))
        shifts += np.arange(some.nnz)
        data[shifts], indices[shifts] = some.data, some.indices
    shape = rows.size, first.shape[1]
    return scipy.sparse.csr_array((data, indices, indptr.astype(_INDEX)), shape=shape)


def _taken(chunks: list[Chunk], rows: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
    # The places among ``rows`` of those that a chunk has, and these rows of X, for each chunk.
    start = 0
    for X, target in chunks:
        places = np.flatnonzero((rows >= start) & (rows < start + target.n_rows))
        yield places, X[rows[places] - start]
        start += target.n_rows


def _joined(targets: list[Target]) -> Target:
    weights = [target.weights for target in targets]
    M = max(len(own) for own in weights)  # those that all labels share, where others have their own
    return Target(
        weights=np.concatenate(
            [np.broadcast_to(own, (M, own.shape[1])) for own in weights], axis=1
        ),
        codes=np.concatenate([target.codes for target in targets]),
        soft=_stacked([target.soft for target in targets]),
        teacher=_stacked([target.teacher for target in targets]),
    )


def _stacked(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts[0].size else parts[0]

"""A shuffle buffer: it changes the order of rows within a limited memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse

from fastclf.objective.features import stacked
from fastclf.recycling import Recycled
from fastclf.targets import Target

Chunk = tuple[Any, Target]
"""X (m, d), dense or CSR, and its targets."""


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
    """Return rows of chunks that follow each other; dense ones aren't joined first."""
    first = chunks[0][0]
    if scipy.sparse.issparse(first):
        return stacked([X for X, _ in chunks])[rows]
    X = memory.empty((rows.size, first.shape[1]), first.dtype)
    start = 0
    for part, _ in chunks:
        places = np.flatnonzero((rows >= start) & (rows < start + len(part)))
        X[places] = part[rows[places] - start]
        start += len(part)
    return X


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

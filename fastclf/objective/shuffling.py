"""A shuffle buffer: rows that come in some order leave in another, within a limited memory."""

from collections.abc import Iterator

import numpy as np

from fastclf.targets import Target

Chunk = tuple[np.ndarray, Target]


def through_buffer(
    chunks: Iterator[Chunk], rng: np.random.Generator, n_rows: int, multiple: int
) -> Iterator[Chunk]:
    """Yield the rows of chunks in chunks of about ``n_rows``, each in a random order.

    Parameters
    ----------
    chunks : iterator of X (m, d) and their targets
    rng : numpy.random.Generator
    n_rows : int
        How many rows the buffer has, or a few more.
    multiple : int
        The rows of each chunk but the last are a multiple of it.

    Yields
    ------
    X, target
    """
    waiting: list[Chunk] = []
    count = 0
    n_rows = max(n_rows, multiple)
    for chunk in chunks:
        waiting.append(chunk)
        count += chunk[1].n_rows
        if count >= n_rows:
            X, target = _joined(waiting)
            order = rng.permutation(count)
            whole = count - count % multiple
            rest = order[whole:]
            waiting = [(X[rest], target.rows(rest))] if rest.size else []
            count = rest.size
            yield X[order[:whole]], target.rows(order[:whole])
    if count:
        X, target = _joined(waiting)
        order = rng.permutation(count)
        yield X[order], target.rows(order)


def _joined(chunks: list[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    targets = [target for _, target in chunks]
    weights = [target.weights for target in targets]
    M = max(len(own) for own in weights)  # those that all labels share, where others have their own
    joined = Target(
        weights=np.concatenate(
            [np.broadcast_to(own, (M, own.shape[1])) for own in weights], axis=1
        ),
        codes=np.concatenate([target.codes for target in targets]),
        soft=_stacked([target.soft for target in targets]),
        teacher=_stacked([target.teacher for target in targets]),
    )
    return np.concatenate([X for X, _ in chunks]), joined


def _stacked(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts[0].size else parts[0]

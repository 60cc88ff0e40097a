"""The objective over more rows than fit into memory: every pass reads them again, in chunks."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol, Self

import numpy as np

from fastclf import threads
from fastclf.errors import InputError
from fastclf.losses import Loss
from fastclf.objective.in_memory import InMemoryObjective
from fastclf.objective.moments import Totals
from fastclf.objective.protocol import Rule
from fastclf.objective.shuffling import Chunk
from fastclf.objective.summed import Extent, Pick, SummedObjective, T
from fastclf.penalties import Penalty
from fastclf.plan import Costs


class Chunks(Protocol):
    """Rows in chunks that are read again in each pass.

    Attributes
    ----------
    extent : Extent
        The sizes of all rows.

    Examples
    --------
    Chunks of rows in memory, which are shuffled all together:

    >>> import numpy as np
    >>> from fastclf.objective import Extent
    >>> from fastclf.targets import Target
    >>> class ArrayChunks:
    ...     def __init__(self, X, target, chunk_rows):
    ...         self.X, self.target, self.chunk_rows = X, target, chunk_rows
    ...         self.extent = Extent(*X.shape, X.dtype)
    ...     def _cut(self, rows, size):
    ...         for start in range(0, len(rows), size):
    ...             some = rows[start : start + size]
    ...             yield self.X[some], self.target.rows(some)
    ...     def in_order(self):
    ...         return self._cut(np.arange(len(self.X)), self.chunk_rows)
    ...     def shuffled(self, seed, epoch, multiple):
    ...         rows = np.random.default_rng((seed, epoch)).permutation(len(self.X))
    ...         return self._cut(rows, -(-self.chunk_rows // multiple) * multiple)
    >>> target = Target(np.ones((1, 10)), codes=np.arange(10) % 2)
    >>> chunks = ArrayChunks(np.ones((10, 3)), target, chunk_rows=4)
    >>> [len(X) for X, _ in chunks.in_order()], [len(X) for X, _ in chunks.shuffled(0, 0, 3)]
    ([4, 4, 2], [6, 4])
    """

    extent: Extent

    def in_order(self) -> Iterator[Chunk]:
        """Yield X (m, d) and the targets of all rows, always in the same chunks."""

    def shuffled(self, seed: int, epoch: int, multiple: int) -> Iterator[Chunk]:
        """Yield all rows in an order that follows from the seed and the epoch.

        The number of rows in each chunk but the last is divisible by ``multiple``.
        """


class StreamedObjective(SummedObjective):
    """The objective over rows that are read in chunks; see :class:`Objective` for the methods.

    A pass makes an `InMemoryObjective` of one chunk after another and adds up their results. A
    thread reads the next chunk meanwhile.

    Parameters
    ----------
    chunks : Chunks
        The rows and their targets.
    loss, n_columns, penalty, totals, resident, fit_intercept, n_threads, costs
        As for :class:`SummedObjective`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from fastclf.losses import Softmax
    >>> from fastclf.objective import Extent, StreamedObjective, Totals
    >>> from fastclf.penalties import L2
    >>> from fastclf.targets import Target
    >>> X, y = load_iris(return_X_y=True)
    >>> target = Target(np.ones((1, len(y))), codes=y)
    >>> order = np.random.default_rng(0).permutation(len(y))
    >>> parts = [(X[i], target.rows(i)) for i in np.array_split(order, 3)]
    >>> extent = Extent(n_rows=150, n_features=4, dtype=X.dtype)
    >>> totals = Totals(target.total_weight, center=X.mean(axis=0))
    >>> penalty = L2.from_C(1.0, target.total_weight)
    >>> class Parts:  # without ``shuffled``, which only minibatches need
    ...     extent = extent
    ...     def in_order(self):
    ...         return iter(parts)
    >>> objective = StreamedObjective(Parts(), Softmax(), 3, penalty, totals)
    >>> value, gradient = objective.value_and_grad(np.zeros((5, 3)))
    >>> value.round(4).tolist(), objective.passes
    ([1.0986], 1.0)
    """

    def __init__(
        self,
        chunks: Chunks,
        loss: Loss,
        n_columns: int,
        penalty: Penalty,
        totals: Totals,
        resident: Chunk | None = None,
        fit_intercept: bool = True,
        n_threads: int | None = None,
        costs: Costs | None = None,
    ) -> None:
        what = loss, n_columns, penalty, totals
        super().__init__(chunks.extent, *what, resident, fit_intercept, n_threads, costs)
        self.chunks = chunks
        self._epoch: _Epoch | None = None

    def with_penalty(self, penalty: Penalty) -> Self:
        """Return the same problems with another penalty; its passes count here, too."""
        part = super().with_penalty(penalty)
        part._epoch = None
        return part

    def part(
        self, features: np.ndarray | None, chosen: np.ndarray, n_threads: int | None
    ) -> "StreamedObjective":
        """Return some of the problems; see :meth:`Objective.part`."""
        features = np.arange(self.n_features) if features is None else features
        pick = Pick(features, chosen, self.loss.is_sigmoid)
        chunks = _PickedChunks(self.chunks, features.size, pick)
        return StreamedObjective(chunks, **self._some_of(pick), n_threads=n_threads)

    def run_batches(self, rule: Rule, state: Any, first: int, last: int) -> None:
        """Run batches of an epoch, in the order of :meth:`Chunks.shuffled`."""
        key = state.seed, state.iteration, rule.batch_size
        if self._epoch is None or not self._epoch.can_reach(key, first):
            if self._epoch is not None:
                self._epoch.close()
            self._epoch = _Epoch(key, self.chunks)
        while first < last:
            chunk, start = self._epoch.at(first)
            part = replace(self._making, penalty=self.penalty)(*chunk)
            end = min(last, start + -(-part.n_rows // rule.batch_size))
            rows = np.arange(part.n_rows)
            part.run_batches(rule, state, first - start, end - start, rows)
            self.passes += part.passes * part.n_rows / self.n_rows
            first = end
            del chunk, part  # so that their memory is free when the next chunk but one is mixed
        if last * rule.batch_size >= self.n_rows:
            self._epoch.close()
            self._epoch = None

    def _sum(
        self, function: Callable[..., T | None], add: Callable[[Iterator[T]], T], *given: Any
    ) -> T:
        found = (function(part, *given) for part in self._parts())
        return add(one for one in found if one is not None)

    def _parts(self) -> Iterator[InMemoryObjective]:
        rows = 0
        for X, target in threads.prefetch(self.chunks.in_order()):
            rows += target.n_rows
            if target.weights.any():
                yield self._making(X, target)
            del X, target  # so that its memory is free when the next chunk but one is read
        if rows != self.n_rows:
            raise rows_changed(self.n_rows, rows)
        self.passes += 1


def rows_changed(before: int, now: int) -> InputError:
    """Return the error for a pass with another number of rows than the first."""
    return InputError(
        f"the data had {before} rows, and now have {now}; start again once nothing writes to them"
    )


class _PickedChunks:
    """Chunks with some of their features and problems."""

    def __init__(self, chunks: Chunks, n_features: int, pick: Callable[[Chunk], Chunk]) -> None:
        self._chunks = chunks
        self._pick = pick
        self.extent = chunks.extent.narrowed(n_features)

    def in_order(self) -> Iterator[Chunk]:
        return map(self._pick, self._chunks.in_order())

    def shuffled(self, seed: int, epoch: int, multiple: int) -> Iterator[Chunk]:
        return map(self._pick, self._chunks.shuffled(seed, epoch, multiple))


class _Epoch:
    """The chunks of one epoch, one after another."""

    def __init__(self, key: tuple[int, int, int], chunks: Chunks) -> None:
        self.key = key
        self._chunks = threads.prefetch(chunks.shuffled(*key))
        self._chunk: Chunk | None = None
        self._start = self._stop = 0

    def can_reach(self, key: tuple[int, int, int], batch: int) -> bool:
        """Return whether this epoch is the one of ``key`` and the batch is still to come."""
        return key == self.key and batch >= self._start

    def at(self, batch: int) -> tuple[Chunk, int]:
        """Return the chunk that a batch is in, and the batch that it begins with."""
        while batch >= self._stop:
            self._chunk = None
            self._chunk = next(self._chunks, None)
            if self._chunk is None:
                raise InputError("the data have fewer rows than before; start again")
            self._start = self._stop
            self._stop += -(-self._chunk[1].n_rows // self.key[2])
        assert self._chunk is not None
        return self._chunk, self._start

    def close(self) -> None:
        """Stop reading."""
        close: Callable[[], None] = self._chunks.close  # type: ignore[attr-defined]
        close()

"""The objective over rows in partitions that stay where they are, as in a cluster."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from fastclf.blas import single_threaded
from fastclf.losses import Loss
from fastclf.objective.in_memory import InMemoryObjective
from fastclf.objective.moments import Totals
from fastclf.objective.protocol import Rule
from fastclf.objective.shuffling import Chunk
from fastclf.objective.summed import Extent, PartMaking, Pick, SummedObjective, T
from fastclf.penalties import Penalty
from fastclf.plan import Costs


class Partitions(Protocol):
    """A value for each partition, which stays where it is.

    Functions that go there are functions of a module, or other values that can be pickled.

    Examples
    --------
    Values that stay in a list; `fastclf.dask` has those of a cluster:

    >>> from fastclf.objective.pairwise import PairwiseSum
    >>> class Local:
    ...     def __init__(self, values):
    ...         self.values = values
    ...     def map(self, function, *given):
    ...         return Local([function(value, *given) for value in self.values])
    ...     def zip(self, function, each):
    ...         return Local([function(*pair) for pair in zip(self.values, each, strict=True)])
    ...     def sum(self, function, add, *given):
    ...         total = PairwiseSum(len(self.values), add)
    ...         for i, value in enumerate(self.values):
    ...             total.put((0, i), function(value, *given))
    ...         return total.total
    >>> Local([[1, 2], [3], []]).map(len).sum(float, sum)
    3.0
    """

    def map(self, function: Callable[..., Any], *given: Any) -> "Partitions":
        """Return the partitions of ``function(value, *given)``, which stay there, too.

        They are computed once, and no sooner than they are needed.
        """

    def zip(self, function: Callable[..., Any], each: Sequence[Any]) -> "Partitions":
        """Return the partitions of ``function(value, own)``, with one of ``each`` for each value.

        They stay there, too.
        """

    def sum(
        self, function: Callable[..., T | None], add: Callable[[Iterator[T]], T], *given: Any
    ) -> T | None:
        """Return the :class:`PairwiseSum` of ``function(value, *given)`` for all values."""


class PartitionedObjective(SummedObjective):
    """The objective over rows in partitions; see :class:`Objective` for the methods.

    Each partition becomes an `InMemoryObjective` once. A pass sends theta there, and adds up what
    comes back, so its bits depend on the partitions, and not on where they are.

    Parameters
    ----------
    rows : Partitions
        X and Target of each partition.
    extent : Extent
        The sizes of all rows.
    loss, n_columns, penalty, totals, resident, fit_intercept, costs
        As for :class:`SummedObjective`.
    n_threads : int, optional
        Threads for each partition. None: 1, for several partitions are computed at a time.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from fastclf.losses import Softmax
    >>> from fastclf.objective import Extent, PartitionedObjective, Totals
    >>> from fastclf.penalties import L2
    >>> from fastclf.targets import Target
    >>> X, y = load_iris(return_X_y=True)
    >>> target = Target(np.ones((1, len(y))), codes=y)
    >>> order = np.random.default_rng(0).permutation(len(y))
    >>> parts = [(X[i], target.rows(i)) for i in np.array_split(order, 3)]
    >>> extent = Extent(n_rows=150, n_features=4, dtype=X.dtype)
    >>> totals = Totals(target.total_weight, center=X.mean(axis=0))
    >>> penalty = L2.from_C(1.0, target.total_weight)
    >>> from fastclf.objective.pairwise import PairwiseSum
    >>> class Local:
    ...     def __init__(self, values):
    ...         self.values = values
    ...     def map(self, function, *given):
    ...         return Local([function(value, *given) for value in self.values])
    ...     def zip(self, function, each):
    ...         return Local([function(*pair) for pair in zip(self.values, each, strict=True)])
    ...     def sum(self, function, add, *given):
    ...         total = PairwiseSum(len(self.values), add)
    ...         for i, value in enumerate(self.values):
    ...             total.put((0, i), function(value, *given))
    ...         return total.total
    >>> objective = PartitionedObjective(Local(parts), extent, Softmax(), 3, penalty, totals)
    >>> value, gradient = objective.value_and_grad(np.zeros((5, 3)))
    >>> value.round(4).tolist(), objective.passes
    ([1.0986], 1.0)
    """

    def __init__(
        self,
        rows: Partitions,
        extent: Extent,
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
        super().__init__(extent, *what, resident, fit_intercept, n_threads, costs)
        self._rows = rows
        self._parts = rows.map(Part, replace(self._making, n_threads=n_threads or 1))

    def part(
        self, features: np.ndarray | None, chosen: np.ndarray, n_threads: int | None
    ) -> "PartitionedObjective":
        """Return some of the problems; see :meth:`Objective.part`. Columns are copied there."""
        every = np.arange(self.n_features)
        pick = Pick(every if features is None else features, chosen, self.loss.is_sigmoid)
        extent = self.extent
        if features is not None:
            extent = extent.narrowed(features.size)
        rows = self._rows.map(_picked, pick)
        return PartitionedObjective(rows, extent, **self._some_of(pick), n_threads=self.n_threads)

    def run_batches(self, rule: Rule, state: Any, first: int, last: int) -> None:
        """Refuse: batches follow each other, and rows of all partitions belong into each."""
        raise NotImplementedError

    def _sum(
        self, function: Callable[..., T | None], add: Callable[[Iterator[T]], T], *given: Any
    ) -> T:
        found = self._parts.sum(_of_part, add, function, *given)
        assert found is not None  # some part has weight
        self.passes += 1
        return found


class Part:
    """The rows of a partition, and the objective over them; only the rows are sent elsewhere."""

    def __init__(self, rows: Chunk, making: PartMaking) -> None:
        self.rows = rows
        self._making = making
        has_weight = rows[1].weights.any()
        self._objective = making(*rows) if has_weight else None

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it elsewhere."""
        return Part, (self.rows, self._making)

    def objective(self) -> InMemoryObjective | None:
        """Return a copy of the objective, which shares its arrays; None if no row has weight.

        The bits of a pass may depend on those before it, so each has a copy of its own: a part that
        was lost and made again gives the same.
        """
        return copy.copy(self._objective)


def _picked(rows: Chunk, pick: Pick) -> Chunk:
    return pick(rows)


def _of_part(part: Part, function: Callable[..., T | None], *given: Any) -> T | None:
    objective = part.objective()
    if objective is None:
        return None
    with single_threaded():
        return function(objective, *given)

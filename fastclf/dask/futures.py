"""Values in the partitions of a Dask cluster, which stay on the workers.

Each partition is a future. A sum is one task for the partitions that a worker thread has, not one
for each, because a scheduler takes about a millisecond for a task. Which partitions share a task
has no influence on the bits: a task adds only what a :class:`PairwiseSum` adds in any case.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from dask.sizeof import sizeof
from distributed import CancelledError, Client, Future, KilledWorker, get_worker, wait

from fastclf.errors import FastclfError
from fastclf.estimators.partitions import Rows
from fastclf.objective.pairwise import Node, PairwiseSum
from fastclf.objective.partitioned import Part
from fastclf.targets import Target

_TASKS = 2
"""Tasks of a pass for each thread of a worker, so that threads end at about the same time."""

_MERGED = 16
"""Tasks whose sums are added on a worker, if there are more; so little comes to the client."""

T = TypeVar("T")

Steps = Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]
"""Functions, each with what it is given beside a value."""

Nodes = tuple[bool, list[tuple[Node, Any]]]


class FuturePartitions:
    """Values on workers, or the tasks that compute them; see :class:`Partitions` for the methods.

    Parameters
    ----------
    client : distributed.Client
    futures : list of Future, or None
        None: they follow from those of the ``source`` by some ``steps``.
    """

    def __init__(
        self,
        client: Client,
        futures: list[Future] | None,
        source: "FuturePartitions | None" = None,
        steps: Steps = (),
    ) -> None:
        self._client = client
        self._futures = futures  # None until they are needed: those of the source, after some steps
        self._source = source or self
        self._steps = steps
        self._groups: list[tuple[str, list[int]]] | None = None

    def map(self, function: Callable[..., Any], *given: Any) -> "FuturePartitions":
        """Return the partitions of ``function(value, *given)``."""
        step = function, given
        if self._futures is None:  # then the steps before are taken again
            return FuturePartitions(self._client, None, self._source, (*self._steps, step))
        return FuturePartitions(self._client, None, self, (step,))

    def zip(self, function: Callable[..., Any], each: Sequence[Any]) -> "FuturePartitions":
        """Return the partitions of ``function(value, own)``, with one of ``each`` for each."""
        futures = self._client.map(function, self._there(), list(each), pure=False)
        return FuturePartitions(self._client, futures)

    def sum(
        self, function: Callable[..., T | None], add: Callable[[Iterator[T]], T], *given: Any
    ) -> T | None:
        """Return the :class:`PairwiseSum` of ``function(value, *given)`` for all values."""
        try:
            return self._sum(function, add, given)
        except KilledWorker as error:
            raise FastclfError(
                f"workers died repeatedly on the same partitions: {error}; if they ran out of "
                "memory, give them more, or make the partitions smaller"
            ) from error
        except CancelledError as error:
            raise FastclfError(
                "the cluster lost data during the fit: the client was closed, or a worker died "
                "with scattered data, which can't be computed again; fit again"
            ) from error

    def _sum(
        self,
        function: Callable[..., T | None],
        add: Callable[[Iterator[T]], T],
        given: tuple[Any, ...],
    ) -> T | None:
        futures = self._there()
        n = len(futures)
        if self._groups is None:
            self._groups = self._places(futures)
        workers, groups = zip(*self._groups, strict=True)
        some = [[futures[i] for i in group] for group in groups]
        what: dict[str, Any] = {
            "n": n,
            "function": function,
            "add": add,
            "given": given,
            "pure": False,
        }
        sums = self._client.map(_sum_of_some, some, groups, workers, **what)
        while len(sums) > _MERGED:
            some = [sums[i : i + _MERGED] for i in range(0, len(sums), _MERGED)]
            sums = self._client.map(_merged, some, n=n, add=add, pure=False)
        result: PairwiseSum[T] = PairwiseSum(n, add)
        for has_moved, nodes in self._client.gather(sums):
            result.put_all(nodes)
            if has_moved:
                self._groups = None
        return result.total

    def _there(self) -> list[Future]:
        # The futures, begun now if there are none yet.
        if self._futures is None:
            source = self._source._there()
            self._futures = self._client.map(_stepped, source, steps=self._steps, pure=False)
        return self._futures

    def _places(self, futures: list[Future]) -> list[tuple[str, list[int]]]:
        # Which partitions share a task: those of a worker, in as many groups as pay there. A group
        # that loses its worker is computed by another.
        with self._client.as_current():  # not whichever is the default
            wait(futures)
        holders = self._client.who_has(futures)
        threads = self._client.nthreads()
        of_worker: dict[str, list[int]] = {}
        for i, future in enumerate(futures):
            places = holders.get(future.key) or ("",)
            of_worker.setdefault(min(places), []).append(i)
        groups = []
        for worker, held in of_worker.items():
            length = -(-len(held) // (_TASKS * threads.get(worker, 1)))
            groups += [(worker, held[i : i + length]) for i in range(0, len(held), length)]
        return sorted(groups, key=lambda group: group[1])


def _stepped(value: Any, steps: Steps) -> Any:
    for function, given in steps:
        value = function(value, *given)
    return value


def _sum_of_some(
    values: Sequence[Any],
    places: Sequence[int],
    expected: str,
    n: int,
    function: Callable[..., Any],
    add: Callable[[Iterator[Any]], Any],
    given: tuple[Any, ...],
) -> Nodes:
    # What can be added up of some of n values, and whether it was computed on another worker.
    result: PairwiseSum[Any] = PairwiseSum(n, add)
    for place, value in zip(places, values, strict=True):
        result.put((0, place), function(value, *given))
    return get_worker().address != expected, list(result.nodes.items())


def _merged(some: Sequence[Nodes], n: int, add: Callable[[Iterator[Any]], Any]) -> Nodes:
    result: PairwiseSum[Any] = PairwiseSum(n, add)
    for _, nodes in some:
        result.put_all(nodes)
    return any(has_moved for has_moved, _ in some), list(result.nodes.items())


# Workers write to disk what they take for too much. So an X that is shared counts once.


@sizeof.register(Rows)
def _size_of_rows(rows: Rows) -> int:
    X = 0 if rows.shares_X else sizeof(rows.X)
    return X + sizeof(rows.y) + (0 if rows.weights is None else sizeof(rows.weights))


@sizeof.register(Part)
def _size_of_part(part: Part) -> int:
    return sizeof(part.rows[1])  # X is that of Rows


@sizeof.register(Target)
def _size_of_target(target: Target) -> int:
    arrays = target.weights, target.codes, target.soft, target.teacher
    return sum(array.nbytes for array in arrays)

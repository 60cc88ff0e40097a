"""Sums in the order of a binary tree, which can begin in several places."""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

Node = tuple[int, int]
"""The level of a node and its place there; the values themselves are level 0."""


class PairwiseSum(Generic[T]):
    """The sum of n values, or as much of it as the values so far allow.

    Values, or sums of nodes, can be put in any order and in several places. What is added to what
    depends on n alone, so the sum has the same bits. None adds nothing.

    Parameters
    ----------
    n : int
    add : callable
        Returns the sum of an iterator of two values, and changes neither.

    Examples
    --------
    >>> here, there, both = (PairwiseSum(4, "".join) for _ in range(3))
    >>> for i, letter in enumerate("abcd"):
    ...     (here if i < 3 else there).put((0, i), letter)
    >>> here.nodes
    {(1, 0): 'ab', (0, 2): 'c'}
    >>> for node, value in [*there.nodes.items(), *here.nodes.items()]:
    ...     both.put(node, value)
    >>> both.total
    'abcd'
    """

    def __init__(self, n: int, add: Callable[[Iterator[T]], T]) -> None:
        self.n = n
        self.nodes: dict[Node, T | None] = {}
        self._add = add
        self._top = max(n - 1, 0).bit_length()

    def put(self, node: Node, value: T | None) -> None:
        """Put a value or the sum of a node, and add up what is complete now."""
        level, place = node
        while level < self._top:
            other = place ^ 1
            if other <= (self.n - 1) >> level:  # otherwise this one is alone
                if (level, other) not in self.nodes:
                    break
                pair = self.nodes.pop((level, other)), value
                value = self._of_two(*(pair if other < place else pair[::-1]))
            level, place = level + 1, place // 2
        self.nodes[level, place] = value

    def put_all(self, nodes: Iterable[tuple[Node, T | None]]) -> None:
        """Put several sums."""
        for node, value in nodes:
            self.put(node, value)

    @property
    def total(self) -> T | None:
        """The sum of all values, once they are there; None if there are none."""
        return self.nodes[self._top, 0] if self.n else None

    def _of_two(self, left: T | None, right: T | None) -> T | None:
        if left is None or right is None:
            return right if left is None else left
        return self._add(iter((left, right)))

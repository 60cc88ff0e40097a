"""Sums in the order of a binary tree: nobody can tell where they began."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastclf.objective.pairwise import PairwiseSum


def shown(pair) -> str:
    return "({} {})".format(*pair)


def summed(n: int, groups: list[list[int]]) -> tuple[str, int]:
    """The sum of n numbers that are added in groups first, and how much came of the groups."""
    total: PairwiseSum[str] = PairwiseSum(n, shown)
    count = 0
    for group in groups:
        part: PairwiseSum[str] = PairwiseSum(n, shown)
        for i in group:
            part.put((0, i), str(i))
        count += len(part.nodes)
        total.put_all(part.nodes.items())
    return total.total, count


@given(st.integers(1, 40), st.randoms(use_true_random=False), st.integers(1, 8))
def test_the_same_is_added_whatever_the_groups(n: int, random, count: int):
    wanted, _ = summed(n, [list(range(n))])
    places = list(range(n))
    random.shuffle(places)
    assert summed(n, [places[i::count] for i in range(count)])[0] == wanted
    assert sorted(int(word.strip("()")) for word in wanted.split()) == list(range(n))


def test_neighbours_come_back_as_few_sums():
    _, count = summed(1024, [list(range(i, min(i + 100, 1024))) for i in range(0, 1024, 100)])
    assert count <= 11 * 2 * 7


@pytest.mark.parametrize("n, wanted", [(1, "0"), (2, "(0 1)"), (3, "((0 1) 2)")])
def test_what_is_added_to_what(n: int, wanted: str):
    assert summed(n, [list(range(n))])[0] == wanted


def test_none_adds_nothing():
    total: PairwiseSum[str] = PairwiseSum(5, shown)
    for i, value in enumerate([None, "a", None, None, "b"]):
        total.put((0, i), value)
    assert total.total == "(a b)"
    nothing: PairwiseSum[str] = PairwiseSum(2, shown)
    nothing.put_all([((0, 0), None), ((0, 1), None)])
    assert nothing.total is None and PairwiseSum(0, shown).total is None


def test_rounding_grows_slowly():
    values = np.full(1 << 12, np.float32(0.1))
    total: PairwiseSum = PairwiseSum(len(values), lambda pair: np.add(*pair))
    for i, value in enumerate(values):
        total.put((0, i), value)
    assert total.total == np.float32(0.1) * len(values)

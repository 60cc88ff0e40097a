"""Splits: disjoint, seeded, in proportion, and by groups or time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastclf.data import BUILT_IN, Dataset, load_built_in, split_rows
from fastclf.errors import DataError


def dataset(y: np.ndarray, groups: np.ndarray | None = None, is_soft: bool = False) -> Dataset:
    names = tuple(map(str, range(y.shape[1] if y.ndim == 2 else 2)))
    return Dataset("made", np.zeros((len(y), 1)), y, ("x",), names, is_soft, groups)


@pytest.mark.parametrize("name", BUILT_IN)
def test_splits_are_disjoint_seeded_and_stratified(name: str):
    dataset = load_built_in(name)
    train, test = split_rows(dataset, test_size=0.25, stratify=True, seed=1)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(dataset.n_rows))
    again, _ = split_rows(dataset, test_size=0.25, stratify=True, seed=1)
    other, _ = split_rows(dataset, test_size=0.25, stratify=True, seed=2)
    assert np.array_equal(train, again)
    assert not np.array_equal(train, other)
    for label in np.unique(dataset.y):
        assert abs(np.mean(dataset.y[test] == label) - np.mean(dataset.y == label)) < 0.02


def test_impossible_splits_are_refused():
    with pytest.raises(DataError, match="data.test_size = 0.001"):
        split_rows(load_built_in("iris"), test_size=0.001, stratify=True, seed=0)


def labels_of(n: int, L: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((n, L)) < np.linspace(0.01, 0.5, L)).astype(np.uint8)


@given(
    n=st.integers(2, 120),
    L=st.integers(1, 6),
    test_size=st.floats(0.05, 0.6),
    seed=st.integers(0, 99),
)
def test_every_label_is_split_in_proportion(n: int, L: int, test_size: float, seed: int):
    y = labels_of(n, L, seed)
    try:
        train, test = split_rows(dataset(y), test_size=test_size, stratify=True, seed=seed)
    except DataError as refused:
        assert "one part would have no rows" in str(refused)
        return
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(n))
    again = split_rows(dataset(y), test_size=test_size, stratify=True, seed=seed)
    assert np.array_equal(test, again[1])
    # the rarest label is the first to be dealt out, and misses its share by less than a row
    positive = np.where(y.any(axis=0), y.sum(axis=0), n + 1)
    rarest = positive.argmin()
    if positive[rarest] <= n:
        assert abs(y[test, rarest].sum() - test_size * positive[rarest]) < 1


def test_labels_are_split_better_than_at_random():
    y = labels_of(2000, 20, 0)

    def miss(stratify: bool) -> float:
        _, test = split_rows(dataset(y), test_size=0.25, stratify=stratify, seed=0)
        return float(np.abs(y[test].sum(axis=0) / y.sum(axis=0) - 0.25).mean())

    assert miss(True) < 0.2 * miss(False)
    _, test = split_rows(dataset(y), test_size=0.25, stratify=True, seed=0)
    assert abs(len(test) - 500) <= 20


def test_distributions_are_split_by_their_most_probable_class():
    P = np.eye(3)[np.repeat([0, 1, 2], [60, 30, 10])] * 0.7 + 0.1
    _, test = split_rows(dataset(P, is_soft=True), test_size=0.2, stratify=True, seed=3)
    assert np.bincount(P[test].argmax(axis=1)).tolist() == [12, 6, 2]


def test_groups_stay_together():
    groups = np.random.default_rng(0).integers(0, 30, 300)
    by_group = dataset(np.arange(300) % 2, groups)
    train, test = split_rows(by_group, test_size=0.2, stratify=True, seed=1)
    assert not set(groups[train]) & set(groups[test])
    assert len(set(groups[test])) == 6
    other = split_rows(by_group, test_size=0.2, stratify=True, seed=2)[1]
    assert not np.array_equal(test, other)
    one = replace(by_group, groups=np.zeros(300))
    with pytest.raises(DataError, match="data.test_size = 0.2"):
        split_rows(one, test_size=0.2, stratify=True, seed=1)


def test_the_last_rows_are_the_test():
    times = np.array([5, 1, 9, 1, 7, 3, 3, 8, 2, 6])
    by_time = dataset(np.arange(10) % 2, times)
    train, test = split_rows(by_time, test_size=0.25, stratify=True, seed=0, split_kind="time")
    assert test.tolist() == [2, 4, 7]
    assert times[train].max() <= times[test].min()
    with pytest.raises(DataError, match="no row is left to train on"):
        split_rows(by_time, test_size=0.99, stratify=True, seed=0, split_kind="time")


def test_no_test_rows():
    train, test = split_rows(load_built_in("iris"), test_size=0, stratify=True, seed=0)
    assert (len(train), len(test)) == (150, 0)

"""Medians and most frequent values from chunks, against those of all rows."""

import copy

import numpy as np
import pytest
from sklearn.impute import SimpleImputer

from fastclf.data import value_counts
from fastclf.data.value_counts import Medians, Modes


def rows(n: int = 5001) -> np.ndarray:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, 5))
    X[:, 1] = np.round(X[:, 1] * 3) + 0.0
    X[:, 2] *= 1e-305  # some are subnormal
    X[:, 3] = np.where(rng.random(n) < 0.5, -np.abs(X[:, 3]), X[:, 3] * 1e30)
    X[rng.random(X.shape) < 0.2] = np.nan
    X[:, 4] = np.nan
    return X


def imputed(X: np.ndarray, strategy: str) -> list[float]:
    return SimpleImputer(strategy=strategy, keep_empty_features=True).fit(X).statistics_.tolist()


def medians(parts: list[np.ndarray], merged: bool) -> tuple[list[float], int]:
    """The medians of all rows, and the number of passes over them."""
    found: Medians | None = Medians(5)
    for passes in range(1, 70):
        tallies = [copy.deepcopy(found) for _ in parts] if merged else [found] * len(parts)
        for tally, part in zip(tallies, parts, strict=True):
            tally.add(part)
        for other in tallies[1:] if merged else ():
            tallies[0].merge(other)
        found = tallies[0].refined()
        if found is None:
            return tallies[0].values(), passes
    raise AssertionError("there is no end")


@pytest.mark.parametrize("most", [4, 40, 1 << 16])
@pytest.mark.parametrize("n", [1, 2, 4000, 5001])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("merged", [False, True])
def test_medians_are_exact(
    most: int, n: int, dtype: str, merged: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(value_counts, "_MOST", most)
    monkeypatch.setattr(value_counts, "_FEWEST", 1)
    X = rows(n).astype(dtype)
    found, passes = medians(np.array_split(X, [0, n // 3, n // 2]), merged)
    assert found == imputed(X.astype(np.float64), "median")
    assert (passes == 1) == (most > n or n < 4)


def test_the_most_frequent_value_is_the_smallest_of_several():
    X = rows()
    found = Modes(5)
    for part in np.array_split(X, 9):
        found.add(part)
    assert found.refined() is None
    assert found.values() == imputed(X, "most_frequent")
    parts = [Modes(5) for _ in range(3)]
    for part, some in zip(parts, np.array_split(X, 3), strict=True):
        part.add(some)
    parts[0].merge(parts[1])
    parts[0].merge(parts[2])
    assert parts[0].values() == found.values()


def test_a_frequent_value_is_found_among_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(value_counts, "_MOST", 40)
    monkeypatch.setattr(value_counts, "_FEWEST", 1)
    X = rows()[:, :1]
    X[np.random.default_rng(0).random(len(X)) < 0.06] = 7.0  # more than 2 / 40 of the rows
    found = Modes(1)
    for part in np.array_split(X, 100):
        found.add(part)
    assert found.values() == [7.0]

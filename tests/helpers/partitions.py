"""Partitions in this process: what fastclf.dask has on workers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastclf.estimators.partitions import Block, PartitionedRows, Reading, survey
from fastclf.objective.pairwise import PairwiseSum


class LocalPartitions:
    """Values in a list. What crosses between machines is pickled, and each value made anew."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = list(values)
        self.sums = 0

    def map(self, function: Any, *given: Any) -> "LocalPartitions":
        return LocalPartitions([function(value, *given) for value in self.values])

    def zip(self, function: Any, each: Sequence[Any]) -> "LocalPartitions":
        both = zip(self.values, each, strict=True)
        return LocalPartitions([function(value, own) for value, own in both])

    def sum(self, function: Any, add: Any, *given: Any) -> Any:
        self.sums += 1
        result: PairwiseSum = PairwiseSum(len(self.values), add)
        for i, value in enumerate(self.values):
            result.put((0, i), function(value, *given))
        return result.total


def cut(n: int, count: int, empty: Sequence[int] = ()) -> list[np.ndarray]:
    """The rows of each of some partitions, of which some are empty."""
    parts = np.array_split(np.arange(n), count - len(empty))
    for place in empty:
        parts.insert(place, np.arange(0))
    return parts


def blocks(X: Any, y: Any, weights: Any, parts: Sequence[np.ndarray]) -> LocalPartitions:
    """Blocks of rows."""
    return LocalPartitions(
        [
            Block(i, X[rows], y[rows], None if weights is None else weights[rows])
            for i, rows in enumerate(parts)
        ]
    )


def fit(estimator: Any, X: Any, y: Any, weights: Any = None, parts: Any = None) -> Any:
    """Fit an estimator of fastclf to rows in partitions, as fastclf.dask does."""
    from fastclf.estimators import multilabel
    from fastclf.estimators.fitting import fit_estimator
    from fastclf.estimators.logistic import LogisticRegression, counted_classes, settings_of
    from fastclf.estimators.tallies import counted_labels

    parts = cut(X.shape[0], 5) if parts is None else parts
    is_single = isinstance(estimator, LogisticRegression)
    settings = (settings_of if is_single else multilabel.settings_of)(estimator)
    reading = Reading(
        type(estimator).__name__,
        np.dtype(X.dtype),
        None,
        np.ndim(y) == 2,
        label_weights=not is_single,
    )
    rows = blocks(X, y, weights, parts).map(reading)
    tally = estimator._tally(reading.several_targets, None)
    found = survey(estimator, rows, reading, tally)
    counted = (
        counted_classes(estimator, tally, reading.dtype)
        if is_single
        else counted_labels(estimator, tally)
    )
    problem, encode = counted
    if not is_single:
        estimator.threshold_ = estimator._given_threshold(problem.n_columns)
    fit_estimator(
        estimator, PartitionedRows(rows, found, encode), problem, settings, None, None, None
    )
    return estimator

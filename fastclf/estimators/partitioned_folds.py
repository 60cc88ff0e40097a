"""Cross-validation over rows in partitions: folds are weights of the rows, and stay with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from fastclf.estimators import held_out
from fastclf.estimators.fitting import Settings
from fastclf.estimators.partitions import Encode, PartitionedRows, Rows, chained
from fastclf.estimators.paths import (
    Choice,
    Paths,
    Study,
    check_trained,
    masses_of,
    training_counts,
)
from fastclf.estimators.problem import of_columns
from fastclf.estimators.tallies import ClassEncoding
from fastclf.objective import PartitionedObjective, Partitions, Totals
from fastclf.penalties import from_C
from fastclf.targets import Target


class FoldRows(NamedTuple):
    """The rows of a partition in F folds: how often each trains on them, and holds them out."""

    rows: Rows
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class StudyOfPartitions(Study):
    """A study of rows in partitions; X is PartitionedRows.

    A fold is the rows to train on and those to hold out, by their numbers among all rows. ``truth``
    encodes the targets as models are scored by them.
    """

    X: PartitionedRows
    folds: Sequence[tuple[np.ndarray, np.ndarray]]
    truth: ClassEncoding

    @property
    def n_folds(self) -> int:
        """F."""
        return len(self.folds)

    @cached_property
    def _rows(self) -> Partitions:
        n, F = self.X.shape[0], self.n_folds
        train, test = np.zeros((F, n), np.uint16), np.zeros((F, n), bool)
        for f, fold in enumerate(self.folds):
            train[f] = training_counts([fold], n)[0]
            test[f, fold[1]] = True
        edges = np.cumsum([0, *self.X.found.lengths])
        cuts = [slice(*edge) for edge in zip(edges[:-1], edges[1:], strict=True)]
        each = [(train[:, rows].copy(), test[:, rows].copy()) for rows in cuts]
        return self.X.rows.zip(_in_folds, each)

    def masses(self) -> np.ndarray:
        """Return the weight on and off each column's class in each fold (F, 2, C)."""
        found = self._rows.sum(_masses, _added, self.X.encode)
        assert found is not None  # there are rows
        check_trained(found[:, :, 0].sum(axis=1))
        return found

    def objectives(self, chosen: Choice, X: Any, settings: Settings) -> tuple[Any, Any]:
        """Return the objective of some folds, and the one of all rows with their mean weights."""
        stands_for = np.ones((len(chosen.members), self.problem.target.n_rows))
        folds, near = chosen.problems(self.problem, stands_for, None)
        every, middle = (_FoldEncoding(self.X.encode, chosen, i) for i in range(2))
        totals = [self._rows.sum(_total, _added, encode) for encode in (every, middle)]
        found = self.X.found
        sample = of_columns(self.X.encode(found.y, found.weights), chosen.present)
        resident = found.X, sample.target
        parts = []
        for problem, encode, total, some in (
            (folds, every, totals[0], None),
            (near, middle, totals[1], resident),
        ):
            assert total is not None  # each fold has rows
            M = problem.n_columns if problem.loss.is_sigmoid else len(total)
            total = np.broadcast_to(total, (M,))
            parts.append(
                PartitionedObjective(
                    self._rows.map(encode),
                    found.extent,
                    problem.loss,
                    problem.n_columns,
                    from_C(settings.C, settings.l1_ratio, total),
                    Totals(total, found.center),
                    some,
                    settings.free_intercept,
                    settings.n_threads,
                )
            )
        return parts[0], parts[1]

    def scores(self, paths: Paths, by_likelihood: bool, weighted: bool) -> np.ndarray:
        """Return the scores (F, r, c, 1) of paths of models on the rows that folds hold out.

        That is their accuracy or the mean likelihood of the targets, ``weighted`` by the weights of
        the rows or not.
        """
        F, _, _, C, side = paths.coefs.shape
        coefs = paths.coefs.reshape(F, -1, C, side)
        sums = self._rows.sum(_scores, _added, self.truth, coefs, by_likelihood, weighted)
        assert sums is not None  # each fold holds out rows
        return (sums[:, :-1] / sums[:, -1:]).reshape(*paths.n_iter.shape, 1)


def codes_of(rows: Partitions, encode: Encode) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes of all rows (n,), as their numbers, and which of them count (n,)."""
    found = rows.sum(_codes, chained, encode) or []
    codes, counts = zip(*found, strict=True)
    return np.concatenate(codes), np.concatenate(counts)


@dataclass(frozen=True)
class _FoldEncoding:
    """Makes X and Target of some folds of a partition (0), or of all rows with mean weights (1)."""

    encode: Encode
    chosen: Choice
    which: int

    def __call__(self, part: FoldRows) -> tuple[Any, Target]:
        problem = self.encode(part.rows.y, part.rows.own_weights)
        weights = part.train[self.chosen.members] * problem.target.weights[0]
        return part.rows.X, self.chosen.problems(problem, weights, None)[self.which].target


def _in_folds(rows: Rows, own: tuple[np.ndarray, np.ndarray]) -> FoldRows:
    return FoldRows(rows, *own)


def _masses(part: FoldRows, encode: Encode) -> np.ndarray | None:
    if not len(part.rows.y):
        return None
    problem = encode(part.rows.y, part.rows.own_weights)
    return masses_of(problem, part.train * problem.target.weights[0], None)


def _total(part: FoldRows, encode: _FoldEncoding) -> np.ndarray:
    return encode(part)[1].total_weight


def _codes(rows: Rows, encode: Encode) -> list[tuple[np.ndarray, np.ndarray]]:
    target = encode(rows.y, np.ones(len(rows.y))).target
    return [(_classes(target), target.weights[0] > 0)]


def _classes(target: Target) -> np.ndarray:
    if target.codes.size:
        return target.codes
    if target.soft.shape[1] == 1:
        return (target.soft[:, 0] > 0.5).astype(np.intp)
    return target.soft.argmax(axis=1)


def _distributions(target: Target, n_columns: int) -> np.ndarray:
    if target.codes.size:
        return np.eye(n_columns)[target.codes]
    return np.hstack([1 - target.soft, target.soft]) if n_columns == 1 else target.soft


def _scores(
    part: FoldRows, encode: Encode, coefs: np.ndarray, by_likelihood: bool, weighted: bool
) -> np.ndarray:
    # The sums of the scores of each fold's models, and of the weights (F, models + 1).
    sums = np.zeros((coefs.shape[0], coefs.shape[1] + 1))
    rows = part.rows
    for f, held in enumerate(part.test):
        some = np.flatnonzero(held)
        if not some.size:
            continue
        weights = rows.own_weights[some] if weighted else np.ones(some.size)
        if not weights.sum() > 0:
            continue
        target = encode(rows.y[some], np.ones(some.size)).target
        judge = held_out.accuracy(_classes(target), weights)
        if by_likelihood:
            judge = held_out.log_likelihood(_distributions(target, coefs.shape[2]), weights)
        sums[f, :-1] = weights.sum() * held_out.score_models(coefs[f], rows.X[some], judge, 1)
        sums[f, -1] = weights.sum()
    return sums


def _added(found: Iterator[np.ndarray]) -> np.ndarray:
    return np.sum(list(found), axis=0)

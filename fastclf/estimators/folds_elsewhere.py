"""Cross-validation over rows that aren't in memory: folds are weights of the rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from fastclf import threads
from fastclf.errors import InputError
from fastclf.estimators import held_out
from fastclf.estimators.elsewhere import Encode
from fastclf.estimators.fitting import Settings
from fastclf.estimators.membership import Membership
from fastclf.estimators.partitions import PartitionedRows, Rows, chained
from fastclf.estimators.paths import Choice, Paths, Study, check_trained, masses_of
from fastclf.estimators.problem import Problem, of_columns
from fastclf.estimators.streams import StreamedRows
from fastclf.estimators.tallies import ClassEncoding, LabelEncoding
from fastclf.objective import Extent, PartitionedObjective, Partitions, StreamedObjective, Totals
from fastclf.objective.shuffling import Chunk
from fastclf.objective.streamed import rows_changed
from fastclf.penalties import from_C
from fastclf.targets import Target

_ENTRIES = 1 << 22
"""Most weights of rows in folds that are made for a chunk of a stream, and most of its logits."""


class FoldRows(NamedTuple):
    """Some rows in F folds: how often each trains on them, and holds them out (F, m)."""

    rows: Any
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class ClassScores:
    """Scores by the accuracy, or by the likelihood of the targets, ``weighted`` or not.

    ``truth`` encodes the targets as models are scored by them.
    """

    truth: ClassEncoding
    by_likelihood: bool
    weighted: bool

    def weights(self, rows: Any, some: np.ndarray) -> np.ndarray:
        """Return the sum of the weights of some rows (1,)."""
        return self._own(rows, some).sum(keepdims=True)

    def sums(self, rows: Any, some: np.ndarray, score: Callable, n_columns: int) -> np.ndarray:
        """Return the summed scores of models (models, 1) on some rows that have weight.

        ``score`` takes Scores, and returns those of all models.
        """
        weights = self._own(rows, some)
        target = self.truth(rows.y[some], np.ones(some.size)).target
        judge = held_out.accuracy(_classes(target), weights)
        if self.by_likelihood:
            judge = held_out.log_likelihood(_distributions(target, n_columns), weights)
        return weights.sum() * score(judge)[:, None]

    def _own(self, rows: Any, some: np.ndarray) -> np.ndarray:
        return rows.own_weights[some] if self.weighted else np.ones(some.size)

    def lacking(self, fold: int, weights: np.ndarray) -> str | None:
        """Return what a fold's held out rows, whose weights are summed (1,), lack."""
        if weights[0] > 0:
            return None
        return f"fold {fold} holds out no rows of positive weight: choose another cv"


@dataclass(frozen=True)
class LabelScores:
    """Scores of each label by the likelihood of its targets; ``names`` (L,) are for messages."""

    names: np.ndarray

    def weights(self, rows: Any, some: np.ndarray) -> np.ndarray:
        """Return the weight of the rows in which each label is known (L,), of some rows."""
        values, weights = rows.y[some], rows.own_weights[some]
        return np.einsum("il,i->l", ~np.isnan(values), weights)

    def sums(self, rows: Any, some: np.ndarray, score: Callable, n_columns: int) -> np.ndarray:
        """Return the summed scores of models (models, L) on some rows."""
        return np.asarray(score(held_out.label_likelihoods(rows.y[some], rows.own_weights[some])))

    def lacking(self, fold: int, weights: np.ndarray) -> str | None:
        """Return what a fold's held out rows, whose weights are summed (L,), lack."""
        if (weights > 0).all():
            return None
        name = self.names[weights <= 0].tolist()[0]
        return (
            f"fold {fold} holds out no row where {name!r} is known: choose another cv, or leave "
            "out that label"
        )


Judge = ClassScores | LabelScores


@dataclass(frozen=True, eq=False)
class StudyElsewhere(Study):
    """A study of rows that aren't in memory.

    ``folds`` are those of all rows in their order. The ``judge`` scores models on the rows that a
    fold holds out. A subclass says where rows are, and how objectives over them are made.
    """

    folds: Membership
    judge: Judge

    @property
    def n_folds(self) -> int:
        """F."""
        return self.folds.n_folds

    def masses(self) -> np.ndarray:
        """Return the weight on and off each column's class in each fold (F, 2, C)."""
        masses, trained, tested = self.sum(_masses, _added, self.encode, self.judge)
        check_trained(trained)
        for f, weights in enumerate(tested):
            if (problem := self.judge.lacking(f, weights)) is not None:
                raise InputError(problem)
        return masses

    def objectives(self, chosen: Choice, X: Any, settings: Settings) -> tuple[Any, Any]:
        """Return the objective of some folds, and the one of all rows with their mean weights."""
        stands_for = np.ones((len(chosen.members), self.problem.target.n_rows))
        both = chosen.problems(self.problem, stands_for, None)
        encodings = [FoldEncoding(self.encode, chosen, i) for i in range(2)]
        shapes = [each.n_columns if each.loss.is_sigmoid else 0 for each in both]
        totals = self.sum(_totals, _added, encodings, shapes)
        parts = []
        for i, (problem, encode, total) in enumerate(zip(both, encodings, totals, strict=True)):
            penalty = from_C(settings.C, settings.l1_ratio, total)
            around = Totals(total, self.found.center)
            what = problem.loss, problem.n_columns, penalty, around
            kept = None
            if i == 1:
                X_kept, y, weights = self.kept
                kept = X_kept, of_columns(self.encode(y, weights), chosen.present).target
            how = settings.free_intercept, settings.n_threads
            parts.append(self.objective_of(encode)(*what, kept, *how))
        return parts[0], parts[1]

    def scores(self, paths: Paths) -> np.ndarray:
        """Return the scores (F, r, c, 1) or (F, r, c, L) of models on the rows held out."""
        F, _, _, C, side = paths.coefs.shape
        coefs = paths.coefs.reshape(F, -1, C, side)
        how = self.judge, coefs, self.score_threads
        sums = self.sum(_scores, _added, *how)
        return (sums[:, :-1] / sums[:, -1:]).reshape(*paths.n_iter.shape, -1)

    @property
    def encode(self) -> Any:
        """What turns y and weights of some rows into their problem."""
        return self.X.encode

    @property
    def found(self) -> Any:
        """What is known of all rows: their extent, and a center."""
        return self.X.found

    @property
    def kept(self) -> tuple[Any, np.ndarray, np.ndarray]:
        """X, y and weights of rows that stand for all."""
        raise NotImplementedError

    @property
    def score_threads(self) -> int | None:
        """Threads by which some rows are scored."""
        raise NotImplementedError

    def sum(self, function: Callable[..., Any], add: Callable, *given: Any) -> Any:
        """Return ``add`` of ``function(part, *given)`` for all `FoldRows`, in a fixed order."""
        raise NotImplementedError

    def objective_of(self, encode: "FoldEncoding") -> Callable[..., Any]:
        """Return what makes an objective of all rows, as ``encode`` makes them, and of a loss."""
        raise NotImplementedError


class StudyOfPartitions(StudyElsewhere):
    """A study of rows in partitions, with which their folds stay; X is PartitionedRows."""

    X: PartitionedRows

    @cached_property
    def _rows(self) -> Partitions:
        edges = np.cumsum([0, *self.X.found.lengths])
        cuts = [slice(*edge) for edge in zip(edges[:-1], edges[1:], strict=True)]
        folds = self.folds
        each = [Membership(folds.patterns[rows].copy(), folds.train, folds.test) for rows in cuts]
        return self.X.rows.zip(_in_folds, each)

    @property
    def kept(self) -> tuple[Any, np.ndarray, np.ndarray]:
        """X, y and weights of the sample that came back."""
        return self.X.found.X, self.X.found.y, self.X.found.weights

    @property
    def score_threads(self) -> int | None:
        """One: several partitions are scored at a time."""
        return 1

    def sum(self, function: Callable[..., Any], add: Callable, *given: Any) -> Any:
        """Return ``add`` of ``function(part, *given)`` for all partitions."""
        found = self._rows.sum(function, add, *given)
        assert found is not None  # there are rows
        return found

    def objective_of(self, encode: "FoldEncoding") -> Callable[..., PartitionedObjective]:
        """Return what makes an objective of all partitions and of a loss."""
        return partial(PartitionedObjective, self._rows.map(encode), self.found.extent)


class StudyOfStream(StudyElsewhere):
    """A study of a stream; X is StreamedRows. Each sum is a pass over it."""

    X: StreamedRows

    @property
    def kept(self) -> tuple[Any, np.ndarray, np.ndarray]:
        """X, y and weights of the resident rows."""
        rows = self.X.found.kept
        return rows.X, rows.y, rows.own_weights

    @property
    def score_threads(self) -> int | None:
        """Those of the fit."""
        return self.settings.n_threads

    def parts(self) -> Iterator[FoldRows]:
        """Yield all rows with their folds, in chunks that are short if there are many columns."""
        start, n = 0, self.X.shape[0]
        most = max(1, _ENTRIES // (self.n_folds * self.problem.n_columns))
        for rows in self.X.stream.rows_in_order():
            for first in range(0, rows.X.shape[0], most):
                some = rows.some(slice(first, first + most))
                stop = start + some.X.shape[0]
                if stop > n:
                    raise rows_changed(n, stop)
                yield FoldRows(some, *self.folds.rows(slice(start, stop)))
                start = stop
        if start < n:
            raise rows_changed(n, start)

    def sum(self, function: Callable[..., Any], add: Callable, *given: Any) -> Any:
        """Return ``add`` of ``function(part, *given)`` for all chunks, in a pass."""
        found = (function(part, *given) for part in threads.prefetch(self.parts()))
        return add(one for one in found if one is not None)

    def objective_of(self, encode: "FoldEncoding") -> Callable[..., StreamedObjective]:
        """Return what makes an objective of the stream and of a loss."""
        return partial(StreamedObjective, _FoldChunks(self, encode))


class _FoldChunks:
    """Chunks of a stream in folds, for an objective."""

    def __init__(self, study: StudyOfStream, encode: "FoldEncoding") -> None:
        self.extent: Extent = study.found.extent
        self._study = study
        self._encode = encode

    def in_order(self) -> Iterator[Chunk]:
        return map(self._encode, self._study.parts())

    def shuffled(self, seed: int, epoch: int, multiple: int) -> Iterator[Chunk]:
        raise NotImplementedError  # minibatch solvers are refused


def codes_of(rows: Partitions, encode: Encode) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes of all rows (n,), as their numbers, and which of them count (n,)."""
    return _joined_codes(rows.sum(_codes, chained, encode) or [])


def codes_of_stream(rows: StreamedRows, encode: Encode) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes of all rows (n,), as their numbers, and which of them count (n,)."""
    pieces = threads.prefetch(rows.stream.rows_in_order())
    codes, counts = _joined_codes([code for piece in pieces for code in _codes(piece, encode)])
    if codes.size != rows.shape[0]:
        raise rows_changed(rows.shape[0], codes.size)
    return codes, counts


def _joined_codes(found: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    codes, counts = zip(*found, strict=True)
    return np.concatenate(codes), np.concatenate(counts)


@dataclass(frozen=True)
class FoldEncoding:
    """Makes X and Target of some rows in folds (0), or with the folds' mean weights (1)."""

    encode: Any
    chosen: Choice
    which: int

    def __call__(self, part: FoldRows) -> Chunk:
        """Return X and its targets."""
        problem, weights, known = _weighed(part.rows, self.encode)
        weights = part.train[self.chosen.members] * weights
        return part.rows.X, self.chosen.problems(problem, weights, known)[self.which].target


def _in_folds(rows: Rows, own: Membership) -> FoldRows:
    return FoldRows(rows, *own.rows(slice(None)))


def _weighed(
    rows: Any, encode: ClassEncoding | LabelEncoding
) -> tuple[Problem, np.ndarray, np.ndarray | None]:
    # The problem of some rows, their weights (m,), and which labels are known, (m, L) or None.
    problem = encode(rows.y, rows.own_weights)
    known = encode.known(rows.y)
    return problem, problem.target.weights[0] if known is None else rows.own_weights, known


def _masses(part: FoldRows, encode: Any, judge: Judge) -> tuple[np.ndarray, ...] | None:
    # The masses, the weights of training rows (F,), and those that the judge has of others.
    if not len(part.rows.y):
        return None
    problem, weights, known = _weighed(part.rows, encode)
    of_folds = part.train * weights
    tested = [judge.weights(part.rows, np.flatnonzero(held)) for held in part.test]
    return masses_of(problem, of_folds, known), of_folds.sum(axis=1), np.stack(tested)


def _totals(
    part: FoldRows, encodings: list[FoldEncoding], columns: list[int]
) -> tuple[np.ndarray, ...]:
    # The total weights of all problems, of each encoding; a sigmoid has as many as columns.
    totals = [encode(part)[1].total_weight for encode in encodings]
    return tuple(
        np.broadcast_to(total, (C or len(total),)) for total, C in zip(totals, columns, strict=True)
    )


def _codes(rows: Any, encode: Encode) -> list[tuple[np.ndarray, np.ndarray]]:
    problem = encode(rows.y, np.ones(len(rows.y)))
    kind = np.min_scalar_type(-max(problem.n_columns, 2))  # signed, for rows that are ignored
    return [(_classes(problem.target).astype(kind), problem.target.weights[0] > 0)]


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
    part: FoldRows, judge: Judge, coefs: np.ndarray, n_threads: int | None
) -> np.ndarray | None:
    # The sums of the scores of each fold's models, and of the weights (F, models + 1, 1 or L).
    found = []
    for f, held in enumerate(part.test):
        some = np.flatnonzero(held)
        weights = judge.weights(part.rows, some)
        sums = np.zeros((coefs.shape[1] + 1, weights.size))
        sums[-1] = weights
        if weights.any():

            def score(scores: held_out.Scores, f: int = f, some: np.ndarray = some) -> np.ndarray:
                return held_out.score_models(
                    coefs[f], part.rows.X[some], scores, n_threads, _ENTRIES
                )

            sums[:-1] = judge.sums(part.rows, some, score, coefs.shape[2])
        found.append(sums)
    return np.stack(found)


def _added(found: Iterator[Any]) -> Any:
    # The sum of arrays, or of tuples of arrays.
    total = next(found)
    for more in found:
        if isinstance(total, tuple):
            total = tuple(a + b for a, b in zip(total, more, strict=True))
        else:
            total = total + more
    return total

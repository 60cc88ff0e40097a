"""Streams of more rows than memory holds: their protocol, and how a fit counts their targets."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard, runtime_checkable

import numpy as np

from fastclf import threads
from fastclf.errors import InputError
from fastclf.estimators.elsewhere import Encode, Restricted, RowsElsewhere, know_features
from fastclf.estimators.separation import separated
from fastclf.finite import first_not_finite
from fastclf.objective import StreamedObjective, Totals
from fastclf.objective.sampling import RARE
from fastclf.objective.shuffling import through_buffer
from fastclf.penalties import Penalty
from fastclf.targets import Target

if TYPE_CHECKING:
    from fastclf.estimators.problem import Massless, Problem
    from fastclf.estimators.tallies import Tally

RESIDENT_BYTES = 1 << 24
"""Bytes of the rows that are kept in memory, on which fits begin."""

BUFFER_BYTES = 1 << 24
"""Bytes of the buffer in which rows are shuffled."""


class Rows(NamedTuple):
    """Some rows of a stream.

    Parameters
    ----------
    X : ndarray of shape (m, d)
        C-contiguous, float32 or float64.
    y : ndarray of shape (m,), (m, L) or (m, K)
        Labels, indicators or distributions.
    weights : ndarray of shape (m,), optional
        How much each row counts; None for all alike.
    """

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None = None

    @property
    def own_weights(self) -> np.ndarray:
        """The weights in float64, ones for None."""
        if self.weights is None:
            return np.ones(len(self.X))
        return self.weights.astype(np.float64, copy=False)


@runtime_checkable
class RowStream(Protocol):
    """Rows that are read again in each pass; `fit` takes a stream in place of X and y.

    Attributes
    ----------
    dtype : numpy.dtype
        Of X: float32 or float64.
    several_targets : bool
        Whether y is 2-D.
    feature_names, target_names : tuple of str, or None
        Names of the columns of X, and of those of a 2-D y.
    """

    dtype: np.dtype
    several_targets: bool
    feature_names: tuple[str, ...] | None
    target_names: tuple[str, ...] | None

    def rows_in_order(self) -> Iterator[Rows]:
        """Yield all rows, always in the same order and the same pieces."""

    def rows_shuffled(self, rng: np.random.Generator) -> Iterator[Rows]:
        """Yield all rows, in as random an order as they can be read."""


@runtime_checkable
class StreamInParts(RowStream, Protocol):
    """A stream that can be pickled, and read elsewhere part by part.

    Attributes
    ----------
    n_parts : int
    """

    @property
    def n_parts(self) -> int:
        """The number of parts."""

    def part(self, number: int) -> Rows:
        """Return the rows of a part, checked: a ValueError names the file and row of a bad one."""

    def part_name(self, number: int) -> str:
        """Return what messages call a part, such as its file."""


def is_stream(X: Any) -> TypeGuard[RowStream]:
    """Tell whether X is a :class:`RowStream`."""
    # isinstance with a protocol takes as long as fitting a tiny problem.
    return not isinstance(X, np.ndarray) and isinstance(X, RowStream)


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over a stream finds, besides its tally.

    ``kept`` are rows from all over the stream, whose weights make up for the other rows of their
    class.
    """

    n_rows: int
    n_features: int
    kept: Rows

    @property
    def center(self) -> np.ndarray:
        """The mean of the rows that were kept (d,), or one near it."""
        return self.kept.X.mean(axis=0, dtype=np.float64)


def survey(estimator: Any, stream: RowStream, tally: "Tally") -> Survey:
    """Read a stream once and count its targets, and set what an estimator knows of the features.

    An InputError names a row that can't be used.
    """
    keeper = _Keeper()
    n = d = 0
    for rows in threads.prefetch(stream.rows_in_order()):
        X, y, weights = rows
        check_rows(X, weights, n, stream.feature_names)
        own = rows.own_weights
        keeper.add(Rows(X, y, own), tally.add(y, own))
        n, d = n + len(X), X.shape[1]
    if n == 0:
        raise InputError("the stream has no rows")
    know_features(estimator, d, stream.feature_names)
    return Survey(n, d, keeper.rows())


class _Keeper:
    """Every s-th row, s growing with the rows that come, and the first few of each class."""

    def __init__(self) -> None:
        self._seen = 0
        self._step = 1
        self._most = 0
        self._parts: list[tuple] = []  # places in the stream, X, y, weights and codes of rows
        self._first: list[tuple] = []
        self._counts = np.zeros(0, int)

    def add(self, rows: Rows, codes: np.ndarray | None) -> None:
        """Look at some rows with weights, and their classes as small integers, if they have one."""
        n = len(rows.X)
        self._most = max(RESIDENT_BYTES // rows.X[0].nbytes, 2) if n else self._most
        piece = np.arange(self._seen, self._seen + n), *rows, np.zeros(n, int)
        if codes is not None:
            piece = *piece[:-1], codes
            self._add_rare(piece)
        self._parts.append(_some(piece, piece[0] % self._step == 0))
        self._seen += n
        while sum(len(part[0]) for part in self._parts) > self._most:
            self._step *= 2
            self._parts = [_some(part, part[0] % self._step == 0) for part in self._parts]

    def _add_rare(self, piece: tuple) -> None:
        codes = piece[-1]
        counts = np.bincount(codes, minlength=len(self._counts))
        before = np.append(self._counts, np.zeros(len(counts) - len(self._counts), int))
        self._counts = before + counts
        for k in np.flatnonzero((before < RARE) & (counts > 0)):
            self._first.append(_some(piece, np.flatnonzero(codes == k)[: RARE - before[k]]))

    def rows(self) -> Rows:
        """Return the rows that were kept."""
        first = [_some(part, part[0] % self._step != 0) for part in self._first]
        columns = zip(*self._parts, *first, strict=True)
        _, X, y, weights, codes = (np.concatenate(column) for column in columns)
        if self._counts.size:
            weights = weights * (self._counts[codes] / np.bincount(codes)[codes])
        return Rows(X, y, weights)


def _some(piece: tuple, rows: np.ndarray) -> tuple:
    return tuple(array[rows] for array in piece)


def check_rows(
    X: np.ndarray, weights: np.ndarray | None, before: int, names: tuple[str, ...] | None
) -> None:
    """Refuse features that aren't finite, and weights that can't be used.

    Messages number the rows from ``before`` + 1 on.
    """
    found = first_not_finite(X)
    if found is not None:
        raise InputError(
            f"{found.described(before + found.row + 1, names)}; fill it in or drop the row"
        )
    if weights is not None:
        wrong = ~(np.isfinite(weights) & (weights >= 0))
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"row {before + row + 1}: the weight is {weights[row]}; weights must not be "
                "negative, missing or infinite"
            )


class StreamedRows(RowsElsewhere):
    """A stream with encoded targets, as an objective reads it.

    ``encode`` turns y and the weights (m,) of some rows into their problem.
    """

    noun = "a stream"

    def __init__(
        self,
        stream: RowStream,
        found: Survey,
        encode: Encode,
    ) -> None:
        self.found = found
        self.n_rows, self.n_features = self.shape = (found.n_rows, found.n_features)
        self.dtype = np.dtype(stream.dtype)
        self._stream = stream
        self._encode = encode

    def restricted(self, massless: "Massless") -> "StreamedRows":
        """Return the rows with the targets of the columns that are present."""
        return StreamedRows(self._stream, self.found, Restricted(self._encode, massless))

    def problem(self, rows: Rows) -> "Problem":
        """Return the problem of some rows."""
        return self._encode(rows.y, rows.own_weights)

    @property
    def resident(self) -> tuple[np.ndarray, Target]:
        """Rows that stand for all, with their targets."""
        return self.found.kept.X, self.problem(self.found.kept).target

    def objective(
        self,
        problem: "Problem",
        penalty: Penalty,
        total_weight: np.ndarray,
        fit_intercept: bool,
        n_threads: int | None,
    ) -> StreamedObjective:
        """Return the objective over the stream."""
        totals = Totals(total_weight, self.found.center)
        what = problem.loss, problem.n_columns, penalty, totals, self.resident
        return StreamedObjective(self, *what, fit_intercept, n_threads)

    def separated(self, problem: "Problem", theta: np.ndarray) -> np.ndarray:
        """Return a mask of the columns whose rows theta tells apart, all of them."""
        apart = np.ones(1, bool)
        for rows, target in self.in_order():
            apart = apart & separated(rows, replace(problem, target=target), theta)
            if not apart.any():
                break
        return apart

    def in_order(self) -> Iterator[tuple[np.ndarray, Target]]:
        """Yield X (m, d) and the targets of all rows, always in the same chunks."""
        for rows in self._stream.rows_in_order():
            yield rows.X, self.problem(rows).target

    def shuffled(self, seed: int, epoch: int, multiple: int) -> Iterator[tuple[np.ndarray, Target]]:
        """Yield all rows in an order that the seed and the epoch decide."""
        rng = np.random.default_rng([seed, epoch])
        pieces = self._stream.rows_shuffled(rng)
        chunks = ((rows.X, self.problem(rows).target) for rows in pieces)
        size = BUFFER_BYTES // (self.n_features * self.dtype.itemsize)
        yield from through_buffer(chunks, rng, size, multiple)

"""Streams of more rows than memory holds: their protocol, and how a fit counts their targets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard, runtime_checkable

import numpy as np
import scipy.sparse

from fastclf import threads
from fastclf.errors import InputError
from fastclf.estimators.elsewhere import Encode, Restricted, RowsElsewhere, know_features
from fastclf.estimators.sampled import HELD_BYTES, HeldOut, Sample
from fastclf.estimators.separation import separated
from fastclf.finite import first_not_finite
from fastclf.objective import Extent, StreamedObjective, Totals
from fastclf.objective.features import nbytes, stacked
from fastclf.objective.sampling import RARE
from fastclf.objective.shuffling import Chunk, through_buffer
from fastclf.penalties import Penalty

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
    X : ndarray or CSR matrix of shape (m, d)
        C-contiguous or canonical, float32 or float64; either kind in all rows.
    y : ndarray of shape (m,), (m, L) or (m, K)
        Labels, indicators or distributions.
    weights : ndarray of shape (m,), optional
        How much each row counts; None for all alike.
    """

    X: Any
    y: np.ndarray
    weights: np.ndarray | None = None

    @property
    def own_weights(self) -> np.ndarray:
        """The weights in float64, ones for None."""
        if self.weights is None:
            return np.ones(self.X.shape[0])
        return self.weights.astype(np.float64, copy=False)

    def some(self, rows: slice) -> "Rows":
        """Return some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        return Rows(self.X[rows], self.y[rows], weights)

    @classmethod
    def joined(cls, pieces: Sequence["Rows"]) -> "Rows":
        """Return all rows of some pieces, of which there must be one; either all have weights."""
        given = [rows.weights for rows in pieces if rows.weights is not None]
        return cls(
            stacked([rows.X for rows in pieces]),
            np.concatenate([rows.y for rows in pieces]),
            np.concatenate(given) if given else None,
        )


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
    """Return whether X is a :class:`RowStream`."""
    # isinstance with a protocol takes as long as fitting a tiny problem.
    return not isinstance(X, np.ndarray) and isinstance(X, RowStream)


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over a stream finds, besides its tally.

    ``n_rows`` and all that a tally counts are of the rows to train on. ``kept`` are such rows from
    all over the stream, whose weights make up for the other rows of their class. Rows that are
    ``held_out`` are in ``validation``, or some of them if they are many. ``weighted`` tells whether
    the rows came with weights.
    """

    extent: Extent
    kept: Rows
    weighted: bool
    held_out: HeldOut | None = None
    validation: Rows | None = None

    @property
    def center(self) -> np.ndarray:
        """The mean of the rows that were kept (d,), or one near it."""
        return np.asarray(self.kept.X.mean(axis=0, dtype=np.float64)).reshape(-1)


def survey(
    estimator: Any, stream: RowStream, tally: "Tally", held_out: HeldOut | None = None
) -> Survey:
    """Read a stream once and count its targets, and set what an estimator knows of the features.

    Rows that are held out only add their classes to the tally, with weight 0. An InputError names a
    row that can't be used.
    """
    keeper = _Keeper()
    share = 0.0 if held_out is None else held_out.share
    sample = Sample(0.0, share, HELD_BYTES, some_rows, _bytes_of_features)
    extent: Extent | None = None  # of the rows to train on
    before = 0
    weighted = False
    for rows in threads.prefetch(stream.rows_in_order()):
        X, y, weights = rows
        if extent is None:
            sparse = scipy.sparse.issparse(X)
            extent = Extent(0, X.shape[1], np.dtype(stream.dtype), 0 if sparse else None)
        _check_alike(X, extent, before)
        check_rows(X, weights, before, stream.feature_names)
        before += X.shape[0]
        weighted = weighted or weights is not None
        rows = Rows(X, y, rows.own_weights)
        if held_out is None:
            codes = tally.add(y, rows.own_weights)
        else:
            u = held_out.numbers(X)
            codes = tally.add(y, np.where(u < share, 0.0, rows.own_weights))
            sample.add(u, partial(some_rows, rows))
            train = np.flatnonzero(u >= share)
            rows, codes = some_rows(rows, train), None if codes is None else codes[train]
        keeper.add(rows, codes)
        entries = None if extent.entries is None else extent.entries + rows.X.nnz
        extent = replace(extent, n_rows=extent.n_rows + rows.X.shape[0], entries=entries)
    if extent is None or before == 0:
        raise InputError("the stream has no rows")
    know_features(estimator, extent.n_features, stream.feature_names)
    if held_out is None:
        return Survey(extent, keeper.rows(), weighted)
    if not extent.n_rows or not sample.n_rows:
        raise InputError(
            f"early stopping can't split validation rows off {before} rows with "
            f"validation_fraction={share}; use more rows, another fraction, or X_val and y_val"
        )
    matrices, *columns = zip(*sample.taken(), strict=True)
    validation = Rows(stacked(matrices), *map(np.concatenate, columns))
    return Survey(extent, keeper.rows(), weighted, held_out, validation)


def some_rows(rows: Rows, index: np.ndarray) -> Rows:
    """Return some rows, given by their indices (m,)."""
    weights = None if rows.weights is None else rows.weights[index]
    return Rows(rows.X[index], rows.y[index], weights)


def _bytes_of_features(rows: Rows) -> int:
    X = rows.X
    return int(X.data.nbytes + X.indices.nbytes) if scipy.sparse.issparse(X) else int(X.nbytes)


def _check_alike(X: Any, extent: Extent, before: int) -> None:
    # Whether rows are like those before them.
    after = f"after row {before} of the stream"
    if X.shape[1] != extent.n_features:
        raise InputError(
            f"{after} X has {X.shape[1]} features, but {extent.n_features} before; give all "
            "rows the same number of features"
        )
    kinds = [
        "sparse" if sparse else "dense"
        for sparse in (scipy.sparse.issparse(X), extent.entries is not None)
    ]
    if kinds[0] != kinds[1]:
        raise InputError(
            f"{after} X is {kinds[0]}, but {kinds[1]} before; make all rows dense, or all sparse"
        )
    if kinds[0] == "sparse" and not (X.format == "csr" and X.has_canonical_format):
        raise InputError(
            f"{after} X isn't a canonical CSR matrix; call X.tocsr() and X.sum_duplicates()"
        )


class _Keeper:
    """Every s-th row, s growing with the rows that come, and the first few of each class."""

    def __init__(self) -> None:
        self._seen = 0
        self._step = 1
        self._bytes = 0  # of X in all rows
        self._parts: list[tuple] = []  # places in the stream, X, y, weights and codes of rows
        self._first: list[tuple] = []
        self._counts = np.zeros(0, int)

    def add(self, rows: Rows, codes: np.ndarray | None) -> None:
        """Look at some rows with weights, and their classes as small integers, if they have one."""
        n = rows.X.shape[0]
        self._bytes += nbytes(rows.X)
        piece = np.arange(self._seen, self._seen + n), *rows, np.zeros(n, int)
        if codes is not None:
            piece = *piece[:-1], codes
            self._add_rare(piece)
        self._parts.append(_some(piece, piece[0] % self._step == 0))
        self._seen += n
        most = max(RESIDENT_BYTES * self._seen // max(self._bytes, 1), 2)
        while sum(len(part[0]) for part in self._parts) > most:
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
        _, matrices, *columns = zip(*self._parts, *first, strict=True)
        X = stacked(matrices)
        y, weights, codes = (np.concatenate(column) for column in columns)
        if self._counts.size:
            weights = weights * (self._counts[codes] / np.bincount(codes)[codes])
        return Rows(X, y, weights)


def _some(piece: tuple, rows: np.ndarray) -> tuple:
    return tuple(array[rows] for array in piece)


def check_rows(
    X: Any, weights: np.ndarray | None, before: int, names: tuple[str, ...] | None
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
        self.extent: Extent = found.extent
        self.shape = found.extent.n_rows, found.extent.n_features
        self.dtype = found.extent.dtype
        self.stream = stream
        self.encode = encode

    def restricted(self, massless: "Massless") -> "StreamedRows":
        """Return the rows with the targets of the columns that are present."""
        return StreamedRows(self.stream, self.found, Restricted(self.encode, massless))

    def problem(self, rows: Rows) -> "Problem":
        """Return the problem of some rows."""
        return self.encode(rows.y, rows.own_weights)

    def split_off(self) -> tuple[np.ndarray, "Problem"] | None:
        """Return the rows that were held out to validate on, and their problem."""
        rows = self.found.validation
        return None if rows is None else (rows.X, self.problem(rows))

    @property
    def resident(self) -> Chunk:
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
        """Return a mask of the columns, all of whose rows theta separates."""
        apart = np.ones(1, bool)
        for rows, target in self.in_order():
            apart = apart & separated(rows, replace(problem, target=target), theta)
            if not apart.any():
                break
        return apart

    def in_order(self) -> Iterator[Chunk]:
        """Yield X (m, d) and the targets of all rows, always in the same chunks."""
        yield from self._to_train_on(self.stream.rows_in_order())

    def shuffled(self, seed: int, epoch: int, multiple: int) -> Iterator[Chunk]:
        """Yield all rows in an order that the seed and the epoch decide."""
        rng = np.random.default_rng([seed, epoch])
        chunks = self._to_train_on(self.stream.rows_shuffled(rng))
        size = int(BUFFER_BYTES / self.extent.row_bytes)
        yield from through_buffer(chunks, rng, size, multiple)

    def _to_train_on(self, pieces: Iterator[Rows]) -> Iterator[Chunk]:
        held_out = self.found.held_out
        for rows in pieces:
            if held_out is not None:
                rows = some_rows(rows, np.flatnonzero(held_out.numbers(rows.X) >= held_out.share))
            if rows.X.shape[0]:
                yield rows.X, self.problem(rows).target

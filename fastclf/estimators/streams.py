"""Streams of more rows than memory holds: their protocol, and how a fit counts their targets."""

import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard, runtime_checkable

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from fastclf import threads
from fastclf.errors import InputError
from fastclf.estimators.encoding import Distributions, Labels, encode, indicators
from fastclf.finite import first_not_finite
from fastclf.objective.shuffling import through_buffer
from fastclf.targets import Target

if TYPE_CHECKING:
    from fastclf.estimators.problem import Massless, Problem

RESIDENT_BYTES = 1 << 24
"""Bytes of the rows that are kept in memory, on which fits begin."""

BUFFER_BYTES = 1 << 24
"""Bytes of the buffer in which rows are shuffled."""

_RARE = 30
"""Rows of each class that are kept in memory, if there are as many."""

_CHECKED = 10_000
"""Labels of the first piece for which it is checked that they are classes."""


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


def is_stream(X: Any) -> TypeGuard[RowStream]:
    """Tell whether X is a :class:`RowStream`."""
    # isinstance with a protocol takes as long as fitting a tiny problem.
    return not isinstance(X, np.ndarray) and isinstance(X, RowStream)


class Tally(Protocol):
    """A count over all targets of a stream."""

    def add(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
        """Count some; return their classes as small integers, if each has one."""


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


def survey(estimator: Any, stream: RowStream, tally: Tally) -> Survey:
    """Read a stream once and count its targets, and set what an estimator knows of the features.

    An InputError names a row that can't be used.
    """
    keeper = _Keeper()
    n = d = 0
    for X, y, weights in threads.prefetch(stream.rows_in_order()):
        _check(X, weights, n, stream.feature_names)
        own = np.ones(len(X)) if weights is None else weights.astype(np.float64)
        keeper.add(Rows(X, y, own), tally.add(y, own))
        n, d = n + len(X), X.shape[1]
    if n == 0:
        raise InputError("the stream has no rows")
    estimator.n_features_in_ = d
    if hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_
    if stream.feature_names is not None:
        estimator.feature_names_in_ = np.asarray(stream.feature_names, dtype=object)
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
        for k in np.flatnonzero((before < _RARE) & (counts > 0)):
            self._first.append(_some(piece, np.flatnonzero(codes == k)[: _RARE - before[k]]))

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


def _check(
    X: np.ndarray, weights: np.ndarray | None, before: int, names: tuple[str, ...] | None
) -> None:
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


class StreamedRows:
    """A stream with encoded targets, as an objective reads it.

    ``encode`` turns y and the weights (m,) of some rows into their problem.
    """

    def __init__(
        self,
        stream: RowStream,
        found: Survey,
        encode: Callable[[np.ndarray, np.ndarray], "Problem"],
    ) -> None:
        self.found = found
        self.n_rows, self.n_features = self.shape = (found.n_rows, found.n_features)
        self.dtype = np.dtype(stream.dtype)
        self._stream = stream
        self._encode = encode
        self._massless: Massless | None = None

    def restricted(self, massless: "Massless") -> "StreamedRows":
        """Return the rows with the targets of the columns that are present."""
        part = copy.copy(self)
        part._massless = massless
        return part

    def problem(self, rows: Rows) -> "Problem":
        """Return the problem of some rows."""
        weights = np.ones(len(rows.X)) if rows.weights is None else rows.weights
        problem = self._encode(rows.y, weights.astype(np.float64, copy=False))
        return problem if self._massless is None else self._massless.restrict(problem)

    @property
    def resident(self) -> tuple[np.ndarray, Target]:
        """Rows that stand for all, with their targets."""
        return self.found.kept.X, self.problem(self.found.kept).target

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


class LabelTally:
    """Classes and their weights, from pieces of labels (m,); the label ``ignore`` is no class."""

    def __init__(self, ignore: object = None) -> None:
        self._ignore = ignore
        self._code_of: dict[object, int] = {}
        self._labels: list[np.generic] = []
        self._mass = np.zeros(0)
        self._n = 0

    def add(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Count some labels; return the number of each one's class, as they came."""
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            row = self._n + int((~np.isfinite(y)).argmax()) + 1
            raise InputError(f"row {row}: the target is missing or infinite; drop such rows")
        if self._n == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that there are many classes
                check_classification_targets(y[:_CHECKED])
        self._n += len(y)
        found, places = np.unique(y, return_inverse=True)
        for label, name in zip(found, found.tolist(), strict=True):
            if name not in self._code_of:
                self._code_of[name] = len(self._labels)
                self._labels.append(label)
        codes = np.array([self._code_of[name] for name in found.tolist()], np.intp)[places]
        more: np.ndarray = np.bincount(codes, weights, minlength=len(self._labels))
        self._mass = more + np.append(self._mass, np.zeros(len(more) - len(self._mass)))
        return codes

    def encoded(self) -> tuple[Labels, np.ndarray]:
        """Return one row for each class, in order, and their weights (K,)."""
        ignore = self._ignore
        kept = [i for i, label in enumerate(self._labels) if ignore is None or label != ignore]
        classes = np.array([self._labels[i] for i in kept])
        order = np.argsort(classes)
        return Labels(classes[order], np.arange(len(order))), self._mass[kept][order]


class DistributionTally:
    """The weight of each class, from pieces of distributions (m, K)."""

    def __init__(self, names: tuple[str, ...] | None) -> None:
        self.names = None if names is None else np.asarray(names)
        self._mass: np.ndarray | float = 0.0

    def add(self, y: np.ndarray, weights: np.ndarray) -> None:
        """Count some rows."""
        self._mass = self._mass + encode(y).mass(weights)

    def encoded(self) -> tuple[Distributions, np.ndarray]:
        """Return one row for each class, and their weights (K,)."""
        mass = np.asarray(self._mass)
        classes = np.arange(mass.size) if self.names is None else self.names
        return Distributions(classes, np.eye(mass.size)), mass


class IndicatorTally:
    """The weight on both sides of each label, from pieces of indicators (m, L)."""

    def __init__(self) -> None:
        self._sides: np.ndarray | float = 0.0

    def add(self, y: np.ndarray, weights: np.ndarray) -> None:
        """Count some rows."""
        values, _ = indicators(y)
        known = ~np.isnan(values)
        own = weights[:, None] * known
        positive = np.where(known, values, 0)
        on = np.einsum("il,il->l", own, positive)
        off = np.einsum("il,il->l", own, 1 - positive)
        self._sides = self._sides + np.stack([on, off])

    def encoded(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a row with all labels on and one with all off (2, L), and their weights (2, L)."""
        sides = np.asarray(self._sides)
        return np.stack([np.ones(sides.shape[1]), np.zeros(sides.shape[1])]), sides


def codes_among(y: np.ndarray, classes: np.ndarray, ignore: object = None) -> Labels:
    """Encode labels (m,) that were tallied, so that they are among the sorted classes (K,)."""
    codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    ignored = None if ignore is None else np.asarray(y == ignore)
    unknown = classes[codes] != y
    if ignored is not None:
        unknown &= ~ignored
    if unknown.any():
        raise InputError(
            f"the target {y[unknown][0]!r} wasn't there in the first pass over the data; start "
            "again when nobody writes to them"
        )
    return Labels(classes, codes, ignored if ignored is not None and ignored.any() else None)

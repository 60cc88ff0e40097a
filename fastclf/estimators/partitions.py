"""Rows in partitions that stay where they are: their checks, counts and encoding there.

A partition comes as a `Block`, as somebody has made it. It becomes `Rows` once: checked, and in the
arrays that kernels read. Then a `Found` of each comes back, with its sizes and counts, and some of
its rows, on which fits begin.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator

from fastclf.errors import InputError
from fastclf.estimators import encoding, validation
from fastclf.estimators.elsewhere import Encode, Restricted, RowsElsewhere, know_features
from fastclf.estimators.problem import Massless, Problem
from fastclf.estimators.separation import separated
from fastclf.estimators.tallies import LabelTally, Tally
from fastclf.objective import Extent, PartitionedObjective, Partitions, Totals
from fastclf.objective.features import nbytes, stacked
from fastclf.objective.sampling import RARE
from fastclf.penalties import Penalty
from fastclf.plan import current_costs
from fastclf.targets import Target

SAMPLE_BYTES = 1 << 26
"""Most bytes of the rows that come back as a sample."""

_FEWEST = 4096
"""Rows of a sample, if there is room for them, even if there are few coefficients."""


class Block(NamedTuple):
    """A partition as it was given: its number, X (m, d), y, and weights or None."""

    number: int
    X: Any
    y: Any
    weights: Any = None


class Rows(NamedTuple):
    """The rows of a partition, checked. ``weights`` are (m,), (m, L) or None.

    ``place`` is what messages call it; by default "partition" and its number. If ``shares_X``,
    somebody else holds the same X, and it takes no memory here.
    """

    number: int
    X: Any
    y: np.ndarray
    weights: np.ndarray | None
    place: str | None = None
    shares_X: bool = False

    @property
    def own_weights(self) -> np.ndarray:
        """The weights in float64, ones for None."""
        return np.ones(self.X.shape[0]) if self.weights is None else self.weights


@dataclass(frozen=True)
class Failure:
    """The error in the rows of a partition; ``place`` is its name in messages, if given."""

    number: int
    text: str
    place: str | None = None

    @property
    def message(self) -> str:
        """The place and what is wrong there."""
        place = f"partition {self.number}" if self.place is None else self.place
        return self.text if self.text.startswith(place) else f"{place}: {self.text}"


@dataclass(frozen=True)
class Reading:
    """What the rows of all partitions have in common.

    Parameters
    ----------
    estimator : str
        Its name, for messages.
    dtype : numpy.dtype
        Of X.
    names : sequence of str, optional
        The names of the features.
    several_targets : bool
        Whether y is 2-D.
    target_names : tuple of str, optional
        The names of the columns of such a y.
    n_features : int, optional
        The number of features, if it is known.
    label_weights : bool
        Whether each of several labels may have weights of its own.
    X_is_kept : bool
        Whether the blocks of X stay where they are.
    """

    estimator: str
    dtype: np.dtype
    names: tuple[str, ...] | None
    several_targets: bool
    target_names: tuple[str, ...] | None = None
    n_features: int | None = None
    label_weights: bool = False
    X_is_kept: bool = False

    def __call__(self, block: Block) -> Rows | Failure:
        """Return the checked rows of a partition, or what is wrong with them."""
        try:
            return self._rows(*block)
        except (TypeError, ValueError) as error:  # of the user's rows
            return Failure(block.number, str(error))

    def _rows(self, number: int, X: Any, y: Any, weights: Any) -> Rows:
        n = _length(X)
        for name, other in (("y", y), ("sample_weight", weights)):
            if other is not None and _length(other) != n:
                raise InputError(
                    f"X has {n} rows, but {name} has {_length(other)}; split both alike, e.g. "
                    f"{name} = {name}.rechunk(X.chunks[0]), or derive both from one data frame"
                )
        given, X = X, self._features(X, n)
        y = self._targets(y)
        if weights is not None:
            weights = self._weights(weights, y)
        return Rows(number, X, y, weights, shares_X=self.X_is_kept and _have_same_memory(given, X))

    def _targets(self, y: Any) -> np.ndarray:
        _check_names("y", getattr(y, "columns", None), self.target_names)
        y = encoding.indicators(y)[0] if scipy.sparse.issparse(y) else encoding.plain(y)
        width = y.shape[1] if y.ndim == 2 else 1
        if y.ndim > 2 or (y.ndim == 2) < self.several_targets or (width > 1) > self.several_targets:
            wanted = "(m, K) or (m, L)" if self.several_targets else "(m,)"
            raise InputError(f"y has shape {y.shape}, but by its meta it should have {wanted}")
        return y if self.several_targets else y.reshape(-1)

    def _weights(self, weights: Any, y: np.ndarray) -> np.ndarray:
        weights = np.asarray(weights, np.float64)
        if weights.ndim != 1 and not (self.label_weights and weights.shape == y.shape):
            more = f" or {y.shape}, one for each label" if self.label_weights else ""
            raise InputError(
                f"sample_weight has shape {weights.shape}; it must be ({len(y)},), one for each "
                f"row{more}"
            )
        wrong = ~(np.isfinite(weights) & (weights >= 0))
        if wrong.any():
            raise InputError(
                f"sample_weight must not be negative, missing or infinite, but in row "
                f"{np.argwhere(wrong)[0][0]} it is {weights[wrong][0]}"
            )
        return weights

    def _features(self, X: Any, n: int) -> Any:
        _check_names("X", getattr(X, "columns", None), self.names)
        if hasattr(X, "tocsr"):
            X = X.tocsr()
        if np.ndim(X) == 2 and self.n_features not in (None, X.shape[1]):
            raise InputError(f"X has {X.shape[1]} features, but the whole X has {self.n_features}")
        if n == 0:
            return np.zeros((0, X.shape[1]), self.dtype)
        holder = type(self.estimator, (BaseEstimator,), {"n_threads": 1})()
        return validation.validate_features(holder, X, reset=True).astype(self.dtype, copy=False)


@dataclass(frozen=True)
class Found:
    """What is known of a partition: its number, its sizes, and its counts of targets.

    ``entries`` are those stored, if X is sparse, and ``width`` the columns of y. ``counts`` are the
    rows of each label, if rows have labels.
    """

    number: int
    shape: tuple[int, int]
    entries: int | None
    nbytes: int
    width: int
    tally: Any
    counts: dict[Any, int]


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of all partitions, and a sample whose weights make up for all other rows.

    ``lengths`` are the numbers of rows of all partitions.
    """

    extent: Extent
    lengths: list[int]
    X: Any
    y: np.ndarray
    weights: np.ndarray

    @property
    def center(self) -> np.ndarray:
        """The mean of the sample (d,)."""
        return np.asarray(self.X.mean(axis=0, dtype=np.float64)).reshape(-1)


def survey(estimator: Any, rows: Partitions, reading: Reading, tally: Tally) -> Survey:
    """Count the targets of all rows, and set what an estimator knows of the features.

    An InputError names the first partition that can't be used.
    """
    found: list[Found | Failure] = rows.sum(_find, chained, tally) or []
    check_all(found)
    parts = [each for each in found if isinstance(each, Found)]
    some = [each for each in parts if each.shape[0]]
    if not some:
        raise InputError("X has no rows: all partitions are empty")
    for each in some:
        _check_alike(some[0], each)
        try:
            tally.merge(each.tally)
        except InputError as error:
            raise InputError(f"partition {each.number}: {error}") from None
    n, d = sum(each.shape[0] for each in some), some[0].shape[1]
    know_features(estimator, d, reading.names)
    entries = None if some[0].entries is None else sum(each.entries or 0 for each in some)
    extent = Extent(n, d, reading.dtype, entries)
    coefficients = (d + 1) * tally.n_outputs
    room = SAMPLE_BYTES * n // max(sum(each.nbytes for each in some), 1)
    wanted = max(_FEWEST, current_costs().sample_rows * coefficients)
    plan = _Drawing.of(some, -(-n // max(min(n, wanted, room), 1)), tally)
    drawn = rows.sum(_draw, chained, plan)
    assert drawn  # the first row is in it
    X, y, weights = plan.joined(drawn)
    return Survey(extent, [each.shape[0] for each in parts], X, y, weights)


def check_all(found: Sequence[Any]) -> None:
    """Raise the first error of what was found in the partitions, in their order."""
    for each in found:
        if isinstance(each, Failure):
            raise InputError(each.message)


class PartitionedRows(RowsElsewhere):
    """Rows in partitions with encoded targets.

    Parameters
    ----------
    rows : Partitions
    found : Survey
    encode : callable
        Returns the problem of y and weights.
    """

    noun = "partitions"

    def __init__(self, rows: Partitions, found: Survey, encode: Encode) -> None:
        self.rows = rows
        self.found = found
        self.encode = encode
        self.shape = found.extent.n_rows, found.extent.n_features
        self.dtype = np.dtype(found.extent.dtype)

    def restricted(self, massless: Massless) -> "PartitionedRows":
        """Return the rows with the targets of the columns that are present."""
        return PartitionedRows(self.rows, self.found, Restricted(self.encode, massless))

    def objective(
        self,
        problem: Problem,
        penalty: Penalty,
        total_weight: np.ndarray,
        fit_intercept: bool,
        n_threads: int | None,
    ) -> PartitionedObjective:
        """Return the objective over all partitions."""
        found = self.found
        return PartitionedObjective(
            self.rows.map(_encoded, self.encode),
            found.extent,
            problem.loss,
            problem.n_columns,
            penalty,
            Totals(total_weight, found.center),
            (found.X, self.encode(found.y, found.weights).target),
            fit_intercept,
            n_threads,
        )

    def separated(self, problem: Problem, theta: np.ndarray) -> np.ndarray:
        """Return a mask of the columns, all of whose rows theta separates."""
        apart = self.rows.sum(_separated, _all, self.encode, problem, theta)
        assert apart is not None  # there are rows
        return apart


@dataclass(frozen=True)
class _Drawing:
    """Which rows come back: every s-th of all, and the first few of each label.

    ``starts`` are the numbers of each partition's first row among all, ``first`` how many rows of
    each label come from it, and ``labels`` (K,) all labels in order, with their ``counts``.
    """

    step: int
    starts: dict[int, int]
    first: dict[int, dict[Any, int]]
    labels: np.ndarray | None
    counts: np.ndarray | None

    @classmethod
    def of(cls, found: Sequence[Found], step: int, tally: Tally) -> "_Drawing":
        lengths = np.cumsum([0, *(each.shape[0] for each in found)]).tolist()
        starts = {each.number: start for each, start in zip(found, lengths, strict=False)}
        first: dict[int, dict[Any, int]] = {}
        if not isinstance(tally, LabelTally):
            return cls(step, starts, first, None, None)
        seen: dict[Any, int] = {}
        for each in found:
            first[each.number] = {}
            for label, count in each.counts.items():
                before = seen.get(label, 0)
                if before < RARE:
                    first[each.number][label] = min(count, RARE - before)
                seen[label] = before + count
        labels = np.sort(np.array([label for _, label in tally.labels]))
        return cls(step, starts, first, labels, np.array([seen[k] for k in labels.tolist()]))

    def rows(self, number: int, y: np.ndarray) -> np.ndarray:
        """Return which rows of a partition come back, in rising order."""
        regular = np.arange(-self.starts[number] % self.step, len(y), self.step)
        rare = [
            np.flatnonzero(y == label)[:count]
            for label, count in self.first.get(number, {}).items()
        ]
        return np.unique(np.concatenate([regular, *rare]))

    def joined(self, drawn: Sequence[Rows]) -> tuple[Any, np.ndarray, np.ndarray]:
        """Return X, y and weights of the rows that came back."""
        X = stacked([each.X for each in drawn])
        y = np.concatenate([each.y for each in drawn])
        weights = np.concatenate([each.own_weights for each in drawn])
        if self.labels is not None and self.counts is not None:
            codes = np.searchsorted(self.labels, y)
            taken = np.bincount(codes, minlength=len(self.counts))
            weights = weights * (self.counts / np.maximum(taken, 1))[codes]
        return X, y, weights


def _find(rows: Rows | Failure, tally: Tally) -> list[Found | Failure]:
    if isinstance(rows, Failure):
        return [rows]
    tally = copy.deepcopy(tally)  # the one given is of all partitions
    counts: dict[Any, int] = {}
    try:
        codes = tally.add(rows.y, rows.own_weights) if len(rows.y) else None
    except (TypeError, ValueError) as error:
        return [Failure(rows.number, str(error), rows.place)]
    if codes is not None:
        assert isinstance(tally, LabelTally)
        names = [name for name, _ in tally.labels]
        counts = dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))
    X = rows.X
    entries = X.nnz if scipy.sparse.issparse(X) else None
    width = rows.y.shape[1] if rows.y.ndim == 2 else 1
    return [Found(rows.number, X.shape, entries, nbytes(X), width, tally, counts)]


def _draw(rows: Rows, plan: _Drawing) -> list[Rows] | None:
    if not len(rows.y):
        return None
    some = plan.rows(rows.number, rows.y)
    weights = None if rows.weights is None else rows.weights[some]
    return [Rows(rows.number, rows.X[some], rows.y[some], weights)]


def _encoded(rows: Rows, encode: Encode) -> tuple[Any, Target]:
    return rows.X, encode(rows.y, rows.own_weights).target


def _separated(
    rows: Rows, encode: Encode, problem: Problem, theta: np.ndarray
) -> np.ndarray | None:
    if not len(rows.y):
        return None
    target = encode(rows.y, rows.own_weights).target
    return separated(rows.X, replace(problem, target=target), theta)


def chained(found: Iterator[list[Any]]) -> list[Any]:
    """Return lists as one, in order."""
    return [each for some in found for each in some]


def _all(found: Iterator[np.ndarray]) -> np.ndarray:
    return np.logical_and.reduce(list(found))


def _check_alike(first: Found, other: Found) -> None:
    if first.shape[1] != other.shape[1]:
        raise InputError(
            f"partition {other.number}: X has {other.shape[1]} features, but "
            f"{first.shape[1]} in partition {first.number}; give all partitions the same number"
        )
    if first.width != other.width:
        raise InputError(
            f"partition {other.number}: y has {other.width} columns, but {first.width} in "
            f"partition {first.number}; give all partitions the same number"
        )
    if (first.entries is None) != (other.entries is None):
        kinds = ["dense" if each.entries is None else "sparse" for each in (first, other)]
        raise InputError(
            f"partition {other.number}: X is {kinds[1]}, but {kinds[0]} in partition "
            f"{first.number}; make all partitions alike, e.g. with "
            "X.map_blocks(scipy.sparse.csr_array)"
        )


def _have_same_memory(X: Any, other: Any) -> bool:
    one, two = (each.data if scipy.sparse.issparse(each) else each for each in (X, other))
    return isinstance(one, np.ndarray) and np.may_share_memory(one, two)


def _length(rows: Any) -> int:
    shape = getattr(rows, "shape", None)
    return len(rows) if shape is None else int(shape[0])


def _check_names(what: str, names: Any, wanted: tuple[str, ...] | None) -> None:
    if wanted is not None and names is not None and tuple(names) != wanted:
        raise InputError(
            f"{what} has the columns {_listed(names)}, but the whole {what} has "
            f"{_listed(wanted)}; give each partition the same columns in the same order"
        )


def _listed(names: Any) -> str:
    shown = [str(name) for name in names]
    return ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if len(shown) > 10 else "")

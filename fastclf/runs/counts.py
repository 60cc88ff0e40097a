"""What one pass over the rows of a streamed run finds: counts, and rows that stay in memory."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastclf import threads
from fastclf.data import Stream
from fastclf.data.column_tallies import EncoderTally
from fastclf.data.prediction_rows import naming
from fastclf.data.row_parts import RowPart, hashed_rows
from fastclf.data.scaling import SparseTally
from fastclf.data.stream_source import RawRows
from fastclf.data.stream_targets import ClassChoice
from fastclf.estimators.sampled import Sample
from fastclf.estimators.streams import Rows, check_rows
from fastclf.estimators.tallies import DistributionTally, IndicatorTally, LabelTally
from fastclf.objective.features import stacked
from fastclf.runs.parts import Part
from fastclf.table import Categories, Numbers, Table, concatenated

PART_BYTES = {"test": 1 << 26, "held_out": 1 << 25, "train": 1 << 24}
"""Most bytes of raw columns that are kept of each part. Of more rows a random part is kept."""


class HeldRows(NamedTuple):
    """Raw rows in memory.

    Parameters
    ----------
    X : Table, or CSR matrix of shape (m, d)
    y : ndarray of shape (m,), (m, L) or (m, K)
    weights : ndarray of shape (m,), optional
    """

    X: Any
    y: np.ndarray
    weights: np.ndarray | None

    def take(self, rows: np.ndarray) -> "HeldRows":
        """Return some rows, given by their indices."""
        weights = None if self.weights is None else self.weights[rows]
        return HeldRows(_some(self.X, rows), self.y[rows], weights)

    @property
    def nbytes(self) -> int:
        """The bytes of the columns: 8 for each number, and 4 for each category.

        Those of a CSR matrix are of its entries.
        """
        if not isinstance(self.X, Table):
            return int(self.X.data.nbytes + self.X.indices.nbytes)
        columns = self.X.columns.values()
        return len(self.y) * sum(8 if isinstance(column, Numbers) else 4 for column in columns)

    @classmethod
    def joined(cls, pieces: Sequence["HeldRows"]) -> "HeldRows":
        """Return the rows of one piece or more."""
        features, y, weights = zip(*pieces, strict=True)
        given = None if weights[0] is None else np.concatenate(weights)
        return cls(joined_features(features), np.concatenate(y), given)


def joined_features(pieces: Sequence[Any]) -> Any:
    """Return the features of one piece or more: tables, or CSR matrices."""
    return concatenated(pieces) if isinstance(pieces[0], Table) else stacked(pieces)


def _some(features: Any, rows: np.ndarray) -> Any:
    return features.take(rows) if isinstance(features, Table) else features[rows]


@dataclass(frozen=True)
class Shares:
    """How rows are split by their hash.

    Attributes
    ----------
    seed : tuple of int
        Of the hash.
    test : float
        The share of the rows to test on; 0 if another file has them.
    held_out : float
        The share of the other rows to calibrate on.
    """

    seed: tuple[int, ...]
    test: float
    held_out: float

    @property
    def parts(self) -> dict[str, RowPart]:
        """The parts by name: "test", "held_out" and "train"."""
        train_from = self.test + (1 - self.test) * self.held_out
        edges = {"test": (0.0, self.test), "held_out": (self.test, train_from)}
        edges["train"] = (train_from, 1.0)
        return {name: RowPart(self.seed, *ends) for name, ends in edges.items()}


@dataclass(eq=False)
class Counts:
    """What a pass over a stream counts, or over some of its parts.

    Attributes
    ----------
    targets : LabelTally, IndicatorTally or DistributionTally
    columns : EncoderTally, or SparseTally for CSR rows
    as_tables : bool
        Whether rows are read as tables; otherwise all columns are numbers, and come as matrices.
    shares : Shares
        Tallies count the rows to train on.
    categorical : tuple of str
        The columns of categories and dates.
    chosen : ClassChoice
        Rows of other classes are left out.
    most_rows : int, optional
        After so many rows to train on no more are read.
    n_rows : int
        The number of rows to train on.
    digests : bytes
        The SHA-256 of the rows of each `add`.
    left_out : Counter of str
        The number of rows of each label that isn't chosen.
    without_target : int
        The number of rows that were left out for having no target.
    samples : dict of str to Sample
        The rows of each part, or some of them if they are many.
    """

    targets: LabelTally | IndicatorTally | DistributionTally
    columns: EncoderTally | SparseTally
    as_tables: bool
    shares: Shares
    categorical: tuple[str, ...] = ()
    chosen: ClassChoice = ClassChoice()
    most_rows: int | None = None
    n_rows: int = 0
    digests: bytes = b""
    left_out: Counter[str] = field(default_factory=Counter)
    without_target: int = 0
    samples: dict[str, Sample] = field(init=False)

    def __post_init__(self) -> None:
        """Make empty samples."""
        self.samples = {
            name: Sample(part.low, part.high, PART_BYTES[name], HeldRows.take, _nbytes)
            for name, part in self.shares.parts.items()
        }

    def add_part(self, stream: Stream, number: int) -> None:
        """Count the rows of a part; a DataError names its file and the row."""
        place = stream.place(number)
        read = stream.tables_of_part if self.as_tables else stream.rows_of_part
        with naming(place.name):
            self.add(read(number), place.name, place.before)

    def add(
        self, pieces: Iterator[Rows | RawRows], file: str | None = None, before: int = 0
    ) -> None:
        """Count rows; for messages, they are from a file that has some rows before them."""
        digest = hashlib.sha256()
        for piece in threads.prefetch(pieces):
            features, y, weights = piece[:3]
            if scipy.sparse.issparse(features):
                check_rows(features, None, before, self.columns.columns)
            _update_digest(digest, features, y, weights)
            if isinstance(piece, RawRows) and piece.beside is not None:
                _update_digest(digest, piece.beside, y, None)
            numbers = np.arange(before + 1, before + len(y) + 1)
            before += len(y)
            if isinstance(features, Table):
                numbers = features.rows
            if isinstance(piece, RawRows):
                self.without_target += piece.left_out
            kept = np.arange(len(y))
            if not self.chosen.is_all:
                mask = self.chosen.mask(y)
                self.left_out.update(y[~mask].astype(str).tolist())
                kept = np.flatnonzero(mask)
            u = hashed_rows(features, self.shares.seed, self.categorical)[kept]
            rows_at = partial(self._held, features, y, weights, numbers, kept)
            for sample in self.samples.values():
                sample.add(u, rows_at)
            train = kept[u >= self.shares.parts["train"].low]
            self._count(features, y, weights, numbers, train, file)
            if self.is_complete:
                break
        self.digests += digest.digest()

    def _held(
        self,
        features: Any,
        y: np.ndarray,
        weights: np.ndarray | None,
        numbers: np.ndarray,
        kept: np.ndarray,
        some: np.ndarray,
    ) -> HeldRows:
        rows = kept[some]
        found = _some(features, rows)
        if isinstance(found, np.ndarray):
            columns = zip(self.columns.columns, found.T, strict=True)
            found = Table({name: Numbers(x) for name, x in columns}, numbers[rows])
        return HeldRows(found, y[rows], None if weights is None else weights[rows])

    def _count(
        self,
        features: Any,
        y: np.ndarray,
        weights: np.ndarray | None,
        numbers: np.ndarray,
        rows: np.ndarray,
        file: str | None,
    ) -> None:
        self.n_rows += len(rows)
        if not len(rows):
            return
        own = np.ones(len(rows)) if weights is None else weights[rows]
        self.targets.add(y[rows], own)
        if len(rows) < len(y):
            features, numbers = _some(features, rows), numbers[rows]
        if isinstance(self.columns, SparseTally):
            self.columns.add(features)
        elif isinstance(features, Table):
            self.columns.add(features, file)
        else:
            self.columns.numbers.add(features, numbers)

    def no_rows(self) -> Table | scipy.sparse.csr_array:
        """Return the raw features of no row."""
        names = self.columns.columns
        if isinstance(self.columns, SparseTally):
            return scipy.sparse.csr_array((0, len(names)))
        return Table({name: Numbers(np.empty(0)) for name in names})

    @property
    def is_complete(self) -> bool:
        """Whether there are as many rows as are wanted."""
        return self.most_rows is not None and self.n_rows >= self.most_rows

    def merge(self, other: "Counts") -> None:
        """Count what other counts have, whose rows come after these."""
        self.targets.merge(other.targets)  # type: ignore[arg-type]
        assert isinstance(self.columns, EncoderTally)  # svmlight has one part
        assert isinstance(other.columns, EncoderTally)
        self.columns.merge(other.columns)
        self.n_rows += other.n_rows
        self.digests += other.digests
        self.left_out.update(other.left_out)
        self.without_target += other.without_target
        for name, sample in self.samples.items():
            sample.merge(other.samples[name])

    def sha256(self) -> str:
        """Return the SHA-256 of all rows, in hexadecimal; that of several is of theirs."""
        one = len(self.digests) == hashlib.sha256().digest_size
        return self.digests.hex() if one else hashlib.sha256(self.digests).hexdigest()

    def sha256_with(self, test: Part) -> str:
        """Return the SHA-256 of all rows and those of another file, in hexadecimal."""
        digest = hashlib.sha256(self.digests)
        _update_digest(digest, test.X, test.y, None)
        return digest.hexdigest()


def _nbytes(held: HeldRows) -> int:
    return held.nbytes


def _update_digest(digest: Any, features: Any, y: np.ndarray, weights: np.ndarray | None) -> None:
    arrays = [y] if weights is None else [y, weights]
    if isinstance(features, Table):
        for name, column in features.columns.items():
            if isinstance(column, Categories):
                digest.update(json.dumps([name, column.names]).encode())
                arrays.append(column.codes)
            elif isinstance(column, Numbers):  # lists raise an error where they are counted
                arrays.append(column.values)
    elif scipy.sparse.issparse(features):
        arrays += [features.data, features.indices, features.indptr]
    else:
        arrays.append(features)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)

"""Streams of named columns: features, targets and weights from the parts of a table."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastclf import threads
from fastclf.data.options import FileOptions
from fastclf.data.prediction_rows import naming
from fastclf.data.row_parts import RowPart, compacted
from fastclf.data.stream_files import TableParts, Wanted
from fastclf.data.stream_source import CHUNK_BYTES, MOST_ROWS, Place, RawRows, Span, whole_numbers
from fastclf.data.stream_targets import ClassChoice, TargetReader, opened_targets
from fastclf.data.targets import checked_weights
from fastclf.errors import DataError
from fastclf.estimators.streams import Rows
from fastclf.finite import first_not_finite
from fastclf.preprocessing import Encoder
from fastclf.table import Table

_INDEX_BYTES = 8  # of an entry's index while a sparse encoder makes features


@dataclass(frozen=True, eq=False)
class TableSource:
    """Rows of a table of named columns.

    Parameters
    ----------
    name : str
        What messages call it.
    parts : TableParts
    wanted : Wanted
        The columns to read.
    targets : sequence of str
        The target columns.
    weight : str, optional
        The column with the weights of the rows.
    encoder : Encoder, optional
        Turns columns into features.
    chunk_rows : int, optional
        Largest number of rows in a chunk.
    reader : TargetReader, optional
        Reads the targets as a recipe says. By default one target column holds labels, and several
        hold numbers.
    part : RowPart, optional
        Which rows to yield; by default all.
    beside : tuple of str
        Columns that come beside the features, with the rows before encoding.
    """

    name: str
    parts: TableParts
    wanted: Wanted
    targets: tuple[str, ...]
    weight: str | None
    encoder: Encoder | None
    chunk_rows: int | None
    reader: TargetReader | None = None
    part: RowPart | None = None
    beside: tuple[str, ...] = ()

    @property
    def files(self) -> Sequence[Any]:
        """The files that hold it."""
        return self.parts.files

    @property
    def count(self) -> int:
        """The number of parts."""
        return self.parts.count

    @property
    def is_text(self) -> bool:
        """Whether parts are text files."""
        return self.parts.schema is None

    @property
    def dtype(self) -> np.dtype:
        """The dtype of X."""
        return self.wanted.dtype

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(self.wanted.features) if self.encoder is None else self.encoder.feature_names

    @property
    def n_features(self) -> int:
        """The number of features."""
        return len(self.feature_names)

    @property
    def several_targets(self) -> bool:
        """Whether y is 2-D."""
        return len(self.targets) > 1 if self.reader is None else self.reader.several

    @property
    def target_names(self) -> tuple[str, ...] | None:
        """The names of the labels of a row, or of several target columns."""
        if self.reader is not None:
            return self.reader.y_names
        return self.targets if self.several_targets else None

    def place(self, part: int) -> Place:
        """Return where a part is."""
        return self.parts.place(part)

    def encoded(self, encoder: Encoder) -> "TableSource":
        """Return the same rows with another encoder of the same columns."""
        most = chunk_length(encoder.column_names, encoder, self.dtype, self.chunk_rows)
        return replace(self, encoder=encoder, wanted=self.wanted._replace(most=most))

    def with_targets(self, options: FileOptions, beside: tuple[str, ...]) -> "TableSource":
        """Return the same rows with their targets read by the options of a recipe."""
        parts: Any = copy.copy(self.parts)
        if options.label_separator is not None:  # a list such as "1,2" must not become a number
            parts.text = {*parts.text, *self.targets}

        def chunks() -> Iterator[Table]:
            for part in range(parts.count):
                first = parts.place(part).before
                for piece in parts.read(part, self.targets, MOST_ROWS):
                    yield piece.table(self.targets, first + 1)
                    first += piece.n_rows

        reader = opened_targets(self.targets, options, chunks())
        wanted = self.wanted._replace(others=(*self.wanted.others, *beside))
        return replace(self, parts=parts, reader=reader, wanted=wanted, beside=beside)

    @property
    def is_soft(self) -> bool:
        """Whether targets that are read by options are distributions."""
        return self.reader is not None and self.reader.is_soft

    def part_sizes(self) -> list[int]:
        """Return the number of rows in each part, also of those that aren't yielded."""
        column = self.targets[:1]
        return [
            sum(piece.n_rows for piece in self.parts.read(part, column, MOST_ROWS))
            for part in range(self.count)
        ]

    def choosing(self, chosen: ClassChoice) -> "TableSource":
        """Return the rows of the chosen classes; targets are read by options."""
        assert self.reader is not None  # its options name the classes
        return replace(self, reader=replace(self.reader, chosen=chosen))

    def restricted(self, part: RowPart) -> "TableSource":
        """Return the rows of a part."""
        return replace(self, part=part)

    def rows(self, parts: Iterable[int], span: Span) -> Iterator[Rows]:
        """Yield the rows of the parts of a span in chunks."""
        encoder = self.encoder
        if encoder is not None and (encoder.categorical or encoder.sparse):
            for table, y, weights, *_ in self.tables(parts, span):
                X = encoder.apply(table)
                if self.part is not None:
                    self._check(X, table.rows, span.name)
                if len(y):
                    yield Rows(X, y, weights)
            return
        first = span.before
        for X, piece in self.parts.matrices(parts, self.wanted):
            if piece.n_rows:
                y, weights, kept = self._targets_of(piece, first, span.name)
                rows = self._chosen(X, kept)
                if rows is not None:
                    X, y, weights = compacted(X, rows), y[_places(rows, kept)], _at(weights, rows)
                if encoder is not None:
                    encoder.apply_in_place(X)
                if rows is not None:
                    self._check(X, first + 1 + rows, span.name)
                if len(y):
                    yield Rows(X, y, weights)
                first += piece.n_rows

    def tables(self, parts: Iterable[int], span: Span) -> Iterator[RawRows]:
        """Yield the rows of the parts of a span in chunks, before encoding."""
        first = span.before
        for part in parts:
            pieces = self.parts.read(part, self.wanted.names, self.wanted.most)
            for piece in threads.prefetch(pieces):
                if piece.n_rows:
                    table = piece.table(self.wanted.features, first + 1)
                    beside = piece.table(self.beside, first + 1) if self.beside else None
                    y, weights, kept = self._targets_of(piece, first, span.name)
                    rows = self._chosen(table, kept)
                    if rows is not None:
                        table, y = table.take(rows), y[_places(rows, kept)]
                        weights = _at(weights, rows)
                        beside = None if beside is None else beside.take(rows)
                    left_out = 0 if kept is None else piece.n_rows - len(kept)
                    yield RawRows(table, y, weights, left_out, beside)
                    first += piece.n_rows

    def _chosen(self, features: np.ndarray | Table, kept: np.ndarray | None) -> np.ndarray | None:
        """Return the indices of the rows to yield, among those that are kept; None for all."""
        if self.part is None:
            return kept
        categorical = () if self.encoder is None else self.encoder.categorical
        inside = self.part.rows(features, categorical)
        return inside if kept is None else np.intersect1d(inside, kept, assume_unique=True)

    def _check(self, X: np.ndarray, numbers: np.ndarray, name: str) -> None:
        """Refuse encoded rows that aren't finite, with their numbers in the file."""
        found = first_not_finite(X)
        if found is not None:
            where = found.described(int(numbers[found.row]), self.feature_names)
            raise DataError(f"{name}: {where}; fill it in or drop the row")

    def _targets_of(
        self, piece: Any, first: int, name: str
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Return the targets of a piece, whose first row has the index ``first``, and its weights.

        If some rows are left out, last come the indices of the others, whose targets these are; the
        weights (m,) are those of all.
        """
        if self.reader is not None:
            with naming(name):
                found = self.reader.read(piece.table(self.targets, first + 1))
                weights = self._weights_of(piece, first)
            if found.weights is not None:
                weights = np.zeros(piece.n_rows)
                weights[slice(None) if found.kept is None else found.kept] = found.weights
            return found.y, weights, found.kept
        targets = [piece.column(column) for column in self.targets]
        for column, values in zip(self.targets, targets, strict=True):
            is_text = values.dtype.kind == "U"
            if is_text and self.several_targets:
                raise DataError(
                    f'{name}: column "{column}" holds text; several targets must be numbers'
                )
            missing = values == "" if is_text else np.isnan(values)
            if missing.any() and not self.several_targets:  # of several labels some may be unknown
                row = first + int(missing.argmax()) + 1
                raise DataError(f'{name}: row {row}, column "{column}": the target is missing')
        y = np.stack(targets, axis=1) if self.several_targets else whole_numbers(name, targets[0])
        return y, None if self.weight is None else piece.column(self.weight), None

    def _weights_of(self, piece: Any, first: int) -> np.ndarray | None:
        if self.weight is None:
            return None
        table = piece.table([self.weight], first + 1)
        return checked_weights(table.columns[self.weight], self.weight, table.rows)


def _places(rows: np.ndarray, kept: np.ndarray | None) -> np.ndarray:
    """Return where some rows are among the kept ones."""
    return rows if kept is None else np.searchsorted(kept, rows)


def _at(weights: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if weights is None else weights[rows]


def chunk_length(
    columns: Sequence[str], encoder: Encoder | None, dtype: np.dtype, chunk_rows: int | None
) -> int:
    """Return the largest number of rows in a chunk: ``chunk_rows``, or as many as take 8 MB."""
    row = dtype.itemsize * len(columns)
    if encoder is not None and encoder.sparse:
        row += _INDEX_BYTES * len(columns)
    elif encoder is not None:
        row = dtype.itemsize * max(len(columns), encoder.n_features)
    return chunk_rows or max(1, min(CHUNK_BYTES // row, MOST_ROWS))

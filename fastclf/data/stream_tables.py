"""Streams of named columns: features, targets and weights from the parts of a table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastclf import threads
from fastclf.data.stream_files import TableParts, Wanted
from fastclf.data.stream_source import CHUNK_BYTES, MOST_ROWS, Place, RawRows, Span, whole_numbers
from fastclf.errors import DataError
from fastclf.estimators.streams import Rows
from fastclf.preprocessing import Encoder

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
    """

    name: str
    parts: TableParts
    wanted: Wanted
    targets: tuple[str, ...]
    weight: str | None
    encoder: Encoder | None
    chunk_rows: int | None

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
        return len(self.targets) > 1

    @property
    def target_names(self) -> tuple[str, ...] | None:
        """The names of the target columns, if there are several."""
        return self.targets if self.several_targets else None

    def place(self, part: int) -> Place:
        """Return where a part is."""
        return self.parts.place(part)

    def encoded(self, encoder: Encoder) -> "TableSource":
        """Return the same rows with another encoder of the same columns."""
        most = chunk_length(encoder.column_names, encoder, self.dtype, self.chunk_rows)
        return replace(self, encoder=encoder, wanted=self.wanted._replace(most=most))

    def rows(self, parts: Iterable[int], span: Span) -> Iterator[Rows]:
        """Yield the rows of the parts of a span in chunks."""
        encoder = self.encoder
        if encoder is not None and (encoder.categorical or encoder.sparse):
            for table, y, weights in self.tables(parts, span):
                yield Rows(encoder.apply(table), y, weights)
            return
        first = span.before
        for X, piece in self.parts.matrices(parts, self.wanted):
            if piece.n_rows:
                if encoder is not None:
                    encoder.apply_in_place(X)
                yield Rows(X, *self._targets_of(piece, first, span.name))
                first += piece.n_rows

    def tables(self, parts: Iterable[int], span: Span) -> Iterator[RawRows]:
        """Yield the rows of the parts of a span in chunks, before encoding."""
        first = span.before
        for part in parts:
            pieces = self.parts.read(part, self.wanted.names, self.wanted.most)
            for piece in threads.prefetch(pieces):
                if piece.n_rows:
                    table = piece.table(first + 1).select(self.wanted.features)
                    yield RawRows(table, *self._targets_of(piece, first, span.name))
                    first += piece.n_rows

    def _targets_of(
        self, piece: Any, first: int, name: str
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the targets and weights of a piece, whose first row has the index ``first``."""
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
        weights = None if self.weight is None else piece.column(self.weight)
        return y, weights


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

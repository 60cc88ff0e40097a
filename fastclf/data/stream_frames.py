"""Streams of batches that are tables of named columns: Arrow data and data frames."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fastclf.data.arrow import is_number, is_text
from fastclf.data.stream_batches import NAME, Batches, grouped
from fastclf.data.stream_files import ArrowPiece, Piece, Wanted, matrices_of
from fastclf.data.stream_source import Place
from fastclf.errors import DataError
from fastclf.table import check_columns


class FrameParts:
    """Batches as a table of one part; the first decides which columns are numbers."""

    count = 1

    def __init__(self, batches: Batches, first: Any) -> None:
        self.files: list[Path] = []
        self.text: Sequence[str] = ()
        self.schema = as_arrow(first, 0).schema
        self._batches = batches

    def place(self, part: int) -> Place:
        """Return where a part is."""
        return Place(self.files, NAME, 0)

    def read(self, part: int, columns: Sequence[str], most: int) -> Iterator[Piece]:
        """Yield all rows in pieces of at most ``most`` rows."""
        groups = grouped(
            self._tables(list(columns)),
            lambda table: table.num_rows,
            lambda table: most,
            lambda table, some: table.slice(some.start, some.stop - some.start),
        )
        for tables in groups:
            yield ArrowPiece(_joined(tables), self.text)

    def matrices(self, parts: Iterable[int], wanted: Wanted) -> Iterator[tuple[np.ndarray, Piece]]:
        """Yield the rows of parts, one part after another: X (m, d), and the other columns."""
        return matrices_of(self, parts, wanted)

    def _tables(self, columns: list[str]) -> Iterator[pa.Table]:
        before = 0
        for batch in self._batches:
            table = as_arrow(batch, before)
            where = f"{NAME} after row {before}"
            try:
                check_columns(columns, table.column_names)
            except DataError as problem:
                raise DataError(f"{where}: {problem}") from None
            table = table.select(columns)
            for field in table.schema:
                kind = self.schema.field(field.name).type
                if _is_other_kind(field.type, kind):
                    raise DataError(
                        f'{where}: column "{field.name}" holds {field.type}, and {kind} in the '
                        "first batch; give it one type in all batches"
                    )
            yield table
            before += table.num_rows


def as_arrow(batch: Any, before: int) -> pa.Table:
    """Return a batch as an Arrow table; rows of the pass are ``before`` it, for messages.

    Raises
    ------
    DataError
        If it is no table, or a column can't be converted.
    """
    try:
        if isinstance(batch, pa.RecordBatch):
            return pa.Table.from_batches([batch])
        if hasattr(batch, "iloc"):  # pandas, whose index is no column
            return pa.Table.from_pandas(batch, preserve_index=False)
        return pa.table(batch)  # Arrow's, or what has its PyCapsule interface
    except (pa.ArrowException, TypeError, ValueError) as problem:
        raise DataError(
            f"{NAME} after row {before}: {type(batch).__name__} can't be made an Arrow table: "
            f"{' '.join(str(problem).split())}"
        ) from None


def _joined(tables: list[pa.Table]) -> pa.RecordBatch:
    """Return tables of the same columns as one record batch; types may differ a little."""
    try:
        whole = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException:
        # Categories in one batch and text in another.
        whole = pa.concat_tables(
            [table.cast(_without_dictionaries(table.schema)) for table in tables],
            promote_options="permissive",
        )
    (batch,) = whole.unify_dictionaries().combine_chunks().to_batches()
    return batch


def _without_dictionaries(schema: pa.Schema) -> pa.Schema:
    return pa.schema(
        [
            field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
            for field in schema
        ]
    )


def _is_other_kind(kind: pa.DataType, first: pa.DataType) -> bool:
    # Whether columns can't be joined; those of missing values go with all.
    if pa.types.is_null(kind) or pa.types.is_null(first):
        return False
    return _named(kind) != _named(first)


def _named(kind: pa.DataType) -> str:
    # What types that can be joined have in common.
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if is_number(kind):
        return "numbers"
    if is_text(kind):
        return "text"
    return "times" if pa.types.is_timestamp(kind) else str(kind)

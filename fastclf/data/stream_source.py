"""What a stream reads its rows from: the protocol of sources, and what they yield."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from fastclf.data.row_parts import RowPart
from fastclf.errors import DataError
from fastclf.estimators.streams import Rows
from fastclf.preprocessing import Encoder
from fastclf.table import Table

CHUNK_BYTES = 1 << 23
"""Size of X in a chunk, in bytes. Three or four chunks are in memory at a time."""

MOST_ROWS = 1 << 18
"""Largest number of rows in a chunk of narrow rows."""


class RawRows(NamedTuple):
    """Rows of a stream before encoding.

    Parameters
    ----------
    table : Table
        The columns that become features.
    y : ndarray of shape (m,), (m, L) or (m, K)
    weights : ndarray of shape (m,), optional
    left_out : int
        The rows without a target that were left out among these.
    beside : Table, optional
        Columns that are no features, such as the outputs of a teacher.
    """

    table: Table
    y: np.ndarray
    weights: np.ndarray | None
    left_out: int = 0
    beside: Table | None = None


class Place(NamedTuple):
    """Where a part is.

    Parameters
    ----------
    files : sequence of Path
        The files that hold it.
    name : str
        What messages call it.
    before : int
        The rows of ``name`` that come before it.
    """

    files: Sequence[Path]
    name: str
    before: int


class Span(NamedTuple):
    """Parts that are read one after another, and whose rows messages number on.

    Parameters
    ----------
    parts : sequence of int
    name : str
        What messages call them.
    before : int
        The rows of ``name`` that come before them.
    """

    parts: Sequence[int]
    name: str
    before: int


def whole_numbers(name: str, values: np.ndarray) -> np.ndarray:
    """Return labels as integers if they are whole numbers, even if floats are stored."""
    if values.dtype.kind == "f" and (values == np.rint(values)).all():
        if (np.abs(values) >= 2**53).any():
            raise DataError(
                f"{name}: labels from 2^53 on are rounded as they are read; save them as integers "
                "in Parquet or Arrow files, or as text"
            )
        return values.astype(np.int64)
    return values


class Source(Protocol):
    """Rows in parts that can be read repeatedly, and in any order."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def files(self) -> Sequence[Path]:
        """The files that hold it."""

    @property
    def count(self) -> int:
        """The number of parts."""

    @property
    def is_text(self) -> bool:
        """Whether parts are text files, each with rows numbered from 1 on."""

    @property
    def dtype(self) -> np.dtype:
        """The dtype of X."""

    @property
    def n_features(self) -> int:
        """The number of columns of X."""

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The names of the columns of X, if they have some."""

    @property
    def several_targets(self) -> bool:
        """Whether y is 2-D."""

    @property
    def target_names(self) -> tuple[str, ...] | None:
        """The names of the columns of a 2-D y, if they have some."""

    def place(self, part: int) -> Place:
        """Return where a part is."""

    def rows(self, parts: Iterable[int], span: Span) -> Iterator[Rows]:
        """Yield the rows of the parts of a span in chunks."""

    def tables(self, parts: Iterable[int], span: Span) -> Iterator[RawRows]:
        """Yield the rows of the parts of a span in chunks, before encoding."""

    def encoded(self, encoder: Encoder) -> "Source":
        """Return the same rows with another encoder."""

    def restricted(self, part: RowPart) -> "Source":
        """Return the rows of a part."""


class WithoutColumns:
    """Base of sources whose features are a matrix: what needs named columns is refused."""

    name: str

    def tables(self, parts: Iterable[int], span: Span) -> Iterator[RawRows]:
        """Refuse."""
        raise no_columns(self.name)

    def encoded(self, encoder: Encoder) -> Source:
        """Refuse."""
        raise no_columns(self.name)

    def restricted(self, part: RowPart) -> Source:
        """Refuse."""
        raise no_columns(self.name)


def no_columns(name: str) -> DataError:
    """Return the error for rows that are asked for as a table and are a matrix."""
    return DataError(f"{name}: the columns of a matrix have no names, so there is no table of them")

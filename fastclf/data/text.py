"""Text with delimiters: CSV and TSV, through pyarrow.

Text is read in pieces of whole rows, by one parser for training, streams and prediction. A column
is numeric if every value that isn't missing is a number, and none has a leading zero as codes have;
see `fastclf.data.text_columns`. Kinds of columns are guessed from the first megabytes and given to
the parser, which then needs no copy of the text to change its mind; where a later row refutes the
guess, a file is read again with that column as text.
"""

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from fastclf.data.arrow import arrow_errors, to_table
from fastclf.data.nulls import NULLS, nulls_besides
from fastclf.data.packed import joined, opened, unpacked_stream, unpacking_errors
from fastclf.data.pieces import in_order, line_pieces
from fastclf.data.text_columns import is_nearly_numeric, is_number, why_no_number
from fastclf.data.text_layout import Layout, Wishes, find_layout
from fastclf.data.text_parser import Fault, Kinds, Parsed, Parser, not_a_number
from fastclf.errors import DataError, located
from fastclf.table import Categories, Table
from fastclf.threads import resolve_n_threads

_SAMPLE = 1 << 22  # bytes of a piece, at least; of the first the kinds of columns are guessed
_HEAD = 1 << 16  # bytes in which the layout is looked for
_LONGEST_HEAD = 1 << 28


class TextFile:
    """A CSV or TSV file, or a stream of such text; it may be packed.

    Parameters
    ----------
    source : Path or binary file
    wishes : Wishes, optional
        What is known of its layout. What isn't known is seen in the first rows; without names of
        columns these are c0, c1 and so on.

    Attributes
    ----------
    names : tuple of str
    layout : Layout
    known : mapping of str to collection of str
        Of columns that have been seen elsewhere the names of their categories: text that is one of
        them is no missing value, though it may be "NA".

    Raises
    ------
    DataError
        If it can't be read, is empty, isn't text in UTF-8, or has a name twice.
    """

    def __init__(self, source: Path | BinaryIO, wishes: Wishes | None = None) -> None:
        self.path: Path | str = source if isinstance(source, Path) else "standard input"
        self.known: Mapping[str, Collection[str]] = {}
        wishes = wishes or Wishes()
        if isinstance(source, Path):
            with arrow_errors(source), opened(source) as file:
                self.layout, head = self._begin(file, wishes)
        else:
            with unpacking_errors(self.path):
                self._rest: BinaryIO = unpacked_stream(source)
                self.layout, head = self._begin(self._rest, wishes)
            self._begun = head
        self.names = self.layout.names
        longest = 8 * len(head) if len(head) > _HEAD else 0  # long rows come in long pieces
        self._piece = max(_SAMPLE, longest)

    def read(self, columns: Sequence[str] | None = None, text: Collection[str] = ()) -> Table:
        """Return some columns, or all; those of ``text`` as categories even if they are numbers.

        Raises
        ------
        DataError
            If a row has another number of values, or a column of text is numeric but for a few
            rows; it names the row.
        """
        wanted = list(self.names if columns is None else columns)
        kinds = Kinds(wanted, set(), set(wanted).intersection(text), set(wanted))
        if not isinstance(self.path, Path):  # a stream can't be read twice
            self._begun, self._rest = self._begun + self._rest.read(), io.BytesIO()
        while (parts := self._whole(kinds)) is None:
            pass
        table = to_table(_concatenated(parts, wanted), nulls=self._nulls(wanted))
        for name, column in table.columns.items():
            if isinstance(column, Categories) and name not in text:
                self._check_text(name, column)
        return table

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        numbers: Collection[str] = (),
        text: Collection[str] = (),
        codes: bool = False,
        batch_rows: int = 65_536,
    ) -> Iterator[Table]:
        """Yield the rows in parts of at most ``batch_rows``.

        Columns that are named neither in ``numbers`` nor in ``text`` are what the first megabytes
        say. In those, and with ``codes`` in ``numbers`` too, a later value with a leading zero is
        an error.

        Raises
        ------
        DataError
            If a numeric column has other text, or a row has another number of values.
        """
        wanted = list(self.names if columns is None else columns)
        known = set(numbers).intersection(wanted)
        kinds = Kinds(
            wanted,
            known,
            set(wanted).intersection(text),
            set(wanted) if codes else set(wanted) - known,
        )
        done = 0
        for part in self._parts(kinds):
            for name, (row, value) in part.refuted.items():
                if name in kinds.numbers:
                    raise not_a_number(name, row, value).in_file(self.path, done)
            table = to_table(part.table, done + 1, self._nulls(wanted))
            for start in range(0, table.n_rows, batch_rows):
                yield table.take(slice(start, start + batch_rows))
            done += table.n_rows

    def _nulls(self, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {name: nulls_besides(self.known.get(name, ())) for name in columns}

    def _begin(self, file: BinaryIO, wishes: Wishes) -> tuple[Layout, bytes]:
        """Return the layout of the text, and what was read to see it."""
        head, size, layout = b"", _HEAD, None
        while layout is None:
            block = b"whatever"
            while block and len(head) < size:
                block = file.read(size - len(head))
                head += block
            with located(self.path):
                layout = find_layout(head, not block, wishes)
                if len(head) > _LONGEST_HEAD:
                    raise DataError("its second row doesn't end; is a quote not closed?")
            size *= 2
        return layout, head

    @contextmanager
    def _after_names(self) -> Iterator[BinaryIO]:
        """Give the text from the first row on."""
        if isinstance(self.path, Path):
            with arrow_errors(self.path), opened(self.path) as file:
                file.read(self.layout.start)
                yield file
        else:
            with unpacking_errors(self.path):
                yield joined(self._begun[self.layout.start :], self._rest)

    def _whole(self, kinds: Kinds) -> list[pa.Table] | None:
        """Return all rows; None where a column isn't what it was taken for, which is then known."""
        tables: list[pa.Table] = []
        wrong: set[str] = set()
        for part in self._parts(kinds):
            wrong |= kinds.numbers.intersection(part.refuted)
            if wrong:
                tables.clear()
            else:
                tables.append(part.table)
        kinds.numbers.difference_update(wrong)
        kinds.text.update(wrong)
        return None if wrong else tables

    def _parts(self, kinds: Kinds) -> Iterator[Parsed]:
        """Yield all rows; what the first of them say of columns is written into ``kinds``."""
        keeps_nulls = any(name in NULLS for names in self.known.values() for name in names)
        parser = Parser(self.layout, keeps_nulls)

        def parse(piece: bytes) -> Parsed | Fault:
            try:
                return parser.parse(piece, kinds)
            except Fault as problem:
                return problem  # its row is known when the rows before it are

        done = 0
        with arrow_errors(self.path), located(self.path, once=True), self._after_names() as file:
            pieces: Iterator[bytes] = (
                piece
                for piece in line_pieces(file, self._piece, self.layout.delimiter)
                if piece.strip(b"\r\n")
            )
            first = map(parse, islice(pieces, 1))
            for part in chain(first, in_order(parse, pieces, resolve_n_threads(None))):
                if isinstance(part, Fault):
                    raise part.in_file(self.path, done)
                if not kinds.all_are_known:
                    unknown = set(kinds.columns) - kinds.numbers - kinds.text
                    kinds.text.update(unknown.intersection(part.refuted))
                    kinds.numbers.update(unknown.difference(part.refuted))
                yield part
                done += part.table.num_rows

    def _check_text(self, name: str, column: Categories) -> None:
        """Refuse a column of many different numbers that has a little text."""
        decimal = self.layout.decimal
        numeric = [is_number(text, decimal) for text in column.names]
        if all(numeric):
            return
        present = np.bincount(column.codes[~column.missing], minlength=len(column.names))
        counts = dict(zip(column.names, present.tolist(), strict=True))
        if not is_nearly_numeric(counts, decimal):
            return
        wrong = np.array([*(not found for found in numeric), False])[column.codes]
        row = int(wrong.argmax())
        others = ", and nearly all other values there are" if any(numeric) else ""
        reason = why_no_number(column.names[column.codes[row]], others)
        raise DataError(f'{self.path}: row {row + 1}, column "{name}": {reason}')


def _concatenated(parts: list[pa.Table], columns: list[str]) -> pa.Table:
    """Return tables as one, and empty their list, so that each column can be freed early."""
    if not parts:
        return pa.table({name: pa.nulls(0) for name in columns})
    whole = pa.concat_tables(parts)
    parts.clear()
    return whole

"""Reading CSV and TSV through pyarrow.

The text is cut into pieces of whole rows. Training, streams and prediction use the same parser. A
column is numeric if every value that isn't missing is a number without a leading zero; codes such
as 00501 have leading zeros. `fastclf.data.text_columns` defines what a number is.

The first piece decides which columns are numeric, and later pieces are parsed accordingly, so their
text needn't be kept. If a later piece has text in a numeric column, the file is read again with
that column as text.
"""

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from fastclf.data.arriving import Arriving
from fastclf.data.compressed import (
    decompression_errors,
    open_decompressed,
)
from fastclf.data.encodings import WINDOWS, Decoded
from fastclf.data.nulls import NULLS, nulls_besides
from fastclf.data.pieces import in_order, line_pieces
from fastclf.data.plain_parser import PlainParser
from fastclf.data.reading import has_pyarrow, reading
from fastclf.data.text_columns import first_without_number
from fastclf.data.text_kinds import Fault, Kinds, Parsed, Parser, not_a_number
from fastclf.data.text_layout import Layout, LayoutHints, find_layout
from fastclf.errors import DataError, located
from fastclf.table import Categories, Table
from fastclf.threads import resolve_n_threads

_MIN_PIECE = 1 << 22  # least size of a piece, in bytes
_HEAD = 1 << 16  # bytes from which the layout is detected, unless two rows are longer
_LONGEST_HEAD = 1 << 28  # bytes that the first two rows may take


class TextFile:
    """A CSV or TSV file, which may be compressed, or a stream of such text.

    Parameters
    ----------
    source : Path, binary file or Arriving
        The rows of an `Arriving` file are read as they come, and its layout is detected from those
        that come first.
    hints : LayoutHints, optional
        Parts of the layout that are known. The rest is detected from the first rows. Columns
        without names are called c0, c1 and so on.

    Attributes
    ----------
    names : tuple of str
    layout : Layout
    known : mapping of str to collection of str
        Known categories of some columns, from a model or from training data. A value that is a
        known category isn't missing, even if it reads "NA".

    Raises
    ------
    DataError
        If the source can't be read, is empty or isn't text, or two columns have the same name.

    Warns
    -----
    UserWarning
        If the text isn't UTF-8, and neither a byte-order mark nor ``hints`` gives its encoding.
    """

    def __init__(
        self, source: Path | BinaryIO | Arriving, hints: LayoutHints | None = None
    ) -> None:
        self.path: Path | str = source if isinstance(source, Path) else "standard input"
        self.known: Mapping[str, Collection[str]] = {}
        self._hints = hints or LayoutHints()
        self._has_warned = False
        if isinstance(source, Path):
            with reading(source), open_decompressed(source) as file:
                self.layout, head = self._begin(self._decoded(file))
        else:
            with decompression_errors(self.path):
                self._rest = self._decoded(source)
                self.layout, head = self._begin(self._rest)
            self._begun = head
        self.names = self.layout.names
        for_long_rows = 8 * len(head) if len(head) > _HEAD else 0
        self._piece_size = max(_MIN_PIECE, for_long_rows)

    def read(self, columns: Sequence[str] | None = None, text: Collection[str] = ()) -> Table:
        """Read some columns, or all; those of ``text`` as categories even if they are numbers.

        Raises
        ------
        DataError
            If a row has too few or too many values, or if a column has numbers in nearly all rows
            and text in a few; the message names the row.
        """
        wanted = list(self.names if columns is None else columns)
        kinds = Kinds(wanted, set(), set(wanted).intersection(text), set(wanted))
        if not isinstance(self.path, Path):  # a stream can't be read twice
            self._begun += self._rest.read()
        parser = self._parser()
        while (parts := self._read_all(parser, kinds)) is None:
            pass
        table = parser.table(parts, wanted, nulls=self._nulls(wanted))
        for name, column in table.columns.items():
            if isinstance(column, Categories) and name not in text:
                found = first_without_number(column, self.layout.decimal)
                if found is not None:
                    raise DataError(f'{self.path}: row {found[0] + 1}, column "{name}": {found[1]}')
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
        """Yield the rows in tables of at most ``batch_rows`` rows.

        Parameters
        ----------
        columns : sequence of str, optional
            The columns to read; by default all.
        numbers, text : collection of str
            Columns that are numeric, and columns that are categories. The first piece of text
            decides for the others, and a later value with a leading zero in them is an error.
        codes : bool
            Whether a value with a leading zero is an error in the columns of ``numbers``, too.
        batch_rows : int

        Raises
        ------
        DataError
            If a numeric column has text, or a row has too few or too many values.
        """
        wanted = list(self.names if columns is None else columns)
        known = set(numbers).intersection(wanted)
        kinds = Kinds(
            wanted,
            known,
            set(wanted).intersection(text),
            set(wanted) if codes else set(wanted) - known,
        )
        done, parser = 0, self._parser()
        for part in self._parts(parser, kinds):
            for name, (row, value) in part.refuted.items():
                if name in kinds.numbers:
                    is_new = self._hints.expected is not None
                    raise not_a_number(name, row, value, is_new).in_file(self.path, done)
            table = parser.table([part.rows], wanted, done + 1, self._nulls(wanted))
            for start in range(0, table.n_rows, batch_rows):
                yield table.take(slice(start, start + batch_rows))
            done += table.n_rows

    def _nulls(self, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
        return {name: nulls_besides(self.known.get(name, ())) for name in columns}

    def _decoded(self, file: BinaryIO | Arriving) -> Decoded:
        hints = self._hints
        if hints.expected is None:
            return Decoded(file, hints.encoding)
        return Decoded(file, otherwise=hints.encoding or WINDOWS)

    def _begin(self, file: Decoded) -> tuple[Layout, bytes]:
        """Return the layout of the text, and the bytes that were read to detect it."""
        head, size, layout = b"", _HEAD, None
        with located(self.path, once=True):
            while layout is None:
                at_end = False
                while not at_end and len(head) < size:
                    block = file.read(size - len(head))
                    head += block
                    at_end = not block
                    if file.arrives:
                        break  # two rows are enough to begin with
                layout = find_layout(head, at_end, self._hints)
                if len(head) > _LONGEST_HEAD:
                    raise DataError("the second row doesn't end; close its quotes")
                size *= 2
        return self._with_encoding(layout, file), head

    @contextmanager
    def _open_rows(self) -> Iterator[Decoded]:
        """Open the text at the first row, after the header."""
        if isinstance(self.path, Path):
            with reading(self.path), open_decompressed(self.path) as packed:
                file = self._decoded(packed)
                file.skip(self.layout.start)
                yield file
        else:
            file = self._rest
            with decompression_errors(self.path):
                file.put_back(self._begun[self.layout.start :])
                yield file
        self.layout = self._with_encoding(self.layout, file)

    def _with_encoding(self, layout: Layout, file: Decoded) -> Layout:
        """Return the layout with the encoding that was found; warn if it is a guess."""
        if file.is_guess and file.encoding != self._hints.encoding and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{self.path} isn't UTF-8, and is read as {file.encoding}; if letters come out "
                "wrong, set data.encoding",
                stacklevel=2,
            )
        return replace(layout, encoding=file.encoding)

    def _read_all(self, parser: Parser, kinds: Kinds) -> list[Any] | None:
        """Return all rows; or None if some numeric columns had text, which ``kinds`` then says."""
        tables: list[Any] = []
        wrong: set[str] = set()
        for part in self._parts(parser, kinds):
            wrong |= kinds.numbers.intersection(part.refuted)
            if wrong:
                tables.clear()
            else:
                tables.append(part.rows)
        kinds.numbers.difference_update(wrong)
        kinds.text.update(wrong)
        return None if wrong else tables

    def _parser(self) -> Parser:
        keeps_nulls = any(name in NULLS for names in self.known.values() for name in names)
        if not has_pyarrow():
            return PlainParser(self.layout)
        from fastclf.data.text_parser import ArrowParser

        return ArrowParser(self.layout, keeps_nulls)

    def _parts(self, parser: Parser, kinds: Kinds) -> Iterator[Parsed]:
        """Yield all rows; the first piece decides the unknown columns of ``kinds``, in place."""

        def parse(piece: bytes) -> Parsed | Fault:
            try:
                return parser.parse(piece, kinds)
            except Fault as problem:
                return problem  # earlier pieces must be counted before its row number is known

        done = 0
        with reading(self.path), located(self.path, once=True), self._open_rows() as file:
            pieces: Iterator[bytes | None] = (
                piece or None
                for piece in line_pieces(
                    file, self._piece_size, self.layout.delimiter, file.arrives
                )
                if not piece or piece.strip(b"\r\n")
            )
            first = map(parse, islice((piece for piece in pieces if piece is not None), 1))
            for part in chain(first, in_order(parse, pieces, resolve_n_threads(None))):
                if isinstance(part, Fault):
                    raise part.in_file(self.path, done)
                if not kinds.all_are_known:
                    unknown = set(kinds.columns) - kinds.numbers - kinds.text
                    kinds.text.update(unknown.intersection(part.refuted))
                    kinds.numbers.update(unknown.difference(part.refuted))
                yield part
                done += part.n_rows

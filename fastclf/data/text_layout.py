"""Detection of the layout of CSV and TSV text: delimiter, decimal mark and column names.

Whatever the user doesn't give is detected from the first rows:

- The delimiter is the first of comma, semicolon, tab and ``|`` that splits every row into the same
  number of values, at least two. The comma is passed over if another delimiter does so as well and
  all commas are decimal marks of numbers.
- The decimal mark is a comma if the delimiter isn't, and if of the numeric columns some have commas
  and none has a point. Numbers such as 1,234 are ignored, as their mark may separate thousands.

A first line such as ``sep=;``, which Excel writes and reads, sets the delimiter.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import NamedTuple

from fastclf.data.nulls import NULLS
from fastclf.data.text_columns import is_number
from fastclf.errors import DataError
from fastclf.table import first_duplicate

DELIMITERS: dict[str, str | None] = {"csv": None, "tsv": "\t"}
"""The text formats and their delimiters; None if the delimiter is to be detected."""

CANDIDATES = (",", ";", "\t", "|")

_DELIMITER_ROWS = 50  # rows from which the delimiter is detected
_DECIMAL_ROWS = 1000  # rows from which the decimal mark is detected
_MIN_AGREEING = 0.9  # least share of rows with as many values as the first row
_SEP = re.compile(r'"?sep=([^"\r\n])"?(\r\n?|\n|\Z)', re.IGNORECASE)
_WITH_COMMA = re.compile(r"[+-]?[\d.]*,\d+(?:[eE][+-]?\d+)?")
_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}([.,]\d{3})+")  # 1.234.567
_BOM = "\ufeff"
_MAGIC = {
    b"PK\x03\x04": "a ZIP archive, as Excel's workbooks are",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"\xd0\xcf\x11\xe0": "an old workbook of Excel's",
}


class LayoutHints(NamedTuple):
    """Parts of the layout that are known before a file is opened.

    Parameters
    ----------
    delimiter, decimal : str, optional
        The delimiter and the decimal mark.
    header : bool, optional
        Whether the first row holds the names of the columns. By default it does unless all of its
        values are numbers.
    expected : collection of str, optional
        Column names that the file should have, because an earlier file had them. ``delimiter`` and
        ``decimal`` are then those of the earlier file: the delimiter is used only if it gives these
        columns, and a decimal mark that is detected takes precedence.
    format_delimiter : str, optional
        The delimiter of the format, for formats that have one. It is used if no other is given.
    encoding : str, optional
        The encoding. With ``expected`` it is that of the earlier file, which this file has if it
        isn't UTF-8.
    """

    delimiter: str | None = None
    decimal: str | None = None
    header: bool | None = None
    expected: Collection[str] | None = None
    format_delimiter: str | None = None
    encoding: str | None = None


@dataclass(frozen=True)
class Layout:
    """The layout of a text file.

    Attributes
    ----------
    names : tuple of str
        The names of the columns.
    delimiter, decimal : str
        The delimiter and the decimal mark.
    start : int
        The position of the first row after the header, in bytes of UTF-8.
    format_delimiter : str
        The usual delimiter of the file's format.
    encoding : str
        The encoding, "utf-8" also as long as all text was ASCII.
    """

    names: tuple[str, ...]
    delimiter: str
    decimal: str
    start: int
    format_delimiter: str = ","
    encoding: str = "utf-8"

    def unusual(self) -> dict[str, str]:
        """Return the keys ``delimiter``, ``decimal`` and ``encoding`` that aren't the defaults."""
        found = {}
        if self.delimiter != self.format_delimiter:
            found["delimiter"] = self.delimiter
        if self.decimal != ".":
            found["decimal"] = self.decimal
        if self.encoding != "utf-8":
            found["encoding"] = self.encoding
        return found

    def __str__(self) -> str:
        """Return the delimiter, the decimal mark and an unusual encoding in words."""
        delimiter = {"\t": "tabs", " ": "blanks"}.get(self.delimiter, f'"{self.delimiter}"')
        text = f'{delimiter} between values, decimal mark "{self.decimal}"'
        return text if self.encoding == "utf-8" else f"{text}, encoding {self.encoding}"


class Row(NamedTuple):
    """One row of text: its values, the position of its end, and whether its quotes are closed."""

    values: list[str]
    end: int
    is_closed: bool = True


def find_layout(head: bytes, whole: bool, hints: LayoutHints) -> Layout | None:
    """Detect the layout of text from its first bytes; return None if more bytes are needed.

    Parameters
    ----------
    head : bytes
        The first bytes.
    whole : bool
        Whether ``head`` is the whole text.
    hints : LayoutHints

    Raises
    ------
    DataError
        If the text is empty or isn't UTF-8, or two columns have the same name.
    """
    _check_is_text(head)
    hints = hints._replace(delimiter=hints.delimiter or hints.format_delimiter)
    text = head.decode("utf-8", "surrogateescape")
    begin = len(_BOM) if text.startswith(_BOM) else 0
    if named := _SEP.match(text, begin):
        begin = named.end()
        hints = hints._replace(delimiter=named[1])
    rows = {
        delimiter: [*islice(_rows(text, begin, delimiter, whole), _DELIMITER_ROWS)]
        for delimiter in _candidates(hints)
    }
    delimiter = _chosen(rows)
    layouts = {key: _layout(text, found, key, hints) for key, found in rows.items() if found}
    if hints.expected is not None:
        fits = [key for key in layouts if set(hints.expected) <= {*layouts[key].names}]
        delimiter = (fits or [delimiter])[0]
    if len(rows[delimiter]) < 2 and not whole:
        return None
    if not rows[delimiter]:
        raise DataError("there are no rows")
    if not rows[delimiter][0].is_closed:
        raise DataError("the first row has a quote that isn't closed; close it")
    _check_names(text, begin, layouts[delimiter])
    more = [*islice(_rows(text, begin, delimiter, whole), _DECIMAL_ROWS)]
    return _layout(text, more, delimiter, hints)


def _candidates(hints: LayoutHints) -> Sequence[str]:
    if hints.delimiter is None:
        return CANDIDATES
    if hints.expected is None:
        return (hints.delimiter,)
    return tuple(dict.fromkeys((hints.delimiter, *CANDIDATES)))


def _rows(text: str, start: int, delimiter: str, whole: bool) -> Iterator[Row]:
    """Yield the non-empty rows of some text; the last is left out if it may be incomplete."""
    other = f"[^{re.escape(delimiter)}\r\n]*"
    value = re.compile(
        rf'(?:"([^"]*(?:""[^"]*)*)("?))?({other})({re.escape(delimiter)}|\r\n?|\n|\Z)'
    )
    values: list[str] = []
    is_closed = True
    while start < len(text):
        found = value.match(text, start)
        assert found is not None  # every part of the pattern may be empty
        quoted, closed, rest, end = found.groups()
        start = found.end()
        cut_off = start == len(text) and end != "\n" and not whole
        if cut_off or quoted is not None and not closed and not whole:
            return
        is_closed = is_closed and (quoted is None or bool(closed))
        values.append(rest if quoted is None else quoted.replace('""', '"') + rest)
        if end != delimiter:
            if len(values) > 1 or values[0]:
                yield Row(values, start, is_closed)
            values = []
    if values:  # the text ends with a delimiter, so the last value is empty
        yield Row([*values, ""], start)


def _chosen(rows: dict[str, list[Row]]) -> str:
    """Return the delimiter with which most rows have as many values as the first row."""
    agreeing = {}
    for delimiter, found in rows.items():
        count = len(found[0].values) if found else 0
        share = sum(len(row.values) == count for row in found) / max(len(found), 1)
        agreeing[delimiter] = share if count > 1 else 0.0
    perfect = [delimiter for delimiter, share in agreeing.items() if share == 1]
    if perfect:
        if perfect[0] == ",":
            marks = [other for other in perfect[1:] if _commas_are_decimal(rows[other])]
            return (marks or perfect)[0]
        return perfect[0]
    best = max(agreeing, key=lambda delimiter: agreeing[delimiter])
    return best if agreeing[best] >= _MIN_AGREEING else next(iter(rows))


def _commas_are_decimal(rows: list[Row]) -> bool:
    cells = [value.strip() for row in rows for value in row.values if "," in value]
    return all(_WITH_COMMA.fullmatch(cell) for cell in cells)


def _layout(text: str, rows: list[Row], delimiter: str, hints: LayoutHints) -> Layout:
    seen = _decimal_mark([row.values for row in rows[1:] or rows], delimiter)
    if hints.expected is None:
        decimal = hints.decimal or seen or "."
    else:
        decimal = seen or hints.decimal or "."
    first = rows[0].values
    named = hints.header
    if named is None:
        named = not all(is_number(value.strip(), decimal) for value in first)
    names = [name.strip() or f"c{i}" for i, name in enumerate(first)]
    if not named:
        names = [f"c{i}" for i in range(len(first))]
    start = rows[0].end if named else _begin(text)
    return Layout(
        tuple(names), delimiter, decimal, _bytes(text[:start]), hints.format_delimiter or ","
    )


def _begin(text: str) -> int:
    begin = len(_BOM) if text.startswith(_BOM) else 0
    named = _SEP.match(text, begin)
    return named.end() if named else begin


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _decimal_mark(rows: list[list[str]], delimiter: str) -> str | None:
    """Return the decimal mark in numeric columns; None if there is none, or if both occur."""
    marks = set()
    for values in zip_longest(*rows, fillvalue=""):
        cells = [cell for cell in map(str.strip, values) if not _GROUPS.fullmatch(cell)]
        for mark in ".,":
            has_mark = [cell for cell in cells if mark in cell]
            plain = (cell for cell in cells if cell and cell not in NULLS)
            if has_mark and all(is_number(cell, mark) for cell in plain):
                marks.add(mark)
    if marks == {","} and delimiter == ",":
        return None  # in quotes there may be lists, such as "1,2"
    return marks.pop() if len(marks) == 1 else None


def _check_is_text(head: bytes) -> None:
    what = next((what for magic, what in _MAGIC.items() if head.startswith(magic)), "")
    remedy = "save it as CSV in UTF-8"
    if what in ("Parquet", "Arrow"):
        remedy = f'set data.format to "{what.lower()}", or rename it'
    if not what and b"\0" in head[:1000]:
        zeros = head[:1000:2].count(0), head[1:1000:2].count(0)
        what = "binary, as it holds zero bytes"
        if max(zeros) > 10 * min(zeros):
            what = "UTF-16 without a byte-order mark"
            remedy = f'set data.encoding to "utf-16-{"be" if zeros[0] > zeros[1] else "le"}"'
    if what:
        raise DataError(f"the file seems to be {what}; {remedy}")


def _check_names(text: str, begin: int, layout: Layout) -> None:
    for name in layout.names:
        if any("\udc80" <= letter <= "\udcff" for letter in name):
            lines = text[:begin].count("\n") + 1
            raise DataError(
                f"line {lines} isn't UTF-8 text; correct it, or set data.encoding, such as to "
                '"cp1252"'
            )
    if (double := first_duplicate(layout.names)) is not None:
        raise DataError(
            f'two columns are named "{double}"; rename one, or set data.header to false if the '
            "first row isn't the names"
        )

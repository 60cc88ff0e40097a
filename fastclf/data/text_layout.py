"""How text with delimiters is laid out: what is between values, which decimal mark, which names.

What isn't given is seen in the first rows:

- The delimiter is the first of comma, semicolon, tab and ``|`` that cuts all of them into equally
  many values, two or more. A comma isn't one if another does so, too, and all commas are decimal
  marks.
- The decimal mark is a comma if the delimiter isn't one, and among the columns that hold numbers
  some have a comma and none has a point. Groups of three digits tell nothing.

A first line such as ``sep=;``, which Excel writes and reads, names the delimiter.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import NamedTuple

from fastclf.data.nulls import NULLS
from fastclf.data.text_columns import is_number
from fastclf.errors import DataError
from fastclf.table import twice

DELIMITERS: dict[str, str | None] = {"csv": None, "tsv": "\t"}
"""The formats of text, with the delimiter of those that have one."""

SNIFFED = (",", ";", "\t", "|")

_ROWS = 50  # by which delimiters are compared
_MORE_ROWS = 1000  # by which decimal marks are
_AGREEING = 0.9  # of them, with as many values as the first, where some rows are wrong
_SEP = re.compile(r'"?sep=([^"\r\n])"?(\r\n?|\n|\Z)', re.IGNORECASE)
_WITH_COMMA = re.compile(r"[+-]?[\d.]*,\d+(?:[eE][+-]?\d+)?")
_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}([.,]\d{3})+")  # 1.234.567
_BOM = "\ufeff"
_NO_TEXT = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"PK\x03\x04": "a ZIP archive, as Excel's workbooks are",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"\xd0\xcf\x11\xe0": "an old workbook of Excel's",
}


class Wishes(NamedTuple):
    """What is known of the layout before a file is opened.

    Parameters
    ----------
    delimiter, decimal : str, optional
        What is between two values, and the decimal mark.
    header : bool, optional
        Whether the first row has the names of the columns; by default it has unless it holds
        numbers alone.
    expected : collection of str, optional
        Columns that a file is to have, where others were read before it. Then the delimiter is the
        one that is given only if these columns are there, and the first rows' decimal mark counts.
    of_format : str, optional
        The delimiter of the format, where it has one and no other is given.
    """

    delimiter: str | None = None
    decimal: str | None = None
    header: bool | None = None
    expected: Collection[str] | None = None
    of_format: str | None = None


@dataclass(frozen=True)
class Layout:
    """How text is laid out.

    Attributes
    ----------
    names : tuple of str
    delimiter, decimal : str
    start : int
        The bytes before the first row.
    of_format : str
        The delimiter that such a file has as a rule.
    """

    names: tuple[str, ...]
    delimiter: str
    decimal: str
    start: int
    of_format: str = ","

    def unusual(self) -> dict[str, str]:
        """Return the delimiter and the decimal mark where they aren't the usual ones, by key."""
        found = {}
        if self.delimiter != self.of_format:
            found["delimiter"] = self.delimiter
        if self.decimal != ".":
            found["decimal"] = self.decimal
        return found

    def __str__(self) -> str:
        """Return the delimiter and the decimal mark in words."""
        delimiter = {"\t": "tabs", " ": "blanks"}.get(self.delimiter, f'"{self.delimiter}"')
        return f'{delimiter} between values, decimal mark "{self.decimal}"'


class Row(NamedTuple):
    """One row of text: its values, where it ends, and whether its quotes are closed."""

    values: list[str]
    end: int
    is_closed: bool = True


def find_layout(head: bytes, whole: bool, wishes: Wishes) -> Layout | None:
    """Return the layout of text that begins with some bytes; None if more are needed.

    Parameters
    ----------
    head : bytes
    whole : bool
        Whether that is all.
    wishes : Wishes

    Raises
    ------
    DataError
        If it isn't text in UTF-8, is empty, or has a name twice.
    """
    _check_is_text(head)
    wishes = wishes._replace(delimiter=wishes.delimiter or wishes.of_format)
    text = head.decode("utf-8", "surrogateescape")
    begin = len(_BOM) if text.startswith(_BOM) else 0
    if named := _SEP.match(text, begin):
        begin = named.end()
        wishes = wishes._replace(delimiter=named[1])
    rows = {
        delimiter: [*islice(_rows(text, begin, delimiter, whole), _ROWS)]
        for delimiter in _candidates(wishes)
    }
    delimiter = _chosen(rows)
    layouts = {key: _layout(text, found, key, wishes) for key, found in rows.items() if found}
    if wishes.expected is not None:
        fits = [key for key in layouts if set(wishes.expected) <= {*layouts[key].names}]
        delimiter = (fits or [delimiter])[0]
    if len(rows[delimiter]) < 2 and not whole:
        return None
    if not rows[delimiter]:
        raise DataError("is empty")
    if not rows[delimiter][0].is_closed:
        raise DataError("the first row: a quote opens a value and isn't closed; close it")
    _check_names(text, begin, layouts[delimiter])
    more = [*islice(_rows(text, begin, delimiter, whole), _MORE_ROWS)]
    return _layout(text, more, delimiter, wishes)


def _candidates(wishes: Wishes) -> Sequence[str]:
    if wishes.delimiter is None:
        return SNIFFED
    if wishes.expected is None:
        return (wishes.delimiter,)
    return tuple(dict.fromkeys((wishes.delimiter, *SNIFFED)))


def _rows(text: str, start: int, delimiter: str, whole: bool) -> Iterator[Row]:
    """Yield the rows that end within some text, without empty ones."""
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
    if values:  # the last value is empty, and nothing follows
        yield Row([*values, ""], start)


def _chosen(rows: dict[str, list[Row]]) -> str:
    """Return the delimiter that cuts rows best."""
    agreeing = {}
    for delimiter, found in rows.items():
        count = len(found[0].values) if found else 0
        share = sum(len(row.values) == count for row in found) / max(len(found), 1)
        agreeing[delimiter] = share if count > 1 else 0.0
    perfect = [delimiter for delimiter, share in agreeing.items() if share == 1]
    if perfect:
        if perfect[0] == ",":
            marks = [other for other in perfect[1:] if _commas_are_marks(rows[other])]
            return (marks or perfect)[0]
        return perfect[0]
    best = max(agreeing, key=lambda delimiter: agreeing[delimiter])
    return best if agreeing[best] >= _AGREEING else next(iter(rows))


def _commas_are_marks(rows: list[Row]) -> bool:
    cells = [value.strip() for row in rows for value in row.values if "," in value]
    return all(_WITH_COMMA.fullmatch(cell) for cell in cells)


def _layout(text: str, rows: list[Row], delimiter: str, wishes: Wishes) -> Layout:
    seen = _decimal_mark([row.values for row in rows[1:] or rows], delimiter)
    if wishes.expected is None:
        decimal = wishes.decimal or seen or "."
    else:
        decimal = seen or wishes.decimal or "."
    first = rows[0].values
    named = wishes.header
    if named is None:
        named = not all(is_number(value.strip(), decimal) for value in first)
    names = [name.strip() or f"c{i}" for i, name in enumerate(first)]
    if not named:
        names = [f"c{i}" for i in range(len(first))]
    start = rows[0].end if named else _begin(text)
    return Layout(tuple(names), delimiter, decimal, _bytes(text[:start]), wishes.of_format or ",")


def _begin(text: str) -> int:
    begin = len(_BOM) if text.startswith(_BOM) else 0
    named = _SEP.match(text, begin)
    return named.end() if named else begin


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _decimal_mark(rows: list[list[str]], delimiter: str) -> str | None:
    """Return the decimal mark of the columns of numbers; None if they have none, or both."""
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
    what = next((what for magic, what in _NO_TEXT.items() if head.startswith(magic)), "")
    if not what and b"\0" in head[:1000]:
        zeros = head[:1000:2].count(0), head[1:1000:2].count(0)
        what = "UTF-16" if max(zeros) > 10 * min(zeros) else "no text, for it holds zero bytes"
    if not what:
        return
    remedy = "save it as CSV in UTF-8"
    if what.startswith("UTF"):
        remedy = f"save it as UTF-8, as by: iconv -f {what} -t UTF-8 FILE > NEW"
    elif what in ("Parquet", "Arrow"):
        remedy = f'set data.format to "{what.lower()}", or rename it'
    raise DataError(f"seems to be {what}; {remedy}")


def _check_names(text: str, begin: int, layout: Layout) -> None:
    for name in layout.names:
        if any("\udc80" <= letter <= "\udcff" for letter in name):
            lines = text[:begin].count("\n") + 1
            raise DataError(f"line {lines} isn't UTF-8 text; {as_utf8(name)}")
    if (double := twice(layout.names)) is not None:
        raise DataError(
            f'two columns are named "{double}"; rename one, or set data.header to false if the '
            "first row isn't the names"
        )


def as_utf8(wrong: str) -> str:
    """Return how text in another encoding becomes UTF-8."""
    content = wrong.encode("utf-8", "surrogateescape")
    read = content.decode("cp1252", "replace")
    return (
        f'it may be Windows-1252 or Latin-1, where that is "{read}"; save it as UTF-8, as by: '
        "iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW"
    )

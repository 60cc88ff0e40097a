"""Cutting of text into pieces of complete rows, and work on pieces by several threads in order."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, TypeVar

import numpy as np

from fastclf.data.arriving import Arriving
from fastclf.data.encodings import Decoded
from fastclf.errors import DataError

_LONGEST_ROW = 1 << 30  # bytes; pyarrow parses blocks of at most 2 GB

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def line_pieces(
    file: BinaryIO | Arriving | Decoded, size: int, delimiter: str = ",", arrives: bool = False
) -> Iterator[bytes]:
    r"""Yield a CSV file in pieces of about ``size`` bytes, each of complete rows.

    A line break between quotes doesn't end a row. The last piece ends where the file ends. Where
    a file that ``arrives`` pauses, there is an empty piece.

    Raises
    ------
    DataError
        If a row is longer than 1 GB.

    Examples
    --------
    >>> import io
    >>> from fastclf.data.pieces import line_pieces
    >>> list(line_pieces(io.BytesIO(b'a,b\n1,"x\ny"\n2,z\n'), 10))
    [b'a,b\n', b'1,"x\ny"\n2,z\n']
    """
    held = b""
    while block := file.read(asked := max(size, len(held))):
        last = block.rfind(b"\n") + 1
        if last and b'"' not in block and b'"' not in held:
            yield b"".join((held, memoryview(block)[:last]))  # without quotes: one copy only
            held = block[last:]
        else:
            whole = held + block
            end = end_of_rows(whole, delimiter)
            if end:
                yield whole[:end]
            held = whole[end:]
            if len(held) > _LONGEST_ROW:
                raise DataError("a row is longer than 1 GB; close its quotes")
        if len(block) < asked and arrives:
            yield b""
    if held:
        yield held


def end_of_rows(text: bytes, delimiter: str) -> int:
    """Return the position after the last complete row of some text, or 0 if no row is complete.

    The text begins at the start of a row. Rows end with a line feed; or with a carriage return, if
    there is no line feed outside of quotes.
    """
    quoted = quoted_values(text, delimiter)
    end = _last_outside(text, b"\n", quoted, len(text))
    # A carriage return at the very end may be the first half of "\r\n".
    return end or _last_outside(text, b"\r", quoted, len(text) - 1)


def open_quote(text: bytes, delimiter: str) -> int | None:
    """Return the position of a quote that isn't closed, or None; a row begins with the text."""
    if text.count(b'"') % 2 == 0:
        return None
    for found in _value_in_quotes(delimiter).finditer(text):
        if not found[1]:
            return found.start()
    return None


def _value_in_quotes(delimiter: str) -> re.Pattern[bytes]:
    # A quote is special only as the first character of a value.
    before = re.escape(delimiter.encode())
    return re.compile(rb'"(?<![^%b\r\n]")[^"]*(?:""[^"]*)*("|\Z)' % before)


def quoted_values(text: bytes, delimiter: str) -> np.ndarray:
    """Return the start and end positions of all q quoted values in turn, shape (2 q,)."""
    if b'"' not in text:
        return np.empty(0, np.int64)
    content = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(content == ord('"'))
    opening = quotes[::2]
    before = content[opening - 1]
    begins = (before == ord(delimiter[0])) if delimiter.isascii() else np.zeros(len(before), bool)
    begins |= (before == ord("\n")) | (before == ord("\r")) | (before == ord('"')) | (opening == 0)
    if begins.all():  # quotes alternate: every second one closes a value or escapes the next
        return quotes
    found = _value_in_quotes(delimiter).finditer(text)
    ends = [(match.start(), match.end() - 1 if match[1] else len(text)) for match in found]
    return np.array(ends, np.int64).ravel()


def _last_outside(text: bytes, line_end: bytes, quoted: np.ndarray, stop: int) -> int:
    """Return the position after the last line end before ``stop`` that isn't quoted, or 0."""
    while (at := text.rfind(line_end, 0, stop)) >= 0:
        before = int(np.searchsorted(quoted, at))
        if before % 2 == 0:
            return at + len(line_end)
        stop = int(quoted[before - 1])
    return 0


def in_order(
    work: Callable[[ItemT], ResultT], items: Iterable[ItemT | None], n_threads: int
) -> Iterator[ResultT]:
    """Yield ``work(item)`` for each item, in order; threads compute a few results in advance.

    An exception of ``work`` is raised in the place of its result, and later items are dropped.
    None in place of an item means that the next one may take long to come: all results so far are
    then yielded before it is waited for.

    Examples
    --------
    >>> from fastclf.data.pieces import in_order
    >>> list(in_order(abs, [1, -2, -3], 2))
    [1, 2, 3]
    """
    if n_threads < 2:
        yield from (work(item) for item in items if item is not None)
        return
    waiting: deque[Future[ResultT]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for item in items:
                if item is None:
                    while waiting:
                        yield waiting.popleft().result()
                    continue
                try:
                    waiting.append(pool.submit(work, item))
                except RuntimeError:  # no thread can be started
                    while waiting:
                        yield waiting.popleft().result()
                    yield work(item)
                if len(waiting) > n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

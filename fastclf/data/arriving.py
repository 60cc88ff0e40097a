"""Reading of a pipe or terminal as its rows arrive."""

import select
import time
from typing import BinaryIO

_PAUSE = 0.002
"""Seconds without new bytes after which those that came are read."""

_LONGEST = 0.2
"""Seconds after which the bytes that came are read, though more are coming."""


class Arriving:
    r"""A pipe or terminal, such as standard input, whose reads return what has come.

    A read waits for the first byte. It returns fewer bytes than asked for if the writer pauses for
    two milliseconds, and at the latest after a fifth of a second; otherwise, as from a regular file
    or a fast pipe, it returns all of them. So rows are answered at once where they come one by one,
    and in large blocks where they are plentiful.

    Parameters
    ----------
    file : binary file
        A buffered file with a descriptor.

    Examples
    --------
    >>> import os
    >>> from fastclf.data.arriving import Arriving
    >>> out, into = os.pipe()
    >>> file = Arriving(os.fdopen(out, "rb"))
    >>> os.write(into, b"a,b\n")
    4
    >>> file.read(100)
    b'a,b\n'
    >>> os.close(into)
    >>> file.read(100)
    b''
    >>> file.file.close()
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._held = b""
        self._ended = False

    def put_back(self, block: bytes) -> None:
        """Let the next read return these bytes first."""
        self._held = block + self._held

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes, or without a size all bytes; none at the end."""
        if size < 0:
            block, self._held = self._held, b""
            return block + self.file.read()
        blocks = [self._held[:size]]
        self._held = self._held[size:]
        count = len(blocks[0])
        end = time.monotonic() + _LONGEST if count else 0.0
        while count < size and not self._ended:
            if count and not self._has_more(min(_PAUSE, end - time.monotonic())):
                break
            block = self.file.read1(size - count)  # type: ignore[attr-defined]
            self._ended = not block  # reading a terminal again would wait for another end
            end = end or time.monotonic() + _LONGEST
            blocks.append(block)
            count += len(block)
        return b"".join(blocks)

    def _has_more(self, seconds: float) -> bool:
        if seconds <= 0:
            return False
        try:
            return bool(select.select([self.file], [], [], seconds)[0])
        except (OSError, ValueError):  # Windows can't wait for pipes
            return False


def as_it_comes(file: BinaryIO) -> BinaryIO | Arriving:
    """Return a file that is read as it arrives if it is a pipe or terminal; otherwise itself."""
    try:
        file.fileno()
    except (OSError, AttributeError):  # no file of the operating system, such as BytesIO
        return file
    return Arriving(file) if hasattr(file, "read1") else file

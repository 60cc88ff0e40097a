"""Text in any encoding as UTF-8."""

import codecs
import io
import re
from typing import BinaryIO

from fastclf.data.arriving import Arriving
from fastclf.errors import DataError

WINDOWS = "cp1252"
"""The encoding that text in no other encoding is taken for: Windows-1252, Western European."""

_MARKS = {  # byte-order marks; that of UTF-16 begins that of UTF-32
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_MARK_BEGINS = (b"\xff", b"\xfe", b"\0")
_LONGEST_MARK = 4
_LEAST_BLOCK = 1 << 16
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_NOT_WINDOWS = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # bytes that Windows-1252 doesn't define


class Decoded:
    r"""The text of a file as UTF-8.

    Unless the encoding is given, it is that of the byte-order mark of UTF-16 or UTF-32, if there is
    one. Otherwise the first bytes that aren't ASCII decide: if they aren't UTF-8, they are read in
    the encoding ``otherwise``; as Latin-1 if that is Windows-1252 and doesn't define them. Text in
    which most such characters are UTF-8 is damaged UTF-8, which the parser reports with its row.

    Parameters
    ----------
    file : binary file or Arriving
    encoding : str, optional
        The encoding, by any name that Python knows.
    otherwise : str
        The encoding of text that isn't UTF-8.

    Attributes
    ----------
    encoding : str
        The encoding so far: "utf-8" until other text was read.
    is_guess : bool
        Whether the text isn't UTF-8, and neither a mark nor ``encoding`` gives its encoding.
    arrives : bool
        Whether a read that returns fewer bytes than asked for means that the writer pauses.

    Examples
    --------
    >>> import io
    >>> from fastclf.data.encodings import Decoded
    >>> file = Decoded(io.BytesIO(b"a,caf\xe9\n"))
    >>> file.read(100).decode(), file.encoding, file.is_guess
    ('a,café\n', 'cp1252', True)
    """

    def __init__(
        self, file: BinaryIO | Arriving, encoding: str | None = None, otherwise: str = WINDOWS
    ) -> None:
        self._file, self._otherwise = file, otherwise
        self._held = io.BytesIO()
        self._cut = b""  # the begin of a character whose end wasn't read yet
        self._begun = self._ended = self._is_utf8 = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self.encoding, self.is_guess = "utf-8", False
        self.arrives = isinstance(file, Arriving)
        if encoding is not None:
            self._begun = True
            self._decode_as(encoding)

    def read(self, size: int = -1) -> bytes:
        """Return at most ``size`` bytes, or without a size all bytes; none at the end only."""
        found = self._held.read(size)
        if size < 0:
            return found + self._next(-1) + self._next(-1)
        while not found and size:
            # Blocks that decide are the same, whatever size is asked for.
            block = self._next(size if self._is_utf8 else max(size, _LEAST_BLOCK))
            if not block and self._ended:
                break
            self._held = io.BytesIO(block)
            found = self._held.read(size)
        return found

    def skip(self, size: int) -> None:
        """Read ``size`` bytes, or all if there are fewer."""
        while size and (block := self.read(size)):
            size -= len(block)

    def put_back(self, block: bytes) -> None:
        """Let the next read return these bytes, which were read before, first."""
        self._held = io.BytesIO(block + self._held.read())

    def _next(self, size: int) -> bytes:
        block = self._file.read(size)
        if not self._begun:
            while len(block) < _LONGEST_MARK and block[:1] in _MARK_BEGINS:
                more = self._file.read(_LONGEST_MARK)
                if not more:
                    break
                block += more
            self._begun = True
            mark = next((mark for mark in _MARKS if block.startswith(mark)), None)
            if mark is not None:
                self._decode_as(_MARKS[mark])
        self._ended = not block
        if self._is_utf8:
            return block
        if self._decoder is None:
            return self._undecided(self._cut + block)
        return self._recoded(block)

    def _undecided(self, block: bytes) -> bytes:
        """Return the next bytes, where all bytes before were ASCII; these may decide."""
        self._cut = b""
        if b"\0" in block and self._otherwise.lower().startswith(("utf-16", "utf-32")):
            self._decode_as(self._otherwise)
            return self._recoded(block)
        if block.isascii():
            return block
        try:
            _, end = codecs.utf_8_decode(block, "strict", self._ended)
        except UnicodeDecodeError:
            if b"\0" not in block and not _is_mostly_utf8(block):  # zeros: it isn't text at all
                windows = self._otherwise == WINDOWS and _NOT_WINDOWS.search(block)
                self._decode_as("latin-1" if windows else self._otherwise)
                self.is_guess = True
                return self._recoded(block)
        else:
            if end < len(block) and block[:end].isascii():
                self._cut = block[end:]
                return block[:end]
        self._is_utf8 = True
        return block

    def _decode_as(self, encoding: str) -> None:
        self.encoding = encoding
        if codecs.lookup(encoding).name == "utf-8":
            self._is_utf8 = True
        else:
            self._decoder = codecs.getincrementaldecoder(encoding)()

    def _recoded(self, block: bytes) -> bytes:
        assert self._decoder is not None
        try:
            return self._decoder.decode(block, self._ended).encode()
        except UnicodeError as problem:
            wrong = getattr(problem, "object", b"")[getattr(problem, "start", 0) :][:1]
            which = f"the byte 0x{wrong.hex()}" if wrong else "some text"
            raise DataError(
                f"{which} isn't {self.encoding} text; set data.encoding or --encoding to the "
                "encoding of the file"
            ) from None


def is_encoding(name: str) -> bool:
    """Tell whether Python knows an encoding of text by this name.

    Examples
    --------
    >>> from fastclf.data.encodings import is_encoding
    >>> [is_encoding(name) for name in ("latin-1", "UTF8", "klingon", "base64", "")]
    [True, True, False, False, False]
    """
    try:
        codecs.getincrementaldecoder(name)
        return "a,1".encode(name).decode(name) == "a,1"
    except (LookupError, UnicodeError, ValueError):
        return False


def _is_mostly_utf8(block: bytes) -> bool:
    text = block.decode("utf-8", "surrogateescape")
    wrong = len(_NOT_UTF8.findall(text))
    right = len(text) - len(text.encode("ascii", "ignore")) - wrong
    return right > wrong

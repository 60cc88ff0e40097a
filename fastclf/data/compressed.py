"""Files and streams that are compressed by gzip, bzip2, xz or Zstandard.

Python decompresses all but Zstandard, which needs pyarrow before Python 3.14.
"""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from fastclf.data.arriving import Arriving
from fastclf.data.reading import has_pyarrow
from fastclf.errors import DataError, located

COMPRESSIONS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard"}
"""The name of each compression, by its suffix. The format's suffix comes first: ``rows.csv.gz``."""

_MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\0": ".xz", b"\x28\xb5\x2f\xfd": ".zst"}
_MAGIC_LENGTH = max(map(len, _MAGIC))


def stem(path: Path) -> str:
    """Return the name of a file without its folder and its suffixes.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fastclf.data.compressed import stem
    >>> stem(Path("data/rows.csv.gz")), stem(Path("data/rows.2024.csv"))
    ('rows', 'rows.2024')
    """
    return without_compression(path).stem


def without_compression(path: Path) -> Path:
    """Return a path without the suffix of a compression."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


def suffix_fault(path: Path) -> str:
    """Return what is wrong with the suffix of a file whose format is unknown.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fastclf.data.compressed import suffix_fault
    >>> suffix_fault(Path("rows.xlsx")), suffix_fault(Path("rows.gz")), suffix_fault(Path("rows"))
    ('the suffix ".xlsx" is unknown', 'there is no suffix before ".gz"', 'the name has no suffix')
    """
    inner = without_compression(path)
    if inner.suffix:
        return f'the suffix "{inner.suffix}" is unknown'
    return (
        "the name has no suffix" if inner == path else f'there is no suffix before "{path.suffix}"'
    )


@contextmanager
def open_decompressed(path: Path) -> Iterator[BinaryIO]:
    """Open a file and decompress it while it is read; its first bytes tell the compression.

    Raises
    ------
    DataError
        On opening or while reading: if the compressed data is damaged, or if the file has a suffix
        of a compression and isn't compressed.
    """
    with open(path, "rb") as file:
        begin = file.read(_MAGIC_LENGTH)
        file.seek(0)
        suffix = path.suffix.lower()
        if suffix in COMPRESSIONS and begin and not _compression(begin):
            raise DataError(
                f"{path}: the file isn't compressed by {COMPRESSIONS[suffix]}, though its name "
                "ends in "
                f"{suffix}; make a new copy, or rename it"
            )
        with decompression_errors(path), located(path, once=True):
            yield _decompressed(file, begin)


def decompressed_stream(file: BinaryIO | Arriving) -> BinaryIO | Arriving:
    """Return a stream of the decompressed bytes of another stream, such as standard input.

    An uncompressed stream that is read as it arrives still is; a compressed one isn't.
    """
    if isinstance(file, Arriving):
        begin = file.file.read(_MAGIC_LENGTH)
        if not _compression(begin):
            file.put_back(begin)
            return file
        return _decompressed(joined(begin, file.file), begin)
    begin = file.read(_MAGIC_LENGTH)
    return _decompressed(joined(begin, file), begin)


def first_byte(file: BinaryIO | Arriving) -> bytes:
    """Return the first byte of what `decompressed_stream` returned, and leave it to be read."""
    if isinstance(file, Arriving):
        byte = file.read(1)
        file.put_back(byte)
        return byte
    return file.peek(1)[:1]  # type: ignore[attr-defined]  # all of them are buffered


@contextmanager
def decompression_errors(name: Path | str) -> Iterator[None]:
    """Turn exceptions about damaged compressed data into a `DataError` that names the file."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise  # an error of the operating system, such as a missing permission
        reason = " ".join(str(problem).split()).rstrip(".") or "its end is missing"
        raise DataError(f"{name}: can't be decompressed: {reason}; make a new copy") from None


def joined(begin: bytes, rest: BinaryIO) -> BinaryIO:
    """Return a stream that yields the bytes ``begin``, and then those of the stream ``rest``."""
    return cast(BinaryIO, io.BufferedReader(_Joined(begin, rest)))


def _compression(begin: bytes) -> str | None:
    return next((how for magic, how in _MAGIC.items() if begin.startswith(magic)), None)


def _decompressed(file: BinaryIO, begin: bytes) -> BinaryIO:
    how = _compression(begin)
    if how == ".gz":
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if how == ".bz2":
        return cast(BinaryIO, bz2.BZ2File(file))
    if how == ".xz":
        return cast(BinaryIO, lzma.LZMAFile(file))
    return _zstandard(file, "rb") if how == ".zst" else file


@contextmanager
def compressing(file: BinaryIO, suffix: str) -> Iterator[BinaryIO]:
    """Give a file to write to that compresses by ``suffix``; the file itself for another suffix.

    Equal content gives equal bytes. ``file`` stays open.
    """
    packed = file
    if suffix == ".gz":
        packed = cast(BinaryIO, gzip.GzipFile("", "wb", fileobj=file, mtime=0))
    elif suffix == ".bz2":
        packed = cast(BinaryIO, bz2.BZ2File(file, "wb"))
    elif suffix == ".xz":
        packed = cast(BinaryIO, lzma.LZMAFile(file, "wb"))
    elif suffix == ".zst":
        packed = _zstandard(file, "wb")
    try:
        yield packed
    except BaseException:
        if packed is not file:
            with suppress(OSError):  # on a full disk, closing fails, too
                packed.close()
        raise
    if packed is not file:
        packed.close()


def _zstandard(file: BinaryIO, mode: str) -> BinaryIO:
    """Return a file that reads ("rb") or writes ("wb") Zstandard."""
    try:
        from compression import zstd  # from Python 3.14 on
    except ImportError:
        pass
    else:
        return cast(BinaryIO, zstd.ZstdFile(file, mode))
    if not has_pyarrow():
        raise DataError(
            "Zstandard needs Python 3.14 or pyarrow; run: pip install 'fastclf[data]', or use gzip"
        )
    import pyarrow as pa

    if mode == "wb":
        return cast(BinaryIO, pa.CompressedOutputStream(_Kept(file), "zstd"))
    return cast(BinaryIO, io.BufferedReader(pa.CompressedInputStream(file, "zstd")))


class _Kept(io.RawIOBase):
    """A file to write to that another writer may close without closing the file itself."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        return self._file.write(content)


class _Joined(io.RawIOBase):
    def __init__(self, begin: bytes, rest: BinaryIO) -> None:
        self._begin, self._rest = io.BytesIO(begin), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._begin.read(len(buffer)) or self._rest.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

"""Reading of files and streams that may be compressed by gzip, bzip2 or Zstandard."""

import bz2
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from fastclf.data.arriving import Arriving
from fastclf.errors import DataError

COMPRESSIONS = {".gz": "gzip", ".bz2": "bzip2", ".zst": "Zstandard"}
"""The name of each compression, by its suffix. The format's suffix comes first: ``rows.csv.gz``."""

_MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst"}
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
    return Path(path.stem).stem if path.suffix.lower() in COMPRESSIONS else path.stem


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
                f"{path}: isn't compressed by {COMPRESSIONS[suffix]}, though its name ends in "
                f"{suffix}; make a new copy, or rename it"
            )
        with decompression_errors(path):
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


@contextmanager
def decompression_errors(name: Path | str) -> Iterator[None]:
    """Turn exceptions about damaged compressed data into a `DataError` that names the file."""
    try:
        yield
    except (EOFError, zlib.error, OSError) as problem:
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
    if how == ".zst":
        try:
            import pyarrow as pa
        except ImportError:
            raise DataError(
                "Zstandard is decompressed with pyarrow, which isn't installed; run: pip install "
                "'fastclf[data]'"
            ) from None
        return cast(BinaryIO, io.BufferedReader(pa.CompressedInputStream(file, "zstd")))
    return file


class _Joined(io.RawIOBase):
    def __init__(self, begin: bytes, rest: BinaryIO) -> None:
        self._begin, self._rest = io.BytesIO(begin), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._begin.read(len(buffer)) or self._rest.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

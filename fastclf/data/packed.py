"""Bytes of a file or a stream, unpacked where they are packed: gzip, bzip2 or Zstandard."""

import bz2
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from fastclf.errors import DataError

PACKED = {".gz": "gzip", ".bz2": "bzip2", ".zst": "Zstandard"}
"""Suffixes of packed files, after that of the format: ``rows.csv.gz``."""

_BEGINNINGS = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst"}
_LONGEST = max(map(len, _BEGINNINGS))


def stem(path: Path) -> str:
    """Return the name of a file without its folder and its suffixes.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fastclf.data.packed import stem
    >>> stem(Path("data/rows.csv.gz")), stem(Path("data/rows.2024.csv"))
    ('rows', 'rows.2024')
    """
    return Path(path.stem).stem if path.suffix.lower() in PACKED else path.stem


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; its first bytes tell whether it is packed.

    Raises
    ------
    DataError
        Then or later, if it is packed and damaged, or isn't packed though its suffix says so.
    """
    with open(path, "rb") as file:
        begin = file.read(_LONGEST)
        file.seek(0)
        suffix = path.suffix.lower()
        if suffix in PACKED and begin and not _packing(begin):
            raise DataError(
                f"{path}: isn't packed by {PACKED[suffix]}, though its name ends in {suffix}; make "
                "a new copy, or rename it"
            )
        with unpacking_errors(path):
            yield _unpacked(file, begin)


def unpacked_stream(file: BinaryIO) -> BinaryIO:
    """Return the unpacked bytes of a stream, such as standard input."""
    begin = file.read(_LONGEST)
    return _unpacked(joined(begin, file), begin)


@contextmanager
def unpacking_errors(name: Path | str) -> Iterator[None]:
    """Turn what is raised about damaged packed bytes into one line that names the file."""
    try:
        yield
    except (EOFError, zlib.error, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise  # what the system says of any file
        reason = " ".join(str(problem).split()).rstrip(".") or "its end is missing"
        raise DataError(f"{name}: can't be unpacked: {reason}; make a new copy") from None


def joined(begin: bytes, rest: BinaryIO) -> BinaryIO:
    """Return a stream of bytes that were read already, and then the rest."""
    return cast(BinaryIO, io.BufferedReader(_Joined(begin, rest)))


def _packing(begin: bytes) -> str | None:
    return next((how for magic, how in _BEGINNINGS.items() if begin.startswith(magic)), None)


def _unpacked(file: BinaryIO, begin: bytes) -> BinaryIO:
    how = _packing(begin)
    if how == ".gz":
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if how == ".bz2":
        return cast(BinaryIO, bz2.BZ2File(file))
    if how == ".zst":
        try:
            import pyarrow as pa
        except ImportError:
            raise DataError(
                "Zstandard is unpacked with pyarrow, which isn't installed; run: pip install "
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

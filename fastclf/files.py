"""Atomic replacement of files: a reader finds either the old or the new content.

`replacing` is for paths that fastclf chooses, such as those in a run directory; it never writes
through a symbolic link. `writing_output` is for paths that the user gives, which may be a link, a
pipe or a device.
"""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

DISK_IS_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
TEMPORARY_FILES = ".*.partial"
"""Glob pattern of temporary files; only a killed process leaves them behind."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that replaces ``path`` when the block ends without an exception.

    The content is synced to the disk before. If the block raises, the old file stays unchanged and
    the new one is removed. The new file gets the permissions of the old one, or default permissions
    if there was none. A symbolic link is replaced, not followed. If several processes replace the
    same path, the last one to finish wins.

    Raises
    ------
    OSError
        If the file can't be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from fastclf.files import replacing
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "note.txt"
    ...     with replacing(path) as file:
    ...         _ = file.write(b"done")
    ...     path.read_text()
    'done'
    """
    file = _temporary(path)
    try:
        yield file
        file.flush()
        os.fsync(file.fileno())
        file.close()
        os.replace(file.name, path)
    except BaseException:
        with suppress(OSError):  # on a full disk, closing fails, too
            file.close()
        with suppress(OSError):
            os.unlink(file.name)
        raise
    _sync_folder(path.parent)


@contextmanager
def writing_output(path: Path) -> Iterator[BinaryIO]:
    """Open a file for output to a ``path`` that the user gave.

    A regular file is replaced in one step, as by `replacing`; if the path is a symbolic link, its
    target is replaced. Standard output, under any name such as ``/dev/stdout``, pipes and devices
    are written directly.

    Raises
    ------
    OSError
        If the file can't be written.
    """
    if not is_stream(path):
        with replacing(Path(os.path.realpath(path))) as new:
            yield new
    elif _is_standard_output(os.stat(path)):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        file: BinaryIO = open(path, "wb")
        try:
            yield file
            file.close()
        except BaseException:
            with suppress(OSError):
                file.close()
            raise


def is_stream(path: Path) -> bool:
    """Return whether a path is standard output, a pipe or a device, which can't be replaced.

    Raises
    ------
    OSError
        If the path can't be examined, for example because it is too long.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return False
    if _is_standard_output(status):
        return True
    return not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode)


def _temporary(path: Path) -> BinaryIO:
    """Open a new file in the folder of ``path``, with a name that no other process uses."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        status = None
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    start = path.name[:40]  # file names have a largest length
    while True:
        try:
            name = path.with_name(f".{start}.{secrets.token_hex(4)}.partial")
            file: BinaryIO = open(name, "xb")
        except FileExistsError:
            continue
        if status is not None and stat.S_ISREG(status.st_mode) and hasattr(os, "fchmod"):
            with suppress(OSError):
                os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode) & 0o777)
        return file


def _is_standard_output(status: os.stat_result) -> bool:
    with suppress(AttributeError, OSError, ValueError):  # sys.stdout may be closed, or no file
        return os.path.samestat(os.fstat(sys.stdout.fileno()), status)
    return False


def _sync_folder(path: Path) -> None:
    # Makes the new name survive a crash of the system, on systems that support this.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

"""Files that are replaced in one step: who reads one finds the old content or the new.

Two ways to write: `replacing` is for the places that fastclf chooses, such as those in a run
directory, and never writes through a symbolic link. `writing_output` is for the path that a user
names, which may be a link, a pipe or a device.
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
"""Pattern of the names of temporary files, which only a killed process leaves behind."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a new file that takes the place of ``path`` when the block ends well.

    Its content is on the disk then. If the block fails, what was there before stays as it is and
    the new file is removed. It has the permissions of the file that it replaces, or those of any
    new file. A symbolic link is replaced, not followed. Several processes may do this at once: the
    last one to end wins.

    Raises
    ------
    OSError
        If it can't be written.

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
        with suppress(OSError):  # on a full disk closing fails, too
            file.close()
        with suppress(OSError):
            os.unlink(file.name)
        raise
    _sync_folder(path.parent)


@contextmanager
def writing_output(path: Path) -> Iterator[BinaryIO]:
    """Give the file for output to the ``path`` that a user names.

    A regular file is replaced in one step, as `replacing` does; so is the target of a symbolic
    link, and the link stays. Standard output under any name (``/dev/stdout``), pipes and devices
    are written as the output comes.

    Raises
    ------
    OSError
        If it can't be written.
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
    """Tell whether a path is standard output, a pipe or a device: a place that isn't replaced.

    Raises
    ------
    OSError
        If the system can't tell, because the path is too long, for example.
    """
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    if _is_standard_output(there):
        return True
    return not stat.S_ISREG(there.st_mode) and not stat.S_ISDIR(there.st_mode)


def _temporary(path: Path) -> BinaryIO:
    """Open a new file beside ``path``, with a name that no other process uses."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        there = None
    if there is not None and stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    start = path.name[:40]  # a name has a limit, which that of the file itself may reach
    while True:
        try:
            name = path.with_name(f".{start}.{secrets.token_hex(4)}.partial")
            file: BinaryIO = open(name, "xb")
        except FileExistsError:
            continue
        if there is not None and stat.S_ISREG(there.st_mode) and hasattr(os, "fchmod"):
            with suppress(OSError):
                os.fchmod(file.fileno(), stat.S_IMODE(there.st_mode) & 0o777)
        return file


def _is_standard_output(there: os.stat_result) -> bool:
    with suppress(AttributeError, OSError, ValueError):  # it may be closed, or no real file
        return os.path.samestat(os.fstat(sys.stdout.fileno()), there)
    return False


def _sync_folder(path: Path) -> None:
    # So that the new name survives a crash of the system, too. Not every system has it.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

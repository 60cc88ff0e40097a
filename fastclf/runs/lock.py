"""A lock on a run directory, so that no two processes write to it.

It is an operating-system lock on the file ``.lock``, which is released when the process ends, even
by a crash. A leftover lock file therefore locks nothing.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastclf.errors import RunError
from fastclf.runs.files import open_in_place, writing

LOCK = ".lock"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on the run directory ``path``.

    Raises
    ------
    RunError
        If another process holds it, or its file is a link or can't be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, locked(Path(folder)):
    ...     os.listdir(folder)
    ['.lock']
    """
    descriptor = _acquire(path / LOCK)
    try:
        yield
    finally:
        with suppress(OSError):
            (path / LOCK).unlink()
        os.close(descriptor)


def _acquire(path: Path) -> int:
    while True:
        descriptor = open_in_place(path)
        if not _try_to_lock(descriptor):
            holder = _holder(descriptor)
            os.close(descriptor)
            raise RunError(
                f"{path.parent}: in use by {holder}; wait until that run ends, or stop it, or name "
                "another directory with --out"
            )
        if _is_still_there(descriptor, path):
            with writing(path):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
            return descriptor
        os.close(descriptor)  # the previous holder removed the file after it was opened here


def _holder(descriptor: int) -> str:
    with suppress(OSError):
        number = os.read(descriptor, 20).decode("ascii", "replace").strip()
        if number.isdigit():
            return f"process {number}"
    return "another process"


def _is_still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _try_to_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_to_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

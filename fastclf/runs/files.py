"""Files that are replaced in one step: who reads one finds the old content or the new."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastclf.errors import RunError

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_ELSEWHERE = "name another place with --out"


def write_file(path: Path, content: str | bytes, remedy: str = _ELSEWHERE) -> None:
    """Write a file in one step; it is on the disk when this returns.

    Parameters
    ----------
    path : Path
    content : str or bytes
    remedy : str
        What the user can do where it can't be written, unless the disk is full.

    Raises
    ------
    RunError
        If it can't be written. One that was there before is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.partial")
    with writing(path, remedy):
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)


@contextmanager
def writing(path: Path, remedy: str = _ELSEWHERE) -> Iterator[None]:
    """Turn what the system says about writing a file into one line.

    Raises
    ------
    RunError
        In place of any OSError.
    """
    try:
        yield
    except OSError as problem:
        remedy = "make room there" if problem.errno in _FULL else remedy
        raise RunError(f"{path}: can't be written: {problem.strerror}; {remedy}") from None


def _sync_folder(path: Path) -> None:
    # So that the new name survives a crash of the system, too. Not every system has it.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

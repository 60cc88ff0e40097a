"""Writing the files of a run, with one-line errors that name the file and a remedy."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from fastclf.errors import RunError
from fastclf.files import DISK_IS_FULL, replacing, writing_output

_ELSEWHERE = "name another place with --out"


def write_file(path: Path, content: str | bytes, remedy: str = _ELSEWHERE) -> None:
    """Write a file atomically; it is on the disk when this returns.

    Parameters
    ----------
    path : Path
        A symbolic link there is replaced, not followed.
    content : str or bytes
        Text is written as UTF-8.
    remedy : str
        The advice in the error message, unless the disk is full.

    Raises
    ------
    RunError
        If the file can't be written. An existing file is then unchanged.
    """
    with writing(path, remedy), replacing(path) as file:
        file.write(_encoded(content))


def write_output(path: Path, content: str | bytes, remedy: str) -> None:
    """Write a file that the user named; links are followed, pipes and devices are allowed.

    Parameters and errors are those of `write_file`.
    """
    with writing(path, remedy), writing_output(path) as file:
        file.write(_encoded(content))


@contextmanager
def writing(path: Path, remedy: str = _ELSEWHERE) -> Iterator[None]:
    """Turn an OSError in the block into a RunError of one line.

    Raises
    ------
    RunError
        In place of any OSError except BrokenPipeError.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as problem:
        remedy = "make room there" if problem.errno in DISK_IS_FULL else remedy
        raise RunError(f"{path}: can't be written: {problem.strerror}; {remedy}") from None


def open_in_place(path: Path) -> int:
    """Open a file of a run directory for reading and writing; create it if it doesn't exist.

    Returns
    -------
    int
        The file descriptor.

    Raises
    ------
    RunError
        If the file can't be opened, isn't a regular file, or is a link to another place.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if path.is_symlink():
        refuse_link(path)
    with writing(path):
        descriptor = os.open(path, flags, 0o666)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        refuse_link(path)
    return descriptor


def refuse_link(path: Path) -> NoReturn:
    """Raise the error for a link in a run directory."""
    raise RunError(
        f"{path}: is a link or not a regular file, so writing to it would change another file; "
        "remove it, or copy the run without links"
    )


def _encoded(content: str | bytes) -> bytes:
    # Text may quote a path with bytes that aren't UTF-8; they are written as escapes.
    return content if isinstance(content, bytes) else content.encode(errors="backslashreplace")

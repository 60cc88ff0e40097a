"""Writing the files of a run, with one line about what went wrong."""

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
    """Write a file in one step; it is on the disk when this returns.

    Parameters
    ----------
    path : Path
        A symbolic link there is replaced, not followed.
    content : str or bytes
        Text is written as UTF-8.
    remedy : str
        What the user can do where it can't be written, unless the disk is full.

    Raises
    ------
    RunError
        If it can't be written. One that was there before is as it was.
    """
    with writing(path, remedy), replacing(path) as file:
        file.write(_encoded(content))


def write_output(path: Path, content: str | bytes, remedy: str) -> None:
    """Write a file that the user named, which may be a link, a pipe or a device.

    Parameters and errors are those of `write_file`.
    """
    with writing(path, remedy), writing_output(path) as file:
        file.write(_encoded(content))


@contextmanager
def writing(path: Path, remedy: str = _ELSEWHERE) -> Iterator[None]:
    """Turn what the system says about writing a file into one line.

    Raises
    ------
    RunError
        In place of any OSError but that of a pipe whose reader has gone.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as problem:
        remedy = "make room there" if problem.errno in DISK_IS_FULL else remedy
        raise RunError(f"{path}: can't be written: {problem.strerror}; {remedy}") from None


def open_in_place(path: Path) -> int:
    """Open a file of a run directory for reading and writing, made if it isn't there.

    Returns
    -------
    int
        The descriptor.

    Raises
    ------
    RunError
        If the file is linked to another place, which would be changed too, or can't be opened.
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
    """Raise the error that what is in a run directory belongs to another place, too."""
    raise RunError(
        f"{path}: is a link or not a regular file, so that writing to it would change another "
        "place; remove it, or copy the run without links"
    )


def _encoded(content: str | bytes) -> bytes:
    # A path may have bytes that aren't UTF-8: in text they are shown as escapes.
    return content if isinstance(content, bytes) else content.encode(errors="backslashreplace")

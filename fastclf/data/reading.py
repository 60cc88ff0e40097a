"""Exceptions of readers as a `DataError` that names the file; whether pyarrow is there."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fastclf.errors import DataError


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn exceptions of NumPy, zipfile and the system into a `DataError` that names the file."""
    try:
        yield
    except DataError:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as problem:
        reason = getattr(problem, "strerror", None) or " ".join(str(problem).split())
        if "allow_pickle" in reason or "Python objects" in reason:
            reason = "it holds Python objects; save arrays of numbers or of text"
        raise DataError(f"{path}: can't be read: {reason}") from None
    except (NotImplementedError, RuntimeError, TypeError, MemoryError) as problem:
        raise DataError(f"{path}: can't be read: {' '.join(str(problem).split())}") from None


def mapped_array(path: Path) -> np.ndarray:
    """Return the array in an NPY file, mapped into memory.

    Raises
    ------
    DataError
        If the file can't be read, or is an NPZ file.
    """
    with reading(path):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        array.close()
        raise DataError(f"{path}: the file holds several arrays; rename it to .npz")
    return array


def has_pyarrow() -> bool:
    """Tell whether pyarrow is installed, which the extra ``data`` installs."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True


def check_pyarrow(source: object, what: str) -> None:
    """Refuse a file or stream that is read by pyarrow if that isn't installed.

    Parameters
    ----------
    source : object
        What the message calls it.
    what : str
        What is read by pyarrow, such as "Parquet".
    """
    if not has_pyarrow():
        raise DataError(
            f"{source}: {what} can't be read without pyarrow, which isn't installed; run: "
            "pip install 'fastclf[data]'"
        )

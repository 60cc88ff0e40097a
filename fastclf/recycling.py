"""Reuse of memory for short-lived arrays of similar size."""

import mmap
import sys
from typing import Any

import numpy as np

_UNIT = 1 << 20  # bytes; sizes are rounded up to it, so that similar arrays share memory


class Recycled:
    """A source of arrays of similar size, such as the chunks of a stream.

    The memory of an array is reused once no array or view refers to it. Without that, each new
    array costs page faults, which take as long as filling it, and the allocator keeps freed memory
    for each thread. All memory is mapped, and unmapped when this object and its arrays are gone.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.recycling import Recycled
    >>> memory = Recycled()
    >>> X = memory.empty((1000, 3), np.float32)
    >>> address, part = X.ctypes.data, X[:10]
    >>> del X
    >>> memory.empty((900, 3), np.float32).ctypes.data == address  # `part` still uses the memory
    False
    >>> del part
    >>> memory.empty((900, 3), np.float32).ctypes.data == address
    True
    """

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return an uninitialised array in C order."""
        kind = np.dtype(dtype)
        size = (int(np.prod(shape)) * kind.itemsize // _UNIT + 1) * _UNIT
        memory = self._take(size)
        if memory is None:
            memory = np.frombuffer(_mapped(size), np.uint8)
        # A view keeps its array alive, and the array keeps the loan alive. When the last of them is
        # deleted, so is the loan, which then returns the memory.
        return np.asarray(_Loan(memory, shape, kind, self._free))

    def _take(self, size: int) -> np.ndarray | None:
        """Return free memory of at least this size, or None; smaller pieces are dropped."""
        while self._free:
            memory = self._free.pop()
            if memory.size >= size:
                return memory
        return None


def _mapped(size: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class _Loan:
    """The base object of an array: it returns the memory to the free list when it is deleted."""

    def __init__(
        self, memory: np.ndarray, shape: tuple[int, ...], dtype: np.dtype, free: list[np.ndarray]
    ) -> None:
        self._memory = memory
        self._free = free
        self.__array_interface__ = {
            "version": 3,
            "data": (memory.ctypes.data, False),
            "shape": shape,
            "typestr": dtype.str,
        }

    def __del__(self) -> None:
        self._free.append(self._memory)

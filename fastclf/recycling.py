"""Reuse of the memory of arrays, such as the chunks of a stream, once nobody refers to them."""

import mmap
import sys
from typing import Any

import numpy as np

_UNIT = 1 << 20  # sizes are multiples of this, so that similar arrays can reuse each other's memory


class Recycled:
    """A source of arrays of about equal size, such as the chunks of a stream.

    New memory from the system is mapped page by page on first use, which takes as long as filling
    it; and the memory that an allocator keeps for each thread adds up. This class maps memory,
    reuses it, and returns all of it to the system when the last array is gone.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.recycling import Recycled
    >>> memory = Recycled()
    >>> X = memory.empty((1000, 3), np.float32)
    >>> address, part = X.ctypes.data, X[:10]
    >>> del X
    >>> memory.empty((900, 3), np.float32).ctypes.data == address  # `part` still refers to it
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
        memory = self._found(size)
        if memory is None:
            memory = np.frombuffer(_mapped(size), np.uint8)
        # Views refer to the array, and the array to the loan, so the loan ends with the last view.
        return np.asarray(_Loan(memory, shape, kind, self._free))

    def _found(self, size: int) -> np.ndarray | None:
        while self._free:
            memory = self._free.pop()  # dropped if it is too small
            if memory.size >= size:
                return memory
        return None


def _mapped(size: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class _Loan:
    """Owner of the memory of an array; when it is freed, the memory can be reused."""

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

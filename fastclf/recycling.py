"""Memory for arrays that come and go: the next one takes the place of one that nobody holds."""

import mmap
import sys
from typing import Any

import numpy as np

_UNIT = 1 << 20  # sizes are rounded up to it, so that arrays of nearly equal size take turns


class Recycled:
    """A source of arrays of about equal size, such as the chunks of a stream.

    Memory that is asked of the system anew comes page by page, which takes as long as filling it;
    and what an allocator keeps for each thread adds up. Here it is mapped, used again and again,
    and all of it given back in the end.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.recycling import Recycled
    >>> memory = Recycled()
    >>> X = memory.empty((1000, 3), np.float32)
    >>> address, part = X.ctypes.data, X[:10]
    >>> del X
    >>> memory.empty((900, 3), np.float32).ctypes.data == address  # the part is there yet
    False
    >>> del part
    >>> memory.empty((900, 3), np.float32).ctypes.data == address
    True
    """

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return an array whose entries aren't set, in C order."""
        kind = np.dtype(dtype)
        size = (int(np.prod(shape)) * kind.itemsize // _UNIT + 1) * _UNIT
        memory = self._found(size)
        if memory is None:
            memory = np.frombuffer(_mapped(size), np.uint8)
        # Views of the array refer to the array, and that to the loan, which ends with the last.
        return np.asarray(_Loan(memory, shape, kind, self._free))

    def _found(self, size: int) -> np.ndarray | None:
        while self._free:
            memory = self._free.pop()  # one that is too small isn't kept
            if memory.size >= size:
                return memory
        return None


def _mapped(size: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class _Loan:
    """What an array refers to as long as it uses some memory."""

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

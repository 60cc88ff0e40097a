"""Small helpers that keep compilation quick: plain loops, and arguments of uniform types.

A slice assignment takes Numba far longer to compile than a loop.
"""

import numpy as np

from fastclf.kernels.runtime.jit import inlined


@inlined
def fill(out, value):
    """Set every entry of ``out`` (m,) to a value."""
    for i in range(out.size):
        out[i] = value


@inlined
def copy(source, out):
    """Copy ``source`` to ``out``, both (m,)."""
    for i in range(source.size):
        out[i] = source[i]


@inlined
def add(source, out):
    """Add ``source`` to ``out``, both (m,)."""
    for i in range(source.size):
        out[i] += source[i]


@inlined
def fill_weights(weights, start, out):
    """Copy the weights from ``start`` on to ``out``, or repeat the one there is."""
    if weights.size == 1:
        fill(out, weights[0])
    else:
        part = weights[start:]
        copy(part[: out.size], out)


@inlined
def not_literal():
    """Return 0 and False as variables.

    Numba compiles another variant of a kernel for an argument that is a literal.
    """
    return np.intp(0), np.bool_(False)


class _Unlocked:
    def __init__(self, array):
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}
        self.owner = array


def for_reading(array):
    """Return `array`, or a view of a read-only one that isn't marked so.

    Kernels never write to what they read, and Numba would compile a variant of the kernel for each
    combination of read-only arguments.
    """
    return array if array.flags.writeable else np.asarray(_Unlocked(array))

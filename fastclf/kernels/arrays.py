"""Filling and copying by plain loops: a slice assignment takes Numba far longer to compile."""

from fastclf.kernels._jit import kernel


@kernel
def fill(out, value):
    """Set every entry of ``out`` (m,) to a value."""
    for i in range(out.size):
        out[i] = value


@kernel
def copy(source, out):
    """Copy ``source`` to ``out``, both (m,)."""
    for i in range(source.size):
        out[i] = source[i]


@kernel
def fill_weights(weights, start, out):
    """Copy the weights from ``start`` on to ``out``, or repeat the one there is."""
    if weights.size == 1:
        fill(out, weights[0])
    else:
        part = weights[start:]
        copy(part[: out.size], out)

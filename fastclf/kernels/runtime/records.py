"""What travels together through kernels, as named tuples.

Numba takes a microsecond to find the type of each named tuple that comes from Python, and next to
nothing for plain ones. So Python hands over plain tuples with these fields in this order, and
kernels make records of them: ``data = Data(*data)``.
"""

from typing import Any, NamedTuple


class Data(NamedTuple):
    """The rows of a pass, their targets, and how they count in M problems.

    Parameters
    ----------
    X : array or tuple
        Dense (n, d), the tuple (data, indices, indptr) of a CSR matrix, or products of them.
    order : array of shape (n,)
        Which rows the positions stand for; empty where they are the rows themselves.
    codes : array of shape (n,)
        Classes; empty for soft targets. A negative one leaves its row out.
    soft, teacher : array of shape (n, K) or (n, M)
        Distributions over classes, or for losses by column a target in [0, 1] for each; empty
        where a loss doesn't read them.
    weights : array of shape (1, n) or (M, n)
        Row i counts ``weights[m, i] * scale[m]`` in problem m.
    scale : array of shape (M,)
    positive : array of shape (M,)
        Weight of the positive class, for losses by column.
    parameters : tuple
        Numbers that the loss defines.
    """

    X: Any
    order: Any
    codes: Any
    soft: Any
    teacher: Any
    weights: Any
    scale: Any
    positive: Any
    parameters: Any


class Tile(NamedTuple):
    """Some rows as the kernel of a loss sees them, in the dtype of the logits.

    There is room for a tile of rows in each array; those beyond the last row mean nothing.

    Parameters
    ----------
    logits : array of shape (TILE, K)
    codes : array of shape (TILE,)
    soft, teacher : array of shape (TILE, K)
        Without rows where there are no such targets.
    weights : array of shape (TILE, 1) or (TILE, K)
        What each row counts, or for a loss by column each entry.
    positive : array of shape (TILE, K)
        Weight of the positive class; without rows unless the loss is by column.
    """

    logits: Any
    codes: Any
    soft: Any
    teacher: Any
    weights: Any
    positive: Any

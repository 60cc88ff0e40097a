"""The kinds of loss: one row for each, with the kernels that it has.

Everything that depends on the loss asks its kind. A kind from elsewhere is another
:class:`Kind`; for a loss by column, :func:`kind_of_column` makes one of a single function.
"""

from functools import cache
from typing import Any, NamedTuple

from fastclf.kernels.loss import cross_entropy, sigmoid
from fastclf.kernels.loss.columns import column_of, tile_of


class Kind(NamedTuple):
    """What kernels a loss has.

    Parameters
    ----------
    name : str
    tile : kernel
        ``tile(batch, parameters, rows, slopes, values)`` gets a
        :class:`~fastclf.kernels.runtime.records.Tile` and the numbers of the loss. It writes the
        weighted slopes in the logits to the first ``rows`` of ``slopes`` (TILE, K), and adds the
        weighted losses to ``values``: (1,), or (K,) for a loss by column.
    by_column : bool
        Each column is a problem of its own; otherwise the K columns of a problem meet in its loss.
    column : kernel, optional
        What :func:`fastclf.kernels.loss.columns.column_of` returns: there are passes that take the
        Hessian along.
    is_softmax : bool
        Such passes have the kernel of the softmax, for K columns.
    is_logistic : bool
        It is the plain logistic loss, for which there are blocks of labels and steps by column.
    """

    name: str
    tile: Any
    by_column: bool
    column: Any = None
    is_softmax: bool = False
    is_logistic: bool = False

    @property
    def has_hessian_pass(self) -> bool:
        """Whether a pass can take the Hessian along."""
        return self.column is not None or self.is_softmax


SOFTMAX_HARD = Kind("softmax", cross_entropy.hard_tile, by_column=False, is_softmax=True)
SOFTMAX_SOFT = Kind("soft softmax", cross_entropy.soft_tile, by_column=False, is_softmax=True)
SOFTMAX_DISTILLED = Kind("distilled softmax", cross_entropy.distilled_tile, by_column=False)
SIGMOID = Kind("sigmoid", sigmoid.tile, True, column=sigmoid.column, is_logistic=True)
SIGMOID_DISTILLED = Kind("distilled sigmoid", sigmoid.distilled_tile, by_column=True)


@cache
def kind_of_column(name: str, loss: Any) -> Kind:
    """Return the kind of a loss by column; see :mod:`fastclf.kernels.loss.columns`.

    Parameters
    ----------
    name : str
    loss : primitive
        ``loss(z, y, positive, parameters) -> value, slope, curvature``.
    """
    return Kind(name, tile_of(loss), True, column_of(loss))

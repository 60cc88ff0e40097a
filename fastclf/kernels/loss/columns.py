"""Losses by column: each column of logits is a problem of its own, with targets in [0, 1].

Such a loss is one function of a logit, from which the kernels are made that passes need::

    loss(z, y, positive, parameters) -> value, slope, curvature

z is the logit, y its target, ``positive`` the weight of the positive class, all three of one dtype;
``parameters`` is the tuple of numbers that the loss defines. The slope and the curvature are the
first and second derivatives of the value in z. The function is compiled by
:func:`fastclf.kernels.runtime.jit.primitive`, has no branches that can't become a choice between
two numbers, and takes constants in the dtype of z, as ``type(z)(0.5)``.
"""

import numpy as np

from fastclf.kernels.runtime.jit import inlined, kernel, routine

TILE = 128
"""Rows of a column that are worked on together."""


def tile_of(loss):
    """Return the kernel for a :class:`~fastclf.kernels.runtime.records.Tile`; see `kinds`."""

    @routine
    def tile(batch, parameters, rows, slopes, values):
        z, y = batch.logits.reshape(-1), batch.soft.reshape(-1)
        weights, positive = batch.weights.reshape(-1), batch.positive.reshape(-1)
        slope, losses = slopes.reshape(-1), np.empty(z.size, z.dtype)
        size = rows * batch.logits.shape[1]
        for i in range(size):
            losses[i], slope[i], _ = loss(z[i], y[i], positive[i], parameters)
        for i in range(size):
            slope[i] *= weights[i]
        add_columns(losses, weights, 1.0, rows, values)

    return tile


@inlined
def add_columns(losses, weights, scale, rows, values):
    """Add weighted losses of K columns, both (rows K,) or longer, to ``values`` (K,)."""
    K = values.size
    if K == 1:
        total = 0.0
        for r in range(rows):
            total += float(weights[r]) * float(losses[r])
        values[0] += total * scale
        return
    for r in range(rows):
        w = weights[r * K : (r + 1) * K]
        loss = losses[r * K : (r + 1) * K]
        for k in range(K):
            values[k] += float(w[k]) * float(loss[k]) * scale


def curvatures_of(loss):
    """Return a kernel that writes second derivatives: ``curvatures(z, y, parameters, out)``."""

    @kernel
    def curvatures(z, y, parameters, out):
        one = z.dtype.type(1)
        for i in range(z.size):
            _, _, out[i] = loss(z[i], y[i], one, parameters)

    return curvatures


def column_of(loss):
    """Return a kernel that also gives second derivatives, for one column of :data:`TILE` rows.

    ``column(z, y, weights, positive, scale, parameters, curvatures)``: z (TILE,) becomes the
    weighted slopes, ``curvatures`` (TILE,) is written; return the weighted sum of the losses.
    """

    @inlined
    def column(z, y, weights, positive, scale, parameters, curvatures):
        losses = np.empty(TILE)
        for r in range(TILE):
            losses[r], slope, curvature = loss(z[r], y[r], positive, parameters)
            own = scale * weights[r]
            curvatures[r] = own * curvature
            z[r] = own * slope
        total = 0.0
        for r in range(TILE):
            total += weights[r] * losses[r]
        return scale * total

    return column

r"""A slice of an epoch of minibatch training in one call: gradient and update, batch after batch.

The rule works in standardised coordinates u, in which raw features behave as scaled ones do:

.. math:: w_j = u_j / D_j,\qquad b = u_0 - \sum_j c_j w_j,\qquad
    \frac{\partial}{\partial u_j} = \frac{1}{D_j} \left(
    \frac{\partial}{\partial w_j} - c_j \frac{\partial}{\partial b} \right)

with centres c and scales D of the features. It is a change of variables: the objective and its
optimum are those of the raw data. For CSR c is 0.

Rules: SGD with (Nesterov) momentum as in Sutskever et al., *On the importance of initialization and
momentum in deep learning*, ICML 2013; Adam: Kingma and Ba, ICLR 2015; AdamW: Loshchilov and Hutter,
ICLR 2019. Averaging: Polyak and Juditsky, SIAM J. Control Optim. 30, 1992.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from fastclf.kernels.loss.softmax import TILE
from fastclf.kernels.passes.value_and_grad import value_and_grad
from fastclf.kernels.products.dense import row_of
from fastclf.kernels.runtime import sharing
from fastclf.kernels.runtime.arrays import add, fill
from fastclf.kernels.runtime.jit import kernel, routine
from fastclf.kernels.runtime.records import Data

SGD, ADAM = range(2)


class Batches(NamedTuple):
    """Which batches of an epoch to run.

    Parameters
    ----------
    size, first, last : int
    rates : array of shape (last - first,)
        Learning rates of the next steps.
    steps_before : int
    """

    size: Any
    first: Any
    last: Any
    rates: Any
    steps_before: Any


class Update(NamedTuple):
    """How a step follows from a gradient.

    Parameters
    ----------
    rule : int
        SGD or ADAM.
    parameters : tuple
        (momentum, nesterov, 0), or (beta1, beta2, epsilon).
    clip_norm : float
        The largest norm of a gradient; 0 for none.
    average_from : int
        The step after which coefficients are averaged.
    penalty, decay : array of shape (C,)
        Of the gradient, and the decoupled weight decay of AdamW.
    fit_intercept : bool
    """

    rule: Any
    parameters: Any
    clip_norm: Any
    average_from: Any
    penalty: Any
    decay: Any
    fit_intercept: Any


class Scaling(NamedTuple):
    """Standardised coordinates.

    Parameters
    ----------
    center, inverse_scale : array of shape (d,)
        An empty center means 0.
    by_feature : bool
        Coefficients are (d, C), otherwise (C, d).
    """

    center: Any
    inverse_scale: Any
    by_feature: Any


class Moved(NamedTuple):
    """What a run of batches changes in place.

    Parameters
    ----------
    u, u0 : array of shape (C, d) or (d, C), and (C,)
        Standardised coefficients and intercepts.
    moments, moments0 : array of shape (2, *u.shape) and (2, C)
        Of the rule.
    average, average0 : array
        Like u and u0, or empty.
    values : array of shape (M,)
        Grow by the loss of each batch times its weight.
    """

    u: Any
    u0: Any
    moments: Any
    moments0: Any
    average: Any
    average0: Any
    values: Any


class Shared(NamedTuple):
    """What the threads of a call share, one of which ``leads``.

    A batch is cut into P pieces, each with sums of its own, whatever the number of threads.

    Parameters
    ----------
    turns : array
        The counters of :mod:`fastclf.kernels.runtime.sharing`.
    leads : bool
    bounds : array of shape (2,)
        The first row of the batch, and the one after its last.
    w, b : array
        The raw coefficients and intercepts, like ``u`` and ``u0``.
    scale : array of shape (M,)
        The inverse weights of the batch.
    values, gw, gb : array of shape (P, M), (P, *w.shape) and (P, C)
        The sums of each piece.
    """

    turns: Any
    leads: Any
    bounds: Any
    w: Any
    b: Any
    scale: Any
    values: Any
    gw: Any
    gb: Any


@routine
def to_raw(u, u0, scaling, w, b):
    """Write the raw coefficients ``w, b`` of standardised ones ``u`` and ``u0`` (C,)."""
    center, inverse_scale, by_feature = scaling
    rows, columns = u.shape
    for a in range(rows):
        ua = u[a]
        wa = w[a]
        if by_feature:
            for c in range(columns):
                wa[c] = ua[c] * inverse_scale[a]
        else:
            for c in range(columns):
                wa[c] = ua[c] * inverse_scale[c]
    for c in range(b.size):
        b[c] = u0[c]
    if center.size:
        for a in range(rows):
            wa = w[a]
            shift = u.dtype.type(0)
            for c in range(columns):
                shift += wa[c] * center[c]
            b[a] -= shift


@routine
def _to_standardised(gw, gb, w, penalty, scaling):
    # The gradient in u, in place, from the gradient in w and b and the penalty (C,) of w.
    center, inverse_scale, by_feature = scaling
    rows, columns = gw.shape
    for a in range(rows):
        ga = gw[a]
        wa = w[a]
        if by_feature:
            for c in range(columns):
                ga[c] = (ga[c] + penalty[c] * wa[c]) * inverse_scale[a]
        elif center.size:
            for c in range(columns):
                ga[c] = (ga[c] - center[c] * gb[a] + penalty[a] * wa[c]) * inverse_scale[c]
        else:
            for c in range(columns):
                ga[c] = (ga[c] + penalty[a] * wa[c]) * inverse_scale[c]


@routine
def _decay(u, rate, decay, scaling):
    # Decoupled decay of w at rate * decay (C,), as a step in u: both scales come from D.
    _, inverse_scale, by_feature = scaling
    rows, columns = u.shape
    for a in range(rows):
        ua = u[a]
        if by_feature:
            scale = rate * inverse_scale[a] * inverse_scale[a]
            for c in range(columns):
                ua[c] -= scale * decay[c] * ua[c]
        else:
            scale = rate * decay[a]
            for c in range(columns):
                ua[c] -= scale * (inverse_scale[c] * inverse_scale[c]) * ua[c]


@routine
def _squared_norm(g):
    total = 0.0
    for i in range(g.size):
        total += float(g[i]) * float(g[i])
    return total


@routine
def _sgd(u, g, velocity, rate, momentum, nesterov):
    number = u.dtype.type
    rate = number(rate)
    momentum = number(momentum)
    if nesterov:
        for i in range(u.size):
            velocity[i] = momentum * velocity[i] + g[i]
            u[i] -= rate * (g[i] + momentum * velocity[i])
    else:
        for i in range(u.size):
            velocity[i] = momentum * velocity[i] + g[i]
            u[i] -= rate * velocity[i]


@routine
def _adam(u, g, mean, square, rate, parameters, step):
    beta1, beta2, epsilon = parameters
    number = u.dtype.type
    one = number(1)
    beta1_ = number(beta1)
    beta2_ = number(beta2)
    root = np.sqrt(1 - beta2**step)
    rate_ = number(rate * root / (1 - beta1**step))
    epsilon_ = number(epsilon * root)
    for i in range(u.size):
        mean[i] = beta1_ * mean[i] + (one - beta1_) * g[i]
        square[i] = beta2_ * square[i] + (one - beta2_) * (g[i] * g[i])
        u[i] -= rate_ * mean[i] / (np.sqrt(square[i]) + epsilon_)


@routine
def _scales(data, order, start, stop, scale, mass):
    # The weights of a batch in each problem, and their inverses. Return the largest.
    heaviest = 0.0
    for m in range(mass.size):
        own = data.weights[m if len(data.weights) > 1 else 0]
        total = 0.0
        for position in range(start, stop):
            total += own[row_of(order, position)]
        mass[m] = total
        scale[m] = 1 / total if total > 0 else 0.0
        heaviest = max(heaviest, total)
    return heaviest


@routine
def _clip(gw, gb, clip_norm):
    norm = np.sqrt(_squared_norm(gw) + _squared_norm(gb))
    if norm > clip_norm:
        shrink = gw.dtype.type(clip_norm / norm)
        for i in range(gw.size):
            gw[i] *= shrink
        for c in range(gb.size):
            gb[c] *= shrink


@routine
def _add_to_average(values, share, average):
    for i in range(values.size):
        average[i] += share * (values[i] - average[i])


@cache
def run_batches(kind, storage):
    """Return the kernel that runs batches over an X of some storage; see `value_and_grad`."""
    return _make(value_and_grad(kind, storage))


def _make(add_gradient):
    @routine
    def do(piece, data, size, shared):
        # Fill the sums of a piece of the batch.
        i = piece % len(shared.gw)
        number = shared.b.dtype.type
        values, gw, gb = shared.values[i], shared.gw[i], shared.gb[i]
        fill(gw.reshape(-1), number(0))
        fill(gb, number(0))
        fill(values, 0.0)
        rows = (size + len(shared.gw) - 1) // len(shared.gw)
        rows = (rows + TILE - 1) // TILE * TILE
        start = shared.bounds[0] + i * rows
        stop = min(start + rows, shared.bounds[1])
        if start < stop:
            add_gradient(data, (shared.w, shared.b), start, stop, (values, gw, gb))
        sharing.done(shared.turns)

    @routine
    def add_up(shared):
        # Leave the sums of the batch in those of the first piece.
        for i in range(1, len(shared.gw)):
            add(shared.gw[i].reshape(-1), shared.gw[0].reshape(-1))
            add(shared.gb[i], shared.gb[0])
            add(shared.values[i], shared.values[0])

    @kernel
    def run_batches(data, batches, update, scaling, moved, shared):
        """Run batches of an epoch in place; return the steps taken in all.

        The arguments are the fields of :class:`~fastclf.kernels.runtime.records.Data`, whose scale
        isn't read, :class:`Batches`, :class:`Update`, :class:`Scaling`, :class:`Moved` and
        :class:`Shared`. A batch without weight is skipped and is no step. Threads that don't lead
        take pieces of the batches, and return 0.
        """
        data, batches, update = Data(*data), Batches(*batches), Update(*update)
        scaling, moved, shared = Scaling(*scaling), Moved(*moved), Shared(*shared)
        turns = shared.turns
        of_batch = Data(
            data.X, data.order, data.codes, data.soft, data.teacher,
            data.weights, shared.scale, data.positive, data.parameters,
        )  # fmt: skip
        sharing.begin(turns, shared.leads)
        if not shared.leads:
            piece = sharing.take_open(turns)
            while piece >= 0:
                do(piece, of_batch, batches.size, shared)
                piece = sharing.take_open(turns)
            return 0
        u, u0, number = moved.u, moved.u0, moved.u.dtype.type
        n, M, P = data.order.size, moved.values.size, len(shared.gw)
        w, b, gw, gb = shared.w, shared.b, shared.gw[0], shared.gb[0]
        mass = np.zeros(M)
        flat_gradient, flat_average = gw.reshape(-1), moved.average.reshape(-1)
        p0, p1, p2 = update.parameters
        to_raw(u, u0, scaling, w, b)
        step = batches.steps_before
        piece = sharing.take(turns)
        for batch in range(batches.first, batches.last):
            start = batch * batches.size
            stop = min(start + batches.size, n)
            if _scales(data, data.order, start, stop, shared.scale, mass) == 0:
                continue
            shared.bounds[0], shared.bounds[1] = start, stop
            sharing.open_round(turns, P)
            while sharing.is_open(turns, piece):
                do(piece, of_batch, batches.size, shared)
                piece = sharing.take(turns)
            if not sharing.close_round(turns):
                return step
            add_up(shared)
            for m in range(M):
                moved.values[m] += shared.values[0, m] * mass[m]
            _to_standardised(gw, gb, w, update.penalty, scaling)
            if not update.fit_intercept:
                fill(gb, number(0))
            if update.clip_norm > 0:
                _clip(flat_gradient, gb, update.clip_norm)
            rate = batches.rates[step - batches.steps_before]
            step += 1
            # Views of this loop: with those of outside LLVM leaves the loops of the rules scalar.
            flat = u.reshape(-1)
            first_moment, second_moment = moved.moments[0].reshape(-1), moved.moments[1].reshape(-1)
            _decay(u, number(rate), update.decay, scaling)
            if update.rule == SGD:
                _sgd(flat, flat_gradient, first_moment, rate, p0, p1 > 0)
                _sgd(u0, gb, moved.moments0[0], rate, p0, p1 > 0)
            else:
                _adam(
                    flat, flat_gradient, first_moment, second_moment, rate, update.parameters, step
                )
                _adam(u0, gb, moved.moments0[0], moved.moments0[1], rate, update.parameters, step)
            if moved.average.size and step > update.average_from:
                share = number(1 / (step - update.average_from))
                _add_to_average(flat, share, flat_average)
                _add_to_average(u0, share, moved.average0)
            to_raw(u, u0, scaling, w, b)
        sharing.end_rounds(turns, P * (batches.last - batches.first))
        return step

    return run_batches

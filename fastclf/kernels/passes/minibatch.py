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

import numpy as np

from fastclf.kernels.passes.value_and_grad import DENSE_VALUE_AND_GRAD, SPARSE_VALUE_AND_GRAD
from fastclf.kernels.products.dense import row_of
from fastclf.kernels.runtime.arrays import fill
from fastclf.kernels.runtime.jit import kernel

SGD, ADAM = range(2)

# Globals, not a table in a closure: Numba can't cache a closure over compiled functions.
_DENSE_0, _DENSE_1, _DENSE_2, _DENSE_3, _DENSE_4 = DENSE_VALUE_AND_GRAD
_SPARSE_0, _SPARSE_1, _SPARSE_2, _SPARSE_3, _SPARSE_4 = SPARSE_VALUE_AND_GRAD


@kernel
def to_raw(u, u0, center, inverse_scale, by_feature, w, b):
    """Write the raw coefficients ``w, b`` of standardised ones ``u`` and ``u0`` (C,).

    u and w are (C, d), or with ``by_feature`` (d, C); an empty ``center`` means 0.
    """
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


@kernel
def _to_standardised(gw, gb, w, penalty, center, inverse_scale, by_feature):
    # The gradient in u, in place, from the gradient in w and b and the penalty (C,) of w.
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


@kernel
def _decay(u, rate, decay, inverse_scale, by_feature):
    # Decoupled decay of w at rate * decay (C,), as a step in u: both scales come from D.
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


@kernel
def _squared_norm(g):
    total = 0.0
    for i in range(g.size):
        total += float(g[i]) * float(g[i])
    return total


@kernel
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


@kernel
def _adam(u, g, mean, square, rate, beta1, beta2, epsilon, step):
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


def _make_run_batches(KIND, SPARSE):
    @kernel
    def run_batches(
        X,
        order,
        target,
        weights,
        pos_weight,
        parameters,
        batch_size,
        first_batch,
        last_batch,
        rates,
        steps_before,
        rule,
        rule_parameters,
        clip_norm,
        average_from,
        penalty,
        decay,
        fit_intercept,
        center,
        inverse_scale,
        by_feature,
        u,
        u0,
        moments,
        moments0,
        average,
        average0,
        values,
    ):
        """Run batches first to last of an epoch in place; return the steps taken in all.

        ``rates`` (last - first,) are those of the next steps; ``rule_parameters`` are momentum and
        nesterov, or beta1, beta2 and epsilon; ``decay`` (C,) is the decoupled weight decay of
        AdamW; ``moments`` (2, *u.shape) and ``moments0`` (2, C) belong to the rule. A batch
        without weight is skipped and is no step. ``values`` (M,) grows by the loss of each batch
        times its weight.
        """
        n = order.size
        M = values.size
        w = np.empty_like(u)
        b = np.empty_like(u0)
        gw = np.empty_like(u)
        gb = np.empty_like(u0)
        scale = np.zeros(M)
        mass = np.zeros(M)
        batch_values = np.zeros(M)
        to_raw(u, u0, center, inverse_scale, by_feature, w, b)
        step = steps_before
        for batch in range(first_batch, last_batch):
            start = batch * batch_size
            stop = min(start + batch_size, n)
            heaviest = 0.0
            for m in range(M):
                own = weights[m if weights.shape[0] > 1 else 0]
                total = 0.0
                for position in range(start, stop):
                    total += own[row_of(order, position)]
                mass[m] = total
                scale[m] = 1 / total if total > 0 else 0.0
                heaviest = max(heaviest, total)
            if heaviest == 0:
                continue
            fill(gw.reshape(-1), u.dtype.type(0))
            fill(gb, u.dtype.type(0))
            fill(batch_values, 0.0)
            # fmt: off
            if SPARSE:
                if KIND == 0:
                    _SPARSE_0(X, order, target, weights, scale, pos_weight, parameters,
                              w, b, start, stop, batch_values, gw, gb)
                if KIND == 1:
                    _SPARSE_1(X, order, target, weights, scale, pos_weight, parameters,
                              w, b, start, stop, batch_values, gw, gb)
                if KIND == 2:
                    _SPARSE_2(X, order, target, weights, scale, pos_weight, parameters,
                              w, b, start, stop, batch_values, gw, gb)
                if KIND == 3:
                    _SPARSE_3(X, order, target, weights, scale, pos_weight, parameters,
                              w, b, start, stop, batch_values, gw, gb)
                if KIND == 4:
                    _SPARSE_4(X, order, target, weights, scale, pos_weight, parameters,
                              w, b, start, stop, batch_values, gw, gb)
            else:
                if KIND == 0:
                    _DENSE_0(X, order, target, weights, scale, pos_weight, parameters,
                             w, b, start, stop, batch_values, gw, gb)
                if KIND == 1:
                    _DENSE_1(X, order, target, weights, scale, pos_weight, parameters,
                             w, b, start, stop, batch_values, gw, gb)
                if KIND == 2:
                    _DENSE_2(X, order, target, weights, scale, pos_weight, parameters,
                             w, b, start, stop, batch_values, gw, gb)
                if KIND == 3:
                    _DENSE_3(X, order, target, weights, scale, pos_weight, parameters,
                             w, b, start, stop, batch_values, gw, gb)
                if KIND == 4:
                    _DENSE_4(X, order, target, weights, scale, pos_weight, parameters,
                             w, b, start, stop, batch_values, gw, gb)
            # fmt: on
            for m in range(M):
                values[m] += batch_values[m] * mass[m]
            _to_standardised(gw, gb, w, penalty, center, inverse_scale, by_feature)
            if not fit_intercept:
                fill(gb, u.dtype.type(0))
            flat_gradient = gw.reshape(-1)
            if clip_norm > 0:
                norm = np.sqrt(_squared_norm(flat_gradient) + _squared_norm(gb))
                if norm > clip_norm:
                    shrink = u.dtype.type(clip_norm / norm)
                    for i in range(flat_gradient.size):
                        flat_gradient[i] *= shrink
                    for c in range(gb.size):
                        gb[c] *= shrink
            rate = rates[step - steps_before]
            step += 1
            _decay(u, u.dtype.type(rate), decay, inverse_scale, by_feature)
            flat = u.reshape(-1)
            first_moment = moments[0].reshape(-1)
            second_moment = moments[1].reshape(-1)
            p0, p1, p2 = rule_parameters
            if rule == SGD:
                _sgd(flat, flat_gradient, first_moment, rate, p0, p1 > 0)
                _sgd(u0, gb, moments0[0], rate, p0, p1 > 0)
            else:
                _adam(flat, flat_gradient, first_moment, second_moment, rate, p0, p1, p2, step)
                _adam(u0, gb, moments0[0], moments0[1], rate, p0, p1, p2, step)
            if average.size and step > average_from:
                share = u.dtype.type(1 / (step - average_from))
                flat_average = average.reshape(-1)
                for i in range(flat.size):
                    flat_average[i] += share * (flat[i] - flat_average[i])
                for c in range(u0.size):
                    average0[c] += share * (u0[c] - average0[c])
            to_raw(u, u0, center, inverse_scale, by_feature, w, b)
        return step

    return run_batches


DENSE_RUN_BATCHES = tuple(_make_run_batches(kind, False) for kind in range(5))
SPARSE_RUN_BATCHES = tuple(_make_run_batches(kind, True) for kind in range(5))

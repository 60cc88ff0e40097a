"""A pass over a sparse X for several sigmoid problems, one in each lane of a vector.

Coefficients of all lanes lie side by side, so that an entry of X meets one vector of them, and
logits stay in registers while a row is read. LLVM makes no such code of a loop, so both products
are written in vectors of :data:`LANES` numbers, which it splits for whatever the machine has.

``X`` is the tuple (data, indices, indptr) of a CSR matrix (n, d); ``w`` and its gradient are
(d + 1, LANES), the intercepts last, and contiguous like all else here. A pass computes in their
dtype, whatever that of X is.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastclf.kernels import sigmoid
from fastclf.kernels._jit import kernel
from fastclf.kernels.arrays import not_literal
from fastclf.kernels.primitives import exp, log1p, maximum
from fastclf.kernels.softmax import TILE

LANES = 16
"""Problems of a block."""

_CONTRACT = ("contract",)


def _array(context, builder, signature, arguments, number):
    return context.make_array(signature.args[number])(context, builder, arguments[number])


def _vector(context, kind):
    return ir.VectorType(context.get_data_type(kind.dtype), LANES)


def _lanes_at(builder, array, row, vector):
    first = builder.gep(array.data, [builder.mul(row, row.type(LANES))])
    return builder.bitcast(first, vector.as_pointer())


def _all_lanes(builder, number, vector):
    nothing = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(nothing, number, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, nothing, zeros)


def _entries(context, builder, signature, arguments):
    # A loop over the entries of a row: data, indices, first and last are the first arguments.
    data, indices = (_array(context, builder, signature, arguments, i) for i in range(2))
    first, last = arguments[2:4]
    one = first.type(1)
    return data, indices, cgutils.for_range_slice(builder, first, last, one, first.type)


def _entry(context, builder, data, indices, place, vector):
    index = builder.load(builder.gep(indices.data, [place]))
    if index.type.width < place.type.width:
        index = builder.zext(index, place.type)
    value = builder.load(builder.gep(data.data, [place]))
    if value.type != vector.element:
        narrower = isinstance(vector.element, ir.FloatType)
        value = (builder.fptrunc if narrower else builder.fpext)(value, vector.element)
    return index, _all_lanes(builder, value, vector)


@intrinsic
def add_product(typing_context, data, indices, first, last, w, z, row):
    """Add entries first to last of X, times w, to a row of z (rows, LANES)."""

    def generate(context, builder, signature, arguments):
        vector = _vector(context, signature.args[4])
        size = context.get_abi_sizeof(vector.element)
        w, z = (_array(context, builder, signature, arguments, i) for i in (4, 5))
        out = _lanes_at(builder, z, arguments[6], vector)
        total = cgutils.alloca_once_value(builder, builder.load(out, align=size))
        data, indices, loop = _entries(context, builder, signature, arguments)
        with loop as (place, _):
            index, value = _entry(context, builder, data, indices, place, vector)
            own = builder.load(_lanes_at(builder, w, index, vector), align=size)
            part = builder.fmul(own, value, flags=_CONTRACT)
            builder.store(builder.fadd(builder.load(total), part, flags=_CONTRACT), total)
        builder.store(builder.load(total), out, align=size)
        return context.get_dummy_value()

    return types.none(data, indices, types.intp, types.intp, w, z, types.intp), generate


@intrinsic
def add_outer_product(typing_context, data, indices, first, last, g, row, gradient):
    """Add entries first to last of X, times a row of g (rows, LANES), to the gradient."""

    def generate(context, builder, signature, arguments):
        vector = _vector(context, signature.args[4])
        size = context.get_abi_sizeof(vector.element)
        g, gradient = (_array(context, builder, signature, arguments, i) for i in (4, 6))
        slopes = builder.load(_lanes_at(builder, g, arguments[5], vector), align=size)
        data, indices, loop = _entries(context, builder, signature, arguments)
        with loop as (place, _):
            index, value = _entry(context, builder, data, indices, place, vector)
            out = _lanes_at(builder, gradient, index, vector)
            part = builder.fmul(slopes, value, flags=_CONTRACT)
            total = builder.fadd(builder.load(out, align=size), part, flags=_CONTRACT)
            builder.store(total, out, align=size)
        return context.get_dummy_value()

    return types.none(data, indices, types.intp, types.intp, g, types.intp, gradient), generate


@kernel
def _plain(z, soft, scale, rows, g, values):
    # Losses of rows that all count alike. Of log(1 + e), e <= 1, only the sum is wanted, which is
    # the logarithm of a product of numbers up to 2.
    products = np.ones(LANES)
    linear = np.zeros(LANES, z.dtype)
    number = z.dtype.type
    one, zero = number(1), number(0)
    for r in range(rows):
        zr, yr, gr = z[r], soft[r], g[r]
        for m in range(LANES):
            x, y = zr[m], number(yr[m])
            e = exp(-abs(x))
            larger = one / (one + e)
            probability = e * larger if x < zero else larger
            gr[m] = (probability - y) * number(scale[m])
            linear[m] += maximum(x, zero) - y * x
            products[m] *= 1.0 + float(e)
    for m in range(LANES):
        values[m] += scale[m] * (float(linear[m]) + log1p(products[m] - 1.0))


@kernel
def value_and_grad(X, soft, weights, scale, pos_weight, w, values, gradient):
    """Add the weighted losses of all rows to ``values`` (LANES,), and their gradients.

    ``soft`` are the targets (n, LANES), of any dtype; row i counts ``weights[i, m] * scale[m]`` in lane m, where
    ``weights`` is (n, LANES), or (n, 1) for all lanes. Empty ones are all 1, as is then
    ``pos_weight`` (LANES,).
    """
    data, indices, indptr = X
    n, d = indptr.size - 1, w.shape[0] - 1
    z, g = np.empty((TILE, LANES), w.dtype), np.empty((TILE, LANES), w.dtype)
    size = TILE if weights.shape[0] else 0
    weight, losses = np.empty((size, LANES), w.dtype), np.empty((size, LANES), w.dtype)
    targets, positive = np.empty((size, LANES), w.dtype), np.empty((size, LANES), w.dtype)
    start, add = not_literal()
    for r in range(size):
        for m in range(LANES):
            positive[r, m] = pos_weight[m]
    for first in range(0, n, TILE):
        rows = min(TILE, n - first)
        for r in range(rows):
            i = first + r
            for m in range(LANES):
                z[r, m] = w[d, m]
            add_product(data, indices, indptr[i], indptr[i + 1], w, z, r)
        if size == 0:
            _plain(z, soft[first:], scale, rows, g, values)
        else:
            for r in range(rows):
                own, y = weights[first + r], soft[first + r]
                for m in range(LANES):
                    weight[r, m] = own[m if own.size > 1 else 0] * scale[m]
                    targets[r, m] = y[m]
            sigmoid.cross_entropy(
                z.reshape(-1), targets.reshape(-1), weight.reshape(-1), positive.reshape(-1),
                1.0, 1.0, start, rows * LANES, g.reshape(-1), losses.reshape(-1), add,
            )  # fmt: skip
            for r in range(rows):
                for m in range(LANES):
                    values[m] += float(weight[r, m]) * float(losses[r, m])
        for r in range(rows):
            i = first + r
            for m in range(LANES):
                gradient[d, m] += g[r, m]
            add_outer_product(data, indices, indptr[i], indptr[i + 1], g, r, gradient)

"""Four rows of X as columns of a tile, by vector instructions.

A loop that copies rows into columns stays scalar, and takes a quarter of a pass over few features.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastclf.kernels.runtime import twins
from fastclf.kernels.runtime.jit import twin

SIDE = 4
"""Rows and features that are transposed together."""


@twin(twins.transpose)
@intrinsic
def transpose(typing_context, X, rows, j, center, x, r):
    """Write ``X[rows[b], j + a] - center[j + a]`` to ``x[j + a, r + b]``, for a, b < :data:`SIDE`.

    X (n, d), ``center`` (d,) and x are C-contiguous, and ``rows`` is a tuple of row numbers.
    Differences are taken in the dtype of X, and stored in that of x, which is as wide or wider.
    """

    def generate(context, builder, signature, arguments):
        kinds = signature.args
        source, origin, target = (
            context.make_array(kinds[i])(context, builder, arguments[i]) for i in (0, 3, 4)
        )
        number, wide = (context.get_data_type(kinds[i].dtype) for i in (0, 4))
        vector = ir.VectorType(number, SIDE)
        size = context.get_abi_sizeof(number)
        d = builder.extract_value(source.shape, 1)
        middle = _load(builder, origin.data, arguments[2], vector, size)
        lines = []
        for b in range(SIDE):
            i = builder.extract_value(arguments[1], b)
            place = builder.add(builder.mul(i, d), arguments[2])
            lines.append(builder.fsub(_load(builder, source.data, place, vector, size), middle))
        length = builder.extract_value(target.shape, 1)
        for a, column in enumerate(_transposed(builder, lines)):
            if wide != number:
                column = builder.fpext(column, ir.VectorType(wide, SIDE))
            row = builder.add(arguments[2], arguments[2].type(a))
            place = builder.add(builder.mul(row, length), arguments[5])
            pointer = builder.gep(target.data, [place])
            pointer = builder.bitcast(pointer, column.type.as_pointer())
            builder.store(column, pointer, align=context.get_abi_sizeof(wide))
        return context.get_dummy_value()

    alike = types.UniTuple(types.uintp, SIDE)
    return types.none(X, alike, types.intp, center, x, types.intp), generate


def _load(builder, data, place, vector, size):
    pointer = builder.bitcast(builder.gep(data, [place]), vector.as_pointer())
    return builder.load(pointer, align=size)


def _transposed(builder, lines):
    def pick(a, b, lanes):
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), 4), lanes))

    # Pairs of numbers first, then pairs of pairs.
    low = [pick(lines[i], lines[i + 1], [0, 4, 2, 6]) for i in (0, 2)]
    high = [pick(lines[i], lines[i + 1], [1, 5, 3, 7]) for i in (0, 2)]
    halves = [0, 1, 4, 5], [2, 3, 6, 7]
    return [pick(*pair, half) for half in halves for pair in (low, high)]

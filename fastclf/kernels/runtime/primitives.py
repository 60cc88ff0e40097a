r"""Elementary functions that LLVM vectorises, in float32 and float64.

Numba's ``math.exp`` is a scalar library call. These are branch-free:

.. math::
    e^x = 2^n e^r,\quad n = \mathrm{round}(x / \ln 2),\quad r = x - n \ln 2, |r| \le \ln(2)/2

with :math:`\ln 2` in two parts (Cody and Waite, *Software Manual for the Elementary Functions*,
1980) and :math:`e^r` by its Taylor series; and

.. math::
    \log(1 + u) = k \ln 2 + 2 \mathrm{artanh}(t),\quad t = f / (2 + f),\quad
    f = (u - (2^k - 1)) 2^{-k}

with k chosen so that :math:`1 + f` lies between :math:`\sqrt{1/2}` and :math:`\sqrt 2`, and the
inverse hyperbolic tangent by its series. Both are right to about one unit in the last place, down
to the subnormal numbers; NaN stays NaN.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from fastclf.kernels.runtime import twins
from fastclf.kernels.runtime.jit import CONTRACT, twin

_OPTIONS = {"fastmath": set(CONTRACT), "error_model": "numpy", "nogil": True}

# float32: adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
_F = np.float32
_I = np.int32
_ROUND32 = _F(12582912.0)
_ROUND32_BITS = _I(0x4B400000)
_LOG2E32 = _F(1.4426950408889634)
_LN2_HIGH32 = _F(0.693359375)
_LN2_LOW32 = _F(-2.12194440e-4)
_SQRT_HALF32_BITS = _I(0x3F3504F3)
_E2, _E3, _E4, _E5, _E6, _E7 = (_F(1 / f) for f in (2, 6, 24, 120, 720, 5040))
_L3, _L5, _L7, _L9 = (_F(2 / i) for i in (3, 5, 7, 9))
_ONE32, _TWO32 = _F(1), _F(2)
_EXP_LOW32, _EXP_HIGH32 = _F(-104.0), _F(89.0)

# float64: the same with 1.5 * 2^52.
_ROUND64 = 6755399441055744.0
_ROUND64_BITS = np.int64(0x4338000000000000)
_LOG2E64 = 1.4426950408889634
_LN2_HIGH64 = 6.93147180369123816490e-01
_LN2_LOW64 = 1.90821492927058770002e-10
_SQRT_HALF64_BITS = np.int64(0x3FE6A09E667F3BCD)
_EXP_LOW64, _EXP_HIGH64 = -746.0, 710.0


def _exp32(x):
    x = _EXP_LOW32 if x < _EXP_LOW32 else x
    x = _EXP_HIGH32 if x > _EXP_HIGH32 else x
    shifted = _F(x * _LOG2E32 + _ROUND32)
    n = shifted - _ROUND32
    r = x - n * _LN2_HIGH32
    r = r - n * _LN2_LOW32
    p = _E7
    p = p * r + _E6
    p = p * r + _E5
    p = p * r + _E4
    p = p * r + _E3
    p = p * r + _E2
    p = p * (r * r) + r
    p = p + _ONE32
    k = _I(shifted.view(_I) - _ROUND32_BITS)
    # 2^n in two factors: one alone can't reach the subnormal results.
    half = _I(k >> _I(1))
    first = _I((half + _I(127)) << _I(23)).view(_F)
    second = _I((k - half + _I(127)) << _I(23)).view(_F)
    return p * first * second


def _exp64(x):
    x = _EXP_LOW64 if x < _EXP_LOW64 else x
    x = _EXP_HIGH64 if x > _EXP_HIGH64 else x
    shifted = np.float64(x * _LOG2E64 + _ROUND64)
    n = shifted - _ROUND64
    r = x - n * _LN2_HIGH64
    r = r - n * _LN2_LOW64
    p = 1 / 6227020800
    p = p * r + 1 / 479001600
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 0.5
    p = p * (r * r) + r
    p = p + 1.0
    k = np.int64(shifted.view(np.int64) - _ROUND64_BITS)
    half = k >> 1
    first = np.int64((half + 1023) << 52).view(np.float64)
    second = np.int64((k - half + 1023) << 52).view(np.float64)
    return p * first * second


def _log1p32(u):
    y = _F(_ONE32 + u)
    k = _I((y.view(_I) - _SQRT_HALF32_BITS) >> _I(23))
    power = _I((k + _I(127)) << _I(23)).view(_F)
    inverse = _I((_I(127) - k) << _I(23)).view(_F)
    f = (u - (power - _ONE32)) * inverse
    t = f / (_TWO32 + f)
    w = t * t
    p = _L9
    p = p * w + _L7
    p = p * w + _L5
    p = p * w + _L3
    n = _F(k)
    return n * _LN2_HIGH32 + (n * _LN2_LOW32 + (t * (p * w) + _TWO32 * t))


def _log1p64(u):
    y = np.float64(1.0 + u)
    k = np.int64((y.view(np.int64) - _SQRT_HALF64_BITS) >> 52)
    power = np.int64((k + 1023) << 52).view(np.float64)
    inverse = np.int64((1023 - k) << 52).view(np.float64)
    f = (u - (power - 1.0)) * inverse
    t = f / (2.0 + f)
    w = t * t
    p = 2 / 21
    p = p * w + 2 / 19
    p = p * w + 2 / 17
    p = p * w + 2 / 15
    p = p * w + 2 / 13
    p = p * w + 2 / 11
    p = p * w + 2 / 9
    p = p * w + 2 / 7
    p = p * w + 2 / 5
    p = p * w + 2 / 3
    n = np.float64(k)
    return n * _LN2_HIGH64 + (n * _LN2_LOW64 + (t * (p * w) + 2.0 * t))


def exp(x):
    """Return e**x; 0 below the range of the type and inf above it."""
    return np.exp(x)  # where nothing is compiled


def log1p(u):
    """Return log(1 + u) for u >= 0, below 2**100 in float32 and 2**1000 in float64."""
    return np.log1p(u)  # where nothing is compiled


@overload(exp, jit_options=_OPTIONS)
def _choose_exp(x):
    return {types.float32: _exp32, types.float64: _exp64}.get(x)


@overload(log1p, jit_options=_OPTIONS)
def _choose_log1p(u):
    return {types.float32: _log1p32, types.float64: _log1p64}.get(u)


@twin(twins.maximum)
@intrinsic
def maximum(typing_context, a, b):
    """Return the larger of two numbers of one type; unspecified if one is NaN.

    LLVM vectorises a running maximum through this instruction, and not through a comparison:
    without it the maximum of a row costs as much as all its exponentials. The flag ``nnan`` on
    this one instruction makes it a single machine instruction instead of three. Whatever it makes
    of NaN, callers subtract the maximum from *all* entries, so that a NaN among them survives.
    """
    if a != b or a not in (types.float32, types.float64):
        return None

    def generate(context, builder, signature, arguments):
        kind = arguments[0].type
        function = builder.module.declare_intrinsic(
            "llvm.maxnum", [kind], ir.FunctionType(kind, [kind, kind])
        )
        return builder.call(function, arguments, fastmath=("nnan", "nsz"))

    return a(a, b), generate


@twin(twins.prefetch)
@intrinsic
def prefetch(typing_context, row):
    """Ask for a row, a contiguous 1-D array, ahead of its use.

    Reading X from memory and computing on it then overlap, which saves a fifth of the time of an
    epoch over data that don't fit into the cache. The loop over cache lines is a function that is
    never inlined: copies of it in every kernel would take seconds to compile.
    """
    if not isinstance(row, types.Array) or row.ndim != 1:
        return None

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer, size = ir.IntType(8).as_pointer(), ir.IntType(64)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [pointer, size]), "fastclf_prefetch"
        )
        if function.is_declaration:
            _define_prefetch(function)
        length = builder.mul(array.nitems, array.itemsize)
        builder.call(function, [builder.bitcast(array.data, pointer), length])
        return context.get_dummy_value()

    return types.none(row), generate


def _define_prefetch(function):
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    address, length = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    word = ir.IntType(32)
    ask = function.module.declare_intrinsic(
        "llvm.prefetch",
        [address.type],
        ir.FunctionType(ir.VoidType(), [address.type, word, word, word]),
    )
    zero, line = length.type(0), length.type(64)
    with cgutils.for_range_slice(builder, zero, length, line, length.type) as (offset, _):
        # for reading, into the second level of the cache, as data
        builder.call(ask, [builder.gep(address, [offset]), word(0), word(2), word(1)])
    builder.ret_void()

"""Vectors of :data:`LANES` numbers, one for each of some problems, and loops over rows of them.

Coefficients of all problems lie side by side, in contiguous arrays (rows, LANES). LLVM makes poor
code of short loops over lanes, because it can't know that arrays don't overlap, so such loops are
written in vectors here; it splits them for whatever the machine has.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastclf.kernels.runtime import twins
from fastclf.kernels.runtime.jit import twin

LANES = 16
"""Problems of a block."""

_CONTRACT = ("contract",)


class _Vector:
    """A vector of lanes in LLVM, with arithmetic in the wider of two dtypes.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
    value : llvmlite.ir.Value
        A vector, or a number that is repeated.
    """

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        if not isinstance(value.type, ir.VectorType):
            kind = ir.VectorType(value.type, LANES)
            nothing = ir.Constant(kind, ir.Undefined)
            one = builder.insert_element(nothing, value, ir.IntType(32)(0))
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            value = builder.shuffle_vector(one, nothing, zeros)
        self.builder = builder
        self.value = value

    def astype(self, number: ir.Type) -> "_Vector":
        """Return the same numbers in another dtype."""
        if self.value.type.element == number:
            return self
        narrower = isinstance(number, ir.FloatType)
        cast = self.builder.fptrunc if narrower else self.builder.fpext
        return _Vector(self.builder, cast(self.value, ir.VectorType(number, LANES)))

    def where(self, mask: "_Vector", other: "_Vector | None" = None) -> "_Vector":
        """Return these numbers where the mask isn't 0, and others, or 0, elsewhere."""
        mine, others = self._alike(other) if other else (self.value, _zeros(self.value.type))
        chosen = self.builder.fcmp_unordered("!=", mask.value, _zeros(mask.value.type))
        return _Vector(self.builder, self.builder.select(chosen, mine, others))

    def maximum(self, other: "_Vector") -> "_Vector":
        """Return the larger of two numbers in each lane."""
        mine, others = self._alike(other)
        larger = self.builder.fcmp_unordered(">", mine, others)
        return _Vector(self.builder, self.builder.select(larger, mine, others))

    def __add__(self, other: "_Vector") -> "_Vector":
        return self._with(self.builder.fadd, other)

    def __sub__(self, other: "_Vector") -> "_Vector":
        return self._with(self.builder.fsub, other)

    def __mul__(self, other: "_Vector") -> "_Vector":
        return self._with(self.builder.fmul, other)

    def __neg__(self) -> "_Vector":
        return _Vector(self.builder, self.builder.fneg(self.value))

    def __abs__(self) -> "_Vector":
        kind = self.value.type
        name = f"llvm.fabs.v{LANES}f{64 if isinstance(kind.element, ir.DoubleType) else 32}"
        function = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(kind, [kind]), name
        )
        return _Vector(self.builder, self.builder.call(function, [self.value]))

    def _with(self, operation: Callable, other: "_Vector") -> "_Vector":
        return _Vector(self.builder, operation(*self._alike(other), flags=_CONTRACT))

    def _alike(self, other: "_Vector") -> tuple[ir.Value, ir.Value]:
        double = ir.DoubleType()
        if double in (self.value.type.element, other.value.type.element):
            return self.astype(double).value, other.astype(double).value
        return self.value, other.value


def _zeros(kind: ir.VectorType) -> ir.Constant:
    return ir.Constant(kind, [0.0] * LANES)


class _Array:
    # An array argument; numbers of 1-D ones are for all lanes.
    def __init__(self, context: Any, builder: ir.IRBuilder, kind: types.Array, value: Any) -> None:
        self.builder = builder
        self.ndim = kind.ndim
        self.array = context.make_array(kind)(context, builder, value)
        number = context.get_data_type(kind.dtype)
        self.kind = ir.VectorType(number, LANES)
        self.alignment = context.get_abi_sizeof(number)

    def shape(self, axis: int) -> ir.Value:
        return cgutils.unpack_tuple(self.builder, self.array.shape)[axis]

    def number(self, place: ir.Value) -> ir.Value:
        return self.builder.load(self.builder.gep(self.array.data, [place]))

    def row(self, index: ir.Value) -> _Vector:
        if self.ndim == 1:
            return _Vector(self.builder, self.number(index))
        return _Vector(self.builder, self.builder.load(self._at(index), align=self.alignment))

    def lanes(self) -> _Vector:
        return _Vector(self.builder, self.builder.load(self._at(None), align=self.alignment))

    def store(self, vector: _Vector, index: ir.Value | None = None) -> None:
        value = vector.astype(self.kind.element).value
        self.builder.store(value, self._at(index), align=self.alignment)

    def _at(self, index: ir.Value | None) -> ir.Value:
        first = self.array.data
        if index is not None:
            first = self.builder.gep(first, [self.builder.mul(index, index.type(LANES))])
        return self.builder.bitcast(first, self.kind.as_pointer())


def _arrays(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> list:
    # Of each argument, a tuple of arrays or one.
    out = []
    for kind, value in zip(signature.args, arguments, strict=True):
        if isinstance(kind, types.BaseTuple):
            parts = zip(kind.types, cgutils.unpack_tuple(builder, value), strict=True)
            out.append([_Array(context, builder, *part) for part in parts])
        elif isinstance(kind, types.Array):
            out.append(_Array(context, builder, kind, value))
        else:
            out.append(value)
    return out


def sweep(body: Callable) -> Any:
    """Return a compiled function that goes over rows of lanes.

    It takes three tuples of arrays: rows (n, LANES), or (n,) for all lanes; lanes (LANES,); and
    totals (LANES,), which are sums that start at 0. The first array of rows tells how many there
    are.

    Parameters
    ----------
    body : callable
        Given lists of vectors for each of the three, it returns those that rows become, by their
        places in the tuple, and the totals.
    """

    @twin(twins.sweep(body, LANES))
    @intrinsic
    def over_rows(typing_context, rows, lanes, totals):
        def generate(context, builder, signature, arguments):
            rows, lanes, totals = _arrays(context, builder, signature, arguments)
            own = [array.lanes() for array in lanes]
            sums = [cgutils.alloca_once_value(builder, _zeros(array.kind)) for array in totals]
            n = rows[0].shape(0)
            with cgutils.for_range(builder, n) as loop:
                found = [array.row(loop.index) for array in rows]
                so_far = [_Vector(builder, builder.load(place)) for place in sums]
                changed, sums_now = body(found, own, so_far)
                for number, vector in changed.items():
                    rows[number].store(vector, loop.index)
                for place, vector in zip(sums, sums_now, strict=True):
                    builder.store(vector.value, place)
            for array, place in zip(totals, sums, strict=True):
                array.store(_Vector(builder, builder.load(place)))
            return context.get_dummy_value()

        return types.none(rows, lanes, totals), generate

    return over_rows


_TOGETHER = 4
"""Rows of a dense X that meet coefficients at once, while these are in registers."""


def _make_add_products(triangular: bool) -> Any:
    @twin(twins.add_products(triangular))
    @intrinsic
    def add_products(typing_context, X, first, rows, w, z):
        """Add rows of X, times w (d + 1, LANES) without its last row, to z (rows, LANES).

        ``X`` is the tuple (data, indices, indptr) of a CSR matrix (n, d), or the tuple of a dense
        one; its row ``first`` meets row 0 of z.
        """

        def of_entries(builder, parts, i, r, w, z):
            data, indices, indptr = parts
            total = cgutils.alloca_once_value(builder, z.row(r).value)
            with _entries(builder, indptr, i) as at:
                value = _Vector(builder, data.number(at)).astype(w.kind.element)
                own = w.row(_extended(builder, indices.number(at), at))
                so_far = _Vector(builder, builder.load(total))
                builder.store((so_far + own * value).value, total)
            z.store(_Vector(builder, builder.load(total)), r)

        def of_features(builder, dense, places, features, numbers, w, z):
            totals = [cgutils.alloca_once_value(builder, z.row(r).value) for r in numbers]
            with _steps(builder, *features, 1) as j:
                own = w.row(j)
                for place, total in zip(places, totals, strict=True):
                    value = dense.number(builder.add(place, j))
                    value = _Vector(builder, value).astype(w.kind.element)
                    so_far = _Vector(builder, builder.load(total))
                    builder.store((so_far + own * value).value, total)
            for r, total in zip(numbers, totals, strict=True):
                z.store(_Vector(builder, builder.load(total)), r)

        generate = _over_rows(of_entries, of_features, triangular)
        return types.none(X, first, rows, w, z), generate

    return add_products


def _make_add_outer_products(triangular: bool) -> Any:
    @twin(twins.add_outer_products(triangular))
    @intrinsic
    def add_outer_products(typing_context, X, first, rows, g, gradient):
        """Add rows of X, times g (rows, LANES), to the gradient of w; see `add_products`."""

        def of_entries(builder, parts, i, r, g, gradient):
            data, indices, indptr = parts
            slopes = g.row(r)
            with _entries(builder, indptr, i) as at:
                value = _Vector(builder, data.number(at)).astype(gradient.kind.element)
                index = _extended(builder, indices.number(at), at)
                gradient.store(gradient.row(index) + slopes * value, index)

        def of_features(builder, dense, places, features, numbers, g, gradient):
            slopes = [g.row(r) for r in numbers]
            with _steps(builder, *features, 1) as j:
                total = gradient.row(j)
                for place, slope in zip(places, slopes, strict=True):
                    value = _Vector(builder, dense.number(builder.add(place, j)))
                    total = total + slope * value.astype(gradient.kind.element)
                gradient.store(total, j)

        generate = _over_rows(of_entries, of_features, triangular)
        return types.none(X, first, rows, g, gradient), generate

    return add_outer_products


def _over_rows(of_entries: Callable, of_features: Callable, triangular: bool) -> Callable:
    # Code that goes over rows of a CSR matrix one by one, or over those of a dense one together. In
    # an upper triangle it begins at the diagonal of the first row.
    def generate(context, builder, signature, arguments):
        parts, first, rows, *arrays = _arrays(context, builder, signature, arguments)
        if len(parts) > 1:
            with cgutils.for_range(builder, rows) as loop:
                i = builder.add(first, loop.index)
                of_entries(builder, parts, i, loop.index, *arrays)
            return context.get_dummy_value()
        (dense,) = parts
        width = dense.shape(1)
        left = builder.sub(rows, builder.urem(rows, rows.type(_TOGETHER)))
        for start, stop, count in (rows.type(0), left, _TOGETHER), (left, rows, 1):
            with _steps(builder, start, stop, count) as r:
                numbers = [builder.add(r, r.type(more)) for more in range(count)]
                at = [builder.add(first, number) for number in numbers]
                places = [builder.mul(i, width) for i in at]
                features = at[0] if triangular else width.type(0), width
                of_features(builder, dense, places, features, numbers, *arrays)
        return context.get_dummy_value()

    return generate


add_products, add_outer_products = _make_add_products(False), _make_add_outer_products(False)
add_triangular_products = _make_add_products(True)
add_outer_triangular_products = _make_add_outer_products(True)
"""The same for a dense upper triangle, below which nothing is read."""


@contextmanager
def _steps(builder: ir.IRBuilder, start: Any, stop: Any, by: int) -> Iterator[ir.Value]:
    with cgutils.for_range_slice(builder, start, stop, start.type(by), start.type) as (at, _):
        yield at


@contextmanager
def _entries(builder: ir.IRBuilder, indptr: _Array, i: ir.Value) -> Iterator[ir.Value]:
    # The places of the entries of row i.
    first = _extended(builder, indptr.number(i), i)
    last = _extended(builder, indptr.number(builder.add(i, i.type(1))), i)
    with _steps(builder, first, last, 1) as at:
        yield at


def _extended(builder: ir.IRBuilder, index: ir.Value, like: ir.Value) -> ir.Value:
    return index if index.type == like.type else builder.zext(index, like.type)

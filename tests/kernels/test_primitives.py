"""The compiled exp and log1p over their whole range."""

import numba
import numpy as np
import pytest
from oracles import LONG, ulps

from fastclf.kernels.runtime import primitives

BITS = {np.float32: np.int32, np.float64: np.int64}
LIMIT = 3  # units in the last place


@numba.njit(error_model="numpy")
def _exp(x, out):
    for i in range(x.size):
        out[i] = primitives.exp(x[i])


@numba.njit(error_model="numpy")
def _log1p(x, out):
    for i in range(x.size):
        out[i] = primitives.log1p(x[i])


@numba.njit(error_model="numpy")
def _maximum(x, out):
    top = x[0]
    for i in range(x.size):
        top = primitives.maximum(top, x[i])
    out[0] = top


def apply(loop, x):
    out = np.empty_like(x)
    loop(x, out)
    return out


def patterns(dtype, low, high, count=200_000):
    """Return numbers between two of one sign, evenly spread over their bit patterns."""
    ends = np.array([low, high], dtype).view(BITS[dtype])
    walk = np.linspace(*ends.astype(LONG), count).astype(BITS[dtype])
    return np.clip(walk, ends.min(), ends.max()).view(dtype)


def reduction_edges(dtype, low, high):
    """Return the arguments at which the reduction of exp changes n, with their neighbours."""
    n = np.arange(np.floor(low / np.log(2)), np.ceil(high / np.log(2)))
    edges = ((n + 0.5) * np.log(2)).astype(dtype)
    whole = (n * np.log(2)).astype(dtype)
    centre = np.concatenate([edges, whole])
    return np.concatenate(
        [centre, np.nextafter(centre, dtype(np.inf)), np.nextafter(centre, dtype(-np.inf))]
    )


def test_exp_over_its_range(dtype):
    low, high = {np.float32: (-110, 90), np.float64: (-760, 712)}[dtype]
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.concatenate(
        [
            np.linspace(low, high, 200_001, dtype=dtype),
            patterns(dtype, tiny, high),
            patterns(dtype, -tiny, low),
            reduction_edges(dtype, low, high),
        ]
    )
    with np.errstate(over="ignore"):
        exact = np.exp(x.astype(LONG))
        assert ulps(apply(_exp, x), exact).max() <= LIMIT


def test_exp_reaches_the_subnormal_numbers(dtype):
    info = np.finfo(dtype)
    x = np.linspace(np.log(LONG(info.smallest_subnormal)), np.log(LONG(info.tiny)), 10_001)
    y = apply(_exp, x.astype(dtype))
    assert (y > 0).all() and (y < 2 * info.tiny).all()
    assert (np.diff(y) >= 0).all()


def test_exp_at_special_values(dtype):
    huge = np.finfo(dtype).max
    x = np.array([0, -0.0, np.inf, -np.inf, huge, -huge, np.nan], dtype)
    np.testing.assert_array_equal(
        apply(_exp, x), np.array([1, 1, np.inf, 0, np.inf, 0, np.nan], dtype)
    )


def test_exp_never_exceeds_one_below_zero(dtype):
    x = patterns(dtype, -np.finfo(dtype).smallest_subnormal, -1)
    assert (apply(_exp, x) <= 1).all()


def test_log1p_over_its_range(dtype):
    top = {np.float32: 2.0**99, np.float64: 2.0**999}[dtype]
    tiny = np.finfo(dtype).smallest_subnormal
    powers = dtype(2) ** np.arange(-60, 99).astype(dtype)
    near = np.concatenate([powers - 1, np.sqrt(dtype(2)) * powers - 1])
    near = np.concatenate(
        [near, np.nextafter(near, dtype(np.inf)), np.nextafter(near, dtype(-np.inf))]
    )
    x = np.concatenate(
        [
            np.linspace(0, 100, 200_001, dtype=dtype),
            patterns(dtype, tiny, top),
            powers,
            near[near >= 0],
            np.zeros(1, dtype),
        ]
    )
    assert ulps(apply(_log1p, x), np.log1p(x.astype(LONG))).max() <= LIMIT


def test_log1p_keeps_nan(dtype):
    assert np.isnan(apply(_log1p, np.array([np.nan], dtype)))[0]


@pytest.mark.parametrize(
    "x", [[-2.0, -1.0], [0.0, 3.0, 2.0], [-np.inf, 1.0], [np.inf, 1.0], [-np.inf, -np.inf]]
)
def test_maximum(x, dtype):
    assert apply(_maximum, np.array(x, dtype))[0] == max(x)


def test_outside_of_compiled_code_they_are_numpys():
    assert primitives.exp(1.5) == np.exp(1.5)
    assert primitives.log1p(1.5) == np.log1p(1.5)

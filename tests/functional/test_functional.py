"""The functions of functional that aren't losses, and what all of them accept and refuse."""

import math
import threading

import numpy as np
import oracles
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from oracles import ulps
from strategies import arrays, distributions, problems

from fastclf import functional as F
from fastclf import threads
from fastclf.errors import InputError
from fastclf.kernels.loss import cross_entropy as softmax_loss_kernels
from fastclf.kernels.loss import sigmoid as sigmoid_kernels
from fastclf.kernels.loss import softmax as softmax_kernels

SHAPES = [(n, K) for K in (1, 2, 3, 16, 19, 20, 21, 33, 100) for n in (1, 63, 64, 65)] + [(1000, 7)]


# Softmax and its relatives


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_softmax_entries_are_right_relative_to_themselves(shape, scale, dtype, rng):
    z = (rng.normal(size=shape) * scale).astype(dtype)
    for temperature in (1.0, 0.7):
        exact = oracles.softmax(z, temperature)
        depth = np.abs(oracles.depths(z, temperature))
        eps = np.finfo(dtype).eps
        error = np.abs(F.softmax(z, temperature) - exact)
        tiny = 2 * np.finfo(dtype).smallest_subnormal
        assert (error <= 4 * eps * (1 + depth) * exact + tiny).all()
        logs = F.log_softmax(z, temperature)
        assert (np.abs(logs - oracles.log_softmax(z, temperature)) <= 4 * eps * (1 + depth)).all()
        sums = F.logsumexp(z, temperature)
        size = 1 + np.abs(z).max(axis=1) / temperature
        assert (np.abs(sums - oracles.logsumexp(z, temperature)) <= 4 * eps * size).all()


@given(z=problems("soft").map(lambda p: p[0]), shift=st.integers(-1000, 1000))
def test_softmax_ignores_shifts_and_order(z, shift, dtype):
    z = z.astype(dtype)
    p = F.softmax(z)
    np.testing.assert_array_equal(F.softmax(z + dtype(shift)), p)
    np.testing.assert_array_equal(F.log_softmax(z + dtype(shift)), F.log_softmax(z))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(F.softmax(z[:, ::-1])[:, ::-1], p, rtol=8 * eps)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=8 * eps)


@given(
    z=problems("soft", bound=5).map(lambda p: p[0]), temperature=st.sampled_from([1.0, 0.5, 3.0])
)
def test_derivatives_are_those_of_the_functions(z, temperature):
    row = z[0]
    jacobian = F.softmax_jacobian(row, temperature)
    for k in range(row.size):
        expected = oracles.differences(lambda r, k=k: F.softmax(r, temperature)[k], row)
        np.testing.assert_allclose(jacobian[k], expected, atol=1e-9)
    gradient = oracles.differences(lambda r: F.logsumexp(r, temperature), row)
    np.testing.assert_allclose(F.softmax(row, temperature) / temperature, gradient, atol=1e-9)
    slopes = oracles.differences(lambda r: F.sigmoid(r).sum(), row)
    np.testing.assert_allclose(F.sigmoid_derivative(row), slopes, atol=1e-10)


def test_softmax_jacobian_of_a_saturated_row_keeps_its_tiny_entries(dtype):
    jacobian = F.softmax_jacobian(np.array([[0, 60, 0]], dtype))
    small = np.exp(-60.0)
    assert jacobian.shape == (1, 3, 3) and jacobian.dtype == dtype
    np.testing.assert_allclose(np.diag(jacobian[0]), [small, 2 * small, small], rtol=1e-5)
    np.testing.assert_allclose(jacobian[0, 0, 1], -small, rtol=1e-5)


@pytest.mark.parametrize("K", [3, 25])
def test_infinite_and_nan_logits(K, dtype):
    z = np.zeros((5, K), dtype)
    z[0, 1] = -np.inf
    z[1, 1] = np.inf
    z[2] = -np.inf
    z[3, 1] = np.nan
    z[4, 1], z[4, 2] = np.inf, np.nan
    p, logs, sums, ones = F.softmax(z), F.log_softmax(z), F.logsumexp(z), F.hardmax(z)
    assert p[0, 1] == 0 and logs[0, 1] == -np.inf
    np.testing.assert_allclose(np.delete(p[0], 1), 1 / (K - 1), rtol=1e-6)
    assert np.isnan(p[1:]).all() and np.isnan(logs[1:]).all()
    np.testing.assert_allclose(sums[0], np.log(K - 1), rtol=1e-6)
    np.testing.assert_array_equal(sums[1:], [np.inf, -np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(ones[:, 0], [1, 0, 1, np.nan, np.nan])


@pytest.mark.parametrize("K", [2, 3, 25])
def test_huge_logits_stay_finite(K, dtype):
    large = {np.float32: 1e4, np.float64: 1e300}[dtype]
    z = np.full((3, K), -large, dtype)
    z[1, 1] = z[2, 0] = large
    assert np.isfinite(F.softmax(z)).all()
    assert np.isfinite(F.log_softmax(z)).all()
    np.testing.assert_allclose(F.logsumexp(z)[1:], large, rtol=1e-6)
    np.testing.assert_array_equal(F.softmax(z)[1], np.eye(K)[1])


@pytest.mark.parametrize("temperature", [1e-30, 1e-6, 1e6, 1e30])
def test_extreme_temperatures_are_limits(temperature, dtype):
    z = np.array([[0, 1, 3, 3], [-np.inf, 1, 2, 3]], dtype)
    cold = [[0, 0, 0.5, 0.5], [0, 0, 0, 1]]
    hot = [[0.25] * 4, [0, 1 / 3, 1 / 3, 1 / 3]]
    expected = cold if temperature < 1 else hot
    np.testing.assert_allclose(F.softmax(z, temperature), expected, atol=1e-5)


def test_hardmax_marks_the_first_maximum(dtype):
    z = np.array([[1, 3, 3], [-1, -2, -3]], dtype)
    np.testing.assert_array_equal(F.hardmax(z), [[0, 1, 0], [1, 0, 0]])
    assert F.hardmax(z).dtype == dtype


# Sigmoid and its relatives


def test_sigmoids_over_their_range(dtype):
    edge = {np.float32: 110, np.float64: 760}[dtype]
    z = np.concatenate(
        [np.linspace(-edge, edge, 20_001), np.logspace(-40, 2, 2001), -np.logspace(-40, 2, 2001)]
    ).astype(dtype)
    assert ulps(F.sigmoid(z), oracles.sigmoid(z)).max() <= 5
    assert ulps(F.log_sigmoid(z), oracles.log_sigmoid(z)).max() <= 5
    slope = oracles.sigmoid(z) * oracles.sigmoid(-z)
    assert ulps(F.sigmoid_derivative(z), slope).max() <= 10


@pytest.mark.parametrize("z", [-1e20, -1e9, -1000.0, -50.0, 0.0, 50.0, 1000.0, 1e20])
def test_log_sigmoid_has_both_tails(z, dtype):
    exact = oracles.log_sigmoid(np.array(z, dtype))
    assert F.log_sigmoid(np.array(z, dtype)) == pytest.approx(float(exact), rel=1e-6)


def test_sigmoids_at_infinity_and_nan(dtype):
    z = np.array([-np.inf, np.inf, np.nan], dtype)
    np.testing.assert_array_equal(F.sigmoid(z), [0, 1, np.nan])
    np.testing.assert_array_equal(F.log_sigmoid(z), [-np.inf, 0, np.nan])
    np.testing.assert_array_equal(F.sigmoid_derivative(z), [0, 0, np.nan])


@given(z=arrays((4,), -15, 15))
def test_logit_is_the_inverse_of_sigmoid(z):
    np.testing.assert_allclose(F.logit(F.sigmoid(z)), z, rtol=1e-9, atol=1e-14)


def test_logit_at_the_ends(dtype):
    p = np.array([0, 1], dtype)
    np.testing.assert_array_equal(F.logit(p), [-np.inf, np.inf])
    assert F.logit(p).dtype == dtype


# Probabilities


@given(p=distributions(), temperature=st.sampled_from([1.0, 2.0, 0.5]))
def test_softening_keeps_zeros_and_powers(p, temperature):
    soft = F.soften(p, temperature)
    powers = p ** (1 / temperature)
    np.testing.assert_allclose(soft, powers / powers.sum(axis=1, keepdims=True), rtol=1e-13)
    np.testing.assert_array_equal(soft == 0, p == 0)


@given(z=problems("soft", bound=10).map(lambda p: p[0]), temperature=st.sampled_from([1.0, 4.0]))
def test_softening_probabilities_is_dividing_logits(z, temperature):
    soft = F.soften(F.softmax(z), temperature)
    np.testing.assert_allclose(soft, F.softmax(z, temperature), rtol=1e-12)


@given(p=distributions(), q=st.data())
def test_divergence_and_entropy_match_scipy(p, q):
    q = F.softmax(q.draw(arrays(p.shape, -5, 5)))
    np.testing.assert_allclose(F.entropy(p), scipy.stats.entropy(p, axis=1), atol=1e-14)
    np.testing.assert_allclose(F.kl_divergence(p, q), scipy.stats.entropy(p, q, axis=1), atol=1e-13)
    np.testing.assert_array_equal(F.kl_divergence(p, p), 0)
    assert (F.entropy(p) <= np.log(p.shape[1]) + 1e-12).all()
    np.testing.assert_allclose(F.entropy(p, base=2), F.entropy(p) / math.log(2), rtol=1e-14)


@given(p=distributions(), eps=st.sampled_from([0.0, 0.1, 1.0]))
def test_smoothing_moves_mass_to_all_classes(p, eps):
    smooth = F.smooth_labels(p, eps)
    np.testing.assert_allclose(smooth, (1 - eps) * p + eps / p.shape[1], atol=1e-15)


def test_divergence_is_infinite_where_q_rules_out_what_p_allows():
    assert F.kl_divergence([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert F.kl_divergence([0.0, 1.0], [0.0, 1.0]) == 0


def test_information(dtype):
    p = np.array([1, 0.5, 0.125, 0], dtype)
    np.testing.assert_array_equal(F.information(p, base=2), [0, 1, 3, np.inf])
    assert not np.signbit(F.information(p)[0])
    assert F.information(p).dtype == dtype


def slow_calibration_error(p, y, n_bins):
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    edges = np.linspace(0, 1, n_bins + 1)
    error = 0.0
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return error


@pytest.mark.parametrize("n_bins", [1, 10, 15, 100])
@pytest.mark.parametrize("K", [2, 5])
def test_calibration_error(K, n_bins, rng):
    p = F.softmax(rng.normal(size=(500, K)))
    y = rng.integers(0, K, 500)
    expected = slow_calibration_error(p, y, n_bins)
    assert F.expected_calibration_error(p, y, n_bins) == pytest.approx(expected)
    assert F.expected_calibration_error(p.astype(np.float32), y, n_bins) == pytest.approx(
        slow_calibration_error(p.astype(np.float32), y, n_bins), abs=1e-6
    )
    if K == 2:
        assert F.expected_calibration_error(p[:, 1], y, n_bins) == pytest.approx(expected)


@pytest.mark.parametrize("n_bins", [5, 10, 20, 50, 100])
def test_calibration_bins_hold_their_right_edges(n_bins):
    top = np.linspace(0, 1, n_bins + 1)[n_bins // 2 + 1 :]
    p = np.stack([top, 1 - top], axis=1)
    p = np.concatenate([p, np.nextafter(p, 0)])  # a bin's own edge and what lies just below it
    y = np.arange(len(p)) // len(top)  # the first are right, the second wrong
    expected = slow_calibration_error(p, y, n_bins)
    assert F.expected_calibration_error(p, y, n_bins) == pytest.approx(expected)


def test_perfect_calibration():
    assert F.expected_calibration_error([[1.0, 0.0], [0.0, 1.0]], [0, 1]) == 0
    assert F.expected_calibration_error([0.5, 0.5], [0, 1]) == 0


# What all of them accept

BY_ROWS = {
    "softmax": F.softmax,
    "log_softmax": F.log_softmax,
    "logsumexp": F.logsumexp,
    "softmax_jacobian": F.softmax_jacobian,
    "hardmax": F.hardmax,
}
BY_ENTRIES = {
    "sigmoid": F.sigmoid,
    "log_sigmoid": F.log_sigmoid,
    "sigmoid_derivative": F.sigmoid_derivative,
}
LOSSES = {
    "hard": lambda z: F.cross_entropy_with_grad(z, np.zeros(np.shape(z)[:-1], int)),
    "soft": lambda z: F.cross_entropy_with_grad(z, np.full(np.shape(z), 0.5)),
    "soft in kind": lambda z: F.cross_entropy_with_grad(z, abs(np.asarray(z))),
    "binary": lambda z: F.binary_cross_entropy_with_grad(z, np.full(np.shape(z), 0.5), weight=z),
    "distilled": lambda z: F.distillation_loss_with_grad(
        z, z, y=np.zeros(np.shape(z)[:-1], int), hard_weight=0.5
    ),
}
PROBABILITIES = {
    "logit": F.logit,
    "soften": lambda p: F.soften(p, 2.0),
    "smooth_labels": lambda p: F.smooth_labels(p, 0.1),
    "entropy": F.entropy,
    "information": F.information,
    "kl_divergence": lambda p: F.kl_divergence(p, p),
    "expected_calibration_error": lambda p: F.expected_calibration_error(p, [0] * np.shape(p)[0]),
}
EVERYTHING = BY_ROWS | BY_ENTRIES | LOSSES | PROBABILITIES
everything = pytest.mark.parametrize("call", EVERYTHING.values(), ids=EVERYTHING.keys())


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def strided(a):
    padded = np.full((2 * a.shape[0], 3 * a.shape[1]), np.nan, a.dtype)
    padded[::2, 1::3] = a
    return padded[::2, 1::3]


def unaligned(a):
    raw = np.empty(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[:] = a
    return view


def big_endian(a):
    return a.astype(a.dtype.newbyteorder(">"))


FORMS = {
    "read-only": read_only,
    "Fortran": np.asfortranarray,
    "strided": strided,
    "backwards": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "broadcast": lambda a: np.broadcast_to(a, (2, *a.shape))[1],
    "unaligned": unaligned,
}


def assert_same(actual, expected):
    for a, b in zip(
        actual if isinstance(actual, tuple) else [actual],
        expected if isinstance(expected, tuple) else [expected],
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
        assert np.asarray(a).dtype == np.asarray(b).dtype


@everything
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_memory_layout_does_not_matter(call, form, dtype, rng):
    z = rng.uniform(size=(6, 4)).astype(dtype)
    given_form = form(z)
    before = given_form.copy()
    assert_same(call(given_form), call(z))
    np.testing.assert_array_equal(given_form, before)


@everything
@pytest.mark.parametrize("form", [np.ndarray.tolist, big_endian, np.longdouble])
def test_what_is_no_native_float_becomes_float64(call, form, rng):
    z = rng.uniform(size=(6, 4))
    assert_same(call(form(z)), call(z))


@everything
@pytest.mark.parametrize("kind", [bool, np.int8, np.int64, np.uint8, np.float16])
def test_integers_and_booleans_become_float64(call, kind):
    z = np.eye(4)
    assert_same(call(z.astype(kind)), call(z))


@pytest.mark.parametrize(
    "call", [*BY_ROWS.values(), *BY_ENTRIES.values()], ids=[*BY_ROWS, *BY_ENTRIES]
)
@pytest.mark.parametrize("shape", [(4,), (1, 4), (2, 3, 4), (2, 1, 3, 4), (0, 4), (2, 0, 4)])
def test_leading_dimensions_are_rows(call, shape, dtype, rng):
    z = rng.normal(size=shape).astype(dtype)
    result = call(z)
    flat = call(z.reshape(-1, 4))
    np.testing.assert_array_equal(result, flat.reshape(np.shape(result)))
    assert result.dtype == dtype
    assert result.shape[: len(shape) - 1] == shape[:-1]


@pytest.mark.parametrize("call", BY_ENTRIES.values(), ids=BY_ENTRIES.keys())
def test_a_number_gives_a_number(call, dtype):
    assert np.isscalar(call(0.5)) and np.isscalar(call(dtype(0.5)))
    assert call(dtype(0.5)).dtype == dtype
    assert call(np.empty((0, 3))).shape == (0, 3)


def test_read_only_inputs_compile_nothing(rng):
    z = read_only(rng.uniform(size=(6, 4)))
    y = read_only(np.zeros(6, np.intp))
    weight = np.broadcast_to(np.ones(4), z.shape)

    def call_all(z, y, weight):
        F.softmax(z), F.log_softmax(z), F.logsumexp(z), F.sigmoid(z), F.log_sigmoid(z)
        F.cross_entropy(z, y), F.cross_entropy(z, z)
        F.binary_cross_entropy(z, z, weight=weight, pos_weight=weight)
        F.distillation_loss_with_grad(z, z, y=y, hard_weight=0.5)
        F.distillation_loss_with_grad(z, z, y=z, hard_weight=0.5)

    call_all(z.copy(), y.copy(), weight.copy())
    modules = (softmax_kernels, sigmoid_kernels, softmax_loss_kernels)
    kernels = [v for m in modules for v in vars(m).values() if hasattr(v, "signatures")]
    before = [len(kernel.signatures) for kernel in kernels]
    call_all(z, y, weight)
    assert [len(kernel.signatures) for kernel in kernels] == before


# out=

WITH_OUT = {k: EVERYTHING[k] for k in ("softmax", "log_softmax", "sigmoid", "log_sigmoid")}
with_out = pytest.mark.parametrize("call", WITH_OUT.values(), ids=WITH_OUT.keys())


@with_out
def test_out_takes_the_result(call, dtype, rng):
    z = rng.normal(size=(5, 3)).astype(dtype)
    out = np.full_like(z, np.nan)
    assert call(z, out=out) is out
    np.testing.assert_array_equal(out, call(z))


@with_out
@pytest.mark.parametrize("K", [3, 25])
@pytest.mark.parametrize("shift", [-26, -4, -3, -1, 0, 1, 3, 4, 26])
def test_out_may_overlap_the_input(call, K, shift, dtype, rng):
    n = 70
    buffer = rng.normal(size=n * K + 52).astype(dtype)
    z = buffer[26:-26].reshape(n, K)
    out = buffer[26 + shift : 26 + shift + n * K].reshape(n, K)
    expected = call(z.copy())
    np.testing.assert_array_equal(call(z, out=out), expected)


@pytest.mark.parametrize(
    "call",
    [
        *WITH_OUT.values(),
        lambda z, out: F.cross_entropy_with_grad(z, [0, 1], out=out),
        lambda z, out: F.cross_entropy_with_grad(z, z, out=out),
        lambda z, out: F.binary_cross_entropy_with_grad(z, z, out=out),
        lambda z, out: F.distillation_loss_with_grad(z, z, out=out),
    ],
    ids=[*WITH_OUT, "hard", "soft", "binary", "distilled"],
)
@pytest.mark.parametrize(
    "out, message",
    [
        (np.empty((3, 2)), "out must have shape"),
        (np.empty(4), "out must have shape"),
        (np.empty((2, 2), np.float32), "out must have shape .* dtype float64"),
        (np.empty((2, 2), np.int64), "out must have .* dtype float64"),
        (np.empty((2, 2), ">f8"), "out must have .* dtype float64"),
        (np.empty((2, 2), order="F"), "out must be C-contiguous"),
        (np.empty((2, 4))[:, ::2], "out must be C-contiguous"),
        (read_only(np.empty((2, 2))), "out must be C-contiguous and writable"),
        ([[0.0, 0.0], [0.0, 0.0]], "out must be an array"),
    ],
)
def test_out_that_cannot_be_used_is_refused(call, out, message):
    with pytest.raises(InputError, match=message):
        call(np.zeros((2, 2)), out=out)


# Refusals

REFUSED = {
    "words": (F.softmax, (["a"],), "z must hold real numbers"),
    "objects": (F.sigmoid, ([None],), "z must hold real numbers"),
    "complex": (F.logsumexp, ([1j],), "z must hold real numbers"),
    "ragged": (F.softmax, ([[1], [1, 2]],), "z can't be converted to an array"),
    "a number": (F.softmax, (1.0,), "z must have shape"),
    "no classes": (F.hardmax, (np.empty((2, 0)),), "K >= 1"),
    "temperature 0": (F.softmax, ([0.0], 0), "temperature"),
    "temperature below": (F.log_softmax, ([0.0], -1.0), "temperature"),
    "temperature NaN": (F.logsumexp, ([0.0], np.nan), "temperature"),
    "temperature inf": (F.softmax, ([0.0], np.inf), "temperature"),
    "temperature tiny": (F.softmax, ([0.0], 1e-40), "temperature"),
    "temperature None": (F.softmax_jacobian, ([0.0], None), "temperature"),
    "temperature of words": (F.soften, ([1.0], "2"), "temperature"),
    "temperature array": (F.softmax, ([0.0], [1.0, 2.0]), "temperature"),
    "logit": (F.logit, ([0.5, 1.5],), r"p must lie in \[0, 1\], got 1.5 at index \(1,\)"),
    "logit NaN": (F.logit, ([np.nan],), "p must lie in"),
    "information": (F.information, ([-0.5],), "p must lie in"),
    "information base": (F.information, ([0.5], 1.0), "base"),
    "entropy": (F.entropy, ([0.5, -0.5],), r"p must not be negative or NaN, got -0.5"),
    "entropy base 1": (F.entropy, ([0.5, 0.5], 1), "base"),
    "entropy base 0": (F.entropy, ([0.5, 0.5], 0), "base"),
    "entropy base below": (F.entropy, ([0.5, 0.5], -2), "base"),
    "entropy base word": (F.entropy, ([0.5, 0.5], "e"), "base"),
    "soften negative": (F.soften, ([1.0, -1.0], 2), "p must not be negative"),
    "soften empty row": (F.soften, ([[1.0, 0.0], [0.0, 0.0]], 2), r"positive sum.* row \[1\]"),
    "smoothing": (F.smooth_labels, ([1.0], 1.5), "eps"),
    "smoothed": (F.smooth_labels, ([-1.0], 0.5), "y must not be negative"),
    "kl classes": (F.kl_divergence, ([0.5, 0.5], [1.0]), "p and q"),
    "kl rows": (F.kl_divergence, (np.ones((2, 3)), np.ones((4, 3))), "p and q"),
    "kl negative": (F.kl_divergence, ([0.5, 0.5], [1.0, -1.0]), "q must not be negative"),
    "ece shapes": (F.expected_calibration_error, ([0.5], [1, 0]), "p must have shape"),
    "ece empty": (F.expected_calibration_error, (np.empty(0), []), "n > 0"),
    "ece class": (F.expected_calibration_error, ([[0.5, 0.5]], [2]), "y must hold classes"),
    "ece floats": (F.expected_calibration_error, ([0.5], [1.0]), "y must hold integer"),
    "ece p": (F.expected_calibration_error, ([1.5], [1]), "p must lie in"),
    "ece no bins": (F.expected_calibration_error, ([0.5], [1], 0), "n_bins"),
    "ece half a bin": (F.expected_calibration_error, ([0.5], [1], 1.5), "n_bins"),
    "ece words": (F.expected_calibration_error, ([0.5], [1], "ten"), "n_bins"),
}


@pytest.mark.parametrize("call, arguments, message", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_used_is_refused_by_name(call, arguments, message):
    with pytest.raises(InputError, match=message):
        call(*arguments)


# Threads


def everything_large(dtype):
    rng = np.random.default_rng(5)
    results = []
    for n, K in ((30_011, 7), (4_001, 50)):
        z = rng.normal(size=(n, K)).astype(dtype) * 4
        q = F.softmax(z[::-1])
        y = rng.integers(0, K, n)
        results += [q, F.log_softmax(z), F.logsumexp(z), F.sigmoid(z), F.log_sigmoid(z)]
        results += F.cross_entropy_with_grad(z, y, label_smoothing=0.1)
        results += F.cross_entropy_with_grad(z, q)
        results += F.binary_cross_entropy_with_grad(z, q)
        results += F.distillation_loss_with_grad(z, q, y=y, hard_weight=0.3)
    return b"".join(np.asarray(r).tobytes() for r in results)


def test_any_number_of_threads_gives_the_same_bits(dtype, monkeypatch):
    seen = set()
    for cpus in (1, 2, 3, 8):
        monkeypatch.setattr(threads, "available_cpus", lambda cpus=cpus: cpus)
        seen.add(everything_large(dtype))
    assert len(seen) == 1
    results = []
    callers = [
        threading.Thread(target=lambda: results.append(everything_large(dtype))) for _ in range(2)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == 2 and seen == set(results)

"""The losses of functional and their kernels: laws, oracles, and torch's meaning of the options."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import LONG
from strategies import arrays, distributions, problems

from fastclf import functional as F
from fastclf.errors import InputError
from fastclf.kernels.loss import cross_entropy as softmax_kernels

SHAPES = [(n, K) for K in (1, 2, 3, 16, 19, 20, 21, 33, 100) for n in (1, 63, 64, 65)]
SHAPES += [(1000, 3), (1000, 20), (1000, 21), (1000, 100)]


@dataclass(frozen=True)
class Loss:
    """A loss with its options: the sum and gradient over all rows, and its oracle."""

    targets: str
    call: Callable  # (z, y) -> (sum of losses, gradient)
    oracle: Callable  # (z, y) -> (losses, gradient), in long double
    is_softmax: bool = True
    is_relative: bool = False  # whether each entry of the gradient is right relative to itself
    scale: float = 1.0  # of the gradient


def class_weights(K):
    return np.arange(1, K + 1) % 4 * 0.5


def ce(**options):
    return lambda z, y: F.cross_entropy_with_grad(z, y, reduction="sum", **options)


def weighted_ce(z, y, **options):
    return ce(weight=class_weights(z.shape[1]), **options)(z, y)


def ce_oracle(smoothing=0.0, temperature=1.0, weight=lambda K: np.ones(K)):
    def oracle(z, y):
        K = z.shape[1]
        q = oracles.one_hot(y, K) if y.ndim == 1 else y.astype(LONG)
        q = ((1 - LONG(smoothing)) * q + LONG(smoothing) / K) * weight(K)
        return oracles.cross_entropy(z, q, temperature)

    return oracle


def bce(**options):
    return lambda z, y: F.binary_cross_entropy_with_grad(z, y, reduction="sum", **options)


def teacher_of(z):
    return 3 * np.cos(np.arange(z.size)).astype(z.dtype).reshape(z.shape)


def distilled(temperature, hard_weight):
    def call(z, y):
        value, gradient = F.distillation_loss_with_grad(
            z, teacher_of(z), y=y, temperature=temperature, hard_weight=hard_weight
        )
        return value * len(z), gradient * z.dtype.type(len(z))

    return call


def distilled_oracle(temperature, hard_weight):
    def oracle(z, y):
        q = oracles.one_hot(y, z.shape[1]) if y.ndim == 1 else y
        return oracles.distilled(z, q, teacher_of(z), temperature, hard_weight)

    return oracle


LOSSES = {
    "hard": Loss("hard", ce(), ce_oracle(), is_relative=True),
    "hard_tempered": Loss(
        "hard", ce(temperature=2.5), ce_oracle(temperature=2.5), is_relative=True
    ),
    "hard_smoothed": Loss("hard", ce(label_smoothing=0.25), ce_oracle(0.25)),
    "hard_weighted": Loss("hard", weighted_ce, ce_oracle(weight=class_weights), is_relative=True),
    "hard_weighted_smoothed": Loss(
        "hard",
        lambda z, y: weighted_ce(z, y, label_smoothing=0.25),
        ce_oracle(0.25, weight=class_weights),
    ),
    "soft": Loss("soft", ce(), ce_oracle()),
    "soft_tempered": Loss("soft", ce(temperature=0.5), ce_oracle(temperature=0.5)),
    "soft_smoothed": Loss("soft", ce(label_smoothing=0.25), ce_oracle(0.25)),
    "soft_weighted": Loss("soft", weighted_ce, ce_oracle(weight=class_weights)),
    "distilled": Loss("hard", distilled(2.0, 0.0), distilled_oracle(2.0, 0.0), scale=2),
    "distilled_hard": Loss("hard", distilled(4.0, 0.25), distilled_oracle(4.0, 0.25), scale=4),
    "distilled_soft": Loss("soft", distilled(2.0, 0.75), distilled_oracle(2.0, 0.75)),
    "binary": Loss("unit", bce(), oracles.binary_cross_entropy, is_softmax=False),
    "binary_pos_weight": Loss(
        "unit",
        bce(pos_weight=2.5),
        lambda z, y: oracles.binary_cross_entropy(z, y, 2.5),
        is_softmax=False,
    ),
}

every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
softmax_losses = pytest.mark.parametrize(
    "loss", [v for v in LOSSES.values() if v.is_softmax], ids=[k for k in LOSSES if "bin" not in k]
)


def random_problem(rng, targets, n, K, dtype, scale=5.0):
    z = (rng.normal(size=(n, K)) * scale).astype(dtype)
    if targets == "hard":
        return z, rng.integers(0, K, n)
    return z, (rng.uniform(size=(n, K)) * (rng.uniform(size=(n, K)) > 0.3)).astype(dtype)


# Laws


@every_loss
@given(data=st.data())
def test_gradient_is_that_of_the_value(loss, data):
    z, y = data.draw(problems(loss.targets, bound=10))
    value, gradient = loss.call(z, y)
    expected = oracles.differences(lambda moved: loss.call(moved, y)[0], z)
    np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-9 * (1 + abs(value)))


@every_loss
@given(data=st.data(), large=st.sampled_from([10.0, 1000.0]))
def test_small_problems_match_the_oracle(loss, dtype, data, large):
    z, y = data.draw(problems(loss.targets, bound=large))
    check_against_oracle(loss, z.astype(dtype), y if y.ndim == 1 else y.astype(dtype))


@every_loss
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_that_no_block_divides(loss, shape, dtype, rng):
    check_against_oracle(loss, *random_problem(rng, loss.targets, *shape, dtype))


def check_against_oracle(loss, z, y):
    value, gradient = loss.call(z, y)
    losses, exact = loss.oracle(z, y)
    eps = np.finfo(z.dtype).eps
    spread = 2 + np.ptp(z, axis=1, keepdims=True)
    tiny = 8 * np.finfo(z.dtype).smallest_subnormal
    total = float(losses.sum())
    assert gradient.dtype == z.dtype
    assert abs(value - total) <= 4 * eps * spread.max() * total + tiny * z.size
    size = (
        np.abs(exact)
        if loss.is_relative
        else 1 + (y.sum(axis=1, keepdims=True) if y.ndim == 2 else 0)
    )
    assert (np.abs(gradient - exact) <= 8 * eps * spread * size * loss.scale + tiny).all()


@softmax_losses
@given(data=st.data())
def test_softmax_gradient_rows_sum_to_zero(loss, dtype, data):
    z, y = data.draw(problems(loss.targets))
    _, gradient = loss.call(z.astype(dtype), y if y.ndim == 1 else y.astype(dtype))
    size = np.abs(gradient).sum(axis=1) + 1
    tolerance = 4 * gradient.shape[1] * np.finfo(dtype).eps * size
    assert (np.abs(gradient.sum(axis=1)) <= tolerance).all()


@softmax_losses
@given(data=st.data(), shift=st.integers(-1000, 1000))
def test_a_shift_of_a_row_changes_no_bit(loss, dtype, data, shift):
    z, y = data.draw(problems(loss.targets))
    z = z.astype(dtype)
    value, gradient = loss.call(z, y)
    shifted_value, shifted_gradient = loss.call(z + dtype(shift), y)
    assert value == shifted_value
    np.testing.assert_array_equal(gradient, shifted_gradient)


@given(problem=problems("unit"), pos_weight=st.sampled_from([1.0, 3.0]))
def test_sigmoid_is_softmax_of_two_classes(problem, pos_weight, dtype):
    z, y = (a.reshape(-1).astype(dtype) for a in problem)
    value, gradient = F.binary_cross_entropy_with_grad(z, y, pos_weight=pos_weight)
    pair = np.stack([np.zeros_like(z), z], axis=1)
    targets = np.stack([1 - y, y], axis=1)
    expected, pair_gradient = F.cross_entropy_with_grad(pair, targets, weight=[1, pos_weight])
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(value, expected, rtol=8 * eps)
    np.testing.assert_allclose(gradient, pair_gradient[:, 1], rtol=8 * eps, atol=2 * eps)


@given(problem=problems("hard"), data=st.data())
def test_a_whole_class_weight_is_a_repeated_row(problem, data):
    z, y = problem
    K = z.shape[1]
    weight = np.array(data.draw(st.lists(st.integers(0, 3), min_size=K, max_size=K)))
    for reduction in ("sum", "mean"):
        value, gradient = F.cross_entropy_with_grad(z, y, weight=weight, reduction=reduction)
        repeated = np.repeat(np.arange(len(y)), weight[y])
        expected, rows = F.cross_entropy_with_grad(z[repeated], y[repeated], reduction=reduction)
        np.testing.assert_allclose(value, expected, rtol=1e-13)
        added = np.zeros_like(z)
        np.add.at(added, repeated, rows)
        np.testing.assert_allclose(gradient, added, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("K", [3, 25])
@pytest.mark.parametrize("kind", ["hard", "soft", "distilled"])
def test_row_weights_of_the_kernels_repeat_and_remove_rows(kind, K, dtype, rng):
    n = 150
    z, y = random_problem(rng, "hard", n, K, dtype)
    q = F.softmax(rng.normal(size=(n, K)).astype(dtype))
    weights = rng.integers(0, 4, n)
    repeated = np.repeat(np.arange(n), weights)

    def run(rows, row_weights):
        g = np.empty((len(rows), K), dtype)
        zr, yr, qr = z[rows], y[rows], q[rows]
        if kind == "hard":
            value = softmax_kernels.hard(
                zr, yr, row_weights, 0.5, 1.0, 0, len(rows), g, np.empty(0)
            )
        elif kind == "soft":
            value = softmax_kernels.soft(
                zr, qr, row_weights, 0.5, 2.0, 0, len(rows), g, np.empty(0), False
            )
        else:
            value = softmax_kernels.distilled(
                zr, yr, np.empty((0, K), dtype), qr, row_weights, 0.5, 2.0, 0.3,
                0, len(rows), g,
            )  # fmt: skip
        return value, g

    value, gradient = run(np.arange(n), weights.astype(dtype))
    expected, rows = run(repeated, np.ones(1, dtype))
    added = np.zeros_like(z)
    np.add.at(added, repeated, rows)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(value, expected, rtol=8 * eps)
    np.testing.assert_allclose(gradient, added, rtol=20 * eps, atol=4 * eps)
    assert not gradient[weights == 0].any()


@given(problem=problems("unit"), data=st.data())
def test_a_whole_entry_weight_is_a_repeated_entry(problem, data):
    z, y = (a.reshape(-1) for a in problem)
    weight = np.array(data.draw(st.lists(st.integers(0, 3), min_size=z.size, max_size=z.size)))
    value, gradient = F.binary_cross_entropy_with_grad(z, y, weight=weight, reduction="sum")
    repeated = np.repeat(np.arange(z.size), weight)
    expected, entries = F.binary_cross_entropy_with_grad(z[repeated], y[repeated], reduction="sum")
    added = np.zeros_like(z)
    np.add.at(added, repeated, entries)
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    np.testing.assert_allclose(gradient, added, rtol=1e-13)


@given(problem=problems("soft"), data=st.data())
def test_distillation_at_its_ends_is_cross_entropy(problem, dtype, data):
    z, teacher = (a.astype(dtype) for a in problem)
    y = np.array([data.draw(st.integers(0, z.shape[1] - 1)) for _ in z])
    eps = np.finfo(dtype).eps
    for a, targets in ((0.0, F.softmax(teacher)), (1.0, y)):
        value, gradient = F.distillation_loss_with_grad(
            z, teacher, y=y, temperature=1.0, hard_weight=a
        )
        expected, expected_gradient = F.cross_entropy_with_grad(z, targets)
        np.testing.assert_allclose(value, expected, rtol=4 * eps, atol=4 * eps)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=4 * eps, atol=eps)


@given(p=distributions(), data=st.data())
def test_cross_entropy_is_entropy_plus_divergence(p, data):
    z = data.draw(arrays(p.shape, -20, 20))
    expected = F.entropy(p) + F.kl_divergence(p, F.softmax(z))
    np.testing.assert_allclose(F.cross_entropy(z, p, reduction="none"), expected, atol=1e-12)


@given(p=distributions(), data=st.data())
def test_divergence_has_the_gradient_of_the_cross_entropy(p, data):
    z = data.draw(arrays(p.shape, -5, 5))
    _, gradient = F.cross_entropy_with_grad(z, p, reduction="sum")
    expected = oracles.differences(lambda moved: F.kl_divergence(p, F.softmax(moved)).sum(), z)
    np.testing.assert_allclose(gradient, expected, atol=1e-10)
    np.testing.assert_allclose(gradient, F.softmax(z) - p, atol=1e-14)


@given(p=distributions())
def test_the_gradient_vanishes_at_a_matching_teacher(p):
    with np.errstate(divide="ignore"):
        logits = np.maximum(np.log(p), -700)
    _, gradient = F.distillation_loss_with_grad(logits, logits, temperature=3.0)
    np.testing.assert_allclose(gradient, 0, atol=1e-15)


@given(problem=problems("unit"))
def test_probabilities_give_what_their_logits_give(problem):
    z, y = problem
    expected = F.binary_cross_entropy(z, y)
    np.testing.assert_allclose(
        F.binary_cross_entropy(F.sigmoid(z), y, from_logits=False), expected, rtol=1e-6, atol=1e-12
    )
    q = F.softmax(y)
    np.testing.assert_allclose(
        F.cross_entropy(F.softmax(z), q, from_logits=False), F.cross_entropy(z, q), rtol=1e-12
    )


# Extreme logits

LARGE = {np.float32: 1e4, np.float64: 1e300}


@every_loss
@pytest.mark.parametrize("K", [1, 2, 3, 25])
def test_large_logits_stay_finite(loss, K, dtype, rng):
    z, y = random_problem(rng, loss.targets, 80, K, dtype)
    z = np.sign(z) * dtype(LARGE[dtype])
    value, gradient = loss.call(z, y)
    assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.parametrize("K", [2, 3, 20, 21, 50])
@pytest.mark.parametrize("targets", ["hard", "soft"])
def test_a_saturated_row_keeps_its_tiny_loss_and_gradient(K, targets, dtype):
    z = np.zeros((65, K), dtype)
    z[:, K - 1] = 70
    y = np.full(65, K - 1) if targets == "hard" else oracles.one_hot(np.full(65, K - 1), K)
    value, gradient = F.cross_entropy_with_grad(z, y.astype(int if targets == "hard" else dtype))
    rest = (K - 1) * np.exp(-70.0)
    np.testing.assert_allclose(value, rest, rtol=1e-4)
    np.testing.assert_allclose(gradient[:, -1] * 65, -rest, rtol=1e-4)
    np.testing.assert_allclose(gradient[:, -1], -gradient[:, :-1].sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("K", [3, 25])
def test_ties_for_the_maximum_count_once_each(K, dtype):
    z = np.full((2, K), -200, dtype)
    z[:, :2] = 1e3
    value, gradient = F.cross_entropy_with_grad(z, [0, 1], reduction="none")
    np.testing.assert_allclose(value, np.log(2), rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(gradient[:, :2], [[-0.5, 0.5], [0.5, -0.5]])


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("size", [1e2, 1e4, 1e9, 1e20])
def test_sigmoid_loss_and_gradient_are_exact_when_saturated(sign, size, dtype):
    x = np.array([sign * size], dtype)
    for y in (0, 1):
        value, gradient = F.binary_cross_entropy_with_grad(x, [y])
        wrong = (sign > 0) != bool(y)
        with np.errstate(under="ignore"):
            small = np.exp(-LONG(size))
        expected = float(x[0]) * sign if wrong else float(small.astype(dtype))
        assert value == pytest.approx(expected, rel=1e-5)
        exact = (1 - 2 * y) * (1 if wrong else small.astype(dtype))
        assert gradient[0] == pytest.approx(float(exact), rel=1e-5, abs=0)


@pytest.mark.parametrize("K", [3, 25])
def test_minus_infinity_is_a_class_that_is_ruled_out(K, dtype):
    z = np.zeros((2, K), dtype)
    z[:, 1] = -np.inf
    q = np.zeros((2, K), dtype)
    q[:, 0] = 1
    for y in (np.zeros(2, int), q):
        value, gradient = F.cross_entropy_with_grad(z, y, reduction="none")
        np.testing.assert_allclose(value, np.log(K - 1), rtol=4 * np.finfo(dtype).eps)
        assert (gradient[:, 1] == 0).all() and np.isfinite(gradient).all()
    q[:] = 0
    q[:, 1] = np.finfo(dtype).smallest_subnormal
    for y in (np.ones(2, int), q):
        value, gradient = F.cross_entropy_with_grad(z, y, reduction="none")
        assert (value == np.inf).all() and np.isfinite(gradient).all()
    value, _ = F.cross_entropy_with_grad(z, [0, 0], label_smoothing=0.1)
    assert value == np.inf
    value, _ = F.cross_entropy_with_grad(z, [1, 1], label_smoothing=1.0)
    assert value == np.inf


@pytest.mark.parametrize(
    "bad", [[np.nan, 0], [np.inf, 0], [0, np.inf], [-np.inf, -np.inf]], ids=str
)
@pytest.mark.parametrize("y", [0, 1])
def test_undefined_rows_of_two_classes_are_nan(bad, y, dtype):
    z = np.array([[1, 2], bad, [3, -1]], dtype)
    value, gradient = F.cross_entropy_with_grad(z, [0, y, 1], reduction="none")
    assert np.isnan(value).tolist() == [False, True, False]
    assert np.isnan(gradient).all(axis=1).tolist() == [False, True, False]


@pytest.mark.parametrize("bad", [[np.nan, 0, 0], [np.inf, 0, 0], [-np.inf] * 3], ids=str)
@pytest.mark.parametrize("K", [3, 25])
def test_undefined_rows_are_nan_and_touch_no_other_row(bad, K, dtype):
    z = np.zeros((3, K), dtype)
    z[1] = -np.inf
    z[1, :3] = bad
    for y in (np.zeros(3, int), np.full((3, K), 1 / K, dtype)):
        value, gradient = F.cross_entropy_with_grad(z, y, reduction="none")
        assert np.isnan(value).tolist() == [False, True, False]
        assert np.isnan(gradient[1]).all() and np.isfinite(gradient[[0, 2]]).all()


def test_nan_logits_of_the_sigmoid_stay_nan(dtype):
    value, gradient = F.binary_cross_entropy_with_grad(
        np.array([0, np.nan], dtype), [1, 1], reduction="none"
    )
    assert np.isnan(value).tolist() == np.isnan(gradient).tolist() == [False, True]


# The meaning of the options is torch's

TORCH_OPTIONS = [
    {"label_smoothing": smoothing, "reduction": reduction, "weight": weight}
    for smoothing in (0.0, 0.2)
    for reduction in ("mean", "sum", "none")
    for weight in (None, np.array([0.5, 0.0, 2.0, 1.0]))
]


@pytest.mark.parametrize("options", TORCH_OPTIONS, ids=str)
@pytest.mark.parametrize("targets", ["hard", "ignored", "soft", "distribution"])
def test_options_mean_what_they_mean_in_torch(options, targets, rng):
    z, y = random_problem(rng, "soft" if targets == "soft" else "hard", 30, 4, float)
    if targets == "ignored":
        y[::3] = -100
    if targets == "distribution":
        y = F.softmax(rng.normal(size=z.shape))
    expected = oracles.torch_cross_entropy(z, y, **options).astype(float)
    value, gradient = F.cross_entropy_with_grad(z, y, **options)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_array_equal(F.cross_entropy(z, y, **options), value)

    def total(moved):
        return oracles.torch_cross_entropy(moved, y, **options).sum().astype(float)

    np.testing.assert_allclose(gradient[:4], oracles.differences(total, z)[:4], atol=1e-9)


@pytest.mark.parametrize("ignore_index", [-100, 0, 2, 7, -1])
def test_ignored_rows_leave_numerator_and_denominator(ignore_index, dtype, rng):
    z, y = random_problem(rng, "hard", 90, 3, dtype)
    y[::4] = ignore_index
    kept = y != ignore_index
    for options in ({}, {"label_smoothing": 0.3}, {"label_smoothing": 0.3, "weight": [1, 2, 3]}):
        value, gradient = F.cross_entropy_with_grad(z, y, ignore_index=ignore_index, **options)
        expected, rows = F.cross_entropy_with_grad(z[kept], y[kept], **options)
        assert value == pytest.approx(expected, rel=4 * float(np.finfo(dtype).eps))
        np.testing.assert_allclose(gradient[kept], rows, rtol=1e-5, atol=np.finfo(dtype).eps)
        assert not gradient[~kept].any()
        each = F.cross_entropy(z, y, ignore_index=ignore_index, reduction="none", **options)
        assert not each[~kept].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("K", [3, 25])
@pytest.mark.parametrize(
    "options", [{}, {"label_smoothing": 0.1}, {"label_smoothing": 0.1, "weight": 1}], ids=str
)
def test_what_an_ignored_row_holds_does_not_matter(bad, K, options, dtype):
    if "weight" in options:
        options = {**options, "weight": np.ones(K)}
    z = np.zeros((3, K), dtype)
    z[1, 0] = bad
    value, gradient = F.cross_entropy_with_grad(z, [0, -100, 2], **options)
    assert value == pytest.approx(np.log(K), rel=1e-6)
    assert np.isfinite(gradient).all() and not gradient[1].any()


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": [1, 2]}], ids=str)
def test_the_mean_of_no_rows_is_nan_and_its_gradient_zero(options):
    value, gradient = F.cross_entropy_with_grad(np.zeros((3, 2)), [-100] * 3, **options)
    assert np.isnan(value) and not gradient.any()
    assert F.cross_entropy(np.zeros((3, 2)), [-100] * 3, reduction="sum", **options) == 0


def test_the_mean_over_nothing_is_nan():
    empty = np.empty((0, 3))
    assert np.isnan(F.cross_entropy(empty, np.empty(0, int)))
    assert np.isnan(F.cross_entropy(empty, empty))
    assert np.isnan(F.binary_cross_entropy(empty, empty))
    assert np.isnan(F.distillation_loss_with_grad(empty, empty)[0])
    assert F.cross_entropy(empty, empty, reduction="sum") == 0
    assert F.binary_cross_entropy(empty, empty, reduction="none").shape == (0, 3)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary_options_mean_what_they_mean_in_torch(reduction, smoothing, dtype, rng):
    z, y = random_problem(rng, "unit", 40, 3, dtype)
    weight = rng.uniform(size=(40, 1))
    pos_weight = np.array([1.0, 0.5, 3.0])
    value, gradient = F.binary_cross_entropy_with_grad(
        z, y, weight=weight, pos_weight=pos_weight, label_smoothing=smoothing, reduction=reduction
    )
    targets = (1 - smoothing) * y.astype(float) + smoothing / 2
    losses, exact = oracles.binary_cross_entropy(z, targets, pos_weight)
    reduce = {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction]
    eps = np.finfo(dtype).eps
    expected = reduce(weight * losses).astype(float)
    np.testing.assert_allclose(value, expected, rtol=40 * eps, atol=40 * eps)
    exact = weight * exact / (z.size if reduction == "mean" else 1)
    np.testing.assert_allclose(gradient, exact.astype(float), rtol=40 * eps, atol=4 * eps)


def test_values_are_floats_and_arrays_keep_their_dtype(dtype):
    z = np.zeros((4, 3), dtype)
    for y in (np.zeros(4, int), z):
        for call in (F.cross_entropy, F.binary_cross_entropy):
            if call is F.cross_entropy or y.ndim == 2:
                assert type(call(z, y)) is float
                assert call(z, y, reduction="none").dtype == dtype
    value, gradient = F.distillation_loss_with_grad(z, z)
    assert type(value) is float and gradient.dtype == dtype


def test_the_distillation_mean_divides_by_rows_alone():
    z = np.zeros((5, 4))
    value, _ = F.distillation_loss_with_grad(z, z, temperature=1.0)
    assert value == pytest.approx(np.log(4))


def test_temperature_divides_the_logits_and_brings_no_square(rng):
    z, y = random_problem(rng, "hard", 10, 3, float)
    assert F.cross_entropy(z, y, temperature=4.0) == pytest.approx(F.cross_entropy(z / 4, y))


@pytest.mark.parametrize("dimensions", [(), (5,), (2, 3), (2, 2, 2)])
def test_leading_dimensions_are_rows(dimensions, rng):
    z = rng.normal(size=(*dimensions, 4))
    y = rng.integers(0, 4, dimensions)
    q = F.softmax(rng.normal(size=z.shape))
    flat = z.reshape(-1, 4)
    for targets, rows in ((y, y.reshape(-1)), (q, q.reshape(-1, 4))):
        value, gradient = F.cross_entropy_with_grad(z, targets)
        expected, expected_gradient = F.cross_entropy_with_grad(flat, rows)
        assert value == expected
        np.testing.assert_array_equal(gradient, expected_gradient.reshape(z.shape))
        assert F.cross_entropy(z, targets, reduction="none").shape == dimensions
        value, gradient = F.distillation_loss_with_grad(z, q, y=targets, hard_weight=0.5)
        assert gradient.shape == z.shape


# Refusals

Z = np.zeros((3, 2))

REFUSED = {
    "ignore_index with distributions": (
        F.cross_entropy,
        (Z, Z),
        {"ignore_index": 0},
        "ignore_index",
    ),
    "class too large": (F.cross_entropy, (Z, [0, 1, 2]), {}, "y must hold classes 0 to 1.*row 2"),
    "class negative": (F.cross_entropy, (Z, [0, -1, 0]), {}, "y must hold classes.*-1 at row 1"),
    "float classes": (F.cross_entropy, (Z, [0.0, 1.0, 1.0]), {}, "y .*integer"),
    "y of the wrong shape": (F.cross_entropy, (Z, [0, 1]), {}, r"y must have shape \(3,\)"),
    "y as strings": (F.cross_entropy, (Z, ["a", "b", "c"]), {}, "y .*integer classes"),
    "negative target": (F.cross_entropy, (Z, Z - 1), {}, "y must not be negative"),
    "NaN target": (F.cross_entropy, (Z, Z * np.nan), {}, "y must not be negative or NaN"),
    "weight of wrong length": (
        F.cross_entropy,
        (Z, [0] * 3),
        {"weight": [1]},
        "weight must hold 2",
    ),
    "negative weight": (F.cross_entropy, (Z, [0] * 3), {"weight": [1, -1]}, "weight"),
    "NaN weight": (F.cross_entropy, (Z, [0] * 3), {"weight": [1, np.nan]}, "weight"),
    "weight of words": (F.cross_entropy, (Z, [0] * 3), {"weight": ["a", "b"]}, "weight"),
    "ragged weight": (F.cross_entropy, (Z, [0] * 3), {"weight": [1, [2]]}, "weight"),
    "smoothing above 1": (F.cross_entropy, (Z, [0] * 3), {"label_smoothing": 2}, "label_smoothing"),
    "smoothing None": (F.cross_entropy, (Z, [0] * 3), {"label_smoothing": None}, "label_smoothing"),
    "temperature 0": (F.cross_entropy, (Z, [0] * 3), {"temperature": 0}, "temperature"),
    "reduction": (F.cross_entropy, (Z, [0] * 3), {"reduction": "batchmean"}, "reduction"),
    "ragged logits": (F.cross_entropy, ([[0, 1], [1]], [0, 0]), {}, "logits"),
    "logits of words": (F.cross_entropy, ([["a", "b"]], [0]), {}, "logits"),
    "complex logits": (F.cross_entropy, (Z * 1j, [0] * 3), {}, "logits"),
    "scalar logits": (F.cross_entropy, (1.0, 0), {}, "logits"),
    "no classes": (F.cross_entropy, (np.empty((3, 0)), [0] * 3), {}, "logits"),
    "not probabilities": (F.cross_entropy, (Z + 2, [0] * 3), {"from_logits": False}, "logits"),
    "rows that sum to 0": (F.cross_entropy, (Z, [0] * 3), {"from_logits": False}, "sum to 1"),
    "a lone probability": (F.cross_entropy, (0.5, 0), {"from_logits": False}, "logits"),
    "binary shapes": (F.binary_cross_entropy, (Z, [0, 1]), {}, r"y must have the shape \(3, 2\)"),
    "binary target": (F.binary_cross_entropy, (Z, Z + 2), {}, r"y must lie in \[0, 1\]"),
    "binary NaN target": (F.binary_cross_entropy, (Z, Z * np.nan), {}, "y must lie in"),
    "binary weight": (F.binary_cross_entropy, (Z, Z), {"weight": [1, 2, 3]}, "weight of shape"),
    "binary negative weight": (F.binary_cross_entropy, (Z, Z), {"weight": -1}, "weight must not"),
    "binary larger weight": (
        F.binary_cross_entropy,
        (Z, Z),
        {"weight": np.ones((2, 3, 2))},
        "weight",
    ),
    "pos_weight": (F.binary_cross_entropy, (Z, Z), {"pos_weight": [-1, 1]}, "pos_weight"),
    "pos_weight of words": (F.binary_cross_entropy, (Z, Z), {"pos_weight": "a"}, "pos_weight"),
    "binary reduction": (F.binary_cross_entropy, (Z, Z), {"reduction": None}, "reduction"),
    "binary smoothing": (
        F.binary_cross_entropy,
        (Z, Z),
        {"label_smoothing": -0.1},
        "label_smoothing",
    ),
    "binary probabilities": (F.binary_cross_entropy, (Z - 1, Z), {"from_logits": False}, "logits"),
    "teacher shape": (F.distillation_loss_with_grad, (Z, Z[:2]), {}, "teacher_logits"),
    "teacher words": (F.distillation_loss_with_grad, (Z, "a"), {}, "teacher_logits"),
    "y missing": (F.distillation_loss_with_grad, (Z, Z), {"hard_weight": 0.5}, "requires y"),
    "distilled y": (
        F.distillation_loss_with_grad,
        (Z, Z),
        {"hard_weight": 0.5, "y": [0.5] * 3},
        "y must hold",
    ),
    "distilled class": (
        F.distillation_loss_with_grad,
        (Z, Z),
        {"hard_weight": 0.5, "y": [2] * 3},
        "y must hold",
    ),
    "hard_weight": (F.distillation_loss_with_grad, (Z, Z), {"hard_weight": 1.5}, "hard_weight"),
    "distilled temperature": (
        F.distillation_loss_with_grad,
        (Z, Z),
        {"temperature": np.nan},
        "temperature",
    ),
}


@pytest.mark.parametrize("call, arguments, options, message", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_used_is_refused_by_name(call, arguments, options, message):
    with pytest.raises(InputError, match=message):
        call(*arguments, **options)


GRADIENTS = {
    "hard": lambda z, out: F.cross_entropy_with_grad(z, [0, 1, 1], out=out),
    "soft": lambda z, out: F.cross_entropy_with_grad(z, Z, out=out),
    "binary": lambda z, out: F.binary_cross_entropy_with_grad(z, Z, out=out),
    "distilled": lambda z, out: F.distillation_loss_with_grad(z, Z, out=out),
}


@pytest.mark.parametrize("call", GRADIENTS.values(), ids=GRADIENTS.keys())
def test_out_takes_the_gradient(call, dtype):
    z = np.arange(6, dtype=dtype).reshape(3, 2)
    out = np.full_like(z, np.nan)
    value, gradient = call(z, out)
    expected, fresh = call(z, None)
    assert gradient is out and value == expected
    np.testing.assert_array_equal(out, fresh)


@pytest.mark.parametrize("call", GRADIENTS.values(), ids=GRADIENTS.keys())
def test_out_that_overlaps_the_logits_is_refused(call):
    buffer = np.zeros(8)
    z = buffer[:6].reshape(3, 2)
    for out in (z, buffer[2:].reshape(3, 2)):
        with pytest.raises(InputError, match="out must not share memory"):
            call(z, out)


def test_out_that_overlaps_the_targets_is_refused():
    buffer = np.zeros(8)
    y, out = buffer[:6].reshape(3, 2), buffer[2:].reshape(3, 2)
    for call in (F.cross_entropy_with_grad, F.binary_cross_entropy_with_grad):
        with pytest.raises(InputError, match="out must not share memory"):
            call(Z, y, out=out)


@pytest.mark.parametrize("K", [3, 21, 24, 30])
def test_the_place_in_memory_changes_no_bit(K, dtype, rng):
    # LLVM leaves a vectorised loop for a scalar one where the arrays lie close to each other.
    row = rng.normal(size=(1, K)).astype(dtype)
    targets = F.softmax(rng.normal(size=(1, K)).astype(dtype))
    results = set()
    for gap in range(100):
        buffer = np.zeros(2 * K + gap, dtype)
        z, out = buffer[:K].reshape(1, K), buffer[K + gap :].reshape(1, K)
        z[:] = row
        bits = [F.softmax(z, out=out).tobytes(), F.log_softmax(z, out=out).tobytes()]
        for y in ([1], targets):
            value, gradient = F.cross_entropy_with_grad(z, y, out=out)
            bits += [value, gradient.tobytes()]
        value, gradient = F.binary_cross_entropy_with_grad(z, targets, out=out)
        value2, gradient2 = F.distillation_loss_with_grad(z, targets, out=out)
        bits += [value, gradient.tobytes(), value2, gradient2.tobytes(), F.logsumexp(z).tobytes()]
        results.add(tuple(bits))
    assert len(results) == 1

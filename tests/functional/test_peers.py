"""functional in float64 agrees with SciPy, and with torch where it is installed, to 1e-12.

Relative to the result, or to the terms that it is a sum of where they cancel.
"""

import warnings

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from strategies import arrays, distributions, problems

from fastclf import functional as F

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch isn't installed")

TOLERANCE = 1e-12
EPS = np.finfo(np.float64).eps

temperatures = st.sampled_from([1.0, 0.25, 3.0])
reductions = st.sampled_from(["mean", "sum", "none"])
smoothings = st.sampled_from([0.0, 0.2])


def logits(bound=300.0):
    return problems("soft", bound=bound).map(lambda problem: problem[0])


def assert_close(actual, expected, terms=0.0):
    """Hold a result to a relative 1e-12, and to the rounding of terms that cancel in it."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    allowed = TOLERANCE * np.abs(expected) + 8 * EPS * np.asarray(terms)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    assert (same | (np.abs(actual - expected) <= allowed)).all(), (actual, expected)


# SciPy


@given(z=logits(), temperature=temperatures)
def test_softmax_and_its_logarithm_are_scipys(z, temperature):
    x = z / temperature
    assert_close(F.softmax(z, temperature), scipy.special.softmax(x, axis=-1))
    # SciPy takes the logarithm of 1 + the others, which has lost what is small in them.
    assert_close(F.log_softmax(z, temperature), scipy.special.log_softmax(x, axis=-1), terms=1)
    largest = np.abs(x).max(axis=-1)
    assert_close(F.logsumexp(z, temperature), scipy.special.logsumexp(x, axis=-1), terms=largest)


@given(z=logits(), temperature=temperatures)
def test_the_jacobian_is_that_of_scipys_softmax(z, temperature):
    p = scipy.special.softmax(z / temperature, axis=-1)
    expected = (p[:, :, None] * np.eye(z.shape[1]) - p[:, :, None] * p[:, None, :]) / temperature
    cancelling = p[:, :, None] * np.eye(z.shape[1]) / temperature
    assert_close(F.softmax_jacobian(z, temperature), expected, terms=cancelling)


@given(z=arrays((8,), -700, 700))
def test_sigmoids_are_scipys(z):
    assert_close(F.sigmoid(z), scipy.special.expit(z))
    assert_close(F.log_sigmoid(z), scipy.special.log_expit(z))
    assert_close(F.sigmoid_derivative(z), scipy.stats.logistic.pdf(z))
    p = scipy.special.expit(z / 100)
    assert_close(F.logit(p), scipy.stats.logistic.ppf(p), terms=1)


@given(p=distributions(), data=st.data(), base=st.sampled_from([2.0, np.e, 10.0]))
def test_measures_are_scipys(p, data, base):
    q = scipy.special.softmax(data.draw(arrays(p.shape, -30, 30)), axis=-1)
    assert_close(F.entropy(p, base), scipy.stats.entropy(p, base=base, axis=-1), terms=1)
    terms = scipy.special.rel_entr(p, q)
    assert_close(F.kl_divergence(p, q), terms.sum(axis=-1), terms=np.abs(terms).sum(axis=-1))
    # kl_div adds q - p to each term, so that none is negative and nothing cancels.
    exact = scipy.special.kl_div(p, q).sum(axis=-1)
    assert_close(F.kl_divergence(p, q), exact, terms=np.abs(terms).sum(axis=-1))
    assert_close(F.information(q, base), scipy.special.entr(q) / q / np.log(base))


@given(problem=problems("unit", bound=700))
def test_binary_losses_are_made_of_scipys_terms(problem):
    z, y = problem
    terms = -scipy.special.xlogy(y, 1.0) - y * scipy.special.log_expit(z)
    terms = terms - (1 - y) * scipy.special.log_expit(-z)
    assert_close(F.binary_cross_entropy(z, y, reduction="none"), terms)
    assert_close(F.binary_cross_entropy(z, y), terms.mean())
    gradient = F.binary_cross_entropy_with_grad(z, y, reduction="none")[1]
    up, down = (1 - y) * scipy.special.expit(z), y * scipy.special.expit(-z)
    assert_close(gradient, up - down, terms=up + down)


@given(problem=problems("soft", bound=300), temperature=temperatures)
def test_softmax_losses_are_made_of_scipys_terms(problem, temperature):
    z, y = problem
    log_p = scipy.special.log_softmax(z / temperature, axis=-1)
    mass = y.sum(axis=-1)
    losses, gradient = F.cross_entropy_with_grad(z, y, temperature=temperature, reduction="none")
    assert_close(losses, -(y * log_p).sum(axis=-1), terms=mass)
    p = mass[:, None] * scipy.special.softmax(z / temperature, axis=-1)
    assert_close(gradient, (p - y) / temperature, terms=(p + y) / temperature)


# torch


def tensor(a):
    return torch.from_numpy(np.ascontiguousarray(a)).requires_grad_()


def with_grad(loss, z):
    """Return the value of a torch loss and the gradient of its sum."""
    leaf = tensor(z)
    value = loss(leaf)
    value.sum().backward()
    return value.detach().numpy(), leaf.grad.numpy()


@needs_torch
@given(z=logits(), temperature=temperatures)
def test_softmax_and_its_relatives_are_torchs(z, temperature):
    x = torch.from_numpy(z) / temperature
    assert_close(F.softmax(z, temperature), torch.softmax(x, -1).numpy())
    assert_close(F.log_softmax(z, temperature), torch.log_softmax(x, -1).numpy(), terms=1)
    largest = np.abs(x.numpy()).max(axis=-1)
    assert_close(F.logsumexp(z, temperature), torch.logsumexp(x, -1).numpy(), terms=largest)
    flat = z.reshape(-1)
    assert_close(F.sigmoid(flat), torch.sigmoid(torch.from_numpy(flat)).numpy())
    logarithms = torch.nn.functional.logsigmoid(torch.from_numpy(flat)).numpy()
    assert_close(F.log_sigmoid(flat), logarithms)
    p = F.sigmoid(flat / 20)
    assert_close(F.logit(p), torch.logit(torch.from_numpy(p)).numpy(), terms=1)


@needs_torch
@given(z=logits(bound=30), temperature=temperatures)
def test_derivatives_are_torchs(z, temperature):
    row = torch.from_numpy(z[0])
    expected = torch.autograd.functional.jacobian(lambda r: torch.softmax(r / temperature, 0), row)
    assert_close(F.softmax_jacobian(z[0], temperature), expected.numpy(), terms=1 / temperature)
    _, slopes = with_grad(torch.sigmoid, z)
    assert_close(F.sigmoid_derivative(z), slopes, terms=1)


@needs_torch
@given(p=distributions(), data=st.data())
def test_divergence_is_torchs(p, data):
    z = data.draw(arrays(p.shape, -30, 30))
    log_q = torch.log_softmax(torch.from_numpy(z), -1)
    terms = torch.nn.functional.kl_div(log_q, torch.from_numpy(p), reduction="none").numpy()
    q = torch.exp(log_q).numpy()
    # Rounding of q changes its logarithm by up to half a unit of 1, also where that is near 0.
    size = np.abs(scipy.special.xlogy(p, p)) + np.abs(p * log_q.numpy()) + p
    assert_close(F.kl_divergence(p, q), terms.sum(axis=-1), terms=size.sum(axis=-1))


@needs_torch
@given(data=st.data(), reduction=reductions, smoothing=smoothings, weighted=st.booleans())
@pytest.mark.parametrize("kind", ["hard", "ignored", "soft"])
def test_softmax_losses_and_gradients_are_torchs(kind, data, reduction, smoothing, weighted):
    z, y = data.draw(problems("soft" if kind == "soft" else "hard", bound=100))
    K = z.shape[1]
    if kind == "ignored":
        y = np.where(data.draw(st.integers(0, 1)) + np.arange(len(y)) > 1, -100, y)
    weight = np.arange(1.0, K + 1) / 2 if weighted else None
    options = {"reduction": reduction, "label_smoothing": smoothing}
    value, gradient = F.cross_entropy_with_grad(z, y, weight=weight, **options)

    def loss(leaf):
        of_class = None if weight is None else torch.from_numpy(weight)
        return torch.nn.functional.cross_entropy(
            leaf, torch.from_numpy(y), weight=of_class, **options
        )

    expected, expected_gradient = with_grad(loss, z)
    largest = (1 if weight is None else K / 2) * (max(1, y.sum()) if kind == "soft" else len(y))
    assert_close(value, expected, terms=largest)
    assert_close(gradient, expected_gradient, terms=largest)


@needs_torch
@given(problem=problems("unit", bound=700), data=st.data(), reduction=reductions)
def test_binary_losses_and_gradients_are_torchs(problem, data, reduction):
    z, y = problem
    pos_weight = data.draw(arrays((z.shape[1],), 0, 4))
    weight = data.draw(arrays(z.shape, 0, 2))
    value, gradient = F.binary_cross_entropy_with_grad(
        z, y, weight=weight, pos_weight=pos_weight, reduction=reduction
    )

    def loss(leaf):
        return torch.nn.functional.binary_cross_entropy_with_logits(
            leaf,
            torch.from_numpy(y),
            weight=torch.from_numpy(weight),
            pos_weight=torch.from_numpy(pos_weight),
            reduction=reduction,
        )

    expected, expected_gradient = with_grad(loss, z)
    # torch's σ - y cancels where σ is near y.
    assert_close(value, expected, terms=1)
    assert_close(gradient, expected_gradient, terms=10)


@needs_torch
@given(data=st.data(), temperature=temperatures, hard_weight=st.sampled_from([0.0, 0.3, 1.0]))
def test_distillation_is_torchs(data, temperature, hard_weight):
    z, y = data.draw(problems("hard", bound=50))
    teacher = data.draw(arrays(z.shape, -50, 50))
    value, gradient = F.distillation_loss_with_grad(
        z, teacher, y=y, temperature=temperature, hard_weight=hard_weight
    )

    def loss(leaf):
        q = torch.softmax(torch.from_numpy(teacher) / temperature, -1)
        hard = torch.nn.functional.cross_entropy(leaf, torch.from_numpy(y))
        soft = torch.nn.functional.cross_entropy(leaf / temperature, q)
        return hard_weight * hard + (1 - hard_weight) * temperature**2 * soft

    expected, expected_gradient = with_grad(loss, z)
    assert_close(value, expected, terms=1 + temperature**2)
    assert_close(gradient, expected_gradient, terms=1 + temperature)

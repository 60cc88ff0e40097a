"""Second derivatives of the losses in the logits, as solvers take them; against the oracles."""

import numpy as np
import oracles
import pytest
from oracles import LONG

from fastclf.losses import Distillation, Loss, Sigmoid, Softmax
from fastclf.targets import Target

N, K, M = 7, 3, 2
T, A = 2.5, 0.3
MIXTURE = Distillation(T, A)
POS_WEIGHT = np.array([0.5, 3.0])
LOSSES = {
    "softmax": Softmax(),
    "smoothed": Softmax(label_smoothing=0.2),
    "distilled": Softmax(distillation=MIXTURE),
    "sigmoid": Sigmoid(),
    "pos_weight": Sigmoid(POS_WEIGHT),
    "distilled sigmoid": Sigmoid(distillation=MIXTURE),
    "distilled sigmoid with pos_weight": Sigmoid(POS_WEIGHT, MIXTURE),
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
softmax_losses = pytest.mark.parametrize("loss", list(LOSSES.values())[:3], ids=list(LOSSES)[:3])
sigmoid_losses = pytest.mark.parametrize("loss", list(LOSSES.values())[3:], ids=list(LOSSES)[3:])


def make(loss: Loss, dtype: type = np.float64) -> tuple[np.ndarray, Target]:
    """Logits of M problems, one column each for a sigmoid, and targets."""
    rng = np.random.default_rng(3)
    weights = rng.uniform(0.5, 2, (1, N))  # of the rows; curvature is that of a row alone
    if loss.is_sigmoid:
        Y, teacher = rng.random((2, N, M))
        z = 3 * rng.normal(size=(N, M))
        return z.astype(dtype), Target(weights, soft=Y, teacher=teacher).astype(dtype)
    z = 3 * rng.normal(size=(N, M * K))
    codes, teacher = rng.integers(0, K, N), rng.dirichlet(np.ones(K), N)
    return z.astype(dtype), Target(weights, codes=codes, teacher=teacher).astype(dtype)


def slope(loss: Loss, z: np.ndarray, target: Target) -> np.ndarray:
    """The gradient of each row's loss in its logits (n, K) or (n, M), by the oracles."""
    mixture = loss.distillation or Distillation(1.0, 1.0)
    a, t = LONG(mixture.hard_weight), LONG(mixture.temperature)
    if loss.is_sigmoid:
        weights = loss.pos_weights(M)
        hard = [
            oracles.binary_cross_entropy(z[:, m], target.soft[:, m], LONG(weights[m]))[1]
            for m in range(M)
        ]
        taught = oracles.binary_cross_entropy(z / t, target.teacher)[1]
        return a * np.stack(hard, axis=1) + (1 - a) * t * taught
    q = (1 - loss.label_smoothing) * oracles.one_hot(target.codes, K) + loss.label_smoothing / K
    hard = oracles.cross_entropy(z, q)[1]
    return a * hard + (1 - a) * t**2 * oracles.cross_entropy(z, target.teacher, t)[1]


def hessians(loss: Loss, z: np.ndarray, target: Target, h: float = 1e-4) -> np.ndarray:
    """The second derivatives of each row's loss (n, C, C), by differences of fourth order."""
    z = z.astype(LONG)
    out = np.empty((*z.shape, z.shape[1]), LONG)
    for k in range(z.shape[1]):
        e = LONG(h) * np.eye(z.shape[1], dtype=LONG)[k]
        near = slope(loss, z + e, target) - slope(loss, z - e, target)
        far = slope(loss, z + 2 * e, target) - slope(loss, z - 2 * e, target)
        out[:, :, k] = (8 * near - far) / (12 * LONG(h))
    return out


def by_problem(loss: Loss, z: np.ndarray) -> list[slice]:
    width = z.shape[1] if loss.is_sigmoid else K
    return [slice(start, start + width) for start in range(0, z.shape[1], width)]


@every_loss
def test_curvature_is_the_derivative_of_the_oracles_gradient(loss: Loss, dtype: type):
    z, target = make(loss, dtype)
    actual = loss.curvature(z, target, 1 if loss.is_sigmoid else K)
    assert actual.dtype == dtype and actual.shape == z.shape
    tolerance = {"rtol": 1e-9} if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-7}
    for columns in by_problem(loss, z):
        exact = hessians(loss, z[:, columns], target).diagonal(axis1=1, axis2=2)
        np.testing.assert_allclose(actual[:, columns], exact.astype(float), **tolerance)


@softmax_losses
def test_probabilities_are_the_terms_of_the_hessian(loss: Loss, dtype: type):
    z, target = make(loss, dtype)
    terms = loss.probabilities(z, K)
    for columns in by_problem(loss, z):
        total = np.zeros((N, K, K))
        for share, p in terms:
            own = p[:, columns].astype(float)
            assert p.dtype == dtype
            np.testing.assert_allclose(own.sum(axis=1), 1, rtol=1e-6)
            total += share * (own[:, :, None] * np.eye(K) - own[:, :, None] * own[:, None, :])
        exact = hessians(loss, z[:, columns], target).astype(float)
        tolerance = 1e-11 if dtype == np.float64 else 1e-6
        np.testing.assert_allclose(total, exact, atol=tolerance)


@every_loss
def test_curvature_at_equal_logits_is_the_largest(loss: Loss):
    columns = 1 if loss.is_sigmoid else K
    z, target = make(loss)
    # Without the weight of the positive class, which the bound leaves out.
    target = Target(target.weights, target.codes, 0 * target.soft, target.teacher)
    flat = loss.curvature(np.zeros(z.shape), target, columns)
    np.testing.assert_allclose(flat, loss.largest_curvature(columns), rtol=1e-14)
    if loss.is_sigmoid:
        assert (loss.curvature(z, target, columns) <= flat).all()


@sigmoid_losses
@pytest.mark.parametrize("size", [40.0, 80.0])
def test_saturated_sigmoids_keep_a_tiny_curvature(loss: Loss, size: float, dtype: type):
    z = np.array([[size, -size], [-size, size]], dtype)
    target = Target(np.ones((1, 2)), soft=np.ones((2, 2)), teacher=np.zeros((2, 2))).astype(dtype)
    actual = loss.curvature(z, target, 1)
    # e / (1 + e)^2 with e = exp(-|z| / T), in long double.
    share, t = (A, LONG(T)) if loss.distillation else (1.0, LONG(1))
    e, soft = np.exp(-np.abs(z.astype(LONG))), np.exp(-np.abs(z.astype(LONG)) / t)
    exact = share * loss.pos_weights(2) * e / (1 + e) ** 2 + (1 - share) * soft / (1 + soft) ** 2
    assert (actual > 0).all()
    np.testing.assert_allclose(
        actual, exact.astype(float), rtol=1e-5 if dtype == np.float32 else 1e-13
    )


@every_loss
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_huge_logits_have_a_finite_curvature(loss: Loss, size: float, dtype: type):
    z, target = make(loss, dtype)
    actual = loss.curvature(
        np.where(z > 0, dtype(size), -dtype(size)), target, 1 if loss.is_sigmoid else K
    )
    assert (actual >= 0).all() and np.isfinite(actual).all()


@every_loss
def test_logits_are_left_as_they_are(loss: Loss):
    z, target = make(loss)
    before = z.copy()
    loss.curvature(z, target, 1 if loss.is_sigmoid else K)
    assert np.array_equal(z, before)


def test_problems_keep_their_positive_weights():
    loss = Sigmoid(pos_weight=np.array([1.0, 2.0, 3.0]))
    kept = loss.problems(np.array([True, False, True]))
    np.testing.assert_array_equal(kept.pos_weights(2), [1.0, 3.0])
    assert Sigmoid().problems(np.array([True, False])) == Sigmoid()

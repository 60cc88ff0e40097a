"""The objective: gradients, curvature, storage, masks and weights, over every loss."""

from typing import Any, NamedTuple

import numpy as np
import oracles
import pytest
import scipy.sparse
from scipy.special import log_softmax, softmax

from fastclf.losses import Distillation, Loss, Sigmoid, Softmax
from fastclf.objective import InMemoryObjective, features
from fastclf.penalties import L2
from fastclf.targets import Target, csr_for_kernels

N, D, K = 61, 5, 3
T, A = 2.5, 0.3
KINDS = ("hard", "soft", "distilled", "sigmoid", "sigmoid distilled")
SOFTMAX = KINDS[:3]


class Case(NamedTuple):
    X: np.ndarray
    target: Target
    loss: Loss
    theta: np.ndarray
    penalty: L2

    def objective(self, X: Any = None, dtype: type = np.float64, **arguments: Any):
        X = (self.X if X is None else X).astype(dtype)
        columns = self.theta.shape[1]
        return InMemoryObjective(X, self.target, self.loss, columns, self.penalty, **arguments)


def make(kind: str, problems: int = 1, n: int = N, d: int = D, weighted: bool = True) -> Case:
    """A problem of a kind; ``problems`` of them for softmax, always K for sigmoid."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.6)
    M = problems if kind in SOFTMAX else K
    rows = M if problems > 1 else 1
    weights = rng.uniform(0.2, 3, (rows, n)) if weighted else np.ones((rows, n))
    P, Q = rng.dirichlet(np.ones(K), (2, n))
    Y, S = rng.random((2, n, K))
    mixture = Distillation(T, A)
    pos_weight = np.array([0.5, 1.0, 3.0])
    codes = rng.integers(0, K, n)
    target, loss = {
        "hard": (Target(weights, codes=codes), Softmax(label_smoothing=0.1)),
        "soft": (Target(weights, soft=P), Softmax()),
        "distilled": (Target(weights, codes=codes, teacher=Q), Softmax(distillation=mixture)),
        "sigmoid": (Target(weights, soft=Y), Sigmoid(pos_weight)),
        "sigmoid distilled": (Target(weights, soft=Y, teacher=S), Sigmoid(distillation=mixture)),
    }[kind]
    columns = M * K if kind in SOFTMAX else K
    theta = rng.normal(size=(d + 1, columns))
    return Case(X, target, loss, theta, L2(np.linspace(0.1, 0.3, M)))


def sigmoid_loss(z: np.ndarray, y: np.ndarray, p: Any = 1.0) -> np.ndarray:
    log_sum = np.log1p(np.exp(-np.abs(z)))
    return (1 - y) * (np.maximum(z, 0) + log_sum) + p * y * (np.maximum(-z, 0) + log_sum)


def oracle(case: Case, theta: np.ndarray) -> np.ndarray:
    """The values of all problems, by the formulas of the documentation."""
    X, target, loss = case.X, case.target, case.loss
    M = case.penalty.strength.size
    Z = X @ theta[:-1] + theta[-1]
    values = []
    for m in range(M):
        own = target.weights[m if len(target.weights) > 1 else 0]
        columns = slice(m, m + 1) if loss.is_sigmoid else slice(m * K, (m + 1) * K)
        z, w = Z[:, columns], theta[:-1, columns]
        if loss.is_sigmoid:
            p = 1.0 if loss.pos_weight is None else loss.pos_weight[m]
            losses = sigmoid_loss(z[:, 0], target.soft[:, m], p)
        else:
            y = target.soft
            if target.codes.size:
                y = np.eye(K)[target.codes]
                y = (1 - loss.label_smoothing) * y + loss.label_smoothing / K
            losses = -(y * log_softmax(z, axis=1)).sum(axis=1)
        if loss.distillation:
            if loss.is_sigmoid:
                taught = sigmoid_loss(z[:, 0] / T, target.teacher[:, m])
            else:
                taught = -(target.teacher * log_softmax(z / T, axis=1)).sum(axis=1)
            losses = A * losses + (1 - A) * T**2 * taught
        values.append(own @ losses / own.sum() + 0.5 * case.penalty.strength[m] * (w**2).sum())
    return np.array(values)


def differences(f: Any, theta: np.ndarray, h: float = 1e-3) -> np.ndarray:
    """The gradient of the sum of ``f`` by differences of fourth order."""
    gradient = np.zeros(theta.shape)
    for index in np.ndindex(*theta.shape):
        e = np.zeros(theta.shape)
        e[index] = h
        near = f(theta + e) - f(theta - e)
        far = f(theta + 2 * e) - f(theta - 2 * e)
        gradient[index] = np.sum(8 * near - far) / (12 * h)
    return gradient


many = pytest.mark.parametrize("problems", [1, 2])
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@many
def test_value_is_that_of_the_formulas(kind: str, problems: int):
    case = make(kind, problems)
    values, _ = case.objective().value_and_grad(case.theta)
    np.testing.assert_allclose(values, oracle(case, case.theta), rtol=1e-12)


@every_kind
@many
def test_gradient_against_differences(kind: str, problems: int):
    case = make(kind, problems)
    objective = case.objective()
    expected = differences(lambda theta: objective.value_and_grad(theta)[0], case.theta)
    np.testing.assert_allclose(
        objective.value_and_grad(case.theta)[1], expected, rtol=1e-8, atol=1e-9
    )


@every_kind
@many
def test_the_oracle_of_hessians_is_the_derivative_of_the_gradient(kind: str, problems: int):
    case = make(kind, problems)
    objective = case.objective()
    direction = np.random.default_rng(1).normal(size=case.theta.shape)

    def gradient(step: float) -> np.ndarray:
        return objective.value_and_grad(case.theta + step * direction)[1]

    h = 1e-3
    near, far = gradient(h) - gradient(-h), gradient(2 * h) - gradient(-2 * h)
    np.testing.assert_allclose(
        oracles.hessian_product(objective, case.theta, direction),
        (8 * near - far) / (12 * h),
        rtol=1e-7,
        atol=1e-9,
    )


@every_kind
@many
def test_products_by_blas_are_those_of_the_kernels(
    kind: str, problems: int, use_costs: Any, monkeypatch: pytest.MonkeyPatch
):
    case = make(kind, problems, n=200)
    values, gradient = case.objective().value_and_grad(case.theta)
    use_costs(many_columns=1, few_features=0)
    monkeypatch.setattr(features, "_ROWS_OF_A_BLOCK", 70)
    by_blas = case.objective().value_and_grad(case.theta)
    np.testing.assert_allclose(by_blas[0], values, rtol=1e-12)
    np.testing.assert_allclose(by_blas[1], gradient, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", SOFTMAX)
def test_softmax_gradient_sums_to_zero_over_the_classes(kind: str):
    case = make(kind)._replace(penalty=L2(np.zeros(1)))
    gradient = case.objective().value_and_grad(case.theta)[1]
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-14)


@every_kind
@many
def test_csr_is_dense(kind: str, problems: int):
    case = make(kind, problems)
    dense, sparse = case.objective(), case.objective(scipy.sparse.csr_array(case.X))
    for one, other in zip(
        (*dense.value_and_grad(case.theta), dense.hessian(case.theta, whole=True).blocks),
        (*sparse.value_and_grad(case.theta), sparse.hessian(case.theta, whole=True).blocks),
        strict=True,
    ):
        np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-14)


def test_csr_with_int64_indices_needs_no_kernels_of_its_own():
    X = scipy.sparse.csr_array(np.eye(3))
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    _, indices, indptr = csr_for_kernels(X)
    assert (indices.dtype, indptr.dtype) == (np.int32, np.int32)
    assert X.indices.dtype == np.int64, "the caller's matrix stays as it was"
    wide = scipy.sparse.csr_array((np.ones(1), np.array([2**40]), [0, 1]), shape=(1, 2**41))
    assert csr_for_kernels(wide)[1].tolist() == [2**40]


def test_csr_with_int64_indices_duplicates_and_any_order():
    case = make("hard")
    expected = case.objective().value_and_grad(case.theta)
    X = scipy.sparse.csr_array(case.X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[start:stop] = X.indices[start:stop][::-1]
        X.data[start:stop] = X.data[start:stop][::-1]
    halves = X.copy()
    halves.data = np.repeat(X.data / 2, 2)
    halves.indices = np.repeat(X.indices, 2)
    halves.indptr = X.indptr * 2
    for same in (X, halves):
        got = case.objective(same).value_and_grad(case.theta)
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-12)
        np.testing.assert_allclose(got[1], expected[1], rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("kind", ["hard", "sigmoid"])
@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
def test_float32_computes_in_float32_and_returns_float64(kind: str, storage: Any):
    case = make(kind)
    objective = case.objective(storage(case.X), np.float32)
    values, gradient = objective.value_and_grad(case.theta)
    assert objective.dtype == np.float32
    assert values.dtype == gradient.dtype == np.float64
    exact = case.objective()
    np.testing.assert_allclose(values, exact.value_and_grad(case.theta)[0], rtol=1e-6)
    np.testing.assert_allclose(gradient, exact.value_and_grad(case.theta)[1], atol=1e-6)


@pytest.mark.parametrize("kind", ["hard", "sigmoid", "sigmoid distilled"])
@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
def test_inactive_problems_give_zero_and_others_what_they_give_alone(kind: str, storage: Any):
    case = make(kind, problems=4 if kind == "hard" else 3)
    objective = case.objective(storage(case.X))
    M, width = objective.n_problems, objective.n_outputs
    values, gradient = objective.value_and_grad(case.theta)
    rng = np.random.default_rng(0)
    masks = [rng.random(M) < share for share in (0.9, 0.6, 0.3, 0.0, 0.5, 1.0)]
    masks += [np.eye(M, dtype=bool)[m] for m in (0, M - 1)]
    for active in masks:  # they shrink, and grow again
        some, part = objective.value_and_grad(case.theta, active)
        columns = np.repeat(active, width)
        assert (some[~active] == 0).all()
        assert (part[:, ~columns] == 0).all()
        np.testing.assert_allclose(some[active], values[active], rtol=1e-13)
        np.testing.assert_allclose(part[:, columns], gradient[:, columns], rtol=1e-11, atol=1e-14)


@every_kind
def test_integer_weight_is_a_repeated_row_and_weight_zero_a_removed_one(kind: str):
    case = make(kind)
    counts = np.random.default_rng(3).integers(0, 3, N)
    weighted = case._replace(
        target=Target(counts[None].astype(float), *_targets(case.target, np.arange(N)))
    )
    rows = np.repeat(np.arange(N), counts)
    repeated = case._replace(
        X=case.X[rows], target=Target(np.ones((1, rows.size)), *_targets(case.target, rows))
    )
    for storage in (np.asarray, scipy.sparse.csr_array):
        one = weighted.objective(storage(weighted.X)).value_and_grad(case.theta)
        other = repeated.objective(storage(repeated.X)).value_and_grad(case.theta)
        np.testing.assert_allclose(one[0], other[0], rtol=1e-12)
        np.testing.assert_allclose(one[1], other[1], rtol=1e-10, atol=1e-14)


def _targets(target: Target, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    some = target.rows(rows)
    return some.codes, some.soft, some.teacher


@pytest.mark.parametrize("kind", ["hard", "sigmoid"])
def test_problems_with_equal_weights_are_one_problem_with_them(kind: str):
    single, several = make(kind, 1), make(kind, 2)
    M = several.penalty.strength.size
    shared = several._replace(
        target=Target(
            np.repeat(single.target.weights, M, axis=0), *_targets(single.target, np.arange(N))
        )
    )
    theta = several.theta
    one = single._replace(theta=theta, penalty=several.penalty).objective().value_and_grad(theta)
    other = shared.objective().value_and_grad(theta)
    np.testing.assert_allclose(one[0], other[0], rtol=1e-13)
    np.testing.assert_allclose(one[1], other[1], rtol=1e-12, atol=1e-15)


@every_kind
@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
def test_same_bits_for_any_number_of_threads(kind: str, storage: Any):
    case = make(kind, n=9001, d=17)
    X = storage(case.X)
    assert len(case.objective(X)._chunks(case.theta[:-1].size)[0]) > 3
    results = []
    for n_threads in (1, 2, 3, 8):
        objective = case.objective(X, n_threads=n_threads)
        moments = objective.curvature(full=True)
        results.append(
            [
                *objective.value_and_grad(case.theta),
                objective.hessian(case.theta, whole=True).blocks,
                moments.center,
                moments.second,
            ]
        )
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            assert np.array_equal(first, second)


@pytest.mark.parametrize("kind", ["hard", "sigmoid"])
def test_without_intercept_it_gets_no_gradient(kind: str):
    case = make(kind)
    objective = case.objective(fit_intercept=False)
    _, gradient = objective.value_and_grad(case.theta)
    free = case.objective().value_and_grad(case.theta)[1]
    assert (gradient[-1] == 0).all()
    np.testing.assert_allclose(gradient[:-1], free[:-1], rtol=1e-12, atol=1e-14)


def test_passes_are_counted_and_do_not_grow_with_the_labels():
    for labels in (1, 40):
        rng = np.random.default_rng(0)
        target = Target(np.ones((1, N)), soft=rng.random((N, labels)))
        X = rng.normal(size=(N, D))
        objective = InMemoryObjective(X, target, Sigmoid(), labels, L2(np.ones(labels)))
        theta = np.zeros((D + 1, labels))
        objective.value_and_grad(theta)
        objective.hessian(theta, whole=True)
        assert objective.passes == 2
        objective.curvature(full=True)
        assert objective.passes == 3


@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
def test_curvature_is_that_of_the_weighted_features(storage: Any):
    case = make("hard", n=500)
    w = case.target.weights[0]
    sparse = storage is scipy.sparse.csr_array
    mean = np.average(case.X, axis=0, weights=w)
    second = ((case.X - mean).T * w) @ (case.X - mean) / w.sum()
    curvature = case.objective(storage(case.X)).curvature(full=False)
    np.testing.assert_allclose(curvature.center, mean, atol=1e-14)
    np.testing.assert_allclose(curvature.second, second.diagonal(), rtol=1e-12)
    about_zero = case.objective(storage(case.X), fit_intercept=False).curvature(full=False)
    np.testing.assert_allclose(about_zero.second, w @ case.X**2 / w.sum(), rtol=1e-12)
    assert not about_zero.center.any()
    if not sparse:
        full = case.objective().curvature(full=True)
        np.testing.assert_allclose(full.second, second, rtol=1e-10, atol=1e-14)
        origin = case.objective(fit_intercept=False).curvature(full=True)
        np.testing.assert_allclose(origin.second, (case.X.T * w) @ case.X / w.sum(), rtol=1e-10)
        assert (origin.center == 0).all()


@pytest.mark.parametrize("dtype, huge", [(np.float32, 1e4), (np.float64, 1e300)])
@pytest.mark.parametrize("kind", ["hard", "sigmoid"])
def test_huge_logits_stay_finite(kind: str, dtype: type, huge: float):
    case = make(kind)
    X = np.where(case.X > 0, huge, -huge)
    theta = np.zeros(case.theta.shape)
    theta[0] = np.linspace(-1, 1, K)
    values, gradient = case.objective(X, dtype).value_and_grad(theta)
    assert np.isfinite(values).all() and np.isfinite(gradient).all()


def test_saturated_rows_have_their_tiny_loss_and_gradient():
    X = np.array([[1.0]])
    target = Target(np.ones((1, 1)), codes=np.array([0]))
    objective = InMemoryObjective(X, target, Softmax(), 3, L2(np.zeros(1)))
    theta = np.array([[50.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    values, gradient = objective.value_and_grad(theta)
    others = softmax(theta[0])[1:]
    np.testing.assert_allclose(values, others.sum(), rtol=1e-12)
    np.testing.assert_allclose(gradient[0], [-others.sum(), *others], rtol=1e-12)


def test_arrays_may_be_read_only_and_are_not_copied():
    case = make("hard")
    X = case.X.copy()
    X.flags.writeable = False
    objective = case.objective()
    same = InMemoryObjective(X, case.target, case.loss, K, case.penalty)
    assert np.shares_memory(same.features.arrays, X)
    expected = objective.value_and_grad(case.theta)
    for one, other in zip(expected, same.value_and_grad(case.theta), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "kind, n, d, columns",
    [("sigmoid", 2000, 13_000, 1), ("sigmoid", 600, 4000, 12)]
    + [(kind, 600, 4000, 12) for kind in ("hard", "soft", "distilled")],
)
def test_many_sparse_features_go_by_columns(kind: str, n: int, d: int, columns: int, dtype: type):
    rng = np.random.default_rng(1)
    X = scipy.sparse.random_array((n, d), density=0.01, format="csr", random_state=rng).astype(
        dtype
    )
    P = rng.dirichlet(np.ones(columns), n)
    weights = rng.uniform(0.5, 2, (1, n))
    target = {
        "sigmoid": Target(weights, soft=rng.random((n, columns))),
        "hard": Target(weights, codes=rng.integers(0, columns, n)),
        "soft": Target(weights, soft=P),
        "distilled": Target(weights, soft=P, teacher=P[::-1].copy()),
    }[kind]
    mixture = Distillation(2.0, 0.3) if kind == "distilled" else None
    loss = Sigmoid() if kind == "sigmoid" else Softmax(distillation=mixture)
    problems = columns if kind == "sigmoid" else 1
    theta = rng.normal(size=(d + 1, columns))
    found, expected = (
        InMemoryObjective(
            form, target, loss, columns, L2(np.full(problems, 0.1)), n_threads=2
        ).value_and_grad(theta)
        for form in (X, X.toarray())
    )
    tolerance = 50 * np.finfo(dtype).eps
    np.testing.assert_allclose(found[0], expected[0], rtol=tolerance)
    np.testing.assert_allclose(found[1], expected[1], atol=tolerance * np.abs(expected[1]).max())

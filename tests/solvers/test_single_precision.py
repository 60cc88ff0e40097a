"""Passes that compute in float32 until the tolerance is reached, and features in float32."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from scipy.special import softmax
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss

from fastclf import LogisticRegression
from fastclf.losses import Softmax
from fastclf.objective import InMemoryObjective, features
from fastclf.penalties import L2
from fastclf.plan.passes import gains_by_float32
from fastclf.solvers import LBFGS, Newton
from fastclf.targets import Target

K = 100


def data(n: int = 2000, d: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, K)) + rng.gumbel(size=(n, K))).argmax(axis=1)
    y[:K] = np.arange(K)
    return X, y


def objective(X: np.ndarray, y: np.ndarray, n_classes: int = K) -> InMemoryObjective:
    target = Target(np.ones((1, len(y))), codes=y)
    return InMemoryObjective(X, target, Softmax(), n_classes, L2(np.full(1, 1 / len(y))))


def gradient_norm(X: np.ndarray, y: np.ndarray, clf: Any) -> float:
    slopes = (softmax(X @ clf.coef_.T + clf.intercept_, axis=1) - np.eye(K)[y]) / len(y)
    weights = X.T @ slopes + clf.coef_.T / len(y)
    return float(max(np.abs(weights).max(), np.abs(slopes.sum(axis=0)).max()))


@pytest.mark.parametrize("n_classes", [20, K])
def test_a_pass_in_float32_is_near_that_in_float64(
    n_classes: int, use_costs: Any, monkeypatch: pytest.MonkeyPatch
):
    use_costs(float32_features=50, float32_work=0)
    monkeypatch.setattr(features, "_COPIED", 1 << 13)  # several copies
    X, y = data()
    exact = objective(X, y % n_classes, n_classes)
    theta = np.random.default_rng(1).normal(size=(51, n_classes))
    values, gradient = exact.value_and_grad(theta)
    assert gains_by_float32(exact.shape, exact.costs)
    rough_values, rough = exact.value_and_grad(theta, dtype=np.dtype(np.float32))
    assert exact.passes == 2.0
    assert rough.dtype == np.float64
    np.testing.assert_allclose(rough_values, values, rtol=1e-5)
    np.testing.assert_allclose(rough, gradient, atol=1e-6)
    assert (rough != gradient).any()


def test_only_where_it_is_faster(use_costs: Any):
    X, y = data()

    def gains(X: np.ndarray, y: np.ndarray, **options: int) -> bool:
        problem = objective(X, y, **options)
        return gains_by_float32(problem.shape, problem.costs)

    assert gains(X, y)
    assert not gains(X.astype(np.float32), y)
    assert not gains(X, y % 10, n_classes=10)
    assert not gains(X, y % 20, n_classes=20)
    use_costs(float32_features=50, float32_work=X.size * 20)
    assert gains(X, y % 20, n_classes=20)


@pytest.mark.parametrize("tol", [1e-3, 1e-4, 1e-5, 1e-6])
def test_the_gradient_is_as_small_in_float64_as_asked_for(tol: float):
    X, y = data()
    clf = LogisticRegression(tol=tol, max_iter=1000).fit(X, y)
    assert gradient_norm(X, y, clf) <= tol * (1 + 1e-9)
    best = LogisticRegression(tol=1e-10, max_iter=1000).fit(X, y).history_["objective"][-1]
    assert clf.history_["objective"][-1] <= best * (1 + 1e-4)
    assert clf.history_["iteration"].tolist() == list(range(1, clf.n_iter_[0] + 1))


@pytest.mark.parametrize(("magnitude", "single"), [(1.0, True), (1e4, False)])
def test_large_gradients_are_not_rounded(
    magnitude: float, single: bool, monkeypatch: pytest.MonkeyPatch
):
    X, y = data()
    dtypes = []
    value_and_grad = InMemoryObjective.value_and_grad

    def watched(
        self: Any, theta: Any, active: Any = None, hessian: Any = False, dtype: Any = None
    ) -> Any:
        dtypes.append(dtype or self.dtype)
        return value_and_grad(self, theta, active, hessian, dtype)

    monkeypatch.setattr(InMemoryObjective, "value_and_grad", watched)
    # The same problem in other units, but for the tolerance.
    clf = LogisticRegression(C=1 / magnitude**2, max_iter=1000).fit(X * magnitude, y)
    assert (np.dtype(np.float32) in dtypes) == single
    assert dtypes[-1] == np.float64
    assert clf.history_["gradient_norm"][-1] <= 1e-4


@pytest.mark.parametrize("storage", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("solver", [Newton(), Newton(whole=False), LBFGS()], ids=repr)
@pytest.mark.parametrize("n_classes", [2, 10])
def test_rounding_of_collinear_features_is_not_fitted(storage: Any, solver: Any, n_classes: int):
    # In float32 these features differ by rounding, which coefficients of a million could use. They
    # would lose all of it when they are rounded themselves.
    X, y = make_classification(
        2000, 20, n_informative=8, n_redundant=4, n_classes=n_classes, random_state=0
    )
    how: Any = {"C": np.inf, "tol": 1e-8, "max_iter": 1000, "solver": solver}
    single, double = (LogisticRegression(**how).fit(storage(x), y) for x in (X.astype("f4"), X))
    loss, best = (log_loss(y, clf.predict_proba(X)) for clf in (single, double))
    assert str(single.history_["status"]) in ("converged", "precision")
    assert np.abs(single.coef_).max() < 1000
    np.testing.assert_allclose(single.history_["objective"][-1], loss, rtol=1e-5)
    np.testing.assert_allclose(loss, best, rtol=1e-6)

"""Fits in the span of few rows: the optimum is that of all features."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from scipy.special import expit, softmax

from fastclf import LogisticRegression, MultiLabelLogisticRegression
from fastclf.objective import RowSpace, row_space

N, D = 20, 400
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)) + np.linspace(-1, 1, D)
BINARY, CLASSES = np.arange(N) % 2, np.arange(N) % 3
LABELS = RNG.integers(0, 2, (N, 4))
WEIGHTS = RNG.uniform(0.2, 3, N)
DEPENDENT = {
    "a row twice": np.vstack([X[:-1], X[0]]),
    "a sum of others": np.vstack([X[:-1], X[:3].sum(axis=0)]),
    "almost a row twice": np.vstack([X[:-1], X[0] * (1 + 1e-9)]),
    "a row of zeros": np.vstack([X[:-1], np.zeros(D)]),
    "a single direction": np.outer(np.arange(1.0, N + 1), X[0]),
    "zeros": np.zeros((N, D)),
    "rows of all sizes": X * 10.0 ** np.linspace(-10, 10, N)[:, None],
}


# The basis


@pytest.mark.parametrize(
    "rows",
    [
        scipy.sparse.csr_array(X),
        np.ones((257, 600)),  # many rows
        np.ones((20, 255)),  # few features
        np.ones((200, 399)),  # not twice as many features as rows
    ],
    ids=["sparse", "many rows", "few features", "almost as many rows"],
)
def test_where_it_does_not_pay(rows: Any):
    assert RowSpace.of(rows) is None


@pytest.mark.parametrize("shape", [(20, 256), (1, 256), (256, 512)])
def test_where_it_pays(shape: tuple[int, int]):
    assert isinstance(RowSpace.of(np.random.default_rng(0).normal(size=shape)), RowSpace)


def assert_spans(space: RowSpace, rows: np.ndarray) -> None:
    n, d = rows.shape
    tolerance = 40 * np.finfo(rows.dtype).eps
    sizes = np.linalg.norm(rows, axis=1, keepdims=True)
    basis = space.expand(np.eye(n + 1, n))[:-1]
    assert basis.shape == (d, n) and space.rows.shape == (n, n)
    assert space.rows.dtype == rows.dtype and space.rows.flags.c_contiguous
    np.testing.assert_allclose(basis.T @ basis, np.eye(n), atol=tolerance)
    assert (np.abs(space.rows @ basis.T - rows) <= tolerance * sizes).all()
    assert (np.abs(space.coordinates(rows) - space.rows) <= tolerance * sizes).all()


def test_rows_are_coordinates_in_an_orthonormal_basis(dtype: type):
    for rows in (X, 1 + 0.01 * X, X[:1]):
        rows = rows.astype(dtype)
        before = rows.copy()
        assert row_space._cholesky_qr(rows) is not None
        assert_spans(RowSpace.of(rows), rows)
        assert np.array_equal(rows, before)


@pytest.mark.parametrize("rows", DEPENDENT.values(), ids=DEPENDENT.keys())
def test_dependent_rows_have_a_basis_of_reflections(rows: np.ndarray, dtype: type):
    rows = rows.astype(dtype)
    assert row_space._cholesky_qr(rows) is None
    assert_spans(RowSpace.of(rows), rows)


def test_theta_in_the_span_survives_the_way_there_and_back():
    space = RowSpace.of(X)
    theta = np.vstack([X.T @ RNG.normal(size=(N, 3)), np.ones((1, 3))])
    inside = space.reduce(theta)
    assert inside.shape == (N + 1, 3)
    np.testing.assert_allclose(space.expand(inside), theta, atol=1e-11)
    np.testing.assert_allclose(space.rows @ inside[:-1], X @ theta[:-1], atol=1e-10)
    across = theta + np.vstack([np.linalg.svd(X)[2][N:][:3].T, np.zeros((1, 3))])
    np.testing.assert_allclose(space.reduce(across), inside, atol=1e-11)


# Fits


def gradient_norm(clf: Any, rows: np.ndarray, Y: np.ndarray, weights: np.ndarray) -> float:
    """The largest entry of the gradient over all features, by NumPy."""
    rows, coef = rows.astype(float), clf.coef_.astype(float)
    z = rows @ coef.T + clf.intercept_
    p = softmax(z, axis=1) if Y.shape[1] == 3 else expit(z)
    slope = (p - Y) * weights[:, None] / weights.sum()
    gradient = rows.T @ slope + coef.T / (clf.C * weights.sum())
    intercepts = slope.sum(axis=0) if clf.fit_intercept else np.zeros(1)
    return max(np.abs(gradient).max(), np.abs(intercepts).max())


TARGETS = {
    "binary": (LogisticRegression, BINARY, BINARY[:, None]),
    "multiclass": (LogisticRegression, CLASSES, np.eye(3)[CLASSES]),
    "multilabel": (MultiLabelLogisticRegression, LABELS, LABELS),
}
every_target = pytest.mark.parametrize("estimator, y, Y", TARGETS.values(), ids=TARGETS.keys())


@every_target
@pytest.mark.parametrize("tol", [1e-4, 1e-8])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_optimum_is_that_of_all_features(
    estimator: Any, y: Any, Y: Any, tol: float, weights: Any, fit_intercept: bool
):
    clf = estimator(tol=tol, fit_intercept=fit_intercept).fit(X, y, weights)
    assert "in the span of 20 rows" in str(clf.history_["path"])
    assert clf.coef_.shape == (Y.shape[1], D)
    assert gradient_norm(clf, X, Y, np.ones(N) if weights is None else weights) <= tol
    # No entry over all features is larger than the norm of those in the span.
    assert clf.history_["gradient_norm"][-1] <= tol / np.sqrt(N)
    assert fit_intercept or (clf.intercept_ == 0).all()


@every_target
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_it_agrees_with_a_solver_over_all_features(
    estimator: Any, y: Any, Y: Any, weights: Any, fit_intercept: bool
):
    one, other = (
        estimator(tol=1e-10, max_iter=2000, fit_intercept=fit_intercept, solver=solver)
        for solver in ("auto", "lbfgs")
    )
    one.fit(X, y, weights), other.fit(X, y, weights)
    assert "span" not in str(other.history_["path"])
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-7)
    np.testing.assert_allclose(one.intercept_, other.intercept_, atol=1e-6)


@every_target
@pytest.mark.parametrize("name", list(DEPENDENT)[:5])
def test_dependent_rows_have_the_same_optimum(estimator: Any, y: Any, Y: Any, name: str):
    rows = DEPENDENT[name]
    clf = estimator(tol=1e-8).fit(rows, y)
    assert gradient_norm(clf, rows, Y, np.ones(N)) <= 1e-8


@every_target
def test_float32(estimator: Any, y: Any, Y: Any):
    clf = estimator().fit(X.astype(np.float32), y)
    assert "span" in str(clf.history_["path"]) and clf.coef_.dtype == np.float32
    assert gradient_norm(clf, X, Y, np.ones(N)) <= 1.1e-4
    exact = estimator(tol=1e-8).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X), exact.predict_proba(X), atol=1e-3)


@every_target
def test_warm_starts_go_on_from_the_optimum(estimator: Any, y: Any, Y: Any):
    clf = estimator(tol=1e-8, warm_start=True).fit(X, y)
    before = clf.coef_
    clf.fit(X, y)
    assert clf.n_iter_[0] == 0
    np.testing.assert_allclose(clf.coef_, before, atol=1e-13)
    # What of the start no row sees is no part of the optimum.
    clf.coef_ = before + RNG.normal(size=before.shape)
    clf.fit(X, y)
    np.testing.assert_allclose(clf.coef_, before, atol=1e-6)


@pytest.mark.filterwarnings("ignore:X_val and y_val have no influence")
@every_target
def test_rows_to_validate_on_are_projected(estimator: Any, y: Any, Y: Any):
    held = np.random.default_rng(1).normal(size=(7, D))
    clf = estimator(tol=1e-8).fit(X, y, X_val=held, y_val=y[:7])
    # The last loss is that of the coefficients.
    p = clf.predict_proba(held)
    if y.ndim == 1:
        expected = -np.log(p[np.arange(7), y[:7]]).mean()
    else:
        expected = -np.log(np.where(y[:7] == 1, p, 1 - p)).mean()
    np.testing.assert_allclose(clf.history_["validation_loss"][-1], expected, rtol=1e-9)
    assert np.array_equal(clf.coef_, estimator(tol=1e-8).fit(X, y).coef_)


def test_frames_and_fortran_order_have_the_same_span():
    expected = LogisticRegression().fit(X, CLASSES)
    for rows in (np.asfortranarray(X), X.tolist()):
        np.testing.assert_allclose(
            LogisticRegression().fit(rows, CLASSES).coef_, expected.coef_, atol=1e-12
        )


def test_same_bits_for_any_number_of_threads():
    first, *others = (LogisticRegression(n_threads=n).fit(X, CLASSES).coef_ for n in (1, 2, 3, 8))
    assert all(np.array_equal(first, other) for other in others)

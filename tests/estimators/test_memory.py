"""Memory that a fit takes beside X, as NumPy's allocations are traced."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from settled import LogisticRegressionCV
from sklearn.model_selection import PredefinedSplit

from fastclf import LogisticRegression, MultiLabelLogisticRegression

MB = 1_000_000
SMALL = {"binary": (20_000, 100, 2), "five classes": (20_000, 100, 5), "wide": (4000, 300, 3)}


def data(n: int, d: int, K: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.random((n, d))
    z = 3 * X[:, :10] @ rng.normal(size=(10, K)) + rng.gumbel(size=(n, K))
    return X, z.argmax(axis=1)


def peak(call: Callable[[], Any]) -> int:
    """Bytes at most that a call held at once."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def budget(X: Any, columns: int) -> float:
    """A tenth of X, some vectors, logits and curvatures of each row, four matrices, and change."""
    n, d = X.shape
    of_rows = 8 * (4 * n + 2 * n * columns)
    return 0.1 * X.nbytes + of_rows + 4 * 8 * (d**2 + d * columns) + 20 * MB


def fit(clf: Any, X: Any, y: np.ndarray) -> int:
    clf.fit(X[:1000], y[:1000])  # compiles
    return peak(lambda: clf.fit(X, y))


@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])
@pytest.mark.parametrize("name", SMALL)
def test_a_fit_takes_little_beside_x(name: str, solver: str, dtype: type):
    n, d, K = SMALL[name]
    X, y = data(n, d, K)
    X = X.astype(dtype)
    assert fit(LogisticRegression(solver=solver), X, y) < budget(X, 1 if K == 2 else K)


def test_labels_take_little_beside_x():
    X, _ = data(20_000, 100, 2)
    Y = (X[:, :20] > 0.7).astype(float)
    assert fit(MultiLabelLogisticRegression(C=0.01), X, Y) < budget(X, 20)


@pytest.mark.parametrize("solver", ["auto", "newton"])
@pytest.mark.parametrize("K", [2, 5])
def test_a_large_x_is_not_copied(K: int, solver: str):
    X, y = data(125_000, 100, K)
    assert X.nbytes == 100 * MB
    taken = fit(LogisticRegression(solver=solver), X, y)
    assert taken < budget(X, 1 if K == 2 else K) < 0.5 * X.nbytes


@pytest.mark.parametrize("change", [np.asfortranarray, lambda X: (100 * X).astype(np.int64)])
def test_other_layouts_are_copied_once(change: Callable[[np.ndarray], np.ndarray]):
    X, y = data(60_000, 100, 2)
    X = change(X)
    taken = fit(LogisticRegression(), X, y)
    assert X.nbytes < taken < X.nbytes + budget(X, 1) < 2 * X.nbytes


def test_a_validation_part_is_not_copied():
    X, y = data(125_000, 100, 2)
    part = np.repeat([-1, 0], [75_000, 50_000])
    LogisticRegressionCV(Cs=[0.01, 1], cv=2).fit(X[:1000], y[:1000])  # compiles
    clf = LogisticRegressionCV(Cs=[0.01, 1], cv=PredefinedSplit(part))
    assert peak(lambda: clf.fit(X, y)) < budget(X, 1) < X[75_000:].nbytes

"""Many labels in one fit: each pass serves all of them, and who has finished leaves.

Labels in blocks (``solvers/test_label_blocks.py``) are another matter: none of them are here.
"""

from typing import Any

import numpy as np
import pytest
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from fastclf import LogisticRegression, MultiLabelLogisticRegression
from fastclf.objective import InMemoryObjective
from fastclf.solvers import LBFGS, Newton, observing

SOLVERS = {"auto": "auto", "lbfgs": "lbfgs", "newton from a sample": Newton(sample=400)}
every_solver = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def without_blocks(use_costs: Any) -> None:
    use_costs(dense_entries=0)


def passes(clf: Any) -> float:
    return float(clf.history_["passes"][-1])


def indicators(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Is it class k, is its number odd, and is a coin heads, which no feature tells."""
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    coin = RNG.random(len(y)) < 0.1
    return scale(X), np.column_stack([np.eye(y.max() + 1)[y], y % 2, coin]).astype(int)


@every_solver
@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_labels_take_about_as_many_passes_as_the_hardest(name: str, solver: Any, use_costs: Any):
    X, Y = indicators(name)
    use_costs(small_pass=0)  # or single labels had exact steps
    alone = max(passes(LogisticRegression(solver=solver).fit(X, column)) for column in Y.T)
    together = passes(MultiLabelLogisticRegression(solver=solver).fit(X, Y))
    # They share a first preconditioner, and the second comes later than it would for one.
    assert together <= 2 * alone + 2


@every_solver
def test_copies_of_labels_take_no_pass_more(solver: Any):
    X, Y = indicators("wine")
    one = MultiLabelLogisticRegression(solver=solver, tol=1e-6).fit(X, Y)
    many = MultiLabelLogisticRegression(solver=solver, tol=1e-6).fit(X, np.tile(Y, 20))
    # When a preconditioner is made anew depends on what it costs beside a pass.
    assert abs(passes(many) - passes(one)) <= 4
    np.testing.assert_allclose(many.coef_, np.tile(one.coef_, (20, 1)), atol=1e-4)


@every_solver
def test_the_order_of_the_labels_does_not_matter(solver: Any):
    X, Y = indicators("digits")
    order = RNG.permutation(Y.shape[1])
    one = MultiLabelLogisticRegression(solver=solver, tol=1e-6).fit(X, Y)
    other = MultiLabelLogisticRegression(solver=solver, tol=1e-6).fit(X, Y[:, order])
    assert abs(passes(other) - passes(one)) <= 2  # sums in another order may turn a decision
    np.testing.assert_allclose(other.coef_, one.coef_[order], atol=1e-4)


class Watched:
    """Which problems were asked for in each iteration, (iterations, M)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.iterations: list[np.ndarray] = []
        self.asked: list[np.ndarray] = []
        value_and_grad = InMemoryObjective.value_and_grad

        def watched(objective: Any, theta: Any, active: Any = None, *rest: Any) -> Any:
            if active is not None and objective._parent is None:
                self.asked.append(active.copy())
            return value_and_grad(objective, theta, active, *rest)

        monkeypatch.setattr(InMemoryObjective, "value_and_grad", watched)

    def end(self, progress: Any) -> None:
        self.iterations.append(np.any(self.asked, axis=0))
        self.asked.clear()

    def fit(self, clf: Any, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        with observing(self.end):
            clf.fit(X, Y)
        assert len(self.iterations) == clf.n_iter_[0]
        return np.array(self.iterations)


def of_different_difficulty() -> tuple[np.ndarray, np.ndarray]:
    """Labels from pure noise, which are done at once, to almost separable ones."""
    X = RNG.normal(size=(800, 5))
    noise = RNG.normal(size=(800, 6)) * np.geomspace(100, 0.01, 6)
    return X, (X @ RNG.normal(size=(5, 6)) + noise > 0).astype(int)


@every_solver
def test_finished_labels_leave_for_good(solver: Any, monkeypatch: pytest.MonkeyPatch):
    X, Y = of_different_difficulty()
    clf = MultiLabelLogisticRegression(solver=solver, tol=1e-6)
    running = Watched(monkeypatch).fit(clf, X, Y)
    assert running[0].all() and not running[-1].all()
    assert (running[1:] <= running[:-1]).all()  # nobody comes back
    lasted = running.sum(axis=0)
    assert lasted[0] < lasted[-1] == len(running)
    assert running.mean() < 0.9


def test_columns_of_finished_labels_are_not_computed(monkeypatch: pytest.MonkeyPatch):
    # The kernels see the columns that still run, and no more than a third beside them.
    X, Y = of_different_difficulty()
    seen: list[tuple[int, int]] = []
    select = InMemoryObjective._select

    def watched(objective: Any, active: Any) -> Any:
        chosen = select(objective, active)
        if active is not None:
            seen.append((int(active.sum()), chosen.scale.size))
        return chosen

    monkeypatch.setattr(InMemoryObjective, "_select", watched)
    MultiLabelLogisticRegression(tol=1e-6).fit(X, Y)
    assert min(asked for asked, _ in seen) < 4
    # A label that rests in one search may be asked for in the next, which starts from all again.
    assert all(computed < asked / 0.75 or computed == 6 for asked, computed in seen)
    assert min(computed for _, computed in seen) < 4


@every_solver
def test_each_label_ends_where_it_would_alone(solver: Any):
    X, Y = of_different_difficulty()
    clf = MultiLabelLogisticRegression(solver=solver, tol=1e-8, max_iter=300).fit(X, Y)
    for label, column in enumerate(Y.T):
        alone = LogisticRegression(solver=solver, tol=1e-8, max_iter=300).fit(X, column)
        np.testing.assert_allclose(clf.coef_[[label]], alone.coef_, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(clf.intercept_[[label]], alone.intercept_, rtol=1e-4, atol=1e-5)


def test_one_label_that_has_no_optimum_holds_up_no_other():
    X, Y = of_different_difficulty()
    Y[:, 2] = X[:, 0] > 0
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        clf = MultiLabelLogisticRegression(C=np.inf, solver=LBFGS(), tol=1e-6).fit(X, Y)
    others = [0, 1, 3]
    expected = MultiLabelLogisticRegression(C=np.inf, tol=1e-6).fit(X, Y[:, others])
    np.testing.assert_allclose(clf.coef_[others], expected.coef_, rtol=1e-3, atol=1e-4)
    assert np.isfinite(clf.coef_).all() and (clf.predict(X)[:, 2] == Y[:, 2]).all()

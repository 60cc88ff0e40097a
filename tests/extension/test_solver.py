"""A solver from outside the package: gradient descent. CONTRIBUTING.md explains this file."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

import fastclf
from fastclf.errors import FastclfError, InputError
from fastclf.objective import Objective
from fastclf.solvers import minimize


@dataclass
class DescentState:
    """A point with its value and gradient, and the length of the last step."""

    point: np.ndarray
    value: float
    gradient: np.ndarray
    length: float = 1.0
    iteration: int = 0
    status: str = "running"
    learning_rate: None = None

    @property
    def objective(self) -> float:
        return self.value

    @property
    def gradient_norm(self) -> float:
        return float(np.abs(self.gradient).max())

    def theta(self) -> np.ndarray:
        return self.point


@dataclass(frozen=True)
class GradientDescent:
    """Steepest descent of one problem; a step is halved until it decreases the objective enough."""

    tol: float | None = None
    max_iter: int | None = None

    needs: ClassVar[tuple[str, ...]] = ("value_and_grad",)
    early_stopping: ClassVar[None] = None

    def init(self, objective: Objective, theta: np.ndarray) -> DescentState:
        values, gradient = objective.value_and_grad(theta)
        return DescentState(theta, float(values[0]), gradient)

    def step(self, objective: Objective, state: DescentState) -> None:
        if state.gradient_norm <= (self.tol or 0.0):
            state.status = "converged"
            return
        square = float((state.gradient**2).sum())
        state.length *= 2
        while state.length > 1e-12:
            trial = state.point - state.length * state.gradient
            values, gradient = objective.value_and_grad(trial)
            if values[0] <= state.value - 0.5 * state.length * square:
                state.point, state.value, state.gradient = trial, float(values[0]), gradient
                state.iteration += 1
                return
            state.length /= 2
        state.status = "precision"


def test_it_is_a_solver_of_an_estimator():
    X, y = load_iris(return_X_y=True)
    X = scale(X)
    clf = fastclf.LogisticRegression(solver=GradientDescent(), tol=1e-7, max_iter=20_000).fit(X, y)
    best = fastclf.LogisticRegression(tol=1e-8).fit(X, y)
    np.testing.assert_allclose(clf.coef_, best.coef_, atol=1e-4)
    assert clf.history_["status"] == "converged"
    assert (np.diff(clf.history_["objective"]) <= 0).all()
    assert clf.history_["path"] == "GradientDescent"
    assert clf.get_params()["solver__tol"] is None
    clf.set_params(solver__max_iter=3)
    with pytest.warns(Warning, match="max_iter"):
        assert clf.fit(X, y).n_iter_.tolist() == [3]


def test_what_it_needs_of_an_objective_is_checked_by_name():
    class Empty:
        value_and_grad = None
        passes = 0.0

    with pytest.raises(FastclfError, match="'gradientdescent' needs value_and_grad, which Empty"):
        minimize(Empty(), np.zeros((2, 1)), GradientDescent())


@pytest.mark.parametrize("solver", [object(), 3, GradientDescent])
def test_what_is_no_solver_is_refused(solver: Any):
    with pytest.raises(InputError, match="solver must be a name"):
        fastclf.LogisticRegression(solver=solver).fit([[0.0], [1.0]], [0, 1])


def test_an_l1_penalty_is_refused():
    clf = fastclf.LogisticRegression(solver=GradientDescent(), l1_ratio=1.0)
    with pytest.raises(InputError, match="GradientDescent can't fit an L1 penalty"):
        clf.fit([[0.0], [1.0]], [0, 1])

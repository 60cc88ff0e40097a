"""A program that uses fastclf, which scripts/lint checks as strictly as mypy can; it isn't run."""

from pathlib import Path
from typing import assert_type

import numpy as np

import fastclf
from fastclf import functional as F
from fastclf.data import Dataset, Stream, load_built_in
from fastclf.errors import FastclfError
from fastclf.objective import Objective
from fastclf.solvers import LBFGS, Adam, Newton, Result, minimize

X = np.zeros((4, 2))
y = np.array([0, 1, 0, 1])


def fit() -> fastclf.LogisticRegression:
    """Fit an estimator, and use what it predicts."""
    clf = fastclf.LogisticRegression(0.5, l1_ratio=0.1, solver=Newton(tol=1e-6), random_state=0)
    assert_type(clf.fit(X, y, sample_weight=np.ones(4)), fastclf.LogisticRegression)
    assert_type(clf.predict(X), np.ndarray)
    assert_type(clf.predict_proba(X), np.ndarray)
    assert_type(clf.decision_function(X), np.ndarray)
    assert_type(clf.score(X, y), float)
    assert_type(clf.intercept_, np.ndarray)
    print(clf.history_["status"] == "converged", clf.coef_.shape)
    return clf.partial_fit(X, y, classes=[0, 1])


def others(path: Path) -> None:
    """Fit the other estimators, and read models."""
    labels = fastclf.MultiLabelLogisticRegression(threshold=0.4).fit(X, np.eye(4)[:, :2])
    assert_type(labels.predict_proba(X), np.ndarray)
    searched = fastclf.LogisticRegressionCV(Cs=5, cv=2).fit(X, y)
    assert_type(searched.predict(X), np.ndarray)
    folds = fastclf.MultiLabelLogisticRegressionCV().fit(X, np.eye(4)[:, :2])
    assert_type(folds.predict(X), np.ndarray)
    student = fastclf.DistilledClassifier(fit(), temperature=2.0, hard_weight=0.5).fit(X, y)
    assert_type(student.predict(X), np.ndarray)
    scaled = fastclf.TemperatureScaler(fit()).fit(X, y)
    assert_type(scaled.predict_proba(X), np.ndarray)
    try:
        student.save(path)
        assert_type(fastclf.load(path).predict(X), np.ndarray)
        assert_type(fastclf.load(str(path)).predict_proba(X), np.ndarray)
    except FastclfError as error:
        print(error)


def mathematics() -> tuple[float, np.ndarray]:
    """Compute a loss and its gradient."""
    p = F.softmax([[2.0, 0.0, -1.0]], temperature=2.0)
    assert_type(p, np.ndarray)
    assert_type(F.expected_calibration_error(p, [0]), float)
    value, gradient = F.cross_entropy_with_grad(np.log(p), [0])
    return float(np.sum(value)), gradient


def data(folder: Path) -> Dataset:
    """Read data."""
    stream = Stream(folder, "target", drop=["id"])
    fastclf.LogisticRegression(solver=Adam(learning_rate=0.1, batch_size=64)).fit(stream)
    return load_built_in("iris")


def solve(objective: Objective, theta: np.ndarray) -> Result:
    """Minimise an objective with a solver."""
    result = minimize(objective, theta, LBFGS(tol=1e-8, max_iter=50))
    assert_type(result.theta, np.ndarray)
    assert_type(result.status, str)
    return result

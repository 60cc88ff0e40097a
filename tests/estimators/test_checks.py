"""Scikit-learn's own checks of estimators, none expected to fail."""

from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastclf
from fastclf import (
    DistilledClassifier,
    LogisticRegression,
    LogisticRegressionCV,
    MultiLabelLogisticRegression,
    MultiLabelLogisticRegressionCV,
    TemperatureScaler,
    solvers,
)
from fastclf.estimators.choice import SOLVERS
from fastclf.solvers import LBFGS, SGD, Adam, AdamW, Newton, Proximal

ESTIMATORS = [
    *(LogisticRegression(solver=name) for name in SOLVERS),
    *(LogisticRegression(solver=solver) for solver in (Newton(), Newton(whole=False), LBFGS())),
    *(LogisticRegression(solver=solver) for solver in (SGD(), Adam(), AdamW())),
    LogisticRegression(solver=Proximal()),
    LogisticRegression(l1_ratio=0.5),
    LogisticRegressionCV(Cs=3, cv=3),
    LogisticRegressionCV(Cs=2, cv=3, l1_ratios=(0.0, 1.0)),
    MultiLabelLogisticRegression(),
    MultiLabelLogisticRegression(l1_ratio=1.0),
    MultiLabelLogisticRegression(solver="lbfgs"),
    MultiLabelLogisticRegression(solver="adam"),
    MultiLabelLogisticRegressionCV(Cs=3, cv=3),
    MultiLabelLogisticRegressionCV(Cs=3, cv=3, per_label=True),
    DistilledClassifier(ScikitLearn()),
    DistilledClassifier(GaussianNB()),
    TemperatureScaler(LogisticRegression(tol=1e-10), cv=3),
    TemperatureScaler(GaussianNB(), cv=3),
]


@pytest.mark.filterwarnings("ignore")  # the checks fit to noise, with few iterations
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn(estimator: Any, check: Any):
    check(estimator)


def test_every_estimator_and_every_kind_of_solver_is_covered():
    public = {
        value for name in fastclf.__all__ if isinstance(value := getattr(fastclf, name), type)
    }
    assert {type(estimator) for estimator in ESTIMATORS} == public
    kinds = {
        value
        for name in solvers.__all__
        if isinstance(value := getattr(solvers, name), type) and hasattr(value, "init")
    }
    objects = {e.solver for e in ESTIMATORS if isinstance(e, LogisticRegression)}
    assert {type(solver) for solver in objects if not isinstance(solver, str)} == kinds

"""Scikit-learn's own checks of estimators, none expected to fail.

Scikit-learn's names of solvers stand for "auto" or for one of ours, which speak for them.
"""

from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression as ScikitLearn
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastclf import (
    DistilledClassifier,
    LogisticRegression,
    LogisticRegressionCV,
    MultiLabelLogisticRegression,
    MultiLabelLogisticRegressionCV,
)
from fastclf.estimators.choice import SOLVERS

ESTIMATORS = [
    LogisticRegression(),
    LogisticRegression(solver="newton"),
    LogisticRegression(solver="lbfgs"),
    LogisticRegression(solver="sgd"),
    LogisticRegression(solver="adam"),
    LogisticRegression(solver="adamw"),
    LogisticRegressionCV(Cs=3, cv=3),
    MultiLabelLogisticRegression(),
    MultiLabelLogisticRegressionCV(Cs=3, cv=3),
    MultiLabelLogisticRegressionCV(Cs=3, cv=3, per_label=True),
    DistilledClassifier(ScikitLearn()),
    DistilledClassifier(GaussianNB()),
]


@pytest.mark.filterwarnings("ignore")  # the checks fit to noise, with few iterations
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn(estimator: Any, check: Any):
    check(estimator)


def test_every_kind_of_solver_is_covered():
    fits = [e for e in ESTIMATORS if isinstance(e, LogisticRegression)]
    assert {SOLVERS[e.solver] for e in fits} == set(SOLVERS.values())
    assert {SOLVERS[name] for name in ("auto", "saga", "liblinear")} == {None}

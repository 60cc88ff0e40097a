"""Arguments that a fit makes no use of are refused, or a warning says so."""

from typing import Any

import numpy as np
import pytest

from fastclf import (
    DistilledClassifier,
    LogisticRegression,
    MultiLabelLogisticRegression,
    TemperatureScaler,
)
from fastclf.errors import InputError
from fastclf.solvers import SGD, Adam, Newton

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40) % 2


@pytest.mark.parametrize(
    "solver, named, remedy",
    [
        ("auto", "'auto'", "Adam"),
        (Newton(), "Newton", "Adam"),
        ("sgd", "'sgd'", "SGD"),
        (Adam(), "Adam", "Adam"),
    ],
    ids=str,
)
def test_rows_to_validate_on_without_early_stopping(solver: Any, named: str, remedy: str):
    message = rf"X_val and y_val .*solver {named} .*solvers.{remedy}\(early_stopping=5\)"
    for estimator, y in ((LogisticRegression, Y), (MultiLabelLogisticRegression, np.eye(2)[Y])):
        clf = estimator(solver=solver, max_iter=5, random_state=0)
        with pytest.warns(UserWarning, match=message) as caught:
            clf.fit(X, y, X_val=X, y_val=y)
        (warning,) = (one for one in caught if "X_val" in str(one.message))
        assert warning.filename == __file__
        assert "validation_loss" in clf.history_


def test_rows_to_validate_on_with_early_stopping_are_used_without_a_word():
    for estimator, y in ((LogisticRegression, Y), (MultiLabelLogisticRegression, np.eye(2)[Y])):
        clf = estimator(solver=SGD(early_stopping=2), random_state=0)
        assert clf.fit(X, y, X_val=X, y_val=y).history_["status"] == "early_stopping"


def test_early_stopping_in_parts():
    clf = LogisticRegression(solver=Adam(early_stopping=2))
    with pytest.raises(InputError, match="early_stopping to None"):
        clf.partial_fit(X, Y, classes=[0, 1])


def test_folds_without_a_classifier_to_fit():
    clf = LogisticRegression().fit(X, Y)
    with pytest.raises(InputError, match="cv=3 .* this one is fitted.*clone"):
        TemperatureScaler(clf, cv=3).fit(X, Y)
    with pytest.raises(InputError, match="cv=3 .* the input is logits"):
        TemperatureScaler(cv=3).fit(X[:, :2], Y)
    with pytest.raises(InputError, match="cv=3 .* teacher_logits are given"):
        DistilledClassifier(None, cv=3).fit(X, Y, teacher_logits=X[:, :2])

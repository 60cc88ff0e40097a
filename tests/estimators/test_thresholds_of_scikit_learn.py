"""scikit-learn's classifiers with another threshold than 0.5, around the estimators."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)

from fastclf import LogisticRegression, TemperatureScaler

X, CODES = make_classification(300, 5, weights=[0.8], flip_y=0.1, random_state=0)
Y = np.array(["no", "yes"])[CODES]
WEIGHTS = np.random.default_rng(0).integers(1, 4, len(Y)).astype(float)
F2 = make_scorer(fbeta_score, beta=2, pos_label="yes")


@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(C=0.5), TemperatureScaler(LogisticRegression(), cv=3)],
    ids=["plain", "calibrated"],
)
def test_a_fixed_threshold(estimator):
    fixed = FixedThresholdClassifier(estimator, threshold=0.2, pos_label="yes")
    assert repr(clone(fixed)) == repr(fixed)
    fixed.fit(X, Y)
    second = clone(estimator).fit(X, Y).predict_proba(X)[:, 1]
    assert (fixed.predict(X) == np.where(second >= 0.2, "yes", "no")).all()
    np.testing.assert_array_equal(fixed.predict_proba(X)[:, 1], second)
    ready = FixedThresholdClassifier(
        FrozenEstimator(fixed.estimator_), threshold=0.2, pos_label="yes"
    )
    assert (ready.fit(X, Y).predict(X) == fixed.predict(X)).all()


def test_a_tuned_threshold_and_a_search_of_it():
    tuned = TunedThresholdClassifierCV(LogisticRegression(), scoring=F2, cv=3, thresholds=20).fit(
        X, Y
    )
    plain = LogisticRegression().fit(X, Y)
    assert 0 < tuned.best_threshold_ < 0.5  # as recall counts more
    assert F2(tuned, X, Y) > F2(plain, X, Y)
    prefit = TunedThresholdClassifierCV(
        plain, scoring=F2, cv="prefit", refit=False, thresholds=20
    ).fit(X, Y)
    assert F2(prefit, X, Y) > F2(plain, X, Y)
    grid = {"estimator__C": [0.1, 1.0], "threshold": [0.2, 0.5]}
    search = GridSearchCV(FixedThresholdClassifier(LogisticRegression()), grid, scoring=F2, cv=3)
    assert search.fit(X, Y).best_params_["threshold"] == 0.2


def test_weights_are_routed():
    expected = LogisticRegression().fit(X, Y, sample_weight=WEIGHTS).coef_
    with sklearn.config_context(enable_metadata_routing=True):
        weighted = LogisticRegression().set_fit_request(sample_weight=True)
        scoring = make_scorer(fbeta_score, beta=2, pos_label="yes").set_score_request(
            sample_weight=True
        )
        for wrapper in (
            FixedThresholdClassifier(weighted),
            TunedThresholdClassifierCV(weighted, scoring=scoring, cv=3, thresholds=5),
        ):
            wrapper.fit(X, Y, sample_weight=WEIGHTS)
            np.testing.assert_array_equal(wrapper.estimator_.coef_, expected)

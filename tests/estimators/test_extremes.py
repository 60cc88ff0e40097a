"""Numbers that leave the range of floats, or their precision: no fit ends there in silence."""

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from settled import LogisticRegressionCV
from sklearn.exceptions import ConvergenceWarning

from fastclf import (
    LogisticRegression,
    MultiLabelLogisticRegression,
    TemperatureScaler,
)
from fastclf.data.scaling import fit_scaling
from fastclf.errors import DataError, InputError
from fastclf.losses import Softmax
from fastclf.objective import InMemoryObjective
from fastclf.penalties import L2
from fastclf.solvers import LBFGS, minimize
from fastclf.solvers.optimality import far_from_optimum
from fastclf.solvers.preconditioner import _factor
from fastclf.targets import Target

RNG = np.random.default_rng(0)
N = 300
X = RNG.normal(size=(N, 4))
Y = (X[:, 0] + 0.5 * RNG.normal(size=N) > 0.6).astype(int)
THREE = np.where(RNG.random(N) < 0.2, 2, Y)
LARGEST = np.finfo(float).max
FITS = {
    "newton": lambda rows: LogisticRegression().fit(rows, Y),
    "softmax": lambda rows: LogisticRegression().fit(rows, THREE),
    "lbfgs": lambda rows: LogisticRegression(solver="lbfgs").fit(rows, Y),
    "no intercept": lambda rows: LogisticRegression(fit_intercept=False).fit(rows, Y),
    "l1": lambda rows: LogisticRegression(l1_ratio=1.0).fit(rows, Y),
    "elastic net": lambda rows: LogisticRegression(l1_ratio=0.5).fit(rows, THREE),
    "sparse": lambda rows: LogisticRegression().fit(scipy.sparse.csr_array(rows), Y),
    "labels": lambda rows: MultiLabelLogisticRegression().fit(rows, np.eye(3)[THREE]),
    "adam": lambda rows: LogisticRegression(solver="adam", random_state=0).fit(rows, Y),
    "cv": lambda rows: LogisticRegressionCV(Cs=2, cv=3).fit(rows, Y),
}


def with_(value: float, *columns: int) -> np.ndarray:
    rows = X.copy()
    rows[7, list(columns)] = value
    return rows


HUGE = {
    "one": with_(LARGEST, 2),
    "a row": with_(LARGEST, 0, 1, 2, 3),
    "both signs": with_(LARGEST, 2) - with_(LARGEST, 2)[::-1],
    "a column": np.column_stack([X[:, :2], np.full(N, LARGEST), X[:, 3]]),
    "2 % of 1e38": np.where(RNG.random(X.shape) < 0.02, 1e38, X),
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", HUGE)
def test_numbers_that_stand_for_infinity_never_pass_in_silence(name: str, fit: str):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            clf = FITS[fit](HUGE[name])
        except InputError as error:
            assert "scale" in str(error)
            return
    assert np.isfinite(clf.coef_).all() and np.isfinite(clf.intercept_).all()
    messages = [str(one.message) for one in caught if one.category is ConvergenceWarning]
    assert messages and all("scale" in message for message in messages)


@pytest.mark.parametrize("fit", ["newton", "l1", "cv"])
def test_the_columns_of_extreme_size_are_named(fit: str):
    rows = np.column_stack([X[:, :2], np.full(N, -LARGEST), X[:, 3]])
    with pytest.raises(InputError, match="-1.8e.308 in row 0, column 2: .*nan_to_num.*scale"):
        FITS[fit](rows)
    with pytest.warns(ConvergenceWarning, match="far from the optimum.*in row 7, column 1"):
        LogisticRegression().fit(with_(LARGEST, 1), Y)


def test_nothing_is_set_by_a_fit_that_overflows():
    clf = LogisticRegression()
    with pytest.raises(InputError, match="overflows"):
        clf.fit(HUGE["a column"], Y)
    assert not hasattr(clf, "coef_")


def test_a_part_that_overflows_is_as_if_it_had_never_come():
    fits = [LogisticRegression(solver="adam", random_state=0) for _ in range(2)]
    for clf in fits:
        clf.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(InputError, match="row 7, column 2"):
        fits[0].partial_fit(HUGE["one"], Y)
    for clf in fits:
        clf.partial_fit(X, Y)
    assert np.array_equal(fits[0].coef_, fits[1].coef_)


@pytest.mark.parametrize("scale, shift", [(1.0, 0.0), (1e4, 1e5), (1e-4, 1.0)])
@pytest.mark.parametrize("fit", ["newton", "softmax", "lbfgs", "l1", "labels"])
def test_float32_ends_quietly_near_the_optimum(fit: str, scale: float, shift: float):
    rows = (scale * X + shift).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = FITS[fit](rows)
    assert clf.history_["status"] in ("converged", "precision")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale, shift", [(1.0, 0.0), (1e3, 1e4), (1e9, 0.0)])
def test_what_is_far_from_the_optimum_and_what_is_rounding(scale: float, shift: float, dtype: type):
    rows = (scale * X + shift).astype(dtype)
    target = Target(np.ones((1, N)), codes=THREE.astype(np.intp))
    objective = InMemoryObjective(rows, target, Softmax(), 3, L2(np.full(1, 1e-3 * scale**2)))
    theta = minimize(objective, np.zeros((5, 3)), LBFGS(tol=1e-12, max_iter=300)).theta
    assert not far_from_optimum(objective, theta, 1e-12).any()
    assert far_from_optimum(objective, np.zeros((5, 3)), 1e-4).all()
    assert far_from_optimum(objective, 1.05 * theta, 1e-4).all()
    assert not far_from_optimum(objective, 1.05 * theta, 1e30).any()


# Weights


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_beyond_arithmetic_are_refused_by_name(dtype: type):
    rows = X.astype(dtype)
    for weights in (np.full(N, 1e307), np.full(N, 1e-310)):
        for clf, y in ((LogisticRegression(), Y), (MultiLabelLogisticRegression(), np.eye(3)[Y])):
            with pytest.raises(InputError, match="sample_weight: .*Divide.*multiply C"):
                clf.fit(rows, y, weights)
        with pytest.raises(InputError, match="sample_weight"):
            LogisticRegressionCV(cv=2).fit(rows, Y, weights)
        of_labels = np.repeat(weights[:, None], 3, axis=1)
        with pytest.raises(InputError, match="sample_weight"):
            MultiLabelLogisticRegression().fit(rows, np.eye(3)[Y], of_labels)
    with pytest.raises(InputError, match="class_weight, sample_weight: .*sum to"):
        LogisticRegression(class_weight={0: 1e308, 1: 1.0}).fit(rows, Y)


def test_large_weights_within_range_are_only_a_scale():
    expected = LogisticRegression(tol=1e-8).fit(X, Y)
    for factor in (1e20, 1e-20):
        clf = LogisticRegression(C=1 / factor, tol=1e-8).fit(X, Y, np.full(N, factor))
        np.testing.assert_allclose(clf.coef_, expected.coef_, rtol=1e-6)


@pytest.mark.parametrize("weight", [np.inf, np.nan, -1.0])
def test_class_weights_are_finite(weight: float):
    with pytest.raises(InputError, match="class_weight must not be negative, NaN or infinite"):
        LogisticRegression(class_weight={0: weight, 1: 1.0}).fit(X, Y)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"C": 5e-324}, "C must be at least 1e-100"),
        ({"C": 10**400}, "C is larger than any float; use np.inf"),
        ({"tol": 10**400}, "tol is larger"),
    ],
)
def test_parameters_beyond_floats(parameters: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        LogisticRegression(**parameters).fit(X, Y)


def test_positive_weights_beyond_arithmetic():
    with pytest.raises(InputError, match="pos_weight must be at most 1e.30"):
        MultiLabelLogisticRegression(pos_weight=1e307).fit(X, np.eye(3)[Y])


def test_logits_too_large_for_a_temperature():
    z = np.array([[LARGEST, -LARGEST], [0.0, 1.0]])
    with pytest.raises(InputError, match="too large to be divided by a temperature"):
        TemperatureScaler().fit(z, [0, 1])


def test_columns_too_large_to_be_scaled_are_named():
    with pytest.raises(DataError, match='column "c": 1.8e.308 is too large a number to be scaled'):
        fit_scaling(with_(LARGEST, 2), "standard", "abcd")
    with pytest.raises(DataError, match="column 2: "):
        fit_scaling(with_(LARGEST, 2), "auto")


@pytest.mark.parametrize("shift", [1e38, -1e30])
def test_sparse_features_far_from_zero_end(shift: float):
    # Rounding makes their second moments negative, which no multiple of them mends.
    X = np.random.default_rng(0).normal(size=(300, 5))
    y = (X[:, 0] > 0.5).astype(int)
    X[:, 2] += shift
    with pytest.warns(ConvergenceWarning):
        LogisticRegression().fit(scipy.sparse.csr_matrix(X), y)


def test_a_matrix_that_rounding_made_indefinite_has_a_factor():
    factor = _factor(np.diag([1.0, -1e60]), 0.1, range(1, 2), np.dtype(np.float64))
    assert np.isfinite(factor).all()

"""Probabilities that miss their range or their sum by rounding alone are taken as meant."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from settled import LogisticRegressionCV

from fastclf import LogisticRegression, MultiLabelLogisticRegression
from fastclf import functional as F
from fastclf.data import FileOptions, load_file
from fastclf.errors import DataError, InputError
from fastclf.functional.rounding import ROUNDING, SUM_TOLERANCE, with_sum_one

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
P = RNG.dirichlet(np.ones(3), 40)
ABOVE, BELOW = 1 + 2.220446049250313e-16, -1e-17
SINGLE = float(np.float32(1.0000001))  # one in float32, and later in float64


@pytest.mark.parametrize("one", [ABOVE, SINGLE])
@pytest.mark.parametrize("none", [BELOW, -1e-7])
def test_functions_take_rounded_probabilities(one: float, none: float):
    p = [one, none]
    assert F.entropy(p) == 0
    assert F.information(p).tolist() == [0, np.inf]
    assert F.logit(p).tolist() == [np.inf, -np.inf]
    assert F.kl_divergence(p, [0.5, 0.5]) == pytest.approx(np.log(2), abs=1e-6)
    assert F.soften(p, 2.0).tolist() == [1, 0]
    np.testing.assert_allclose(F.smooth_labels(p, 0.1), [0.95, 0.05], atol=1e-6)
    assert F.expected_calibration_error([p], [0]) == 0
    half = pytest.approx(np.log(2), abs=1e-6)
    assert F.binary_cross_entropy([0.0, 0.0], p) == half
    assert F.binary_cross_entropy(p, [1, 0], from_logits=False) == 0
    assert F.cross_entropy([[0.0, 0.0]], [p]) == half
    assert F.cross_entropy([p], [0], from_logits=False) == 0


def test_what_is_more_than_rounding_is_refused_with_the_remedy():
    for wrong in (1 + 3 * ROUNDING, -3 * ROUNDING, np.nan):
        with pytest.raises(InputError, match=r"p must lie in \[0, 1\], got .*softmax or sigmoid"):
            F.information([0.5, wrong])
    with pytest.raises(InputError, match="p must not be negative or NaN.*softmax of logits"):
        F.entropy([1.0, -3 * ROUNDING])
    with pytest.raises(InputError, match="within 0.01, but one sums to 1.1; divide"):
        F.cross_entropy([[0.5, 0.6]], [0], from_logits=False)


def test_float32_probabilities_in_float64_are_divided_by_their_sum():
    p = P.astype(np.float32).astype(np.float64)
    found = F.cross_entropy(p, np.zeros(40, int), from_logits=False)
    assert found == pytest.approx(F.cross_entropy(P, np.zeros(40, int), from_logits=False), 1e-6)
    share = F.cross_entropy(0.995 * P, np.zeros(40, int), from_logits=False)
    assert share == pytest.approx(F.cross_entropy(P, np.zeros(40, int), from_logits=False))


def test_rows_that_sum_to_one_stay_as_they_are():
    for p in (P, P.astype(np.float32), np.eye(3)):
        assert with_sum_one(p, p.sum(axis=1, dtype=np.float64)) is p


@pytest.mark.parametrize("K", [2, 3])
def test_every_estimator_divides_rows_by_their_sums(K: int):
    q = P[:, :K] / P[:, :K].sum(axis=1, keepdims=True)
    for clf in (
        LogisticRegression(tol=1e-10),
        LogisticRegressionCV(Cs=2, cv=2, tol=1e-10),
    ):
        expected = clf.fit(X, q).coef_
        for given, atol in ((0.995 * q, 1e-9), (q.astype(np.float32).astype(float), 1e-6)):
            np.testing.assert_allclose(clf.fit(X, given).coef_, expected, atol=atol)
        with pytest.raises(InputError, match="within 0.01, but row 0 of y sums to 0.97: divide"):
            clf.fit(X, 0.97 * q)


def test_rounded_indicators_are_indicators():
    on = np.eye(3)[P.argmax(axis=1)]
    clf = MultiLabelLogisticRegression()
    expected = clf.fit(X, on).coef_
    np.testing.assert_array_equal(clf.fit(X, np.where(on > 0, SINGLE, BELOW)).coef_, expected)
    with pytest.raises(InputError, match=r"y\[0, .*give 0 and 1, or probabilities"):
        clf.fit(X, np.where(on > 0, 1.01, 0))


@pytest.mark.parametrize("factor", [1 - 0.99 * SUM_TOLERANCE, 0.97])
def test_files_and_arrays_have_one_tolerance(factor: float, tmp_path: Path):
    names = ["a", "b", "c"]
    frame = pd.DataFrame(X, columns=list("xyz")).join(pd.DataFrame(factor * P, columns=names))
    frame.to_parquet(tmp_path / "p.parquet")
    options: Any = {"target": names, "target_kind": "distribution"}

    def read() -> np.ndarray:
        return load_file(tmp_path / "p.parquet", FileOptions.model_validate(options)).y

    if factor == 0.97:
        with pytest.raises(DataError, match="sum to 0.97"):
            read()
        with pytest.raises(InputError, match="sums to 0.97"):
            LogisticRegression().fit(X, factor * P)
        return
    np.testing.assert_allclose(read(), P)
    LogisticRegression().fit(X, factor * P)


def test_rounded_probabilities_in_files(tmp_path: Path):
    frame = pd.DataFrame({"x": X[:2, 0], "a": [ABOVE, BELOW], "b": [BELOW, 1.0]})
    frame.to_parquet(tmp_path / "p.parquet")
    for kind in ("distribution", "indicators"):
        options = FileOptions.model_validate({"target": ["a", "b"], "target_kind": kind})
        found = load_file(tmp_path / "p.parquet", options)
        np.testing.assert_array_equal(found.y, np.eye(2))

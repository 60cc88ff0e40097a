"""Reliability and threshold curves, against scikit-learn and our own calibration error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_fscore_support

from fastclf import functional as F
from fastclf.runs.curves import MOST_LABELS, THRESHOLDS, reliability, threshold_curves


@given(st.integers(1, 200), st.integers(2, 6), st.sampled_from([np.float32, np.float64]))
def test_reliability_is_the_calibration_error_by_bins(n: int, classes: int, dtype: type):
    rng = np.random.default_rng(n)
    p = F.softmax(3 * rng.normal(size=(n, classes)).astype(dtype))
    y = rng.integers(0, classes, n)
    found = reliability(p.max(axis=1), p.argmax(axis=1) == y)
    assert found["ece"] == pytest.approx(F.expected_calibration_error(p, y), abs=1e-12)
    bins = found["bins"]
    assert sum(one["rows"] for one in bins) == n
    gaps = [one["rows"] * abs(one["accuracy"] - one["confidence"]) for one in bins]
    assert sum(gaps) / n == pytest.approx(found["ece"])
    for one in bins:
        assert one["rows"] > 0
        assert one["low"] - 1e-6 <= one["confidence"] <= one["high"] + 1e-6


def test_reliability_of_labels_agrees_with_scikit_learn(rng: np.random.Generator):
    p = rng.random(500)
    y = rng.random(500) < p**2
    shares, means = calibration_curve(y, p, n_bins=15)
    bins = reliability(p, y)["bins"]
    assert [one["accuracy"] for one in bins] == pytest.approx(shares.tolist())
    assert [one["confidence"] for one in bins] == pytest.approx(means.tolist())


def test_reliability_takes_what_came_true_in_part():
    found = reliability(np.array([0.75, 0.75]), np.array([0.25, 0.75]))
    assert found["bins"][0]["accuracy"] == 0.5
    assert found["ece"] == 0.25


def test_probabilities_of_0_and_1_are_in_the_outer_bins():
    bins = reliability(np.array([0.0, 1.0]), np.array([0, 1]))["bins"]
    assert (bins[0]["low"], bins[-1]["high"]) == (0.0, 1.0)


def test_threshold_curves_agree_with_scikit_learn(rng: np.random.Generator):
    p = np.round(rng.random((200, 3)), 2)  # some are thresholds themselves
    y = (rng.random((200, 3)) < p).astype(int)
    found = threshold_curves(y, p, ["a", "b", "c"])
    assert found["thresholds"] == THRESHOLDS.tolist()
    assert [one["name"] for one in found["labels"]] == ["a", "b", "c"]
    for i in (0, 10, 24, 48):
        predicted = (p > found["thresholds"][i]).astype(int)
        labels = precision_recall_fscore_support(y, predicted, zero_division=np.nan)
        micro = precision_recall_fscore_support(y, predicted, average="micro")
        for kind, values, value in zip(("precision", "recall", "f1"), labels, micro, strict=False):
            assert [one[kind][i] for one in found["labels"]] == pytest.approx(values, abs=1e-4)
            assert found["micro"][kind][i] == pytest.approx(value, abs=1e-4)


def test_labels_that_are_not_there():
    found = threshold_curves(np.zeros((4, 1), int), np.full((4, 1), 0.3), ["a"])
    assert set(found["labels"][0]["recall"]) == {None}
    assert found["labels"][0]["precision"][:14] == [0.0] * 14
    assert set(found["labels"][0]["precision"][15:]) == {None}


def test_of_many_labels_the_most_frequent_have_curves():
    y = np.zeros((60, 20), int)
    for label in range(20):
        y[: 2 * label, label] = 1
    found = threshold_curves(y, np.full(y.shape, 0.5), [str(i) for i in range(20)])
    assert [one["name"] for one in found["labels"]] == [str(i) for i in range(20 - MOST_LABELS, 20)]

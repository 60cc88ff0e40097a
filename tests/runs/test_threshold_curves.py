"""Curves over thresholds, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from fastclf.runs.threshold_curves import MOST_LABELS, THRESHOLDS, threshold_curves


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


def test_labels_that_are_not_known_do_not_count(rng: np.random.Generator):
    p, y = rng.random((80, 2)), rng.integers(0, 2, (80, 2))
    known = rng.random((80, 2)) < 0.7
    found = threshold_curves(y, p, ["a", "b"], known)
    for column, label in enumerate(found["labels"]):
        rows = known[:, column]
        alone = threshold_curves(y[rows, column : column + 1], p[rows, column : column + 1], ["x"])
        assert label == {**alone["labels"][0], "name": "ab"[column]}


def test_of_many_labels_the_most_frequent_have_curves():
    y = np.zeros((60, 20), int)
    for label in range(20):
        y[: 2 * label, label] = 1
    found = threshold_curves(y, np.full(y.shape, 0.5), [str(i) for i in range(20)])
    assert [one["name"] for one in found["labels"]] == [str(i) for i in range(20 - MOST_LABELS, 20)]

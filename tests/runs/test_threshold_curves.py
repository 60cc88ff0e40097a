"""Curves over thresholds, against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.metrics import precision_recall_fscore_support

from fastclf.runs.threshold_curves import (
    MOST_LABELS,
    MOST_POINTS,
    THRESHOLDS,
    positive_class_curves,
    threshold_curves,
)


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [6, 5000])
def test_curves_of_two_classes_agree_with_scikit_learn(n: int, dtype: type, rng):
    y = np.arange(n) % 3 == 0
    p = np.clip(rng.normal(0.3 + 0.2 * y, 0.2), 0, 1).round(3).astype(dtype)  # with ties, and 0
    found = positive_class_curves(y, p)

    curve = found["threshold_curve"]
    assert set(THRESHOLDS.round(2)) <= set(curve["thresholds"]) and curve["thresholds"] == sorted(
        curve["thresholds"]
    )
    for i in range(0, len(curve["thresholds"]), 20):
        predicted = p > np.float64(curve["thresholds"][i])  # in float64, as a model decides
        expected = precision_recall_fscore_support(
            y, predicted, average="binary", zero_division=np.nan
        )
        for key, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert [curve[key][i]] == pytest.approx([None if np.isnan(value) else value], abs=1e-4)
        assert curve["predicted_positive"][i] == pytest.approx(predicted.mean(), abs=1e-4)

    roc, pr = found["roc_curve"], found["precision_recall_curve"]
    assert roc["area"] == pytest.approx(metrics.roc_auc_score(y, p), rel=1e-12)
    assert pr["average_precision"] == pytest.approx(
        metrics.average_precision_score(y, p), rel=1e-12
    )
    fpr, tpr, _ = metrics.roc_curve(y, p, drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(y, p)
    points = np.array([pr["recall"], pr["precision"]]).T
    own = np.array([roc["false_positive_rate"], roc["true_positive_rate"]]).T
    for some, whole in ((own, (fpr, tpr)), (points, (recall, precision))):
        distance = np.abs(some[:, None] - np.array(whole).T).max(axis=2).min(axis=1)
        assert distance.max() < 6e-5 and len(some) <= MOST_POINTS
    assert own[[0, -1]].tolist() == [[0, 0], [1, 1]]
    assert points[-1].tolist() == [1, round(y.mean(), 4)]
    assert points[0, 0] == round(recall[-2], 4)
    # What is left out changes the areas little.
    assert np.trapezoid(own[:, 1], own[:, 0]) == pytest.approx(roc["area"], abs=1e-3)


def test_rare_classes_have_thresholds_among_their_probabilities():
    p = np.geomspace(1e-5, 1e-2, 1000)
    curve = positive_class_curves(p > 9e-3, p)["threshold_curve"]
    assert sum(value < 0.01 for value in curve["thresholds"]) > 50
    assert curve["predicted_positive"][-1] == 0 and curve["precision"][-1] is None


def test_a_class_that_is_not_there_or_always_there_has_no_roc_curve():
    p = np.linspace(0.1, 0.9, 9)
    assert list(positive_class_curves(np.zeros(9, bool), p)) == ["threshold_curve"]
    found = positive_class_curves(np.ones(9, bool), p)
    assert list(found) == ["threshold_curve", "precision_recall_curve"]
    assert found["precision_recall_curve"]["average_precision"] == 1

"""The figures of an evaluation, against scikit-learn's and on odd data."""

import json

import numpy as np
import pytest
from sklearn import metrics

from fastclf import functional as F
from fastclf.linear_model import LinearModel
from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
from fastclf.runs.evaluation import (
    METRICS,
    Evaluation,
    evaluate,
    evaluate_predictions,
    logits_of,
    metric,
)
from fastclf.runs.parts import Part
from fastclf.runs.tables import LOWER_IS_BETTER
from fastclf.table import Categories, Numbers, Table

NAMES = np.array(["bird", "cat", "dog"])


def distributions(rng: np.random.Generator, n: int, K: int) -> np.ndarray:
    return rng.dirichlet(np.ones(K), size=n)


def test_three_classes_agree_with_scikit_learn(rng):
    p = distributions(rng, 60, 3)
    y, predicted = NAMES[rng.integers(3, size=60)], NAMES[p.argmax(axis=1)]
    found = evaluate_predictions(y, predicted, p, NAMES)
    onehot = (y[:, None] == NAMES).astype(float)
    expected = {
        "accuracy": metrics.accuracy_score(y, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted),
        "log_loss": metrics.log_loss(y, p),
        "brier": np.mean(((p - onehot) ** 2).sum(axis=1)),
        "ece": F.expected_calibration_error(p, onehot.argmax(axis=1)),
        "macro_f1": metrics.f1_score(y, predicted, average="macro"),
        "micro_f1": metrics.f1_score(y, predicted, average="micro"),
        "roc_auc": metrics.roc_auc_score(y, p, multi_class="ovr"),
    }
    assert found.metrics == pytest.approx(expected)
    assert list(found.metrics) == list(expected)
    table = found.tables["confusion_matrix"]
    assert table["classes"] == ["bird", "cat", "dog"]
    assert table["counts"] == metrics.confusion_matrix(y, predicted).tolist()
    assert [row["name"] for row in found.tables["per_class"]] == table["classes"]
    assert [row["support"] for row in found.tables["per_class"]] == onehot.sum(axis=0).tolist()
    areas = [metrics.roc_auc_score(onehot[:, k], p[:, k]) for k in range(3)]
    assert [row["roc_auc"] for row in found.tables["per_class"]] == pytest.approx(areas)


@pytest.mark.parametrize(
    "classes", [np.array([3, 7]), np.array([False, True]), np.array(["a", "b"])]
)
def test_two_classes_of_any_kind(classes: np.ndarray, rng):
    second = rng.random(40).round(1)  # with ties
    p = np.stack([1 - second, second], axis=1)
    codes = rng.integers(2, size=40)
    y, predicted = classes[codes], classes[(second > 0.5).astype(int)]
    found = evaluate_predictions(y, predicted, p, classes).metrics
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(codes, second))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(codes, second))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(codes, p))
    assert evaluate_predictions(y.astype(object), predicted, p, classes).metrics == found


@pytest.mark.parametrize("there", ["cat", "dog"])
def test_classes_that_are_not_there_leave_figures_out(there: str, rng):
    p = distributions(rng, 8, 3)
    found = evaluate_predictions(np.full(8, there), NAMES[p.argmax(axis=1)], p, NAMES)
    assert "roc_auc" not in found.metrics
    assert found.metrics["balanced_accuracy"] == found.metrics["accuracy"]
    assert np.isfinite(list(found.metrics.values())).all()
    bird = found.tables["per_class"][0]
    assert bird["support"] == 0
    assert bird["recall"] is None and bird["roc_auc"] is None


def test_a_class_that_the_model_does_not_know_is_always_wrong(rng):
    p = distributions(rng, 5, 3)
    found = evaluate_predictions(
        np.array(["ant", "cat", "dog", "ant", "cat"]), np.full(5, "cat"), p, NAMES
    )
    assert found.metrics["accuracy"] == pytest.approx(0.4)
    assert not found.metrics.keys() & {"log_loss", "brier", "roc_auc"}
    assert found.tables["confusion_matrix"]["classes"] == ["bird", "cat", "dog", "ant"]
    assert found.tables["per_class"][3] == {
        "name": "ant",
        "precision": None,
        "recall": 0.0,
        "f1": 0.0,
        "support": 2,
        "roc_auc": None,
    }


def test_distributions_are_judged_by_divergence(rng):
    y, p = distributions(rng, 50, 3), distributions(rng, 50, 3)
    found = evaluate_predictions(y, NAMES[p.argmax(axis=1)], p, NAMES)
    divergences = ["cross_entropy", "kl_divergence", "brier", "ece"]
    assert list(found.metrics) == ["accuracy", "macro_f1", *divergences]
    assert found.metrics["brier"] == pytest.approx(((p - y) ** 2).sum(axis=1).mean())
    cross_entropy = -(y * np.log(p)).sum(axis=1).mean()
    entropy = -(y * np.log(y)).sum(axis=1).mean()
    assert found.metrics["cross_entropy"] == pytest.approx(cross_entropy)
    assert found.metrics["kl_divergence"] == pytest.approx(cross_entropy - entropy)
    assert found.metrics["accuracy"] == np.mean(y.argmax(axis=1) == p.argmax(axis=1))
    itself = evaluate_predictions(y, NAMES[y.argmax(axis=1)], y, NAMES).metrics
    assert itself["kl_divergence"] == 0 and itself["ece"] == pytest.approx(0)
    assert itself["brier"] == 0
    hard = evaluate_predictions(NAMES[y.argmax(axis=1)], NAMES[p.argmax(axis=1)], p, NAMES).metrics
    one_hot = evaluate_predictions(
        np.eye(3)[y.argmax(axis=1)], NAMES[p.argmax(axis=1)], p, NAMES
    ).metrics
    assert one_hot["brier"] == pytest.approx(hard["brier"])


def test_certain_and_wrong_is_finite():
    p = np.array([[1.0, 0.0, 0.0]], dtype=np.float32)
    for y in (np.array(["cat"]), np.array([[0.0, 1.0, 0.0]])):
        assert np.isfinite(
            list(evaluate_predictions(y, NAMES[:1], p, NAMES).metrics.values())
        ).all()


def calibration_error(p: np.ndarray, y: np.ndarray) -> float:
    """The mean gap over 15 bins, bin by bin."""
    total = 0.0
    for low in np.arange(15) / 15:
        inside = (p > low) & (p <= low + 1 / 15)
        if inside.any():
            total += inside.sum() * abs(p[inside].mean() - y[inside].mean())
    return total / p.size


def test_reliability_has_the_bins_that_are_not_empty(rng):
    p = distributions(rng, 50, 3)
    y = rng.integers(3, size=50)
    bins = evaluate_predictions(NAMES[y], NAMES[p.argmax(axis=1)], p, NAMES).tables["reliability"]
    assert sum(bin["count"] for bin in bins) == 50 and all(bin["count"] for bin in bins)
    assert all(bin["from"] < bin["confidence"] <= bin["to"] for bin in bins)
    right = sum(bin["count"] * bin["accuracy"] for bin in bins)
    assert right == pytest.approx((p.argmax(axis=1) == y).sum())
    counts, confidence, accuracy = F.reliability(p, y)
    assert [bin["count"] for bin in bins] == counts[counts > 0].tolist()
    assert [bin["accuracy"] for bin in bins] == accuracy[counts > 0].tolist()
    assert np.isnan(confidence[counts == 0]).all()


def test_labels_that_are_not_known_count_nowhere(rng):
    p = rng.random((60, 4))
    y, predicted = rng.integers(2, size=(60, 4)), (p > 0.5).astype(np.intp)
    known = rng.random((60, 4)) < 0.7
    known[5] = False
    found = evaluate_predictions(np.where(known, y, np.nan), predicted, p, np.array(list("abcd")))
    rows = found.tables["per_label"]
    for k, row in enumerate(rows):
        some = known[:, k]
        truth, said = y[some, k], predicted[some, k]
        assert row["support"] == truth.sum()
        assert row["precision"] == pytest.approx(metrics.precision_score(truth, said))
        assert row["recall"] == pytest.approx(metrics.recall_score(truth, said))
        assert row["f1"] == pytest.approx(metrics.f1_score(truth, said))
        assert row["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, p[some, k]))
    figures = found.metrics
    assert figures["hamming_loss"] == pytest.approx(np.mean(y[known] != predicted[known]))
    assert figures["log_loss"] == pytest.approx(metrics.log_loss(y[known], p[known]))
    assert figures["ece"] == pytest.approx(calibration_error(p[known], y[known]))
    assert figures["micro_f1"] == pytest.approx(metrics.f1_score(y[known], predicted[known]))
    right = [(y[i] == predicted[i])[known[i]].all() for i in range(60) if known[i].any()]
    assert figures["subset_accuracy"] == pytest.approx(np.mean(right))
    ranks, coverages = [], []
    for i in np.flatnonzero(known.any(axis=1)):
        one = y[i : i + 1, known[i]], p[i : i + 1, known[i]]
        several = known[i].sum() > 1
        ranks.append(metrics.label_ranking_average_precision_score(*one) if several else 1)
        coverages.append(metrics.coverage_error(*one) if several else one[0].sum())
    assert figures["lrap"] == pytest.approx(np.mean(ranks))
    assert figures["coverage_error"] == pytest.approx(np.mean(coverages))
    nothing = evaluate_predictions(np.full((60, 4), np.nan), predicted, p, np.array(list("abcd")))
    assert nothing.metrics == {}


def test_several_labels_agree_with_scikit_learn(rng):
    p = rng.random((30, 4))
    y, predicted = rng.integers(2, size=(30, 4)), (p > 0.5).astype(np.intp)
    found = evaluate_predictions(y, predicted, p, np.array(list("abcd")))
    expected = {
        "subset_accuracy": metrics.accuracy_score(y, predicted),
        "hamming_loss": metrics.hamming_loss(y, predicted),
        "micro_f1": metrics.f1_score(y, predicted, average="micro"),
        "macro_f1": metrics.f1_score(y, predicted, average="macro"),
        "log_loss": np.mean([metrics.log_loss(y[:, k], p[:, k]) for k in range(4)]),
        "brier": np.mean((p - y) ** 2),
        "ece": calibration_error(p, y),
        "lrap": metrics.label_ranking_average_precision_score(y, p),
        "coverage_error": metrics.coverage_error(y, p),
        "roc_auc": metrics.roc_auc_score(y, p),
    }
    assert found.metrics == pytest.approx(expected)
    assert list(found.tables) == ["per_label", "reliability", "threshold_curves"]
    assert [row["name"] for row in found.tables["per_label"]] == list("abcd")
    assert [row["support"] for row in found.tables["per_label"]] == y.sum(axis=0).tolist()


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("value", [0, 1])
def test_labels_that_are_never_or_always_there(value: int, columns: int):
    y = np.full((4, columns), value)
    found = evaluate_predictions(
        y, np.zeros_like(y), np.full(y.shape, 0.3), np.array(["x", "y"])[:columns]
    )
    assert "roc_auc" not in found.metrics
    assert found.metrics["hamming_loss"] == value
    assert found.metrics["macro_f1"] == 0
    assert np.isfinite(list(found.metrics.values())).all()
    assert found.tables["per_label"][0]["support"] == 4 * value


def test_no_rows_no_figures(rng):
    model = LinearModel(rng.normal(size=(3, 3)), "multiclass", NAMES)
    assert evaluate(model, Part(np.empty((0, 2)), NAMES[:0])) == Evaluation(0)
    assert evaluate_predictions(NAMES[:0], NAMES[:0], np.empty((0, 3)), NAMES) == Evaluation(0)


def test_a_model_is_judged_by_what_it_predicts(rng):
    model = LinearModel(rng.normal(size=(3, 3)), "multiclass", NAMES)
    X, y = rng.normal(size=(20, 2)), NAMES[rng.integers(3, size=20)]
    found = evaluate(model, Part(X, y))
    assert found == evaluate_predictions(y, model.predict(X), model.predict_proba(X), NAMES)
    assert json.loads(json.dumps(found.as_json()))["metrics"] == found.metrics
    assert not LOWER_IS_BETTER & {"accuracy", "roc_auc", "lrap"}


def test_ranking_is_left_out_where_it_would_take_long(rng, monkeypatch):
    monkeypatch.setattr("fastclf.runs.evaluation._MOST_RANKED", 100)
    p = distributions(rng, 60, 3)
    y = NAMES[rng.integers(3, size=60)]
    assert "roc_auc" not in evaluate_predictions(y, y, p, NAMES).metrics


@pytest.mark.parametrize("kind", ["labels", "text", "indicators", "distributions"])
def test_one_metric_is_that_of_all(kind: str):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), size=60)
    classes = np.array(["a", "b", "c"]) if kind == "text" else np.array([3, 5, 8])
    y = classes[rng.integers(3, size=60)]
    predicted = classes[p.argmax(axis=1)]
    if kind == "indicators":
        y, predicted = (rng.random((60, 3)) < 0.4).astype(float), (p > 0.3).astype(int)
    elif kind == "distributions":
        y = rng.dirichlet(np.ones(3), size=60)
    found = evaluate_predictions(y, predicted, p, classes).metrics
    task = {"indicators": "multilabel", "distributions": "distribution"}.get(kind, "multiclass")
    assert set(found) == set(METRICS[task])
    for name, value in found.items():
        assert metric(name, y, predicted, p, classes) == pytest.approx(value, rel=1e-12)
    if kind == "labels":
        unknown = np.where(np.arange(60) == 0, 9, y)
        assert metric("log_loss", unknown, predicted, p, classes) is None
        assert metric("accuracy", unknown, predicted, p, classes) < 1


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_are_encoded_some_at_a_time(sparse: bool, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    names = tuple(f"value {j}" for j in range(30))
    columns = (NumericColumn("a"), CategoricalColumn("b", names[:20], other=True))
    encoder = Encoder(columns, sparse=sparse)
    theta = rng.normal(size=(encoder.n_features + 1, 1))
    model = LinearModel(theta, "binary", np.array([0, 1]), encoder=encoder)
    codes = rng.integers(-1, 30, size=500).astype(np.int32)
    table = Table({"a": Numbers(rng.normal(size=500)), "b": Categories(codes, names)})
    whole, sizes = model.decision_function(table), []
    decision_function = LinearModel.decision_function

    def counted(self: LinearModel, X: Table) -> np.ndarray:
        sizes.append(len(X))
        return decision_function(self, X)

    monkeypatch.setattr("fastclf.runs.evaluation._ENCODED_BYTES", 8 * 22 * 50)
    monkeypatch.setattr(LinearModel, "decision_function", counted)
    assert (logits_of(model, table) == whole).all()
    assert sum(sizes) == 500 and len(sizes) > 3

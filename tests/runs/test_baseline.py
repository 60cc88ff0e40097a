"""The baseline beside a model's metrics, and what a run decided: recorded and printed."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from sklearn import metrics
from sklearn.dummy import DummyClassifier

from fastclf.config import Recipe
from fastclf.runs.baseline import baseline_metrics, class_frequencies
from fastclf.runs.directory import open_run
from fastclf.runs.evaluation import evaluate_predictions
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import train
from fastclf.runs.summary import print_summary
from fastclf.runs.tables import baseline_line, memory_text


def test_it_is_that_of_a_dummy_classifier():
    rng = np.random.default_rng(0)
    names = np.array(["a", "b", "c"])
    y_train, y = rng.choice(names, 90, p=[0.2, 0.5, 0.3]), rng.choice(names, 40)
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((90, 1)), y_train)
    frequencies = class_frequencies(y_train, names.tolist())
    found = baseline_metrics(y, frequencies, names.tolist(), several_labels=False)
    X = np.zeros((40, 1))
    expected = {
        "accuracy": metrics.accuracy_score(y, dummy.predict(X)),
        "log_loss": metrics.log_loss(y, dummy.predict_proba(X)),
    }
    assert found == pytest.approx(expected)
    with_other = baseline_metrics(np.append(y, "d"), frequencies, [*names], several_labels=False)
    assert with_other == {"accuracy": pytest.approx(expected["accuracy"] * 40 / 41)}

    P = np.eye(3)[[*map("abc".index, y)]]  # distributions that are certain
    soft = baseline_metrics(P, frequencies, names.tolist(), several_labels=False)
    assert soft == pytest.approx(
        {"accuracy": found["accuracy"], "cross_entropy": found["log_loss"]}
    )


def test_it_predicts_the_labels_of_most_training_rows():
    Y = np.array([[1, 0], [1, 1], [0, np.nan], [1, 0]])
    frequencies = class_frequencies(Y, ["a", "b"])
    assert frequencies == pytest.approx([3 / 4, 1 / 3])
    found = baseline_metrics(Y, frequencies, ["a", "b"], several_labels=True)
    p = np.tile(frequencies, (4, 1))
    model = evaluate_predictions(Y, (p > 0.5).astype(int), p, np.array(["a", "b"])).metrics
    assert found == pytest.approx({name: model[name] for name in found})
    assert set(found) == {"subset_accuracy", "hamming_loss", "log_loss"}
    assert baseline_metrics(Y[:0], frequencies, ["a", "b"], several_labels=True) == {}
    assert baseline_line(["a"]).endswith("have: a")
    assert baseline_line([]).endswith("have: none")


def test_a_run_records_and_prints_what_was_decided(tmp_path: Path):
    rows = ["x,z,y"] + [f"{i % 7},{100 * (i % 5)},{'yes' if i % 3 else 'no'}" for i in range(40)]
    Path(tmp_path / "rows.csv").write_text("\n".join(rows))
    (tmp_path / "one.csv").write_text("x,z,y\n1,2,yes\n2,0,yes\n")
    recipe = Recipe.model_validate(
        {
            "name": "rows",
            "data": {"path": str(tmp_path / "rows.csv"), "target": "y"},
            "calibrate": {"validation_fraction": 0.2},
        }
    )
    result = train(recipe, tmp_path / "run")
    summary = result.summary
    assert summary["decided"] == {
        "rows": "24 training rows + 6 calibration rows + 10 test rows, stratified, seed 0",
        "scaling": "numeric columns standardised (chosen by auto)",
        "solver": "newton (chosen by auto)",
    }
    assert summary["baseline"]["predicts"] == "yes"
    assert summary["baseline"]["frequencies"] == pytest.approx([1 / 3, 2 / 3])
    assert summary["baseline"]["metrics"]["train"]["accuracy"] == pytest.approx(2 / 3)
    assert "micro_f1" not in summary["metrics"]["test"]
    console = Console(file=io.StringIO(), width=80)
    print_summary(result.path, summary, console)
    printed = console.file.getvalue()
    facts = [*summary["decided"].values(), "baseline: always predicts yes", "balanced_accuracy"]
    assert [fact for fact in facts if fact not in printed] == []
    assert "…" not in printed

    run = open_run(result.path)
    (other,) = evaluate_run(run, tmp_path / "one.csv").parts.values()
    assert other.baseline["accuracy"] == 1
    assert other.undefined == {"roc_auc": 'no row has "no"'}
    del summary["baseline"], summary["decided"]  # an older run
    summary["metrics"]["test"]["micro_f1"] = 0.5
    console = Console(file=io.StringIO(), width=80)
    print_summary(result.path, summary, console)
    assert "24 training rows + 10 test rows" in console.file.getvalue()
    assert "micro_f1" not in console.file.getvalue()


def test_memory_has_a_unit():
    texts = [memory_text(n) for n in (800, 250_000, 12_345_678, 999e6, 1.5e9)]
    assert texts == ["1 kB", "250 kB", "12.3 MB", "999 MB", "1.5 GB"]

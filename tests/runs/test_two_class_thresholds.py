"""Thresholds of two classes: how they are tuned, and where they count."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn import metrics
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import FixedThresholdClassifier

import fastclf
from fastclf.cli import main
from fastclf.config import CalibrateTable, Recipe, load_recipe
from fastclf.errors import ConfigError, InputError
from fastclf.linear_model import LinearModel
from fastclf.runs.calibration import calibrate
from fastclf.runs.directory import open_run
from fastclf.runs.parts import Part
from fastclf.runs.prediction import open_predictor, predict_file, with_threshold
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import train

COSTS = {"false_positive_cost": 2.0, "false_negative_cost": 7.0}


def scores_of(
    y: np.ndarray, predicted: np.ndarray, weights: np.ndarray, table: dict[str, Any]
) -> float:
    """Return what a table asks for, the higher the better, by scikit-learn's metrics."""
    given = {"sample_weight": weights, "zero_division": 0.0}
    if table["threshold"] == "f1":
        return metrics.f1_score(y, predicted, **given)
    if table["threshold"] == "cost":
        matrix = metrics.confusion_matrix(y, predicted, labels=[0, 1], sample_weight=weights)
        return -2 * matrix[0, 1] - 7 * matrix[1, 0]
    enough = metrics.precision_score(y, predicted, **given) >= table["min_precision"] - 1e-9
    return metrics.recall_score(y, predicted, **given) if enough else -1.0


@pytest.mark.parametrize("soft, dtype", [(False, np.float32), (True, np.float64)])
@pytest.mark.parametrize(
    "table",
    [
        {"threshold": "f1"},
        {"threshold": "cost", **COSTS},
        {"threshold": "precision", "min_precision": 0.7},
    ],
    ids=lambda table: table["threshold"],
)
def test_no_other_threshold_is_better(table: dict[str, Any], soft: bool, dtype: type, rng):
    X = rng.normal(size=(50, 1)).round(1).astype(dtype)  # with ties
    y = (X[:, 0] + rng.normal(size=50) > 0.8).astype(int)
    target = np.stack([0.9 - 0.8 * y, 0.1 + 0.8 * y], axis=1) if soft else np.where(y, "yes", "no")
    weights = rng.integers(0, 4, size=50).astype(float)
    model = LinearModel(np.array([[1.5], [-1.0]], dtype), "binary", np.array(["no", "yes"]))
    part = Part(X, target, soft, weights=weights)
    for temperature in (False, True):
        settings = CalibrateTable(temperature=temperature, **table)
        tuned, facts = calibrate(model, settings, part)
        assert tuned.threshold is not None and facts["threshold"]["value"] == tuned.threshold[0]
        expected = {"class": "yes", "tuned_for": table["threshold"], **table}
        expected.pop("threshold")
        assert facts["threshold"].items() >= expected.items()
        p = tuned.predict_proba(X)[:, 1].astype(np.float64)
        reached = scores_of(y, tuned.predict(X) == "yes", weights, table)
        others = [scores_of(y, p > value, weights, table) for value in [-1.0, *np.unique(p)]]
        assert reached == pytest.approx(max(others), rel=1e-9)
        # The record is that of the rows, each counted once, as in all metrics.
        for which, predicted in (("before", p > 0.5), ("after", p > tuned.threshold[0])):
            for name in ("precision", "recall", "f1"):
                value = getattr(metrics, f"{name}_score")(y, predicted)
                assert facts[which][name] == pytest.approx(value)
        if table["threshold"] == "cost":
            wrong = p > tuned.threshold[0], y > 0
            cost = 2 * (wrong[0] & ~wrong[1]).sum() + 7 * (~wrong[0] & wrong[1]).sum()
            assert facts["after"]["cost"] == pytest.approx(cost / 50)


def test_a_threshold_that_no_row_supports_is_told():
    X = np.array([[0.0], [1.0], [2.0], [3.0]])
    model = LinearModel(np.array([[1.0], [-1.5]]), "binary", np.array([3, 7]))
    table = CalibrateTable(temperature=False, threshold="precision", min_precision=0.9)
    with pytest.warns(UserWarning, match=r'min_precision = 0.9: no threshold of "7".*0.6667'):
        tuned, facts = calibrate(model, table, Part(X, np.array([3, 7, 7, 3])))
    assert facts["after"]["precision"] == pytest.approx(2 / 3)
    with pytest.warns(UserWarning, match='no calibration row is of the class "7"'):
        tuned, _ = calibrate(model, table, Part(X, np.full(4, 3)))
    assert tuned.threshold == [0.5]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = CalibrateTable(temperature=False, threshold=0)
        tuned, facts = calibrate(model, given, Part(X, np.full(4, 7)))
    assert tuned.threshold == [0.0] and (tuned.predict(X) == 7).all()
    assert facts["threshold"] == {"value": 0.0, "class": "7", "tuned_for": None}


def recipe(**tables: Any) -> Recipe:
    data = {"name": "breast_cancer", "scale": "none"}
    return Recipe.model_validate({"name": "t", "data": data, **tables})


def test_a_run_predicts_by_its_threshold_everywhere(tmp_path: Path):
    # Without scaling and temperature its model file is one of an estimator, but for the threshold.
    table = {"threshold": "cost", "temperature": False, **COSTS, "false_negative_cost": 300.0}
    solver = {"name": "newton", "max_iter": 30}
    result = train(recipe(calibrate=table, solver=solver), tmp_path / "run")
    threshold = result.summary["calibration"]["threshold"]["value"]
    run = open_run(tmp_path / "run")
    assert run.model.threshold == [threshold] and threshold < 0.4
    assert evaluate_run(run).parts["test"].metrics == result.summary["metrics"]["test"]

    X = load_breast_cancer().data
    p = run.model.predict_proba(X)[:, 1]
    expected = np.where(p > threshold, *run.model.classes[::-1].tolist())
    assert not (expected == np.where(p > 0.5, *run.model.classes[::-1].tolist())).all()
    for path in (run.path, run.path / "model.safetensors"):
        clf = fastclf.load(path)
        assert clf.threshold_.tolist() == [threshold]
        assert (clf.predict(X) == expected).all()
        plain = clf.to_sklearn()
        assert isinstance(plain, FixedThresholdClassifier)
        assert (plain.predict(pd.DataFrame(X, columns=clf.feature_names_in_)) == expected).all()
    np.save(tmp_path / "rows.npy", X)
    for asked, cut in ((None, threshold), (0.9, 0.9)):
        predict_file(
            open_predictor(run.path), tmp_path / "rows.npy", tmp_path / "p.npz", threshold=asked
        )
        with np.load(tmp_path / "p.npz") as found:
            assert (found["labels"] == found["classes"][(p > cut).astype(int)]).all()

    before = (run.path / "evaluation.json").read_bytes()
    other = evaluate_run(run, threshold=0.9).parts["test"]
    assert other.metrics["accuracy"] != result.summary["metrics"]["test"]["accuracy"]
    assert other.metrics["log_loss"] == result.summary["metrics"]["test"]["log_loss"]
    shell = CliRunner()
    told = shell.invoke(main, ["evaluate", str(run.path), "--threshold", "0.9", "--json"])
    assert json.loads(told.stdout)["test"]["metrics"] == other.metrics
    for options in (["--threshold", "0.9"], ["--threshold", "0.9", "-q"]):
        told = shell.invoke(main, ["evaluate", str(run.path), *options])
        assert told.exit_code == 0 and "saved" not in told.output
    assert (run.path / "evaluation.json").read_bytes() == before
    assert "--cv" in shell.invoke(main, ["evaluate", str(run.path), *options, "--cv", "3"]).output
    assert shell.invoke(main, ["evaluate", str(run.path), "--threshold", "2"]).exit_code == 2

    again = shell.invoke(main, ["train", "--resume", str(run.path)])
    assert (
        f"threshold {threshold:.4g} of" in again.output
        and "tuned for the lowest cost, 2 for a" in again.output
    )


def test_recipes_without_the_new_keys_are_what_they_were():
    # Otherwise a run that an earlier version began couldn't be resumed.
    table = recipe(calibrate={}).model_dump(mode="json", exclude_none=True)["calibrate"]
    assert set(table) == {"validation_fraction", "temperature", "thresholds"}


BAD = {
    "outside": ("threshold = 1.5", "threshold = 1.5: must be less than or equal to 1 or be 'f1'"),
    "a word": ('threshold = "F1"', "did you mean f1"),
    "no costs": ('threshold = "cost"', "needs calibrate.false_positive_cost"),
    "one cost": (
        'threshold = "cost"\nfalse_positive_cost = 1',
        "needs calibrate.false_negative_cost",
    ),
    "no floor": ('threshold = "precision"', "needs calibrate.min_precision"),
    "no rule": ("min_precision = 0.8", 'is for calibrate.threshold = "precision"'),
    "another rule": (
        'threshold = "f1"\nfalse_positive_cost = 1',
        'is for calibrate.threshold = "cost"',
    ),
    "three classes": ('threshold = 0.3\n[model]\nkind = "softmax"', "needs two classes.*softmax"),
    "several labels": (
        'threshold = 0.3\n[model]\nkind = "multilabel"',
        "needs two classes.*set calibrate.thresholds",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables(name: str, tmp_path: Path):
    text, message = BAD[name]
    (tmp_path / "r.toml").write_text(f'[data]\nname = "iris"\n[calibrate]\n{text}\n')
    with pytest.raises(ConfigError, match=message):
        load_recipe(tmp_path / "r.toml")


def test_data_of_three_classes_have_no_threshold(tmp_path: Path):
    (tmp_path / "r.toml").write_text('[data]\nname = "iris"\n[calibrate]\nthreshold = 0.3\n')
    told = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "r.toml")])
    assert told.exit_code == 2 and "calibrate.threshold needs two classes" in told.output
    model = LinearModel(np.ones((2, 3)), "multiclass", np.arange(3))
    with pytest.raises(InputError, match="most probable of 3 classes"):
        with_threshold(model, 0.3)

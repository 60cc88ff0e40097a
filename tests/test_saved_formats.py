"""Files of every format that was ever written are read: those in tests/data/formats stay for ever.

A model's JSON file has rows, and what the version that wrote the model predicted for them.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastclf
from fastclf import linear_model
from fastclf.config import load_recipe
from fastclf.model_file import unpack
from fastclf.runs import checkpoint
from fastclf.runs.directory import open_run
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.reporting import write_report
from fastclf.runs.run import resume

FORMATS = Path(__file__).parent / "data" / "formats"
MODELS = sorted(FORMATS.glob("model-*.safetensors"))


def test_each_format_has_a_file():
    found = [unpack(path.read_bytes())[1]["format"] for path in MODELS]
    assert found == list(range(1, linear_model._FORMAT + 1))
    (kept,) = (FORMATS / "stopped-run" / "checkpoint").glob("0*.json")
    assert json.loads(kept.read_text())["content"]["format"] == checkpoint._FORMAT


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_predicts_what_it_predicted(path: Path, tmp_path: Path):
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    clf = fastclf.load(path)
    rows: Any = expected["rows"]
    rows = rows if isinstance(rows, dict) else np.array(rows)
    assert clf.predict(rows).tolist() == expected["predictions"]
    np.testing.assert_allclose(
        clf.predict_proba(rows), expected["probabilities"], rtol=1e-5, atol=1e-12
    )
    model = linear_model.LinearModel.load(path)
    model.save(tmp_path / "again")  # as the lowest format that holds it, without a loss
    again = fastclf.load(tmp_path / "again")
    assert np.array_equal(again.predict_proba(rows), clf.predict_proba(rows))


@pytest.mark.parametrize("name", ["oldest-run", "run", "run-0.1.0"])
def test_a_run_is_read(name: str, tmp_path: Path):
    run = open_run(FORMATS / name)
    X = np.array([[6.0, 2.9, 4.5, 1.5], [6.5, 3.0, 5.8, 2.2]])  # a versicolor and a virginica
    assert fastclf.load(run.path).predict(X).tolist() == ["versicolor", "virginica"]
    page = write_report(run, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "versicolor" in page and f"{run.summary['metrics']['test']['log_loss']:.4f}" in page


@pytest.mark.parametrize("name", ["run", "run-0.1.0"])
def test_a_run_is_evaluated_on_its_own_data(name: str, tmp_path: Path):
    shutil.copytree(FORMATS / name, tmp_path / "run")
    run = open_run(tmp_path / "run")
    found = evaluate_run(run)
    for part, metrics in run.summary["metrics"].items():
        again = found.parts[part].metrics
        both = metrics.keys() & again.keys()  # versions differ in which ones they have
        assert len(both) > 5
        assert {name: again[name] for name in both} == pytest.approx(
            {name: metrics[name] for name in both}, rel=1e-6
        )


def test_a_stopped_run_is_resumed(tmp_path: Path):
    path = tmp_path / "run"
    shutil.copytree(FORMATS / "stopped-run", path)
    assert not (path / "summary.json").exists()
    summary = resume(load_recipe(path / "config.toml"), path).summary
    said = [line for line in summary["warnings"] if "began with" not in line]  # of other versions
    assert said == [] and summary["status"] == "converged"
    assert len((path / "metrics.jsonl").read_text().splitlines()) == summary["n_iter"] > 3
    resumed, whole = (fastclf.load(folder).coef_ for folder in (path, FORMATS / "run"))
    np.testing.assert_allclose(resumed, whole, rtol=1e-5)

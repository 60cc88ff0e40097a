"""Trackers: what they are told, and that a run doesn't depend on them."""

import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fastclf.config import Recipe
from fastclf.errors import ConfigError
from fastclf.runs import tracking
from fastclf.runs.run import resume, train
from fastclf.runs.tuning.search import Budget


def recipe(track: dict[str, Any], **tables: Any) -> Recipe:
    tables = {"data": {"name": "iris"}, "solver": {"name": "adam", "epochs": 4, "tol": 0}, **tables}
    return Recipe.model_validate({"name": "flowers", "track": track, **tables})


class Heard:
    """A tracker that keeps what it is told."""

    last: "Heard"
    fails_at: str = ""

    def __init__(self, table: Any) -> None:
        Heard.last = self
        self.calls: list[tuple[str, Any]] = []

    def _hear(self, name: str, what: Any) -> None:
        if name == self.fails_at:
            raise OSError("no route to\nthe host")
        self.calls.append((name, what))

    def begin(self, name: str, keys: Mapping[str, Any], earlier: str | None) -> str:
        self._hear("begin", (name, keys, earlier))
        return earlier or "number 1"

    def step(self, number: int, figures: Mapping[str, float]) -> None:
        self._hear("step", (number, figures))

    def complete(self, path: Path, figures: Mapping[str, float]) -> None:
        assert (path / "summary.json").exists()
        self._hear("complete", figures)

    def fail(self) -> None:
        self._hear("fail", None)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> type[Heard]:
    monkeypatch.setitem(tracking.TRACKERS, "mlflow", "listener")
    module = ModuleType("listener")
    module.Tracker = Heard  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "listener", module)
    monkeypatch.setattr(Heard, "fails_at", "")
    return Heard


def test_what_a_tracker_is_told(tmp_path: Path, heard: type[Heard]):
    result = train(recipe({}), tmp_path / "run")
    (first, *steps, last) = heard.last.calls
    assert first[0] == "begin" and first[1][0] == "flowers" and first[1][2] is None
    assert first[1][1]["solver.epochs"] == 4 and first[1][1]["data.name"] == "iris"
    assert [step[1][0] for step in steps] == [1, 2, 3, 4]
    lines = [json.loads(line) for line in (result.path / "metrics.jsonl").read_text().splitlines()]
    assert [step[1][1]["objective"] for step in steps] == [line["objective"] for line in lines]
    name, figures = last
    assert name == "complete"
    assert figures["test_accuracy"] == result.summary["metrics"]["test"]["accuracy"]


def test_a_search_tells_of_its_last_fit(tmp_path: Path, heard: type[Heard]):
    own = recipe({}, tune={"C": [0.1, 1.0], "folds": 2})
    result = train(own, tmp_path / "run", budget=Budget())
    (first, *steps, _) = heard.last.calls
    assert first[1][1]["model.C"] == result.summary["tune"]["best"]["model.C"]
    assert len(steps) == 4


@pytest.mark.parametrize("call", ["step", "complete"])
def test_a_tracker_that_fails_costs_no_run(tmp_path: Path, heard: type[Heard], call: str):
    heard.fails_at = call
    result = train(recipe({}), tmp_path / "run")
    wanted = "mlflow received no more data about this run: no route to the host"
    assert wanted in result.summary["warnings"]
    assert wanted in json.loads((result.path / "summary.json").read_text())["warnings"]
    assert (result.path / "model.safetensors").exists()


def test_a_tracker_that_cannot_begin_is_an_error(tmp_path: Path, heard: type[Heard]):
    heard.fails_at = "begin"
    with pytest.raises(ConfigError, match="no route to the host; correct track.uri"):
        train(recipe({}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_tracker_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(tracking.TRACKERS, "mlflow", "fastclf.no_such_module")
    with pytest.raises(ConfigError, match=r"run: pip install 'fastclf\[track\]'"):
        train(recipe({}), tmp_path / "run")


class Stopped(Exception):
    """Takes the place of any failure."""


def test_a_run_that_failed_goes_on_as_the_same(tmp_path: Path, heard: type[Heard], monkeypatch):
    own = recipe({}, checkpoint={"every_seconds": 0.0})
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr("fastclf.runs.run._evaluated", lambda *_: (_ for _ in ()).throw(Stopped))
        train(own, tmp_path / "run")
    assert heard.last.calls[-1] == ("fail", None)
    other = own.with_keys({"track.experiment": "another"})
    resume(other, tmp_path / "run")  # [track] may change
    assert heard.last.calls[0][1][2] == "number 1"
    assert heard.last.calls[-1][0] == "complete"


def test_mlflow_keeps_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("mlflow")
        from mlflow import MlflowClient
        from mlflow.pyfunc import load_model
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    uri = (tmp_path / "store").as_uri()
    path = tmp_path / "rows.csv"
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=80), "b": rng.choice(["x", "y"], size=80)})
    table["y"] = np.where(table.a > 0, "yes", "no")
    table.to_csv(path, index=False)
    data = {"path": str(path), "target": "y"}
    result = train(recipe({"uri": uri, "experiment": "mine"}, data=data), tmp_path / "run")
    warnings.simplefilter("ignore")  # in the code of MLflow
    client = MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert run.info.status == "FINISHED" and run.info.run_name == "flowers"
    assert run.data.params["solver.epochs"] == "4"
    assert run.data.metrics["test_accuracy"] == result.summary["metrics"]["test"]["accuracy"]
    assert len(client.get_metric_history(run.info.run_id, "objective")) == 4
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"model", "config.toml", "report.html", "summary.json", "model.safetensors"} <= files
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # older clients look up the run there
    folder = client.download_artifacts(run.info.run_id, "model", str(tmp_path))
    assert not [*Path(folder).rglob("*.pkl")]
    found = load_model(folder).predict(table.drop(columns="y").head(5))
    p = result.model.predict_proba  # of a table of raw columns, which the frame becomes
    assert list(found.columns) == ["label", "probability_no", "probability_yes"]
    assert p is not None and found.shape == (5, 3)
    assert set(found.label) <= {"yes", "no"}
    np.testing.assert_allclose(found[["probability_no", "probability_yes"]].sum(axis=1), 1)
    again = train(recipe({"uri": uri, "experiment": "mine"}, data=data), tmp_path / "two")
    assert (again.model.theta == result.model.theta).all()
    assert len(client.search_runs([run.info.experiment_id])) == 2

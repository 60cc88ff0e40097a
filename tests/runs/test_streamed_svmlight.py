"""Runs on svmlight files with ``stream = true`` against those in memory."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import dump_svmlight_file

from fastclf.config import Recipe
from fastclf.data import stream_svmlight
from fastclf.errors import ConfigError, DataError
from fastclf.linear_model import LinearModel
from fastclf.runs import checking, counts
from fastclf.runs.checking import check_recipe
from fastclf.runs.directory import RunDirectory, open_run
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import resume, train

NO_CLUSTER: Any = object()  # recipes are refused before it is asked for anything


def files(folder: Path, several: bool = False, packed: bool = False) -> dict:
    """Files to train and to test on, and the keys that name them."""
    rng = np.random.default_rng(1)
    X = scipy.sparse.random_array((900, 40), density=0.2, format="csr", random_state=rng)
    X = scipy.sparse.csr_matrix(X * rng.uniform(0.1, 30, 40))
    z = (X / 3) @ rng.normal(size=(40, 3)) + rng.logistic(size=(900, 3))
    y = scipy.sparse.csr_matrix((z > 0).astype(int)) if several else z.argmax(axis=1)
    for name, rows in (("train", slice(0, 600)), ("test", slice(600, 900))):
        path = folder / f"{name}.svm"
        dump_svmlight_file(X[rows], y[rows], str(path), zero_based=False, multilabel=several)
        if packed:
            (folder / f"{name}.svm.gz").write_bytes(gzip.compress(path.read_bytes()))
    suffix = "svm.gz" if packed else "svm"
    return {"path": str(folder / f"train.{suffix}"), "test_path": str(folder / f"test.{suffix}")}


def recipe(data: dict, **more: object) -> Recipe:
    return Recipe.model_validate({"name": "test", "data": data, **more})


@pytest.mark.parametrize("scale", ["auto", "standard", "minmax", "none"])
@pytest.mark.parametrize("several", [False, True])
def test_the_model_is_that_of_a_run_in_memory(tmp_path: Path, several: bool, scale: str):
    data = {**files(tmp_path, several, packed=scale == "auto"), "scale": scale}
    exact = {"solver": {"tol": 1e-9}}
    wanted = train(recipe(data, **exact), tmp_path / "whole")
    found = train(recipe({**data, "stream": True}, **exact), tmp_path / "streamed")
    assert found.summary["n_train"] == 600 and found.summary["n_test"] == 300
    assert found.summary["classes"] == wanted.summary["classes"]
    assert found.summary["task"] == wanted.summary["task"]
    assert not found.summary["warnings"]
    for name, value in wanted.summary["metrics"]["test"].items():
        assert found.summary["metrics"]["test"][name] == pytest.approx(value, abs=1e-4)
    stored = LinearModel.load(found.path / "model.safetensors")
    np.testing.assert_allclose(stored.theta, wanted.model.theta, atol=1e-4)
    assert stored.feature_names == wanted.model.feature_names
    assert (stored.preprocessing is None) == (wanted.model.preprocessing is None)
    assert (found.path / "report.html").exists()
    assert evaluate_run(open_run(found.path), Path(data["test_path"])).parts
    assert evaluate_run(open_run(found.path)).parts.keys() == {"train", "test"}


def test_rows_are_split_and_calibrated_by_their_hash(tmp_path: Path):
    data = {"path": files(tmp_path)["path"], "stream": True, "test_size": 0.3}
    own = recipe(data, calibrate={"validation_fraction": 0.2})
    one, two = (train(own, tmp_path / name) for name in ("one", "two"))
    assert (one.model.theta == two.model.theta).all() and one.model.temperature != 1
    summary = one.summary
    assert summary["n_train"] + summary["n_test"] + summary["calibration"]["n_rows"] == 600
    assert 120 < summary["n_test"] < 240
    plan = check_recipe(own)
    assert (plan.n_train, plan.n_test) == (summary["n_train"], summary["n_test"])


@pytest.mark.parametrize("solver", [{"name": "adam", "epochs": 6}, {"name": "lbfgs"}])
def test_a_run_that_was_stopped_goes_on_with_the_same_bits(
    tmp_path: Path, solver: dict, monkeypatch: pytest.MonkeyPatch
):
    data = {**files(tmp_path), "stream": True, "scale": "standard"}
    keys: dict = {"solver": solver, "checkpoint": {"every_epochs": 1}, "calibrate": {}}
    if solver["name"] == "adam":
        keys["early_stopping"] = {"patience": 6}
    own = recipe(data, **keys)
    wanted = train(own, tmp_path / "whole")
    written, write_metrics = [], RunDirectory.write_metrics

    def stopping(self: RunDirectory, line: dict) -> None:
        write_metrics(self, line)
        written.append(line)
        if len(written) == 3:
            raise RuntimeError("stopped")

    monkeypatch.setattr(RunDirectory, "write_metrics", stopping)
    with pytest.raises(RuntimeError, match="stopped"):
        train(own, tmp_path / "run")
    found = resume(own, tmp_path / "run")
    assert len(written) < wanted.summary["n_iter"] + 3  # it didn't begin anew
    assert (found.model.theta == wanted.model.theta).all()
    assert found.model.temperature == wanted.model.temperature
    assert found.summary["metrics"] == wanted.summary["metrics"]


def test_features_in_single_precision(tmp_path: Path):
    data = {**files(tmp_path), "stream": True, "dtype": "float32", "scale": "minmax"}
    found = train(recipe(data), tmp_path / "run")
    wanted = train(recipe({**data, "stream": False}), tmp_path / "whole")
    np.testing.assert_allclose(found.model.theta, wanted.model.theta, atol=1e-2)
    for name in ("path", "test_path"):
        path = Path(data[name])
        text = path.read_text()
        path.write_text(f"{text}1 3:1e200\n")
        with pytest.raises(DataError, match=rf'{path.name}: row \d+, column "3": an infinite'):
            train(recipe(data), tmp_path / name)
        path.write_text(text)


def test_numbers_that_are_too_large_to_be_scaled(tmp_path: Path):
    data = {**files(tmp_path), "stream": True, "scale": "standard"}
    with open(data["path"], "a") as file:
        file.write("1 3:1e200\n")
    with pytest.raises(DataError, match='train.svm: column "3": it has too large a number'):
        train(recipe(data), tmp_path / "run")


def test_of_many_rows_some_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = {"path": files(tmp_path)["path"], "stream": True}
    whole = train(recipe(data), tmp_path / "whole")
    monkeypatch.setattr(counts, "PART_BYTES", dict.fromkeys(counts.PART_BYTES, 8_000))
    found = train(recipe(data), tmp_path / "run")
    assert (found.model.theta == whole.model.theta).all()
    (warning,) = found.summary["warnings"]
    assert "rows to test on" in warning and 0 < found.summary["n_test"] < whole.summary["n_test"]


@pytest.mark.parametrize("several", [False, True])
def test_check_reads_the_first_rows(tmp_path: Path, several: bool, monkeypatch: pytest.MonkeyPatch):
    data = {**files(tmp_path, several), "stream": True}
    path = Path(data["path"])
    lines = path.read_text().splitlines(keepends=True)
    chunk = "".join(line for line in lines if several or not line.startswith("2 "))
    path.write_text(chunk + "".join(lines))
    monkeypatch.setattr(stream_svmlight, "_TEXT_BYTES", len(chunk) // 2)
    monkeypatch.setattr(checking, "FIRST_ROWS", 100)
    plan = check_recipe(recipe(data))
    assert plan.first_rows and plan.storage == "sparse float64" and plan.n_features == 40
    assert list(plan.classes) == (["0", "1", "2"] if several else ["0", "1"])
    assert plan.n_test == 300 if several else 0 < plan.n_test < 300


def test_parts_that_have_no_rows(tmp_path: Path):
    path = tmp_path / "same.svm"
    path.write_text("0 1:1 2:3\n1 1:1 2:3\n" * 20)
    data = {"path": str(path), "stream": True}
    with pytest.raises(DataError, match="no row (to test on|is left to train on)"):
        train(recipe(data), tmp_path / "run")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"classes": [0, 1]}, "data.classes can't be used with a stream of an svmlight file"),
        ({"ignore_index": 0}, "data.ignore_index can't be used with a stream of an svmlight file"),
        (
            {"missing_target": "drop"},
            "data.missing_target can't be used with a stream of an svmlight file",
        ),
        ({"target": "y"}, "data.target can't be used with a stream of an svmlight file"),
        ({"weight": "w"}, "data.weight can't be used with a stream of an svmlight file"),
        ({"drop": ["3"]}, "drop is for files of named columns; leave it out for svmlight"),
        ({"target_kind": "label_lists"}, "data.target_kind: a row has one label; leave it out"),
    ],
)
def test_keys_of_named_columns(tmp_path: Path, keys: dict, message: str):
    data = {**files(tmp_path), "stream": True, **keys}
    with pytest.raises(DataError, match=f"train.svm: {message}"):
        train(recipe(data), tmp_path / "run")


@pytest.mark.parametrize(
    "teacher", [{"teacher_columns": ["a", "b", "c"]}, {"teacher_file": "teacher.npy"}], ids=str
)
def test_a_teacher_needs_rows_with_names(tmp_path: Path, teacher: dict):
    own = recipe({**files(tmp_path), "stream": True}, distill=teacher)
    for start in (lambda: train(own, tmp_path / "run"), lambda: check_recipe(own)):
        with pytest.raises(
            DataError, match=r"train.svm: \[distill\] can't be used with a stream of"
        ):
            start()


@pytest.mark.parametrize("stream", [False, True])
def test_a_cluster_is_refused(tmp_path: Path, stream: bool):
    own = recipe({**files(tmp_path), "stream": stream})
    message = "--scheduler: .*train.svm is an svmlight file, which workers can't read"
    with pytest.raises(ConfigError, match=message):
        train(own, tmp_path / "run", client=NO_CLUSTER)
    assert not (tmp_path / "run").exists()

"""Distilled runs on streams, against those in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from fastclf import functional as F
from fastclf.config import Recipe
from fastclf.data.row_parts import RowPart
from fastclf.data.tables import read_table
from fastclf.errors import ConfigError, DataError, RunError
from fastclf.linear_model import LinearModel
from fastclf.runs.checking import check_recipe
from fastclf.runs.cluster import for_cluster
from fastclf.runs.directory import open_run
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import resume, train

N, N_TRAIN = 1200, 900
EXACT: dict[str, Any] = {"solver": {"tol": 1e-9}}
CLASSES = ["maybe", "no", "yes"]


def rows(K: int = 3) -> tuple[dict[str, Any], np.ndarray]:
    """Features and labels, and the logits of a teacher, in the order of the classes."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(N, 3))
    logits = X @ rng.normal(size=(3, K)) + X[:, :1] ** 2 * np.arange(K)
    y = np.array(CLASSES[:K])[(logits + rng.gumbel(size=(N, K))).argmax(axis=1)]
    city = np.where(X[:, 0] + rng.normal(size=N) > 0, "Bonn", "Rome")
    columns = {name: X[:, j].copy() for j, name in enumerate("abc")}
    return {**columns, "city": city.tolist(), "y": y.tolist()}, logits


def write(table: pa.Table, path: Path) -> str:
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path, row_group_size=110)
    return str(path)


def files(folder: Path, own: dict[str, Any], suffix: str = "parquet") -> dict[str, str]:
    table = pa.table(own)
    return {
        "path": write(table.slice(0, N_TRAIN), folder / f"train.{suffix}"),
        "test_path": write(table.slice(N_TRAIN), folder / f"test.{suffix}"),
        "target": "y",
    }


def recipe(data: dict, distill: dict, **more: object) -> Recipe:
    return Recipe.model_validate({"name": "test", "data": data, "distill": distill, **more})


def check_same(found: Any, wanted: Any) -> None:
    models = [LinearModel.load(run.path / "model.safetensors") for run in (found, wanted)]
    np.testing.assert_allclose(models[0].theta, models[1].theta, atol=1e-4)
    assert found.summary["metrics"].keys() == wanted.summary["metrics"].keys()
    for name, metrics in wanted.summary["metrics"].items():
        for key, value in metrics.items():
            assert found.summary["metrics"][name][key] == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("K", [2, 3])
def test_a_teacher_in_columns(tmp_path: Path, K: int, kind: str, suffix: str):
    columns, logits = rows(K)
    outputs = logits if kind == "logits" else F.softmax(logits)
    taught = {f"t{k}": outputs[:, k].copy() for k in range(K)}
    data = files(tmp_path, {**columns, **taught}, suffix)
    own = {"teacher_columns": list(taught), "temperature": 2.0, "hard_weight": 0.3}
    model = {"kind": ["logistic", "softmax"][K - 2], "C": 0.5, "class_weight": "balanced"}
    keys = {**EXACT, "model": model}
    wanted = train(recipe(data, own, **keys), tmp_path / "wanted")
    found = train(recipe({**data, "stream": True}, own, **keys), tmp_path / "found")
    check_same(found, wanted)
    assert found.summary["n_features"] == 5
    again = evaluate_run(open_run(found.path), None)
    assert again.parts["test"].metrics == found.evaluations["test"].metrics


@pytest.mark.parametrize("keys", [{}, {"hard_weight": 1.0}, {"teacher_kind": "logits"}], ids=str)
def test_a_teacher_in_a_file(tmp_path: Path, keys: dict):
    columns, logits = rows()
    np.save(tmp_path / "teacher.npy", logits)
    table = pa.table(columns)
    data = {"path": write(table, tmp_path / "rows.parquet"), "target": "y", "test_size": 0.3}
    own = {"teacher_file": str(tmp_path / "teacher.npy"), **keys}
    found = train(recipe({**data, "stream": True}, own, **EXACT), tmp_path / "found")
    # In memory the same rows, in the same parts.
    raw = read_table(tmp_path / "rows.parquet").select(["a", "b", "c", "city"])
    out = RowPart((0, 0), 0.0, 0.3).rows(raw, ["city"])
    assert len(out) == found.summary["n_test"]
    kept = np.setdiff1d(np.arange(N), out)
    taught = pa.table({**columns, **{f"t{k}": logits[:, k].copy() for k in range(3)}})
    split = {
        "path": write(taught.take(kept), tmp_path / "train.parquet"),
        "test_path": write(taught.take(out), tmp_path / "test.parquet"),
        "target": "y",
    }
    in_columns = {"teacher_columns": ["t0", "t1", "t2"], **keys}
    wanted = train(recipe(split, in_columns, **EXACT), tmp_path / "wanted")
    check_same(found, wanted)


def test_a_run_in_memory_takes_an_npy_file_too(tmp_path: Path):
    columns, logits = rows()
    np.save(tmp_path / "teacher.npy", logits)
    np.savez(tmp_path / "teacher.npz", logits)
    data = {"path": write(pa.table(columns), tmp_path / "rows.parquet"), "target": "y"}
    one, two = (
        train(
            recipe(data, {"teacher_file": str(tmp_path / f"teacher.{suffix}")}), tmp_path / suffix
        )
        for suffix in ("npy", "npz")
    )
    assert (one.model.theta == two.model.theta).all()
    assert one.summary["metrics"] == two.summary["metrics"]


def test_rows_of_a_file_are_found_in_a_folder_and_in_minibatches(tmp_path: Path):
    columns, logits = rows()
    table = pa.table(columns)
    runs = []
    np.save(tmp_path / "teacher.npy", logits)
    own = {"teacher_file": str(tmp_path / "teacher.npy")}
    for suffix in ("parquet", "csv"):
        folder = tmp_path / suffix
        folder.mkdir()
        for i, (start, length) in enumerate(((0, 500), (500, 100), (600, 600))):
            write(table.slice(start, length), folder / f"{i}.{suffix}")
        data = {"path": str(folder), "target": "y", "stream": True}
        runs.append(train(recipe(data, own, **EXACT), tmp_path / f"run-{suffix}"))
        adam = {"solver": {"name": "adam", "epochs": 60, "schedule": "cosine"}}
        runs.append(train(recipe(data, own, **adam), tmp_path / f"adam-{suffix}"))
    check_same(runs[2], runs[0])
    kl = [run.summary["metrics"]["test"]["kl_to_teacher"] for run in runs]
    assert kl[1] == pytest.approx(kl[0], rel=0.05) and kl[3] == pytest.approx(kl[0], rel=0.05)


def test_early_stopping_and_calibration_of_a_student(tmp_path: Path):
    columns, logits = rows()
    taught = {f"t{k}": logits[:, k].copy() for k in range(3)}
    data = {
        "path": write(pa.table({**columns, **taught}), tmp_path / "rows.parquet"),
        "target": "y",
        "stream": True,
    }
    own = {"teacher_columns": list(taught)}
    keys = {"solver": {"name": "adam"}, "early_stopping": {"patience": 3}, "calibrate": {}}
    one, two = (train(recipe(data, own, **keys), tmp_path / name) for name in ("one", "two"))
    assert (one.model.theta == two.model.theta).all()
    assert one.summary["calibration"]["n_rows"] > 100
    assert "uncalibrated" in one.summary["metrics"] and "plain_student" in one.summary["metrics"]


@pytest.mark.parametrize("split", [False, True])
def test_a_teacher_from_an_earlier_run(tmp_path: Path, split: bool):
    columns, _ = rows()
    data = files(tmp_path, columns)
    teacher = train(
        Recipe.model_validate({"name": "teacher", "data": data, "model": {"C": 100.0}}),
        tmp_path / "teacher",
    )
    own = {"teacher_run": str(teacher.path), "temperature": 3.0}
    keys = {"model": {"C": 0.01}, **EXACT}
    found = train(recipe({**data, "stream": True}, own, **keys), tmp_path / "found")
    wanted = train(recipe(data, own, **keys), tmp_path / "wanted")
    check_same(found, wanted)
    if split:
        del data["test_path"]
        found = train(recipe({**data, "stream": True}, own, **keys), tmp_path / "split")
        assert {"teacher", "plain_student"} < found.summary["metrics"].keys()


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"teacher": "knn"}, "distill.teacher is fitted to rows in memory"),
        ({"teacher_file": "teacher.npz"}, "save the array with numpy.save"),
    ],
)
def test_teachers_that_need_all_rows(tmp_path: Path, own: dict, message: str):
    data = {**files(tmp_path, rows()[0]), "stream": True}
    with pytest.raises(ValueError, match=message):
        recipe(data, own)


def test_outputs_that_cannot_be_used(tmp_path: Path):
    columns, logits = rows()
    data = {**files(tmp_path, columns), "stream": True}
    path = tmp_path / "teacher.npy"
    own = {"teacher_file": str(path)}
    np.save(path, logits)
    with pytest.raises(DataError, match=r"teacher.npy: has 1200 rows, and the data have 900"):
        train(recipe(data, own), tmp_path / "run0")
    logits = logits[:N_TRAIN]
    logits[555, 1] = np.nan
    np.save(path, logits)
    with pytest.raises(DataError, match="row 556 of the teacher's outputs is missing"):
        train(recipe(data, own), tmp_path / "run1")
    p = F.softmax(rows()[1])[:N_TRAIN]
    p[700] *= 0.5
    np.save(path, p)
    with pytest.raises(DataError, match="row 701 of the teacher's outputs sums to"):
        train(recipe(data, own), tmp_path / "run2")
    np.save(path, p[:, :2])
    with pytest.raises(DataError, match="the teacher has 2 columns, and the data have the classes"):
        train(recipe(data, own), tmp_path / "run3")
    with pytest.raises(DataError, match='teacher_columns: there is no column "t0"'):
        train(recipe(data, {"teacher_columns": ["t0"]}), tmp_path / "run4")
    with pytest.raises(ConfigError, match="--scheduler: .distill. needs the rows where"):
        for_cluster(recipe(data, own))


def test_check_and_resume_know_the_teacher(tmp_path: Path):
    columns, logits = rows()
    data = {**files(tmp_path, columns), "stream": True}
    path = tmp_path / "teacher.npy"
    np.save(path, logits[:N_TRAIN])
    own = recipe(data, {"teacher_file": str(path)})
    assert check_recipe(own).n_train == N_TRAIN
    run = train(own, tmp_path / "run")
    (run.path / "summary.json").unlink()  # as if it had been stopped at the end
    np.save(path, logits[:N_TRAIN] * 2)
    with pytest.raises(RunError, match="teacher_sha256 was"):
        resume(own, run.path)
    soft = {"target": ["a", "b"], "target_kind": "logits", "columns": ["c", "city"]}
    with pytest.raises(ConfigError, match="needs labels, but the target is a distribution"):
        train(recipe({**data, **soft}, {"teacher_file": str(path)}), tmp_path / "soft")

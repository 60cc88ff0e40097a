"""Streamed runs whose rows are split by a hash of their values: test rows, calibration, checks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from stopping import stopped_after

from fastclf.config import Recipe
from fastclf.data.row_parts import RowPart
from fastclf.data.tables import read_table
from fastclf.errors import DataError, RunError
from fastclf.linear_model import LinearModel
from fastclf.runs import checking, counts
from fastclf.runs.checking import check_recipe
from fastclf.runs.directory import open_run
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import resume, train

N = 1600
EXACT: dict[str, Any] = {"solver": {"tol": 1e-9}}
NAMES = ("age", "income", "city", "floor")


def people() -> pa.Table:
    """Numbers, some of them categories, and text, with holes; and labels."""
    rng = np.random.default_rng(7)
    city = rng.choice(["Bonn", "Oslo", "Rome", "Ulm"], N, p=[0.4, 0.3, 0.25, 0.05])
    floor, age, income = rng.integers(1, 5, N), rng.normal(40, 10, N), rng.normal(0, 1000, N)
    holes = rng.random((3, N)) < 0.1
    z = (city == "Rome") + (floor > 3) - (age - 40) / 10 + income / 1000 + rng.logistic(size=N)
    return pa.table(
        {
            "age": pa.array(age, mask=holes[0]),
            "income": pa.array(income, mask=holes[1]),
            "city": pa.array(city.tolist(), mask=holes[2]),
            "floor": pa.array(floor),
            "y": pa.array(np.where(z > 1, "yes", "no").tolist()),
        }
    )


def write(table: pa.Table, path: Path, rows: int = 100) -> str:
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path, row_group_size=rows)
    return str(path)


def recipe(data: dict, **more: object) -> Recipe:
    return Recipe.model_validate({"name": "test", "data": data, **more})


def streamed(folder: Path, suffix: str = "parquet", rows: int = 100, **keys: Any) -> dict:
    path = write(people(), folder / f"rows{rows}.{suffix}", rows)
    return {"path": path, "target": "y", "categorical": ["floor"], "stream": True, **keys}


def split(data: dict, part: RowPart) -> np.ndarray:
    """The rows of a part."""
    table = read_table(Path(data["path"])).select(NAMES)
    return part.rows(table, ["city", "floor"])


def theta(run: Any) -> np.ndarray:
    return LinearModel.load(run.path / "model.safetensors").theta


@pytest.mark.parametrize("impute", ["mean", "median", "most_frequent"])
def test_the_run_is_that_in_memory_on_the_same_parts(tmp_path: Path, impute: str):
    data = streamed(tmp_path, test_size=0.3, impute=impute)
    found = train(recipe(data, seed=5, **EXACT), tmp_path / "run")
    table, rest = people(), RowPart((5, 0), 0.3, 1.0)
    out = split(data, RowPart((5, 0), 0.0, 0.3))
    assert 0.25 < len(out) / N < 0.35 and len(out) == found.summary["n_test"]
    kept = split(data, rest)
    assert found.summary["n_train"] == len(kept) == N - len(out)
    in_memory = {
        "path": write(table.take(kept), tmp_path / "train.parquet"),
        "test_path": write(table.take(out), tmp_path / "test.parquet"),
        "target": "y",
        "categorical": ["floor"],
        "impute": impute,
    }
    wanted = train(recipe(in_memory, **EXACT), tmp_path / "wanted")
    assert found.model.feature_names == wanted.model.feature_names
    np.testing.assert_allclose(theta(found), theta(wanted), atol=1e-4)
    assert not found.summary["warnings"]
    for name in ("train", "test"):
        for key, value in wanted.summary["metrics"][name].items():
            assert found.summary["metrics"][name][key] == pytest.approx(value, abs=1e-4)


def test_parts_are_the_same_in_every_format_and_order(tmp_path: Path):
    runs = [
        train(recipe(streamed(tmp_path, suffix, rows), **EXACT), tmp_path / f"run{suffix}{rows}")
        for suffix, rows in (("parquet", 100), ("parquet", 1000), ("csv", 100))
    ]
    order = np.random.default_rng(0).permutation(N)
    path = write(people().take(order), tmp_path / "other.parquet")
    data = {**streamed(tmp_path), "path": path}
    runs.append(train(recipe(data, **EXACT), tmp_path / "other"))
    for run in runs[1:]:
        assert run.summary["n_train"] == runs[0].summary["n_train"]
        np.testing.assert_allclose(theta(run), theta(runs[0]), atol=1e-5)
        accuracy = [one.summary["metrics"]["test"]["accuracy"] for one in (run, runs[0])]
        assert accuracy[0] == accuracy[1]
    other_seed = train(recipe(streamed(tmp_path), seed=1, **EXACT), tmp_path / "seed")
    assert (theta(other_seed) != theta(runs[0])).any()


def test_numbers_alone_are_split_as_tables_are(tmp_path: Path):
    keys = {"columns": ["age", "income"], "categorical": [], "scale": "none"}
    data = streamed(tmp_path, **keys)
    single = train(recipe({**data, "dtype": "float32"}), tmp_path / "single")
    double = train(recipe(data), tmp_path / "double")
    table = read_table(Path(data["path"])).select(["age", "income"])
    test = RowPart((0, 0), 0.0, 0.25).rows(table)
    assert single.summary["n_test"] == double.summary["n_test"] == len(test)


@pytest.mark.parametrize("columns", [["age", "income"], list(NAMES)])
def test_calibration(tmp_path: Path, columns: list):
    own = {"columns": columns, "categorical": []}
    keys = {"calibrate": {"validation_fraction": 0.4}, **EXACT}
    data = streamed(tmp_path, **own)
    found = train(recipe(data, **keys), tmp_path / "run")
    facts = found.summary["calibration"]
    table = read_table(Path(data["path"])).select(columns)
    categorical = ["city"] if "city" in columns else []
    held_out = RowPart((0, 0), 0.25, 0.25 + 0.75 * 0.4).rows(table, categorical)
    assert facts["n_rows"] == len(held_out)
    sizes = found.summary["n_train"] + found.summary["n_test"] + facts["n_rows"]
    assert sizes == N and "uncalibrated" in found.summary["metrics"]
    assert found.model.temperature == facts["temperature"] != 1
    assert facts["after"]["log_loss"] <= facts["before"]["log_loss"]


def test_early_stopping_of_a_recipe(tmp_path: Path):
    keys = {
        "solver": {"name": "adam", "epochs": 30},
        "early_stopping": {"patience": 2, "validation_fraction": 0.2},
    }
    data = streamed(tmp_path)
    one, two = (train(recipe(data, **keys), tmp_path / name) for name in ("one", "two"))
    lines = [json.loads(line) for line in (one.path / "metrics.jsonl").read_text().splitlines()]
    assert all("validation_loss" in line for line in lines) and len(lines) < 30
    assert (theta(one) == theta(two)).all()


@pytest.mark.parametrize("solver", [{"name": "adam", "epochs": 6}, {"name": "lbfgs"}])
def test_a_run_that_was_stopped_goes_on_with_the_same_bits(tmp_path: Path, solver: dict):
    keys: dict = {"solver": solver, "checkpoint": {"every_epochs": 1}, "calibrate": {}}
    if solver["name"] == "adam":
        keys["early_stopping"] = {"patience": 6}
    own = recipe(streamed(tmp_path), **keys)
    wanted = train(own, tmp_path / "whole")
    with stopped_after(3):
        train(own, tmp_path / "run")
    found = resume(own, tmp_path / "run")
    assert (theta(found) == theta(wanted)).all()
    assert found.summary["metrics"] == wanted.summary["metrics"]


def test_of_many_rows_some_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = streamed(tmp_path)
    whole = train(recipe(data, **EXACT), tmp_path / "whole")
    row = 2 * 8 + 4 + 8  # floor is a number in the file
    monkeypatch.setattr(counts, "PART_BYTES", dict.fromkeys(counts.PART_BYTES, 150 * row))
    found = train(recipe(data, **EXACT), tmp_path / "run")
    assert (theta(found) == theta(whole)).all()
    (warning,) = found.summary["warnings"]
    n_test, kept = whole.summary["n_test"], found.summary["n_test"]
    assert f"only {kept} of {n_test} rows to test on are used" in warning
    assert 75 < kept <= 150 and found.evaluations["train"].n_rows <= 150


def test_rows_without_a_test_part(tmp_path: Path):
    found = train(recipe(streamed(tmp_path, test_size=0.0)), tmp_path / "run")
    assert found.summary["n_train"] == N and found.summary["n_test"] == 0
    assert set(found.evaluations) == {"train"}


def test_parts_that_have_no_rows(tmp_path: Path):
    rows = people().slice(0, 1)
    table = pa.concat_tables([rows] * 50).drop_columns(["y"])
    same = table.append_column("y", pa.array(["no", "yes"] * 25))
    data = {**streamed(tmp_path), "path": write(same, tmp_path / "same.parquet")}
    message = "no row (to test on|is left to train on)"
    with pytest.raises(DataError, match=message):
        train(recipe(data), tmp_path / "run")


def test_a_class_that_is_held_out(tmp_path: Path):
    data = streamed(tmp_path)
    (row, *_) = split(data, RowPart((0, 0), 0.0, 0.25))
    labels = people()["y"].to_pylist()
    labels[row] = "maybe"
    table = people().set_column(4, "y", pa.array(labels))
    data["path"] = write(table, tmp_path / "rare.parquet")
    with pytest.raises(DataError, match="all rows of maybe are held out"):
        train(recipe(data), tmp_path / "run")


def test_the_number_of_a_bad_row_is_that_in_the_file(tmp_path: Path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    X[rng.integers(400, 500), 1] = np.inf
    row = int(np.isinf(X[:, 1]).argmax()) + 1
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "y": rng.integers(0, 2, 500)})
    for seed in range(4):  # in some part
        data = {"path": write(table, tmp_path / "bad.parquet"), "target": "y", "stream": True}
        with pytest.raises(DataError, match=f'row {row}, column "b": an infinite number'):
            train(recipe({**data, "test_size": 0.01}, seed=seed), tmp_path / f"run{seed}")
    X[row - 1, 1] = 1e200
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "y": rng.integers(0, 2, 500)})
    data["path"] = write(table, tmp_path / "large.parquet")
    keys = {"dtype": "float32", "test_size": 0.01, "scale": "none"}
    with pytest.raises(DataError, match=f'row {row}, column "b"'):
        train(recipe({**data, **keys}), tmp_path / "single")


def test_evaluate_a_run_again(tmp_path: Path):
    data = streamed(tmp_path)
    run = train(recipe(data, calibrate={}), tmp_path / "run")
    again = evaluate_run(open_run(run.path), None)
    for name, one in again.parts.items():
        assert one.metrics == run.evaluations[name].metrics
    judged = evaluate_run(open_run(run.path), Path(data["path"]))
    assert judged.parts["rows100"].n_rows == N
    parquet.write_table(people().slice(1), data["path"])
    with pytest.raises(RunError, match="the data have changed since the run"):
        evaluate_run(open_run(run.path), None)


@pytest.mark.parametrize("impute", ["mean", "median"])
def test_check_reads_the_first_rows(tmp_path: Path, impute: str, monkeypatch: pytest.MonkeyPatch):
    data = streamed(tmp_path, impute=impute)
    plan = check_recipe(recipe(data, calibrate={}))
    assert plan.n_rows == N and not plan.first_rows and plan.n_train < plan.n_rows
    assert plan.kind == "logistic" and plan.missing["age"] > 100
    monkeypatch.setattr(checking, "FIRST_ROWS", 300)
    plan = check_recipe(recipe(data))
    assert plan.first_rows and 300 <= plan.n_train < 500
    data["test_path"] = write(people().slice(0, 50), tmp_path / "test.parquet")
    assert check_recipe(recipe(data)).n_test == 50


def test_check_does_not_judge_classes_by_the_first_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    labels = people()["y"].to_pylist()
    labels[1200:] = ["maybe"] * 400
    table = people().set_column(4, "y", pa.array(labels))
    data = {**streamed(tmp_path), "path": write(table, tmp_path / "sorted.parquet")}
    monkeypatch.setattr(checking, "FIRST_ROWS", 300)
    test_path = write(table.slice(1100, 200), tmp_path / "test.parquet")
    plan = check_recipe(recipe({**data, "test_path": test_path, "ignore_index": "maybe"}))
    assert set(plan.classes) == {"no", "yes"} and plan.n_test == 100
    data["path"] = write(table.sort_by("y"), tmp_path / "sorted.parquet")
    with pytest.raises(
        DataError, match="the first 3.. rows, the only ones that were read, belong to one"
    ):
        check_recipe(recipe(data))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"path": None, "name": "iris", "target": None}, "data.stream reads the rows of a file"),
        (
            {"split_by": "age"},
            "data.split_by can't be used with data.stream, which splits rows by a hash",
        ),
        (
            {"target_path": "y.npy", "target": None},
            "data.target_path can't be used with data.stream, which reads each target",
        ),
    ],
)
def test_keys_that_do_not_go_with_a_stream(tmp_path: Path, keys: dict, message: str):
    with pytest.raises(ValueError, match=message):
        recipe({**streamed(tmp_path), **keys})

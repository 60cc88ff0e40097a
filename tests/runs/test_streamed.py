"""Runs on files larger than memory, by recipes with ``stream = true``."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from stopping import stopped_after

from fastclf.config import Recipe
from fastclf.errors import DataError, RunError
from fastclf.linear_model import LinearModel
from fastclf.runs.directory import open_run
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import resume, train


def tables(folder: Path, several: bool = False, suffix: str = "parquet") -> dict:
    """Files to train and to test on, and the keys that name them."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(1500, 3)) * [1, 50, 0.01] + [0, 30, 0]
    logits = (X / [1, 50, 0.01]) @ rng.normal(size=(3, 3)) + rng.gumbel(size=(1500, 3))
    columns = {name: X[:, j].copy() for j, name in enumerate("abc")}
    if several:
        columns |= {f"l{k}": (logits[:, k] > 0).astype(int) for k in range(3)}
    else:
        columns["y"] = np.array(["no", "yes", "maybe"])[logits.argmax(axis=1)]
    table = pa.table(columns)
    for name, rows in (("train", table.slice(0, 1000)), ("test", table.slice(1000))):
        if suffix == "csv":
            csv.write_csv(rows, folder / f"{name}.csv")
        else:
            parquet.write_table(rows, folder / f"{name}.parquet", row_group_size=100)
    target = {"target": ["l0", "l1", "l2"], "target_kind": "indicators"}
    return {
        "path": str(folder / f"train.{suffix}"),
        "test_path": str(folder / f"test.{suffix}"),
        **(target if several else {"target": "y"}),
    }


def recipe(data: dict, **more: object) -> Recipe:
    return Recipe.model_validate({"name": "test", "data": data, **more})


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("scale", ["auto", "minmax", "none"])
@pytest.mark.parametrize("several", [False, True])
def test_the_model_is_that_of_a_run_in_memory(
    tmp_path: Path, several: bool, scale: str, suffix: str
):
    data = {**tables(tmp_path, several, suffix), "scale": scale}
    exact = {"solver": {"tol": 1e-9}}
    wanted = train(recipe(data, **exact), tmp_path / "whole")
    found = train(recipe({**data, "stream": True}, **exact), tmp_path / "streamed")
    assert found.summary["n_train"] == 1000 and found.summary["n_test"] == 500
    assert found.summary["classes"] == wanted.summary["classes"]
    assert not found.summary["warnings"]
    for name, value in wanted.summary["metrics"]["test"].items():
        assert found.summary["metrics"]["test"][name] == pytest.approx(value, abs=1e-4)
    stored = LinearModel.load(found.path / "model.safetensors")
    np.testing.assert_allclose(stored.theta, wanted.model.theta, atol=1e-4)
    assert stored.feature_names == wanted.model.feature_names == ("a", "b", "c")
    assert (found.path / "report.html").exists()


def test_a_run_on_minibatches_repeats(tmp_path: Path):
    data = {**tables(tmp_path), "stream": True}
    own = recipe(data, solver={"name": "adam", "epochs": 5, "batch_size": 32})
    one, two = (train(own, tmp_path / name) for name in ("one", "two"))
    assert (one.model.theta == two.model.theta).all()
    assert one.summary["metrics"]["test"]["accuracy"] > 0.5


def people(folder: Path, suffix: str) -> dict:
    """Files with categories, some of them numbers, and holes, and the keys that name them."""
    rng = np.random.default_rng(7)
    n = 1200
    city = rng.choice(["Bonn", "Oslo", "Rome", "Ulm"], n, p=[0.4, 0.3, 0.29, 0.01])
    floor = rng.integers(1, 12, n)
    age = rng.normal(40, 10, n)
    holes = rng.random((3, n)) < 0.1
    z = (city == "Rome") + (floor > 9) - (age - 40) / 10 + rng.logistic(size=n)
    columns = {
        "age": pa.array(age, mask=holes[0]),
        "city": pa.array(city.tolist(), mask=holes[1]),
        "floor": pa.array(floor, mask=holes[2]),
        "member": pa.array((rng.random(n) < 0.5).tolist()),
        "y": pa.array(np.where(z > 0, "yes", "no").tolist()),
    }
    table = pa.table(columns)
    for name, rows in (("train", table.slice(0, 1000)), ("test", table.slice(1000))):
        path = folder / f"{name}.{suffix}"
        if suffix == "csv":
            csv.write_csv(rows, path)
        else:
            parquet.write_table(rows, path, row_group_size=128)
    names = {key: str(folder / f"{name}.{suffix}") for key, name in PARTS.items()}
    return {**names, "target": "y", "categorical": ["floor"]}


PARTS = {"path": "train", "test_path": "test"}


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize(
    "keys",
    [{}, {"impute": "zero", "scale": "minmax", "min_frequency": 90}, {"min_frequency": 0.1}],
    ids=str,
)
def test_categories_and_missing_values(tmp_path: Path, suffix: str, keys: dict):
    data = {**people(tmp_path, suffix), **keys}
    exact = {"solver": {"tol": 1e-9}}
    wanted = train(recipe(data, **exact), tmp_path / "whole")
    found = train(recipe({**data, "stream": True}, **exact), tmp_path / "streamed")
    stored = LinearModel.load(found.path / "model.safetensors")
    assert stored.feature_names == wanted.model.feature_names
    assert "floor=(other)" in stored.feature_names or not keys.get("min_frequency")
    np.testing.assert_allclose(stored.theta, wanted.model.theta, atol=1e-4)
    for name, value in wanted.summary["metrics"]["test"].items():
        assert found.summary["metrics"]["test"][name] == pytest.approx(value, abs=1e-4)
    rows = Path(data["test_path"])
    assert evaluate_run(open_run(found.path), rows).parts


def test_a_category_for_which_nothing_stands(tmp_path: Path):
    data = {**people(tmp_path, "parquet"), "stream": True, "impute": "none", "columns": ["city"]}
    with pytest.raises(DataError, match=r'train.parquet: row \d+, column "city": a missing value'):
        train(recipe({**data, "categorical": []}), tmp_path / "run")


def in_two_files(folder: Path, second: pa.Table) -> dict:
    data = {**tables(folder), "stream": True}
    (folder / "parts").mkdir()
    Path(data["path"]).rename(folder / "parts" / "0.parquet")
    parquet.write_table(second, folder / "parts" / "1.parquet")
    return {**data, "path": str(folder / "parts")}


def test_files_of_a_folder_that_differ(tmp_path: Path):
    names, numbers = pa.array(["u", "v"]), pa.array([1.0, 2.0])
    whole = {"a": numbers, "b": numbers, "c": numbers, "y": pa.array(["no", "yes"])}
    for i, (second, said) in enumerate(
        (
            (
                {key: whole[key] for key in "aby"},
                r'1.parquet: there is no column "c", though other',
            ),
            (
                {**whole, "b": names},
                r'1.parquet: column "b" holds string, but double in other files',
            ),
        )
    ):
        folder = tmp_path / str(i)
        folder.mkdir()
        data = in_two_files(folder, pa.table(second))
        with pytest.raises(DataError, match=said):
            train(recipe(data), folder / "run")
    found = train(recipe({**data, "drop": ["b"]}), tmp_path / "run")
    assert found.summary["n_train"] == 1002


def test_a_file_that_is_no_parquet_in_a_folder(tmp_path: Path):
    data = in_two_files(tmp_path, pa.table({"a": [1.0]}))
    (tmp_path / "parts" / "1.parquet").write_text("notes about the data")
    with pytest.raises(
        DataError, match=r"1.parquet: can't be read: it is truncated, or not a Parqu"
    ):
        train(recipe(data), tmp_path / "run")


@pytest.mark.parametrize("categorical", [[], ["y"]])
def test_columns_that_hold_lists(tmp_path: Path, categorical: list):
    data = {**tables(tmp_path), "stream": True}
    table = parquet.read_table(data["path"])
    parquet.write_table(table.append_column("more", pa.array([[1.0]] * 1000)), data["path"])
    with pytest.raises(DataError, match='column "more" holds lists; leave it out with data.drop'):
        train(recipe({**data, "categorical": categorical}), tmp_path / "run")


def test_a_little_text_among_numbers_is_a_mistake(tmp_path: Path):
    data = {**tables(tmp_path, suffix="csv"), "stream": True}
    path = Path(data["path"])
    lines = path.read_text().splitlines()
    lines[700] = "oops" + lines[700][lines[700].index(",") :]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match='row 700, column "a": "oops" is not a number, and nearly'):
        train(recipe(data), tmp_path / "run")


def test_columns_in_the_names_of_folders(tmp_path: Path):
    data = {**tables(tmp_path), "stream": True}
    (tmp_path / "parts" / "day=1").mkdir(parents=True)
    Path(data["path"]).rename(tmp_path / "parts" / "day=1" / "0.parquet")
    data["path"] = str(tmp_path / "parts")
    with pytest.raises(DataError, match='column "day" is in folder names'):
        train(recipe(data), tmp_path / "run")
    assert train(recipe({**data, "drop": ["day"]}), tmp_path / "run").summary["n_train"] == 1000


def test_wide_categories_are_sparse_as_in_memory(tmp_path: Path):
    data = tables(tmp_path)
    rng = np.random.default_rng(5)
    for key in ("path", "test_path"):
        table = parquet.read_table(data[key])
        users = pa.array([f"user{i}" for i in rng.integers(0, 800, table.num_rows)])
        parquet.write_table(table.append_column("user", users), data[key], row_group_size=100)
    exact = {"solver": {"tol": 1e-9}}
    wanted = train(recipe(data, **exact), tmp_path / "whole")
    found = train(recipe({**data, "stream": True}, **exact), tmp_path / "streamed")
    for run in (wanted, found):
        assert run.model.encoder is not None and run.model.encoder.sparse
    assert found.model.feature_names == wanted.model.feature_names
    np.testing.assert_allclose(found.model.theta, wanted.model.theta, atol=1e-4)
    for name, value in wanted.summary["metrics"]["test"].items():
        assert found.summary["metrics"]["test"][name] == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("solver", [{"name": "adam", "epochs": 6}, {"name": "lbfgs"}])
def test_a_run_that_was_stopped_goes_on_with_the_same_bits(tmp_path: Path, solver: dict):
    own = recipe(
        {**tables(tmp_path), "stream": True}, solver=solver, checkpoint={"every_epochs": 1}
    )
    wanted = train(own, tmp_path / "whole")
    with stopped_after(3):
        train(own, tmp_path / "run")
    found = resume(own, tmp_path / "run")
    assert (found.model.theta == wanted.model.theta).all()


def test_changed_data_are_refused(tmp_path: Path):
    data = {**tables(tmp_path), "stream": True}
    path = Path(data["path"])
    table = parquet.read_table(path)
    broken = table.set_column(0, "a", pa.array([*table["a"].to_pylist()[:-1], None]))
    parquet.write_table(broken, path)
    with pytest.raises(DataError, match=r'train.parquet: row 1000, column "a": a missing value'):
        train(recipe({**data, "impute": "none"}), tmp_path / "run")
    parquet.write_table(table, path)
    run = train(recipe(data), tmp_path / "run")
    (run.path / "summary.json").unlink()  # as if it had been stopped at the end
    parquet.write_table(table.slice(1), path)
    with pytest.raises(RunError, match="rows were 1000 and are now 999"):
        resume(recipe(data), run.path)

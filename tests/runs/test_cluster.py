"""Runs on a Dask cluster, of two workers in processes of their own."""

import importlib
import json
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from pyarrow import csv, parquet

distributed = pytest.importorskip("distributed")
pytest.importorskip("dask")

from stopping import stopped_after  # noqa: E402

import fastclf  # noqa: E402
from fastclf.cli import main  # noqa: E402
from fastclf.config import Recipe  # noqa: E402
from fastclf.dask import (  # noqa: E402
    LogisticRegression,
    LogisticRegressionCV,
    MultiLabelLogisticRegression,
    cluster,  # noqa: E402
)
from fastclf.data import Stream  # noqa: E402
from fastclf.errors import ConfigError, DataError, FastclfError, InputError, RunError  # noqa: E402
from fastclf.linear_model import LinearModel  # noqa: E402
from fastclf.runs.cluster import for_cluster  # noqa: E402
from fastclf.runs.directory import open_run  # noqa: E402
from fastclf.runs.reevaluation import evaluate_run  # noqa: E402
from fastclf.runs.run import RunResult, resume, train  # noqa: E402

N, N_TEST = 900, 300
TIGHT: dict[str, Any] = {"solver": {"tol": 1e-9}}


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that another cluster has the usual port
        own = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        )
    with own:
        yield own.scheduler_address


@pytest.fixture(scope="module")
def client(scheduler: str) -> Iterator[Any]:
    with cluster.connected(scheduler) as client:
        yield client


def columns() -> dict[str, pa.Array]:
    """Numbers and categories with holes, numbers that are categories, dates, and labels."""
    rng = np.random.default_rng(5)
    n = N + N_TEST
    age, income = rng.normal(size=(2, n)) * [[10], [3000]] + [[40], [9000]]
    city = rng.choice(["Bonn", "Oslo", "Rome", "Ulm"], n, p=[0.4, 0.3, 0.25, 0.05])
    floor = rng.integers(1, 12, n)
    day = np.datetime64("2023-01-01") + rng.integers(0, 700, n)
    holes = rng.random((2, n)) < 0.1
    z = (city == "Rome") + (floor > 9) - (age - 40) / 10 + rng.logistic(size=n)
    return {
        "age": pa.array(age, mask=holes[0]),
        "income": pa.array(income),
        "city": pa.array(city.tolist(), mask=holes[1]),
        "floor": pa.array(floor),
        "day": pa.array(day.astype(str).tolist()),
        "y": pa.array(np.where(z > 0, "yes", "no").tolist()),
    }


def files(folder: Path, suffix: str, table: pa.Table | None = None) -> dict[str, Any]:
    """A folder of files to train on, one to test on, and the keys that name them."""
    table = pa.table(columns()) if table is None else table
    (folder / "rows").mkdir()
    for i, start in enumerate(range(0, N, 300)):
        path = folder / "rows" / f"{i}.{suffix}"
        if suffix == "csv":
            csv.write_csv(table.slice(start, 300), path)
        else:
            parquet.write_table(table.slice(start, 300), path, row_group_size=110)
    parquet.write_table(table.slice(N), folder / "test.parquet")
    return {
        "path": str(folder / "rows"),
        "test_path": str(folder / "test.parquet"),
        "target": "y",
        "categorical": ["floor"] if "floor" in table.column_names else [],
    }


def recipe(data: dict, **more: Any) -> Recipe:
    return Recipe.model_validate({"name": "test", "data": data, **more})


def agree(found: RunResult, wanted: RunResult) -> None:
    stored = LinearModel.load(found.path / "model.safetensors")
    assert stored.feature_names == wanted.model.feature_names
    np.testing.assert_allclose(stored.theta, wanted.model.theta, atol=1e-6)
    for name, value in wanted.summary["metrics"]["test"].items():
        assert found.summary["metrics"]["test"][name] == pytest.approx(value, abs=1e-6)
    facts = ("n_train", "n_test", "n_features", "classes", "task", "warnings")
    assert all(found.summary[key] == wanted.summary[key] for key in facts)
    assert {path.name for path in found.path.iterdir()} == {
        path.name for path in wanted.path.iterdir()
    }


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_the_model_is_that_of_a_local_stream(tmp_path: Path, client: Any, suffix: str):
    data = {**files(tmp_path, suffix), "dates": "parts", "min_frequency": 60}
    wanted = train(recipe({**data, "stream": True}, **TIGHT), tmp_path / "local")
    found = train(recipe(data, **TIGHT), tmp_path / "one", client=client)
    agree(found, wanted)
    assert {"day.month", "city=(other)"} < {*found.model.feature_names}
    if suffix == "csv":
        again = train(recipe(data, **TIGHT), tmp_path / "two", client=client)
        assert (found.model.theta == again.model.theta).all()
        assert found.summary["data_sha256"] == again.summary["data_sha256"]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_rows_are_split_as_in_a_local_stream(tmp_path: Path, client: Any, suffix: str):
    table = pa.table(columns())
    labels = [*["never"] * 100, *table["y"].to_pylist()[100:]]
    table = table.set_column(table.column_names.index("y"), "y", pa.array(labels))
    data = {**files(tmp_path, suffix, table), "impute": "median", "ignore_index": "never"}
    del data["test_path"]
    more = {**TIGHT, "calibrate": {}}
    wanted = train(recipe({**data, "stream": True}, **more), tmp_path / "local")
    found = train(recipe(data, **more), tmp_path / "one", client=client)
    agree(found, wanted)
    assert found.summary["calibration"]["n_rows"] == wanted.summary["calibration"]["n_rows"]
    assert found.summary["left_out"] == wanted.summary["left_out"]
    again = evaluate_run(open_run(found.path), None)
    for part in ("train", "test"):
        assert again.parts[part].metrics == found.evaluations[part].metrics


def test_parts_without_a_row_to_train_on(tmp_path: Path, client: Any):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(40, 2))
    p = 1 / (1 + np.exp(-X[:, 0]))
    table = pa.table({"a": X[:, 0], "b": X[:, 1], "no": 1 - p, "yes": p})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=2)
    data = {"path": str(tmp_path / "rows.parquet"), "test_size": 0.6}
    data |= {"target": ["no", "yes"], "target_kind": "distribution"}
    more = {**TIGHT, "model": {"kind": "logistic", "class_weight": {"yes": 2.0}}}
    wanted = train(recipe({**data, "stream": True}, **more), tmp_path / "local")
    agree(train(recipe(data, **more), tmp_path / "one", client=client), wanted)


def test_a_command_trains_several_labels_in_numbers_alone(tmp_path: Path, scheduler: str):
    rng = np.random.default_rng(6)
    X = rng.normal(size=(N + N_TEST, 2))
    Y = (X @ rng.normal(size=(2, 3)) + rng.logistic(size=(N + N_TEST, 3)) > 0).astype(int)
    numbers = {f"x{j}": X[:, j].copy() for j in range(2)}
    data = files(tmp_path, "parquet", pa.table(numbers | {f"l{k}": Y[:, k] for k in range(3)}))
    data |= {"target": ["l0", "l1", "l2"], "target_kind": "indicators"}
    wanted = train(recipe({**data, "stream": True}, **TIGHT), tmp_path / "local")
    (tmp_path / "r.toml").write_text(
        '[data]\npath = "rows"\ntest_path = "test.parquet"\ntarget = ["l0", "l1", "l2"]\n'
        'target_kind = "indicators"\n[solver]\ntol = 1e-9\n'
    )
    done = invoke(tmp_path / "r.toml", scheduler, "--out", str(tmp_path / "run"), "--json")
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert shown["n_train"] == N and not shown["warnings"]
    stored = LinearModel.load(tmp_path / "run" / "model.safetensors")
    np.testing.assert_allclose(stored.theta, wanted.model.theta, atol=1e-6)


def invoke(config: Path, scheduler: str, *arguments: str) -> Result:
    given = ["train", "--config", str(config), "--scheduler", scheduler, *arguments]
    return CliRunner().invoke(main, given)


def test_a_run_that_was_stopped_goes_on_with_the_same_bits(tmp_path: Path, client: Any):
    more = {"solver": {"name": "lbfgs"}, "checkpoint": {"every_epochs": 1}}
    own = recipe({**files(tmp_path, "parquet"), "drop": ["day"]}, **more)
    wanted = train(own, tmp_path / "whole", client=client)
    with stopped_after(3):
        train(own, tmp_path / "run", client=client)
    streamed = for_cluster(own)
    with pytest.raises(RunError, match="began on a cluster; resume it with --scheduler ADDRESS"):
        resume(streamed, tmp_path / "run")
    found = resume(own, tmp_path / "run", client=client)
    assert (found.model.theta == wanted.model.theta).all()


def test_a_local_run_is_not_resumed_on_a_cluster(tmp_path: Path, client: Any):
    own = recipe({**files(tmp_path, "parquet"), "drop": ["day"], "stream": True})
    run = train(own, tmp_path / "run")
    (run.path / "summary.json").unlink()  # as if it had been stopped at the end
    with pytest.raises(RunError, match="began without --scheduler"):
        resume(own, run.path, client=client)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_bad_value_is_named_by_file_and_row(tmp_path: Path, client: Any, suffix: str):
    table = pa.table(columns())
    ages = table["age"].to_pylist()
    ages[300 + 250] = float("inf")
    table = table.set_column(0, "age", pa.array(ages))
    for stream in (False, True):
        folder = tmp_path / str(stream)
        folder.mkdir()
        data = {**files(folder, suffix, table), "drop": ["day"], "stream": stream}
        if stream and suffix == "parquet":
            continue  # rows of a folder are numbered through
        with pytest.raises(DataError) as error:
            train(recipe(data), folder / "run", client=None if stream else client)
        said = f'{folder / "rows"}/1.{suffix}: row 251, column "age": an infinite number; correct'
        assert str(error.value).startswith(said)


def test_text_in_one_file_of_numbers(tmp_path: Path, client: Any):
    data = {**files(tmp_path, "csv"), "drop": ["day"]}
    path = tmp_path / "rows" / "2.csv"
    lines = path.read_text().splitlines()
    lines[8] = "old" + lines[8][lines[8].index(",") :]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match='2.csv: row 8, column "age": "old" is not a number'):
        train(recipe(data), tmp_path / "run", client=client)


def test_labels_that_are_no_classes(tmp_path: Path, client: Any):
    table = pa.table({"a": np.arange(1200.0), "y": np.linspace(0, 1, 1200)})
    data = files(tmp_path, "parquet", table)
    with pytest.raises(DataError, match='rows/0.parquet: row 2, column "y": .* can.t be a class'):
        train(recipe(data), tmp_path / "run", client=client)
    with pytest.raises(DataError, match='rows: row 2, column "y": .* can.t be a class'):
        train(recipe({**data, "stream": True}), tmp_path / "run")


def test_a_file_that_the_workers_lack(tmp_path: Path, client: Any):
    files(tmp_path, "parquet")
    stream = Stream(tmp_path / "rows", "y", columns=["income"])
    (tmp_path / "rows" / "1.parquet").unlink()
    with pytest.raises(InputError, match="1.parquet: no such file on .*at the same path"):
        LogisticRegression(client=client).fit(stream)


def test_streams_in_estimators(tmp_path: Path, client: Any):
    files(tmp_path, "csv")
    (tmp_path / "rows" / "9.csv").write_text("age,income,city,floor,day,y\n")
    (tmp_path / "rows" / "a.csv").write_text("age,income,city,floor,day,y\n1,2,Rome,3,,no\n")
    stream = Stream(tmp_path / "rows", "y", columns=["floor"], weight="income")
    found = LogisticRegression(client=client, tol=1e-9).fit(stream)
    wanted = fastclf.LogisticRegression(tol=1e-9).fit(stream)
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=1e-8)
    assert found.feature_names_in_.tolist() == ["floor"]
    with pytest.raises(InputError, match="a stream includes its targets .* leave out y"):
        LogisticRegression(client=client).fit(stream, [0, 1])
    with pytest.raises(InputError, match="several labels need several target columns"):
        MultiLabelLogisticRegression(client=client).fit(stream)
    with pytest.raises(InputError, match="takes no stream here"):
        LogisticRegressionCV(
            client=client, l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False
        ).fit(stream)


def test_streams_that_have_no_parts(client: Any):
    class Rows:
        dtype, several_targets, feature_names, target_names = np.dtype(float), False, None, None

        def rows_in_order(self) -> Any: ...

        def rows_shuffled(self, rng: Any) -> Any: ...

    with pytest.raises(InputError, match="Rows has no n_parts, part and part_name"):
        LogisticRegression(client=client).fit(Rows())


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"data": {"test_path": None, "split_by": "day"}}, "split by a hash .* out --scheduler"),
        ({"distill": {"teacher_run": "run"}}, r"\[distill\] needs the rows where the solver runs"),
        ({"solver": {"name": "adam"}}, '"adam" trains on minibatches, .* solver.name to "auto"'),
    ],
    ids=str,
)
def test_recipes_that_need_all_rows_in_one_place(tmp_path: Path, keys: dict, said: str):
    data = {"path": "rows", "test_path": "test.parquet", **keys.get("data", {})}
    with pytest.raises(ConfigError, match=f"--scheduler.*{said}"):
        train(recipe(**{**keys, "data": data}), tmp_path / "run", client=object())  # type: ignore
    assert not (tmp_path / "run").exists()


def test_a_scheduler_that_cannot_be_reached(
    tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "r.toml").write_text('[data]\npath = "rows"\ntest_path = "rows"\ntarget = "y"\n')
    worker = min(client.scheduler_info()["workers"])
    with socket.create_server(("127.0.0.1", 0)) as other:  # which never answers
        silent = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        for address, why in (
            (worker, "a worker answers"),
            ("nonsense", "missing port number"),
            ("http://127.0.0.1:9", "unknown address scheme"),
            ("tcp://127.0.0.1:9", "no answer within 0.3 s"),
            (silent, "no answer within 0.3 s"),
        ):
            if why.startswith("no answer"):
                monkeypatch.setattr(cluster, "PATIENCE", 0.3)
            done = invoke(tmp_path / "r.toml", address, "--out", str(tmp_path / "run"))
            assert done.exit_code == 2
            said = (
                f"fastclf: error: --scheduler {address}: no scheduler can be reached there ({why}"
            )
            assert done.stderr.startswith(said) and done.stderr.count("\n") == 1, done.stderr
            assert "start one with: dask scheduler" in done.stderr


def test_a_scheduler_without_workers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "FIRST_WORKER", 0.2)
    with warnings.catch_warnings(action="ignore"):  # that another cluster has the usual port
        own = distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None)
    with (
        own as empty,
        pytest.raises(InputError, match="has no workers; start some with: dask worker"),
        cluster.connected(empty.scheduler_address),
    ):
        pass


def test_workers_with_another_version(scheduler: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "__version__", "0.0.1")
    with (
        pytest.raises(InputError, match=r"has fastclf \S+, and here it is 0.0.1; run on each"),
        cluster.connected(scheduler),
    ):
        pass


def test_dask_that_is_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    for name in [name for name in sys.modules if name.startswith("fastclf.dask")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(fastclf, "dask")
    with pytest.raises(FastclfError, match=r"pip install 'fastclf\[dask\]'"):
        importlib.import_module("fastclf.dask.cluster")

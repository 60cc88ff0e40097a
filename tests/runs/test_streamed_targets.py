"""Streamed runs with all kinds of targets, and rows that are left out, against runs in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from fastclf.config import Recipe
from fastclf.errors import DataError
from fastclf.linear_model import LinearModel
from fastclf.runs.directory import open_run
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import train

N, N_TRAIN = 1200, 900
EXACT: dict[str, Any] = {"solver": {"tol": 1e-9}}


def columns() -> tuple[dict[str, Any], np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(N, 3))
    logits = X @ rng.normal(size=(3, 3)) + rng.gumbel(size=(N, 3))
    return {name: X[:, j].copy() for j, name in enumerate("abc")}, logits


def files(folder: Path, own: dict[str, Any], suffix: str = "parquet") -> dict[str, str]:
    """Files to train and to test on, with some more columns."""
    features, _ = columns()
    table = pa.table({**features, **own})
    paths = {"path": folder / f"train.{suffix}", "test_path": folder / f"test.{suffix}"}
    parts = table.slice(0, N_TRAIN), table.slice(N_TRAIN)
    for path, rows in zip(paths.values(), parts, strict=True):
        if suffix == "csv":
            csv.write_csv(rows, path)
        else:
            parquet.write_table(rows, path, row_group_size=90)
    return {key: str(path) for key, path in paths.items()}


def recipe(data: dict, **more: object) -> Recipe:
    return Recipe.model_validate({"name": "test", "data": data, **more})


def check_same(folder: Path, data: dict, **keys: Any) -> Any:
    """Train in memory and on a stream; return the second run."""
    wanted = train(recipe(data, **EXACT, **keys), folder / "wanted")
    found = train(recipe({**data, "stream": True}, **EXACT, **keys), folder / "found")
    for key in ("classes", "kind", "n_train", "n_test", "left_out"):
        assert found.summary.get(key) == wanted.summary.get(key), key
    models = [LinearModel.load(run.path / "model.safetensors") for run in (found, wanted)]
    np.testing.assert_allclose(models[0].theta, models[1].theta, atol=1e-4)
    assert models[0].classes.tolist() == models[1].classes.tolist()
    for part in ("train", "test"):
        metrics = found.summary["metrics"][part]
        for name, value in wanted.summary["metrics"][part].items():
            assert metrics[name] == pytest.approx(value, abs=1e-4)
    again = evaluate_run(open_run(found.path), None)
    assert again.parts["test"].metrics == found.evaluations["test"].metrics
    # Split by hash, every kind of target trains, too.
    whole = {key: value for key, value in data.items() if key != "test_path"}
    split = train(recipe({**whole, "stream": True}, calibrate={}, **keys), folder / "split")
    assert split.summary["n_test"] > 100 and split.summary["calibration"]["n_rows"] > 70
    assert split.summary["metrics"]["test"].keys() >= found.summary["metrics"]["test"].keys()
    return found


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("key", ["classes", "ignore_index"])
def test_rows_of_some_classes(tmp_path: Path, key: str, suffix: str):
    _, logits = columns()
    y = np.array(["no", "yes", "maybe"])[logits.argmax(axis=1)]
    value = {"classes": ["no", "yes"], "ignore_index": "maybe"}[key]
    data = {**files(tmp_path, {"y": y}, suffix), "target": "y", key: value}
    found = check_same(tmp_path, data)
    assert found.summary["classes"] == ("no", "yes")
    (reason,) = found.summary["left_out"]
    assert f"data.{key}" in reason
    assert found.summary["left_out"][reason] == (y == "maybe").sum()


def test_a_number_that_is_ignored(tmp_path: Path):
    _, logits = columns()
    y = np.array([-100, 0, 1])[logits.argmax(axis=1)]
    data = {**files(tmp_path, {"y": y}), "target": "y", "ignore_index": -100}
    assert check_same(tmp_path, data).summary["classes"] == ("0", "1")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"classes": ["no", "perhaps"]}, 'data.classes: .* has no class "perhaps"'),
        ({"ignore_index": "perhaps"}, 'data.ignore_index: .* has no label "perhaps"'),
        ({"classes": ["no", "no"]}, "all rows belong to one class"),
    ],
)
def test_classes_that_are_not_there(tmp_path: Path, keys: dict, message: str):
    y = np.where(columns()[1][:, 0] > 0, "no", "yes")
    data = {**files(tmp_path, {"y": y}), "target": "y", "stream": True, **keys}
    with pytest.raises(DataError, match=message):
        train(recipe(data), tmp_path / "run")


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_rows_without_a_target(tmp_path: Path, suffix: str):
    _, logits = columns()
    y = np.where(logits[:, 0] > 0, "no", "yes")
    gone = np.random.default_rng(0).random(N) < 0.2
    gone[100:200] = True  # a whole row group
    own = files(tmp_path, {"y": pa.array(y.tolist(), mask=gone)}, suffix)
    data = {**own, "target": "y", "missing_target": "drop"}
    found = check_same(tmp_path, data)
    assert found.summary["n_train"] == (~gone[:N_TRAIN]).sum()
    assert sum(found.summary["left_out"].values()) == gone.sum()
    row = int(gone.argmax()) + 1
    with pytest.raises(DataError, match=f"train.{suffix}: row {row} has no target"):
        train(recipe({**own, "target": "y", "stream": True}), tmp_path / "run")


def test_unknown_labels(tmp_path: Path):
    _, logits = columns()
    gone = np.random.default_rng(0).random((3, N)) < 0.2
    labels = {f"l{k}": pa.array(logits[:, k] > 0, mask=gone[k]) for k in range(3)}
    labels = {name: column.cast(pa.int64()) for name, column in labels.items()}
    own = {**files(tmp_path, labels), "target": list(labels)}
    check_same(tmp_path, {**own, "missing_target": "keep"})
    with pytest.raises(DataError, match="has no target"):
        train(recipe({**own, "target_kind": "indicators", "stream": True}), tmp_path / "run")


@pytest.mark.parametrize("kind", ["separated", "numbers", "lists"])
def test_lists_of_labels(tmp_path: Path, kind: str):
    _, logits = columns()
    names = ["1", "2", "3"] if kind == "numbers" else ["red", "green", "blue"]
    rows = [[names[k] for k in np.flatnonzero(row > 0.5)] for row in logits]
    rare = "4" if kind == "numbers" else "violet"
    rows[700] = [*rows[700], rare]  # in one chunk
    rows[710] = [*rows[710], rare]
    keys: dict[str, Any] = {"target": "tags"}
    if kind == "lists":
        column = pa.array(rows)
    else:
        separator = "," if kind == "numbers" else "; "
        column = pa.array([separator.join(row) for row in rows])
        keys["label_separator"] = separator.strip()
    suffix = "parquet" if kind == "lists" else "csv"
    if kind == "numbers":  # the first row is a number
        column = pa.array(["1", *column.to_pylist()[1:]])
    found = check_same(tmp_path, {**files(tmp_path, {"tags": column}, suffix), **keys})
    assert rare in found.summary["classes"] and found.summary["kind"] == "multilabel"


@pytest.mark.parametrize("kind", ["distribution", "counts", "logits"])
def test_distributions(tmp_path: Path, kind: str):
    _, logits = columns()
    keys: dict[str, Any] = {"target": ["no", "yes", "maybe"], "target_kind": kind}
    if kind == "logits":
        values, keys["target_temperature"] = logits, 2.0
    else:
        values = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if kind == "counts":
        values, keys["count_weights"] = np.round(values * 10), True
        values[5] = 0
        keys["missing_target"] = "drop"
    own = dict(zip(keys["target"], values.T.copy(), strict=True))
    found = check_same(tmp_path, {**files(tmp_path, own), **keys})
    assert found.summary["classes"] == ("no", "yes", "maybe")
    assert "cross_entropy" in found.summary["metrics"]["test"]


def test_two_classes_with_weights_by_name(tmp_path: Path):
    p = 1 / (1 + np.exp(-columns()[1][:, 0]))
    data = {
        **files(tmp_path, {"no": 1 - p, "yes": p}),
        "target": ["no", "yes"],
        "target_kind": "distribution",
    }
    check_same(tmp_path, data, model={"kind": "logistic", "class_weight": {"yes": 3.0}})


def test_a_kind_that_only_all_rows_show(tmp_path: Path):
    _, logits = columns()
    own = {f"l{k}": (logits[:, k] > 0).astype(int) for k in range(3)}
    data = {**files(tmp_path, own), "target": list(own), "stream": True}
    with pytest.raises(DataError, match='set data.target_kind = "indicators" or "distribution"'):
        train(recipe(data), tmp_path / "run")


@pytest.mark.parametrize("value", [-1.0, np.inf, None])
def test_weights_that_cannot_be_used(tmp_path: Path, value: float | None):
    weights = [1.0] * N
    weights[333] = value
    y = np.where(columns()[1][:, 0] > 0, "no", "yes")
    data = {**files(tmp_path, {"y": y, "w": pa.array(weights)}), "target": "y", "weight": "w"}
    with pytest.raises(DataError, match='row 334, column "w": the weight is'):
        train(recipe({**data, "stream": True}), tmp_path / "run")

"""Tables of coefficients: that they are the model, and the formats."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from fastclf.cli import main
from fastclf.linear_model import Affine, LinearModel
from fastclf.preprocessing import CategoricalColumn, DateColumn, Encoder, NumericColumn
from fastclf.runs.export.coefficients import INTERCEPT, coefficients, coefficients_file
from fastclf.runs.export.sample import generated_rows
from fastclf.text_features import TextColumn

AGE = NumericColumn("age", fill=40.0, shift=35.0, scale=7.0)
CITY = CategoricalColumn("city", ("Bonn", "Rome"), other=True)
SINCE = DateColumn("since", (NumericColumn("year", 2000.0, 2010.0, 4.0), NumericColumn("month")))
NOTE = TextColumn("note", ("card", "lost, =card"), (1.5, 2.0))


def model(task: Any, encoder: Encoder | None = None, **changes: Any) -> LinearModel:
    K = {"binary": 1, "multiclass": 3, "multilabel": 2}[task]
    d = 4 if encoder is None else encoder.n_features
    values: dict[str, Any] = {
        "theta": np.random.default_rng(5).normal(size=(d + 1, K)),
        "task": task,
        "classes": np.array(["no", "yes", "maybe"])[: max(K, 2)],
        "threshold": np.full(K, 0.5) if task == "multilabel" else None,
        "encoder": encoder,
    }
    return LinearModel(**values | changes)


MODELS = {
    "a matrix": model("multiclass"),
    "a scaled matrix": model(
        "binary", preprocessing=Affine(np.arange(4.0), np.full(4, 3.0)), temperature=2.5
    ),
    "columns": model("multiclass", Encoder((AGE, CITY)), temperature=0.5),
    "text": model("multilabel", Encoder((AGE, NOTE, CITY), sparse=True)),
}


@pytest.mark.parametrize("name", MODELS)
def test_they_add_up_to_the_logits(name: str):
    model = MODELS[name]
    table = coefficients(model)
    K, d = model.theta.shape[1], model.n_features
    values = np.array(table["coefficient"]).reshape(K, d + 1).T
    rows = generated_rows(model)
    if model.encoder is None:
        features = rows
    else:
        plain = NumericColumn("age", AGE.fill)
        columns = tuple(plain if one is AGE else one for one in model.encoder.columns)
        features = Encoder(columns, sparse=model.encoder.sparse).apply(rows)
    logits = (features @ values[1:] + values[0]).reshape(-1, K)
    np.testing.assert_allclose(
        logits, model.decision_function(rows).reshape(-1, K), rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(np.ravel(np.exp(values.T)), table["odds_ratio"], rtol=1e-12)


def test_names_scales_and_columns():
    found = coefficients(model("binary", Encoder((SINCE, CITY, NOTE), sparse=True)))
    names = ["since.year", "since.month", "city=Bonn", "city=Rome", "city=(other)"]
    names += ["note: card", "note: lost, =card"]
    assert found["feature"] == [INTERCEPT, *names]
    assert found["column"] == [None, *["since"] * 2, *["city"] * 3, *["note"] * 2]
    assert set(found["class"]) == {"yes"}
    scaled = [value is not None for value in found["scaled_coefficient"]]
    assert scaled == [True, True, *[False] * 6]
    assert found["scaled_coefficient"][1] == pytest.approx(4 * found["coefficient"][1])
    labels = coefficients(MODELS["text"])
    assert labels["label"] == ["no"] * 7 + ["yes"] * 7
    assert coefficients(MODELS["a matrix"])["feature"][:2] == [INTERCEPT, "feature 0"]
    assert set(coefficients(MODELS["a matrix"])["scaled_coefficient"]) == {None}


def test_formats_have_all_digits(tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    model = MODELS["text"]
    expected = coefficients(model)
    big = LinearModel(1000 * np.ones((2, 1)), "binary", np.array([3, 7]))
    model.save(tmp_path / "model.safetensors")
    shell, source = CliRunner(), str(tmp_path / "model.safetensors")
    for suffix in (".csv", ".jsonl", ".parquet"):
        path = tmp_path / f"found{suffix}"
        told = shell.invoke(main, ["export", source, "-o", str(path)])
        assert told.exit_code == 0 and "factor by which the odds of a label change" in told.output
        if suffix == ".parquet":
            assert parquet.read_table(path).to_pydict() == expected
            continue
        text = path.read_text()
        if suffix == ".csv":
            rows: list[Any] = list(csv.DictReader(io.StringIO(text)))
            assert [float(row["coefficient"]) for row in rows] == expected["coefficient"]
            assert rows[0]["column"] == rows[2]["scaled_coefficient"] == ""
            assert rows[3]["feature"] == "note: lost, =card"
        else:
            rows = list(map(json.loads, text.splitlines()))
            assert {name: [row[name] for row in rows] for name in rows[0]} == expected
    printed = shell.invoke(main, ["export", source, "--to", "coefficients"])
    assert printed.stdout == (tmp_path / "found.csv").read_text()
    assert "odds" in printed.stderr
    assert coefficients_file(big, Path("x.csv")).decode().splitlines()[1].endswith(",1000.0,inf,,")
    rows = list(map(json.loads, coefficients_file(big, Path("x.jsonl")).splitlines()))
    assert rows[0]["odds_ratio"] is None and rows[0]["class"] == "7"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["-o", "m.npz", "--to", "coefficients"], "written as .csv, .jsonl or .parquet"),
        (["-o", "m", "--to", "coefficients"], "written as .csv, .jsonl or .parquet"),
        ([], "name the file to write with -o, or print --to coefficients"),
        (["--to", "onnx"], "name the file to write with -o"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    MODELS["a matrix"].save("model.safetensors")
    result = CliRunner().invoke(main, ["export", "model.safetensors", *arguments])
    assert result.exit_code == 2 and message in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_odds_of_three_classes_are_relative(tmp_path: Path):
    MODELS["a matrix"].save(tmp_path / "m.safetensors")
    path = str(tmp_path / "c.csv")
    told = CliRunner().invoke(main, ["export", str(tmp_path / "m.safetensors"), "-o", path])
    assert "relative to the other classes" in told.output

"""Exported models: ONNX files that predict what the model does, and model cards."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import fastclf
from fastclf.cli import main
from fastclf.config import Recipe
from fastclf.errors import InputError
from fastclf.linear_model import Affine, LinearModel
from fastclf.preprocessing import MISSING, CategoricalColumn, Encoder, NumericColumn
from fastclf.runs.export import onnx_file
from fastclf.runs.export.onnx_file import compare, to_onnx, write_onnx
from fastclf.runs.export.sample import generated_rows, own_rows
from fastclf.runs.prediction import Predictor, open_predictor
from fastclf.runs.run import train

RNG = np.random.default_rng(0)


def rows_of(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "the age": rng.integers(18, 80, n).astype(float),
            "city": rng.choice(["Bonn", "Rome", "Évora"], n),
            "member": rng.random(n) < 0.4,
        }
    )
    score = frame["the age"] + 15 * (frame.city == "Bonn") + rng.normal(0, 9, n)
    frame["paid"] = np.where(score > 55, "yes", "no")
    frame["a"], frame["b"] = (score > 50).astype(int), (score > 60).astype(int)
    frame.loc[::9, "the age"] = np.nan
    frame.loc[::7, "city"] = None
    return frame


RECIPES: dict[str, dict[str, Any]] = {
    "paid": {"data": {"target": "paid"}, "calibrate": {}},
    "labels": {
        "data": {"target": ["a", "b"]},
        "calibrate": {"thresholds": "f1"},
        "model": {"kind": "multilabel"},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    rows_of().to_csv(folder / "rows.csv", index=False)
    for name, tables in RECIPES.items():
        data = {"path": str(folder / "rows.csv"), "columns": ["the age", "city", "member"]}
        tables = {**tables, "data": data | tables["data"]}
        train(Recipe.model_validate({"name": name, **tables}), folder / name)
    return folder


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def last_line(result: Result) -> str:
    assert result.exit_code == 2
    return " ".join(result.stderr.splitlines()[-1:])


# ONNX


def sessions(content: bytes) -> Any:
    onnxruntime = pytest.importorskip("onnxruntime")
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def encoder() -> Encoder:
    return Encoder(
        (
            CategoricalColumn("city", ("Bonn", "Rome", MISSING), other=True),
            NumericColumn("age", fill=40.0, shift=35.0, scale=7.0),
            CategoricalColumn("grade", ("1", "2"), fill="2"),
            NumericColumn("income", shift=2.0, scale=3.0),
            CategoricalColumn("member", ("false", "true")),
            CategoricalColumn("unused", ()),
        )
    )


def model(task: Any = "binary", raw: bool = True, **changes: Any) -> LinearModel:
    d = encoder().n_features if raw else 5
    K = {"binary": 1, "multiclass": 4, "multilabel": 3}[task]
    values: dict[str, Any] = {
        "theta": np.random.default_rng(2).normal(size=(d + 1, K)),
        "task": task,
        "classes": np.array(["no", "yes", "perhaps", "never"])[: max(K, 2)],
        "encoder": encoder() if raw else None,
        "threshold": np.full(K, 0.5) if task == "multilabel" else None,
    }
    return LinearModel(**values | changes)


MODELS = {
    "two classes": model(),
    "four classes": model("multiclass"),
    "labels": model("multilabel"),
    "a temperature": model("multiclass", temperature=2.5),
    "a threshold": model(threshold=np.array([0.2])),
    "a threshold of numbers": model(threshold=np.array([0.8]), classes=np.array([7, 3])),
    "thresholds": model("multilabel", threshold=np.array([0.1, 0.5, 0.9])),
    "one label": model(
        "multilabel",
        raw=False,
        theta=RNG.normal(size=(6, 1)),
        classes=np.array(["a"]),
        threshold=np.array([0.5]),
    ),
    "a matrix": model("multiclass", raw=False),
    "whole numbers": model("multiclass", raw=False, classes=np.array([1, 2, 5, 9])),
    "booleans": model(raw=False, classes=np.array([False, True])),
    "single precision": model(raw=False, theta=RNG.normal(size=(6, 1)).astype(np.float32)),
    "a scaled matrix": model(raw=False, preprocessing=Affine(np.ones(5), np.full(5, 3.0))),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_file_predicts_what_the_model_does(name: str):
    pytest.importorskip("skl2onnx")
    found = compare(to_onnx(MODELS[name]), MODELS[name], [generated_rows(MODELS[name])])
    assert found.n_rows == 200 and found.difference < 2e-6


def test_inputs_are_raw_columns():
    pytest.importorskip("skl2onnx")
    session = sessions(to_onnx(model(threshold=np.array([0.4]))))
    inputs = {one.name: one.type for one in session.get_inputs()}
    text, number = "tensor(string)", "tensor(float)"
    expected = {"city": text, "age": number, "grade": text, "income": number, "member": text}
    assert inputs == expected
    assert [one.name for one in session.get_outputs()] == ["label", "probabilities"]
    raw = {
        "city": ["Bonn", "", "Oslo"],
        "age": [31, np.nan, 60],
        "grade": ["1", "", "9"],
        "income": [1, 2, 3],
        "member": ["TRUE", "0", ""],
    }
    feed = {
        name: np.array(values, object if inputs[name] == text else np.float32)[:, None]
        for name, values in raw.items()
    }
    label, p = session.run(None, feed)
    clf = fastclf.LoadedClassifier(model(threshold=np.array([0.4])))
    frame = pd.DataFrame({**raw, "unused": ""})
    np.testing.assert_allclose(p, clf.predict_proba(frame), atol=1e-6)
    assert label.tolist() == clf.predict(frame).tolist()


@pytest.mark.parametrize(
    "refused, reason",
    [
        (model("multilabel", top_k=1), "top_k.*train without model.top_k"),
        (model(classes=np.array([0.5, 1.0])), "class 0.5 is no whole number"),
        (
            LinearModel(
                np.ones((2, 1)), "binary", np.arange(2), encoder=Encoder.of_numbers(["label"])
            ),
            'a column is named "label".*rename',
        ),
    ],
)
def test_what_cannot_be_converted_is_refused(refused: LinearModel, reason: str):
    pytest.importorskip("skl2onnx")
    with pytest.raises(InputError, match=reason):
        to_onnx(refused)


def test_a_file_that_predicts_something_else_is_not_written(tmp_path: Path, monkeypatch):
    pytest.importorskip("skl2onnx")
    other = model(theta=model().theta + 0.001)
    monkeypatch.setattr(onnx_file, "to_onnx", lambda _: to_onnx(other))
    with pytest.raises(Exception, match=r"not written.*differ from the model's by 0\.00\d+"):
        write_onnx(Predictor(model()), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
    turned = replace(model(), classes=np.array(["yes", "no"]))
    with pytest.raises(InputError, match="of 200 labels differ"):
        compare(to_onnx(turned), model(), [generated_rows(model())])


def test_not_a_number_is_a_difference():
    pytest.importorskip("skl2onnx")
    content = to_onnx(model(raw=False, theta=np.full((6, 1), 3e38)))  # infinite minus infinite
    with pytest.raises(InputError, match="differ from the model's by"):
        compare(content, model(raw=False), [generated_rows(model(raw=False))])


def test_packages_that_are_missing(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"skl2onnx.*pip install 'fastclf\[onnx\]'"):
        write_onnx(Predictor(model()), tmp_path / "m.onnx")


def test_rows_of_the_run_are_used_if_they_can_be_read(folder: Path, tmp_path: Path):
    predictor = open_predictor(folder / "paid")
    rows = own_rows(predictor.model, predictor.data)
    assert len(rows) == 120 and set(rows.names) == {"the age", "city", "member"}
    assert predictor.data is not None
    for gone in ({"path": str(tmp_path / "gone.csv")}, {"path": None, "name": "rcv1"}):
        data = predictor.data.model_copy(update={**gone, "data_home": str(tmp_path)})
        assert own_rows(predictor.model, data) is None
    assert own_rows(predictor.model, None) is None


# The command


@pytest.mark.parametrize("name", RECIPES)
def test_onnx_by_the_command(name: str, folder: Path, tmp_path: Path):
    pytest.importorskip("skl2onnx")
    path = tmp_path / "model.onnx"
    path.write_text("old")
    result = invoke(folder / name, "-o", path)
    assert result.exit_code == 0, result.output
    assert "320 rows (120 of them from the run's data)" in result.stdout
    assert sessions(path.read_bytes()).get_inputs()[0].name == "the age"
    result = invoke(folder / name / "model.safetensors", "-o", path, "-q")
    assert (result.exit_code, result.output) == (0, "")
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_a_card_by_the_command(folder: Path, tmp_path: Path):
    for path in (tmp_path / "card.md", tmp_path / "CARD"):
        result = invoke(folder / "paid", "-o", path, "--to", "card")
        assert result.exit_code == 0 and result.stdout == f"saved in {path}\n"
    text = (tmp_path / "card.md").read_text()
    assert text == (tmp_path / "CARD").read_text()
    titles = re.findall("^## (.*)", text, re.MULTILINE)
    assert titles == [
        *("Data", "Metrics", "Calibration", "Strongest coefficients"),
        *("Limits", "Recipe", "Versions"),
    ]
    assert "| accuracy | " in text and "- temperature: " in text and "- sha256: " in text
    assert "- test rows: 30\n" in text and "- classes: no, yes\n" in text
    assert "with fewer than 20 test rows: no (" in text


def test_equal_runs_have_equal_cards(folder: Path, tmp_path: Path):
    again = Recipe.model_validate(open_predictor_recipe(folder / "labels"))
    train(again, tmp_path / "again")
    for run in (folder / "labels", tmp_path / "again"):
        assert invoke(run, "-o", tmp_path / f"{run.name}.md").exit_code == 0
    first, second = ((tmp_path / f"{name}.md").read_text() for name in ("labels", "again"))
    assert first == second
    assert "- thresholds: a 0." in first


def open_predictor_recipe(run: Path) -> dict[str, Any]:
    from fastclf.config import load_recipe

    return load_recipe(run / "config.toml").model_dump(exclude_none=True)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["gone", "-o", "m.onnx"], "gone: no such directory"),
        (["gone", "-o", "m.md"], "gone: no such directory"),
        (["{run}", "-o", "m.bin"], "m.bin: no format has the suffix '.bin'.*.onnx, .md, .csv"),
        (["{run}", "-o", "m"], "no format has the suffix ''"),
        (["{run}", "-o", "m.pkl"], r"fastclf.load\(path\).to_sklearn\(\)"),
        (["{run}", "-o", "no/such/m.md"], "m.md: can't be written.*name another place with -o"),
        (["{run}/model.safetensors", "-o", "m.md"], "isn't a directory"),
    ],
)
def test_bad_arguments(arguments: list[str], message: str, folder: Path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(*(text.format(run=folder / "paid") for text in arguments))
    assert re.search(message, last_line(result))
    assert not list(tmp_path.iterdir())


def test_an_onnx_file_that_cannot_be_written(folder: Path, tmp_path: Path):
    pytest.importorskip("skl2onnx")
    assert "can't be written" in last_line(
        invoke(folder / "paid", "-o", tmp_path / "no" / "m.onnx")
    )


def test_an_incomplete_run(folder: Path, tmp_path: Path):
    (tmp_path / "run").mkdir()
    config = (folder / "paid" / "config.toml").read_text()
    (tmp_path / "run" / "config.toml").write_text(config)
    for name in ("m.onnx", "m.md"):
        (tmp_path / name).write_text("old")
        line = last_line(invoke(tmp_path / "run", "-o", tmp_path / name))
        assert "the run is incomplete" in line and "fastclf train --resume" in line
        assert (tmp_path / name).read_text() == "old"


@pytest.mark.parametrize(
    "keys",
    [{}, {"text_analyzer": "char_wb", "text_ngrams": [2, 3]}, {"text_sublinear": False}],
    ids=["words", "characters", "counts"],
)
def test_raw_text_beside_numbers_and_categories(tmp_path: Path, keys: dict[str, Any]):
    rng = np.random.default_rng(1)
    frame = rows_of(160)
    words = np.array(["card", "lost", "Lost my", "refund, please", "it's", "x", "2 cards", "Naïve"])
    frame["note"] = [" ".join(rng.choice(words[: 7 if not keys else 8], 5)) for _ in range(160)]
    frame.loc[::11, "note"] = None
    frame.to_csv(tmp_path / "rows.csv", index=False)
    columns = ["the age", "city", "note"]
    data = {"path": str(tmp_path / "rows.csv"), "target": "paid", "columns": columns}
    own = {"name": "notes", "data": {**data, "text": ["note"], **keys}}
    train(Recipe.model_validate(own), tmp_path / "run")
    classifier, rows = fastclf.load(tmp_path / "run"), frame[columns]
    found = classifier.to_sklearn()
    np.testing.assert_allclose(
        found.predict_proba(rows), classifier.predict_proba(rows), rtol=0, atol=1e-12
    )
    if keys == {}:  # other letters than ASCII need a locale, which may not be installed
        pytest.importorskip("onnxruntime")
        done = invoke(tmp_path / "run", "-o", tmp_path / "notes.onnx")
        assert done.exit_code == 0, done.stderr
        assert "360 rows (160 of them from the run's data)" in done.stdout

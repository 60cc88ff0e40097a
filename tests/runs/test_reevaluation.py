"""Judging complete runs again: the same figures on the same data, and others on others."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastclf.config import Recipe
from fastclf.errors import DataError, RunError
from fastclf.runs.directory import FinishedRun, open_run
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import train

CARDS = Path(__file__).parents[2] / "datasets"


def trained(folder: Path, data: dict) -> FinishedRun:
    recipe = Recipe.model_validate({"name": "test", "data": data})
    return open_run(train(recipe, folder / "run").path)


def people(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": rng.normal(50, 10, n), "city": rng.choice(["Bonn", "Oslo"], n)})
    frame["paid"] = np.where(frame.age + 10 * (frame.city == "Oslo") > 55, "yes", "no")
    frame["id"] = range(n)
    return frame


@pytest.fixture
def files(tmp_path: Path) -> Path:
    people(120, 0).to_csv(tmp_path / "people.csv", index=False)
    return tmp_path


@pytest.fixture
def run(files: Path) -> FinishedRun:
    return trained(files, {"path": str(files / "people.csv"), "target": "paid", "drop": ["id"]})


@pytest.mark.parametrize("name", ["iris", "multilabel", "breast_cancer"])
def test_its_own_data_give_the_figures_of_the_run(name: str, tmp_path: Path):
    run = trained(tmp_path, {"card": str(CARDS / f"{name}.toml")})
    found = evaluate_run(run)
    assert {part: judged.metrics for part, judged in found.parts.items()} == run.summary["metrics"]
    assert json.loads(found.path.read_text()) == json.loads(json.dumps(found.as_json()))
    assert found.path.name == "evaluation.json"


def test_a_file_that_changed_is_refused(run: FinishedRun, files: Path):
    assert evaluate_run(run).parts["test"].n_rows == 30
    people(121, 0).to_csv(files / "people.csv", index=False)
    with pytest.raises(RunError, match=r"have changed.*then 120 rows with.*now 121 with.*--data"):
        evaluate_run(run)


def test_figures_that_can_not_be_written(run: FinishedRun):
    (run.path / "evaluation.json").unlink()
    (run.path / "evaluation.json").mkdir()
    with pytest.raises(RunError, match=r"evaluation.json: can't be written: .*; copy the run to"):
        evaluate_run(run)
    assert not list(run.path.glob(".evaluation*"))


def test_other_rows_need_the_columns_of_the_model_only(run: FinishedRun, files: Path):
    later = people(40, 1)[["paid", "city", "age"]].assign(note="x")
    later.to_parquet(files / "later rows.parquet")
    found = evaluate_run(run, files / "later rows.parquet")
    assert found.path.name == "evaluation-later-rows.json"
    (judged,) = found.parts.values()
    predicted = run.model.predict(_table(files / "later rows.parquet"))
    assert judged.metrics["accuracy"] == np.mean(predicted == later.paid.to_numpy())
    assert (run.path / "evaluation.json").exists()


def _table(path: Path):
    from fastclf.data import read_table

    return read_table(path)


def test_a_card_names_the_evaluation(tmp_path: Path):
    run = trained(tmp_path, {"name": "iris"})
    found = evaluate_run(run, CARDS / "iris.toml")
    assert found.path.name == "evaluation-iris.json"
    assert list(found.parts) == ["iris"]
    assert found.parts["iris"].n_rows == 150


def test_labels_are_matched_by_name(files: Path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
    for label in ("tall", "wide"):
        frame[label] = (frame["a" if label == "tall" else "b"] > 0).astype(int)
    frame.to_csv(files / "labels.csv", index=False)
    run = trained(files, {"path": str(files / "labels.csv"), "target": ["tall", "wide"]})
    expected = evaluate_run(run, files / "labels.csv").parts["labels"]
    frame[["wide", "c", "a", "tall", "b"]].to_csv(files / "moved.csv", index=False)
    assert evaluate_run(run, files / "moved.csv").parts["moved"] == expected


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (people(9, 0).drop(columns="age"), 'columns: there is no column "age"'),
        (people(9, 0).drop(columns="paid"), 'there is no column "paid"'),
        (people(9, 0).assign(age="old"), 'row 1, column "age": "old" is not a number'),
    ],
)
def test_files_that_do_not_fit(frame: pd.DataFrame, said: str, run: FinishedRun, files: Path):
    frame.to_csv(files / "other.csv", index=False)
    with pytest.raises(DataError, match=said) as refused:
        evaluate_run(run, files / "other.csv")
    assert "\n" not in str(refused.value)
    assert "other.csv" in str(refused.value)


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("multilabel", "the data have several labels per row, but the model predicts one label"),
        ("wine", "wine"),
    ],
)
def test_cards_that_do_not_fit(card: str, said: str, tmp_path: Path):
    run = trained(tmp_path, {"name": "iris"})
    with pytest.raises(DataError, match=said):
        evaluate_run(run, CARDS / f"{card}.toml")


@pytest.fixture(scope="module")
def booleans(tmp_path_factory) -> FinishedRun:
    folder = tmp_path_factory.mktemp("booleans")
    people(120, 0).assign(paid=lambda rows: rows.paid == "yes").to_parquet(
        folder / "people.parquet"
    )
    return trained(folder, {"path": str(folder / "people.parquet"), "target": "paid"})


@pytest.mark.parametrize(
    "spelt", [("True", "False"), ("TRUE", "FALSE"), ("1", "0"), ("1.0", "0.0")]
)
def test_booleans_match_in_all_spellings(spelt: tuple[str, str], booleans: FinishedRun, tmp_path):
    rows = people(120, 0)
    rows["paid"] = np.where(rows.paid == "yes", *spelt)
    rows.to_csv(tmp_path / "spelt.csv", index=False)
    found = evaluate_run(booleans, tmp_path / "spelt.csv")
    (judged,) = found.parts.values()
    assert judged.metrics["accuracy"] > 0.8 and "log_loss" in judged.metrics
    assert judged.tables["confusion_matrix"]["classes"] == ["false", "true"]


def test_labels_of_which_the_model_knows_none(run: FinishedRun, files: Path):
    people(40, 1).assign(paid=lambda rows: rows.paid.str.title()).to_csv(files / "t.csv")
    with pytest.raises(
        DataError, match=r"t.csv: none of the labels is a class.*no, yes"
    ) as refused:
        evaluate_run(run, files / "t.csv")
    assert '"Yes" (' in str(refused.value) and "(did you mean yes?)" in str(refused.value)
    assert not list(run.path.glob("evaluation-*"))


def test_labels_of_which_the_model_knows_some(run: FinishedRun, files: Path):
    rows = people(40, 1)
    rows.loc[:2, "paid"] = "Yes"
    rows.to_csv(files / "t.csv")
    said = (
        r"3 of 40 rows have a label that isn't a class of the model.*\"Yes\" .3 rows. .did you mean"
    )
    with pytest.warns(UserWarning, match=said):
        found = evaluate_run(run, files / "t.csv")
    (judged,) = found.parts.values()
    assert judged.n_rows == 40


def test_rows_that_are_left_out_are_told_of(files: Path):
    rows = people(120, 0)
    rows.loc[5:7, "paid"] = None
    rows.to_csv(files / "t.csv", index=False)
    data = {"path": str(files / "t.csv"), "target": "paid", "missing_target": "drop"}
    run = trained(files, data)
    with pytest.warns(UserWarning, match="left out: 3 rows without a target"):
        (judged,) = evaluate_run(run, files / "t.csv").parts.values()
    assert judged.n_rows == 117


def test_lists_with_labels_that_the_model_does_not_know(files: Path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    lists = [";".join(n for n, v in zip("xy", row, strict=True) if v > 0) for row in frame.values]
    frame.assign(topics=lists).to_csv(files / "topics.csv", index=False)
    data = {"path": str(files / "topics.csv"), "target": "topics", "label_separator": ";"}
    run = trained(files, data)
    expected = evaluate_run(run, files / "topics.csv").parts["topics"]
    more = [f"{text};z" if i < 3 else text for i, text in enumerate(lists)]
    frame.assign(topics=more).to_csv(files / "more.csv", index=False)
    with pytest.warns(UserWarning, match=r'have are left out: "z" \(3 rows\); it has x, y$'):
        found = evaluate_run(run, files / "more.csv")
    assert found.parts["more"].metrics == expected.metrics
    frame.assign(topics="X").to_csv(files / "other.csv", index=False)
    with pytest.raises(DataError, match=r'the model has no label "X" .did you mean x'):
        evaluate_run(run, files / "other.csv")

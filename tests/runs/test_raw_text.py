"""Columns of raw text in runs: recipes, first drafts, checks, predictions and refusals."""

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.feature_extraction.text import TfidfVectorizer

import fastclf
from fastclf.cli import main
from fastclf.config import Recipe, load_recipe
from fastclf.data import FileOptions, load_file
from fastclf.data.facts import column_facts
from fastclf.errors import ConfigError, DataError
from fastclf.runs.checking import check_recipe
from fastclf.runs.directory import open_run
from fastclf.runs.draft import draft_for_file
from fastclf.runs.parts import read_dataset, split_and_prepare
from fastclf.runs.run import train
from fastclf.table import Table

ROOT = Path(__file__).parents[2]
MESSAGES = ROOT / "datasets" / "messages.csv"


def recipe(**data: object) -> Recipe:
    table = {"path": str(MESSAGES), "target": "topic", "text": ["message"], **data}
    return Recipe.model_validate(
        {"name": "test", "data": table, "model": {"kind": "softmax", "C": 10.0}}
    )


def run(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == status, done.output
    return done.stdout if status == 0 else done.stderr


def frame(n: int = 60) -> pd.DataFrame:
    """Rows whose class is told by a word of the note alone."""
    rng = np.random.default_rng(0)
    labels = np.array(["good", "bad"])[np.arange(n) % 2]
    words = {"good": ["lovely", "großartig", "素晴らしい"], "bad": ["awful", "schlecht", "ひどい"]}
    notes = [
        f"number {i}, row with a {words[label][i % 3]} word and a few more"
        for i, label in enumerate(labels)
    ]
    city = np.array(["Bonn", "Oslo"])[rng.integers(0, 2, n)]
    return pd.DataFrame({"note": notes, "age": rng.normal(size=n), "city": city, "class": labels})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(
        load_recipe(ROOT / "configs" / "messages.toml"), tmp_path_factory.mktemp("t") / "run"
    )


def test_the_shipped_recipe_trains_and_its_report_shows_words(trained):
    assert trained.summary["metrics"]["test"]["accuracy"] >= 0.95
    report = (trained.path / "report.html").read_text()
    for words in ("message: parcel", "message: my password", "message: return", "message: invoice"):
        assert words in report


def test_the_vocabulary_is_that_of_the_training_rows_alone(trained):
    wanted = load_recipe(ROOT / "configs" / "messages.toml")
    parts = split_and_prepare(read_dataset(wanted.data), wanted.data, wanted.seed)
    texts = {
        name: np.array(part.X.columns["message"].names)[part.X.columns["message"].codes]
        for name, part in (("train", parts.train), ("test", parts.test))
    }
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    vectorizer.fit(texts["train"])
    names = [f"message: {term}" for term in vectorizer.get_feature_names_out()]
    assert list(trained.model.feature_names[: len(names)]) == names
    for name, part in (("train", parts.train), ("test", parts.test)):
        X = parts.prepared(part.X)[:, : len(names)].toarray()
        expected = vectorizer.transform(texts[name]).toarray()
        np.testing.assert_allclose(X, expected, rtol=0, atol=1e-12)


def test_the_same_seed_gives_the_same_file(trained, tmp_path: Path):
    again = train(load_recipe(ROOT / "configs" / "messages.toml"), tmp_path / "again")
    first, second = (r.path / "model.safetensors" for r in (trained, again))
    assert first.read_bytes() == second.read_bytes()


def test_raw_rows_are_predicted_by_the_run_alone(trained, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = pd.read_csv(MESSAGES)
    rows.iloc[::-1][["channel", "message"]].to_csv("raw.csv", index=False)
    run("predict", str(trained.path), "raw.csv", "-o", "out.csv", "-q")
    predicted = pd.read_csv("out.csv", dtype=str)  # Python reads numbers exactly
    assert (predicted["label"].to_numpy() == rows["topic"].to_numpy()[::-1]).mean() > 0.97
    clf = fastclf.load(trained.path)
    columns = {name: rows[name][::-1].tolist() for name in ("channel", "message")}
    names = [f"probability_{name}" for name in clf.classes_]
    np.testing.assert_array_equal(clf.predict_proba(columns), predicted[names].to_numpy(float))
    rows.to_parquet("raw.parquet")
    run("evaluate", str(trained.path), "--data", "raw.parquet")
    judged = json.loads((trained.path / "evaluation-raw.json").read_text())
    assert judged["raw"]["metrics"]["accuracy"] > 0.97
    (trained.path / "evaluation-raw.json").unlink()


def test_unknown_empty_and_missing_text_are_predicted(trained, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("odd.csv", "w", newline="", encoding="utf-8") as file:
        lines = [
            ["message", "channel"],
            ["", "app"],
            ["zzz qqq", "app"],
            ["NA", "app"],
            ["東京 \u200d🙂", "app"],
        ]
        csv.writer(file).writerows(lines)
    run("predict", str(trained.path), "odd.csv", "-o", "out.csv", "-q")
    found = pd.read_csv("out.csv", dtype=str).drop(columns="label").to_numpy(float)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, np.repeat(found[:1], 4, axis=0))  # no features of text
    missing = fastclf.load(trained.path).predict_proba({"message": [None], "channel": ["app"]})
    np.testing.assert_array_equal(missing, found[:1])


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "arrow"])
def test_every_kind_of_table_holds_text(suffix: str, tmp_path: Path):
    path = tmp_path / f"rows.{suffix}"
    if suffix == "parquet":
        frame().to_parquet(path)
    elif suffix == "arrow":
        frame().to_feather(path)
    else:
        frame().to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    result = train(recipe_of(path), tmp_path / "run")
    assert result.summary["metrics"]["test"]["accuracy"] == 1
    assert {"note: großartig", "note: 素晴らしい", "age", "city=Bonn"} < {
        *result.model.feature_names
    }
    assert not any(name.startswith("note=") for name in result.model.feature_names)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_marks_of_missing_values_are_no_words(suffix: str, tmp_path: Path):
    rows = frame(80)
    rows.loc[::4, "note"] = "NA"
    rows.loc[1::4, "note"] = "null"
    paths = [tmp_path / f"{name}.{suffix}" for name in ("train", "test")]
    for path, part in zip(paths, (rows[:60], rows[60:]), strict=True):
        part.to_csv(path, index=False) if suffix == "csv" else part.to_parquet(path)
    wanted = recipe_of(paths[0], test_path=str(paths[1]))
    parts = split_and_prepare(read_dataset(wanted.data), wanted.data, 0)
    text = [name.startswith("note: ") for name in parts.feature_names]
    assert "note: na" not in parts.feature_names
    model = train(wanted, tmp_path / "run").model
    for part, raw in ((parts.train, rows[:60]), (parts.test, rows[60:])):
        has_text = parts.prepared(part.X).toarray()[:, text].any(axis=1)
        assert has_text.tolist() == [i % 4 > 1 for i in range(len(raw))]
        found = fastclf.load(tmp_path / "run").predict_proba(raw)
        np.testing.assert_array_equal(model.predict_proba(part.X), found)


def recipe_of(path: Path, **data: object) -> Recipe:
    table = {"path": str(path), "target": "class", "text": ["note"], **data}
    return Recipe.model_validate({"name": "test", "data": table, "model": {"C": 100.0}})


def test_a_file_of_test_rows_and_a_card(tmp_path: Path):
    rows = frame(80)
    rows[:60].to_csv(tmp_path / "train.csv", index=False)
    rows[60:].to_csv(tmp_path / "test.csv", index=False)
    wanted = recipe_of(tmp_path / "train.csv", test_path=str(tmp_path / "test.csv"))
    result = train(wanted, tmp_path / "run")
    assert result.summary["n_test"] == 20
    assert result.summary["metrics"]["test"]["accuracy"] == 1
    card = Recipe.model_validate(
        {"name": "card", "data": {"card": str(ROOT / "datasets" / "messages.toml")}}
    )
    assert check_recipe(card).n_features == check_recipe(recipe()).n_features


def test_options_reach_the_vectorizer(tmp_path: Path):
    options = {
        "text_analyzer": "char_wb",
        "text_ngrams": [2, 3],
        "text_min_frequency": 0.1,
        "text_max_features": 50,
        "text_sublinear": False,
        "text_lowercase": False,
    }
    (column, _) = train(recipe(**options), tmp_path / "run").model.encoder.columns
    assert (column.analyzer, column.ngrams) == ("char_wb", (2, 3))
    assert not column.sublinear and not column.lowercase and column.width == 50
    whole, _ = train(
        recipe(**{**options, "text_max_features": 9999}), tmp_path / "whole"
    ).model.encoder.columns
    assert any(term != term.lower() for term in whole.vocabulary)
    again = load_recipe(tmp_path / "run" / "config.toml")
    assert again.data.text_options == recipe(**options).data.text_options


REFUSED = {
    "text_ngrams = [2]": "data.text_ngrams = [2]: must be two whole numbers from 1 to 20",
    "text_ngrams = [2, 1]": "data.text_ngrams = [2, 1]: must be two whole numbers",
    "text_ngrams = [0, 1]": "data.text_ngrams = [0, 1]: must be two whole numbers",
    "text_ngrams = [1, 99]": "data.text_ngrams = [1, 99]: must be two whole numbers",
    'text_analyzer = "words"': 'data.text_analyzer = "words": must be',
    "text_min_frequency = 0": "data.text_min_frequency = 0: must",
    "text_min_frequency = 1.5": "data.text_min_frequency = 1.5: must",
    "text_max_features = 0": "data.text_max_features = 0: must",
    'text_sublinear = "yes"': 'data.text_sublinear = "yes": must',
    "text_lowercase = 1": "data.text_lowercase = 1: must",
    "text_ngram = [1, 2]": "unknown key data.text_ngram (did you mean text_ngrams?)",
    "stream = true": "data.text can't be used with data.stream; set data.stream",
    'categorical = ["message"]': '"message" is in both text and categorical; remove it from one',
}


@pytest.mark.parametrize("line", REFUSED)
def test_recipes_that_are_refused(line: str, tmp_path: Path):
    path = tmp_path / "recipe.toml"
    path.write_text(f'[data]\npath = "m.csv"\ntarget = "topic"\ntext = ["message"]\n{line}\n')
    with pytest.raises(ConfigError) as refused:
        load_recipe(path)
    assert REFUSED[line] in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text": ["mesage"]}, 'text: there is no column "mesage" (did you mean message?)'),
        ({"text": ["topic"]}, 'text: column "topic" isn\'t a feature'),
        ({"drop": ["message"]}, 'text: column "message" isn\'t a feature'),
        ({"columns": ["channel"]}, 'text: column "message" isn\'t a feature'),
    ],
)
def test_columns_that_cannot_be_text(options: dict, words: str):
    table = {"target": "topic", "text": ["message"], **options}
    with pytest.raises(DataError, match="messages.csv") as refused:
        load_file(MESSAGES, FileOptions.model_validate(table))
    assert words in str(refused.value)


def test_matrices_have_no_text(tmp_path: Path):
    np.savez(tmp_path / "a.npz", X=np.eye(4), y=np.arange(4) % 2)
    with pytest.raises(DataError, match="text is for files of named columns; leave it out for npz"):
        load_file(tmp_path / "a.npz", FileOptions(text=("a",)))


def test_too_rare_words_name_the_key():
    with pytest.raises(DataError, match="no word occurs in 300 rows or more; lower data.text_min"):
        check_recipe(recipe(text_min_frequency=300))


def test_check_shows_sparse_features_and_no_warning_of_identifiers():
    found = check_recipe(recipe())
    assert found.storage == "sparse float64" and 400 < found.n_features < 1000
    assert not found.warnings
    (warning,) = check_recipe(recipe(text=[])).warnings
    assert "message" in warning and "data.text" in warning


def test_the_first_recipe_has_text(tmp_path: Path):
    rows = frame(240)
    rows.insert(0, "key", [f"k{i:04d}" for i in range(240)])
    rows["name"] = [f"Ann{i} Lee" for i in range(240)]
    rows.to_csv(tmp_path / "rows.csv", index=False)
    draft = draft_for_file(tmp_path / "rows.csv", ["class"], tmp_path)
    assert draft.values["data.text"] == ["note"]
    assert draft.values["data.drop"] == ["key", "name"]
    assert {"data.text", "model.C", "solver.max_iter"} <= draft.notes.keys()
    assert (
        "data.text_min_frequency" not in draft.values and "data.min_frequency" not in draft.values
    )
    assert "1 of text" in draft.facts[0]
    assert any("note" in fact and "words on average" in fact for fact in draft.facts)
    rows[:60].to_csv(tmp_path / "few.csv", index=False)
    assert draft_for_file(tmp_path / "few.csv", ["class"]).values["data.text_min_frequency"] == 1


def test_text_alone_is_a_recipe(tmp_path: Path):
    frame()[["note", "class"]].to_csv(tmp_path / "rows.csv", index=False)
    draft = draft_for_file(tmp_path / "rows.csv", ["class"], tmp_path)
    assert draft.values["data.text"] == ["note"] and "data.drop" not in draft.values


@pytest.mark.parametrize(
    ("values", "is_text"),
    [
        ([f"a short note of row {i}" for i in range(40)], True),
        ([f"a short note of row {i % 4}" for i in range(40)], False),  # few values: categories
        ([f"Row {i}" for i in range(40)], False),
        ([f"{i} {i + 1} {i + 2} {i + 3} {i + 4}" for i in range(40)], False),  # numbers
        ([f"2024-01-{1 + i % 28:02d}" for i in range(40)], False),
        ([f"a short note of row {i}" for i in range(10)], False),  # too few rows to tell
    ],
)
def test_what_looks_like_text(values: list[str], is_text: bool, tmp_path: Path):
    labels = ["a", "b"] * (len(values) // 2)
    pd.DataFrame({"x": values, "y": labels}).to_csv(tmp_path / "rows.csv", index=False)
    features = load_file(tmp_path / "rows.csv", FileOptions(target="y")).features
    assert isinstance(features, Table)
    (facts,) = column_facts(features)
    assert facts.is_text == is_text
    if is_text:
        assert not facts.is_identifier and "words on average" in str(facts)


def test_a_search_of_text_keys(tmp_path: Path):
    text = (ROOT / "configs" / "messages.toml").read_text().replace("../", f"{ROOT}/")
    (tmp_path / "a.toml").write_text(
        f'{text}\n[tune]\nC = [1.0, 10.0]\nfolds = 2\n"data.text_min_frequency" = [1, 3]\n'
    )
    wanted = load_recipe(tmp_path / "a.toml")
    assert wanted.tune is not None and "data.text_min_frequency" in wanted.tune.searched


def test_nothing_is_warned_of(trained):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastclf.load(trained.path).predict({"message": ["where is my parcel?"], "channel": ["app"]})
    assert open_run(trained.path).model.encoder.text == ("message",)

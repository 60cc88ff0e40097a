"""From files to data sets: features, groups and given test parts; and runs that train on them."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fastclf.config import Recipe, load_recipe
from fastclf.data import FileOptions, load_card, load_file, read_table
from fastclf.errors import ConfigError, DataError
from fastclf.linear_model import LinearModel
from fastclf.runs.parts import read_dataset, split_and_prepare
from fastclf.runs.run import RunResult, train
from fastclf.table import Table

ROOT = Path(__file__).parents[2]

FRUIT = """\
id,weight,colour,origin,kind
1,150,red,7,apple
2,120,yellow,7,banana
3,,green,8,apple
4,130,yellow,9,banana
"""


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    path = tmp_path / "fruit.csv"
    path.write_text(FRUIT)
    return path


def load(path: Path, **keys: Any):
    return load_file(path, FileOptions.model_validate({"target": "kind", **keys}))


def refusal(path: Path, **keys: Any) -> str:
    with pytest.raises(DataError) as refused:
        load(path, **keys)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_features_are_all_columns_but_the_target(fruit: Path):
    dataset = load(fruit)
    assert dataset.name == "fruit"
    assert dataset.feature_names == ("id", "weight", "colour", "origin")
    assert isinstance(dataset.features, Table)
    assert (dataset.n_rows, dataset.task, dataset.class_names) == (4, "binary", ("apple", "banana"))
    assert dataset.fingerprint() == load(fruit).fingerprint()
    fewer = load(fruit, drop=["id"], categorical=["origin"])
    assert fewer.feature_names == ("weight", "colour", "origin")
    assert fewer.features.columns["origin"].names == ("7", "8", "9")
    chosen = load(fruit, columns=["colour", "kind", "weight"])
    assert chosen.feature_names == ("colour", "weight")
    prints = {dataset.fingerprint(), fewer.fingerprint(), chosen.fingerprint()}
    assert len(prints) == 3


def test_groups_are_not_features_unless_named(fruit: Path):
    dataset = load(fruit, split_by="origin")
    assert dataset.groups.tolist() == [7, 7, 8, 9]
    assert dataset.feature_names == ("id", "weight", "colour")
    both = load(fruit, split_by="colour", columns=["colour", "weight"])
    assert both.groups.tolist() == [1, 2, 0, 2]
    assert both.feature_names == ("colour", "weight")
    assert 'row 3, column "weight": a missing value, but split_by needs one' in refusal(
        fruit, split_by="weight"
    )


def test_a_given_test_file(fruit: Path, tmp_path: Path):
    test = tmp_path / "test.csv"
    test.write_text("kind,colour,weight,id,origin\nbanana,5,99,9,9\n")
    dataset = load(fruit, test_path=str(test))
    assert dataset.test.y.tolist() == ["banana"]
    assert dataset.test.features.columns["colour"].names == ("5",)  # text, as in the other file
    assert dataset.test.feature_names == dataset.feature_names
    assert dataset.n_rows == 4
    test.write_text("kind,colour,weight,id,origin\ncherry,red,9,9,9\n")
    assert 'the class "cherry" isn\'t in the training rows' in refusal(fruit, test_path=str(test))
    test.write_text("kind,weight,id,origin\napple,9,9,9\n")
    assert 'test.csv: there is no column "colour"' in refusal(fruit, test_path=str(test))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"target": "kid"}, 'target: there is no column "kid" (did you mean kind?)'),
        ({"drop": ["wieght"]}, 'drop: there is no column "wieght" (did you mean weight?)'),
        ({"columns": ["color"]}, 'columns: there is no column "color" (did you mean colour?)'),
        ({"categorical": ["x"]}, 'categorical: there is no column "x"'),
        ({"split_by": "when"}, 'split_by: there is no column "when"'),
        ({"columns": ["kind"]}, "no column is left to be a feature"),
        ({"target": "weight"}, "row 3 has no target (weight)"),
    ],
)
def test_columns_that_are_not_there(fruit: Path, keys: dict, said: str):
    message = refusal(fruit, **keys)
    assert message.startswith(f"{fruit}: ")
    assert said in message


def test_a_file_of_names_alone(tmp_path: Path):
    (tmp_path / "t.csv").write_text("a,kind\n")
    assert "there are no rows" in refusal(tmp_path / "t.csv")


# Runs


def write(path: Path, n: int = 120, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    city = rng.choice(["Bonn", "Rome", "Oslo", "NA"], n)
    age = rng.integers(18, 80, n)
    chance = 1 / (1 + np.exp(-((age - 45) / 8 + 2 * (city == "Rome") - 1)))
    with open(path, "w") as file:
        file.write("age,city,size,p_no,p_yes,tags,paid\n")
        for i in range(n):
            size = "" if rng.random() < 0.1 else f"{rng.normal():.3f}"
            paid = "yes" if rng.random() < chance[i] else "no"
            tags = ";".join(["old"] * int(age[i] > 50) + [paid])
            p = round(chance[i], 3)
            file.write(f"{age[i]},{city[i]},{size},{1 - p:.3f},{p},{tags},{paid}\n")


RECIPES = {
    "labels": """\
target = "paid"
drop = ["tags", "p_no", "p_yes"]
[model]
kind = "logistic"
class_weight = {yes = 2.0}
""",
    "soft": """\
target = ["p_no", "p_yes"]
drop = ["tags", "paid"]
[model]
kind = "logistic"
class_weight = {p_no = 2.0}
""",
    "lists": """\
target = "tags"
label_separator = ";"
drop = ["p_no", "p_yes", "paid"]
""",
    "all rows": """\
target = "paid"
columns = ["age", "city"]
test_size = 0.0
dtype = "float32"
""",
}


def write_recipe(folder: Path, name: str) -> Path:
    write(folder / "people.csv")
    path = folder / f"{name}.toml"
    path.write_text(f'[data]\npath = "people.csv"\n{RECIPES[name]}\n')
    return path


@pytest.fixture
def recipe_of(tmp_path: Path):
    return partial(write_recipe, tmp_path)


FRESH = """
import sys, numpy as np
from pathlib import Path
from fastclf.data import read_table
from fastclf.linear_model import LinearModel
for folder in map(Path, sys.argv[1:]):
    model = LinearModel.load(folder / "run" / "model.safetensors")
    np.save(folder / "p.npy", model.predict_proba(read_table(folder / "people.csv")))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, RunResult]]:
    """Return a folder and a run for each recipe; another process has predicted with all of them."""
    found = {}
    for name in RECIPES:
        folder = tmp_path_factory.mktemp("files")
        found[name] = folder, train(load_recipe(write_recipe(folder, name)), folder / "run")
    folders = [str(folder) for folder, _ in found.values()]
    subprocess.run([sys.executable, "-c", FRESH, *folders], check=True)
    return found


@pytest.mark.parametrize("name", RECIPES)
def test_runs_from_files(name: str, trained: dict[str, tuple[Path, RunResult]], tmp_path: Path):
    folder, result = trained[name]
    assert result.summary["n_train"] + result.summary["n_test"] == 120
    figure = "subset_accuracy" if name == "lists" else "accuracy"
    assert result.summary["metrics"]["train"][figure] > 0.6
    assert result.model.feature_names[0] == "age"
    assert "city=(missing)" in result.model.feature_names
    names = {"soft": ["p_no", "p_yes"], "lists": ["no", "old", "yes"]}.get(name, ["no", "yes"])
    assert result.model.classes.tolist() == names

    inside = result.model.predict_proba(read_table(folder / "people.csv"))
    assert np.array_equal(np.load(folder / "p.npy"), inside)

    train(load_recipe(result.path / "config.toml"), tmp_path / "again")
    again = tmp_path / "again" / "model.safetensors"
    assert again.read_bytes() == (folder / "run" / "model.safetensors").read_bytes()
    if name == "all rows":
        assert result.summary["n_test"] == 0


FLOORS = {"loans": 0.65, "topics": 0.55, "films": 0.1, "votes": 0.6}


@pytest.mark.parametrize("name", FLOORS)
def test_shipped_recipes_of_files(name: str, tmp_path: Path):
    result = train(load_recipe(ROOT / "configs" / f"{name}.toml"), tmp_path / "run")
    figures = result.summary["metrics"]["test"]
    assert figures["subset_accuracy" if name == "films" else "accuracy"] > FLOORS[name]
    assert (result.model.encoder is None) == (name == "topics")


def test_the_card_and_the_recipe_of_a_file_agree():
    for name in FLOORS:
        recipe = load_recipe(ROOT / "configs" / f"{name}.toml")
        card = load_card(ROOT / "datasets" / f"{name}.toml")
        assert read_dataset(recipe.data).fingerprint() == card.fingerprint()


def test_cards_tell_what_their_file_is(tmp_path: Path):
    for name in ("loans.csv", "loans.toml"):
        (tmp_path / name).write_bytes((ROOT / "datasets" / name).read_bytes())
    card = tmp_path / "loans.toml"
    assert load_card(card).n_rows == 800
    text = card.read_text()
    for old, new, said in (
        ('"approved"', '"aproved"', 'target: there is no column "aproved" (did you mean approved'),
        ("n_features = 7", "n_features = 8", "the card says n_features = 8, but the data have 7"),
        ("loans.csv", "loan.csv", "loan.csv: can't be read: No such file"),
        ('kind = "file"', 'kind = "fil"', "source.kind"),
        ("drop", "dorp", "unknown key source.dorp (did you mean drop?)"),
        ('sha256 = "', 'sha256 = "0', "source.sha256"),
    ):
        card.write_text(text.replace(old, new))
        with pytest.raises(DataError) as refused:
            load_card(card)
        assert str(refused.value).startswith(str(card)) and said in str(refused.value)
    card.write_text(text)
    with open(tmp_path / "loans.csv", "a") as file:
        file.write("\n")
    with pytest.raises(DataError, match="but the card says"):
        load_card(card)


def test_runs_split_by_a_column(recipe_of, tmp_path: Path):
    for kind in ("group", "time"):
        by_age = ["data.split_by=age", f"data.split_kind={kind}"]
        recipe = load_recipe(recipe_of("labels"), by_age)
        result = train(recipe, tmp_path / kind)
        assert "age" not in result.model.feature_names
        assert result.summary["n_test"] > 0
        parts = split_and_prepare(read_dataset(recipe.data), recipe.data, recipe.seed)
        ages = read_table(tmp_path / "people.csv").columns["age"].values
        tested = set(ages[parts.test.X.rows - 1])
        if kind == "group":
            assert not tested & set(ages[parts.train.X.rows - 1])
        else:
            assert min(tested) >= max(ages[parts.train.X.rows - 1])


def test_only_training_rows_decide_the_encoding(recipe_of, tmp_path: Path):
    recipe = load_recipe(recipe_of("labels"), ["data.scale=standard"])
    model = train(recipe, tmp_path / "run").model
    ages = read_table(tmp_path / "people.csv").columns["age"].values
    assert model.encoder.columns[0].shift != pytest.approx(ages.mean(), rel=1e-6)
    loaded = LinearModel.load(tmp_path / "run" / "model.safetensors")
    assert loaded.encoder == model.encoder


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("data.target=pad", 'people.csv: target: there is no column "pad" (did you mean paid?)'),
        ("data.path=peple.csv", "peple.csv: no such file (did you mean people.csv?)"),
        ("data.impute=none", 'people.csv: row 10, column "city": a missing value'),
        ("data.classes=['yes', 'maybe']", 'no class "maybe"'),
        ("model.class_weight={never = 1.0}", "model.class_weight.never: the data have no such"),
    ],
)
def test_mistakes_leave_no_run(recipe_of, tmp_path: Path, assignment: str, said: str):
    recipe = load_recipe(recipe_of("labels"), [assignment])
    with pytest.raises((DataError, ConfigError)) as refused:
        train(recipe, tmp_path / "run")
    assert said in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("data.name=iris", "needs exactly one of card"),
        ("data.targt=a", "unknown key data.targt (did you mean target?)"),
        ("data.format=xls", "must be 'csv', 'tsv'"),
        ("data.delimiter=ab", "must be one character"),
        ("data.header=1", "must be a valid boolean"),
        ("data.target=[]", "must"),
        ("data.target=1.5", "must"),
        ("data.min_frequency=1.5", "must"),
        ("data.test_size=1.0", "must be less than 1"),
        ("data={name = 'iris', target = 'x'}", "data.target needs data.path"),
        ("data={path = 'x', split_by = 'a', test_path = 'b'}", "leave out one of them"),
    ],
)
def test_mistakes_in_the_data_table(recipe_of, assignment: str, said: str):
    with pytest.raises(ConfigError) as refused:
        load_recipe(recipe_of("labels"), [assignment])
    assert str(refused.value).startswith(f"--set {assignment}")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("stream", [False, True])
def test_labels_of_a_test_file_match_in_all_spellings(stream: bool, tmp_path: Path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    frame["y"] = frame.a > 0
    frame.to_parquet(tmp_path / "train.parquet")
    data = {"path": str(tmp_path / "train.parquet"), "target": "y", "stream": stream}
    data["test_path"] = str(tmp_path / "test.csv")
    frame.to_csv(tmp_path / "test.csv", index=False)  # with True and False
    found = train(Recipe.model_validate({"name": "t", "data": data}), tmp_path / "run")
    assert found.summary["metrics"]["test"]["accuracy"] > 0.9
    frame.assign(y=np.where(frame.y, "yes", "no")).to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(
        DataError, match=r"test.csv: the class \"no\" isn't in the training rows.*false, true"
    ):
        train(Recipe.model_validate({"name": "t", "data": data}), tmp_path / "run2")

"""One command from a data file to a model: what it starts from, and what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from fastclf.cli import main
from fastclf.config import load_recipe
from fastclf.runs.run import train

DATASETS = Path(__file__).parents[2] / "datasets"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a recipe for loans in another one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "loans.csv").write_bytes((DATASETS / "loans.csv").read_bytes())
    return tmp_path


SETS = ("--set", "solver.name=adam", "--set", "solver.epochs=2", "--set", "solver.tol=0.0")


def test_a_data_file_trains_as_its_drafted_recipe_does(folder: Path):
    asked = ("data/loans.csv", "--target", "approved", *SETS)
    done = invoke("train", *asked, "--out", "run", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "loans"
    assert done.stderr.splitlines()[:3] == [
        "loans.csv: predicts approved (2 classes) from 7 columns; logistic "
        "model; 25% of the rows are test rows",
        'set for these data: data.drop = ["id"] (identifiers: a different value in nearly every '
        "row)",
        "the recipe goes to run/recipe.toml",
    ]
    text = Path("run/recipe.toml").read_text()
    assert "# Classes of approved: no (272), yes (528)." in text
    assert 'name = "adam"' in text and "epochs = 2" in text
    model = Path("run/model.safetensors").read_bytes()
    os.rename("run/recipe.toml", "mine.toml")  # it may be copied, edited, and trained
    for recipe in (Path("mine.toml"), Path("run/config.toml")):
        again = train(load_recipe(recipe), folder / recipe.stem)
        assert (again.path / "model.safetensors").read_bytes() == model
    os.remove("run/summary.json")
    assert invoke("train", "--resume", "run", "-q").output == "run\n"
    assert Path("run/model.safetensors").read_bytes() == model
    assert invoke("init", *asked, "-o", "init.toml", "-q").exit_code == 0
    assert load_recipe(Path("init.toml")) == load_recipe(Path("mine.toml"))
    assert "approved" not in invoke("train", *asked, "-q").stderr


def test_the_same_file_and_options_for_each_command(folder: Path):
    asked = ("data/loans.csv", "--target", "approved")
    invoke("init", *asked, "-o", "loans.toml")
    of_file, of_recipe = (
        json.loads(invoke("check", *given, "--json", "--set", "model.C=2.0").stdout)
        for given in (asked, ["loans.toml"])
    )
    assert of_file == of_recipe
    assert of_file == json.loads(invoke("check", "--config", "loans.toml", "--json").stdout)
    tuned = invoke("tune", *asked, "--set", "tune.C=[0.1,1.0]", "--set", "tune.folds=2", "--json")
    found = json.loads(tuned.stdout)
    assert len(found["tune"]["results"]) == 2
    assert load_recipe(Path(found["path"]) / "recipe.toml").tune.C == (0.1, 1.0)
    odd = ("--set", "data.format=csv", "--set", "data.header=false", "--set", "data.target=1")
    Path("rows.odd").write_text("1,x\n2,y\n" * 20)
    assert json.loads(invoke("check", "rows.odd", *odd, "--json").stdout)["n_train"] == 30
    said = invoke("check", "loans.toml", *odd).stderr  # a recipe stays one
    assert "drop: there is no column" in said
    Path("semicolons.txt").write_text("a;label\n" + "1,5;x\n2,5;y\n" * 20)
    done = invoke("check", "semicolons.txt", "--delimiter", ";", "--decimal", ",", "--json")
    assert json.loads(done.stdout)["classes"] == {"x": [15, 5], "y": [15, 5]}


def test_paths_in_assignments_start_at_the_current_folder(folder: Path):
    Path("test.csv").write_bytes(Path("data/loans.csv").read_bytes())
    asked = ("data/loans.csv", "--target", "approved", "--set", "data.test_path=test.csv")
    assert invoke("train", *asked, "--out", "a/b/run", "-q").exit_code == 0
    assert load_recipe(Path("a/b/run/recipe.toml")).data.test_path == str(folder / "test.csv")


def test_it_says_where_test_rows_come_from(folder: Path):
    loans = ("check", "data/loans.csv", "--target", "approved", "--set")
    half = invoke(*loans, "data.test_size=0.5").stderr.splitlines()[0]
    assert half.endswith("; logistic model; 50% of the rows are test rows")
    by_city = invoke(*loans, "data.split_by=city").stderr.splitlines()[0]
    assert by_city.endswith(
        "from 6 columns; logistic model; 25% of the rows are test rows, by city"
    )
    other = invoke(*loans, "data.test_path=data/loans.csv").stderr.splitlines()[0]
    assert other.endswith(f"; test rows in {folder / 'data' / 'loans.csv'}")
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 3
    np.savez("own.npz", X=X, y=y, X_test=X, y_test=y)
    assert invoke("check", "own.npz").stderr.splitlines()[0] == (
        "own.npz: predicts the targets in the file (3 classes) from 2 columns; softmax model; test "
        "rows in the file"
    )


@pytest.mark.parametrize("command", ["train", "check", "tune"])
def test_a_bare_command_says_what_to_give(command: str, folder: Path):
    first = "fastclf: error: name a recipe or a data file"
    first += "" if command == "check" else ", or a stopped run with --resume"

    def said() -> str:
        done = invoke(command)
        assert (done.exit_code, done.stdout) == (2, "")
        return done.stderr

    Path("pyproject.toml").write_text("[project]\nname = 'mine'\n")
    Path("notes.txt").write_text("nothing\n")
    assert said() == f"{first}, such as: fastclf {command} FILE.csv --target COLUMN\n"
    Path("my rows.csv.gz").write_bytes(b"")
    assert said() == f"{first}, such as: fastclf {command} 'my rows.csv.gz' --target COLUMN\n"
    Path("one.toml").write_text('data = {name = "iris"}')
    assert said() == f"{first}, such as: fastclf {command} one.toml\n"
    Path("two.toml").write_text('data = {name = "wine"}')
    assert "; there are one.toml, two.toml" in said()


def test_the_first_checks_load_nothing_heavy(folder: Path):
    Path("recipe.toml").write_text('data = {name = "iris"}')
    heavy = "{'numba', 'numpy', 'scipy', 'sklearn', 'pydantic', 'rich', 'tomlkit'}"
    for arguments in (
        ["train", "no.toml"],
        ["tune"],
        ["init", "no.csv"],
        ["init", "no", "-o", "r"],
    ):
        script = (
            f"import sys; from fastclf.cli import main\ntry: main({arguments})\n"
            f"finally: print(sorted(sys.modules.keys() & {heavy}))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "[]\n"), done.stderr


MISTAKES = {
    "two": (["r.toml", "--config", "r.toml"], "both say what to read; leave out one"),
    "target": (
        ["r.toml", "--target", "y"],
        "--target is for a data file, and r.toml is a recipe; ",
    ),
    "decimal": (["--config", "r.toml", "--decimal", ","], "use --set data.decimal=VALUE"),
    "card": (["card.toml"], "card.toml: is a data set card, not a recipe; name it in a recipe"),
    "model": (
        ["run/model.safetensors"],
        "is a model, not a recipe or a data file; its predictions",
    ),
    "run": (["run"], "run: is the directory of a run; name its recipe, run/config.toml, or"),
    "data": (["--config", "data/loans.csv"], "is a data file, not a recipe; leave out --config"),
    "resumed data": (
        ["data/loans.csv", "--resume", "run"],
        "reads the run's own recipe; leave out",
    ),
    "no file": (["data/loan.csv"], "data/loan.csv: no such file (did you mean loans.csv?)"),
    "no recipe": (["cards.toml"], "cards.toml: no such file (did you mean card.toml?)"),
    "no target": (
        ["data/loans.csv"],
        "name the column to predict with --target; there are id, age",
    ),
    "no suffix": (
        ["rows.jsn"],
        "rows.jsn: is neither a recipe, whose name ends in .toml, nor a data",
    ),
    "no key": (
        ["data/loans.csv", "--target", "approved", "--set", "model.Cc=1"],
        "--set model.Cc=1: unknown key model.Cc (did you mean C?)",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_name_the_remedy(name: str, folder: Path):
    Path("r.toml").write_text('data = {name = "iris"}')
    Path("card.toml").write_bytes((DATASETS / "iris.toml").read_bytes())
    Path("rows.jsn").write_text("{}")
    Path("run").mkdir()
    Path("run/config.toml").write_text('name = "run"\ndata = {name = "iris"}')
    Path("run/model.safetensors").write_bytes(b"\0\xff")
    arguments, said = MISTAKES[name]
    done = invoke("train", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("fastclf: error: ") and said in line
    assert not Path("runs").exists()


def test_what_says_little_is_warned_of(folder: Path):
    days = [f"{i % 12 + 1}/{i % 28 + 1}/2024" for i in range(84)]
    lines = [f"{day},1994,{'ab'[i // 3 % 2]}" for i, day in enumerate(2 * days)]
    Path("us.csv").write_text("\n".join(["day,year,y", *lines]))
    done = invoke("train", "us.csv", "--target", "y", "--out", "us", "--json")
    assert done.exit_code == 0, done.stderr
    constant, rare = json.loads(done.stdout)["warnings"]
    assert 'column "day": all of its categories are rare' in rare
    assert constant == "year: the same value in every row, which carries no information"
    again = invoke("train", "us.csv", "--target", "y", "--out", "us")
    assert again.exit_code == 2 and "us exists and isn't empty" in again.stderr
    assert "the recipe goes to" not in again.stderr
    tuned = invoke("tune", "us.csv", "--target", "y", "--out", "best", "--set", "tune.C=[1, 2]")
    assert tuned.exit_code == 0, tuned.stderr
    assert "the accuracy on the test rows" in tuned.stdout
    assert "config.toml has the values" in Path("best/recipe.toml").read_text().splitlines()[0]

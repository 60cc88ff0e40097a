"""What a recipe would do, against what it does."""

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from fastclf.config import Recipe, load_recipe
from fastclf.errors import ConfigError, DataError
from fastclf.runs.checking import check_recipe, print_preview
from fastclf.runs.run import train

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))


def recipe(data: dict, **tables: object) -> Recipe:
    return Recipe.model_validate({"name": "test", "data": data, **tables})


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_passes(path: Path):
    plan = check_recipe(load_recipe(path))
    assert plan.n_train > plan.n_features / 100
    assert json.loads(json.dumps(plan.as_json()))["name"] == path.stem


@pytest.mark.parametrize("n_labels", [3, 20])
def test_labels_of_sparse_data(n_labels: int, tmp_path: Path):
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(80):
        labels = ",".join(str(label) for label in range(n_labels) if rng.random() < 0.3) or "0"
        entries = sorted(rng.choice(600, 5, replace=False) + 1)
        lines.append(f"{labels} " + " ".join(f"{index}:1" for index in entries))
    path = tmp_path / "rows.svmlight"
    path.write_text("\n".join(lines) + "\n")
    wanted = recipe({"path": str(path), "format": "svmlight"})
    assert (check_recipe(wanted).solver, check_recipe(wanted).task) == ("lbfgs", "multilabel")


@pytest.mark.parametrize("name", ["iris", "breast_cancer", "digits"])
def test_the_plan_is_what_is_done(name: str, tmp_path: Path):
    wanted = recipe({"name": name})
    plan, summary = check_recipe(wanted), train(wanted, tmp_path / "run").summary
    for key in ("name", "task", "kind", "n_train", "n_test", "n_features"):
        assert getattr(plan, key) == summary[key]
    assert list(plan.classes) == list(summary["classes"])
    tested = json.loads((tmp_path / "run" / "evaluation.json").read_text())["test"]
    assert [rows[1] for rows in plan.classes.values()] == [
        row["support"] for row in tested["per_class"]
    ]
    steps = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(steps[0])["solver"] == plan.solver
    assert summary["plan"] == plan.plan


@pytest.fixture
def people(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(50, 10, 80), "id": range(80), "country": "NL"})
    frame["paid"] = np.where(frame.age > 50, "yes", "no")
    frame.loc[:9, "age"] = np.nan
    path = tmp_path / "people.csv"
    frame.to_csv(path, index=False)
    return path


def test_what_looks_wrong_is_told(people: Path):
    plan = check_recipe(recipe({"path": str(people), "target": "paid"}))
    assert plan.missing == {"age": 10}
    assert (plan.n_rows, plan.n_columns, plan.n_features) == (80, 3, 3)
    ids, constant = plan.warnings
    assert ids.startswith("id: nearly every row has a different value")
    assert constant.startswith("country: the same value in every row")
    plan = check_recipe(recipe({"path": str(people), "target": "paid", "columns": ["age"]}))
    assert plan.warnings == ()


def test_constant_columns_of_a_matrix_are_named(tmp_path: Path, rng):
    X = rng.normal(size=(60, 3))
    X[:, 1] = 4
    np.savez(tmp_path / "a.npz", X=X, y=X[:, 0] > 0, feature_names=["a", "b", "c"])
    plan = check_recipe(recipe({"path": str(tmp_path / "a.npz")}))
    assert plan.warnings == ("b: the same value in every row, which carries no information",)


def test_solvers_are_named_or_chosen():
    assert check_recipe(recipe({"name": "iris"})).solver == "newton"
    assert check_recipe(recipe({"name": "iris"}, solver={"name": "adam"})).solver == "adam"


@pytest.mark.parametrize(
    ("data", "tables", "error", "said"),
    [
        ({"name": "irs"}, {}, DataError, "did you mean iris"),
        ({"name": "iris"}, {"model": {"kind": "logistic"}}, ConfigError, 'to "softmax"'),
        (
            {"name": "iris"},
            {"model": {"kind": "softmax", "class_weight": {"rose": 2.0}}},
            ConfigError,
            "class_weight.rose",
        ),
    ],
)
def test_mistakes_are_found(data: dict, tables: dict, error: type, said: str):
    with pytest.raises(error, match=said):
        check_recipe(recipe(data, **tables))


def test_a_plan_is_printed_whole_or_in_short():
    plan = check_recipe(recipe({"name": "digits"}))
    printed = {}
    for verbose in (False, True):
        console = Console(file=StringIO(), width=200)
        print_preview(plan, console, verbose)
        printed[verbose] = console.file.getvalue()
    assert "softmax (multiclass)" in printed[False]
    rows = "1,347 training rows + 450 test rows, stratified, seed 0"
    facts = (
        "newton (chosen by auto)",
        "standardised (chosen by auto)",
        " MB",
        "always predicts 3",
        rows,
    )
    assert [fact for fact in facts if fact not in printed[False]] == []
    assert "9 135 + 45" in printed[True]

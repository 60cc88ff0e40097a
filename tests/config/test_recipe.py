"""Recipes: what is accepted, what is refused and in which words, and what is written back."""

import inspect
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from fastclf import DistilledClassifier, LogisticRegression, MultiLabelLogisticRegression, config
from fastclf.config import (
    MINIBATCH_RULES,
    DistillTable,
    EarlyStoppingTable,
    MultiLabelModel,
    Recipe,
    SingleLabelModel,
    load_recipe,
)
from fastclf.errors import ConfigError
from fastclf.runs.build import SOLVERS
from fastclf.solvers import schedules
from fastclf.toml import to_toml

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))

BARE = {"name": "bare", "data": {"name": "iris"}}

RECIPE = """\
seed = 3

[data]
name = "digits"

[model]
kind = "softmax"
C = 2.0

[solver]
name = "adam"
epochs = 5
"""


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def refusal(path: Path, *assignments: str) -> str:
    with pytest.raises(ConfigError) as refused:
        load_recipe(path, assignments)
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_load_and_tell_their_command(path: Path):
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert Path(recipe.data.card or recipe.data.path).is_file()
    assert path.read_text().startswith(f"# fastclf train --config configs/{path.name}\n")


def test_only_the_data_are_needed(tmp_path: Path):
    path = tmp_path / "bare.toml"
    path.write_text('data = {name = "iris"}')
    recipe = load_recipe(path)
    assert (recipe.name, recipe.seed) == ("bare", 0)
    assert (recipe.model.kind, recipe.solver.name) == ("auto", "auto")
    assert recipe.early_stopping is recipe.distill is None


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_resolved_recipe_is_the_same_recipe(path: Path, tmp_path: Path):
    recipe = load_recipe(path, ["model.C=inf", "name=sharp # 1"])
    resolved = tmp_path / "elsewhere" / "config.toml"
    resolved.parent.mkdir()
    resolved.write_text(to_toml(recipe))
    assert load_recipe(resolved) == recipe


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("model.C=0.5", 0.5),
        ("model.C = 3", 3.0),
        ("model.fit_intercept=false", False),
        ("data.name=iris", "iris"),
        ('data.name="iris"', "iris"),
        ("data.classes=[1, 'two']", (1, "two")),
        ("early_stopping.patience=2", 2),
        ("solver.learning_rate=1e-3", 1e-3),
    ],
)
def test_overrides_are_typed(recipe_file: Path, assignment: str, value: object):
    recipe = load_recipe(recipe_file, ["model.C=9", assignment])
    table, key = assignment.partition("=")[0].strip().split(".")
    assert getattr(getattr(recipe, table), key) == value


def test_the_last_override_wins(recipe_file: Path):
    assert load_recipe(recipe_file, ["seed=1", "seed=2"]).seed == 2


def test_with_kind_fills_in_that_kinds_defaults(recipe_file: Path):
    recipe = load_recipe(recipe_file, ["model.kind=auto"])
    assert recipe.with_kind("softmax") == load_recipe(recipe_file)
    assert recipe.with_kind("multilabel").model.threshold == 0.5
    assert recipe.with_kind("multilabel").model.C == 2.0


OWNERS = [
    (SingleLabelModel, LogisticRegression),
    (MultiLabelModel, MultiLabelLogisticRegression),
    (DistillTable, DistilledClassifier),
    (EarlyStoppingTable, SOLVERS["sgd"]),
    (Recipe.model_fields["solver"].default.__class__, LogisticRegression),
    *((config.recipe.SOLVERS[name], solver) for name, solver in SOLVERS.items()),
]


@pytest.mark.parametrize(("table", "owner"), OWNERS, ids=lambda it: it.__name__)
def test_defaults_are_those_of_the_estimators_and_solvers(table: type, owner: type):
    parameters = inspect.signature(owner).parameters
    estimator = inspect.signature(LogisticRegression).parameters
    compared = 0
    for key, field in table.model_fields.items():
        if key in ("tol", "max_iter", "epochs"):  # a solver leaves these to the estimator
            own = estimator["tol" if key == "tol" else "max_iter"]
        elif key in parameters and parameters[key].default is not inspect.Parameter.empty:
            own = parameters[key]
        else:
            continue
        assert field.default == own.default, key
        compared += 1
    assert compared > 1


@pytest.mark.parametrize("name", MINIBATCH_RULES)
def test_solver_tables_have_every_parameter_of_their_rule(name: str):
    table = Recipe.model_validate({**BARE, "solver": {"name": name}}).solver
    of_others = {"early_stopping", "validation_fraction", "max_iter", "seed"}
    parameters = {field.name for field in fields(SOLVERS[name])} - of_others
    assert set(type(table).model_fields) == parameters | {"name", "epochs"}
    assert get_args(type(table).model_fields["schedule"].annotation) == schedules.NAMES


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("seed", "sed", 1, "unknown key sed (did you mean seed?); the keys there are name, seed"),
        ("C =", "Cc =", 8, "unknown key model.Cc (did you mean C?)"),
        ("epochs = 5", "tol = 'a'", 12, 'solver.tol = "a": must be a valid number'),
        (
            "epochs",
            "memory",
            12,
            'unknown key solver.memory (it belongs to "newton" or "lbfgs" or "proximal")',
        ),
        ("epochs", "C", 12, "unknown key solver.C (did you mean model.C?)"),
        ("seed = 3", "epochs = 3", 1, "unknown key epochs (did you mean solver.epochs?)"),
        ("seed = 3", "seed = -1", 1, "seed = -1: must be greater than or equal to 0"),
        ("seed = 3", "seed = true", 1, "seed = true: must be a valid integer"),
        ("2.0", "nan", 8, "model.C = NaN: must be greater than 0"),
        ("softmax", "sofmax", 7, "\"sofmax\": must be one of 'auto', 'logistic', 'softmax'"),
        ('"adam"', "[1]", 11, "solver.name = [1]: must be one of"),
        ('kind = "softmax"', "threshold = 0.5", 7, 'model.threshold (it belongs to "multilabel")'),
        ("C = 2.0", "l1_ratio = 0.5", 8, 'is an L1 penalty, but solver.name is "adam"'),
        ("C = 2.0", "class_weight = 'even'", 8, "must be 'balanced' or be a table"),
        ("C = 2.0", "class_weight = {a = 'x'}", 8, 'model.class_weight.a = "x": must be a valid'),
        ('name = "digits"', "", 3, "[data] needs exactly one of card"),
        ('name = "digits"', 'name = "a"\ncard = "b"', 3, "[data] needs exactly one of card"),
        ("epochs = 5", "[distill]\nteacher = 'svm'", 13, "(did you mean svc?)"),
        ("epochs = 5", "[distill]\ntemperature = 1.0", 12, "distill.teacher is missing"),
        ("[data]", "[early_stopping]\npatience = 0\n[data]", 4, "must be greater than or equal"),
    ],
)
def test_mistakes_name_file_line_key_and_remedy(
    recipe_file: Path, old: str, new: str, line: int, said: str
):
    recipe_file.write_text(RECIPE.replace(old, new, 1))
    message = refusal(recipe_file)
    assert message.startswith(f"{recipe_file}:{line}: ")
    assert said in message


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("model.Cc=1", "unknown key model.Cc (did you mean C?)"),
        ("modl.C=1", "unknown key modl (did you mean model?)"),
        ("model.C=a", 'model.C = "a": must be a valid number'),
        ("solver.name=lbgfs", "(did you mean lbfgs?)"),
        ("solver=3", "solver = 3: must be a table"),
        ("seed.x=3", "seed is not a table"),
        ("name=a/b", "must be fit for a directory"),
        ("model.C", "write it as KEY=VALUE"),
        ("=1", "write it as KEY=VALUE"),
        ("model.C=1\nseed=2", "must be a valid number"),
    ],
)
def test_mistakes_in_overrides_name_the_assignment(recipe_file: Path, assignment: str, said: str):
    message = refusal(recipe_file, assignment)
    assert message.startswith("--set " + assignment.replace("\n", " "))
    assert said in message


def test_early_stopping_needs_a_minibatch_solver(recipe_file: Path):
    message = refusal(recipe_file, "solver={name='auto'}", "early_stopping.patience=3")
    assert message.startswith("--set early_stopping.patience=3: [early_stopping] needs a minibatch")


def test_teacher_parameters_are_checked(recipe_file: Path):
    message = refusal(recipe_file, "distill.teacher=svc", "distill.teacher_params.gama=1")
    assert 'the teacher "svc" has no parameter gama (did you mean gamma?)' in message


def test_distillation_needs_one_label_a_row(recipe_file: Path):
    said = refusal(recipe_file, "distill.teacher=svc", "model.kind=multilabel")
    assert "[distill] needs one label per row" in said


def test_a_byte_order_mark_is_no_mistake(recipe_file: Path):
    plain = load_recipe(recipe_file)
    recipe_file.write_text(RECIPE, encoding="utf-8-sig")
    assert load_recipe(recipe_file) == plain
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        recipe_file.write_text(RECIPE, encoding=encoding)
        assert "recipe.toml: isn't UTF-8 text, as TOML must be; save it as" in refusal(recipe_file)


def test_integers_that_no_number_can_hold(recipe_file: Path):
    large = f"1{400 * '0'}"
    said = refusal(recipe_file, f"model.C={large}")
    assert said == "--set model.C=...: model.C: an integer of 1329 bits is too large"
    recipe_file.write_text(RECIPE.replace("2.0", f"-{large}"))
    said = refusal(recipe_file)
    assert said.endswith("recipe.toml:8: model.C: an integer of 1329 bits is too large")
    recipe_file.write_text(RECIPE)
    assert "solver.batch_size = 1" in refusal(recipe_file, f"solver.batch_size={10**20}")


def test_a_path_that_is_no_text_is_not_written_back():
    recipe = Recipe.model_validate({"name": "x", "data": {"path": "\udcff.csv", "target": "a"}})
    with pytest.raises(ConfigError, match=r"data.path = .*udcff.csv': isn't text.*PYTHONUTF8=1"):
        to_toml(recipe)


def test_files_that_cannot_be_read(recipe_file: Path):
    folder = recipe_file.parent
    assert refusal(folder / "recip.toml").endswith("no such file (did you mean recipe.toml?)")
    assert "can't be read" in refusal(folder)
    recipe_file.write_text(RECIPE.replace("seed = 3", "\nseed ="))
    assert "not valid TOML: Invalid value (at line 2" in refusal(recipe_file)
    recipe_file.write_text("x = " + "[" * 9999)
    assert "not valid TOML" in refusal(recipe_file)
    recipe_file.write_bytes(b"\xff")
    assert "isn't UTF-8 text" in refusal(recipe_file)


def test_recipes_do_not_change():
    recipe = Recipe.model_validate(BARE)
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 1

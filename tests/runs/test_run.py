"""Training runs: what they write, that they repeat, and that a failed one never looks complete."""

import json
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import accuracy_score, log_loss

from fastclf.config import Recipe, load_recipe
from fastclf.data import load_built_in
from fastclf.errors import ConfigError, RunError
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.multilabel import MultiLabelLogisticRegression
from fastclf.linear_model import LinearModel
from fastclf.runs.build import build_estimator, build_teachers
from fastclf.runs.directory import default_path, new_run
from fastclf.runs.parts import read_dataset, split_and_prepare
from fastclf.runs.progress import progress_view
from fastclf.runs.run import train
from fastclf.solvers import LBFGS, SGD, Adam, AdamW, Newton, Progress

ROOT = Path(__file__).parents[2]


def recipe(**tables: object) -> Recipe:
    return Recipe.model_validate({"name": "test", "data": {"name": "iris"}, **tables})


@pytest.mark.parametrize(
    "name", ["iris_logistic", "breast_cancer", "digits", "multilabel", "messages"]
)
def test_shipped_configs_train(name: str, tmp_path: Path):
    wanted = load_recipe(ROOT / "configs" / f"{name}.toml")
    result = train(wanted, tmp_path / "run")
    files = {file.name for file in result.path.iterdir()}
    assert files == {
        "checkpoint",
        "config.toml",
        "evaluation.json",
        "metrics.jsonl",
        "model.safetensors",
        "report.html",
        "summary.json",
        "test_rows.npz",
    }
    tables = json.loads((result.path / "evaluation.json").read_text())
    assert {part: judged["metrics"] for part, judged in tables.items()} == result.summary["metrics"]

    summary = json.loads((result.path / "summary.json").read_text())
    assert summary == json.loads(json.dumps(result.summary))
    assert summary["n_train"] + summary["n_test"] == read_dataset(wanted.data).n_rows
    assert summary["fit_seconds"] > 0
    assert len(summary["data_sha256"]) == 64
    assert set(summary["versions"]) == {"fastclf", "python", "numpy", "numba", "scikit-learn"}
    floor = {"subset_accuracy": 0.3} if name == "multilabel" else {"accuracy": 0.9}
    for part in ("train", "test"):
        for metric, least in floor.items():
            assert summary["metrics"][part][metric] >= least

    steps = [json.loads(line) for line in (result.path / "metrics.jsonl").read_text().splitlines()]
    iterations = [step["iteration"] for step in steps]
    if name == "multilabel":  # a pass may be an iteration of a few labels only
        assert len(steps) > 3 and (np.diff(iterations) > 0).all()
    else:
        assert iterations == list(range(1, len(steps) + 1))
    assert steps[-1]["objective"] < steps[0]["objective"]


def test_digits_reaches_its_accuracy(tmp_path: Path):
    result = train(load_recipe(ROOT / "configs" / "digits.toml"), tmp_path / "run")
    assert result.summary["metrics"]["test"]["accuracy"] >= 0.95


def test_the_saved_model_takes_raw_rows(tmp_path: Path):
    wanted = recipe(data={"name": "wine", "scale": "standard"})
    result = train(wanted, tmp_path / "run")
    dataset = load_built_in("wine")
    parts = split_and_prepare(dataset, wanted.data, wanted.seed)
    model = LinearModel.load(result.path / "model.safetensors")
    assert model.feature_names == dataset.feature_names
    expected = result.summary["metrics"]["test"]
    X, y = parts.test.X, parts.test.y
    assert accuracy_score(y, model.predict(X)) == expected["accuracy"]
    assert log_loss(y, model.predict_proba(X)) == pytest.approx(expected["log_loss"])


def test_the_saved_model_names_its_labels(tmp_path: Path):
    wanted = load_recipe(ROOT / "configs" / "multilabel.toml")
    result = train(wanted, tmp_path / "run")
    model = LinearModel.load(result.path / "model.safetensors")
    assert tuple(model.classes) == read_dataset(wanted.data).class_names


@pytest.mark.parametrize("solver", ["auto", "sgd"])
def test_a_recipe_and_its_resolved_form_give_the_same_bits(solver: str, tmp_path: Path):
    wanted = recipe(solver={"name": solver}, seed=7)
    first = train(wanted, tmp_path / "first").path
    train(wanted, tmp_path / "second")
    train(load_recipe(first / "config.toml"), tmp_path / "third")
    bits = {
        (tmp_path / run / "model.safetensors").read_bytes() for run in ("first", "second", "third")
    }
    assert len(bits) == 1


def test_distillation_compares_three_models(tmp_path: Path):
    distilled = load_recipe(ROOT / "configs" / "digits_distill.toml")
    metrics = train(distilled, tmp_path / "run").summary["metrics"]
    assert set(metrics) == {"train", "test", "teacher", "student", "plain_student"}
    assert metrics["student"]["accuracy"] == metrics["test"]["accuracy"]
    assert metrics["student"]["kl_to_teacher"] < metrics["plain_student"]["kl_to_teacher"]
    assert metrics["teacher"]["accuracy"] > 0.9


def test_a_teacher_parameter_that_scikit_learn_refuses(tmp_path: Path):
    wanted = recipe(distill={"teacher": "svc", "teacher_params": {"C": "much"}})
    with pytest.raises(ConfigError, match="distill.teacher_params: The 'C' parameter of SVC"):
        train(wanted, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        ({"name": "iris"}, "logistic", 'has one label per row and 3 classes in all.*"softmax"'),
        ({"name": "breast_cancer"}, "softmax", 'set model.kind to "logistic"'),
        ({"name": "iris"}, "multilabel", 'set model.kind to "softmax"'),
        ({"card": str(ROOT / "datasets" / "multilabel.toml")}, "softmax", "several labels per row"),
    ],
)
def test_a_kind_that_does_not_fit_the_data(data: dict, kind: str, said: str, tmp_path: Path):
    with pytest.raises(ConfigError, match=said):
        train(recipe(data=data, model={"kind": kind}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_kind_auto_is_resolved(tmp_path: Path):
    result = train(recipe(), tmp_path / "run")
    assert load_recipe(result.path / "config.toml").model.kind == "softmax"


def test_defaults_of_a_recipe_are_those_of_the_code():
    labels = np.arange(3)
    solvers = (SGD(), Adam(), AdamW(), LBFGS(), Newton())
    for solver in solvers:
        name = type(solver).__name__.lower()
        built = build_estimator(recipe(model={"kind": "softmax"}, solver={"name": name}), labels)
        expected = LogisticRegression(solver=solver, random_state=0)
        assert built.get_params(deep=False) == expected.get_params(deep=False)
    built = build_estimator(recipe(model={"kind": "multilabel"}), labels)
    expected = MultiLabelLogisticRegression(random_state=0)
    assert built.get_params(deep=False) == expected.get_params(deep=False)


def test_solver_tables_reach_the_solver():
    built = build_estimator(
        recipe(
            model={"kind": "softmax", "class_weight": {"3": 2.0}},
            solver={"name": "sgd", "momentum": 0.5, "epochs": 7, "schedule": "step"},
            early_stopping={"patience": 2, "validation_fraction": 0.3},
        ),
        np.array([3, 5]),
    )
    assert built.class_weight == {3: 2.0}
    assert built.max_iter == 7
    assert built.solver == SGD(
        momentum=0.5, schedule="step", early_stopping=2, validation_fraction=0.3
    )


def test_class_weights_name_classes():
    wanted = recipe(model={"kind": "softmax", "class_weight": {"a": 1.0}})
    with pytest.raises(ConfigError, match=r"model.class_weight.a: .* they have b, c"):
        build_estimator(wanted, np.array(["b", "c"]))


def test_teachers_get_the_seed_unless_they_have_one():
    table = {"teacher": "random_forest"}
    assert build_teachers(recipe(seed=5, distill=table))[0].random_state == 5
    table = {**table, "teacher_params": {"random_state": 1}}
    assert build_teachers(recipe(seed=5, distill=table))[0].random_state == 1


def test_an_interrupted_run_keeps_its_steps_and_has_no_summary(tmp_path: Path, monkeypatch):
    @contextmanager
    def impatient(console, n_rows):
        def view(progress):
            if progress.iteration == 2:
                raise KeyboardInterrupt

        yield view

    monkeypatch.setattr("fastclf.runs.monitoring.progress_view", impatient)
    with pytest.raises(KeyboardInterrupt):
        train(recipe(solver={"name": "adam"}), tmp_path / "run")
    files = {file.name for file in (tmp_path / "run").iterdir()}
    assert files == {"checkpoint", "config.toml", "metrics.jsonl"}
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2


def test_a_run_that_fails_early_removes_what_it_made(tmp_path: Path):
    missing = recipe(data={"name": "irs"})
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "new", tmp_path / "empty"):
        with pytest.raises(ValueError, match="did you mean iris"):
            train(missing, out)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_run_directories_that_cannot_be_used(tmp_path: Path):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("")
    for place, said in (
        ("file", "can't be written"),
        ("file/run", "can't be written: Not a directory; name another place with --out"),
        ("full", "exists and isn't empty; name another directory with --out"),
    ):
        with pytest.raises(RunError, match=said):
            train(recipe(), tmp_path / place)
    assert (tmp_path / "full" / "notes.txt").exists()


def test_files_are_replaced_whole(tmp_path: Path, monkeypatch):
    with new_run(tmp_path / "run") as run:
        run.write_config("old")
        monkeypatch.setattr("os.replace", lambda source, target: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run.write_config("new")
        assert (run.path / "config.toml").read_text() == "old"


def test_default_paths_do_not_collide(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = default_path("digits")
    first.mkdir(parents=True)
    assert default_path("digits") != first
    assert first.name.startswith("digits-")


def test_warnings_are_kept_in_the_summary(tmp_path: Path):
    hasty = recipe(solver={"name": "auto", "max_iter": 2})
    warnings = train(hasty, tmp_path / "run").summary["warnings"]
    assert len(warnings) == 1
    assert "\n" not in warnings[0]


def test_progress_is_a_bar_on_a_terminal_and_a_few_lines_elsewhere():
    steps = [
        Progress("adam", i, 100, 1 / i, None, 0.1, 2 / i, 0.1 * i, 9.0, i) for i in range(1, 101)
    ]
    shown = {}
    for terminal in (True, False):
        console = Console(file=StringIO(), force_terminal=terminal, width=100)
        with progress_view(console, n_rows=1000) as show:
            for step in steps:
                show(step)
        shown[terminal] = console.file.getvalue()
    assert "100/100" in shown[True]
    assert "\x1b[" in shown[True]
    assert len(shown[False].splitlines()) == 10
    assert shown[False].splitlines()[4:10:5] == [
        "epoch 50/100  objective 0.02  validation 0.04  10k rows/s  0:00:05 left",
        "epoch 100/100  objective 0.01  validation 0.02  10k rows/s",
    ]


def test_a_long_fit_shows_a_line_every_few_seconds():
    console = Console(file=StringIO())
    with progress_view(console, n_rows=1000) as show:
        for i in range(1, 6):
            show(Progress("sgd", i, 3000, 1.0, None, 0.1, None, 3.0 * i, 9.0, i))
    lines = console.file.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 2/3000", "epoch 4/3000"]


def test_progress_of_an_exact_solver_tells_its_gradient():
    console = Console(file=StringIO())
    with progress_view(console, n_rows=1000) as show:
        show(Progress("newton", 100, 100, 0.5, 1e-3, None, None, 0.0, 0.0, 1))
    assert console.file.getvalue() == "iteration 100  objective 0.5  gradient 1.0e-03\n"

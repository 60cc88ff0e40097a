"""Reading a run directory: complete runs open, all else is told in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fastclf.config import Recipe, load_recipe
from fastclf.errors import RunError
from fastclf.runs.directory import new_run, open_run, reopened_run, to_json
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import resume, train


@pytest.fixture
def run(tmp_path: Path) -> Path:
    recipe = Recipe.model_validate({"name": "test", "data": {"name": "iris"}})
    return train(recipe, tmp_path / "run").path


def test_a_complete_run_opens(run: Path):
    opened = open_run(run)
    assert opened.recipe.model.kind == "softmax"
    assert opened.summary == json.loads((run / "summary.json").read_text())
    assert opened.model.n_features == 4


def summary_has(**values: object) -> Callable[[Path], object]:
    def spoil(run: Path) -> None:
        path = run / "summary.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: (run / "config.toml").unlink(), "isn't the directory of a run"),
        (lambda run: (run / "summary.json").unlink(), "is incomplete"),
        (lambda run: (run / "model.safetensors").unlink(), "damaged: it has no model.safetensors"),
        (lambda run: (run / "summary.json").write_text("[1]"), "isn't the summary of a run"),
        (lambda run: (run / "summary.json").write_text("{"), "isn't the summary of a run"),
        (lambda run: (run / "summary.json").write_bytes(b"\xff"), "isn't the summary of a run"),
        (
            summary_has(n_train="many"),
            "summary.json: n_train: .*valid integer; train",
        ),
        (summary_has(metrics={"test": [1]}), "summary.json: metrics.test: "),
        (summary_has(metrics={"test": {"accuracy": "good"}}), "metrics.test.accuracy: "),
        (summary_has(metrics={"test": {"accuracy": 10**400}}), "metrics.test.accuracy: "),
        (summary_has(fit_seconds="long"), "fit_seconds: "),
        (summary_has(calibration={"n_rows": 3}), "calibration.before: "),
        (lambda run: (run / "config.toml").write_text("seed = 'a'"), "config.toml:1: seed"),
        (lambda run: (run / "model.safetensors").write_bytes(b"1234"), "not a model file"),
    ],
)
def test_what_is_not_a_complete_run(spoil: Callable[[Path], object], said: str, run: Path):
    spoil(run)
    with pytest.raises(RunError, match=said) as refused:
        open_run(run)
    assert "\n" not in str(refused.value)


def test_paths_that_are_no_directory(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="no such directory"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match="isn't a directory"):
        open_run(tmp_path / "file")


def test_json_is_laid_out_by_rows():
    value = {"n": 3, "counts": [[1, 2], [3, 4]], "empty": {}, "rows": [{"a": None}], "é": [1.5]}
    text = to_json(value)
    assert json.loads(text) == value
    assert "    [1, 2],\n" in text
    assert to_json(np.pi) == json.dumps(np.pi)


def test_what_a_summary_lacks_is_named(run: Path):
    path = run / "summary.json"
    path.write_text(json.dumps({"metrics": json.loads(path.read_text())["metrics"]}))
    with pytest.raises(RunError, match="summary.json: data_sha256 is missing; train the run again"):
        evaluate_run(open_run(run))
    with pytest.raises(RunError, match="summary.json: name is missing"):
        resume(load_recipe(run / "config.toml"), run)


def begun(path: Path) -> Path:
    """The directory of a run that was stopped as soon as it had begun."""
    with pytest.raises(KeyboardInterrupt), new_run(path) as directory:
        directory.write_config('[data]\nname = "iris"\n')
        directory.write_metrics({"iteration": 1})
        raise KeyboardInterrupt
    return path


@pytest.mark.parametrize("name", [".lock", "metrics.jsonl", "checkpoint"])
def test_links_in_the_directory_are_not_written_through(name: str, tmp_path: Path):
    run, elsewhere = begun(tmp_path / "run"), tmp_path / "elsewhere"
    if name == "checkpoint":
        elsewhere.mkdir()
        (elsewhere / "00000001.json").write_text("precious")
    else:
        elsewhere.write_text("precious")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(elsewhere)
    with pytest.raises(RunError, match=f"run/{name}: is a link.* remove it"):
        resume(load_recipe(run / "config.toml"), run)
    kept = elsewhere / "00000001.json" if name == "checkpoint" else elsewhere
    assert kept.read_text() == "precious"


def test_left_overs_of_a_killed_process_are_removed(tmp_path: Path):
    run = begun(tmp_path / "run")
    (run / ".summary.json.0123abcd.partial").write_text("{")
    with reopened_run(run):
        pass
    assert sorted(path.name for path in run.iterdir()) == ["config.toml", "metrics.jsonl"]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_directory_that_is_gone_under_way_ends_the_run(replaced: bool, tmp_path: Path):
    path = tmp_path / "run"
    with pytest.raises(RunError, match="was removed or replaced during the run"):
        with new_run(path) as directory:
            directory.write_metrics({"iteration": 1})
            shutil.rmtree(path)
            if replaced:
                path.mkdir()
                (path / "metrics.jsonl").write_text("another's")
            directory.write_metrics({"iteration": 2})
    assert path.exists() == replaced
    if replaced:
        assert [file.read_text() for file in path.iterdir()] == ["another's"]

"""Reading a run directory: complete runs open, all else is told in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fastclf.config import Recipe
from fastclf.errors import RunError
from fastclf.runs.directory import open_run, to_json
from fastclf.runs.run import train


@pytest.fixture
def run(tmp_path: Path) -> Path:
    recipe = Recipe.model_validate({"name": "test", "data": {"name": "iris"}})
    return train(recipe, tmp_path / "run").path


def test_a_complete_run_opens(run: Path):
    opened = open_run(run)
    assert opened.recipe.model.kind == "softmax"
    assert opened.summary == json.loads((run / "summary.json").read_text())
    assert opened.model.n_features == 4


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda run: (run / "config.toml").unlink(), "isn't the directory of a run"),
        (lambda run: (run / "summary.json").unlink(), "didn't complete"),
        (lambda run: (run / "model.safetensors").unlink(), "damaged: it has no model.safetensors"),
        (lambda run: (run / "summary.json").write_text("[1]"), "isn't the summary of a run"),
        (lambda run: (run / "summary.json").write_text("{"), "isn't the summary of a run"),
        (lambda run: (run / "summary.json").write_bytes(b"\xff"), "isn't the summary of a run"),
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

"""Reports of run directories: when they are written, from which files, and what damages them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fastclf.cli import main
from fastclf.config import Recipe
from fastclf.errors import RunError
from fastclf.linear_model import Affine, LinearModel
from fastclf.runs.directory import open_run
from fastclf.runs.reporting import model_facts, run_facts, write_report
from fastclf.runs.run import train


@pytest.fixture
def run(tmp_path: Path) -> Path:
    recipe = Recipe.model_validate({"name": "flowers", "data": {"name": "iris"}})
    return train(recipe, tmp_path / "run").path


def called(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_run_has_a_report_which_can_be_written_again(run: Path):
    first = (run / "report.html").read_bytes()
    for name in (b"flowers", b"versicolor", b"petal", b"softmax"):
        assert name in first
    (run / "report.html").unlink()
    done = called("report", run)
    assert done.exit_code == 0
    assert done.output == f"saved in {run / 'report.html'}\n"
    assert (run / "report.html").read_bytes() == first


def test_a_report_of_a_run_elsewhere(run: Path, tmp_path: Path):
    first = (run / "report.html").read_bytes()
    moved = run.rename(tmp_path / "moved")
    done = called("report", moved, "-o", tmp_path / "page.html", "-q")
    assert (done.exit_code, done.output) == (0, "")
    assert (tmp_path / "page.html").read_bytes() == first


def test_a_report_that_fails_does_not_cost_the_run(tmp_path: Path, monkeypatch):
    def fails(run: object) -> None:
        raise RunError("the disk is odd")

    monkeypatch.setattr("fastclf.runs.run.write_report", fails)
    recipe = Recipe.model_validate({"name": "flowers", "data": {"name": "iris"}})
    done = train(recipe, tmp_path / "run")
    assert done.summary["warnings"] == ["there is no report: the disk is odd"]
    assert open_run(done.path).summary == json.loads(json.dumps(done.summary))


def test_other_data_are_in_a_report_that_is_written_after(run: Path):
    name = "elsewhere"
    judged = {name: {"n_rows": 3, "metrics": {"accuracy": 0.25}}}
    (run / f"evaluation-{name}.json").write_text(json.dumps(judged))
    text = write_report(open_run(run)).read_text()
    assert '<th scope="col">elsewhere</th>' in text and "0.2500" in text


def test_older_runs_lack_files_and_keys(run: Path):
    for name in ("evaluation.json", "metrics.jsonl"):
        (run / name).unlink()
    summary = json.loads((run / "summary.json").read_text())
    kept = {"metrics": {"test": summary["metrics"]["test"]}}
    (run / "summary.json").write_text(json.dumps(kept))
    facts = run_facts(open_run(run))
    assert facts.parts == {} and facts.steps == []
    text = write_report(open_run(run)).read_text()
    assert 'id="coefficients"' in text and 'id="training"' not in text


def test_a_last_line_that_was_never_finished_is_left_out(run: Path):
    metrics = run / "metrics.jsonl"
    steps = len(run_facts(open_run(run)).steps)
    metrics.write_text(metrics.read_text() + '{"iteration": 9')
    assert len(run_facts(open_run(run)).steps) == steps


def first_line_is(text: str) -> Callable[[Path], object]:
    def spoil(run: Path) -> None:
        path = run / "metrics.jsonl"
        path.write_text(f"{text}\n{path.read_text()}")

    return spoil


def confusion_is(value: object) -> Callable[[Path], object]:
    def spoil(run: Path) -> None:
        path = run / "evaluation.json"
        parts = json.loads(path.read_text())
        parts["test"]["confusion_matrix"] = value
        path.write_text(json.dumps(parts))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (first_line_is("{"), "metrics.jsonl: line 1 isn't JSON"),
        (first_line_is("[1]"), "metrics.jsonl: line 1 isn't JSON"),
        (lambda run: (run / "evaluation.json").write_text("{"), "evaluation.json: isn't an eval"),
        (lambda run: (run / "evaluation.json").write_text("[]"), "evaluation.json: isn't an eval"),
        (confusion_is({"classes": ["a"], "counts": [[1, 2]]}), "a row and a column for each class"),
        (confusion_is({"classes": ["a"], "counts": [[-1]]}), "evaluation.json: test.confusion"),
        (confusion_is("odd"), "evaluation.json: test.confusion_matrix"),
        (
            lambda run: (run / "summary.json").write_text('{"metrics": {}, "n_train": "many"}'),
            "summary.json: n_train",
        ),
        (lambda run: (run / "summary.json").unlink(), "is incomplete"),
    ],
)
def test_damaged_files_are_named(spoil: Callable[[Path], object], said: str, run: Path):
    before = (run / "report.html").read_bytes()
    spoil(run)
    done = called("report", run)
    assert done.exit_code == 2
    assert done.output.startswith("fastclf: error: ") and done.output.count("\n") == 1
    assert said in done.output
    assert (run / "report.html").read_bytes() == before


def test_a_place_that_can_not_be_written(run: Path):
    with pytest.raises(RunError, match="can't be written: .* with --output"):
        write_report(open_run(run), run / "nowhere" / "report.html")


@pytest.mark.parametrize(
    ("command", "option"),
    [(["report", "{run}", "-o"], "--output"), (["compare", "{run}", "--html"], "--html")],
)
def test_the_remedy_is_an_option_that_exists(command: list[str], option: str, run: Path):
    done = called(*[word.format(run=run) for word in command], run / "nowhere" / "page.html")
    assert done.exit_code == 2
    assert f"can't be written: No such file or directory; name another place with {option}" in (
        done.output
    )


def test_runs_are_compared_on_a_page(run: Path, tmp_path: Path):
    recipe = Recipe.model_validate(
        {"name": "other", "data": {"name": "iris"}, "model": {"C": 0.01}}
    )
    other = train(recipe, tmp_path / "other").path
    page = tmp_path / "page.html"
    plain = called("compare", run, other)
    done = called("compare", run, other, "--html", page)
    assert done.exit_code == 0
    assert done.output == plain.output
    text = page.read_text()
    assert "model.C" in text and "Objective by time" in text
    assert called("compare", run, other, "--html", page, "--json").exit_code == 0
    assert page.read_text() == text


def linear(theta: list, task: str = "multiclass", **parts) -> LinearModel:
    theta = np.array(theta, float)
    classes = np.array([f"c{i}" for i in range(2 if task == "binary" else theta.shape[1])])
    return LinearModel(theta, task, classes, **parts)


def test_the_strongest_features():
    found = model_facts(
        linear(
            [[1.0, 0.0, 2.0], [-3.0, 0.0, 1.0], [0.0, 0.0, -1.0], [9.0, 9.0, 9.0]],
            feature_names=("a", "b", "c"),
        )
    )
    assert [(one.name, one.features) for one in found.strongest] == [
        ("c0", [("b", -3.0), ("a", 1.0)]),
        ("c1", []),
        ("c2", [("a", 2.0), ("b", 1.0), ("c", -1.0)]),
    ]
    assert (found.n_nonzero, found.n_coefficients) == (5, 9)
    assert found.scaling == "" and found.kinds == ["number"]


def test_two_classes_have_one_column_and_features_may_be_unnamed():
    affine = Affine(np.zeros(20), np.full(20, 2.0))
    theta = [[float(i)] for i in range(21)]
    found = model_facts(linear(theta, "binary", preprocessing=affine), "minmax")
    assert [one.name for one in found.strongest] == ["c1"]
    assert found.strongest[0].features[0] == ("feature 19", 19.0)
    assert len(found.strongest[0].features) == 10
    assert found.scaling == "maxabs"  # nothing is shifted


def test_both_of_two_classes_have_their_strongest_features():
    theta = np.arange(-3.0, 30)[:, None]
    ((_, features),) = [
        (one.name, one.features) for one in model_facts(linear(theta, "binary")).strongest
    ]
    assert [value for _, value in features] == [*range(28, 18, -1), -3, -2, -1]


def test_thresholds_of_labels_are_told():
    model = linear([[1.0, 2.0], [0.0, 0.0]], "multilabel", threshold=np.array([0.25, 0.5]))
    assert model_facts(model).thresholds == [0.25, 0.5]

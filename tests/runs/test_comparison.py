"""Runs side by side: what differs, which is best, and what is printed."""

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fastclf.config import Recipe
from fastclf.errors import RunError
from fastclf.runs.comparison import Comparison, compare_runs, print_comparison
from fastclf.runs.directory import open_run
from fastclf.runs.reevaluation import own_parts
from fastclf.runs.reporting import write_comparison
from fastclf.runs.run import train


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    variants = {
        "plain": {},
        "strong": {"model": {"C": 0.001}, "solver": {"name": "adam"}},
        "wine": {"data": {"name": "wine"}},
        "float32": {"data": {"name": "iris", "dtype": "float32"}},
        "other_rows": {"seed": 1},
        "no_test": {"data": {"name": "iris", "test_size": 0.0}},
    }
    for name, tables in variants.items():
        recipe = Recipe.model_validate({"name": "test", "data": {"name": "iris"}, **tables})
        train(recipe, folder / name)
    return [folder / name for name in variants]


@pytest.fixture(scope="module")
def pair(runs: list[Path]) -> Comparison:
    return compare_runs(runs[:2])


def printed(comparison: Comparison, **settings) -> str:
    console = Console(file=StringIO(), width=200, **settings)
    print_comparison(comparison, comparison.differences, console)
    return console.file.getvalue()


def test_what_differs_and_which_is_best(runs: list[Path], pair: Comparison):
    comparison = pair
    assert comparison.same_data
    assert comparison.differences["model.C"] == [1.0, 0.001]
    assert comparison.recipe["solver.batch_size"] == [None, 256]
    assert "solver.batch_size" not in comparison.differences  # the default of the solver
    assert "data.name" not in comparison.differences
    assert comparison.recipe["data.name"] == ["iris", "iris"]
    summaries = [json.loads((run / "summary.json").read_text()) for run in runs[:2]]
    for part in ("train", "test"):
        assert comparison.metrics[f"{part}.log_loss"] == [
            summary["metrics"][part]["log_loss"] for summary in summaries
        ]
    assert next(iter(comparison.metrics)) == "test.accuracy"
    assert comparison.best("test.log_loss") == [True, False]


def test_the_same_run_twice_has_no_differences_and_no_best(runs: list[Path]):
    comparison = compare_runs([runs[0], runs[0]])
    assert comparison.differences == {}
    assert not any(any(comparison.best(metric)) for metric in comparison.metrics)
    text = printed(comparison)
    assert "the recipes are the same" in text
    assert "plain and plain" not in text and "have the same result on every test row" in text


def test_other_data_are_noticed(runs: list[Path]):
    assert not compare_runs(runs).same_data


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("test.accuracy", [0.5, 0.7, None], [False, True, False]),
        ("test.log_loss", [0.5, 0.7, 0.5], [True, False, True]),
        ("fit_seconds", [2.0, 1.0, 3.0], [False, True, False]),
        ("test.roc_auc", [None, 0.9, None], [False, False, False]),
    ],
)
def test_the_best_of_each_metric(metric: str, values: list, best: list):
    assert Comparison(("a", "b", "c"), {}, {metric: values}, True).best(metric) == best


def test_the_best_is_bold_on_a_terminal_only():
    comparison = Comparison(("a[0]", "b"), {"model.C": [1.0, None]}, {"m": [0.25, 0.5]}, True)
    assert "\x1b[1m0.5000\x1b[0m" in printed(comparison, force_terminal=True)
    plain = printed(comparison, force_terminal=False)
    assert "\x1b" not in plain
    assert "a[0]" in plain and "model.C" in plain and "0.2500" in plain


def test_many_runs_fit_a_terminal_of_80_columns():
    names = ("first", "second", "third", "fourth", "fifth")
    metrics = {"test.accuracy": [0.5] * 5, "teacher.accuracy": [None] * 4 + [0.75]}
    intervals = {"test.accuracy": [[0.4, 0.6]] * 5}
    text = printed(Comparison(names, {}, metrics, True, intervals))
    assert text.count("0.5000") == 5 and "0.4000" not in text and "teacher" not in text
    assert "1 metric of only one run isn't shown; --json has all" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_path_that_is_no_run_is_named(runs: list[Path], tmp_path: Path):
    with pytest.raises(RunError, match="nowhere: no such directory"):
        compare_runs([runs[0], tmp_path / "nowhere"])


def test_the_test_rows_of_two_runs_are_compared_one_by_one(runs: list[Path], pair: Comparison):
    first, second = (open_run(run) for run in runs[:2])
    part = own_parts(first)["test"]
    codes = np.unique(part.y, return_inverse=True)[1]
    chosen = [run.model.predict_proba(part.X)[range(len(part)), codes] for run in (first, second)]
    found = pair.paired[0].differences["log_loss"]
    rows = np.log(chosen[0]) - np.log(chosen[1])
    assert found.value == pytest.approx(rows.mean())
    drawn = np.random.default_rng(0).integers(len(rows), size=(1000, len(rows)))
    assert found.interval == pytest.approx(np.percentile(rows[drawn].mean(axis=1), [2.5, 97.5]))
    assert found.exceeds_noise
    as_json = pair.as_json()
    assert as_json["paired"]["log_loss"] == {
        "difference": found.value,
        "interval": list(found.interval),
        "exceeds_noise": True,
    }
    ends = as_json["intervals"]["test.accuracy"]
    summaries = [json.loads((run / "summary.json").read_text()) for run in runs[:2]]
    assert ends == [summary["intervals"]["test"]["accuracy"] for summary in summaries]
    text = printed(pair)
    assert f"{ends[0][0]:.4f} to {ends[0][1]:.4f}" in text
    assert "log_loss, strong minus plain: +" in text and "more than noise" in text


def test_a_run_is_within_noise_of_itself(runs: list[Path]):
    (paired,) = compare_runs([runs[0], runs[0]]).paired
    assert {*paired.differences} == {"accuracy", "log_loss"}
    assert not any(found.exceeds_noise for found in paired.differences.values())
    assert paired.lines("b", "a") == ["b and a have the same result on every test row"]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ("wine", "the runs have different test rows"),
        ("other_rows", "the runs have different test rows"),
        ("no_test", "a run has no test rows"),
    ],
)
def test_why_test_rows_cannot_be_compared(other: str, reason: str, runs: list[Path]):
    comparison = compare_runs([runs[0], runs[0].parent / other])
    assert comparison.as_json()["paired"] == {"reason": reason}
    assert f"can't be compared row by row: {reason}" in printed(comparison)


def test_recipes_that_read_the_same_rows_otherwise(runs: list[Path]):
    (paired,) = compare_runs([runs[0], runs[0].parent / "float32"]).paired
    assert not paired.reason
    assert not any(found.exceeds_noise for found in paired.differences.values())


def test_data_that_are_gone_or_have_changed(tmp_path: Path, rng):
    path = tmp_path / "rows.csv"
    rows = [f"{x},{'ab'[int(x > 0)]}" for x in rng.normal(size=60)]
    path.write_text("\n".join(["x,y", *rows]))
    data = {"path": str(path), "target": "y"}
    for name, C in (("a", 1.0), ("b", 0.01)):
        recipe = Recipe.model_validate({"name": name, "data": data, "model": {"C": C}})
        train(recipe, tmp_path / name)
    runs = [tmp_path / "a", tmp_path / "b"]
    assert compare_runs(runs).paired[0].differences
    several = compare_runs([*runs, runs[0]])
    assert [bool(one.differences) for one in several.paired] == [True, True]
    as_json = several.as_json()["paired_with_first"]
    assert as_json[str(runs[0])]["accuracy"]["difference"] == 0
    assert {*as_json} == {*map(str, runs)}
    kept = compare_runs(runs).paired[0].differences
    for run in runs:
        assert (run / "test_rows.npz").stat().st_size < 2000
        (run / "test_rows.npz").write_bytes(b"damaged")
    assert compare_runs(runs).paired[0].differences == kept
    path.write_text("\n".join(["x,y", *rows[:-1]]))
    assert "the data have changed since the run" in compare_runs(runs).paired[0].reason
    path.unlink()
    assert "rows.csv" in compare_runs(runs).paired[0].reason


def test_the_page_has_the_intervals_and_the_verdict(pair: Comparison, tmp_path: Path):
    write_comparison(pair, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "Below a value is its interval of 95 %" in page
    assert "strong minus plain, by paired bootstrap" in page and "worse, beyond noise" in page

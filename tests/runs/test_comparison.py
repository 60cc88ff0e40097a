"""Runs side by side: what differs, which is best, and what is printed."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fastclf.config import Recipe
from fastclf.errors import RunError
from fastclf.runs.comparison import Comparison, compare_runs, print_comparison
from fastclf.runs.run import train


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    variants = {
        "plain": {},
        "strong": {"model": {"C": 0.001}, "solver": {"name": "adam"}},
        "wine": {"data": {"name": "wine"}},
    }
    for name, tables in variants.items():
        recipe = Recipe.model_validate({"name": "test", "data": {"name": "iris"}, **tables})
        train(recipe, folder / name)
    return [folder / name for name in variants]


def printed(comparison: Comparison, **settings) -> str:
    console = Console(file=StringIO(), width=200, **settings)
    print_comparison(comparison, comparison.differences, console)
    return console.file.getvalue()


def test_what_differs_and_which_is_best(runs: list[Path]):
    comparison = compare_runs(runs[:2])
    assert comparison.same_data
    assert comparison.differences["model.C"] == [1.0, 0.001]
    assert comparison.differences["solver.batch_size"] == [None, 256]
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


def test_a_path_that_is_no_run_is_named(runs: list[Path], tmp_path: Path):
    with pytest.raises(RunError, match="nowhere: no such directory"):
        compare_runs([runs[0], tmp_path / "nowhere"])

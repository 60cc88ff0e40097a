"""Model cards: what they say, and text from data that would be markup."""

import re

import pytest
from report_facts import hostile_facts

from fastclf.report.card import FEW_ROWS, model_card
from fastclf.report.facts import RunFacts


def facts(**summary: object) -> RunFacts:
    return RunFacts.model_validate(
        {
            "summary": {
                "name": "all",
                "task": "multiclass",
                "kind": "softmax",
                "n_train": 1500,
                "n_test": 40,
                "classes": ["a", "b"],
                "status": "converged",
                "warnings": ["mind the gap"],
                "metrics": {"train": {"accuracy": 0.9}, "test": {"accuracy": 0.8, "ece": 0.1}},
                "data_sha256": "ab" * 32,
                "versions": {"numpy": "2.0"},
                **summary,
            },
            "recipe": "seed = 3\n",
            "data": {"path": "rows.csv", "target": ["x", "y"]},
            "parts": {
                "train": {
                    "n_rows": 1500,
                    "per_class": [{"name": "a", "support": 1495}, {"name": "b", "support": 5}],
                },
                "test": {"n_rows": 40, "per_class": [{"name": "a", "support": FEW_ROWS}]},
            },
            "model": {"strongest": [{"name": "b", "features": [("height", 2.0)]}]},
        }
    )


def test_what_a_card_says():
    text = model_card(facts())
    for line in (
        "A linear softmax model for 2 classes, trained by fastclf.",
        "- source: rows.csv",
        "- target: x, y",
        "- training rows: 1,500",
        f"- sha256: {'ab' * 32}",
        "| metric | training | test | baseline |",
        "| accuracy | 0.9000 | 0.8000 | 0.5000 |",
        "| ECE | \N{EN DASH} | 0.1000 |  |",
        "The baseline, on the test rows, always predicts a, the most frequent class of the "
        "training rows.",
        "| b | height (2.00) |",
        "- Classes with fewer than 20 training rows: b (5). Their metrics are uncertain.",
        "- Warning of the run: mind the gap",
        "seed = 3",
        "- numpy 2.0",
    ):
        assert line in text.splitlines()
    assert "fewer than 20 test rows" not in text and "did not converge" not in text


@pytest.mark.parametrize(
    "keys, said",
    [
        ({"tuned_for": None}, "given in the recipe"),
        ({"tuned_for": "f1"}, "tuned for the highest F1"),
        ({"tuned_for": "precision", "min_precision": 0.9}, "tuned for a precision of 0.9 or more"),
        (
            {"tuned_for": "cost", "false_positive_cost": 1, "false_negative_cost": 2.5},
            "tuned for the lowest cost, 1 for a false positive and 2.5 for a false negative",
        ),
    ],
)
def test_the_threshold_of_two_classes(keys: dict, said: str):
    calibration = {"n_rows": 9, "before": {}, "after": {}}
    found = facts(calibration={**calibration, "threshold": {"value": 0.3, "class": "b", **keys}})
    model = found.model.model_copy(update={"thresholds": [0.3]})
    text = model_card(found.model_copy(update={"model": model}))
    assert f"- thresholds: b 0.3000, {said}" in text.splitlines()


def test_limits_follow_from_the_run():
    text = model_card(facts(n_test=0, status="max_iter"))
    assert "No test rows were held out" in text and "same source" not in text
    assert "The fit did not converge: stopped at the recipe's limit of steps." in text
    of_a_file = facts().model_copy(update={"data": {"path": "a.csv", "test_path": "b.csv"}})
    assert "Test rows come from a file of their own." in model_card(of_a_file)


def test_a_run_with_nothing_has_a_card():
    text = model_card(RunFacts.model_validate({"summary": {}}))
    assert text.startswith("# A run\n") and text.endswith("\n")


def test_equal_facts_give_equal_text():
    assert model_card(facts()) == model_card(facts(fit_seconds=3.0, compile_seconds=1.0))


def test_text_from_data_is_no_markup():
    text = model_card(hostile_facts(facts())).split("## Recipe")[0]
    assert "<" not in text.replace("&lt;", "") and "\x00" not in text
    text.encode()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {3, 5}


@pytest.mark.parametrize(
    "name, shown", [("a|b", r"a\|b"), ("`x`", r"\`x\`"), ("[l](u)", r"\[l\](u)")]
)
def test_marks_are_escaped(name: str, shown: str):
    assert model_card(facts(name=name)).startswith(f"# {shown}\n")


def test_a_recipe_with_a_fence_stays_in_its_block():
    text = model_card(facts().model_copy(update={"recipe": "# ```\n# out"}))
    assert "````toml\n# ```\n# out\n````" in text

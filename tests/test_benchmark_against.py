"""The comparison of two versions: the verdict from given times, and one row end to end."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastclf

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture(scope="module")
def comparison():
    return runpy.run_path(str(SCRIPTS / "_comparison.py"))


BASE = [1.0, 1.02, 0.99, 1.01, 1.0, 1.03, 0.98, 1.0, 1.01]


@pytest.mark.parametrize(
    "here, verdict",
    [
        (BASE, "same"),
        ([1.04 * t for t in BASE], "same"),
        ([1.08 * t for t in BASE], "slower"),
        ([0.92 * t for t in BASE], "faster"),
        ([1.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0], "same"),  # its least time is no larger
        ([1.0, 1.5, 0.9, 1.4, 1.0, 1.5, 0.9, 1.4, 1.1], "same"),  # the pairs disagree
    ],
)
def test_slower_is_what_pairs_and_least_times_agree_on(comparison, here, verdict):
    found = comparison["compare"](BASE, here)
    assert found.verdict == verdict
    assert comparison["slower"]({"row": found}) == (["row"] if verdict == "slower" else [])
    assert comparison["slower"]({"row": found}, without=["row"]) == []


def test_pairs_cancel_what_both_versions_suffer(comparison):
    disturbed = [t * factor for t, factor in zip(BASE, range(1, 10), strict=True)]
    found = comparison["compare"](disturbed, [1.1 * t for t in disturbed])
    assert found.ratio == pytest.approx(1.1) and found.low == pytest.approx(1.1)
    assert found.verdict == "slower"


def test_too_few_pairs_decide_nothing(comparison):
    assert comparison["compare"]([1.0, 1.0], [2.0, 2.0]).verdict == "too few"


@pytest.mark.parametrize("n, left_out", [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (12, 2), (20, 5)])
def test_spread_is_the_interval_of_the_sign_test(comparison, n, left_out):
    """The numbers left out at each end are those of tables of the sign test at 0.05."""
    values = [float(i) for i in reversed(range(n))]
    assert comparison["interval"](values) == (left_out, n - 1 - left_out)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return runpy.run_path(str(SCRIPTS / "benchmark_against.py"))


def test_rows_are_chosen_by_patterns(script):
    kinds = [name.split()[0] for name in script["choose"](None, quick=False)]
    assert set(kinds) == {"fit", "epoch", "kernel", "import", "first", "tests"}
    fits = script["choose"](None, quick=True)
    assert len(fits) >= 12 and all(name.startswith("fit ") for name in fits)
    assert script["choose"](["fit iris", "import *"], quick=True)[::2] == [
        "fit iris",
        "import LogisticRegression",
    ]
    with pytest.raises(SystemExit, match="no row matches"):
        script["choose"](["no such row"], quick=False)


def test_a_row_that_fails_here_alone_is_a_failure(script):
    times = {name: script["Times"]() for name in ("fits", "both", "old", "new")}
    times["old"].errors["base"] = times["both"].errors["base"] = "error"
    assert script["conclusion"](times, {})[1]
    times["new"].errors["here"] = times["both"].errors["here"] = "error"
    verdict, well = script["conclusion"](times, {})
    assert not well and verdict == "Fails here alone: new."


def test_test_files_do_not_count(script, comparison):
    found = comparison["compare"](BASE, [2 * t for t in BASE])
    assert script["conclusion"]({}, {"tests test_pairs.py": found})[1]
    assert not script["conclusion"]({}, {"fit iris": found})[1]


def test_a_row_from_the_copies_to_the_results(script, monkeypatch, capsys, tmp_path):
    command = ["git", "-C", str(SCRIPTS), "rev-parse", "HEAD"]
    if shutil.which("git") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this isn't a checkout")
    words = ["HEAD", "--only", "import fastclf", "--repeats", "2", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["benchmark_against.py", *words])
    script["main"]()
    assert "No row is slower" in capsys.readouterr().out
    results = json.loads((tmp_path / "against.json").read_text())
    (row,) = results["rows"]
    assert row["what"] == "import fastclf" and row["pairs"] == 2 and row["verdict"] == "too few"
    seconds = results["details"]["seconds"]["import fastclf"]
    assert [len(times) for times in seconds.values()] == [2, 2]
    with pytest.raises(SystemExit, match="no-such-commit"):
        script["take_out"]("no-such-commit", tmp_path / "copy")


def test_the_process_answers_commands(tmp_path):
    """The process that measures answers with its package, the result and the seconds."""
    result = tmp_path / "result.npy"
    commands = [{"do": "prepare", "row": "fit iris", "result": str(result)}, {"do": "time"}]
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "_against_rows.py")],
        input="".join(json.dumps(command) + "\n" for command in commands),
        capture_output=True,
        text=True,
        timeout=300,
    )
    package, prepared, timed = map(json.loads, done.stdout.splitlines())
    assert Path(package["package"]) == Path(fastclf.__file__).parent
    assert prepared == {} and np.load(result).shape == (3 * 4 + 3,)
    assert 0 < timed["seconds"] <= timed["spent"]

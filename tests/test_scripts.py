"""The examples run, and the benchmarks at least parse their options."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("example_*.py")))
def test_example_runs(name, capsys):
    runpy.run_path(str(SCRIPTS / name), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(path.name for path in SCRIPTS.glob("benchmark*.py")))
def test_benchmark_has_help(name):
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / name), "--help"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "--out" in done.stdout


@pytest.mark.parametrize("name", ["breast_cancer_scaled", "iris"])
def test_oracle_agrees_with_log_loss(name):
    problems = runpy.run_path(str(SCRIPTS / "_problems.py"))
    problem = problems["PROBLEMS"][name](name)
    clf = LogisticRegression(C=0.1, max_iter=1000).fit(problem.X, problem.y)
    penalty = np.sum(clf.coef_**2) / (2 * 0.1 * len(problem.y))
    value = problems["objective"](problem.X, problem.y, clf.coef_, clf.intercept_, C=0.1)
    assert value == pytest.approx(log_loss(problem.y, clf.predict_proba(problem.X)) + penalty)


def test_benchmark_lists_its_problems():
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "benchmark.py"), "--list", "--problems", "iris", "digits"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()] == [
        "iris n 150 d 4 K 3".split(),
        "digits n 1797 d 64 K 10".split(),
    ]


def test_scikit_learns_own_tests_pass():
    """Those that apply: the others are listed in conformance.toml."""
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "conformance.py")],
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "100.0 % of those that apply" in done.stdout


def test_the_list_of_tests_that_do_not_apply_is_held_against_the_tests():
    script = runpy.run_path(str(SCRIPTS / "conformance.py"))
    entry, plugin = script["Entry"], script["Conformance"]
    listed = entry(["test_a", "test_b[*-x]", "test_c[y*"], "no reason")
    covered = ["test_a", "test_a[1]", "test_b[1-x]", "test_c[y-2]"]
    assert all(map(listed.covers, covered))
    assert not any(map(listed.covers, ["test_ab", "test_b", "test_b[x]", "test_c", "test_b[1-x2]"]))
    run = plugin([listed], also_deselected=True)
    listed.found += covered[:2]
    run.outcomes.update({"test_a": "passed", "test_a[1]": "failed", "test_d": "failed"})
    assert script["needless"](run) == ["passes, but is deselected: test_a"]
    assert script["problems"](run, whole=True) == [
        "failed: test_d",
        "conformance.toml: test_b[*-x]: there is no such test",
        "conformance.toml: test_c[y*: there is no such test",
    ]
    assert script["problems"](plugin([], False), whole=True) == [
        "sklearn.linear_model.tests.test_logistic: no test was run"
    ]

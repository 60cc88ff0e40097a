"""Files beside the package say what the package is: versions, dependencies, the benchopt solver."""

import re
import runpy
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import fastclf

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_versions_are_the_same_everywhere():
    assert read("CITATION.cff")["version"] == fastclf.__version__
    assert read("CITATION.cff")["license"] == PROJECT["license"]
    tested = read(".github/workflows/tests.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"]
    prefix = "Programming Language :: Python :: 3."
    assert [f"{prefix}{version[2:]}" for version in tested] == [
        line for line in PROJECT["classifiers"] if line.startswith(prefix)
    ]
    assert PROJECT["requires-python"] == f">={tested[0]}"


def test_dependencies_are_the_same_everywhere():
    needed = [line.replace(">=", " >=") for line in PROJECT["dependencies"]]
    run = read("conda/recipe.yaml")["requirements"]["run"]
    assert run == [f"python {PROJECT['requires-python']}", *needed]
    policies = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    table = policies.partition("## Supported software")[2].partition("## ")[0]
    told = re.findall(r"^\| ([\w-]+) \| ([\d.]+) \|", table, re.MULTILINE)
    assert len(told) == 5
    assert {f"{name.lower()} >={version}" for name, version in told} <= set(run)


@pytest.mark.parametrize("name", ["bug", "idea", "slow"])
def test_forms_for_issues(name: str):
    form = read(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(set(ids)) == len(ids)
    for part in form["body"]:
        assert part["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes")
        assert ("value" if part["type"] == "markdown" else "label") in part["attributes"]
    assert ("doctor" in ids) == (name != "idea")


def test_the_solver_for_benchopt_finds_the_optimum(monkeypatch: pytest.MonkeyPatch):
    class BaseSolver:  # as benchopt's, for one run
        def run_once(self, stop_val: int = 1) -> None:
            self.run(stop_val)

    monkeypatch.setitem(sys.modules, "benchopt", SimpleNamespace(BaseSolver=BaseSolver))
    solver = runpy.run_path(str(ROOT / "scripts" / "benchopt" / "fastclf.py"))["Solver"]()
    solver.solver = solver.parameters["solver"][0]
    X = np.random.default_rng(0).normal(size=(80, 3))
    y = np.where(X[:, 0] + X[:, 1] ** 2 > 0.5, 1, -1)
    solver.set_objective(X, y, lmbd=0.5)
    solver.run(0)
    assert not solver.get_result()["beta"].any()
    solver.warm_up()
    solver.run(100)
    best = LogisticRegression(C=2.0, fit_intercept=False, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(solver.get_result()["beta"], best.coef_.ravel(), rtol=1e-4)

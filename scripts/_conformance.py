"""Run test files of scikit-learn on fastclf's or scikit-learn's classes, and record the outcomes.

This runs in a process of its own, because a replaced class can't be restored once it is imported:

    python scripts/_conformance.py OUTCOMES.json {fastclf,scikit-learn} TARGET...

A target is a test file or a pytest node id in it. Only those tests run that use the classes: in
their own code, in their parameters, or in functions and constants of their module.
"""

import inspect
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sklearn
from sklearn import linear_model

import fastclf

NAMES = ("LogisticRegression", "LogisticRegressionCV")
ROOT = Path(sklearn.__file__).parents[1]


class Outcome(NamedTuple):
    """The outcome of a test ("passed", "failed" or "skipped"), and the first line of its error."""

    result: str
    message: str = ""


class Outcomes:
    """A pytest plugin that records the outcome of each test, and files that can't be imported."""

    def __init__(self) -> None:
        self.found: dict[str, Outcome] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if _uses_the_classes(item)]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.found[report.nodeid] = Outcome("failed", _first_line(report))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.found[report.nodeid] = Outcome("failed", _first_line(report))
        elif report.when == "call" or report.skipped:
            self.found.setdefault(report.nodeid, Outcome(report.outcome))


def _uses_the_classes(item: Any) -> bool:
    texts = [_source(item.function)]
    callspec = getattr(item, "callspec", None)
    texts += [] if callspec is None else [repr(callspec.params)]
    module = vars(item.module)
    for name in inspect.unwrap(item.function).__code__.co_names:
        value = module.get(name)
        if inspect.isroutine(value) or inspect.isclass(value):
            of_module = getattr(value, "__module__", None) == item.module.__name__
            texts += [_source(value)] if of_module else []
        elif value is not None and not inspect.ismodule(value):
            texts.append(repr(value))
    return any(NAMES[0] in text for text in texts)


def _source(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return ""


def _first_line(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr) if crash is None else crash.message
    return text.strip().partition("\n")[0][:300]


def patch() -> None:
    """Replace scikit-learn's classes by fastclf's, for all modules that are imported later."""
    sys.dont_write_bytecode = True  # write no bytecode into installed packages
    for name in NAMES:
        setattr(linear_model, name, getattr(fastclf, name))


def run(targets: list[str], options: list[str], plugin: Any) -> None:
    """Run tests of scikit-learn in this process."""
    arguments = ["-c", os.devnull, f"--rootdir={ROOT}", "-p", "no:cacheprovider", "-q"]
    arguments += ["--disable-warnings", "--no-header", "--tb=short", "--no-summary"]
    pytest.main([*arguments, *options, *targets], plugins=[plugin])


def outcomes(targets: list[str], classes: str, options: list[str]) -> dict[str, Outcome]:
    """Run tests in a new process; return the outcome of each.

    Parameters
    ----------
    targets : list of str
        Test files or node ids, relative to the folder that contains the package ``sklearn``.
    classes : {"fastclf", "scikit-learn"}
        The package whose classes are tested.
    options : list of str
        Options for pytest.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "outcomes.json")
        command = [sys.executable, __file__, str(path), classes]
        command += [*options, *(str(ROOT / target) for target in targets)]
        subprocess.run(command, stdout=sys.stderr, check=True)
        return {name: Outcome(*found) for name, found in json.loads(path.read_text()).items()}


if __name__ == "__main__":
    path, classes, *targets = sys.argv[1:]
    if classes == "fastclf":
        patch()
    plugin = Outcomes()
    run(targets, [], plugin)
    Path(path).write_text(json.dumps(plugin.found))

"""Run test files of scikit-learn on fastclf's classes or on its own, and note the outcomes.

A process of its own does this, for names that have been imported can't be taken back:

    python scripts/_conformance.py OUTCOMES.json {fastclf,scikit-learn} TARGET...

A target is a test file, or a test in it as pytest names them. Of a file only those tests are run
that use the classes: by their own code or parameters, or by what they use of their module.
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
    """What came of a test, and the first line of its error."""

    result: str
    message: str = ""


class Outcomes:
    """A plugin of pytest that notes what came of each test, and of each file it can't import."""

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
    """Let the names of scikit-learn's classes stand for fastclf's in all that is imported later."""
    sys.dont_write_bytecode = True  # nothing is written beside an installed package
    for name in NAMES:
        setattr(linear_model, name, getattr(fastclf, name))


def run(targets: list[str], options: list[str], plugin: Any) -> None:
    """Run tests of scikit-learn in this process."""
    arguments = ["-c", os.devnull, f"--rootdir={ROOT}", "-p", "no:cacheprovider", "-q"]
    arguments += ["--disable-warnings", "--no-header", "--tb=short", "--no-summary"]
    pytest.main([*arguments, *options, *targets], plugins=[plugin])


def outcomes(targets: list[str], classes: str, options: list[str]) -> dict[str, Outcome]:
    """Run tests in a process of their own; return what came of each.

    Parameters
    ----------
    targets : list of str
        Relative to the folder that scikit-learn lies in.
    classes : {"fastclf", "scikit-learn"}
        Whose classes the tests see.
    options : list of str
        For pytest.
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

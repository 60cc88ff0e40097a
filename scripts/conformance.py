"""Run scikit-learn's own tests of logistic regression on fastclf's classes, and count.

The module sklearn/linear_model/tests/test_logistic.py is the installed one. Its names
LogisticRegression and LogisticRegressionCV stand for fastclf's classes here. conformance.toml lists
the tests that don't apply, each with its reason. A failure of any other test gives exit status 1.
Most of those that scikit-learn skips need other array libraries; with SCIPY_ARRAY_API=1 in the
environment those of NumPy's arrays are run.
"""

import argparse
import importlib.util
import os
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import sklearn
from rich.console import Console
from rich.table import Table
from sklearn import linear_model

import fastclf

MODULE = "sklearn.linear_model.tests.test_logistic"
NAMES = ("LogisticRegression", "LogisticRegressionCV")
LIST = Path(__file__).with_suffix(".toml")


@dataclass
class Entry:
    """Tests that don't apply: patterns of their names, and why."""

    tests: list[str]
    reason: str
    found: list[str] = field(default_factory=list)

    def covers(self, name: str) -> bool:
        # A name without parameters stands for all of them. Their brackets are no wildcards.
        return any(
            fnmatchcase(name.replace("[", "("), pattern.replace("[", "("))
            or name.startswith(f"{pattern}[")
            for pattern in self.tests
        )


class Conformance:
    """A plugin of pytest that leaves out the tests that don't apply, and counts the others."""

    def __init__(self, entries: list[Entry], also_deselected: bool) -> None:
        self.entries = entries
        self.also_deselected = also_deselected
        self.outcomes: dict[str, str] = {}

    def entry_of(self, name: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.covers(name)), None)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        kept = []
        for item in items:
            entry = self.entry_of(item.name)
            if entry is not None:
                entry.found.append(item.name)
            if entry is None or self.also_deselected:
                kept.append(item)
        items[:] = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("::")[2]
        if report.failed or self.outcomes.get(name) == "failed":
            self.outcomes[name] = "failed"
        elif report.when == "call" or report.skipped:
            self.outcomes[name] = report.outcome


def read_list() -> list[Entry]:
    """Return the list in conformance.toml."""
    table = tomllib.loads(LIST.read_text(encoding="utf-8"))
    return [Entry(**entry) for entry in table["deselected"]]


def run(plugin: Conformance, options: list[str]) -> None:
    """Run the tests with fastclf's classes under the names of scikit-learn's."""
    sys.dont_write_bytecode = True  # nothing is written beside an installed package
    spec = importlib.util.find_spec(MODULE)
    assert spec is not None and spec.origin is not None
    root = Path(sklearn.__file__).parents[1]
    for name in NAMES:
        setattr(linear_model, name, getattr(fastclf, name))
    arguments = ["-c", os.devnull, f"--rootdir={root}", "-p", "no:cacheprovider", "-q"]
    arguments += ["--disable-warnings", "--no-header"]
    pytest.main([*arguments, *options, spec.origin], plugins=[plugin])


def table_of(plugin: Conformance) -> Table:
    """Return a table of the deselected tests and of the outcomes of all others."""
    counts = Counter(
        outcome for name, outcome in plugin.outcomes.items() if plugin.entry_of(name) is None
    )
    applicable = counts["passed"] + counts["failed"]
    share = 100 * counts["passed"] / max(applicable, 1)
    table = Table(title=f"test_logistic.py of scikit-learn {sklearn.__version__}")
    table.add_column("tests", justify="right")
    table.add_column("outcome")
    table.add_row(str(counts["passed"]), f"passed, {share:.1f} % of those that apply")
    table.add_row(str(counts["failed"]), "failed")
    table.add_row(str(counts["skipped"]), "skipped by scikit-learn")
    for entry in plugin.entries:
        table.add_row(str(len(entry.found)), f"deselected: {entry.reason}")
    return table


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--all", action="store_true", help="run the deselected tests, too, and name those that pass"
    )
    parser.add_argument("--only", metavar="EXPRESSION", help="run some tests, as pytest's -k does")
    given = parser.parse_args(arguments)
    plugin = Conformance(read_list(), given.all)
    run(plugin, ["-k", given.only] if given.only else [])
    console = Console()
    console.print(table_of(plugin))
    complaints = problems(plugin, whole=given.only is None)
    for line in [*needless(plugin), *complaints]:
        console.out(line, highlight=False)
    return 1 if complaints else 0


def needless(plugin: Conformance) -> list[str]:
    """Return a line for each test that is deselected and passes."""
    return [
        f"passes, but is deselected: {name}"
        for name, outcome in plugin.outcomes.items()
        if outcome == "passed" and plugin.entry_of(name) is not None
    ]


def problems(plugin: Conformance, whole: bool) -> list[str]:
    """Return a line for each failure, and for each name in the list that there is no test of."""
    lines = [
        f"failed: {name}"
        for name, outcome in plugin.outcomes.items()
        if outcome == "failed" and plugin.entry_of(name) is None
    ]
    if not plugin.outcomes:
        lines.append(f"{MODULE}: no test was run")
    for entry in plugin.entries if whole else []:
        lines += [
            f"{LIST.name}: {pattern}: there is no such test"
            for pattern in entry.tests
            if not any(Entry([pattern], "").covers(name) for name in entry.found)
        ]
    return lines


if __name__ == "__main__":
    sys.exit(main())

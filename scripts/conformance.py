"""Run scikit-learn's own tests of logistic regression on fastclf's classes, and count the outcomes.

The script runs the installed module sklearn/linear_model/tests/test_logistic.py with its names
LogisticRegression and LogisticRegressionCV replaced by fastclf's classes. conformance.toml lists
the tests that don't apply, with reasons. If any other test fails, the exit status is 1. Most tests
that scikit-learn skips need other array libraries; those of NumPy's arrays run if the environment
has SCIPY_ARRAY_API=1.

With --all, the other test files of scikit-learn that use LogisticRegression run in the same way.
Each test that fails is repeated with scikit-learn's own classes; if it passes there, it is a
difference. If a difference has no reason in conformance.toml, the exit status is 1.
"""

import argparse
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

sys.path.insert(0, str(Path(__file__).parent))
from _conformance import ROOT, Outcome, outcomes, patch, run

MODULE = "sklearn/linear_model/tests/test_logistic.py"
LIST = Path(__file__).with_suffix(".toml")


@dataclass
class Entry:
    """Patterns of the names of tests or files, with the reason why they don't apply or differ."""

    tests: list[str]
    reason: str
    found: list[str] = field(default_factory=list)

    def covers(self, name: str) -> bool:
        # A name without parameters covers all parameters. Brackets in names aren't wildcards.
        return any(
            fnmatchcase(name.replace("[", "("), pattern.replace("[", "("))
            or name.startswith(f"{pattern}[")
            for pattern in self.tests
        )


class Conformance:
    """A pytest plugin that deselects the tests that don't apply, and records the outcomes."""

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


def read_list(kind: str) -> list[Entry]:
    """Return the entries of one table array of conformance.toml."""
    table = tomllib.loads(LIST.read_text(encoding="utf-8"))
    return [Entry(**entry) for entry in table.get(kind, [])]


def table_of(plugin: Conformance) -> Table:
    """Return a table with the outcomes, and the deselected tests by reason."""
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


def needless(plugin: Conformance) -> list[str]:
    """Return a line for each deselected test that passes."""
    return [
        f"passes, but is deselected: {name}"
        for name, outcome in plugin.outcomes.items()
        if outcome == "passed" and plugin.entry_of(name) is not None
    ]


def problems(plugin: Conformance, whole: bool) -> list[str]:
    """Return a line for each failure and, if ``whole``, for each listed name without a test."""
    lines = [
        f"failed: {name}"
        for name, outcome in plugin.outcomes.items()
        if outcome == "failed" and plugin.entry_of(name) is None
    ]
    if not plugin.outcomes:
        lines.append(f"{MODULE}: no test was run")
    return [*lines, *(unknown(plugin.entries, "there is no such test") if whole else [])]


def unknown(entries: list[Entry], complaint: str) -> list[str]:
    """Return a line for each pattern of the entries that matched nothing."""
    return [
        f"{LIST.name}: {pattern}: {complaint}"
        for entry in entries
        for pattern in entry.tests
        if not any(Entry([pattern], "").covers(name) for name in entry.found)
    ]


def other_files(left_out: list[Entry]) -> list[str]:
    """Return the test files that use the class, except test_logistic.py and those left out."""
    found = []
    for path in sorted((ROOT / "sklearn").rglob("test_*.py")):
        name = str(path.relative_to(ROOT))
        if name == MODULE or "LogisticRegression" not in path.read_text():
            continue
        entry = next((entry for entry in left_out if entry.covers(name)), None)
        if entry is None:
            found.append(name)
        else:
            entry.found.append(name)
    return found


def differences(
    ours: dict[str, Outcome], theirs: dict[str, Outcome], entries: list[Entry]
) -> list[str]:
    """Record in the entries the tests that fail with our classes and pass with scikit-learn's.

    Returns
    -------
    list of str
        A line for each such test that no entry covers.
    """
    lines = []
    for name, (result, message) in ours.items():
        if result != "failed" or theirs.get(name, Outcome("passed")).result == "failed":
            continue
        entry = next((entry for entry in entries if entry.covers(name)), None)
        if entry is None:
            lines.append(f"differs: {name}: {message}")
        else:
            entry.found.append(name)
    return lines


def check_others(console: Console, only: str | None) -> list[str]:
    """Run the other test files, print a table, and return a line for each problem."""
    left_out, entries = read_list("left_out"), read_list("difference")
    options = ["-k", only] if only else []
    files = other_files(left_out)
    ours = outcomes(files, "fastclf", options)
    failed = [name for name, outcome in ours.items() if outcome.result == "failed"]
    functions = sorted({name.partition("[")[0] for name in failed})
    theirs = outcomes(functions, "scikit-learn", []) if functions else {}
    lines = differences(ours, theirs, entries)
    counts = Counter(outcome.result for outcome in ours.values())
    explained = sum(len(entry.found) for entry in entries)
    table = Table(title=f"{len(files)} other test files of scikit-learn {sklearn.__version__}")
    table.add_column("tests", justify="right")
    table.add_column("outcome")
    table.add_row(str(counts["passed"]), "passed")
    table.add_row(str(counts["skipped"]), "skipped by scikit-learn")
    same = len(failed) - explained - len(lines)
    table.add_row(str(same), "failed, with scikit-learn's classes, too")
    table.add_row(str(len(lines)), "differ, without a reason")
    for entry in entries:
        table.add_row(str(len(entry.found)), f"differ: {entry.reason}")
    for entry in left_out:
        table.add_row("", f"files left out: {', '.join(entry.found)}: {entry.reason}")
    console.print(table)
    if only is None:
        lines += unknown(entries, "there is no such difference")
        lines += unknown(left_out, "there is no such file")
    return lines


def check_module(console: Console, only: str | None, also_deselected: bool) -> list[str]:
    """Run test_logistic.py, print a table, and return a line for each problem."""
    plugin = Conformance(read_list("deselected"), also_deselected)
    patch()
    run([str(ROOT / MODULE)], ["-k", only] if only else [], plugin)
    console.print(table_of(plugin))
    for line in needless(plugin):
        console.out(line, highlight=False)
    return problems(plugin, whole=only is None)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="run the other test files instead")
    parser.add_argument(
        "--deselected",
        action="store_true",
        help="run the deselected tests, too, and name those that pass",
    )
    parser.add_argument("--only", metavar="EXPRESSION", help="run some tests, as pytest's -k does")
    given = parser.parse_args(arguments)
    console = Console()
    if given.all:
        complaints = check_others(console, given.only)
    else:
        complaints = check_module(console, given.only, given.deselected)
    for line in complaints:
        console.out(line, highlight=False)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())

"""Mutation testing: apply one mutant after the other, and check that a test fails for each.

The mutants are listed in mutants.toml. Each is applied to a copy of this checkout, where its test
files run until one fails. A test file must first pass without a mutant; that run also fills the
kernel cache, of which each mutant gets a copy. In these copies a kernel is compiled again only if a
file that it imports has changed, rather than after each change of any kernel.

Results are written after each mutant. A later run continues where the last one ended, as long as
the package and the tests are unchanged; with --work it also skips the runs without a mutant. The
exit status is 1 if a mutant survives.
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from _benchmark import RESULTS, write
from _checkout import copy_here

NAME = "mutation"

STAMPS = Path(__file__).with_name("_stamps.py")
"""Code that is appended to the ``__init__.py`` of the kernels in a copy."""


@dataclass(frozen=True)
class Mutant:
    """A change of the source text at one place; see mutants.toml for the fields."""

    name: str
    breaks: str
    old: str
    new: str
    tests: tuple[str, ...]


def read_mutants() -> tuple[dict[str, list[str]], tuple[Mutant, ...]]:
    """Return the patterns of test files by topic, and all mutants."""
    listed = tomllib.loads(Path(__file__).with_name("mutants.toml").read_text(encoding="utf-8"))
    mutants = (Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in listed["mutants"])
    return listed["topics"], tuple(mutants)


TOPICS, MUTANTS = read_mutants()


@dataclass
class Outcome:
    """The result of a test run, and the first test that failed, without its parameters."""

    result: str
    found_by: str | None
    seconds: float
    output: str


def pattern(text: str) -> re.Pattern:
    """Return a pattern that matches a text with any white space between its words."""
    return re.compile(r"\s+".join(map(re.escape, text.split())))


def place(mutant: Mutant, root: Path) -> tuple[Path, int, int]:
    """Return the file that contains the text of a mutant, and the text's start and end in it.

    Raises
    ------
    LookupError
        If the text doesn't occur exactly once.
    """
    found = [
        (path, *match.span())
        for path in sorted((root / "fastclf").rglob("*.py"))
        for match in pattern(mutant.old).finditer(path.read_text(encoding="utf-8"))
    ]
    if len(found) != 1:
        raise LookupError(f"{mutant.name}: its text is found {len(found)} times: {mutant.old}")
    return found[0]


def changed(text: str, old: str, new: str) -> str:
    """Replace in a text that matches ``old`` the words that differ between ``old`` and ``new``."""
    before, after = old.split(), new.split()
    shortest = min(len(before), len(after))
    start = 0
    while start < shortest and before[start] == after[start]:
        start += 1
    end = 0
    while end < shortest - start and before[-1 - end] == after[-1 - end]:
        end += 1
    piece = " ".join(after[start : len(after) - end])
    words = list(re.finditer(r"\S+", text))
    if start == len(words):
        return f"{text} {piece}"
    first = words[start].start()
    if start == len(words) - end:
        return f"{text[:first]}{piece} {text[first:]}"
    return text[:first] + piece + text[words[len(words) - end - 1].end() :]


def mutated(mutant: Mutant, root: Path) -> tuple[Path, str]:
    """Return the file that a mutant changes, and its changed text."""
    path, start, end = place(mutant, root)
    text = path.read_text(encoding="utf-8")
    new = changed(text[start:end], mutant.old, mutant.new)
    return path, text[:start] + new + text[end:]


def test_files(topics: Iterable[str], root: Path) -> list[str]:
    """Return the test files of topics, in the order of the topics, relative to the root.

    Raises
    ------
    LookupError
        If a topic has no test file.
    """
    tests = root / "tests"
    names = sorted(path.relative_to(tests).as_posix() for path in tests.rglob("test_*.py"))
    chosen: list[str] = []
    for topic in topics:
        found = [n for p in TOPICS[topic] for n in names if fnmatch(n, p)]
        if not found:
            raise LookupError(f"no test file is about {topic}")
        chosen += [f"tests/{name}" for name in found if f"tests/{name}" not in chosen]
    return chosen


def run_tests(
    root: Path, cache: Path, files: Iterable[str], options: Iterable[str], timeout: float
) -> Outcome:
    """Run test files of a copy until one fails, or the timeout is reached."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-rfE"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "NUMBA_CACHE_DIR": str(cache),
        "PYTHONDONTWRITEBYTECODE": "1",  # bytecode could hide a change made within one second
    }
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, *options, *files],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
        result = {0: "survived", 1: "killed", 2: "killed"}.get(process.returncode, "error")
        if process.returncode < 0:
            result = "killed"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # also the processes that tests have started
        output, _ = process.communicate()
        result = "timed out"
    seconds = time.perf_counter() - started
    first = re.search(r"^(?:FAILED|ERROR) (?:tests/)?([^\s\[]+)", output, re.MULTILINE)
    return Outcome(result, first[1] if first else None, seconds, output)


def link(source: str, target: str) -> None:
    """Link a cache file unless the target exists; Numba never writes into existing files."""
    with suppress(FileExistsError):
        os.link(source, target)


def try_mutant(
    mutant: Mutant,
    root: Path,
    base: Path,
    options: Iterable[str],
    timeout: float,
    check: Callable[[str], None],
) -> Outcome:
    """Run the test files of a mutant in a copy until one fails, then restore the copy.

    Before each test file, ``check`` is called with its name; it checks that the file passes without
    the mutant, and fills the kernel cache ``base``.
    """
    path, text = mutated(mutant, root)
    original = path.read_text(encoding="utf-8")
    cache = base.with_name("mutant-cache")
    shutil.rmtree(cache, ignore_errors=True)
    seconds = 0.0
    for file in test_files(mutant.tests, root):
        check(file)
        if base.exists():
            shutil.copytree(base, cache, copy_function=link, dirs_exist_ok=True)
        path.write_text(text, encoding="utf-8")
        try:
            outcome = run_tests(root, cache, [file], options, timeout)
        finally:
            path.write_text(original, encoding="utf-8")
        seconds += outcome.seconds
        if outcome.result != "survived":
            break
    shutil.rmtree(cache, ignore_errors=True)
    return replace(outcome, seconds=seconds)


def make_copy(folder: Path) -> tuple[Path, str]:
    """Copy this checkout; return the copy, and a hash of its package and tests."""
    root = folder / "copy"
    if root.exists():
        shutil.rmtree(root)
    copy_here(root)
    digest = hashlib.sha256()
    for part in ("fastclf", "tests"):
        for path in sorted((root / part).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    with (root / "fastclf" / "kernels" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write(STAMPS.read_text(encoding="utf-8"))
    return root, digest.hexdigest()


def mark(mutant: Mutant, options: str) -> str:
    """Return a hash of the mutant, its tests and pytest's options, by which results are kept."""
    what = mutant.old, mutant.new, mutant.tests, options
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def known(path: Path, stamp: str, part: str) -> dict[str, Any]:
    """Return one part of an earlier run's file, if the package and the tests are unchanged."""
    try:
        details = json.loads(path.read_text(encoding="utf-8"))["details"]
    except (FileNotFoundError, KeyError):
        return {}
    return details.get(part, {}) if details.get("stamp") == stamp else {}


def report(results: dict[str, dict], stamp: str, options: Any, show: bool) -> list[str]:
    """Write the results so far; return the names of the mutants that survived."""
    rows = []
    for mutant in MUTANTS:
        found = results.get(mark(mutant, options.pytest))
        if found is not None:
            rows.append({"mutant": mutant.name, "breaks": mutant.breaks, **found})
    survived = [row["mutant"] for row in rows if row["result"] == "survived"]
    killed = sum(row["result"] in ("killed", "timed out") for row in rows)
    note = (
        f"Found by a test: {killed} of {len(rows)} mutants, of {len(MUTANTS)} in the list. "
        f"Survived: {', '.join(survived) or 'none'}. Seconds are those of the test files that "
        "concern a mutant, up to the first failure, with the kernels that it makes anew."
    )
    details = {"stamp": stamp, "results": results}
    write(NAME, "Mutants that the tests find", note, rows, options.out, details, show)
    return survived


def pass_without(
    file: str, root: Path, base: Path, stamp: str, options: argparse.Namespace
) -> None:
    """Run a test file without a mutant, unless it passed before; exit the script if it fails."""
    path = base.with_name("passed.json")
    passed = known(path, stamp, "passed")
    if passed.get(file) == options.pytest:
        return
    outcome = run_tests(root, base, [file], shlex.split(options.pytest), options.timeout)
    if outcome.result != "survived":
        raise SystemExit(f"{outcome.output[-3000:]}\n{file} fails without a mutant")
    print(f"{file} passes without a mutant in {outcome.seconds:.0f} s", flush=True)
    passed[file] = options.pytest
    path.write_text(json.dumps({"details": {"stamp": stamp, "passed": passed}}))


def choose(only: list[str] | None) -> list[Mutant]:
    """Return the mutants whose names match one of the patterns; by default all."""
    chosen = [m for m in MUTANTS if any(fnmatch(m.name, p) for p in only or ["*"])]
    if not chosen:
        raise SystemExit(f"no mutant matches {' or '.join(only or [])}; --list shows them")
    return chosen


def parse() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=RESULTS, help="folder for the results")
    options.add_argument("--only", nargs="+", metavar="PATTERN", help="mutants whose names match")
    options.add_argument("--list", action="store_true", help="print the names of mutants and end")
    options.add_argument("--afresh", action="store_true", help="forget the results of the last run")
    options.add_argument("--pytest", default="", help="more options of pytest, such as '-m slow'")
    options.add_argument("--work", type=Path, help="folder for the copy and cache, to be kept")
    options.add_argument("--timeout", type=float, default=1800, help="seconds of a test file")
    return options.parse_args()


def main() -> None:
    options = parse()
    chosen = choose(options.only)
    if options.list:
        print("\n".join(f"{mutant.name}: {mutant.breaks}" for mutant in chosen))
        return
    with tempfile.TemporaryDirectory(prefix="mutants-") as temporary:
        folder = options.work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        root, stamp = make_copy(folder.resolve())
        results = {} if options.afresh else known(options.out / f"{NAME}.json", stamp, "results")
        left = [mutant for mutant in chosen if mark(mutant, options.pytest) not in results]
        try:
            for mutant in MUTANTS:
                place(mutant, root)
                test_files(mutant.tests, root)
        except LookupError as error:
            raise SystemExit(str(error)) from None
        base, pytest = folder.resolve() / "cache", shlex.split(options.pytest)
        check = partial(pass_without, root=root, base=base, stamp=stamp, options=options)
        for number, mutant in enumerate(left, 1):
            outcome = try_mutant(mutant, root, base, pytest, options.timeout, check)
            if outcome.result == "error":
                raise SystemExit(f"{outcome.output[-3000:]}\n{mutant.name}: pytest can't run")
            results[mark(mutant, options.pytest)] = {
                "result": outcome.result,
                "found by": outcome.found_by,
                "seconds": round(outcome.seconds, 1),
            }
            print(
                f"{number} of {len(left)}: {mutant.name}: {outcome.result} in "
                f"{outcome.seconds:.0f} s {outcome.found_by or ''}",
                flush=True,
            )
            report(results, stamp, options, show=False)
        survived = report(results, stamp, options, show=True)
        if any(mutant.name in survived for mutant in chosen):
            sys.exit(1)


if __name__ == "__main__":
    main()

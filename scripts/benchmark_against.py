"""Compare the speed of this checkout with that of another commit, in alternating runs.

Both versions are copied to a temporary folder, this one with its uncommitted changes. Each has its
own kernel cache. They run in turn on every row of a fixed list: fits, epochs, functions, imports,
first fits of fresh processes, and a few test files. The exit status is 1 if a row is slower by more
than 5 percent beyond noise, or if a row fails in this version only.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from _against_rows import FRESH, MEASURED, SUITE, rows_of
from _benchmark import PAUSE, parser, write
from _checkout import ROOT, copy_here, take_out
from _comparison import FEWEST, Comparison, compare, slower

TURNS = 3
"""Turns of a process before it is replaced by a new one: its memory addresses affect its speed."""

COLD = 3
"""Largest number of repetitions of a first fit with an empty kernel cache, and of test files."""


@dataclass
class Version:
    """A copy of the package, its kernel cache, and its worker process."""

    name: str
    root: Path
    cache: Path
    results: Path
    data: Path | None = None
    worker: subprocess.Popen | None = None

    def environment(self, cache: Path | None = None) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(self.root),
            "NUMBA_CACHE_DIR": str(cache or self.cache),
        }

    def start(self) -> None:
        """Start a new worker process."""
        self.worker = subprocess.Popen(
            [
                sys.executable,
                str(ROOT / "scripts" / "_against_rows.py"),
                *([str(self.data)] if self.data else []),
            ],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def check(self) -> None:
        """Exit with an error unless the worker process has imported this version."""
        package = self.answer()["package"]
        if Path(package).resolve() != (self.root / "fastclf").resolve():
            raise SystemExit(f"{self.name}: Python imported {package}")

    def send(self, **command: Any) -> None:
        print(json.dumps(command), file=self.worker.stdin, flush=True)

    def answer(self) -> dict[str, Any]:
        line = self.worker.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: the process ended")
        return json.loads(line)

    def end(self) -> None:
        if self.worker is not None:
            self.worker.stdin.close()
            self.worker.wait()
            self.worker = None

    def prints(self, program: str, empty: bool) -> float:
        """Return the number that a program prints in a new process."""
        with tempfile.TemporaryDirectory() as cache:
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", program],
                env=self.environment(Path(cache) if empty else None),
                cwd=self.results,
                capture_output=True,
                text=True,
            )
        if done.returncode:
            raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
        return float(done.stdout)

    def tests(self, name: str) -> float:
        """Return the seconds that the test files with a name take."""
        files = sorted((self.root / "tests").rglob(name))
        if not files:
            raise RuntimeError("there is no such test file")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, *map(str, files)],
            env=self.environment(),
            cwd=self.root,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(done.stdout.strip().rpartition("\n")[2])
        return seconds


@dataclass
class Times:
    """The seconds of each turn of both versions, the total seconds spent, and errors by version."""

    seconds: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    spent: list[float] = field(default_factory=lambda: [0.0, 0.0])
    errors: dict[str, str] = field(default_factory=dict)
    difference: float | None = None

    def goes_on(self, budget: float) -> bool:
        """Tell whether to measure more: too few pairs for a verdict, or budget left; no errors."""
        return not self.errors and (len(self.seconds[0]) < FEWEST or max(self.spent) < budget)


def in_turn(turn: int, versions: list[Version]) -> Iterable[tuple[int, Version]]:
    """Return the versions with their indices, in reversed order in every other turn."""
    numbered = list(enumerate(versions))
    return numbered if turn % 2 == 0 else reversed(numbered)


def difference(versions: list[Version]) -> float | None:
    """Return the largest difference between both results, relative to the largest entry of base."""
    base, here = (np.load(version.results / "result.npy") for version in versions)
    if base.shape != here.shape:
        return None
    largest = float(np.abs(base).max())
    return float(np.abs(here - base).max()) / (largest or 1.0)


def measure_within(
    names: list[str], versions: list[Version], repeats: int, budget: float
) -> dict[str, Times]:
    """Time rows in worker processes of both versions, which run side by side and take turns."""
    found = {name: Times() for name in names}
    for process in range(ceil(repeats / TURNS)):
        for version in versions:
            version.start()
        for version in versions:
            version.check()
        for name, times in found.items():
            if not times.goes_on(budget):
                continue
            for version in versions:  # in parallel, because it may compile kernels
                version.send(do="prepare", row=name, result=str(version.results / "result.npy"))
            for version in versions:
                error = version.answer().get("error")
                if error:
                    times.errors[version.name] = error
            if not times.errors:
                times.difference = difference(versions)
            for turn in range(process * TURNS, min((process + 1) * TURNS, repeats)):
                if not times.goes_on(budget):
                    break
                for i, version in in_turn(turn, versions):
                    version.send(do="time")
                    answer = version.answer()
                    times.seconds[i].append(answer["seconds"])
                    times.spent[i] += answer["spent"]
            show(name, times)
        for version in versions:
            version.end()
    return found


def measure_processes(
    run: Callable[[Version], float],
    versions: list[Version],
    repeats: int,
    budget: float,
    warm_up: bool,
) -> Times:
    """Time new processes of both versions in turn; ``warm_up`` adds an uncounted one of each."""
    times = Times()
    for turn in range(-1 if warm_up else 0, repeats):
        if not times.goes_on(budget):
            break
        for i, version in in_turn(turn, versions):
            time.sleep(PAUSE)
            started = time.perf_counter()
            try:
                seconds = run(version)
            except RuntimeError as error:
                times.errors[version.name] = str(error)
                continue
            if turn >= 0:
                times.seconds[i].append(seconds)
                times.spent[i] += time.perf_counter() - started
    return times


def measure(names: list[str], versions: list[Version], options: Any) -> dict[str, Times]:
    """Time all rows."""
    rows = MEASURED | (rows_of(options.data) if options.data else {})
    within = [name for name in names if name in rows]
    found = {}
    if within:
        found = measure_within(within, versions, options.repeats, options.budget)
    for name in names:
        if name in within:
            continue
        empty = False
        if name in FRESH:
            program, empty = FRESH[name]
            repeats = min(options.repeats, COLD) if empty else options.repeats

            def run(version: Version, program: str = program, empty: bool = empty) -> float:
                return version.prints(program, empty)
        else:
            repeats = min(options.repeats, COLD)

            def run(version: Version, file: str = name.partition(" ")[2]) -> float:
                return version.tests(file)

        found[name] = measure_processes(run, versions, repeats, options.budget, not empty)
        show(name, found[name])
    return found


def show(name: str, times: Times) -> None:
    """Print the ratio of a row so far, or its failure, to standard error."""
    state = failure(times) if times.errors else f"{compare(*times.seconds).ratio:.3f}"
    print(f"{name}: {state}", file=sys.stderr, flush=True)


def row(name: str, times: Times, found: Comparison | None) -> dict[str, Any]:
    """Return a row of the table."""
    entry: dict[str, Any] = {"what": name}
    if found is None:
        return entry | dict.fromkeys(COLUMNS) | {"verdict": failure(times)}
    figures = (
        1e3 * found.base_least,
        1e3 * found.base_median,
        1e3 * found.here_least,
        1e3 * found.here_median,
        f"{found.ratio:.3f}",
        f"{found.low:.3f} to {found.high:.3f}",
        found.pairs,
        times.difference,
    )
    return entry | dict(zip(COLUMNS, figures, strict=True)) | {"verdict": found.verdict}


COLUMNS = (
    "base least ms",
    "base median ms",
    "here least ms",
    "here median ms",
    "here / base",
    "spread",
    "pairs",
    "difference of results",
)


def failure(times: Times) -> str:
    """Return a text that names the versions in which a row fails."""
    return f"fails: {' and '.join(sorted(times.errors))}"


def everything(data: Path | None = None) -> list[str]:
    problems = rows_of(data) if data else ()
    return [*MEASURED, *FRESH, *(f"tests {name}" for name in SUITE), *problems]


def choose(only: list[str] | None, quick: bool, data: Path | None = None) -> list[str]:
    """Return the names of the rows that match a pattern; by default all, or only the fits."""
    patterns = only or (["fit *"] if quick else ["*"])
    chosen = [name for name in everything(data) if any(fnmatch(name, p) for p in patterns)]
    if not chosen:
        raise SystemExit(f"no row matches {' or '.join(patterns)}; --list shows them")
    return chosen


def conclusion(found: dict[str, Times], compared: dict[str, Comparison]) -> tuple[str, bool]:
    """Return the verdict in sentences, and whether no row is slower or fails."""
    worse = slower(compared, [name for name in compared if name.startswith("tests ")])
    failing = [name for name, times in found.items() if set(times.errors) == {"here"}]
    sentences = []
    if worse:
        sentences.append(f"Slower by more than 5 % beyond noise: {', '.join(worse)}.")
    if failing:
        sentences.append(f"Fails here alone: {', '.join(failing)}.")
    if not sentences:
        sentences.append("No row is slower by more than 5 % beyond noise.")
    return " ".join(sentences), not worse and not failing


def parse() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("revision", metavar="REV", nargs="?", help="the commit to compare with")
    options.add_argument("--only", nargs="+", metavar="PATTERN", help="rows whose names match")
    options.add_argument("--quick", action="store_true", help="fits alone, 5 timings of each")
    options.add_argument("--budget", type=float, default=60, help="seconds of a row and version")
    options.add_argument(
        "--data",
        type=Path,
        help="add fits of benchmark.py's problems and of DATA/NAME.npz",
    )
    options.add_argument("--list", action="store_true", help="print the names of the rows and end")
    options.set_defaults(out=None, repeats=None)
    given = options.parse_args()
    if given.revision is None and not given.list:
        options.error("REV is missing")
    if given.repeats is None:
        given.repeats = 5 if given.quick else 9
    return given


def main() -> None:
    options = parse()
    if options.list:
        print("\n".join(everything(options.data)))
        return
    names = choose(options.only, options.quick, options.data)
    with tempfile.TemporaryDirectory(prefix="against-") as temporary:
        folder = Path(temporary)
        commits = {"base": take_out(options.revision, folder / "base")}
        commits["here"] = copy_here(folder / "here")
        versions = []
        for name in commits:
            version = Version(
                name,
                folder / name,
                folder / f"{name}-cache",
                folder / f"{name}-out",
                options.data and options.data.resolve(),
            )
            version.cache.mkdir()
            version.results.mkdir()
            versions.append(version)
        try:
            found = measure(names, versions, options)
        finally:
            for version in versions:
                version.end()
        compared = {n: compare(*t.seconds) for n, t in found.items() if not t.errors}
        verdict, well = conclusion(found, compared)
        errors = {name: times.errors for name, times in found.items() if times.errors}
        for name, error in errors.items():
            for version, message in error.items():
                print(f"{name}: {version}: {message}", file=sys.stderr)
        write(
            "against",
            f"This checkout against {re.sub('[^ -~]', '?', options.revision)}",
            "Milliseconds of alternating runs: the least and the median of each version. The ratio "
            "is the median over pairs of turns, above 1 where this checkout is slower; the spread "
            "is an interval for it by the sign test, at 95 % from six pairs on. The difference of "
            "results is relative to the largest entry. Test files are those of each version, and "
            f"don't count. {verdict}",
            [row(name, times, compared.get(name)) for name, times in found.items()],
            options.out or folder / "out",
            details={
                "commits": commits,
                "errors": errors,
                "seconds": {
                    n: dict(zip(commits, t.seconds, strict=True)) for n, t in found.items()
                },
            },
        )
    print(verdict)
    if not well:
        sys.exit(1)


if __name__ == "__main__":
    main()

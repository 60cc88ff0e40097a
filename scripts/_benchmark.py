"""Shared code of the benchmark scripts: alternating timings, and results as JSON and Markdown."""

import argparse
import gc
import importlib.metadata
import json
import math
import multiprocessing
import os
import platform
import re
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

PAUSE = 0.25
"""Seconds to wait before each timing: BLAS threads of the last contender spin for 0.1 s."""

TURN = 0.1
"""Smallest number of seconds of a contender's turn."""

RESULTS = Path(__file__).parent.parent / "docs" / "benchmarks"

FOLDERS = ("--data", "--out", "--wheel", "--before", "--kernels")

PACKAGES = (
    "fastclf",
    "numba",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "scikit-learn-intelex",
    "snapml",
    "skglm",
    "celer",
    "liblinear-official",
    "dask",
    "distributed",
    "dask-ml",
)


def parser(description: str, data: bool = False) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks have."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--out", type=Path, default=RESULTS, help="folder for the results")
    options.add_argument("--repeats", type=int, default=9, help="timings of each contender")
    if data:
        options.add_argument(
            "--data", type=Path, help="folder with mnist.npz (X, y, X_test, y_test)"
        )
    return options


def arguments(description: str, data: bool = False) -> argparse.Namespace:
    """Parse the options that all benchmarks have."""
    return parser(description, data).parse_args()


def clock(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of a call and its result."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        started = time.perf_counter()
        result = run()
        return time.perf_counter() - started, result
    finally:
        if collecting:
            gc.enable()


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of a call, made after a pause, and its result."""
    time.sleep(PAUSE)
    return clock(run)


def turn(run: Callable[[], object]) -> float:
    """Call repeatedly for 0.1 s, at least once; return the median seconds of a call.

    The first calls after a pause are slower: caches are cold, and the processor has slowed down.
    """
    first, _ = timed(run)
    times = [first]
    while sum(times) < TURN:
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return median(times)


def alternate(
    contenders: dict[str, Callable[[], object]], repeats: int, budget: float = math.inf
) -> dict[str, float]:
    """Return the median seconds of each contender, called in turn.

    A contender that has used up its budget of seconds isn't called again. A first call of each
    isn't counted, because it may compile kernels.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        timed(run)
    for _ in range(repeats):
        for name, run in contenders.items():
            if sum(seconds[name]) < budget:
                seconds[name].append(turn(run))
    return {name: median(times) for name, times in seconds.items()}


def single(
    contenders: dict[str, Callable[[], object]], repeats: int, budget: float = math.inf
) -> dict[str, float]:
    """Return the median seconds of each contender, in single calls that alternate without pauses.

    So a call starts when the last contender's threads may still be awake, with its data in the
    caches. The first contender goes last in each round; a call of it before the first round isn't
    counted, because it may compile kernels. The end is before the first call of a contender that
    has used up its budget of seconds.
    """
    first, *others = contenders
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    contenders[first]()
    for name in islice(cycle([*others, first]), repeats * len(contenders)):
        if sum(seconds[name]) >= budget:
            break
        seconds[name].append(clock(contenders[name])[0])
    return {name: median(times) for name, times in seconds.items()}


BOTH_WAYS = (
    "Times are medians of single calls that alternate: each starts right after a call of the other "
    'package, without a pause. Columns "in a row" are medians of calls of one package after '
    f"another for {TURN:g} s (at least one), after a pause of {PAUSE:g} s. A dash: one call takes "
    "more than the budget."
)
"""What the columns of :func:`both_ways` are, for the note of a table."""


def both_ways(
    contenders: dict[str, Callable[[], object]], repeats: int, budget: float
) -> dict[str, float | None]:
    """Return columns: the milliseconds of two contenders, and the second over the first.

    They are timed in single calls that alternate, and in a row unless one call takes the budget.
    """
    ours, peer = contenders
    alone = single(contenders, repeats, budget)
    in_a_row = alternate(contenders, repeats, budget) if max(alone.values()) < budget else None
    columns: dict[str, float | None] = {}
    for seconds, how in ((alone, ""), (in_a_row, " in a row")):
        for name in contenders:
            columns[f"{name} ms{how}"] = 1e3 * seconds[name] if seconds else None
        columns[f"times faster{how}"] = seconds[peer] / seconds[ours] if seconds else None
    return columns


def means(rows: list[dict[str, Any]]) -> str:
    """Return sentences with the geometric mean and the smallest of the columns "times faster"."""
    texts = []
    for column in ("times faster", "times faster in a row"):
        found = {row["problem"]: row[column] for row in rows if row.get(column) is not None}
        if found:
            least = min(found, key=found.__getitem__)
            texts.append(
                f"{column.capitalize()}: geometric mean {geometric_mean(found.values()):.3g}, "
                f"smallest {found[least]:.3g} ({least}), over {len(found)} problems."
            )
    return " ".join(texts)


def brief(error: Exception) -> str:
    """Return the class of an error and the beginning of its message, without paths."""
    text = f"{type(error).__name__}: {error}".replace("\n", " ")
    return re.sub(r"(?<![\w/])(/[\w.+-]+){2,}", "PATH", text)[:300]


def environment() -> dict[str, str | int]:
    """Return the machine, the versions and the command."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    command = ["python", f"scripts/{Path(sys.argv[0]).name}"]
    words = sys.argv[1:]
    for i, word in enumerate(words):
        option, equals, _ = word.partition("=")
        if i and words[i - 1] in FOLDERS:
            command.append("DIR")
        elif equals and option in FOLDERS:
            command.append(f"{option}=DIR")
        else:
            command.append(shlex.quote(word))
    return {
        "command": " ".join(command),
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "python": platform.python_version(),
        **versions,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@contextmanager
def peak() -> Iterator[list[float]]:
    """Yield a list whose one entry is the largest increase of anonymous memory so far, in bytes."""
    before, most, done = anonymous(), [0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.01):
            most[0] = max(most[0], anonymous() - before)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def anonymous() -> float:
    """Return the anonymous memory of this process, in bytes."""
    text = Path("/proc/self/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith("RssAnon"))
    return 1024.0 * int(line.split()[1])


def alone(call: Callable, *arguments: object) -> Any:
    """Return the result of a call in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(call, arguments)


def write(
    name: str,
    title: str,
    note: str,
    rows: list[dict],
    out: Path,
    details: dict | None = None,
    show: bool = True,
) -> None:
    """Write the rows as ``name.json`` and ``name.md``, and print the table if ``show`` is True.

    ``details`` are written to the JSON file only.
    """
    facts = environment()
    out.mkdir(parents=True, exist_ok=True)
    contents = {"title": title, "environment": facts, "rows": rows}
    if details is not None:
        contents["details"] = details
    (out / f"{name}.json").write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
    columns = list(rows[0]) if rows else []
    lines = [f"# {title}", "", note, "", f"`{facts.pop('command')}`", ""]
    lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(row[column]) for column in columns) + " |" for row in rows]
    lines += ["", ", ".join(f"{key} {value}" for key, value in facts.items()) + ".", ""]
    text = "\n".join(lines)
    (out / f"{name}.md").write_text(text, encoding="utf-8")
    if show:
        print(text)


def cell(value: object) -> str:
    """Return a value as text for a table."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.3g}"
    return str(value)

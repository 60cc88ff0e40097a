"""What the benchmark scripts share: alternating timings, and results as JSON and Markdown."""

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

PAUSE = 0.05
"""Seconds before each timing: worker threads of the last contender still spin for a while."""

RESULTS = Path(__file__).parent.parent / "docs" / "benchmarks"


def arguments(description: str, data: bool = False) -> argparse.Namespace:
    """Parse the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the results")
    parser.add_argument("--repeats", type=int, default=9, help="timings of each contender")
    if data:
        parser.add_argument(
            "--data", type=Path, help="folder with mnist.npz (X, y, X_test, y_test)"
        )
    return parser.parse_args()


def alternate(contenders: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each contender, called in turn after a call to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run()
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(repeats):
            for name, run in contenders.items():
                time.sleep(PAUSE)
                started = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - started)
    finally:
        if collecting:
            gc.enable()
    return {name: median(times) for name, times in seconds.items()}


def environment() -> dict[str, str | int]:
    """Return the machine, the versions and the command."""
    versions = {}
    for package in ("fastclf", "numba", "numpy", "scipy", "scikit-learn", "torch"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    command = ["python", f"scripts/{Path(sys.argv[0]).name}"]
    words = sys.argv[1:]
    for i, word in enumerate(words):
        command.append("DIR" if i and words[i - 1] in ("--data", "--out") else shlex.quote(word))
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


def write(name: str, title: str, note: str, rows: list[dict], out: Path) -> None:
    """Write the rows as ``name.json`` and ``name.md`` and print the table."""
    facts = environment()
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(
        json.dumps({"title": title, "environment": facts, "rows": rows}, indent=1) + "\n"
    )
    columns = list(rows[0])
    lines = [f"# {title}", "", note, "", f"`{facts.pop('command')}`", ""]
    lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(row[column]) for column in columns) + " |" for row in rows]
    lines += ["", ", ".join(f"{key} {value}" for key, value in facts.items()) + ".", ""]
    text = "\n".join(lines)
    (out / f"{name}.md").write_text(text)
    print(text)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)

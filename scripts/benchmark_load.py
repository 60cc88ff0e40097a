"""Time default fits of fastclf and scikit-learn while other processes keep the CPUs busy."""

import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _benchmark import cell, parser, single, write
from _problems import OF_SCALED, find, forms
from sklearn.linear_model import LogisticRegression

import fastclf

NAMES = ("digits", "satimage", "tall_7")

LOADS = (0, 1, 2, 4)
"""Numbers of busy processes."""

COMPUTE = """
import os
parent = os.getppid()
while os.getppid() == parent:  # ends with its parent
    sum(range(1_000_000))
"""

STARTS = 0.5
"""Seconds until busy processes have started."""


@contextmanager
def busy(n: int) -> Iterator[None]:
    """Keep n processes computing."""
    processes = [subprocess.Popen([sys.executable, "-c", COMPUTE]) for _ in range(n)]
    try:
        time.sleep(STARTS)
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="folder with more problems, NAME.npz")
    options.add_argument("--problems", nargs="+", metavar="NAME", default=NAMES, help="only these")
    options.add_argument(
        "--budget", type=float, default=30, help="seconds of each contender and load"
    )
    given = options.parse_args()
    problems, _ = forms(find(given.data, given.problems))
    warnings.simplefilter("ignore")
    contenders = {"fastclf": fastclf.LogisticRegression, "scikit-learn": LogisticRegression}
    rows: list[dict[str, Any]] = []
    for name, make in problems.items():
        problem = make(name)
        fits = {
            who: lambda new=new, at=problem: new().fit(at.X, at.y)
            for who, new in contenders.items()
        }
        idle: dict[str, float] = {}
        for n in LOADS:
            with busy(n):
                seconds = single(fits, given.repeats, given.budget)
            idle = idle or seconds
            row = {
                **problem.size(),
                "busy processes": n,
                **{f"{who} ms": 1e3 * seconds[who] for who in fits},
                "times faster": seconds["scikit-learn"] / seconds["fastclf"],
                **{f"{who} times slower": seconds[who] / idle[who] for who in fits},
            }
            rows.append(row)
            print(", ".join(f"{key} {cell(value)}" for key, value in row.items()), flush=True)
    write(
        "load",
        "Default fits while other processes keep the CPUs busy",
        "Medians of whole fits, both packages with their defaults, of the same float64 X, in "
        "single calls that alternate. Each busy process computes on one thread without a pause; "
        "the last two columns compare with the fit of the same package without busy processes. "
        f"{OF_SCALED}",
        rows,
        given.out,
    )


if __name__ == "__main__":
    main()

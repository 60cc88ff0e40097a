"""Time a default fit by what the process did just before it: other fits, nothing, or BLAS."""

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import numpy as np
from _benchmark import PAUSE, TURN, clock, parser, turn, write
from _problems import OF_SCALED, Problem, find, forms
from sklearn.linear_model import LogisticRegression

import fastclf

NAMES = ("breast_cancer", "digits", "satimage", "electricity", "tall_binary", "dna")

SLEEP = 0.3
"""Seconds of sleep before a fit."""

SIDE = 1500
"""Rows and columns of the matrix that NumPy multiplies by itself before a fit."""


def solve(problem: Problem, options: argparse.Namespace) -> dict[str, Any]:
    """Time fits of a problem after each kind of work in turn; return a row of the table."""
    X, y = problem.X, problem.y
    square = np.random.default_rng(0).standard_normal((SIDE, SIDE))

    def fit(n_threads: int | None = None) -> None:
        fastclf.LogisticRegression(n_threads=n_threads).fit(X, y)

    alone = partial(fit, 1)
    calls: dict[str, tuple[Callable[[], object], Callable[[], None]]] = {
        "in a row": (partial(turn, fit), fit),
        "after sleep": (partial(time.sleep, SLEEP), fit),
        "after NumPy": (partial(np.matmul, square, square), fit),
        "after scikit-learn": (partial(LogisticRegression().fit, X, y), fit),
        "one thread in a row": (partial(turn, alone), alone),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    fit()  # compiles
    started = time.perf_counter()
    for _ in range(options.repeats):
        for name, (before, run) in calls.items():
            before()
            seconds[name].append(clock(run)[0])
        if time.perf_counter() - started > options.budget:
            break
    ms = {name: 1e3 * median(times) for name, times in seconds.items()}
    return {
        **problem.size(),
        **{f"{name} ms": value for name, value in ms.items()},
        "sleep / in a row": ms["after sleep"] / ms["in a row"],
        "NumPy / in a row": ms["after NumPy"] / ms["in a row"],
        "scikit-learn / in a row": ms["after scikit-learn"] / ms["in a row"],
        "rounds": len(seconds["in a row"]),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="folder with more problems, NAME.npz")
    options.add_argument("--problems", nargs="+", metavar="NAME", default=NAMES, help="only these")
    options.add_argument("--budget", type=float, default=120, help="seconds of a problem")
    given = options.parse_args()
    problems, _ = forms(find(given.data, given.problems))
    warnings.simplefilter("ignore")
    rows = [solve(make(name), given) for name, make in problems.items()]
    means = [
        f"{column} {geometric_mean([row[column] for row in rows]):.3g}"
        for column in (rows[0] if rows else ())
        if column.endswith(" / in a row")
    ]
    write(
        "calls",
        "A default fit of fastclf, by what the process did before it",
        "Medians of single fits with `fastclf.LogisticRegression()`. Before each: in a row, fits "
        f"of the same problem for {TURN:g} s (after a pause of {PAUSE:g} s); sleep, {SLEEP:g} s; "
        f"NumPy, a product of float64 matrices of {SIDE} x {SIDE}; scikit-learn, a default fit of "
        "the same problem. The latter two may leave BLAS threads awake on the CPUs that the fit "
        f"needs. The fit with one thread has `n_threads=1`. {OF_SCALED} Geometric means: "
        f"{', '.join(means)}.",
        rows,
        given.out,
    )


if __name__ == "__main__":
    main()

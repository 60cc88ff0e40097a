"""Time the first fit of a new process with an empty and a filled kernel cache, and ``--help``."""

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

from _benchmark import arguments, write

FIRST_FIT = """
import time
from sklearn.datasets import load_breast_cancer, load_digits
import fastclf, fastclf.estimators.logistic
X, y = {load}(return_X_y=True)
started = time.perf_counter()
fastclf.LogisticRegression(solver={solver!r}).fit(X, y)
print(time.perf_counter() - started)
"""


def first_fit(load: str, solver: str, cache: str) -> float:
    """Return the seconds of the first fit in a new process, without the imports."""
    code = FIRST_FIT.format(load=load, solver=solver)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    options = arguments(__doc__)
    repeats = min(options.repeats, 3)
    rows = []
    for load in ("load_breast_cancer", "load_digits"):
        for solver in ("auto", "adam"):
            empty, filled = [], []
            for _ in range(repeats):
                with tempfile.TemporaryDirectory() as cache:
                    empty.append(first_fit(load, solver, cache))
                    filled.append(first_fit(load, solver, cache))
            rows.append(
                {
                    "what": f"first fit, {load.removeprefix('load_')}, {solver}",
                    "empty cache s": median(empty),
                    "filled cache s": median(filled),
                }
            )
    times = []
    for _ in range(options.repeats):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fastclf", "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - started)
    rows.append({"what": "fastclf --help", "empty cache s": None, "filled cache s": median(times)})
    write(
        "cold_start",
        "Seconds of the first fit in a fresh process",
        "Medians, counted from the end of the imports; `--help` from the start of the process.",
        rows,
        options.out,
    )


if __name__ == "__main__":
    main()

"""Time the first fit of a process: without compiled kernels, with kept ones, and from a wheel.

``--wheel PYTHON`` names the interpreter of an environment in which a wheel of scripts/build_wheel
is installed, and ``--before DIR`` a checkout of another commit. Without them, columns are empty.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from _benchmark import parser, write

from fastclf.kernels.runtime.levels import by_name

KINDS = {
    "two classes": "LogisticRegression().fit(*two)",
    "softmax": "LogisticRegression().fit(*ten)",
    "softmax, float32": "LogisticRegression().fit(np.float32(ten[0]), ten[1])",
    "Adam": "LogisticRegression(solver='adam', random_state=0).fit(*ten)",
    "CSR": "LogisticRegression().fit(csr_array(ten[0]), ten[1])",
    "L1": "LogisticRegression(l1_ratio=1).fit(*two)",
    "multi-label": "MultiLabelLogisticRegression().fit(ten[0], np.eye(10)[ten[1]])",
    "soft targets": "LogisticRegression().fit(ten[0], np.eye(10)[ten[1]] * 0.9 + 0.01)",
    "cross-validation": "LogisticRegressionCV().fit(*two)",
    "more features than rows": "LogisticRegression().fit(wide, two[1][:200])",
}
"""What is timed, on breast_cancer (two), digits (ten) and more features than rows (wide)."""

FIT = """
import time
import numpy as np
import sklearn.linear_model, sklearn.model_selection
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_digits
from fastclf import LogisticRegression, LogisticRegressionCV, MultiLabelLogisticRegression
two, ten = load_breast_cancer(return_X_y=True), load_digits(return_X_y=True)
wide = np.random.default_rng(0).normal(size=(200, 3000))
started = time.perf_counter()
{fit}
print(time.perf_counter() - started)
"""

IMPORT = """
import time
import sklearn.linear_model
from sklearn.datasets import load_iris
X, y = load_iris(return_X_y=True)
started = time.perf_counter()
import fastclf
fastclf.LogisticRegression().fit(X, y)
print(time.perf_counter() - started)
"""

V3 = by_name("x86-64-v3").environment
"""Makes Numba take this machine for one without AVX-512."""

WAYS = ("before", "empty cache", "filled cache", "wheel", "wheel on x86-64-v3")
"""How kernels are obtained."""


def seconds(code: str, cache: str, python: str = sys.executable, **environment: str) -> float:
    """Run code in a new process; return the seconds that it prints."""
    done = subprocess.run(
        [python, "-W", "ignore", "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": cache, **environment},
        cwd=cache,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def times_of(code: str, wheel: str | None, before: Path | None) -> dict[str, float | None]:
    """Return the seconds of each way to obtain kernels, once."""
    found: dict[str, float | None] = dict.fromkeys(WAYS)
    with tempfile.TemporaryDirectory() as cache:
        found["empty cache"] = seconds(code, cache)
        found["filled cache"] = seconds(code, cache)
    others: dict[str, tuple[str, dict[str, str]]] = {}
    if before is not None:
        others["before"] = sys.executable, {"PYTHONPATH": str(before.resolve())}
    if wheel is not None:
        others["wheel"] = wheel, {"PYTHONPATH": ""}
        others["wheel on x86-64-v3"] = wheel, {"PYTHONPATH": "", **V3}
    for name, (python, environment) in others.items():
        with tempfile.TemporaryDirectory() as cache:
            found[name] = seconds(code, cache, python, **environment)
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--wheel", metavar="PYTHON", help="interpreter with the wheel installed")
    options.add_argument("--before", type=Path, metavar="DIR", help="checkout of another commit")
    options.set_defaults(repeats=3)
    options = options.parse_args()
    rows = []
    codes = {kind: FIT.format(fit=fit) for kind, fit in KINDS.items()}
    codes["import fastclf and a fit of iris"] = IMPORT
    for name, code in codes.items():
        runs = [times_of(code, options.wheel, options.before) for _ in range(options.repeats)]
        columns = {
            f"{way} s": None if runs[0][way] is None else median(run[way] for run in runs)
            for way in WAYS
        }
        rows.append({"what": name, **columns})
        print(rows[-1], flush=True)
    times = []
    for _ in range(options.repeats):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fastclf", "--help"], capture_output=True, check=True)
        times.append(time.perf_counter() - started)
    rows.append(
        dict.fromkeys(rows[0]) | {"what": "fastclf --help", "filled cache s": median(times)}
    )
    write(
        "cold_start",
        "Seconds of the first fit in a fresh process",
        "Medians. Fits are counted from the end of the imports; `import fastclf` from that of "
        "scikit-learn's linear models, and `--help` from the start of the process. The cache of "
        "compiled kernels is empty, but in one column; before is another commit with an empty one.",
        rows,
        options.out,
    )


if __name__ == "__main__":
    main()

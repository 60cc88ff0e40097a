"""Time passes over a Parquet file, against pyarrow's scan, and measure the memory of fits.

The memory is the anonymous memory of the process during a fit, above that after its imports.
"""

import multiprocessing
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from _benchmark import alternate, parser, write
from pyarrow import dataset, parquet

from fastclf import LogisticRegression
from fastclf.data import Stream
from fastclf.estimators.fitting import objective_of
from fastclf.estimators.logistic import settings_of

FEATURES, GROUP = 100, 1 << 17
FITS = {
    "newton, to the optimum": {"solver": "newton"},
    "lbfgs, 3 iterations": {"solver": "lbfgs", "max_iter": 3},
    "adam, 1 epoch": {"solver": "adam", "max_iter": 1},
}


def generate(path: str, gigabytes: float) -> None:
    """Write rows of two classes and float32 features, as pyarrow writes them by default."""
    rng = np.random.default_rng(0)
    theta = rng.normal(size=FEATURES).astype(np.float32) / 5
    rows = int(gigabytes * 1e9 / (4 * FEATURES))
    names = [f"x{j}" for j in range(FEATURES)]
    schema = pa.schema([*((name, pa.float32()) for name in names), ("y", pa.int64())])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, GROUP):
            X = rng.standard_normal((FEATURES, min(GROUP, rows - start)), dtype=np.float32)
            y = (theta @ X + rng.logistic(size=X.shape[1]) > 0).astype(np.int64)
            writer.write_table(pa.table([*X, y], schema=schema))


def passes(path: str, repeats: int) -> dict[str, float]:
    """Return the seconds of pyarrow's scans and of fastclf's passes, measured in turn."""
    clf = LogisticRegression()
    rows, problem = clf._survey(Stream(path, "y"))
    objective = objective_of(rows, problem, settings_of(clf))
    theta = np.full((FEATURES + 1, 1), 0.01)

    def scan() -> None:
        for _ in dataset.dataset(path, format="parquet").to_batches():
            pass

    def batches() -> None:
        with parquet.ParquetFile(path) as file:
            for _ in file.iter_batches():
                pass

    def read() -> None:
        for _ in rows.in_order():
            pass

    contenders: dict[str, Callable] = {
        "pyarrow's scan": scan,
        "pyarrow's iter_batches": batches,
        "rows as a matrix": read,
        "value and gradient": lambda: objective.value_and_grad(theta),
    }
    return alternate(contenders, repeats)


def fit(path: str, settings: dict) -> dict[str, float]:
    """Return the seconds, passes and megabytes of a fit."""
    with peak() as most:
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # three iterations don't converge
            fitted = LogisticRegression(random_state=0, **settings).fit(Stream(path, "y"))
        seconds = time.perf_counter() - started
    passes = float(fitted.history_["passes"][-1]) + 1  # and the pass that counts the classes
    return {"s": seconds, "passes": passes, "MB": most[0] / 1e6}


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
    text = Path("/proc/self/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith("RssAnon"))
    return 1024.0 * int(line.split()[1])


def alone(call: Callable, *arguments: object):
    """Return the result of a call in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(call, arguments)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--gigabytes", type=float, default=0.2, help="of features in the file")
    options.add_argument("--folder", type=Path, help="where the file is for a while")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        path = os.path.join(folder, "rows.parquet")
        few = os.path.join(folder, "few.parquet")
        alone(generate, few, 0.01)
        for settings in FITS.values():  # compile the kernels, which needs memory too
            alone(fit, few, settings)
        alone(generate, path, chosen.gigabytes)
        size = os.path.getsize(path) / 1e9
        times = alone(passes, path, chosen.repeats)
        fits = [(name, alone(fit, path, settings)) for name, settings in FITS.items()]
    scan = times["pyarrow's scan"]
    rows = [
        {"what": name, "s": seconds, "% of the scan's speed": 100 * scan / seconds}
        for name, seconds in times.items()
    ]
    rows += [{"what": f"fit: {name}", "% of the scan's speed": None, **f} for name, f in fits]
    columns = ("what", "s", "% of the scan's speed", "passes", "MB")
    write(
        "stream",
        f"Passes over {chosen.gigabytes:g} GB in a Parquet file",
        f"Two classes, {FEATURES} float32 columns, row groups of {GROUP} rows, a file of "
        f"{size:.2f} GB as pyarrow writes it by default, in the system's cache; medians of "
        f"{chosen.repeats} passes, each kind in turn. MB is the anonymous memory that a fit in a "
        "process of its own, with kernels compiled before, takes above what it has after its "
        "imports.",
        [{column: row.get(column) for column in columns} for row in rows],
        chosen.out,
    )


if __name__ == "__main__":
    main()

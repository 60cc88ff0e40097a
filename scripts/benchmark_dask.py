"""Time fits on a cluster of two processes on this machine, and what a pass costs the scheduler.

The parts "fits" compares with dask_ml on rows that are persisted, "overhead" times passes over tiny
partitions, and "killed" kills a worker in the middle of a fit.
"""

import logging
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import dask
import dask.array as da
import numpy as np
from _benchmark import clock, parser, write
from distributed import Client, LocalCluster, wait

import fastclf
from fastclf.dask import LogisticRegression
from fastclf.dask.futures import FuturePartitions

ROWS, FEATURES, PARTITIONS = 1_500_000, 40, 30
TINY = (10, 100, 1000, 10_000)
TIGHT = {"tol": 1e-9, "max_iter": 1000}


@contextmanager
def cluster(workers: int = 2, threads: int = 1) -> Iterator[Client]:
    """Give a client of processes."""
    how: dict[str, Any] = {"processes": True, "dashboard_address": None}
    how["threads_per_worker"] = threads
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=workers, local_directory=folder, **how) as own,
        Client(own) as client,
    ):
        yield client


def block(number: int, rows: int) -> np.ndarray:
    """Return some rows: correlated features of several scales, and a label at the end."""
    rng, same = np.random.default_rng([7, number]), np.random.default_rng(7)
    scales = np.logspace(-1, 1, FEATURES)
    mixing = np.eye(FEATURES) + same.normal(size=(FEATURES, FEATURES)) / np.sqrt(FEATURES)
    X = rng.normal(size=(rows, FEATURES)) @ mixing
    y = X @ same.normal(size=FEATURES) / 4 + 0.5 + rng.logistic(size=rows) > 0
    return np.column_stack([X * scales, y])


def persisted(client: Client, rows: int, partitions: int) -> tuple[da.Array, da.Array]:
    """Return X and y on the workers."""
    each, made = rows // partitions, dask.delayed(block)
    shape = each, FEATURES + 1
    parts = [da.from_delayed(made(i, each), shape, float) for i in range(partitions)]
    whole = da.concatenate(parts)
    X = whole[:, :FEATURES].map_blocks(np.ascontiguousarray)
    X, y = client.persist([X, whole[:, FEATURES].astype(int)])
    wait([X, y])
    return X, y


def loss(theta: np.ndarray, X: da.Array, y: da.Array) -> float:
    """Return the objective that both packages minimise, with C = 1, divided by the rows."""
    z = X @ theta[:-1] + theta[-1]
    total = (da.logaddexp(0, z) - y * z).sum().compute()
    return float(total + theta[:-1] @ theta[:-1] / 2) / len(y)


def fits(repeats: int, rows: int) -> list[dict[str, Any]]:
    """Return what fits took, and how far they are from the optimum."""
    from dask_ml.linear_model import LogisticRegression as Peer

    def ours(**settings: Any) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            clf = LogisticRegression(**settings).fit(X, y)
            return np.append(clf.coef_, clf.intercept_)

        return run

    def theirs(**settings: Any) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            clf = Peer(**settings).fit(X, y)
            return np.append(clf.coef_, clf.intercept_)

        return run

    with cluster() as client:
        X, y = persisted(client, rows, PARTITIONS)
        contenders = {
            "fastclf.dask": (ours(), repeats),
            "fastclf.dask, tol=1e-9": (ours(**TIGHT), repeats),
            "dask_ml, lbfgs, 30 iterations": (theirs(solver="lbfgs", max_iter=30), 1),
            "dask_ml, admm, 3 iterations": (theirs(solver="admm", max_iter=3), 1),
        }
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        found: dict[str, np.ndarray] = {}
        contenders["fastclf.dask"][0]()  # kernels are compiled or loaded
        for turn in range(repeats):
            for name, (run, most) in contenders.items():
                if turn < most:
                    took, found[name] = clock(run)
                    seconds[name].append(took)
        whole = X.compute(), y.compute()
        local = fastclf.LogisticRegression(**TIGHT)
        local.fit(*whole)
        took, _ = clock(lambda: fastclf.LogisticRegression().fit(*whole))
        optimum = np.append(local.coef_, local.intercept_)
        lowest = loss(optimum, X, y)
        rows_found = [
            {
                "what": name,
                "seconds": median(seconds[name]),
                "times faster": None,
                "objective above the optimum": loss(theta, X, y) - lowest,
                "largest difference to the local optimum": float(np.abs(theta - optimum).max()),
            }
            for name, theta in found.items()
        ]
        fastest = rows_found[0]["seconds"]
        for row in rows_found[2:]:
            row["times faster"] = row["seconds"] / fastest
        rows_found.append({"what": "fastclf in memory, 2 threads", "seconds": took})
        return _complete(rows_found)


def overhead(repeats: int, counts: Sequence[int]) -> list[dict[str, Any]]:
    """Return what a pass and a fit take over partitions of ten rows."""
    rows_found = []
    for threads, sizes in ((1, counts), (50, [count for count in counts if 100 <= count <= 1000])):
        rows_found += _overhead(repeats, sizes, threads)
    return rows_found


def _overhead(repeats: int, counts: Sequence[int], threads: int) -> list[dict[str, Any]]:
    rows_found = []
    with cluster(threads=threads) as client:
        for count in counts:
            X, y = persisted(client, 10 * count, count)
            passes = _Passes()
            with passes.timed():
                took, _ = clock(lambda: LogisticRegression(C=1e-3).fit(X, y))  # noqa: B023
                for _ in range(repeats - 1):
                    LogisticRegression(C=1e-3).fit(X, y)
            rows_found.append(
                {
                    "partitions": count,
                    "tasks of a pass": min(4 * threads, count),
                    "seconds of a pass": median(passes.seconds),
                    "microseconds a partition": 1e6 * median(passes.seconds) / count,
                    "seconds of a first fit": took,
                }
            )
    return rows_found


class _Passes:
    """Times the sums over all partitions, but the first of each partition's new value."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @contextmanager
    def timed(self) -> Iterator[None]:
        original = FuturePartitions.sum

        def timed(partitions: FuturePartitions, *given: Any) -> Any:
            is_first = partitions._groups is None
            started = time.perf_counter()
            found = original(partitions, *given)
            if not is_first:
                self.seconds.append(time.perf_counter() - started)
            return found

        FuturePartitions.sum = timed  # type: ignore[method-assign]
        try:
            yield
        finally:
            FuturePartitions.sum = original  # type: ignore[method-assign]


def killed(repeats: int, rows: int) -> list[dict[str, Any]]:
    """Return what fits take with a worker killed before the third pass, and with one worker."""
    rows_found: list[dict[str, Any]] = []
    coefs = []
    for workers in (2, 1):
        with cluster(workers) as client:
            X, y = persisted(client, rows, PARTITIONS)
            LogisticRegression(**TIGHT).fit(X, y)
            undisturbed = []
            for _ in range(repeats):
                took, clf = clock(lambda: LogisticRegression(**TIGHT).fit(X, y))  # noqa: B023
                undisturbed.append(took)
            coefs.append(clf.coef_)
            row = {
                "what": ("two workers", "one worker")[2 - workers],
                "seconds": median(undisturbed),
            }
            if workers == 2:
                row["seconds to load all partitions"] = clock(
                    lambda: persisted(client, rows, PARTITIONS)  # noqa: B023
                )[0]
                took, clf = clock(lambda: _with_a_kill(client, X, y))  # noqa: B023
                coefs.append(clf.coef_)
                rows_found += [row, {"what": "two workers, one is killed", "seconds": took}]
            else:
                rows_found.append(row)
    assert all(np.array_equal(coefs[0], coef) for coef in coefs), "the bits differ"
    for row in rows_found:
        row["same bits"] = "yes"
    return _complete(rows_found)


def _complete(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    columns = dict.fromkeys(column for row in rows for column in row)
    return [{column: row.get(column) for column in columns} for row in rows]


def _with_a_kill(client: Client, X: da.Array, y: da.Array) -> LogisticRegression:
    original, left = FuturePartitions.sum, [5]

    def kill(partitions: FuturePartitions, *given: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)
        return original(partitions, *given)

    FuturePartitions.sum = kill  # type: ignore[method-assign]
    try:
        return LogisticRegression(**TIGHT).fit(X, y)
    finally:
        FuturePartitions.sum = original  # type: ignore[method-assign]


def main() -> None:
    """Run the parts that are asked for, and write their results."""
    options = parser(__doc__)
    options.add_argument("--only", nargs="+", choices=("fits", "overhead", "killed"))
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--counts", type=int, nargs="+", default=TINY)
    given = options.parse_args()
    parts = given.only or ("fits", "overhead", "killed")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    if "fits" in parts:
        write(
            "dask_fits",
            "Fits on a cluster of two processes",
            f"{given.rows:,} rows of {FEATURES} features in float64, in {PARTITIONS} partitions "
            "that are persisted; C = 1, the defaults of both packages unless said otherwise. "
            "Medians of single calls that alternate; dask_ml is called once, and stopped after "
            "some iterations, for it takes minutes to its own end. The objective is the mean "
            "log loss plus the penalty; dask_ml also penalises the intercept, by next to nothing "
            "here. Times faster is over the first row.",
            fits(given.repeats, given.rows),
            given.out,
        )
    if "overhead" in parts:
        write(
            "dask_overhead",
            "What a pass costs a Dask scheduler",
            f"Partitions of 10 rows and {FEATURES} features, on two workers of one thread, or of "
            "50 for the rows with more tasks (on two cores). A pass is a median over the passes "
            "of several fits; the first fit has all of its tasks: to read, to count, "
            "and to make the objectives.",
            overhead(given.repeats, given.counts),
            given.out,
        )
    if "killed" in parts:
        write(
            "dask_killed",
            "Fits in which a worker is killed",
            f"{given.rows:,} rows of {FEATURES} features, {PARTITIONS} partitions, tol=1e-9; a "
            "worker is killed before the third pass of the solver, and the nanny starts another. "
            "All fits give the same bits.",
            killed(given.repeats, given.rows),
            given.out,
        )


if __name__ == "__main__":
    main()

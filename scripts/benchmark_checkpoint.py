"""Time minibatch training with and without checkpoints, on data of MNIST's size."""

import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from _benchmark import parser, write

import fastclf
from fastclf.config import CheckpointTable
from fastclf.runs.checkpoint import Checkpoints
from fastclf.runs.interrupt import Interrupt
from fastclf.runs.keeper import RunKeeper
from fastclf.solvers import Adam, keeping

ROWS, FEATURES, CLASSES, BATCH = 60_000, 784, 10, 256


class TimedKeeper(RunKeeper):
    """A keeper that measures the seconds spent on checkpoints."""

    seconds = 0.0

    def look(self, iteration: int, take: object) -> None:
        started = time.perf_counter()
        super().look(iteration, take)
        self.seconds += time.perf_counter() - started


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.random((ROWS, FEATURES), dtype=np.float32)
    X *= rng.random((ROWS, FEATURES), dtype=np.float32) < 0.2
    scores = X @ rng.normal(size=(FEATURES, CLASSES)).astype(np.float32)
    return X, (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


def keeper(folder: Path, table: CheckpointTable) -> TimedKeeper:
    return TimedKeeper(
        Checkpoints(folder / "checkpoint", table.keep),
        table,
        Interrupt(),
        current_warnings=list,
        on_start=lambda steps: None,
        on_damaged=print,
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--epochs", type=int, default=500, help="of each fit")
    options.add_argument("--folder", type=Path, help="where checkpoints are written for a while")
    chosen = options.parse_args()
    X, y = data()
    solver = Adam(batch_size=BATCH)
    tables = {
        "none": None,
        "the default, every 10 s": CheckpointTable(),
        "every second": CheckpointTable(every_seconds=1.0),
        "every epoch": CheckpointTable(every_epochs=1),
    }
    fastclf.LogisticRegression(solver=solver, max_iter=1).fit(X[:2000], y[:2000])
    seconds: dict[str, list[float]] = {name: [] for name in tables}
    inside: dict[str, list[float]] = {name: [] for name in tables}
    counts: dict[str, int] = {}
    sizes: dict[str, int] = {}
    results = set()
    for _ in range(chosen.repeats):
        for name, table in tables.items():
            clf = fastclf.LogisticRegression(
                solver=solver, max_iter=chosen.epochs, tol=0, random_state=0
            )
            with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
                watching = None if table is None else keeper(Path(folder), table)
                started = time.perf_counter()
                if watching is None:
                    clf.fit(X, y)
                else:
                    with keeping(watching):
                        clf.fit(X, y)
                seconds[name].append(time.perf_counter() - started)
                inside[name].append(0.0 if watching is None else watching.seconds)
                files = list((Path(folder) / "checkpoint").glob("*"))
                counts[name] = max((int(path.stem) for path in files), default=0)
                sizes[name] = max((path.stat().st_size for path in files), default=0)
            results.add(clf.coef_.tobytes())
    assert len(results) == 1, "checkpoints change the coefficients"
    without = median(seconds["none"])
    rows = [
        {
            "checkpoints": name,
            "written": counts[name],
            "KB each": sizes[name] / 1e3,
            "s / fit": median(seconds[name]),
            "s in checkpoints": median(inside[name]),
            "% of the fit": 100 * median(inside[name]) / median(seconds[name]),
            "% longer": 100 * (median(seconds[name]) / without - 1),
        }
        for name in tables
    ]
    write(
        "checkpoint",
        f"Checkpoints in {chosen.epochs} epochs of minibatch training",
        f"Adam on {ROWS} x {FEATURES} float32 numbers, {CLASSES} classes, batches of {BATCH}; "
        f"medians of {chosen.repeats} fits, each kind in turn. Each checkpoint is two files that "
        "are on the disk before the fit goes on. All fits end with the same bits.",
        rows,
        chosen.out,
    )


if __name__ == "__main__":
    main()

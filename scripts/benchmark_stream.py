"""Time passes over files, against reading them alone, and measure the memory of fits.

The part "dense" is about numbers in a Parquet file, "sparse" about wide categories in a Parquet
file and about svmlight. The memory is the anonymous memory of the process during a fit, above that
after its imports.
"""

import os
import tempfile
import time
import warnings
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from _benchmark import alone, alternate, parser, peak, write
from pyarrow import dataset, parquet

from fastclf import LogisticRegression
from fastclf.data import Stream
from fastclf.data.column_tallies import EncoderTally
from fastclf.estimators.fitting import objective_of
from fastclf.estimators.logistic import settings_of
from fastclf.preprocessing import CategoricalColumn, Encoder

FEATURES, GROUP = 100, 1 << 17
COLUMNS, CATEGORIES = 20, 2500
WORDS, VOCABULARY = 60, 50_000
FITS = {
    "newton, to the optimum": {"solver": "newton"},
    "lbfgs, 3 iterations": {"solver": "lbfgs", "max_iter": 3},
    "adam, 1 epoch": {"solver": "adam", "max_iter": 1},
}
SPARSE_FITS = {
    "lbfgs, 3 iterations": {"solver": "lbfgs", "max_iter": 3},
    "adam, 1 epoch": {"solver": "adam", "max_iter": 1},
}
ABOUT = (
    "in the system's cache; medians of {} passes, each kind in turn. MB is the anonymous memory "
    "that a fit in a process of its own, with kernels compiled before, takes above what it has "
    "after its imports."
)


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


def write_categories(path: str, gigabytes: float) -> None:
    """Write columns of text, each of some thousand categories, and a label that follows some."""
    rng = np.random.default_rng(0)
    names = np.array([f"value {j}" for j in range(CATEGORIES)])
    effects = rng.normal(size=(COLUMNS, CATEGORIES))
    rows = int(gigabytes * 1e9 / (12 * COLUMNS))  # a value of 8 bytes and an index of 4 in memory
    columns = [(f"x{j}", pa.dictionary(pa.int32(), pa.string())) for j in range(COLUMNS)]
    schema = pa.schema([*columns, ("y", pa.int64())])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, GROUP):
            n = min(GROUP, rows - start)
            codes = (CATEGORIES * rng.random((COLUMNS, n)) ** 3).astype(np.int32)
            z = effects[np.arange(COLUMNS)[:, None], codes].sum(axis=0) / 3
            y = (z + rng.logistic(size=n) > 0).astype(np.int64)
            arrays = [pa.DictionaryArray.from_arrays(column, names) for column in codes]
            writer.write_table(pa.table([*arrays, y], schema=schema))


def write_words(path: str, gigabytes: float) -> None:
    """Write rows of svmlight, such as counts of words: few of many features."""
    rng = np.random.default_rng(0)
    effects = rng.normal(size=VOCABULARY)
    rows = int(gigabytes * 1e9 / (12 * WORDS))
    with open(path, "w", encoding="ascii") as file:
        for _ in range(0, rows, 1024):
            words = np.sort((VOCABULARY * rng.random((1024, WORDS)) ** 3).astype(int), axis=1)
            words += np.arange(WORDS)  # so that none comes twice
            counts = rng.integers(1, 4, size=words.shape)
            z = effects[words % VOCABULARY].sum(axis=1) / 3
            y = np.where(z + rng.logistic(size=1024) > 0, 1, -1)
            for label, places, values in zip(y, words + 1, counts, strict=True):
                entries = " ".join(map("{}:{}".format, places.tolist(), values.tolist()))
                file.write(f"{label} {entries}\n")


def stream_of(path: str) -> Stream:
    """Return the stream of a file, with an encoder if it has categories."""
    if path.endswith(".svmlight"):
        return Stream(path, n_features=VOCABULARY + WORDS)
    names = [name for name in parquet.read_schema(path).names if name != "y"]
    if len(names) != COLUMNS:
        return Stream(path, "y")
    stream = Stream(path, "y", encoder=Encoder(tuple(CategoricalColumn(n, ()) for n in names)))
    tally = EncoderTally(names, set(names))
    for rows in stream.tables_in_order():
        tally.add(rows.table)
    return stream.encoded(tally.encoder())


def passes(path: str, repeats: int) -> dict[str, float]:
    """Return the seconds of pyarrow's scans and of fastclf's passes, measured in turn."""
    clf = LogisticRegression()
    rows, problem = clf._survey(stream_of(path))
    objective = objective_of(rows, problem, settings_of(clf))
    theta = np.full((rows.shape[1] + 1, 1), 0.01)

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
    if path.endswith(".svmlight"):
        contenders = dict(list(contenders.items())[2:])
    return alternate(contenders, repeats)


def fit(path: str, settings: dict) -> dict[str, float]:
    """Return the seconds, passes and megabytes of a fit."""
    with peak() as most:
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # three iterations don't converge
            fitted = LogisticRegression(random_state=0, **settings).fit(stream_of(path))
        seconds = time.perf_counter() - started
    passes = float(fitted.history_["passes"][-1]) + 1  # and the pass that counts the classes
    return {"s": seconds, "passes": passes, "MB": most[0] / 1e6}


def dense(chosen: Namespace, folder: str) -> None:
    """Measure numbers in a Parquet file."""
    path, few = (os.path.join(folder, name) for name in ("rows.parquet", "few.parquet"))
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
        f"{size:.2f} GB as pyarrow writes it by default, {ABOUT.format(chosen.repeats)}",
        [{column: row.get(column) for column in columns} for row in rows],
        chosen.out,
    )


def sparse(chosen: Namespace, folder: str) -> None:
    """Measure wide categories in a Parquet file, and svmlight."""
    found = []
    kinds = {"categories.parquet": write_categories, "words.svmlight": write_words}
    for name, make in kinds.items():
        path, few = os.path.join(folder, name), os.path.join(folder, f"few {name}")
        alone(make, few, 0.005)
        for settings in SPARSE_FITS.values():
            alone(fit, few, settings)
        alone(make, path, chosen.gigabytes)
        times = alone(passes, path, chosen.repeats)
        read = times["rows as a matrix"]
        for what, seconds in times.items():
            share = 100 * read / seconds if what == "value and gradient" else None
            found.append({"file": name, "what": what, "s": seconds, "% of reading's speed": share})
        for what, settings in SPARSE_FITS.items():
            found.append({"file": name, "what": f"fit: {what}", **alone(fit, path, settings)})
        for old in (path, few):
            os.remove(old)
    columns = ("file", "what", "s", "% of reading's speed", "passes", "MB")
    write(
        "stream_sparse",
        f"Passes over sparse rows, of {chosen.gigabytes:g} GB in memory each",
        f"Two classes. `categories.parquet` has {COLUMNS} columns of text with {CATEGORIES} "
        f"categories each, of which an encoder makes CSR rows in float64; `words.svmlight` has "
        f"{WORDS} entries in each row and {VOCABULARY} features. "
        f'Files are read {ABOUT.format(chosen.repeats)} "rows as a matrix" is reading alone.',
        [{column: row.get(column) for column in columns} for row in found],
        chosen.out,
    )


PARTS = {"dense": dense, "sparse": sparse}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--gigabytes", type=float, default=0.2, help="of features in the file")
    options.add_argument("--folder", type=Path, help="where the file is for a while")
    options.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    chosen = options.parse_args()
    for name in chosen.only:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            PARTS[name](chosen, folder)


if __name__ == "__main__":
    main()

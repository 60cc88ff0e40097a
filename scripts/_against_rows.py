"""The rows that ``benchmark_against.py`` measures, and the worker process that times them.

The code uses public names of fastclf only, so it runs on old and new versions. Each worker process
has one version on PYTHONPATH. It reads commands from standard input, one JSON object per line, and
answers each with one.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from _benchmark import turn
from _problems import PROBLEMS, QUICK, Make, choose, generated
from sklearn.datasets import load_digits

import fastclf
from fastclf import functional as F
from fastclf.solvers import SGD, Adam

Run = Callable[[], np.ndarray]
"""A call to be timed, which returns its result as an array."""

SEARCHED = ("digits", "magic_telescope", "satimage")
"""Dense problems of ``benchmark.py`` with a row for a cross-validation."""

PRECISE = ("letter", "pendigits", "satimage", "adult_raw", "bank_marketing", "spambase", "usps")
"""Those with a row for a fit to a small tolerance, beside the quick ones."""


@cache
def text(n: int, d: int, K: int) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    """Return sparse rows of norm 1 like those of documents, and labels that depend on all words.

    Words are drawn by Zipf's law; a row has about 40 different ones.
    """
    rng = np.random.default_rng(0)
    chances = 1 / np.arange(10, d + 10)
    lengths = np.maximum(rng.lognormal(np.log(50), 0.6, n), 5).astype(int)
    words = rng.choice(d, lengths.sum(), p=chances / chances.sum())
    rows = np.repeat(np.arange(n), lengths)
    X = scipy.sparse.coo_array((np.ones(len(words)), (rows, words)), shape=(n, d)).tocsr()
    X.data /= np.repeat(np.sqrt(X.multiply(X).sum(axis=1)), np.diff(X.indptr))
    Z = 4 * (X @ rng.standard_normal((d, K)))
    return X, (Z + rng.gumbel(size=Z.shape)).argmax(axis=1)


@cache
def rows_and_logits(n: int, d: int, K: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random features, and logits with a standard deviation of 2."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    return X, X @ rng.standard_normal((d, K)) * (2 / np.sqrt(d))


def coefficients(model: Any) -> np.ndarray:
    return np.concatenate([np.ravel(model.coef_), np.ravel(model.intercept_)])


def fitting(X: Any, y: np.ndarray, new: Any = None, **parameters: Any) -> Run:
    """Return a call that fits an estimator and returns its coefficients."""
    new = new or fastclf.LogisticRegression
    return lambda: coefficients(new(**parameters).fit(X, y))


def on_problem(make: Make, name: str, new: Any = None, **parameters: Any) -> Run:
    """Return a fit of a problem of ``benchmark.py``, without labels that are constant."""
    problem = make(name)
    y = problem.y
    if y.ndim == 2:
        y = np.ascontiguousarray(y[:, y.min(axis=0) < y.max(axis=0)])
    return fitting(problem.X, y, new, **parameters)


def rows_of(folder: Path | None) -> dict[str, Callable[[], Run]]:
    """Return fits of the problems of ``benchmark.py``: bundled, generated, and from a folder."""
    rows: dict[str, Callable[[], Run]] = {}
    for is_sparse in (False, True):
        for name, make in choose(folder, None, False, False, is_sparse).items():
            rows[f"default {name}"] = partial(on_problem, make, name)
            if is_sparse or name in (*QUICK, *PRECISE):
                rows[f"tol 1e-8 {name}"] = partial(
                    on_problem, make, name, tol=1e-8, max_iter=10_000
                )
            if is_sparse or name in QUICK:
                rows[f"L1 {name}"] = partial(on_problem, make, name, l1_ratio=1.0)
            if name in SEARCHED:
                rows[f"CV {name}"] = partial(on_problem, make, name, CV, Cs=5)
        for name, make in choose(folder, None, False, True, is_sparse).items():
            rows[f"labels {name}"] = partial(
                on_problem, make, name, fastclf.MultiLabelLogisticRegression
            )
    return rows


def bundled(name: str, new: Any = None, **parameters: Any) -> Run:
    problem = PROBLEMS[name](name)
    return fitting(problem.X, problem.y, new, **parameters)


def made(n: int, d: int, K: int, **parameters: Any) -> Run:
    problem = generated(n, d, K, "made")
    return fitting(problem.X, problem.y, **parameters)


def sparse(n: int, d: int, K: int, **parameters: Any) -> Run:
    return fitting(*text(n, d, K), **parameters)


def labels(stored: bool) -> Run:
    """Return a call that fits ten labels, to dense rows or (if ``stored``) to sparse ones."""
    X, logits = rows_and_logits(4000, 40, 10)
    if stored:
        X = text(4000, 5000, 2)[0]
        logits = 4 * (X @ np.random.default_rng(1).standard_normal((X.shape[1], 10))) - 1
    Y = (logits + np.random.default_rng(2).logistic(size=logits.shape) > 0).astype(int)
    return fitting(X, Y, fastclf.MultiLabelLogisticRegression)


def soft_targets() -> Run:
    X, logits = rows_and_logits(5000, 30, 5)
    return fitting(X, F.softmax(logits))


def epoch(solver: Any, stored: bool = False) -> Run:
    """Return a call that fits one epoch in float32, on digits or (if ``stored``) on sparse rows."""
    X, y = text(10_000, 5000, 4) if stored else load_digits(return_X_y=True)
    X = (X if stored else np.tile(X / 16, (5, 1))).astype(np.float32)
    y = y if stored else np.tile(y, 5)
    return fitting(X, y, solver=solver(batch_size=256), max_iter=1, tol=0, random_state=0)


def logits(n: int, K: int) -> np.ndarray:
    return (3 * np.random.default_rng(0).standard_normal((n, K))).astype(np.float32)


def function(name: str, n: int, K: int) -> Run:
    """Return a call of a function of `fastclf.functional` on logits, with ``out=``."""
    z = logits(n, K)
    out = np.empty_like(z)
    return partial(getattr(F, name), z, out=out)


def loss(name: str, n: int, K: int, targets: str) -> Run:
    """Return a call that computes the value and gradient of a loss, and returns the gradient."""
    z = logits(n, K)
    rng = np.random.default_rng(1)
    y: np.ndarray
    if targets == "hard":
        y = rng.integers(0, K, n)
    elif targets == "soft":
        y = F.softmax(rng.standard_normal((n, K)).astype(np.float32))
    else:
        y = rng.integers(0, 2, (n, K)).astype(np.float32)
    out = np.empty_like(z)
    compute = getattr(F, name)
    return lambda: compute(z, y, out=out)[1]


def predicting(X: Any, y: np.ndarray, rows: Any) -> Run:
    return partial(fastclf.LogisticRegression(max_iter=5).fit(X, y).predict_proba, rows)


def digits_predicting(n: int) -> Run:
    X, y = load_digits(return_X_y=True)
    return predicting(X, y, np.tile(X, (n // len(X) + 1, 1))[:n])


def text_predicting() -> Run:
    X, y = text(10_000, 5000, 4)
    return predicting(X, y, X)


CV = partial(fastclf.LogisticRegressionCV, cv=5, scoring="accuracy", use_legacy_attributes=False)

MEASURED: dict[str, Callable[[], Run]] = {
    "fit iris": partial(bundled, "iris"),
    "fit breast_cancer": partial(bundled, "breast_cancer"),
    "fit breast_cancer scaled": partial(bundled, "breast_cancer_scaled"),
    "fit digits": partial(bundled, "digits"),
    "fit digits scaled, L1": partial(bundled, "digits_scaled", l1_ratio=1.0),
    "fit wide 300 x 2000, L1": partial(made, 300, 2000, 2, l1_ratio=1.0),
    "fit tall 50000 x 30": partial(made, 50_000, 30, 2),
    "fit sparse, 2 classes": partial(sparse, 10_000, 5000, 2),
    "fit sparse, 4 classes": partial(sparse, 10_000, 5000, 4),
    "fit sparse, 2 classes, L1": partial(sparse, 10_000, 5000, 2, l1_ratio=1.0),
    "fit 10 labels": partial(labels, False),
    "fit 10 labels, sparse": partial(labels, True),
    "fit CV breast_cancer": partial(bundled, "breast_cancer", CV, Cs=5),
    "fit soft targets": soft_targets,
    "fit 100 classes x 200": partial(made, 4000, 200, 100),
    "epoch Adam": partial(epoch, Adam),
    "epoch SGD": partial(epoch, SGD),
    "epoch Adam, sparse": partial(epoch, Adam, stored=True),
    "kernel softmax 100000 x 10": partial(function, "softmax", 100_000, 10),
    "kernel softmax 1000 x 1000": partial(function, "softmax", 1000, 1000),
    "kernel log_softmax 100000 x 10": partial(function, "log_softmax", 100_000, 10),
    "kernel sigmoid 100000 x 10": partial(function, "sigmoid", 100_000, 10),
    "kernel cross entropy 200000 x 2": partial(loss, "cross_entropy_with_grad", 200_000, 2, "hard"),
    "kernel cross entropy 100000 x 10": partial(
        loss, "cross_entropy_with_grad", 100_000, 10, "hard"
    ),
    "kernel cross entropy 100000 x 10, soft": partial(
        loss, "cross_entropy_with_grad", 100_000, 10, "soft"
    ),
    "kernel cross entropy 1000 x 1000": partial(
        loss, "cross_entropy_with_grad", 1000, 1000, "hard"
    ),
    "kernel binary cross entropy 100000 x 10": partial(
        loss, "binary_cross_entropy_with_grad", 100_000, 10, "labels"
    ),
    "kernel predict_proba 1 row": partial(digits_predicting, 1),
    "kernel predict_proba 50000 rows": partial(digits_predicting, 50_000),
    "kernel predict_proba sparse": text_predicting,
}
"""The rows that are timed within a worker: each function prepares the data and returns the call."""

FIRST_FIT = """
import time
from sklearn.datasets import {load}
import fastclf
fastclf.LogisticRegression
X, y = {load}(return_X_y=True)
started = time.perf_counter()
fastclf.LogisticRegression().fit(X, y)
print(time.perf_counter() - started)
"""

IMPORT = """
import time
started = time.perf_counter()
import fastclf
{then}
print(time.perf_counter() - started)
"""

FRESH: dict[str, tuple[str, bool]] = {
    "import fastclf": (IMPORT.format(then=""), False),
    "import LogisticRegression": (IMPORT.format(then="fastclf.LogisticRegression"), False),
    "first fit breast_cancer, warm": (FIRST_FIT.format(load="load_breast_cancer"), False),
    "first fit digits, warm": (FIRST_FIT.format(load="load_digits"), False),
    "first fit breast_cancer, cold": (FIRST_FIT.format(load="load_breast_cancer"), True),
    "first fit digits, cold": (FIRST_FIT.format(load="load_digits"), True),
}
"""Programs that print seconds in a fresh process, each with whether its kernel cache is empty."""

SUITE = ("test_line_search.py", "test_pairs.py", "test_functional.py")
"""Names of test files to time, wherever they are under ``tests/`` of each version."""


def serve(folder: Path | None) -> None:
    """Answer commands: ``prepare`` a row and save its result, or ``time`` it for one turn."""
    rows = MEASURED | rows_of(folder)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # other output must not mix with answers
    warnings.simplefilter("ignore")
    run: Run | None = None
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, Any] = {}
        try:
            if command["do"] == "prepare":
                run = None  # frees the data of the previous row
                run = rows[command["row"]]()
                np.save(Path(command["result"]), run())
            else:
                started = time.perf_counter()
                answer["seconds"] = turn(run)
                answer["spent"] = time.perf_counter() - started
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    print(json.dumps({"package": str(Path(fastclf.__file__).parent)}), flush=True)
    serve(Path(sys.argv[1]) if len(sys.argv) > 1 else None)

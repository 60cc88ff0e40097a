"""Several processes of pytest-xdist that share one cache of compiled kernels."""

import warnings
from itertools import product
from typing import Any

import numpy as np
import scipy.sparse

from fastclf import (
    DistilledClassifier,
    LogisticRegression,
    MultiLabelLogisticRegression,
    threads,
)

MOST = 4  # each takes up to 2 GB, and compiles in its first minute what the others need, too


def number(arguments: list[str]) -> int:
    """Return the number of processes: 0, none but this one, where all arguments are files or tests.

    Parameters
    ----------
    arguments : list of str
        Folders, files and tests that pytest was asked for.
    """
    if all("::" in argument or argument.endswith(".py") for argument in arguments):
        return 0
    return min(threads.available_cpus(), MOST)


def compile_common_kernels(worker: int, workers: int) -> None:
    """Fit small problems, whose kernels most tests need; other processes begin with others.

    Without this all processes would compile the same kernels in their first minute.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y, Y = X[:, :3].argmax(axis=1), (X[:, :3] > 0).astype(np.int64)
    kinds: dict[Any, np.ndarray] = {
        LogisticRegression(): y,
        MultiLabelLogisticRegression(): Y,
        LogisticRegression(l1_ratio=0.5): y,
        LogisticRegression(solver="adam"): y,
        MultiLabelLogisticRegression(solver="lbfgs"): np.tile(Y, 5),
        MultiLabelLogisticRegression(solver="adam"): Y,
        DistilledClassifier(LogisticRegression()): y,
        LogisticRegression(solver="sgd"): Y[:, 0],
    }
    fits = [
        (estimator, rows, targets)
        for (estimator, targets), rows in product(
            kinds.items(), (X, X.astype(np.float32), scipy.sparse.csr_array(X))
        )
    ]
    start = worker * len(fits) // workers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few iterations don't converge, nor need they
        for estimator, rows, targets in fits[start:] + fits[:start]:
            estimator.fit(rows, targets)

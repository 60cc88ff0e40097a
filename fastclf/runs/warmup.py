"""Filling the cache of compiled kernels, so that the first fit needn't compile them."""

import warnings
from collections.abc import Iterator
from itertools import product
from time import perf_counter

import numpy as np

from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.multilabel import MultiLabelLogisticRegression


def warm_up() -> Iterator[tuple[str, float]]:
    """Fit a tiny problem of every kind; yield its description and the seconds that it took."""
    X = np.random.default_rng(0).normal(size=(60, 4))
    indicators = (X[:, :3] > 0).astype(np.int64)
    problems = {
        "binary": (LogisticRegression(), indicators[:, 0]),
        "multiclass": (LogisticRegression(), X[:, :3].argmax(axis=1)),
        "multi-label": (MultiLabelLogisticRegression(), indicators),
    }
    for (task, (estimator, y)), dtype, solver in product(
        problems.items(), ("float32", "float64"), ("auto", "adam")
    ):
        start = perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two iterations don't converge
            estimator.set_params(solver=solver, max_iter=2)
            estimator.fit(X.astype(dtype), y).predict_proba(X.astype(dtype))
        yield f"{task}, {dtype}, {solver}", perf_counter() - start

"""Small fits that together use every kernel, so that all can be compiled ahead.

Which kernels a fit uses follows from its kind, dtype and storage, and from its size by way of the
table of costs. So each problem here is fitted with several tables, which take its few rows for a
large problem. A fit may end before it converges: what counts is that it ran.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from fastclf import functional as F
from fastclf import threads
from fastclf.estimators.calibration import TemperatureScaler
from fastclf.estimators.cross_validated import LogisticRegressionCV
from fastclf.estimators.distilled import DistilledClassifier
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.multilabel import MultiLabelLogisticRegression
from fastclf.estimators.multilabel_cross_validated import MultiLabelLogisticRegressionCV
from fastclf.plan import MEASURED, Costs, using
from fastclf.solvers import SGD, Adam, AdamW


class Workload(NamedTuple):
    """Fits of one kind, dtype and storage.

    Parameters
    ----------
    name : str
        Such as "multiclass, float32, CSR".
    run : callable
        Takes a table of costs.
    """

    name: str
    run: Callable[[Costs], None]


_IN_PYTHON = replace(MEASURED, small_pass=0, tiny_pass=0, proximal_coefficients=0)
_BY_TILES = replace(_IN_PYTHON, few_features=0, few_features_l1=0, hessian_along=0)
_BY_BLAS = replace(_BY_TILES, many_columns=1, whole_hessian=0, whole_hessian_l1=0)

TABLES = (
    MEASURED,
    _IN_PYTHON,
    _BY_TILES,
    _BY_BLAS,
    replace(_BY_TILES, float32_columns=1, float32_features=1, float32_work=0),
    replace(_BY_TILES, full_matrix=1, matrix_room=0, matrix_room_l1=0, sparse_work=0),
    replace(_IN_PYTHON, dense_entries=0, few_labels=1 << 30, label_block=1, sparse_work=0),
    replace(MEASURED, few_labels=1, span_rows=1 << 20, span_features=1),
)
"""Tables that together lead to every kernel."""

_DTYPES = (np.float32, np.float64)
_ROWS, _FEATURES, _CLASSES = 60, 5, 3


def workloads() -> list[Workload]:
    """Return all workloads; those that people need most often come first."""
    found = []
    for storage, dtype, kind in product(("dense", "CSR"), _DTYPES, _KINDS):
        name = f"{kind}, {np.dtype(dtype).name}, {storage}"
        found.append(Workload(name, partial(_fit_kind, kind, np.dtype(dtype), storage)))
    for dtype in _DTYPES:
        name = f"functional, {np.dtype(dtype).name}"
        found.append(Workload(name, partial(_call_functions, np.dtype(dtype))))
    return [*found, Workload("threads", _share)]


def _fit_kind(kind: str, dtype: np.dtype, storage: str, costs: Costs) -> None:
    X = _rows(dtype)
    rows = scipy.sparse.csr_array(np.where(np.abs(X) > 0.5, X, 0)) if storage == "CSR" else X
    with warnings.catch_warnings(), using(costs):
        warnings.simplefilter("ignore")  # fits may end before they converge
        for estimator, arguments in _KINDS[kind](X):
            estimator.fit(rows, *arguments).predict_proba(rows)


def _rows(dtype: np.dtype) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(_ROWS, _FEATURES)).astype(dtype)


def _classes(X: np.ndarray) -> np.ndarray:
    return (X[:, :_CLASSES] + X[::-1, 1 : _CLASSES + 1]).argmax(axis=1)


def _indicators(X: np.ndarray) -> np.ndarray:
    return (X[:, :_CLASSES] + X[::-1, 1 : _CLASSES + 1] > 0).astype(np.int64)


Fits = Iterator[tuple[Any, tuple[Any, ...]]]
"""Estimators, and the arguments of ``fit`` that follow X."""


def _solved(new: Callable[..., Any], *arguments: Any, l1: bool = True) -> Fits:
    for solver in ("auto", "newton", "lbfgs"):
        yield new(solver=solver, max_iter=3), arguments
    for ratio in (0.5, 1.0) if l1 else ():
        yield new(l1_ratio=ratio, max_iter=3), arguments
    for minibatch in (SGD, Adam, AdamW):
        yield new(solver=minibatch(batch_size=32), max_iter=1), arguments


def _binary(X: np.ndarray) -> Fits:
    yield from _solved(LogisticRegression, _indicators(X)[:, 0])
    yield LogisticRegressionCV(Cs=2, cv=2, max_iter=3), (_indicators(X)[:, 0],)
    yield LogisticRegression(solver="liblinear"), (_indicators(X)[:, 0],)


def _multiclass(X: np.ndarray) -> Fits:
    yield from _solved(LogisticRegression, _classes(X))
    yield LogisticRegressionCV(Cs=2, cv=2, max_iter=3), (_classes(X),)


def _multi_label(X: np.ndarray) -> Fits:
    yield from _solved(MultiLabelLogisticRegression, _indicators(X), l1=False)
    yield MultiLabelLogisticRegressionCV(Cs=2, cv=2, max_iter=3), (_indicators(X),)
    weights = np.linspace(1, 2, _ROWS)
    for Y, *more in ((_indicators(X), weights), (F.sigmoid(X[:, :_CLASSES]),)):
        yield MultiLabelLogisticRegression(max_iter=3), (Y, *more)


def _soft(X: np.ndarray) -> Fits:
    for K in (2, _CLASSES):
        yield from _solved(LogisticRegression, F.softmax(X[:, :K]))


def _distilled(X: np.ndarray) -> Fits:
    for y, weight in ((_classes(X), 0.5), (_indicators(X)[:, 0], 0.5), (_classes(X), 0.0)):
        for student, _ in _solved(LogisticRegression):
            teacher = LogisticRegression()
            yield DistilledClassifier(teacher, student=student, hard_weight=weight), (y,)


_KINDS: dict[str, Callable[[np.ndarray], Fits]] = {
    "multiclass": _multiclass,
    "binary": _binary,
    "multi-label": _multi_label,
    "soft targets": _soft,
    "distilled": _distilled,
}


def _share(costs: Costs) -> None:
    X = np.random.default_rng(0).normal(size=(20_000, 20))  # so many that a second thread pays
    LogisticRegression(max_iter=3, tol=1.0, n_threads=2).fit(X, X[:, :3].argmax(axis=1))
    threads.run(int, 2, n_threads=2)


def _call_functions(dtype: np.dtype, costs: Costs) -> None:
    z, few = _rows(dtype), _rows(dtype)[:, :2]
    y = z.argmax(axis=1)
    for logits, labels in ((z, y), (few, few.argmax(axis=1))):
        p = F.softmax(logits, 2.0)
        F.log_softmax(logits)
        F.logsumexp(logits)
        F.cross_entropy_with_grad(logits, labels)
        F.cross_entropy_with_grad(logits, labels, temperature=2.0)
        F.cross_entropy_with_grad(logits, p)
        F.distillation_loss_with_grad(logits, logits[::-1])
        F.distillation_loss_with_grad(logits, logits[::-1], y=labels, hard_weight=0.5)
        TemperatureScaler(LogisticRegression().fit(logits, labels)).fit(logits, labels)
    for function in (F.sigmoid, F.log_sigmoid, F.sigmoid_derivative):
        function(z)
    F.binary_cross_entropy_with_grad(z, (z > 0).astype(int))
    F.binary_cross_entropy_with_grad(z, F.sigmoid(z), pos_weight=2.0)

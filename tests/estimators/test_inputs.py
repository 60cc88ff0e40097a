"""Whatever holds the data, wherever a fit runs: the same bits, and the data stay as they were."""

import hashlib
import os
import subprocess
import sys
import threading
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from fastclf import (
    DistilledClassifier,
    LogisticRegression,
    MultiLabelLogisticRegression,
    functional,
)

X, y = load_iris(return_X_y=True)
RNG = np.random.default_rng(0)
WEIGHTS = RNG.uniform(0.1, 3, len(y))
P = RNG.dirichlet(np.ones(3), len(y))
LABELS = (RNG.random((len(y), 4)) < 0.4).astype(np.int64)
LOGITS = RNG.normal(size=(len(y), 3))
NAMES = ["a", "b", "c", "d"]
SOLVERS = ["auto", "newton", "lbfgs", "sgd", "adam", "adamw"]


# Frames and tables


def pandas(values: np.ndarray) -> Any:
    module = pytest.importorskip("pandas")
    return module.Series(values) if values.ndim == 1 else module.DataFrame(values, columns=NAMES)


def polars(values: np.ndarray) -> Any:
    module = pytest.importorskip("polars")
    return module.Series(values) if values.ndim == 1 else module.DataFrame(values, schema=NAMES)


def arrow(values: np.ndarray) -> Any:
    module = pytest.importorskip("pyarrow")
    if values.ndim == 1:
        return module.chunked_array([values[:70], values[70:]])
    return module.table(dict(zip(NAMES, values.T, strict=True)))


every_library = pytest.mark.parametrize("library", [pandas, polars, arrow])


@every_library
@pytest.mark.parametrize("solver", ["auto", "adam"])
def test_frames_and_tables(library: Any, solver: str):
    rows = library(X)
    clf = LogisticRegression(solver=solver, random_state=0)
    expected = clone(clf).fit(X, y, WEIGHTS)
    clf.fit(rows, library(y), library(WEIGHTS))
    assert np.array_equal(clf.coef_, expected.coef_)
    assert clf.feature_names_in_.tolist() == NAMES
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        assert np.array_equal(getattr(clf, method)(rows), getattr(expected, method)(X))
    assert clf.score(rows, library(y)) == expected.score(X, y)
    if solver == "adam":
        clf.partial_fit(rows, library(y), sample_weight=library(WEIGHTS))
        assert np.array_equal(clf.coef_, expected.partial_fit(X, y, None, WEIGHTS).coef_)


@every_library
def test_labels_and_distributions_in_frames_and_tables(library: Any):
    clf = MultiLabelLogisticRegression().fit(library(X), library(LABELS))
    assert clf.classes_.tolist() == NAMES
    assert np.array_equal(clf.coef_, MultiLabelLogisticRegression().fit(X, LABELS).coef_)
    four = RNG.dirichlet(np.ones(4), len(y))
    one = LogisticRegression().fit(library(X), library(four))
    assert one.classes_.tolist() == NAMES
    assert np.array_equal(one.coef_, LogisticRegression().fit(X, four).coef_)
    assert one.score(library(X), library(four)) == one.score(
        library(X), np.array(NAMES)[four.argmax(axis=1)]
    )


@every_library
def test_other_columns_are_refused(library: Any):
    clf = LogisticRegression().fit(library(X), y)
    if library is pandas:
        with pytest.raises(ValueError, match="feature names"):
            clf.predict(library(X)[["b", "a", "c", "d"]])
    with pytest.raises(ValueError, match=r"row 3, column 1 .'b'."):
        bad = X.copy()
        bad[3, 1] = np.nan
        clf.predict(library(bad))


# Layouts


def read_only(values: np.ndarray) -> np.ndarray:
    values = values.copy(order="A")
    values.flags.writeable = False
    return values


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "strided": lambda A: np.repeat(np.repeat(A, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda A: np.ascontiguousarray(A[::-1, ::-1])[::-1, ::-1],
    "read only": read_only,
    "read only Fortran": lambda A: read_only(np.asfortranarray(A)),
    "unaligned": lambda A: (
        np.frombuffer(b"x" + A.tobytes(), np.uint8)[1:].view(A.dtype).reshape(A.shape)
    ),
    "big-endian": lambda A: A.astype(A.dtype.newbyteorder(">")),
    "matrix of objects": lambda A: A.astype(object),
    "list": np.ndarray.tolist,
}


@pytest.mark.parametrize("solver", ["auto", "adam"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_x(name: str, solver: str, dtype: type):
    if name in ("list", "big-endian", "matrix of objects") and dtype is np.float32:
        pytest.skip("such data are float64")
    rows = LAYOUTS[name](X.astype(dtype))
    clf = LogisticRegression(solver=solver, random_state=0).fit(rows, y)
    expected = LogisticRegression(solver=solver, random_state=0).fit(X.astype(dtype), y)
    assert np.array_equal(clf.coef_, expected.coef_) and clf.coef_.dtype == expected.coef_.dtype
    assert np.array_equal(clf.predict_proba(rows), expected.predict_proba(X.astype(dtype)))


@pytest.mark.parametrize("mode", ["r", "c"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_maps(order: str, mode: Any, tmp_path: Any, dtype: type):
    arrays = {"X": np.asarray(X, dtype, order=order), "y": y, "w": WEIGHTS, "P": P, "L": LABELS}
    for name, values in arrays.items():
        np.save(tmp_path / f"{name}.npy", values)
    maps = {name: np.load(tmp_path / f"{name}.npy", mmap_mode=mode) for name in arrays}
    for estimator, target in (
        (LogisticRegression(), "y"),
        (LogisticRegression(class_weight="balanced"), "P"),
        (LogisticRegression(solver="adam", random_state=0), "y"),
        (MultiLabelLogisticRegression(), "L"),
    ):
        clf = clone(estimator).fit(maps["X"], maps[target], maps["w"])
        expected = estimator.fit(X.astype(dtype), arrays[target], WEIGHTS)
        assert np.array_equal(clf.coef_, expected.coef_)
        assert np.array_equal(clf.predict(maps["X"]), expected.predict(X.astype(dtype)))


def shuffled(rows: np.ndarray) -> Any:
    """CSR whose entries are in no order, and in part given as two that add up."""
    entries = scipy.sparse.coo_array(rows)
    order = np.random.default_rng(0).permutation(2 * entries.nnz)
    twice = [np.tile(part, 2)[order] for part in (entries.row, entries.col)]
    values = np.concatenate([0.25 * entries.data, 0.75 * entries.data])[order]
    by_row = np.argsort(twice[0], kind="stable")
    starts = np.searchsorted(twice[0][by_row], np.arange(len(rows) + 1))
    return scipy.sparse.csr_array((values[by_row], twice[1][by_row], starts), shape=rows.shape)


SPARSE = {
    "csr_array": scipy.sparse.csr_array,
    "csr_matrix": scipy.sparse.csr_matrix,
    "csc": scipy.sparse.csc_array,
    "coo": scipy.sparse.coo_array,
    "lil": scipy.sparse.lil_array,
    "unordered": shuffled,
}


@pytest.mark.parametrize("solver", ["auto", "adam"])
@pytest.mark.parametrize("name", SPARSE)
def test_kinds_of_sparse_data(name: str, solver: str):
    rows = np.where(X > 2, X, 0)
    clf = LogisticRegression(solver=solver, random_state=0)
    expected = clone(clf).fit(scipy.sparse.csr_array(rows), y)
    clf.fit(SPARSE[name](rows), y)
    tolerance = 1e-6 if name == "unordered" else 0
    np.testing.assert_allclose(clf.coef_, expected.coef_, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(
        clf.predict_proba(SPARSE[name](rows)), expected.predict_proba(rows), rtol=1e-5
    )


# Nothing of the caller's is changed


def checksum(data: Any) -> str:
    digest = hashlib.sha256()
    parts = (data.data, data.indices, data.indptr) if scipy.sparse.issparse(data) else (data,)
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def shuffled_int32(rows: np.ndarray) -> Any:
    found = shuffled(rows)
    found.indices, found.indptr = (part.astype(np.int32) for part in (found.indices, found.indptr))
    return found


# Indices of 64 bits have kernels of their own, and test_kinds_of_sparse_data fits with them.
HOLDERS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "float32": lambda A: A.astype(np.float32),
    "CSR": scipy.sparse.csr_array,
    "unordered CSR": shuffled_int32,
    "unordered CSR, int64": shuffled,
    "CSC": scipy.sparse.csc_array,
}


@pytest.mark.filterwarnings("ignore:X_val and y_val have no influence")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if "int64" in name else ()) for name in HOLDERS],
)
def test_the_callers_arrays_are_never_changed(name: str, solver: str):
    rows = HOLDERS[name](np.where(X > 1, X, 0))
    arguments = {"solver": solver, "max_iter": 5, "random_state": 0, "label_smoothing": 0.1}
    held = {"X": rows, "y": y.copy(), "w": WEIGHTS.copy(), "P": P.copy()}
    held |= {"L": LABELS.copy(), "soft": 0.8 * LABELS + 0.1, "Z": LOGITS.copy()}
    held |= {"f32": P.astype(np.float32) / P.astype(np.float32).sum(axis=1, keepdims=True)}
    before = {key: checksum(data) for key, data in held.items()}
    one = LogisticRegression(class_weight="balanced", **arguments)
    many = MultiLabelLogisticRegression(pos_weight="balanced", **arguments)
    student = DistilledClassifier(None, student=clone(one), hard_weight=0.5)
    for target in ("y", "P", "f32"):
        one.fit(rows, held[target], held["w"])
        one.set_params(class_weight={0: 0.5, 1: 2.0, 2: 1.0})
    for target in ("L", "soft"):
        many.fit(rows, held[target], held["w"], X_val=rows, y_val=held[target])
    student.fit(rows, held["y"], held["w"], teacher_logits=held["Z"])
    if hasattr(one, "partial_fit"):
        one.partial_fit(rows, held["P"], sample_weight=held["w"])
    for clf in (one, many, student):
        for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
            getattr(clf, method)(rows)
    one.score(rows, held["P"], held["w"])
    assert {key: checksum(data) for key, data in held.items()} == before


def test_a_fitted_model_keeps_no_view_of_the_callers_arrays():
    rows, labels = X.copy(), y.copy()
    clf = LogisticRegression().fit(rows, labels)
    expected = clf.predict_proba(X)
    rows[:], labels[:] = 0, 0
    assert np.array_equal(clf.predict_proba(X), expected) and clf.classes_.tolist() == [0, 1, 2]


# Threads and processes


MANY = RNG.normal(size=(7000, 24))  # 1.3 MB, which joblib hands to processes as a read-only map
CODES = (MANY @ RNG.normal(size=(24, 3)) + RNG.normal(size=(7000, 3))).argmax(axis=1)


def jobs() -> list[tuple[Any, Any, Any]]:
    sparse = scipy.sparse.csr_array(np.where(np.abs(MANY) > 1, MANY, 0))
    found: list[tuple[Any, Any, Any]] = [
        (LogisticRegression(solver=solver, max_iter=8, random_state=0), rows, CODES)
        for solver in SOLVERS
        for rows in (MANY, sparse)
        if solver != "newton" or rows is MANY
    ]
    found += [
        (LogisticRegression(C=0.1), MANY.astype(np.float32), CODES),
        (LogisticRegression(class_weight="balanced"), MANY, CODES > 0),
        (MultiLabelLogisticRegression(), MANY, np.eye(3)[CODES]),
    ]
    return found


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_in_threads_at_once_have_the_bits_of_serial_ones():
    serial = [clone(clf).fit(rows, labels).coef_ for clf, rows, labels in jobs()]
    together: dict[int, np.ndarray] = {}

    def fit(i: int, clf: Any, rows: Any, labels: Any) -> None:
        together[i] = clf.fit(rows, labels).coef_

    threads = [threading.Thread(target=fit, args=(i, *job)) for i, job in enumerate(jobs())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(together[i], coef) for i, coef in enumerate(serial))


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("solver", ["auto", "adam"])
def test_searches_of_two_jobs(solver: str, backend: str):
    clf = LogisticRegression(solver=solver, max_iter=30, random_state=0)
    grid = {"C": [0.01, 1.0]}
    expected = GridSearchCV(clf, grid, cv=2).fit(MANY, CODES)
    with joblib.parallel_backend(backend, n_jobs=2):
        search = GridSearchCV(clf, grid, cv=2, n_jobs=2).fit(MANY, CODES)
    scores = [found.cv_results_["mean_test_score"] for found in (search, expected)]
    assert np.array_equal(*scores)
    assert np.array_equal(search.best_estimator_.coef_, expected.best_estimator_.coef_)


def run_script(script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:.*fork:DeprecationWarning", "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FORK = """
import os
import numpy as np
from fastclf import LogisticRegression, MultiLabelLogisticRegression

rng = np.random.default_rng(0)
X = rng.normal(size=(20_000, 30))
y = (X @ rng.normal(size=(30, 3)) + rng.normal(size=(20_000, 3))).argmax(axis=1)

def fits():
    yield LogisticRegression(n_threads=4).fit(X, y).coef_
    yield LogisticRegression(solver="adam", max_iter=2, random_state=0).fit(X, y).coef_
    yield MultiLabelLogisticRegression(n_threads=4).fit(X, np.eye(3)[y]).coef_

def in_child(check):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if check() else 1
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

expected = list(fits())
same = lambda: all(map(np.array_equal, fits(), expected))
in_child(same)
in_child(lambda: in_child(same) or same())  # a fork of a fork
assert same()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_fits_after_a_fork():
    run_script(FORK)


NO_CACHE = """
import joblib
import numpy as np
from fastclf import functional

with joblib.parallel_backend("loky", n_jobs=2):
    found = joblib.Parallel()(joblib.delayed(functional.sigmoid)(np.array([x])) for x in (0.5, 1.5))
print(np.concatenate(found).tolist())
"""


@pytest.mark.parametrize("kind", ["read-only", "missing"])
def test_processes_with_a_cache_directory_that_cannot_be_written(kind: str, tmp_path: Any):
    folder = tmp_path / "cache"
    if kind == "read-only":
        if os.access("/", os.W_OK):
            pytest.skip("nothing is read-only for the superuser")
        folder.mkdir()
        folder.chmod(0o500)
    else:
        (tmp_path / "file").write_text("")
        folder = tmp_path / "file" / "cache"  # stops the superuser, too
    environment = {"NUMBA_CACHE_DIR": str(folder), "JOBLIB_TEMP_FOLDER": str(tmp_path)}
    # One small kernel is enough: how a kernel is cached doesn't depend on which it is.
    found = run_script(NO_CACHE, **environment)
    assert found.strip() == str(functional.sigmoid(np.array([0.5, 1.5])).tolist())

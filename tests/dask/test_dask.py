"""Estimators on a cluster of processes: the reports that such libraries get most."""

import copy
import gc
import os
import pickle
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone

import fastclf
from fastclf.errors import FastclfError, InputError

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

from fastclf.dask import (  # noqa: E402
    LogisticRegression,
    LogisticRegressionCV,
    MultiLabelLogisticRegression,
)
from fastclf.dask.collections import rows_of  # noqa: E402
from fastclf.dask.futures import FuturePartitions  # noqa: E402
from fastclf.objective.summed import PartMaking  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:Sending large graph"),
    pytest.mark.filterwarnings("ignore:Dask currently has limited support"),
]

N = 900
RNG = np.random.default_rng(1)
X = RNG.normal(size=(N, 6)) + 0.5
SCORES = X[:, :3] + RNG.gumbel(size=(N, 3))
LABELS = np.array(["ash", "beech", "oak"])[SCORES.argmax(axis=1)]
WEIGHTS = RNG.uniform(0.1, 2, N)
Y = (SCORES > 0.8).astype(int)
TIGHT: dict[str, Any] = {"tol": 1e-9, "max_iter": 1000}


@contextmanager
def cluster(**settings: Any) -> Iterator[Any]:
    """A client of a cluster of its own, which isn't the default one."""
    with ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that another cluster has the usual port
            own = stack.enter_context(distributed.LocalCluster(dashboard_address=None, **settings))
        yield stack.enter_context(distributed.Client(own, set_as_default=False))


@pytest.fixture(scope="module")
def processes() -> Iterator[Any]:
    with cluster(n_workers=2, threads_per_worker=1, processes=True) as client:
        yield client


@pytest.fixture
def client(processes) -> Iterator[Any]:
    """The current client, of two workers in processes of their own."""
    with processes.as_current():
        yield processes


@pytest.fixture(scope="module")
def other() -> Iterator[Any]:
    """A client of a single worker in this process."""
    with cluster(n_workers=1, threads_per_worker=3, processes=False) as client:
        yield client


def cut(a: np.ndarray, rows: int = 100) -> Any:
    return da.from_array(a, chunks=(rows, *a.shape[1:]))


def agree(found: Any, wanted: Any, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=atol)
    np.testing.assert_allclose(found.intercept_, wanted.intercept_, atol=atol)
    assert np.array_equal(found.classes_, wanted.classes_)


def same_bits(one: Any, other: Any) -> bool:
    return np.array_equal(one.coef_, other.coef_) and np.array_equal(
        one.intercept_, other.intercept_
    )


def test_the_optimum_and_what_is_left_of_a_fit(client):
    found = LogisticRegression(**TIGHT).fit(cut(X), cut(LABELS), cut(WEIGHTS))
    wanted = fastclf.LogisticRegression(**TIGHT).fit(X, LABELS, WEIGHTS)
    agree(found, wanted)
    assert found.client_ is client
    assert set(found.history_) == set(wanted.history_)
    local = found.to_local()
    assert type(local) is fastclf.LogisticRegression and same_bits(local, found)
    assert local.get_params() == {k: v for k, v in found.get_params().items() if k != "client"}
    assert not hasattr(local, "client_")
    assert found.score(cut(X), cut(LABELS)) == pytest.approx(wanted.score(X, LABELS))
    weighted = found.score(cut(X), LABELS, WEIGHTS)
    assert weighted == pytest.approx(wanted.score(X, LABELS, WEIGHTS))


def test_several_labels_some_unknown(client):
    known = np.where(RNG.random(Y.shape) < 0.9, Y, np.nan)
    found = MultiLabelLogisticRegression(**TIGHT).fit(cut(X), cut(known))
    wanted = fastclf.MultiLabelLogisticRegression(**TIGHT).fit(X, known)
    agree(found, wanted)
    assert found.score(cut(X), cut(known)) == pytest.approx(wanted.score(X, known))
    assert found.predict(cut(X)).compute().tolist() == wanted.predict(X).tolist()


@pytest.mark.parametrize("target", ["labels", "distributions"])
@pytest.mark.parametrize("settings", [{}, {"scoring": "neg_log_loss", "l1_ratios": (0, 0.5)}])
def test_penalties_are_chosen_by_cross_validation(client, target: str, settings: dict):
    y = LABELS if target == "labels" else RNG.dirichlet(np.ones(3), N)
    how = {"Cs": [0.01, 1.0], "cv": 3, "use_legacy_attributes": False, "l1_ratios": (0,)}
    how = {**how, "scoring": None, **TIGHT, **settings}
    found = LogisticRegressionCV(**how).fit(cut(X), cut(y), WEIGHTS)
    wanted = fastclf.LogisticRegressionCV(**how).fit(X, y, WEIGHTS)
    agree(found, wanted)
    np.testing.assert_allclose(found.scores_, wanted.scores_, atol=1e-7)
    np.testing.assert_allclose(found.coefs_paths_, wanted.coefs_paths_, atol=1e-6)
    assert found.C_ == wanted.C_ and found.l1_ratio_ == wanted.l1_ratio_
    assert found.score(cut(X), cut(y)) == pytest.approx(wanted.score(X, y), abs=1e-7)


def test_other_scores_are_refused():
    how = {"scoring": "roc_auc", "use_legacy_attributes": False, "l1_ratios": (0,)}
    with pytest.raises(InputError, match="scoring='roc_auc' needs all held-out rows in memory"):
        LogisticRegressionCV(**how).fit(cut(X), cut(LABELS))


def test_predictions_are_lazy_with_meta_and_chunks(client):
    clf = LogisticRegression().fit(cut(X), cut(LABELS))
    local = clf.to_local()
    rows = da.from_array(X, chunks=(250, 4))
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        found, wanted = getattr(clf, method)(rows), getattr(local, method)(X)
        assert isinstance(found, da.Array)
        assert found.dtype == wanted.dtype and found.chunks[0] == (250, 250, 250, 150)
        assert found.shape == wanted.shape and found._meta.ndim == wanted.ndim
        assert np.array_equal(found.compute(), wanted)
        assert np.array_equal(getattr(clf, method)(X), wanted)
    two = LogisticRegression().fit(cut(X), cut(LABELS == "oak"))
    assert two.decision_function(rows).shape == (N,)


def test_data_frames_and_the_names_of_their_columns(client):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame["tree"] = LABELS
    parts = dd.from_pandas(frame, npartitions=4)
    names = list("abcdef")
    clf = LogisticRegression(**TIGHT).fit(parts[names], parts["tree"])
    wanted = fastclf.LogisticRegression(**TIGHT).fit(frame[names], frame["tree"])
    agree(clf, wanted)
    assert clf.classes_.dtype == wanted.classes_.dtype
    assert clf.feature_names_in_.tolist() == names
    found = clf.predict(parts[names])
    assert isinstance(found, da.Array) and found.dtype == wanted.classes_.dtype
    assert np.array_equal(found.compute(), wanted.predict(frame[names]))
    assert clf.predict_proba(parts[names]).shape[1] == 3
    assert clf.score(parts[names], parts["tree"]) == wanted.score(frame[names], LABELS)
    with pytest.raises(ValueError, match="feature names should match"):
        clf.score(parts[names[::-1]], parts["tree"])
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(parts[names[::-1]])


def delayed_frames(*frames: pd.DataFrame) -> Any:
    same = dask.delayed(lambda frame: frame)
    return dd.from_delayed([same(frame) for frame in frames], meta=frames[0], verify_meta=False)


def test_columns_that_differ_between_partitions(client):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    parts = delayed_frames(frame[:400], frame[list("abcdfe")][400:])
    y = delayed_frames(pd.Series(LABELS[:400]), pd.Series(LABELS[400:]))
    with pytest.raises(InputError, match="partition 1: X has the columns a, b, c, d, f, e, but"):
        LogisticRegression().fit(parts, y)


def test_the_columns_of_targets_have_names_too(client):
    frame = pd.DataFrame(RNG.dirichlet(np.ones(3), N), columns=["red", "green", "blue"])
    rows = dd.from_pandas(pd.DataFrame(X, columns=list("abcdef")), npartitions=2)
    y = dd.from_pandas(frame, npartitions=2)
    clf = LogisticRegression().fit(rows, y)
    assert clf.classes_.tolist() == ["red", "green", "blue"]
    with pytest.raises(
        InputError, match="the columns of y are .'blue', 'green', 'red'., but those of"
    ):
        clf.score(rows, y[["blue", "green", "red"]])
    parts = delayed_frames(frame[:450], frame[["blue", "green", "red"]][450:])
    with pytest.raises(InputError, match="partition 1: y has the columns blue, green, red, but"):
        LogisticRegression().fit(rows, parts)


def declared(y: Any, like: np.ndarray) -> Any:
    """An array whose blocks aren't what its meta says."""
    return y.map_blocks(
        lambda block: np.hstack([block, block]), chunks=y.chunks, dtype=like.dtype, meta=like[:0]
    )


@pytest.mark.parametrize(
    "y, weights, message",
    [
        (lambda: declared(cut(Y[:, :1]), Y[:, :1]), None, r"partition 0: y has shape \(100, 2\)"),
        (lambda: cut(LABELS), 2.0, "sample_weight must have an entry for each row.*got float"),
        (lambda: "oak", None, "y must have an entry for each row of X.*got str"),
        (lambda: dask.delayed(LABELS), None, "y must have an entry for each row.*got Delayed"),
        (lambda: cut(LABELS), np.ones((N, 2)), r"partition 0: sample_weight has shape \(100, 2\)"),
        (
            lambda: np.where(np.arange(N) < 450, LABELS.astype(object), 1),
            None,
            "partition 4: y mixes text|partition 5: y holds 1, but '[a-z]+' before",
        ),
    ],
)
def test_targets_and_weights_that_cannot_be(client, y: Any, weights: Any, message: str):
    with pytest.raises(InputError, match=message):
        LogisticRegression().fit(cut(X), y(), weights)


def test_rows_that_cannot_be(client):
    with pytest.raises(InputError, match="X is Delayed.*; use fastclf.LogisticRegression"):
        LogisticRegression().fit(dask.delayed(X), cut(LABELS))
    with pytest.raises(InputError, match="X must have two dimensions, got 1"):
        LogisticRegression().fit(cut(X[:, 0]), cut(LABELS))
    with pytest.raises(InputError, match="client must be a distributed.Client or None, got 'tcp:"):
        LogisticRegression(client="tcp://127.0.0.1:1").fit(cut(X), cut(LABELS))
    with pytest.raises(InputError, match="ignore_index=0 goes with labels"):
        LogisticRegression(ignore_index=0).fit(cut(X), cut(RNG.dirichlet(np.ones(3), N)))
    clf = LogisticRegression().fit(cut(X), cut(LABELS))
    bad = X.copy()
    bad[130, 2] = np.nan
    with pytest.raises(InputError, match="partition 1: Input X contains NaN"):
        clf.score(cut(bad), cut(LABELS))


def test_classes_have_the_common_type_of_all_partitions(client):
    y = da.concatenate([cut(LABELS == "oak")[:500], cut((LABELS == "oak").astype(int))[500:]])
    assert LogisticRegression().fit(cut(X), y).classes_.dtype == int


def test_float32_predictions_are_declared_so(client):
    rows = cut(X.astype(np.float32))
    clf = LogisticRegression().fit(rows, cut(LABELS))
    p = clf.predict_proba(da.concatenate([rows, rows[:0]]))
    assert p.dtype == np.float32 == p.compute().dtype


def test_sparse_indicators_in_memory(client):
    found = MultiLabelLogisticRegression(**TIGHT).fit(cut(X), scipy.sparse.csr_array(Y))
    agree(found, fastclf.MultiLabelLogisticRegression(**TIGHT).fit(X, Y))


def test_empty_partitions_and_more_workers_than_rows(client):
    def keep(a: np.ndarray) -> Any:
        whole = cut(a)
        return da.concatenate([whole[:0], whole[:200], whole[:0], whole[200:]])

    found = LogisticRegression(**TIGHT).fit(keep(X), keep(LABELS))
    agree(found, fastclf.LogisticRegression(**TIGHT).fit(X, LABELS))
    one = LogisticRegression(**TIGHT).fit(cut(X, N), cut(LABELS, N))  # a worker has nothing
    agree(one, found)
    empty = da.concatenate([cut(X)[:0], cut(X)[:3]])
    assert found.predict(empty).compute().shape == (3,)


def test_unknown_lengths(client):
    frame = dd.from_pandas(pd.DataFrame(X).assign(y=LABELS == "oak"), npartitions=5)
    rows, y = frame[list(range(6))].to_dask_array(), frame["y"].to_dask_array()
    assert np.isnan(rows.shape[0])
    wanted = fastclf.LogisticRegression(**TIGHT).fit(X, LABELS == "oak")
    agree(LogisticRegression(**TIGHT).fit(rows, y), wanted)
    agree(LogisticRegression(**TIGHT).fit(rows, frame["y"]), wanted)
    with pytest.raises(InputError, match="X has 5 partitions and y has 9, and the lengths of X's"):
        LogisticRegression().fit(rows, cut(LABELS))
    with pytest.raises(InputError, match="y isn't a Dask collection, and the lengths of X's"):
        LogisticRegression().fit(rows, LABELS)
    y = da.from_array(LABELS, chunks=(181, 179, 180, 180, 180))
    y = y.map_blocks(np.asarray, chunks=((np.nan,) * 5,), dtype=LABELS.dtype)
    with pytest.raises(InputError, match="partition 0: X has 180 rows, but y has 181"):
        LogisticRegression().fit(rows, y)


def test_x_and_y_that_are_cut_differently(client):
    wanted = LogisticRegression(**TIGHT).fit(cut(X), cut(LABELS))
    found = LogisticRegression(**TIGHT).fit(da.from_array(X, chunks=(100, 2)), cut(LABELS, 70))
    assert same_bits(found, wanted)
    with pytest.raises(
        InputError, match="X has 900 rows and y has 899; they must have the same number"
    ):
        LogisticRegression().fit(cut(X), cut(LABELS[1:]))


def test_sparse_blocks(client):
    dense = np.where(RNG.random(X.shape) < 0.4, X, 0)
    rows = cut(dense).map_blocks(scipy.sparse.csr_array)
    whole = scipy.sparse.csr_array(dense)
    found = LogisticRegression(**TIGHT).fit(rows, cut(LABELS))
    agree(found, fastclf.LogisticRegression(**TIGHT).fit(whole, LABELS))
    wanted = found.to_local().predict_proba(whole)
    np.testing.assert_array_equal(found.predict_proba(rows).compute(), wanted)


def test_nan_in_one_partition_is_found(client):
    bad = X.copy()
    bad[711, 4] = np.nan
    with pytest.raises(InputError, match="partition 7: Input X contains NaN.*row 11, column 4"):
        LogisticRegression().fit(cut(bad), cut(LABELS))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"solver": "adam"}, "solver='adam' trains on minibatches"),
        ({"solver": fastclf.solvers.SGD()}, "trains on minibatches"),
        ({"solver": "liblinear"}, "penalises the intercept"),
        ({"C": -1}, "C must be a positive number"),
    ],
)
def test_what_cannot_be_is_refused(client, settings: dict, message: str):
    with pytest.raises(InputError, match=message):
        LogisticRegression(**settings).fit(cut(X), cut(LABELS == "oak"))
    assert not hasattr(LogisticRegression(**settings), "partial_fit")


def test_rows_in_memory_are_refused(client):
    with pytest.raises(InputError, match="X is ndarray; use fastclf.LogisticRegression, or dask"):
        LogisticRegression().fit(X, LABELS)
    with pytest.raises(InputError, match="the target y is None"):
        LogisticRegression().fit(cut(X), None)


def test_bits_depend_on_the_partitions_alone(client, other):
    how = {**TIGHT, "l1_ratio": 0.5, "C": 0.5}
    two = LogisticRegression(**how).fit(cut(X), cut(LABELS))
    one = LogisticRegression(client=other, n_threads=2, **how).fit(cut(X), cut(LABELS))
    assert same_bits(one, two)


class Killer:
    """Kills a worker before one of the passes of a fit."""

    def __init__(self, client: Any, before: int) -> None:
        self.left = before
        self.client = client
        self.killed = None

    def __call__(self, partitions: FuturePartitions, *given: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            processes = self.client.run(os.getpid)
            address = min(partitions._places(partitions._there()))[0]
            self.killed = processes[address]
            os.kill(self.killed, signal.SIGKILL)
        return self.inner(partitions, *given)

    @property
    def inner(self) -> Any:
        return SUM


SUM = FuturePartitions.sum


def test_a_worker_that_dies_in_the_middle_of_a_fit(client, monkeypatch):
    rows, y = cut(X).persist(), cut(LABELS).persist()
    wanted = LogisticRegression(**TIGHT).fit(rows, y)
    killer = Killer(client, 5)
    monkeypatch.setattr(FuturePartitions, "sum", lambda *given: killer(*given))
    found = LogisticRegression(**TIGHT).fit(rows, y)
    assert killer.killed is not None and killer.left < 0
    assert same_bits(found, wanted)
    client.wait_for_workers(2)


def test_pickling_and_clones(client):
    clf = LogisticRegression(client=client).fit(cut(X), cut(LABELS))
    again = pickle.loads(pickle.dumps(clf))
    assert again.client is None and not hasattr(again, "client_")
    assert same_bits(again, clf) and np.array_equal(again.predict(X), clf.predict(X))
    assert copy.deepcopy(clf).client is client and same_bits(copy.deepcopy(clf), clf)
    copied = clone(clf)
    assert copied.client is client and not hasattr(copied, "coef_")
    assert clone(LogisticRegression(C=3.0)).get_params()["C"] == 3.0


def test_the_client_that_is_given_is_used(client):
    before = set(client.who_has())
    with cluster(n_workers=1, threads_per_worker=1, processes=False) as given:
        clf = LogisticRegression(client=given).fit(cut(X), cut(LABELS))
        assert clf.client_ is given
        assert clf.score(cut(X), cut(LABELS)) > 0.5
        assert set(client.who_has()) <= before
    assert np.array_equal(clf.predict(X), clf.to_local().predict(X))  # it is closed now
    with pytest.raises(InputError, match="the client is closed; give an open one"):
        clf.fit(cut(X), cut(LABELS))


def test_without_a_client():
    with pytest.raises(InputError, match="there is no Dask client: make one"):
        LogisticRegression().fit(cut(X), cut(LABELS))


def most_memory() -> int:
    """The largest memory that this process ever had, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_workers_hold_little_more_than_x(client):
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[most_memory.__module__])
    size = 1_000_000 * 20 * 8
    small = da.random.default_rng(0).normal(size=(2000, 20), chunks=(1000, 20))
    LogisticRegression().fit(small, small[:, 0] > 0)  # whatever is compiled and loaded
    before = sum(client.run(most_memory).values())
    rows = da.random.default_rng(0).normal(size=(1_000_000, 20), chunks=(50_000, 20)).persist()
    distributed.wait(rows)
    y = rows[:, 0] + rows[:, 1] > 0
    LogisticRegression().fit(rows, y)
    after = sum(client.run(most_memory).values())
    assert after - before < 1.3 * size


def test_nothing_of_a_fit_stays_on_the_workers(client):
    rows, y = cut(X).persist(), cut(LABELS).persist()
    distributed.wait([rows, y])
    before = set(client.who_has())
    clf = LogisticRegression().fit(rows, y)
    for _ in range(100):
        gc.collect()
        if set(client.who_has()) <= before:
            break
        time.sleep(0.05)
    assert set(client.who_has()) <= before and clf.coef_.any()


@pytest.mark.parametrize("persist", [True, False])
def test_an_x_that_is_shared_is_counted_once(client, persist: bool):
    rows = da.random.default_rng(0).normal(size=(20_000, 50), chunks=(5_000, 50))
    rows = rows.persist() if persist else rows
    y = (rows[:, 0] > 0).persist()
    distributed.wait([rows, y])
    parts, _ = rows_of(client, rows, y, None, "LogisticRegression")
    distributed.wait(parts._there())
    sizes = client.nbytes(summary=False)
    own = sum(sizes[future.key] for future in parts._there())
    assert own < 0.1 * rows.nbytes if persist else own > rows.nbytes


def test_tasks_use_one_thread_each(other, monkeypatch):
    # A worker runs as many tasks as it has threads; more threads in each would be too many.
    seen = []
    original = FuturePartitions.map

    def spy(self: Any, function: Any, *given: Any) -> Any:
        seen.extend(one.n_threads for one in given if isinstance(one, PartMaking))
        return original(self, function, *given)

    monkeypatch.setattr(FuturePartitions, "map", spy)
    LogisticRegression(client=other).fit(cut(X), cut(LABELS))
    LogisticRegression(client=other, n_threads=2).fit(cut(X), cut(LABELS))
    assert seen == [1, 2]


def test_data_that_are_lost_are_an_error(other):
    futures = other.map(len, ["a", "bc"])
    partitions = FuturePartitions(other, futures)
    assert partitions.sum(_identity, _sum) == 3
    other.cancel(futures)
    with pytest.raises(FastclfError, match="the cluster lost data during the fit"):
        partitions.sum(_identity, _sum)


def _identity(value: int) -> int:
    return value


def _sum(found: Iterator[int]) -> int:
    return sum(found)

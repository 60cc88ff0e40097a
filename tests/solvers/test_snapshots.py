"""Snapshots of every solver: as files and back, and going on from one is an uninterrupted fit."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from safetensors.numpy import load, save

import fastclf
from fastclf.losses import Sigmoid, Softmax
from fastclf.objective import InMemoryObjective
from fastclf.penalties import from_C
from fastclf.runs.serialization import check_compatible, pack, unpack
from fastclf.solvers import (
    LBFGS,
    SGD,
    Adam,
    AdamW,
    InverseTime,
    Newton,
    Proximal,
    Snapshot,
    keeping,
    minimize,
)
from fastclf.solvers.states import STATES
from fastclf.targets import Target


class Recorder:
    """Keeps every snapshot as bytes."""

    def __init__(self) -> None:
        self.kept: list[tuple[bytes, str]] = []

    def start(self, objective: Any, first: Snapshot) -> None:
        self.objective = objective

    def look(self, iteration: int, take: Callable[[], Snapshot]) -> None:
        arrays, tree = pack(take(), {"objective": self.objective})
        self.kept.append((save(arrays), json.dumps(tree)))


class Return:
    """Goes on from a snapshot that was kept."""

    def __init__(self, kept: tuple[bytes, str]) -> None:
        self.arrays, self.tree = load(kept[0]), json.loads(kept[1])
        self.looked = 0

    def start(self, objective: Any, first: Snapshot) -> Snapshot:
        found = unpack(self.arrays, self.tree, {"objective": objective})
        check_compatible(found, first)
        check_compatible(found.state, first.state)
        return found

    def look(self, iteration: int, take: Callable[[], Snapshot]) -> None:
        self.looked += 1


def problem(kind: str, n: int = 300, d: int = 6, storage: Any = np.asarray, l1: float = 0.0):
    """Return what makes a new objective, and the shape of its theta."""
    rng = np.random.default_rng(3)
    outputs = {"binary": 1, "softmax": 4, "many classes": 100, "labels": 5, "alike labels": 18}
    K = {**outputs, "many labels": 20}[kind]
    X = rng.normal(size=(n, d)) * rng.uniform(0.2, 4, d) + rng.normal(size=d)
    if storage is not np.asarray:
        X *= rng.random((n, d)) < 0.3
    Z = X @ rng.normal(size=(d, K)) / np.sqrt(d) + rng.normal(size=(n, K)) * np.arange(1, K + 1)
    weights = np.ones((1, n))
    if kind in ("softmax", "many classes"):
        target, loss = Target(weights, codes=Z.argmax(axis=1)), Softmax()
    else:
        target, loss = Target(weights, soft=(Z > 0).astype(float)), Sigmoid()
    M = 1 if isinstance(loss, Softmax) else K
    C = np.geomspace(0.01, 100, M) if M > 1 and kind != "alike labels" else 1.0
    penalty = from_C(C, l1, np.full(M, float(n)))
    return (lambda: InMemoryObjective(storage(X), target, loss, K, penalty)), (d + 1, K)


TIGHT = {"tol": 1e-10, "max_iter": 40, "negligible": 0.0}
BATCHES = {"batch_size": 64, "max_iter": 4, "tol": 0.0, "seed": 1}
CASES = {
    "small newton": (Newton(**TIGHT), problem("softmax")),
    "small newton, two classes": (Newton(**TIGHT), problem("binary")),
    "hessian comes along": (Newton(**TIGHT), problem("softmax", n=3000, d=20)),
    "small newton, labels": (Newton(**TIGHT), problem("labels", d=30)),
    "newton, labels": (Newton(**TIGHT), problem("labels", d=170)),
    "newton, blocks": (Newton(whole=False, **TIGHT), problem("softmax", d=70)),
    "newton, whole": (Newton(**TIGHT), problem("softmax", d=70)),
    "newton, whole from a sample": (
        Newton(sample=900, **TIGHT),
        problem("binary", n=2000, d=170),
    ),
    "newton from a sample": (Newton(sample=250, **TIGHT), problem("softmax", n=2000)),
    "newton, at first from variances": (Newton(**TIGHT), problem("binary", n=700, d=600)),
    "lbfgs": (LBFGS(memory=3, **TIGHT), problem("softmax", d=70)),
    "lbfgs, labels": (LBFGS(**TIGHT), problem("labels", d=70)),
    "lbfgs, many columns": (LBFGS(**TIGHT), problem("labels", d=130)),
    "lbfgs, sparse": (LBFGS(**TIGHT), problem("softmax", d=40, storage=scipy.sparse.csr_array)),
    "lbfgs, label blocks": (
        LBFGS(**TIGHT),
        problem("many labels", d=40, storage=scipy.sparse.csr_array),
    ),
    "lbfgs, label blocks in float32 at first": (
        LBFGS(memory=5, tol=1e-4, max_iter=40),
        problem("many labels", d=40, storage=scipy.sparse.csr_array),
    ),
    "lbfgs, dense label blocks": (LBFGS(**TIGHT), problem("alike labels", d=50)),
    "lbfgs, many classes, in float32 at first": (
        LBFGS(memory=5, tol=1e-4, max_iter=40),
        problem("many classes", d=50),
    ),
    "proximal": (Proximal(**TIGHT), problem("softmax", l1=0.5)),
    "proximal, matrix": (Proximal(**TIGHT), problem("softmax", n=60_000, d=12, l1=1.0)),
    "proximal, working set": (Proximal(**TIGHT), problem("binary", d=150, l1=1.0)),
    "proximal, labels": (Proximal(**{**TIGHT, "max_iter": 10}), problem("labels", d=100, l1=1.0)),
    "proximal, blocks": (
        Proximal(**{**TIGHT, "max_iter": 8}),
        problem("softmax", n=1000, d=63, l1=0.2),
    ),
    "proximal, sparse": (
        Proximal(**TIGHT),
        problem("softmax", d=400, storage=scipy.sparse.csr_array, l1=1.0),
    ),
    "proximal, columns": (
        Proximal(**TIGHT),
        problem("binary", d=400, storage=scipy.sparse.csr_array, l1=1.0),
    ),
    "proximal, columns, labels": (
        Proximal(**TIGHT),
        problem("labels", d=400, storage=scipy.sparse.csr_array, l1=1.0),
    ),
    "sgd": (SGD(momentum=0.9, schedule="cosine", warmup=3, **BATCHES), problem("softmax")),
    "adam": (Adam(average=True, **BATCHES), problem("labels")),
    "adamw": (AdamW(schedule="step", **BATCHES), problem("binary")),
    "schedule object": (Adam(learning_rate=InverseTime(0.1, half_life=4), **BATCHES),)
    + (problem("softmax", storage=scipy.sparse.csr_array),),
    "explosion": (SGD(learning_rate=3e3, **BATCHES), problem("softmax")),
}


@pytest.fixture
def in_slices(use_costs: Any) -> None:
    """Have every batch, and every pass of label blocks, be a slice of its own."""
    use_costs(slice_work=1.0, block_passes=(1, 1))


@pytest.mark.filterwarnings("ignore:the objective diverged")
@pytest.mark.parametrize("name", CASES)
def test_going_on_from_files_is_an_uninterrupted_fit(name: str, in_slices: None):
    solver, (make, shape) = CASES[name]
    validation = make() if isinstance(solver, SGD | Adam) else None
    if validation is not None:
        solver = replace(solver, early_stopping=3)
    start = np.zeros(shape)
    recorder = Recorder()
    with keeping(recorder):
        whole = minimize(make(), start, solver, validation=validation)
    plain = minimize(make(), start, solver, validation=validation)
    assert np.array_equal(plain.theta, whole.theta)
    assert len(recorder.kept) >= 3
    for kept in recorder.kept[:: max(1, len(recorder.kept) // 6)]:
        with keeping(Return(kept)):
            rest = minimize(make(), start, solver, validation=validation)
        assert np.array_equal(rest.theta, whole.theta)
        assert (rest.status, rest.n_iter) == (whole.status, whole.n_iter)
        assert rest.history.keys() == whole.history.keys()
        for column in rest.history.keys() - {"seconds", "compile_seconds"}:
            assert np.array_equal(rest.history[column], whole.history[column]), column
        assert (np.diff(rest.history["seconds"]) >= 0).all()


@pytest.mark.filterwarnings("ignore:the objective diverged")
def test_every_state_is_met(in_slices: None):
    """What no case above has in a snapshot would be untested."""
    met: set[str] = set()

    def walk(tree: Any) -> None:
        if isinstance(tree, dict):
            if "is" in tree:
                met.add(tree["is"])
            for value in tree.values():
                walk(value)
        elif isinstance(tree, list):
            for value in tree:
                walk(value)

    for solver, (make, shape) in CASES.values():
        recorder = Recorder()
        with keeping(recorder):
            minimize(make(), np.zeros(shape), replace(solver, max_iter=2))
        for _, tree in recorder.kept:
            walk(json.loads(tree))
    assert met == set(STATES)


def test_fits_inside_a_fit_are_not_kept():
    solver, (make, shape) = CASES["newton from a sample"]
    recorder = Recorder()
    with keeping(recorder):
        result = minimize(make(), np.zeros(shape), solver)
        assert len(recorder.kept) in (result.n_iter, result.n_iter + 1)
        minimize(make(), np.zeros(shape), solver)  # nor is another one
    assert len(recorder.kept) in (result.n_iter, result.n_iter + 1)


def test_a_fit_that_has_ended_goes_on_to_its_end():
    solver, (make, shape) = CASES["adam"]
    recorder = Recorder()
    with keeping(recorder):
        whole = minimize(make(), np.zeros(shape), solver)
    last = Return(recorder.kept[-1])
    with keeping(last):
        rest = minimize(make(), np.zeros(shape), solver)
    assert last.looked == 0
    assert np.array_equal(rest.theta, whole.theta)


def test_arrays_keep_their_order_and_what_they_share():
    a = np.arange(6.0).reshape(2, 3)
    value = {"c": a, "f": np.asfortranarray(a), "again": a, "number": np.float32(0.1)}
    value |= {"flag": np.True_, "none": np.empty((0, 0), np.float32), "inf": float("inf")}
    arrays, tree = pack(value, {})
    back = unpack(load(save(arrays)), json.loads(json.dumps(tree)), {})
    assert back["c"] is back["again"]
    assert back["c"].flags.c_contiguous and back["f"].flags.f_contiguous
    assert back["c"].flags.writeable
    assert back["number"] == np.float32(0.1) and back["number"].dtype == np.float32
    assert back["flag"] == np.True_ and back["none"].shape == (0, 0) and back["inf"] == np.inf


def test_what_cannot_be_kept():
    for value in (object(), fastclf.LogisticRegression(), np.array([None]), lambda: None):
        with pytest.raises(TypeError, match="can't be kept"):
            pack(value, {})


@pytest.mark.parametrize(
    "tree",
    [
        [1],
        {},
        {"is": "os.system", "fields": {}},
        {"is": "constant", "fields": {"rate": 1.0}},
        {"is": "constant", "fields": {"rate": "1.0", "warmup": 0}},
        {"is": "constant", "fields": {"rate": {"array": "0", "order": "C"}, "warmup": 0}},
        {"is": ["constant"], "fields": {}},
        {"array": "1", "order": "C"},
        {"array": ["0"], "order": "C"},
        {"known": "objective"},
        {"tuple": 3},
        {"dict": []},
    ],
)
def test_hostile_trees(tree: Any):
    with pytest.raises(ValueError):
        unpack({"0": np.ones(2)}, tree, {})


def test_a_state_of_other_data_is_refused():
    (make, shape), (other, other_shape) = problem("softmax"), problem("softmax", d=5)
    states = [
        Adam(**BATCHES).init(make(), np.zeros(shape)),
        Adam(**BATCHES).init(other(), np.zeros(other_shape)),
        LBFGS().init(make(), np.zeros(shape)),
    ]
    check_compatible(states[0], states[0])
    with pytest.raises(ValueError, match=r"u of shape \(4, 5\) and float64, not \(4, 6\)"):
        check_compatible(states[1], states[0])
    with pytest.raises(ValueError, match="a QuasiNewtonState, where a MinibatchState is needed"):
        check_compatible(states[2], states[0])

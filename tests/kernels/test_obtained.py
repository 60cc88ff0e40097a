import logging
import threading
import time
from typing import Any

import numpy as np
import pytest

import fastclf
from fastclf.kernels.runtime import obtained
from fastclf.kernels.runtime.jit import kernel


class Told(list):
    """Lines that were told; `come` waits for the first, which another thread brings."""

    def __init__(self) -> None:
        self._came = threading.Event()

    def __call__(self, line: str) -> None:
        self.append(line)
        self._came.set()

    def come(self) -> bool:
        return self._came.wait(60)


def compile_something(until: Any = lambda: None, is_kept: bool = True) -> None:
    with obtained.timed():
        obtained.must_compile(lambda: is_kept)
        until()


def test_a_stopwatch_keeps_the_time_of_kernels_apart():
    watch = obtained.Stopwatch()
    start = time.perf_counter()
    with obtained.timed():
        time.sleep(0.02)
        assert watch.read()[1] >= 0.02, "the kernel that is being compiled counts, too"
        with obtained.timed():
            time.sleep(0.02)
    all_seconds = time.perf_counter() - start
    time.sleep(0.02)
    seconds, compile_seconds = watch.read()
    assert 0.04 <= compile_seconds <= all_seconds
    assert 0.02 <= seconds <= time.perf_counter() - start - 0.04


def test_a_stopwatch_goes_on_from_earlier_times():
    seconds, compile_seconds = obtained.Stopwatch(100.0, 7.0).read()
    assert 100 <= seconds < 150
    assert compile_seconds == pytest.approx(7.0)


def test_compiling_a_kernel_counts_as_that():
    before = obtained.so_far()

    @kernel
    def add(x: float, y: float) -> float:
        return x + y

    watch = obtained.Stopwatch()
    assert add(1.0, 2.0) == 3.0
    found = obtained.so_far().since(before)
    assert found.compiled + found.cache + found.bundle >= 1
    assert watch.read()[1] == pytest.approx(found.seconds)


def test_long_compilation_is_told_once(monkeypatch):
    monkeypatch.setattr(obtained, "PATIENCE", 0.0)
    told = Told()
    with obtained.telling(told):
        compile_something(told.come)
        compile_something()
    compile_something()
    assert len(told) == 1
    assert (
        "compiling kernels" in told[0] and "are cached" in told[0] and "fastclf warmup" in told[0]
    )


def test_short_compilation_is_not_told(monkeypatch):
    monkeypatch.setattr(obtained, "PATIENCE", 0.2)
    told = Told()
    with obtained.telling(told):
        compile_something()
        time.sleep(0.3)
    assert not told


def test_short_compilations_add_up(monkeypatch):
    monkeypatch.setattr(obtained, "PATIENCE", 0.05)
    told = Told()
    with obtained.telling(told):
        compile_something(lambda: time.sleep(0.03))
        compile_something(lambda: time.sleep(0.021))
        compile_something(told.come)  # at once, as nothing is left of the patience
    assert len(told) == 1


def test_kernels_that_cannot_be_kept_are_compiled_each_time(monkeypatch):
    monkeypatch.setattr(obtained, "PATIENCE", 0.0)
    told = Told()
    with obtained.telling(told):
        compile_something(told.come, is_kept=False)
    assert "NUMBA_CACHE_DIR" in told[0]


def test_kernels_are_compiled_where_no_thread_can_be_started(monkeypatch):
    def refuse(timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(obtained, "PATIENCE", 0.0)
    monkeypatch.setattr(threading.Timer, "start", refuse)
    told = Told()
    with obtained.telling(told):
        compile_something()
    assert not told


def test_long_compilation_is_logged(monkeypatch, caplog):
    monkeypatch.setattr(obtained, "PATIENCE", 0.0)
    told = Told()
    monkeypatch.setattr(obtained, "_notices", [obtained._Notice(logging.getLogger("fastclf").info)])
    with caplog.at_level(logging.INFO, "fastclf"), obtained.telling(told):
        compile_something(lambda: told.come() and time.sleep(0.01))
    assert [one.levelname for one in caplog.records] == ["INFO"]
    assert caplog.messages == list(told)


def test_a_fit_tells_of_compilation_if_it_is_verbose(monkeypatch, capsys):
    monkeypatch.setattr(obtained, "PATIENCE", 0.0)
    X, y = np.arange(8.0)[:, None], np.arange(8) % 2
    plain = fastclf.LogisticRegression().fit(X, y)
    assert plain.history_["compile_seconds"].shape == plain.history_["seconds"].shape
    from fastclf.solvers import loop

    told, is_finite = Told(), loop.is_finite

    def slow(*arguments: Any) -> bool:
        with obtained.telling(told):  # it is told after the fit's own
            compile_something(told.come)
        return is_finite(*arguments)

    monkeypatch.setattr(loop, "is_finite", slow)
    fastclf.LogisticRegression(max_iter=3).fit(X, y)
    assert capsys.readouterr().out == ""
    told.clear()
    fastclf.LogisticRegression(max_iter=3, verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert sum("compiling kernels" in line for line in lines) == 1

"""The limit on BLAS threads, and the ending of those that wait awake."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from processes import IN_CHILD, run_script
from threadpoolctl import ThreadpoolController

from fastclf import blas


class Oops(Exception):
    pass


def blas_threads():
    """Return the thread limits of all BLAS libraries that are loaded."""
    return [
        library.num_threads
        for library in ThreadpoolController().lib_controllers
        if library.user_api == "blas"
    ]


@pytest.fixture
def two_blas_threads():
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        before = blas_threads()
        if not before or before != [2] * len(before):
            pytest.skip("no BLAS whose threads can be set")
        yield
        assert blas_threads() == before


def single():
    return set(blas_threads()) == {1}


def test_blas_is_limited_inside_and_restored_outside(two_blas_threads):
    with blas.single_threaded():
        assert single()
        with blas.single_threaded():
            assert single()
        assert single()
    assert not single()


def test_blas_is_restored_after_an_exception(two_blas_threads):
    with pytest.raises(Oops), blas.single_threaded():
        raise Oops
    assert not single()


def test_blas_is_restored_by_the_last_of_several_users(two_blas_threads):
    inside = threading.Barrier(3, timeout=30)
    first_left = threading.Event()

    def stay(until):
        with blas.single_threaded():
            inside.wait()
            assert until is None or until.wait(30)
            assert single()

    with ThreadPoolExecutor(2) as users:
        first = users.submit(stay, None)
        second = users.submit(stay, first_left)
        inside.wait()
        first.result(30)
        assert single()
        first_left.set()
        second.result(30)
    assert not single()


# Threads that wait awake

A = np.random.default_rng(0).standard_normal((700, 700))


def products():
    """Return a product by NumPy's BLAS and one by SciPy's."""
    return A @ A, scipy.linalg.blas.dgemm(1.0, A, A)


def running():
    """Return how many threads run that aren't Python's."""
    ours = {str(thread.native_id) for thread in threading.enumerate()}
    tasks = set(os.listdir("/proc/self/task")) - ours
    states = [Path(f"/proc/self/task/{task}/stat").read_text() for task in tasks]
    return sum(state.rpartition(")")[2].split()[0] == "R" for state in states)


@pytest.fixture
def awake(two_blas_threads, monkeypatch):
    """Return a function that leaves BLAS threads awake, and tells whether they were ended."""
    if not (sys.platform == "linux" and blas._enders()):
        pytest.skip("no OpenBLAS whose threads wait awake")
    here = sys._current_frames().values()  # a thread that talks to the process that runs tests
    monkeypatch.setattr(blas, "_price", 0.0)
    places = {(frame.f_globals["__name__"], frame.f_code.co_name) for frame in here}
    monkeypatch.setattr(blas, "_WAITING", blas._WAITING | places)
    products()
    if not running():
        pytest.skip("BLAS threads go to sleep at once")

    def ended(work):
        expected = products()
        assert running()
        with blas.single_threaded(work):
            left = running()
            inside = products()
        for found in (inside, products()):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        return not left

    return ended


def test_threads_that_wait_awake_are_ended(awake):
    assert awake(1e9)


def test_threads_are_left_alone_if_that_would_not_pay(awake):
    assert not awake(0.0)


def test_threads_are_left_alone_where_ending_them_took_long(awake, monkeypatch):
    monkeypatch.setattr(blas, "_price", 1e9)
    assert not awake(1e9)
    assert blas._price < 1e9  # until that is forgotten
    assert awake(1e11)
    assert blas._price < 1e9


def test_threads_are_left_alone_while_another_thread_may_use_them(awake):
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            sum(range(100))

    other = threading.Thread(target=busy)
    other.start()
    try:
        assert not awake(1e9)
    finally:
        stop.set()
        other.join()


def test_threads_that_wait_for_something_else_do_not_count(awake):
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, 0).result()
        other = threading.Thread(target=stop.wait)
        other.start()
        time.sleep(0.05)
        try:
            assert awake(1e9)
        finally:
            stop.set()
            other.join()


# Processes of their own

FORK = (
    IN_CHILD
    + """
from threadpoolctl import ThreadpoolController
from fastclf.blas import single_threaded

def blas():
    return [c.num_threads for c in ThreadpoolController().lib_controllers if c.user_api == "blas"]
"""
)


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_the_limit_survives_a_fork_inside_it():
    run_script(
        FORK
        + """
import scipy.linalg
ThreadpoolController().limit(limits=2, user_api="blas")
before = blas()

def leaves_and_enters():
    user.__exit__(None, None, None)
    outside = blas()
    with single_threaded(1e9):
        inside = blas()
    return outside == before and blas() == before and set(inside) == {1}

if before == [2] * len(before) and before:
    user = single_threaded(1e9)
    user.__enter__()
    in_child(leaves_and_enters)
    assert leaves_and_enters()
"""
    )


def test_libraries_that_are_loaded_later_are_limited_too():
    run_script(
        FORK
        + """
with single_threaded():
    pass
import scipy.linalg
ThreadpoolController().limit(limits=2, user_api="blas")
with single_threaded():
    assert set(blas()) <= {1}, blas()
"""
    )

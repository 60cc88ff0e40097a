"""The pool and its chunks."""

import concurrent.futures.thread
import itertools
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import IN_CHILD, run_script

from fastclf import LogisticRegression, threads
from fastclf.data.pieces import in_order
from fastclf.errors import InputError
from fastclf.kernels.runtime import sharing


@pytest.fixture(params=[1, 2, 3, 8])
def cpus(request, monkeypatch):
    monkeypatch.setattr(threads, "available_cpus", lambda: request.param)
    return request.param


# Chunks


@given(
    n=st.integers(0, 10**6),
    work=st.floats(0, 1e6),
    most=st.integers(1, 100),
    tile=st.sampled_from([1, 2, 128]),
)
def test_chunks_cut_all_rows_in_order(n, work, most, tile):
    chunks = threads.chunks(n, work, most, tile)
    assert chunks[0][0] == 0 and chunks[-1][1] == n
    assert all(a[1] == b[0] for a, b in itertools.pairwise(chunks))
    assert len(chunks) <= min(most, 64)
    if n:
        assert all(start % tile == 0 for start, _ in chunks)
        sizes = [-(-(stop - start) // tile) for start, stop in chunks]
        assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1


def test_chunks_do_not_depend_on_the_cpus(cpus):
    assert len(threads.chunks(100_000, 10.0)) == 30
    assert len(threads.chunks(1000, 10.0)) == 1


def test_a_limit_counts_where_no_number_is_given(cpus):
    with pytest.raises(ZeroDivisionError), threads.limited(5):
        assert threads.resolve_n_threads(None) == 5
        assert threads.resolve_n_threads(2) == 2
        with threads.limited(1):
            assert threads.resolve_n_threads(None) == 1
        assert threads.resolve_n_threads(None) == 5
        raise ZeroDivisionError
    assert threads.resolve_n_threads(None) == cpus
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(InputError, match="n_threads must be"), threads.limited(wrong):
            raise AssertionError


# Running


@pytest.mark.parametrize("count", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("n_threads", [None, 1, 2, 5])
def test_every_task_runs_once(count, n_threads, cpus):
    done = []
    threads.run(done.append, count, n_threads)
    assert sorted(done) == list(range(count))


def test_all_threads_take_part():
    meeting = threading.Barrier(3, timeout=30)
    threads.run(lambda i: meeting.wait(), 3, n_threads=3)


def test_no_more_threads_than_the_work_is_worth(monkeypatch):
    monkeypatch.setattr(threads, "_MIN_HELPER_WORK", 1000)
    seen = set()
    threads.run(lambda i: seen.add(threading.get_ident()), 10, n_threads=4, work=999)
    assert seen == {threading.get_ident()}
    meeting = threading.Barrier(3, timeout=30)
    threads.run(lambda i: seen.add(meeting.wait()), 3, n_threads=4, work=2999)
    seen.clear()
    several = threading.Barrier(3)
    with pytest.raises(threading.BrokenBarrierError):  # two don't make three
        threads.run(lambda i: several.wait(timeout=0.2), 3, n_threads=4, work=1999)


@pytest.fixture
def busy_pool():
    """An event for which all threads of the pool wait."""
    pool = threads._get_pool(1)
    release = threading.Event()
    late = threading.Timer(30, release.set)
    late.start()
    busy = [pool.submit(release.wait) for _ in range(threads._pool_size)]
    while not all(task.running() for task in busy):  # one may still be awake after the test before
        time.sleep(0.001)
    yield release
    release.set()
    late.cancel()
    assert all(task.result() for task in busy)


def test_nobody_waits_for_a_thread_that_is_late(busy_pool):
    done = []
    threads.run(done.append, 5, n_threads=2)
    assert done == list(range(5)) and not busy_pool.is_set()


def test_one_thread_means_the_callers_own():
    seen = set()
    threads.run(lambda i: seen.add(threading.get_ident()), 10, n_threads=1)
    assert seen == {threading.get_ident()}


class Oops(Exception):
    pass


@pytest.mark.parametrize("bad", [0, 3, 19])
def test_an_exception_reaches_the_caller_and_the_pool_works_on(bad, cpus):
    def task(i):
        if i == bad:
            raise Oops(i)

    with pytest.raises(Oops, match=str(bad)):
        threads.run(task, 20)
    test_every_task_runs_once(20, None, cpus)


def test_an_exception_of_a_helper_reaches_the_caller():
    caller = threading.get_ident()
    helper_failed = threading.Event()

    def task(i):
        if threading.get_ident() == caller:
            assert helper_failed.wait(30)
        else:
            helper_failed.set()
            raise Oops

    with pytest.raises(Oops):
        threads.run(task, 2, n_threads=2)


def test_after_an_exception_no_task_is_running_or_begun():
    running, lock = [0], threading.Lock()
    begun = []

    def task(i):
        begun.append(i)
        with lock:
            running[0] += 1
        try:
            if i == 0:
                raise Oops
        finally:
            with lock:
                running[0] -= 1

    with pytest.raises(Oops):
        threads.run(task, 10_000, n_threads=2)
    count = len(begun)
    assert running == [0] and count < 10_000


def test_nested_runs_neither_lock_up_nor_lose_tasks(cpus):
    done = []
    threads.run(lambda i: threads.run(lambda j: done.append((i, j)), 5), 6)
    assert sorted(done) == list(itertools.product(range(6), range(5)))


def test_many_callers_at_once(cpus):
    def call(caller):
        sums = np.zeros(50)

        def task(i):
            sums[i] = caller * i

        threads.run(task, 50)
        return sums.sum()

    with ThreadPoolExecutor(8) as callers:
        assert list(callers.map(call, range(20))) == [1225.0 * caller for caller in range(20)]


# Sharing


def pieces_of(count, piece):
    """What threads call to take pieces, as compiled functions do."""

    def work_on(turns, leads):
        sharing.begin(turns, leads)
        while (i := sharing.take(turns)) < count:
            piece(i)
            sharing.done(turns)
        sharing.finish(turns, leads, count)

    return work_on


@pytest.mark.parametrize("count", [1, 2, 7, 100])
@pytest.mark.parametrize("n_threads", [None, 1, 2, 5])
def test_every_piece_is_taken_once(count, n_threads, cpus):
    for _ in range(20):
        done = []
        threads.run_pieces(pieces_of(count, done.append), count, n_threads)
        assert sorted(done) == list(range(count))


def test_all_threads_take_pieces():
    meeting = threading.Barrier(3, timeout=30)
    threads.run_pieces(pieces_of(3, lambda i: meeting.wait()), 3, n_threads=3)


def test_no_piece_waits_for_a_thread_that_is_late(busy_pool):
    done = []
    threads.run_pieces(pieces_of(5, done.append), 5, n_threads=2)
    assert done == list(range(5)) and not busy_pool.is_set()


def test_an_exception_of_the_caller_is_raised(cpus):
    def fails(turns, leads):
        if leads:
            raise Oops

    with pytest.raises(Oops):
        threads.run_pieces(fails, 5)
    test_every_piece_is_taken_once(5, None, cpus)


def test_an_exception_of_a_helper_is_raised():
    caller = threading.get_ident()
    both = threading.Barrier(2, timeout=30)

    def piece(i):
        both.wait()
        if threading.get_ident() != caller:
            raise Oops

    with pytest.raises(Oops):
        threads.run_pieces(pieces_of(2, piece), 2, n_threads=2)
    test_all_threads_take_pieces()


def test_many_callers_share_at_once(cpus):
    def call(caller):
        sums = np.zeros(50)

        def piece(i):
            sums[i] = caller * i

        threads.run_pieces(pieces_of(50, piece), 50)
        return sums.sum()

    with ThreadPoolExecutor(8) as callers:
        assert list(callers.map(call, range(20))) == [1225.0 * caller for caller in range(20)]


def rounds_of(sizes, piece, told):
    """What threads call to take pieces round by round; all rounds are at most ``told`` pieces."""

    def work_on(turns, leads):
        sharing.begin(turns, leads)
        if not leads:
            while (i := sharing.take_open(turns)) >= 0:
                piece(i)
                sharing.done(turns)
            return
        i = sharing.take(turns)
        for number, size in enumerate(sizes):
            sharing.open_round(turns, size)
            while sharing.is_open(turns, i):
                piece(i)
                sharing.done(turns)
                i = sharing.take(turns)
            if not sharing.close_round(turns):
                return
            piece(-number - 1)  # between rounds
        sharing.end_rounds(turns, told)

    return work_on


@pytest.mark.parametrize("sizes", [[1], [4, 4, 4], [3, 1, 7, 2], [50] * 4])
@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_a_round_begins_when_the_one_before_is_done(sizes, n_threads, cpus):
    bounds = np.cumsum([0, *sizes]).tolist()
    for told in (bounds[-1], bounds[-1] + 9):
        done = []
        threads.run_pieces(rounds_of(sizes, done.append, told), told, n_threads)
        for number, (first, stop) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
            at = first + number
            assert sorted(done[at : at + stop - first]) == list(range(first, stop))
            assert done[at + stop - first] == -number - 1


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("is_helper", [True, False], ids=["helper", "caller"])
def test_an_exception_in_a_round_is_raised(n_threads, is_helper):
    # And no thread waits for the next round: all are there for the call after.
    caller, first = threading.get_ident(), threading.Lock()
    everyone = threading.Barrier(n_threads, timeout=30)

    def piece(i):
        if n_threads <= i < 2 * n_threads:
            everyone.wait()
            if (threading.get_ident() != caller) == is_helper and first.acquire(blocking=False):
                raise Oops

    with pytest.raises(Oops):
        threads.run_pieces(rounds_of([n_threads] * 3, piece, 9), 9, n_threads=n_threads)
    test_all_threads_take_pieces()


def test_idle_threads_go_to_sleep_and_wake_up_again():
    for _ in range(3):
        test_all_threads_take_pieces()
        deadline = time.monotonic() + 30
        while threads._idle and time.monotonic() < deadline:
            time.sleep(0.001)
        assert threads._idle == 0 and not threads._requests


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, "2", True, [1]])
def test_a_number_of_threads_that_cannot_be_used_is_refused(n_threads):
    with pytest.raises(InputError, match="n_threads"):
        threads.resolve_n_threads(n_threads)


def test_numbers_of_threads(cpus):
    assert threads.resolve_n_threads(None) == cpus
    assert threads.resolve_n_threads(np.int64(3)) == 3


# Processes of their own


needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="no fork")

FORK = (
    IN_CHILD
    + """
from fastclf import threads

def works():
    done = []
    threads.run(done.append, 100, n_threads=4)
    return sorted(done) == list(range(100))

assert works()
"""
)


@needs_fork
def test_the_pool_works_after_a_fork():
    run_script(FORK + "in_child(works)\nin_child(lambda: in_child(works) or True)\nassert works()")


@needs_fork
def test_a_fork_while_another_thread_holds_the_lock_does_not_hang():
    run_script(FORK + "with threads._lock:\n    in_child(works)\nassert works()")


# Where no thread can be started


START = threading.Thread.start


def starting_only(count: int):
    """Return a `Thread.start` that lets so many threads start, and no more."""
    left = itertools.repeat(None, count)

    def start(thread: threading.Thread) -> None:
        if next(left, 0) == 0:
            raise RuntimeError("can't start new thread")
        START(thread)

    return start


@pytest.fixture
def fresh_pool(monkeypatch):
    """A pool that has no threads yet, for as many CPUs as some machines have."""
    monkeypatch.setattr(threads, "available_cpus", lambda: 4)
    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr(threads, "_next_try", -np.inf)
    until_idle()
    yield
    threads._give_up_pool()


def until_idle():
    for _ in range(1000):
        if threads._idle == 0:
            return
        time.sleep(0.01)
    assert threads._idle == 0


def helpers(count: int = 40) -> set[str]:
    """Return the names of the threads that took part in a run."""
    names = []

    def task(i: int) -> None:
        names.append(threading.current_thread().name)
        time.sleep(0.001)

    threads.run(task, count, 4)
    assert len(names) == count
    return set(names)


@pytest.mark.parametrize("started", [0, 1, 2])
def test_where_threads_cannot_be_started_fewer_do_the_work(started, fresh_pool, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", starting_only(started))
    for _ in range(3):
        assert len(helpers()) <= started + 1
    assert not threads._requests
    until_idle()
    # Later they can, and are asked for again.
    monkeypatch.setattr(threading.Thread, "start", START)
    monkeypatch.setattr(threads, "_next_try", -np.inf)
    assert len(helpers()) > 1
    until_idle()


def test_after_the_interpreter_began_to_shut_down(fresh_pool, monkeypatch):
    monkeypatch.setattr(concurrent.futures.thread, "_shutdown", True)
    assert helpers() == {threading.current_thread().name}
    assert list(threads.prefetch(range(5))) == [0, 1, 2, 3, 4]
    assert list(in_order(abs, [1, -2, 3], 2)) == [1, 2, 3]
    assert not threads._requests and threads._idle == 0


def test_a_fit_without_threads_has_the_same_bits(fresh_pool, monkeypatch):
    X = np.random.default_rng(0).normal(size=(20_000, 30))
    y = X[:, 0] + X[:, 1] ** 2 > 1
    expected = LogisticRegression().fit(X, y).coef_
    threads._give_up_pool()
    monkeypatch.setattr(threading.Thread, "start", starting_only(0))
    assert np.array_equal(LogisticRegression().fit(X, y).coef_, expected)

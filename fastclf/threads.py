"""The thread pool that runs kernels over chunks of rows.

Results don't depend on the number of threads: the chunks depend on the size of the work alone, each
chunk writes to an array of its own, and the caller adds these arrays in order.

A thread that has finished its work stays awake for half a millisecond in case there is more,
because waking it up takes as long as a pass over a small X. It waits in
:mod:`fastclf.kernels.runtime.sharing`.
"""

import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

from fastclf.errors import InputError

_MIN_CHUNK_WORK = 1 << 15
"""Least work of a chunk, in nanoseconds."""

_MIN_HELPER_WORK = 1 << 16
"""Least work per additional thread, in nanoseconds; then a thread pays even if it must wake up."""

_YIELDS_BEFORE_SLEEP = 2000
"""How often an idle thread yields its CPU before it sleeps; this takes about half a millisecond."""

_RETRY_SECONDS = 1.0
"""Seconds until the next try after a thread couldn't be started."""

_MAX_CHUNKS = 64
_limit: int | None = None  # number of threads where none is given; None for all CPUs
_END: Any = object()

Item = TypeVar("Item")

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_inside_pool = threading.local()
_requests: deque["_Job"] = deque()  # holds a job once for each thread that it still asks for
_idle = 0  # threads of the pool without a job that are awake or being woken up
_next_try = -math.inf  # no thread is started before this time
_calls = np.zeros(1, np.int64)  # number of calls of _request_helpers


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_n_threads(n_threads: int | None) -> int:
    """Return the number of threads: for None the limit or all CPUs; others are integers >= 1."""
    if n_threads is None:
        return available_cpus() if _limit is None else _limit
    if isinstance(n_threads, bool) or not hasattr(n_threads, "__index__") or n_threads < 1:
        raise InputError(f"n_threads must be None or an integer >= 1, got {n_threads!r}")
    return int(n_threads)


@contextmanager
def limited(n_threads: int) -> Iterator[None]:
    """Take so many threads in the block, in the whole process, where no number is given.

    >>> with limited(3):
    ...     resolve_n_threads(None)
    3
    """
    global _limit
    before, _limit = _limit, resolve_n_threads(n_threads)
    try:
        yield
    finally:
        _limit = before


def chunks(
    n: int, work_per_row: float, most: int = _MAX_CHUNKS, tile: int = 1
) -> list[tuple[int, int]]:
    """Divide rows 0 to n into chunks (start, stop), independently of the number of threads.

    ``work_per_row`` is in nanoseconds, and approximate. There are at most ``most`` chunks, for
    kernels that need memory for each. The length of each chunk but the last is a multiple of
    ``tile``.

    >>> chunks(10, 1.0)
    [(0, 10)]
    >>> len(chunks(1_000_000, 100.0))
    64
    >>> chunks(300, 1000.0, tile=128)
    [(0, 128), (128, 256), (256, 300)]
    """
    tiles = -(-n // tile)
    count = max(int(min(n * work_per_row // _MIN_CHUNK_WORK, most, _MAX_CHUNKS, tiles)), 1)
    bounds = [min(tiles * i // count * tile, n) for i in range(count + 1)]
    return list(zip(bounds[:-1], bounds[1:], strict=True))


class _Job:
    """Work for several threads: each calls ``work``, the caller's thread with True.

    ``turns`` are the counters of the call, on which idle threads wait (see `sharing.new_turns`).
    """

    def __init__(self, work: Callable[[bool], Any], turns: np.ndarray) -> None:
        self.work = work
        self.turns = turns
        self.errors: SimpleQueue[BaseException | None] = SimpleQueue()

    def help(self) -> None:
        """Call ``work(False)``, and put the exception that it raises, or None, into ``errors``."""
        error = None
        try:
            self.work(False)
        except BaseException as raised:
            error = raised
        self.errors.put(error)


def run(
    task: Callable[[int], Any],
    count: int,
    n_threads: int | None = None,
    work: float = math.inf,
) -> None:
    """Call ``task(i)`` for i in range(count), on several threads.

    The caller's thread is one of them. After an exception no further call is started, and it is
    raised once all threads have stopped. ``work`` is that of all calls, in nanoseconds, and
    approximate; small work gets fewer threads.
    """
    workers = _workers(count, n_threads, work)
    if workers == 1:
        for i in range(count):
            task(i)
        return
    numbers = iter(range(count))
    failed = threading.Event()

    def take_part(leads: bool) -> None:
        while not failed.is_set():
            i = next(numbers, None)  # atomic under the GIL
            if i is None:
                return
            try:
                task(i)
            except BaseException:
                failed.set()
                raise

    sharing = _sharing()
    job = _Job(take_part, sharing.new_turns())
    started = 0
    try:
        _request_helpers(job, workers - 1)
        take_part(True)
    finally:
        started = workers - 1 - _withdraw(job)
        sharing.until_gone(job.turns, started, _YIELDS_BEFORE_SLEEP)
        errors = [job.errors.get() for _ in range(started)]
    for error in errors:
        if error is not None:
            raise error


def run_pieces(
    work_on: Callable[[np.ndarray, bool], Any],
    pieces: int,
    n_threads: int | None = None,
    work: float = math.inf,
) -> None:
    """Call a compiled function on several threads, which divide the pieces of its work.

    The function gets the counters of the call, and whether the thread is the caller's. It takes the
    number of its next piece by :mod:`fastclf.kernels.runtime.sharing`, so that no thread needs the
    GIL between two pieces. An exception of any thread is raised. ``work`` is as in `run`.
    """
    turns = _sharing().new_turns()
    workers = _workers(pieces, n_threads, work)
    if workers == 1:
        work_on(turns, True)
        return
    job = _Job(lambda leads: work_on(turns, leads), turns)
    try:
        _request_helpers(job, workers - 1)
        work_on(turns, True)
    finally:
        _withdraw(job)
        _sharing().send_away(turns)
    if not _sharing().is_complete(turns, pieces):
        while (error := job.errors.get()) is None:
            pass
        raise error


def _workers(count: int, n_threads: int | None, work: float) -> int:
    workers = min(resolve_n_threads(n_threads), count)
    if work < (workers - 1) * _MIN_HELPER_WORK:
        workers = 1 + int(work // _MIN_HELPER_WORK)
    return 1 if getattr(_inside_pool, "yes", False) else max(workers, 1)


def _request_helpers(job: _Job, helpers: int) -> None:
    # Idle threads that are awake take the job at once; further threads are woken up or started. If
    # none can be started, because the interpreter ends or the system limits threads, the caller
    # works alone.
    global _idle, _next_try
    with _lock:
        _requests.extend([job] * helpers)
        missing = max(len(_requests) - _idle, 0)
        if missing and time.monotonic() < _next_try:
            missing = 0
        _idle += missing
        _calls[0] += 1
    for woken in range(missing):
        call = _Wakeup()
        try:
            _get_pool(helpers).submit(_serve_jobs, call)
        except (RuntimeError, MemoryError):
            _give_up_pool()
            with _lock:
                # A thread that was already running may have taken this wake-up.
                _idle -= missing - woken - call.is_taken
                call.is_taken = True
                _next_try = time.monotonic() + _RETRY_SECONDS
            return


def _withdraw(job: _Job) -> int:
    # Remove the open requests of a job, and return how many there were.
    with _lock:
        late = _requests.count(job)
        for _ in range(late):
            _requests.remove(job)
    return late


class _Wakeup:
    """A wake-up of a thread of the pool; only one thread may take it."""

    is_taken = False


def _serve_jobs(call: _Wakeup) -> None:
    # Runs in a thread of the pool: work while there are requests, then wait awake, then sleep.
    global _idle
    with _lock:
        if call.is_taken:
            return
        call.is_taken = True
    _inside_pool.yes = True
    sharing = _sharing()
    while True:
        turns = sharing.new_turns()
        with _lock:
            job = _requests.popleft() if _requests else None
            last = int(_calls[0])
            _idle -= job is not None
        if job is not None:
            job.help()
            turns = job.turns
            del job
            with _lock:
                _idle += 1
                last = int(_calls[0]) - bool(_requests)
        if not sharing.rest(turns, _calls, last, _YIELDS_BEFORE_SLEEP):
            with _lock:
                if not _requests:
                    _idle -= 1
                    return


def _sharing() -> Any:
    from fastclf.kernels.runtime import sharing  # here, because importing Numba takes long

    return sharing


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items while a thread computes the next one; close their iterator when stopped.

    >>> list(prefetch(range(3)))
    [0, 1, 2]
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="fastclf-ahead") as reader:
        try:
            waiting = reader.submit(next, iterator, _END)
        except RuntimeError:  # no thread can be started
            yield from iterator
            return
        try:
            while (item := waiting.result()) is not _END:
                waiting = reader.submit(next, iterator, _END)
                yield item
                del item
        finally:
            wait([waiting])
            close = getattr(iterator, "close", None)
            if close is not None:
                close()


def _get_pool(size: int) -> ThreadPoolExecutor:
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < size:
            _pool_size = max(size, available_cpus() - 1)
            _pool = ThreadPoolExecutor(_pool_size, thread_name_prefix="fastclf")
        return _pool


def _give_up_pool() -> None:
    # The threads of the pool end after their current jobs.
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown(wait=False)


def _forget_pool() -> None:
    # A forked child process has copies of these variables, but not the threads.
    global _pool, _lock, _idle, _next_try
    _pool = None
    _next_try = -math.inf
    _lock = threading.Lock()
    _requests.clear()
    _idle = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)

"""The BLAS libraries of the process while fastclf computes: one thread, and none that spins.

One thread, because a product's bits depend on the number of threads. And after each call that used
several, OpenBLAS's threads look out for the next one for about a tenth of a second, in a loop that
doesn't give way to others. Two copies of the library are in most processes, NumPy's and SciPy's, so
on two cores a fit that follows somebody else's product has half a core for each of its threads.
Before a fit that is worth it such threads are ended; OpenBLAS itself does the same at each fork,
and starts them again when it needs them.
"""

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_ENDING = 8e6
"""Nanoseconds of work that is worth the ending of a BLAS thread. To look for one takes 0.15 ms, and
our own threads may have gone to sleep then: fits of 5 ms lost more by it than they gained.
"""

_WORTH = 3.0
"""The same where the last ending took longer, as a multiple of its time: threads that wait awake
double the time of a fit.
"""

_FORGET = 0.9
"""Share of the last time that counts at the next fit, while no thread is ended."""

_TASKS = "/proc/self/task"

_WAITING = {
    ("concurrent.futures.thread", "_worker"),
    ("fastclf.threads", "_serve_jobs"),
    ("ipykernel.heartbeat", "run"),
    ("ipykernel.parentpoller", "run"),
    ("selectors", "select"),
    ("threading", "wait"),
    ("threading", "_wait_for_tstate_lock"),
}
"""Modules and functions in which a thread waits, and calls nothing."""

_lock = threading.Lock()
_users = 0
_before: list[int] = []  # number of threads of each library before the first user's limit
_price = 0.0  # nanoseconds that the last ending took; on a busy machine it takes long


@contextmanager
def single_threaded(work: float = 0.0) -> Iterator[None]:
    """Limit BLAS to one thread in the whole process, until the last concurrent user leaves.

    ``work`` is what follows, in nanoseconds, and approximate. If it is worth it, and nobody else
    can be using them, BLAS threads that wait awake are ended.
    """
    global _users, _before
    with _lock:
        if _users == 0:
            _before = [library.num_threads for library in _libraries()]
            _limit([1] * len(_before))
            if work >= _ENDING * max(sum(_before) - len(_before), 1):
                _end_idle_threads(work)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limit(_before)
                _release()


@cache
def _libraries() -> list[Any]:
    import scipy.linalg  # noqa: F401  load SciPy's own BLAS, so that it is limited, too
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas").lib_controllers


def _limit(limits: list[int]) -> None:
    _release()
    for library, limit in zip(_libraries(), limits, strict=True):
        library.set_num_threads(limit)


def _release() -> None:
    # Since 3.8, threadpoolctl lets only the first thread that set a limit of OpenBLAS change it.
    # Here the last user restores the limit, and may run in another thread.
    import threadpoolctl

    clear = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


def _end_idle_threads(work: float) -> None:
    # A thread in the middle of a product would be waited for without end. But none can begin one
    # now: this thread holds Python's lock until it is done, and other threads of Python's wait.
    global _price
    _price *= _FORGET
    if work < _WORTH * _price or not _enders():
        return
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    if has_lock and _others_are_awake() and _others_wait():
        started = time.perf_counter_ns()
        for end in _enders():
            end()
        _price = float(time.perf_counter_ns() - started)


@cache
def _enders() -> list[Callable[[], int]]:
    # The functions that end all threads of each library; none if a library has no such function, as
    # NumPy's since 2.5: its threads would stay awake.
    found = []
    for library in _libraries():
        if library.internal_api == "openblas" and library.threading_layer == "pthreads":
            end = getattr(ctypes.PyDLL(library.filepath), "blas_thread_shutdown_", None)
            if end is None:
                return []
            found.append(end)
    return found


def _others_are_awake() -> bool:
    # Whether a thread that isn't Python's is running now.
    ours = {str(thread.native_id) for thread in threading.enumerate()}
    try:
        return any(_is_running(task) for task in os.listdir(_TASKS) if task not in ours)
    except OSError:  # not Linux
        return False


def _is_running(task: str) -> bool:
    try:
        with open(f"{_TASKS}/{task}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"R"
    except OSError:  # it ended
        return False


def _others_wait() -> bool:
    own = threading.get_ident()
    return all(
        (frame.f_globals.get("__name__"), frame.f_code.co_name) in _WAITING
        for thread, frame in sys._current_frames().items()
        if thread != own
    )


def _forget_lock() -> None:
    # In a forked child the thread that holds it may be missing.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)

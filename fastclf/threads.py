"""The thread pool that runs kernels over chunks, and the limit on BLAS threads.

Results never depend on the number of threads: the work is cut into chunks by its size alone, each
chunk writes to a place of its own, and the caller adds the parts in order.
"""

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from fastclf.errors import InputError

_SMALL = 1 << 15
"""Units of work (about a nanosecond each) below which a chunk isn't worth a thread."""

_WORTH = 1 << 18
"""Units of work that are worth waking another thread up for."""

_MAX_CHUNKS = 64
_END: Any = object()

Item = TypeVar("Item")

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_inside_pool = threading.local()


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_n_threads(n_threads: int | None) -> int:
    """Return the number of threads to use; None means every CPU that is available.

    Raises
    ------
    InputError
        If `n_threads` is neither None nor a positive integer.
    """
    if n_threads is None:
        return available_cpus()
    if isinstance(n_threads, bool) or not hasattr(n_threads, "__index__") or n_threads < 1:
        raise InputError(f"n_threads must be None or an integer >= 1, got {n_threads!r}")
    return int(n_threads)


def chunks(
    n: int, work_per_row: float, most: int = _MAX_CHUNKS, tile: int = 1
) -> list[tuple[int, int]]:
    """Cut rows 0 to n into chunks, by their number and the work in each row alone.

    Parameters
    ----------
    n : int
        Number of rows.
    work_per_row : float
        Cost of a row, in nanoseconds or so.
    most : int
        Upper limit on the number of chunks, where each needs memory of its own.
    tile : int
        Rows that are worked on together: all chunks but the last are of whole tiles.

    Returns
    -------
    list of (start, stop)

    Examples
    --------
    >>> chunks(10, 1.0)
    [(0, 10)]
    >>> len(chunks(1_000_000, 100.0))
    64
    >>> chunks(300, 1000.0, tile=128)
    [(0, 128), (128, 256), (256, 300)]
    """
    tiles = -(-n // tile)
    count = max(int(min(n * work_per_row // _SMALL, most, _MAX_CHUNKS, tiles)), 1)
    bounds = [min(tiles * i // count * tile, n) for i in range(count + 1)]
    return list(zip(bounds[:-1], bounds[1:], strict=True))


def run(
    task: Callable[[int], Any],
    count: int,
    n_threads: int | None = None,
    work: float = math.inf,
) -> None:
    """Call ``task(i)`` for i in range(count), on several threads if there are several calls.

    The caller's thread takes part. The first exception is raised, when all threads have stopped.

    Parameters
    ----------
    task : callable
    count : int
    n_threads : int, optional
    work : float
        Cost of all calls, in nanoseconds or so: no more threads are woken up than it is worth.
    """
    workers = min(resolve_n_threads(n_threads), count)
    if work < (workers - 1) * _WORTH:
        workers = 1 + int(work // _WORTH)
    if workers <= 1 or getattr(_inside_pool, "yes", False):
        for i in range(count):
            task(i)
        return
    numbers = iter(range(count))
    failed = threading.Event()

    def take_part() -> None:
        while not failed.is_set():
            i = next(numbers, None)  # atomic under the GIL
            if i is None:
                return
            try:
                task(i)
            except BaseException:
                failed.set()
                raise

    def work_in_pool() -> None:
        _inside_pool.yes = True
        take_part()

    helpers = [_get_pool(workers - 1).submit(work_in_pool) for _ in range(workers - 1)]
    try:
        take_part()
    finally:
        started = [helper for helper in helpers if not helper.cancel()]  # others woke up too late
        wait(started)
    for helper in started:
        helper.result()


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items while a thread makes the next one.

    Parameters
    ----------
    items : iterable
        It is only ever asked by one thread at a time, and left when the caller leaves.

    Examples
    --------
    >>> list(ahead(range(3)))
    [0, 1, 2]
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="fastclf-ahead") as reader:
        waiting = reader.submit(next, iterator, _END)
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


def _forget_pool() -> None:
    # A forked child has the pool's bookkeeping, but none of its threads.
    global _pool, _lock
    _pool = None
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


_blas_users = 0
_blas_limit: Any = None


@cache
def _blas_controller() -> Any:
    import scipy.linalg  # noqa: F401  what isn't loaded yet can't be limited: SciPy's own BLAS
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _release_blas() -> None:
    # Of late (3.8), threadpoolctl lets the thread that first limits OpenBLAS own the limit, and
    # silently ignores all others. Here the last user restores it, who needn't be the first.
    import threadpoolctl

    clear = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit BLAS to one thread, process-wide, until the last of the nested users leaves."""
    global _blas_users, _blas_limit
    with _lock:
        if _blas_users == 0:
            _release_blas()
            _blas_limit = _blas_controller().limit(limits=1, user_api="blas")
        _blas_users += 1
    try:
        yield
    finally:
        with _lock:
            _blas_users -= 1
            if _blas_users == 0 and _blas_limit is not None:
                _release_blas()
                _blas_limit.restore_original_limits()
                _release_blas()
                _blas_limit = None

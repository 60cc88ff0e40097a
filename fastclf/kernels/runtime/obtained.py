"""How the kernels of this process were obtained, and the time that it took."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from numba.core.compiler_lock import global_compiler_lock


class Obtained(NamedTuple):
    """Counts since the process began, or since an earlier moment.

    Parameters
    ----------
    bundle, cache : int
        Variants of kernels that were loaded.
    compiled : int
        Variants that were compiled.
    seconds : float
        Wall time of all that.
    """

    bundle: int
    cache: int
    compiled: int
    seconds: float

    def since(self, before: "Obtained") -> "Obtained":
        """Return what was added to earlier counts."""
        return Obtained(*(now - then for now, then in zip(self, before, strict=True)))


PATIENCE = 1.0
"""After how many seconds of compilation people are told."""

_counts = {"bundle": 0, "cache": 0, "compiled": 0}
_seconds = [0.0]
_begun: list[float] = []


def so_far() -> Obtained:
    """Return the counts up to now; a kernel that is being compiled adds to the time alone."""
    return Obtained(**_counts, seconds=_all_seconds(time.perf_counter()))


def _all_seconds(now: float) -> float:
    running = sum(now - begun for begun in tuple(_begun)) if _begun else 0.0
    return _seconds[0] + running


class Stopwatch:
    """Measures work; the time in which this process obtains kernels is kept apart.

    Parameters
    ----------
    seconds, compile_seconds : float
        Times to begin with, of work that goes on now.
    """

    def __init__(self, seconds: float = 0.0, compile_seconds: float = 0.0) -> None:
        now = time.perf_counter()
        self._start = now - seconds - compile_seconds
        self._kernels_at_start = _all_seconds(now) - compile_seconds

    def read(self) -> tuple[float, float]:
        """Return the time of the work, and that in which kernels were compiled or loaded."""
        now = time.perf_counter()
        compile_seconds = _all_seconds(now) - self._kernels_at_start
        return max(0.0, now - self._start - compile_seconds), compile_seconds


def count(source: str) -> None:
    """Count a variant: "bundle", "cache" or "compiled"."""
    _counts[source] += 1


@contextmanager
def timed() -> Iterator[None]:
    """Count the time of a block in which a kernel is obtained; such blocks may be nested."""
    with global_compiler_lock:  # one thread at a time
        if _begun:
            yield
            return
        _begun.append(time.perf_counter())
        try:
            yield
        finally:
            took = time.perf_counter() - _begun.pop()
            _seconds[0] += took
            for notice in tuple(_notices):
                notice.stop(took)


def must_compile(is_kept: Callable[[], bool]) -> None:
    """Note that a kernel is compiled next; ``is_kept`` tells whether other processes find it."""
    for notice in tuple(_notices):
        notice.start(is_kept)


@contextmanager
def telling(tell: Callable[[str], object]) -> Iterator[None]:
    """Call ``tell`` with a line of text once kernels were compiled for ``PATIENCE``.

    It is called once at most, from a thread of its own.
    """
    notice = _Notice(tell)
    _notices.append(notice)
    try:
        yield
    finally:
        _notices.remove(notice)


class _Notice:
    # Tells of compilation when all of it has taken as long as people wait without a word.
    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._patience = PATIENCE
        self._timer: threading.Timer | None = None
        self._done = False

    def start(self, is_kept: Callable[[], bool]) -> None:
        if self._timer is None and not self._done:
            timer = threading.Timer(max(0.0, self._patience), self._call, (is_kept,))
            timer.daemon = True
            with suppress(RuntimeError):  # no thread can be started: nothing is told
                timer.start()
                self._timer = timer

    def stop(self, took: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join(1.0)  # a line that is being printed comes before what follows
            self._timer = None
            self._patience -= took

    def _call(self, is_kept: Callable[[], bool]) -> None:
        self._done = True
        if is_kept():
            then = "they are cached for such fits; `fastclf warmup` compiles all of them ahead"
        else:
            then = "they can't be cached: set NUMBA_CACHE_DIR to a folder that can be written"
        self._tell(f"compiling kernels, which usually takes 5 to 20 s; {then}")


_notices = [_Notice(logging.getLogger("fastclf").info)]

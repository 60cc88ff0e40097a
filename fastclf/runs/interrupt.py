"""Stopping a command early: by Ctrl-C, or by a limit of its time.

The first Ctrl-C, and the end of the time, can wait for the end of a step of the fit, which saves a
checkpoint. A second Ctrl-C stops at once, and so does a time limit that waits in vain. The limit
needs no signals, so it works in any thread, on Windows, and where Ctrl-C is ignored.
"""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE = 10.0
"""Seconds after a time limit in which a fit may end its step and save a checkpoint."""

REACTION = 5.0
"""Seconds that Python code gets to end after an exception; then the process ends at once."""

TIME_UP = 124
"""The exit status after a time limit, which is that of timeout(1)."""


class TimeUp(KeyboardInterrupt):
    """A time limit was reached."""


class Interrupt:
    """State of the Ctrl-C handling.

    Attributes
    ----------
    can_wait : bool
        Set by code that checks ``requested`` regularly and then stops by itself.
    requested : bool
        Whether Ctrl-C was pressed, or a time limit reached, while it could wait.
    """

    def __init__(self) -> None:
        self.can_wait = False
        self.requested: bool = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Record a first Ctrl-C that can wait; raise KeyboardInterrupt for any other."""
        if self.requested or not self.can_wait:
            raise KeyboardInterrupt
        self.requested = True


class _TimeLimit:
    """A limit that a thread of its own watches over.

    Attributes
    ----------
    interrupt : Interrupt or None
        That of the fit in progress.
    reached : bool
    """

    def __init__(self, ends: float, last_words: Callable[[], object]) -> None:
        self.interrupt: Interrupt | None = None
        self.reached = False
        self._ends = ends
        self._last_words = last_words
        self._stopped = threading.get_ident()
        self._lock = threading.Lock()
        self._over = threading.Event()
        threading.Thread(target=self._watch, name="fastclf-time-limit", daemon=True).start()

    def end(self) -> None:
        """Call the limit off."""
        with self._lock:
            self._over.set()

    def reach(self) -> bool:
        """Have the command stop; return whether it was at once and not at the end of a step."""
        self.reached = True
        interrupt = self.interrupt  # another thread may set it to None
        if interrupt is not None and interrupt.can_wait:
            interrupt.requested = True
            return False
        self._stop()
        return True

    def _watch(self) -> None:
        if self._over.wait(max(self._ends - time.perf_counter(), 0.0)):
            return
        if not self.reach() and not self._over.wait(PATIENCE):
            self._stop()
        if not self._over.wait(REACTION):  # in the middle of a long call of compiled code
            self._last_words()
            os._exit(TIME_UP)

    def _stop(self) -> None:
        """Raise TimeUp in the thread of the command, as soon as it runs Python code."""
        with self._lock:
            if not self._over.is_set():
                thread = ctypes.c_ulong(self._stopped)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TimeUp))


_limit: _TimeLimit | None = None  # that of the command in progress


@contextmanager
def time_limit(
    seconds: float | None, began: float, last_words: Callable[[], object]
) -> Iterator[None]:
    """Stop the block, as Ctrl-C does, if it takes too long.

    Parameters
    ----------
    seconds : float or None
        The limit; None for no limit.
    began : float
        When the time began, by ``time.perf_counter``.
    last_words : callable
        Is called in another thread if the process ends at once, with the exit status `TIME_UP`:
        compiled code went on for `REACTION` seconds after a limit.

    Raises
    ------
    TimeUp
        If the limit was reached.
    """
    global _limit
    if seconds is None:
        yield
        return
    _limit = limit = _TimeLimit(began + seconds, last_words)
    try:
        yield
    except KeyboardInterrupt:
        if limit.reached:
            raise TimeUp from None
        raise
    finally:
        _limit = None
        limit.end()


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Handle Ctrl-C and the time limit in the block through the `Interrupt` that is yielded.

    Outside the main thread, or if SIGINT has another handler than Python's own, Ctrl-C is left as
    it is and not recorded.
    """
    interrupt = Interrupt()
    limit = _limit
    is_main = threading.current_thread() is threading.main_thread()
    handled = is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if handled:
        signal.signal(signal.SIGINT, interrupt.handle)
    if limit is not None:
        limit.interrupt = interrupt
    try:
        yield interrupt
    finally:
        if limit is not None:
            limit.interrupt = None
        if handled:
            signal.signal(signal.SIGINT, signal.default_int_handler)

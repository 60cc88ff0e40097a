"""Handling of Ctrl-C: the first one can wait for the end of a step, a second one stops at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """State of the Ctrl-C handling.

    Attributes
    ----------
    can_wait : bool
        Set by code that checks ``requested`` regularly and then stops by itself.
    requested : bool
        Whether Ctrl-C was pressed while it could wait.
    """

    def __init__(self) -> None:
        self.can_wait = False
        self.requested: bool = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Record a first Ctrl-C that can wait; raise KeyboardInterrupt for any other."""
        if self.requested or not self.can_wait:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Handle Ctrl-C in the block through the `Interrupt` that is yielded.

    Outside the main thread, or if SIGINT has another handler than Python's own, Ctrl-C is left as
    it is and nothing is recorded.
    """
    interrupt = Interrupt()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return
    signal.signal(signal.SIGINT, interrupt.handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)

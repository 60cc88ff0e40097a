"""Ctrl-C that waits for a good place to stop; a second one doesn't."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether somebody asked to stop, and whether that can wait."""

    def __init__(self) -> None:
        self.can_wait = False
        self.requested = False

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Take note of Ctrl-C; raise KeyboardInterrupt if it can't wait or isn't the first."""
        if self.requested or not self.can_wait:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Give what hears Ctrl-C in the block, which is to stop then if it said that it can wait.

    Where Ctrl-C does something else already, or in another thread than the main one, nothing is
    heard.
    """
    interrupt = Interrupt()
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return
    signal.signal(signal.SIGINT, interrupt.hear)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)

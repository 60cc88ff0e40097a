"""What is printed for people: names from data can't give orders to the terminal."""

import sys
from contextlib import suppress
from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

from fastclf.errors import printable


class Terminal(Console):
    """A console of rich that prints the control characters of text as escapes.

    Names of classes and columns come from data: one with an escape sequence would otherwise change
    the colours or the title of the terminal, or what it shows. Nor is ``:cat:`` an emoji there.

    Parameters
    ----------
    stderr : bool
        Whether it prints to standard error.
    """

    def __init__(self, stderr: bool = False) -> None:
        file = cast(IO[str], _Forgiving()) if stderr and sys.stderr is not None else None
        super().__init__(file=file, stderr=stderr, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return what rich makes of a string, from which all cells and lines are made."""
        return super().render_str(printable(text), **options)


class _Forgiving:
    """Standard error; what can't be written to it is dropped, and work goes on."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


class TextOutput:
    """A binary file that prints UTF-8 lines to a terminal, control characters as escapes."""

    def write(self, content: bytes) -> int:
        """Print some lines."""
        sys.stdout.write(printable(bytes(content).decode()))
        return len(content)

    def flush(self) -> None:
        """Print what waits."""
        sys.stdout.flush()

"""Terminal output in which control characters from data are escaped."""

import sys
from contextlib import suppress
from typing import IO, Any, cast

from rich.console import Console
from rich.text import Text

from fastclf.errors import printable


class Terminal(Console):
    """A rich console that prints control characters as escapes.

    Names of classes and columns come from data. An escape sequence in one could otherwise change
    colours, title or contents of the terminal. Emoji codes such as ``:cat:`` are printed unchanged.

    Parameters
    ----------
    stderr : bool
        Whether to print to standard error.
    """

    def __init__(self, stderr: bool = False) -> None:
        file = cast(IO[str], _LenientStderr()) if stderr and sys.stderr is not None else None
        super().__init__(file=file, stderr=stderr, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return rich's rendering of a string after escaping; all cells and lines pass here."""
        return super().render_str(printable(text), **options)


class _LenientStderr:
    """Standard error that ignores write errors, so that they don't stop a run."""

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
    """A binary file that prints UTF-8 text to standard output, with control characters escaped."""

    def write(self, content: bytes) -> int:
        """Print some lines."""
        sys.stdout.write(printable(bytes(content).decode()))
        return len(content)

    def flush(self) -> None:
        """Flush standard output."""
        sys.stdout.flush()

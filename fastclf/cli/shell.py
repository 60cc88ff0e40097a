"""Parts that all commands share: exit statuses, printing, standard input and output."""

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

import click

from fastclf.errors import FastclfError, InputError, printable
from fastclf.files import DISK_IS_FULL
from fastclf.runs.interrupt import TIME_UP, TimeUp, time_limit


class Commands(click.Group):
    """The group of all commands, which sets the exit status.

    The status is 0 for success; 2 for an error of the user's or a file that can't be read or
    written, with one line on stderr; 1 if standard output was closed early; 124 after a time limit,
    and 130 after Ctrl-C.
    """

    ORDER = (
        "init check train tune evaluate predict compare report export datasets schema warmup doctor"
    ).split()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of a user's work."""
        own = [name for name in self.ORDER if name in self.commands]
        return own + sorted(self.commands.keys() - own)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command; errors in writing to standard output end in one line."""
        if "_FASTCLF_COMPLETE" in os.environ:
            import_module("fastclf.cli.completion")  # has Bash's
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # escape characters that its encoding lacks
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # click handles a closed pipe
            _fail(error)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn errors raised on purpose into one line."""
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
            return result
        except FastclfError as error:
            echo(f"fastclf: error: {error}", err=True)
            _drop_output()
            ctx.exit(2)
        except click.UsageError as error:
            message = " ".join(error.format_message().split()).removesuffix(".")
            command = f"{error.ctx.info_name} " if error.ctx not in (None, ctx) else ""
            help_command = f"fastclf {command}--help"
            echo(f"fastclf: error: {message[0].lower()}{message[1:]}; see {help_command}", err=True)
            ctx.exit(2)
        except TimeUp as stopped:
            echo(str(stopped), err=True)
            ctx.exit(TIME_UP)
        except KeyboardInterrupt as interrupt:
            echo("; ".join(["fastclf: interrupted", *interrupt.args]), err=True)
            ctx.exit(130)


def _fail(error: OSError) -> NoReturn:
    """Print an error of the operating system in one line, and exit with status 2."""
    lost = _drop_output()
    place = error.filename
    if place is None:  # errors in writing named files were raised as RunError before
        place = "standard output" if lost or error.errno in DISK_IS_FULL else "a file"
    echo(f"fastclf: error: {place}: {error.strerror or error}", err=True)
    sys.exit(2)


def _drop_output() -> bool:
    """Discard buffered output that can't be written; Python would try again at exit, and fail.

    Returns
    -------
    bool
        Whether output was discarded.
    """
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    except AttributeError:
        pass  # there is no standard output
    return False


def echo(text: str, err: bool = False) -> None:
    """Print a line with control characters as escapes; errors in writing to stderr are ignored."""
    if not err:
        click.echo(printable(text), file=sys.stdout)
        return
    with suppress(OSError):  # a message that can't be printed doesn't stop the work
        click.echo(printable(text), file=sys.stderr)


def echo_path(path: Path) -> None:
    """Print a path: on a terminal as escaped text, otherwise as its bytes."""
    if sys.stdout is not None and sys.stdout.isatty():
        echo(str(path))
    else:
        click.echo(os.fsencode(path))


def standard_input() -> BinaryIO:
    """Return standard input as a binary file."""
    if sys.stdin is None:
        raise InputError("standard input is closed; name a file")
    return sys.stdin.buffer


def standard_output(format: str | None) -> BinaryIO:
    """Return standard output as a binary file; on a terminal only text formats are accepted."""
    if sys.stdout is None:
        raise InputError("standard output is closed; name a file with -o")
    if not sys.stdout.isatty():
        return sys.stdout.buffer
    if format in ("parquet", "npz"):
        raise InputError(f"{format} can't be shown on a terminal; name a file with -o")
    from fastclf.runs.terminal import TextOutput

    return cast(BinaryIO, TextOutput())


@contextmanager
def printing_warnings() -> Iterator[None]:
    """Collect the UserWarnings of the block, and print each in one line at its end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            print_warnings(dict.fromkeys(str(one.message) for one in caught))


class Stopping:
    """What a command says if it is stopped.

    Attributes
    ----------
    saved : callable
        Returns where the work so far is saved, and how to resume it.
    """

    saved: Callable[[], str] = staticmethod(lambda: "nothing new was saved")


@contextmanager
def stopping(seconds: float | None, began: float) -> Iterator[Stopping]:
    """Stop the block after some seconds; its end by this or by Ctrl-C tells what is saved.

    Parameters
    ----------
    seconds : float or None
        The limit; None for no limit.
    began : float
        When the command began, by ``time.perf_counter``.
    """
    words = Stopping()

    def time_is_up() -> str:
        return f"fastclf: stopped at the time limit of {seconds:g} s; {words.saved()}"

    try:
        with time_limit(seconds, began, lambda: echo(time_is_up(), err=True)):
            yield words
    except TimeUp:
        raise TimeUp(time_is_up()) from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(words.saved()) from None


@contextmanager
def threads_limited(n_threads: int | None) -> Iterator[None]:
    """Let the block use so many threads; None for as many as there are CPUs."""
    if n_threads is None:
        yield
        return
    from fastclf.threads import limited

    arrow: Any = None  # reads files on threads of its own
    with suppress(ImportError):
        arrow = import_module("pyarrow")
    before = arrow and arrow.cpu_count()
    with limited(n_threads):
        try:
            if arrow is not None:
                arrow.set_cpu_count(n_threads)
            yield
        finally:
            if arrow is not None:
                arrow.set_cpu_count(before)


def telling_of_compilation(quiet: bool = False) -> AbstractContextManager[None]:
    """Print a line if the block compiles kernels for more than a second, unless it is quiet."""
    from fastclf.kernels.runtime import obtained

    return nullcontext() if quiet else obtained.telling(lambda line: echo(line, err=True))


def telling(quiet: bool = False) -> Callable[[str], None]:
    """Return a function that prints a line to stderr, unless it is quiet."""
    return (lambda line: None) if quiet else (lambda line: echo(line, err=True))


def print_warnings(lines: Iterable[str]) -> None:
    """Print each warning in one line."""
    for line in lines:
        echo(f"warning: {' '.join(line.splitlines())}", err=True)

"""The group of all commands, and what they share.

Each command imports its modules itself, so that ``--help`` is fast.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fastclf import __version__
from fastclf.cli.shell import Commands, threads_limited
from fastclf.runs.given import Given

PATH = click.Path(path_type=Path)


def completing(what: str) -> Callable[[click.Context, click.Parameter, str], list]:
    """Return the function of :mod:`fastclf.cli.completion` that completes ``what`` in the shell."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list:
        from fastclf.cli import completion

        found: list = getattr(completion, f"complete_{what}")(context, parameter, incomplete)
        return found

    return complete


RUN: dict[str, Any] = {"type": PATH, "shell_complete": completing("run")}
FILE: dict[str, Any] = {"type": PATH, "shell_complete": completing("file")}


def output(quiet: str, verbose: str) -> Callable[[Callable], Callable]:
    """Return a decorator that adds ``--quiet``, ``--verbose`` and ``--json`` to a command.

    ``quiet`` and ``verbose`` are the help texts of the first two.
    """

    def decorate(command: Callable) -> Callable:
        for option in (
            click.option("--json", "as_json", is_flag=True, help="Print JSON."),
            click.option("-v", "--verbose", is_flag=True, help=verbose),
            click.option("-q", "--quiet", is_flag=True, help=quiet),
        ):
            command = option(command)
        return command

    return decorate


def overriding(example: str) -> Callable[[Callable], Callable]:
    """Return a decorator that adds ``--set`` to a command that reads or writes a recipe."""
    return click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=completing("assignment"),
        help=f"Set a key of the recipe, like {example}. May be repeated.",
    )


def _delimiter(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Return the delimiter that an option names; the name of a tab is ``tab``."""
    if value is None:
        return None
    from fastclf.data.options import is_delimiter

    value = "\t" if value.lower() in ("tab", "\\t") else value
    if not is_delimiter(value):
        raise click.BadParameter("must be one character in ASCII, and not a quote or a line break")
    return value


def reading(command: Callable) -> Callable:
    """Add to a command the options that say how a data file without a recipe is read.

    The command gets ``targets``, and ``text`` with those of ``delimiter`` and ``decimal`` that were
    given.
    """

    @functools.wraps(command)
    def wrapped(*, delimiter: str | None, decimal: str | None, **others: Any) -> Any:
        text = {"delimiter": delimiter, "decimal": decimal}
        return command(text={key: one for key, one in text.items() if one is not None}, **others)

    for option in (
        click.option(
            "--decimal",
            type=click.Choice([".", ","]),
            help="Of a CSV file: the decimal mark.  [default: detected]",
        ),
        click.option(
            "--delimiter",
            metavar="CHARACTER",
            callback=_delimiter,
            help="Of a CSV file: the separator of values, such as ';' or tab.  [default: detected]",
        ),
        click.option(
            "--target",
            "targets",
            multiple=True,
            metavar="COLUMN",
            help="Of a data file: a target column, by its name, a pattern like label_*, or an "
            "index. May be repeated.  [default: target, label, class or y]",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


def limiting_threads(command: Callable) -> Callable:
    """Add ``--threads`` to a command."""

    @functools.wraps(command)
    def wrapped(*, threads: int | None, **others: Any) -> Any:
        with threads_limited(threads):
            return command(**others)

    return click.option(
        "--threads",
        type=click.IntRange(min=1),
        metavar="N",
        help="The number of threads, on which no result depends.  [default: the number of CPUs]",
    )(wrapped)


def starting(example: str) -> Callable[[Callable], Callable]:
    """Return a decorator that adds FILE and what goes with it to a command that needs a recipe.

    The command gets ``given``, a :class:`fastclf.runs.given.Given`. ``example`` is one of an
    assignment, for the help text of ``--set``.
    """

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def wrapped(
            *,
            file: Path | None,
            config: Path | None,
            targets: tuple[str, ...],
            text: dict[str, str],
            assignments: tuple[str, ...],
            **others: Any,
        ) -> Any:
            name = click.get_current_context().info_name or ""
            given = Given(name, file, config, targets, text, assignments)
            given.check(name != "warmup" and others.get("stopped") is None)
            return command(given=given, **others)

        config_option = click.option("--config", help="The recipe, instead of FILE.", **FILE)
        with_options = config_option(reading(overriding(example)(wrapped)))
        return click.argument("file", required=False, **FILE)(with_options)

    return decorate


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="A first model: fastclf train data.csv --target COLUMN",
)
@click.version_option(__version__, prog_name="fastclf")
def main() -> None:
    """Train linear classifiers fast, on a CPU."""

"""The group of all commands, and what they share.

Each command imports its modules itself, so that ``--help`` is fast.
"""

from collections.abc import Callable
from pathlib import Path

import click

from fastclf import __version__
from fastclf.cli.shell import Commands

PATH = click.Path(path_type=Path)


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
    """Return a decorator that adds ``--set`` to a command that takes a recipe."""
    return click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help=f"Override a key of the recipe, like {example}. May be repeated.",
    )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fastclf")
def main() -> None:
    """Train linear classifiers fast, on a CPU."""

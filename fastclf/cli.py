"""The command line. Each command imports what it needs, so that ``--help`` stays quick."""

from pathlib import Path
from typing import Any

import click

from fastclf import __version__
from fastclf.errors import FastclfError


class Commands(click.Group):
    """The commands, with the exit statuses of all of them.

    0 is success, 2 a mistake of the user's (one line on stderr says which), 130 Ctrl-C.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn errors raised on purpose into one line."""
        try:
            return super().invoke(ctx)
        except FastclfError as error:
            click.echo(f"fastclf: error: {error}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt as interrupt:
            click.echo("; ".join(["fastclf: interrupted", *interrupt.args]), err=True)
            ctx.exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fastclf")
def main() -> None:
    """Train linear classifiers fast, on a CPU."""


@main.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="The recipe (TOML).")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the recipe, like model.C=0.5. May be given again.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The run directory.  [default: runs/NAME-TIME]",
)
@click.option("-q", "--quiet", is_flag=True, help="Print the run directory and warnings only.")
def train(config: Path, assignments: tuple[str, ...], out: Path | None, quiet: bool) -> None:
    """Train the model that a recipe describes."""
    from rich.console import Console

    from fastclf.config import load_recipe
    from fastclf.runs.directory import METRICS, default_path
    from fastclf.runs.run import train as train_recipe
    from fastclf.runs.summary import print_summary

    recipe = load_recipe(config, assignments)
    out = out or default_path(recipe.name)
    try:
        result = train_recipe(recipe, out, None if quiet else Console(stderr=True))
    except KeyboardInterrupt:
        kept = f"kept {out}, which is incomplete" if (out / METRICS).exists() else "kept nothing"
        raise KeyboardInterrupt(kept) from None
    for warning in result.summary["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    if quiet:
        click.echo(result.path)
    else:
        print_summary(result.path, result.summary, Console())


@main.command()
def warmup() -> None:
    """Compile the kernels ahead of the first fit."""
    from fastclf.runs.warmup import warm_up

    total = 0.0
    for problem, seconds in warm_up():
        total += seconds
        click.echo(f"{problem}: {seconds:.2f} s")
    click.echo(f"ready in {total:.1f} s")

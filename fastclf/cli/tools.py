"""The commands that need no model: datasets, schema, warmup and doctor."""

from pathlib import Path

import click

from fastclf.cli.group import PATH, main, output, starting
from fastclf.cli.shell import echo, print_warnings, telling, telling_of_compilation
from fastclf.runs.given import Given


@main.command()
@click.argument("folder", required=False, type=PATH)
@output("Print only the names.", "Also print licence and origin.")
def datasets(folder: Path | None, quiet: bool, verbose: bool, as_json: bool) -> None:
    """List the data sets that a recipe can name.

    These are the built-in ones (data.name), and those of the cards in FOLDER (data.card), which is
    ./datasets by default.
    """
    from fastclf.data.catalogue import find_datasets
    from fastclf.runs.dataset_listing import print_datasets
    from fastclf.runs.directory import to_json
    from fastclf.runs.terminal import Terminal

    entries, problems = find_datasets(folder)
    print_warnings(problems)
    if as_json:
        echo(to_json([entry.as_json() for entry in entries]))
    elif quiet:
        for entry in entries:
            echo(entry.name)
    else:
        print_datasets(entries, Terminal(), verbose)


@main.command()
def schema() -> None:
    """Print the JSON schema of recipes, for editors."""
    from fastclf.config import recipe_schema
    from fastclf.runs.directory import to_json

    echo(to_json(recipe_schema()))


@main.command()
@starting("model.C=0.5")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of processes.  [default: the number of CPUs]",
)
@click.option(
    "--portable",
    is_flag=True,
    help="Compile for every processor of an instruction set level, not for this one alone.",
)
@click.option(
    "--into",
    type=PATH,
    metavar="DIR",
    help="The folder for portable kernels, for FASTCLF_KERNELS.  [default: the package]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def warmup(
    given: Given,
    jobs: int | None,
    portable: bool,
    into: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compile the kernels ahead of the first fit.

    FILE is a recipe or a data file: the kernels that it needs are compiled, by training it without
    saving. Without FILE all kernels are compiled.
    """
    from dataclasses import asdict

    from fastclf.runs.directory import to_json
    from fastclf.runs.terminal import Terminal
    from fastclf.runs.warmup import compile_ahead

    console = None if quiet else Terminal(stderr=True)
    recipe = None
    if given.file is not None or given.config is not None:
        from fastclf.runs.start import choose_recipe

        recipe = choose_recipe(given, telling(quiet)).recipe
    done = compile_ahead(recipe, jobs, portable or into is not None, into, console)
    if as_json:
        echo(to_json(asdict(done)))
    elif not quiet:
        echo(done.sentence())


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Print what a bug report should contain.

    That is the versions, the processor, the threads, and where the compiled kernels come from. A
    small fit is made to find out.
    """
    from fastclf.runs.directory import to_json
    from fastclf.runs.doctor import examine, print_findings
    from fastclf.runs.terminal import Terminal

    with telling_of_compilation():
        found = examine()
    if as_json:
        echo(to_json(found))
    else:
        print_findings(found, Terminal())

"""The commands that lead to a model: init, check, train and tune."""

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from fastclf.cli.group import PATH, main, output, overriding
from fastclf.cli.shell import echo, echo_path, print_warnings, printing_warnings


def _delimiter(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Return the delimiter that an option names; the name of a tab is ``tab``."""
    if value is None:
        return None
    from fastclf.data.options import is_delimiter

    value = "\t" if value.lower() in ("tab", "\\t") else value
    if not is_delimiter(value):
        raise click.BadParameter("must be one character in ASCII, and not a quote or a line break")
    return value


def _encoding(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    from fastclf.data.encodings import is_encoding

    if not is_encoding(value):
        raise click.BadParameter(f"{value} is unknown; use utf-8, cp1252, latin-1 or utf-16")
    return value


@main.command()
@click.argument("file", required=False, type=PATH)
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="COLUMN",
    help="A target column: a name, a pattern like label_*, or an index. May be repeated."
    "  [default: target, label, class or y]",
)
@click.option(
    "--delimiter",
    metavar="CHARACTER",
    callback=_delimiter,
    help="CSV: the separator of values, such as ';' or tab.  [default: detected]",
)
@click.option(
    "--decimal",
    type=click.Choice([".", ","]),
    help="CSV: the decimal mark.  [default: detected]",
)
@click.option(
    "--encoding",
    metavar="NAME",
    callback=_encoding,
    help="CSV: the encoding, such as latin-1.  [default: detected]",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    default=Path("recipe.toml"),
    show_default=True,
    help="The recipe file; - prints the recipe.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing recipe.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def init(
    file: Path | None,
    targets: tuple[str, ...],
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
    output: Path,
    force: bool,
    quiet: bool,
) -> None:
    """Write a complete, commented recipe for FILE, ready to train.

    Without FILE the recipe has every key with its default, for a built-in data set.
    """
    from fastclf.runs.draft import default_draft, draft_for_file, recipe_text, write_recipe

    text = {"delimiter": delimiter, "decimal": decimal, "encoding": encoding}
    given = {key: value for key, value in text.items() if value is not None}
    draft = default_draft()
    if file is not None:
        with printing_warnings():
            draft = draft_for_file(file, targets, output.parent, given)
    if str(output) in ("-", "/dev/stdout"):
        click.echo(recipe_text(draft, "recipe.toml").encode(), nl=False)
        return
    write_recipe(draft, output, overwrite=force)
    if not quiet:
        for fact in draft.facts:
            echo(fact)
        echo(f"saved in {output}; next: fastclf check --config {output}")


@main.command()
@click.option("--config", required=True, type=PATH, help="The recipe (TOML).")
@overriding("model.C=0.5")
@output("Print warnings only.", "Print all classes, and all columns with missing values.")
def check(
    config: Path, assignments: tuple[str, ...], quiet: bool, verbose: bool, as_json: bool
) -> None:
    """Do everything that train does before the fit, and describe the fit."""
    from fastclf.config import load_recipe
    from fastclf.runs.checking import check_recipe, print_preview
    from fastclf.runs.directory import to_json
    from fastclf.runs.terminal import Terminal

    with printing_warnings():
        plan = check_recipe(load_recipe(config, assignments))
    print_warnings(plan.warnings)
    if as_json:
        echo(to_json(plan.as_json()))
    elif not quiet:
        print_preview(plan, Terminal(), verbose)


@main.command()
@click.option("--config", type=PATH, help="The recipe (TOML).")
@overriding("model.C=0.5")
@click.option(
    "--out",
    type=PATH,
    help="The run directory.  [default: runs/NAME-TIME]",
)
@click.option(
    "--resume",
    "stopped",
    type=PATH,
    metavar="RUN",
    help="Resume a stopped run in its own directory.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Train on a Dask cluster, whose workers read the training rows.",
)
@output("Print the run directory and warnings only.", "Print a table of the classes or labels too.")
def train(
    config: Path | None,
    assignments: tuple[str, ...],
    out: Path | None,
    stopped: Path | None,
    scheduler: str | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Train the model that a recipe describes, or resume a stopped run.

    Ctrl-C saves a checkpoint at the next iteration or slice of an epoch, and stops there. A second
    Ctrl-C stops at once.
    """
    from fastclf.runs.directory import interruption_message, is_complete, to_json
    from fastclf.runs.run import choose, resume
    from fastclf.runs.run import train as train_recipe
    from fastclf.runs.summary import print_summary
    from fastclf.runs.tables import print_tables
    from fastclf.runs.terminal import Terminal

    recipe, path = choose(config, assignments, out, stopped)
    cluster: Any = nullcontext()
    if scheduler is not None:
        from fastclf.dask.cluster import connected
        from fastclf.runs.cluster import for_cluster

        recipe, cluster = for_cluster(recipe), connected(scheduler)
    was_complete = stopped is not None and is_complete(stopped)
    console = None if quiet else Terminal(stderr=True)
    try:
        with printing_warnings(), cluster as client:
            result = (train_recipe if stopped is None else resume)(recipe, path, console, client)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(interruption_message(path, scheduler)) from None
    if was_complete:
        echo(f"{stopped}: the run is already complete", err=True)
    print_warnings(result.summary["warnings"])
    if as_json:
        echo(to_json({"path": str(result.path), **result.summary}))
    elif quiet:
        echo_path(result.path)
    else:
        print_summary(result.path, result.summary, Terminal())
        if verbose and result.evaluations:
            part = "test" if "test" in result.evaluations else "train"
            print_tables(result.evaluations[part].tables, Terminal())


@main.command()
@click.option("--config", type=PATH, help="The recipe (TOML), with a [tune] table.")
@overriding("tune.folds=10")
@click.option("--out", type=PATH, help="The run directory.  [default: runs/NAME-TIME]")
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop the search in time for the last fit to end within so many seconds.",
)
@click.option(
    "--resume",
    "stopped",
    type=PATH,
    metavar="RUN",
    help="Resume a stopped search in its own directory.",
)
@output("Print the run directory and warnings only.", "Print all values that were tried too.")
def tune(
    config: Path | None,
    assignments: tuple[str, ...],
    out: Path | None,
    budget: float | None,
    stopped: Path | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Search for the best C, and other keys, and train the best model.

    Models are compared on training rows held out in turn. The test rows take no part in it.
    """
    began = time.perf_counter()  # imports take time, too
    from fastclf.runs.directory import interruption_message, to_json
    from fastclf.runs.run import choose, resume
    from fastclf.runs.run import train as train_recipe
    from fastclf.runs.summary import print_summary
    from fastclf.runs.terminal import Terminal
    from fastclf.runs.tuning.search import Budget
    from fastclf.runs.tuning.tables import print_results

    recipe, path = choose(config, assignments, out, stopped, tuned=True)
    console = None if quiet else Terminal(stderr=True)
    run = train_recipe if stopped is None else resume
    try:
        with printing_warnings():
            result = run(recipe, path, console, budget=Budget(budget, began))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(interruption_message(path)) from None
    print_warnings(result.summary["warnings"])
    if as_json:
        echo(to_json({"path": str(result.path), **result.summary}))
    elif quiet:
        echo_path(result.path)
    else:
        print_results(result.summary["tune"], Terminal(), verbose)
        print_summary(result.path, result.summary, Terminal())

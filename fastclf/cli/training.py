"""The commands that lead to a model: init, check, train and tune."""

import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click

from fastclf.cli.group import (
    FILE,
    PATH,
    RUN,
    limiting_threads,
    main,
    output,
    overriding,
    reading,
    starting,
)
from fastclf.cli.shell import (
    echo,
    echo_path,
    print_warnings,
    printing_warnings,
    stopping,
    telling,
)
from fastclf.runs.given import Given, check_exists, check_unused


@main.command()
@click.argument("file", required=False, **FILE)
@reading
@overriding("model.C=0.5")
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
    text: dict[str, str],
    assignments: tuple[str, ...],
    output: Path,
    force: bool,
    quiet: bool,
) -> None:
    """Write a commented recipe for a data file.

    FILE has any format that fastclf can train on. The recipe is complete, and ready to train.
    Without FILE the recipe has every key with its default, for a built-in data set.
    """
    prints = str(output) in ("-", "/dev/stdout")
    if not prints and not force:
        check_unused(output)  # before the file is read, which may take long
    if file is not None:
        check_exists(file)
    from fastclf.runs.draft import default_draft, draft_with
    from fastclf.runs.draft_text import recipe_text, write_recipe

    if file is None:
        draft = default_draft().with_assignments(assignments, output, telling())
    else:
        with printing_warnings():
            draft = draft_with(file, targets, text, assignments, output, telling())
    if prints:
        click.echo(recipe_text(draft, "recipe.toml").encode(), nl=False)
        return
    write_recipe(draft, output, overwrite=force)
    if not quiet:
        for fact in (*draft.facts, *draft.chosen()):
            echo(fact)
        echo(f"saved in {output}; next: fastclf check {output}")


@main.command()
@starting("model.C=0.5")
@limiting_threads
@output("Print warnings only.", "Print all classes, and all columns with missing values.")
def check(given: Given, quiet: bool, verbose: bool, as_json: bool) -> None:
    """Check a recipe and its data without training.

    FILE is a recipe (TOML), or a data file, for which init would write one. The data are read,
    split and encoded as for train, and the fit is described: rows, features, classes, solver,
    memory and time.
    """
    from fastclf.runs.checking import check_recipe, print_preview
    from fastclf.runs.directory import to_json
    from fastclf.runs.start import choose_recipe
    from fastclf.runs.terminal import Terminal

    with printing_warnings():
        plan = check_recipe(choose_recipe(given, telling(quiet)).recipe)
    print_warnings(plan.warnings)
    if as_json:
        echo(to_json(plan.as_json()))
    elif not quiet:
        print_preview(plan, Terminal(), verbose)


TIME_LIMIT = click.option(
    "--time-limit",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Save a checkpoint and stop, with exit status 124, this many seconds after the start.",
)


@main.command()
@starting("model.C=0.5")
@click.option(
    "--out",
    type=PATH,
    help="The run directory.  [default: runs/NAME-TIME]",
)
@click.option(
    "--resume",
    "stopped",
    metavar="RUN",
    help="Resume a stopped run in its own directory.",
    **RUN,
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Train on a Dask cluster, whose workers read the training rows.",
)
@TIME_LIMIT
@limiting_threads
@output("Print the run directory and warnings only.", "Print a table of the classes or labels too.")
def train(
    given: Given,
    out: Path | None,
    stopped: Path | None,
    scheduler: str | None,
    seconds: float | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Train a model from a recipe or a data file.

    FILE is a recipe (TOML), or a data file. For a data file the recipe is the one that init would
    write; it is saved with the run. With --resume, a stopped run continues.

    Ctrl-C saves a checkpoint after the current iteration, or part of an epoch, and stops. A second
    Ctrl-C stops at once.
    """
    began = time.perf_counter()  # imports take time, too
    with stopping(seconds, began) as words:
        from fastclf.runs.directory import interruption_message, is_complete, to_json
        from fastclf.runs.run import resume
        from fastclf.runs.run import train as train_recipe
        from fastclf.runs.start import choose
        from fastclf.runs.summary import print_summary
        from fastclf.runs.tables import print_tables
        from fastclf.runs.terminal import Terminal

        with printing_warnings():  # of a data file that is read for its recipe
            (recipe, drafted), path = choose(given, out, stopped, telling(quiet))
        words.saved = partial(interruption_message, path, scheduler)
        cluster: Any = nullcontext()
        if scheduler is not None:
            from fastclf.dask.cluster import connected
            from fastclf.runs.cluster import for_cluster

            recipe, cluster = for_cluster(recipe), connected(scheduler)
        was_complete = stopped is not None and is_complete(stopped)
        console = None if quiet else Terminal(stderr=True)
        run = partial(train_recipe, drafted=drafted) if stopped is None else resume
        with printing_warnings(), cluster as client:
            result = run(recipe, path, console, client)
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
@starting("tune.folds=10")
@click.option("--out", type=PATH, help="The run directory.  [default: runs/NAME-TIME]")
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="The most time for the search and the last fit together; the search ends in time.",
)
@click.option(
    "--resume",
    "stopped",
    metavar="RUN",
    help="Resume a stopped search in its own directory.",
    **RUN,
)
@TIME_LIMIT
@limiting_threads
@output("Print the run directory and warnings only.", "Print all values that were tried too.")
def tune(
    given: Given,
    out: Path | None,
    budget: float | None,
    stopped: Path | None,
    seconds: float | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Search for the best C and other keys, and train.

    FILE is a recipe (TOML), whose table [tune] says what is searched; or a data file, for which
    init would write one. Without [tune], C is searched from 1e-4 to 1e4.

    Models are compared by cross-validation on the training rows. The test rows take no part in it.
    """
    began = time.perf_counter()  # imports take time, too
    with stopping(seconds, began) as words:
        from fastclf.runs.directory import interruption_message, to_json
        from fastclf.runs.run import resume
        from fastclf.runs.run import train as train_recipe
        from fastclf.runs.start import choose
        from fastclf.runs.summary import print_summary
        from fastclf.runs.terminal import Terminal
        from fastclf.runs.tuning.search import Budget
        from fastclf.runs.tuning.tables import print_results

        with printing_warnings():
            (recipe, drafted), path = choose(given, out, stopped, telling(quiet), tuned=True)
        words.saved = partial(interruption_message, path)
        console = None if quiet else Terminal(stderr=True)
        run = partial(train_recipe, drafted=drafted) if stopped is None else resume
        with printing_warnings():
            result = run(recipe, path, console, budget=Budget(budget, began))
    print_warnings(result.summary["warnings"])
    if as_json:
        echo(to_json({"path": str(result.path), **result.summary}))
    elif quiet:
        echo_path(result.path)
    else:
        print_results(result.summary["tune"], Terminal(), verbose)
        print_summary(result.path, result.summary, Terminal())

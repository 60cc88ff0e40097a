"""The commands of the command line. Each imports its modules itself, so that ``--help`` is fast."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from fastclf import __version__
from fastclf.cli.shell import (
    Commands,
    echo,
    echo_path,
    print_warnings,
    printing_warnings,
    standard_input,
    standard_output,
    telling_of_compilation,
)

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


def _delimiter(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Return the delimiter that an option names; the name of a tab is ``tab``."""
    if value is None:
        return None
    from fastclf.data.options import is_delimiter

    value = "\t" if value.lower() in ("tab", "\\t") else value
    if not is_delimiter(value):
        raise click.BadParameter("must be one character in ASCII, and not a quote or a line break")
    return value


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fastclf")
def main() -> None:
    """Train linear classifiers fast, on a CPU."""


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
    output: Path,
    force: bool,
    quiet: bool,
) -> None:
    """Write a complete, commented recipe for FILE, ready to train.

    Without FILE the recipe has every key with its default, for a built-in data set.
    """
    from fastclf.runs.draft import default_draft, draft_for_file, recipe_text, write_recipe

    text = {"delimiter": delimiter, "decimal": decimal}
    given = {key: value for key, value in text.items() if value is not None}
    draft = default_draft()
    if file is not None:
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
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the recipe, like model.C=0.5. May be repeated.",
)
@output("Print warnings only.", "Print all classes, and all columns with missing values.")
def check(
    config: Path, assignments: tuple[str, ...], quiet: bool, verbose: bool, as_json: bool
) -> None:
    """Do everything that train does before the fit, and describe the fit."""
    from fastclf.config import load_recipe
    from fastclf.runs.checking import check_recipe, print_preview
    from fastclf.runs.directory import to_json
    from fastclf.runs.terminal import Terminal

    plan = check_recipe(load_recipe(config, assignments))
    print_warnings(plan.warnings)
    if as_json:
        echo(to_json(plan.as_json()))
    elif not quiet:
        print_preview(plan, Terminal(), verbose)


@main.command()
@click.option("--config", type=PATH, help="The recipe (TOML).")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the recipe, like model.C=0.5. May be repeated.",
)
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
@click.argument("run", type=PATH)
@click.option(
    "--data",
    type=PATH,
    help="A dataset card, or a file like the run's own.  [default: the run's own data]",
)
@output("Print the path of the result only.", "Print a table of the classes or labels too.")
def evaluate(run: Path, data: Path | None, quiet: bool, verbose: bool, as_json: bool) -> None:
    """Evaluate the model of RUN, a run directory, and save the metrics there."""
    from fastclf.runs.directory import open_run, to_json
    from fastclf.runs.reevaluation import evaluate_run
    from fastclf.runs.tables import metrics_table, print_tables
    from fastclf.runs.terminal import Terminal

    with printing_warnings(), telling_of_compilation(quiet):
        found = evaluate_run(open_run(run), data)
    if as_json:
        echo(to_json(found.as_json()))
    elif quiet:
        echo_path(found.path)
    else:
        Terminal().print(metrics_table({name: part.metrics for name, part in found.parts.items()}))
        if verbose:
            print_tables([*found.parts.values()][-1].tables, Terminal())
        echo(f"saved in {found.path}")


@main.command()
@click.argument("run", type=PATH)
@click.argument("input", type=PATH)
@click.option("-o", "--output", type=PATH, help="Where to write.  [default: standard output]")
@click.option(
    "--format",
    type=click.Choice(["csv", "jsonl", "parquet", "npz"]),
    help="The output format.  [default: by the suffix of the output; else csv]",
)
@click.option(
    "--columns",
    default="label,probabilities",
    show_default=True,
    metavar="NAMES",
    help="The predictions to write: label, probabilities or both.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="Copy a column of the input to the output, such as an id. May be repeated.",
)
@click.option(
    "--escape-formulas",
    is_flag=True,
    help="Put ' before text in CSV that a spreadsheet would take for a formula, such as =1+1.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print the predictions only.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each batch.")
def predict(
    run: Path,
    input: Path,
    output: Path | None,
    format: Any,
    columns: str,
    keep: tuple[str, ...],
    escape_formulas: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Write the predictions of RUN, a run directory or model file, for the rows of INPUT.

    INPUT has any format that fastclf can train on; - is CSV from standard input.
    """
    from fastclf.runs.prediction import open_predictor, predict_file

    if output is not None and str(output) == "-":
        output = None

    def observe(rows: int, seconds: float) -> None:
        if verbose:
            echo(f"{rows} rows in {seconds:.2f} s", err=True)

    with printing_warnings(), telling_of_compilation(quiet):
        done = predict_file(
            open_predictor(run),
            standard_input() if str(input) == "-" else input,
            output or standard_output(format),
            format=format,
            columns=columns.split(","),
            keep=keep,
            escape_formulas=escape_formulas,
            observe=observe,
        )
    if not quiet:
        echo(f"{done} rows predicted{f', saved in {output}' if output else ''}", err=True)


@main.command()
@click.argument("run", type=PATH)
@click.option(
    "-o", "--output", type=PATH, help="The HTML file.  [default: report.html in the run directory]"
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def report(run: Path, output: Path | None, quiet: bool) -> None:
    """Write the report of RUN, a run directory: one HTML file that needs no network."""
    from fastclf.runs.directory import open_run
    from fastclf.runs.reporting import write_report

    path = write_report(open_run(run), output)
    if not quiet:
        echo(f"saved in {path}")


@main.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=PATH)
@click.option(
    "--html", type=PATH, metavar="FILE", help="Also write an HTML page that compares the runs."
)
@output("Print the metrics only.", "Print all keys of the recipes, not only those that differ.")
def compare(
    runs: tuple[Path, ...], html: Path | None, quiet: bool, verbose: bool, as_json: bool
) -> None:
    """Show the differences between recipes, and the metrics of runs; best values are bold."""
    from fastclf.runs.comparison import NOT_SAME_DATA, compare_runs, print_comparison
    from fastclf.runs.directory import to_json
    from fastclf.runs.reporting import write_comparison
    from fastclf.runs.terminal import Terminal

    comparison = compare_runs(runs)
    if not comparison.same_data:
        print_warnings([NOT_SAME_DATA])
    if as_json:
        echo(to_json(comparison.as_json()))
    else:
        keys = {} if quiet else comparison.recipe if verbose else comparison.differences
        print_comparison(comparison, keys, Terminal())
    if html is not None:
        write_comparison(comparison, html)


@main.command()
@click.argument("folder", required=False, type=PATH)
@output("Print names only.", "Print licence and origin too.")
def datasets(folder: Path | None, quiet: bool, verbose: bool, as_json: bool) -> None:
    """List the data sets that a recipe can name: built-in ones, and the cards in FOLDER.

    FOLDER is ./datasets by default.
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
    """Print the JSON schema of recipes, for checks and completion in editors."""
    from fastclf.config import recipe_schema
    from fastclf.runs.directory import to_json

    echo(to_json(recipe_schema()))


@main.command()
@click.option(
    "--config", type=PATH, help="Compile what this recipe needs: it is trained once, and not saved."
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Number of processes.  [default: the number of CPUs]",
)
@click.option(
    "--portable",
    is_flag=True,
    help="Compile for all processors of a level of the instruction set, rather than for this one.",
)
@click.option(
    "--into",
    type=PATH,
    metavar="DIR",
    help="Where portable kernels go; FASTCLF_KERNELS=DIR reads them.  [default: the package]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def warmup(
    config: Path | None,
    jobs: int | None,
    portable: bool,
    into: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compile the kernels ahead of the first fit."""
    from dataclasses import asdict

    from fastclf.runs.directory import to_json
    from fastclf.runs.terminal import Terminal
    from fastclf.runs.warmup import compile_ahead

    console = None if quiet else Terminal(stderr=True)
    done = compile_ahead(config, jobs, portable or into is not None, into, console)
    if as_json:
        echo(to_json(asdict(done)))
    elif not quiet:
        echo(done.sentence())


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Tell where kernels come from, and what else a report of a problem should say."""
    from fastclf.runs.directory import to_json
    from fastclf.runs.doctor import examine, print_findings
    from fastclf.runs.terminal import Terminal

    with telling_of_compilation():
        found = examine()
    if as_json:
        echo(to_json(found))
    else:
        print_findings(found, Terminal())

"""The commands. Each imports what it needs, so that ``--help`` stays quick."""

from collections.abc import Callable
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
)

PATH = click.Path(path_type=Path)


def output(quiet: str, verbose: str) -> Callable[[Callable], Callable]:
    """Give a command ``--quiet``, ``--verbose`` and ``--json``, with the help of the first two."""

    def decorate(command: Callable) -> Callable:
        for option in (
            click.option("--json", "as_json", is_flag=True, help="Print figures as JSON."),
            click.option("-v", "--verbose", is_flag=True, help=verbose),
            click.option("-q", "--quiet", is_flag=True, help=quiet),
        ):
            command = option(command)
        return command

    return decorate


def _delimiter(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Return a delimiter; a tab has a name, because it is hard to type."""
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
    help="What is to be predicted: a name, a pattern like label_*, or an index. May be given again."
    "  [default: target, label, class or y]",
)
@click.option(
    "--delimiter",
    metavar="CHARACTER",
    callback=_delimiter,
    help="CSV: what is between two values, such as ';' or tab.  [default: as the first rows show]",
)
@click.option(
    "--decimal",
    type=click.Choice([".", ","]),
    help="CSV: the decimal mark.  [default: as the first rows show]",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    default=Path("recipe.toml"),
    show_default=True,
    help="The recipe; - prints it.",
)
@click.option("--force", is_flag=True, help="Overwrite a recipe that is there.")
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
    """Write a complete, commented recipe for FILE, which trains as it stands.

    Without FILE it has every key with its default, for a built-in data set.
    """
    from fastclf.runs.draft import draft_for_file, draft_for_nothing, recipe_text, write_recipe

    text = {"delimiter": delimiter, "decimal": decimal}
    given = {key: value for key, value in text.items() if value is not None}
    draft = draft_for_nothing()
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
    help="Override a key of the recipe, like model.C=0.5. May be given again.",
)
@output("Print warnings only.", "Print all classes, and all columns with missing values.")
def check(
    config: Path, assignments: tuple[str, ...], quiet: bool, verbose: bool, as_json: bool
) -> None:
    """Do everything but train, and tell what would happen."""
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
    help="Override a key of the recipe, like model.C=0.5. May be given again.",
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
    help="Go on with a run that was stopped, inside its directory.",
)
@output("Print the run directory and warnings only.", "Print a table of the classes or labels too.")
def train(
    config: Path | None,
    assignments: tuple[str, ...],
    out: Path | None,
    stopped: Path | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Train the model that a recipe describes, or go on with a run that was stopped.

    Ctrl-C stops at the next iteration or slice of an epoch, and keeps where that was; a second one
    stops at once.
    """
    from fastclf.runs.directory import is_complete, to_json, what_is_kept
    from fastclf.runs.run import choose, resume
    from fastclf.runs.run import train as train_recipe
    from fastclf.runs.summary import print_summary
    from fastclf.runs.tables import print_tables
    from fastclf.runs.terminal import Terminal

    recipe, path = choose(config, assignments, out, stopped)
    was_complete = stopped is not None and is_complete(stopped)
    console = None if quiet else Terminal(stderr=True)
    try:
        result = (train_recipe if stopped is None else resume)(recipe, path, console)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(what_is_kept(path)) from None
    if was_complete:
        echo(f"{stopped}: the run is complete; nothing is left to do", err=True)
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
@output("Print where the figures are saved only.", "Print a table of the classes or labels too.")
def evaluate(run: Path, data: Path | None, quiet: bool, verbose: bool, as_json: bool) -> None:
    """Judge the model of RUN, a run directory, and save the figures in it."""
    from fastclf.runs.directory import open_run, to_json
    from fastclf.runs.reevaluation import evaluate_run
    from fastclf.runs.tables import metrics_table, print_tables
    from fastclf.runs.terminal import Terminal

    with printing_warnings():
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
    help="How to write.  [default: by the suffix of the output; else csv]",
)
@click.option(
    "--columns",
    default="label,probabilities",
    show_default=True,
    metavar="NAMES",
    help="What to write: label, probabilities or both.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="Pass on a column of the input, such as an id. May be given again.",
)
@click.option(
    "--escape-formulas",
    is_flag=True,
    help="Put ' before text in CSV that a spreadsheet would take for a formula, such as =1+1.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but the predictions.")
@click.option("-v", "--verbose", is_flag=True, help="Print each part that is written.")
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
    """Write what the model of RUN, a run or a model file, predicts for the rows of INPUT.

    INPUT has any format that can be trained from; - is CSV from standard input.
    """
    from fastclf.runs.prediction import open_predictor, predict_file

    if output is not None and str(output) == "-":
        output = None

    def observe(rows: int, seconds: float) -> None:
        if verbose:
            echo(f"{rows} rows in {seconds:.2f} s", err=True)

    with printing_warnings():
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
    "-o", "--output", type=PATH, help="The page.  [default: report.html in the run directory]"
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
    "--html", type=PATH, metavar="FILE", help="Write a page with their curves, too; one HTML file."
)
@output("Print the metrics only.", "Print every key of the recipes, not only what differs.")
def compare(
    runs: tuple[Path, ...], html: Path | None, quiet: bool, verbose: bool, as_json: bool
) -> None:
    """Show in what runs differ, and their metrics; the best of each is bold."""
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
    """List the data that a recipe can name: built-in sets, and the cards in FOLDER.

    Without FOLDER the cards are those in ./datasets, if there are any.
    """
    from fastclf.data.catalogue import find_datasets
    from fastclf.runs.directory import to_json
    from fastclf.runs.listing import print_datasets
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
    """Print the JSON schema of recipes, with which editors check and complete them."""
    from fastclf.config import recipe_schema
    from fastclf.runs.directory import to_json

    echo(to_json(recipe_schema()))


@main.command()
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def warmup(quiet: bool) -> None:
    """Compile the kernels ahead of the first fit."""
    from fastclf.runs.warmup import warm_up

    total = 0.0
    for problem, seconds in warm_up():
        total += seconds
        if not quiet:
            echo(f"{problem}: {seconds:.2f} s")
    if not quiet:
        echo(f"ready in {total:.1f} s")

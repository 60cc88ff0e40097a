"""The commands about a trained model: evaluate, predict, report and compare."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fastclf.cli.group import FILE, PATH, RUN, limiting_threads, main, output
from fastclf.cli.shell import (
    echo,
    echo_path,
    print_warnings,
    printing_warnings,
    standard_input,
    standard_output,
    telling_of_compilation,
)

_at_threshold = click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Predict the second of two classes, or each of several labels, if its probability is "
    "above P; save nothing in RUN.  [default: the model's threshold]",
)


@main.command()
@click.argument("run", **RUN)
@click.option(
    "--data",
    type=PATH,
    help="A data set card, or a file like that of the run.  [default: the data of the run]",
)
@click.option(
    "--cv",
    "n_folds",
    type=click.IntRange(min=2),
    metavar="FOLDS",
    help="Cross-validate the recipe of RUN, or a recipe file, with this number of folds.",
)
@_at_threshold
@limiting_threads
@output("Print only the path of the result.", "Also print tables of the classes or labels.")
def evaluate(
    run: Path,
    data: Path | None,
    n_folds: int | None,
    threshold: float | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Evaluate the model of a run on its own or other data.

    The metrics of RUN, a run directory, are printed and saved there. With --cv, RUN may also be a
    recipe; the metrics on the held-out rows are printed, and no model is kept.
    """
    from fastclf.runs.directory import open_run, to_json
    from fastclf.runs.reevaluation import evaluate_run
    from fastclf.runs.summary import print_evaluations
    from fastclf.runs.tables import print_tables
    from fastclf.runs.terminal import Terminal

    if n_folds is not None:
        if data is not None:
            raise click.UsageError("--cv reads the data of the recipe; leave out --data")
        if threshold is not None:
            raise click.UsageError("--cv fits models of its own; set calibrate.threshold instead")
        _cross_evaluate(run, n_folds, quiet, as_json)
        return
    with printing_warnings(), telling_of_compilation(quiet):
        found = evaluate_run(open_run(run), data, threshold)
    if as_json:
        echo(to_json(found.as_json()))
    elif quiet:
        if found.path is not None:
            echo_path(found.path)
    else:
        print_evaluations(found.parts, found.predicts, Terminal())
        if verbose:
            print_tables([*found.parts.values()][-1].tables, Terminal())
        if found.path is not None:
            echo(f"saved in {found.path}")


def _cross_evaluate(recipe: Path, n_folds: int, quiet: bool, as_json: bool) -> None:
    from fastclf.config import load_recipe
    from fastclf.runs.cross_evaluation import cross_evaluate, print_figures
    from fastclf.runs.directory import CONFIG, check_is_run, to_json
    from fastclf.runs.terminal import Terminal

    if recipe.is_dir():
        check_is_run(recipe)
        recipe = recipe / CONFIG

    def tell(line: str) -> None:
        if not quiet:
            echo(line, err=True)

    with telling_of_compilation(quiet):
        found = cross_evaluate(load_recipe(recipe), n_folds, tell)
    print_warnings(found.warnings)
    if as_json:
        echo(to_json(found.as_json()))
    else:
        print_figures(found, Terminal())


@main.command()
@click.argument("run", **RUN)
@click.argument("input", **FILE)
@click.option("-o", "--output", type=PATH, help="The file to write.  [default: standard output]")
@click.option(
    "--format",
    type=click.Choice(["csv", "jsonl", "parquet", "npz"]),
    help="The output format.  [default: that of the output's suffix, else csv]",
)
@click.option(
    "--columns",
    metavar="NAMES",
    help="What to write: label, probabilities or both.  [default: label,probabilities]",
)
@click.option("--proba", is_flag=True, help="Short for --columns probabilities.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="K",
    help="Write the K most probable classes or labels and their probabilities.",
)
@_at_threshold
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="Copy a column of the input to the output, such as an id. May be repeated.",
)
@click.option(
    "--escape-formulas",
    is_flag=True,
    help="Put ' before CSV text that a spreadsheet would execute as a formula, such as =1+1.",
)
@limiting_threads
@click.option("-q", "--quiet", is_flag=True, help="Print only the predictions.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each batch.")
def predict(
    run: Path,
    input: Path,
    output: Path | None,
    format: Any,
    columns: str | None,
    proba: bool,
    top: int | None,
    threshold: float | None,
    keep: tuple[str, ...],
    escape_formulas: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Predict the rows of a file with the model of a run.

    RUN is a run directory or a model file. INPUT is a file in any format that fastclf can train on,
    or - for CSV from standard input, whose rows are predicted as they arrive.
    """
    from fastclf.runs.prediction import COLUMNS, open_predictor, predict_file

    given = {"--columns": columns is not None, "--proba": proba, "--top": top is not None}
    names = [name for name, is_given in given.items() if is_given]
    if len(names) > 1:
        raise click.UsageError(f"{names[0]} and {names[1]} can't be used together; leave one out")
    asked: Sequence[str] = ("probabilities",) if proba else COLUMNS

    if output is not None and str(output) == "-":
        output = None

    def observe(rows: int, seconds: float) -> None:
        if verbose:
            echo(f"{rows:,} rows in {seconds:.2f} s", err=True)

    with printing_warnings(), telling_of_compilation(quiet):
        done = predict_file(
            open_predictor(run),
            standard_input() if str(input) == "-" else input,
            output or standard_output(format),
            format=format,
            columns=asked if columns is None else columns.split(","),
            keep=keep,
            threshold=threshold,
            top=top,
            escape_formulas=escape_formulas,
            observe=observe,
        )
    if not quiet:
        rows = "1 row" if done == 1 else f"{done:,} rows"
        echo(f"{rows} predicted{f', saved in {output}' if output else ''}", err=True)


@main.command()
@click.argument("run", **RUN)
@click.option(
    "-o", "--output", type=PATH, help="The HTML file.  [default: report.html in the run directory]"
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def report(run: Path, output: Path | None, quiet: bool) -> None:
    """Write the report of a run as an HTML file.

    RUN is a run directory. Training writes the report, too; write it again after an evaluation. The
    file needs no network.
    """
    from fastclf.runs.directory import open_run
    from fastclf.runs.reporting import write_report

    path = write_report(open_run(run), output)
    if not quiet:
        echo(f"saved in {path}")


@main.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", **RUN)
@click.option(
    "--html", type=PATH, metavar="FILE", help="Also write an HTML page that compares the runs."
)
@output("Print only the metrics.", "Print all keys of the recipes, not only those that differ.")
def compare(
    runs: tuple[Path, ...], html: Path | None, quiet: bool, verbose: bool, as_json: bool
) -> None:
    """Compare the recipes and the metrics of runs.

    Each RUN is a run directory. The best value of each metric is bold. Two runs are also compared
    on their test rows.
    """
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

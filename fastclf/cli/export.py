"""The command that writes a trained model in another format."""

from pathlib import Path
from typing import Any

import click

from fastclf.cli.group import PATH, RUN, main
from fastclf.cli.shell import echo, printing_warnings, standard_output, telling_of_compilation


@main.command()
@click.argument("run", **RUN)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="The file to write, which ends in .onnx, .md, .csv, .jsonl or .parquet.  [default: "
    "standard output, for coefficients]",
)
@click.option(
    "--to",
    "format",
    type=click.Choice(["onnx", "card", "coefficients"]),
    help="What to write: an ONNX file, a model card (.md), or the coefficients as a table (.csv, "
    ".jsonl, .parquet).  [default: by the suffix of the file]",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but coefficients.")
def export(run: Path, output: Path | None, format: Any, quiet: bool) -> None:
    """Export a model: an ONNX file, a model card or coefficients.

    RUN is a run directory or a model file; a model card needs a run directory. An ONNX file is
    first compared with the model.
    """
    from fastclf.runs.directory import open_run
    from fastclf.runs.export import format_of_export
    from fastclf.runs.export.card import write_card
    from fastclf.runs.export.coefficients import coefficients_file, meaning_of_odds
    from fastclf.runs.export.onnx_file import write_onnx
    from fastclf.runs.files import write_output
    from fastclf.runs.prediction import open_predictor

    if output is not None and str(output) == "-":
        output = None
    kind, told = format_of_export(output, format), ""
    if kind == "coefficients":
        model = open_predictor(run).model
        content = coefficients_file(model, output)
        if output is None:
            standard_output("csv").write(content)
        else:
            write_output(output, content, "name another place with -o")
        told = meaning_of_odds(model)
    elif kind == "card":
        assert output is not None
        write_card(open_run(run), output)
    else:
        assert output is not None
        with printing_warnings(), telling_of_compilation(quiet):
            found = write_onnx(open_predictor(run), output)
        told = found.sentence()
    if not quiet and output is None:
        echo(told, err=True)
    elif not quiet:
        echo("; ".join(filter(None, (f"saved in {output}", told))))

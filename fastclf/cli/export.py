"""The command that writes a trained model in another format."""

from pathlib import Path
from typing import Any

import click

from fastclf.cli.group import PATH, RUN, main
from fastclf.cli.shell import echo, printing_warnings, telling_of_compilation


@main.command()
@click.argument("run", **RUN)
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    help="The file to write, which ends in .onnx or .md.",
)
@click.option(
    "--to",
    "format",
    type=click.Choice(["onnx", "card", "sklearn"]),
    help="The format.  [default: by the suffix of the file]",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def export(run: Path, output: Path, format: Any, quiet: bool) -> None:
    """Write the model of RUN, a run directory or model file, as ONNX or as a model card.

    An ONNX file is first compared with the model. A model card needs a run directory.
    """
    from fastclf.runs.directory import open_run
    from fastclf.runs.export import format_of_export
    from fastclf.runs.export.card import write_card
    from fastclf.runs.export.onnx_file import write_onnx
    from fastclf.runs.prediction import open_predictor

    if format_of_export(output, format) == "card":
        write_card(open_run(run), output)
        told = ""
    else:
        with printing_warnings(), telling_of_compilation(quiet):
            found = write_onnx(open_predictor(run), output)
        told = f"; {found.sentence()}"
    if not quiet:
        echo(f"saved in {output}{told}")

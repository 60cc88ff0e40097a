"""The model card of a run, as a file."""

from pathlib import Path

from fastclf.report.card import model_card
from fastclf.runs.directory import FinishedRun
from fastclf.runs.files import write_output
from fastclf.runs.reporting import run_facts


def write_card(run: FinishedRun, path: Path) -> None:
    """Write the model card of a run as Markdown.

    Raises
    ------
    RunError
        If a file of the run is damaged, or the card can't be written.
    """
    write_output(path, model_card(run_facts(run)), "name another place with -o")

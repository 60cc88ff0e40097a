"""Predictions for the rows of a file, computed in batches of bounded memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fastclf.config import DataTable
from fastclf.data.prediction_rows import naming, stream_rows
from fastclf.data.writers import Format, Predictions, format_of_output, writing_predictions
from fastclf.errors import InputError, nearest
from fastclf.kernels.runtime.obtained import Stopwatch
from fastclf.linear_model import LinearModel
from fastclf.runs.directory import open_run
from fastclf.runs.unmatched import Unmatched
from fastclf.table import Categories

COLUMNS = ("label", "probabilities")
BATCH_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model, and the ``[data]`` table of its run, which tells how to read files of rows."""

    model: LinearModel
    data: DataTable | None = None


def open_predictor(path: Path) -> Predictor:
    """Read the model of a run directory or of a model file."""
    if path.is_file():
        return Predictor(LinearModel.load(path))
    run = open_run(path)
    return Predictor(run.model, run.recipe.data)


def predict_file(
    predictor: Predictor,
    source: Path | BinaryIO,
    target: Path | BinaryIO,
    *,
    format: Format | None = None,
    columns: Sequence[str] = COLUMNS,
    keep: Sequence[str] = (),
    escape_formulas: bool = False,
    batch_rows: int = BATCH_ROWS,
    observe: Callable[[int, float], None] = lambda rows, seconds: None,
) -> int:
    """Write a model's predictions for the rows of a file; return the number of rows.

    Parameters
    ----------
    predictor : Predictor
    source : Path or binary file
        Rows in any format that fastclf can train on. Columns are found by name; other columns,
        such as the target, are ignored. A binary file is read as CSV.
    target : Path or binary file
        The output file.
    format : {"csv", "jsonl", "parquet", "npz"}, optional
        The output format. By default it follows from the suffix of ``target``; CSV for a binary
        file.
    columns : sequence of str
        The predictions to write: "label", "probabilities" or both.
    keep : sequence of str
        Columns of ``source`` to copy to the output as text.
    escape_formulas : bool
        Whether to put an apostrophe before text that a spreadsheet program could take for a
        formula; only for CSV.
    batch_rows : int
        The number of rows in a batch.
    observe : callable
        Called after each batch with the number of rows and the seconds so far, without those in
        which kernels were compiled or loaded.

    Raises
    ------
    FastclfError
        If the rows don't fit the model, or a file can't be read or written.
    """
    _check_columns(columns)
    own = {"label", "labels", "classes", "probabilities"}
    own |= {f"probability_{name}" for name in predictor.model.classes.tolist()}
    for name in own.intersection(keep):
        raise InputError(f"--keep {name}: the predictions have a column of that name; rename it")
    watch = Stopwatch()
    if format is None:
        format = format_of_output(target) if isinstance(target, Path) else "csv"
    done = 0
    with writing_predictions(target, format, escape_formulas) as writer:
        for part in _predictions(predictor, source, columns, keep, batch_rows):
            writer.write(part)
            done += part.n_rows
            observe(done, watch.read()[0])
    return done


def _check_columns(columns: Sequence[str]) -> None:
    for name in columns:
        if name not in COLUMNS:
            raise InputError(
                f'--columns: there is no "{name}"{nearest(name, list(COLUMNS))}; '
                f"there are {', '.join(COLUMNS)}"
            )


def _predictions(
    predictor: Predictor,
    source: Path | BinaryIO,
    columns: Sequence[str],
    keep: Sequence[str],
    batch_rows: int,
) -> Iterator[Predictions]:
    model = predictor.model
    parts = stream_rows(source, model, options=predictor.data, keep=keep, batch_rows=batch_rows)
    is_empty = True
    unmatched = Unmatched(model.encoder)
    for part in parts:
        is_empty = False
        unmatched.examine(part.X)
        with naming(source):
            logits = model.decision_function(part.X, first_row=part.first)
        yield _predictions_of_logits(model, logits, columns, part.kept)
    unmatched.warn()
    if is_empty:  # write the header alone
        shape = (0,) if model.task == "binary" else (0, model.theta.shape[1])
        none = {name: Categories(np.empty(0, np.int32), ()) for name in keep}
        yield _predictions_of_logits(model, np.empty(shape), columns, none)


def _predictions_of_logits(
    model: LinearModel,
    logits: np.ndarray,
    columns: Sequence[str],
    kept: Mapping[str, Categories],
) -> Predictions:
    return Predictions(
        model.classes,
        model.decide(logits) if "label" in columns else None,
        model.probabilities(logits) if "probabilities" in columns else None,
        kept,
    )

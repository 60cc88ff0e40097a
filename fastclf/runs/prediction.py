"""From a model and a file of rows to a file of predictions, in parts of bounded memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import BinaryIO

import numpy as np

from fastclf.config import DataTable
from fastclf.data.prediction_rows import naming, stream_rows
from fastclf.data.writers import Format, Predictions, format_of_output, writing_predictions
from fastclf.errors import InputError, nearest
from fastclf.linear_model import LinearModel
from fastclf.runs.directory import open_run
from fastclf.runs.unmatched import Unmatched
from fastclf.table import Categories

COLUMNS = ("label", "probabilities")
BATCH_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model, and how the rows that it was trained on are written."""

    model: LinearModel
    data: DataTable | None = None


def open_predictor(path: Path) -> Predictor:
    """Return the model of a run directory, or that of a model file."""
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
    """Write what a model predicts for the rows of a file; return their number.

    Parameters
    ----------
    predictor : Predictor
    source : Path or binary file
        Rows in any format that can be trained from. Columns are found by name, and others, such as
        the target, are ignored. A stream is CSV.
    target : Path or binary file
        Where the predictions go.
    format : {"csv", "jsonl", "parquet", "npz"}, optional
        By default that of the target's suffix; of a stream CSV.
    columns : sequence of str
        "label", "probabilities" or both.
    keep : sequence of str
        Columns of ``source`` that are passed on as text.
    escape_formulas : bool
        Whether text that a spreadsheet program may take for a formula has an apostrophe put before
        it; only for CSV.
    batch_rows : int
        Rows of a part.
    observe : callable
        Called after each part with the number of rows and the seconds so far.

    Raises
    ------
    FastclfError
        If the rows aren't such as the model takes, or a file can't be read or written.
    """
    _check_columns(columns)
    own = {"label", "labels", "classes", "probabilities"}
    own |= {f"probability_{name}" for name in predictor.model.classes.tolist()}
    for name in own.intersection(keep):
        raise InputError(f"--keep {name}: the predictions have a column of that name; rename it")
    start = perf_counter()
    if format is None:
        format = format_of_output(target) if isinstance(target, Path) else "csv"
    done = 0
    with writing_predictions(target, format, escape_formulas) as writer:
        for part in _predictions(predictor, source, columns, keep, batch_rows):
            writer.write(part)
            done += part.n_rows
            observe(done, perf_counter() - start)
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
    nothing = True
    unmatched = Unmatched(model.encoder)
    for part in parts:
        nothing = False
        unmatched.see(part.X)
        with naming(source):
            logits = model.decision_function(part.X, first_row=part.first)
        yield _of_logits(model, logits, columns, part.kept)
    unmatched.warn()
    if nothing:  # but the names of the columns, which a file without rows has too
        shape = (0,) if model.task == "binary" else (0, model.theta.shape[1])
        none = {name: Categories(np.empty(0, np.int32), ()) for name in keep}
        yield _of_logits(model, np.empty(shape), columns, none)


def _of_logits(
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

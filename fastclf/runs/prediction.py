"""Predictions for the rows of a file, computed in batches of bounded memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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


def with_threshold(model: LinearModel, threshold: float) -> LinearModel:
    """Return a model that predicts by another threshold, the same for all labels.

    Raises
    ------
    InputError
        If the threshold isn't in [0, 1], or the model has more than two classes; the message names
        the option ``--threshold``.
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"--threshold {threshold}: give a probability between 0 and 1")
    if model.task == "multiclass":
        raise InputError(
            "--threshold is for two classes or several labels per row, and the model predicts the "
            f"most probable of {len(model.classes)} classes; leave it out, or see the "
            "probabilities with fastclf predict --top 2"
        )
    return replace(model, threshold=np.full(model.theta.shape[1], threshold), top_k=None)


def predict_file(
    predictor: Predictor,
    source: Path | BinaryIO,
    target: Path | BinaryIO,
    *,
    format: Format | None = None,
    columns: Sequence[str] = COLUMNS,
    keep: Sequence[str] = (),
    threshold: float | None = None,
    top: int | None = None,
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
        such as the target, are ignored. A binary file is read as CSV; rows of a pipe, such as
        standard input, are answered as they come.
    target : Path or binary file
        The output file.
    format : {"csv", "jsonl", "parquet", "npz"}, optional
        The output format. By default it follows from the suffix of ``target``; CSV for a binary
        file.
    columns : sequence of str
        The predictions to write: "label", "probabilities" or both.
    keep : sequence of str
        Columns of ``source`` to copy to the output as text.
    threshold : float, optional
        The second of two classes, or each of several labels, is predicted where its probability is
        above this number in [0, 1]; by default the model decides.
    top : int, optional
        The number of classes or labels to write for each row, the most probable first, with their
        probabilities, in place of ``columns``. Of equal probabilities the first class comes first.
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
    InputError
        If ``columns``, ``keep``, ``threshold`` or ``top`` don't fit each other or the model.
    FastclfError
        If the rows don't fit the model, or a file can't be read or written.
    """
    _check_columns(columns)
    choice = _Choice.of(predictor.model, columns, threshold, top)
    own = {"label", "labels", "classes", "probabilities"}
    if top is None:
        own |= {f"probability_{name}" for name in predictor.model.classes.tolist()}
    else:
        own |= {f"{what}_{rank + 1}" for what in ("label", "probability") for rank in range(top)}
    for name in own.intersection(keep):
        raise InputError(f"--keep {name}: the predictions have a column of that name; rename it")
    watch = Stopwatch()
    if format is None:
        format = format_of_output(target) if isinstance(target, Path) else "csv"
    done = 0
    with writing_predictions(target, format, escape_formulas) as writer:
        for part in _predictions(predictor.data, source, choice, keep, batch_rows):
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


@dataclass(frozen=True, eq=False)
class _Choice:
    """A model, with the threshold that was asked for, and what to write of its predictions."""

    model: LinearModel
    columns: Sequence[str]
    top: int | None

    @classmethod
    def of(
        cls, model: LinearModel, columns: Sequence[str], threshold: float | None, top: int | None
    ) -> "_Choice":
        """Return a checked choice; errors name options of the command line."""
        n_classes = len(model.classes)
        noun = "labels" if model.task == "multilabel" else "classes"
        if top is not None and not 1 <= top <= n_classes:
            raise InputError(
                f"--top {top}: the model has {n_classes} {noun}; give 1 to {n_classes}"
            )
        if threshold is None:
            return cls(model, columns, top)
        model = with_threshold(model, threshold)
        if top is not None or "label" not in columns:
            raise InputError(
                "--threshold decides which label is written, and no label is asked for; leave it "
                "out, or name label in --columns"
            )
        return cls(model, columns, top)

    def predictions(self, logits: np.ndarray, kept: Mapping[str, Categories]) -> Predictions:
        """Return what is to be written for some rows."""
        model = self.model
        if self.top is not None:
            p = model.probabilities(logits)
            ranked = most_probable(p, self.top)
            p = np.take_along_axis(p, ranked, axis=1)
            return Predictions(model.classes, None, p, kept, ranked)
        return Predictions(
            model.classes,
            model.decide(logits) if "label" in self.columns else None,
            model.probabilities(logits) if "probabilities" in self.columns else None,
            kept,
        )


def most_probable(p: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the k largest numbers of each row, the largest first.

    Equal numbers are in the order of their columns.

    Parameters
    ----------
    p : ndarray of shape (n, K)
    k : int
        From 1 to K.

    Returns
    -------
    ndarray of int of shape (n, k)

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.runs.prediction import most_probable
    >>> most_probable(np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4]]), 2)
    array([[1, 2],
           [0, 2]])
    """
    least = np.partition(p, -k, axis=1)[:, [-k]]  # sorting all of a thousand classes is slow
    above, equal = p > least, p == least
    missing = k - above.sum(axis=1, keepdims=True)
    columns = np.nonzero(above | (equal & (equal.cumsum(axis=1) <= missing)))[1].reshape(-1, k)
    order = np.argsort(-np.take_along_axis(p, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)


def _predictions(
    data: DataTable | None,
    source: Path | BinaryIO,
    choice: _Choice,
    keep: Sequence[str],
    batch_rows: int,
) -> Iterator[Predictions]:
    model = choice.model
    parts = stream_rows(source, model, options=data, keep=keep, batch_rows=batch_rows)
    is_empty = True
    unmatched = Unmatched(model.encoder)
    for part in parts:
        is_empty = False
        unmatched.examine(part.X)
        with naming(source):
            logits = model.decision_function(part.X, first_row=part.first)
        yield choice.predictions(logits, part.kept)
    unmatched.warn()
    if is_empty:  # write the header alone
        shape = (0,) if model.task == "binary" else (0, model.theta.shape[1])
        none = {name: Categories(np.empty(0, np.int32), ()) for name in keep}
        yield choice.predictions(np.empty(shape), none)

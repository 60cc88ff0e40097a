"""Evaluation of a complete run's model, on the run's own data or on other data."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastclf.config import DataTable
from fastclf.data import Dataset, FileOptions, load_card, load_file
from fastclf.data.cards import FileSource, read_card
from fastclf.data.labels import describe_unknown, matched_labels
from fastclf.data.nulls import KnownNames
from fastclf.data.prediction_rows import naming
from fastclf.data.tables import TABLES, format_of, open_table
from fastclf.errors import DataError, RunError, nearest
from fastclf.linear_model import LinearModel
from fastclf.runs.baseline import (
    class_frequencies,
    names_of,
    predicted_by_baseline,
    with_baseline,
)
from fastclf.runs.directory import (
    CHECKPOINT,
    EVALUATION,
    ORIGIN,
    FinishedRun,
    read_teacher_probabilities,
    to_json,
    write_file,
)
from fastclf.runs.distillation import with_teacher_metrics
from fastclf.runs.evaluation import Evaluation
from fastclf.runs.intervals import evaluate_parts, evaluate_with_intervals
from fastclf.runs.origin import Origin
from fastclf.runs.parts import Part, left_out_lines, read_dataset, split_and_prepare
from fastclf.runs.prediction import with_threshold
from fastclf.runs.streamed import open_stream
from fastclf.table import Table, check_columns, listed, matched_names


@dataclass(frozen=True)
class Reevaluation:
    """The evaluations of a run's model, and the file that they are saved in.

    Attributes
    ----------
    parts : dict of str to Evaluation
        The evaluations on "train" and "test", or on other data by their name.
    path : Path, optional
        ``evaluation.json``, or ``evaluation-<name>.json``, in the run directory; None if they
        aren't saved.
    predicts : str or sequence of str, optional
        The class or the labels that the baseline predicts; None if it isn't known.
    """

    parts: dict[str, Evaluation]
    path: Path | None
    predicts: str | Sequence[str] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the contents of the file."""
        return {name: found.as_json() for name, found in self.parts.items()}


def evaluate_run(
    run: FinishedRun, data: Path | None = None, threshold: float | None = None
) -> Reevaluation:
    """Evaluate a run's model, and save the result in the run directory.

    Labels that the model doesn't know cause a warning, or an error if it knows none.

    Parameters
    ----------
    run : FinishedRun
        The run.
    data : Path, optional
        A data set card, or a file that is read with the options of the run's own file. By default
        the run's own data, split as in the run.
    threshold : float, optional
        Predict by this threshold instead of the model's; the result isn't saved then, for the
        files of a run are about its model.

    Raises
    ------
    FastclfError
        If the run's own data have changed, other data can't be read or don't fit the model, the
        model knows none of their labels, or the result can't be written.
    """
    if threshold is not None:
        run = replace(run, model=with_threshold(run.model, threshold))
    if data is None:
        found = _on_own_data(run)
    else:
        dataset = _read(run.recipe.data, run.model, data)
        for line in left_out_lines(dataset.left_out):
            warnings.warn(line, stacklevel=2)
        if str(run.recipe.data.ignore_index) in dataset.class_names:
            dataset = dataset.ignoring(str(run.recipe.data.ignore_index))
        with naming(data):
            y = _targets(dataset, run.model)
            part = Part(dataset.features, y, dataset.is_soft)
            evaluation = evaluate_with_intervals(run.model, part, run.recipe.seed)
            evaluation, predicts = _with_baseline(evaluation, run, y)
        name = re.sub(r"[^\w.-]+", "-", dataset.name)
        path = run.path / f"evaluation-{name}.json"
        found = Reevaluation({dataset.name: evaluation}, path, predicts)
    if threshold is not None:
        return replace(found, path=None)
    assert found.path is not None
    remedy = "copy the run to a place that can be written, and evaluate the copy"
    write_file(found.path, to_json(found.as_json()) + "\n", remedy)
    return found


def _with_baseline(
    found: Evaluation, run: FinishedRun, y: np.ndarray
) -> tuple[Evaluation, str | list[str] | None]:
    """Return an evaluation with the baseline's metrics, and what the baseline predicts.

    An older run lacks the class frequencies.
    """
    facts = run.summary.get("baseline", {})
    frequencies = np.array(facts.get("frequencies", []))
    if len(frequencies) != len(run.model.classes):
        return found, None
    return with_baseline(found, run.model, y, frequencies), facts.get("predicts")


def own_parts(run: FinishedRun) -> dict[str, Part]:
    """Read a run's own data again, and return its training and test rows.

    Raises
    ------
    FastclfError
        If the data have changed, or can't be read.
    """
    if run.recipe.data.stream:
        streamed = open_stream(run.recipe, by_parts=_began_on_cluster(run))
        _check_unchanged(run, streamed.fingerprint(), streamed.n_rows)
        return {"train": streamed.train, "test": streamed.test}
    dataset = read_dataset(run.recipe.data, run.recipe.distill)
    rows = dataset.n_rows + (0 if dataset.test is None else dataset.test.n_rows)
    _check_unchanged(run, dataset.fingerprint(), rows)
    parts = split_and_prepare(dataset, run.recipe.data, run.recipe.seed, run.recipe.calibrate)
    return {"train": parts.train, "test": parts.test}


def _on_own_data(run: FinishedRun) -> Reevaluation:
    parts = own_parts(run)
    found = evaluate_parts(run.model, parts, run.recipe.seed)
    teacher_p = read_teacher_probabilities(run)
    if teacher_p is not None:
        found["test"] = with_teacher_metrics(found["test"], run.model, parts["test"], teacher_p)
    names, several_labels = names_of(run.model), run.model.task == "multilabel"
    frequencies = class_frequencies(parts["train"].y, names)
    predicts = predicted_by_baseline(names, frequencies, several_labels)
    return Reevaluation(found, run.path / EVALUATION, predicts)


def _check_unchanged(run: FinishedRun, fingerprint: str, rows: int) -> None:
    """Check that a run's data have the fingerprint that they had."""
    if fingerprint == run.fact("data_sha256"):
        return
    then = run.fact("n_train")
    if not run.recipe.data.stream:
        then += (run.summary.get("calibration") or {}).get("n_rows", 0) + run.fact("n_test")
    raise RunError(
        f"{run.path}: the data have changed since the run: then {then} rows with sha256 "
        f"{run.fact('data_sha256')[:12]}..., now {rows} with {fingerprint[:12]}...; restore "
        "the old data, or name the new data with --data"
    )


def _began_on_cluster(run: FinishedRun) -> bool:
    origin = Origin.read(run.path / CHECKPOINT / ORIGIN)
    return origin is not None and "parts" in origin.data


def _read(table: DataTable, model: LinearModel, path: Path) -> Dataset:
    """Read the data of a card, or of a file with the options of the run's own file."""
    if path.suffix == ".toml":
        return load_card(path)
    own: FileOptions = table
    if table.card is not None:
        source = read_card(Path(table.card)).source
        own = source if isinstance(source, FileSource) else FileOptions()
    options = own.model_dump(include=set(FileOptions.model_fields))
    options |= {
        "weight": None,
        "target_path": None,
        "test_path": None,
        "split_by": None,
        "drop": (),
        "columns": None,
        "text": (),
        "format": None,
    }
    if own.target_path is not None and format_of(path) in TABLES:
        options["target"] = tuple(str(name) for name in model.classes.tolist())
    if model.encoder is not None and format_of(path) in TABLES:
        options["columns"] = model.encoder.column_names
        options["categorical"] = model.encoder.categorical
        options |= _layout_of(path, own, model.encoder.column_names)
    known = None
    if model.encoder is not None:
        known = KnownNames(model.encoder.known, tuple(map(str, model.classes.tolist())))
    return load_file(path, FileOptions.model_validate(options), known=known)


def _layout_of(path: Path, own: FileOptions, columns: Sequence[str]) -> dict[str, str]:
    """Return the delimiter and the decimal mark of a file, which can differ from the run's file."""
    file = open_table(
        path,
        header=own.header,
        delimiter=own.delimiter,
        decimal=own.decimal,
        expected=columns,
    )
    if file.layout is None:
        return {}
    return {"delimiter": file.layout.delimiter, "decimal": file.layout.decimal}


def _targets(dataset: Dataset, model: LinearModel) -> np.ndarray:
    """Convert a data set's targets to the model's classes or labels; warn of unknown ones."""
    _check_features(dataset, model)
    several = model.task == "multilabel"
    if several != (dataset.task == "multilabel"):
        kinds = {True: "several labels", False: "one label"}
        raise DataError(
            f"the data have {kinds[not several]} per row, but the model predicts {kinds[several]}"
        )
    names = [str(name) for name in model.classes.tolist()]
    if dataset.y.ndim == 1:
        found = matched_labels(dataset.y, names)
        found.warn()
        return found.y
    matches = matched_names(dataset.class_names, names) or {}
    unknown = [name for name in dataset.class_names if name not in matches]
    noun = "label" if several else "class"
    if unknown and not (several and matches):  # no class of a distribution can be left out
        raise DataError(
            f'the model has no {noun} "{unknown[0]}"{nearest(unknown[0], names)}; it has '
            f"{listed(names)}"
        )
    y = np.zeros((len(dataset.y), len(names)), dataset.y.dtype)
    own = [j for j, name in enumerate(dataset.class_names) if name in matches]
    y[:, [names.index(matches[dataset.class_names[j]]) for j in own]] = dataset.y[:, own]
    if unknown:
        columns = enumerate(dataset.class_names)
        rows = {name: int((dataset.y[:, j] > 0).sum()) for j, name in columns if name in unknown}
        warnings.warn(
            f"labels that the model doesn't have are left out: {describe_unknown(rows, names)}; it "
            f"has {listed(names)}",
            stacklevel=3,
        )
    return y


def _check_features(dataset: Dataset, model: LinearModel) -> None:
    if isinstance(dataset.features, Table):
        wanted = model.feature_names if model.encoder is None else model.encoder.column_names
        check_columns(wanted or (), dataset.features.names)

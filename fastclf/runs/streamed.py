"""Rows of a run that don't fit into memory: read once to fit the encoder, then in each pass."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fastclf import threads
from fastclf.config import DataTable, Recipe
from fastclf.data import Dataset, FileOptions, Stream, load_file
from fastclf.data.column_tallies import EncoderTally
from fastclf.data.compressed import stem
from fastclf.data.dataset import left_out_reason, unknown_label
from fastclf.data.files import labels_to_test
from fastclf.data.labels import matched_labels
from fastclf.data.nulls import KnownNames
from fastclf.data.prediction_rows import naming
from fastclf.data.row_parts import RowPart
from fastclf.data.scaling import SparseTally
from fastclf.data.targets import WITHOUT_TARGET
from fastclf.errors import DataError, located
from fastclf.estimators.sampled import Sample
from fastclf.estimators.tallies import LabelTally
from fastclf.linear_model import Affine, LinearModel, Task
from fastclf.preprocessing import Encoder
from fastclf.runs.counts import Counts, HeldRows
from fastclf.runs.parts import Part, check_classes, check_two_classes
from fastclf.runs.streamed_opening import OpenedStream, opened_stream
from fastclf.runs.streamed_svmlight import is_svmlight, opened_svmlight, rows_to_test
from fastclf.table import Table, listed

if TYPE_CHECKING:
    from distributed import Client

    from fastclf.data.text_layout import Layout


@dataclass(frozen=True, eq=False)
class StreamedData:
    """A stream of training rows, and the facts that one pass over them found.

    Attributes
    ----------
    name : str
        The name of the file, without folder and suffix.
    stream : Stream
        The training rows, encoded or scaled.
    test : Part
        The raw test rows, in memory.
    task : {"binary", "multiclass", "multilabel"}
    labels : ndarray of shape (K,)
        The classes or labels, as values of the target or as the names of its columns.
    class_names : tuple of str
        The names of the classes or labels.
    n_rows : int
        The number of training rows.
    preparation : Encoder, Affine or None
        The encoding or scaling of the features, fitted to the training rows; None for neither.
    sha256 : str
        The SHA-256 of the training rows, in hexadecimal.
    layout : Layout, optional
        The delimiter and the decimal mark of a text file.
    n_parts : int, optional
        On a cluster: the number of parts, on which its results depend.
    train : Part
        Raw training rows in memory: all if they are few, otherwise a random part.
    held_out : Part, optional
        Raw rows to calibrate the model on, which aren't trained on.
    is_soft : bool
        Whether targets are distributions.
    all_left_out : dict of str to int
        How many rows were left out, by reason.
    test_stream : Stream, optional
        The rows of ``test``, if they are of the file to train on.
    """

    name: str
    stream: Stream
    test: Part
    task: Task
    labels: np.ndarray
    class_names: tuple[str, ...]
    n_rows: int
    preparation: Encoder | Affine | None
    sha256: str
    layout: "Layout | None"
    n_parts: int | None
    train: Part
    held_out: Part | None
    is_soft: bool
    all_left_out: dict[str, int]
    test_stream: Stream | None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the prepared features."""
        assert self.stream.feature_names is not None  # only NPY has none
        return self.stream.feature_names

    def fingerprint(self) -> str:
        """Return the SHA-256 of all rows, in hexadecimal."""
        return self.sha256

    def for_raw_rows(self, model: LinearModel) -> LinearModel:
        """Return a model that takes raw rows from one that takes prepared features."""
        model = replace(model, feature_names=self.feature_names)
        if isinstance(self.preparation, Encoder):
            return replace(model, encoder=self.preparation)
        return replace(model, preprocessing=self.preparation)


def open_stream(
    recipe: Recipe,
    client: "Client | None" = None,
    *,
    by_parts: bool = False,
    most_rows: int | None = None,
) -> StreamedData:
    """Read the rows that a recipe's ``[data]`` names once; prepare those to train on.

    Parameters
    ----------
    recipe : Recipe
    client : distributed.Client, optional
        Whose workers read the rows.
    by_parts : bool
        Whether the rows of each part have a digest of their own, as on a cluster.
    most_rows : int, optional
        For a look at the first rows: after so many no more are read.

    Raises
    ------
    DataError
        If a file can't be read, or a value can't be used.
    """
    table = recipe.data
    opened = (opened_svmlight if is_svmlight(table) else opened_stream)(recipe, most_rows)
    path, stream = opened.stream.path, opened.stream
    with naming(path):
        found = _counted(stream, opened.empty, client, by_parts)
        _check_counts(found, table, path)
        _check_categories(found, table)
    shares, samples = found.shares, found.samples
    chosen = stream if found.chosen.is_all else stream.choosing(found.chosen)
    train, test_stream = chosen, None
    if shares.test > 0:
        test_stream = chosen.restricted(RowPart(shares.seed, 0.0, samples["test"].bound))
    if shares.parts["train"].low > 0:
        train = chosen.restricted(shares.parts["train"])
    with naming(path):
        train, preparation = _prepared(train, found, client)
    labels, names = _classes(found, stream)
    if not stream.several_targets:
        _check_two_classes(found, path, names)
    _check_part(samples["test"], "data.test_size", "to test on", shares.test)
    key = "calibrate.validation_fraction"
    _check_part(samples["held_out"], key, "to calibrate on", shares.held_out)
    held = {name: _part(sample, found, stream.is_soft) for name, sample in samples.items()}
    test = held["test"]
    without_target: dict[str, int] = {}
    if table.test_path is not None:
        test, without_target = _test_rows(table, opened, preparation, names, found)
    for part in (test, held["held_out"]):
        if not found.is_complete:  # else other rows may have the class
            check_classes(str(path), names, part.y)
    return StreamedData(
        name=stem(path),
        stream=train,
        test=test,
        task=_task(stream, names),
        labels=labels,
        class_names=names,
        n_rows=found.n_rows,
        preparation=preparation,
        sha256=found.sha256() if table.test_path is None else found.sha256_with(test),
        layout=opened.layout,
        n_parts=None if client is None else stream.n_parts,
        train=held["train"],
        held_out=None if recipe.calibrate is None else held["held_out"],
        is_soft=stream.is_soft,
        all_left_out={**_left_out(found), **without_target},
        test_stream=test_stream,
    )


def _task(stream: Stream, names: Sequence[str]) -> Task:
    if stream.several_targets and not stream.is_soft:
        return "multilabel"
    return "binary" if len(names) == 2 else "multiclass"


def _check_counts(found: Counts, table: DataTable, path: Path) -> None:
    """Check that there are rows to train on, and the classes that the recipe names."""
    rows = sum(sample.n_rows for sample in found.samples.values())
    if not rows and found.without_target:
        raise DataError("no row has a target")
    if not rows and not found.left_out:
        raise DataError("there are no rows")
    if found.is_complete:  # other rows may have the classes
        return
    known = sorted(found.left_out)
    if isinstance(found.targets, LabelTally):
        known = sorted({*known, *(str(name) for name, _ in found.targets.labels)})
    for name in map(str, table.classes or ()):
        if name not in known:
            with located("data.classes"):
                raise DataError(unknown_label(path.name, name, known, "class"))
    if table.ignore_index is not None and str(table.ignore_index) not in known:
        with located("data.ignore_index"):
            raise DataError(unknown_label(path.name, str(table.ignore_index), known, "label"))
    if not found.n_rows:
        raise DataError("no row is left to train on; lower data.test_size, or give more rows")


def _check_categories(found: Counts, table: DataTable) -> None:
    if isinstance(found.columns, SparseTally):
        return
    for column in found.columns.categories:
        if column.name not in table.categorical:
            column.check()


def _check_two_classes(found: Counts, path: Path, names: Sequence[str]) -> None:
    if len(names) == 1 and found.is_complete:
        raise DataError(
            f"{path}: the first {found.n_rows:,} rows, the only ones that were read, belong to "
            "one class, "
            f"{names[0]}; shuffle the rows of the file, which minibatch solvers need, too"
        )
    check_two_classes(str(path), names)


def _prepared(
    train: Stream, found: Counts, client: "Client | None"
) -> tuple[Stream, Encoder | Affine | None]:
    """Return the prepared rows to train on, and the preparation, which is fitted to them."""
    if isinstance(found.columns, SparseTally):
        scaling = found.columns.scaling()
        return (train if scaling is None else train.scaled(scaling)), scaling
    _find_fills(train, found, found.columns, client)
    encoder = found.columns.encoder()
    return train.encoded(encoder), encoder


def _find_fills(
    stream: Stream, found: Counts, columns: EncoderTally, client: "Client | None"
) -> None:
    """Read the rows to train on again for the medians of columns, as often as it takes."""
    while columns.numbers.fills is not None and (more := columns.numbers.fills.refined()):
        columns.numbers.fills = more
        if client is not None:
            from fastclf.runs.cluster import fills_there

            columns.numbers.fills = fills_there(client, stream, columns, found.as_tables)
            continue
        pieces: Iterator[Table | np.ndarray]
        if found.as_tables:
            pieces = (rows.table for rows in stream.tables_in_order())
        else:
            pieces = (rows.X for rows in stream.rows_in_order())
        for features in threads.prefetch(pieces):
            columns.add_fills(features)


def _classes(found: Counts, stream: Stream) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the classes as values of the target, and the names of classes or labels."""
    if isinstance(found.targets, LabelTally):
        labels = found.targets.encoded()[0].classes
        return labels, tuple(map(str, labels.tolist()))
    names = stream.target_names or ()
    return np.array(names), names


def _left_out(found: Counts) -> dict[str, int]:
    """Return how many rows were left out, by reason."""
    counts = {}
    if found.without_target:
        counts[WITHOUT_TARGET] = found.without_target
    if found.left_out:
        counts[left_out_reason(sorted(found.left_out), found.chosen.ignored)] = (
            found.left_out.total()
        )
    return counts


def _part(sample: Sample, found: Counts, is_soft: bool) -> Part:
    pieces = sample.taken()
    if not pieces:
        return Part(found.no_rows(), np.empty(0), is_soft)
    X, y, weights = HeldRows.joined(pieces)
    return Part(X, y, is_soft, None, weights, X.rows if isinstance(X, Table) else None)


def _check_part(sample: Sample, key: str, use: str, share: float) -> None:
    """Check that a part has rows, and warn if it has more than are kept."""
    if share and not sample.n_rows:
        raise DataError(f"{key} = {share} leaves no row {use}; use more rows or a larger share")
    if sample.n_kept < sample.n_rows:
        warnings.warn(
            f"only {sample.n_kept:,} of {sample.n_rows:,} rows {use} are used, chosen by a hash "
            "of their values, so that they fit into memory",
            stacklevel=3,
        )


def _counted(stream: Stream, counts: Counts, client: "Client | None", by_parts: bool) -> Counts:
    """Return the counts of all rows, given empty ones, which may change."""
    if client is not None:
        from fastclf.runs.cluster import counted_there

        return counted_there(client, stream, counts)
    if stream.is_text or by_parts:  # each file alone, so that messages name it
        for number in range(stream.n_parts):
            counts.add_part(stream, number)
            if counts.is_complete:
                break
    else:
        counts.add(stream.tables_in_order() if counts.as_tables else stream.rows_in_order())
    return counts


def _test_rows(
    table: DataTable,
    opened: OpenedStream,
    preparation: Encoder | Affine | None,
    names: Sequence[str],
    counted: Counts,
) -> tuple[Part, dict[str, int]]:
    """Return the rows of the recipe's file to test on, and how many have no target, by reason.

    Rows of classes that aren't chosen add to those counted before.
    """
    path = Path(str(table.test_path))
    known_labels = [*names, *counted.left_out]
    if isinstance(preparation, Encoder):
        options = table.model_dump(include=set(FileOptions.model_fields))
        options |= {"test_path": None, "weight": None, "drop": ()}
        options |= {"columns": preparation.column_names, "categorical": preparation.categorical}
        known = KnownNames(preparation.known, tuple(known_labels))
        found = load_file(path, FileOptions.model_validate(options), opened.taught, known)
    else:
        found = rows_to_test(table, opened.stream, names)
    with located(path):
        if found.y.ndim == 1:
            if counted.is_complete:  # other rows to train on may have other labels
                y = matched_labels(found.y, known_labels).y
                known_rows = np.isin(y, known_labels)
                found, y = found.take(known_rows), y[known_rows]
            else:
                y = labels_to_test(found.y, known_labels)
            chosen = counted.chosen.mask(y)
            counted.left_out.update(y[~chosen].tolist())
            rows = found.take(chosen)
            part = Part(
                rows.features,
                y[chosen],
                teacher_outputs=rows.teacher_outputs,
                rows=rows.rows,
            )
        else:
            part = Part(found.features, _labels_in_order(found, names), found.is_soft)
    return part, {f"to test on {why}": count for why, count in found.left_out.items()}


def _labels_in_order(found: Dataset, names: Sequence[str]) -> np.ndarray:
    """Return the indicators of a file with columns for all labels of the training rows."""
    unknown = [name for name in found.class_names if name not in names]
    if unknown:
        raise DataError(
            f"the labels of the test rows are {listed(found.class_names)}, and those of the "
            f"training rows {listed(tuple(names))}"
        )
    y = np.zeros((found.n_rows, len(names)), found.y.dtype)
    y[:, [list(names).index(name) for name in found.class_names]] = found.y
    return y

"""Rows of a run that don't fit into memory: read once to fit the encoder, then in each pass."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fastclf import threads
from fastclf.config import DataTable, Recipe
from fastclf.data import Dataset, FileOptions, Stream, load_file, open_table
from fastclf.data.column_tallies import EncoderTally
from fastclf.data.columns import date_columns
from fastclf.data.compressed import stem
from fastclf.data.dataset import left_out_reason, unknown_label
from fastclf.data.files import feature_columns, labels_to_test
from fastclf.data.nulls import KnownNames
from fastclf.data.prediction_rows import naming
from fastclf.data.row_parts import RowPart
from fastclf.data.stream import stream_categories
from fastclf.data.stream_targets import ClassChoice
from fastclf.data.tables import first_file
from fastclf.data.targets import WITHOUT_TARGET, target_columns
from fastclf.errors import DataError, located
from fastclf.estimators.sampled import Sample
from fastclf.estimators.tallies import DistributionTally, IndicatorTally, LabelTally
from fastclf.linear_model import LinearModel, Task
from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
from fastclf.runs.counts import Counts, HeldRows, Shares
from fastclf.runs.parts import Part, check_classes, check_two_classes
from fastclf.table import Numbers, Table, check_columns, listed

if TYPE_CHECKING:
    from distributed import Client

    from fastclf.data.text_layout import Layout


@dataclass(frozen=True, eq=False)
class StreamedData:
    """A stream of training rows, with what one pass over them has found out.

    Attributes
    ----------
    name : str
        The name of the file, without folder and suffix.
    stream : Stream
        The encoded training rows.
    test : Part
        The raw test rows, in memory.
    task : {"binary", "multiclass", "multilabel"}
    labels : ndarray of shape (K,)
        The classes or labels, as values of the target or as the names of its columns.
    class_names : tuple of str
        The names of the classes or labels.
    n_rows : int
        The number of training rows.
    encoder : Encoder
        The encoder, fitted to the training rows.
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
    encoder: Encoder
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
        """The names of the features."""
        return self.encoder.feature_names

    def fingerprint(self) -> str:
        """Return the SHA-256 of all rows, in hexadecimal."""
        return self.sha256

    def for_raw_rows(self, model: LinearModel) -> LinearModel:
        """Return a model that takes raw tables from one that takes encoded features."""
        return replace(model, encoder=self.encoder, feature_names=self.encoder.feature_names)


def open_stream(
    recipe: Recipe,
    client: "Client | None" = None,
    *,
    by_parts: bool = False,
    most_rows: int | None = None,
) -> StreamedData:
    """Read the rows that a recipe's ``[data]`` names once; fit the encoder to those to train on.

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
    assert table.path is not None  # checked with the recipe
    path = Path(table.path)
    file = open_table(
        first_file(path, table.format),
        format=table.format,
        header=table.header,
        delimiter=table.delimiter,
        decimal=table.decimal,
    )
    targets = target_columns(file.names, table)
    taught = (recipe.distill and recipe.distill.teacher_columns) or ()
    with naming(path):
        with located("teacher_columns"):
            check_columns(taught, file.names)
        columns = feature_columns(file.names, [*targets, *taught], table)
        categorical = stream_categories(path, table.format, file, columns) | {*table.categorical}
        categorical &= set(columns)
    stream = Stream(
        path,
        list(targets) if len(targets) > 1 else targets[0],
        weight=table.weight,
        encoder=_raw_encoder(columns, categorical, table.dtype),
        format=table.format,
        header=table.header,
        delimiter=table.delimiter,
        decimal=table.decimal,
    )
    with naming(path):
        stream = stream.with_targets(table, taught)
    dates = _dates(stream, table) if table.dates == "parts" and categorical else set()
    columns_found = EncoderTally(
        columns,
        categorical - dates,
        scale=table.scale,
        impute=table.impute,
        min_frequency=table.min_frequency,
        dtype=table.dtype,
        dates=dates,
    )
    chosen, shares = _chosen(table), _shares(recipe)
    empty = Counts(
        _tally(stream),
        columns_found,
        bool(categorical or taught) or table.missing_target != "error",
        shares,
        tuple(categorical),
        chosen,
        most_rows,
    )
    several = stream.several_targets
    if several and not chosen.is_all:
        key = "classes" if chosen.only is not None else "ignore_index"
        raise DataError(f"data.{key} needs one label per row, but {path} has several; leave it out")
    with naming(path):
        found = _counted(stream, empty, client, by_parts)
        _check_counts(found, table, path)
        for column in found.columns.categories:
            if column.name not in table.categorical:
                column.check()
    train = stream if chosen.is_all else stream.choosing(chosen)
    test_stream = None
    if shares.test > 0:
        kept = RowPart(shares.seed, 0.0, found.samples["test"].bound)
        test_stream = train.restricted(kept)
    if shares.parts["train"].low > 0:
        train = train.restricted(shares.parts["train"])
    with naming(path):
        _find_fills(train, found, client)
        encoder = found.columns.encoder()
    labels, names = _classes(found, stream)
    if not several:
        check_two_classes(table.path, names)
    is_soft = stream.is_soft
    task: Task = "multilabel" if several and not is_soft else "binary"
    if task == "binary" and len(names) > 2:
        task = "multiclass"
    samples = found.samples
    _check_part(samples["test"], "data.test_size", "to test on", shares.test)
    key = "calibrate.validation_fraction"
    _check_part(samples["held_out"], key, "to calibrate on", shares.held_out)
    held = {name: _part(sample, is_soft, columns) for name, sample in samples.items()}
    test = held["test"]
    without_target: dict[str, int] = {}
    if table.test_path is not None:
        test, without_target = _test_rows(table, encoder, names, taught, found)
    for part in (test, held["held_out"]):
        check_classes(str(path), names, part.y)
    return StreamedData(
        stem(path),
        train.encoded(encoder),
        test,
        task,
        labels,
        names,
        found.n_rows,
        encoder,
        found.sha256() if table.test_path is None else found.sha256_with(test),
        file.layout,
        None if client is None else stream.n_parts,
        held["train"],
        held["held_out"] if recipe.calibrate is not None else None,
        is_soft,
        {**_left_out(found, chosen), **without_target},
        test_stream,
    )


def _chosen(table: DataTable) -> ClassChoice:
    only = None if table.classes is None else tuple(map(str, table.classes))
    return ClassChoice(only, None if table.ignore_index is None else str(table.ignore_index))


def _shares(recipe: Recipe) -> Shares:
    held_out = 0.0 if recipe.calibrate is None else recipe.calibrate.validation_fraction
    test = recipe.data.test_size if recipe.data.test_path is None else 0.0
    return Shares((recipe.seed, 0), test, held_out)


def _tally(stream: Stream) -> LabelTally | IndicatorTally | DistributionTally:
    if not stream.several_targets:
        return LabelTally()
    return DistributionTally(None) if stream.is_soft else IndicatorTally()


def _check_counts(found: Counts, table: DataTable, path: Path) -> None:
    """Check that there are rows to train on, and the classes that the recipe names."""
    rows = sum(sample.n_rows for sample in found.samples.values())
    if not rows and found.without_target:
        raise DataError("no row has a target")
    if not rows and not found.left_out:
        raise DataError("has no rows")
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


def _find_fills(stream: Stream, found: Counts, client: "Client | None") -> None:
    """Read the rows to train on again for the medians of columns, as often as it takes."""
    columns = found.columns
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


def _left_out(found: Counts, chosen: ClassChoice) -> dict[str, int]:
    """Return how many rows were left out, by reason."""
    counts = {}
    if found.without_target:
        counts[WITHOUT_TARGET] = found.without_target
    if found.left_out:
        counts[left_out_reason(sorted(found.left_out), chosen.ignored)] = found.left_out.total()
    return counts


def _part(sample: Sample, is_soft: bool, columns: Sequence[str]) -> Part:
    pieces = sample.taken()
    if not pieces:
        return Part(Table({name: Numbers(np.empty(0)) for name in columns}), np.empty(0), is_soft)
    table, y, weights = HeldRows.joined(pieces)
    return Part(table, y, is_soft, None, weights, table.rows)


def _check_part(sample: Sample, key: str, use: str, share: float) -> None:
    """Check that a part has rows, and warn if it has more than are kept."""
    if share and not sample.n_rows:
        raise DataError(
            f"no row {use} came about by {key} = {share}; use more rows or a larger share"
        )
    if sample.n_kept < sample.n_rows:
        warnings.warn(
            f"of {sample.n_rows:,} rows {use} {sample.n_kept:,} are used, chosen at random by "
            "their values, so that they fit into memory",
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


def _raw_encoder(columns: Sequence[str], categorical: set[str], dtype: str) -> Encoder:
    """Return an encoder that passes numbers unchanged and knows no categories yet."""
    kinds = [
        CategoricalColumn(name, ()) if name in categorical else NumericColumn(name)
        for name in columns
    ]
    return Encoder(tuple(kinds), dtype)


def _dates(stream: Stream, table: DataTable) -> set[str]:
    """Return the columns that contain dates in the first rows."""
    with naming(stream.path):
        first = next(stream.tables_in_order(), None)
    return set() if first is None else {*date_columns(first.table)} - {*table.categorical}


def _test_rows(
    table: DataTable,
    encoder: Encoder,
    names: Sequence[str],
    teacher_columns: Sequence[str],
    counted: Counts,
) -> tuple[Part, dict[str, int]]:
    """Return the rows of the recipe's file to test on, and how many have no target, by reason.

    Rows of classes that aren't chosen add to those counted before.
    """
    options = table.model_dump(include=set(FileOptions.model_fields))
    options |= {"test_path": None, "weight": None, "drop": (), "columns": encoder.column_names}
    options |= {"categorical": encoder.categorical}
    path = Path(str(table.test_path))
    known_labels = [*names, *counted.left_out]
    known = KnownNames(encoder.known, tuple(known_labels))
    found = load_file(path, FileOptions.model_validate(options), teacher_columns, known)
    with located(path):
        if found.y.ndim == 1:
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

"""From the recipe of a streamed run to its raw rows, and to what one pass over them counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fastclf.config import DataTable, Recipe
from fastclf.data import Stream, open_table
from fastclf.data.column_tallies import EncoderTally
from fastclf.data.columns import date_columns
from fastclf.data.files import feature_columns
from fastclf.data.prediction_rows import naming
from fastclf.data.stream import stream_categories
from fastclf.data.stream_targets import ClassChoice
from fastclf.data.tables import first_file
from fastclf.data.targets import target_columns
from fastclf.errors import DataError, located
from fastclf.estimators.tallies import DistributionTally, IndicatorTally, LabelTally
from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
from fastclf.runs.counts import Counts, Shares
from fastclf.table import check_columns

if TYPE_CHECKING:
    from fastclf.data.text_layout import Layout


class OpenedStream(NamedTuple):
    """The raw rows of a recipe, what is to be counted, and the columns with a teacher's outputs."""

    stream: Stream
    empty: Counts
    taught: Sequence[str]
    layout: "Layout | None"


def opened_stream(recipe: Recipe, most_rows: int | None = None) -> OpenedStream:
    """Open the file of a recipe, and decide how its columns are read.

    Counts are complete after ``most_rows`` rows to train on.

    Raises
    ------
    DataError
        If it can't be read, or its columns don't go with the recipe.
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
        encoding=table.encoding,
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
        encoding=table.encoding,
    )
    with naming(path):
        stream = stream.with_targets(table, taught)
    dates = _dates(stream, table) if table.dates == "parts" and categorical else set()
    tally = EncoderTally(
        columns,
        categorical - dates,
        scale=table.scale,
        impute=table.impute,
        min_frequency=table.min_frequency,
        dtype=table.dtype,
        dates=dates,
    )
    chosen = _chosen(table)
    if stream.several_targets and not chosen.is_all:
        key = "classes" if chosen.only is not None else "ignore_index"
        raise DataError(f"data.{key} needs one label per row, but {path} has several; leave it out")
    as_tables = bool(categorical or taught) or table.missing_target != "error"
    split = shares_of(recipe), tuple(categorical), chosen
    empty = Counts(target_tally(stream), tally, as_tables, *split, most_rows)
    return OpenedStream(stream, empty, taught, file.layout)


def _chosen(table: DataTable) -> ClassChoice:
    only = None if table.classes is None else tuple(map(str, table.classes))
    return ClassChoice(only, None if table.ignore_index is None else str(table.ignore_index))


def shares_of(recipe: Recipe) -> Shares:
    """Return how the rows of a recipe are split."""
    held_out = 0.0 if recipe.calibrate is None else recipe.calibrate.validation_fraction
    test = recipe.data.test_size if recipe.data.test_path is None else 0.0
    return Shares((recipe.seed, 0), test, held_out)


def target_tally(stream: Stream) -> LabelTally | IndicatorTally | DistributionTally:
    """Return what counts the targets of a stream."""
    if not stream.several_targets:
        return LabelTally()
    return DistributionTally(None) if stream.is_soft else IndicatorTally()


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

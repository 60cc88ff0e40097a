"""Runs on a Dask cluster: recipes that can be fitted there, and the first pass over the rows.

`fastclf.dask` is imported only when a cluster is used.
"""

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fastclf.config import MinibatchSolver, Recipe
from fastclf.data import Stream
from fastclf.data.column_tallies import EncoderTally
from fastclf.errors import ConfigError, DataError
from fastclf.estimators.partitions import Failure
from fastclf.runs.counts import Counts
from fastclf.runs.streamed_svmlight import is_svmlight

if TYPE_CHECKING:
    from distributed import Client


def for_cluster(recipe: Recipe) -> Recipe:
    """Return a recipe whose training rows are read as a stream, for the workers of a cluster.

    Raises
    ------
    ConfigError
        If it can't be fitted so.
    """
    if isinstance(recipe.solver, MinibatchSolver):
        raise ConfigError(
            f'--scheduler: solver.name = "{recipe.solver.name}" trains on minibatches, one after '
            "another, so more machines don't make it faster; set solver.name to "
            '"auto", "newton" or "lbfgs", or leave out --scheduler'
        )
    if recipe.distill is not None:
        raise ConfigError(
            "--scheduler: [distill] needs the rows where the solver runs; leave out --scheduler, "
            "and set data.stream to true if the rows don't fit into memory"
        )
    if is_svmlight(recipe.data):
        raise ConfigError(
            f"--scheduler: {recipe.data.path} is an svmlight file, which workers can't read in "
            "parts; save the rows "
            "as Parquet, or leave out --scheduler"
        )
    values = recipe.model_dump()
    values["data"]["stream"] = True
    try:
        return Recipe.model_validate(values)
    except ValidationError as problems:
        why = problems.errors()[0]["msg"].replace(
            "set data.stream to false", "leave out --scheduler"
        )
        raise ConfigError(
            f"--scheduler: the workers read the training rows as a stream, but {why}"
        ) from None


def counted_there(client: "Client", stream: Stream, empty: Counts) -> Counts:
    """Return the counts of all rows; each part is counted by a worker, and then they are merged.

    Raises
    ------
    DataError
        If a value can't be used; the message names the file, and the row in it.
    """
    from fastclf.dask.collections import of_each_part

    if not stream.n_parts:
        return empty
    found = of_each_part(client, stream, _count_part, empty).sum(_itself, _merged)
    if isinstance(found, Failure):
        raise DataError(found.message)
    assert found is not None  # there are parts
    return found


def _count_part(stream: Stream, empty: Counts, number: int) -> Counts | Failure:
    counts = copy.deepcopy(empty)  # the worker has one for all of its parts
    try:
        counts.add_part(stream, number)
    except ValueError as error:  # the user's rows; other errors are ours
        return Failure(number, str(error), stream.part_name(number))
    return counts


def fills_there(client: "Client", stream: Stream, columns: EncoderTally, as_tables: bool) -> Any:
    """Return what fills missing values in, after another pass over all rows by the workers."""
    from fastclf.dask.collections import of_each_part

    found = of_each_part(client, stream, _fill_part, columns, as_tables).sum(_itself, _filled)
    if isinstance(found, Failure):
        raise DataError(found.message)
    assert found is not None  # there are parts
    return found


def _fill_part(stream: Stream, columns: EncoderTally, as_tables: bool, number: int) -> Any:
    own = copy.deepcopy(columns)  # the worker has one for all of its parts
    try:
        if as_tables:
            for raw in stream.tables_of_part(number):
                own.add_fills(raw.table)
        else:
            for rows in stream.rows_of_part(number):
                own.add_fills(rows.X)
    except ValueError as error:
        return Failure(number, str(error), stream.part_name(number))
    return own.numbers.fills


def _filled(both: Iterator[Any]) -> Any:
    left, right = both
    if isinstance(left, Failure) or isinstance(right, Failure):
        return left if isinstance(left, Failure) else right
    whole = copy.deepcopy(left)
    whole.merge(right)
    return whole


def _itself(counts: Any) -> Any:
    return counts


def _merged(both: Iterator[Counts | Failure]) -> Counts | Failure:
    # The counts of some parts and of those after them; or what is wrong with the first bad one.
    left, right = both
    if isinstance(left, Failure):
        return left
    if isinstance(right, Failure):
        return right
    whole = copy.deepcopy(left)
    try:
        whole.merge(right)
    except ValueError as error:
        return Failure(0, str(error), "")
    return whole

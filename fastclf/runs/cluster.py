"""Runs on a Dask cluster: the connection, recipes that can be fitted there, and the first pass.

dask and distributed are imported only when a cluster is used.
"""

import asyncio
import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fastclf import __version__
from fastclf.config import MinibatchSolver, Recipe
from fastclf.data import Stream
from fastclf.errors import ConfigError, DataError, InputError
from fastclf.estimators.partitions import Failure
from fastclf.runs.streamed import Counts

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 10.0
"""Seconds to wait for the scheduler."""

FIRST_WORKER = 10.0
"""Seconds to wait for its first worker."""


@contextmanager
def connected(address: str) -> "Iterator[Client]":
    """Yield a client of the cluster with this scheduler; it is closed at the end of the block.

    Raises
    ------
    FastclfError
        If dask isn't installed, the scheduler can't be reached, or its workers can't run fastclf.
    """
    _check_dask()
    from distributed import Client
    from distributed.comm import CommClosedError

    given = f"--scheduler {address}"
    why = None
    try:
        kind = asyncio.run(_kind_of(address))
        if kind != "scheduler":
            why = f"a {kind} answers"
    except OSError:
        why = f"nothing answers within {PATIENCE:g} s"
    except ValueError as error:
        why = str(error)
    if why is not None:
        raise InputError(
            f"{given}: no scheduler can be reached there ({why}); start one with: dask scheduler, "
            "and give the address that it prints, such as tcp://10.0.0.1:8786"
        )
    client = Client(address, timeout=PATIENCE, set_as_default=False)
    with client:
        _check_workers(client, given)
        try:
            yield client
        except CommClosedError as error:
            raise InputError(f"{given}: the connection was lost: {error}; start again") from None


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
            'another, which more machines make no faster; set solver.name to "auto", "newton" or '
            '"lbfgs", or leave out --scheduler'
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


def _count_part(stream: Stream, number: int, empty: Counts) -> Counts | Failure:
    counts = copy.deepcopy(empty)  # the worker has one for all of its parts
    try:
        counts.add_part(stream, number)
    except ValueError as error:  # the user's rows; other errors are ours
        return Failure(number, str(error), stream.part_name(number))
    return counts


def _itself(counts: Counts | Failure) -> Counts | Failure:
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


def _check_dask() -> None:
    import fastclf.dask  # noqa: F401, which says what to install


async def _kind_of(address: str) -> str:
    # What listens at an address. A client waits for ever if it is no part of a cluster.
    from distributed.core import rpc

    there = rpc(address, timeout=PATIENCE)
    try:
        found = await asyncio.wait_for(there.identity(), PATIENCE)
    finally:
        await there.close_rpc()
    return str(found["type"]).lower()


def _check_workers(client: "Client", given: str) -> None:
    try:
        client.wait_for_workers(1, timeout=FIRST_WORKER)
    except TimeoutError:
        raise InputError(
            f"{given}: the scheduler has no workers; start some with: dask worker ADDRESS"
        ) from None
    remedy = f"run on each machine: pip install 'fastclf[data,dask]=={__version__}'"
    try:
        versions = client.run(_version)
    except ImportError as error:
        raise InputError(f"{given}: a worker can't run fastclf: {error}; {remedy}") from None
    for worker, version in versions.items():
        if version != __version__:
            raise InputError(
                f"{given}: the worker {worker} has fastclf {version}, and here it is "
                f"{__version__}; {remedy}"
            )


def _version() -> str:
    # That of fastclf, where it can read files.
    import pyarrow  # noqa: F401

    import fastclf

    return fastclf.__version__

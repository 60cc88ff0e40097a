"""The connection to a cluster, for commands that name it by its scheduler's address."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client
from distributed.comm import CommClosedError
from distributed.core import rpc

from fastclf import __version__
from fastclf.errors import InputError

PATIENCE = 10.0
"""Seconds to wait for the scheduler."""

FIRST_WORKER = 10.0
"""Seconds to wait for its first worker."""


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Yield a client of the cluster with this scheduler; it is closed at the end of the block.

    Raises
    ------
    InputError
        If the scheduler can't be reached, or its workers can't run fastclf.
    """
    given = f"--scheduler {address}"
    why = None
    try:
        kind = asyncio.run(_kind_of(address))
        if kind != "scheduler":
            why = f"a {kind} answers"
    except OSError:
        why = f"no answer within {PATIENCE:g} s"
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


async def _kind_of(address: str) -> str:
    # What listens at an address. A client waits for ever if it is no part of a cluster.
    there = rpc(address, timeout=PATIENCE)
    try:
        found = await asyncio.wait_for(there.identity(), PATIENCE)
    finally:
        await there.close_rpc()
    return str(found["type"]).lower()


def _check_workers(client: Client, given: str) -> None:
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

"""From Dask's arrays and data frames, or a stream of files, to blocks of rows on the workers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dask
import numpy as np
import scipy.sparse
from dask.base import is_dask_collection
from distributed import Client, default_client, futures_of

from fastclf.dask.futures import FuturePartitions
from fastclf.errors import InputError
from fastclf.estimators.partitions import Block, Failure, Reading, Rows
from fastclf.estimators.streams import RowStream, StreamInParts

# Blocks, chunks and partitions are the same here: Dask's arrays have chunks of rows, its data
# frames have partitions.


def client_for(client: Client | None) -> Client:
    """Return the client that was given, or the current one."""
    if client is None:
        try:
            client = default_client()
        except ValueError:
            raise InputError(
                "there is no Dask client: make one, e.g. with "
                "client = distributed.Client(n_workers=4), or with the address of a scheduler, "
                'such as distributed.Client("tcp://10.0.0.1:8786")'
            ) from None
    if not isinstance(client, Client):
        raise InputError(
            f"client must be a distributed.Client or None, got {client!r}; for a scheduler's "
            "address give distributed.Client(ADDRESS)"
        )
    if client.asynchronous:
        raise InputError(
            "the client is asynchronous, but fit waits for its results; give a "
            "client with asynchronous=False"
        )
    if client.status != "running":
        raise InputError(f"the client is {client.status}; give an open one, or None")
    return client


def rows_of(
    client: Client,
    X: Any,
    y: Any,
    sample_weight: Any,
    estimator: str,
    label_weights: bool = False,
) -> tuple[FuturePartitions, Reading]:
    """Return the checked rows of all partitions, and how they were read.

    With ``label_weights`` the weights may be (n, L).
    """
    _check_is_dask(X, estimator)
    if y is None:
        raise InputError("requires y to be passed, but the target y is None")
    X = one_block_of_columns(X)
    for name, given in (("y", y), ("sample_weight", sample_weight)):
        _check_has_rows(given, name)
    several = _ndim(y) == 2 and _width(y) != 1
    width = _width(X)
    reading = Reading(
        estimator,
        dtype_of(X),
        names_of(X),
        several,
        target_names=names_of(y) if several else None,
        n_features=None if np.isnan(width) else width,
        label_weights=label_weights,
        X_is_kept=len(futures_of(X)) >= _n_parts(X),  # it was persisted
    )
    parts = [_parts(X)]
    for name, given in (("y", y), ("sample_weight", sample_weight)):
        parts.append([None] * len(parts[0]) if given is None else _cut_alike(X, given, name))
    blocks = ((number, *block) for number, block in enumerate(zip(*parts, strict=True)))
    return _begun(client, _read, [reading], blocks), reading


def rows_of_stream(
    client: Client, stream: RowStream, estimator: str
) -> tuple[FuturePartitions, Reading]:
    """Return the rows of all parts of a stream, each read by a worker, and what they are like."""
    if not isinstance(stream, StreamInParts):
        raise InputError(
            f"workers read a stream in parts, but {type(stream).__name__} has no n_parts, part and "
            "part_name, as fastclf.data.Stream has"
        )
    if not stream.n_parts:
        raise InputError("the stream has no rows")
    several, dtype = stream.several_targets, np.dtype(stream.dtype)
    reading = Reading(estimator, dtype, stream.feature_names, several)
    return of_each_part(client, stream, _read_part), reading


def of_each_part(
    client: Client, stream: StreamInParts, function: Callable[..., Any], *given: Any
) -> FuturePartitions:
    """Return the partitions of ``function(stream, *given, number)``, one for each part."""
    numbers = ((number,) for number in range(stream.n_parts))
    return _begun(client, function, [stream, *given], numbers)


def _begun(
    client: Client,
    function: Callable[..., Any],
    shared: Sequence[Any],
    each: Iterable[tuple[Any, ...]],
) -> FuturePartitions:
    # The partitions of ``function(*shared, *own)``, for each tuple; what is shared is sent once.
    call = dask.delayed(function, pure=False)
    common = [dask.delayed(value, pure=False) for value in shared]
    return FuturePartitions(client, client.compute([call(*common, *own) for own in each]))


def names_of(X: Any) -> tuple[str, ...] | None:
    """Return the names of a data frame's columns, if they are text."""
    columns = getattr(X, "columns", None) if getattr(X, "ndim", 2) == 2 else None
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return tuple(columns)


def one_block_of_columns(X: Any) -> Any:
    """Return an array whose blocks have all columns; a data frame as it is."""
    if X.ndim != 2:
        raise InputError(f"X must have two dimensions, got {X.ndim}")
    if not hasattr(X, "chunks"):
        return X
    return X.rechunk({1: -1}) if len(X.chunks[1]) > 1 else X


def _read(reading: Reading, number: int, X: Any, y: Any, weights: Any) -> Any:
    return reading(Block(number, X, y, weights))


def _read_part(stream: StreamInParts, number: int) -> Rows | Failure:
    place = stream.part_name(number)
    try:
        X, y, weights = stream.part(number)
    except ValueError as error:  # the user's rows; other errors are ours
        return Failure(number, str(error), place)
    weights = None if weights is None else weights.astype(np.float64, copy=False)
    return Rows(number, X, y, weights, place)


def _parts(given: Any) -> list[Any]:
    # A Delayed for each partition.
    parts = given.to_delayed()
    return list(parts.reshape(-1)) if isinstance(parts, np.ndarray) else list(parts)


def _cut_alike(X: Any, given: Any, name: str) -> list[Any]:
    # The partitions of y or of the weights, in step with those of X.
    n, lengths = _n_parts(X), _lengths(X)
    if not is_dask_collection(given):
        if lengths is None:
            raise InputError(
                f"{name} isn't a Dask collection, and the lengths of X's partitions aren't known, "
                f"so {name} can't be split as X is; derive {name} from the collection that X was "
                "derived from, or make the lengths known: call X.compute_chunk_sizes() for an "
                "array, or X.to_dask_array(lengths=True) for a data frame"
            )
        whole = given.tocsr() if scipy.sparse.issparse(given) else np.asarray(given)
        _check_length(sum(lengths), whole.shape[0], name)
        edges = np.cumsum([0, *lengths])
        return [whole[i:j] for i, j in zip(edges[:-1], edges[1:], strict=True)]
    own = _lengths(given)
    if lengths is not None and own is not None and own != lengths:
        _check_length(sum(lengths), sum(own), name)
        given = given.rechunk({0: tuple(lengths)})
    if given.ndim == 2 and hasattr(given, "chunks") and len(given.chunks[1]) > 1:
        given = given.rechunk({1: -1})
    if _n_parts(given) != n:
        raise InputError(
            f"X has {n} partitions and {name} has {_n_parts(given)}, and the lengths of "
            f"{'X' if lengths is None else name}'s partitions aren't known, so they can't be "
            "split alike; derive both from one collection, or call compute_chunk_sizes() of the "
            "arrays first"
        )
    return _parts(given)


def _check_length(n: int, own: int, name: str) -> None:
    if own != n:
        raise InputError(
            f"X has {n} rows and {name} has {own}; they must have the same number of rows"
        )


def _lengths(given: Any) -> list[int] | None:
    # The lengths of the partitions, if they are known.
    chunks = getattr(given, "chunks", None)
    if chunks is None or np.isnan(chunks[0]).any():
        return None
    return [int(length) for length in chunks[0]]


def _n_parts(given: Any) -> int:
    chunks = getattr(given, "chunks", None)
    return int(given.npartitions) if chunks is None else len(chunks[0])


def _ndim(y: Any) -> int:
    return int(y.ndim) if hasattr(y, "ndim") else np.asarray(y).ndim


def _width(y: Any) -> Any:
    # The number of columns; NaN if it isn't known.
    return len(y.columns) if hasattr(y, "columns") else np.shape(y)[1]


def dtype_of(X: Any) -> np.dtype:
    """Return the dtype of the rows of X: float32 if all numbers are, otherwise float64."""
    dtypes: Sequence[Any] = list(X.dtypes) if hasattr(X, "dtypes") else [X.dtype]
    single = all(dtype == np.float32 for dtype in dtypes)
    return np.dtype(np.float32 if single else np.float64)


def is_array_or_frame(X: Any) -> bool:
    """Return whether X is a Dask array, or a data frame or series."""
    # A Delayed has any attribute, but its class hasn't.
    kind = type(X)
    return is_dask_collection(X) and (hasattr(kind, "chunks") or hasattr(kind, "npartitions"))


def _check_is_dask(X: Any, estimator: str) -> None:
    if not is_array_or_frame(X):
        raise InputError(
            f"fastclf.dask.{estimator} is fitted to Dask arrays and data frames, and X is "
            f"{type(X).__name__}; use fastclf.{estimator}, or dask.array.from_array or from_delayed"
        )


def _check_has_rows(given: Any, name: str) -> None:
    in_memory = not is_dask_collection(given)
    if given is None or (np.ndim(given) > 0 if in_memory else is_array_or_frame(given)):
        return
    if scipy.sparse.issparse(given):
        return
    raise InputError(
        f"{name} must have an entry for each row of X: a Dask array, series or data frame, or an "
        f"array in memory; got {type(given).__name__}"
    )

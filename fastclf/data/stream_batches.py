"""Streams of batches that a function gives anew for each pass: their joining, and those of arrays.

Batches of a few rows are joined to chunks and large ones are cut, so that the speed of a pass
doesn't depend on their size.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import scipy.sparse

from fastclf.data.stream_matrices import precision_of
from fastclf.data.stream_source import CHUNK_BYTES, MOST_ROWS, Place, Span, WithoutColumns
from fastclf.errors import DataError, InputError
from fastclf.estimators.encoding import indicators, plain
from fastclf.estimators.streams import Rows
from fastclf.estimators.validation import canonical_csr
from fastclf.objective.features import nbytes

NAME = "the batches"
"""What messages call batches."""


class Batches:
    """The batches of each pass: an iteration calls ``make`` and yields what it returns.

    Parameters
    ----------
    make : callable
        Returns an iterable of batches, always of the same rows in the same order.

    Raises
    ------
    DataError
        If it isn't callable; and in an iteration, if it returns the same iterator again.
    """

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        if not callable(make):
            raise DataError(
                f"{NAME}: needs a function that is called for each pass and returns an iterable "
                f"of batches, such as lambda: loader; got {type(make).__name__}"
            )
        self._make = make
        self._last: Any = None  # the iterator of the pass before

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of a new pass."""
        given = self._make()
        if not hasattr(given, "__iter__"):
            raise DataError(
                f"{NAME}: the function must return an iterable of batches, got "
                f"{type(given).__name__}"
            )
        iterator = iter(given)
        if iterator is given:
            if given is self._last:
                raise DataError(
                    f"{NAME}: the function returned the same iterator as for the pass before, "
                    "which is used up; it must make a new one in each call"
                )
            self._last = given
        yield from iterator

    def first(self) -> Any:
        """Return the first batch of a pass."""
        batches = iter(self)
        for batch in batches:
            batches.close()  # type: ignore[attr-defined]
            return batch
        raise DataError(f"{NAME}: there are none; the function must return at least one batch")

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the iterator of the pass before."""
        return {**vars(self), "_last": None}


def grouped(
    batches: Iterable[Any],
    length: Callable[[Any], int],
    most: Callable[[Any], int],
    cut: Callable[[Any, slice], Any],
) -> Iterator[list[Any]]:
    """Yield lists of batches, or of parts of them, of at most as many rows as a chunk may have.

    Parameters
    ----------
    batches : iterable
    length : callable
        Returns the number of rows of a batch.
    most : callable
        Returns how many rows like those of a batch a chunk may have.
    cut : callable
        Returns some rows of a batch.

    Examples
    --------
    >>> from fastclf.data.stream_batches import grouped
    >>> list(grouped(["a", "b", "cdefg"], len, lambda batch: 3, lambda batch, some: batch[some]))
    [['a', 'b'], ['cde'], ['fg']]
    """
    waiting: list[Any] = []
    count = 0
    for batch in batches:
        n, limit = length(batch), most(batch)
        for start in range(0, n, limit):
            piece = batch if n <= limit else cut(batch, slice(start, start + limit))
            rows = length(piece)
            if waiting and count + rows > limit:
                yield waiting
                waiting, count = [], 0
            waiting.append(piece)
            count += rows
    if waiting:
        yield waiting


class ArrayBatches(WithoutColumns):
    """Rows of batches that are tuples (X, y) or (X, y, weights) of arrays; one part.

    The first batch decides the number of features, whether X is sparse and y 2-D, and whether there
    are weights.
    """

    name = NAME
    files = ()
    count = 1
    is_text = False
    feature_names = None
    target_names = None

    def __init__(self, batches: Batches, first: Any, dtype: str | None, rows: int | None) -> None:
        self._batches = batches
        self._chunk_rows = rows
        given = _members(first, 0)
        self.dtype = np.dtype(dtype or precision_of(_matrix(given[0], 0).dtype))
        self._is_sparse = scipy.sparse.issparse(given[0])
        self._has_weights = len(given) == 3
        self.n_features = _matrix(given[0], 0).shape[1]
        y = _targets(given[1], 0)
        self.several_targets = y.ndim == 2 and y.shape[1] != 1
        self._width = y.shape[1] if self.several_targets else 1

    def place(self, part: int) -> Place:
        """Return where a part is."""
        return Place(self.files, self.name, 0)

    def rows(self, parts: Iterable[int], span: Span) -> Iterator[Rows]:
        """Yield all rows in chunks."""
        for _ in parts:
            groups = grouped(
                self._read(), lambda rows: rows.X.shape[0], self._most, lambda r, some: r.some(some)
            )
            yield from map(Rows.joined, groups)

    def _most(self, rows: Rows) -> int:
        if self._chunk_rows is not None:
            return self._chunk_rows
        n = max(rows.X.shape[0], 1)
        return max(1, min(CHUNK_BYTES * n // max(nbytes(rows.X), 1), MOST_ROWS))

    def _read(self) -> Iterator[Rows]:
        # The rows of each batch, in arrays of their own: who made the batch may use its memory
        # again for the next.
        before = 0
        for batch in self._batches:
            rows = self._rows_of(batch, before)
            yield rows
            before += rows.X.shape[0]

    def _rows_of(self, batch: Any, before: int) -> Rows:
        X, y, *weights = _members(batch, before)
        X, y = _matrix(X, before), _targets(y, before)
        if scipy.sparse.issparse(X) != self._is_sparse:
            kind = "sparse" if self._is_sparse else "dense"
            raise _wrong(before, f"X must be {kind}, as in the first batch")
        if X.shape[1] != self.n_features:
            raise _wrong(
                before, f"X has {X.shape[1]} features, and {self.n_features} in the first batch"
            )
        width = y.shape[1] if y.ndim == 2 else 1
        if width != self._width or y.ndim > 2:
            raise _wrong(before, f"y has {width} columns, and {self._width} in the first batch")
        if (len(weights) == 1) != self._has_weights:
            raise _wrong(before, "either all batches must have weights, or none")
        for what, array in (("y", y), *(("the weights", np.asarray(w)) for w in weights)):
            if len(array) != X.shape[0]:
                raise _wrong(before, f"X has {X.shape[0]} rows, and {what} {len(array)}")
        if scipy.sparse.issparse(X):
            try:
                X = canonical_csr(X.astype(self.dtype))
            except InputError as problem:
                raise _wrong(before, str(problem)) from None
        else:
            X = np.array(X, dtype=self.dtype, order="C")
        own = _weights(weights[0], before) if weights else None
        return Rows(X, y.copy() if self.several_targets else y.reshape(-1).copy(), own)


def _members(batch: Any, before: int) -> list[Any]:
    # X, y and perhaps weights.
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        what = f"{len(batch)} members" if isinstance(batch, tuple | list) else type(batch).__name__
        raise _wrong(
            before,
            f"each must be a tuple (X, y) or (X, y, weights) of arrays, or a table of columns such "
            f"as a data frame or an Arrow record batch; got {what}",
        )
    return list(batch)


def _matrix(X: Any, before: int) -> Any:
    X = X.tocsr() if scipy.sparse.issparse(X) else _array(X, "X", before)
    if X.ndim != 2 or X.dtype.kind not in "biuf":
        raise _wrong(
            before, f"X must be a matrix of numbers, of shape (m, d), got {X.shape} of {X.dtype}"
        )
    return X


def _targets(y: Any, before: int) -> np.ndarray:
    try:
        if scipy.sparse.issparse(y):
            return np.asarray(indicators(y)[0])
        return plain(_array(y, "y", before))
    except InputError as problem:
        raise _wrong(before, str(problem)) from None


def _weights(weights: Any, before: int) -> np.ndarray:
    found = np.array(_array(weights, "the weights", before), np.float64)
    if found.ndim != 1:
        raise _wrong(
            before, f"the weights must have shape (m,), one for each row; got {found.shape}"
        )
    return found


def _array(values: Any, what: str, before: int) -> np.ndarray:
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise _wrong(
            before,
            f"{what} can't be made an array: {' '.join(str(problem).split())}; give NumPy arrays, "
            "or tensors on the CPU that need no gradient",
        ) from None


def _wrong(before: int, text: str) -> DataError:
    place = f" after row {before}" if before else ""
    return DataError(f"{NAME}{place}: {text}")

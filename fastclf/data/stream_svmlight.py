"""Streams of svmlight files: lines are parsed anew in each pass, into CSR matrices."""

import copy
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse

from fastclf.data.compressed import open_decompressed
from fastclf.data.reading import reading
from fastclf.data.row_parts import RowPart
from fastclf.data.stream_source import CHUNK_BYTES, Place, Span, WithoutColumns, whole_numbers
from fastclf.data.svmlight_rows import is_multilabel, parsed
from fastclf.errors import DataError
from fastclf.estimators.streams import Rows
from fastclf.linear_model import Affine

_TEXT_BYTES = 1 << 22  # of the lines that are parsed together; the matrix takes up to twice as much


class SvmlightSource(WithoutColumns):
    """Rows of an svmlight file, in its own order; one part.

    On opening the file is read once, to count features and to see which labels there are, unless
    ``n_features`` is given and each row has one label.
    """

    count = 1
    is_text = True

    def __init__(
        self, path: Path, n_features: int | None, dtype: str | None, chunk_rows: int | None
    ) -> None:
        self.name = str(path)
        self.files = [path]
        self.dtype = np.dtype(dtype or "float64")
        self._path = path
        self._rows = chunk_rows
        self._labels: np.ndarray | None = None
        self._part: RowPart | None = None
        self._scaling: Affine | None = None
        self._first, d = self._look_through(n_features)
        if d < 1:
            raise DataError(f"{path}: there are no features")
        self.n_features = d
        self.feature_names: tuple[str, ...] | None = tuple(
            str(index) for index in range(self._first, self._first + d)
        )
        self.several_targets = self._labels is not None
        self.target_names: tuple[str, ...] | None = (
            None if self._labels is None else tuple(map(str, self._labels.tolist()))
        )

    def place(self, part: int) -> Place:
        """Return where a part is."""
        return Place(self.files, self.name, 0)

    def rows(self, parts: Iterable[int], span: Span) -> Iterator[Rows]:
        """Yield the rows of the file in chunks."""
        for _ in parts:
            before = 0
            for X, y in self._parsed(self.several_targets):
                read = X.shape[0]
                X = self._numbered(X, before)
                if self._part is not None:
                    kept = self._part.rows(X)
                    X, y = X[kept], [y[i] for i in kept] if self.several_targets else y[kept]
                if self._scaling is not None:
                    X = self._scaling.apply(X)
                n = X.shape[0]
                size = self._chunk_length(n)
                for start in range(0, n, size):
                    some = slice(start, start + size)
                    yield Rows(X if size >= n else X[some], self._targets(y[some]))
                before += read

    def restricted(self, part: RowPart) -> "SvmlightSource":
        """Return the rows of a part."""
        source = copy.copy(self)
        source._part = part
        return source

    def scaled(self, scaling: Affine) -> "SvmlightSource":
        """Return the same rows with scaled features."""
        source = copy.copy(self)
        source._scaling = scaling
        return source

    def _look_through(self, n_features: int | None) -> tuple[int, int]:
        """Return the first index of features, 1 or 0, and their number; set the labels."""
        multilabel = is_multilabel(self._path)
        labels: set[float] = set()
        n, first, width = 0, 1, 0
        for X, y in self._parsed(multilabel):
            first = min(first, int(X.nnz == 0 or X.indices.min() > 0))
            n, width = n + X.shape[0], max(width, X.shape[1])
            if multilabel:
                labels.update(label for row in y for label in row)
            elif n_features is not None:
                break  # further rows are compared with these
        if n == 0:
            raise DataError(f"{self.name}: there are no rows")
        if multilabel:
            self._labels = np.sort(whole_numbers(self.name, np.array([*labels], np.float64)))
            if self._labels.dtype.kind == "f":
                wrong = next(label for label in self._labels if label != np.rint(label))
                raise DataError(f"{self.name}: the label {wrong:g} isn't a whole number")
        if n_features is None:
            return first, width - first
        if multilabel and width - first > n_features:
            raise DataError(f"{self.name}: {_too_large(width - 1, n_features, first)}")
        return first, n_features

    def _parsed(self, multilabel: bool) -> Iterator[tuple[Any, Any]]:
        """Yield the rows with the file's indices as columns, and the targets."""
        with reading(self._path), open_decompressed(self._path) as file:
            for lines in _pieces(file):
                try:
                    X, y = parsed(io.BytesIO(lines), self._path, multilabel, self.dtype)
                except DataError as problem:
                    named = str(problem).startswith(self.name)
                    raise DataError(str(problem) if named else f"{self.name}: {problem}") from None
                if X.shape[0]:
                    yield X, y

    def _numbered(self, X: Any, before: int) -> scipy.sparse.csr_array:
        """Return rows with the features as columns; rows of the file are ``before`` them."""
        wrong = (X.indices < self._first) | (X.indices >= self._first + self.n_features)
        if wrong.any():
            at = int(wrong.argmax())
            row = before + int(np.searchsorted(X.indptr, at, side="right"))
            index = int(X.indices[at])
            raise DataError(
                f"{self.name}: row {row}: {_too_large(index, self.n_features, self._first)}"
            )
        found = scipy.sparse.csr_array(
            (X.data, X.indices - self._first, X.indptr), shape=(X.shape[0], self.n_features)
        )
        found.has_canonical_format = True  # the parser refuses indices that don't increase
        return found

    def _chunk_length(self, n: int) -> int:
        """Return the number of rows in a chunk, of n that were parsed together."""
        size = n if self._rows is None else self._rows
        if self._labels is not None:  # their indicators are dense
            size = min(size, max(1, CHUNK_BYTES // (8 * self._labels.size)))
        return size

    def _targets(self, y: Any) -> np.ndarray:
        if self._labels is None:
            return whole_numbers(self.name, y)
        lengths = [len(row) for row in y]
        labels = np.array([label for row in y for label in row], np.float64)
        found = np.minimum(np.searchsorted(self._labels, labels), self._labels.size - 1)
        unknown = self._labels[found] != labels
        if unknown.any():
            raise DataError(f"{self.name}: the file has changed since it was opened; start again")
        on = np.zeros((len(y), self._labels.size))
        on[np.repeat(np.arange(len(y)), lengths), found] = 1
        return on


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield a text in pieces of whole lines."""
    held = b""
    while block := file.read(_TEXT_BYTES):
        end = block.rfind(b"\n") + 1
        if end:
            yield held + block[:end]
            held = block[end:]
        else:
            held += block
    if held:
        yield held


def _too_large(index: int, n_features: int, first: int) -> str:
    last = first + n_features - 1
    return (
        f"the feature {index} isn't one of {first} to {last}, which n_features and the first rows "
        "allow; leave out n_features, and features are counted"
    )

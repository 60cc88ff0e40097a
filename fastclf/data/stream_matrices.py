"""Streams of a matrix in an NPY file, which is mapped into memory."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fastclf.data.reading import mapped_array
from fastclf.data.stream_source import CHUNK_BYTES, Place, Span, WithoutColumns
from fastclf.errors import DataError
from fastclf.estimators.streams import Rows


class MatrixSource(WithoutColumns):
    """Rows of an NPY file, with targets from another file; each chunk is a part."""

    is_text = False
    feature_names = None
    target_names = None

    def __init__(
        self, path: Path, target_path: Path, dtype: str | None, chunk_rows: int | None
    ) -> None:
        self.name = str(path)
        self.files = [path, target_path]
        self._arrays: list[np.ndarray] | None = None
        X, y = self._open()
        if X.ndim != 2 or X.dtype.kind not in "biuf":
            raise DataError(f"{path}: must hold a matrix of numbers, got {X.shape} of {X.dtype}")
        if len(X) != len(y) or y.ndim > 2:
            raise DataError(f"{target_path}: shape {y.shape} doesn't go with {len(X)} rows of X")
        self.dtype = np.dtype(dtype or precision_of(X.dtype))
        self.n_features = X.shape[1]
        self.several_targets = y.ndim == 2 and y.shape[1] != 1
        row = self.dtype.itemsize * max(self.n_features, 1)
        self._rows = chunk_rows or max(1, CHUNK_BYTES // row)
        self.count = -(-len(X) // self._rows)

    def place(self, part: int) -> Place:
        """Return where a part is."""
        return Place(self.files, self.name, part * self._rows)

    def rows(self, parts: Iterable[int], span: Span) -> Iterator[Rows]:
        """Yield the rows of the parts of a span, a chunk for each."""
        for part in parts:
            some = slice(part * self._rows, (part + 1) * self._rows)
            X, y = self._open()
            targets = np.array(y[some])
            yield Rows(
                np.array(X[some], dtype=self.dtype, order="C"),
                targets if self.several_targets else targets.ravel(),
            )

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the arrays, which are mapped again elsewhere."""
        return {**vars(self), "_arrays": None}

    def _open(self) -> list[np.ndarray]:
        if self._arrays is None:
            self._arrays = [mapped_array(file) for file in self.files]
        return self._arrays


def precision_of(dtype: np.dtype) -> str:
    """Return float32 if it can hold numbers of a dtype without rounding, otherwise float64."""
    if dtype.itemsize <= 4 and (dtype.kind not in "iu" or dtype.itemsize <= 2):
        return "float32"
    return "float64"

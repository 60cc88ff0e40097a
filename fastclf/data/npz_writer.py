"""Writing of predictions as NPZ."""

import shutil
import tempfile
import zipfile
from typing import BinaryIO

import numpy as np

from fastclf.data.predictions import Predictions, file_errors


class NPZWriter:
    """Arrays "labels", "probabilities", "classes", and one for each kept column.

    An NPY array begins with its length, which is known only at the end, so entries are collected in
    temporary files. With several labels per row, "labels" holds indicators. With the k most
    probable classes of each row, "labels" and "probabilities" have the shape (n, k).
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._arrays: dict[str, _SpooledArray] = {}
        self._kept: dict[str, list[np.ndarray]] = {}

    def write(self, part: Predictions) -> None:
        """Write some rows."""
        classes = part.labels
        if "classes" not in self._arrays:
            self._append("classes", classes)
        if part.codes is not None:
            labels = part.codes.astype(np.int8) if part.has_label_lists else classes[part.codes]
            self._append("labels", labels)
        if part.ranked is not None:
            self._append("labels", classes[part.ranked])
        if part.probabilities is not None:
            self._append("probabilities", part.probabilities)
        for name, column in part.kept.items():
            # Later batches may have longer text, so entries have no fixed size for a file.
            names = np.array([*column.names, ""], dtype=str)
            self._kept.setdefault(name, []).append(names[column.codes])

    def close(self) -> None:
        """Write the archive."""
        with zipfile.ZipFile(self._file, "w") as archive:
            for name, array in self._arrays.items():
                array.store(archive, name)
            for name in self._kept:
                self._append(name, np.concatenate(self._kept[name]))
                self._arrays[name].store(archive, name)

    def abandon(self) -> None:
        """Remove the temporary files."""
        for array in self._arrays.values():
            array.file.close()

    def _append(self, name: str, array: np.ndarray) -> None:
        if name in self._arrays:
            self._arrays[name].append(array)
        else:
            self._arrays[name] = _SpooledArray(array)


class _SpooledArray:
    """An array that grows in a temporary file."""

    def __init__(self, first: np.ndarray) -> None:
        self._dtype, self._tail = first.dtype, first.shape[1:]
        self._length = 0
        self.file = tempfile.TemporaryFile()
        self.append(first)

    def append(self, array: np.ndarray) -> None:
        self._length += len(array)
        with file_errors(f"{tempfile.gettempdir()} (TMPDIR)"):
            self.file.write(np.ascontiguousarray(array, self._dtype).data)

    def store(self, archive: zipfile.ZipFile, name: str) -> None:
        shape = (self._length, *self._tail)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        name = name.replace("\0", "\\x00")  # zipfile cuts names at a zero byte
        entry = zipfile.ZipInfo(f"{name}.npy")  # no time stamp: equal rows give equal bits
        with archive.open(entry, "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(file, header)
            self.file.seek(0)
            shutil.copyfileobj(self.file, file, 1 << 20)

"""Targets that are read from arrays."""

from dataclasses import replace

import numpy as np

from fastclf.data.options import FileOptions
from fastclf.data.targets import Targets, read_targets
from fastclf.errors import DataError
from fastclf.table import Categories, Column, Table, exact_numbers


def array_targets(y: np.ndarray, classes: tuple[str, ...] | None, options: FileOptions) -> Targets:
    """Return the targets in an array of shape (n,), (n, L) or (n, K).

    Parameters
    ----------
    y : ndarray
    classes : tuple of str, optional
        Names of the classes 0 to K - 1 if ``y`` is one-dimensional, else of its columns.
    options : FileOptions

    Raises
    ------
    DataError
        If a value can't be a target.
    """
    if y.ndim == 2 and y.shape[1] == 1 and options.target_kind in ("auto", "labels"):
        y = y[:, 0]
    if y.ndim and len(y) == 0:
        raise DataError("there are no rows")
    if y.ndim not in (1, 2) or y.dtype.kind not in "biufUS":
        raise DataError(f"targets must have shape (n,) or (n, L), got {y.shape} of {y.dtype}")
    if y.ndim == 2:
        names = classes or tuple(str(i) for i in range(y.shape[1]))
        if len(names) != y.shape[1]:
            raise DataError(f"classes has {len(names)} names for {y.shape[1]} columns of y")
        flags = y.dtype.kind in "biuf" and bool(np.all((y == 0) | (y == 1)))
        if flags and options.target_kind in ("auto", "indicators"):
            return Targets(y.astype(np.uint8), names)
        return read_targets(
            Table({name: _column(values) for name, values in zip(names, y.T, strict=True)}), options
        )
    found = read_targets(Table({"y": _column(y)}), options)
    if classes is None or found.y.ndim == 2 or found.y.dtype.kind == "U":
        return found
    wrong = (found.y < 0) | (found.y >= len(classes))
    if wrong.any():
        raise DataError(
            f"row {wrong.argmax() + 1}: the class {found.y[wrong][0]} has no name; the array "
            f"classes names 0 to {len(classes) - 1}"
        )
    labels = np.array(classes)[found.y]
    return replace(found, y=labels, class_names=tuple(np.unique(labels).tolist()))


def _column(values: np.ndarray) -> Column:
    if values.dtype.kind in "US":
        names, codes = np.unique(values.astype(str), return_inverse=True)
        codes = np.where(names == "", -1, np.arange(len(names)))[codes]
        return Categories(codes.astype(np.int32), tuple(names.tolist()))
    return exact_numbers(values)

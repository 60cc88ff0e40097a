"""Targets in a file of their own, beside that of the features."""

from pathlib import Path

from fastclf.data.array_targets import array_targets
from fastclf.data.arrays import read_target_array
from fastclf.data.options import FileOptions
from fastclf.data.tables import TABLES, format_of, open_table, read_exact
from fastclf.data.targets import Targets, read_targets, target_columns
from fastclf.errors import DataError, located


def read_target_file(options: FileOptions) -> Targets | None:
    """Return the targets in the file that ``target_path`` names; None without one.

    Raises
    ------
    DataError
        If it can't be read, or a value can't be a target; the message names the file.
    """
    if options.target_path is None:
        return None
    path = Path(options.target_path)
    kind = format_of(path)
    with located(path, once=True):
        if kind in TABLES:
            file = open_table(path)
            names = file.names if options.target is None else target_columns(file.names, options)
            text = names if options.label_separator is not None else ()
            return read_targets(read_exact(file, list(names), names, text), options)
        if kind == "svmlight":
            raise DataError("targets are in NPY, NPZ or a file of columns, not in svmlight")
        return array_targets(*read_target_array(path, options.target), options)

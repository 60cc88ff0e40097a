"""Reading targets from a file of their own."""

from pathlib import Path

from fastclf.data.array_targets import array_targets
from fastclf.data.arrays import read_target_array
from fastclf.data.options import FileOptions
from fastclf.data.tables import TABLES, format_of, open_table, read_exact
from fastclf.data.targets import Targets, read_targets, target_columns
from fastclf.errors import DataError, located


def read_target_file(options: FileOptions) -> Targets | None:
    """Return the targets in the file ``options.target_path``; None if that isn't set.

    Raises
    ------
    DataError
        If the file can't be read, or a value can't be a target; the message names the file.
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
            raise DataError("targets are read from NPY, NPZ or named columns, not from svmlight")
        return array_targets(*read_target_array(path, options.target), options)

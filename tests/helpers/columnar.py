"""Small files of columns, and what is read of them."""

from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import ipc, parquet

from fastclf.data import FileOptions
from fastclf.table import Categories


def write(path: Path, **columns) -> Path:
    table = pa.table(columns)
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif path.suffix == ".csv":
        arrow_csv.write_csv(table, path)
    else:
        with ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    return path


def options(**values) -> FileOptions:
    return FileOptions.model_validate(values)


def values(column: Categories) -> list:
    return [column.names[code] if code >= 0 else None for code in column.codes.tolist()]

"""Reading Parquet files and folders, and Arrow files, through pyarrow."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from fastclf.data.arrow import arrow_errors, to_table
from fastclf.data.ipc_files import IpcFile
from fastclf.data.parquet_files import ParquetFiles
from fastclf.errors import DataError
from fastclf.table import Table, first_duplicate


class ColumnarFile:
    """A Parquet file, a folder of them, or an Arrow IPC file or stream.

    Parameters
    ----------
    path : Path
    format : {"parquet", "arrow"}

    Raises
    ------
    DataError
        If it can't be read.
    """

    layout = None  # only text files have a layout

    def __init__(self, path: Path, format: str) -> None:
        self.path = path
        if not path.exists():
            raise DataError(f"{path}: no such file")
        self._file = ParquetFiles(path) if format == "parquet" else IpcFile(path)
        self.names = self._file.names
        if not self.names:
            raise DataError(f"{path}: there are no columns")
        if name := first_duplicate(self.names):
            raise DataError(f'{path}: two columns are named "{name}"; rename one')

    def read(self, columns: Sequence[str] | None = None, text: Collection[str] = ()) -> Table:
        """Read some columns, or all; those of ``text`` as categories even if they are numbers.

        Raises
        ------
        DataError
            If the file is damaged, or the type of a column can't be a feature or a target.
        """
        wanted = list(self.names if columns is None else columns)
        with arrow_errors(self.path):
            return to_table(self._whole(wanted), text=text)

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        numbers: Collection[str] = (),
        text: Collection[str] = (),
        batch_rows: int = 65_536,
    ) -> Iterator[Table]:
        """Yield the rows in tables of at most ``batch_rows`` rows.

        ``numbers`` is ignored, because the file knows the types of its columns.
        """
        wanted = list(self.names if columns is None else columns)
        row = 1
        with arrow_errors(self.path):
            for part in self._parts(wanted, batch_rows):
                if part.num_rows:
                    yield to_table(part, row, text=text)
                    row += part.num_rows

    def _whole(self, columns: list[str]) -> pa.Table:
        if isinstance(self._file, ParquetFiles):
            return _valid(self._file.read(columns))
        schema = pa.schema([self._file.schema.field(name) for name in columns])
        return pa.Table.from_batches(self._file.batches(columns), schema)

    def _parts(self, columns: list[str], batch_rows: int) -> Iterator[pa.Table]:
        if isinstance(self._file, ParquetFiles):
            yield from map(_valid, self._file.batches(columns, batch_rows))
            return
        for batch in self._file.batches(columns):
            for start in range(0, batch.num_rows, batch_rows):
                yield pa.Table.from_batches([batch.slice(start, batch_rows)])


def _valid(table: pa.Table) -> pa.Table:
    table.validate(full=True)
    return table

"""Parquet files and folders, and Arrow files, through pyarrow."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import dataset as arrow_dataset
from pyarrow import ipc

from fastclf.data.arrow import arrow_errors, to_table
from fastclf.errors import DataError
from fastclf.table import Numbers, Table, as_categories, twice


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

    def __init__(self, path: Path, format: str) -> None:
        self.path = path
        with arrow_errors(path):
            if not path.exists():
                raise FileNotFoundError(path)
            self._dataset = self._open(format)
            self.names = tuple(self._dataset.schema.names)
        if not self.names:
            raise DataError(f"{path}: has no columns")
        if name := twice(self.names):
            raise DataError(f'{path}: two columns are named "{name}"; rename one')

    def read(self, columns: Sequence[str] | None = None, text: Collection[str] = ()) -> Table:
        """Return some columns, or all; those of ``text`` as categories even if they are numbers.

        Raises
        ------
        DataError
            If the file is damaged, or a column can be neither a feature nor a target.
        """
        wanted = list(self.names if columns is None else columns)
        with arrow_errors(self.path):
            return _with_text(to_table(_valid(self._dataset.to_table(columns=wanted))), text)

    def batches(
        self,
        columns: Sequence[str] | None = None,
        *,
        numbers: Collection[str] = (),
        text: Collection[str] = (),
        batch_rows: int = 65_536,
    ) -> Iterator[Table]:
        """Yield the rows in parts of at most ``batch_rows``; the file says what is a number."""
        wanted = list(self.names if columns is None else columns)
        row = 1
        with arrow_errors(self.path):
            for batch in self._dataset.to_batches(columns=wanted, batch_size=batch_rows):
                if batch.num_rows:
                    part = _valid(pa.Table.from_batches([batch]))
                    yield _with_text(to_table(part, row), text)
                    row += batch.num_rows

    def _open(self, format: str) -> arrow_dataset.Dataset:
        if format == "parquet":
            return arrow_dataset.dataset(self.path, format="parquet", partitioning="hive")
        try:
            return arrow_dataset.dataset(self.path, format="ipc")
        except pa.ArrowInvalid:  # the stream format has no footer
            with pa.OSFile(str(self.path)) as file:
                return arrow_dataset.InMemoryDataset(ipc.open_stream(file).read_all())


def _valid(table: pa.Table) -> pa.Table:
    table.validate(full=True)  # an Arrow file is taken into memory as it is, its offsets too
    return table


def _with_text(table: Table, text: Collection[str]) -> Table:
    columns = {
        name: as_categories(column) if name in text and isinstance(column, Numbers) else column
        for name, column in table.columns.items()
    }
    return Table(columns, table.rows)

"""Reading Arrow IPC files, in the file format or the stream format, with validation."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from fastclf.data.arrow import arrow_errors
from fastclf.errors import DataError

_FILE, _FEATHER_1 = b"ARROW1", b"FEA1"


class IpcFile:
    """The record batches of an Arrow IPC file; those of the stream format are read in order.

    Arrow doesn't check the offsets and indices in a file, and wrong ones could crash the process.
    So each batch is validated before it is used.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    schema : pyarrow.Schema
    names : tuple of str
    count : int
        The number of parts: record batches, or 1 for a stream.

    Raises
    ------
    DataError
        If it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with arrow_errors(path), open(path, "rb") as begin:
            magic = begin.read(6)
        if magic.startswith(_FEATHER_1):
            raise DataError(
                f"{path}: this is a Feather file of version 1; write it again as version 2, as "
                "pandas "
                "and pyarrow do"
            )
        self._is_file = magic == _FILE
        with arrow_errors(path), pa.OSFile(str(path)) as file:
            try:
                reader: Any = ipc.open_file(file) if self._is_file else ipc.open_stream(file)
            except pa.ArrowInvalid as problem:
                if self._is_file or magic.startswith(b"\xff\xff\xff\xff"):
                    raise
                raise DataError(
                    f"{path}: can't be read: it isn't an Arrow file or stream ({problem})"
                ) from None
            self.schema = reader.schema
            self.names = tuple(self.schema.names)  # raises if a name isn't UTF-8
            self.count = reader.num_record_batches if self._is_file else 1

    def read(self, part: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the record batches of a part: one, or all in the stream format.

        Raises
        ------
        DataError
            If a batch is damaged.
        """
        fields = [self.schema.get_field_index(name) for name in columns]
        options = ipc.IpcReadOptions(included_fields=fields) if fields else None
        with arrow_errors(self.path), pa.OSFile(str(self.path)) as file:
            if self._is_file:
                batches: Any = [ipc.open_file(file, options=options).get_batch(part)]
            else:
                batches = ipc.open_stream(file, options=options)
            for batch in batches:
                batch.validate(full=True)
                yield batch.select(list(columns))

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield all record batches."""
        for part in range(self.count):
            yield from self.read(part, columns)

"""Writing of predictions as CSV, JSON lines, Parquet and NPZ.

Predictions are written in batches, in memory that doesn't grow with the number of rows. A regular
file appears once it is complete. Parquet needs pyarrow, which the extra ``data`` installs; pyarrow
also writes CSV faster than Python.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol

import numpy as np

from fastclf.data.compressed import (
    COMPRESSIONS,
    compressing,
    suffix_fault,
    without_compression,
)
from fastclf.data.npz_writer import NPZWriter
from fastclf.data.predictions import Predictions, file_errors
from fastclf.data.reading import has_pyarrow
from fastclf.errors import DataError, InputError
from fastclf.files import is_stream, writing_output
from fastclf.table import Categories

Format = Literal["csv", "jsonl", "parquet", "npz"]

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".npz": "npz",
}
SEPARATOR = ";"  # separates the labels of a row in CSV
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
"""First characters of cells that a spreadsheet program may take for formulas."""


class Writer(Protocol):
    """Writes predictions in batches of rows."""

    def write(self, part: Predictions) -> None:
        """Write some rows."""

    def close(self) -> None:
        """Write whatever the format has after the last row."""

    def abandon(self) -> None:
        """Release resources; called after `close`, and after a failure."""


def format_of_output(path: Path) -> Format:
    """Return the format of an output file by its suffix; CSV for a pipe or device without suffix.

    Raises
    ------
    DataError
        If the suffix is unknown.
    """
    suffix = without_compression(path).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if not path.suffix and is_stream(path):
        return "csv"
    raise DataError(
        f"{path}: {suffix_fault(path)}; predictions are written as {', '.join(SUFFIXES)}; choose "
        "one of these suffixes, or name the format with --format"
    )


@contextmanager
def writing_predictions(
    target: Path | BinaryIO, format: Format, escape_formulas: bool = False
) -> Iterator[Writer]:
    """Open a writer of predictions; a regular file appears when the block ends without error.

    Parameters
    ----------
    target : Path or binary file
        A stream such as standard output, a pipe or a device receives each batch at once.
    format : {"csv", "jsonl", "parquet", "npz"}
    escape_formulas : bool
        Whether an apostrophe is put before text that a spreadsheet program may take for a formula.
        Only for CSV.

    Raises
    ------
    DataError
        If the file can't be written, or pyarrow isn't installed.
    InputError
        If formulas are to be escaped in another format than CSV.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from fastclf.data.writers import Predictions, writing_predictions
    >>> p = np.array([[0.75, 0.25]])
    >>> file = io.BytesIO()
    >>> with writing_predictions(file, "csv") as writer:
    ...     writer.write(Predictions(np.array(["no", "yes"]), np.array([0]), p))
    >>> print(file.getvalue().decode(), end="")
    label,probability_no,probability_yes
    no,0.75,0.25
    """
    if format == "parquet" and not has_pyarrow():
        raise DataError(
            "Parquet is written with pyarrow, which isn't installed; "
            "run: pip install 'fastclf[data]', or write CSV, JSON lines or NPZ"
        )
    if escape_formulas and format != "csv":
        raise InputError(f"--escape-formulas is for CSV; leave it out for {format}")
    place = target if isinstance(target, Path) else "standard output"
    suffix = target.suffix.lower() if isinstance(target, Path) else ""
    if suffix in COMPRESSIONS and format not in ("csv", "jsonl"):
        raise DataError(
            f"{target}: only CSV and JSON lines are written compressed; leave out {suffix}"
        )
    with ExitStack() as stack:
        with file_errors(place):
            output = writing_output(target) if isinstance(target, Path) else nullcontext(target)
            file = stack.enter_context(output)
            file = stack.enter_context(compressing(file, suffix))
        writer = _ReportingWriter(WRITERS[format](file), file, place, escape_formulas)
        stack.callback(writer.abandon)
        yield writer
        with file_errors(place):
            writer.close()
            file.flush()
            stack.close()


class _ReportingWriter:
    """Wraps a writer: escapes formulas, and turns an `OSError` into a `DataError` with the file."""

    def __init__(
        self, writer: Writer, file: BinaryIO, place: object, escape_formulas: bool
    ) -> None:
        self._writer, self._file = writer, file
        self._place = place
        self._escape_formulas = escape_formulas
        self.close = writer.close

    def write(self, part: Predictions) -> None:
        with file_errors(self._place):
            self._writer.write(_without_formulas(part) if self._escape_formulas else part)
            self._file.flush()  # whoever reads a pipe waits for these rows

    def abandon(self) -> None:
        with suppress(OSError):  # the failure to write was reported already
            self._writer.abandon()


class CSVWriter:
    """A line for each row; the labels of a row are joined by semicolons."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._begun = False

    def write(self, part: Predictions) -> None:
        """Write some rows."""
        columns = _columns(part)
        if not self._begun:
            self._file.write(_lines([columns]))
            self._begun = True
        if has_pyarrow():
            self._file.write(_csv_lines(_arrow(part, join=True)))
        else:
            self._file.write(_lines(zip(*map(_cells, columns.values()), strict=True)))

    def close(self) -> None:
        """Do nothing."""

    def abandon(self) -> None:
        """Do nothing."""


class JSONLinesWriter:
    """A JSON object for each row, each on its own line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, part: Predictions) -> None:
        """Write some rows."""
        columns = _columns(part)
        for values in zip(*map(_values, columns.values()), strict=True):
            row = dict(zip(columns, values, strict=True))
            self._file.write(f"{json.dumps(row, ensure_ascii=False)}\n".encode())

    def close(self) -> None:
        """Do nothing."""

    def abandon(self) -> None:
        """Do nothing."""


class ParquetWriter:
    """A Parquet file with a row group for each batch."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._writer: Any = None

    def write(self, part: Predictions) -> None:
        """Write some rows."""
        from pyarrow import parquet

        batch = _arrow(part)
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._file, batch.schema)
        self._writer.write_batch(batch)

    def close(self) -> None:
        """Write the footer of the file."""
        self.abandon()

    def abandon(self) -> None:
        """Close the Parquet writer, which must happen before its file is closed."""
        if self._writer is not None:
            self._writer.close()


WRITERS: dict[str, type[CSVWriter] | type[JSONLinesWriter] | type[ParquetWriter] | type[NPZWriter]]
WRITERS = {
    "csv": CSVWriter,
    "jsonl": JSONLinesWriter,
    "parquet": ParquetWriter,
    "npz": NPZWriter,
}


class _Codes(NamedTuple):
    """A column of codes (n,), which are indices into ``names``; -1 is a missing value."""

    codes: np.ndarray
    names: list[Any]


class _Lists(NamedTuple):
    """A column of lists of names, given by indicators (n, K)."""

    indicators: np.ndarray
    names: list[str]


def _columns(part: Predictions) -> dict[str, _Codes | _Lists | np.ndarray]:
    """Return the columns of a file of predictions; an array (n,) holds probabilities."""
    columns: dict[str, _Codes | _Lists | np.ndarray] = {
        name: _Codes(column.codes, list(column.names)) for name, column in part.kept.items()
    }
    classes = part.labels.tolist()
    if part.ranked is not None:
        assert part.probabilities is not None
        both = zip(part.ranked.T, part.probabilities.T, strict=True)
        for rank, (codes, probabilities) in enumerate(both, 1):
            columns[f"label_{rank}"] = _Codes(codes, classes)
            columns[f"probability_{rank}"] = np.ascontiguousarray(probabilities)
        return columns
    if part.codes is not None:
        if part.has_label_lists:
            columns["labels"] = _Lists(part.codes, [_in_words(name) for name in classes])
        else:
            columns["label"] = _Codes(part.codes, classes)
    if part.probabilities is not None:
        for name, probabilities in zip(classes, part.probabilities.T, strict=True):
            columns[f"probability_{name}"] = np.ascontiguousarray(probabilities)
    return columns


def _in_words(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(column: _Codes | _Lists | np.ndarray) -> list[Any]:
    """Return a column as Python values, with None for missing ones."""
    if isinstance(column, _Codes):
        names = [*column.names, None]  # code -1 is the last
        return [names[code] for code in column.codes.tolist()]
    if isinstance(column, _Lists):
        found = [np.flatnonzero(row).tolist() for row in column.indicators]
        return [[column.names[code] for code in codes] for codes in found]
    return column.tolist()


def _cells(column: _Codes | _Lists | np.ndarray) -> list[str]:
    """Return a column as text for CSV."""
    if isinstance(column, np.ndarray):
        return list(map(str, column))  # the shortest text of a float32, too
    if isinstance(column, _Lists):
        return [SEPARATOR.join(names) for names in _values(column)]
    return ["" if value is None else _in_words(value) for value in _values(column)]


def _arrow(part: Predictions, join: bool = False) -> Any:
    """Return predictions as an Arrow record batch; ``join`` turns label lists into text."""
    import pyarrow as pa

    unsigned = pa.uint64() if part.classes.dtype.kind == "u" else None  # may need all 64 bits
    arrays: dict[str, Any] = {}
    for name, column in _columns(part).items():
        if isinstance(column, _Codes):
            kind = pa.string() if name in part.kept else unsigned
            codes = pa.array(np.ascontiguousarray(column.codes), mask=column.codes < 0)
            arrays[name] = pa.array(column.names, kind).take(codes)
        elif isinstance(column, _Lists):
            arrays[name] = _label_lists(column.indicators, pa.array(column.names, pa.string()))
            if join:
                arrays[name] = pa.compute.binary_join(arrays[name], SEPARATOR)
        else:
            arrays[name] = pa.array(column)
    return pa.record_batch(list(arrays.values()), names=list(arrays))


def _label_lists(indicators: np.ndarray, names: Any) -> Any:
    import pyarrow as pa

    rows, columns = np.nonzero(indicators)
    counts = np.bincount(rows, minlength=len(indicators))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(columns)))


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _csv_lines(batch: Any) -> Any:
    """Return rows as CSV; all text of the batch is quoted if any of it needs quotes."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    for style in ("none", "needed"):
        sink = pa.BufferOutputStream()
        options = arrow_csv.WriteOptions(include_header=False, quoting_style=style)
        try:
            arrow_csv.write_csv(batch, sink, options)
        except pa.ArrowInvalid:  # some text has a comma, a quote or a line break
            if style == "needed":
                raise
        else:
            break
    return sink.getvalue()


def _without_formulas(part: Predictions) -> Predictions:
    """Put an apostrophe before all text that a spreadsheet program may take for a formula."""
    kept = {
        _as_text(name): Categories(column.codes, tuple(map(_as_text, column.names)))
        for name, column in part.kept.items()
    }
    classes = part.classes
    if classes.dtype.kind not in "biuf":
        classes = np.array([_as_text(str(name)) for name in classes.tolist()])
    return replace(part, classes=classes, kept=kept)


def _as_text(cell: str) -> str:
    if not cell.startswith(FORMULA_STARTS):
        return cell
    try:
        float(cell)  # such as -5
    except ValueError:
        return f"'{cell}"
    return cell

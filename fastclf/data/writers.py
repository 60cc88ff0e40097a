"""Writing of predictions as CSV, JSON lines, Parquet and NPZ.

Predictions are written in batches, in memory that doesn't grow with the number of rows. A regular
file appears once it is complete. All formats but NPZ need pyarrow, which the extra ``data``
installs.
"""

import csv
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

import numpy as np

from fastclf.errors import DataError, InputError
from fastclf.files import DISK_IS_FULL, is_stream, writing_output
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


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a model for some rows.

    Attributes
    ----------
    classes : ndarray of shape (K,)
        The classes or labels.
    codes : ndarray of shape (n,) or (n, K), or None
        The predicted class of each row as an index into ``classes``, or 0/1 indicators of labels.
        None leaves them out of the file.
    probabilities : ndarray of shape (n, K) or None
        The probability of each class or label. None leaves them out of the file.
    kept : mapping of str to Categories
        Columns of the input that are copied into the output.
    ranked : ndarray of shape (n, k), optional
        The k most probable classes or labels of each row as indices into ``classes``. They and
        their ``probabilities``, of the same shape, are then written in place of the other columns.
    """

    classes: np.ndarray
    codes: np.ndarray | None
    probabilities: np.ndarray | None
    kept: Mapping[str, Categories] = field(default_factory=dict)
    ranked: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return next(len(part) for part in (self.codes, self.probabilities) if part is not None)

    @property
    def has_label_lists(self) -> bool:
        """Whether a row can have any number of labels."""
        return self.codes is not None and self.codes.ndim == 2


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
    if path.suffix.lower() not in SUFFIXES:
        if not path.suffix and is_stream(path):
            return "csv"
        raise DataError(
            f'{path}: unknown suffix "{path.suffix}" for predictions; use one of '
            f"{', '.join(SUFFIXES)}, or name it with --format"
        )
    return SUFFIXES[path.suffix.lower()]


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
    if format != "npz":
        _need_pyarrow(format)
    if escape_formulas and format != "csv":
        raise InputError(f"--escape-formulas is for CSV; leave it out for {format}")
    place = target if isinstance(target, Path) else "standard output"
    with ExitStack() as stack:
        with _file_errors(place):
            output = writing_output(target) if isinstance(target, Path) else nullcontext(target)
            file = stack.enter_context(output)
        writer = _ReportingWriter(WRITERS[format](file), file, place, escape_formulas)
        stack.callback(writer.abandon)
        yield writer
        with _file_errors(place):
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
        with _file_errors(self._place):
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
        batch = _arrow(part, join=True)
        if not self._begun:
            header = io.StringIO()
            csv.writer(header, lineterminator="\n").writerow(batch.schema.names)
            self._file.write(header.getvalue().encode())
            self._begun = True
        self._file.write(_csv_lines(batch))

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
        rows = _arrow(part).to_pylist()
        lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        self._file.write(lines.encode())

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
        classes = _plain(part.classes)
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
        with _file_errors(f"{tempfile.gettempdir()} (TMPDIR)"):
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


WRITERS: dict[str, type[CSVWriter] | type[JSONLinesWriter] | type[ParquetWriter] | type[NPZWriter]]
WRITERS = {
    "csv": CSVWriter,
    "jsonl": JSONLinesWriter,
    "parquet": ParquetWriter,
    "npz": NPZWriter,
}


def _arrow(part: Predictions, join: bool = False) -> Any:
    """Return predictions as an Arrow record batch; ``join`` turns label lists into text."""
    import pyarrow as pa

    arrays: dict[str, Any] = {}
    for name, column in part.kept.items():
        names = pa.array(column.names, pa.string())
        arrays[name] = names.take(pa.array(column.codes, mask=column.codes < 0))
    unsigned = pa.uint64() if part.classes.dtype.kind == "u" else None  # may need all 64 bits
    classes = pa.array(_plain(part.classes).tolist(), unsigned)
    if part.ranked is not None:
        assert part.probabilities is not None
        both = zip(part.ranked.T, part.probabilities.T, strict=True)
        for rank, (codes, column) in enumerate(both, 1):
            arrays[f"label_{rank}"] = classes.take(pa.array(np.ascontiguousarray(codes)))
            arrays[f"probability_{rank}"] = pa.array(np.ascontiguousarray(column))
        return pa.record_batch(list(arrays.values()), names=list(arrays))
    if part.codes is not None:
        if part.has_label_lists:
            arrays["labels"] = _label_lists(part.codes, classes.cast(pa.string()), join)
        else:
            arrays["label"] = classes.take(pa.array(part.codes))
    if part.probabilities is not None:
        columns = np.ascontiguousarray(part.probabilities.T)
        for name, column in zip(part.classes.tolist(), columns, strict=True):
            arrays[f"probability_{name}"] = pa.array(column)
    return pa.record_batch(list(arrays.values()), names=list(arrays))


def _label_lists(indicators: np.ndarray, names: Any, join: bool) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    rows, columns = np.nonzero(indicators)
    counts = np.bincount(rows, minlength=len(indicators))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(columns)))
    return compute.binary_join(lists, SEPARATOR) if join else lists


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


def _plain(classes: np.ndarray) -> np.ndarray:
    return classes.astype(str) if classes.dtype.kind == "O" else classes


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


def _need_pyarrow(format: str) -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise DataError(
            f"{format} is written with pyarrow, which isn't installed; "
            "run: pip install 'fastclf[data]', or write NPZ"
        ) from None


@contextmanager
def _file_errors(place: object) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # the reader closed the pipe, which is no error
    except OSError as problem:
        remedy = "; make room there" if problem.errno in DISK_IS_FULL else ""
        raise DataError(
            f"{place}: can't be written: {problem.strerror or problem}{remedy}"
        ) from None

"""Files of columns: CSV, TSV, Parquet and Arrow, whole or in parts, as `fastclf.table.Table`.

They are read through pyarrow, which is in the extra ``data``. Rows are counted from 1, without the
names of the columns.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from fastclf.data.packed import PACKED
from fastclf.errors import DataError, nearest
from fastclf.preprocessing import Encoder
from fastclf.table import Categories, Table, as_whole_numbers, check_columns, is_rounded

if TYPE_CHECKING:
    from fastclf.data.columnar import ColumnarFile
    from fastclf.data.text import TextFile

Format = Literal["csv", "tsv", "parquet", "arrow", "npz", "npy", "svmlight"]

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".txt": "csv",
    ".data": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".npz": "npz",
    ".npy": "npy",
    ".svm": "svmlight",
    ".svmlight": "svmlight",
    ".libsvm": "svmlight",
}
TABLES = ("csv", "tsv", "parquet", "arrow")
UNPACKED: tuple[Format, ...] = ("csv", "tsv", "svmlight")
"""The formats that are read from packed files, too, such as rows.csv.gz."""


def format_of(path: Path, given: Format | None = None) -> Format:
    """Return the format of a file: the one that is given, or that of its suffix.

    Raises
    ------
    DataError
        If there is no such file, or its suffix tells nothing.
    """
    if not path.exists():
        siblings = [sibling.name for sibling in path.parent.glob("*")]
        raise DataError(f"{path}: no such file{nearest(path.name, siblings)}")
    if given is not None:
        return given
    if path.is_dir():
        return "parquet"
    suffix = path.suffix.lower()
    packed = suffix in PACKED
    if packed:
        suffix = Path(path.stem).suffix.lower()
    if packed and suffix in SUFFIXES and SUFFIXES[suffix] not in UNPACKED:
        raise DataError(
            f"{path}: {SUFFIXES[suffix]} can't be read from a packed file; unpack it; packed files "
            f"are {', '.join(UNPACKED)}"
        )
    if suffix not in SUFFIXES:
        raise DataError(
            f'{path}: the suffix "{suffix}" tells no format; set data.format, or use one of '
            f"{', '.join(SUFFIXES)}"
        )
    return SUFFIXES[suffix]


def open_table(
    source: Path | BinaryIO,
    *,
    format: Format | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    expected: Collection[str] | None = None,
) -> "TextFile | ColumnarFile":
    """Return a file of columns, whose names are known and whose rows are still to be read.

    Parameters
    ----------
    source : Path or binary file
        A stream, such as standard input, holds CSV, or TSV if ``format`` says so.
    format : str, optional
        By default that of the suffix; a folder holds Parquet files.
    header : bool, optional
        For text: whether its first row has the names of the columns; by default it has unless it
        holds numbers alone.
    delimiter, decimal : str, optional
        For text: what is between two values, and the decimal mark; by default what the first rows
        say, and a tab in TSV.
    expected : collection of str, optional
        For text: columns that it is to have, as another file had. ``delimiter`` and ``decimal`` are
        then those of the other file, and count unless this file is written otherwise.

    Raises
    ------
    DataError
        If it can't be read, or pyarrow isn't installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise DataError(
            f"{source}: tables are read with pyarrow, which isn't installed; "
            "run: pip install 'fastclf[data]'"
        ) from None
    from fastclf.data.columnar import ColumnarFile
    from fastclf.data.text import TextFile
    from fastclf.data.text_layout import DELIMITERS, Wishes

    kind = format_of(source, format) if isinstance(source, Path) else format or "csv"
    if kind in ("parquet", "arrow"):
        if not isinstance(source, Path):
            raise DataError(f"{kind} can't be read from a stream; name a file")
        return ColumnarFile(source, kind)
    if kind not in DELIMITERS:
        raise DataError(f"{source}: {kind} isn't a table; the formats of tables are csv, tsv, ...")
    return TextFile(source, Wishes(delimiter, decimal, header, expected, DELIMITERS[kind]))


def tell_known(file: "TextFile | ColumnarFile", known: Mapping[str, Collection[str]]) -> None:
    """Tell a file which names of its columns are known, and so are values though spelt as "NA"."""
    from fastclf.data.text import TextFile

    if isinstance(file, TextFile):  # others keep all text
        file.known = known


def read_table(
    source: Path | BinaryIO,
    columns: Sequence[str] | None = None,
    *,
    categorical: Collection[str] = (),
    format: Format | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
) -> Table:
    """Read a file of columns.

    Parameters
    ----------
    source, format, header, delimiter, decimal
        As for `open_table`.
    columns : sequence of str, optional
        The columns to read; by default all.
    categorical : collection of str
        Columns that are categories even if they hold numbers.

    Raises
    ------
    DataError
        If it can't be read; the message names the file, and where it can the row and the column.
    """
    file = open_table(source, format=format, header=header, delimiter=delimiter, decimal=decimal)
    for names in (columns or (), categorical):
        check_columns(names, file.names)
    return file.read(columns, categorical)


def read_exact(
    file: "TextFile | ColumnarFile",
    columns: Sequence[str],
    exact: Collection[str],
    text: Collection[str] = (),
) -> Table:
    """Read some columns of an open file; whole numbers of those of ``exact`` keep all digits.

    They are integers, or the names of categories where integers can't hold them.
    """
    table = file.read(columns, text)
    rounded = [name for name in columns if name in exact and is_rounded(table.columns[name])]
    if not rounded:
        return table
    found = dict(table.columns)
    for name, column in file.read(rounded, rounded).columns.items():
        if isinstance(column, Categories):
            found[name] = as_whole_numbers(column) or found[name]
    return Table(found, table.rows)


def stream_table(
    source: Path | BinaryIO,
    *,
    encoder: Encoder | None = None,
    columns: Sequence[str] | None = None,
    batch_rows: int = 65_536,
    format: Format | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
) -> Iterator[Table]:
    """Read a file of columns in parts, in memory that doesn't grow with the file.

    Parameters
    ----------
    source, format, header, delimiter, decimal
        As for `open_table`.
    encoder : Encoder, optional
        Says which columns are numbers and which are categories; otherwise the first rows say it.
    columns : sequence of str, optional
        The columns to read; by default those of the encoder that are there, or all.
    batch_rows : int
        The most rows of a part.

    Raises
    ------
    DataError
        If it can't be read; the message names the file, and where it can the row and the column.
    """
    file = open_table(source, format=format, header=header, delimiter=delimiter, decimal=decimal)
    text = encoder.categorical if encoder else ()
    numbers = [name for name in encoder.column_names if name not in text] if encoder else ()
    if columns is not None:
        check_columns(columns, file.names)
    elif encoder is not None:
        columns = [name for name in file.names if name in encoder.column_names]
    return file.batches(columns, numbers=numbers, text=text, batch_rows=batch_rows)

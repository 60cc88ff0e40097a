"""Reading CSV, TSV, JSON lines, Parquet and Arrow files as `Table`, whole or in batches of rows.

pyarrow, which the extra ``data`` installs, reads Parquet and Arrow, and parses text faster than
Python. Rows are numbered from 1; the header of a text file is not counted.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from fastclf.data.arriving import Arriving
from fastclf.data.compressed import (
    COMPRESSIONS,
    decompressed_stream,
    decompression_errors,
    first_byte,
    suffix_fault,
    without_compression,
)
from fastclf.data.reading import check_pyarrow
from fastclf.errors import DataError, nearest
from fastclf.preprocessing import Encoder
from fastclf.table import Categories, Table, as_whole_numbers, check_columns, is_rounded

if TYPE_CHECKING:
    from fastclf.data.columnar import ColumnarFile
    from fastclf.data.json_lines import JSONFile
    from fastclf.data.text import TextFile

    TableFile = TextFile | JSONFile | ColumnarFile

Format = Literal["csv", "tsv", "jsonl", "parquet", "arrow", "npz", "npy", "svmlight"]

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".txt": "csv",
    ".data": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
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
TABLES = ("csv", "tsv", "jsonl", "parquet", "arrow")
COMPRESSIBLE: tuple[Format, ...] = ("csv", "tsv", "jsonl", "svmlight")
"""The formats that may be compressed, as in rows.csv.gz."""


def format_of(path: Path, given: Format | None = None) -> Format:
    """Return the format of a file: ``given``, or else the one that its suffix stands for.

    Raises
    ------
    DataError
        If there is no such file, or its suffix is unknown.
    """
    if not path.exists():
        siblings = [sibling.name for sibling in path.parent.glob("*")]
        raise DataError(f"{path}: no such file{nearest(path.name, siblings)}")
    if given is not None:
        return given
    if path.is_dir():
        return _format_of_folder(path)
    suffix = path.suffix.lower()
    compressed = suffix in COMPRESSIONS
    suffix = without_compression(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"{path}: {suffix_fault(path)}, so the format is unknown; set data.format, or rename "
            f"the file; known suffixes are {', '.join(SUFFIXES)}"
        )
    if compressed and SUFFIXES[suffix] not in COMPRESSIBLE:
        raise DataError(
            f"{path}: {SUFFIXES[suffix]} can't be read from a compressed file; decompress it "
            f"first. Only {', '.join(COMPRESSIBLE)} may be compressed"
        )
    return SUFFIXES[suffix]


def text_files(path: Path) -> list[Path]:
    """Return the files of a folder in order, or a file alone.

    Those whose names begin with a dot or an underscore are left out, as in folders of Parquet
    files.
    """
    return sorted(_visible_files(path)) if path.is_dir() else [path]


def first_file(path: Path, format: Format | None = None) -> Path:
    """Return the first file of a folder of text files, which has the layout of all; or the path.

    Raises
    ------
    DataError
        If there is none.
    """
    if not path.is_dir() or format_of(path, format) not in ("csv", "tsv"):
        return path
    files = text_files(path)
    if not files:
        raise DataError(f"{path}: the folder is empty; write CSV files into it")
    return files[0]


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        names = path.relative_to(folder).parts
        if not any(name.startswith((".", "_")) for name in names) and path.is_file():
            yield path


def _format_of_folder(folder: Path) -> Format:
    """Return "csv" or "tsv" if all files are such, and otherwise "parquet"."""
    kinds = set()
    for path in _visible_files(folder):
        kind = SUFFIXES.get(without_compression(path).suffix.lower())
        if kind == "jsonl":
            raise DataError(f"{folder}: holds JSON lines; name one file, and join several into one")
        if kind not in ("csv", "tsv"):
            return "parquet"
        kinds.add(kind)
    if len(kinds) > 1:
        raise DataError(
            f"{folder}: holds both CSV and TSV files; write all with one delimiter and one suffix"
        )
    return kinds.pop() if kinds else "parquet"


def open_table(
    source: Path | BinaryIO | Arriving,
    *,
    format: Format | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    expected: Collection[str] | None = None,
) -> "TableFile":
    r"""Open a file of named columns; it reads the column names at once, and the rows on request.

    Parameters
    ----------
    source : Path, binary file or Arriving
        A stream, such as standard input, holds CSV, or TSV if ``format`` says so; or JSON lines if
        it begins with a brace.
    format : str, optional
        By default that of the suffix; a folder holds Parquet files.
    header : bool, optional
        For text: whether the first row holds the names of the columns. By default it does unless
        all of its values are numbers.
    delimiter, decimal : str, optional
        For text: the delimiter and the decimal mark. By default both are detected from the first
        rows; the delimiter of TSV is a tab.
    encoding : str, optional
        For text: the encoding. By default UTF-8, UTF-16 or UTF-32 with a byte-order mark, or else
        Windows-1252, with a warning.
    expected : collection of str, optional
        For text: column names that the file should have, because an earlier file had them.
        ``delimiter``, ``decimal`` and ``encoding`` are then those of the earlier file, and are
        overruled where the first rows show that this file has others.

    Returns
    -------
    TextFile, JSONFile or ColumnarFile
        It has the names of the columns as ``names``, and the methods ``read`` and ``batches``.

    Raises
    ------
    DataError
        If the file can't be read, or it needs pyarrow, which isn't installed.

    Examples
    --------
    >>> import io
    >>> from fastclf.data import open_table
    >>> file = open_table(io.BytesIO(b"age;city\n30;Bern\n45,5;Faro\n"))
    >>> file.names
    ('age', 'city')
    >>> file.read(["age"]).columns["age"].values.tolist()
    [30.0, 45.5]
    """
    from fastclf.data.text import TextFile
    from fastclf.data.text_layout import DELIMITERS, LayoutHints

    if isinstance(source, Path):
        kind = format_of(source, format)
    else:
        kind = format or "csv"
        with decompression_errors("standard input"):
            source = decompressed_stream(source)
            if kind in DELIMITERS and first_byte(source) == b"{":
                kind = "jsonl"
    if kind in ("parquet", "arrow"):
        if not isinstance(source, Path):
            raise DataError(f"{kind} can't be read from a stream; name a file")
        check_pyarrow(source, kind.capitalize())
        from fastclf.data.columnar import ColumnarFile

        return ColumnarFile(source, kind)
    if kind == "jsonl":
        from fastclf.data.json_lines import JSONFile

        return JSONFile(source, encoding, expected)
    if kind not in DELIMITERS:
        raise DataError(
            f"{source}: {kind} files have no named columns; the formats that have are "
            f"{', '.join(TABLES)}"
        )
    if isinstance(source, Path) and source.is_dir():
        raise DataError(
            f"{source}: a folder of text files can only be streamed; set data.stream = true, or "
            "name "
            "one file or a folder of Parquet files"
        )
    return TextFile(
        source, LayoutHints(delimiter, decimal, header, expected, DELIMITERS[kind], encoding)
    )


def set_known_names(file: "TableFile", known: Mapping[str, Collection[str]]) -> None:
    """Give a text file the known categories of its columns, so that "NA" isn't read as missing.

    Nothing is done for other formats, which mark missing values themselves.
    """
    from fastclf.data.text import TextFile

    if isinstance(file, TextFile):
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
    encoding: str | None = None,
) -> Table:
    r"""Read a file of named columns into memory.

    Parameters
    ----------
    source, format, header, delimiter, decimal, encoding
        As for `open_table`.
    columns : sequence of str, optional
        The columns to read; by default all.
    categorical : collection of str
        Columns that are read as categories even if they hold numbers.

    Returns
    -------
    Table
        The columns, as numbers, categories or lists, and the number of each row in the file.

    Raises
    ------
    DataError
        If the file can't be read; the message names the file and, if known, the row and column.

    Examples
    --------
    >>> import io
    >>> from fastclf.data import read_table
    >>> table = read_table(io.BytesIO(b"age,city\n30,Bern\n,Faro\n45,Bern\n"))
    >>> table.n_rows, table.columns["age"].values.tolist()
    (3, [30.0, nan, 45.0])
    >>> table.columns["city"].names, table.columns["city"].codes.tolist()
    (('Bern', 'Faro'), [0, 1, 0])
    """
    file = open_table(
        source,
        format=format,
        header=header,
        delimiter=delimiter,
        decimal=decimal,
        encoding=encoding,
    )
    for names in (columns or (), categorical):
        check_columns(names, file.names)
    return file.read(columns, categorical)


def read_exact(
    file: "TableFile",
    columns: Sequence[str],
    exact: Collection[str],
    text: Collection[str] = (),
) -> Table:
    """Read some columns of an open file; large integers in those of ``exact`` aren't rounded.

    Where float64 would round an integer, the column is read as integers of 64 bits, or as
    categories named by their digits if 64 bits are too few.
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
    encoding: str | None = None,
) -> Iterator[Table]:
    r"""Read a file of named columns in batches, in memory that doesn't grow with the file.

    Parameters
    ----------
    source, format, header, delimiter, decimal, encoding
        As for `open_table`.
    encoder : Encoder, optional
        Decides which columns are numbers and which are categories; without it the first rows do.
    columns : sequence of str, optional
        The columns to read; by default those columns of the encoder that the file has, or all.
    batch_rows : int
        Largest number of rows in a batch.

    Returns
    -------
    iterator of Table
        The batches, in the order of the file.

    Raises
    ------
    DataError
        If the file can't be read; the message names the file and, if known, the row and column.

    Examples
    --------
    >>> import io
    >>> from fastclf.data import stream_table
    >>> rows = io.BytesIO(b"age,city\n30,Bern\n,Faro\n45,Bern\n")
    >>> [batch.n_rows for batch in stream_table(rows, batch_rows=2)]
    [2, 1]
    """
    file = open_table(
        source,
        format=format,
        header=header,
        delimiter=delimiter,
        decimal=decimal,
        encoding=encoding,
    )
    text = encoder.categorical if encoder else ()
    numbers = [name for name in encoder.column_names if name not in text] if encoder else ()
    if columns is not None:
        check_columns(columns, file.names)
    elif encoder is not None:
        columns = [name for name in file.names if name in encoder.column_names]
    return file.batches(columns, numbers=numbers, text=text, batch_rows=batch_rows)

"""Reading Parquet files and folders of them, with one common type for each column."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import dataset as arrow_dataset

from fastclf.data.arrow import arrow_errors, is_text
from fastclf.errors import DataError
from fastclf.table import first_duplicate


class ParquetFiles:
    """A Parquet file, or the files of a folder.

    Parameters
    ----------
    path : Path
    folders_are_columns : bool
        Whether folder names such as ``year=2024`` are read as values of a column (Hive partitions).

    Attributes
    ----------
    files : list of Path
    schema : pyarrow.Schema
        All columns of all files, each with a type that can hold the values of all files.
    names : tuple of str
    is_uniform : bool
        Whether all files have the same columns of the same types.

    Raises
    ------
    DataError
        If a file can't be read, or has two columns with the same name.
    """

    def __init__(self, path: Path, folders_are_columns: bool = True) -> None:
        with arrow_errors(path):
            self._dataset = arrow_dataset.dataset(
                path, format="parquet", partitioning="hive" if folders_are_columns else None
            )
            self._fragments = list(self._dataset.get_fragments())
        self.files = [Path(fragment.path) for fragment in self._fragments]
        self._own: list[pa.Schema] = []
        for file, fragment in zip(self.files, self._fragments, strict=True):
            with arrow_errors(file):
                self._own.append(fragment.physical_schema)
                names = self._own[-1].names  # raises if a name isn't UTF-8
            if name := first_duplicate(names):
                raise DataError(f'{file}: two columns are named "{name}"; rename one')
        in_files = {name for schema in self._own for name in schema.names}
        fields = self._dataset.schema
        self._of_folders = [field for field in fields if field.name not in in_files]
        self._conflicts: dict[str, str] = {}
        self.schema = self._unified()
        self.names = tuple(self.schema.names)
        self.is_uniform = all(schema.equals(self._own[0]) for schema in self._own)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is needed elsewhere to convert tables, however many files there are."""
        names = "files", "schema", "names", "is_uniform"
        return {name: getattr(self, name) for name in names}

    def check(self, columns: Collection[str]) -> None:
        """Check that all files have some columns, and that their types can be combined.

        Raises
        ------
        DataError
            If a file lacks a column, or types differ and have no common type.
        """
        if self.is_uniform:
            return
        for name in columns:
            if name in self._conflicts:
                raise DataError(self._conflicts[name])
        of_folders = {field.name for field in self._of_folders}
        for file, schema in zip(self.files, self._own, strict=True):
            own = {*schema.names, *of_folders}
            for name in columns:
                if name not in own:
                    raise DataError(
                        f'{file}: there is no column "{name}", though other files of the '
                        "folder have it; add it, or leave it out with data.drop"
                    )

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read some columns of all files."""
        if self.is_uniform:
            return self._dataset.to_table(columns=columns)
        self.check(columns)
        tables = []
        for i, schema in enumerate(self._schemas()):
            with arrow_errors(self.files[i]):
                table = self._fragments[i].to_table(schema=schema, columns=columns)
            tables.append(self.unified(table, self.files[i]))
        return pa.concat_tables(tables)

    def batches(self, columns: Sequence[str], batch_rows: int) -> Iterator[pa.Table]:
        """Yield some columns of all files, in tables of at most ``batch_rows`` rows."""
        if self.is_uniform:
            for batch in self._dataset.to_batches(columns=columns, batch_size=batch_rows):
                yield pa.Table.from_batches([batch])
            return
        self.check(columns)
        for i, schema in enumerate(self._schemas()):
            with arrow_errors(self.files[i]):
                for batch in self._fragments[i].to_batches(
                    schema=schema, columns=columns, batch_size=batch_rows
                ):
                    yield self.unified(pa.Table.from_batches([batch]), self.files[i])

    def unified(self, table: pa.Table, file: Path) -> pa.Table:
        """Convert the columns of a table, which was read from ``file``, to the common types."""
        if self.is_uniform:
            return table
        columns = {}
        for name, column in zip(table.column_names, table.columns, strict=True):
            kind = self.schema.field(name).type
            try:
                columns[name] = column
                if column.type != kind:  # only a conversion to floats may round
                    columns[name] = column.cast(kind, safe=not pa.types.is_floating(kind))
            except pa.ArrowException as problem:
                raise DataError(
                    f'{file}: column "{name}" holds {column.type}, which can\'t be converted to '
                    f"{kind}, its type in other files: {' '.join(str(problem).split())}"
                ) from None
        return pa.table(columns, metadata=self.schema.metadata)

    def _schemas(self) -> Iterator[pa.Schema]:
        """Yield the schema of each file, with the columns that are folder names."""
        for schema in self._own:
            yield pa.schema([*schema, *self._of_folders], schema.metadata)

    def _unified(self) -> pa.Schema:
        kinds: dict[str, pa.DataType] = {}
        for schema, file in zip(self._own, self.files, strict=True):
            for field in schema:
                known = kinds.get(field.name, field.type)
                kind = common_type(known, field.type)
                if kind is None:
                    self._conflicts.setdefault(
                        field.name,
                        f'{file}: column "{field.name}" holds {field.type}, but {known} in other '
                        "files of the folder; write it with one type, or leave it out with "
                        "data.drop",
                    )
                kinds[field.name] = kind or known
        return pa.schema([*kinds.items(), *self._of_folders], self._own[0].metadata)


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return a type that can hold the values of two types, or None if there is none.

    It is float64 for integers and floats, and a decimal for signed integers and uint64.
    """
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    kinds = (one, other)
    if all(_holds_text(kind) for kind in kinds):
        return pa.large_string()
    if any(map(pa.types.is_floating, kinds)):
        numbers = all(
            pa.types.is_floating(k) or pa.types.is_integer(k) or pa.types.is_decimal(k)
            for k in kinds
        )
        if numbers and not all(map(pa.types.is_floating, kinds)):
            return pa.float64()
    if all(map(pa.types.is_integer, kinds)):
        signed = sum(map(pa.types.is_signed_integer, kinds))
        if signed == 1 and pa.uint64() in kinds:
            return pa.decimal128(20)
    for date, stamp in (kinds, kinds[::-1]):
        if pa.types.is_date(date) and pa.types.is_timestamp(stamp) and stamp.tz is None:
            return stamp
    try:
        both = [pa.schema([("x", kind)]) for kind in kinds]
        return pa.unify_schemas(both, promote_options="permissive").field("x").type
    except (pa.ArrowException, TypeError):
        return None


def _holds_text(kind: pa.DataType) -> bool:
    return is_text(kind.value_type if pa.types.is_dictionary(kind) else kind)

"""`Encoder`: turns raw columns into the features of a linear model; it is plain data.

A numeric column becomes one feature, ``(value - shift) / scale``, in which ``fill`` replaces
missing values. A column of categories becomes a feature of 0 or 1 for each kept category, and one
more for the group of all other categories, if there is such a group. A column of dates becomes a
number for each of its parts. A column of raw text becomes a weight for each n-gram of a vocabulary.

Columns are found by name, in any order; other columns are ignored. A category that wasn't kept
belongs to the group of others; without such a group all its features are 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from typing import Any

import numpy as np
import scipy

from fastclf.dates import PARTS
from fastclf.encoded import (
    MISSING,
    OTHER,
    CategoricalColumn,
    ColumnEncoding,
    DateColumn,
    NumericColumn,
    as_dates,
    as_numbers,
    positions,
    scaled,
)
from fastclf.errors import DataError
from fastclf.table import Categories, Lists, Numbers, Table, check_columns
from fastclf.text_features import TextColumn

__all__ = [
    "MISSING",
    "OTHER",
    "CategoricalColumn",
    "DateColumn",
    "Encoder",
    "NumericColumn",
    "TextColumn",
    "ColumnEncoding",
    "as_dates",
    "as_numbers",
]

_BLOCK = 1024  # rows that are written at a time, so that cache lines of X stay in the cache


@dataclass(frozen=True)
class Encoder:
    """The fitted encoding of raw columns.

    Parameters
    ----------
    columns : tuple of NumericColumn, CategoricalColumn, DateColumn or TextColumn
        The encoding of each column, in the order of the features.
    dtype : {"float32", "float64"}
        The dtype of the features.
    sparse : bool
        Whether the features are a CSR matrix, as they must be if there is a column of text.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
    >>> from fastclf.table import Categories, Numbers, Table
    >>> city = CategoricalColumn("city", ("Bonn", "Rome"), other=True)
    >>> encoder = Encoder((NumericColumn("age", fill=40.0, shift=40.0, scale=10.0), city))
    >>> encoder.feature_names
    ('age', 'city=Bonn', 'city=Rome', 'city=(other)')
    >>> codes = np.array([0, 1], np.int32)
    >>> age = Numbers(np.array([np.nan, 30.0]))
    >>> encoder.apply(Table({"city": Categories(codes, ("Oslo", "Rome")), "age": age})).tolist()
    [[0.0, 0.0, 0.0, 1.0], [-1.0, 0.0, 1.0, 0.0]]
    """

    columns: tuple[ColumnEncoding, ...]
    dtype: str = "float64"
    sparse: bool = False

    @classmethod
    def of_numbers(cls, names: Sequence[str], dtype: str = "float64") -> "Encoder":
        """Return the encoder that makes numeric columns features without a change."""
        return cls(tuple(NumericColumn(name) for name in names), dtype)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features: ``age``, ``city=Paris``, ``city=(other)``."""
        return tuple(name for column in self.columns for name in column.feature_names)

    @property
    def n_features(self) -> int:
        """The number of features."""
        return len(self.feature_names)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the raw columns."""
        return tuple(column.name for column in self.columns)

    @property
    def text(self) -> tuple[str, ...]:
        """The names of the columns whose text becomes n-grams."""
        return tuple(column.name for column in self.columns if isinstance(column, TextColumn))

    @property
    def categorical(self) -> tuple[str, ...]:
        """The names of the raw columns that are read as text: categories, dates and raw text."""
        return tuple(
            column.name for column in self.columns if not isinstance(column, NumericColumn)
        )

    @property
    def known(self) -> dict[str, tuple[str, ...]]:
        """The known categories of each column of `categorical`; none for dates and raw text."""
        columns = {column.name: column for column in self.columns}
        return {name: getattr(columns[name], "categories", ()) for name in self.categorical}

    def apply(self, table: Table) -> Any:
        """Return the features of raw rows.

        Parameters
        ----------
        table : Table
            Must have at least the columns of the encoder.

        Returns
        -------
        ndarray or csr_array of shape (n, d)

        Raises
        ------
        DataError
            If there is no such column, a numeric column holds text, a value is infinite, or a value
            is missing and its column has no ``fill``.
        """
        check_columns(self.column_names, table.names)
        if not self.sparse:
            return self._dense(table)
        blocks: list[scipy.sparse.csr_array] = []
        for is_text, group in groupby(self.columns, lambda one: isinstance(one, TextColumn)):
            columns = tuple(group)
            blocks += self._texts(columns, table) if is_text else [self._sparse(columns, table)]
        return blocks[0] if len(blocks) == 1 else scipy.sparse.hstack(blocks, format="csr")

    def apply_in_place(self, X: np.ndarray) -> None:
        """Turn raw rows (n, d) of numbers, with NaN for missing values, into features.

        A missing value stays NaN if its column has no ``fill``.
        """
        columns = [column for column in self.columns if isinstance(column, NumericColumn)]
        fill = np.array([np.nan if column.fill is None else column.fill for column in columns])
        if np.isfinite(fill).any():
            with np.errstate(over="ignore", invalid="ignore"):
                all_finite = np.isfinite(X.sum())
            if not all_finite:
                rows, places = np.nonzero(np.isnan(X))
                X[rows, places] = fill[places]
        shift = np.array([column.shift for column in columns])
        scale = np.array([column.scale for column in columns])
        if shift.any() or (scale != 1).any():
            X -= shift.astype(X.dtype)
            X /= scale.astype(X.dtype)

    def _texts(
        self, columns: tuple[ColumnEncoding, ...], table: Table
    ) -> Iterator["scipy.sparse.csr_array"]:
        for column in columns:
            assert isinstance(column, TextColumn)
            yield column.features(_raw(column.name, table)).astype(self.dtype, copy=False)

    def _dense(self, table: Table) -> np.ndarray:
        n = table.n_rows
        parts, starts, width = _parts(self.columns, table)
        X = np.zeros((n, width), self.dtype)
        for low in range(0, n, _BLOCK):
            block = X[low : low + _BLOCK]
            for start, (numeric, values) in zip(starts, parts, strict=True):
                part = values[low : low + _BLOCK]
                if numeric:
                    block[:, start] = part
                else:
                    ones = np.flatnonzero(part >= 0)
                    block[ones, start + part[ones]] = 1
        return X

    def _sparse(
        self, columns: tuple[ColumnEncoding, ...], table: Table
    ) -> "scipy.sparse.csr_array":
        """Return a CSR matrix that stores all numbers, even zeros, and the ones of categories."""
        n = table.n_rows
        parts, starts, width = _parts(columns, table)
        indices = np.empty((n, len(parts)), np.int64)
        data = np.ones((n, len(parts)), self.dtype)
        for j, (start, (numeric, values)) in enumerate(zip(starts, parts, strict=True)):
            if numeric:
                indices[:, j] = start
                data[:, j] = values
            else:
                indices[:, j] = np.where(values >= 0, start + values, -1)
        stored = indices >= 0
        bounds = np.concatenate([[0], np.cumsum(stored.sum(axis=1))])
        kind = np.int32 if bounds[-1] < 2**31 and width < 2**31 else np.int64
        return scipy.sparse.csr_array(
            (data[stored], indices[stored].astype(kind), bounds.astype(kind)), shape=(n, width)
        )

    def to_data(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the encoder as arrays and as values that JSON can hold."""
        numeric = [
            part
            for column in self.columns
            if not isinstance(column, CategoricalColumn | TextColumn)
            for part in (column.parts if isinstance(column, DateColumn) else (column,))
        ]
        fill = [np.nan if column.fill is None else column.fill for column in numeric]
        arrays = {
            "encoder.fill": np.array(fill, np.float64),
            "encoder.shift": np.array([column.shift for column in numeric], np.float64),
            "encoder.scale": np.array([column.scale for column in numeric], np.float64),
        }
        if self.text:
            weights = [w for column in self.columns for w in getattr(column, "idf", ())]
            arrays["encoder.idf"] = np.array(weights, np.float64)
        columns = [_described(column) for column in self.columns]
        return arrays, {"columns": columns, "dtype": self.dtype, "sparse": self.sparse}

    @classmethod
    def from_data(cls, arrays: Mapping[str, np.ndarray], values: Any) -> "Encoder":
        """Return the encoder from the result of :meth:`to_data`, which is checked.

        Raises
        ------
        ValueError, KeyError, TypeError
            If the data don't describe an encoder.
        """
        if values["dtype"] not in ("float32", "float64"):
            raise ValueError(f"features of dtype {values['dtype']!r}")
        fills, shifts, scales = (arrays[f"encoder.{name}"] for name in ("fill", "shift", "scale"))
        listed = values["columns"]
        count = sum(
            len(column["parts"])
            if "parts" in column
            else not {"categories", "vocabulary"} & {*column}
            for column in listed
        )
        for array in (fills, shifts, scales):
            if array.shape != (count,) or array.dtype != np.float64:
                raise ValueError(f"{array.shape} {array.dtype} for {count} numeric columns")
        if np.isinf(fills).any() or not np.isfinite([shifts, scales]).all() or not scales.all():
            raise ValueError("a fill value, shift or scale that isn't finite, or a scale of 0")
        weights = _weights(arrays, listed, values["sparse"])
        numbers = iter(zip(fills.tolist(), shifts.tolist(), scales.tolist(), strict=True))
        columns: list[ColumnEncoding] = []
        for column in listed:
            name = _text(column["name"])
            if "categories" in column:
                names = tuple(_text(category) for category in column["categories"])
                fill = None if column["fill"] is None else _text(column["fill"])
                columns.append(CategoricalColumn(name, names, bool(column["other"]), fill))
            elif "parts" in column:
                parts = tuple(_text(part) for part in column["parts"])
                if not parts or not set(parts) <= set(PARTS):
                    raise ValueError(f"a date of the parts {parts}")
                columns.append(DateColumn(name, tuple(_number_column(p, numbers) for p in parts)))
            elif "vocabulary" in column:
                idf = tuple(islice(weights, len(column["vocabulary"])))
                columns.append(TextColumn.from_data(column, idf))
            else:
                columns.append(_number_column(name, numbers))
            if len(set(columns[-1].feature_names)) != len(columns[-1].feature_names):
                raise ValueError(f"a category or a part of {name!r} twice")
        if len({column.name for column in columns}) != len(columns):
            raise ValueError("two columns of one name")
        return cls(tuple(columns), values["dtype"], bool(values["sparse"]))


def _raw(name: str, table: Table) -> Numbers | Categories:
    raw = table.columns[name]
    if isinstance(raw, Lists):
        raise DataError(f'column "{name}" holds lists, which can\'t be features; drop it')
    return raw


def _parts(
    columns: tuple[ColumnEncoding, ...], table: Table
) -> tuple[list[tuple[bool, np.ndarray]], list[int], int]:
    """Return the parts of the features of columns, the first feature of each, and their number.

    A part is a pair (is_numeric, array); a column of dates has several. The array (n,) holds the
    values, or the index of the feature that is 1 in each row.
    """
    parts: list[tuple[bool, np.ndarray]] = []
    starts: list[int] = []
    width = 0
    for column in columns:
        raw = _raw(column.name, table)
        if isinstance(column, CategoricalColumn):
            found = [(False, positions(column, raw, table.rows))]
        elif isinstance(column, DateColumn):
            found = [(True, values) for values in column.features(raw, table.rows)]
        else:
            assert isinstance(column, NumericColumn)
            found = [(True, scaled(column, raw, table.rows))]
        starts += range(width, width + len(found))
        parts += found
        width += column.width
    return parts, starts, width


def _weights(arrays: Mapping[str, np.ndarray], listed: Any, sparse: Any) -> Iterator[float]:
    """Return the weights of the n-grams of all columns of text, after checking their number."""
    count = sum(len(column["vocabulary"]) for column in listed if "vocabulary" in column)
    if not count:
        return iter(())
    weights = arrays["encoder.idf"]
    if weights.shape != (count,) or weights.dtype != np.float64:
        raise ValueError(f"{weights.shape} {weights.dtype} for the weights of {count} n-grams")
    if not sparse:
        raise ValueError("features of text in a dense matrix")
    return iter(weights.tolist())


def _described(column: ColumnEncoding) -> dict[str, Any]:
    """Return a column as values for JSON, without its numbers, which `to_data` puts into arrays."""
    if isinstance(column, CategoricalColumn):
        return {
            "name": column.name,
            "categories": list(column.categories),
            "other": column.other,
            "fill": column.fill,
        }
    if isinstance(column, DateColumn):
        return {"name": column.name, "parts": [part.name for part in column.parts]}
    if isinstance(column, TextColumn):
        return column.to_data()
    return {"name": column.name}


def _number_column(name: str, numbers: Iterator[tuple[float, float, float]]) -> NumericColumn:
    fill, shift, scale = next(numbers)
    return NumericColumn(name, None if np.isnan(fill) else fill, shift, scale)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} where a name should be")
    return value

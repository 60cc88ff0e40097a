"""Fitting an encoder in one pass over a stream; the result is that of `fastclf.data.columns`.

Tallies of parts of the rows can be merged: the result is that of all rows, up to rounding.
"""

import copy
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from fastclf.data.columns import check_part_names, date_column, encoder_of
from fastclf.data.scaling import comparable, too_large
from fastclf.data.text_columns import is_nearly_numeric, is_number, why_no_number
from fastclf.data.value_counts import FILLS
from fastclf.dates import HOUR, PARTS
from fastclf.errors import DataError
from fastclf.linear_model import Affine
from fastclf.preprocessing import (
    MISSING,
    CategoricalColumn,
    ColumnEncoding,
    Encoder,
    NumericColumn,
    as_dates,
    as_numbers,
)
from fastclf.table import Categories, Lists, Numbers, Table, as_categories

MOST_NAMES = 1 << 20
"""Largest number of distinct values in a column of categories."""

_EPS = np.finfo(np.float64).eps


class NumberTally:
    """Means, scales and missing values of numeric columns.

    Parameters
    ----------
    names : sequence of str
    scale : {"auto", "standard", "minmax", "none"}
    impute : {"mean", "median", "most_frequent", "zero", "none"}

    Attributes
    ----------
    fills : Medians or Modes, optional
        What missing values are replaced by, if it takes counting. Another pass may be needed.
    """

    def __init__(self, names: Sequence[str], scale: str, impute: str) -> None:
        self.names = names
        self.fills = FILLS[impute](len(names)) if impute in FILLS else None
        self.n_missing = np.zeros(len(names), np.int64)
        self._scale, self._impute = scale, impute
        self._n = 0
        self._counts = np.zeros(len(names), np.int64)
        # The mean of each column, and the sum of squared deviations from it.
        self._mean, self._square = np.zeros((2, len(names)))
        self._lowest, self._highest = np.full((2, len(names)), [[np.inf], [-np.inf]])

    def add(self, X: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Add rows (m, k); a missing value is NaN.

        ``rows`` (m,) has their numbers in the file, for messages; by default they are counted.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(X.sum())
        counts = np.full(len(self.names), len(X))  # values of each column that aren't missing
        if not finite:
            rows = np.arange(self._n + 1, self._n + len(X) + 1) if rows is None else rows
            self._check_finite(X, rows)
            missing = np.isnan(X)
            self.n_missing += missing.sum(axis=0)
            if self._impute == "none" and missing.any():
                row, column = (int(i) for i in np.unravel_index(missing.argmax(), X.shape))
                raise DataError(
                    f'row {rows[row]}, column "{self.names[column]}": a missing value; '
                    "fill it in, or set data.impute to mean or zero"
                )
            counts -= missing.sum(axis=0)
            if self._impute == "zero":
                X, counts = np.where(missing, 0, X), np.full(len(self.names), len(X))
        self._n += len(X)
        if not len(X):
            return
        if self.fills is not None:
            self.fills.add(X)
        if self._scale == "minmax":
            self._lowest = np.fmin(self._lowest, np.fmin.reduce(X))
            self._highest = np.fmax(self._highest, np.fmax.reduce(X))
        if self._scale != "none" or self._impute == "mean":
            with np.errstate(over="ignore", invalid="ignore"):
                self._add_moments(X, counts)

    def _add_moments(self, X: np.ndarray, counts: np.ndarray) -> None:
        total = np.nansum(X, axis=0, dtype=np.float64)
        mean = total / np.maximum(counts, 1)
        deviations = X - mean
        self._merge_moments(counts, mean, np.nansum(deviations * deviations, axis=0))

    def _merge_moments(self, counts: np.ndarray, mean: np.ndarray, square: np.ndarray) -> None:
        # Chan, Golub and LeVeque, Algorithms for computing the sample variance, 1983.
        before, self._counts = self._counts, self._counts + counts
        share = counts / np.maximum(self._counts, 1)
        shift = mean - self._mean
        self._square = self._square + (square + shift**2 * share * before)
        self._mean = self._mean + share * shift

    def merge(self, other: "NumberTally") -> None:
        """Add the rows of another tally, which has the same columns and settings."""
        self._n += other._n
        self.n_missing = self.n_missing + other.n_missing
        if self.fills is not None:
            self.fills.merge(other.fills)  # type: ignore[arg-type]
        self._lowest = np.fmin(self._lowest, other._lowest)
        self._highest = np.fmax(self._highest, other._highest)
        with np.errstate(over="ignore", invalid="ignore"):
            self._merge_moments(other._counts, other._mean, other._square)

    def columns(self) -> dict[str, NumericColumn]:
        """Return the fitted columns, by name."""
        k = len(self.names)
        fill: list[float | None] = [None if self._impute == "none" else 0.0] * k
        if self._impute == "mean":
            fill = self._mean.tolist()
        filled = copy.copy(self)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.fills is not None:
                fill = list(self.fills.values())
                filled._merge_moments(self.n_missing, np.array(fill, float), np.zeros(k))
            scaling = filled._scaling()
            found = [filled._mean, filled._square, scaling.shift, scaling.scale]
        finite = np.isfinite(found).all(axis=0)
        if not finite.all():
            raise DataError(too_large(f'"{self.names[int(finite.argmin())]}"'))
        values = zip(self.names, fill, scaling.shift.tolist(), scaling.scale.tolist(), strict=True)
        return {name: NumericColumn(name, *rest) for name, *rest in values}

    def _scaling(self) -> Affine:
        plain = Affine(np.zeros(len(self.names)), np.ones(len(self.names)))
        if self._scale == "none":
            return plain
        if self._scale == "minmax":
            empty = self._highest < self._lowest
            shift = np.where(empty, 0, self._lowest)
            return Affine(shift, _nonzero(np.where(empty, 0, self._highest - self._lowest)))
        # Missing values, which are replaced by the mean, add nothing to the sum of squares. The
        # variance of a constant column is 0 up to rounding; the bound is that of StandardScaler.
        variance = self._square / max(self._n, 1)
        rounding = self._n * _EPS * variance + (self._n * self._mean * _EPS) ** 2
        scaling = Affine(self._mean, _nonzero(np.sqrt(np.where(variance <= rounding, 0, variance))))
        return plain if self._scale == "auto" and comparable(scaling) else scaling

    def _check_finite(self, X: np.ndarray, rows: np.ndarray) -> None:
        infinite = np.isinf(X)
        if infinite.any():
            row, column = (int(i) for i in np.unravel_index(infinite.argmax(), X.shape))
            raise DataError(
                f'row {rows[row]}, column "{self.names[column]}": an infinite number; correct it'
            )


class CategoryTally:
    """Counts the rows of each category of a column."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._counts: Counter[str] = Counter()
        self._n_missing = 0
        self._numbers = True
        self._text: tuple[str, str] | None = None  # place and value of the first text

    def add(self, table: Table, file: str | None = None) -> None:
        """Add the rows of a table; ``file`` is where they are from, for messages."""
        raw = _no_lists(self.name, table)
        self._numbers = self._numbers and isinstance(raw, Numbers)
        column = as_categories(raw)
        if self._text is None:
            self._find_text(column, table.rows, file)
        counts = np.bincount(column.codes[~column.missing], minlength=len(column.names)).tolist()
        self._counts.update(
            {name: count for name, count in zip(column.names, counts, strict=True) if count}
        )
        self._n_missing += int(column.missing.sum())
        self._check_number()

    def merge(self, other: "CategoryTally") -> None:
        """Add the rows of another tally of the same column, which come after those so far."""
        self._numbers = self._numbers and other._numbers
        self._text = self._text or other._text
        self._counts.update(other._counts)
        self._n_missing += other._n_missing
        self._check_number()

    def _check_number(self) -> None:
        if len(self._counts) > MOST_NAMES:
            raise DataError(
                f'column "{self.name}" has more than {MOST_NAMES} different values; leave it out '
                "with data.drop"
            )

    def _find_text(self, column: Categories, rows: np.ndarray, file: str | None) -> None:
        new = [name not in self._counts and not is_number(name) for name in column.names]
        found = np.array([*new, False])[column.codes]  # code -1, a missing value, is the last
        if found.any():
            row = int(found.argmax())
            place = f"row {rows[row]}" if file is None else f"{file}: row {rows[row]}"
            self._text = place, column.names[column.codes[row]]

    def check(self) -> None:
        """Refuse a column that has many different numbers and text in a few rows.

        Raises
        ------
        DataError
            If the column is such; the message names the first row with text.
        """
        if self._text is not None and is_nearly_numeric(self._counts):
            place, text = self._text
            raise DataError(
                f'{place}, column "{self.name}": '
                + why_no_number(text, ", and nearly all other values are numbers")
            )

    def column(self, impute: str, min_frequency: int | float) -> CategoricalColumn:
        """Return the fitted column."""
        counts = self._counts
        names = sorted(counts, key=float) if self._numbers else sorted(counts)
        fill = None if impute == "none" else MISSING
        if impute == "most_frequent" and names:
            fill = max(names, key=lambda name: counts[name])  # of several the first
            counts = counts + Counter({fill: self._n_missing})
        elif fill is not None and self._n_missing:
            counts = counts + Counter({MISSING: self._n_missing})
            names = [*(name for name in names if name != MISSING), MISSING]
        least = min_frequency
        if not isinstance(min_frequency, int):
            least = min_frequency * sum(counts.values())
        kept = tuple(name for name in names if counts[name] >= least)
        return CategoricalColumn(self.name, kept, other=len(kept) < len(names), fill=fill)


class EncoderTally:
    """Fits an encoder to tables that are added one after another.

    Parameters
    ----------
    columns : sequence of str
        The columns to encode, in the order of the features.
    categorical : collection of str
        The columns that are categories.
    scale : {"auto", "standard", "minmax", "none"}
        How numeric columns are scaled.
    impute : {"mean", "median", "most_frequent", "zero", "none"}
        How missing numbers are replaced. Missing categories form a category of their own, or with
        "most_frequent" belong to the most frequent one. "none" makes both an error.
    min_frequency : int or float
        Categories with fewer rows, or a smaller share of the rows, are grouped into one feature.
    dtype : {"float32", "float64"}
        The dtype of the features.
    dates : collection of str
        The columns of dates whose parts become features.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.data.column_tallies import EncoderTally
    >>> from fastclf.table import Categories, Numbers, Table
    >>> tally = EncoderTally(("age", "city"), {"city"}, scale="none", min_frequency=2)
    >>> for age, name in ((20, "Bonn"), (30, "Bonn"), (np.nan, "Oslo")):
    ...     city = Categories(np.array([0], np.int32), (name,))
    ...     tally.add(Table({"age": Numbers(np.array([age], float)), "city": city}))
    >>> encoder = tally.encoder()
    >>> encoder.feature_names, encoder.columns[0].fill
    (('age', 'city=Bonn', 'city=(other)'), 25.0)
    """

    def __init__(
        self,
        columns: Sequence[str],
        categorical: Sequence[str] | set[str] = (),
        *,
        scale: str = "auto",
        impute: str = "mean",
        min_frequency: int | float = 1,
        dtype: str = "float64",
        dates: Collection[str] = (),
    ) -> None:
        self.columns = tuple(columns)
        self._impute, self._min_frequency, self._dtype = impute, min_frequency, dtype
        self._timed = {name: False for name in columns if name in dates}  # has any date a time?
        others = {*categorical, *dates}
        self._numeric = [name for name in columns if name not in others]
        parts = [f"{name}.{part}" for name in self._timed for part in PARTS]
        for name in self._timed:
            check_part_names(name, PARTS, columns)
        self.numbers = NumberTally([*self._numeric, *parts], scale, impute)
        self.categories = [
            CategoryTally(name) for name in columns if name in {*categorical} - {*dates}
        ]

    def add(self, table: Table, file: str | None = None) -> None:
        """Add the rows of a table; ``file`` is where they are from, for messages."""
        if self.numbers.names:
            self.numbers.add(self._matrix(table), table.rows)
        for tally in self.categories:
            tally.add(table, file)

    def add_fills(self, features: np.ndarray | Table) -> None:
        """Add rows, a table or a matrix of numbers, in another pass for what fills them in."""
        assert self.numbers.fills is not None  # there is another pass
        X = self._matrix(features) if isinstance(features, Table) else features
        self.numbers.fills.add(X)

    def _matrix(self, table: Table) -> np.ndarray:
        """Return the numbers of a table (m, k), and the parts of its dates."""
        parts = [_numbers(name, table) for name in self._numeric]
        for name in self._timed:
            dates = as_dates(name, _no_lists(name, table), table.rows)
            self._timed[name] |= bool((dates[:, HOUR] > 0).any())
            parts += list(dates.T)
        return np.stack(parts, axis=1)

    def merge(self, other: "EncoderTally") -> None:
        """Add the rows of another tally, which has the same columns and settings.

        They come after those so far.
        """
        self._timed = {name: timed or other._timed[name] for name, timed in self._timed.items()}
        self.numbers.merge(other.numbers)
        for own, added in zip(self.categories, other.categories, strict=True):
            own.merge(added)

    def encoder(self) -> Encoder:
        """Return the fitted encoder."""
        columns: dict[str, ColumnEncoding] = {}
        if self.numbers.names:
            numeric = self.numbers.columns()
            columns |= numeric
            for name, timed in self._timed.items():
                parts = [part for part in PARTS if timed or part != "hour"]
                columns[name] = date_column(name, parts, numeric)
        for tally in self.categories:
            columns[tally.name] = tally.column(self._impute, self._min_frequency)
        return encoder_of(tuple(columns[name] for name in self.columns), self._dtype)


def _nonzero(scale: np.ndarray) -> np.ndarray:
    return np.where(scale == 0, 1.0, scale)


def _numbers(name: str, table: Table) -> np.ndarray:
    return as_numbers(name, _no_lists(name, table), table.rows).values


def _no_lists(name: str, table: Table) -> Numbers | Categories:
    column = table.columns[name]
    if isinstance(column, Lists):
        raise DataError(f'column "{name}" holds lists; leave it out with data.drop')
    return column

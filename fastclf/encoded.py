"""The encodings of single columns (numbers, categories and dates) as features, as plain data.

That of raw text is in `fastclf.text_features`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fastclf.dates import PARTS, date_parts, is_date, moment
from fastclf.errors import DataError
from fastclf.table import (
    Categories,
    Numbers,
    as_categories,
    kept_for_names,
    matched_names,
    number_of,
    quoted,
)
from fastclf.text_features import TextColumn

MISSING = "(missing)"  # name of the category of missing values
OTHER = "(other)"  # name of the group of rare and unknown categories


@dataclass(frozen=True)
class NumericColumn:
    """The encoding of a numeric column as a feature, ``(value - shift) / scale``.

    Parameters
    ----------
    name : str
        The column's name.
    fill : float or None
        The replacement of missing values; None makes them an error.
    shift, scale : float
        The feature is ``(value - shift) / scale``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.preprocessing import Encoder, NumericColumn
    >>> from fastclf.table import Numbers, Table
    >>> encoder = Encoder((NumericColumn("age", fill=40.0, shift=40.0, scale=10.0),))
    >>> ages = Table({"age": Numbers(np.array([30.0, np.nan, 55.0]))})
    >>> encoder.apply(ages).ravel().tolist()
    [-1.0, 0.0, 1.5]
    """

    name: str
    fill: float | None = None
    shift: float = 0.0
    scale: float = 1.0

    width = 1

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of its features."""
        return (self.name,)


@dataclass(frozen=True)
class CategoricalColumn:
    """The one-hot encoding of a column of categories.

    Parameters
    ----------
    name : str
        The column's name.
    categories : tuple of str
        The categories with a feature of their own.
    other : bool
        Whether there is one more feature, for all other categories.
    fill : str or None
        The category that replaces missing values; None makes them an error.

    Examples
    --------
    >>> from fastclf.preprocessing import CategoricalColumn
    >>> city = CategoricalColumn("city", ("Bern", "Faro"), other=True)
    >>> city.feature_names
    ('city=Bern', 'city=Faro', 'city=(other)')
    >>> city.positions(["Faro", "Oslo"]).tolist()
    [1, 2]
    """

    name: str
    categories: tuple[str, ...]
    other: bool = False
    fill: str | None = MISSING

    @property
    def width(self) -> int:
        """The number of its features."""
        return len(self.categories) + self.other

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of its features."""
        kept = tuple(f"{self.name}={category}" for category in self.categories)
        return (*kept, f"{self.name}={OTHER}") if self.other else kept

    def positions(self, names: Sequence[str]) -> np.ndarray:
        """Return the index of the feature that is 1 for each of some names, or -1 for none.

        Names are matched by `matched`.
        """
        return _positions(self, tuple(names))

    def matched(self, names: Sequence[str]) -> dict[str, str] | None:
        """Match names with the categories; equal dates match even if they are written differently.

        The result is that of `fastclf.table.matched_names`.
        """
        known = [name for name in self.categories if name != MISSING]
        matches = matched_names(names, known) or {}
        if known and len(matches) < len(names) and all(map(is_date, known)):
            by_moment = {moment(name): name for name in known}
            dates = {name: moment(name) for name in names if name not in matches}
            matches |= {name: by_moment[date] for name, date in dates.items() if date in by_moment}
        return matches if matches or not names else None


@kept_for_names
def _positions(column: CategoricalColumn, names: tuple[str, ...]) -> np.ndarray:
    position = {category: i for i, category in enumerate(column.categories)}
    unknown = len(column.categories) if column.other else -1
    matched = column.matched(names) or {}
    found = [position.get(matched.get(name, name), unknown) for name in names]
    return np.array(found, dtype=np.int64)


@dataclass(frozen=True)
class DateColumn:
    """The encoding of a column of dates as a number for each of some parts, such as the year.

    Parameters
    ----------
    name : str
        The column's name.
    parts : tuple of NumericColumn
        The encoding of each part, named by the part as in `fastclf.dates.PARTS`.

    Examples
    --------
    >>> from fastclf.preprocessing import DateColumn, NumericColumn
    >>> joined = DateColumn("joined", (NumericColumn("year", shift=2000.0), NumericColumn("month")))
    >>> joined.feature_names, joined.width
    (('joined.year', 'joined.month'), 2)
    """

    name: str
    parts: tuple[NumericColumn, ...]

    @property
    def width(self) -> int:
        """The number of its features."""
        return len(self.parts)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of its features, such as ``joined.year``."""
        return tuple(f"{self.name}.{part.name}" for part in self.parts)

    def features(self, raw: Numbers | Categories, rows: np.ndarray) -> list[np.ndarray]:
        """Return the features of a column of dates, an array (n,) for each part.

        Raises
        ------
        DataError
            If some text isn't a date, or a date is missing and a part has no ``fill``.
        """
        values = as_dates(self.name, raw, rows)
        return [
            _filled(replace(part, name=self.name), values[:, PARTS.index(part.name)], rows)
            for part in self.parts
        ]


ColumnEncoding = NumericColumn | CategoricalColumn | DateColumn | TextColumn


def scaled(column: NumericColumn, raw: Numbers | Categories, rows: np.ndarray) -> np.ndarray:
    """Return the feature (n,) of a numeric column."""
    return _filled(column, as_numbers(column.name, raw, rows).values, rows)


def _filled(column: NumericColumn, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    if not finite.all():
        infinite = np.isinf(values)
        if infinite.any():
            row = rows[infinite.argmax()]
            raise DataError(f'row {row}, column "{column.name}": an infinite number; correct it')
        if column.fill is None:
            raise DataError(_unfilled(column.name, rows[(~finite).argmax()]))
        values = np.where(finite, values, column.fill)
    if column.shift == 0 and column.scale == 1:
        return values
    return (values.astype(np.float64, copy=False) - column.shift) / column.scale


def positions(column: CategoricalColumn, raw: Numbers | Categories, rows: np.ndarray) -> np.ndarray:
    """Return the index of the feature that is 1 in each row (n,), or -1 for none."""
    categories = as_categories(raw)
    missing = categories.missing
    names = list(categories.names)
    if column.fill is None:
        if missing.any():
            raise DataError(_unfilled(column.name, rows[missing.argmax()]))
        names.append(MISSING)
    else:
        names.append(column.fill)
    return column.positions(names)[categories.codes]  # code -1, a missing value, is the last


def _unfilled(name: str, row: int) -> str:
    return (
        f'row {row}, column "{name}": a missing value, for which the model has no replacement; '
        "fill "
        "it in, or train with data.impute set to mean, median, most_frequent or zero"
    )


def as_numbers(name: str, column: Numbers | Categories, rows: np.ndarray) -> Numbers:
    """Return a column as numbers; categories must have numbers as names.

    Parameters
    ----------
    name : str
        The column's name.
    column : Numbers or Categories
    rows : ndarray of shape (n,)
        The number of each row in its file.

    Returns
    -------
    Numbers
        The values, NaN where one is missing.

    Raises
    ------
    DataError
        If there is other text; the message names the first row with it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.preprocessing import as_numbers
    >>> from fastclf.table import Categories
    >>> column = Categories(np.array([1, 0, -1], np.int32), ("2.5", "10"))
    >>> as_numbers("age", column, rows=np.arange(1, 4)).values.tolist()
    [10.0, 2.5, nan]
    """
    if isinstance(column, Numbers):
        return column
    values = np.array([number_of(text) for text in column.names] + [np.nan])
    _refuse(name, column, np.isnan(values[:-1]), rows, "a number")
    return Numbers(values[column.codes])


def as_dates(name: str, column: Numbers | Categories, rows: np.ndarray) -> np.ndarray:
    """Return the parts of a column of dates (n, 5), in the order of `fastclf.dates.PARTS`.

    Parameters
    ----------
    name : str
        The column's name.
    column : Numbers or Categories
        Dates as text; all parts of a missing date are NaN.
    rows : ndarray of shape (n,)
        The number of each row in its file.

    Returns
    -------
    ndarray of shape (n, 5)
        The year, the month, the day of the week, the hour and the days since 1970.

    Raises
    ------
    DataError
        If there is other text; the message names the first row with it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.dates import PARTS
    >>> from fastclf.preprocessing import as_dates
    >>> from fastclf.table import Categories
    >>> column = Categories(np.array([0], np.int32), ("2024-02-29",))
    >>> values = as_dates("joined", column, rows=np.array([1]))
    >>> [f"{part}: {value:.0f}" for part, value in zip(PARTS, values[0], strict=True)]
    ['year: 2024', 'month: 2', 'weekday: 3', 'hour: 0', 'days: 19782']
    """
    texts = as_categories(column)
    values = date_parts([*texts.names, ""])
    wrong = np.isnan(values[:-1, 0])
    _refuse(
        name, texts, wrong, rows, "a date, such as 2024-02-29, 29.02.2024 or 2024-02-29T12:30:00"
    )
    return values[texts.codes]


def _refuse(name: str, column: Categories, wrong: np.ndarray, rows: np.ndarray, kind: str) -> None:
    """Refuse a column if a row has a category that the mask ``wrong`` marks."""
    if not wrong.any():
        return
    in_rows = np.append(wrong, False)[column.codes]  # code -1, a missing value, is the last
    if in_rows.any():
        row = int(in_rows.argmax())
        text = quoted(column.names[column.codes[row]])
        raise DataError(f'row {rows[row]}, column "{name}": {text} is not {kind}; correct it')

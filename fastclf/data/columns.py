"""Fitting an encoder on training rows by scikit-learn's transformers, whose numbers are kept.

- A missing number is replaced by the mean, median or most frequent value of its column, or by 0.
- Missing categories form a category of their own; with "most_frequent" they are replaced by the
  most frequent category.
- Dates become one number for each of their parts, which are imputed and scaled like numbers.
- Raw text becomes TF-IDF features, as `fastclf.data.text_vocabulary` describes.
- Numbers are scaled as `fastclf.data.scaling` describes; categories are not scaled.
- The features are a CSR matrix if there are many of them and most are 0, or if there is raw text.
"""

import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from fastclf.data.scaling import comparable, fit_scaling
from fastclf.data.text_vocabulary import DEFAULTS, TextOptions, fit_text
from fastclf.dates import HOUR, PARTS, is_date
from fastclf.errors import DataError
from fastclf.preprocessing import (
    MISSING,
    CategoricalColumn,
    ColumnEncoding,
    DateColumn,
    Encoder,
    NumericColumn,
    TextColumn,
    as_dates,
)
from fastclf.table import Categories, Numbers, Table

SPARSE_FROM = 500  # least number of features of a CSR matrix; smaller dense ones are fitted faster
SPARSE_BELOW = 0.2  # largest share of non-zero features in a CSR matrix

MANY_DATES = 20  # number of categories that are dates above which there is a warning

_MIN_COLUMNS = 64  # least number of columns that are fitted at a time
_BLOCK_VALUES = 1 << 18  # number of values that are fitted at a time, if columns are short


def fit_encoder(
    table: Table,
    *,
    scale: str = "auto",
    impute: str = "mean",
    min_frequency: int | float = 1,
    dtype: str = "float64",
    dates: Collection[str] = (),
    text: Collection[str] = (),
    text_options: TextOptions = DEFAULTS,
) -> Encoder:
    """Return the encoder of the training rows ``table``.

    Parameters
    ----------
    table : Table
        The training rows, without test rows.
    scale : {"auto", "standard", "minmax", "none"}
        How numeric columns are scaled.
    impute : {"mean", "median", "most_frequent", "zero", "none"}
        How missing values are replaced; "none" makes them an error.
    min_frequency : int or float
        Categories with fewer rows, or a smaller share of the rows, are grouped into one feature.
    dtype : {"float32", "float64"}
        The dtype of the features.
    dates : collection of str
        Columns of dates whose parts become features; the hour does if any date has a time.
    text : collection of str
        Columns of raw text, whose words become features.
    text_options : TextOptions
        How they do.

    Returns
    -------
    Encoder
        Plain data, which a model file stores.

    Raises
    ------
    DataError
        If a value is infinite, or too large to be scaled, or a column of raw text has no words.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.data.columns import fit_encoder
    >>> from fastclf.table import Categories, Numbers, Table
    >>> age = Numbers(np.array([20.0, 30.0, np.nan, 40.0]))
    >>> city = Categories(np.array([0, 0, 1, 2], np.int32), ("Bonn", "Oslo", "Rome"))
    >>> encoder = fit_encoder(Table({"age": age, "city": city}), scale="none", min_frequency=2)
    >>> encoder.feature_names, encoder.columns[0].fill
    (('age', 'city=Bonn', 'city=(other)'), 30.0)
    """
    encoded: dict[str, ColumnEncoding] = {
        name: _categorical(name, column, impute, min_frequency)
        for name, column in table.columns.items()
        if isinstance(column, Categories) and name not in {*dates, *text}
    }
    encoded |= {name: fit_text(name, table.columns[name], text_options) for name in text}
    parts = {name: _parts(name, table) for name in dates}
    numbers = {
        name: column
        for name, column in table.columns.items()
        if isinstance(column, Numbers) and name not in text
    }
    for name, found in parts.items():
        check_part_names(name, found, table.names)
        numbers |= {f"{name}.{part}": column for part, column in found.items()}
    numeric = _numeric(Table(numbers, table.rows), scale, impute)
    columns: tuple[ColumnEncoding, ...] = tuple(
        date_column(name, list(parts[name]), numeric)
        if name in parts
        else numeric.get(name) or encoded[name]
        for name in table.names
    )
    return encoder_of(columns, dtype)


def encoder_of(columns: tuple[ColumnEncoding, ...], dtype: str) -> Encoder:
    """Return the encoder of fitted columns.

    Its features are a CSR matrix if most are 0, or if there is a column of raw text.
    """
    d = sum(column.width for column in columns)
    has_text = any(isinstance(column, TextColumn) for column in columns)
    is_sparse = has_text or (d >= SPARSE_FROM and len(columns) < SPARSE_BELOW * d)
    return Encoder(columns, dtype, is_sparse)


def date_columns(table: Table) -> list[str]:
    """Return the names of the columns of text in which every value is a date.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.data.columns import date_columns
    >>> from fastclf.table import Categories, Table
    >>> codes = np.array([0, 1], np.int32)
    >>> day, other = (Categories(codes, ("2024-02-29", last)) for last in ("2024-03-01", "never"))
    >>> date_columns(Table({"day": day, "other": other}))
    ['day']
    """
    return [
        name
        for name, column in table.columns.items()
        if isinstance(column, Categories) and column.names and all(map(is_date, column.names))
    ]


def encoder_warnings(encoder: Encoder) -> Iterator[str]:
    """Yield a warning, with the remedy, for each column whose categories say little.

    These are columns of many dates, and columns that have rare categories only.
    """
    for column in encoder.columns:
        if not isinstance(column, CategoricalColumn):
            continue
        if column.other and not {*column.categories} - {MISSING}:
            yield (
                f'column "{column.name}": all of its categories are rare, so they are one feature, '
                "which carries no information; lower data.min_frequency, leave the column out with "
                "data.drop, or write dates as 2024-02-29"
            )
        if len(column.categories) > MANY_DATES:
            if all(is_date(name) for name in column.categories if name != MISSING):
                yield (
                    f'column "{column.name}": each of {len(column.categories):,} dates becomes a '
                    'category, which says nothing about other dates; set data.dates to "parts" to '
                    "make numbers of them, such as the year"
                )


def warn_of_categories(preparation: object) -> None:
    """Issue the warnings of :func:`encoder_warnings`, if ``preparation`` is an encoder."""
    for line in encoder_warnings(preparation) if isinstance(preparation, Encoder) else ():
        warnings.warn(line, stacklevel=2)


def check_part_names(name: str, parts: Iterable[str], others: Collection[str]) -> None:
    """Refuse a column whose name equals that of a part of the dates in column ``name``."""
    for part in parts:
        if f"{name}.{part}" in others:
            raise DataError(
                f'column "{name}.{part}" is named like a part of the dates in "{name}"; rename one'
            )


def date_column(
    name: str, parts: Sequence[str], numeric: Mapping[str, NumericColumn]
) -> DateColumn:
    """Return a column of dates from its fitted parts, which ``numeric`` holds as ``name.part``."""
    return DateColumn(name, tuple(replace(numeric[f"{name}.{p}"], name=p) for p in parts))


def _parts(name: str, table: Table) -> dict[str, Numbers]:
    """Return the parts of a column of dates, by name."""
    column = table.columns[name]
    assert isinstance(column, Categories)  # dates are read as categories
    values = as_dates(name, column, table.rows)
    timed = (values[:, HOUR] > 0).any()
    return {part: Numbers(values[:, i]) for i, part in enumerate(PARTS) if timed or part != "hour"}


def _numeric(table: Table, scale: str, impute: str) -> dict[str, NumericColumn]:
    """Fit all numeric columns of a table; return them by name."""
    names = [name for name, column in table.columns.items() if isinstance(column, Numbers)]
    fitted: dict[str, NumericColumn] = {}
    alike = True
    size = max(_MIN_COLUMNS, _BLOCK_VALUES // max(table.n_rows, 1))
    for start in range(0, len(names), size):
        block = names[start : start + size]
        X = np.stack([_finite(name, table) for name in block], axis=1)
        if impute == "none":
            fill: list[float | None] = [None] * len(block)
        else:
            imputer = _imputer(impute).fit(X)
            fill = [float(value) for value in imputer.statistics_]
            X = imputer.transform(X)
        scaling = fit_scaling(X, "standard" if scale == "auto" else scale, block)
        alike = alike and scaling is not None and comparable(scaling)
        shifts = np.zeros(len(block)) if scaling is None else scaling.shift
        scales = np.ones(len(block)) if scaling is None else scaling.scale
        for name, *values in zip(block, fill, shifts.tolist(), scales.tolist(), strict=True):
            fitted[name] = NumericColumn(name, *values)
    if scale == "auto" and alike:
        return {name: replace(column, shift=0.0, scale=1.0) for name, column in fitted.items()}
    return fitted


def _finite(name: str, table: Table) -> np.ndarray:
    column = table.columns[name]
    assert isinstance(column, Numbers)
    infinite = np.isinf(column.values)
    if infinite.any():
        row = table.rows[infinite.argmax()]
        raise DataError(f'row {row}, column "{name}": an infinite number; correct it')
    return column.values.astype(np.float64)


def _imputer(impute: str) -> SimpleImputer:
    if impute == "zero":
        return SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    return SimpleImputer(strategy=impute, keep_empty_features=True)


def _categorical(
    name: str, column: Categories, impute: str, min_frequency: int | float
) -> CategoricalColumn:
    codes, missing = column.codes, column.missing
    names = [*column.names, MISSING]
    fill: str | None = MISSING
    if impute == "none":
        fill = None
    elif impute == "most_frequent" and not missing.all():
        frequent = int(np.bincount(codes[~missing]).argmax())
        fill, codes = names[frequent], np.where(missing, frequent, codes)
    codes = np.where(codes < 0, len(names) - 1, codes)
    if fill is None:
        codes = codes[~missing]
    if not codes.size:
        return CategoricalColumn(name, (), fill=fill)
    one_hot = OneHotEncoder(
        min_frequency=min_frequency, handle_unknown="infrequent_if_exist", dtype=np.float64
    ).fit(codes[:, None])
    rare = one_hot.infrequent_categories_[0]
    rare_codes = set() if rare is None else set(rare.tolist())
    kept = tuple(names[code] for code in one_hot.categories_[0].tolist() if code not in rare_codes)
    return CategoricalColumn(name, kept, other=bool(rare_codes), fill=fill)

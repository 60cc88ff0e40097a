"""Fitting an encoder: scikit-learn's transformers on the training rows, their numbers kept as data.

- A missing number is taken for its column's mean, median or most frequent value, or for 0.
- A missing category is a category of its own, or with "most_frequent" the most frequent one.
- Numbers are scaled as `fastclf.data.scaling` says, categories are not.
- The features are a CSR matrix where there are many of them, most 0.
"""

from dataclasses import replace

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from fastclf.data.scaling import comparable, fit_scaling
from fastclf.errors import DataError
from fastclf.preprocessing import MISSING, CategoricalColumn, Encoder, NumericColumn
from fastclf.table import Categories, Numbers, Table

SPARSE_FROM = 500  # features; below, dense matrices are small and fitted sooner
SPARSE_BELOW = 0.2  # of the features are not 0

_BLOCK = 64  # columns that are fitted at a time


def fit_encoder(
    table: Table,
    *,
    scale: str = "auto",
    impute: str = "mean",
    min_frequency: int | float = 1,
    dtype: str = "float64",
) -> Encoder:
    """Return the encoder of the training rows ``table``.

    Parameters
    ----------
    table : Table
        The training rows, and only they.
    scale : {"auto", "standard", "minmax", "none"}
        How numeric columns are scaled.
    impute : {"mean", "median", "most_frequent", "zero", "none"}
        What a missing value is taken for; "none" makes it an error.
    min_frequency : int or float
        Categories in fewer rows, or in a smaller part of them, are one feature together.
    dtype : {"float32", "float64"}
        In what precision the features are.

    Raises
    ------
    DataError
        If a value is missing or infinite that must not be.

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
    encoded = {
        name: _categorical(name, column, impute, min_frequency)
        for name, column in table.columns.items()
        if isinstance(column, Categories)
    }
    numeric = _numeric(table, scale, impute)
    columns = tuple(numeric.get(name) or encoded[name] for name in table.names)
    d = sum(len(column.feature_names) for column in columns)
    return Encoder(columns, dtype, d >= SPARSE_FROM and len(columns) < SPARSE_BELOW * d)


def _numeric(table: Table, scale: str, impute: str) -> dict[str, NumericColumn]:
    """Return the numeric columns by name."""
    names = [name for name, column in table.columns.items() if isinstance(column, Numbers)]
    fitted: dict[str, NumericColumn] = {}
    alike = True
    for start in range(0, len(names), _BLOCK):
        block = names[start : start + _BLOCK]
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
    names = [*column.names, MISSING]  # a code of -1 is the last
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
    found = one_hot.categories_[0].tolist()
    few = set() if rare is None else set(rare.tolist())
    kept = tuple(names[code] for code in found if code not in few)
    return CategoricalColumn(name, kept, other=bool(few), fill=fill)

"""A fitted `Encoder` as a fitted `ColumnTransformer` of scikit-learn.

Scikit-learn compares categories as they are, where fastclf matches names. So each way to write a
category has a feature of its own here, and the coefficients of the category. The group of all other
categories has no feature: with o its coefficient, features of kept categories have ``w - o``, and
the intercept ``b + o``, which gives equal logits. Raw text is counted and weighted by a
`TfidfVectorizer`, which reads NA, here a missing value, as a word.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from fastclf.dates import is_date
from fastclf.errors import InputError
from fastclf.linear_model import LinearModel
from fastclf.preprocessing import MISSING, CategoricalColumn, Encoder, NumericColumn
from fastclf.table import NULLS, category_names, number_of, quoted
from fastclf.text_features import TextColumn

_BOOLEANS = ("true", "True", "TRUE", "1", "1.0", "false", "False", "FALSE", "0", "0.0")
"""The usual ways to write a boolean; `CategoricalColumn.positions` decides whether they match."""


def without_encoder(model: LinearModel, text_only: bool) -> tuple[ColumnTransformer, LinearModel]:
    """Return the encoder of a model, fitted, and the model of the features that it makes.

    Parameters
    ----------
    model : LinearModel
        It has an encoder.
    text_only : bool
        Whether all categories come as text, where "" is a missing value. Otherwise they may also be
        numbers, booleans, None, NaN and ``pandas.NA``, which further steps turn into text.

    Raises
    ------
    InputError
        If scikit-learn's classes can't do what the encoder does, or pandas isn't installed.
    """
    assert model.encoder is not None
    try:
        import pandas
    except ImportError:
        raise InputError(
            "a model of named columns becomes a ColumnTransformer, which takes frames of pandas; "
            "install it: pip install pandas"
        ) from None
    theta = model.theta.astype(np.float64)
    intercept = theta[-1].copy()
    filled, plain, categorical = _Numbers(), _Numbers(), _Categories()
    texts: list[tuple[TextColumn, np.ndarray]] = []
    start = 0
    for column in model.encoder.columns:
        own = theta[start : start + column.width]
        start += column.width
        if isinstance(column, NumericColumn):
            (plain if column.fill is None else filled).add(column, own[0])
        elif isinstance(column, CategoricalColumn):
            if column.other:
                intercept += own[-1]
                own = own[:-1] - own[-1]
            categorical.add(column, own, _spellings(column))
        elif isinstance(column, TextColumn):
            texts.append((column, own))
        else:
            raise InputError(
                f"column {quoted(column.name)}: no class of scikit-learn computes the parts of "
                "dates; compute them yourself, or train without the column"
            )
    parts: list[tuple[str, Any, list[str] | str]] = []
    scale = ("scale", StandardScaler())
    if filled.row:
        impute = ("impute", SimpleImputer(strategy="median"))
        parts.append(("numbers", Pipeline([impute, scale]), list(filled.row)))
    if plain.row:
        parts.append(("numbers without gaps", Pipeline([scale]), list(plain.row)))
    if categorical.row:
        one_hot = _one_hot(categorical.spellings, text_only, model.encoder, pandas.NA)
        parts.append(("categories", one_hot, list(categorical.row)))
    for text, _ in texts:
        words = text.vectorizer()
        if text_only:
            parts.append((f"text of {text.name}", words, text.name))
        else:
            steps = [*_text_steps(pandas.NA), ("flat", _function(np.ravel)), ("words", words)]
            parts.append((f"text of {text.name}", Pipeline(steps), [text.name]))
    if not parts:
        raise InputError(
            "this model has no features, so there is nothing to export; train with other columns"
        )
    transformer = ColumnTransformer(parts, sparse_threshold=1.0 if model.encoder.sparse else 0.0)
    of_text = {text.name: np.array(text.vocabulary[:1], object) for text, _ in texts}
    transformer.fit(pandas.DataFrame(filled.row | plain.row | categorical.row | of_text))
    for text, _ in texts:
        fitted = transformer.named_transformers_[f"text of {text.name}"]
        (fitted if text_only else fitted[-1]).idf_ = np.array(text.idf)
    for name, numbers in (("numbers", filled), ("numbers without gaps", plain)):
        if numbers.row:
            scaler = transformer.named_transformers_[name][-1]
            scaler.mean_, scaler.scale_ = np.array(numbers.shifts), np.array(numbers.scales)
            scaler.var_ = scaler.scale_**2
    of_terms = [row for _, own in texts for row in own]
    of_columns = *filled.coefficients, *plain.coefficients, *categorical.coefficients
    rows = [*of_columns, *of_terms, intercept]
    return transformer, replace(model, theta=np.stack(rows), encoder=None, feature_names=None)


class _Numbers:
    """Numeric columns, with a row that fits their imputer: the median of one value is that value.

    ``coefficients`` has an entry for each feature.
    """

    def __init__(self) -> None:
        self.row: dict[str, list[float]] = {}
        self.shifts: list[float] = []
        self.scales: list[float] = []
        self.coefficients: list[np.ndarray] = []

    def add(self, column: NumericColumn, coefficients: np.ndarray) -> None:
        self.row[column.name] = [0.0 if column.fill is None else float(column.fill)]
        self.shifts.append(column.shift)
        self.scales.append(column.scale)
        self.coefficients.append(coefficients)


class _Categories:
    """Columns of categories, with a row that fits their encoder: the first category of each."""

    def __init__(self) -> None:
        self.row: dict[str, np.ndarray] = {}
        self.spellings: list[np.ndarray] = []
        self.coefficients: list[np.ndarray] = []

    def add(
        self, column: CategoricalColumn, coefficients: np.ndarray, found: dict[str, int]
    ) -> None:
        if found:  # else no value of the column has a feature
            spellings = np.empty(len(found), dtype=object)
            spellings[:] = list(found)
            self.row[column.name] = spellings[:1]
            self.spellings.append(spellings)
            self.coefficients += [coefficients[position] for position in found.values()]


def _one_hot(spellings: list[np.ndarray], text_only: bool, encoder: Encoder, na: Any) -> Any:
    one_hot = OneHotEncoder(
        categories=spellings,
        handle_unknown="ignore",
        sparse_output=encoder.sparse,
        dtype=np.dtype(encoder.dtype).type,
    )
    if text_only:
        return one_hot
    return Pipeline([*_text_steps(na), ("one hot", one_hot)])


def _text_steps(na: Any) -> list[tuple[str, Any]]:
    """Return steps that turn columns of any values into text, a missing value into ""."""
    impute = SimpleImputer(missing_values=na, strategy="constant", fill_value="")
    as_objects, as_text = (_function(np.asarray, dtype=kind) for kind in (object, str))
    return [("as objects", as_objects), ("impute", impute), ("as text", as_text)]


def _function(function: Any, **arguments: Any) -> FunctionTransformer:
    return FunctionTransformer(function, kw_args=arguments, feature_names_out="one-to-one")


def _spellings(column: CategoricalColumn) -> dict[str, int]:
    """Return the text that may stand for each kept category in a column, with its index."""
    known = [name for name in column.categories if name != MISSING]
    if known and all(map(is_date, known)):
        raise InputError(
            f"column {quoted(column.name)}: its categories are dates, which may be written in "
            "several ways, and scikit-learn compares text as it is; train without the column"
        )
    texts = list(dict.fromkeys([*column.categories, *_BOOLEANS]))
    places = zip(texts, _positions(column, texts), strict=True)
    found = {text: position for text, position in places if position >= 0}
    for name in known:
        number = number_of(name)
        if math.isfinite(number) and category_names(np.array([number])) == [name]:
            found.setdefault(str(number), found[name])  # 3.0 is the category 3
    if column.fill is not None:
        nulls = (text for text in NULLS if text not in column.categories)
        missing = _positions(column, [column.fill])[0]
        found |= {} if missing < 0 else dict.fromkeys(nulls, missing)
    return found


def _positions(column: CategoricalColumn, names: list[str]) -> list[int]:
    """Return the index of the kept category that matches each name, or -1."""
    found = column.positions(names)
    return np.where(found < len(column.categories), found, -1).tolist()

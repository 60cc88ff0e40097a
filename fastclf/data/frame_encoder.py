"""`FrameEncoder`: encodes the columns of frames, as a transformer for pipelines."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fastclf.data.columns import date_columns, fit_encoder, warn_of_categories
from fastclf.data.frames import names_of, to_table
from fastclf.errors import DataError, InputError
from fastclf.table import Lists, check_columns

_CHOICES = {
    "scale": ("auto", "standard", "minmax", "none"),
    "impute": ("mean", "median", "most_frequent", "zero", "none"),
    "dates": ("parts", "categories"),
    "dtype": ("float64", "float32"),
}


class FrameEncoder(TransformerMixin, BaseEstimator):
    """Encodes the columns of a frame as the features of a linear model.

    Numbers are imputed and scaled. Text, categorical and boolean columns become a feature of 0 or 1
    for each category. Dates become numbers of year, month, weekday, hour and days since 1970. The
    features are those of ``fastclf train`` on a file with the same columns.

    A category that was not in the training rows belongs to the group of rare ones, if
    ``min_frequency`` made such a group; otherwise all features of its column are 0. Columns are
    found by name, in any order, and other columns are ignored.

    Parameters
    ----------
    categorical : sequence of str
        Columns that are categories even if they hold numbers.
    text : sequence of str
        Columns of raw text, such as messages, whose words become TF-IDF features.
    scale : {"auto", "standard", "minmax", "none"}
        How numbers are scaled; "auto" leaves them as they are if they are of comparable size.
    impute : {"mean", "median", "most_frequent", "zero", "none"}
        How missing numbers are replaced; "none" makes missing values an error. Missing categories
        are a category of their own; with "most_frequent" they are replaced, too.
    min_frequency : int or float
        Categories with fewer rows, or a smaller share of the rows, are grouped into one feature.
    dates : {"parts", "categories"}
        Whether dates become numbers or categories.
    dtype : {"float64", "float32"}
        The dtype of the features.

    Attributes
    ----------
    encoder_ : fastclf.preprocessing.Encoder
        The fitted encoding, as plain data.
    feature_names_in_ : ndarray of str
        The columns of the training rows.
    n_features_in_ : int
        Their number.

    Examples
    --------
    >>> import fastclf
    >>> import pandas as pd
    >>> from fastclf.data import FrameEncoder
    >>> from sklearn.pipeline import make_pipeline
    >>> frame = pd.DataFrame({
    ...     "age": [31, None, 45, 52, 23, 38],
    ...     "work": pd.Categorical(["farmer", "clerk", "clerk", None, "farmer", "clerk"]),
    ...     "member": [True, False, True, True, False, False],
    ...     "joined": pd.to_datetime(["2024-02-29", "2023-01-01", "2022-05-06"] * 2),
    ... })
    >>> clf = make_pipeline(FrameEncoder(), fastclf.LogisticRegression())
    >>> clf = clf.fit(frame, ["yes", "no", "yes", "yes", "no", "no"])
    >>> clf.predict(pd.DataFrame({
    ...     "age": [50, 20], "work": ["clerk", "pilot"], "member": [True, False],
    ...     "joined": ["2022-05-07", "2024-03-01"],
    ... })).tolist()
    ['yes', 'no']
    >>> clf[0].get_feature_names_out().tolist()[:6]
    ['age', 'work=clerk', 'work=farmer', 'work=(missing)', 'member=false', 'member=true']
    """

    def __init__(
        self,
        *,
        categorical: Sequence[str] = (),
        text: Sequence[str] = (),
        scale: str = "auto",
        impute: str = "mean",
        min_frequency: int | float = 1,
        dates: str = "parts",
        dtype: str = "float64",
    ) -> None:
        self.categorical = categorical
        self.text = text
        self.scale = scale
        self.impute = impute
        self.min_frequency = min_frequency
        self.dates = dates
        self.dtype = dtype

    def fit(self, X: Any, y: Any = None) -> "FrameEncoder":
        """Fit the encoding to training rows.

        Parameters
        ----------
        X : DataFrame of pandas or polars, pyarrow Table or RecordBatch, or dict of columns
            n rows.
        y : object
            Ignored.

        Returns
        -------
        FrameEncoder
            Itself.

        Raises
        ------
        InputError
            If a parameter has an invalid value.
        DataError
            If X has no named columns, or a column can't be encoded.
        """
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )
        names = names_of(X)
        if names is None:
            raise DataError(
                f"FrameEncoder needs named columns, such as those of a DataFrame, got "
                f"{type(X).__name__}; give a frame, or leave the encoder out for numbers"
            )
        for key in ("categorical", "text"):
            if isinstance(getattr(self, key), str):
                raise InputError(f"{key} must be a list of columns, got {getattr(self, key)!r}")
            check_columns(getattr(self, key), names)
        table = to_table(X, names, dict.fromkeys((*self.categorical, *self.text), ()))
        for name, column in table.columns.items():
            if isinstance(column, Lists):
                raise DataError(f'column "{name}" holds lists; leave it out, or give it as text')
        if not table.n_rows:
            raise DataError("X has no rows")
        found = date_columns(table) if self.dates == "parts" else []
        self.encoder_ = fit_encoder(
            table,
            scale=self.scale,
            impute=self.impute,
            min_frequency=self.min_frequency,
            dtype=self.dtype,
            dates={*found} - {*self.categorical, *self.text},
            text=tuple(self.text),
        )
        warn_of_categories(self.encoder_)
        self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = len(names)
        return self

    def transform(self, X: Any) -> Any:
        """Return the features of rows.

        Parameters
        ----------
        X : as for ``fit``
            n rows; must have the columns of the training rows.

        Returns
        -------
        ndarray or CSR matrix of shape (n, d)
            CSR if there are many features and most are 0, or columns of raw text.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        DataError
            If a column is missing, or a value can't be encoded; rows are counted from 1.
        """
        check_is_fitted(self)
        encoder = self.encoder_
        return encoder.apply(to_table(X, encoder.column_names, encoder.known))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features, such as ``work=clerk``, as an array (d,) of str.

        Parameters
        ----------
        input_features : sequence of str, optional
            Must be the columns of the training rows.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InputError
            If ``input_features`` are other columns.
        """
        check_is_fitted(self)
        if input_features is not None and list(input_features) != self.feature_names_in_.tolist():
            raise InputError(
                f"input_features are {list(input_features)}, but the encoder was fitted to "
                f"{self.feature_names_in_.tolist()}; leave them out"
            )
        return np.array(self.encoder_.feature_names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the encoder takes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.categorical = tags.input_tags.string = tags.input_tags.allow_nan = True
        return tags

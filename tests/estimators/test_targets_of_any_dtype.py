"""Labels, indicators and features of any dtype: the right fit, or one clear error."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from settled import LogisticRegressionCV

from fastclf import (
    DistilledClassifier,
    LogisticRegression,
    MultiLabelLogisticRegression,
    TemperatureScaler,
)
from fastclf import functional as F
from fastclf.errors import InputError
from fastclf.estimators.encoding import encode, plain

X = np.random.default_rng(0).normal(size=(12, 2))
STRINGS = getattr(getattr(np, "dtypes", None), "StringDType", None)  # since NumPy 2
SMALL = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def ends(dtype: str) -> np.ndarray:
    """Return labels as far apart as the dtype allows, and a few that are near."""
    limits = np.iinfo(dtype)
    return np.array([limits.min, limits.max, limits.max - 1] * 4, dtype)


# Integers


@pytest.mark.parametrize("dtype", SMALL)
def test_the_ends_of_every_integer_dtype_are_labels(dtype: str):
    y = ends(dtype)
    low, high = y[:2].tolist()
    expected = LogisticRegression().fit(X, np.array([0, 2, 1] * 4))
    for clf in (
        LogisticRegression(),
        LogisticRegression(class_weight=dict.fromkeys({low, high, high - 1}, 1.0)),
        LogisticRegression(ignore_index=0 if low else 1),
    ):
        clf.fit(X, y)
        assert clf.classes_.dtype == dtype and clf.classes_.tolist() == [low, high - 1, high]
        np.testing.assert_array_equal(clf.coef_, expected.coef_)
        assert clf.score(X, y) == expected.score(X, np.array([0, 2, 1] * 4))
    ignoring = LogisticRegression(ignore_index=high).fit(X, y)
    assert ignoring.classes_.tolist() == [low, high - 1]
    one_label = MultiLabelLogisticRegression().fit(X, y[[0, 1] * 6])
    assert one_label.classes_.tolist() == [low, high]
    parts = LogisticRegression(solver="adam", random_state=0)
    parts.partial_fit(X, y, classes=np.array([high, low, high - 1], dtype))
    assert parts.classes_.tolist() == [low, high - 1, high]


def test_labels_whose_differences_overflow():
    y = np.array([-100, 0, 100] * 4, np.int8)
    for clf in (
        LogisticRegressionCV(Cs=2, cv=2),
        DistilledClassifier(LogisticRegression()),
    ):
        assert clf.fit(X, y).classes_.tolist() == [-100, 0, 100]
        assert 0 <= clf.score(X, y) <= 1
    scaler = TemperatureScaler(LogisticRegression().fit(X, y)).fit(X, y)
    assert scaler.classes_.dtype == np.int8


def test_near_the_end_of_uint64():
    encoded = encode(np.arange(2**64 - 3, 2**64, dtype=np.uint64)[np.arange(30) % 3])
    assert encoded.classes.tolist() == [2**64 - 3, 2**64 - 2, 2**64 - 1]
    assert encode([2**63, 1] * 6).classes.tolist() == [1, 2**63]
    with pytest.raises(
        InputError, match="no 64-bit type can hold all integers of y; give them as text"
    ):
        encode([2**63, -1] * 6)


def test_classes_of_functional_beyond_its_integers():
    z = np.zeros((3, 3))
    y = np.array([0, 2**64 - 100, 1], np.uint64)  # -100 would be ignored
    with pytest.raises(InputError, match="got 18446744073709551516 at row 1"):
        F.cross_entropy(z, y)
    for dtype in SMALL:
        assert F.cross_entropy(z, np.array([0, 2, 1], dtype)) == pytest.approx(np.log(3))
        with pytest.raises(InputError, match="at row 1"):
            F.expected_calibration_error(np.eye(3), np.array([0, np.iinfo(dtype).max, 1], dtype))


# Missing labels


SOME = {
    "objects": np.array([0, 1, None, 1] * 3),
    "text with None": np.array(["a", "b", None, "a"] * 3),
    "a list of text with NaN": ["a", "b", np.nan, "a"] * 3,
    "a list with None": [True, False, None, True] * 3,
    "pandas' boolean": pd.Series([True, False, None, True] * 3, dtype="boolean"),
    "pandas' string": pd.Series(["a", "b", None, "a"] * 3, dtype="string"),
    "pandas' Int64": pd.Series([0, 1, None, 1] * 3, dtype="Int64"),
    "pandas' Int8 in a frame": pd.DataFrame({"y": pd.array([0, 1, None, 1] * 3, dtype="Int8")}),
    "pandas' categories": pd.Series(["a", "b", None, "a"] * 3, dtype="category"),
    "Arrow's in pandas": pd.Series([True, False, None, True] * 3, dtype="bool[pyarrow]"),
    "polars' text": pl.Series(["a", "b", None, "a"] * 3),
    "polars' booleans": pl.Series([True, False, None, True] * 3),
    "Arrow's integers": pa.array([0, 1, None, 1] * 3),
    "floats": np.array([0, 1, np.nan, 1] * 3),
    "infinity": np.array([0, 1, np.inf, 1] * 3),
}
if STRINGS is not None:
    SOME["NumPy's strings"] = np.array(["a", "b", np.nan, "a"] * 3, STRINGS(na_object=np.nan))


@pytest.mark.parametrize("name", SOME)
def test_a_missing_label_is_named_with_its_row(name: str):
    y = SOME[name]
    message = r"y has missing values, the first in row 2 \((None|nan|NaN|<NA>|infinity)\)"
    for clf in (LogisticRegression(), LogisticRegressionCV(cv=2)):
        with pytest.raises(InputError, match=message):
            clf.fit(X, y)
    with pytest.raises(InputError, match=message):
        LogisticRegression().fit(X, np.arange(12) % 2).score(X, y)


@pytest.mark.parametrize(
    "dtype", ["boolean", "Int64", "UInt8", "Float64", "bool[pyarrow]", "int64[pyarrow]"]
)
def test_nullable_columns_without_missing_values(dtype: str):
    clf = LogisticRegression().fit(X, pd.Series([0, 1] * 6).astype(dtype))
    assert clf.classes_.tolist() == [0, 1]
    assert clf.classes_.dtype.kind in "biuf"


def test_missing_indicators_are_labels_of_which_nothing_is_known():
    columns = {"u": [1, 0, None] * 4, "v": [0, 1, 1] * 4}
    known = np.array([[1, 0], [0, 1], [np.nan, 1]] * 4)
    expected = MultiLabelLogisticRegression().fit(X, known)
    for frame in (
        pd.DataFrame({name: pd.array(c, dtype="boolean") for name, c in columns.items()}),
        pd.DataFrame({name: pd.array(c, dtype="Int64") for name, c in columns.items()}),
        pl.DataFrame(columns),
    ):
        clf = MultiLabelLogisticRegression().fit(X, frame)
        np.testing.assert_array_equal(clf.coef_, expected.coef_)


# Other types


def test_labels_that_are_objects_become_what_they_are():
    assert plain(np.array([1, 2], object)).dtype == np.int64
    assert plain(np.array([True, False], object)).dtype == bool
    assert plain(np.array([1.0, 2], object)).dtype == np.float64
    assert plain(np.array(["a", "b"], object)).dtype == object
    assert plain(["a", "bc"]).dtype == np.dtype("<U2")
    if STRINGS is not None:
        assert plain(np.array(["a", "bc"], STRINGS())).dtype == np.dtype("<U2")


@pytest.mark.parametrize(
    "y, message",
    [
        (
            ["a", 1] * 6,
            r"text, such as 'a' in row 0, with 1 of type int in row 1; make all labels text",
        ),
        (pd.to_datetime(["2020-01-01", "2021-01-01"] * 6), "dates or times .datetime64"),
        (np.array([pd.Timestamp("2020-01-01")] * 12, object), "of type Timestamp in row 0"),
        ([2**64, 1] * 6, "give them as text"),
    ],
)
def test_what_is_no_label(y: Any, message: str):
    with pytest.raises(InputError, match=message):
        LogisticRegression().fit(X, y)


ON = np.arange(24).reshape(12, 2) % 3 == 0
FEATURES = {
    "sparse columns of booleans": pd.DataFrame(ON).astype(pd.SparseDtype(bool, False)),
    "sparse columns of integers": pd.DataFrame(ON).astype(pd.SparseDtype(np.int8, 0)),
    "CSR": scipy.sparse.csr_array(ON),
    "CSC": scipy.sparse.csc_array(ON.astype(np.uint64)),
    "COO": scipy.sparse.coo_array(ON),
    "booleans": ON,
    "float16": ON.astype(np.float16),
    "longdouble": ON.astype(np.longdouble),
    "objects": ON.astype(int).astype(object),
    "pandas' booleans": pd.DataFrame(ON).astype("boolean"),
}


@pytest.mark.parametrize("name", FEATURES)
def test_features_of_any_dtype(name: str):
    y = np.arange(12) % 2
    rows = FEATURES[name]
    if isinstance(rows, pd.DataFrame):
        rows.columns = ["a", "b"]
    clf = LogisticRegression().fit(rows, y)
    expected = LogisticRegression().fit(ON.astype(float), y)
    np.testing.assert_allclose(clf.coef_, expected.coef_, atol=1e-4)
    np.testing.assert_allclose(clf.predict_proba(rows), expected.predict_proba(ON), atol=1e-4)


@pytest.mark.parametrize(
    "rows, where",
    [
        (np.zeros((12, 2), "M8[s]"), "X holds"),
        (np.zeros((12, 2), "m8[s]"), "X holds"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"] * 12), "b": 1.0}), 'column "a" of X'),
        (pl.DataFrame({"b": [1.0] * 12, "a": pd.to_datetime(["2020"] * 12)}), 'column "a" of X'),
    ],
)
def test_dates_are_no_features(rows: Any, where: str):
    with pytest.raises(InputError, match=f"{where}.*make numbers of them, such as the year"):
        LogisticRegression().fit(rows, np.arange(12) % 2)

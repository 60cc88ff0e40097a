"""Labels to codes: a short way for integers from a small range, the same as the long one."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastclf import LogisticRegression
from fastclf.errors import InputError
from fastclf.estimators.encoding import Labels, encode

RNG = np.random.default_rng(0)
CODES = RNG.integers(0, 3, 60)
LABELS = {
    "from zero": CODES,
    "from one": CODES + 1,
    "negative": CODES - 100,
    "around zero": CODES - 1,
    "a gap": np.array([0, 1, 5])[CODES],
    "a range that is just small": np.array([0, 7, 119])[CODES],
    "a range that is just large": np.array([0, 7, 120])[CODES],
    "uint8": CODES.astype(np.uint8) + np.uint8(250),
    "uint8 from end to end": np.array([0, 100, 255], np.uint8)[np.resize(CODES, 300)],
    "int8": np.array([-127, 0, -3], np.int8)[np.resize(CODES, 300)],
    "uint64": CODES.astype(np.uint64) + np.uint64(7),
    "huge gaps": np.array([-(2**62), 0, 2**62])[CODES],
    "the ends of int64": np.array([-(2**63), 0, 2**63 - 1])[CODES],
    "near the end of int64": CODES + (np.iinfo(np.int64).max - 2),
    "near the start of int64": CODES + np.iinfo(np.int64).min,
    "int16": CODES.astype(np.int16) * 1000,
    "big endian": CODES.astype(">i4"),
    "bool": CODES > 0,
    "floats": CODES.astype(float) - 1,
    "float32": CODES.astype(np.float32) * 2,
    "strings": np.array(["b", "aa", "c"])[CODES],
    "objects": np.array(["b", "aa", "c"], dtype=object)[CODES],
    "every other": np.repeat(CODES, 2)[::2],
    "read only": np.frombuffer(CODES.tobytes(), CODES.dtype),
    "two rows": np.array([5, 3]),
    "one class": np.full(9, 7),
    "one row": np.array([-4]),
}


def assert_like_unique(y: Any) -> Labels:
    labels = np.asarray(y)
    found, codes = np.unique(labels, return_inverse=True)
    encoded = encode(y)
    assert isinstance(encoded, Labels)
    assert encoded.classes.dtype == found.dtype and np.array_equal(encoded.classes, found)
    assert encoded.codes.dtype == np.intp and np.array_equal(encoded.codes, codes)
    assert np.array_equal(encoded.classes[encoded.codes], labels)
    return encoded


@pytest.mark.parametrize("name", LABELS)
def test_classes_and_codes_are_those_of_unique(name: str):
    before = LABELS[name].copy()
    assert_like_unique(LABELS[name])
    assert np.array_equal(LABELS[name], before)


@pytest.mark.parametrize("name", ["from one", "negative", "huge gaps", "bool", "strings"])
def test_lists_are_arrays(name: str):
    assert_like_unique(LABELS[name].tolist())


@given(
    st.sampled_from(["int8", "uint8", "int32", "int64", "uint32"]),
    st.data(),
    st.integers(1, 60),
)
def test_any_integers(dtype: str, data: Any, n: int):
    limits = np.iinfo(dtype)
    low = data.draw(st.integers(limits.min, limits.max))
    high = data.draw(
        st.integers(low, min(low + data.draw(st.sampled_from([1, n, 2 * n, 2**62])), limits.max))
    )
    y = np.array(data.draw(st.lists(st.integers(low, high), min_size=n, max_size=n)), dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of scikit-learn, at many classes
        assert_like_unique(y)


MANY = "number of unique classes is greater than 50%"


@pytest.mark.parametrize(
    "y",
    [
        np.arange(30),
        np.arange(30) - 50,
        np.arange(30).astype(np.uint8),
        10**9 * np.arange(30),
        np.arange(30).astype(str),
        np.append(np.arange(16), np.zeros(14, int)),
    ],
    ids=["integers", "negative", "uint8", "large gaps", "strings", "just more than half"],
)
def test_more_classes_than_half_the_rows_are_warned_of(y: np.ndarray):
    with pytest.warns(UserWarning, match=MANY) as caught:
        assert_like_unique(y)
    assert len(caught) == 1


def test_half_the_rows_are_not_too_many():
    assert_like_unique(np.arange(30) // 2)


@pytest.mark.parametrize("y", [CODES + 0.5, RNG.normal(size=60)])
def test_continuous_values_are_refused(y: np.ndarray):
    with pytest.raises(ValueError, match="Unknown label type"):
        encode(y)


@pytest.mark.parametrize(
    "name", ["from zero", "negative", "huge gaps", "floats", "strings", "bool"]
)
def test_labels_among_known_classes(name: str):
    y = LABELS[name]
    classes = np.unique(y)
    encoded = encode(y[:7], classes)
    assert encoded.classes is classes and np.array_equal(classes[encoded.codes], y[:7])
    with pytest.raises(InputError, match=r"unknown label .* in row 0"):
        encode(np.append(y[y == classes[0]][:1], y[:3]), classes[1:])


@pytest.mark.parametrize(
    "name", ["from zero", "negative", "uint64", "huge gaps", "bool", "strings"]
)
def test_a_fit_speaks_of_the_labels(name: str):
    y = LABELS[name]
    X = np.eye(3)[CODES][:, :2] + 0.1 * RNG.normal(size=(60, 2))
    clf = LogisticRegression(C=100).fit(X, y)
    assert clf.classes_.dtype == y.dtype and np.array_equal(clf.classes_, np.unique(y))
    assert clf.predict(X).dtype == y.dtype
    assert clf.score(X, y) == 1


@pytest.mark.parametrize("y", [np.full(60, 7), np.full(60, "a"), np.zeros(60, bool)], ids=str)
def test_one_class_is_no_problem_to_fit(y: np.ndarray):
    with pytest.raises(InputError, match="only one class"):
        LogisticRegression().fit(np.eye(60), y)


def test_no_labels_at_all():
    encoded = encode(np.empty(0, int))
    assert encoded.classes.size == encoded.codes.size == 0

"""Targets: which column is one, what it may hold, and what is said where it can't be one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastclf.data.options import FileOptions
from fastclf.data.targets import read_targets, target_columns
from fastclf.errors import DataError
from fastclf.table import Categories, Lists, Numbers, Table

NAMES = ("id", "Label", "size", "p_a", "p_b")


def options(**keys: Any) -> FileOptions:
    return FileOptions.model_validate(keys)


def text(*values: str | None) -> Categories:
    names = tuple(sorted({value for value in values if value is not None}))
    codes = [-1 if value is None else names.index(value) for value in values]
    return Categories(np.array(codes, np.int32), names)


def numbers(*values: float) -> Numbers:
    return Numbers(np.array(values, float))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, ("Label",)),
        ("size", ("size",)),
        (0, ("id",)),
        (-1, ("p_b",)),
        (["p_b", 3], ("p_b", "p_a")),
    ],
)
def test_targets_by_name_index_or_usual_name(target: Any, expected: tuple):
    assert target_columns(NAMES, options(target=target)) == expected


@pytest.mark.parametrize(
    ("names", "target", "said"),
    [
        (("a", "b"), None, "Set data.target to one of a, b"),
        (("y", "label"), None, "Set data.target to one of y, label"),
        (("a;b",), None, "is data.delimiter right?"),
        (NAMES, "lable", 'target: there is no column "lable"'),
        (NAMES, "Lable", "(did you mean Label?)"),
        (NAMES, 5, "target = 5: columns are numbered 0 to 4, and -1 is the last"),
        (NAMES, [-6], "target = -6"),
        (NAMES, ["size", 2], "names a column twice"),
    ],
)
def test_targets_that_are_not_there(names: tuple, target: Any, said: str):
    with pytest.raises(DataError) as refused:
        target_columns(names, options(target=target))
    assert said in str(refused.value)


def test_labels():
    found = read_targets(Table({"y": text("b", "a", "b")}), options())
    assert found.y.tolist() == ["b", "a", "b"]
    assert found.class_names == ("a", "b")
    found = read_targets(Table({"y": numbers(10, 9, 10)}), options())
    assert found.y.dtype == np.int64 and found.y.tolist() == [10, 9, 10]
    assert found.class_names == ("9", "10")
    assert not found.is_soft and found.kept is None


def test_indicators():
    table = Table({"x": numbers(0, 1, 1), "y": text("false", "True", "false")})
    found = read_targets(table, options())
    assert found.y.tolist() == [[0, 0], [1, 1], [1, 0]]
    assert found.class_names == ("x", "y") and not found.is_soft
    one = read_targets(Table({"x": numbers(0, 1)}), options(target_kind="indicators"))
    assert one.y.shape == (2, 1)


def test_distributions():
    table = Table(
        {"a": numbers(0.333, 1, 0), "b": numbers(0.333, 0, 0.2), "c": numbers(0.333, 0, 0.8)}
    )
    found = read_targets(table, options())
    assert found.is_soft and found.class_names == ("a", "b", "c")
    np.testing.assert_allclose(found.y.sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_allclose(found.y[0], 1 / 3)
    one_hot = Table({"a": numbers(0, 1), "b": numbers(1, 0)})
    assert not read_targets(one_hot, options()).is_soft
    assert read_targets(one_hot, options(target_kind="distribution")).is_soft


def test_lists_of_labels():
    column = text("b; a", None, "a;a;", "c")
    found = read_targets(Table({"tags": column}), options(label_separator=";"))
    assert found.class_names == ("a", "b", "c")
    assert found.y.tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 1]]
    single = read_targets(Table({"tags": numbers(3, np.nan, 12)}), options(label_separator=";"))
    assert (single.class_names, single.y.tolist()) == (("12", "3"), [[0, 1], [0, 0], [1, 0]])
    lists = Lists(np.array([0, 2, 2]), np.array([1, 0]), ("x", "y"))
    assert read_targets(Table({"tags": lists}), options()).y.tolist() == [[1, 1], [0, 0]]
    known = read_targets(Table({"tags": lists}), options(), ("z", "y", "x"))
    assert known.y.tolist() == [[0, 1, 1], [0, 0, 0]]
    with pytest.raises(DataError, match='unknown label "x"'):
        read_targets(Table({"tags": lists}), options(), ("z", "y"))


@given(
    st.lists(st.lists(st.sampled_from(["red", "green", "blue ish", "9"])), min_size=1, max_size=20)
)
def test_every_list_comes_back(rows: list[list[str]]):
    column = text(*("|".join(row) or None for row in rows))
    wanted = options(label_separator="|")
    if not any(rows):
        with pytest.raises(DataError, match="no label in any row"):
            read_targets(Table({"tags": column}), wanted)
        return
    found = read_targets(Table({"tags": column}), wanted)
    back = [
        {name for name, on in zip(found.class_names, row, strict=True) if on} for row in found.y
    ]
    assert back == [set(row) for row in rows]


def test_rows_without_a_target():
    table = Table({"y": text("a", None, "b", None)})
    with pytest.raises(
        DataError, match=r"row 2 has no target \(y\), nor have 1 other rows; .*drop"
    ):
        read_targets(table, options())
    found = read_targets(table, options(missing_target="drop"))
    assert found.y.tolist() == ["a", "b"]
    assert found.kept.tolist() == [True, False, True, False]
    with pytest.raises(DataError, match="no row has a target"):
        read_targets(table.take(np.array([1, 3])), options(missing_target="drop"))


@pytest.mark.parametrize(
    ("columns", "keys", "said"),
    [
        ({"y": numbers(1, 0.5)}, {}, 'row 2, column "y": 0.5 can\'t be a class'),
        ({"y": numbers(1, np.inf)}, {}, 'row 2, column "y": inf can\'t be a class'),
        ({"a": numbers(0.5, 0.4), "b": numbers(0.5, 0.4)}, {}, "row 2: the probabilities of a, b"),
        (
            {"a": numbers(2, -1), "b": numbers(-1, 2)},
            {},
            "row 1: probabilities must be finite and not negative; got 2, -1; if they are logits",
        ),
        ({"a": numbers(0, 1), "b": text("x", "y")}, {}, 'column "b" holds text'),
        (
            {"a": numbers(0, 1), "b": numbers(0, 3)},
            {"target_kind": "indicators"},
            'row 2, column "b": indicators are 0, 1 or',
        ),
        ({"a": text("1", "x")}, {"target_kind": "indicators"}, 'row 2, column "a": indicators'),
        ({"a": numbers(1, 1)}, {"target_kind": "distribution"}, "needs a column for each class"),
        ({"a": text("x;y", "x")}, {"target_kind": "label_lists"}, "set data.label_separator"),
        (
            {"a": numbers(0, 1), "b": numbers(0, 1)},
            {"target_kind": "labels"},
            'target_kind = "labels" needs one target column, and there are a, b',
        ),
        (
            {"a": Lists(np.arange(3), np.zeros(2, int), ("x",))},
            {"target_kind": "labels"},
            'column "a" holds lists; set data.target_kind',
        ),
    ],
)
def test_values_that_cannot_be_targets(columns: dict, keys: dict, said: str):
    with pytest.raises(DataError) as refused:
        read_targets(Table(columns), options(**keys))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)

"""What is said of raw columns at a glance."""

import numpy as np
import pytest
import scipy.sparse

from fastclf.data.facts import column_facts, constant_columns, identifiers, placeholder_warnings
from fastclf.table import Categories, Lists, Numbers, Table

N = 30


def numbers(values) -> Numbers:
    return Numbers(np.asarray(values, dtype=np.float64))


def categories(names: list[str]) -> Categories:
    distinct = sorted({name for name in names if name})
    codes = [distinct.index(name) if name else -1 for name in names]
    return Categories(np.array(codes, np.int32), tuple(distinct))


@pytest.mark.parametrize(
    ("name", "column", "text"),
    [
        ("age", numbers([1, 2.5, np.nan, -3]), "numbers from -3 to 2.5, 1 missing"),
        ("age", numbers([np.nan] * 1200), "no numbers, 1,200 missing"),
        ("city", categories(["a", "b", "a", ""]), "2 categories, 1 missing"),
        ("tags", Lists(np.array([0, 2, 2]), np.array([0, 1]), ("x", "y")), "2 labels, 1 missing"),
    ],
)
def test_facts_are_told_in_words(name: str, column, text: str):
    (facts,) = column_facts(Table({name: column}))
    assert str(facts) == text


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("row", numbers(range(N)), True),
        ("customer_id", numbers(np.random.default_rng(0).permutation(N)), True),
        ("customerID", categories([f"c{i}" for i in range(N)]), True),
        ("c0", numbers(np.random.default_rng(0).permutation(N)), True),
        ("Unnamed: 0", numbers(np.random.default_rng(0).permutation(2 * N)[:N]), True),
        ("c0", numbers(np.arange(N) // 2), False),
        ("c0", numbers([*range(N - 1), np.nan]), False),
        ("valid", numbers(np.random.default_rng(0).permutation(N)), False),
        ("income", numbers(np.arange(N) * 1.5), False),
        ("income", numbers(np.arange(N) * 7), False),
        ("city", categories(["a", "b"] * (N // 2)), False),
        ("few_id", numbers(range(5)), False),
    ],
)
def test_identifiers_are_recognised(name: str, column, expected: bool):
    table = Table({name: column})
    (facts,) = column_facts(table)
    assert facts.is_identifier == expected
    assert identifiers(table) == [name] * expected


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (numbers([2, 2, 2]), True),
        (numbers([2, np.nan, 2]), False),
        (numbers([np.nan, np.nan]), True),
        (categories(["a", "a"]), True),
        (categories(["a", ""]), False),
        (categories(["a", "b"]), False),
    ],
)
def test_constant_columns_of_a_table(column, expected: bool):
    (facts,) = column_facts(Table({"x": column}))
    assert facts.is_constant == expected


def test_constant_columns_of_matrices(rng):
    X = rng.integers(0, 3, size=(20, 130)).astype(float)
    X[:, [0, 70, 129]] = [0, 5, 0]
    assert list(constant_columns(X)) == [0, 70, 129]
    assert list(constant_columns(scipy.sparse.csr_array(X))) == [0, 70, 129]


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([*map(str, range(12)), "-", "unknown"], '"-", "unknown"'),
        ([*(f"{i},5" for i in range(12)), "."], '"."'),
        ([*map(str, range(12)), *"abcd"], ""),  # codes
        ([*map(str, range(5)), "-"], ""),
        ([*map(str, range(12)), "007", "-"], ""),
        ([*map(str, range(12)), *["-"] * 20], ""),
        (["2024-01-01", "2024-01-02"], ""),
    ],
)
def test_marks_among_numbers_are_told_of(texts: list[str], told: str):
    table = Table({"x": categories(texts)})
    assert [told in line for line in placeholder_warnings(table)] == [True] * bool(told)
    assert not placeholder_warnings(table, categorical=("x",))

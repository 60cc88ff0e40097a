"""Tables and encoders: against scikit-learn's transformers, on odd columns, and as data."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from fastclf.data import columns as fitting
from fastclf.data import fit_encoder
from fastclf.errors import DataError, InputError
from fastclf.linear_model import LinearModel
from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
from fastclf.table import Categories, Lists, Numbers, Table, as_categories

SCALERS = {"standard": StandardScaler, "minmax": MinMaxScaler}


def categories(values: list[str | None]) -> Categories:
    names = tuple(sorted({value for value in values if value is not None}))
    codes = [-1 if value is None else names.index(value) for value in values]
    return Categories(np.array(codes, np.int32), names)


def frame_of(table: Table) -> pd.DataFrame:
    return pd.DataFrame(
        {
            name: column.values
            if isinstance(column, Numbers)
            else np.array([*column.names, np.nan], dtype=object)[column.codes]
            for name, column in table.columns.items()
        }
    )


def random_table(seed: int, n: int = 80) -> Table:
    rng = np.random.default_rng(seed)
    names = np.array(["a", "b", "c", "d", "e"], dtype=object)
    letters = names[rng.choice(5, n, p=[0.5, 0.3, 0.1, 0.05, 0.05])]
    letters[rng.random(n) < 0.1] = None
    x = rng.normal(100, 30, n)
    x[rng.random(n) < 0.2] = np.nan
    rounded = rng.integers(0, 4, n).astype(float)
    rounded[rng.random(n) < 0.1] = np.nan
    return Table({"x": Numbers(x), "letter": categories(letters.tolist()), "k": Numbers(rounded)})


@pytest.mark.parametrize("impute", ["mean", "median", "most_frequent", "zero"])
@pytest.mark.parametrize("scale", ["standard", "minmax"])
@pytest.mark.parametrize("min_frequency", [1, 7, 0.1])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_encoder_gives_what_scikit_learn_gives(
    impute: str, scale: str, min_frequency: float, seed: int
):
    train, test = random_table(seed), random_table(seed + 10)
    strategy = {"zero": "constant"}.get(impute, impute)
    numeric = make_pipeline(SimpleImputer(strategy=strategy, fill_value=0), SCALERS[scale]())
    text = SimpleImputer(strategy="constant", fill_value="(missing)")
    if impute == "most_frequent":
        text = SimpleImputer(strategy="most_frequent")
    one_hot = OneHotEncoder(
        min_frequency=min_frequency, handle_unknown="infrequent_if_exist", sparse_output=False
    )
    both = ColumnTransformer(
        [("n", numeric, ["x", "k"]), ("c", make_pipeline(text, one_hot), ["letter"])]
    )
    expected_train = both.fit_transform(frame_of(train))
    expected_test = both.transform(frame_of(test))
    encoder = fit_encoder(train, scale=scale, impute=impute, min_frequency=min_frequency)
    names = list(encoder.feature_names)
    order = [names.index("x"), names.index("k")]
    letters = [i for i in range(len(names)) if i not in order]
    # scikit-learn sorts "(missing)" before the letters; here it is the last with a name
    if "letter=(missing)" in names:
        letters = [names.index("letter=(missing)")] + [
            i for i in letters if names[i] != "letter=(missing)"
        ]
    np.testing.assert_allclose(encoder.apply(train)[:, order + letters], expected_train, atol=1e-12)
    np.testing.assert_allclose(encoder.apply(test)[:, order + letters], expected_test, atol=1e-12)


def test_auto_scales_all_numbers_or_none():
    alike = Table({"a": Numbers(np.array([0.0, 1.0])), "b": Numbers(np.array([2.0, 5.0]))})
    assert {column.scale for column in fit_encoder(alike).columns} == {1.0}
    unlike = Table({**alike.columns, "c": Numbers(np.array([0.0, 1e5]))})
    assert all(column.scale != 1.0 for column in fit_encoder(unlike).columns)


def test_blocks_of_columns_do_not_show(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    table = Table({f"x{i}": Numbers(rng.normal(i, 1 + i, 30)) for i in range(7)})
    whole = fit_encoder(table, scale="standard")
    monkeypatch.setattr(fitting, "_MIN_COLUMNS", 3)
    monkeypatch.setattr(fitting, "_BLOCK_VALUES", 1)
    assert fit_encoder(table, scale="standard") == whole


ENCODER = Encoder(
    (
        NumericColumn("age", fill=40.0, shift=40.0, scale=10.0),
        CategoricalColumn("city", ("Bonn", "Rome"), other=True),
        CategoricalColumn("member", ("false", "true"), fill=None),
        NumericColumn("size"),
    )
)
RAW = Table(
    {
        "age": Numbers(np.array([50.0, np.nan, 30.0])),
        "city": categories(["Rome", "Oslo", "Bonn"]),
        "member": categories(["true", "false", "true"]),
        "size": Numbers(np.array([1.0, 2.0, 3.0])),
    }
)
ENCODED = [
    [1.0, 0, 1, 0, 0, 1, 1.0],
    [0.0, 0, 0, 1, 1, 0, 2.0],
    [-1.0, 1, 0, 0, 0, 1, 3.0],
]


def changed(**columns: Any) -> Table:
    return Table({**RAW.columns, **columns})


def test_columns_are_found_by_name():
    assert ENCODER.apply(RAW).tolist() == ENCODED
    shuffled = Table({name: RAW.columns[name] for name in ("size", "member", "city", "age")})
    more = Table({"id": Numbers(np.arange(3.0)), **shuffled.columns})
    assert ENCODER.apply(more).tolist() == ENCODED


def test_sparse_and_dense_features_agree():
    csr = Encoder(ENCODER.columns, "float32", sparse=True).apply(RAW)
    assert scipy.sparse.issparse(csr) and csr.dtype == np.float32
    csr.check_format(full_check=True)
    assert csr.toarray().tolist() == ENCODED
    assert ENCODER.apply(RAW.take(np.array([], int))).shape == (0, 7)


def test_many_rows_in_blocks():
    rows = np.random.default_rng(0).integers(0, 3, 5000)
    assert np.array_equal(ENCODER.apply(RAW.take(rows)), np.array(ENCODED)[rows])


def test_unknown_and_missing_categories():
    plain = Encoder((CategoricalColumn("c", ("a", "b")),))
    assert plain.apply(Table({"c": categories(["z", None, "b"])})).tolist() == [
        [0, 0],
        [0, 0],
        [0, 1],
    ]
    own = Encoder((CategoricalColumn("c", ("a", "(missing)")),))
    assert own.apply(Table({"c": categories([None, "a"])})).tolist() == [[0, 1], [1, 0]]
    filled = Encoder((CategoricalColumn("c", ("a", "b"), fill="b"),))
    assert filled.apply(Table({"c": categories([None])})).tolist() == [[0, 1]]


def test_text_that_is_numbers_and_numbers_that_are_categories():
    sizes = categories(["1", "2.0", "3e0"])
    assert ENCODER.apply(changed(size=sizes)).tolist() == ENCODED
    codes = Encoder((CategoricalColumn("zip", ("7", "8.5")),))
    table = Table({"zip": Numbers(np.array([8.5, 7.0, np.nan]))})
    assert codes.apply(table).tolist() == [[0, 1], [1, 0], [0, 0]]
    assert ENCODER.apply(changed(member=categories(["TRUE", "False", "True"]))).tolist() == ENCODED


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"size": categories(["1", "2", "big"])}, 'row 3, column "size": "big" is not a number'),
        ({"size": Numbers(np.array([1, np.inf, 2]))}, 'row 2, column "size": an infinite number'),
        ({"size": Numbers(np.array([np.nan, 1, 2]))}, 'row 1, column "size": a missing value'),
        (
            {"member": categories(["true", None, "true"])},
            'row 2, column "member": a missing value',
        ),
        ({"size": Lists(np.arange(4), np.zeros(3, int), ("a",))}, 'column "size" holds lists'),
    ],
)
def test_values_that_cannot_be_encoded(columns: dict, said: str):
    with pytest.raises(DataError) as refused:
        ENCODER.apply(changed(**columns))
    assert said in str(refused.value)
    with pytest.raises(DataError, match=r"row 3, ") as refused:  # rows keep their numbers
        rows = np.array([2])
        ENCODER.apply(changed(size=categories(["x", "x", "big"])).take(rows))


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match=r'no column "city" \(did you mean City\?\); there are age'):
        ENCODER.apply(Table({"age": RAW.columns["age"], "City": RAW.columns["city"]}))


def test_columns_of_one_length():
    with pytest.raises(DataError, match=r"differ in length: \[1, 3\]"):
        changed(size=Numbers(np.zeros(1)))


def test_columns_without_any_value():
    table = Table({"n": Numbers(np.full(3, np.nan)), "c": categories([None] * 3)})
    for impute in ("mean", "most_frequent"):
        encoder = fit_encoder(table, impute=impute)
        assert encoder.feature_names == ("n", "c=(missing)")
        assert encoder.apply(table).tolist() == [[0, 1]] * 3


def test_infinite_numbers_are_refused_while_fitting():
    with pytest.raises(DataError, match='row 2, column "x": an infinite number'):
        fit_encoder(Table({"x": Numbers(np.array([0, -np.inf]))}))


def test_many_features_are_sparse():
    names = [f"name {i}" for i in range(600)]
    table = Table({"who": categories(names), "x": Numbers(np.zeros(600))})
    assert fit_encoder(table).sparse
    assert not fit_encoder(table, min_frequency=2).sparse


def test_lists_can_be_taken_by_row():
    lists = Lists(np.array([0, 2, 2, 3]), np.array([0, 1, 1]), ("a", "b"))
    taken = lists.take(np.array([2, 0]))
    assert (taken.offsets.tolist(), taken.codes.tolist()) == ([0, 1, 3], [1, 0, 1])
    assert lists.missing.tolist() == [False, True, False]
    assert len(lists.take(np.array([False] * 3))) == 0


@given(values=st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=1))
def test_numbers_as_categories_keep_what_is_equal(values: list):
    numbers = np.array([np.nan if value is None else value for value in values])
    found = as_categories(Numbers(numbers))
    assert np.array_equal(found.missing, np.isnan(numbers))
    back = [float(found.names[code]) for code in found.codes[~found.missing]]
    assert back == numbers[~found.missing].tolist()
    assert len(set(found.names)) == len(found.names)


# As data


def test_encoders_are_saved_with_the_model(tmp_path):
    model = LinearModel(np.arange(8.0)[:, None], "binary", np.array(["no", "yes"]), encoder=ENCODER)
    model.save(tmp_path / "m")
    loaded = LinearModel.load(tmp_path / "m")
    assert loaded.encoder == ENCODER
    assert np.array_equal(loaded.predict_proba(RAW), model.predict_proba(RAW))
    assert (
        model.decision_function(RAW).tolist() == (np.array(ENCODED) @ np.arange(7.0) + 7).tolist()
    )
    with pytest.raises(InputError, match="city, member are categories"):
        loaded.predict(np.zeros((2, 4)))


def test_a_matrix_stands_for_numeric_columns():
    encoder = Encoder((NumericColumn("a", shift=1.0), NumericColumn("b", fill=5.0)))
    model = LinearModel(np.ones((3, 1)), "binary", np.arange(2), encoder=encoder)
    assert model.decision_function(np.array([[1.0, np.nan]])).tolist() == [6.0]
    with pytest.raises(InputError, match=r"\(n, 2\)"):
        model.decision_function(np.zeros((1, 3)))


def test_a_model_without_encoder_takes_tables_by_its_names():
    model = LinearModel(
        np.array([[1.0], [10.0], [0.0]]), "binary", np.arange(2), feature_names=("a", "b")
    )
    table = Table({"b": Numbers(np.array([1.0])), "a": Numbers(np.array([2.0]))})
    assert model.decision_function(table).tolist() == [12.0]
    nameless = LinearModel(model.theta, "binary", np.arange(2))
    with pytest.raises(InputError, match="no feature names"):
        nameless.predict(table)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, values: arrays.pop("encoder.fill"),
        lambda arrays, values: arrays.update({"encoder.scale": np.zeros(2)}),
        lambda arrays, values: arrays.update({"encoder.shift": np.full(2, np.nan)}),
        lambda arrays, values: arrays.update({"encoder.shift": np.zeros(3)}),
        lambda arrays, values: arrays.update({"encoder.fill": np.zeros(2, int)}),
        lambda arrays, values: values.update(dtype="object"),
        lambda arrays, values: values.update(columns=3),
        lambda arrays, values: values["columns"].append("x"),
        lambda arrays, values: values["columns"].append({"name": "age"}),
        lambda arrays, values: values["columns"][1].update(name="age"),
        lambda arrays, values: values["columns"][1].update(categories=[1]),
        lambda arrays, values: values["columns"][1].update(categories=["a", "a"]),
        lambda arrays, values: values["columns"][1].update(fill=3),
        lambda arrays, values: values["columns"][1].pop("other"),
    ],
)
def test_hostile_encoders_are_refused(change: Any):
    arrays, values = ENCODER.to_data()
    assert Encoder.from_data(arrays, json.loads(json.dumps(values))) == ENCODER
    change(arrays, values)
    with pytest.raises((ValueError, KeyError, TypeError)):
        Encoder.from_data(arrays, values)

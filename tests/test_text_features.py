"""Raw text as features: against scikit-learn's vectorizer and ColumnTransformer, and as data."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastclf.data import fit_encoder
from fastclf.data.text_vocabulary import TextOptions, fit_text
from fastclf.errors import DataError, InputError, ModelFileError
from fastclf.linear_model import LinearModel
from fastclf.model_file import pack, unpack
from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
from fastclf.table import Categories, Lists, Numbers, Table
from fastclf.text_features import TextColumn

WORDS = "card card lost stolen my the a café naïve 東京 straße ΣΊΣΥΦΟΣ don't 42 x".split()


def texts_of(seed: int, n: int = 60) -> list[str]:
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, rng.integers(0, 9))) for _ in range(n)]
    return [*texts, "Lost CARD!!", "", "   ", "?!"]


def categories(values: list[Any]) -> Categories:
    names = tuple(sorted({value for value in values if value is not None}))
    codes = [-1 if value is None else names.index(value) for value in values]
    return Categories(np.array(codes, np.int32), names)


OPTIONS = {
    "default": TextOptions(),
    "characters": TextOptions(analyzer="char_wb", ngrams=(2, 4)),
    "as written": TextOptions(sublinear=False, lowercase=False, ngrams=(1, 1)),
    "a share of the rows": TextOptions(min_frequency=0.2, ngrams=(1, 3)),
    "few": TextOptions(max_features=5, min_frequency=1),
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("seed", [0, 1])
def test_features_are_those_of_scikit_learn(options: TextOptions, seed: int):
    train, test = texts_of(seed), [*texts_of(seed + 10), "unknown wörds only", "card " * 50]
    column = fit_text("t", categories(train), options)
    vectorizer = TfidfVectorizer(
        analyzer=options.analyzer,
        ngram_range=options.ngrams,
        min_df=options.min_frequency,
        max_features=options.max_features,
        sublinear_tf=options.sublinear,
        lowercase=options.lowercase,
    ).fit(train)
    assert list(column.vocabulary) == vectorizer.get_feature_names_out().tolist()
    for texts in (train, test):
        X = column.features(categories(texts))
        assert isinstance(X, scipy.sparse.csr_array) and X.has_sorted_indices
        expected = vectorizer.transform(texts).toarray()
        np.testing.assert_allclose(X.toarray(), expected, rtol=0, atol=1e-12)
        norms = np.sqrt((X.toarray() ** 2).sum(axis=1))
        np.testing.assert_allclose(norms[norms > 0], 1, atol=1e-12)


def test_the_formula_by_hand():
    column = fit_text("t", categories(["pay card card", "pay", "pay now now"]), TextOptions())
    assert column.vocabulary == ("pay",)  # the other words are in one row each
    column = fit_text(
        "t",
        categories(["pay card card", "pay", "now"]),
        TextOptions(ngrams=(1, 1), min_frequency=1),
    )
    assert column.vocabulary == ("card", "now", "pay")
    idf = np.log(4 / np.array([2, 2, 3])) + 1
    np.testing.assert_allclose(column.idf, idf, rtol=1e-14)
    row = np.array([(1 + np.log(2)) * idf[0], 0, idf[2]])
    X = column.features(categories(["pay card card"])).toarray()
    np.testing.assert_allclose(X[0], row / np.linalg.norm(row), rtol=1e-14)


def test_missing_empty_and_unknown_text_has_no_features():
    column = fit_text("t", categories(["lost card", "lost card", None]))
    texts = categories([None, "", "  ", "?", "nothing known", "Card", "with a card"])
    assert texts.names[-1] == "with a card"  # which the code -1 of a missing value must not find
    X = column.features(texts).toarray()
    assert not X[:5].any()
    assert X[5:].tolist() == [[1.0, 0.0, 0.0]] * 2
    assert column.features(categories([])).shape == (0, 3)


def test_missing_rows_count_as_rows():
    values = ["lost card", "lost card", None, None]
    column = fit_text("t", categories(values), TextOptions(ngrams=(1, 1)))
    np.testing.assert_allclose(column.idf, np.log(5 / 3) + 1)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_text_beside_other_columns_is_a_column_transformer(dtype: str):
    rng = np.random.default_rng(3)
    n = 64
    city = np.array(["Bonn", "Oslo", "Rome"])[rng.integers(0, 3, n)].tolist()
    age, size = rng.normal(40, 9, n), rng.normal(0, 3, n)
    table = Table(
        {
            "age": Numbers(age),
            "first": categories(texts_of(5)),
            "second": categories(texts_of(6)),
            "city": categories(city),
            "size": Numbers(size),
        }
    )
    encoder = fit_encoder(table, scale="standard", dtype=dtype, text=["first", "second"])
    frame = pd.DataFrame(
        {"age": age, "first": texts_of(5), "second": texts_of(6), "city": city, "size": size}
    )
    how = {"ngram_range": (1, 2), "min_df": 2, "sublinear_tf": True}
    by_hand = ColumnTransformer(
        [
            ("age", StandardScaler(), ["age"]),
            ("first", TfidfVectorizer(**how), "first"),
            ("second", TfidfVectorizer(**how), "second"),
            ("city", OneHotEncoder(), ["city"]),
            ("size", StandardScaler(), ["size"]),
        ]
    )
    expected = by_hand.fit_transform(frame)
    X = encoder.apply(table)
    assert encoder.sparse and isinstance(X, scipy.sparse.csr_array) and X.dtype == dtype
    assert X.has_sorted_indices and X.shape == expected.shape
    tolerance = 1e-12 if dtype == "float64" else 1e-6
    dense = expected.toarray() if scipy.sparse.issparse(expected) else expected
    np.testing.assert_allclose(X.toarray(), dense, rtol=tolerance, atol=tolerance)
    assert len(encoder.feature_names) == encoder.n_features == X.shape[1]
    assert encoder.feature_names[1].startswith("first: ") and encoder.text == ("first", "second")
    some = table.take(np.array([5, 1, 5]))
    np.testing.assert_array_equal(encoder.apply(some).toarray(), X.toarray()[[5, 1, 5]])
    assert encoder.apply(table.take(slice(0, 0))).shape == (0, X.shape[1])


def test_numbers_can_be_text():
    table = Table({"code": Numbers(np.array([12.0, 12.0, 34.0]))})
    assert fit_encoder(table, text=["code"]).feature_names == ("code: 12",)


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        (["a b", "c"], TextOptions(), "no word occurs in 2 rows or more"),
        ([None, None], TextOptions(), "no word occurs"),
        (["lost", "card", "x"], TextOptions(min_frequency=0.9), "in 0.9 of the rows"),
        (["", ""], TextOptions(analyzer="char_wb"), "no group of characters"),
    ],
)
def test_text_without_features_is_refused(values: list[Any], options: TextOptions, words: str):
    with pytest.raises(DataError, match='column "t": .*data.text_min_frequency') as refused:
        fit_text("t", categories(values), options)
    assert words in str(refused.value)


def test_lists_are_no_text():
    lists = Lists(np.array([0, 1]), np.array([0]), ("a",))
    with pytest.raises(DataError, match='column "t" holds lists'):
        fit_text("t", lists)
    with pytest.raises(DataError, match='column "t" holds lists'):
        Encoder((TextColumn("t", ("a",), (1.0,)),), sparse=True).apply(Table({"t": lists}))


ENCODER = Encoder(
    (
        NumericColumn("age", 40.0, 40.0, 10.0),
        TextColumn("t", ("card", "lost", "東京"), (1.5, 1.25, 2.0), lowercase=False),
        CategoricalColumn("city", ("Bonn",)),
        TextColumn("u", ("ab", "b "), (1.0, 3.0), "char_wb", (2, 2), sublinear=False),
    ),
    sparse=True,
)
TABLE = Table(
    {
        "age": Numbers(np.array([30.0, np.nan])),
        "t": categories(["lost card", "東京"]),
        "u": categories(["ab", None]),
        "city": categories(["Bonn", "Rome"]),
    }
)


def test_an_encoder_is_plain_data():
    arrays, values = ENCODER.to_data()
    assert arrays["encoder.idf"].tolist() == [1.5, 1.25, 2.0, 1.0, 3.0]
    again = Encoder.from_data(arrays, json.loads(json.dumps(values)))
    assert again == ENCODER
    first, second = ENCODER.apply(TABLE), again.apply(TABLE)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def model() -> LinearModel:
    theta = np.linspace(-1, 1, ENCODER.n_features + 1)[:, None]
    names = ENCODER.feature_names
    return LinearModel(
        theta, "binary", np.array(["no", "yes"]), encoder=ENCODER, feature_names=names
    )


def test_a_model_file_holds_the_vocabulary_once(tmp_path: Path):
    model().save(tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    text = unpack(content)[1]
    assert text["format"] == 4 and text["feature_names"] is None
    again = LinearModel.load(tmp_path / "a.safetensors")
    assert again.encoder == ENCODER and again.feature_names == ENCODER.feature_names
    np.testing.assert_array_equal(again.decision_function(TABLE), model().decision_function(TABLE))
    again.save(tmp_path / "b.safetensors")
    assert (tmp_path / "b.safetensors").read_bytes() == content


def test_other_names_of_features_are_kept(tmp_path: Path):
    named = replace(model(), feature_names=tuple("abcdefg"))
    named.save(tmp_path / "a.safetensors")
    assert LinearModel.load(tmp_path / "a.safetensors").feature_names == tuple("abcdefg")


def test_models_without_text_keep_their_format(tmp_path: Path):
    plain = LinearModel(np.ones((2, 1)), "binary", np.array([0, 1]))
    plain.save(tmp_path / "a.safetensors")
    assert unpack((tmp_path / "a.safetensors").read_bytes())[1]["format"] == 2


def test_a_matrix_is_no_text():
    with pytest.raises(InputError, match="t, city, u are categories, dates or raw text"):
        model().decision_function(np.zeros((1, 4)))


def column(text: dict, number: int = 1) -> dict:
    return text["encoder"]["columns"][number]


DAMAGES: dict[str, Any] = {
    "vocabulary of one text": lambda a, t: column(t).update(vocabulary="abc"),
    "vocabulary of numbers": lambda a, t: column(t).update(vocabulary=[1, 2, 3]),
    "vocabulary of lists": lambda a, t: column(t).update(vocabulary=[["a"], ["b"], ["c"]]),
    "no vocabulary": lambda a, t: column(t).update(vocabulary=[]),
    "vocabulary null": lambda a, t: column(t).update(vocabulary=None),
    "an n-gram twice": lambda a, t: column(t).update(vocabulary=["a", "b", "a"]),
    "an n-gram more": lambda a, t: column(t)["vocabulary"].append("new"),
    "unknown analyzer": lambda a, t: column(t).update(analyzer="os.system"),
    "no analyzer": lambda a, t: column(t).pop("analyzer"),
    "n-grams of a million": lambda a, t: column(t).update(ngrams=[1, 1_000_000]),
    "n-grams backwards": lambda a, t: column(t).update(ngrams=[2, 1]),
    "n-grams of floats": lambda a, t: column(t).update(ngrams=[1.0, 2.0]),
    "n-grams of true": lambda a, t: column(t).update(ngrams=[True, True]),
    "one n-gram": lambda a, t: column(t).update(ngrams=[1]),
    "n-grams a number": lambda a, t: column(t).update(ngrams=2),
    "lowercase as text": lambda a, t: column(t).update(lowercase="yes"),
    "sublinear as a number": lambda a, t: column(t).update(sublinear=1),
    "name a number": lambda a, t: column(t).update(name=7),
    "dense": lambda a, t: t["encoder"].update(sparse=False),
    "no weights": lambda a, t: a.pop("encoder.idf"),
    "a weight less": lambda a, t: a.update({"encoder.idf": a["encoder.idf"][1:].copy()}),
    "weights of integers": lambda a, t: a.update({"encoder.idf": np.ones(5, np.int64)}),
    "weights in a table": lambda a, t: a.update({"encoder.idf": np.ones((5, 1))}),
    "weight 0": lambda a, t: a.update({"encoder.idf": np.zeros(5)}),
    "weight below 0": lambda a, t: a.update({"encoder.idf": -np.ones(5)}),
    "weight NaN": lambda a, t: a.update({"encoder.idf": np.full(5, np.nan)}),
    "weight infinite": lambda a, t: a.update({"encoder.idf": np.full(5, np.inf)}),
    "weight that overflows": lambda a, t: a.update({"encoder.idf": np.full(5, 1e300)}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused(damage: str, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    model().save(path)
    arrays, text, _ = unpack(path.read_bytes())
    arrays, text = dict(arrays), copy.deepcopy(text)
    DAMAGES[damage](arrays, text)
    path.write_bytes(pack(arrays, text))
    with pytest.raises(
        ModelFileError, match="not a model file of fastclf, or a damaged one"
    ) as refused:
        LinearModel.load(path)
    assert "\n" not in str(refused.value)

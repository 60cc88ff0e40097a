"""`FrameEncoder` in pipelines of scikit-learn: frames of pandas and polars, and what it refuses."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import fastclf
from fastclf.config import Recipe
from fastclf.data import FrameEncoder
from fastclf.errors import DataError, InputError
from fastclf.runs.run import train

N = 60
RNG = np.random.default_rng(0)
AGE = RNG.normal(40, 10, N).round(1)
WORK = RNG.choice(["farmer", "clerk", "smith"], N)
FRAME = pd.DataFrame(
    {
        "age": np.where(np.arange(N) % 9, AGE, np.nan),
        "work": pd.Categorical(np.where(np.arange(N) % 7, WORK, None)),
        "city": pd.Series(RNG.choice(["Bonn", "Rome"], N), dtype="string"),
        "member": RNG.random(N) < 0.5,
        "joined": pd.date_range("2024-02-01", periods=N),
        "zone": RNG.integers(1, 4, N),
    },
    index=np.arange(N)[::-1],
)
Y = np.where(AGE + 10 * (WORK == "smith") > 42, "yes", "no")


def test_features_are_those_of_a_run_whatever_the_frame(tmp_path):
    """Frames of all kinds give the features that the same rows in a file give."""
    FRAME.assign(y=Y).to_parquet(tmp_path / "t.parquet", index=False)
    data = {"path": str(tmp_path / "t.parquet"), "target": "y", "dates": "parts", "test_size": 0.0}
    data |= {"categorical": ["zone"], "min_frequency": 2}
    run = train(Recipe.model_validate({"name": "t", "data": data}), tmp_path / "run")
    encoder = FrameEncoder(categorical=["zone"], min_frequency=2)
    X = encoder.fit_transform(FRAME)
    assert encoder.encoder_ == run.model.encoder
    assert encoder.get_feature_names_out().tolist() == list(run.model.encoder.feature_names)
    assert {"work=(missing)", "member=true", "joined.weekday", "zone=2"} < {
        *encoder.get_feature_names_out()
    }
    clf = make_pipeline(encoder, fastclf.LogisticRegression()).fit(FRAME, Y)
    assert (clf.predict(FRAME) == fastclf.load(tmp_path / "run").predict(FRAME)).all()
    arrow = pa.Table.from_pandas(FRAME, preserve_index=False)
    for frame in (pl.from_arrow(arrow), arrow, FRAME.to_dict("list"), FRAME.astype({"zone": str})):
        np.testing.assert_array_equal(clone(encoder).fit_transform(frame), X)
    turned = FRAME[FRAME.columns[::-1]].assign(more="x")
    np.testing.assert_array_equal(encoder.transform(turned), X)


def test_it_is_a_transformer_as_scikit_learn_expects():
    encoder = FrameEncoder().set_output(transform="pandas")
    X = encoder.fit_transform(FRAME)
    assert X.columns.tolist() == encoder.get_feature_names_out(FRAME.columns).tolist()
    assert X.index.tolist() == FRAME.index.tolist()
    assert isinstance(encoder.set_output(transform="polars").transform(FRAME), pl.DataFrame)
    pipe = make_pipeline(FrameEncoder(), fastclf.LogisticRegression())
    search = GridSearchCV(pipe, {"frameencoder__impute": ["mean", "zero"]}, cv=3).fit(FRAME, Y)
    assert search.best_score_ > 0.6
    some = make_column_transformer((FrameEncoder(), ["work", "city"]), ("passthrough", ["zone"]))
    assert some.fit_transform(FRAME).shape == (N, 7)
    assert some.get_feature_names_out()[0] == "frameencoder__work=clerk"
    new = FRAME.iloc[:1].assign(work="pilot", city="Rome")
    names = clf_names(pipe.fit(FRAME, Y))
    features = pipe[0].transform(new)[0]
    assert [names[i] for i in np.flatnonzero(features) if "=" in names[i]] == [
        "city=Rome",
        f"member={str(FRAME.member.iloc[0]).lower()}",
    ]
    messages = pd.DataFrame({"text": ["good day", "bad day", None, "day"], "n": [1, 2, 3, 4]})
    found = FrameEncoder(text=["text"], dtype="float32").fit_transform(messages)
    assert scipy.sparse.issparse(found) and found.dtype == np.float32


def clf_names(pipe) -> list[str]:
    return pipe[0].get_feature_names_out().tolist()


def test_mistakes_are_named():
    encoder = FrameEncoder().fit(FRAME)
    cases = [
        (lambda: FrameEncoder().fit(np.ones((3, 2))), DataError, "needs named columns.*ndarray"),
        (lambda: FrameEncoder(impute="x").fit(FRAME), InputError, "impute must be one of mean"),
        (lambda: FrameEncoder(categorical="zone").fit(FRAME), InputError, "must be a list of"),
        (lambda: FrameEncoder(text=["zne"]).fit(FRAME), DataError, r'"zne" \(did you mean zone'),
        (lambda: FrameEncoder().fit({"a": [[1], [2]]}), DataError, 'column "a" holds lists'),
        (lambda: FrameEncoder().fit(FRAME[:0]), DataError, "X has no rows"),
        (lambda: FrameEncoder().transform(FRAME), NotFittedError, "not fitted"),
        (lambda: encoder.transform(FRAME[["age"]]), DataError, 'no column "work"'),
        (lambda: encoder.transform(FRAME.assign(age="x")), DataError, 'row 1, column "age": "x"'),
        (lambda: encoder.get_feature_names_out(["a"]), InputError, "input_features are"),
    ]
    for call, error, said in cases:
        with pytest.raises(error, match=said):
            call()


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_estimators_name_the_column_that_needs_encoding(kind: str):
    frame = FRAME[["zone", "work"]].assign(zone=FRAME.zone.astype(str))
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    X = {"pandas": frame, "polars": pl.from_arrow(arrow), "pyarrow": arrow}[kind]
    said = (
        r'column "work" of X holds text, "\w+" in row \d; encode it: '
        r"make_pipeline\(fastclf.data.FrameEncoder\(\), LogisticRegression\(\)\)"
    )
    with pytest.raises(InputError, match=said):
        fastclf.LogisticRegression().fit(X, Y)

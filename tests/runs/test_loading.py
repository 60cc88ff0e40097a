"""Runs loaded in Python: raw columns in, and out come the bits that `fastclf predict` writes."""

import builtins
import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

import fastclf
from fastclf import LoadedClassifier
from fastclf.config import Recipe
from fastclf.data.frames import to_table
from fastclf.errors import DataError, InputError, ModelFileError
from fastclf.linear_model import LinearModel
from fastclf.runs.prediction import open_predictor, predict_file
from fastclf.runs.run import train

COLUMNS = ["age", "city", "income", "member", "grade"]


def people(n: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [f"{i:03d}" for i in range(n)],
            "age": rng.integers(18, 80, n).astype(float),
            "city": rng.choice(["Bonn", "Rome, IT", "Oslo"], n),
            "income": rng.lognormal(10, 1, n),
            "member": rng.random(n) < 0.4,
            "grade": rng.integers(1, 4, n),
        }
    )
    score = frame.age + 20 * (frame.city == "Oslo") + 10 * frame.member + rng.normal(0, 9, n)
    frame["paid"] = np.where(score > 55, "yes", "no")
    frame["kind"] = np.array(["low", "mid", "high"])[np.digitize(score, [45, 65])]
    frame["a"], frame["b"] = (score > 50).astype(int), (frame.income > 2e4).astype(int)
    frame["p"] = 1 / (1 + np.exp(-(score - 55) / 10))
    frame["q"] = 1 - frame.p
    frame.loc[::9, "age"] = np.nan
    frame.loc[::7, "city"] = None
    return frame


RUNS: dict[str, dict[str, Any]] = {
    "two classes": {"data": {"target": "paid"}},
    "single precision": {"data": {"target": "paid", "dtype": "float32"}},
    "numbers alone": {"data": {"target": "kind", "columns": ["age", "income", "grade"]}},
    "calibrated": {"data": {"target": "kind"}, "calibrate": {}},
    "distributions": {"data": {"target": ["q", "p"]}},
    "labels": {
        "data": {"target": ["a", "b"]},
        "calibrate": {"thresholds": "f1"},
        "model": {"kind": "multilabel"},
    },
    "one label": {"data": {"target": ["a", "b"]}, "model": {"kind": "multilabel", "top_k": 1}},
    "distilled": {
        "data": {"target": "paid", "columns": ["age", "city", "income"]},
        "distill": {"teacher_columns": ["q", "p"]},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    people().to_parquet(folder / "people.parquet")
    people().to_csv(folder / "people.csv", index=False)
    return folder


def run_of(name: str, folder: Path) -> Path:
    path = folder / name.replace(" ", "_")
    if not path.exists():
        tables = copy.deepcopy(RUNS[name])
        data = {"path": str(folder / "people.csv"), "columns": COLUMNS} | tables.pop("data")
        train(Recipe.model_validate({"name": "people", "data": data, **tables}), path)
    return path


def predicted(run: Path, source: Path) -> tuple[np.ndarray, np.ndarray]:
    """What the command line writes."""
    target = run.parent / "out.npz"
    predict_file(open_predictor(run), source, target)
    with np.load(target) as arrays:
        return arrays["labels"], arrays["probabilities"]


@pytest.mark.parametrize("name", RUNS)
def test_a_frame_gets_the_bits_of_the_command_line(name: str, folder: Path):
    run = run_of(name, folder)
    labels, p = predicted(run, folder / "people.csv")  # which has True, where the frame is boolean
    assert np.array_equal(predicted(run, folder / "people.parquet")[1], p)
    frame = people()
    for path in (run, run / "model.safetensors"):
        clf = fastclf.load(path)
        assert np.array_equal(clf.predict_proba(frame), p)
        found = clf.predict(frame)
        assert np.array_equal(found if found.ndim == 2 else found.astype(str), labels)
        assert clf.decision_function(frame).shape[0] == len(frame)
        log_p = clf.predict_log_proba(frame)
        np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-5)


FRAMES = {
    "pandas, shuffled columns": lambda frame: frame[frame.columns[::-1]],
    "pandas of nullable types": lambda frame: frame.convert_dtypes(),
    "pandas of Arrow's types": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "pandas of objects": lambda frame: frame.astype(object),
    "pandas with categories": lambda frame: frame.astype({"city": "category", "grade": "category"}),
    "polars": lambda frame: pl.from_pandas(frame),
    "Arrow table": lambda frame: pa.Table.from_pandas(frame),
    "record batch": lambda frame: pa.RecordBatch.from_pandas(frame),
    "dict of arrays": lambda frame: {name: frame[name].to_numpy() for name in frame},
    "dict of lists": lambda frame: {name: frame[name].tolist() for name in frame},
    "dict of series": lambda frame: dict(frame.items()),
    "our table": lambda frame: to_table(frame, COLUMNS),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_kind_of_frame(kind: str, folder: Path):
    run = run_of("two classes", folder)
    labels, p = predicted(run, folder / "people.parquet")
    rows = FRAMES[kind](people())
    clf = fastclf.load(run)
    assert np.array_equal(clf.predict_proba(rows), p)
    assert np.array_equal(clf.predict(rows), labels)


def test_categories_of_numbers_keep_their_digits(tmp_path: Path, rng):
    frame = pd.DataFrame({"a": rng.normal(size=90), "code": 2**53 + rng.integers(0, 3, 90)})
    frame["y"] = np.where(frame.code == 2**53 + 1, "odd", "even")
    frame.to_parquet(tmp_path / "rows.parquet")
    data = {"path": str(tmp_path / "rows.parquet"), "target": "y", "categorical": ["code"]}
    train(Recipe.model_validate({"name": "codes", "data": data}), tmp_path / "run")
    _, p = predicted(tmp_path / "run", tmp_path / "rows.parquet")
    clf = fastclf.load(tmp_path / "run")
    assert clf.score(frame, frame.y) == 1
    for rows in (frame, pl.from_pandas(frame), frame.astype({"code": "Int64"}), frame.astype(str)):
        assert np.array_equal(clf.predict_proba(rows), p)


def test_dates_are_taken_apart(tmp_path: Path, rng):
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 700, 90), unit="D")
    frame = pd.DataFrame({"joined": days.strftime("%Y-%m-%d"), "a": rng.normal(size=90)})
    frame["y"] = np.where(days.year == 2024, "old", "new")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    data = {"path": str(tmp_path / "rows.csv"), "target": "y", "dates": "parts"}
    train(Recipe.model_validate({"name": "dates", "data": data}), tmp_path / "run")
    _, p = predicted(tmp_path / "run", tmp_path / "rows.csv")
    clf = fastclf.load(tmp_path / "run")
    for rows in (frame, frame.assign(joined=days), frame.assign(joined=days.date)):
        assert np.array_equal(clf.predict_proba(rows), p)
    assert "joined.year" in clf.encoded_feature_names_


def test_columns_of_which_no_value_is_known(folder: Path):
    clf = fastclf.load(run_of("two classes", folder))
    with pytest.warns(UserWarning, match='column "city": none of its values occurred in training'):
        clf.predict(people().assign(city="bonn"))


@pytest.mark.parametrize("null", ["?", "NA", " ", ""])
def test_text_that_means_a_missing_value(null: str, folder: Path):
    clf, frame = fastclf.load(run_of("two classes", folder)), people()
    frame["age"] = [null if np.isnan(age) else str(age) for age in frame.age]
    frame["city"] = frame.city.fillna(null)
    assert np.array_equal(clf.predict_proba(frame), clf.predict_proba(people()))


@pytest.mark.parametrize("kind", ["pandas of objects", "dict of arrays", "dict of lists"])
def test_frames_are_read_without_pyarrow(kind: str, folder: Path, monkeypatch):
    clf, rows = fastclf.load(run_of("two classes", folder)), FRAMES[kind](people())
    expected = clf.predict_proba(rows)
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "pyarrow" and rest[0]["__name__"].startswith("fastclf"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert np.array_equal(clf.predict_proba(rows), expected)
    dates = np.array(["2026-01-01"] * 160, dtype="datetime64[D]")
    with pytest.raises(DataError, match=r'column "age" holds datetime64.*install pyarrow'):
        clf.predict({**dict(people().items()), "age": dates})


def test_matrices_stand_for_columns_where_all_are_numbers(folder: Path):
    run = run_of("numbers alone", folder)
    _, p = predicted(run, folder / "people.parquet")
    clf, X = fastclf.load(run), people()[["age", "income", "grade"]].to_numpy(float)
    assert np.array_equal(clf.predict_proba(X), p)
    assert np.array_equal(clf.predict_proba(X.tolist()), p)
    with pytest.raises(InputError, match=r"shape \(n, 3\), the columns of this model"):
        clf.predict(X[:, :2])
    with pytest.raises(InputError, match="needs a table, not a matrix"):
        fastclf.load(run_of("two classes", folder)).predict(people()[COLUMNS].to_numpy())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop(columns="income"), 'there is no column "income"'),
        (lambda rows: rows.rename(columns={"age": "Age"}), 'no column "age" .did you mean Age'),
        (lambda rows: rows.assign(age="old"), 'row 1, column "age": "old" is not a number'),
        (
            lambda rows: rows.assign(income=np.where(rows.index == 4, np.inf, 1.0)),
            'row 5, column "income": an infinite number',
        ),
        (lambda rows: {**dict(rows.items()), "age": 3}, 'column "age" must hold a value for each'),
        (lambda rows: {**dict(rows.items()), "age": [3.0]}, "differ in length"),
        (lambda rows: rows.assign(city=[["Bonn"]] * len(rows)), 'column "city" holds lists'),
        (lambda rows: pd.concat([rows, rows[["age"]]], axis=1), 'two columns are named "age"'),
        (lambda rows: {**dict(rows.items()), "age": np.ones((160, 2))}, "must have one dimension"),
    ],
)
def test_rows_that_cannot_be_used(change, said: str, folder: Path):
    clf = fastclf.load(run_of("two classes", folder))
    with pytest.raises(DataError, match=said) as refused:
        clf.predict(change(people()))
    assert "\n" not in str(refused.value)


def test_attributes(folder: Path):
    clf = fastclf.load(run_of("two classes", folder))
    assert clf.classes_.tolist() == ["no", "yes"]
    assert (clf.n_features_in_, clf.feature_names_in_.tolist()) == (5, COLUMNS)
    assert clf.encoded_feature_names_[:3].tolist() == ["age", "city=Bonn", "city=Oslo"]
    assert clf.coef_.shape == (1, len(clf.encoded_feature_names_))
    encoded = clf.model.encoder.apply(to_table(people(), COLUMNS))
    logits = (encoded @ clf.coef_.T + clf.intercept_)[:, 0]
    np.testing.assert_allclose(logits, clf.decision_function(people()), rtol=1e-9)
    assert not hasattr(clf, "threshold_")
    assert fastclf.load(run_of("labels", folder)).threshold_.shape == (2,)
    assert repr(clf) == "<LoadedClassifier: binary, 5 columns, classes no, yes>"


def test_it_is_saved_as_it_was(folder: Path, tmp_path: Path):
    for name in ("calibrated", "labels"):
        run = run_of(name, folder)
        fastclf.load(run).save(tmp_path / "again.safetensors")
        again = (tmp_path / "again.safetensors").read_bytes()
        assert again == (run / "model.safetensors").read_bytes()


def test_scikit_learn_takes_it(folder: Path):
    clf, frame = fastclf.load(run_of("two classes", folder)), people()
    for other in (pickle.loads(pickle.dumps(clf)), copy.deepcopy(clf), clone(clf)):
        assert np.array_equal(other.predict_proba(frame), clf.predict_proba(frame))
    calibrated = CalibratedClassifierCV(FrozenEstimator(clf), cv=3).fit(frame, frame.paid)
    assert calibrated.score(frame, frame.paid) > 0.7
    with pytest.raises(InputError, match="can't be fitted again"):
        clf.fit(frame, frame.paid)


def test_scores_match_labels_by_name(folder: Path):
    frame = people()
    clf = fastclf.load(run_of("two classes", folder))
    right = np.mean(clf.predict(frame) == frame.paid)
    assert clf.score(frame, frame.paid) == clf.score(frame, frame.paid.tolist()) == right
    with pytest.raises(DataError, match=r'none of the labels .*"Yes".*did you mean yes'):
        clf.score(frame, frame.paid.str.title())
    with pytest.warns(UserWarning, match=r'1 of 160 rows have a label .*"maybe" \(1 row'):
        clf.score(frame, ["maybe", *frame.paid[1:]])
    soft = fastclf.load(run_of("distributions", folder))
    assert soft.score(frame, frame[["q", "p"]]) > 0.7
    labels = fastclf.load(run_of("labels", folder))
    expected = np.mean((labels.predict(frame) == frame[["a", "b"]].to_numpy()).all(axis=1))
    assert labels.score(frame, frame[["a", "b"]]) == expected


@pytest.mark.parametrize("tables", [{}, {"calibrate": {}}])
@pytest.mark.parametrize("scale", ["none", "standard"])
def test_runs_on_matrices(scale: str, tables: dict, tmp_path: Path, rng):
    X = (rng.normal(size=(90, 4)) * [1, 9, 90, 900]).astype(np.float32)
    np.savez(tmp_path / "rows.npz", X=X, y=X[:, 0] + rng.normal(0, 0.3, 90) > 0)
    data = {"path": str(tmp_path / "rows.npz"), "dtype": "float32", "scale": scale}
    train(Recipe.model_validate({"name": "rows", "data": data, **tables}), tmp_path / "run")
    _, p = predicted(tmp_path / "run", tmp_path / "rows.npz")
    clf = fastclf.load(tmp_path / "run")
    assert isinstance(clf, LoadedClassifier)
    frame = pd.DataFrame(X, columns=["x0", "x1", "x2", "x3"])
    assert np.array_equal(clf.predict_proba(X), p)
    assert np.array_equal(clf.predict_proba(frame[["x3", "x1", "x0", "x2"]]), p)
    np.testing.assert_allclose(
        (X @ clf.coef_.T + clf.intercept_)[:, 0], clf.decision_function(X), rtol=1e-3, atol=1e-5
    )
    from_file = fastclf.load(tmp_path / "run" / "model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a matrix has no names
        assert np.array_equal(from_file.predict_proba(X), p)
    plain = scale == "none" and not tables
    assert isinstance(from_file, fastclf.LogisticRegression if plain else LoadedClassifier)


def test_a_temperature_of_an_estimator_comes_back(rng, tmp_path: Path):
    X = rng.normal(size=(80, 3))
    y = (X[:, 0] + rng.normal(size=80) > 0).astype(int)
    scaler = fastclf.TemperatureScaler(fastclf.LogisticRegression(C=1e3).fit(X[:40], y[:40]))
    scaler.fit(X[40:], y[40:]).save(tmp_path / "m.safetensors")
    clf = fastclf.load(tmp_path / "m.safetensors")
    model = LinearModel.load(tmp_path / "m.safetensors")
    assert isinstance(clf, fastclf.LogisticRegression)
    np.testing.assert_allclose(clf.predict_proba(X), model.predict_proba(X), rtol=1e-12)
    clf, S = LoadedClassifier(model), scipy.sparse.csr_array(X)
    assert np.array_equal(clf.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(clf.predict_proba(pd.DataFrame(X)), model.predict_proba(X))
    assert np.array_equal(clf.predict_proba(S), model.predict_proba(S))
    assert not hasattr(clf, "feature_names_in_")


def test_directories_that_are_no_complete_run(folder: Path, tmp_path: Path):
    with pytest.raises(ModelFileError, match="can't be read: isn't the directory of a run"):
        fastclf.load(tmp_path)
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(ModelFileError, match="can't be read: the run is incomplete"):
        fastclf.load(tmp_path)

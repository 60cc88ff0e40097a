"""Streams from files: what they yield, and fits on them against fits in memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, feather, ipc, parquet
from settled import SETTLED

from fastclf import LogisticRegression, LogisticRegressionCV, MultiLabelLogisticRegression
from fastclf.data import Stream, stream_files
from fastclf.errors import DataError, FastclfError, InputError
from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
from fastclf.solvers import Adam

N, D = 1000, 4
FORMATS = ("parquet", "folder", "arrow", "arrow stream", "csv", "npy")


def data(dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(N, D)).astype(dtype) + 1
    logits = X @ rng.normal(size=(D, 3))
    return X, (logits + rng.gumbel(size=(N, 3))).argmax(axis=1)


def arrow(X: np.ndarray, **more) -> pa.Table:
    return pa.table({**{f"x{j}": X[:, j].copy() for j in range(X.shape[1])}, **more})


def write(folder: Path, kind: str, table: pa.Table) -> Path:
    """A file of a kind, with several parts."""
    path = folder / "data"
    if kind == "parquet":
        parquet.write_table(table, path := path.with_suffix(".parquet"), row_group_size=150)
    elif kind == "folder":
        path.mkdir()
        for i in range(4):
            part = table.slice(i * 250, 250)
            parquet.write_table(part, path / f"{i}.parquet", row_group_size=100)
    elif kind == "arrow":
        feather.write_feather(table, str(path := path.with_suffix(".arrow")), chunksize=150)
    elif kind == "arrow stream":
        path = path.with_suffix(".ipc")
        with ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=150)
    else:
        csv.write_csv(table, path := path.with_suffix(".csv"))
    return path


def stream(folder: Path, kind: str, X: np.ndarray, y: np.ndarray, **settings) -> Stream:
    if kind == "npy":
        np.save(folder / "X.npy", X)
        np.save(folder / "y.npy", y)
        return Stream(folder / "X.npy", target_path=folder / "y.npy", **settings)
    return Stream(write(folder, kind, arrow(X, y=y)), "y", **settings)


@pytest.mark.parametrize("kind", FORMATS)
def test_all_rows_come_in_order(tmp_path: Path, kind: str):
    X, y = data()
    source = stream(tmp_path, kind, X, y, chunk_rows=64)
    for _ in range(2):
        pieces = list(source.rows_in_order())
        assert len(pieces) > 10 and max(len(rows.X) for rows in pieces) <= 64
        assert (np.concatenate([rows.X for rows in pieces]) == X).all()
        assert (np.concatenate([rows.y for rows in pieces]) == y).all()
    shuffled = np.concatenate([rows.X for rows in source.rows_shuffled(np.random.default_rng(1))])
    assert (np.sort(shuffled, axis=0) == np.sort(X, axis=0)).all()
    if kind not in ("csv", "arrow stream"):
        assert (shuffled != X).any()


def test_single_precision_stays(tmp_path: Path):
    X, y = data(np.float32)
    for kind in ("parquet", "arrow", "npy"):
        (tmp_path / kind).mkdir()
        source = stream(tmp_path / kind, kind, X, y)
        assert source.dtype == next(source.rows_in_order()).X.dtype == np.float32
    assert stream(tmp_path, "csv", X, y).dtype == np.float64
    assert Stream(tmp_path / "data.csv", "y", dtype="float32").dtype == np.float32


@pytest.mark.parametrize("whole", [0, 1 << 26])
@pytest.mark.parametrize("together", [1, 1000, 1 << 20])
def test_row_groups_of_any_size_and_columns_of_any_type(
    tmp_path: Path, monkeypatch, whole: int, together: int
):
    monkeypatch.setattr(stream_files, "_BY_COLUMNS", whole)
    monkeypatch.setattr(stream_files, "_COLUMN_BYTES", together)
    rng = np.random.default_rng(3)
    numbers = rng.integers(-5, 5, size=N)
    columns = {
        "a": pa.array(numbers, pa.float32()),
        "b": pa.array(numbers, pa.int16()),
        "c": pa.array(numbers, pa.float64()),
        "d": pa.array(numbers, pa.int64()).cast(pa.decimal128(25, 2)),
        "e": pa.DictionaryArray.from_arrays(numbers + 5, pa.array(range(-5, 5), pa.int64())).cast(
            pa.int64()
        ),
    }
    table = pa.table({"name": ["x", "y"] * (N // 2), **columns, "w": np.arange(N) / N})
    path = tmp_path / "data.parquet"
    with parquet.ParquetWriter(path, table.schema) as writer:
        for start, end in ((0, 150), (150, 150), (150, 151), (151, N)):
            writer.write_table(table.slice(start, end - start))
    source = Stream(path, "name", weight="w", chunk_rows=64)
    pieces = list(source.rows_in_order())
    assert max(len(rows.X) for rows in pieces) <= 64
    X, y, weights = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    assert X.flags.c_contiguous and (X == numbers[:, None]).all() and X.shape == (N, 5)
    assert y.tolist() == table["name"].to_pylist() and (weights == np.arange(N) / N).all()


@pytest.mark.parametrize("kind", FORMATS)
def test_fits_reach_the_optimum_of_fits_in_memory(tmp_path: Path, kind: str):
    X, y = data()
    source = stream(tmp_path, kind, X, y, chunk_rows=100)
    found = LogisticRegression(tol=1e-8).fit(source)
    wanted = LogisticRegression(tol=1e-8).fit(X, y)
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=1e-6)
    np.testing.assert_allclose(found.intercept_, wanted.intercept_, atol=1e-6)
    assert found.classes_.tolist() == [0, 1, 2] and found.n_features_in_ == D
    assert kind == "npy" or found.feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"class_weight": "balanced"},
        {"label_smoothing": 0.1, "C": 0.1},
        {"fit_intercept": False, "solver": "lbfgs"},
        {"C": np.inf},
    ],
    ids=str,
)
@pytest.mark.parametrize("classes", [2, 3])
def test_settings_and_weights(tmp_path: Path, classes: int, settings: dict):
    X, y = data()
    names = np.array(["ant", "bee", "cat"])[y % classes]
    weights = np.random.default_rng(3).uniform(0, 2, N)
    weights[100:150] = 0  # a whole chunk
    table = arrow(X, y=names, w=weights)
    source = Stream(write(tmp_path, "parquet", table), "y", weight="w", chunk_rows=50)
    found = LogisticRegression(tol=1e-8, **settings).fit(source)
    wanted = LogisticRegression(tol=1e-8, **settings).fit(X, names, weights)
    assert found.classes_.tolist() == wanted.classes_.tolist()
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=1e-5)
    np.testing.assert_allclose(found.intercept_, wanted.intercept_, atol=1e-5)


@pytest.mark.parametrize("pos_weight", [None, "balanced"])
def test_several_labels(tmp_path: Path, pos_weight):
    X, y = data()
    Y = (y[:, None] == np.arange(3)).astype(float)
    Y[::7, 1] = np.nan
    Y[200:300, 2] = np.nan
    table = arrow(X, **{name: Y[:, i].copy() for i, name in enumerate("abc")})
    source = Stream(write(tmp_path, "parquet", table), ["a", "b", "c"], chunk_rows=100)
    found = MultiLabelLogisticRegression(tol=1e-8, pos_weight=pos_weight).fit(source)
    wanted = MultiLabelLogisticRegression(tol=1e-8, pos_weight=pos_weight).fit(X, Y)
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=1e-5)
    assert found.classes_.tolist() == ["a", "b", "c"]


def test_distributions(tmp_path: Path):
    X, _ = data()
    P = np.random.default_rng(1).dirichlet(np.ones(3), N)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "P.npy", P)
    source = Stream(tmp_path / "X.npy", target_path=tmp_path / "P.npy", chunk_rows=128)
    weights = {0: 2.0, 1: 1.0, 2: 0.5}
    found = LogisticRegression(tol=1e-8, class_weight=weights).fit(source)
    wanted = LogisticRegression(tol=1e-8, class_weight=weights).fit(X, P)
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=1e-6)


def test_a_start_on_the_rows_that_are_kept(tmp_path: Path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40_000, 5))
    y = (rng.random(40_000) < 1 / (1 + np.exp(-X @ np.ones(5)))).astype(int)
    y[39_990:] = 2  # a class that is rare and comes last
    source = stream(tmp_path, "parquet", X, y, chunk_rows=4000)
    found = LogisticRegression(tol=1e-7).fit(source)
    assert "started on" in str(found.history_["path"])
    np.testing.assert_allclose(found.coef_, LogisticRegression(tol=1e-7).fit(X, y).coef_, atol=1e-4)
    assert found.history_["passes"][-1] < 20


def test_ignored_labels_and_massless_classes(tmp_path: Path):
    X, y = data()
    y = np.where(np.arange(N) % 5 == 0, -100, y)
    source = stream(tmp_path, "parquet", X, y, chunk_rows=100)
    found = LogisticRegression(tol=1e-8, ignore_index=-100).fit(source)
    kept = y != -100
    np.testing.assert_allclose(
        found.coef_, LogisticRegression(tol=1e-8).fit(X[kept], y[kept]).coef_, atol=1e-6
    )
    without = {-100: 0, 0: 1, 1: 1, 2: 1}
    with pytest.warns(UserWarning, match="nothing can be learned"):
        streamed = LogisticRegression(tol=1e-8, class_weight=without).fit(source)
    with pytest.warns(UserWarning, match="nothing can be learned"):
        wanted = LogisticRegression(tol=1e-8, class_weight=without).fit(X, y)
    np.testing.assert_allclose(streamed.coef_, wanted.coef_, atol=1e-6)


@pytest.mark.parametrize("kind", FORMATS)
def test_minibatches(tmp_path: Path, kind: str):
    X, y = data()
    source = stream(tmp_path, kind, X, y, chunk_rows=100)
    solver = Adam(batch_size=32, schedule="cosine")
    settings = {"solver": solver, "max_iter": 20, "random_state": 0, "tol": 0}
    found = LogisticRegression(**settings).fit(source)
    best = LogisticRegression().fit(X, y)
    assert found.history_["objective"][-1] < best.history_["objective"][-1] + 0.02
    if kind == "npy":
        assert abs(found.score(X, y) - best.score(X, y)) < 0.02
    assert (LogisticRegression(**settings).fit(source).coef_ == found.coef_).all()
    other = LogisticRegression(**{**settings, "random_state": 1}).fit(source)
    assert (other.coef_ != found.coef_).any()


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv"])
def test_columns_that_an_encoder_makes_features_of(tmp_path: Path, kind: str):
    X, y = data()
    X[::7, 0] = np.nan
    city = np.array(["Bonn", "Oslo", "Rome"])[np.random.default_rng(0).integers(0, 3, N)]
    path = write(tmp_path, kind, arrow(X, city=city.tolist(), y=y))
    numbers = NumericColumn("x0", fill=1.0, shift=1.0, scale=2.0), NumericColumn("x3", 0.0, 0.5)
    place = CategoricalColumn("city", ("Bonn", "Rome"), other=True)
    filled = (np.where(np.isnan(X[:, 0]), 1, X[:, 0]) - 1) / 2
    for encoder, features in (
        (Encoder(numbers, "float32"), [filled, X[:, 3] - 0.5]),
        (
            Encoder((*numbers, place)),
            [filled, X[:, 3] - 0.5, *(city == name for name in ("Bonn", "Rome", "Oslo"))],
        ),
    ):
        source = Stream(path, "y", encoder=encoder, chunk_rows=64)
        wanted = np.stack(features, axis=1).astype(encoder.dtype)
        pieces = list(source.rows_in_order())
        assert max(len(rows.X) for rows in pieces) <= 64
        found = np.concatenate([rows.X for rows in pieces])
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)
        assert found.dtype == wanted.dtype == source.dtype
        fitted = LogisticRegression(tol=1e-8).fit(source)
        in_memory = LogisticRegression(tol=1e-8).fit(wanted, y)
        np.testing.assert_allclose(fitted.coef_, in_memory.coef_, atol=1e-4)
        assert fitted.feature_names_in_.tolist() == list(encoder.feature_names)
    with pytest.raises(DataError, match='encoder: there is no column "x9"'):
        Stream(path, "y", encoder=Encoder.of_numbers(["x9"]))


@pytest.mark.parametrize("few_features", [64, 2])
def test_l1_penalties(tmp_path: Path, use_costs, few_features: int):
    X, y = data()
    make = lambda: LogisticRegression(l1_ratio=0.7, C=0.05, tol=1e-9, max_iter=1000)  # noqa: E731
    wanted = make().fit(X, y)
    use_costs(few_features_elsewhere_l1=few_features, working_set=3)  # or working sets
    found = make().fit(stream(tmp_path, "npy", X, y))
    np.testing.assert_allclose(found.coef_, wanted.coef_, atol=1e-6)
    assert np.array_equal(found.coef_ == 0, wanted.coef_ == 0) and (found.coef_ == 0).any()


def test_what_streams_are_not_for(tmp_path: Path):
    X, y = data()
    source = stream(tmp_path, "npy", X, y)
    with pytest.raises(InputError, match="includes its targets"):
        LogisticRegression().fit(source, y)
    with pytest.raises(InputError, match="several target columns"):
        MultiLabelLogisticRegression().fit(source)
    with pytest.raises(InputError, match="includes its targets"):
        LogisticRegressionCV(**SETTLED).fit(source, y)
    with pytest.raises(InputError, match="takes a stream only in fit; give this method the chunks"):
        LogisticRegression().fit(X, y).predict(source)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("x1", None, 'row 333, column "x1": a missing value'),
        ("x1", np.inf, 'row 333, column "x1": an infinite number'),
        ("y", None, 'row 333, column "y": the target is missing'),
        ("w", -1.0, "row 333: the weight is -1.0"),
    ],
)
def test_values_that_cannot_be_used(tmp_path: Path, column: str, value, message: str):
    X, y = data()
    table = arrow(X, y=y, w=np.ones(N))
    values = table[column].to_pylist()
    values[332] = value
    table = table.set_column(table.column_names.index(column), column, pa.array(values))
    source = Stream(write(tmp_path, "parquet", table), "y", weight="w", chunk_rows=100)
    with pytest.raises(FastclfError, match=message):
        LogisticRegression().fit(source)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "z"}, 'target: .*"z"'),
        ({"drop": ["x9"]}, 'drop: .*"x9"'),
        ({"weight": "v"}, 'weight: .*"v"'),
        ({"target": "y", "columns": ["y"]}, "no column is left"),
        ({"target": None}, "set target to the name of the target column"),
        ({"target_path": "y.npy"}, "is for NPY files"),
        ({"dtype": "int8"}, "dtype must be"),
        ({"chunk_rows": 0}, "chunk_rows must be"),
        ({"format": "svmlight"}, "columns of a matrix have no names; leave out target"),
        ({"format": "npz"}, "an NPZ file can't be read in pieces"),
        ({"columns": ["text"]}, 'column "text" holds string'),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, settings: dict, message: str):
    X, y = data()
    path = write(tmp_path, "parquet", arrow(X, y=y, text=["a"] * N))
    with pytest.raises(DataError, match=message):
        Stream(path, **{"target": "y", "drop": ["text"] * ("columns" not in settings), **settings})


@pytest.mark.parametrize("kind", ["parquet", "arrow", "npy"])
def test_truncated_files(tmp_path: Path, kind: str):
    X, y = data()
    path = stream(tmp_path, kind, X, y).path
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match=f"{path.name}: .*can't be read"):
        list(
            Stream(
                path,
                *([] if kind == "npy" else ["y"]),
                **({"target_path": tmp_path / "y.npy"} if kind == "npy" else {}),
            ).rows_in_order()
        )


@pytest.mark.parametrize("kind", ["parquet", "csv", "npy"])
def test_files_that_change(tmp_path: Path, kind: str):
    X, y = data()
    source = stream(tmp_path, kind, X, y, chunk_rows=100)
    LogisticRegression().fit(source)
    content = source.path.read_bytes()
    source.path.write_bytes(content + content[-10:])
    with pytest.raises(DataError, match="has changed since it was opened"):
        LogisticRegression().fit(source)


def test_damage_in_the_middle_is_one_line(tmp_path: Path):
    X, y = data()
    path = stream(tmp_path, "parquet", X, y).path
    content = bytearray(path.read_bytes())
    content[2000:6000] = bytes(4000)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="can't be read"):
        LogisticRegression().fit(Stream(path, "y"))

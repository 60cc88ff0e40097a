"""Streams of CSR rows from files: svmlight, and encoders of wide categories."""

import bz2
import gzip
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse
from pyarrow import csv, feather, parquet
from sklearn.datasets import dump_svmlight_file

from fastclf import LogisticRegression, MultiLabelLogisticRegression
from fastclf.data import FileOptions, Stream, load_file, stream_svmlight
from fastclf.data.columns import SPARSE_FROM, fit_encoder
from fastclf.errors import DataError
from fastclf.preprocessing import Encoder
from fastclf.solvers import Adam
from fastclf.table import Categories, Numbers, Table

N, D = 600, 50


def data(classes: int = 3) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    rng = np.random.default_rng(6)
    X = scipy.sparse.csr_array(scipy.sparse.random(N, D, 0.2, random_state=rng))
    logits = X @ rng.normal(size=(D, classes)) * 3 + rng.gumbel(size=(N, classes))
    return X, logits.argmax(axis=1)


@pytest.fixture(autouse=True)
def _short_pieces(monkeypatch):
    monkeypatch.setattr(stream_svmlight, "_TEXT_BYTES", 5000)


def rows_of(stream: Stream) -> tuple[scipy.sparse.csr_array, np.ndarray]:
    pieces = list(stream.rows_in_order())
    assert len(pieces) > 3
    return (
        scipy.sparse.vstack([rows.X for rows in pieces], format="csr"),
        np.concatenate([rows.y for rows in pieces]),
    )


@pytest.mark.parametrize("suffix", ["svm", "svmlight.gz", "libsvm.bz2"])
@pytest.mark.parametrize("zero_based", [True, False])
def test_rows_are_those_of_the_reader_in_memory(tmp_path: Path, zero_based: bool, suffix: str):
    X, y = data()
    dump_svmlight_file(X, y, str(tmp_path / "rows"), zero_based=zero_based, comment="all")
    pack = {"gz": gzip.compress, "bz2": bz2.compress}.get(suffix[-3:].strip("."), bytes)
    path = tmp_path / f"rows.{suffix}"
    path.write_bytes(pack((tmp_path / "rows").read_bytes()))
    stream = Stream(path)
    wanted = load_file(path, FileOptions())
    for _ in range(2):
        found, labels = rows_of(stream)
        assert (found != wanted.features).nnz == 0 and found.shape == wanted.features.shape
        assert (labels == y).all() and labels.dtype == np.int64
    assert stream.feature_names == wanted.feature_names
    there = pickle.loads(pickle.dumps(stream))
    assert (there.part(0).X != wanted.features).nnz == 0 and there.n_parts == 1
    clf = LogisticRegression(tol=1e-8).fit(stream)
    np.testing.assert_allclose(clf.coef_, LogisticRegression(tol=1e-8).fit(X, y).coef_, atol=1e-6)


def test_chunks_and_precision(tmp_path: Path):
    X, y = data()
    dump_svmlight_file(X, y, str(tmp_path / "rows.svm"))
    stream = Stream(tmp_path / "rows.svm", dtype="float32", chunk_rows=7)
    pieces = list(stream.rows_in_order())
    assert max(rows.X.shape[0] for rows in pieces) == 7
    assert {rows.X.dtype for rows in pieces} == {np.dtype(np.float32)}


def test_minibatches_repeat(tmp_path: Path):
    X, y = data()
    dump_svmlight_file(X, y, str(tmp_path / "rows.svm"))
    stream = Stream(tmp_path / "rows.svm")
    make = lambda: LogisticRegression(  # noqa: E731
        solver=Adam(batch_size=32, schedule="cosine"), max_iter=20, tol=0, random_state=0
    )
    one, two = make().fit(stream), make().fit(stream)
    best = LogisticRegression().fit(X, y)
    assert one.history_["objective"][-1] < best.history_["objective"][-1] + 0.02
    assert (one.coef_ == two.coef_).all()


def test_several_labels_in_a_line(tmp_path: Path):
    X, _ = data()
    Y = (np.random.default_rng(0).random((N, 4)) < 0.3).astype(int)
    path = tmp_path / "rows.svm"
    dump_svmlight_file(X, scipy.sparse.csr_matrix(Y), str(path), multilabel=True)
    stream = Stream(path)
    found, on = rows_of(stream)
    assert (on == Y).all() and abs(found - X).max() < 1e-12
    assert stream.target_names == ("0", "1", "2", "3") and stream.several_targets
    clf = MultiLabelLogisticRegression(tol=1e-8).fit(stream)
    wanted = MultiLabelLogisticRegression(tol=1e-8).fit(X, Y)
    np.testing.assert_allclose(clf.coef_, wanted.coef_, atol=1e-6)
    assert Stream(path, n_features=60).part(0).X.shape == (N, 60)


def test_a_number_of_features_saves_a_pass(tmp_path: Path, monkeypatch):
    X, y = data()
    path = tmp_path / "rows.svm"
    dump_svmlight_file(X, y, str(path), zero_based=False)
    parsed = stream_svmlight.parsed
    calls: list[int] = []
    monkeypatch.setattr(stream_svmlight, "parsed", lambda *given: calls.append(1) or parsed(*given))
    stream = Stream(path, n_features=D + 3)
    assert len(calls) == 1 and stream.part(0).X.shape == (N, D + 3)
    with pytest.raises(DataError, match=r"row \d+: the feature 4. isn't one of 1 to 40, which n_"):
        list(Stream(path, n_features=40).rows_in_order())
    path.write_text(path.read_text() + "1 0:2.5\n")
    with pytest.raises(
        DataError, match=f"row {N + 1}: the feature 0 isn't one of .* leave out n_features"
    ):
        list(Stream(path, n_features=D).rows_in_order())
    assert Stream(path).part(0).X.shape == (N + 1, D + 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 3:x", 'line 301: "3:x": the value isn\'t a number'),
        ("1 3:1 2:1", "line 301: .*indices must increase"),
        ("a 3:1", 'line 301: "a" isn\'t a label'),
        ("1 30000000:1", "at most 20000000 features can be read"),
        ("9007199254740993 3:1", "labels from 2\\^53 on are rounded"),
    ],
)
def test_lines_that_are_no_svmlight(tmp_path: Path, line: str, message: str):
    X, y = data()
    path = tmp_path / "rows.svm"
    dump_svmlight_file(X, y, str(path))
    lines = path.read_text().splitlines()
    lines.insert(300, line)
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=f"rows.svm: .*{message}"):
        list(Stream(path).rows_in_order())


def test_a_file_that_was_changed_and_arguments_of_other_formats(tmp_path: Path):
    X, y = data()
    path = tmp_path / "rows.svm"
    dump_svmlight_file(X, y, str(path))
    stream = Stream(path)
    path.write_text("1 1:2\n")
    with pytest.raises(DataError, match="has changed since it was opened"):
        list(stream.rows_in_order())
    path.write_text("")
    with pytest.raises(DataError, match="rows.svm: there are no rows"):
        Stream(path)
    with pytest.raises(DataError, match="rows.svm: the columns of a matrix have no names"):
        Stream(path, "y")
    with pytest.raises(DataError, match="n_features must be at least 1"):
        Stream(path, n_features=0)
    np.savez(tmp_path / "rows.npz", X=X.toarray(), y=y)
    with pytest.raises(DataError, match="can't be read in pieces; save a dense X and y as NPY"):
        Stream(tmp_path / "rows.npz")
    np.save(tmp_path / "X.npy", X.toarray())
    with pytest.raises(DataError, match="n_features is for svmlight"):
        Stream(tmp_path / "X.npy", target_path=tmp_path / "X.npy", n_features=3)


def wide(n: int = 3000) -> tuple[dict[str, np.ndarray], Encoder, Table]:
    """Columns of many categories, and the encoder that a run in memory fits to them."""
    rng = np.random.default_rng(1)
    names = np.array([f"user {i}" for i in range(900)])
    columns = {
        "age": rng.normal(40, 10, n),
        "user": names[rng.integers(0, 900, n)],
        "item": names[rng.zipf(1.5, n) % 900],
    }
    z = (columns["age"] - 40) / 10 + (columns["item"] == "user 1") + rng.logistic(size=n)
    columns["y"] = (z > 0).astype(int)

    def category(values: np.ndarray) -> Categories:
        found, codes = np.unique(values, return_inverse=True)
        return Categories(codes.astype(np.int32), tuple(found.tolist()))

    table = Table(
        {
            "age": Numbers(columns["age"]),
            "user": category(columns["user"]),
            "item": category(columns["item"]),
        }
    )
    return columns, fit_encoder(table, scale="standard"), table


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv"])
def test_wide_categories_are_sparse_as_in_memory(tmp_path: Path, kind: str):
    columns, encoder, raw = wide()
    assert encoder.sparse and encoder.n_features > SPARSE_FROM
    table, path = pa.table(columns), tmp_path / f"rows.{kind}"
    if kind == "parquet":
        parquet.write_table(table, path, row_group_size=500)
    elif kind == "arrow":
        feather.write_feather(table, str(path), chunksize=500)
    else:
        csv.write_csv(table, path)
    stream = Stream(path, "y", encoder=encoder, chunk_rows=300)
    X, y = rows_of(stream)
    wanted = encoder.apply(raw)
    assert X.shape == wanted.shape and abs(X - wanted).max() < 1e-12
    found = LogisticRegression(tol=1e-8).fit(stream)
    best = LogisticRegression(tol=1e-8).fit(wanted, columns["y"])
    np.testing.assert_allclose(found.coef_, best.coef_, atol=1e-5)
    assert found.feature_names_in_.tolist() == list(encoder.feature_names)
    assert (y == columns["y"]).all()


def test_chunks_of_wide_categories_have_many_rows(tmp_path: Path):
    columns, encoder, _ = wide()
    parquet.write_table(pa.table(columns), path := tmp_path / "rows.parquet")
    (rows,) = Stream(path, "y", encoder=encoder).rows_in_order()  # dense ones would take 43 MB
    assert rows.X.shape == (3000, encoder.n_features)

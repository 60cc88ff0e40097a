"""NPZ, NPY and svmlight: dense and sparse, with every kind of target; and files that are wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import dump_svmlight_file

from fastclf.config import Recipe
from fastclf.data import FileOptions, Stream, load_file
from fastclf.data.arrays import load_matrix, teacher_array
from fastclf.errors import DataError
from fastclf.linear_model import LinearModel
from fastclf.runs.run import train
from fastclf.table import Table

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).round(3) * (RNG.random((60, 5)) < 0.6)
Y = (X[:, 0] + 0.3 * RNG.normal(size=60) > 0).astype(np.uint8)
CSR = scipy.sparse.csr_array(X)
PARTS = {
    "X_data": CSR.data,
    "X_indices": CSR.indices,
    "X_indptr": CSR.indptr,
    "X_shape": np.array(CSR.shape),
}


def load(path: Path, **keys: Any):
    return load_file(path, FileOptions.model_validate(keys))


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def refusal(path: Path, **keys: Any) -> str:
    with pytest.raises(DataError) as refused:
        load(path, **keys)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(str(path))
    return str(refused.value)


def test_dense_and_sparse_npz(tmp_path: Path):
    path = tmp_path / "d.npz"
    dense = load(saved(path, X=X, y=Y, feature_names=list("abcde")))
    assert dense.feature_names == tuple("abcde")
    assert np.array_equal(dense.features, X) and np.array_equal(dense.y, Y)
    assert (dense.task, dense.class_names) == ("binary", ("0", "1"))
    sparse = load(saved(path, y=Y, **PARTS))
    assert scipy.sparse.issparse(sparse.features)
    assert np.array_equal(sparse.features.toarray(), X)
    scipy.sparse.save_npz(path, CSR)
    assert np.array_equal(load_matrix(path, "npz").toarray(), X)
    assert dense.fingerprint() != sparse.fingerprint()


def test_targets_in_npz(tmp_path: Path):
    path = tmp_path / "d.npz"
    named = load(saved(path, X=X, y=Y, classes=["no", "yes"]))
    assert named.y.tolist() == np.array(["no", "yes"])[Y].tolist()
    assert load(saved(path, X=X, y=named.y)).class_names == ("no", "yes")
    assert load(saved(path, X=X, why=Y), target="why").y.tolist() == Y.tolist()
    by_column = load(saved(path, X=np.column_stack([X, Y])), target=-1)
    assert by_column.y.tolist() == Y.tolist() and by_column.features.shape == X.shape
    labels = load(saved(path, X=X, y=X[:, :3] > 0, classes=["a", "b", "c"]))
    assert (labels.task, labels.class_names) == ("multilabel", ("a", "b", "c"))
    soft = load(saved(path, X=X, y=np.full((60, 4), 0.25, np.float32)))
    assert soft.is_soft and soft.task == "multiclass"
    hot = load(saved(path, X=X, y=np.eye(2, dtype=int)[Y]), target_kind="distribution")
    assert hot.is_soft and hot.y.dtype == np.float64
    dropped = load(saved(path, X=X, y=np.where(X[:, 1] > 0.5, np.nan, Y)), missing_target="drop")
    assert dropped.n_rows == (X[:, 1] <= 0.5).sum() == len(dropped.y)


def test_test_parts_in_npz(tmp_path: Path):
    path = saved(tmp_path / "d.npz", X=X, y=Y, X_test=X[:9], y_test=Y[:9], group=Y)
    dataset = load(path, split_by="group")
    assert dataset.test.n_rows == 9
    assert dataset.groups.tolist() == Y.tolist()
    assert "have 4 features, but the training rows have 5" in refusal(
        saved(path, X=X, y=Y, X_test=X[:9, :4], y_test=Y[:9])
    )
    assert 'the class "7" isn\'t in the training rows' in refusal(
        saved(path, X=X, y=Y, X_test=X[:1], y_test=np.array([7]))
    )


def test_missing_values_make_a_table(tmp_path: Path):
    holes = np.where(X == 0, np.nan, X)
    dataset = load(saved(tmp_path / "d.npz", X=holes, y=Y, X_test=X, y_test=Y))
    assert isinstance(dataset.features, Table) and isinstance(dataset.test.features, Table)
    assert np.isnan(dataset.features.columns["x0"].values).sum() == (X[:, 0] == 0).sum()
    recipe = {"name": "t", "data": {"path": str(tmp_path / "d.npz")}}
    model = train(Recipe.model_validate(recipe), tmp_path / "run").model
    as_table = model.predict_proba(dataset.features)
    assert np.array_equal(model.predict_proba(holes), as_table)


def test_npy(tmp_path: Path):
    path = tmp_path / "x.npy"
    np.save(path, np.column_stack([Y, X]))
    dataset = load(path, target=0)
    assert np.array_equal(dataset.features, X) and np.array_equal(dataset.y, Y)
    np.save(path, X.astype(np.float32))
    np.save(tmp_path / "y.npy", Y)
    apart = load(path, target_path=str(tmp_path / "y.npy"))
    assert isinstance(apart.features, np.memmap) and apart.features.dtype == np.float32
    assert np.array_equal(apart.y, Y)
    assert "set data.target to the index" in refusal(path)
    assert "target = 9: columns are numbered 0 to 4" in refusal(path, target=9)
    np.save(tmp_path / "y.npy", Y[:-1])
    assert "60 rows of features, but 59 targets" in refusal(
        path, target_path=str(tmp_path / "y.npy")
    )
    assert isinstance(load_matrix(path, "npy"), np.memmap)


@pytest.mark.parametrize("zero_based", [True, False])
def test_svmlight(tmp_path: Path, zero_based: bool):
    path, test = tmp_path / "d.svm", tmp_path / "t.svm"
    dump_svmlight_file(CSR, Y.astype(int), str(path), zero_based=zero_based)
    rows = slice(1, 8)
    extra = np.hstack([X[rows] * (np.arange(5) > 1), np.ones((7, 2))])
    dump_svmlight_file(extra, Y[rows].astype(int), str(test), zero_based=zero_based)
    dataset = load(path, test_path=str(test))
    assert scipy.sparse.issparse(dataset.features)
    assert np.array_equal(dataset.features.toarray(), X)
    assert dataset.y.tolist() == Y.tolist()
    assert dataset.feature_names == tuple(str(i + (not zero_based)) for i in range(5))
    # a feature that was never seen is left out, and the first index is that of the training file
    assert np.array_equal(dataset.test.features.toarray(), extra[:, :5])
    again = load_matrix(test, "svmlight", dataset.feature_names)
    assert np.array_equal(again.toarray(), extra[:, :5])


def test_svmlight_with_lists_of_labels(tmp_path: Path):
    path = tmp_path / "d.svm"
    path.write_text("1,3 1:2 # a\n\n2 2:1\n 1:1 2:1\n3,1 1:5\n")
    dataset = load(path)
    assert dataset.class_names == ("1", "2", "3")
    assert dataset.y.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 1]]
    (tmp_path / "t.svm").write_text("1,9 1:2\n")
    assert 'unknown label "9"' in refusal_of_test(path, tmp_path / "t.svm")


def refusal_of_test(path: Path, test: Path) -> str:
    with pytest.raises(DataError) as refused:
        load(path, test_path=str(test))
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no rows"),
        ("1 1:2\n0 x:1\n", "line 2: "),
        ("1 1:2\n0 1:1 1:3\n", "line 2: "),
        ("1 1:2\n0 2:1 1:3\n", "line 2: "),
        ("1 1:2\nno 1:1\n", "line 2: "),
        ("1 1:2\n0 -5:1\n", "line 2: "),
        ("1 1:2\n0 1:a\n", "line 2: "),
        ("1 1:2\n0 1:\n", 'line 2: "1:": the value isn\'t a number'),
        ("0.5 1:2\n0 1:1\n", "0.5 can't be a class"),
        ("1 1:2\n1 999999999999:2\n", 'line 2: "999999999999:2": the index isn\'t'),
        ("1 999999999:2\n", "a row has the feature 999999999; at most 20000000"),
    ],
)
def test_svmlight_that_is_wrong(tmp_path: Path, content: str, said: str):
    path = tmp_path / "d.svmlight"
    path.write_text(content)
    assert said in refusal(path)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": Y}, "has no X, dense or as X_data"),
        ({"X": X}, 'target: there is no column "y"'),
        ({"X": X[0], "y": Y}, "X must be a matrix of numbers"),
        ({"X": X.astype(str), "y": Y}, "X must be a matrix of numbers"),
        ({"X": X.astype(object), "y": Y}, "it holds Python objects"),
        ({"X": X, "y": Y[:3]}, "there are 60 rows of features, but 3 targets"),
        ({"X": X[:0], "y": Y[:0]}, "there are no rows"),
        ({"X": X, "y": Y.astype(complex)}, "targets must have shape (n,)"),
        (
            {"X": X, "y": Y, "classes": ["no"]},
            "the class 1 has no name; the array classes names 0 to 0",
        ),
        ({"X": X, "y": Y, "feature_names": ["a"]}, "feature_names has 1 names for 5 columns"),
        ({"X": X, "y": np.eye(3)[Y], "classes": ["a"]}, "classes has 1 names for 3 columns of y"),
        ({"X": X, "y": X[:, :2]}, "row 1"),
        ({"y": Y, **PARTS, "X_indices": CSR.indices + 9}, "X is a malformed CSR matrix"),
        ({"y": Y, **PARTS, "X_indptr": CSR.indptr[:-1]}, "X is a malformed CSR matrix"),
        ({"y": Y, **PARTS, "X_shape": np.array([1.5, 2])}, "X is a malformed CSR matrix"),
        ({"y": Y, **PARTS, "X_data": CSR.data.astype(str)}, ""),
    ],
)
def test_npz_that_is_wrong(tmp_path: Path, arrays: dict, said: str):
    assert said in refusal(saved(tmp_path / "d.npz", **arrays))


def test_files_that_are_damaged(tmp_path: Path):
    for suffix, content in ((".npz", b"PK nonsense"), (".npy", b"\x93NUMPY"), (".npz", b"")):
        path = tmp_path / f"d{suffix}"
        path.write_bytes(content)
        assert "can't be read: " in refusal(path, target=0)
    whole = saved(tmp_path / "w.npz", X=X, y=Y).read_bytes()
    for length in range(10, len(whole), 97):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        assert "can't be read: " in refusal(tmp_path / "cut.npz")
    assert "drop is for files of named columns" in refusal(tmp_path / "w.npz", drop=["a"])
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object))
    assert "it holds Python objects" in refusal(tmp_path / "o.npy", target=0)


@pytest.mark.parametrize("scale", ["auto", "standard", "minmax"])
def test_sparse_features_are_fitted_as_they_are(scale: str, tmp_path: Path):
    dump_svmlight_file(CSR * 100, Y.astype(int), str(tmp_path / "d.svm"))
    data = {"path": str(tmp_path / "d.svm"), "scale": scale}
    result = train(Recipe.model_validate({"name": "t", "data": data}), tmp_path / "run")
    model = LinearModel.load(result.path / "model.safetensors")
    assert (model.preprocessing is None) == (scale == "auto")
    if model.preprocessing is not None:
        assert not model.preprocessing.shift.any()
    rows = CSR * 100
    np.testing.assert_allclose(model.predict_proba(rows), model.predict_proba(rows.toarray()))
    assert result.summary["metrics"]["train"]["accuracy"] > 0.7


def test_an_npz_file_that_is_named_npy(tmp_path: Path):
    np.savez(tmp_path / "two.npz", a=np.ones((3, 2)), b=np.ones(3))
    path = (tmp_path / "two.npz").rename(tmp_path / "two.npy")
    said = r"two\.npy: the file holds several arrays; rename it to \.npz"
    for read in (
        lambda: load(path, target=0),
        lambda: teacher_array(path),
        lambda: Stream(path, target_path=path),
    ):
        with pytest.raises(DataError, match=said):
            read()

"""Fitted models as plain data: prediction, and files that survive anything."""

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save
from scipy.special import expit, log_expit, log_softmax, softmax

import fastclf
from fastclf.errors import InputError, ModelFileError
from fastclf.linear_model import Affine, LinearModel

D = 4


def model(task: str = "multiclass", dtype: type = np.float64, **arguments: Any) -> LinearModel:
    rng = np.random.default_rng(0)
    columns = 1 if task == "binary" else 3
    given = {
        "theta": rng.normal(size=(D + 1, columns)).astype(dtype),
        "task": task,
        "classes": np.arange(2 if task == "binary" else 3),
        "threshold": np.array([0.3, 0.5, 0.7]) if task == "multilabel" else None,
        "metadata": {
            "estimator": "MultiLabelLogisticRegression"
            if task == "multilabel"
            else "LogisticRegression"
        },
    }
    return LinearModel(**{**given, **arguments})


X = np.random.default_rng(1).normal(size=(30, D))
TASKS = ("binary", "multiclass", "multilabel")


@pytest.mark.parametrize("task", TASKS)
def test_predictions_are_those_of_the_formulas(task: str):
    m = model(task)
    z = X @ m.theta[:-1] + m.theta[-1]
    if task == "binary":
        logits, p = z[:, 0], np.column_stack([expit(-z), expit(z)])
        logs, labels = np.column_stack([log_expit(-z), log_expit(z)]), (z[:, 0] > 0).astype(int)
    elif task == "multiclass":
        logits, p = z, softmax(z, axis=1)
        logs, labels = log_softmax(z, axis=1), z.argmax(axis=1)
    else:
        logits, p, logs = z, expit(z), log_expit(z)
        labels = (p > [0.3, 0.5, 0.7]).astype(int)
    np.testing.assert_allclose(m.decision_function(X), logits, rtol=1e-12)
    np.testing.assert_allclose(m.predict_proba(X), p, rtol=1e-12)
    np.testing.assert_allclose(m.predict_log_proba(X), logs, rtol=1e-12)
    assert np.array_equal(m.predict(X), labels)


def test_a_logit_of_zero_is_the_first_class():
    m = model("binary", theta=np.zeros((D + 1, 1)), classes=np.array(["no", "yes"]))
    assert (m.predict(X) == "no").all()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "change",
    [
        scipy.sparse.csr_array,
        scipy.sparse.csc_matrix,
        scipy.sparse.coo_array,
        np.asfortranarray,
        lambda A: np.repeat(A, 2, axis=1)[:, ::2],
        np.ndarray.tolist,
    ],
    ids=["csr", "csc", "coo", "fortran", "strided", "list"],
)
def test_any_layout_of_the_rows(task: str, change: Any):
    m = model(task)
    np.testing.assert_allclose(
        m.decision_function(change(X)), m.decision_function(X), rtol=1e-13, atol=1e-15
    )


@pytest.mark.parametrize("of_model", [np.float32, np.float64])
@pytest.mark.parametrize("of_rows", [np.float32, np.float64, np.int64])
def test_dtypes(of_model: type, of_rows: type):
    got = model(dtype=of_model).predict_proba(X.astype(of_rows)).dtype
    both_single = of_model == of_rows == np.float32
    assert got == (np.float32 if both_single else np.float64)


def test_no_rows_and_wrong_columns():
    for m in (model("binary"), model()):
        assert len(m.predict(X[:0])) == 0
        for bad in (X[:, :-1], X[0], np.zeros((2, D, 1))):
            with pytest.raises(InputError, match=r"\(n, 4\)"):
                m.decision_function(bad)


def test_same_bits_for_any_number_of_threads():
    many = np.random.default_rng(2).normal(size=(40_000, D))
    results = [model().decision_function(many, n_threads) for n_threads in (1, 2, 3, 8)]
    assert all(np.array_equal(other, results[0]) for other in results)


def test_preprocessing_comes_first():
    affine = Affine(np.arange(D, dtype=float), np.array([1.0, 2.0, 4.0, 8.0]))
    m = model(preprocessing=affine)
    changed = (X - affine.shift) / affine.scale
    np.testing.assert_allclose(m.decision_function(X), model().decision_function(changed))
    assert affine.apply(X.astype(np.float32)).dtype == np.float32
    with pytest.raises(InputError, match="dense"):
        m.decision_function(scipy.sparse.csr_array(X))


# Files


CLASSES = {
    "str": np.array(["ä", "bc", ""]),
    "object": np.array(["ä", "bc", ""], dtype=object),
    "int8": np.array([-5, 0, 7], dtype=np.int8),
    "int64": np.array([-(2**62), 0, 2**62]),
    "uint16": np.array([1, 2, 3], dtype=np.uint16),
    "float32": np.array([0.0, 1.0, 2.0], dtype=np.float32),
    "float64": np.array([0.1, 1.0, 2.0]),
}


def assert_same(one: LinearModel, other: LinearModel) -> None:
    for name in ("theta", "classes", "threshold"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype and np.array_equal(a, b)
    assert one.task == other.task and one.feature_names == other.feature_names
    assert dict(one.metadata) == dict(other.metadata)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saved_and_loaded(kind: str, dtype: type, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    m = model(
        dtype=dtype,
        classes=CLASSES[kind],
        feature_names=("a", "b", "ü", "d"),
        preprocessing=Affine(np.ones(D), np.full(D, 2.0)),
    )
    m.save(path)
    loaded = LinearModel.load(str(path))
    assert_same(m, loaded)
    assert np.array_equal(loaded.predict_proba(X), m.predict_proba(X))
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_saved_and_loaded_for_other_tasks(tmp_path: Path):
    for m in (
        model("binary", classes=np.array([False, True])),
        model("multilabel", classes=np.array(["x", "y", "z"])),
    ):
        m.save(tmp_path / "m")
        assert_same(m, LinearModel.load(tmp_path / "m"))


FRESH = """
import sys, numpy as np, fastclf
folder = sys.argv[1]
X = np.load(folder + "/X.npy")
for name in sys.argv[2:]:
    clf = fastclf.load(f"{folder}/{name}.safetensors")
    np.savez(f"{folder}/{name}.npz", p=clf.predict_proba(X), z=clf.decision_function(X),
             y=clf.predict(X).astype(str), dtype=str(clf.classes_.dtype), coef=clf.coef_)
"""


def test_the_same_bits_in_a_fresh_process(tmp_path: Path):
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 90)
    A = rng.normal(size=(90, D)) + y[:, None]
    fits = {
        "str": fastclf.LogisticRegression().fit(A, np.array(["a", "bb", "c"])[y]),
        "object": fastclf.LogisticRegression().fit(A, np.array(["a", "b", "c"], dtype=object)[y]),
        "int8": fastclf.LogisticRegression().fit(A, y.astype(np.int8)),
        "bool": fastclf.LogisticRegression().fit(A, y > 0),
        "float": fastclf.LogisticRegression().fit(A, y.astype(float)),
        "single": fastclf.LogisticRegression().fit(A.astype(np.float32), y),
        "labels": fastclf.MultiLabelLogisticRegression(threshold=0.4).fit(A, np.eye(3)[y]),
    }
    np.save(tmp_path / "X.npy", A)
    for name, clf in fits.items():
        clf.save(tmp_path / f"{name}.safetensors")
    subprocess.run([sys.executable, "-c", FRESH, str(tmp_path), *fits], check=True)
    for name, clf in fits.items():
        seen = np.load(tmp_path / f"{name}.npz")
        assert np.array_equal(seen["p"], clf.predict_proba(A))
        assert np.array_equal(seen["z"], clf.decision_function(A))
        assert np.array_equal(seen["y"], clf.predict(A).astype(str))
        assert seen["dtype"] == str(clf.classes_.dtype)
        assert seen["coef"].dtype == clf.coef_.dtype


TEXT = {
    "format": 1,
    "task": "multiclass",
    "feature_names": None,
    "metadata": {"estimator": "LogisticRegression"},
    "classes": ["a", "b", "c"],
    "classes_dtype": "str",
}
THETA = np.zeros((3, 3))
ONES = np.ones(2)
with np.errstate(divide="ignore"):
    INFINITE = ONES / 0.0


def file_of(tensors: dict[str, np.ndarray], text: Any) -> bytes:
    return save(tensors, {"fastclf": text if isinstance(text, str) else json.dumps(text)})


def raw(header: dict[str, Any], data: bytes) -> bytes:
    content = json.dumps(header).encode()
    return struct.pack("<Q", len(content)) + content + data


HOSTILE = {
    "empty": b"",
    "pickle": b"\x80\x04\x95" + b"c__builtin__\neval\n" * 10,
    "huge header": struct.pack("<Q", 2**63) + b"{}",
    "no metadata": save({"theta": THETA}),
    "someone else's": save({"weight": THETA}, {"format": "pt"}),
    "text is a number": file_of({"theta": THETA}, "1"),
    "text is a list": file_of({"theta": THETA}, "[]"),
    "text isn't JSON": file_of({"theta": THETA}, "{"),
    "deeply nested": file_of({"theta": THETA}, "[" * 100_000),
    "metadata isn't text": raw(
        {"__metadata__": 3, "theta": {"dtype": "F64", "shape": [1, 1], "data_offsets": [0, 8]}},
        bytes(8),
    ),
    "unknown dtype": raw(
        {
            "__metadata__": {"fastclf": json.dumps(TEXT)},
            "theta": {"dtype": "BF16", "shape": [3, 3], "data_offsets": [0, 18]},
        },
        bytes(18),
    ),
    "later format": file_of({"theta": THETA}, {**TEXT, "format": 5}),
    "no theta": file_of({"shift": THETA}, TEXT),
    "theta of integers": file_of({"theta": THETA.astype(int)}, TEXT),
    "flat theta": file_of({"theta": THETA.ravel()}, TEXT),
    "theta of NaN": file_of({"theta": THETA * np.nan}, TEXT),
    "no features": file_of({"theta": THETA[:1]}, TEXT),
    "no columns": file_of({"theta": THETA[:, :0]}, {**TEXT, "classes": []}),
    "two columns": file_of({"theta": THETA[:, :2]}, {**TEXT, "classes": ["a", "b"]}),
    "too few classes": file_of({"theta": THETA}, {**TEXT, "classes": ["a", "b"]}),
    "classes of lists": file_of({"theta": THETA}, {**TEXT, "classes": [[], {}, None]}),
    "classes is a number": file_of({"theta": THETA}, {**TEXT, "classes": 3}),
    "classes twice as long": file_of({"theta": THETA, "classes": np.arange(6)}, TEXT),
    "unknown task": file_of({"theta": THETA}, {**TEXT, "task": "regression"}),
    "task is a list": file_of({"theta": THETA}, {**TEXT, "task": ["binary"]}),
    "binary with three columns": file_of(
        {"theta": THETA, "classes": np.arange(2)}, {**TEXT, "task": "binary"}
    ),
    "no threshold": file_of({"theta": THETA}, {**TEXT, "task": "multilabel"}),
    "threshold of two": file_of(
        {"theta": THETA, "threshold": np.ones(2)}, {**TEXT, "task": "multilabel"}
    ),
    "shift of three": file_of({"theta": THETA, "shift": np.ones(3), "scale": np.ones(3)}, TEXT),
    "threshold of NaN": file_of(
        {"theta": THETA, "threshold": np.full(3, np.nan)}, {**TEXT, "task": "multilabel"}
    ),
    "threshold above 1": file_of(
        {"theta": THETA, "threshold": np.full(3, 1.5)}, {**TEXT, "task": "multilabel"}
    ),
    "empty threshold": file_of(
        {"theta": THETA[:, :1], "classes": np.arange(2), "threshold": np.empty(0)},
        {**TEXT, "task": "binary"},
    ),
    "threshold of classes": file_of({"theta": THETA, "threshold": np.ones(3)}, TEXT),
    "shift of NaN": file_of({"theta": THETA, "shift": np.ones(2) * np.nan, "scale": ONES}, TEXT),
    "shift of infinity": file_of({"theta": THETA, "shift": INFINITE, "scale": ONES}, TEXT),
    "scale of NaN": file_of({"theta": THETA, "shift": ONES, "scale": ONES * np.nan}, TEXT),
    "scale of 0": file_of({"theta": THETA, "shift": ONES, "scale": 0 * ONES}, TEXT),
    "negative scale": file_of({"theta": THETA, "shift": ONES, "scale": -ONES}, TEXT),
    "scale of integers": file_of({"theta": THETA, "shift": ONES, "scale": ONES.astype(int)}, TEXT),
    "temperature of NaN": file_of({"theta": THETA}, {**TEXT, "temperature": np.nan}),
    "temperature of 0": file_of({"theta": THETA}, {**TEXT, "temperature": 0.0}),
    "tiny temperature": file_of({"theta": THETA}, {**TEXT, "temperature": 1e-300}),
    "shift alone": file_of({"theta": THETA, "shift": np.ones(2)}, TEXT),
    "one name": file_of({"theta": THETA}, {**TEXT, "feature_names": ["a"]}),
    "an encoder that is a list": file_of({"theta": THETA}, {**TEXT, "encoder": []}),
    "an encoder without arrays": file_of(
        {"theta": THETA},
        {**TEXT, "encoder": {"columns": [{"name": "a"}], "dtype": "float64", "sparse": False}},
    ),
    "an encoder of one feature": file_of(
        {"theta": THETA} | {f"encoder.{name}": np.ones(1) for name in ("fill", "shift", "scale")},
        {**TEXT, "encoder": {"columns": [{"name": "a"}], "dtype": "float64", "sparse": False}},
    ),
    "names is a number": file_of({"theta": THETA}, {**TEXT, "feature_names": 2}),
    "metadata is a list": file_of({"theta": THETA}, {**TEXT, "metadata": [1]}),
    "unknown estimator": file_of({"theta": THETA}, {**TEXT, "metadata": {"estimator": "SVC"}}),
    "estimator is a list": file_of({"theta": THETA}, {**TEXT, "metadata": {"estimator": []}}),
    "another's task": file_of(
        {"theta": THETA}, {**TEXT, "metadata": {"estimator": "MultiLabelLogisticRegression"}}
    ),
    "labels as classes": file_of(
        {"theta": THETA, "threshold": np.ones(3)}, {**TEXT, "task": "multilabel"}
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_model_file_errors(name: str, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(ModelFileError, match="model.safetensors"):
        fastclf.load(path)


def test_the_file_that_the_hostile_ones_are_made_from_is_fine(tmp_path: Path):
    path = tmp_path / "m"
    path.write_bytes(file_of({"theta": THETA}, TEXT))
    assert fastclf.load(path).predict(np.ones((1, 2))).tolist() == ["a"]


def test_truncated_files(tmp_path: Path):
    whole, path = tmp_path / "whole", tmp_path / "cut"
    model().save(whole)
    content = whole.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            LinearModel.load(path)


@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_damaged_byte_is_noticed_or_harmless(
    position: int, value: int, tmp_path_factory: pytest.TempPathFactory
):
    path = tmp_path_factory.getbasetemp() / "damaged"
    model(classes=CLASSES["str"]).save(path)
    content = bytearray(path.read_bytes())
    content[position % len(content)] = value
    path.write_bytes(content)
    try:
        clf = fastclf.load(path)
    except ModelFileError:
        return
    clf.linear_model().predict(X[:, : clf.n_features_in_])


def test_one_damaged_bit_of_an_array_or_a_name_is_noticed(tmp_path: Path):
    path = tmp_path / "m"
    model(classes=CLASSES["str"]).save(path)
    content = path.read_bytes()
    for position in (content.index(b"bc"), len(content) - 1, len(content) - 20):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match="checksum"):
            LinearModel.load(path)


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path):
    broken = {
        "not finite": model(theta=np.full((3, 3), np.nan)),
        "float128|longdouble|Unknown dtype": model(theta=np.ones((3, 3), np.longdouble)),
        "scale": model(preprocessing=Affine(np.ones(D), np.zeros(D))),
        "64 bits": model(classes=np.arange(3, dtype=np.longdouble)),
    }
    for message, one in broken.items():
        if "64" in message and np.dtype(np.longdouble).itemsize == 8:
            continue
        with pytest.raises(ModelFileError, match=message):
            one.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_paths_that_cannot_be_read_or_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "missing" / "m", tmp_path, tmp_path / "file" / "m"):
        with pytest.raises(ModelFileError, match="can't be written"):
            model().save(path)
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(ModelFileError, match="can't be read"):
            fastclf.load(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_classes_that_a_file_cannot_hold(tmp_path: Path):
    odd = np.array([("a", 1), ("b", 2), ("c", 3), None], dtype=object)[:3]
    with pytest.raises(ModelFileError, match="classes"):
        model(classes=odd).save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_names_that_are_no_text_are_refused(tmp_path: Path):
    model = LinearModel(np.zeros((2, 1)), "binary", np.array(["a", "\ud800"]))
    with pytest.raises(ModelFileError, match="can't be saved: a name that isn't Unicode text"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
    LinearModel(np.zeros((2, 1)), "binary", np.array(["a", "b"])).save(tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    (tmp_path / "model").write_bytes(content.replace(b'\\"b\\"]', b'\\"\\\\ud8"', 1))
    with pytest.raises(ModelFileError, match="not a model file of fastclf, or a damaged one"):
        LinearModel.load(tmp_path / "model")


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "m"
    model().save(path)
    before = path.read_bytes()

    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(ModelFileError, match="No space left"):
        model("binary").save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m"]

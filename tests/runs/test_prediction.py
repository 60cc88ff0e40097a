"""Predicting for files: all formats give the same, in parts, as the model does in memory."""

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from click.testing import CliRunner
from sklearn.datasets import dump_svmlight_file

from fastclf.cli import main
from fastclf.config import DataTable, Recipe
from fastclf.data import read_table
from fastclf.data.prediction_rows import stream_rows
from fastclf.errors import DataError, FastclfError
from fastclf.linear_model import LinearModel
from fastclf.runs.prediction import Predictor, most_probable, open_predictor, predict_file
from fastclf.runs.run import train


def loans(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [f"{i:03d}" for i in range(n)],
            "age": rng.integers(18, 80, n).astype(float),
            "city": rng.choice(["Bonn", "Rome, IT", "Oslo"], n),
            "income": rng.lognormal(10, 1, n).round(2),
        }
    )
    frame["paid"] = np.where(frame.age + 20 * (frame.city == "Oslo") > 50, "yes", "no")
    frame.loc[rng.random(n) < 0.1, "age"] = np.nan
    frame.loc[rng.random(n) < 0.1, "city"] = None
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("loans")
    frame = loans()
    frame.to_csv(folder / "loans.csv", index=False)
    frame.to_csv(folder / "loans.tsv", index=False, sep="\t")
    frame.to_parquet(folder / "loans.parquet")
    frame.to_feather(folder / "loans.feather")
    shuffled = frame.drop(columns="paid")[["income", "city", "id", "age"]]
    shuffled.to_csv(folder / "new.csv", index=False)
    data = {"path": str(folder / "loans.csv"), "target": "paid", "drop": ["id"]}
    train(Recipe.model_validate({"name": "loans", "data": data}), folder / "run")
    return folder


def predicted(source: Path | io.BytesIO, run: Path, **options) -> list[dict]:
    file = io.BytesIO()
    rows = predict_file(open_predictor(run), source, file, format="jsonl", **options)
    found = [json.loads(line) for line in file.getvalue().decode().splitlines()]
    assert len(found) == rows
    return found


@pytest.mark.parametrize("batch_rows", [7, 65_536])
@pytest.mark.parametrize(
    "name", ["loans.csv", "loans.tsv", "loans.parquet", "loans.feather", "new.csv"]
)
def test_every_format_gives_what_the_model_gives(name: str, batch_rows: int, folder: Path):
    model = LinearModel.load(folder / "run" / "model.safetensors")
    table = read_table(folder / "loans.csv")
    rows = predicted(folder / name, folder / "run", batch_rows=batch_rows)
    p = [[row["probability_no"], row["probability_yes"]] for row in rows]
    assert np.array_equal(p, model.predict_proba(table))
    assert [row["label"] for row in rows] == model.predict(table).tolist()


def test_a_stream_is_csv(folder: Path):
    content = (folder / "loans.csv").read_bytes()
    streamed = predicted(io.BytesIO(content), folder / "run")
    assert streamed == predicted(folder / "loans.csv", folder / "run")


def test_rows_of_a_pipe_are_answered_as_they_come(folder: Path):
    command = [sys.executable, "-m", "fastclf", "predict", str(folder / "run"), "-", "--top", "1"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    model = open_predictor(folder / "run").model
    with subprocess.Popen(command, **pipes) as process:

        def answered(text: str) -> str:
            process.stdin.write(text.encode())
            process.stdin.flush()
            return process.stdout.readline().decode()

        assert answered("age,income,city\n30,1000,Oslo\n") == "label_1,probability_1\n"
        found = [process.stdout.readline().decode(), answered("70,100.5,Bonn\n20,7,")]
        found.append(answered('"Rome, IT"\n'))
        last, said = process.communicate(b"44,5,Bonn")  # the last line needs no end
    found.append(last.decode())
    text = b'age,income,city\n30,1000,Oslo\n70,100.5,Bonn\n20,7,"Rome, IT"\n44,5,Bonn\n'
    p = model.predict_proba(read_table(io.BytesIO(text)))
    labels, numbers = zip(*(line.rstrip().split(",") for line in found), strict=True)
    assert list(labels) == model.classes[p.argmax(axis=1)].tolist()
    assert [float(number) for number in numbers] == p.max(axis=1).tolist()
    assert said == b"4 rows predicted\n" and process.returncode == 0


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_standard_input_as_a_whole(compress, folder: Path, tmp_path: Path):
    command = [sys.executable, "-m", "fastclf", "predict", str(folder / "run"), "-", "-q"]
    content = compress((folder / "loans.csv").read_bytes())
    done = subprocess.run(command, input=content, capture_output=True, check=True)
    predict_file(open_predictor(folder / "run"), folder / "loans.csv", tmp_path / "out.csv")
    assert done.stdout == (tmp_path / "out.csv").read_bytes()


def test_a_model_file_predicts_as_its_run(folder: Path):
    by_file = predicted(folder / "new.csv", folder / "run" / "model.safetensors")
    assert by_file == predicted(folder / "new.csv", folder / "run")


def test_kept_columns_are_text_as_it_was(folder: Path):
    rows = predicted(folder / "loans.csv", folder / "run", keep=["id", "city"], columns=["label"])
    assert [row["id"] for row in rows] == [f"{i:03d}" for i in range(200)]
    assert {row["city"] for row in rows} == {"Bonn", "Rome, IT", "Oslo", None}
    assert set(rows[0]) == {"id", "city", "label"}


def test_a_file_without_rows(folder: Path, tmp_path: Path):
    path = tmp_path / "none.csv"
    path.write_text("income,city,id,age\n")
    predict_file(open_predictor(folder / "run"), path, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "label,probability_no,probability_yes\n"


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("income,city\n1,Bonn\n", {}, 'there is no column "age"'),
        ("age,income,city\nold,1,Bonn\n", {}, 'row 1, column "age": "old" is not a number'),
        ("age,income,city\n1,2\n", {}, "row 1 has 2 values for 3 columns"),
        ("age,income,city\n1,inf,Bonn\n", {}, 'row 1, column "income": an infinite number'),
        ("age,income,city\n1,2,Bonn\n", {"keep": ["idd"]}, 'there is no column "idd"'),
        ("age,income,city\n1,2,Bonn\n", {"columns": ["labels"]}, 'no "labels" .did you mean label'),
        ("age,income,city\n1,2,Bonn\n", {"keep": ["label"]}, "--keep label: .* rename it"),
        ("", {"top": 3}, "--top 3: the model has 2 classes; give 1 to 2"),
        ("", {"top": 1, "keep": ["label_1"]}, "--keep label_1: .* rename it"),
        ("", {"threshold": 1.5}, "--threshold 1.5: give a probability between 0 and 1"),
        ("", {"threshold": 0.5, "top": 1}, "--threshold .* no label is asked for; leave it out"),
        ("", {"threshold": 0.5, "columns": ["probabilities"]}, "--threshold .* no label is asked"),
        ("", {}, "is empty"),
    ],
)
def test_rows_that_cannot_be_used(text: str, options: dict, said: str, folder: Path, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(FastclfError, match=said) as refused:
        predict_file(open_predictor(folder / "run"), path, tmp_path / "out.csv", **options)
    assert "--" in said or "columns" in options or str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert [file.name for file in tmp_path.iterdir()] == ["bad.csv"]


@pytest.fixture
def matrices(tmp_path: Path, rng) -> tuple[Path, Predictor, np.ndarray]:
    X = np.where(rng.random((50, 6)) < 0.5, 0, rng.normal(size=(50, 6))).astype(np.float32)
    X[:, 5] = 0
    theta = rng.normal(size=(7, 3)).astype(np.float32)
    names = tuple(f"x{i}" for i in range(6))
    model = LinearModel(theta, "multiclass", np.array(["a", "b", "c"]), feature_names=names)
    np.save(tmp_path / "dense.npy", X)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(X))
    np.savez(tmp_path / "dense.npz", X=X, y=np.zeros(50))
    np.savez_compressed(tmp_path / "fortran.npz", X=np.asfortranarray(X))
    scipy.sparse.save_npz(tmp_path / "sparse.npz", scipy.sparse.csr_array(X))
    dump_svmlight_file(X, np.zeros(50), str(tmp_path / "rows.svm"), zero_based=True)
    pd.DataFrame(X, columns=names).to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path, Predictor(model), X


@pytest.mark.parametrize("batch_rows", [7, 100])
@pytest.mark.parametrize(
    "name",
    [
        "dense.npy",
        "fortran.npy",
        "dense.npz",
        "fortran.npz",
        "sparse.npz",
        "rows.svm",
        "rows.csv",
    ],
)
def test_matrices_of_every_kind(name: str, batch_rows: int, matrices):
    folder, predictor, X = matrices
    target = folder / "out.npz"
    assert predict_file(predictor, folder / name, target, batch_rows=batch_rows) == 50
    with np.load(target) as archive:
        expected = predictor.model.predict_proba(X)
        assert archive["probabilities"] == pytest.approx(expected, rel=1e-5)
        assert archive["labels"].tolist() == predictor.model.predict(X).tolist()


def test_a_target_among_the_columns_of_a_matrix_is_left_out(matrices):
    folder, predictor, X = matrices
    np.save(folder / "with.npy", np.insert(X, 2, 9, axis=1))
    predictor = Predictor(predictor.model, DataTable(path="with.npy", target=2))
    for name in ("with.npy", "dense.npy"):
        predict_file(predictor, folder / name, folder / "out.npz")
        with np.load(folder / "out.npz") as archive:
            assert archive["labels"].tolist() == predictor.model.predict(X).tolist()


def test_parts_are_no_larger_than_asked(matrices):
    folder, predictor, X = matrices
    for name in ("dense.npy", "dense.npz", "sparse.npz", "rows.svm"):
        parts = list(stream_rows(folder / name, predictor.model, batch_rows=20))
        assert [part.X.shape[0] for part in parts] == [20, 20, 10]


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("a.npy", lambda path: np.save(path, np.zeros((4, 5))), r"must have shape \(n, 6\)"),
        ("a.npy", lambda path: np.save(path, np.zeros(4)), r"a matrix of numbers.*\(4,\)"),
        ("a.npy", lambda path: np.save(path, np.array([["a"]])), "a matrix of numbers.*<U1"),
        ("a.npy", lambda path: path.write_bytes(b"\x93NUMPY\x01"), "can't be read"),
        ("a.npz", lambda path: np.savez(path, Z=np.zeros(3)), "has no X, dense or as .* it has Z"),
        ("a.npz", lambda path: path.write_bytes(b"PK"), "can't be read"),
        (
            "a.svm",
            lambda path: path.write_text("1 1:a\n"),
            'line 1: "1:a": the value isn\'t a number',
        ),
        ("a.txt.gz", lambda path: path.write_text("1"), "isn't compressed by gzip"),
        ("a.npy.gz", lambda path: path.write_text("1"), "npy can't be read from a compressed file"),
        ("a.gz", lambda path: path.write_text("1"), 'unknown suffix ""'),
    ],
)
def test_matrices_that_cannot_be_used(name: str, write, said: str, matrices):
    folder, predictor, _ = matrices
    write(folder / name)
    with pytest.raises(FastclfError, match=said) as refused:
        predict_file(predictor, folder / name, folder / "out.npz")
    assert str(folder / name) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (folder / "out.npz").exists()


def test_an_array_of_objects_is_never_unpickled(matrices):
    folder, predictor, _ = matrices
    np.save(folder / "a.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="can't be read"):
        predict_file(predictor, folder / "a.npy", folder / "out.npz")
    np.savez(folder / "a.npz", X=np.array([[{}]], dtype=object))
    with pytest.raises(DataError, match="a matrix of numbers"):
        predict_file(predictor, folder / "a.npz", folder / "out.npz")


def test_columns_of_matrices_have_no_names(matrices):
    folder, predictor, _ = matrices
    with pytest.raises(DataError, match="no named columns, so none can be kept"):
        predict_file(predictor, folder / "dense.npy", folder / "out.npz", keep=["id"])


def test_a_threshold_for_the_second_class(folder: Path):
    for threshold in (0.0, 0.3, 0.9, 1.0):
        rows = predicted(folder / "loans.csv", folder / "run", threshold=threshold)
        wanted = ["yes" if row["probability_yes"] > threshold else "no" for row in rows]
        assert [row["label"] for row in rows] == wanted
    assert set(wanted) == {"no"}


@pytest.mark.parametrize("top_k", [None, 1])
def test_a_threshold_for_each_label(top_k: int | None, matrices):
    folder, predictor, X = matrices
    model = predictor.model
    labels = LinearModel(
        model.theta, "multilabel", model.classes, threshold=np.full(3, 0.5), top_k=top_k
    )
    predict_file(Predictor(labels), folder / "dense.npy", folder / "out.npz", threshold=0.2)
    with np.load(folder / "out.npz") as archive:
        assert np.array_equal(archive["labels"], labels.predict_proba(X) > 0.2)
    with pytest.raises(FastclfError, match="--top 4: the model has 3 labels; give 1 to 3"):
        predict_file(Predictor(labels), folder / "dense.npy", folder / "out.npz", top=4)


def test_no_threshold_for_three_classes(matrices):
    folder, predictor, _ = matrices
    with pytest.raises(FastclfError, match="the most probable of 3 classes; leave it out, or see"):
        predict_file(predictor, folder / "dense.npy", folder / "out.npz", threshold=0.5)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_most_probable_classes(k: int, matrices):
    folder, predictor, X = matrices
    predict_file(predictor, folder / "dense.npy", folder / "out.npz", top=k, batch_rows=7)
    p = predictor.model.predict_proba(X)
    order = np.argsort(-p, axis=1, kind="stable")[:, :k]
    with np.load(folder / "out.npz") as archive:
        assert archive["labels"].tolist() == predictor.model.classes[order].tolist()
        assert archive["probabilities"] == pytest.approx(np.take_along_axis(p, order, axis=1))


def test_equal_probabilities_are_in_the_order_of_the_classes(rng):
    p = rng.integers(0, 4, size=(200, 9)) / 4
    for k in range(1, 10):
        wanted = np.argsort(-p, axis=1, kind="stable")[:, :k]
        assert np.array_equal(most_probable(p, k), wanted)
    assert most_probable(np.empty((0, 3)), 2).shape == (0, 2)


def test_top_of_a_file_without_rows(folder: Path, tmp_path: Path):
    (tmp_path / "none.csv").write_text("income,city,id,age\n")
    predict_file(open_predictor(folder / "run"), tmp_path / "none.csv", tmp_path / "out.csv", top=1)
    assert (tmp_path / "out.csv").read_text() == "label_1,probability_1\n"


def test_options_that_exclude_each_other(folder: Path):
    predict = ["predict", str(folder / "run"), str(folder / "loans.csv"), "-q"]
    invoke = CliRunner().invoke
    both = invoke(main, [*predict, "--top", "1", "--columns", "label"])
    assert both.exit_code == 2 and "--columns and --top can't be used together" in both.output
    assert invoke(main, [*predict, "--threshold", "2"]).exit_code == 2
    assert invoke(main, [*predict, "--top", "0"]).exit_code == 2
    short = invoke(main, [*predict, "--proba"])
    assert short.stdout.startswith("probability_no,probability_yes\n")
    assert short.stdout == invoke(main, [*predict, "--columns", "probabilities"]).stdout
    decided = invoke(main, [*predict, "--threshold", "0.9", "--columns", "label"])
    assert decided.exit_code == 0 and decided.stdout.count("yes") > 0

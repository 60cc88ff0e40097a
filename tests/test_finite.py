"""NaN and infinity are refused wherever rows come in, with the row of the file and the column."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import fastclf
from fastclf.config import Recipe
from fastclf.data import Stream
from fastclf.errors import DataError, FastclfError, InputError
from fastclf.finite import first_not_finite
from fastclf.linear_model import Affine, LinearModel
from fastclf.runs.checking import check_recipe
from fastclf.runs.directory import open_run
from fastclf.runs.prediction import Predictor, predict_file
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import train

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)
KINDS = {np.nan: "a missing value", np.inf: "an infinite number", -np.inf: "an infinite number"}


def spoilt(value: float, row: int = 30, column: int = 1) -> np.ndarray:
    """The rows with one value in place of another."""
    rows = X.copy()
    rows[row, column] = value
    return rows


def write(path: Path, rows: np.ndarray, kind: str) -> Path:
    path = path / f"rows.{kind.removeprefix('sparse ').removeprefix('fortran ')}"
    if kind == "svm":  # written by hand, because scikit-learn's writer checks
        lines = [
            f"{y} " + " ".join(f"{j + 1}:{value}" for j, value in enumerate(row))
            for row, y in zip(rows, Y, strict=True)
        ]
        path.write_text("\n".join(lines) + "\n")
    elif kind == "npy":
        np.save(path, rows)
        np.save(path.with_name("y.npy"), Y)
    elif kind == "sparse npz":
        csr = scipy.sparse.csr_array(rows)
        parts = {f"X_{part}": getattr(csr, part) for part in ("data", "indices", "indptr", "shape")}
        np.savez(path, **parts, y=Y)
    else:
        np.savez(path, X=np.asfortranarray(rows) if kind == "fortran npz" else rows, y=Y)
    return path


def recipe(path: Path, **data: Any) -> Recipe:
    if path.suffix == ".npy":
        data["target_path"] = str(path.with_name("y.npy"))
    return Recipe.model_validate({"name": "test", "data": {"path": str(path), **data}})


def test_the_first_entry_is_found():
    rows = spoilt(np.inf).astype(np.float32)
    rows[35, 0] = np.nan
    for matrix in (rows, scipy.sparse.csr_array(rows), np.asfortranarray(rows)):
        assert first_not_finite(matrix) == (30, 1, np.inf, 2)
        assert first_not_finite(matrix, allow_nan=True) == (30, 1, np.inf, 1)
    assert first_not_finite(np.full((2, 2), 1e308)) is None  # though the sum isn't finite
    assert first_not_finite(np.ones((2, 2), int)) is None
    assert first_not_finite(X) is None


@pytest.mark.parametrize("batch_rows", [7, 100])
@pytest.mark.parametrize("value", KINDS)
@pytest.mark.parametrize("kind", ["npz", "fortran npz", "sparse npz", "npy", "svm"])
def test_predictions_for_files(kind: str, value: float, batch_rows: int, tmp_path: Path):
    names = ("1", "2", "3") if kind == "svm" else ("a", "b", "c")
    model = LinearModel(
        np.ones((4, 1)), "binary", np.array([0, 1]), feature_names=names,
        preprocessing=Affine(np.zeros(3), np.full(3, 2.0)),
    )  # fmt: skip
    path = write(tmp_path, spoilt(value), kind)
    with pytest.raises(FastclfError) as refused:
        predict_file(Predictor(model), path, tmp_path / "out.npz", batch_rows=batch_rows)
    said = f'{path}: row 31, column "{names[1]}": {KINDS[value]}'
    assert str(refused.value).startswith(said)
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("value", KINDS)
@pytest.mark.parametrize("kind", ["npz", "sparse npz", "npy", "svm"])
def test_checks_and_runs(kind: str, value: float, tmp_path: Path):
    path = write(tmp_path, spoilt(value), kind)
    if np.isnan(value) and kind in ("npz", "npy"):  # it is filled in
        assert check_recipe(recipe(path)).missing == {"x1": 1}
        return
    name = "2" if kind == "svm" else "x1"
    for act in (check_recipe, lambda wanted: train(wanted, tmp_path / "run")):
        with pytest.raises(DataError) as refused:
            act(recipe(path))
        said = f'{path}: row 31, column "{name}": {KINDS[value]}'
        assert str(refused.value).startswith(said)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["npz", "svm"])
def test_rows_to_test_on(kind: str, tmp_path: Path):
    if kind == "npz":
        path = tmp_path / "rows.npz"
        np.savez(path, X=X, y=Y, X_test=spoilt(np.inf, 3), y_test=Y)
        wanted, test, name = recipe(path), path, "x1"
    else:
        (tmp_path / "test").mkdir()
        test = write(tmp_path / "test", spoilt(np.nan, 3), kind)
        wanted = recipe(write(tmp_path, X, kind), test_path=str(test))
        name = "2"
    with pytest.raises(DataError, match=f'row 4, column "{name}": an? (inf|miss)') as refused:
        check_recipe(wanted)
    assert str(test) in str(refused.value)


def test_rows_without_a_target_may_hold_what_they_like(tmp_path: Path):
    y = np.where(np.arange(40) == 30, np.nan, Y)
    np.savez(tmp_path / "rows.npz", X=spoilt(np.inf), y=y)
    assert check_recipe(recipe(tmp_path / "rows.npz", missing_target="drop")).n_rows == 39
    np.savez(tmp_path / "rows.npz", X=spoilt(np.inf, 35), y=y)
    with pytest.raises(DataError, match="row 36, column"):  # of the file
        check_recipe(recipe(tmp_path / "rows.npz", missing_target="drop"))


def test_other_rows_to_evaluate_on(tmp_path: Path):
    train(recipe(write(tmp_path, X, "npz")), tmp_path / "run")
    (tmp_path / "other").mkdir()
    for value in (np.nan, np.inf):
        path = write(tmp_path / "other", spoilt(value), "npz")
        with pytest.raises(DataError, match=f'^{path}: row 31, column "x1": {KINDS[value]}'):
            evaluate_run(open_run(tmp_path / "run"), path)


@pytest.mark.parametrize("value", KINDS)
def test_streams(value: float, tmp_path: Path):
    clf = fastclf.LogisticRegression()
    path = write(tmp_path, spoilt(value), "npy")
    with pytest.raises(InputError, match=f"row 31, column 1: {KINDS[value]}"):
        clf.fit(Stream(path, target_path=tmp_path / "y.npy", chunk_rows=7))
    frame = pd.DataFrame(spoilt(value), columns=["a", "b", "c"]).assign(y=Y)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(InputError, match=f'row 31, column "b": {KINDS[value]}'):
        clf.fit(Stream(tmp_path / "rows.csv", "y", chunk_rows=7))


def test_models_in_memory():
    model = LinearModel(np.ones((4, 1)), "binary", np.array([0, 1]))
    assert np.isfinite(model.decision_function(X)).all()
    for value, kind in KINDS.items():
        for rows in (spoilt(value), scipy.sparse.csr_array(spoilt(value))):
            with pytest.raises(InputError, match=f"row 31, column 1: {kind}"):
                model.predict_proba(rows)
    with pytest.raises(InputError, match="row 31: its values are so large"):
        LinearModel(np.full((4, 1), 10.0), "binary", np.array([0, 1])).predict(spoilt(1.7e308))
    with pytest.raises(InputError, match="X must hold numbers, got dtype <U1"):
        model.predict([["a", "b", "c"]])


def test_numbers_that_single_precision_cannot_hold(tmp_path: Path):
    frame = pd.DataFrame(spoilt(1e39), columns=["a", "b", "c"]).assign(y=Y)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for path in (tmp_path / "rows.csv", write(tmp_path, spoilt(1e39), "npz")):
        with pytest.raises(
            DataError, match='row 31, column ".*": an infinite number in single precision.*float64'
        ):
            train(recipe(path, dtype="float32", scale="none", test_size=0), tmp_path / "run")


@pytest.mark.parametrize(
    ("value", "said"),
    [(np.inf, "an infinite number"), ("old", '"old" is not a number'), (None, "a missing value")],
)
def test_rows_of_a_table_to_test_on_are_seen_before_the_fit(value: Any, said: str, tmp_path: Path):
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=Y)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    test = frame.astype({"b": object})
    test.loc[4, "b"] = value
    test.to_csv(tmp_path / "test.csv", index=False)
    wanted = recipe(tmp_path / "rows.csv", test_path=str(tmp_path / "test.csv"), impute="none")
    with pytest.raises(DataError, match=f'row 5, column "b": {said}'):
        check_recipe(wanted)


@pytest.fixture
def told(tmp_path: Path) -> np.ndarray:
    p = 1 / (1 + np.exp(-3 * X[:, 0]))
    return np.stack([1 - p, p], axis=1)


def test_answers_of_a_teacher(told: np.ndarray, tmp_path: Path):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["y"] = np.where(Y, "yes", "no")
    frame["q"], frame["p"] = told.T
    frame.to_csv(tmp_path / "rows.csv", index=False)
    data = {"path": str(tmp_path / "rows.csv"), "target": "y", "columns": ["a", "b", "c"]}

    def run(distill: dict[str, Any]) -> Any:
        wanted = {"name": "test", "data": data, "distill": distill}
        return check_recipe(Recipe.model_validate(wanted))

    path = tmp_path / "told.npz"
    for value, said in ((np.nan, "a missing value"), (np.inf, "an infinite number")):
        wrong = told.copy()
        wrong[33, 1] = value
        np.savez(path, told=wrong)
        with pytest.raises(DataError, match=f"^{path}: row 34, column 1: {said}"):
            run({"teacher_file": str(path)})
        frame.assign(p=wrong[:, 1]).to_csv(tmp_path / "rows.csv", index=False)
        with pytest.raises(
            DataError, match=f'rows.csv: teacher_columns: row 34, column "p": {said}'
        ):
            run({"teacher_columns": ["q", "p"]})
    wrong = told.copy()
    wrong[33] = 0.9
    np.savez(path, told=wrong)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(DataError, match="row 34 of the teacher's outputs sums to"):
        run({"teacher_file": str(path), "teacher_kind": "probabilities"})


def test_answers_for_a_matrix_whose_rows_are_dropped(told: np.ndarray, tmp_path: Path):
    y = np.where(np.arange(40) == 5, np.nan, Y)
    np.savez(tmp_path / "rows.npz", X=X, y=y)
    np.savez(tmp_path / "told.npz", told=told)
    data = {"path": str(tmp_path / "rows.npz"), "missing_target": "drop"}
    distill = {"teacher_file": str(tmp_path / "told.npz")}
    wanted = Recipe.model_validate({"name": "test", "data": data, "distill": distill})
    assert train(wanted, tmp_path / "run").summary["n_train"] == 29

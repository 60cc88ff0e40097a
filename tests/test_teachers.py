"""Teachers that a run doesn't train: files, columns of the data, and earlier runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastclf.config import Recipe
from fastclf.data import load_built_in
from fastclf.errors import ConfigError, DataError, ModelFileError
from fastclf.estimators.distilled import DistilledClassifier
from fastclf.estimators.logistic import LogisticRegression
from fastclf.runs.parts import read_dataset, split_and_prepare
from fastclf.runs.run import RunResult, train

IRIS = load_built_in("iris")
NAMES = ("setosa", "versicolor", "virginica")
LOGITS = LogisticRegression(C=100.0).fit(IRIS.features, IRIS.y).decision_function(IRIS.features)
P = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def recipe(data: dict[str, Any], **distill: Any) -> Recipe:
    return Recipe.model_validate({"name": "t", "data": data, "distill": distill})


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    path = tmp_path / "flowers.csv"
    with open(path, "w") as file:
        file.write("a,b,c,d,p0,p1,p2,kind\n")
        for x, p, y in zip(IRIS.features.tolist(), P.tolist(), IRIS.y, strict=True):
            file.write(",".join(map(repr, [*x, *p])) + f",{y}\n")
    return path


def npz(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return str(path)


def theta(result: RunResult) -> np.ndarray:
    assert set(result.summary["metrics"]) == {
        "train",
        "test",
        "teacher",
        "student",
        "plain_student",
    }
    assert result.summary["metrics"]["teacher"]["accuracy"] > 0.9
    return result.model.theta


def test_a_file_columns_and_the_estimator_agree(flowers: Path, tmp_path: Path):
    plain = {"path": str(flowers), "target": "kind"}
    by_columns = recipe(plain, teacher_columns=["p0", "p1", "p2"], temperature=3.0)
    columns = train(by_columns, tmp_path / "columns")
    assert columns.model.feature_names == ("a", "b", "c", "d")
    without = {**plain, "drop": ["p0", "p1", "p2"]}
    for name, answers in (("p", P), ("z", LOGITS)):
        file = npz(tmp_path / f"{name}.npz", answers=answers)
        result = train(recipe(without, teacher_file=file, temperature=3.0), tmp_path / name)
        np.testing.assert_allclose(theta(result), theta(columns), rtol=1e-4, atol=1e-5)

    wanted = recipe(without, teacher_file=file, temperature=3.0)
    parts = split_and_prepare(read_dataset(wanted.data, wanted.distill), wanted.data, 0)
    student = DistilledClassifier(None, temperature=3.0)
    student.fit(parts.prepared(parts.train.X), parts.train.y, teacher_logits=parts.train.told)
    np.testing.assert_allclose(student.coef_.T, theta(result)[:-1], rtol=1e-6)


def test_rows_without_a_target_are_left_out_of_the_answers(flowers: Path, tmp_path: Path):
    lines = flowers.read_text().splitlines()
    lines[3] = lines[3].removesuffix("setosa")
    flowers.write_text("\n".join(lines) + "\n")
    data = {"path": str(flowers), "target": "kind", "missing_target": "drop"}
    wanted = recipe(data, teacher_file=npz(tmp_path / "p.npz", p=P))
    dataset = read_dataset(wanted.data, wanted.distill)
    assert np.array_equal(dataset.told, np.delete(P, 2, axis=0))


def test_an_earlier_run_teaches(flowers: Path, tmp_path: Path):
    data = {"path": str(flowers), "target": "kind", "drop": ["p0", "p1", "p2"]}
    teacher = train(Recipe.model_validate({"name": "t", "data": data}), tmp_path / "teacher")
    for i, path in enumerate((teacher.path, teacher.path / "model.safetensors")):
        student = train(recipe(data, teacher_run=str(path)), tmp_path / f"student{i}")
        assert student.summary["metrics"]["student"]["kl_to_teacher"] < 0.1
        theta(student)
    assert teacher.summary["metrics"]["test"] == pytest.approx(
        student.summary["metrics"]["teacher"], rel=1e-6
    )


def test_two_classes_in_one_column(flowers: Path, tmp_path: Path):
    data = {"name": "breast_cancer", "scale": "standard"}
    cancer = load_built_in("breast_cancer")
    z = np.where(cancer.y == "malignant", 2.0, -2.0)
    second = {"logits": z, "p": 1 / (1 + np.exp(-z))}
    thetas = []
    for name, answers in second.items():
        wanted = recipe(data, teacher_file=npz(tmp_path / f"{name}.npz", answers=answers))
        thetas.append(train(wanted, tmp_path / name).model.theta)
    np.testing.assert_allclose(thetas[0], thetas[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"p": P[:99]}, "has 99 rows, and the data have 150"),
        ({"p": P[:, :2]}, "the teacher has 2 columns, and the data have the classes setosa"),
        ({"p": P, "q": P}, "needs one array, and has p, q"),
        ({"p": P.astype(str)}, "p must be a matrix of numbers"),
        ({"p": np.where(P > 0.999, np.nan, P)}, "missing or infinite, first in row"),
    ],
)
def test_answers_that_cannot_be_used(arrays: dict, said: str, tmp_path: Path):
    wanted = recipe({"name": "iris"}, teacher_file=npz(tmp_path / "p.npz", **arrays))
    with pytest.raises(DataError) as refused:
        train(wanted, tmp_path / "run")
    assert said in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_teachers_that_cannot_be_used(flowers: Path, tmp_path: Path):
    data = {"path": str(flowers), "target": "kind"}
    odd = recipe({"name": "iris"}, teacher_file=npz(tmp_path / "z.npz", z=LOGITS))
    kind = odd.model_copy(
        update={"distill": odd.distill.model_copy(update={"teacher_kind": "probabilities"})}
    )
    wine = train(Recipe.model_validate({"name": "w", "data": {"name": "wine"}}), tmp_path / "wine")
    for wanted, error, said in (
        (kind, DataError, "set distill.teacher_kind to logits"),
        (
            recipe(data, teacher_columns=["p9"]),
            DataError,
            'teacher_columns: there is no column "p9"',
        ),
        (recipe(data, teacher_columns=["a", "b"]), DataError, "the teacher has 2 columns"),
        (
            recipe(data, teacher_run=str(wine.path)),
            DataError,
            "the classes of that run are class_0",
        ),
        (recipe(data, teacher_run=str(tmp_path / "x")), ModelFileError, "can't be read"),
        (
            recipe({**data, "target": ["p0", "p1", "p2"]}, teacher="svc"),
            ConfigError,
            "needs labels",
        ),
    ):
        with pytest.raises(error) as refused:
            train(wanted, tmp_path / "run")
        assert said in str(refused.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "distill.teacher is missing; or set one of teacher_file"),
        ({"teacher": "svc", "teacher_run": "x"}, "has several teachers"),
        ({"teacher_run": "x", "teacher_params": {"C": 1}}, "goes with distill.teacher"),
        ({"teacher_columns": ["a"]}, "goes with data.path"),
        ({"teacher_file": "x", "teacher_kind": "votes"}, "logits"),
    ],
)
def test_mistakes_in_the_table(table: dict, said: str):
    with pytest.raises(ValueError, match=said):
        recipe({"name": "iris"}, **table)

"""Teachers that a run doesn't train: files, columns of the data, and earlier runs."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomlkit
from rich.console import Console
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from fastclf.config import Recipe, load_recipe
from fastclf.data import load_built_in
from fastclf.errors import ConfigError, DataError, ModelFileError, RunError
from fastclf.estimators.distilled import DistilledClassifier, teacher_probabilities
from fastclf.runs.directory import open_run
from fastclf.runs.parts import read_dataset, split_and_prepare
from fastclf.runs.reevaluation import evaluate_run
from fastclf.runs.run import RunResult, train
from fastclf.runs.summary import print_summary

IRIS = load_built_in("iris")
NAMES = ("setosa", "versicolor", "virginica")
TEACHER = LogisticRegression(C=100.0, max_iter=10_000).fit(IRIS.features, IRIS.y)
LOGITS = TEACHER.decision_function(IRIS.features)
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
    student.fit(
        parts.prepared(parts.train.X), parts.train.y, teacher_logits=parts.train.teacher_outputs
    )
    np.testing.assert_allclose(student.coef_.T, theta(result)[:-1], rtol=1e-6)


def test_rows_without_a_target_are_left_out_of_the_answers(flowers: Path, tmp_path: Path):
    lines = flowers.read_text().splitlines()
    lines[3] = lines[3].removesuffix("setosa")
    flowers.write_text("\n".join(lines) + "\n")
    data = {"path": str(flowers), "target": "kind", "missing_target": "drop"}
    wanted = recipe(data, teacher_file=npz(tmp_path / "p.npz", p=P))
    dataset = read_dataset(wanted.data, wanted.distill)
    assert np.array_equal(dataset.teacher_outputs, np.delete(P, 2, axis=0))


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
        ({"p": P[:99]}, "has 99 rows, but the data have 150"),
        ({"p": P[:, :2]}, "the teacher has 2 columns, and the data have the classes setosa"),
        ({"p": P, "q": P}, "one array is needed, but there are p, q"),
        ({"p": P.astype(str)}, "p must be a matrix of numbers"),
        (
            {"p": np.where(P > 0.999, np.nan, P)},
            "row 1, column 0: a missing value in the teacher's outputs",
        ),
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
        ({}, "\\[distill\\] names no teacher; set one of teacher, teacher_file"),
        ({"teacher": "svc", "teacher_run": "x"}, "has several teachers"),
        ({"teacher_run": "x", "teacher_params": {"C": 1}}, "needs distill.teacher"),
        ({"teacher_columns": ["a"]}, "needs data.path"),
        ({"teacher_file": "x", "teacher_kind": "votes"}, "logits"),
    ],
)
def test_mistakes_in_the_table(table: dict, said: str):
    with pytest.raises(ValueError, match=said):
        recipe({"name": "iris"}, **table)


# Several teachers, folds, and what evaluation tells of them

DIGITS = {"name": "digits", "test_size": 0.6}


def test_folds_and_several_teachers_in_a_run(tmp_path: Path):
    distill = {
        "teacher": ["random_forest", "svc"],
        "teacher_params": {"random_forest": {"n_estimators": 20}},
        "cv": 3,
        "temperature": 3.0,
        "hard_weight": 0.5,
    }
    result = train(
        Recipe.model_validate({"name": "t", "data": DIGITS, "distill": distill}), tmp_path / "run"
    )
    wanted = open_run(tmp_path / "run").recipe
    assert wanted.distill.teacher == ("random_forest", "svc") and wanted.distill.cv == 3
    parts = split_and_prepare(read_dataset(wanted.data), wanted.data, 0)
    X, y = parts.prepared(parts.train.X), parts.train.y
    teachers = [RandomForestClassifier(n_estimators=20, random_state=0), SVC(random_state=0)]
    clf = DistilledClassifier(teachers, cv=3, temperature=3.0, hard_weight=0.5).fit(X, y)
    np.testing.assert_allclose(result.model.theta[:-1], clf.coef_.T, atol=1e-6)
    told, _ = teacher_probabilities(clf.teacher_, parts.prepared(parts.test.X))
    figures = result.summary["metrics"]
    agreement = told.argmax(axis=1) == result.model.predict(parts.test.X)
    assert figures["test"]["teacher_agreement"] == pytest.approx(agreement.mean())
    assert figures["student"] == figures["test"]
    assert 0 < figures["plain_student"]["kl_to_teacher"]


def test_the_table_shows_the_student_once(tmp_path: Path):
    told = npz(tmp_path / "told.npz", p=P)
    result = train(recipe({"name": "iris"}, teacher_file=told), tmp_path / "run")
    assert result.summary["metrics"]["student"] == result.summary["metrics"]["test"]
    console = Console(file=io.StringIO(), width=200)
    print_summary(result.path, result.summary, console)
    heads = [line for line in console.file.getvalue().splitlines() if "metric" in line]
    columns = [[title.strip() for title in head.strip("┃").split("┃")] for head in heads]
    assert columns == [
        ["metric", "train", "test", "95 % interval", "baseline"],
        ["metric", "test", "teacher", "plain_student"],
    ]


def test_evaluation_knows_what_the_teacher_said(tmp_path: Path):
    wanted = recipe({"name": "iris"}, teacher="gradient_boosting")
    result = train(wanted, tmp_path / "run")
    run = open_run(tmp_path / "run")
    again = evaluate_run(run).parts["test"].metrics
    assert again == result.summary["metrics"]["test"] and "kl_to_teacher" in again
    for content in (b"PK", b"", npz_bytes(test=np.ones((3, 3))), npz_bytes(test=np.array(["a"]))):
        (tmp_path / "run" / "teacher.npz").write_bytes(content)
        with pytest.raises(
            RunError, match="teacher.npz: doesn't hold a teacher's probabilities.*train the run"
        ):
            evaluate_run(run)
    (tmp_path / "run" / "teacher.npz").unlink()
    assert "kl_to_teacher" not in evaluate_run(run).parts["test"].metrics


def npz_bytes(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    "distill, message",
    [
        ({"teacher": ["svc", "svm"]}, 'distill.teacher = "svm".*did you mean svc'),
        ({"teacher": ["svc", "svc"]}, "names a classifier twice"),
        ({"teacher": ["svc"]}, "teacher"),
        ({"teacher": ["svc", "mlp"], "teacher_params": {"C": 1.0}}, "C: with several teachers"),
        (
            {"teacher": ["svc", "mlp"], "teacher_params": {"svc": {"gama": 1.0}}},
            'the teacher "svc" has no parameter gama .did you mean gamma',
        ),
        ({"teacher": "svc", "cv": 1}, "cv"),
        ({"teacher_run": "runs/old", "cv": 3}, "distill.cv needs distill.teacher"),
    ],
)
def test_bad_tables_of_several_teachers(distill: dict[str, Any], message: str, tmp_path: Path):
    (tmp_path / "r.toml").write_text(tomlkit.dumps({"data": {"name": "iris"}, "distill": distill}))
    with pytest.raises(ConfigError, match=message):
        load_recipe(tmp_path / "r.toml")

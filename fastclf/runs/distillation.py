"""The ``[distill]`` step of a run: the teacher, the student, and their comparison."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator

from fastclf import functional as F
from fastclf.config import DistillTable, Recipe
from fastclf.data import Dataset
from fastclf.errors import ConfigError, DataError, FastclfError
from fastclf.estimators.distilled import DistilledClassifier, teacher_probabilities
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.teachers import aligned
from fastclf.functional.rounding import ROUNDING, off_sum
from fastclf.linear_model import LinearModel
from fastclf.runs.build import Estimator, build_teachers
from fastclf.runs.directory import MODEL
from fastclf.runs.evaluation import Evaluation, Metrics, evaluate, evaluate_predictions
from fastclf.runs.parts import Part, Parts
from fastclf.table import listed, matched_names


class RecordedTeacher(ClassifierMixin, BaseEstimator):
    """A teacher whose probabilities are known in advance, for one fixed set of rows.

    Parameters
    ----------
    probabilities : ndarray of shape (n, K)
        One row for each row of the X that ``predict_proba`` is called with.
    classes : ndarray of shape (K,)
    """

    def __init__(self, probabilities: np.ndarray, classes: np.ndarray) -> None:
        self.probabilities = probabilities
        self.classes = classes
        self.classes_ = classes

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities (n, K)."""
        return self.probabilities

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable classes (n,)."""
        return self.classes_[self.probabilities.argmax(axis=1)]


@dataclass(frozen=True)
class DistilledStudent:
    """A fitted student, and its teacher's predictions for the test rows.

    Attributes
    ----------
    student : LogisticRegression
        The fitted student.
    teacher_p : ndarray of shape (n, K), optional
        The teacher's probabilities; None without test rows, or if a file has none for them.
    teacher_classes : ndarray of shape (n,), optional
        The classes that the teacher predicts.
    """

    student: LogisticRegression
    teacher_p: np.ndarray | None = None
    teacher_classes: np.ndarray | None = None


def fit_parts(
    recipe: Recipe, parts: Parts, X: Any, estimator: Estimator, dataset: Dataset
) -> tuple[Estimator, DistilledStudent | None]:
    """Fit an estimator to the prepared training rows X; return it, or its fitted student.

    The second one is None without ``[distill]``. Errors are those of `fit_student`.
    """
    if recipe.distill is None:
        return estimator.fit(X, parts.train.y, parts.train.weights), None
    assert isinstance(estimator, LogisticRegression)  # recipes allow no other student
    found = fit_student(recipe, parts, X, estimator, dataset.labels, dataset.class_names)
    return found.student, found


def fit_student(
    recipe: Recipe,
    parts: Parts,
    X: Any,
    student: LogisticRegression,
    labels: np.ndarray,
    names: Sequence[str],
) -> DistilledStudent:
    """Fit a student to the teacher's probabilities and the labels of the training rows.

    Parameters
    ----------
    recipe : Recipe
        With a ``[distill]`` table.
    parts : Parts
    X : ndarray or CSR matrix
        The training rows, prepared for the student.
    student : LogisticRegression
        The unfitted student.
    labels, names : ndarray and sequence of str
        The classes as values of the target, and their names.

    Raises
    ------
    ConfigError
        If scikit-learn refuses one of ``distill.teacher_params``, or the data have no labels.
    DataError
        If the teacher's outputs can't be used.
    """
    table = recipe.distill
    assert table is not None
    check_labels(parts.train)
    if table.teacher is None:
        of_train, of_test = recorded_teachers(table, parts, labels, names)
        distilled = _distilled(table, FrozenEstimator(of_train), student)
        distilled.fit(X, parts.train.y, parts.train.weights)
        return _with_test_predictions(distilled, of_test, parts)
    teachers = build_teachers(recipe)
    distilled = _distilled(table, teachers if len(teachers) > 1 else teachers[0], student)
    try:
        distilled.fit(X, parts.train.y, parts.train.weights)
    except FastclfError:
        raise
    except (TypeError, ValueError) as problem:
        reason = " ".join(str(problem).split())
        key = "cv" if "n_splits" in reason else "teacher_params"
        raise ConfigError(f"distill.{key}: {reason}") from None
    return _with_test_predictions(distilled, distilled.teacher_, parts)


def recorded_teachers(
    table: DistillTable, parts: Parts, labels: np.ndarray, names: Sequence[str]
) -> tuple[RecordedTeacher, RecordedTeacher | None]:
    """Return the teachers of the training and the test rows, from a run, a file or columns.

    The second one is None if a file or columns have no outputs for the test rows.

    Parameters
    ----------
    table : DistillTable
    parts : Parts
    labels, names : ndarray and sequence of str
        The classes as values of the target, and their names.

    Raises
    ------
    DataError
        If the teacher's outputs can't be used.
    """
    if table.teacher_run is not None:
        model = load_teacher(Path(table.teacher_run))

        def from_run(part: Part) -> RecordedTeacher:
            return RecordedTeacher(run_probabilities(model, part, names), labels)

        return from_run(parts.train), from_run(parts.test)

    def from_data(part: Part) -> RecordedTeacher:
        outputs = part.teacher_outputs
        assert outputs is not None  # columns or a file were read with the data
        p = probabilities_of(outputs, table.teacher_kind, names, part.rows)
        return RecordedTeacher(p, labels)

    has_test = parts.test.teacher_outputs is not None
    return from_data(parts.train), from_data(parts.test) if has_test else None


def check_labels(train: Part) -> None:
    """Check that the targets are labels.

    Raises
    ------
    ConfigError
        If they are distributions.
    """
    if train.is_soft:
        raise ConfigError(
            "[distill] needs labels, but the target is a distribution, to which a model is "
            "fitted without a teacher; leave out [distill]"
        )


def _distilled(table: DistillTable, teacher: Any, student: LogisticRegression) -> Any:
    return DistilledClassifier(
        teacher,
        student=student,
        temperature=table.temperature,
        hard_weight=table.hard_weight,
        cv=table.cv,
    )


def _with_test_predictions(
    distilled: DistilledClassifier, of_test: Any, parts: Parts
) -> DistilledStudent:
    if of_test is None or not len(parts.test):
        return DistilledStudent(distilled.student_)
    X = parts.prepared(parts.test.X)
    p, classes = teacher_probabilities(of_test, X)
    p = aligned(p, classes, distilled.classes_)
    if isinstance(of_test, list):
        return DistilledStudent(distilled.student_, p, distilled.classes_[p.argmax(axis=1)])
    return DistilledStudent(distilled.student_, p, of_test.predict(X))


def load_teacher(path: Path) -> LinearModel:
    """Return the model of a run directory, or of a model file."""
    return LinearModel.load(path / MODEL if path.is_dir() else path)


def run_probabilities(model: LinearModel, part: Part, names: Sequence[str]) -> np.ndarray:
    """Return the probabilities of a run's model, with columns in the order of ``names``."""
    known = [str(label) for label in model.classes.tolist()]
    ours = matched_names(known, names) or {}
    same = len(known) == len(names) and sorted(ours.values()) == sorted(names)
    if model.task == "multilabel" or not same:
        raise DataError(
            f"distill.teacher_run: the classes of that run are {listed(known)}, and those of the "
            f"data {listed(names)}"
        )
    column = {ours[name]: code for code, name in enumerate(known)}
    return model.predict_proba(part.X)[:, [column[name] for name in names]]


def probabilities_of(outputs: np.ndarray, kind: str, names: Sequence[str], rows: Any) -> np.ndarray:
    """Convert a teacher's logits or probabilities to probabilities (n, K).

    ``rows`` (n,) has the number of each row in its file, for messages.
    """
    if outputs.shape[1] == 1 and len(names) == 2:
        second = outputs[:, 0]
        is_probability = kind != "logits" and bool(((second >= 0) & (second <= 1)).all())
        first = 1 - second if is_probability else np.zeros_like(second)
        outputs = np.stack([first, second], axis=1)
    if outputs.shape[1] != len(names):
        raise DataError(
            f"the teacher has {outputs.shape[1]} columns, and the data have the classes "
            f"{listed(names)}"
        )
    sums = outputs.sum(axis=1)
    wrong = (outputs < -ROUNDING).any(axis=1) | off_sum(sums)
    if kind == "logits" or (kind == "auto" and wrong.any()):
        return F.softmax(outputs)
    if wrong.any():
        at = int(wrong.argmax())
        raise DataError(
            f"row {rows[at]} of the teacher's outputs sums to {sums[at]:.6g}, so it isn't a "
            "distribution; set distill.teacher_kind to logits if the outputs are logits"
        )
    return np.maximum(outputs, 0) / sums[:, None]


def output_kind(outputs: np.ndarray, kind: str, names: Sequence[str]) -> str:
    """Return what a teacher's outputs are: ``kind``, or for "auto" what some rows (m, K) show."""
    if kind != "auto":
        return kind
    try:
        probabilities_of(outputs, "probabilities", names, np.arange(len(outputs)))
    except DataError:
        return "logits"
    return "probabilities"


def with_teacher_metrics(
    found: Evaluation, model: LinearModel, part: Part, teacher_p: np.ndarray
) -> Evaluation:
    """Return an evaluation with two more metrics, which compare a student with its teacher.

    "kl_to_teacher" is the mean Kullback-Leibler divergence of the student's probabilities from the
    teacher's, in nats. "teacher_agreement" is the share of rows for which both have the same most
    probable class.

    Parameters
    ----------
    found : Evaluation
        The student's evaluation.
    model : LinearModel
        The student.
    part : Part
    teacher_p : ndarray of shape (n, K)
        The teacher's probabilities.
    """
    p = model.predict_proba(part.X)
    added = {
        "kl_to_teacher": float(np.mean(F.kl_divergence(teacher_p, p))),
        "teacher_agreement": float(np.mean(p.argmax(axis=1) == teacher_p.argmax(axis=1))),
    }
    return replace(found, metrics={**found.metrics, **added})


def compare(
    distilled: DistilledStudent, student: Metrics, plain: LinearModel, part: Part
) -> dict[str, Any]:
    """Return the test metrics of the teacher, the student and the plain student.

    The plain student is the same estimator, fitted to the labels alone.
    """
    teacher_p, predicted = distilled.teacher_p, distilled.teacher_classes
    assert teacher_p is not None and predicted is not None
    classes = distilled.student.classes_
    alone = with_teacher_metrics(evaluate(plain, part), plain, part, teacher_p)
    return {
        "teacher": evaluate_predictions(part.y, predicted, teacher_p, classes).metrics,
        "student": student,
        "plain_student": alone.metrics,
    }

"""Distillation inside a run: the teacher, the student, and how they compare."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator

from fastclf import functional as F
from fastclf.config import DistillTable, Recipe
from fastclf.errors import ConfigError, DataError, FastclfError
from fastclf.estimators.distilled import DistilledClassifier, teacher_probabilities
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.teachers import aligned
from fastclf.functional.rounding import ROUNDING, off_sum
from fastclf.linear_model import LinearModel
from fastclf.runs.build import build_teachers
from fastclf.runs.directory import MODEL
from fastclf.runs.evaluation import Evaluation, Metrics, evaluate, judge
from fastclf.runs.parts import Part, Parts
from fastclf.table import listed, matched_names


class KnownTeacher(ClassifierMixin, BaseEstimator):
    """A teacher that is asked about the same rows again and again, and knows what to say.

    Parameters
    ----------
    probabilities : ndarray of shape (n, K)
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
class Teaching:
    """A student, and what its teacher says of the test rows.

    Attributes
    ----------
    student : LogisticRegression
        Fitted.
    told : ndarray of shape (n, K), optional
        Probabilities; None where a file says nothing about test rows, or there are none.
    predicted : ndarray of shape (n,), optional
        The classes that the teacher predicts.
    """

    student: LogisticRegression
    told: np.ndarray | None = None
    predicted: np.ndarray | None = None


def teach(
    recipe: Recipe,
    parts: Parts,
    X: Any,
    student: LogisticRegression,
    labels: np.ndarray,
    names: Sequence[str],
) -> Teaching:
    """Fit a student to what the recipe's teacher says of the training rows, and to their labels.

    Parameters
    ----------
    recipe : Recipe
        With a ``[distill]`` table.
    parts : Parts
    X : ndarray or CSR matrix
        The training rows as the student sees them.
    student : LogisticRegression
    labels, names : ndarray and sequence of str
        The classes, as they are in the data and as they are called.

    Raises
    ------
    ConfigError
        If scikit-learn refuses one of ``distill.teacher_params``, or the data have no labels.
    DataError
        If what a teacher says can't be used.
    """
    table = recipe.distill
    assert table is not None
    check_labels(parts)
    if table.teacher is None:
        of_train, of_test = answers(table, parts, labels, names)
        distilled = _distilled(table, FrozenEstimator(of_train), student)
        distilled.fit(X, parts.train.y, parts.train.weights)
        return _teaching(distilled, of_test, parts)
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
    return _teaching(distilled, distilled.teacher_, parts)


def answers(
    table: DistillTable, parts: Parts, labels: np.ndarray, names: Sequence[str]
) -> tuple[KnownTeacher, KnownTeacher | None]:
    """Return what a run, a file or columns say of the training rows, and of the test rows if known.

    Parameters
    ----------
    table : DistillTable
    parts : Parts
    labels, names : ndarray and sequence of str
        The classes, as they are in the data and as they are called.

    Raises
    ------
    DataError
        If what is said can't be used.
    """
    if table.teacher_run is not None:
        model = _load_run(Path(table.teacher_run))

        def ask(part: Part) -> KnownTeacher:
            return KnownTeacher(_said_by(model, part, names), labels)

        return ask(parts.train), ask(parts.test)

    def known(part: Part) -> KnownTeacher:
        assert part.told is not None  # columns or a file were read with the data
        said = _probabilities(part.told, table.teacher_kind, names, part.rows)
        return KnownTeacher(said, labels)

    return known(parts.train), None if parts.test.told is None else known(parts.test)


def check_labels(parts: Parts) -> None:
    """Refuse distributions for targets.

    Raises
    ------
    ConfigError
        If the targets are such.
    """
    if parts.train.is_soft:
        raise ConfigError(
            "[distill] needs labels, and the target is a distribution, which a student is fitted "
            "to anyway; leave out [distill]"
        )


def _distilled(table: DistillTable, teacher: Any, student: LogisticRegression) -> Any:
    return DistilledClassifier(
        teacher,
        student=student,
        temperature=table.temperature,
        hard_weight=table.hard_weight,
        cv=table.cv,
    )


def _teaching(distilled: DistilledClassifier, of_test: Any, parts: Parts) -> Teaching:
    if of_test is None or not len(parts.test):
        return Teaching(distilled.student_)
    X = parts.prepared(parts.test.X)
    told, classes = teacher_probabilities(of_test, X)
    told = aligned(told, classes, distilled.classes_)
    if isinstance(of_test, list):
        return Teaching(distilled.student_, told, distilled.classes_[told.argmax(axis=1)])
    return Teaching(distilled.student_, told, of_test.predict(X))


def _load_run(path: Path) -> LinearModel:
    return LinearModel.load(path / MODEL if path.is_dir() else path)


def _said_by(model: LinearModel, part: Part, names: Sequence[str]) -> np.ndarray:
    """Return a model's probabilities of the classes in our order."""
    known = [str(label) for label in model.classes.tolist()]
    ours = matched_names(known, names) or {}
    same = len(known) == len(names) and sorted(ours.values()) == sorted(names)
    if model.task == "multilabel" or not same:
        raise DataError(
            f"distill.teacher_run: the classes of that run are {listed(known)}, and those of the "
            f"data {listed(names)}"
        )
    place = {ours[name]: code for code, name in enumerate(known)}
    return model.predict_proba(part.X)[:, [place[name] for name in names]]


def _probabilities(told: np.ndarray, kind: str, names: Sequence[str], rows: Any) -> np.ndarray:
    """Return a teacher's logits or probabilities as probabilities (n, K).

    The number of each row in its file is in ``rows`` (n,).
    """
    if told.shape[1] == 1 and len(names) == 2:
        of_second = told[:, 0]
        is_share = kind != "logits" and bool(((of_second >= 0) & (of_second <= 1)).all())
        first = 1 - of_second if is_share else np.zeros_like(of_second)
        told = np.stack([first, of_second], axis=1)
    if told.shape[1] != len(names):
        raise DataError(
            f"the teacher has {told.shape[1]} columns, and the data have the classes "
            f"{listed(names)}"
        )
    sums = told.sum(axis=1)
    wrong = (told < -ROUNDING).any(axis=1) | off_sum(sums)
    if kind == "logits" or (kind == "auto" and wrong.any()):
        return F.softmax(told)
    if wrong.any():
        at = int(wrong.argmax())
        raise DataError(
            f"row {rows[at]} of what the teacher says isn't a distribution, its sum is "
            f"{sums[at]:.6g}; set distill.teacher_kind to logits if that is what it is"
        )
    return np.maximum(told, 0) / sums[:, None]


def beside_teacher(found: Evaluation, model: LinearModel, part: Part, told: np.ndarray) -> Any:
    """Return an evaluation with the figures of a student beside its teacher.

    These are "kl_to_teacher", the mean Kullback-Leibler divergence of the student's probabilities
    from the teacher's in nats, and "teacher_agreement", the share of rows whose most probable class
    is the same.

    Parameters
    ----------
    found : Evaluation
    model : LinearModel
    part : Part
    told : ndarray of shape (n, K)
        The teacher's probabilities.
    """
    p = model.predict_proba(part.X)
    figures = {
        "kl_to_teacher": float(np.mean(F.kl_divergence(told, p))),
        "teacher_agreement": float(np.mean(p.argmax(axis=1) == told.argmax(axis=1))),
    }
    return replace(found, metrics={**found.metrics, **figures})


def compare(teaching: Teaching, student: Metrics, plain: LinearModel, part: Part) -> dict[str, Any]:
    """Return the metrics of teacher, student and plain student on the test rows.

    The plain student is the same estimator fitted to the labels alone.
    """
    assert teaching.told is not None and teaching.predicted is not None
    classes = teaching.student.classes_
    alone = beside_teacher(evaluate(plain, part), plain, part, teaching.told)
    return {
        "teacher": judge(part.y, teaching.predicted, teaching.told, classes).metrics,
        "student": student,
        "plain_student": alone.metrics,
    }

"""Distillation inside a run: the teacher, the student, and how they compare."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator

from fastclf import functional as F
from fastclf.config import DistillTable, Recipe
from fastclf.errors import ConfigError, DataError
from fastclf.estimators.distilled import DistilledClassifier, teacher_probabilities
from fastclf.estimators.logistic import LogisticRegression
from fastclf.linear_model import LinearModel
from fastclf.runs.build import build_teacher
from fastclf.runs.directory import MODEL
from fastclf.runs.evaluation import Metrics, evaluate, judge
from fastclf.runs.parts import Part, Parts
from fastclf.table import listed


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


def find_teachers(
    recipe: Recipe, parts: Parts, X: Any, labels: np.ndarray, names: Sequence[str]
) -> tuple[ClassifierMixin, ClassifierMixin | None]:
    """Return the recipe's teacher of the training rows, and that of the test rows.

    They are the same if it is trained here. Of test rows that a file says nothing about there is
    none.

    Parameters
    ----------
    recipe : Recipe
        With a ``[distill]`` table.
    parts : Parts
    X : ndarray or CSR matrix
        The training rows as the student sees them.
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
    if parts.train.is_soft:
        raise ConfigError(
            "[distill] needs labels, and the target is a distribution, which a student is fitted "
            "to anyway; leave out [distill]"
        )
    if table.teacher is not None:
        teacher = _fitted(recipe, X, parts.train.y)
        return teacher, teacher
    if table.teacher_run is not None:
        model = _load_run(Path(table.teacher_run))

        def ask(part: Part) -> KnownTeacher:
            return KnownTeacher(_said_by(model, part, names), labels)

        return ask(parts.train), ask(parts.test)

    def known(told: np.ndarray) -> KnownTeacher:
        return KnownTeacher(_probabilities(told, table.teacher_kind, names), labels)

    assert parts.train.told is not None  # columns or a file were read with the data
    of_test = parts.test.told
    return known(parts.train.told), None if of_test is None else known(of_test)


def _fitted(recipe: Recipe, X: Any, y: np.ndarray) -> ClassifierMixin:
    try:
        return build_teacher(recipe).fit(X, y)
    except (TypeError, ValueError) as problem:
        reason = " ".join(str(problem).split())
        raise ConfigError(f"distill.teacher_params: {reason}") from None


def _load_run(path: Path) -> LinearModel:
    return LinearModel.load(path / MODEL if path.is_dir() else path)


def _said_by(model: LinearModel, part: Part, names: Sequence[str]) -> np.ndarray:
    """Return a model's probabilities of the classes in our order."""
    known = [str(label) for label in model.classes.tolist()]
    if model.task == "multilabel" or sorted(known) != sorted(names):
        raise DataError(
            f"distill.teacher_run: the classes of that run are {listed(known)}, and those of the "
            f"data {listed(names)}"
        )
    return model.predict_proba(part.X)[:, [known.index(name) for name in names]]


def _probabilities(told: np.ndarray, kind: str, names: Sequence[str]) -> np.ndarray:
    """Return a teacher's logits or probabilities as probabilities (n, K)."""
    if not np.isfinite(told).all():
        row = int((~np.isfinite(told)).any(axis=1).argmax()) + 1
        raise DataError(f"what the teacher says is missing or infinite, first in row {row}")
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
    wrong = (told < 0).any(axis=1) | (np.abs(sums - 1) > 0.01)
    if kind == "logits" or (kind == "auto" and wrong.any()):
        return F.softmax(told)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"row {row + 1} of what the teacher says isn't a distribution, its sum is "
            f"{sums[row]:.6g}; set distill.teacher_kind to logits if that is what it is"
        )
    return told / sums[:, None]


def fit_student(
    table: DistillTable,
    teacher: ClassifierMixin,
    student: LogisticRegression,
    X: Any,
    y: np.ndarray,
) -> LogisticRegression:
    """Return a student fitted to what the fitted teacher says of ``X``, and to ``y``."""
    distilled = DistilledClassifier(
        FrozenEstimator(teacher),
        student=student,
        temperature=table.temperature,
        hard_weight=table.hard_weight,
    )
    return distilled.fit(X, y).student_


def compare(
    teacher: ClassifierMixin, student: LinearModel, plain: LinearModel, parts: Parts
) -> dict[str, Metrics]:
    """Return the metrics of teacher, student and plain student on the test rows.

    The plain student is the same estimator fitted to the labels alone. ``kl_to_teacher`` is the
    mean Kullback-Leibler divergence of a student's probabilities from the teacher's, in nats.
    """
    X = parts.prepared(parts.test.X)
    told, _ = teacher_probabilities(teacher, X)
    taught = judge(parts.test.y, teacher.predict(X), told, teacher.classes_)
    figures = {"teacher": taught.metrics}
    for name, model in (("student", student), ("plain_student", plain)):
        divergence = F.kl_divergence(told, model.predict_proba(parts.test.X))
        figures[name] = {
            **evaluate(model, parts.test).metrics,
            "kl_to_teacher": float(np.mean(divergence)),
        }
    return figures

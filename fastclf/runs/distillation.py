"""Distillation inside a run: the teacher, the student, and how they compare."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.frozen import FrozenEstimator

from fastclf import functional as F
from fastclf.config import DistillTable, Recipe
from fastclf.errors import ConfigError
from fastclf.estimators.distilled import DistilledClassifier, teacher_probabilities
from fastclf.estimators.logistic import LogisticRegression
from fastclf.linear_model import LinearModel
from fastclf.runs.build import build_teacher
from fastclf.runs.evaluation import Metrics, evaluate, judge
from fastclf.runs.parts import Parts


def fit_teacher(recipe: Recipe, X: np.ndarray, y: np.ndarray) -> ClassifierMixin:
    """Return the recipe's teacher, fitted.

    Raises
    ------
    ConfigError
        If scikit-learn refuses one of ``distill.teacher_params``.
    """
    try:
        return build_teacher(recipe).fit(X, y)
    except (TypeError, ValueError) as problem:
        reason = " ".join(str(problem).split())
        raise ConfigError(f"distill.teacher_params: {reason}") from None


def fit_student(
    table: DistillTable,
    teacher: ClassifierMixin,
    student: LogisticRegression,
    X: np.ndarray,
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

"""Distillation on a stream, whose rows have classes and a teacher's predictions."""

from dataclasses import dataclass

import numpy as np

from fastclf.estimators import choice, compatibility, streams, validation
from fastclf.estimators.encoding import Labels
from fastclf.estimators.fitting import fit_problem
from fastclf.estimators.logistic import LogisticRegression, settings_of
from fastclf.estimators.problem import Problem, problem_of_classes
from fastclf.estimators.streams import RowStream, StreamedRows
from fastclf.losses import Distillation


def taught(q: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return y (m, K + 1) of rows with a teacher: its probabilities (m, K), and indices of classes.

    The probabilities are softened by the temperature.
    """
    return np.column_stack([q, codes.astype(np.float64)])


def fit_taught(
    student: LogisticRegression, stream: RowStream, classes: np.ndarray, mixture: Distillation
) -> LogisticRegression:
    """Fit a student as `DistilledClassifier` does, and return it.

    Parameters
    ----------
    student : LogisticRegression
    stream : RowStream
        Its y (m, K + 1) is that of `taught`.
    classes : ndarray of shape (K,)
    mixture : Distillation
        How the teacher and the classes are mixed in the loss.

    Raises
    ------
    ValueError
        If a row can't be used, or a parameter.
    """
    settings = settings_of(student)
    tally = _TaughtTally(len(classes))
    held_out = choice.held_out(student.solver, student.random_state, None)
    found = streams.survey(student, stream, tally, held_out)
    compatibility.check_classes(student.solver, len(classes))
    student.classes_ = classes
    one_of_each = Labels(classes, np.arange(len(classes)))
    of_class = validation.class_weights(student.class_weight, one_of_each, tally.mass)
    eps = student.label_smoothing
    problem = problem_of_classes(
        one_of_each,
        tally.mass,
        of_class,
        np.dtype(np.float64),
        eps,
        teacher=tally.means,
        distillation=mixture,
    )
    encode = _TaughtEncoding(classes, of_class, np.dtype(stream.dtype), eps, mixture)
    result = fit_problem(StreamedRows(stream, found, encode), problem, settings, student)
    result.store(student)
    result.warn(stacklevel=2)
    return student


class _TaughtTally:
    """The weight of each class (K,), and the mean of what the teacher says of its rows (K, K)."""

    def __init__(self, K: int) -> None:
        self.mass = np.zeros(K)
        self.sums = np.zeros((K, K))

    def add(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Count some rows; return the indices of their classes."""
        codes = y[:, -1].astype(np.intp)
        of_row = np.zeros((len(y), len(self.mass)))
        of_row[np.arange(len(y)), codes] = weights
        self.mass += of_row.sum(axis=0)
        self.sums += of_row.T @ y[:, :-1]
        return codes

    def merge(self, other: "_TaughtTally") -> None:
        """Count what another tally has counted."""
        self.mass += other.mass
        self.sums += other.sums

    @property
    def n_outputs(self) -> int:
        """The columns of a problem."""
        return len(self.mass) if len(self.mass) > 2 else 1

    @property
    def means(self) -> np.ndarray:
        """The mean probabilities of the rows of each class (K, K), in rows of sum 1."""
        empty = self.mass == 0
        uniform = np.full(len(self.mass), 1 / len(self.mass))
        return np.where(empty[:, None], uniform, self.sums / np.where(empty, 1, self.mass)[:, None])


@dataclass(frozen=True)
class _TaughtEncoding:
    """Encodes pieces of y (m, K + 1); the fields are arguments of `problem_of_classes`."""

    classes: np.ndarray
    of_class: np.ndarray
    dtype: np.dtype
    label_smoothing: float
    mixture: Distillation

    def __call__(self, y: np.ndarray, weights: np.ndarray) -> Problem:
        """Return the problem of some rows."""
        return problem_of_classes(
            Labels(self.classes, y[:, -1].astype(np.intp)),
            weights,
            self.of_class,
            self.dtype,
            self.label_smoothing,
            is_part=True,
            teacher=y[:, :-1],
            distillation=self.mixture,
        )

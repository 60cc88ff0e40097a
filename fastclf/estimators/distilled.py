"""Distillation: a linear student fitted to what a teacher predicts, and to labels."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import MetaEstimatorMixin, clone, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from fastclf.errors import InputError
from fastclf.estimators import compatibility, teachers, validation
from fastclf.estimators.encoding import Distributions, Labels, encode, of_rows
from fastclf.estimators.fitting import fit_problem
from fastclf.estimators.logistic import LogisticRegression, settings_of
from fastclf.estimators.prediction import AccuracyScore, LinearPredictor
from fastclf.estimators.problem import Problem, problem_of_classes
from fastclf.functional import softmax
from fastclf.losses import Distillation

_OF_STUDENT = "classes_", "coef_", "intercept_", "n_iter_", "history_", "n_features_in_"
"""The student's attributes that a fitted DistilledClassifier has, too."""


@dataclass(kw_only=True, eq=False, repr=False)
class DistilledClassifier(AccuracyScore, MetaEstimatorMixin, LinearPredictor):
    """A linear student that learns from a teacher's probabilities, softened by a temperature.

    Minimises ``a CE(y, z) + (1 - a) T² CE(q_T, z / T)`` and the student's penalty: a is
    `hard_weight`, T the temperature, q_T the teacher's softened probabilities (Hinton, Vinyals and
    Dean, *Distilling the knowledge in a neural network*, 2015).

    Parameters
    ----------
    teacher : classifier or list of classifiers
        Cloned and fitted on X and y, unless it is scikit-learn's FrozenEstimator. Its logits are
        its decision_function where the softmax of that is its predict_proba, or where it has none,
        as an SVC with ``probability=False``; else the logarithms of its probabilities. Of several
        teachers the softened probabilities are averaged. None if `fit` is given logits.
    student : LogisticRegression, optional
        None is ``LogisticRegression()``. Rows of its ``ignore_index`` are left out, for the
        teacher too.
    temperature : float
        T > 0.
    hard_weight : float
        a in [0, 1]: 0 is the teacher alone, 1 the labels alone.
    cv : int, splitter, iterable of splits, or None
        With folds, as for scikit-learn, the student learns from the predictions of clones of the
        teacher for rows that they weren't fitted to. This helps with teachers that overfit, whose
        predictions for their own rows are little more than the labels. None: the student learns
        from the teacher's predictions for its own rows.

    Attributes
    ----------
    teacher_ : classifier or list of classifiers
        Fitted to all rows; None if `fit` was given logits.
    student_ : LogisticRegression
        The fitted student.
    classes_, coef_, intercept_, n_iter_, history_, n_features_in_
        Those of the student.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from fastclf import DistilledClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = RandomForestClassifier(random_state=0)
    >>> clf = DistilledClassifier(teacher, temperature=2.0, hard_weight=0.5).fit(X, y)
    >>> bool(clf.score(X, y) > 0.9)
    True
    """

    teacher: Any = field(kw_only=False)
    student: LogisticRegression | None = None
    temperature: float = 2.0
    hard_weight: float = 0.0
    cv: Any = None

    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, teacher_logits: Any = None
    ) -> "DistilledClassifier":
        """Fit the student, and the teacher unless frozen or its logits are given; return self.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,) or (n, K), optional
            Labels or distributions. None only with a frozen teacher or with `teacher_logits`, and
            if `hard_weight` is 0.
        sample_weight : array-like of shape (n,), optional
            Given to the teacher too, if it takes weights.
        teacher_logits : array-like of shape (n, K) or (n,), optional
            Used in place of the teacher's; of shape (n,) for the second of two classes.

        Raises
        ------
        ValueError
            If y is missing where it is needed, the teacher knows other classes, or a parameter
            can't be used.
        """
        validation.refuse_stream(
            X,
            "DistilledClassifier takes no stream, because its teacher predicts all rows at once",
            "write the teacher's probabilities into columns of the data, and fit "
            "LogisticRegression to a stream with these columns as targets",
        )
        temperature = validation.positive_number(self.temperature, "temperature")
        hard_weight = validation.fraction(self.hard_weight, "hard_weight")
        student = LogisticRegression() if self.student is None else clone(self.student)
        if not isinstance(student, LogisticRegression):
            raise InputError(f"student must be a LogisticRegression, got {type(student).__name__}")
        settings = settings_of(student)
        features = validation.validate_features(student, X, reset=True)
        frozen = all(isinstance(teacher, FrozenEstimator) for teacher in self._teachers)
        if y is None and (hard_weight > 0 or (teacher_logits is None and not frozen)):
            raise InputError(
                "requires y to be passed, but the target y is None: labels are needed unless the "
                "teacher is a FrozenEstimator or teacher_logits is given, and hard_weight is 0"
            )
        weights = validation.validate_sample_weight(sample_weight, features)
        encoded = None
        if y is not None:
            validation.check_rows(features, y)
            encoded = encode(y, ignore=student.ignore_index)
            if encoded.ignored is not None:
                rows = np.flatnonzero(~encoded.ignored)
                encoded = Labels(encoded.classes, encoded.codes[rows])
                X, features, weights, teacher_logits = of_rows(
                    rows, X, features, weights, teacher_logits
                )
            validation.check_two_classes(encoded.classes, type(self).__name__)
        sample_weight = None if sample_weight is None else weights
        if teacher_logits is not None and self.cv is not None:
            raise InputError(
                f"cv={self.cv!r} fits teachers to folds, but teacher_logits are given; leave out "
                "one of the two"
            )
        if teacher_logits is None:
            teacher, q, known = self._taught(X, encoded, sample_weight, temperature)
            classes = known if encoded is None else encoded.classes
            q = teachers.aligned(q, known, classes)
        else:
            teacher, q = None, _softened_logits(teacher_logits, temperature, len(weights))
            classes = np.arange(q.shape[1]) if encoded is None else encoded.classes
            if q.shape[1] != len(classes):
                raise InputError(
                    f"teacher_logits has {q.shape[1]} columns, but there are {len(classes)} classes"
                )
        compatibility.check_classes(student.solver, len(classes))
        student.classes_ = classes
        mixture = Distillation(temperature, hard_weight)
        problem = distilled_problem(student, encoded, weights, q, mixture, features.dtype)
        result = fit_problem(features, problem, settings, student)
        result.store(student)
        result.warn(stacklevel=2)
        self.teacher_, self.student_ = teacher, student
        for name in (*_OF_STUDENT, "feature_names_in_"):
            if hasattr(student, name):
                setattr(self, name, getattr(student, name))
        return self

    @property
    def _teachers(self) -> list[Any]:
        return list(self.teacher) if isinstance(self.teacher, list | tuple) else [self.teacher]

    def _taught(
        self, X: Any, encoded: Any, sample_weight: Any, temperature: float
    ) -> tuple[Any, np.ndarray, np.ndarray]:
        # The fitted teachers, their mean probabilities at a temperature, and the classes of those.
        given = self._teachers
        if not given:
            raise InputError("teacher is an empty list: give one classifier or more")
        if self.cv is not None and all(isinstance(one, FrozenEstimator) for one in given):
            raise InputError(
                f"cv={self.cv!r} fits teachers to folds, but the teacher is frozen; "
                "leave out one of the two"
            )
        taught = [_fitted_teacher(one, X, encoded, sample_weight) for one in given]
        classes = taught[0].classes_
        answers = []
        for one, teacher in zip(given, taught, strict=True):
            if self.cv is None or isinstance(one, FrozenEstimator):
                p, known = _softened(teacher, X, temperature), teacher.classes_
            else:
                ask = partial(_softened, temperature=temperature)
                p = teachers.cross_fitted(one, X, encoded, sample_weight, self.cv, ask)
                known = encoded.classes
            answers.append(teachers.aligned(p, known, classes))
        several = isinstance(self.teacher, list | tuple)
        return taught if several else taught[0], np.mean(answers, axis=0), classes

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the estimator can do."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = all(
            teacher is None or get_tags(teacher).input_tags.sparse for teacher in self._teachers
        )
        return tags

    def _asked(self) -> LogisticRegression:
        return self.student_


def teacher_probabilities(
    teacher: Any, X: Any, temperature: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return a fitted teacher's probabilities (n, K) at a temperature, and the classes (K,).

    Of a list of teachers they are the means.
    """
    several = teacher if isinstance(teacher, list) else [teacher]
    classes = several[0].classes_
    each = [
        teachers.aligned(_softened(one, X, temperature), one.classes_, classes) for one in several
    ]
    return np.mean(each, axis=0), classes


def _softened(teacher: Any, X: Any, temperature: float) -> np.ndarray:
    try:
        logits = teachers.logits_of(teacher, X)
    except InputError as problem:
        raise InputError(f"teacher {problem}") from None
    if not (logits < np.inf).all():
        row = int((~(logits < np.inf)).any(axis=1).argmax())
        raise InputError(f"teacher {type(teacher).__name__} predicts NaN or infinity in row {row}")
    return softmax(logits, temperature)


def _softened_logits(teacher_logits: Any, temperature: float, n: int) -> np.ndarray:
    logits = teachers.two_columns(np.asarray(teacher_logits))
    if logits.ndim != 2 or logits.shape[0] != n:
        raise InputError(f"teacher_logits must have shape ({n}, K) or ({n},), got {logits.shape}")
    return softmax(teachers.check_finite(logits, "teacher_logits must be finite, but"), temperature)


def _fitted_teacher(given: Any, X: Any, encoded: Any, sample_weight: Any) -> Any:
    if given is None:
        raise InputError("teacher is None: give a classifier, or teacher_logits to fit")
    if not hasattr(given, "fit"):
        raise InputError(f"teacher must be a classifier, or a list of them, got {given!r}")
    teacher = clone(given)
    if isinstance(teacher, FrozenEstimator):
        return teacher
    if is_regressor(teacher):
        raise InputError(f"teacher must be a classifier, got {type(teacher).__name__}")
    if not isinstance(encoded, Labels):
        raise InputError(
            "a teacher is fitted to labels, but y holds distributions; freeze a fitted teacher "
            "with sklearn.frozen.FrozenEstimator, or give teacher_logits"
        )
    return teachers.fitted(teacher, X, encoded.y, sample_weight)


def distilled_problem(
    student: LogisticRegression,
    encoded: Labels | Distributions | None,
    weights: np.ndarray,
    q: np.ndarray,
    mixture: Distillation,
    dtype: np.dtype,
) -> Problem:
    """Return the problem of a student with ``classes_`` (K,), with a teacher mixed in.

    Without labels the teacher's probabilities ``q`` (n, K) stand in for them, with no weight.
    """
    if encoded is None:
        encoded = Distributions(student.classes_, q)
    of_class = validation.class_weights(student.class_weight, encoded, weights)
    eps = student.label_smoothing
    return problem_of_classes(
        encoded, weights, of_class, dtype, eps, teacher=q, distillation=mixture
    )

"""Counts of targets that come in pieces, and how each piece is encoded once all are counted."""

import warnings
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from fastclf.errors import InputError
from fastclf.estimators import labels
from fastclf.estimators.encoding import Distributions, Labels, encode, indicators
from fastclf.estimators.problem import Problem, problem_of_classes
from fastclf.losses import Loss

_CHECKED = 10_000
"""Labels of the first piece for which it is checked that they are classes."""


class Tally(Protocol):
    """A count over all targets of a stream, or of partitions.

    Attributes
    ----------
    n_outputs : int
        The columns of a problem, K.
    """

    @property
    def n_outputs(self) -> int:
        """K."""

    def merge(self, other: Any) -> None:
        """Count what another tally of the same kind has counted."""

    def add(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
        """Count some; return their classes as small integers, if each has one."""


class LabelTally:
    """Classes and their weights, from pieces of labels (m,); the label ``ignore`` is no class."""

    def __init__(self, ignore: object = None) -> None:
        self._ignore = ignore
        self._code_of: dict[object, int] = {}
        self._labels: list[np.generic] = []
        self._mass: np.ndarray = np.zeros(0)
        self._dtype: np.dtype | None = None
        self._n = 0

    def add(self, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Count some labels; return the number of each one's class, as they came."""
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            row = self._n + int((~np.isfinite(y)).argmax()) + 1
            raise InputError(f"row {row}: the target is missing or infinite; drop such rows")
        if self._n == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that there are many classes
                check_classification_targets(y[:_CHECKED])
        self._n += len(y)
        self._widen(y.dtype)
        found, places = np.unique(y, return_inverse=True)
        pairs = zip(found.tolist(), found, strict=True)
        codes = np.array([self._code(*pair) for pair in pairs], np.intp)[places]
        more: np.ndarray = np.bincount(codes, weights, minlength=len(self._labels))
        self._mass = more + np.append(self._mass, np.zeros(len(more) - len(self._mass)))
        return codes

    def merge(self, other: "LabelTally") -> None:
        """Count what another tally has counted."""
        mine, others = ([name for name, _ in tally.labels] for tally in (self, other))
        if mine and others and isinstance(mine[0], str) != isinstance(others[0], str):
            raise InputError(
                f"y holds {others[0]!r}, but {mine[0]!r} before; make all labels text, or all "
                "numbers"
            )
        if other._dtype is not None:
            self._widen(other._dtype)
        self._n += other._n
        codes = [self._code(name, label) for name, label in other.labels]
        mass: np.ndarray = np.bincount(codes, other._mass, minlength=len(self._labels))
        mass[: len(self._mass)] += self._mass
        self._mass = mass

    @property
    def labels(self) -> list[tuple[object, np.generic]]:
        """The labels so far, as plain objects and as NumPy's."""
        return list(zip(self._code_of, self._labels, strict=True))

    @property
    def n_outputs(self) -> int:
        """The columns of a problem, K."""
        return len(self._labels) if len(self._labels) > 2 else 1

    def _code(self, name: object, label: np.generic) -> int:
        # The number of a label's class, in the order in which they came.
        if name not in self._code_of:
            self._code_of[name] = len(self._labels)
            self._labels.append(label)
        return self._code_of[name]

    def _widen(self, dtype: np.dtype) -> None:
        # The dtype of all labels so far: objects stay objects, and numbers get a common type.
        before = dtype if self._dtype is None else self._dtype
        either = object in (before, dtype)
        self._dtype = np.dtype(object) if either else np.result_type(before, dtype)

    def encoded(self) -> tuple[Labels, np.ndarray]:
        """Return one row for each class, in order, and their weights (K,)."""
        ignore = self._ignore
        kept = [i for i, label in enumerate(self._labels) if ignore is None or label != ignore]
        classes = np.array([self._labels[i] for i in kept], self._dtype)
        order = np.argsort(classes)
        return Labels(classes[order], np.arange(len(order))), self._mass[kept][order]


class DistributionTally:
    """The weight of each class, from pieces of distributions (m, K)."""

    def __init__(self, names: tuple[str, ...] | None) -> None:
        self.names = None if names is None else np.asarray(names)
        self._mass: np.ndarray | float = 0.0

    def add(self, y: np.ndarray, weights: np.ndarray) -> None:
        """Count some rows."""
        self._mass = self._mass + encode(y).mass(weights)

    @property
    def n_outputs(self) -> int:
        """The columns of a problem, K."""
        return np.size(self._mass) if np.size(self._mass) > 2 else 1

    def merge(self, other: "DistributionTally") -> None:
        """Count what another tally has counted."""
        self._mass = self._mass + other._mass

    def encoded(self) -> tuple[Distributions, np.ndarray]:
        """Return one row for each class, and their weights (K,)."""
        mass = np.asarray(self._mass)
        classes = np.arange(mass.size) if self.names is None else self.names
        return Distributions(classes, np.eye(mass.size)), mass


ClassTally = LabelTally | DistributionTally


def class_tally(are_labels: bool, names: tuple[str, ...] | None, ignore: object) -> ClassTally:
    """Return an empty tally of labels, or of distributions over classes that may have names."""
    return LabelTally(ignore) if are_labels else DistributionTally(names)


class IndicatorTally:
    """The weight on both sides of each label, from pieces of indicators (m, L)."""

    def __init__(self, names: tuple[str, ...] | None = None) -> None:
        self._names = names
        self._sides: np.ndarray | float = 0.0

    @property
    def names(self) -> np.ndarray:
        """The names of the labels (L,), or their numbers."""
        L = np.shape(self._sides)[1]
        return np.arange(L) if self._names is None else np.asarray(self._names)

    def add(self, y: np.ndarray, weights: np.ndarray) -> None:
        """Count some rows; weights are (m,) or (m, L)."""
        values, _ = indicators(y)
        known = ~np.isnan(values)
        own = (weights if weights.ndim == 2 else weights[:, None]) * known
        positive = np.where(known, values, 0)
        on = np.einsum("il,il->l", own, positive)
        off = np.einsum("il,il->l", own, 1 - positive)
        self._sides = self._sides + np.stack([on, off])

    @property
    def n_outputs(self) -> int:
        """The columns of a problem, 1."""
        return 1

    def merge(self, other: "IndicatorTally") -> None:
        """Count what another tally has counted."""
        self._sides = self._sides + other._sides

    def encoded(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a row with all labels on and one with all off (2, L), and their weights (2, L)."""
        sides = np.asarray(self._sides)
        return np.stack([np.ones(sides.shape[1]), np.zeros(sides.shape[1])]), sides


def label_tally(several: bool, names: tuple[str, ...] | None) -> IndicatorTally:
    """Return an empty tally of several labels, which may have names."""
    if not several:
        raise InputError(
            "several labels need several target columns; for one column use LogisticRegression"
        )
    return IndicatorTally(names)


def codes_among(y: np.ndarray, classes: np.ndarray, ignore: object = None) -> Labels:
    """Encode labels (m,) that were tallied, so that they are among the sorted classes (K,)."""
    codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    ignored = None if ignore is None else np.asarray(y == ignore)
    unknown = classes[codes] != y
    if ignored is not None:
        unknown &= ~ignored
    if unknown.any():
        raise InputError(
            f"the target {y[unknown][0]!r} didn't occur in the first pass over the data, so the "
            "data have changed; start again once nothing writes to them"
        )
    return Labels(classes, codes, ignored if ignored is not None and ignored.any() else None)


@dataclass(frozen=True)
class ClassEncoding:
    """Encodes pieces of labels (m,), or of distributions (m, K), over classes that were counted.

    The fields are arguments of `problem_of_classes`, and the label that is no class.
    """

    classes: np.ndarray
    of_class: np.ndarray
    dtype: np.dtype
    label_smoothing: float
    are_labels: bool
    ignore: object = None

    def __call__(self, y: np.ndarray, weights: np.ndarray) -> Problem:
        """Return the problem of some rows."""
        part = codes_among(y, self.classes, self.ignore) if self.are_labels else encode(y)
        return problem_of_classes(
            part, weights, self.of_class, self.dtype, self.label_smoothing, is_part=True
        )

    def known(self, y: np.ndarray) -> None:
        """Return None: all targets are known."""


@dataclass(frozen=True)
class LabelEncoding:
    """Encodes pieces of indicators (m, L), with the loss that all rows together have."""

    loss: Loss
    label_smoothing: float

    def __call__(self, y: np.ndarray, weights: np.ndarray) -> Problem:
        """Return the problem of some rows; weights are (m,) or (m, L)."""
        values = indicators(y)[0]
        part = labels.problem_of_labels(values, weights, self.label_smoothing, None, [])
        return replace(part, loss=self.loss)

    def known(self, y: np.ndarray) -> np.ndarray | None:
        """Return which labels are known (m, L), or None if all are."""
        known = ~np.isnan(indicators(y)[0])
        return None if known.all() else known


def counted_labels(estimator: Any, tally: IndicatorTally) -> tuple[Problem, LabelEncoding]:
    """Return a problem of two rows with the weights of all, and the encoding of some of them.

    The ``classes_`` of the estimator are set.
    """
    values, mass = tally.encoded()
    estimator.classes_, eps = tally.names, estimator.label_smoothing
    names = tally.names.tolist()
    problem = labels.problem_of_labels(values, mass, eps, estimator.pos_weight, names)
    return problem, LabelEncoding(problem.loss, eps)

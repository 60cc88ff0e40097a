"""Targets that come in pieces: what is counted over all, and rows that have the same sums."""

import warnings

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from fastclf.errors import InputError
from fastclf.estimators.encoding import Distributions, Labels, encode, indicators

_CHECKED = 10_000
"""Labels of the first piece that are looked at, whether they are classes at all."""


class LabelTally:
    """Classes and their weights, from pieces of labels (m,); the label ``ignore`` is no class."""

    def __init__(self, ignore: object = None) -> None:
        self._ignore = ignore
        self._code_of: dict[object, int] = {}
        self._labels: list[np.generic] = []
        self._mass = np.zeros(0)
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
        found, places = np.unique(y, return_inverse=True)
        for label, name in zip(found, found.tolist(), strict=True):
            if name not in self._code_of:
                self._code_of[name] = len(self._labels)
                self._labels.append(label)
        codes = np.array([self._code_of[name] for name in found.tolist()], np.intp)[places]
        more: np.ndarray = np.bincount(codes, weights, minlength=len(self._labels))
        self._mass = more + np.append(self._mass, np.zeros(len(more) - len(self._mass)))
        return codes

    def encoded(self) -> tuple[Labels, np.ndarray]:
        """Return one row for each class, in order, and their weights (K,)."""
        kept = [i for i, label in enumerate(self._labels) if not self._is_ignored(label)]
        classes = np.array([self._labels[i] for i in kept])
        order = np.argsort(classes)
        return Labels(classes[order], np.arange(len(order))), self._mass[kept][order]

    def _is_ignored(self, label: np.generic) -> bool:
        return self._ignore is not None and bool(label == self._ignore)


class DistributionTally:
    """The weight of each class, from pieces of distributions (m, K)."""

    def __init__(self, names: tuple[str, ...] | None) -> None:
        self.names = None if names is None else np.asarray(names)
        self._mass: np.ndarray | float = 0.0

    def add(self, y: np.ndarray, weights: np.ndarray) -> None:
        """Count some rows."""
        encoded = encode(y)
        self._mass = self._mass + encoded.mass(weights)

    def encoded(self) -> tuple[Distributions, np.ndarray]:
        """Return one row for each class, and their weights (K,)."""
        mass = np.asarray(self._mass)
        classes = np.arange(mass.size) if self.names is None else self.names
        return Distributions(classes, np.eye(mass.size)), mass


class IndicatorTally:
    """The weight on both sides of each label, from pieces of indicators (m, L)."""

    def __init__(self) -> None:
        self._sides: np.ndarray | float = 0.0

    def add(self, y: np.ndarray, weights: np.ndarray) -> None:
        """Count some rows."""
        values, _ = indicators(y)
        known = ~np.isnan(values)
        own = weights[:, None] * known
        positive = np.where(known, values, 0)
        on = np.einsum("il,il->l", own, positive)
        off = np.einsum("il,il->l", own, 1 - positive)
        self._sides = self._sides + np.stack([on, off])

    def encoded(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a row in which all labels are on and one in which all are off, with weights.

        Both (2, L).
        """
        sides = np.asarray(self._sides)
        return np.stack([np.ones(sides.shape[1]), np.zeros(sides.shape[1])]), sides


def codes_among(classes: np.ndarray, y: np.ndarray, ignore: object = None) -> Labels:
    """Encode labels (m,) that were tallied, so that they are among the sorted classes (K,)."""
    codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    ignored = None if ignore is None else np.asarray(y == ignore)
    unknown = classes[codes] != y
    if ignored is not None:
        unknown &= ~ignored
    if unknown.any():
        raise InputError(
            f"the target {y[unknown][0]!r} wasn't there in the first pass over the data; start "
            "again when nobody writes to them"
        )
    return Labels(classes, codes, ignored if ignored is not None and ignored.any() else None)

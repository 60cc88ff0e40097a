"""`Dataset`, a data set in memory."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse

from fastclf.data.cards import Task
from fastclf.errors import DataError, nearest
from fastclf.table import Numbers, Table, listed


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory.

    Attributes
    ----------
    name : str
    features : ndarray of shape (n, d), CSR matrix of shape (n, d), or Table
        The features before preprocessing.
    y : ndarray of shape (n,), (n, L) or (n, K)
        A label for each row. Or for each of L labels an indicator: 0, 1 or a probability, and NaN
        if it is unknown. Or, if ``is_soft``, a distribution over K classes.
    feature_names : tuple of str
        The names of the d columns.
    class_names : tuple of str
        The names of the classes in sorted order of the labels; or of the columns of ``y``.
    is_soft : bool
        Whether ``y`` holds distributions.
    groups : ndarray of shape (n,), optional
        The values of the column by which rows are split into training and test rows.
    test : Dataset, optional
        The test rows, if the data define them.
    teacher_outputs : ndarray of shape (n, K), optional
        The logits or probabilities of a teacher.
    weights : ndarray of shape (n,), optional
        The weight of each row in a fit.
    layout : Layout, optional
        The layout of the text file that was read.
    numbers : ndarray of shape (n,), optional
        The number of each row in its file; given if ``features`` is a matrix and some rows of the
        file were left out.
    left_out : dict of str to int
        How many rows were left out, by reason.
    text : tuple of str
        The columns of a Table that hold raw text, whose words become features.

    Examples
    --------
    >>> from fastclf.data import load_built_in
    >>> iris = load_built_in("iris")
    >>> iris.features.shape, iris.task, iris.class_names
    ((150, 4), 'multiclass', ('setosa', 'versicolor', 'virginica'))
    >>> iris.take(iris.y != "setosa").n_rows
    100
    """

    name: str
    features: Any
    y: np.ndarray
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    is_soft: bool = False
    groups: np.ndarray | None = None
    test: "Dataset | None" = None
    teacher_outputs: np.ndarray | None = None
    weights: np.ndarray | None = None
    layout: Any = None
    numbers: np.ndarray | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    text: tuple[str, ...] = ()

    @property
    def rows(self) -> np.ndarray:
        """The number of each row in its file (n,), from 1 on, for messages."""
        if isinstance(self.features, Table):
            return self.features.rows
        return np.arange(1, self.n_rows + 1) if self.numbers is None else self.numbers

    @property
    def all_left_out(self) -> dict[str, int]:
        """How many rows were left out, by reason, including those of ``test``."""
        of_test = {} if self.test is None else self.test.left_out
        return self.left_out | {f"to test on {why}": count for why, count in of_test.items()}

    @property
    def n_rows(self) -> int:
        """The number of rows, without those of ``test``."""
        return self.y.shape[0]

    @property
    def task(self) -> Task:
        """The kind of task: "binary", "multiclass" or "multilabel"."""
        if self.y.ndim == 2 and not self.is_soft:
            return "multilabel"
        return "binary" if len(self.class_names) == 2 else "multiclass"

    @property
    def hard_labels(self) -> np.ndarray:
        """A label for each row (n,): of a distribution, the index of its most probable class."""
        return self.y.argmax(axis=1) if self.is_soft else self.y

    @property
    def labels(self) -> np.ndarray:
        """The classes (K,) in the order of their names: labels, or indices if ``y`` is 2-D."""
        return np.arange(len(self.class_names)) if self.y.ndim == 2 else np.unique(self.y)

    def take(self, rows: np.ndarray) -> "Dataset":
        """Return some rows, given by indices or a mask; the result has no ``test``."""
        features = self.features
        return replace(
            self,
            features=features.take(rows) if isinstance(features, Table) else features[rows],
            y=self.y[rows],
            groups=None if self.groups is None else self.groups[rows],
            teacher_outputs=None if self.teacher_outputs is None else self.teacher_outputs[rows],
            weights=None if self.weights is None else self.weights[rows],
            numbers=None if isinstance(features, Table) else self.rows[rows],
            test=None,
        )

    def fingerprint(self) -> str:
        """Return the SHA-256 of all values, shapes, dtypes and names, in hexadecimal."""
        digest = hashlib.sha256()
        for part in _parts(self):
            digest.update(part)
        return digest.hexdigest()

    def ignoring(self, label: str | int) -> "Dataset":
        """Return the rows without a label, and remove it from the classes.

        Raises
        ------
        DataError
            If ``y`` is 2-D, or no row has the label.
        """
        if self.y.ndim == 2:
            what = "distributions" if self.is_soft else "any number of labels per row"
            raise DataError(
                f"data.ignore_index needs one label per row, but {self.name} has {what}; leave it "
                "out"
            )
        others = [name for name in self.class_names if name != str(label)]
        if len(others) == len(self.class_names):
            raise DataError(unknown_label(self.name, str(label), self.class_names, "label"))
        return self._of_classes(others, left_out_reason([str(label)], str(label)))

    def keep_classes(self, classes: Sequence[str | int]) -> "Dataset":
        """Return the rows of some classes.

        Raises
        ------
        DataError
            If ``y`` is 2-D, a class doesn't exist, or fewer than two classes are named.
        """
        if self.y.ndim == 2:
            what = "has distributions" if self.is_soft else "is multi-label"
            raise DataError(f"{self.name} {what}: data.classes can't select its rows")
        names = [str(name) for name in classes]
        for name in names:
            if name not in self.class_names:
                raise DataError(unknown_label(self.name, name, self.class_names, "class"))
        if len(set(names)) < 2:
            raise DataError(f"data.classes has only one class, {names[0]}; name two or more")
        others = [name for name in self.class_names if name not in names]
        return self._of_classes(names, left_out_reason(others))

    def _of_classes(self, names: Sequence[str], reason: str) -> "Dataset":
        """Return the rows of some classes, and add the others to ``left_out`` with a reason."""
        kept = np.isin(self.y.astype(str), names)
        test, n_others = self.test, int((~kept).sum())
        if test is not None:
            kept_test = np.isin(test.y.astype(str), names)
            n_others += int((~kept_test).sum())
            test = test.take(kept_test)
        return replace(
            self.take(kept),
            class_names=tuple(name for name in self.class_names if name in names),
            test=test,
            left_out={**self.left_out, **({reason: n_others} if n_others else {})},
        )


def unknown_label(source: str, label: str, known: Sequence[str], noun: str) -> str:
    """Return the error that data have no such label; it is called a "label" or a "class"."""
    nouns = {"label": "labels", "class": "classes"}
    return (
        f'{source} has no {noun} "{label}"{nearest(label, list(known))}; its {nouns[noun]} are '
        f"{listed(known)}"
    )


def left_out_reason(labels: Sequence[str], ignored: str | None = None) -> str:
    """Return why rows with some labels are left out: one is ignored, or others are chosen."""
    if ignored is not None:
        return f'with the label "{ignored}" (data.ignore_index)'
    return f"of other classes, {listed(labels)} (data.classes)"


def _parts(dataset: Dataset) -> Iterator[bytes]:
    """Yield the bytes of all values and names, for the fingerprint."""
    features = dataset.features
    if isinstance(features, Table):
        for name, column in features.columns.items():
            yield f"\0{name}\0{type(column).__name__}".encode()
            arrays = [column.values] if isinstance(column, Numbers) else [column.codes]
            if not isinstance(column, Numbers):
                yield "\0".join(column.names).encode()
            yield from _bytes(*arrays)
    elif scipy.sparse.issparse(features):
        yield f"{features.shape}".encode()
        yield from _bytes(features.data, features.indices, features.indptr)
    else:
        yield from _bytes(features)
    yield from _bytes(dataset.y)
    yield f"{dataset.class_names}{dataset.is_soft}".encode()
    for more in (dataset.groups, dataset.teacher_outputs, dataset.weights):
        if more is not None:
            yield from _bytes(more)
    if dataset.test is not None:
        yield from _parts(dataset.test)


def _bytes(*arrays: np.ndarray) -> Iterator[Any]:
    for array in arrays:
        yield f"{array.dtype.str}{array.shape}".encode()
        yield np.ascontiguousarray(array).data

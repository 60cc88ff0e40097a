"""Reading data sets into arrays."""

import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets

from fastclf.data.cards import BundledSource, DatasetCard, GeneratedSource, Task, read_card
from fastclf.errors import DataError, nearest

BUILT_IN: dict[str, Callable[..., Any]] = {
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
}

GENERATORS: dict[str, Callable[..., Any]] = {
    "blobs": datasets.make_blobs,
    "classification": datasets.make_classification,
    "multilabel_classification": datasets.make_multilabel_classification,
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory.

    Attributes
    ----------
    name : str
        What it is called.
    X : ndarray of shape (n, d)
        The features.
    y : ndarray of shape (n,) or (n, L)
        The label of each row, or a 0/1 indicator for each of L labels.
    feature_names : tuple of str
        Names of the d columns.
    class_names : tuple of str
        Names of the classes, in sorted order of the labels in ``y``, or of the L labels.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]

    @property
    def task(self) -> Task:
        """What is to be predicted: "binary", "multiclass" or "multilabel"."""
        if self.y.ndim == 2:
            return "multilabel"
        return "binary" if len(self.class_names) == 2 else "multiclass"

    def fingerprint(self) -> str:
        """Return the SHA-256 of the arrays, their shapes and their dtypes, in hexadecimal."""
        digest = hashlib.sha256()
        for array in (self.X, self.y):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def keep_classes(self, classes: Sequence[str | int]) -> "Dataset":
        """Return the rows of some classes only.

        Raises
        ------
        DataError
            If the data have several labels a row, or not two classes or more are named that exist.
        """
        if self.y.ndim == 2:
            raise DataError(f"{self.name} is multi-label: data.classes can't select its rows")
        names = [str(name) for name in classes]
        for name in names:
            if name not in self.class_names:
                raise DataError(
                    f'{self.name} has no class "{name}"{nearest(name, list(self.class_names))}; '
                    f"its classes: {', '.join(self.class_names)}"
                )
        if len(set(names)) < 2:
            raise DataError(f"data.classes names one class only, {names[0]}; name two or more")
        kept = np.isin(self.y.astype(str), names)
        return replace(
            self,
            X=self.X[kept],
            y=self.y[kept],
            class_names=tuple(name for name in self.class_names if name in names),
        )


def load_built_in(name: str) -> Dataset:
    """Return one of the data sets that come with scikit-learn.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    if name not in BUILT_IN:
        raise DataError(
            f'there is no built-in data set "{name}"{nearest(name, list(BUILT_IN))}; '
            f"there are {', '.join(BUILT_IN)}"
        )
    bunch = BUILT_IN[name]()
    return _dataset(name, bunch.data, bunch.target, bunch.feature_names, bunch.target_names)


def load_card(path: Path) -> Dataset:
    """Return the data set that the card at ``path`` describes.

    Raises
    ------
    DataError
        If the card can't be used, or the data aren't what it says.
    """
    card = read_card(path)
    try:
        dataset = _load(card)
        _check(dataset, card)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return dataset


def _load(card: DatasetCard) -> Dataset:
    if isinstance(card.source, BundledSource):
        return replace(load_built_in(card.source.loader), name=card.name)
    X, target = _generate(card.source)
    names = [f"x{column}" for column in range(X.shape[1])]
    return _dataset(card.name, X, target, names, np.array(card.classes))


def _dataset(
    name: str,
    X: np.ndarray,
    target: np.ndarray,
    feature_names: Sequence[str],
    class_names: np.ndarray,
) -> Dataset:
    if target.ndim == 1:
        if target.max() >= len(class_names):
            raise DataError(
                f"the card names {len(class_names)} classes, the data have {target.max() + 1}"
            )
        y = class_names[target]
        class_names = np.unique(y)
    else:
        y = target
    return Dataset(name, X, y, tuple(feature_names), tuple(map(str, class_names)))


def _generate(source: GeneratedSource) -> tuple[np.ndarray, np.ndarray]:
    if source.generator not in GENERATORS:
        raise DataError(
            f'there is no generator "{source.generator}"'
            f"{nearest(source.generator, list(GENERATORS))}; there are {', '.join(GENERATORS)}"
        )
    generator = GENERATORS[source.generator]
    right = list(inspect.signature(generator).parameters)
    for parameter in source.parameters:
        if parameter not in right:
            raise DataError(
                f'make_{source.generator} has no parameter "{parameter}"{nearest(parameter, right)}'
            )
    try:
        arrays = generator(**{"random_state": 0, **source.parameters})
    except (TypeError, ValueError) as problem:
        raise DataError(f"make_{source.generator}: {problem}") from None
    if len(arrays) != 2 or not all(isinstance(array, np.ndarray) for array in arrays):
        raise DataError(
            f"make_{source.generator} must give two dense arrays; leave out the parameters that "
            "return something else"
        )
    return arrays


def _check(dataset: Dataset, card: DatasetCard) -> None:
    """Compare the data with the facts in their card."""
    found = {
        "n_rows": dataset.X.shape[0],
        "n_features": dataset.X.shape[1],
        "task": dataset.task,
        "classes": sorted(dataset.class_names),
    }
    told = {
        "n_rows": card.n_rows,
        "n_features": card.n_features,
        "task": card.task,
        "classes": sorted(card.classes),
    }
    for fact, value in found.items():
        if value != told[fact]:
            raise DataError(f"the card says {fact} = {told[fact]}, the data have {value}")

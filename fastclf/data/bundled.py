"""Data sets that scikit-learn includes, and those that it generates."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn import datasets

from fastclf.data.cards import GeneratedSource
from fastclf.data.dataset import Dataset
from fastclf.data.fetched import FETCHED, OPENML, load_fetched
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


def load_built_in(name: str, data_home: str | None = None, download: bool = True) -> Dataset:
    """Return a data set that scikit-learn includes or fetches.

    Parameters
    ----------
    name : str
        A key of `BUILT_IN`, or a name that `fastclf.data.fetched.load_fetched` takes.
    data_home : str, optional
        The folder of fetched data.
    download : bool
        Whether missing data are downloaded.

    Returns
    -------
    Dataset
        With labels as ``y``, or indicators for rcv1.

    Raises
    ------
    DataError
        If the name is unknown, or the data can't be fetched.

    Examples
    --------
    >>> from fastclf.data import load_built_in
    >>> wine = load_built_in("wine")
    >>> wine.features.shape, wine.class_names
    ((178, 13), ('class_0', 'class_1', 'class_2'))
    """
    if name in FETCHED or name.startswith(OPENML):
        return load_fetched(name, data_home, download)
    if name not in BUILT_IN:
        names = [*BUILT_IN, *FETCHED]
        raise DataError(
            f'there is no built-in data set "{name}"{nearest(name, names)}; there are '
            f"{', '.join(names)}, and openml:NAME or openml:NUMBER"
        )
    bunch = BUILT_IN[name]()
    return _dataset(name, bunch.data, bunch.target, bunch.feature_names, bunch.target_names)


def load_generated(source: GeneratedSource, name: str, classes: Sequence[str]) -> Dataset:
    """Return a data set that scikit-learn generates.

    Raises
    ------
    DataError
        If there is no such generator, or it doesn't accept its parameters.
    """
    X, target = _generate(source)
    names = [f"x{column}" for column in range(X.shape[1])]
    return _dataset(name, X, target, names, np.array(classes))


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
                f"the card names {len(class_names)} classes, but the data have {target.max() + 1}"
            )
        y = class_names[target]
        class_names = np.unique(y)
    else:
        y = target
    return Dataset(name, X, y, tuple(map(str, feature_names)), tuple(map(str, class_names)))


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
            f"make_{source.generator} must return two dense arrays; leave out the parameters that "
            "change this"
        )
    return arrays

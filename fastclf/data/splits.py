"""Splitting of rows into training and test rows.

A stratified split keeps the proportions of the classes; for distributions, of the most probable
classes; for several labels per row, of each label. A column of groups keeps the rows of a group
together. With a column of times, the last rows are the test rows.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedKFold,
    TimeSeriesSplit,
    train_test_split,
)

from fastclf.data.dataset import Dataset
from fastclf.errors import DataError
from fastclf.table import listed


def split_rows(
    dataset: Dataset,
    *,
    test_size: float,
    stratify: bool,
    seed: int,
    split_kind: str = "group",
    key: str = "data.test_size",
) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the training rows and of the test rows.

    Parameters
    ----------
    dataset : Dataset
        The rows to split; its own test rows take no part.
    test_size : float
        The share of the rows, or of the groups, that becomes test rows; 0 for none.
    stratify : bool
        Whether each class or label is split in that proportion. Ignored with groups or times.
    seed : int
        The seed of the random split.
    split_kind : {"group", "time"}
        The meaning of ``dataset.groups``, if it is given.
    key : str
        The recipe's key for ``test_size``, for messages.

    Returns
    -------
    train, test : ndarray of int
        The indices of the rows of each part, in increasing order.

    Raises
    ------
    DataError
        If there are too few rows for such a split.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.data import load_built_in, split_rows
    >>> iris = load_built_in("iris")
    >>> train, test = split_rows(iris, test_size=0.2, stratify=True, seed=0)
    >>> len(train), len(test)
    (120, 30)
    >>> np.unique(iris.y[test], return_counts=True)[1].tolist()
    [10, 10, 10]
    """
    n = dataset.n_rows
    if test_size == 0:
        return np.arange(n), np.empty(0, dtype=np.intp)
    with _remedied(dataset, f"{key} = {test_size}", stratify, key):
        if dataset.groups is not None and split_kind == "time":
            train, test = _by_time(dataset.groups, test_size)
        elif dataset.groups is not None:
            shuffle = GroupShuffleSplit(1, test_size=test_size, random_state=seed)
            train, test = next(shuffle.split(np.empty(n), groups=dataset.groups))
        elif stratify and dataset.task == "multilabel":
            train, test = _by_labels(dataset.y, (1 - test_size, test_size), seed)
        else:
            if stratify:
                _check_classes(dataset)
            train, test = train_test_split(
                np.arange(n),
                test_size=test_size,
                stratify=dataset.hard_labels if stratify else None,
                random_state=seed,
            )
    return np.sort(train), np.sort(test)


def fold_rows(
    dataset: Dataset, *, folds: int, stratify: bool, seed: int, split_kind: str, key: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the indices of the rows to train on, and of those held out, of each fold.

    With a column of times, a fold holds out the rows that follow those it trains on, and the first
    rows are held out by no fold. The parameters are those of `split_rows`.

    Raises
    ------
    DataError
        If there are too few rows for so many folds.
    """
    rows = np.arange(dataset.n_rows)
    with _remedied(dataset, f"{key} = {folds}", stratify, key):
        if dataset.groups is not None and split_kind == "time":
            order = np.argsort(dataset.groups, kind="stable")
            cuts = TimeSeriesSplit(folds).split(order)
            return [(np.sort(order[train]), np.sort(order[test])) for train, test in cuts]
        if dataset.groups is not None:
            by_group = GroupKFold(folds, shuffle=True, random_state=seed)
            return [*by_group.split(rows, groups=dataset.groups)]
        if stratify and dataset.task == "multilabel":
            parts = _by_labels(dataset.y, [1 / folds] * folds, seed)
            return [(np.setdiff1d(rows, part), np.sort(part)) for part in parts]
        if stratify:
            with warnings.catch_warnings():  # a class of fewer rows than folds
                warnings.simplefilter("ignore")
                by_class = StratifiedKFold(folds, shuffle=True, random_state=seed)
                return [*by_class.split(rows, dataset.hard_labels)]
        return [*KFold(folds, shuffle=True, random_state=seed).split(rows)]


@contextmanager
def _remedied(dataset: Dataset, setting: str, stratify: bool, key: str) -> Iterator[None]:
    """Turn a ValueError into a DataError that names the setting and remedies."""
    try:
        yield
    except ValueError as problem:
        remedy = ""
        if stratify and dataset.groups is None:
            remedy = "; leave rare classes out with data.classes, or set data.stratify to false"
        if key != "data.test_size":
            remedy += f"; or change {key}"
        raise DataError(
            f"{dataset.name} can't be split with {setting}: "
            f"{' '.join(str(problem).split()).rstrip('.')}{remedy}"
        ) from None


def _check_classes(dataset: Dataset) -> None:
    codes, counts = np.unique(dataset.hard_labels, return_counts=True)
    once = codes[counts == 1].tolist()
    if once:
        names = [dataset.class_names[i] if dataset.is_soft else str(i) for i in once]
        raise ValueError(f"these classes have only one row: {listed(names)}")


def _by_time(times: np.ndarray, test_size: float) -> tuple[np.ndarray, np.ndarray]:
    """Take the rows with the largest values as test rows; of equal values, the later rows."""
    order = np.argsort(times, kind="stable")
    cut = len(order) - int(np.ceil(test_size * len(order)))
    if cut == 0:
        raise ValueError("no row is left to train on")
    return order[:cut], order[cut:]


def _by_labels(y: np.ndarray, shares: Sequence[float], seed: int) -> list[np.ndarray]:
    """Split the rows of each label in the same proportions, the rarest label first.

    Each row with the label goes to the part that lacks most rows of this label; of equal parts, to
    the one that lacks most rows; then to the first. The method is the iterative stratification of
    Sechidis, Tsoumakas and Vlahavas, *On the stratification of multi-label data*, 2011.
    """
    order = np.random.default_rng(seed).permutation(len(y))
    Y = y[order] > 0
    rows_wanted = np.array(shares) * len(y)
    left = Y.sum(axis=0)
    wanted = np.array(shares)[:, None] * left
    part = np.full(len(y), -1)

    def assign(row: int, to: int) -> None:
        part[row] = to
        rows_wanted[to] -= 1
        wanted[to] -= Y[row]

    while left.any():
        label = int(np.where(left > 0, left, len(y) + 1).argmin())
        for row in np.flatnonzero(Y[:, label] & (part < 0)).tolist():
            assign(
                row, max(range(len(shares)), key=lambda to: (wanted[to, label], rows_wanted[to]))
            )
            left -= Y[row]
    for row in np.flatnonzero(part < 0).tolist():  # rows without labels
        assign(row, int(rows_wanted.argmax()))
    parts = [order[part == to] for to in range(len(shares))]
    if not all(len(rows) for rows in parts):
        raise ValueError("one part would have no rows")
    return parts

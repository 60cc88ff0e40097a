"""Splitting rows into training and test parts."""

import numpy as np
from sklearn.model_selection import train_test_split

from fastclf.data.dataset import Dataset
from fastclf.errors import DataError


def split_rows(
    dataset: Dataset, *, test_size: float, stratify: bool, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers of the training part and of the test part.

    Parameters
    ----------
    dataset : Dataset
        The data.
    test_size : float
        The part of the rows that is held out; 0 for none.
    stratify : bool
        Whether each class is split in that proportion. Multi-label rows are drawn at random.
    seed : int
        The same seed gives the same split.

    Returns
    -------
    train, test : ndarray of int
        Both in increasing order.

    Raises
    ------
    DataError
        If the data are too few to be split so.
    """
    if test_size == 0:
        return np.arange(dataset.n_rows), np.empty(0, dtype=np.intp)
    by_class = dataset.hard_labels if stratify and dataset.task != "multilabel" else None
    try:
        train, test = train_test_split(
            np.arange(dataset.n_rows), test_size=test_size, stratify=by_class, random_state=seed
        )
    except ValueError as problem:
        raise DataError(
            f"{dataset.name} can't be split with data.test_size = {test_size}: {problem}"
        ) from None
    return np.sort(train), np.sort(test)

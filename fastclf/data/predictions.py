"""`Predictions`: what is written for some rows; and errors of writing that name the file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from fastclf.errors import DataError
from fastclf.files import DISK_IS_FULL
from fastclf.table import Categories


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a model for some rows.

    Attributes
    ----------
    classes : ndarray of shape (K,)
        The classes or labels.
    codes : ndarray of shape (n,) or (n, K), or None
        The predicted class of each row as an index into ``classes``, or 0/1 indicators of labels.
        None leaves them out of the file.
    probabilities : ndarray of shape (n, K) or None
        The probability of each class or label. None leaves them out of the file.
    kept : mapping of str to Categories
        Columns of the input that are copied into the output.
    ranked : ndarray of shape (n, k), optional
        The k most probable classes or labels of each row as indices into ``classes``. They and
        their ``probabilities``, of the same shape, are then written in place of the other columns.
    """

    classes: np.ndarray
    codes: np.ndarray | None
    probabilities: np.ndarray | None
    kept: Mapping[str, Categories] = field(default_factory=dict)
    ranked: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return next(len(part) for part in (self.codes, self.probabilities) if part is not None)

    @property
    def has_label_lists(self) -> bool:
        """Whether a row can have any number of labels."""
        return self.codes is not None and self.codes.ndim == 2

    @property
    def labels(self) -> np.ndarray:
        """The classes, with text as an array of text."""
        return self.classes.astype(str) if self.classes.dtype.kind == "O" else self.classes


@contextmanager
def file_errors(place: object) -> Iterator[None]:
    """Turn an `OSError` in the block into a `DataError` that names the file."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader closed the pipe, which is no error
    except OSError as problem:
        remedy = "; make room there" if problem.errno in DISK_IS_FULL else ""
        raise DataError(
            f"{place}: can't be written: {problem.strerror or problem}{remedy}"
        ) from None

"""Parsing of svmlight, of a whole file or of some of its lines."""

import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from sklearn.datasets import load_svmlight_file

from fastclf.data.compressed import open_decompressed
from fastclf.data.reading import reading
from fastclf.data.svmlight_lines import bad_line
from fastclf.errors import DataError

_MAX_FEATURES = 20_000_000  # a larger index is taken for a mistake


def is_multilabel(path: Path) -> bool:
    """Tell whether one of the first 1000 lines has several labels."""
    with reading(path), open_decompressed(path) as file:
        for _, line in zip(range(1000), file, strict=False):
            labels = line.split(b"#")[0].split()[:1]
            if labels and b"," in labels[0]:
                return True
    return False


def parsed(
    file: BinaryIO, path: Path, multilabel: bool, dtype: Any = np.float64
) -> tuple[Any, Any]:
    """Return the features of some lines, with the file's indices as columns, and the targets.

    Parameters
    ----------
    file : binary file
        Some lines of the file at ``path``, or all.
    path : Path
        The whole file, for messages.
    multilabel : bool
        Whether targets are tuples of labels.
    dtype : {"float64", "float32"}
        Of the features.

    Raises
    ------
    DataError
        If a line isn't svmlight, or an index is too large.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            X, y = load_svmlight_file(file, multilabel=multilabel, zero_based=True, dtype=dtype)
        except DataError:
            raise
        except (ValueError, OverflowError) as problem:
            raise DataError(bad_line(path, multilabel) or str(problem)) from None
    if X.shape[1] > _MAX_FEATURES:
        raise DataError(
            f"a row has the feature {X.shape[1] - 1}; at most {_MAX_FEATURES} features can be read"
        )
    return X, y

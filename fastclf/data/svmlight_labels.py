"""Reading svmlight labels as integers, for labels that float64 would round."""

from pathlib import Path

import numpy as np

from fastclf.data.compressed import open_decompressed
from fastclf.errors import DataError


def whole_labels(path: Path) -> np.ndarray:
    """Return the labels of all rows in one array of int64, or of uint64 if some are larger.

    Raises
    ------
    DataError
        If a label isn't written as a whole number, or needs more than 64 bits.
    """
    labels: list[int] = []
    rows = 0
    with open_decompressed(path) as file:
        for line in file:
            words = line.split(b"#")[0].split()
            rows += bool(words)
            if words and b":" not in words[0]:  # else the row has no labels
                try:
                    labels += [int(label) for label in words[0].split(b",") if label]
                except ValueError:
                    raise DataError(
                        f"row {rows}: the label {words[0].decode(errors='replace')} isn't written "
                        "as a whole number, as all must be if one is 2^53 or larger"
                    ) from None
    try:
        return np.array(labels, np.int64 if max(labels) < 2**63 else np.uint64)
    except OverflowError:
        raise DataError("a label needs more than 64 bits; number the classes from 0") from None

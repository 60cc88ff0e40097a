"""Targets of any kind of array as arrays of NumPy's plain types, in which nothing is missing."""

from numbers import Integral, Real
from typing import Any

import numpy as np

from fastclf.errors import InputError

_LARGE = 2.0**53
"""Whole numbers from here on aren't all floats."""


def plain(y: Any, labels: bool = True) -> np.ndarray:
    """Return targets as an array of booleans, numbers or text.

    Columns that may hold missing values, such as pandas' nullable ones, come as arrays of objects.
    Labels must have none; numbers (n, K) have NaN there.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, K)
    labels : bool
        Whether a single column holds labels.

    Raises
    ------
    InputError
        If a label is missing, or y holds dates, or text beside numbers; it names the row.

    Examples
    --------
    >>> plain(np.array([True, False], dtype=object))
    array([ True, False])
    """
    values = np.asarray(y)
    if isinstance(y, list | tuple) and _lost(values):
        values = np.asarray(y, dtype=object)
    kind = values.dtype.kind
    if kind in "mM":
        raise InputError(
            f"y holds dates or times ({values.dtype}), which are no classes; give text or integers "
            "as labels, e.g. y.astype(str)"
        )
    if not labels or (values.ndim == 2 and values.shape[1] > 1):
        return _numbers(values) if kind in "OT" else values
    if kind in "OT":
        return _labels(values, of_text=kind == "T" or isinstance(y, list | tuple))
    if kind == "f" and not np.isfinite(values).all():
        flat = values.reshape(-1)
        row = int((~np.isfinite(flat)).argmax())
        raise InputError(_missing(row, "NaN" if np.isnan(flat[row]) else "infinity"))
    return values


def _labels(values: np.ndarray, of_text: bool) -> np.ndarray:
    # ``of_text`` tells that labels which are all text become an array of text.
    entries = values.reshape(-1).tolist()
    kinds = set(map(type, entries))
    if _are(kinds, str):
        return np.array(entries, str).reshape(values.shape) if of_text else values
    for row, entry in enumerate(entries):
        if is_missing(entry):
            raise InputError(_missing(row, repr(entry)))
    if _are(kinds, Real | np.bool_):
        return _of_numbers(entries, kinds).reshape(values.shape)
    if any(issubclass(kind, str) for kind in kinds):
        text, other = (
            next(i for i, entry in enumerate(entries) if isinstance(entry, str) is is_text)
            for is_text in (True, False)
        )
        raise InputError(
            f"y holds text, {entries[text]!r} in row {text}, beside {entries[other]!r} of type "
            f"{type(entries[other]).__name__} in row {other}; make all labels text, e.g. with "
            "[str(label) for label in y], or all numbers"
        )
    row, odd = next((i, one) for i, one in enumerate(entries) if not isinstance(one, Real))
    raise InputError(
        f"Unknown label type: y holds {odd!r} of type {type(odd).__name__} in row {row}; give text "
        "or integers as labels, e.g. with [str(label) for label in y]"
    )


def _of_numbers(entries: list[Any], kinds: set[type]) -> np.ndarray:
    if _are(kinds, bool | np.bool_):
        return np.array(entries, bool)
    if not _are(kinds, Integral | np.bool_):
        return np.array(entries, np.float64)
    for dtype in (np.int64, np.uint64):
        if np.iinfo(dtype).min <= min(entries) and max(entries) <= np.iinfo(dtype).max:
            return np.array(entries, dtype)
    raise InputError("y holds integers that have no 64-bit type in common; give them as text")


def _lost(values: np.ndarray) -> bool:
    # Whether an array of a list may have lost its types: NaN or numbers become text, large integers
    # floats.
    if values.dtype.kind == "f":
        return bool(values.size and np.abs(values).max() >= _LARGE)
    return values.dtype.kind == "U"


def _are(kinds: set[type], expected: Any) -> bool:
    return all(issubclass(kind, expected) for kind in kinds)


def _numbers(values: np.ndarray) -> np.ndarray:
    # With NaN for what is missing; as they are where there is something else.
    missing = np.array([is_missing(entry) for entry in values.reshape(-1).tolist()], bool)
    known = values.reshape(-1)[~missing].tolist()
    if not all(isinstance(entry, Real | np.bool_) for entry in known):
        return values
    numbers = np.full(values.size, np.nan)
    numbers[~missing] = known
    return numbers.reshape(values.shape)


def is_missing(entry: Any) -> bool:
    """Tell whether an entry is None, NaN, NaT or pandas.NA."""
    if entry is None:
        return True
    try:
        return bool(entry != entry)
    except TypeError:  # pandas.NA has no truth value
        return True
    except ValueError:  # an array
        return False


def _missing(row: int, entry: str) -> str:
    return f"y has missing values, the first in row {row} ({entry}); drop such rows"

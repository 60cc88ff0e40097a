"""From y to labels, distributions over classes, or indicators of labels, as plain arrays."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils import _safe_indexing, column_or_1d, indexable
from sklearn.utils.multiclass import check_classification_targets

from fastclf.errors import InputError
from fastclf.functional.rounding import ROUNDING, SUM_TOLERANCE, off_sum, with_sum_one

_LARGE = 2.0**53
"""Not every integer from here on is a float64."""


@dataclass(frozen=True)
class Labels:
    """One class for each row, as an index into ``classes`` (K,).

    Rows that are ``ignored``, a mask (n,), have weight 0 and any code.
    """

    classes: np.ndarray
    codes: np.ndarray
    ignored: np.ndarray | None = None

    @property
    def y(self) -> np.ndarray:
        """The labels (n,), as other classifiers are fitted to them."""
        return self.classes[self.codes]

    @property
    def p(self) -> np.ndarray:
        """The labels as distributions (n, K)."""
        return np.eye(len(self.classes))[self.codes]

    def mass(self, sample_weight: np.ndarray) -> np.ndarray:
        """Return the sum of the weights of each class (K,)."""
        own = sample_weight if self.ignored is None else sample_weight * ~self.ignored
        return np.bincount(self.codes, own, minlength=len(self.classes))

    def weigh(self, sample_weight: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the weight of each row under class weights (K,)."""
        own = sample_weight if (weights == 1).all() else sample_weight * weights[self.codes]
        return own if self.ignored is None else own * ~self.ignored


@dataclass(frozen=True)
class Distributions:
    """A distribution over ``classes`` (K,) for each row of ``p`` (n, K)."""

    classes: np.ndarray
    p: np.ndarray

    ignored = None

    @property
    def y(self) -> np.ndarray:
        """The distributions."""
        return self.p

    @property
    def codes(self) -> np.ndarray:
        """The index of each row's most probable class (n,)."""
        return self.p.argmax(axis=1)

    def mass(self, sample_weight: np.ndarray) -> np.ndarray:
        """Return the sum of the weights of each class (K,)."""
        return sample_weight @ self.p

    def weigh(self, sample_weight: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the weight of each row under class weights (K,)."""
        return sample_weight * (self.p @ weights)

    def weighted(self, weights: np.ndarray) -> np.ndarray:
        """Return the distributions under class weights, each row summing to 1 again."""
        if (weights == 1).all():
            return self.p
        p = self.p * weights
        total = p.sum(axis=1, keepdims=True)
        return np.divide(p, total, out=self.p.copy(), where=total > 0)


def encode(y: Any, classes: np.ndarray | None = None, ignore: Any = None) -> Labels | Distributions:
    """Encode labels (n,) or (n, 1), or distributions (n, K).

    Labels must be among ``classes`` (K,), if given; otherwise the classes are those in y. Rows with
    the label ``ignore`` weigh nothing, and it is no class.
    """
    names = column_names(y)
    if scipy.sparse.issparse(y):
        raise InputError(
            "y is sparse; give labels or dense distributions, or use MultiLabelLogisticRegression"
        )
    values = plain(y)
    if values.ndim == 2 and values.shape[1] > 1:
        if ignore is not None:
            raise ignored_distributions(ignore)
        return Distributions(_class_names(names, values.shape[1], classes), _rows(values))
    labels = values if values.ndim == 1 else column_or_1d(values, warn=True)
    found, codes = _distinct(labels)
    ignored = None
    no_class = np.array([ignore is not None and label == ignore for label in found.tolist()], bool)
    if no_class.any():
        ignored = no_class[codes]
        if classes is None and no_class.all():
            raise InputError(f"all of y is ignore_index={ignore!r}, so no row is left to fit")
    if classes is None:
        places = np.maximum(np.cumsum(~no_class) - 1, 0)
        return Labels(found[~no_class], codes if ignored is None else places[codes], ignored)
    code_of = {label: code for code, label in enumerate(classes.tolist())}
    places = np.array([code_of.get(label, -1) for label in found.tolist()], dtype=np.intp)
    places[no_class] = 0
    codes = places[codes]
    if (codes < 0).any():
        row = int((codes < 0).argmax())
        raise InputError(
            f"y holds the unknown label {labels.tolist()[row]!r} in row {row}; "
            f"the classes are {classes.tolist()}"
        )
    return Labels(classes, codes, ignored)


def _distinct(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # The distinct labels in order, and the index of each row's label. Integers from a small range
    # are counted instead of sorted. They are always valid classes, so the check is only made when
    # there are so many classes that it warns.
    if labels.dtype.kind in "iu" and labels.size:
        low, high = int(labels.min()), int(labels.max())
        if high - low < 2 * labels.size:
            # Differences may overflow the dtype of small integers.
            wide = labels if labels.dtype.itemsize == 8 else labels.astype(np.int64)
            offsets = (wide - wide.dtype.type(low)).astype(np.intp, copy=False)
            present = np.bincount(offsets) > 0
            found = np.flatnonzero(present)
            if 2 * found.size > labels.size:
                check_classification_targets(labels)
            codes = offsets if present.all() else (np.cumsum(present) - 1)[offsets]
            return (found.astype(wide.dtype) + wide.dtype.type(low)).astype(labels.dtype), codes
    check_classification_targets(labels)
    found, codes = np.unique(labels, return_inverse=True)
    return found, codes.astype(np.intp)


def most_probable(y: Any, classes: np.ndarray) -> Any:
    """Return the most probable class of each row of distributions (n, K); labels as they are."""
    values = plain(y)
    if values.ndim != 2 or values.shape[1] == 1:
        return values
    if values.shape[1] != len(classes):
        raise InputError(f"y has {values.shape[1]} columns, but there are {len(classes)} classes")
    check_names(column_names(y), classes)
    return classes[values.argmax(axis=1)]


def ignored_distributions(ignore: Any) -> InputError:
    """Return the error of an ``ignore_index`` beside distributions."""
    return InputError(
        f"ignore_index={ignore!r} goes with labels, and y holds distributions; leave out such "
        "rows, or give them a sample_weight of 0"
    )


def shape_of(y: Any) -> tuple[int, ...]:
    """Return the shape of y, be it sparse or an array-like that NumPy's asarray alone takes.

    Raises
    ------
    InputError
        If its rows have different lengths.
    """
    if scipy.sparse.issparse(y):
        return y.shape
    try:
        return np.asarray(y).shape
    except ValueError:
        raise InputError(
            "the rows of y have different lengths; for lists of labels give indicators (n, L), as "
            "MultiLabelBinarizer().fit_transform(y) of scikit-learn makes them"
        ) from None


def is_table(y: Any) -> bool:
    """Return whether y has several columns."""
    shape = shape_of(y)
    return len(shape) == 2 and shape[1] > 1


def rows_that_count(y: Any, ignore: Any, classes: np.ndarray | None = None) -> np.ndarray | None:
    """Return the numbers of the rows whose label isn't the one to ignore; None for all rows.

    Labels must be among ``classes`` (K,), if given.
    """
    if ignore is None or is_table(y):
        return None
    encoded = encode(y, classes, ignore)
    assert isinstance(encoded, Labels)  # y has a single column
    if encoded.ignored is None:
        return None
    rows = np.flatnonzero(~encoded.ignored)
    if not rows.size:
        raise InputError(f"all of y is ignore_index={ignore!r}, so no row is left to score")
    return rows


def of_rows(rows: np.ndarray | None, *arrays: Any) -> tuple[Any, ...]:
    """Return some rows of arrays of the same length, or of None; all for None."""
    if rows is None:
        return arrays
    return tuple(None if a is None else _safe_indexing(a, rows) for a in indexable(*arrays))


def column_names(y: Any) -> Any:
    """Return the names of the columns of a frame or an Arrow table; None for other data."""
    names = getattr(y, "column_names", None)
    return getattr(y, "columns", None) if names is None else names


def check_names(names: Any, expected: np.ndarray) -> None:
    """Refuse a frame whose columns are named, but not as expected and in that order."""
    if names is None or not all(isinstance(name, str) for name in (*names, *expected.tolist())):
        return
    if list(names) != expected.tolist():
        raise InputError(
            f"the columns of y are {list(names)}, but those of the fit were {expected.tolist()}; "
            "put them into that order"
        )


def _class_names(names: Any, n_classes: int, classes: np.ndarray | None = None) -> np.ndarray:
    if classes is not None:
        if len(classes) != n_classes:
            raise InputError(f"y has {n_classes} columns, but there are {len(classes)} classes")
        check_names(names, classes)
        return classes
    if names is not None and all(isinstance(name, str) for name in names):
        return np.asarray(list(names))
    return np.arange(n_classes)


def _rows(values: np.ndarray) -> np.ndarray:
    remedy = (
        "divide each row by its sum, or use MultiLabelLogisticRegression if several classes can "
        "be true at once"
    )
    if values.dtype.kind not in "biuf":
        raise InputError(f"a 2-D y must hold a distribution in each row, got dtype {values.dtype}")
    p = _contiguous_floats(values)
    if not (p >= 0).all():
        wrong = ~(p >= -ROUNDING)
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            raise InputError(
                f"a 2-D y must hold distributions, but y[{row}, {column}] is {p[row, column]}; "
                "probabilities must not be negative or NaN"
            )
        p = np.maximum(p, p.dtype.type(0))
    sums = p.sum(axis=1, dtype=np.float64)
    bad = off_sum(sums)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"a 2-D y must hold distributions, which sum to 1 within {SUM_TOLERANCE}, but row "
            f"{row} of y sums to {sums[row]:.6g}: {remedy}"
        )
    return with_sum_one(p, sums)


def _contiguous_floats(values: np.ndarray) -> np.ndarray:
    # C-contiguous, because sums over another memory layout differ in their last bits.
    floats = values.dtype in (np.float32, np.float64)
    return np.ascontiguousarray(values, dtype=None if floats else np.float64)


def indicators(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return indicators in [0, 1] or NaN as a dense array (n, L), and the labels' names (L,)."""
    names = column_names(y)
    dense = y.toarray() if scipy.sparse.issparse(y) else plain(y, labels=False)
    if dense.shape[1] == 0:
        raise InputError("y has no columns: it needs one for each label")
    if dense.dtype.kind not in "biuf":
        raise InputError(f"y must hold indicators in [0, 1], got dtype {dense.dtype}")
    values = _contiguous_floats(dense)
    outside = (values < 0) | (values > 1)
    if outside.any():
        outside = (values < -ROUNDING) | (values > 1 + ROUNDING)
        if outside.any():
            row, column = (int(i) for i in np.argwhere(outside)[0])
            raise InputError(
                f"y must hold indicators in [0, 1], or NaN where nothing is known, but y[{row}, "
                f"{column}] is {values[row, column]}; give 0 and 1, or probabilities"
            )
        values = np.clip(values, 0, 1)
    return values, _class_names(names, values.shape[1])


def plain(y: Any, labels: bool = True) -> np.ndarray:
    """Return targets (n,) or (n, K) as an array of booleans, numbers or text.

    Columns that may hold missing values, such as pandas' nullable ones, come as arrays of objects.
    Labels, a single column unless ``labels`` is False, must have none; other numbers become NaN
    there.

    >>> plain(np.array([True, False], dtype=object))
    array([ True, False])
    """
    values = np.asarray(y)
    if isinstance(y, list | tuple) and _lost(values):
        values = np.asarray(y, dtype=object)
    kind = values.dtype.kind
    if kind in "mM":
        raise InputError(
            f"y holds dates or times ({values.dtype}), which can't be class labels; give text "
            "or integers "
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
    # With ``of_text``, labels that are all text become an array of text.
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
            f"y mixes text, such as {entries[text]!r} in row {text}, with {entries[other]!r} of "
            f"type {type(entries[other]).__name__} in row {other}; make all labels text, e.g. with "
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
    raise InputError("no 64-bit type can hold all integers of y; give them as text")


def _lost(values: np.ndarray) -> bool:
    # Whether NumPy may have changed types when it made an array of a list: NaN and numbers become
    # text, large integers become floats.
    if values.dtype.kind == "f":
        return bool(values.size and np.abs(values).max() >= _LARGE)
    return values.dtype.kind == "U"


def _are(kinds: set[type], expected: Any) -> bool:
    return all(issubclass(kind, expected) for kind in kinds)


def _numbers(values: np.ndarray) -> np.ndarray:
    # Missing entries become NaN. If other entries aren't numbers, nothing is changed.
    missing = np.array([is_missing(entry) for entry in values.reshape(-1).tolist()], bool)
    known = values.reshape(-1)[~missing].tolist()
    if not all(isinstance(entry, Real | np.bool_) for entry in known):
        return values
    numbers = np.full(values.size, np.nan)
    numbers[~missing] = known
    return numbers.reshape(values.shape)


def is_missing(entry: Any) -> bool:
    """Return whether an entry is None, NaN, NaT or pandas.NA."""
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

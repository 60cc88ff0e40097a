"""Checks of what users pass to estimators: each failure names the argument and the remedy."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, validate_data

from fastclf import threads
from fastclf.errors import InputError
from fastclf.estimators.elsewhere import know_features
from fastclf.estimators.encoding import Distributions, Labels, column_names
from fastclf.estimators.streams import is_stream
from fastclf.finite import first_not_finite
from fastclf.table import number_of, quoted

_DATES = ("Date", "Datetime", "Duration", "Time")
"""Beginnings of the names of date and time types in polars."""

_MOST, _MOST_IN_SINGLE = 1e100, 1e30
"""The largest sum of weights and the inverse of the smallest; their products must be finite."""


def validate_features(estimator: BaseEstimator, X: Any, reset: bool) -> Any:
    """Return X as a C-contiguous float32 or float64 array or CSR matrix of finite numbers.

    With ``reset`` the estimator's ``n_features_in_`` and ``feature_names_in_`` are set; otherwise X
    must match them.
    """
    refuse_stream(X, f"{type(estimator).__name__} takes a stream only in fit")
    if not _is_valid(estimator, X, reset):
        _refuse_dates(X, type(estimator).__name__)
        given = X
        try:
            X = validate_data(
                estimator,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype=[np.float64, np.float32],
                ensure_all_finite=False,
            )
        except (TypeError, ValueError):
            _refuse_text(given, type(estimator).__name__)
            raise
    if X.dtype not in (np.float64, np.float32):  # sparse columns of a frame
        X = X.astype(np.float64)
    if not scipy.sparse.issparse(X):
        X = _by_rows(X, getattr(estimator, "n_threads", None))
    else:
        X = canonical_csr(X)
    _check_finite(estimator, X)
    return X


def refuse_stream(X: Any, reason: str, remedy: str | None = None) -> None:
    """Refuse a stream in place of an array; by default the remedy is to give its chunks."""
    if is_stream(X):
        chunks = "give this method the chunks one after another, e.g. [method(rows.X) for rows in "
        chunks += "stream.rows_in_order()]"
        raise InputError(f"{reason}; {remedy or chunks}")


def canonical_csr(X: Any) -> Any:
    """Return a CSR matrix whose indices are valid, rising in each row, and without duplicates."""
    try:
        X.check_format(full_check=True)  # kernels trust the indices
    except ValueError as error:
        raise InputError(f"X is a malformed CSR matrix: {error}") from None
    if not X.has_canonical_format:  # variances of features need one entry for each place
        X = X.copy()
        X.sum_duplicates()
    return X


def _is_valid(estimator: Any, X: Any, reset: bool) -> bool:
    # Whether an X without names is valid as it is; with ``reset`` attributes are set, too.
    # validate_data would do the same, but takes as long as a small fit.
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in (np.float64, np.float32):
        return False
    if not (X.size and X.flags.c_contiguous):
        return False
    if reset:
        know_features(estimator, X.shape[1], None)
        return True
    if hasattr(estimator, "feature_names_in_"):
        return False
    # If coefficients were set by hand, n_features_in_ is missing, and X is checked against coef_.
    return X.shape[1] == getattr(estimator, "n_features_in_", X.shape[1])


def _by_rows(X: np.ndarray, n_threads: int | None) -> np.ndarray:
    # X itself, or a C-contiguous copy: frames and many files hold columns.
    if X.flags.c_contiguous:
        return X
    out = np.empty(X.shape, X.dtype)
    pieces = threads.chunks(len(X), X.shape[1])

    def task(i: int) -> None:
        rows = slice(*pieces[i])
        out[rows] = X[rows]

    threads.run(task, len(pieces), n_threads, X.size)
    return out


def _refuse_dates(X: Any, estimator: str) -> None:
    # As numbers they would be nanoseconds or days since 1970, depending on their unit.
    dtypes = getattr(X, "dtypes", None)
    if dtypes is None:
        found = getattr(getattr(X, "dtype", None), "kind", "") in ("m", "M")
        where = "X"
    else:
        columns = [
            str(name)
            for name, dtype in zip(X.columns, dtypes, strict=True)
            if getattr(dtype, "kind", "") in ("m", "M") or str(dtype).startswith(_DATES)
        ]
        found = bool(columns)
        where = f"column {', '.join(map(quoted, columns[:5]))} of X"
    if found:
        raise InputError(
            f"{where} holds dates or times, which are no features; make numbers of them, such as "
            f"the year{'' if dtypes is None else f', or encode the frame: {_encoded(estimator)}'}"
        )


def _refuse_text(X: Any, estimator: str) -> None:
    # Names the column and the remedy, where NumPy would name a value only.
    names = column_names(X)
    for name in () if names is None else list(names):
        column = X.column(name).to_pylist() if hasattr(X, "column_names") else X[name]
        if len(getattr(column, "shape", (0,))) != 1:
            continue  # several columns of one name
        for row, value in enumerate(column):
            if isinstance(value, str) and np.isnan(number_of(value)):
                raise InputError(
                    f'column "{name}" of X holds text, {quoted(value)} in row {row}; encode it: '
                    f"{_encoded(estimator)}"
                ) from None


def _encoded(estimator: str) -> str:
    return f"make_pipeline(fastclf.data.FrameEncoder(), {estimator}())"


def _check_finite(estimator: BaseEstimator, X: Any) -> None:
    found = first_not_finite(X, n_threads=getattr(estimator, "n_threads", None))
    if found is None:
        return
    name, feature_names = type(estimator).__name__, getattr(estimator, "feature_names_in_", None)
    where = f"row {found.row}, column {found.column}"
    if feature_names is not None:
        where += f" ({feature_names[found.column]!r})"
    kind = "NaN" if np.isnan(found.value) else "infinity"
    frame = f", or {_encoded(name)}" if kind == "NaN" and feature_names is not None else ""
    raise InputError(
        f"Input X contains {kind}: {found.total} entries, the first in {where}. {name} needs "
        "finite numbers: drop or impute them, e.g. with sklearn.impute.SimpleImputer"
        f"{frame}."
    )


def validate_sample_weight(sample_weight: Any, X: Any) -> np.ndarray:
    """Return weights (n,) in float64: ones for None; refuse negative ones and a sum of 0."""
    if sample_weight is None:
        return np.ones(X.shape[0])
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not total > 0:
        raise InputError("sample_weight is 0 for every row; at least one must be positive")
    check_total_weight(total, getattr(X, "dtype", None), "sample_weight")
    return weights


def weights_if_any(sample_weight: Any, X: Any) -> np.ndarray | None:
    """Return weights (n,) as `validate_sample_weight` does, but None for None."""
    return None if sample_weight is None else validate_sample_weight(sample_weight, X)


def label_weights(sample_weight: Any, X: Any, L: int) -> np.ndarray:
    """Return weights of rows (n,), or of each label in each row (n, L), in float64."""
    given = None if sample_weight is None else np.asarray(sample_weight)
    if given is None or given.shape != (X.shape[0], L) or L == 1:
        return validate_sample_weight(sample_weight, X)
    weights = given.astype(np.float64)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"sample_weight must not be negative, NaN or infinite, but sample_weight[{row}, "
            f"{column}] is {weights[row, column]}"
        )
    with np.errstate(over="ignore"):
        check_total_weight(weights.sum(axis=0), X.dtype, "sample_weight")
    return weights


def check_total_weight(total: Any, dtype: Any, source: str) -> None:
    """Refuse sums of weights that are too large or small for a dtype of X; those of 0 pass.

    ``source`` names the arguments that they come from.
    """
    most = _MOST_IN_SINGLE if dtype == np.float32 else _MOST
    if not isinstance(total, np.ndarray) and 1 / most <= total <= most:
        return
    total = np.atleast_1d(total)
    bad = ~((total <= most) & ((total >= 1 / most) | (total == 0)))
    if bad.any():
        raise InputError(
            f"{source}: the weights of all rows sum to {total[bad][0]:.3g}; the sum must be from "
            f"{1 / most:g} to {most:g}. Divide the weights by the largest of them, and multiply C "
            "by it, which gives the same problem"
        )


def check_rows(X: Any, y: Any) -> None:
    """Refuse a y that is missing or of another length than X."""
    if y is None:
        raise InputError("requires y to be passed, but the target y is None")
    alike = isinstance(y, np.ndarray) and y.shape[:1] == getattr(X, "shape", ())[:1]
    if not alike:  # the check is slow
        check_consistent_length(X, y)


def check_two_classes(classes: np.ndarray, name: str) -> None:
    """Refuse a y of a single class, in scikit-learn's words."""
    if len(classes) == 0:
        raise InputError(f"y has no rows; give {name} rows of at least two classes")
    if len(classes) < 2:
        raise InputError(
            "This solver needs samples of at least 2 classes in the data, but the data contains "
            f"only one class: {classes.tolist()[0]!r}; give {name} rows of a second class"
        )


def check_alone(y: Any, sample_weight: Any) -> None:
    """Refuse targets or weights beside a stream, which includes its own."""
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise InputError(f"a stream includes its targets and weights; leave out {name}")


def check_both(X_val: Any, y_val: Any) -> bool:
    """Return whether there are rows to validate on; refuse features without targets."""
    if (X_val is None) != (y_val is None):
        raise InputError("X_val and y_val must be given together")
    return X_val is not None


def positive_number(value: Any, name: str, allow_infinity: bool = False) -> float:
    """Return a number > 0."""
    if not _is_real(value) or not value > 0 or (not allow_infinity and not value < np.inf):
        raise InputError(f"{name} must be a positive number, got {value!r}")
    return _as_float(value, name)


def non_negative_number(value: Any, name: str) -> float:
    """Return a number >= 0."""
    if not _is_real(value) or not value >= 0:
        raise InputError(f"{name} must be a number >= 0, got {value!r}")
    return _as_float(value, name)


def strength_number(C: Any, name: str) -> float:
    """Return a C > 0, or infinity; refuse one so small that its inverse isn't a number."""
    value = positive_number(C, name, allow_infinity=True)
    if value < 1 / _MOST:
        raise InputError(
            f"{name} must be at least {1 / _MOST:g}, got {C!r}; such a penalty already makes "
            "all coefficients 0"
        )
    return value


def _as_float(value: Any, name: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InputError(
            f"{name} is larger than any float; use np.inf for no limit, or a smaller number"
        ) from None


def fraction(value: Any, name: str, below_one: bool = False) -> float:
    """Return a number in [0, 1], or in [0, 1)."""
    if not _is_real(value) or not 0 <= value <= 1 or (below_one and value == 1):
        raise InputError(f"{name} must be in [0, 1{')' if below_one else ']'}, got {value!r}")
    return float(value)


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def boolean(value: Any, name: str) -> None:
    """Refuse what is neither True nor False: a word such as "False" would count as true."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} must be True or False, got {value!r}")


def natural_number(value: Any, name: str) -> int:
    """Return an integer >= 0."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
        raise InputError(f"{name} must be an integer >= 0, got {value!r}")
    return int(value)


def class_weights(
    class_weight: Any, encoded: Labels | Distributions, sample_weight: np.ndarray
) -> np.ndarray:
    """Return the weight of each class (K,) that the parameter means, given all rows' targets."""
    classes = encoded.classes
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        mass, weights = encoded.mass(sample_weight), np.ones(len(classes))
        present = mass > 0
        weights[present] = mass.sum() / (len(classes) * mass[present])
        return weights
    if not isinstance(class_weight, Mapping):
        raise InputError(f"class_weight must be a dict, 'balanced' or None, got {class_weight!r}")
    if any(not 0 <= weight < np.inf for weight in class_weight.values()):
        raise InputError(
            f"class_weight must not be negative, NaN or infinite, got {dict(class_weight)!r}"
        )
    return compute_class_weight(dict(class_weight), classes=classes, y=classes)


def seed_from(random_state: Any) -> int:
    """Return an integer seed: None draws one from the system, and leaves NumPy's state alone."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(np.iinfo(np.int32).max))
    check_random_state(random_state)
    return int(random_state)

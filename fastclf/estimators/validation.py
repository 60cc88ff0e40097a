"""Checks of what users pass to estimators: each failure names the argument and the remedy."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, validate_data

from fastclf.errors import InputError
from fastclf.estimators.streams import is_stream


def validate_features(estimator: BaseEstimator, X: Any, reset: bool) -> Any:
    """Return X as a C-contiguous float32 or float64 array or CSR matrix of finite numbers.

    With ``reset`` the estimator's ``n_features_in_`` and ``feature_names_in_`` are set, otherwise
    X is held against them.
    """
    if is_stream(X):
        raise InputError(
            f"{type(estimator).__name__} takes a stream in the fit of LogisticRegression and "
            "MultiLabelLogisticRegression only; give an array here"
        )
    if not _is_valid(estimator, X, reset):
        X = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            order="C",
            ensure_all_finite=False,
        )
    if scipy.sparse.issparse(X):
        try:
            X.check_format(full_check=True)  # kernels trust the indices
        except ValueError as error:
            raise InputError(f"X is a malformed CSR matrix: {error}") from None
        if not X.has_canonical_format:  # the variance of a feature takes each entry for itself
            X = X.copy()
            X.sum_duplicates()
    _check_finite(X, type(estimator).__name__, getattr(estimator, "feature_names_in_", None))
    return X


def _is_valid(estimator: Any, X: Any, reset: bool) -> bool:
    # Whether an X without names is as it should be; with ``reset`` the estimator then knows of it.
    # validate_data finds the same, and would give back X itself, but takes as long as a small fit.
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in (np.float64, np.float32):
        return False
    if not (X.size and X.flags.c_contiguous):
        return False
    if reset:
        estimator.n_features_in_ = X.shape[1]
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        return True
    if hasattr(estimator, "feature_names_in_"):
        return False
    # Coefficients that were set by hand come without it, and tell the number of features later.
    return X.shape[1] == getattr(estimator, "n_features_in_", X.shape[1])


def _check_finite(X: Any, name: str, feature_names: np.ndarray | None) -> None:
    values = X.data if scipy.sparse.issparse(X) else X
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return
    bad = ~np.isfinite(values)
    if not bad.any():  # a sum of finite numbers may overflow
        return
    if scipy.sparse.issparse(X):
        position = int(bad.argmax())
        row = int(np.searchsorted(X.indptr, position, side="right")) - 1
        column, value = int(X.indices[position]), X.data[position]
    else:
        row, column = (int(i) for i in np.unravel_index(bad.argmax(), X.shape))
        value = X[row, column]
    where = f"row {row}, column {column}"
    if feature_names is not None:
        where += f" ({feature_names[column]!r})"
    kind = "NaN" if np.isnan(value) else "infinity"
    raise InputError(
        f"Input X contains {kind}: {int(bad.sum())} entries, the first in {where}. {name} needs "
        "finite numbers: drop or impute them, e.g. with sklearn.impute.SimpleImputer."
    )


def validate_sample_weight(sample_weight: Any, X: Any) -> np.ndarray:
    """Return weights (n,) in float64: ones for None; refuse negative ones and a sum of 0."""
    if sample_weight is None:
        return np.ones(X.shape[0])
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not weights.sum() > 0:
        raise InputError("sample_weight is 0 for every row; at least one must be positive")
    return weights


def check_rows(X: Any, y: Any) -> None:
    """Refuse a y that is missing or of another length than X."""
    if y is None:
        raise InputError("requires y to be passed, but the target y is None")
    if not (isinstance(y, np.ndarray) and y.shape[:1] == X.shape[:1]):  # it takes its time
        check_consistent_length(X, y)


def check_two_classes(classes: np.ndarray, name: str) -> None:
    """Refuse a y of a single class, in scikit-learn's words."""
    if len(classes) < 2:
        raise InputError(
            "This solver needs samples of at least 2 classes in the data, but the data contains "
            f"only one class: {classes.tolist()[0]!r}; give {name} rows of a second class"
        )


def check_alone(y: Any, sample_weight: Any) -> None:
    """Refuse what a stream has with it."""
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise InputError(f"a stream comes with its targets and weights; leave out {name}")


def positive_number(value: Any, name: str, allow_infinity: bool = False) -> float:
    """Return a number > 0."""
    if not _is_real(value) or not value > 0 or (not allow_infinity and not value < np.inf):
        raise InputError(f"{name} must be a positive number, got {value!r}")
    return float(value)


def non_negative_number(value: Any, name: str) -> float:
    """Return a number >= 0."""
    if not _is_real(value) or not value >= 0:
        raise InputError(f"{name} must be a number >= 0, got {value!r}")
    return float(value)


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


def class_weights(class_weight: Any, classes: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Return the weight of each class (K,).

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    classes : ndarray of shape (K,)
    mass : ndarray of shape (K,)
        The sum of the sample weights of each class.
    """
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise InputError(
                f"class_weight must be a dict, 'balanced' or None, got {class_weight!r}"
            )
        present = mass > 0
        weights = np.ones(len(classes))
        weights[present] = mass.sum() / (len(classes) * mass[present])
        return weights
    if not isinstance(class_weight, Mapping):
        raise InputError(f"class_weight must be a dict, 'balanced' or None, got {class_weight!r}")
    if any(not weight >= 0 for weight in class_weight.values()):
        raise InputError(f"class_weight must not be negative, got {dict(class_weight)!r}")
    return compute_class_weight(dict(class_weight), classes=classes, y=classes)


def seed_from(random_state: Any) -> int:
    """Return an integer seed: None draws one from the system, and leaves NumPy's state alone."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(np.iinfo(np.int32).max))
    check_random_state(random_state)
    return int(random_state)

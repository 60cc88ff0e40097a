"""Reading matrices from NPZ, NPY and svmlight files. Sparse matrices stay sparse.

An NPZ file holds ``X`` and ``y``. ``X`` is dense, or the parts of a CSR matrix (``X_data``,
``X_indices``, ``X_indptr``, ``X_shape``, or the names that `scipy.sparse.save_npz` uses). The file
may also hold ``X_test`` and ``y_test``, ``feature_names``, and ``classes``: the names of the
classes 0 to K - 1, or of the columns of ``y``. Arrays of Python objects are refused, because
loading them could execute code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from fastclf.data.array_targets import array_targets
from fastclf.data.compressed import open_decompressed, stem
from fastclf.data.dataset import Dataset
from fastclf.data.options import FileOptions
from fastclf.data.reading import mapped_array, reading
from fastclf.data.svmlight_labels import whole_labels
from fastclf.data.svmlight_rows import is_multilabel, parsed
from fastclf.data.tables import Format
from fastclf.data.targets import Targets, check_rows, read_targets, row_weights
from fastclf.errors import DataError, located
from fastclf.finite import first_not_finite
from fastclf.table import (
    Lists,
    Numbers,
    Table,
    check_columns,
    listed,
)

_CSR_PARTS = ("data", "indices", "indptr", "shape")


def load_arrays(
    path: Path,
    format: Format,
    options: FileOptions,
    like: Dataset | None = None,
    beside: Targets | None = None,
) -> Dataset:
    """Return the data set in an NPZ, NPY or svmlight file.

    Parameters
    ----------
    path : Path
    format : {"npz", "npy", "svmlight"}
    options : FileOptions
        In NPZ ``target`` is the name of an array (by default y) or the index of a column of X, and
        ``split_by`` the name of an array. In NPY the target is the index of a column, or is read
        from ``target_path``.
    like : Dataset, optional
        The training data, if the file holds test rows.
    beside : Targets, optional
        Targets that were read from a file of their own.

    Raises
    ------
    DataError
        If the file can't be read, or a value can't be used.
    """
    check_no_columns(options, format)
    if options.split_by is not None and format != "npz":
        raise DataError(
            f"split_by is for files of named columns and for NPZ; leave it out for {format}"
        )
    if options.weight is not None and format != "npz":
        raise DataError(
            f"weight is for files of named columns and for NPZ; leave it out for {format}"
        )
    if format == "npz":
        return _load_npz(path, options, beside)
    if format == "npy":
        return _load_npy(path, options, beside)
    return _load_svmlight(path, options, like, beside)


def check_no_columns(options: FileOptions, format: Format) -> None:
    """Refuse the options of named columns.

    Raises
    ------
    DataError
        If one is set.
    """
    for key in ("drop", "columns", "categorical", "text", "header", "delimiter", "decimal"):
        if getattr(options, key) != FileOptions.model_fields[key].default:
            raise DataError(f"{key} is for files of named columns; leave it out for {format}")


def load_matrix(path: Path, format: Format, feature_names: Sequence[str] | None = None) -> Any:
    r"""Return the features of a file for prediction, as a dense or CSR matrix; NPY is mapped.

    Parameters
    ----------
    path : Path
        The file.
    format : {"npz", "npy", "svmlight"}
    feature_names : sequence of str, optional
        The names of the model's features. For svmlight the first name, "0" or "1", is the smallest
        index, and the number of names is the number of columns; larger indices are left out.

    Returns
    -------
    ndarray or CSR matrix of shape (n, d)
        The features.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastclf.data import load_matrix
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "rows.svm")
    ...     _ = path.write_text("0 1:0.5 3:2\n1 2:1\n")
    ...     X = load_matrix(path, "svmlight")
    >>> X.toarray().tolist()
    [[0.5, 0.0, 2.0], [0.0, 1.0, 0.0]]
    """
    if format == "npz":
        return _matrix(_arrays(path), "X")
    if format == "npy":
        return _npy(path)
    names = feature_names or ()
    X, _ = _svmlight(path, multilabel=is_multilabel(path))
    first = int(names[0]) if names and names[0] in ("0", "1") else _first_index(X)
    d = len(names) or X.shape[1] - first
    X.resize((X.shape[0], max(d + first, X.shape[1])))
    return X[:, first : first + d]


def read_teacher_outputs(path: Path, dataset: Dataset) -> np.ndarray:
    """Read a teacher's logits or probabilities (n, K) from an NPY file, or NPZ with one array.

    The array has a row for each row of the data's file, including rows without a target.

    Parameters
    ----------
    path : Path
        The NPY or NPZ file.
    dataset : Dataset
        The data that the teacher saw; it says which rows are kept.

    Returns
    -------
    ndarray of shape (n, K), float64
        The outputs for the rows of the data set.

    Raises
    ------
    DataError
        If the file can't be read, or the array isn't a matrix with that many rows.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from fastclf.data import load_built_in, read_teacher_outputs
    >>> iris = load_built_in("iris")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "logits.npy")
    ...     np.save(path, np.zeros((150, 3), np.float32))
    ...     outputs = read_teacher_outputs(path, iris)
    >>> outputs.shape, outputs.dtype
    ((150, 3), dtype('float64'))
    """
    outputs = teacher_array(path).astype(np.float64)
    rows = dataset.rows - 1
    if len(outputs) <= rows.max() or (len(rows) == rows.max() + 1 and len(outputs) != len(rows)):
        raise DataError(f"{path}: has {len(outputs)} rows, but the data have {rows.max() + 1}")
    outputs = outputs[rows]
    found = first_not_finite(outputs)
    if found is not None:
        where = found.described(dataset.rows[found.row])
        raise DataError(f"{path}: {where} in the teacher's outputs; correct it")
    return outputs


def teacher_array(path: Path) -> np.ndarray:
    """Return the array of numbers (N, K) in an NPY file, mapped into memory, or in an NPZ file.

    Raises
    ------
    DataError
        If the file can't be read, or has another array.
    """
    if path.suffix.lower() == ".npy":
        name = "the array"
        outputs = mapped_array(path)
    else:
        arrays = _arrays(path)
        if len(arrays) != 1:
            raise DataError(
                f"{path}: one array is needed, but there are {listed(list(arrays)) or 'none'}"
            )
        (name, outputs), *_ = arrays.items()
    if outputs.ndim == 1:
        outputs = outputs[:, None]
    with located(path):
        return _checked(outputs, name)


def read_target_array(path: Path, target: Any = None) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Return the targets in an NPY or NPZ file, and the names of the classes if NPZ has them.

    Parameters
    ----------
    path : Path
    target : str, optional
        The name of the array in NPZ; by default the only array besides ``classes``.

    Raises
    ------
    DataError
        If the file can't be read, or has no such array.
    """
    with reading(path):
        loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return loaded, None
    loaded.close()
    arrays = _arrays(path)
    classes = _names(arrays, "classes", None)
    others = [name for name in arrays if name != "classes"]
    if target is None and len(others) != 1:
        raise DataError(
            f"one array is needed, but there are {listed(others) or 'none'}; set data.target"
        )
    name = others[0] if target is None else str(target)
    with located("target"):
        check_columns([name], others)
    return arrays[name], classes


def _load_npz(path: Path, options: FileOptions, beside: Targets | None) -> Dataset:
    arrays = _arrays(path)
    X, target = _matrix(arrays, "X"), options.target
    groups = None
    if options.split_by is not None:
        check_columns([options.split_by], list(arrays))
        groups = np.unique(arrays[options.split_by], return_inverse=True)[1]
    weights = None
    if options.weight is not None:
        with located("weight"):
            check_columns([options.weight], list(arrays))
        given = arrays[options.weight]
        if given.shape != (X.shape[0],) or given.dtype.kind not in "biuf":
            raise DataError(
                f"weight: {options.weight} must have shape ({X.shape[0]},), a number for each row; "
                f"got {given.shape} of {given.dtype}"
            )
        weights = row_weights(
            Numbers(given.astype(np.float64)), options.weight, np.arange(1, len(given) + 1)
        )
    if beside is not None:
        return _dataset(path.stem, X, beside, _feature_names(arrays, X), groups, weights)
    if isinstance(target, tuple):
        raise DataError("target: in NPZ, give the name of one array or the index of a column")
    X_test = _matrix(arrays, "X_test") if _has_matrix(arrays, "X_test") else None
    if isinstance(target, int):
        X, y = _without_column(X, target)
        X_test, y_test = (None, None) if X_test is None else _without_column(X_test, target)
    else:
        name = target or "y"
        with located("target"):
            check_columns([name], list(arrays))
        y, y_test = arrays[name], arrays.get(f"{name}_test")
    names, classes = _feature_names(arrays, X), _names(arrays, "classes", None)
    dataset = _dataset(path.stem, X, array_targets(y, classes, options), names, groups, weights)
    if X_test is None or y_test is None:
        return dataset
    test = _dataset(path.stem, X_test, array_targets(y_test, classes, options), names)
    return replace(dataset, test=test)


def _load_npy(path: Path, options: FileOptions, beside: Targets | None) -> Dataset:
    X = _npy(path)
    if beside is not None:
        found = beside
    elif isinstance(options.target, int):
        X, y = _without_column(X, options.target)
        found = array_targets(y, None, options)
    else:
        raise DataError(
            "NPY has columns without names: set data.target to the index of the target's column, "
            "or data.target_path to the file with the targets"
        )
    names = tuple(f"x{i}" for i in range(X.shape[1]))
    return _dataset(path.stem, X, found, names)


def _load_svmlight(
    path: Path, options: FileOptions, like: Dataset | None, beside: Targets | None
) -> Dataset:
    if options.target is not None and beside is None:
        raise DataError("target: in svmlight the target begins each line; leave data.target out")
    multilabel = options.target_kind == "label_lists" or is_multilabel(path)
    X, target = _svmlight(path, multilabel)
    if like is None:
        first = _first_index(X)
        d = X.shape[1] - first
    else:  # features that the training file doesn't have are dropped
        first, d = int(like.feature_names[0]), like.features.shape[1]
        X.resize((X.shape[0], max(d + first, X.shape[1])))
    if d < 1:
        raise DataError("there are no features")
    X = scipy.sparse.csr_array(X[:, first : first + d])
    names = tuple(str(i) for i in range(first, first + d))
    if beside is not None:
        return _dataset(stem(path), X, beside, names)
    if not multilabel:
        codes = target
        if (np.abs(target) >= 2**53).any():
            codes = whole_labels(path)
        return _dataset(stem(path), X, array_targets(codes, None, options), names)
    codes = np.array([label for labels in target for label in labels], dtype=np.float64)
    offsets = np.concatenate([[0], np.cumsum([len(labels) for labels in target])]).astype(np.int64)
    wrong = ~np.isfinite(codes) | (codes != np.floor(codes))
    if wrong.any():
        row = int(np.searchsorted(offsets, wrong.argmax(), side="right"))
        raise DataError(f"row {row}: the label {codes[wrong][0]:g} isn't a whole number")
    codes = whole_labels(path) if (np.abs(codes) >= 2**53).any() else codes.astype(np.int64)
    distinct, flat = np.unique(codes, return_inverse=True)
    lists = Lists(offsets, flat, tuple(map(str, distinct.tolist())))
    known = None if like is None else like.class_names
    wanted = options.model_copy(update={"target_kind": "label_lists"})
    found = read_targets(Table({"labels": lists}), wanted, known)
    return _dataset(stem(path), X, found, names)


def _dataset(
    name: str,
    X: Any,
    found: Targets,
    feature_names: tuple[str, ...],
    groups: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Dataset:
    check_rows(found, X.shape[0])
    dataset = Dataset(
        name,
        X,
        found.y if found.kept is None else np.empty(X.shape[0]),
        feature_names,
        found.class_names,
        is_soft=found.is_soft,
        groups=groups,
        weights=weights,
        left_out=found.left_out,
    )
    if found.kept is not None:
        dataset = replace(dataset.take(found.kept), y=found.y)
    if found.weights is not None:
        dataset = replace(dataset, weights=found.weights)
    return replace(dataset, features=_finite(dataset))


def _finite(dataset: Dataset) -> Any:
    """Return the matrix of a data set; or a table of its columns if a dense one has missing values.

    Missing values of a table are imputed later, those of a matrix are not.

    Raises
    ------
    DataError
        If a number is infinite, or missing in a sparse matrix; the message names row and column.
    """
    X, names, rows = dataset.features, dataset.feature_names, dataset.rows
    found = first_not_finite(X)
    if found is None:
        return X
    sparse = scipy.sparse.issparse(X)
    wrong = found if sparse else first_not_finite(X, allow_nan=True)
    if wrong is not None:
        remedy = "correct it, or make X dense to have it imputed" if sparse else "correct it"
        raise DataError(f"{wrong.described(rows[wrong.row], names)}; {remedy}")
    columns = zip(names, X.T, strict=True)
    table = {name: Numbers(np.ascontiguousarray(values)) for name, values in columns}
    return Table(table, rows)


def _without_column(X: Any, index: int) -> tuple[Any, np.ndarray]:
    d = X.shape[1]
    if not -d <= index < d:
        raise DataError(f"target = {index}: columns are numbered 0 to {d - 1}, and -1 is the last")
    if scipy.sparse.issparse(X):
        raise DataError("target: a column of a sparse X can't be the target; add an array y")
    return np.delete(X, index, axis=1), np.asarray(X[:, index])


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with reading(path), open(path, "rb") as file:
        arrays = np.load(file, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise DataError("the file holds a single array; rename it to .npy")
        with arrays:
            return {name: arrays[name] for name in arrays.files if name != "format"}


def _npy(path: Path) -> np.ndarray:
    return _checked(mapped_array(path), "X")


def _has_matrix(arrays: Mapping[str, np.ndarray], name: str) -> bool:
    return name in arrays or f"{name}_data" in arrays


def _matrix(arrays: Mapping[str, np.ndarray], name: str) -> Any:
    if name in arrays:
        return _checked(arrays[name], name)
    prefix = f"{name}_" if f"{name}_data" in arrays else ""
    if not all(f"{prefix}{part}" in arrays for part in _CSR_PARTS):
        raise DataError(
            f"the file has no {name}, dense or as "
            f"{', '.join(f'{name}_{part}' for part in _CSR_PARTS)}; "
            f"it has {listed(list(arrays)) or 'nothing'}"
        )
    data, indices, indptr, shape = (arrays[f"{prefix}{part}"] for part in _CSR_PARTS)
    try:
        X = scipy.sparse.csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
        X.check_format(full_check=True)
        X.sum_duplicates()
    except (ValueError, TypeError, IndexError, AttributeError) as problem:
        raise DataError(f"{name} is a malformed CSR matrix: {problem}") from None
    if X.dtype.kind not in "biuf":
        raise DataError(f"{name} must hold numbers, got {X.dtype}")
    return X


def _checked(X: np.ndarray, name: str) -> np.ndarray:
    if X.ndim != 2 or X.dtype.kind not in "biuf":
        raise DataError(
            f"{name} must be a matrix of numbers, of shape (n, d), got {X.shape} of {X.dtype}"
        )
    return X


def _names(arrays: Mapping[str, np.ndarray], key: str, count: int | None) -> tuple[str, ...] | None:
    if key not in arrays:
        return None
    names = tuple(str(name) for name in np.ravel(arrays[key]).astype(str).tolist())
    if count is not None and len(names) != count:
        raise DataError(f"{key} has {len(names)} names for {count} columns of X")
    return names


def _feature_names(arrays: Mapping[str, np.ndarray], X: Any) -> tuple[str, ...]:
    d = X.shape[1]
    return _names(arrays, "feature_names", d) or tuple(f"x{i}" for i in range(d))


def _svmlight(path: Path, multilabel: bool) -> tuple[Any, Any]:
    """Return the features, with the file's indices as columns, and the targets."""
    with reading(path), open_decompressed(path) as file:
        X, y = parsed(file, path, multilabel)
    if X.shape[0] == 0:
        raise DataError("there are no rows")
    return X, y


def _first_index(X: Any) -> int:
    """Return the smallest index that the file counts from: 1 if no row has a feature 0, else 0."""
    return int(X.nnz > 0 and X.indices.min() > 0)

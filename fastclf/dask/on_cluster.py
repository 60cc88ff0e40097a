"""What estimators on a cluster share: where rows are, predictions, scores, pickling."""

import copy
from dataclasses import fields
from typing import Any

import dask
import numpy as np
from dask.base import is_dask_collection
from sklearn.base import _clone_parametrized
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from fastclf.dask.collections import (
    client_for,
    dtype_of,
    is_array_or_frame,
    names_of,
    one_block_of_columns,
    rows_of,
    rows_of_stream,
)
from fastclf.dask.futures import FuturePartitions
from fastclf.errors import InputError
from fastclf.estimators import choice, validation
from fastclf.estimators.encoding import check_names
from fastclf.estimators.partitions import Failure, Reading, Rows, chained, check_all
from fastclf.estimators.streams import is_stream


class OnCluster:
    """Mixin of the estimators here: rows come as Dask collections, and predictions are lazy."""

    client: Any
    solver: Any
    classes_: np.ndarray
    _local: type
    _label_weights = False

    def to_local(self) -> Any:
        """Return the fitted estimator of :mod:`fastclf` with the same parameters and attributes.

        Raises
        ------
        NotFittedError
            If the estimator isn't fitted.
        """
        check_is_fitted(self)
        names = [field.name for field in fields(self._local)]
        local = self._local(**{name: getattr(self, name) for name in names})
        for name, value in vars(self).items():
            if name not in names and name not in ("client", "client_"):
                setattr(local, name, value)
        return local

    def decision_function(self, X: Any) -> Any:
        """Return the logits of each row: a Dask array for a Dask collection, else an array.

        Parameters
        ----------
        X : Dask array or data frame, or array-like or sparse matrix, of shape (n, d)

        Returns
        -------
        array of shape (n,) for two classes, (n, K) or (n, L) otherwise
        """
        return self._of_rows("decision_function", X)

    def predict_proba(self, X: Any) -> Any:
        """Return probabilities: a Dask array for a Dask collection, else an array.

        Parameters
        ----------
        X : Dask array or data frame, or array-like or sparse matrix, of shape (n, d)

        Returns
        -------
        array of shape (n, K) or (n, L)
        """
        return self._of_rows("predict_proba", X)

    def predict_log_proba(self, X: Any) -> Any:
        """Return logarithms of probabilities: a Dask array for a Dask collection, else an array.

        Parameters
        ----------
        X : Dask array or data frame, or array-like or sparse matrix, of shape (n, d)

        Returns
        -------
        array of shape (n, K) or (n, L)
        """
        return self._of_rows("predict_log_proba", X)

    def predict(self, X: Any) -> Any:
        """Return the class of each row, or the indicators of its labels; lazily for a collection.

        Parameters
        ----------
        X : Dask array or data frame, or array-like or sparse matrix, of shape (n, d)

        Returns
        -------
        array of shape (n,) or (n, L)
        """
        return self._of_rows("predict", X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy, or the fraction of rows whose labels are all predicted correctly.

        Parameters
        ----------
        X : Dask array or data frame, or array-like or sparse matrix, of shape (n, d)
        y : as X, of shape (n,), (n, K) or (n, L)
        sample_weight : as X, of shape (n,), optional
        """
        local = self.to_local().set_params(n_threads=1)
        if not is_dask_collection(X):
            return local.score(X, y, sample_weight=sample_weight)
        _check_columns(local, X)
        check_names(names_of(y), np.asarray(local.classes_))
        local.__dict__.pop("feature_names_in_", None)  # rows come as arrays
        rows, _ = rows_of(client_for(self.client), X, y, sample_weight, type(self).__name__)
        found: list[Any] = rows.sum(_scored, chained, local) or []
        check_all(found)
        if not found:
            raise InputError("there are no rows to score: each row is ignored or has weight 0")
        scores, weights = zip(*found, strict=True)
        return float(np.average(scores, weights=weights))

    @property
    def partial_fit(self) -> Any:
        """Not available, because it needs minibatches."""
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute 'partial_fit': exact solvers read "
            f"all rows in each pass; fastclf.{type(self).__name__} has it for minibatch solvers"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the client, which belongs to this process."""
        state: dict[str, Any] = {**super().__getstate__()}  # type: ignore[dict-item]
        state.pop("client_", None)
        state["client"] = None
        return state

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Return a copy with the same client."""
        copied = copy.copy(self)
        for name, value in vars(self).items():
            shared = name in ("client", "client_")
            setattr(copied, name, value if shared else copy.deepcopy(value, memo))
        return copied

    def __sklearn_clone__(self) -> Any:
        """Return an unfitted estimator with the same parameters and the same client."""
        own = copy.copy(self)  # without the client, which can't be cloned
        return _clone_parametrized(own).set_params(client=self.client)

    def _begin(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[FuturePartitions, Reading, tuple[str, ...] | None]:
        # The rows of all partitions, and the names of several targets; sets client_.
        name = type(self).__name__
        if choice.is_minibatch(self.solver):
            raise InputError(
                f"solver={self.solver!r} trains on minibatches, and each of its steps waits for "
                "the one before, so more machines make it no faster; use solver='auto', which "
                f"reaches the optimum, or fastclf.{name} with a fastclf.data.Stream of the rows"
            )
        self.client_ = client_for(self.client)
        if not is_dask_collection(X) and is_stream(X):
            validation.check_alone(y, sample_weight)
            return *rows_of_stream(self.client_, X, name), X.target_names
        how = self.client_, X, y, sample_weight, name, self._label_weights
        return *rows_of(*how), names_of(y)

    def _of_rows(self, method: str, X: Any) -> Any:
        if not is_array_or_frame(X):
            return getattr(super(), method)(X)
        local = self.to_local().set_params(n_threads=1)
        X = one_block_of_columns(X)
        _check_columns(local, X)
        meta = _predicted(_example(local, dtype_of(X)), local, method)
        shared = dask.delayed(local, pure=True)
        if not hasattr(X, "chunks"):
            return X.map_partitions(_predicted, shared, method, meta=meta)
        chunks = (X.chunks[0], *((length,) for length in meta.shape[1:]))
        how: dict[str, Any] = {"meta": meta[:0], "dtype": meta.dtype, "chunks": chunks}
        if meta.ndim == 1:
            how["drop_axis"] = 1
        return X.map_blocks(_predicted, shared, method, **how)


def _check_columns(local: Any, X: Any) -> None:
    # The names of a frame's columns against those of the fit.
    if hasattr(X, "_meta_nonempty"):
        _check_feature_names(local, X._meta_nonempty, reset=False)


def _example(local: Any, dtype: np.dtype) -> Any:
    # A row that a fitted estimator takes.
    X = np.zeros((1, local.n_features_in_), dtype)
    names = getattr(local, "feature_names_in_", None)
    if names is None:
        return X
    import pandas as pd

    return pd.DataFrame(X, columns=names)


def _predicted(X: Any, local: Any, method: str) -> np.ndarray:
    # What an estimator predicts for a block of rows, which may have none.
    n = X.shape[0]
    if n:
        return np.asarray(getattr(local, method)(X.tocsr() if hasattr(X, "tocsr") else X))
    return np.asarray(getattr(local, method)(_example(local, dtype_of(X))))[:0]


def _scored(rows: Rows | Failure, local: Any) -> list[Any] | None:
    # The score and the weight of a partition, in a list.
    if isinstance(rows, Failure):
        return [rows]
    some = np.isfinite(rows.y).any(axis=1) if rows.y.ndim == 2 else _count(rows.y, local)
    weights = rows.own_weights[some]
    if not weights.any():
        return None
    score = local.score(rows.X[some], rows.y[some], sample_weight=weights)
    return [(score, float(weights.sum()))]


def _count(y: np.ndarray, local: Any) -> np.ndarray:
    # Which rows count in a score: those whose label is a class.
    ignore = getattr(local, "ignore_index", None)
    return np.ones(len(y), bool) if ignore is None else np.asarray(y != ignore)

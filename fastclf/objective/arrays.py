"""The arrays of a problem in memory, as one record that compiled steps of solvers read."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fastclf.kernels.loss.kinds import Kind
from fastclf.losses import Loss
from fastclf.objective.features import CSRFeatures, DenseFeatures
from fastclf.objective.moments import Hessian
from fastclf.objective.selection import Selection

_ROWS_OF_A_MEAN = 4096
"""Rows from which the center is computed."""


@dataclass(frozen=True)
class Arrays:
    """Features, targets and weights of an objective in memory.

    Parameters
    ----------
    features : DenseFeatures or CSRFeatures
    loss : Loss
    selection : Selection
        Targets, scales and weights of all problems.
    n_outputs : int
        K.
    fit_intercept : bool
    given_center : ndarray of shape (d,), optional
        The center to use, if these rows are a part of others.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from fastclf.losses import Softmax
    >>> from fastclf.objective import InMemoryObjective
    >>> from fastclf.penalties import L2
    >>> from fastclf.targets import Target
    >>> X, y = load_iris(return_X_y=True)
    >>> target = Target(np.ones((1, len(y))), codes=y)
    >>> penalty = L2.from_C(1.0, target.total_weight)
    >>> objective = InMemoryObjective(X, target, Softmax(), n_columns=3, penalty=penalty)
    >>> arrays = objective.arrays
    >>> arrays.n_outputs, arrays.features.shape
    (3, (150, 4))
    >>> bool(np.allclose(arrays.center, X.mean(axis=0)))
    True
    """

    features: DenseFeatures | CSRFeatures
    loss: Loss
    selection: Selection
    n_outputs: int
    fit_intercept: bool
    given_center: np.ndarray | None = None

    @cached_property
    def center(self) -> np.ndarray:
        """A point (d,) amid the rows, to which Hessians move the intercepts."""
        features, dtype = self.features, self.features.dtype
        if self.given_center is not None:
            return self.given_center.astype(dtype)
        n, d = features.shape
        if not self.fit_intercept:
            return np.zeros(d, dtype)
        some = slice(None, None, max(1, n // _ROWS_OF_A_MEAN))
        weights = self.selection.target.weights[:, some].mean(axis=0, dtype=np.float64)
        if not weights.any():
            weights[:] = 1
        return (weights @ features.X[some] / weights.sum()).astype(dtype)

    def hessian(self, blocks: np.ndarray) -> Hessian:
        """Return blocks about the center as a Hessian, in float32 if the features are.

        So features in float32 that differ by rounding alone don't look different. Without
        intercepts, their rows and columns become those of the identity, in place.
        """
        if self.center.dtype == np.float32:
            blocks = blocks.astype(np.float32, copy=False)
        if not self.fit_intercept:
            d = self.center.size
            intercepts = np.arange(d, blocks.shape[1], d + 1)
            blocks[:, intercepts] = 0
            blocks[:, :, intercepts] = 0
            blocks[:, intercepts, intercepts] = 1
        return Hessian(self.center.astype(np.float64), blocks)

    @cached_property
    def kind(self) -> Kind:
        """The kernels of the loss."""
        return self.loss.kind(self.selection.target)

    @cached_property
    def data(self) -> tuple[Any, ...]:
        """The fields of :class:`fastclf.kernels.runtime.records.Data`, for all rows."""
        return self.selection.data(self.features.canonical, self.loss.parameters)

    def data_of(self, m: int) -> tuple[Any, ...]:
        """Return the fields of ``Data`` for one of the problems, for all rows."""
        return self.data if self.selection.scale.size == 1 else self._data_of_each[m]

    @cached_property
    def _data_of_each(self) -> list[tuple[Any, ...]]:
        masks = np.eye(self.selection.scale.size, dtype=bool)
        parts = (self.selection.part(mask, self.loss.is_sigmoid) for mask in masks)
        return [part.data(self.features.canonical, self.loss.parameters) for part in parts]

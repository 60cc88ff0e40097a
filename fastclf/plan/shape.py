"""The sizes and kinds on which the choice of code depends; never the values of arrays."""

from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """Sizes and kinds of an objective.

    Parameters
    ----------
    n_rows, n_features, n_problems, n_outputs : int
        n, d, M and K.
    entries : int
        Stored entries of X.
    dtype : numpy.dtype
        Of X.
    is_sparse : bool
        Whether X is CSR.
    in_memory : bool
        Whether engines that are compiled as a whole can read X.
    has_narrow_pass : bool
        Whether the loss has kernels in :mod:`fastclf.kernels.passes.narrow`.
    is_plain_sigmoid : bool
        Whether the loss is binary cross-entropy, which has compiled steps of its own.
    has_l1 : bool
        Whether the penalty has an L1 part.
    penalty_ratio : float
        Largest strength of the squared penalty divided by the smallest.

    Examples
    --------
    >>> from fastclf.plan import Shape
    >>> shape = Shape(n_rows=1797, n_features=64, n_outputs=10)
    >>> shape.n_columns, shape.n_coefficients
    (10, 650)
    """

    n_rows: int
    n_features: int
    n_problems: int = 1
    n_outputs: int = 1
    entries: int = 0
    dtype: np.dtype = np.dtype(np.float64)
    is_sparse: bool = False
    in_memory: bool = True
    has_narrow_pass: bool = True
    is_plain_sigmoid: bool = False
    has_l1: bool = False
    penalty_ratio: float = 1.0

    @property
    def n_columns(self) -> int:
        """Columns of theta, M K."""
        return self.n_problems * self.n_outputs

    @property
    def n_coefficients(self) -> int:
        """Coefficients and intercepts of a problem, K (d + 1)."""
        return self.n_outputs * (self.n_features + 1)

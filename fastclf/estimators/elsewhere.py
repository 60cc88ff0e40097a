"""Rows that aren't in memory, and what estimators need of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastclf.errors import InputError
from fastclf.objective import Objective
from fastclf.penalties import Penalty

if TYPE_CHECKING:
    from fastclf.estimators.problem import Massless, Problem


Encode = Callable[[np.ndarray, np.ndarray], "Problem"]
"""Returns the problem of some rows, from their y and their weights in float64."""


class RowsElsewhere:
    """Base of rows with encoded targets that are in a stream or on other machines.

    Attributes
    ----------
    noun : str
        What they are, for messages.
    shape : tuple of int
        n and d.
    dtype : numpy.dtype
        Of X.
    """

    noun: ClassVar[str]
    shape: tuple[int, int]
    dtype: np.dtype

    def restricted(self, massless: "Massless") -> "RowsElsewhere":
        """Return the rows with the targets of the columns that are present."""
        raise NotImplementedError

    def objective(
        self,
        problem: "Problem",
        penalty: Penalty,
        total_weight: np.ndarray,
        fit_intercept: bool,
        n_threads: int | None,
    ) -> Objective:
        """Return the objective over them; ``problem`` says the loss and the number of columns."""
        raise NotImplementedError

    def separated(self, problem: "Problem", theta: np.ndarray) -> np.ndarray:
        """Return a mask of the columns, all of whose rows theta separates."""
        raise NotImplementedError

    def split_off(self) -> "tuple[Any, Problem] | None":
        """Return X (m, d) and the problem of rows to validate on, if some were held out."""
        return None

    def check(self, solver: Any, intercept_column: Any) -> None:
        """Refuse settings that need all rows in memory."""
        if intercept_column is not None:
            raise InputError(
                f"solver={solver!r} penalises the intercept, for which it needs all rows in "
                f"memory; use solver='auto' to fit {self.noun}"
            )


@dataclass(frozen=True)
class Restricted:
    """An encoding that leaves out columns."""

    encode: Encode
    massless: "Massless"

    def __call__(self, y: np.ndarray, weights: np.ndarray) -> "Problem":
        """Return the problem of some rows."""
        return self.massless.restrict(self.encode(y, weights))


def know_features(estimator: Any, n_features: int, names: Sequence[str] | None) -> None:
    """Set an estimator's attributes about the features that it is fitted to."""
    estimator.n_features_in_ = n_features
    if hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_
    if names is not None:
        estimator.feature_names_in_ = np.asarray(names, dtype=object)

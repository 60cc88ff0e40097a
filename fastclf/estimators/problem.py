"""What is to be fitted: targets, a loss and columns, less those that have no optimum."""

import warnings
from dataclasses import dataclass

import numpy as np

from fastclf.losses import Loss, Sigmoid, Softmax
from fastclf.targets import Target


@dataclass(frozen=True)
class Problem:
    """A target with the loss that fits it, over ``n_columns`` columns of logits."""

    target: Target
    loss: Loss
    n_columns: int


@dataclass(frozen=True)
class Massless:
    """Classes or labels without positive (or negative) mass, for which no free intercept exists.

    Their coefficients are 0 and their intercepts the log-odds of the rate, smoothed by half an
    observation; the problem is solved for the others.
    """

    present: np.ndarray
    intercepts: np.ndarray

    @classmethod
    def find(cls, mass: np.ndarray, total: np.ndarray, loss: Loss) -> "Massless":
        """Look at the mass (C,) of each column's positive class and the total weight (C,)."""
        present = mass > 0
        if loss.is_sigmoid:
            present = present & (mass < total)
        return cls(present, np.log((mass + 0.5) / (total - mass + 0.5)))

    def warn(self, names: np.ndarray, stacklevel: int) -> None:
        """Name the columns that can't be fitted, in one warning."""
        if not self.present.all():
            missing = ", ".join(repr(name) for name in names[~self.present].tolist())
            warnings.warn(
                f"no weight on one side of {missing}: coefficients are 0 there and the intercept "
                "is that of the smoothed rate",
                UserWarning,
                stacklevel=stacklevel,
            )

    def restrict(self, problem: Problem) -> Problem:
        """Return the problem of the columns that can be fitted."""
        if self.present.all():
            return problem
        target, present = problem.target, self.present
        if isinstance(problem.loss, Sigmoid):
            loss: Loss = Sigmoid(problem.loss.pos_weights(present.size)[present])
            return Problem(target.columns(present), loss, int(present.sum()))
        position = np.cumsum(present) - 1
        kept = Target(
            weights=target.weights,
            codes=position[target.codes] if target.codes.size else target.codes,
            soft=np.ascontiguousarray(target.soft[:, present]) if target.soft.size else target.soft,
        )
        return Problem(kept, Softmax(problem.loss.label_smoothing), int(present.sum()))

    def expand(self, theta: np.ndarray) -> np.ndarray:
        """Return theta over all columns, from that of the columns that were fitted."""
        if self.present.all():
            return theta
        full = np.zeros((theta.shape[0], self.present.size))
        full[:, self.present] = theta
        full[-1, ~self.present] = self.intercepts[~self.present]
        return full

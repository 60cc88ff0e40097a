"""What is to be fitted: targets, a loss and columns, less those that have no optimum."""

import warnings
from dataclasses import dataclass, replace

import numpy as np

from fastclf.losses import Loss, Sigmoid
from fastclf.targets import Target


@dataclass(frozen=True)
class Problem:
    """A target with the loss that fits it, over ``n_columns`` columns of logits."""

    target: Target
    loss: Loss
    n_columns: int

    @property
    def mass(self) -> np.ndarray:
        """The weight of each column's class, or of its positive side (C,)."""
        weights = self.target.weights[0]
        if self.target.codes.size:
            return np.bincount(self.target.codes, weights, minlength=self.n_columns)
        return weights @ self.target.soft

    @property
    def strata(self) -> np.ndarray | None:
        """Integers (n,) by which a split can be stratified; None if rows have no single class."""
        if self.target.codes.size:
            return self.target.codes
        if self.n_columns == 1 and np.isin(self.target.soft, (0, 1)).all():
            return self.target.soft[:, 0].astype(np.intp)
        return None

    def rows(self, index: np.ndarray) -> "Problem":
        """Return the problem of some rows."""
        return replace(self, target=self.target.rows(index))


@dataclass(frozen=True)
class Massless:
    """Classes or labels with no weight on one side, for which no free intercept has an optimum.

    Their coefficients are 0 and their intercepts the log-odds of the rate, smoothed by half an
    observation; the problem is solved for the columns that are ``present`` (C,).
    """

    mass: np.ndarray
    total: float
    present: np.ndarray

    @classmethod
    def find(cls, problem: Problem, fit_intercept: bool) -> "Massless":
        """Look for such columns; smoothing, a teacher or no intercept give every one an optimum."""
        mass, total = problem.mass, float(problem.target.total_weight[0])
        loss = problem.loss
        if not fit_intercept or loss.distillation or loss.parameters[0] > 0:
            return cls(mass, total, np.ones(mass.shape, bool))
        present = mass > 0
        if loss.is_sigmoid:
            present &= mass < total
        return cls(mass, total, present)

    def warn(self, classes: np.ndarray, stacklevel: int) -> None:
        """Name the classes or labels that can't be fitted, in one warning."""
        if self.present.all():
            return
        if len(classes) == 2 and self.mass.size == 1:
            names = classes[:1] if self.mass[0] > 0 else classes[1:]
        else:
            names = classes[~self.present]
        listed = ", ".join(repr(name) for name in names.tolist())
        warnings.warn(
            f"no weight, or all of it, on {listed}: its coefficients are 0 and its intercept is "
            "that of the smoothed rate",
            UserWarning,
            stacklevel=stacklevel,
        )

    def restrict(self, problem: Problem) -> Problem:
        """Return the problem of the columns that are present."""
        if self.present.all():
            return problem
        target, present = problem.target, self.present
        columns = int(present.sum())
        if isinstance(problem.loss, Sigmoid):
            loss = replace(problem.loss, pos_weight=problem.loss.pos_weights(present.size)[present])
            return Problem(target.columns(present), loss, columns)
        if target.codes.size:
            kept = replace(target, codes=(np.cumsum(present) - 1)[target.codes])
        else:
            kept = replace(target, soft=np.ascontiguousarray(target.soft[:, present]))
        return Problem(kept, problem.loss, columns)

    def expand(self, theta: np.ndarray) -> np.ndarray:
        """Return theta over all columns, from that of the present ones."""
        if self.present.all():
            return theta
        full = np.zeros((theta.shape[0], self.present.size))
        full[:, self.present] = theta
        absent = self.mass[~self.present]
        full[-1, ~self.present] = np.log((absent + 0.5) / (self.total - absent + 0.5))
        return full

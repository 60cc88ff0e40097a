"""The problems that a pass computes: their targets, and their results among those of all."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastclf.objective.moments import Hessian
from fastclf.targets import Target

NO_ORDER = np.empty(0, dtype=np.intp)
"""The order of rows for kernels that read all rows in the order of X."""


@dataclass(frozen=True)
class Selection:
    """Some of M problems, m of them, which a ``mask`` (M,) marks.

    ``scale`` (m,) is the factor of their weights, 1 / Σw, and ``pos_weight`` (m,) the weight of the
    positive class.
    """

    mask: np.ndarray
    target: Target
    scale: np.ndarray
    pos_weight: np.ndarray

    @classmethod
    def everything(
        cls, target: Target, total_weight: np.ndarray, pos_weight: np.ndarray
    ) -> "Selection":
        """Return the selection of all problems, whose total weights are (M,)."""
        return cls(np.ones(total_weight.size, bool), target, 1 / total_weight, pos_weight)

    @property
    def is_everything(self) -> bool:
        """Whether these are all problems."""
        return self.scale.size == self.mask.size

    def part(self, mask: np.ndarray, by_column: bool) -> "Selection":
        """Return the selection of some of these problems, a mask (m,).

        ``by_column`` says that each has a column of the targets, as for a sigmoid loss.
        """
        pick = self.target.columns if by_column else self.target.problems
        return Selection(mask, pick(mask), self.scale[mask], self.pos_weight[mask])

    def columns(self, theta: np.ndarray) -> np.ndarray:
        """Return the columns (d + 1, m K) of these problems in theta (d + 1, M K)."""
        if self.is_everything:
            return theta
        return theta[:, np.repeat(self.mask, theta.shape[1] // self.mask.size)]

    def spread(
        self, values: np.ndarray, gradient: np.ndarray, n_outputs: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return values (M,) and gradient (d + 1, M K), with 0 for the problems left out."""
        if self.is_everything:
            return values, gradient
        columns = np.repeat(self.mask, n_outputs)
        every, full = np.zeros(self.mask.size), np.zeros((len(gradient), columns.size))
        every[self.mask] = values
        full[:, columns] = gradient
        return every, full

    def spread_hessian(self, hessian: Hessian) -> Hessian:
        """Return the Hessians of all problems, with the identity for those left out."""
        if self.is_everything:
            return hessian
        q = hessian.blocks.shape[1]
        blocks = np.repeat(np.eye(q)[None], self.mask.size, axis=0)
        blocks[self.mask] = hessian.blocks
        return Hessian(hessian.center, blocks)

    def data(
        self, X: Any, parameters: tuple[Any, ...], order: np.ndarray = NO_ORDER
    ) -> tuple[Any, ...]:
        """Return the fields of :class:`fastclf.kernels.runtime.records.Data`.

        X is as kernels read it. The rows ``order`` (m,) of X are taken, or all if it is empty;
        ``parameters`` are those of the loss.
        """
        target = self.target
        classes = target.codes, target.soft, target.teacher
        return X, order, *classes, target.weights, self.scale, self.pos_weight, parameters

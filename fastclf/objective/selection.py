"""Which problems a pass computes, with what it reads of them."""

from dataclasses import dataclass

import numpy as np

from fastclf.targets import Target

NO_ORDER = np.empty(0, dtype=np.intp)
"""For kernels that take rows in an order: that of X."""


@dataclass(frozen=True)
class Selection:
    """Some of M problems, m of them.

    Parameters
    ----------
    mask : ndarray of shape (M,)
    target : Target
        Their targets alone.
    scale, pos_weight : ndarray of shape (m,)
        By what their weights are multiplied, and the weight of the positive class of each.
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

    def arguments(self, parameters: tuple) -> tuple:
        """Return what the kernels of a pass take between X and the coefficients.

        All rows count, in their order; ``parameters`` are those of the loss.
        """
        target = self.target
        classes = target.codes, target.soft, target.teacher
        return NO_ORDER, classes, target.weights, self.scale, self.pos_weight, parameters

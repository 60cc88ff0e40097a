"""When an exact solver has come near enough to the optimum."""

from dataclasses import dataclass

import numpy as np

from fastclf.kernels.linalg.line_search import PATIENCE

_MUCH_SMALLER, _MODEST = 1 / 8, 1e-4
"""A gradient so much smaller than asked for will do, if the decrease is less than this."""


_ROUGH = 1e-5
"""A tolerance from which on float32 tells where the optimum is, up to a last look in float64."""

_LOST = 0.1
"""The share of the tolerance up to which the first gradient may be rounded for that."""


@dataclass(frozen=True)
class Stopping:
    """What the gradient and the decrease that the next step promises must come to.

    The gradient's norm says little of the objective where the Hessian is small, so a solver goes on
    while the model of it promises a decrease: near the optimum that takes few steps. Where it takes
    many, a much smaller gradient than was asked for will do.

    Parameters
    ----------
    tol : float
        The largest entry of the gradient that is small.
    negligible : float
        The decrease that isn't worth a step, relative to the objective at zero.
    """

    tol: float
    negligible: float

    def is_met(self, norms: np.ndarray, expected: np.ndarray, scale: float) -> np.ndarray:
        """Return a mask (M,) of the problems that are done.

        Parameters
        ----------
        norms, expected : ndarray of shape (M,)
            Gradient norms and expected decreases.
        scale : float
            The objective at zero.
        """
        tol, negligible, much_smaller, modest, _ = self.limits(scale)
        enough = expected <= negligible
        enough |= (norms <= much_smaller) & (expected <= modest)
        return (norms <= tol) & enough

    def allows_single(self, norm: float = 0.0) -> bool:
        """Tell whether float32 finds the optimum, from a gradient whose largest entry is this."""
        rounding = float(np.finfo(np.float32).eps) * norm
        return self.tol >= _ROUGH and rounding <= _LOST * self.tol

    def limits(self, scale: float) -> tuple[float, float, float, float, float]:
        """Return all limits as kernels take them; the last one is ``PATIENCE``."""
        much_smaller = _MUCH_SMALLER * self.tol
        return self.tol, self.negligible * scale, much_smaller, _MODEST * scale, float(PATIENCE)

"""The rule by which exact solvers stop."""

from dataclasses import dataclass

import numpy as np

from fastclf.kernels.linalg.line_search import PATIENCE

_MUCH_SMALLER, _MODEST = 1 / 8, 1e-4
"""Share of ``tol`` within which the gradient suffices if the expected decrease, relative to the
objective at zero, is at most the second number.
"""


_ROUGH = 1e-5
"""Smallest ``tol`` at which passes may compute in float32, before a last check in float64."""

_LOST = 0.1
"""Largest rounding of the first gradient for that, as a share of ``tol``."""


@dataclass(frozen=True)
class Stopping:
    """Limits of the gradient and of the decrease that is expected of the next step.

    A small gradient doesn't mean a low objective where the Hessian is small, so a solver goes on
    below ``tol`` while its model promises a decrease; near the optimum that takes few steps. If it
    takes many, a gradient much smaller than ``tol`` suffices. A ``negligible`` decrease, relative
    to the objective at zero, isn't worth a step.
    """

    tol: float
    negligible: float

    def is_met(self, norms: np.ndarray, expected: np.ndarray, scale: float) -> np.ndarray:
        """Return a mask (M,) of the problems that are done.

        They have gradient norms and expected decreases (M,); ``scale`` is the objective at zero.
        """
        tol, negligible, much_smaller, modest, _ = self.limits(scale)
        enough = expected <= negligible
        enough |= (norms <= much_smaller) & (expected <= modest)
        return (norms <= tol) & enough

    def allows_single(self, norm: float = 0.0) -> bool:
        """Return whether passes may be float32; ``norm`` is the norm of the first gradient."""
        rounding = float(np.finfo(np.float32).eps) * norm
        return self.tol >= _ROUGH and rounding <= _LOST * self.tol

    def limits(self, scale: float) -> tuple[float, float, float, float, float]:
        """Return the limits as kernels take them; the last one is ``PATIENCE``."""
        much_smaller = _MUCH_SMALLER * self.tol
        return self.tol, self.negligible * scale, much_smaller, _MODEST * scale, float(PATIENCE)

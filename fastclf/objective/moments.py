"""Records that solvers get: second moments of the features, and Hessians."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curvature:
    """Weighted second moments of the features about a center.

    Parameters
    ----------
    center : ndarray of shape (d,)
        Weighted means.
    second : ndarray of shape (d, d) or (d,)
        Matrix of second moments about the center, or its diagonal.
    logits : ndarray of shape (M * K,)
        Second derivative of the loss in each column's logit, at equal logits or averaged over rows.
    """

    center: np.ndarray
    second: np.ndarray
    logits: np.ndarray

    def about_zero(self) -> "Curvature":
        """Return the moments about zero."""
        shift = self.center**2 if self.second.ndim == 1 else np.outer(self.center, self.center)
        return Curvature(np.zeros_like(self.center), self.second + shift, self.logits)

    def joined(self, other: "Curvature", share: float) -> "Curvature":
        """Return the moments of these rows and others together; ``share`` is the others' weight.

        Chan, Golub and LeVeque, *Algorithms for computing the sample variance*, 1983.
        """
        shift = other.center - self.center
        square = shift**2 if self.second.ndim == 1 else np.outer(shift, shift)
        return Curvature(
            self.center + share * shift,
            (1 - share) * self.second + share * other.second + share * (1 - share) * square,
            (1 - share) * self.logits + share * other.logits,
        )


@dataclass(frozen=True)
class Hessian:
    """Second derivatives of the mean loss, the penalty left out.

    They are taken with the intercepts moved to a center c of the features: in
    ``(w, b + c @ w)`` instead of (w, b), which keeps them well conditioned.

    Parameters
    ----------
    center : ndarray of shape (d,)
    blocks : ndarray of shape (B, q, q)
        A matrix for each of B groups of columns, column after column, the intercept last in each:
        B = M and q = K (d + 1) for whole Hessians, B = M K and q = d + 1 for diagonal blocks.
    """

    center: np.ndarray
    blocks: np.ndarray

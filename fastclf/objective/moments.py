"""Records of sums over rows: total weights, second moments of the features, and Hessians."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Totals:
    """Sums over all rows, for an objective that holds some of them.

    Values, gradients and Hessians of the parts then add up to those of all rows.

    Parameters
    ----------
    total_weight : ndarray of shape (M,)
        The sum of the weights of each problem.
    center : ndarray of shape (d,)
        The point to which Hessians move the intercepts.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.losses import Sigmoid
    >>> from fastclf.objective import InMemoryObjective, Totals
    >>> from fastclf.penalties import L2
    >>> from fastclf.targets import Target
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([[0.0], [0.0], [1.0], [1.0]])
    >>> totals = Totals(total_weight=np.array([4.0]), center=np.array([1.5]))
    >>> theta, nothing = np.array([[1.0], [0.0]]), L2(np.zeros(1))
    >>> def value(rows, totals=None):
    ...     target = Target(np.ones((1, len(X[rows]))), soft=y[rows])
    ...     objective = InMemoryObjective(X[rows], target, Sigmoid(), 1, nothing, totals=totals)
    ...     return objective.value_and_grad(theta)[0][0]
    >>> halves = value(slice(2), totals) + value(slice(2, 4), totals)
    >>> bool(np.isclose(halves, value(slice(4))))
    True
    """

    total_weight: np.ndarray
    center: np.ndarray


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

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.objective import Curvature
    >>> moments = Curvature(np.array([2.0]), np.array([[1.0]]), np.array([0.25]))
    >>> moments.about_zero().second.tolist()
    [[5.0]]
    >>> other = Curvature(np.array([4.0]), np.array([[1.0]]), np.array([0.25]))
    >>> both = moments.joined(other, share=0.5)
    >>> both.center.tolist(), both.second.tolist()
    ([3.0], [[2.0]])
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
        The point c.
    blocks : ndarray of shape (B, q, q)
        A matrix for each of B groups of columns, column after column, the intercept last in each:
        B = M and q = K (d + 1) for whole Hessians, B = M K and q = d + 1 for diagonal blocks.

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
    >>> hessian = objective.hessian(np.zeros((5, 3)), whole=False)
    >>> hessian.center.shape, hessian.blocks.shape
    ((4,), (3, 5, 5))
    >>> objective.hessian(np.zeros((5, 3)), whole=True).blocks.shape
    (1, 15, 15)
    """

    center: np.ndarray
    blocks: np.ndarray

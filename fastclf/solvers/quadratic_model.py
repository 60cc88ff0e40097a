r"""A quadratic model of one problem, which coordinate descent minimises with the L1 penalty.

Its matrix is the Hessian at some point, or its diagonal blocks, with limited-memory BFGS updates
for the steps since then in compact form (Byrd, Nocedal and Schnabel, *Representations of
quasi-Newton matrices*, 1994, theorem 2.3): with steps S and changes of the gradient Y,

.. math::
    B = B_0 - V \begin{pmatrix} S^\top B_0 S & L \\ L^\top & -D \end{pmatrix}^{-1} V^\top,
    \qquad V = (B_0 S, Y)

L and D the strictly lower triangle and the diagonal of :math:`S^\top Y`. The intercepts are moved
to the features' center, as the Hessian's are.
"""

from dataclasses import dataclass, field

import numpy as np

from fastclf.kernels.linalg import coordinate_descent
from fastclf.objective import Hessian

_MOST_SWEEPS = 1000
"""Most sweeps of coordinate descent on a model."""


@dataclass(frozen=True)
class Proposal:
    """The minimum (d + 1, K) of a model, and the decrease of the objective that it promises.

    ``slope`` is the first-order part of the decrease; both are 0 or more.
    """

    theta: np.ndarray
    decrease: float
    slope: float


@dataclass
class QuadraticModel:
    """A quadratic model of one problem's smooth part.

    ``blocks`` (G, q, q) are those of the matrix, the squared penalty of ``strength`` included.
    ``memory`` is how many steps are remembered.
    """

    center: np.ndarray
    blocks: np.ndarray
    strength: float
    memory: int
    steps: list[np.ndarray] = field(default_factory=list)
    changes: list[np.ndarray] = field(default_factory=list)

    def renew(self, hessian: Hessian, least: np.ndarray) -> None:
        """Replace the Hessian and keep the updates of past steps.

        ``least`` (d,) is a lower bound on the variance of each feature.
        """
        self.center = hessian.center
        blocks = np.array(hessian.blocks, np.float64)
        q = self.center.size + 1
        places = np.arange(blocks.shape[1])
        intercepts = places[q - 1 :: q]
        coefficients = np.delete(places, intercepts)
        bounds = blocks[:, intercepts, intercepts][:, :, None] * least
        diagonal = np.maximum(
            blocks[:, coefficients, coefficients], bounds.reshape(len(blocks), -1)
        )
        blocks[:, coefficients, coefficients] = diagonal + self.strength
        if intercepts.size > 1:  # a softmax is flat where all intercepts shift together
            middle = blocks[:, intercepts, intercepts].mean(axis=1) / intercepts.size
            blocks[:, intercepts[:, None], intercepts] += middle[:, None, None]
        self.blocks = blocks

    def remember(self, step: np.ndarray, change: np.ndarray) -> None:
        """Store a step and the change of the smooth part's gradient, both (d + 1, K)."""
        s, y = self._moved(step), self._flat(change)
        curvature = float(s @ y)
        if not curvature > np.finfo(np.float64).eps * float(y @ y):
            return
        self.steps = [*self.steps, s][-self.memory :]
        self.changes = [*self.changes, y][-self.memory :]

    def forget(self) -> None:
        """Drop the updates of past steps."""
        self.steps, self.changes = [], []

    def minimise(
        self, theta: np.ndarray, gradient: np.ndarray, l1: float, share: float
    ) -> Proposal:
        """Return the model's minimum, from a point theta with the smooth part's gradient there.

        Coordinate descent stops when the largest violation of the model's optimality is ``share``
        of the first one.
        """
        shape = self.blocks.shape[0], self.blocks.shape[1]
        x, g = self._moved(theta).reshape(shape), self._flat(gradient).reshape(shape)
        strengths = np.full((theta.shape[1], len(theta)), l1)
        strengths[:, -1] = 0
        strengths = strengths.reshape(*shape)
        u, r = x.copy(), g.copy()
        V, Q = self._low_rank()
        coordinate_descent.minimise(self.blocks, V, Q, strengths, share, _MOST_SWEEPS, u, r)
        direction = u - x
        slope = float((g * direction + strengths * (np.abs(u) - np.abs(x))).sum())
        decrease = -slope - 0.5 * float(((r - g) * direction).sum())
        return Proposal(self._theta(u), max(decrease, 0.0), max(-slope, 0.0))

    def _low_rank(self) -> tuple[np.ndarray, np.ndarray]:
        # V, and V times minus the inverse of the middle matrix.
        if not self.steps:
            none = np.zeros((self.blocks.shape[0] * self.blocks.shape[1], 0))
            return none, none
        S, Y = np.array(self.steps), np.array(self.changes)
        G, q, _ = self.blocks.shape
        BS = np.matmul(S.reshape(len(S), G, 1, q), self.blocks).reshape(S.shape)
        products = S @ Y.T
        lower = np.tril(products, -1)
        middle = np.block([[S @ BS.T, lower], [lower.T, -np.diag(products.diagonal())]])
        V = np.concatenate([BS, Y]).T
        return np.ascontiguousarray(V), -np.linalg.solve(middle, V.T).T.copy()

    def _moved(self, theta: np.ndarray) -> np.ndarray:
        moved = theta.T.copy()
        moved[:, -1] += self.center @ theta[:-1]
        return moved.reshape(-1)

    def _flat(self, gradient: np.ndarray) -> np.ndarray:
        flat = gradient.T.copy()
        flat[:, :-1] -= flat[:, -1:] * self.center
        return flat.reshape(-1)

    def _theta(self, u: np.ndarray) -> np.ndarray:
        theta = u.reshape(-1, self.center.size + 1).T.copy()
        theta[-1] -= self.center @ theta[:-1]
        return theta

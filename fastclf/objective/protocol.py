r"""What solvers know of an objective, and what passes between the two.

An Objective holds M independent problems over one X,

.. math::
    f_m(\theta_m) = \frac{1}{\sum_i w_{mi}} \sum_i w_{mi} \,\ell(y_{mi}, z_{mi})
    + \frac{\lambda_m}{2} \lVert W_m \rVert^2,\qquad Z = X W + b

with the smooth part of a penalty; an L1 part is left to the solver. theta is (d + 1, M K), C order,
problem after problem, the intercepts in its last row. One read of X serves all problems. Solvers
see nothing of the data but this.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fastclf.penalties import Penalty

MANY_FEATURES = 256
"""From this many features on, matrices of their moments are taken in float32: twice as fast, and
precise enough for a preconditioner.
"""


class Objective(Protocol):
    """What solvers ask of an objective. Each call reads X once, whatever the number of problems.

    Attributes
    ----------
    n_problems, n_outputs, n_features, n_rows : int
        M, K, d and n.
    n_threads : int, optional
    dtype : numpy.dtype
        In which the passes compute; values and gradients are float64.
    is_sparse : bool
        Whether the features are too sparse, and too many, for matrices of their moments.
    passes : float
        How many times X has been read so far.
    penalty : Penalty
    total_weight : ndarray of shape (M,)
        The sum of the weights of each problem.
    value_at_zero : float
        The value of each problem where theta is 0, or more; found without reading X.
    by_feature : bool
        Whether minibatch rules hold coefficients as (d, C) instead of (C, d).
    orders_rows : bool
        Whether batches are of an order of its own: that of `run_batches` is None.
    hessian_comes_along : bool
        Whether `value_and_grad` takes the whole Hessian for little more than a pass.
    has_small_passes : bool
        Whether calls between passes take longer than they do: `newton_point` has none.
    has_label_blocks : bool
        Whether there are many problems whose passes are faster in blocks: see `label_blocks`.
    passes_of_blocks : int
        How many passes blocks should take before those with few problems are joined.
    fit_intercept : bool
        If False the intercepts keep their value.
    """

    n_problems: int
    n_outputs: int
    n_features: int
    n_rows: int
    n_threads: int | None
    dtype: np.dtype
    is_sparse: bool
    passes: float
    penalty: Penalty
    total_weight: np.ndarray
    by_feature: bool
    fit_intercept: bool
    orders_rows: bool

    @property
    def value_at_zero(self) -> float:
        """A bound of the value at theta = 0."""

    @property
    def hessian_comes_along(self) -> bool:
        """Whether Hessians are nearly free."""

    @property
    def has_small_passes(self) -> bool:
        """Whether calls take longer than passes."""

    @property
    def has_label_blocks(self) -> bool:
        """Whether blocks of problems are faster than all of them together."""

    @property
    def passes_of_blocks(self) -> int:
        """Passes of blocks before some are joined."""

    @property
    def in_single(self) -> "Objective | None":
        """The same objective computed in float32, if that is faster."""

    def value_and_grad(
        self, theta: np.ndarray, active: np.ndarray | None = None, hessian: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return values (M,) and gradient (d + 1, M K); 0 where the mask ``active`` is False.

        With ``hessian`` the same pass takes the whole Hessian, where `hessian_comes_along`, and
        `hessian` has it ready for this very array theta.
        """

    def hessian(self, theta: np.ndarray, whole: bool, n_rows: int | None = None) -> "Hessian":
        """Return the Hessian of the mean loss at theta, for each problem or for each column.

        With ``whole`` the matrix of each problem, otherwise its diagonal blocks: one for each of
        its K columns, which for K = 1 is the same. It is estimated from about ``n_rows`` rows.
        """

    def hessian_cost(self, whole: bool) -> float:
        """Return what :meth:`hessian` over all rows costs, in passes."""

    def newton_point(self, theta: np.ndarray) -> "NewtonPoint":
        """Return a point from which compiled steps of Newton's method go."""

    def newton_step(self, point: Any, limits: tuple[float, ...]) -> int:
        """Move a point, and return how it ended: a code of :mod:`fastclf.kernels.steps.newton`."""

    def label_blocks(self, theta: np.ndarray, memory: int) -> list[Any]:
        """Return blocks of all problems at theta, for limited-memory BFGS with so many pairs."""

    def advance_blocks(
        self,
        blocks: list[Any],
        moments: tuple[np.ndarray, ...],
        single: bool,
        limits: tuple[float, ...],
        most_steps: int,
        most_passes: int,
    ) -> None:
        """Move blocks by limited-memory BFGS, in up to so many passes.

        ``moments`` are those of :mod:`fastclf.kernels.linalg.diagonal`: center and second (d,),
        logits and ridge (M,). With ``single`` passes compute in float32, whatever the dtype. A
        problem takes up to ``most_steps`` steps in all.
        """

    def constant_optimum(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the best logits (M,) without features, and the mean curvature there.

        For sigmoid losses. Problems with a single class have no such logit, and get 0.
        """

    def curvature(
        self, full: bool, theta: np.ndarray | None = None, n_rows: int | None = None
    ) -> "Curvature":
        """Return second moments of the features, for preconditioning and standardising.

        Rows count with the loss's curvature at theta, or all alike with that at equal logits.
        ``full`` asks for a matrix, where the features can afford it, instead of its diagonal. It is
        estimated from about ``n_rows`` rows.
        """

    def sample(self, n_rows: int) -> "Objective":
        """Return the same problems with the same C on a sample of about ``n_rows`` rows."""

    def with_penalty(self, penalty: Penalty) -> "Objective":
        """Return the same problems with another penalty."""

    def part(
        self, features: np.ndarray | None, chosen: np.ndarray, n_threads: int | None
    ) -> "Objective":
        """Return some of the problems (k,), on some of the features (s,) or on all.

        It counts passes of its own. Few features take a copy of their columns.
        """

    @property
    def settles_columns(self) -> bool:
        """Whether :meth:`settle` goes over columns of X, for as many features as there are."""

    @property
    def descent_work(self) -> float:
        """Nanoseconds or so of a pass of :meth:`settle`; infinity where there is no such thing."""

    def descend(
        self, theta: np.ndarray, gradient: np.ndarray, share: float, most: int, damping: float
    ) -> tuple[np.ndarray, float, float]:
        """Return where coordinate descent on the columns of X leads, for one problem.

        It minimises the quadratic model at theta (d + 1, K) with the L1 penalty, until violations
        are a share of what they were or X was read ``most`` times. With a damping of 1 each class's
        loss is below its model, with 0 the model is the Taylor series. Also return the model's
        decrease, and the part of that of first order.
        """

    def proximal_point(self, theta: np.ndarray) -> "ProximalPoint":
        """Return a point for :meth:`settle`."""

    def settle(self, point: Any, limits: tuple[float, float, float], most: int) -> int:
        """Take up to ``most`` compiled steps of Newton's method with the L1 penalty.

        Return how it ended: a code of :mod:`fastclf.kernels.steps.proximal`, which names the
        limits, too.
        """

    def entries(self, features: np.ndarray | None = None) -> int:
        """Return how many entries of X are stored, in all or in some columns."""

    def run_batches(
        self, rule: "Rule", state: Any, order: np.ndarray | None, first: int, last: int
    ) -> None:
        """Run batches first to last of an epoch over rows in an order, updating ``state``.

        There is no ``order`` where the objective has one of its own.
        """


class Rule(Protocol):
    """The numbers of a minibatch update rule."""

    kernel_rule: int
    batch_size: int
    clip_norm: float | None
    kernel_parameters: tuple[float, float, float]

    def decay(self, objective: Objective) -> np.ndarray:
        """Return the decoupled weight decay of each column."""


class NewtonPoint(Protocol):
    """A point of one problem, with its value, gradient and Hessian, which steps move in place."""

    @property
    def value(self) -> float:
        """The objective."""

    @property
    def gradient_norm(self) -> float:
        """The largest absolute entry of the gradient; NaN doesn't count."""

    @property
    def gradient_about_center(self) -> np.ndarray:
        """The gradient in ``(w, b + c @ w)`` for a center c of the features, (K, d + 1)."""

    def theta(self) -> np.ndarray:
        """Return the coefficients now, (d + 1, K)."""


class ProximalPoint(Protocol):
    """A point of one problem with an L1 penalty, which compiled steps move in place."""

    @property
    def value(self) -> float:
        """The objective with its L1 part."""

    @property
    def norm(self) -> float:
        """The largest violation of optimality."""

    @property
    def expected(self) -> float:
        """The decrease that the last model promised."""

    def theta(self) -> np.ndarray:
        """Return the coefficients now, (d + 1, K)."""

    def gradient(self) -> np.ndarray:
        """Return the gradient of the smooth part, (d + 1, K)."""


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
        """Return the moments of these rows and of others, which have a share of all weight.

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

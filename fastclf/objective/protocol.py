r"""The protocol of objectives: all that solvers know about data, loss and penalty.

An Objective holds M independent problems over one X,

.. math::
    f_m(\theta_m) = \frac{1}{\sum_i w_{mi}} \sum_i w_{mi} \,\ell(y_{mi}, z_{mi})
    + \frac{\lambda_m}{2} \lVert W_m \rVert^2,\qquad Z = X W + b

with the smooth part of a penalty; an L1 part is left to the solver. theta is (d + 1, M K), C order,
problem after problem, the intercepts in its last row. One read of X serves all problems.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from fastclf.objective.arrays import Arrays
from fastclf.objective.moments import Curvature, Hessian
from fastclf.penalties import Penalty
from fastclf.plan import Costs, Shape


class LastPass(NamedTuple):
    """State of an objective after a pass, on which the bits of its next pass depend.

    Parameters
    ----------
    selected : ndarray of shape (M,)
        A mask of the problems that the pass computed.
    hessian_at : ndarray of shape (d + 1, M K) or None
        The array theta (the same object) at which the objective holds the whole Hessian.

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
    >>> _ = objective.value_and_grad(np.zeros((5, 3)))
    >>> objective.last_pass.selected.tolist()
    [True]
    """

    selected: np.ndarray
    hessian_at: np.ndarray | None


class Objective(Protocol):
    """M problems over one X, as solvers see them. Each call reads X once for all problems.

    Attributes
    ----------
    n_rows, n_features, n_problems, n_outputs : int
        n, d, M and K.
    dtype : numpy.dtype
        Of X, in which passes compute; values and gradients are float64.
    n_threads : int, optional
    penalty : Penalty
    total_weight : ndarray of shape (M,)
        The sum of the weights of each problem.
    passes : float
        How many times X has been read so far. Code that reads X by itself adds to it.
    costs : Costs
        The table of costs by which code is chosen.

    Examples
    --------
    Any class with these members is an objective, such as `InMemoryObjective`:

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
    >>> objective.n_rows, objective.n_features, objective.n_problems, objective.n_outputs
    (150, 4, 1, 3)
    >>> value, gradient = objective.value_and_grad(np.zeros((5, 3)))
    >>> value.round(4).tolist(), gradient.shape
    ([1.0986], (5, 3))
    """

    n_rows: int
    n_features: int
    n_problems: int
    n_outputs: int
    dtype: np.dtype
    n_threads: int | None
    penalty: Penalty
    total_weight: np.ndarray
    passes: float
    costs: Costs

    @property
    def shape(self) -> Shape:
        """The sizes and kinds by which code is chosen."""

    @property
    def value_at_zero(self) -> float:
        """Upper bound on each problem's value at theta = 0; X isn't read."""

    @property
    def arrays(self) -> Arrays | None:
        """The arrays in memory, for compiled steps; None where X isn't in memory."""

    @property
    def last_pass(self) -> LastPass:
        """The state of the latest pass."""

    def value_and_grad(
        self,
        theta: np.ndarray,
        active: np.ndarray | None = None,
        hessian: bool = False,
        dtype: np.dtype | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return values (M,) and gradient (d + 1, M K); 0 where the mask ``active`` is False.

        With ``hessian`` the same pass also computes the whole Hessian, if the plan says that its
        cost is 0; then :meth:`hessian` returns it without a pass, for this same array theta. The
        pass computes in ``dtype``.
        """

    def hessian(self, theta: np.ndarray, whole: bool, n_rows: int | None = None) -> Hessian:
        """Return the Hessian of the mean loss at theta, for each problem or for each column.

        With ``whole`` the matrix of each problem, otherwise its diagonal blocks: one for each of
        its K columns, which for K = 1 is the same. It is estimated from about ``n_rows`` rows.
        """

    def curvature(
        self, full: bool, theta: np.ndarray | None = None, n_rows: int | None = None
    ) -> Curvature:
        """Return second moments of the features, for preconditioning and standardising.

        Rows are weighted by the loss's curvature at theta; without theta all have the same weight,
        the curvature at equal logits. ``full`` asks for a matrix instead of its diagonal. It is
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

        It counts passes of its own.
        """

    def run_batches(self, rule: "Rule", state: Any, first: int, last: int) -> None:
        """Run batches ``first`` to ``last`` of an epoch and update ``state``.

        The order of the rows follows from ``state.seed`` and ``state.iteration``, the epoch.
        """


class Rule(Protocol):
    """The numbers of a minibatch update rule.

    Examples
    --------
    Minibatch solvers are rules:

    >>> from fastclf.solvers import SGD
    >>> rule = SGD(batch_size=32, clip_norm=1.0)
    >>> rule.batch_size, rule.clip_norm
    (32, 1.0)
    """

    kernel_rule: int
    batch_size: int
    clip_norm: float | None
    kernel_parameters: tuple[float, float, float]

    def decay(self, objective: Objective) -> np.ndarray:
        """Return the decoupled weight decay of each column."""

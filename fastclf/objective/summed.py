"""The objective over rows in parts, whose values, gradients and Hessians are added up."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np

from fastclf.losses import Loss
from fastclf.objective.in_memory import InMemoryObjective
from fastclf.objective.moments import Curvature, Hessian, Totals
from fastclf.objective.protocol import LastPass
from fastclf.objective.shuffling import Chunk
from fastclf.penalties import L2, Penalty
from fastclf.plan import Costs, Shape, current_costs
from fastclf.plan.passes import comes_along
from fastclf.targets import Target

_ENOUGH = 5
"""Resident rows for each coefficient from which on they are used as a sample of all rows."""

_INDEX = 4
"""Bytes of the index of a stored entry."""

T = TypeVar("T")


@dataclass(frozen=True)
class Extent:
    """The sizes of rows in parts.

    Parameters
    ----------
    n_rows, n_features : int
        n and d.
    dtype : numpy.dtype
        Of X.
    entries : int, optional
        Stored entries, if the rows are sparse.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.objective import Extent
    >>> extent = Extent(n_rows=1000, n_features=20, dtype=np.dtype("float32"))
    >>> extent.row_bytes, extent.narrowed(5).row_bytes
    (80.0, 20.0)
    """

    n_rows: int
    n_features: int
    dtype: np.dtype
    entries: int | None = None

    @property
    def row_bytes(self) -> float:
        """Bytes of a row of X, in the mean."""
        size = self.dtype.itemsize
        if self.entries is None:
            return float(size * self.n_features)
        return (size + _INDEX) * self.entries / max(self.n_rows, 1) + _INDEX

    def narrowed(self, n_features: int) -> "Extent":
        """Return the sizes of the same rows with some of their features."""
        share = n_features / max(self.n_features, 1)
        entries = None if self.entries is None else int(share * self.entries)
        return replace(self, n_features=n_features, entries=entries)


class SummedObjective:
    """Base of the objectives over rows in parts; see :class:`Objective` for the methods.

    Each part is an `InMemoryObjective` without a penalty. It knows the sums over all rows, so the
    results of the parts add up to those of all rows. A subclass says where parts come from.

    Parameters
    ----------
    extent : Extent
    loss : Loss
    n_columns : int
        Number of columns of theta, M * K.
    penalty : L2 or ElasticNet
        Its smooth part is added to values and gradients.
    totals : Totals
        The sum of the weights of all rows, for each problem, and a point amid the rows.
    resident : tuple of X and Target, optional
        Some rows that stay in memory, weighted so that they represent all rows.
    fit_intercept : bool
        If False the intercepts keep their value: their gradient is 0.
    n_threads : int, optional
    costs : Costs, optional
        The table by which passes and engines are chosen. None: the table that
        :func:`fastclf.plan.using` has set, or the measured one.
    """

    arrays = None

    n_rows: int
    n_features: int

    def __init__(
        self,
        extent: Extent,
        loss: Loss,
        n_columns: int,
        penalty: Penalty,
        totals: Totals,
        resident: Chunk | None = None,
        fit_intercept: bool = True,
        n_threads: int | None = None,
        costs: Costs | None = None,
    ) -> None:
        self.extent = extent
        self.loss = loss
        self.penalty = penalty
        self.fit_intercept = fit_intercept
        self.n_threads = n_threads
        self.n_rows, self.n_features = extent.n_rows, extent.n_features
        self.dtype: np.dtype = np.dtype(extent.dtype)
        self.n_problems: int = n_columns if loss.is_sigmoid else penalty.strength.size
        self.n_outputs: int = n_columns // self.n_problems
        self.total_weight: np.ndarray = np.broadcast_to(
            totals.total_weight, (self.n_problems,)
        ).astype(float)
        self._passes = 0.0
        self._parent: SummedObjective | None = None
        center = totals.center if fit_intercept else np.zeros_like(totals.center)
        self.costs: Costs = costs or current_costs()
        self._making = PartMaking(
            loss,
            self.n_problems * self.n_outputs,
            L2(np.zeros(self.n_problems)),
            fit_intercept,
            n_threads,
            Totals(self.total_weight, center),
            self.costs,
        )
        self._resident_rows = resident
        self._resident = self._over_resident(resident)
        self._latest: tuple[np.ndarray, Hessian] | None = None

    def _sum(
        self, function: Callable[..., T | None], add: Callable[[Iterator[T]], T], *given: Any
    ) -> T:
        """Return ``add`` of ``function(part, *given)`` for the parts, in a fixed order.

        Both are functions of a module, for they may be called elsewhere; ``add`` may first be
        called for groups of parts, and must not change what it is given. Parts for which the
        function returns None are left out; there are others.
        """
        raise NotImplementedError

    @property
    def passes(self) -> float:
        """How many times X has been read so far; also with another penalty."""
        return self._passes

    @passes.setter
    def passes(self, passes: float) -> None:
        more, self._passes = passes - self._passes, passes
        if self._parent is not None:
            self._parent.passes += more

    @property
    def value_at_zero(self) -> float:
        """Upper bound on each problem's value at theta = 0; X isn't read."""
        return self.loss.value_at_zero(self.n_outputs)

    @property
    def shape(self) -> Shape:
        """The sizes and kinds by which code is chosen."""
        soft = np.empty((0, 0))
        kind = self.loss.kind(Target(np.ones((1, 1)), soft=soft, teacher=soft))
        entries = self.extent.entries
        return Shape(
            n_rows=self.n_rows,
            n_features=self.n_features,
            n_problems=self.n_problems,
            n_outputs=self.n_outputs,
            entries=self.n_rows * self.n_features if entries is None else entries,
            dtype=self.dtype,
            is_sparse=entries is not None,
            in_memory=False,
            has_narrow_pass=kind.has_hessian_pass,
            has_l1=bool(self.penalty.l1.any()),
        )

    @property
    def last_pass(self) -> LastPass:
        """The state of the latest pass. All problems are selected in each part."""
        theta = None if self._latest is None else self._latest[0]
        return LastPass(np.ones(self.n_problems, bool), theta)

    def value_and_grad(
        self,
        theta: np.ndarray,
        active: np.ndarray | None = None,
        hessian: bool = False,
        dtype: np.dtype | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return values (M,) and gradient (d + 1, M K); see :meth:`Objective.value_and_grad`."""
        if active is not None and not active.any():
            return np.zeros(self.n_problems), np.zeros(theta.shape)
        along = hessian and comes_along(self.shape, self.costs)
        how = active, along, dtype
        values, gradient, total = self._sum(_evaluate, _sum_of_evaluations, theta, *how)
        if total is not None:
            self._latest = theta, total
        if not self.fit_intercept:
            gradient[-1] = 0
        self.penalty.add(theta, values, gradient)
        if active is not None:
            values[~active] = 0
            gradient[:, np.repeat(~active, self.n_outputs)] = 0
        return values, gradient

    def hessian(self, theta: np.ndarray, whole: bool, n_rows: int | None = None) -> Hessian:
        """Return the Hessian of the mean loss at theta; see :meth:`Objective.hessian`."""
        if whole and self._latest is not None and self._latest[0] is theta:
            return self._latest[1]
        some = self._rows_for(n_rows)
        if some is not None:
            return some.hessian(theta, whole, n_rows)
        return self._sum(_hessian, _sum_of_hessians, theta, whole, self._share(n_rows))

    def curvature(
        self, full: bool, theta: np.ndarray | None = None, n_rows: int | None = None
    ) -> Curvature:
        """Return second moments of the features; see :meth:`Objective.curvature`."""
        some = self._rows_for(n_rows)
        if some is not None:
            return some.curvature(full, theta, n_rows)
        found = self._sum(_moments, _join_moments, full, theta, self._share(n_rows))
        return replace(found.moments, logits=found.logits / found.weight)

    def sample(self, n_rows: int) -> InMemoryObjective | Self:
        """Return the same problems on a sample; on all rows if too few are in memory."""
        coefficients = (self.n_features + 1) * self.n_outputs
        resident = self._resident
        if resident is None or resident.n_rows < min(n_rows, _ENOUGH * coefficients):
            return self
        return resident.sample(n_rows)

    def with_penalty(self, penalty: Penalty) -> Self:
        """Return the same problems with another penalty; its passes count here, too."""
        part = copy.copy(self)
        part.penalty = penalty
        part._passes = 0.0
        part._parent = self
        part._latest = None
        if self._resident is not None:
            scale = self.total_weight / self._resident.total_weight
            part._resident = self._resident.with_penalty(penalty.scaled(scale))
        return part

    def _some_of(self, pick: "Pick") -> dict[str, Any]:
        # The arguments of an objective of some of the problems on some of the features.
        resident = self._resident_rows
        totals = self._making.totals
        assert totals is not None
        return {
            "loss": self.loss.problems(pick.chosen),
            "n_columns": self.n_outputs * pick.chosen.size,
            "penalty": self.penalty.problems(pick.chosen),
            "totals": Totals(self.total_weight[pick.chosen], totals.center[pick.features]),
            "resident": None if resident is None else pick(resident),
            "fit_intercept": self.fit_intercept,
            "costs": self.costs,
        }

    def _over_resident(self, resident: Chunk | None) -> InMemoryObjective | None:
        # If the resident rows have no weight for some problem, they aren't used.
        if resident is None or not resident[1].weights.any(axis=1).all():
            return None
        penalty = self.penalty.scaled(self.total_weight / resident[1].total_weight)
        return replace(self._making, penalty=penalty, totals=None)(*resident)

    def _share(self, n_rows: int | None) -> float:
        return 1.0 if n_rows is None else min(n_rows / self.n_rows, 1.0)

    def _rows_for(self, n_rows: int | None) -> InMemoryObjective | None:
        # The resident rows, if there are at least ``n_rows`` of them.
        some = self._resident
        if n_rows is None or n_rows >= self.n_rows or some is None or some.n_rows < n_rows:
            return None
        return some


@dataclass(frozen=True)
class PartMaking:
    """How rows become the objective of a part; the fields are those of `InMemoryObjective`."""

    loss: Loss
    n_columns: int
    penalty: Penalty
    fit_intercept: bool
    n_threads: int | None
    totals: Totals | None
    costs: Costs

    def __call__(self, X: Any, target: Target) -> InMemoryObjective:
        """Return the objective over some rows."""
        return InMemoryObjective(
            X,
            target,
            self.loss,
            self.n_columns,
            self.penalty,
            self.fit_intercept,
            self.n_threads,
            self.totals,
            self.costs,
        )


@dataclass(frozen=True)
class Pick:
    """Some of the features (s,), and some of the problems (k,)."""

    features: np.ndarray
    chosen: np.ndarray
    is_sigmoid: bool

    def __call__(self, rows: Chunk) -> Chunk:
        """Return their part of some rows."""
        X, target = rows
        own = target.columns(self.chosen) if self.is_sigmoid else target.problems(self.chosen)
        if isinstance(X, np.ndarray):
            return np.take(X, self.features, axis=1), own
        return X[:, self.features], own


Evaluation = tuple[np.ndarray, np.ndarray, Hessian | None]
"""Values, gradient and perhaps the whole Hessian."""


def _evaluate(
    part: InMemoryObjective,
    theta: np.ndarray,
    active: np.ndarray | None,
    along: bool,
    dtype: np.dtype | None,
) -> Evaluation:
    values, gradient = part.value_and_grad(theta, active, along, dtype)
    return values, gradient, part.hessian(theta, whole=True) if along else None


def _sum_of_evaluations(found: Iterator[Evaluation]) -> Evaluation:
    values, gradient, hessian = next(found)
    values, gradient = values.copy(), gradient.copy()
    total = None if hessian is None else _in_double(hessian)
    for more_values, slopes, more in found:
        values += more_values
        gradient += slopes
        if total is not None and more is not None:
            np.add(total.blocks, more.blocks, out=total.blocks)
    return values, gradient, total


def _hessian(part: InMemoryObjective, theta: np.ndarray, whole: bool, share: float) -> Hessian:
    return part.hessian(theta, whole, _rows_of(part, share))


def _rows_of(part: InMemoryObjective, share: float) -> int:
    return math.ceil(share * part.n_rows)


def _sum_of_hessians(found: Iterator[Hessian]) -> Hessian:
    total = _in_double(next(found))
    for more in found:
        np.add(total.blocks, more.blocks, out=total.blocks)
    return total


def _in_double(hessian: Hessian) -> Hessian:
    return Hessian(hessian.center, hessian.blocks.astype(np.float64))  # a copy


@dataclass(frozen=True)
class _Moments:
    """Second moments of some rows, their weight, and the weighted curvatures (C,) of the loss."""

    moments: Curvature
    weight: float
    logits: np.ndarray

    @property
    def mass(self) -> float:
        return float(self.logits.mean())


def _moments(
    part: InMemoryObjective, full: bool, theta: np.ndarray | None, share: float
) -> _Moments | None:
    weight = float(part.target.weights.mean(axis=0, dtype=np.float64).sum())
    if weight == 0:
        return None
    found = part.curvature(full, theta, _rows_of(part, share))
    return _Moments(found, weight, weight * found.logits)


def _join_moments(found: Iterator[_Moments]) -> _Moments:
    total = next(found)
    for more in found:
        share = more.mass / (total.mass + more.mass)
        joined = total.moments.joined(more.moments, share)
        total = _Moments(joined, total.weight + more.weight, total.logits + more.logits)
    return total

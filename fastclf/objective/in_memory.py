"""The objective over an X in memory."""

import copy
import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from fastclf import threads
from fastclf.kernels.passes import minibatch
from fastclf.kernels.passes import value_and_grad as passes
from fastclf.losses import Loss
from fastclf.objective.arrays import Arrays
from fastclf.objective.features import CSRFeatures, DenseFeatures, logits_of
from fastclf.objective.hessians import hessian_of, mean_curvatures
from fastclf.objective.moments import Curvature, Hessian, Totals
from fastclf.objective.narrow import narrow_pass, share
from fastclf.objective.protocol import LastPass, Rule
from fastclf.objective.sampling import representative_rows
from fastclf.objective.selection import NO_ORDER, Selection
from fastclf.objective.sparse import SparsePass
from fastclf.penalties import Penalty
from fastclf.plan import Costs, Shape, current_costs
from fastclf.plan.passes import batch_pieces, dense_pass, has_narrow, loops_over_rows
from fastclf.targets import Target

_LINE = 64
"""Bytes of a cache line."""

_GRADIENT_SHARE = 0.08
"""Largest memory of the gradients of all chunks together, as a share of that of X."""


class InMemoryObjective:
    """The objective over an X in memory, dense or CSR; see :class:`Objective` for the methods.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d), or the features of one
        C-contiguous, float32 or float64, finite.
    target : Target
    loss : Loss
    n_columns : int
        Number of columns of theta, M * K.
    penalty : Penalty
        Its smooth part is added to values and gradients.
    fit_intercept : bool
        If False the intercepts keep their value: their gradient is 0.
    n_threads : int, optional
    totals : Totals, optional
        Sums over all rows, if X holds some of them.
    costs : Costs, optional
        The table by which passes and engines are chosen. None: the table that
        :func:`fastclf.plan.using` has set, or the measured one.

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
    >>> value, gradient = objective.value_and_grad(np.zeros((5, 3)))
    >>> value.round(4).tolist(), gradient.shape
    ([1.0986], (5, 3))
    >>> objective.passes
    1.0
    """

    n_rows: int
    n_features: int

    def __init__(
        self,
        X: Any,
        target: Target,
        loss: Loss,
        n_columns: int,
        penalty: Penalty,
        fit_intercept: bool = True,
        n_threads: int | None = None,
        totals: Totals | None = None,
        costs: Costs | None = None,
    ) -> None:
        if not isinstance(X, CSRFeatures | DenseFeatures):
            X = CSRFeatures(X) if scipy.sparse.issparse(X) else DenseFeatures(X)
        self.features = X
        self.dtype: np.dtype = self.features.dtype
        self.target: Target = target.astype(self.dtype)
        self.loss = loss
        self.penalty = penalty
        self.fit_intercept = fit_intercept
        self.n_threads = n_threads
        self.costs: Costs = costs or current_costs()
        self.n_rows, self.n_features = self.features.shape
        self.n_problems: int = n_columns if loss.is_sigmoid else penalty.strength.size
        self.n_outputs: int = n_columns // self.n_problems
        self._passes = 0.0
        self._parent: InMemoryObjective | None = None
        self._totals = totals
        self.total_weight: np.ndarray = self._total(target).copy()
        pos_weight = loss.pos_weights(self.n_problems).astype(self.dtype)
        self._everything = Selection.everything(self.target, self.total_weight, pos_weight)
        self._selection = self._everything
        self._cuts: dict[int, tuple[list[tuple[int, int]], float]] = {}
        self._has_narrow = has_narrow(self.shape)
        self._loops_over_rows = loops_over_rows(self.shape, self.costs)
        self._sparse: SparsePass | None = None
        if isinstance(self.features, CSRFeatures):
            self._sparse = SparsePass(self.arrays, n_threads, self.shape, self.costs)
        self._latest: tuple[np.ndarray, Hessian] | None = None
        self._order: tuple[tuple[int, int], np.ndarray] | None = None

    @cached_property
    def shape(self) -> Shape:
        """The sizes and kinds by which code is chosen."""
        return Shape(
            n_rows=self.n_rows,
            n_features=self.n_features,
            n_problems=self.n_problems,
            n_outputs=self.n_outputs,
            entries=self.features.entries,
            dtype=self.features.dtype,
            is_sparse=isinstance(self.features, CSRFeatures),
            has_narrow_pass=self.arrays.kind.has_hessian_pass,
            is_plain_sigmoid=self.arrays.kind.is_logistic,
            has_l1=bool(self.penalty.l1.any()),
            penalty_ratio=_ratio(self.penalty.strength),
        )

    @cached_property
    def arrays(self) -> Arrays:
        """The arrays in memory, for compiled steps."""
        center = None if self._totals is None else self._totals.center
        return Arrays(
            self.features, self.loss, self._everything, self.n_outputs, self.fit_intercept, center
        )

    @property
    def passes(self) -> float:
        """How many times X has been read so far.

        For a sample or another penalty, each pass also counts in the objective it was made from,
        multiplied by this objective's share of the rows.
        """
        return self._passes

    @passes.setter
    def passes(self, passes: float) -> None:
        more, self._passes = passes - self._passes, passes
        if self._parent is not None:
            self._parent.passes += more * self.n_rows / self._parent.n_rows

    @property
    def last_pass(self) -> LastPass:
        """The state of the latest pass; see :class:`LastPass`."""
        return LastPass(self._selection.mask, None if self._latest is None else self._latest[0])

    @property
    def value_at_zero(self) -> float:
        """Upper bound on each problem's value at theta = 0; X isn't read."""
        return self.loss.value_at_zero(self.n_outputs)

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
        chosen = self._select(active)
        if self._has_narrow and (hessian or self._loops_over_rows):
            size = "whole" if hessian else "none"
            values, gradient, found = self._narrow_pass(chosen, theta, size)
            if found is not None:
                self._latest = theta, chosen.spread_hessian(found)
        elif self._sparse is not None:
            values, gradient = self._sparse(chosen, chosen.columns(theta))
        else:
            values, gradient = self._dense_pass(theta, chosen, dtype or self.dtype)
        self.passes += 1
        values, gradient = chosen.spread(values, gradient, self.n_outputs)
        self.penalty.add(theta, values, gradient)
        if not self.fit_intercept:
            gradient[-1] = 0
        if self.n_problems > 1 and active is not None and not active.all():
            values[~active] = 0
            gradient[:, np.repeat(~active, self.n_outputs)] = 0
        return values, gradient

    def hessian(self, theta: np.ndarray, whole: bool, n_rows: int | None = None) -> Hessian:
        """Return the Hessian of the mean loss at theta; see :meth:`Objective.hessian`."""
        if self._latest is not None and whole and self._latest[0] is theta:
            return self._latest[1]
        rows, target = self._some_rows(n_rows)
        if self._has_narrow:
            self.passes += target.n_rows / self.n_rows
            target = target.astype(self.dtype)
            pos_weight = self._everything.pos_weight
            chosen = Selection.everything(target, self._total(target), pos_weight)
            size = "whole" if whole else "blocks"
            found = self._narrow_pass(chosen, theta, size, NO_ORDER if rows is None else rows)[2]
            assert found is not None
            return found
        features = self.features if rows is None else self.features.rows(rows)
        shares = self._shares if rows is None else self._shares_of(target)
        logits = self._logits(features, theta)
        how = logits, target, shares, whole, self.n_threads
        return hessian_of(self.arrays, features, *how)

    def curvature(
        self, full: bool, theta: np.ndarray | None = None, n_rows: int | None = None
    ) -> Curvature:
        """Return second moments of the features; see :meth:`Objective.curvature`."""
        columns = self.n_problems * self.n_outputs
        rows, target = self._some_rows(n_rows)
        features = self.features if rows is None else self.features.rows(rows)
        weights = target.weights.mean(axis=0, dtype=np.float64)
        logits = np.full(columns, self.loss.largest_curvature(self.n_outputs))
        if theta is not None:
            how = features, target, weights, theta, self.n_threads
            logits, of_rows = mean_curvatures(self.arrays, *how)
            self.passes += target.n_rows / self.n_rows
            weights = weights * of_rows
        center, second = features.moments(weights, full, self.n_threads)
        if full and theta is None and rows is not None and not self.shape.is_sparse:
            # In a sample, features that few rows have look constant.
            found = second.diagonal()
            second.flat[:: len(second) + 1] = np.maximum(found, self._variances)
        self.passes += weights.size / self.n_rows
        moments = Curvature(center, second, logits)
        return moments if self.fit_intercept else moments.about_zero()

    def sample(self, n_rows: int) -> "InMemoryObjective":
        """Return the same problems with the same C on a sample of about ``n_rows`` rows."""
        rows, target = self._some_rows(n_rows)
        part = InMemoryObjective(
            self.features.X if rows is None else self.features.X[rows],
            target,
            self.loss,
            self.n_problems * self.n_outputs,
            self.penalty.scaled(self.total_weight / target.total_weight),
            self.fit_intercept,
            self.n_threads,
            costs=self.costs,
        )
        part._parent = self
        return part

    def with_penalty(self, penalty: Penalty) -> "InMemoryObjective":
        """Return the same problems with another penalty; its passes count here, too."""
        part = copy.copy(self)
        part.__dict__.pop("shape", None)
        part.penalty = penalty
        part._passes = 0.0
        part._latest = None
        part._parent = self
        return part

    def part(
        self, features: np.ndarray | None, chosen: np.ndarray, n_threads: int | None
    ) -> "InMemoryObjective":
        """Return some of the problems; see :meth:`Objective.part`. It copies columns of X."""
        pick = self.target.columns if self.loss.is_sigmoid else self.target.problems
        return InMemoryObjective(
            self.features if features is None else self.features.columns(features),
            pick(chosen),
            self.loss.problems(chosen),
            self.n_outputs * chosen.size,
            self.penalty.problems(chosen),
            self.fit_intercept,
            n_threads,
            costs=self.costs,
        )

    def run_batches(
        self, rule: Rule, state: Any, first: int, last: int, order: np.ndarray | None = None
    ) -> None:
        """Run batches of an epoch, in ``order`` if given; see :meth:`Objective.run_batches`."""
        order = self._epoch_order(state.seed, state.iteration) if order is None else order
        batches = minibatch.Batches(
            rule.batch_size, first, last, state.rates(last - first), state.step
        )
        update = minibatch.Update(
            rule=rule.kernel_rule,
            parameters=rule.kernel_parameters,
            clip_norm=float(rule.clip_norm or 0.0),
            average_from=state.average_from,
            penalty=state.penalty.astype(self.dtype),
            decay=rule.decay(self).astype(self.dtype),
            fit_intercept=self.fit_intercept,
        )
        scaling = minibatch.Scaling(state.center, state.inverse_scale, state.by_feature)
        moved = tuple(getattr(state, name) for name in minibatch.Moved._fields)
        data = self._everything.data(self.features.arrays, self.loss.parameters, order)
        kernel = minibatch.run_batches(self.arrays.kind, self.features.products)
        pieces, work = batch_pieces(self.shape, self.costs, rule.batch_size)
        room = _room_for_batches(state.u, state.u0, self.n_problems, pieces)

        def work_on(turns: np.ndarray, leads: bool) -> None:
            shared = turns, leads, *room
            step = kernel(data, tuple(batches), tuple(update), tuple(scaling), moved, shared)
            if leads:
                state.step = step

        n_threads = min(threads.resolve_n_threads(self.n_threads), pieces)
        count = last - first
        threads.run_pieces(work_on, pieces * count, n_threads, work * count)
        rows = min(last * rule.batch_size, order.size) - first * rule.batch_size
        self.passes += rows / self.n_rows

    def _epoch_order(self, seed: int, epoch: int) -> np.ndarray:
        if self._order is None or self._order[0] != (seed, epoch):
            order = np.random.default_rng([seed, epoch]).permutation(self.n_rows)
            self._order = (seed, epoch), order
        return self._order[1]

    def _narrow_pass(
        self, chosen: Selection, theta: np.ndarray, size: str, order: np.ndarray = NO_ORDER
    ) -> tuple[np.ndarray, np.ndarray, Hessian | None]:
        how = size, self.n_threads, self.costs, order
        return narrow_pass(self.arrays, chosen, chosen.columns(theta), *how)

    def _dense_pass(
        self, theta: np.ndarray, chosen: Selection, dtype: np.dtype
    ) -> tuple[np.ndarray, np.ndarray]:
        assert isinstance(self.features, DenseFeatures)
        own, kind = chosen.columns(theta), self.arrays.kind
        w = np.ascontiguousarray(own[:-1].T, dtype=self.dtype).astype(dtype, copy=False)
        b = own[-1].astype(dtype)
        pieces, work = self._chunks(w.size)
        values = np.zeros((len(pieces), chosen.scale.size))
        gw = np.zeros((len(pieces), *w.shape), dtype)
        gb = np.zeros((len(pieces), b.size), dtype)
        data = chosen.data(self.features.arrays, self.loss.parameters)
        way = dense_pass(self.shape, self.costs, b.size, dtype)
        one_piece = self.features.pass_over(kind, way)
        if one_piece is None:
            sums, kernel = (values, gw, gb), passes.shared(kind)
            share(kernel, data, (w, b), pieces, sums, self.n_threads, work)
        else:

            def task(i: int) -> None:
                start, stop = pieces[i]
                one_piece(data, (w, b), start, stop, (values[i], gw[i], gb[i]))

            threads.run(task, len(pieces), self.n_threads, work)
        gradient = np.empty(own.shape)
        gradient[:-1] = gw.sum(axis=0, dtype=np.float64).T
        gradient[-1] = gb.sum(axis=0, dtype=np.float64)
        return values.sum(axis=0), gradient

    def _some_rows(self, n_rows: int | None) -> tuple[np.ndarray | None, Target]:
        # The rows of a sample (None: all rows) and their targets.
        if n_rows is None or n_rows >= self.n_rows:
            return None, self.target
        rows, up = representative_rows(self.target, n_rows)
        target = self.target.rows(rows)
        if not target.weights.any(axis=1).all():  # some problem has no weight in them
            return None, self.target
        return rows, replace(target, weights=target.weights * up.astype(self.dtype))

    def _logits(self, features: CSRFeatures | DenseFeatures, theta: np.ndarray) -> np.ndarray:
        self.passes += features.shape[0] / self.n_rows
        return logits_of(features, theta, self.n_threads)

    @cached_property
    def _shares(self) -> np.ndarray:
        return self._shares_of(self.target)

    @cached_property
    def _variances(self) -> np.ndarray:
        weights = self.target.weights.mean(axis=0, dtype=np.float64)
        self.passes += 1
        return self.features.moments(weights, False, self.n_threads)[1]

    def _select(self, active: np.ndarray | None) -> Selection:
        # Selecting some problems copies their targets. So select anew once that saves a quarter of
        # the work, and compute a few finished problems until then.
        if active is None or self.n_problems == 1 or active.all():
            return self._everything
        if (active & ~self._selection.mask).any():
            self._selection = self._everything
        if active.sum() <= 0.75 * self._selection.mask.sum():
            self._selection = self._everything.part(active.copy(), self.loss.is_sigmoid)
        return self._selection

    def _total(self, target: Target) -> np.ndarray:
        return np.broadcast_to(self._weight_of(target), (self.n_problems,))

    def _weight_of(self, target: Target) -> np.ndarray:
        if self._totals is None:
            return target.total_weight
        return self._totals.total_weight * (target.n_rows / self.n_rows)  # less for a sample

    def _shares_of(self, target: Target) -> np.ndarray:
        # Weights that sum to 1, in each problem.
        return target.weights / self._weight_of(target)[:, None].astype(target.weights.dtype)

    def _chunks(self, n_coefficients: int) -> tuple[list[tuple[int, int]], float]:
        # The (start, stop) of each chunk, and the work in all rows, in nanoseconds.
        if n_coefficients not in self._cuts:
            row = self.features.entries / max(self.n_rows, 1)
            most = max(1, int(_GRADIENT_SHARE * self.features.entries / max(n_coefficients, 1)))
            columns = self.n_problems * self.n_outputs
            work = 0.1 * row * columns + row + 2 * columns
            pieces = threads.chunks(self.n_rows, work, most)
            self._cuts[n_coefficients] = pieces, self.n_rows * work
        return self._cuts[n_coefficients]


def _room_for_batches(
    u: np.ndarray, u0: np.ndarray, n_problems: int, pieces: int
) -> tuple[np.ndarray, ...]:
    # The arrays of :class:`minibatch.Shared`.
    values = np.empty((pieces, n_problems))
    gw, gb = (_aligned((pieces, *a.shape), a.dtype) for a in (u, u0))
    w, b = (_aligned(a.shape, a.dtype) for a in (u, u0))
    return np.zeros(2, np.intp), w, b, np.zeros(n_problems), values, gw, gb


def _aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    # An array that begins with a cache line, as those of kernels do: vectors that lie across two
    # lines make an epoch a sixth slower.
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + _LINE, np.uint8)
    first = -memory.ctypes.data % _LINE
    return memory[first : first + size].view(dtype).reshape(shape)


def _ratio(strengths: np.ndarray) -> float:
    if strengths.size == 1:
        return 1.0
    smallest, largest = float(strengths.min()), float(strengths.max())
    if smallest > 0:
        return largest / smallest
    return 1.0 if largest == 0 else np.inf

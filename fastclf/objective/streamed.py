"""The objective over more rows than fit into memory: every pass reads them again, in chunks."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from fastclf import threads
from fastclf.errors import InputError
from fastclf.losses import Loss
from fastclf.objective.in_memory import InMemoryObjective, Totals
from fastclf.objective.moments import Curvature, Hessian
from fastclf.objective.protocol import LastPass, Rule
from fastclf.objective.shuffling import Chunk
from fastclf.penalties import L2, Penalty
from fastclf.plan import Costs, Shape, current_costs
from fastclf.plan.passes import comes_along
from fastclf.targets import Target

_ENOUGH = 5
"""Resident rows for each coefficient from which on they are used as a sample of all rows."""


class Chunks(Protocol):
    """Rows in chunks that are read again in each pass.

    Attributes
    ----------
    n_rows, n_features : int
        n and d.
    dtype : numpy.dtype
        Of X.
    """

    n_rows: int
    n_features: int
    dtype: np.dtype

    def in_order(self) -> Iterator[Chunk]:
        """Yield X (m, d) and the targets of all rows, always in the same chunks."""

    def shuffled(self, seed: int, epoch: int, multiple: int) -> Iterator[Chunk]:
        """Yield all rows in an order that follows from the seed and the epoch.

        The number of rows in each chunk but the last is divisible by ``multiple``.
        """


class StreamedObjective:
    """The objective over rows that are read in chunks; see :class:`Objective` for the methods.

    A pass makes an `InMemoryObjective` of one chunk after another and adds up their results. A
    thread reads the next chunk meanwhile.

    Parameters
    ----------
    chunks : Chunks
    loss : Loss
    n_columns : int
        Number of columns of theta, M * K.
    penalty : L2 or ElasticNet
        Its smooth part is added to values and gradients.
    total_weight : ndarray of shape (M,)
        The sum of the weights of all rows, for each problem.
    center : ndarray of shape (d,)
        A point amid the rows.
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

    def __init__(
        self,
        chunks: Chunks,
        loss: Loss,
        n_columns: int,
        penalty: Penalty,
        total_weight: np.ndarray,
        center: np.ndarray,
        resident: Chunk | None = None,
        fit_intercept: bool = True,
        n_threads: int | None = None,
        costs: Costs | None = None,
    ) -> None:
        self.chunks = chunks
        self.loss = loss
        self.penalty = penalty
        self.fit_intercept = fit_intercept
        self.n_threads = n_threads
        self.n_rows, self.n_features = chunks.n_rows, chunks.n_features
        self.dtype = np.dtype(chunks.dtype)
        self.n_problems = n_columns if loss.is_sigmoid else penalty.strength.size
        self.n_outputs = n_columns // self.n_problems
        self.total_weight = np.broadcast_to(total_weight, (self.n_problems,)).astype(np.float64)
        self.passes = 0.0
        self._totals = Totals(self.total_weight, center if fit_intercept else np.zeros_like(center))
        self.costs = costs or current_costs()
        self._nothing = L2(np.zeros(self.n_problems))
        self._resident_rows = resident
        self._resident = self._over_resident(resident)
        self._latest: tuple[np.ndarray, Hessian] | None = None
        self._epoch: _Epoch | None = None

    @property
    def value_at_zero(self) -> float:
        """Upper bound on each problem's value at theta = 0; X isn't read."""
        return self.loss.value_at_zero(self.n_outputs)

    @property
    def shape(self) -> Shape:
        """The sizes and kinds by which code is chosen."""
        soft = np.empty((0, 0))
        kind = self.loss.kind(Target(np.ones((1, 1)), soft=soft, teacher=soft))
        return Shape(
            n_rows=self.n_rows,
            n_features=self.n_features,
            n_problems=self.n_problems,
            n_outputs=self.n_outputs,
            entries=self.n_rows * self.n_features,
            dtype=self.dtype,
            in_memory=False,
            has_narrow_pass=kind.has_hessian_pass,
            has_l1=bool(self.penalty.l1.any()),
        )

    @property
    def last_pass(self) -> LastPass:
        """The state of the latest pass. All problems are selected in each chunk."""
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
        values, gradient = np.zeros(self.n_problems), np.zeros(theta.shape)
        if active is not None and not active.any():
            return values, gradient
        along = hessian and comes_along(self.shape, self.costs)
        total: Hessian | None = None
        for part in self._parts():
            more, slopes = part.value_and_grad(theta, active, along, dtype)
            values += more
            gradient += slopes
            if along:
                total = _sum(total, part.hessian(theta, whole=True))
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
        total: Hessian | None = None
        for part in self._parts():
            total = _sum(total, part.hessian(theta, whole))
        assert total is not None  # some weight is positive
        return total

    def curvature(
        self, full: bool, theta: np.ndarray | None = None, n_rows: int | None = None
    ) -> Curvature:
        """Return second moments of the features; see :meth:`Objective.curvature`."""
        some = self._rows_for(n_rows)
        if some is not None:
            return some.curvature(full, theta, n_rows)
        moments: Curvature | None = None
        logits = np.zeros(self.n_problems * self.n_outputs)
        weight = counted = 0.0
        for part in self._parts():
            own = float(part.target.weights.mean(axis=0, dtype=np.float64).sum())
            if own == 0:
                continue
            more = part.curvature(full, theta)
            logits += own * more.logits
            weight += own
            mass = own * float(more.logits.mean())
            counted += mass
            moments = more if moments is None else moments.joined(more, mass / counted)
        assert moments is not None  # some weight is positive
        return replace(moments, logits=logits / weight)

    def sample(self, n_rows: int) -> "InMemoryObjective | StreamedObjective":
        """Return the same problems on a sample; on all rows if too few are in memory."""
        coefficients = (self.n_features + 1) * self.n_outputs
        resident = self._resident
        if resident is None or resident.n_rows < min(n_rows, _ENOUGH * coefficients):
            return self
        return resident.sample(n_rows)

    def with_penalty(self, penalty: Penalty) -> "StreamedObjective":
        """Return the same problems with another penalty; it counts passes of its own."""
        part = copy.copy(self)
        part.penalty = penalty
        part.passes = 0.0
        part._latest = part._epoch = None
        if self._resident is not None:
            scale = self.total_weight / self._resident.total_weight
            part._resident = self._resident.with_penalty(penalty.scaled(scale))
        return part

    def part(
        self, features: np.ndarray | None, chosen: np.ndarray, n_threads: int | None
    ) -> "StreamedObjective":
        """Return some of the problems; see :meth:`Objective.part`."""
        features = np.arange(self.n_features) if features is None else features

        def pick(chunk: Chunk) -> Chunk:
            X, target = chunk
            of = target.columns if self.loss.is_sigmoid else target.problems
            return np.take(X, features, axis=1), of(chosen)

        resident = self._resident_rows
        return StreamedObjective(
            _PickedChunks(self.chunks, features.size, pick),
            self.loss.problems(chosen),
            self.n_outputs * chosen.size,
            self.penalty.problems(chosen),
            self.total_weight[chosen],
            self._totals.center[features],
            None if resident is None else pick(resident),
            self.fit_intercept,
            n_threads,
            self.costs,
        )

    def run_batches(self, rule: Rule, state: Any, first: int, last: int) -> None:
        """Run batches of an epoch, in the order of :meth:`Chunks.shuffled`."""
        key = state.seed, state.iteration, rule.batch_size
        if self._epoch is None or not self._epoch.can_reach(key, first):
            if self._epoch is not None:
                self._epoch.close()
            self._epoch = _Epoch(key, self.chunks)
        while first < last:
            chunk, start = self._epoch.at(first)
            part = self._over(*chunk, self.penalty, self._totals)
            end = min(last, start + -(-part.n_rows // rule.batch_size))
            rows = np.arange(part.n_rows)
            part.run_batches(rule, state, first - start, end - start, rows)
            self.passes += part.passes * part.n_rows / self.n_rows
            first = end
            del chunk, part  # so that their memory is free when the next chunk but one is mixed
        if last * rule.batch_size >= self.n_rows:
            self._epoch.close()
            self._epoch = None

    def _parts(self) -> Iterator[InMemoryObjective]:
        rows = 0
        for X, target in threads.prefetch(self.chunks.in_order()):
            rows += target.n_rows
            if target.weights.any():
                yield self._over(X, target, self._nothing, self._totals)
            del X, target  # so that its memory is free when the next chunk but one is read
        if rows != self.n_rows:
            raise InputError(
                f"the data had {self.n_rows} rows, and now have {rows}; start again when nobody "
                "writes to them"
            )
        self.passes += 1

    def _over(
        self, X: np.ndarray, target: Target, penalty: Penalty, totals: Totals | None
    ) -> InMemoryObjective:
        columns = self.n_problems * self.n_outputs
        settings = self.loss, columns, penalty, self.fit_intercept, self.n_threads
        return InMemoryObjective(X, target, *settings, totals, self.costs)

    def _over_resident(self, resident: Chunk | None) -> InMemoryObjective | None:
        # If the resident rows have no weight for some problem, they aren't used.
        if resident is None or not resident[1].weights.any(axis=1).all():
            return None
        penalty = self.penalty.scaled(self.total_weight / resident[1].total_weight)
        return self._over(*resident, penalty, None)

    def _rows_for(self, n_rows: int | None) -> InMemoryObjective | None:
        # The resident rows, if there are at least ``n_rows`` of them.
        some = self._resident
        if n_rows is None or n_rows >= self.n_rows or some is None or some.n_rows < n_rows:
            return None
        return some


class _PickedChunks:
    """Chunks with some of their features and problems."""

    def __init__(self, chunks: Chunks, n_features: int, pick: Callable[[Chunk], Chunk]) -> None:
        self._chunks = chunks
        self._pick = pick
        self.n_rows, self.n_features, self.dtype = chunks.n_rows, n_features, chunks.dtype

    def in_order(self) -> Iterator[Chunk]:
        return map(self._pick, self._chunks.in_order())

    def shuffled(self, seed: int, epoch: int, multiple: int) -> Iterator[Chunk]:
        return map(self._pick, self._chunks.shuffled(seed, epoch, multiple))


def _sum(total: Hessian | None, more: Hessian) -> Hessian:
    # The sum is in float64, and takes the place of ``total``.
    if total is None:
        return Hessian(more.center, more.blocks.astype(np.float64))
    np.add(total.blocks, more.blocks, out=total.blocks)
    return total


class _Epoch:
    """The chunks of one epoch, one after another."""

    def __init__(self, key: tuple[int, int, int], chunks: Chunks) -> None:
        self.key = key
        self._chunks = threads.prefetch(chunks.shuffled(*key))
        self._chunk: Chunk | None = None
        self._start = self._stop = 0

    def can_reach(self, key: tuple[int, int, int], batch: int) -> bool:
        """Tell whether this epoch is the one of ``key`` and the batch is still to come."""
        return key == self.key and batch >= self._start

    def at(self, batch: int) -> tuple[Chunk, int]:
        """Return the chunk that a batch is in, and the batch that it begins with."""
        while batch >= self._stop:
            self._chunk = None
            self._chunk = next(self._chunks, None)
            if self._chunk is None:
                raise InputError("the data have fewer rows than before; start again")
            self._start = self._stop
            self._stop += -(-self._chunk[1].n_rows // self.key[2])
        assert self._chunk is not None
        return self._chunk, self._start

    def close(self) -> None:
        """Stop reading."""
        close: Callable[[], None] = self._chunks.close  # type: ignore[attr-defined]
        close()

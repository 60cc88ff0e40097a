"""The objective over rows that don't fit into memory: every pass reads them again, in chunks."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from fastclf import threads
from fastclf.errors import InputError
from fastclf.losses import Loss
from fastclf.objective.in_memory import InMemoryObjective, Whole
from fastclf.objective.protocol import Curvature, Hessian, Rule
from fastclf.penalties import L2, Penalty
from fastclf.targets import Target

Chunk = tuple[np.ndarray, Target]

_ENOUGH = 5
"""Rows for each coefficient from which on the resident rows stand for all."""


class Chunks(Protocol):
    """Rows in chunks, which are read again whenever they are asked for.

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
        """Yield all rows in an order that the seed and the epoch decide.

        The rows of each chunk but the last are a multiple of some number.
        """


class StreamedObjective:
    """The objective over rows that are read in chunks; see :class:`Objective` for the methods.

    A pass has an `InMemoryObjective` for each chunk, one after another, and adds up what they say;
    the next chunk is read meanwhile.

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
        Rows that stand for all, weighted so.
    fit_intercept : bool
        If False the intercepts keep their value: their gradient is 0.
    n_threads : int, optional
    """

    is_sparse = False
    orders_rows = True
    by_feature = False
    has_small_passes = False
    has_label_blocks = False
    in_single = None

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
        self._whole = Whole(self.total_weight, center if fit_intercept else np.zeros_like(center))
        self._nothing = L2(np.zeros(self.n_problems))
        self._resident = self._over_resident(resident)
        self._latest: tuple[np.ndarray, Hessian] | None = None
        self._epoch: _Epoch | None = None

    @property
    def value_at_zero(self) -> float:
        """The value of each problem where theta is 0, or more; found without reading X."""
        return self.loss.value_at_zero(self.n_outputs)

    @property
    def selected(self) -> np.ndarray:
        """The problems whose columns are gathered (M,): all, until a chunk is read."""
        return np.ones(self.n_problems, bool)

    def has_hessian(self, theta: np.ndarray) -> bool:
        """Tell whether a pass has taken the whole Hessian along at this very array."""
        return self._latest is not None and self._latest[0] is theta

    @property
    def hessian_comes_along(self) -> bool:
        """Whether :meth:`value_and_grad` takes the whole Hessian for little more than a pass."""
        return self._shape.hessian_comes_along

    def hessian_cost(self, whole: bool) -> float:
        """Return what :meth:`hessian` over all rows costs, in passes."""
        return self._shape.hessian_cost(whole)

    def value_and_grad(
        self, theta: np.ndarray, active: np.ndarray | None = None, hessian: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return values (M,) and gradient (d + 1, M K); 0 where the mask ``active`` is False.

        With ``hessian`` the same pass takes the whole Hessian, where :attr:`hessian_comes_along`,
        and :meth:`hessian` has it ready for this very array theta.
        """
        values, gradient = np.zeros(self.n_problems), np.zeros(theta.shape)
        if active is not None and not active.any():
            return values, gradient
        along = hessian and self.hessian_comes_along
        sums = _Sum()
        for part in self._parts():
            more, slopes = part.value_and_grad(theta, active, along)
            values += more
            gradient += slopes
            if along:
                sums.add(part.hessian(theta, whole=True))
        if along:
            self._latest = theta, sums.hessian()
        if not self.fit_intercept:
            gradient[-1] = 0
        self.penalty.add(theta, values, gradient)
        if active is not None:
            values[~active] = 0
            gradient[:, np.repeat(~active, self.n_outputs)] = 0
        return values, gradient

    def hessian(self, theta: np.ndarray, whole: bool, n_rows: int | None = None) -> Hessian:
        """Return the Hessian of the mean loss at theta, for each problem or for each column.

        With ``whole`` the matrix of each problem, otherwise its diagonal blocks: one for each of
        its K columns, which for K = 1 is the same. It is estimated from about ``n_rows`` rows.
        """
        if whole and self._latest is not None and self._latest[0] is theta:
            return self._latest[1]
        some = self._rows_for(n_rows)
        if some is not None:
            return some.hessian(theta, whole, n_rows)
        sums = _Sum()
        for part in self._parts():
            sums.add(part.hessian(theta, whole))
        return sums.hessian()

    def curvature(
        self, full: bool, theta: np.ndarray | None = None, n_rows: int | None = None
    ) -> Curvature:
        """Return second moments of the features, for preconditioning and standardising.

        Rows count with the loss's curvature at theta, or all alike with that at equal logits.
        ``full`` asks for a matrix, where the features can afford it, instead of its diagonal. It is
        estimated from about ``n_rows`` rows.
        """
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
        """Return the same problems with the same C on a sample of about ``n_rows`` rows.

        All rows are one, where too few are in memory.
        """
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

    def run_batches(
        self, rule: Rule, state: Any, order: np.ndarray | None, first: int, last: int
    ) -> None:
        """Run batches first to last of an epoch, updating ``state``.

        The order of the rows is that of the chunks, shuffled by the state's seed and epoch, and not
        ``order``: rows that aren't in memory can't be read in any order.
        """
        key = state.seed, state.iteration, rule.batch_size
        if self._epoch is None or not self._epoch.can_reach(key, first):
            if self._epoch is not None:
                self._epoch.close()
            self._epoch = _Epoch(key, self.chunks)
        while first < last:
            chunk, start = self._epoch.at(first)
            part = self._over(*chunk, self.penalty, self._whole)
            end = min(last, start + -(-part.n_rows // rule.batch_size))
            rows = np.arange(part.n_rows)
            part.run_batches(rule, state, rows, first - start, end - start)
            self.passes += part.passes * part.n_rows / self.n_rows
            first = end
            del chunk, part  # so that their memory is free when the next chunk but one is mixed
        if last * rule.batch_size >= self.n_rows:
            self._epoch.close()
            self._epoch = None

    def _parts(self) -> Iterator[InMemoryObjective]:
        rows = 0
        for X, target in threads.ahead(self.chunks.in_order()):
            rows += target.n_rows
            if target.weights.any():
                yield self._part(X, target)
            del X, target  # so that its memory is free when the next chunk but one is read
        if rows != self.n_rows:
            raise InputError(
                f"the data had {self.n_rows} rows, and now have {rows}; start again when nobody "
                "writes to them"
            )
        self.passes += 1

    def _part(self, X: np.ndarray, target: Target) -> InMemoryObjective:
        return self._over(X, target, self._nothing, self._whole)

    def _over(
        self, X: np.ndarray, target: Target, penalty: Penalty, whole: Whole | None
    ) -> InMemoryObjective:
        columns = self.n_problems * self.n_outputs
        settings = self.loss, columns, penalty, self.fit_intercept, self.n_threads
        return InMemoryObjective(X, target, *settings, whole)

    def _over_resident(self, resident: Chunk | None) -> InMemoryObjective | None:
        # Rows that tell nothing of some problem stand for none.
        if resident is None or not resident[1].weights.any(axis=1).all():
            return None
        penalty = self.penalty.scaled(self.total_weight / resident[1].total_weight)
        return self._over(*resident, penalty, None)

    def _rows_for(self, n_rows: int | None) -> InMemoryObjective | None:
        # The resident rows, where they are asked for no more than that.
        some = self._resident
        if n_rows is None or n_rows >= self.n_rows or some is None or some.n_rows < n_rows:
            return None
        return some

    @property
    def _shape(self) -> InMemoryObjective:
        # An objective of the same shape without rows, which knows what things cost.
        if self._resident is not None:
            return self._resident
        soft = np.zeros((1, self.n_problems if self.loss.is_sigmoid else self.n_outputs))
        target = Target(np.ones((1, 1)), soft=soft, teacher=soft)
        X = np.zeros((1, self.n_features), self.dtype)
        return self._over(X, target, self._nothing, None)


class _Sum:
    """Hessians that are added up."""

    def __init__(self) -> None:
        self._center: np.ndarray | None = None
        self._blocks: Any = None

    def add(self, hessian: Hessian) -> None:
        if self._center is None:
            self._center, self._blocks = hessian.center, hessian.blocks.astype(np.float64)
        else:
            self._blocks += hessian.blocks

    def hessian(self) -> Hessian:
        assert self._center is not None  # some weight is positive
        return Hessian(self._center, self._blocks)


class _Epoch:
    """The chunks of one epoch, one after another."""

    def __init__(self, key: tuple[int, int, int], chunks: Chunks) -> None:
        self.key = key
        self._chunks = threads.ahead(chunks.shuffled(*key))
        self._chunk: Chunk | None = None
        self._start = self._stop = 0

    def can_reach(self, key: tuple[int, int, int], batch: int) -> bool:
        """Tell whether a batch of an epoch is still to come."""
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

"""Small problems, whose steps are compiled as a whole: data, model, search and passes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastclf import threads
from fastclf.kernels.passes import value_and_grad as passes
from fastclf.kernels.passes.narrow import TILE
from fastclf.kernels.steps import newton, proximal, proximal_columns
from fastclf.losses import Loss
from fastclf.objective import narrow
from fastclf.objective.columns_point import ColumnsPoint
from fastclf.objective.features import CSRFeatures, DenseFeatures
from fastclf.objective.newton_point import NewtonPoint
from fastclf.objective.proximal_point import ProximalPoint
from fastclf.objective.selection import NO_ORDER, Selection
from fastclf.penalties import Penalty

_SMALL = 2_000_000
"""Nanoseconds of a pass up to which the calls between passes count."""

_SHARED = 300_000
"""Nanoseconds of a pass from which on several threads take it, between compiled calls."""

_MOST_PIECES = 16

_JITTER, _JITTER_OF_SINGLE = 1e-12, 1e-7
"""Shares of a Hessian's diagonal that keep it definite, for X in float64 and in float32."""

_FEW = 160
"""Coefficients up to which a compiled Cholesky factorisation keeps up with LAPACK's."""

_MOST_SETTLED = 400
"""Coefficients up to which a problem with an L1 penalty is solved by one compiled function."""


def settles_columns(features: DenseFeatures | CSRFeatures, kind: int) -> bool:
    """Tell whether :meth:`SmallProblem.settle` goes over columns of X, which may be many."""
    sparse = isinstance(features, CSRFeatures) and kind == passes.SIGMOID
    return sparse and features.shape[1] >= _MOST_SETTLED


@dataclass(frozen=True)
class SmallProblem:
    """One problem, as compiled steps read it; its penalty comes with each call.

    Parameters
    ----------
    features : DenseFeatures or CSRFeatures
    loss : Loss
    selection : Selection
        All of the problem.
    n_outputs : int
        K.
    fit_intercept : bool
    """

    features: DenseFeatures | CSRFeatures
    loss: Loss
    selection: Selection
    n_outputs: int
    fit_intercept: bool

    @property
    def has_small_passes(self) -> bool:
        """Whether calls between passes take longer than they do: :meth:`newton_step` has none."""
        return self._n_coefficients <= _FEW and self._dense_work <= _SMALL

    @property
    def descent_work(self) -> float:
        """Nanoseconds or so of a pass of :meth:`settle`; infinity where there is no such thing."""
        if self._n_coefficients > _MOST_SETTLED:
            return np.inf
        if not isinstance(self.features, CSRFeatures):
            return self._dense_work
        if self._kind != passes.SIGMOID:
            return np.inf
        n = self.features.shape[0]
        row = self.features.entries / max(n, 1)
        return n * (30 + 3 * row + 0.5 * row**2)

    @property
    def _kind(self) -> int:
        return self.loss.kind(self.selection.target)

    @property
    def _n_coefficients(self) -> int:
        return self.n_outputs * (self.features.shape[1] + 1)

    @cached_property
    def _dense_work(self) -> float:
        if not narrow.reads(self.features, self._kind):
            return np.inf
        n, d = self.features.shape
        K = self.n_outputs
        hessian = narrow.work_of_hessian(d, 1, K, whole=True)
        return n * (hessian + narrow.work_of_pass(d, K))

    def newton_step(
        self,
        point: NewtonPoint,
        penalty: Penalty,
        limits: tuple[float, ...],
        n_threads: int | None,
    ) -> int:
        """Move a point; see :meth:`fastclf.objective.protocol.Objective.newton_step`."""
        # Features that differ by rounding alone are the same.
        jitter = _JITTER if self.features.dtype == np.float64 else _JITTER_OF_SINGLE
        model = float(penalty.strength[0]), self.fit_intercept, point.center, jitter
        arrays = point.w, point.gradient, point.blocks, point.numbers
        if self._dense_work < _SHARED:
            step = newton.STEP_SIGMOID if self.loss.is_sigmoid else newton.STEP_SOFTMAX
            return step(self._data, model, limits, *arrays)
        rows = self._pieces
        search = np.empty((3, *point.w.shape))
        values, gradients = np.empty((len(rows), 1)), np.empty((len(rows), *point.w.shape))
        blocks = np.empty((len(rows), *point.blocks.shape))
        nothing = np.empty((len(rows), 0, *point.blocks.shape[1:]))
        data = self.features.canonical, NO_ORDER, self.selection, self.loss.parameters[0]
        state = *arrays, tuple(search), (values, gradients, blocks)
        end = newton.propose(model, limits, *state)
        if end != newton.RUNNING:
            return end
        more = True
        while more:
            sums = values, gradients, nothing if point.numbers[newton.ENDING] else blocks
            place = search[2], point.center, rows, sums, True
            narrow.share(data, not self.loss.is_sigmoid, *place, n_threads, self._dense_work)
            more = newton.judge(model, *state)
        return newton.conclude(point.center, limits, point.gradient, point.numbers)

    @cached_property
    def _pieces(self) -> np.ndarray:
        n = self.features.shape[0]
        return np.array(threads.chunks(n, self._dense_work / n, _MOST_PIECES, TILE))

    def settle(
        self,
        point: ProximalPoint | ColumnsPoint,
        penalty: Penalty,
        limits: tuple[float, float, float],
        most: int,
    ) -> int:
        """Move a point; see :meth:`fastclf.objective.protocol.Objective.settle`."""
        strengths = float(penalty.strength[0]), float(penalty.l1[0])
        if isinstance(point, ColumnsPoint):
            return self._settle_columns(point, strengths, limits, most)
        kind = proximal.SIGMOID if self.loss.is_sigmoid else proximal.SOFTMAX
        if isinstance(self.features, CSRFeatures):
            kind = proximal.SPARSE_SIGMOID
        arrays = point.x, point.slopes, point.matrix, point.numbers
        data = *self._data, point.center
        return proximal.SETTLE[kind](data, strengths, self.fit_intercept, limits, most, *arrays)

    def _settle_columns(
        self,
        point: ColumnsPoint,
        strengths: tuple[float, float],
        limits: tuple[float, float, float],
        most: int,
    ) -> int:
        target, own = self.selection.target, self.selection
        return proximal_columns.settle(
            self.features.by_column,
            (target.soft, target.weights, own.scale, own.pos_weight),
            strengths,
            self.fit_intercept,
            limits,
            most,
            point.x,
            point.logits,
            point.slopes,
            point.numbers,
        )

    @cached_property
    def _data(self) -> tuple:
        target, scale = self.selection.target, self.selection.scale
        return (
            self.features.canonical,
            NO_ORDER,
            target.codes,
            target.soft,
            target.weights,
            scale,
            self.selection.pos_weight,
            self.loss.parameters[0],
        )

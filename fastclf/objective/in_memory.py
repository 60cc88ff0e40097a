"""The objective over an X in memory."""

import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
import scipy.special

from fastclf import threads
from fastclf.kernels.passes import value_and_grad as passes
from fastclf.kernels.runtime.lanes import LANES
from fastclf.losses import Loss, Softmax
from fastclf.objective import matrices, narrow, small_problem
from fastclf.objective.column_model import ColumnModel
from fastclf.objective.columns_point import ColumnsPoint
from fastclf.objective.features import CSRFeatures, DenseFeatures
from fastclf.objective.label_blocks import LabelBlock, LabelDescent, blocks_pay
from fastclf.objective.narrow import NarrowPass
from fastclf.objective.newton_point import NewtonPoint
from fastclf.objective.protocol import MANY_FEATURES, Curvature, Hessian, Rule
from fastclf.objective.proximal_point import ProximalPoint
from fastclf.objective.sampling import representative_rows
from fastclf.objective.selection import NO_ORDER, Selection
from fastclf.objective.small_problem import SmallProblem
from fastclf.objective.sparse import SparsePass
from fastclf.penalties import Penalty
from fastclf.targets import Target

_GRADIENT_SHARE = 0.08
"""Partial gradients of all chunks together may take this share of the memory of X."""

_CHEAP = 3.0
"""A pass that takes the Hessian along may cost so many without it."""


@dataclass(frozen=True)
class Whole:
    """What the rows of an objective are a part of.

    Values, gradients and Hessians of the parts then add up to those of the whole.

    Parameters
    ----------
    total_weight : ndarray of shape (M,)
        The sum of the weights of each problem, over all parts.
    center : ndarray of shape (d,)
        Where Hessians have their intercepts.
    """

    total_weight: np.ndarray
    center: np.ndarray


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
    whole : Whole, optional
        What these rows are a part of.
    """

    orders_rows = False

    def __init__(
        self,
        X: Any,
        target: Target,
        loss: Loss,
        n_columns: int,
        penalty: Penalty,
        fit_intercept: bool = True,
        n_threads: int | None = None,
        whole: Whole | None = None,
    ) -> None:
        if not isinstance(X, CSRFeatures | DenseFeatures):
            X = CSRFeatures(X) if scipy.sparse.issparse(X) else DenseFeatures(X)
        self.features = X
        self.dtype = self.features.dtype
        self.is_sparse = isinstance(self.features, CSRFeatures)
        self.target = target.astype(self.dtype)
        self.loss = loss
        self.penalty = penalty
        self.fit_intercept = fit_intercept
        self.n_threads = n_threads
        self.n_rows, self.n_features = self.features.shape
        self.n_problems = n_columns if loss.is_sigmoid else penalty.strength.size
        self.n_outputs = n_columns // self.n_problems
        self.passes = 0.0
        self._whole: InMemoryObjective | None = None
        self._part_of = whole
        self.total_weight = self._total(target).copy()
        self.by_feature = self.features.by_feature
        self._pos_weight = loss.pos_weights(self.n_problems).astype(self.dtype)
        self._parameters = loss.parameters
        self._everything = Selection.everything(self.target, self.total_weight, self._pos_weight)
        self._selection = self._everything
        self._cuts: dict[int, tuple[list[tuple[int, int]], float]] = {}
        kind = loss.kind(self.target)
        self._narrow: NarrowPass | None = None
        if narrow.reads(self.features, kind):
            self._narrow = NarrowPass(kind, self.n_outputs, self._parameters[0], n_threads)
        self._sparse: SparsePass | None = None
        if isinstance(self.features, CSRFeatures):
            self._sparse = SparsePass(self.features, kind, self._parameters, n_threads)
        self._small: SmallProblem | None = None
        if self.n_problems == 1:
            self._small = SmallProblem(
                self.features, loss, self._everything, self.n_outputs, fit_intercept
            )
        self._latest: tuple[np.ndarray, Hessian] | None = None
        self._gathered: tuple[np.ndarray, CSRFeatures] | None = None

    def value_and_grad(
        self, theta: np.ndarray, active: np.ndarray | None = None, hessian: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return values (M,) and gradient (d + 1, M K); 0 where the mask ``active`` is False.

        With ``hessian`` the same pass takes the whole Hessian, where :attr:`hessian_comes_along`,
        and :meth:`hessian` has it ready for this very array theta.
        """
        if active is not None and not active.any():
            return np.zeros(self.n_problems), np.zeros(theta.shape)
        chosen = self._select(active)
        if self._narrow is not None and (hessian or self._loops_over_rows):
            size = "whole" if hessian else "none"
            values, gradient, taken = self._narrow(
                self.features.arrays,
                NO_ORDER,
                self._center,
                chosen,
                chosen.columns(theta),
                size,
            )
            if taken is not None:
                self._latest = theta, chosen.spread_hessian(self._without_intercepts(taken))
        else:
            values, gradient = self._pass(theta, chosen)
        self._count(1)
        values, gradient = chosen.spread(values, gradient, self.n_outputs)
        self.penalty.add(theta, values, gradient)
        self._clear(values, gradient, active)
        return values, gradient

    @property
    def _loops_over_rows(self) -> bool:
        return self._narrow is not None and self.n_features <= narrow.FEW_FEATURES

    def _pass(self, theta: np.ndarray, chosen: Selection) -> tuple[np.ndarray, np.ndarray]:
        if self._sparse is not None:
            return self._sparse(chosen, chosen.columns(theta))
        w, b = self._to_kernel(theta, chosen)
        pieces, work = self._chunks(w.size)
        values = np.zeros((len(pieces), chosen.scale.size))
        gw = np.zeros((len(pieces), *w.shape), self.dtype)
        gb = np.zeros((len(pieces), b.size), self.dtype)
        X, arguments = self.features.arrays, chosen.arguments(self._parameters)
        assert isinstance(self.features, DenseFeatures)
        kind = self.loss.kind(self.target)
        one_piece = self.features.pass_over(kind, b.size, self.dtype)
        if one_piece is None:
            rows = np.array(pieces)
            shared = passes.SHARED_VALUE_AND_GRAD[kind]

            def work_on(turns: np.ndarray, leads: bool) -> None:
                shared(X, *arguments, w, b, rows, turns, leads, values, gw, gb)

            threads.share(work_on, len(pieces), self.n_threads, work)
        else:

            def task(i: int) -> None:
                start, stop = pieces[i]
                one_piece(X, *arguments, w, b, start, stop, values[i], gw[i], gb[i])

            threads.run(task, len(pieces), self.n_threads, work)
        return values.sum(axis=0), self._gather(gw, gb)

    @property
    def value_at_zero(self) -> float:
        """The value of each problem where theta is 0, or more; found without reading X."""
        return self.loss.value_at_zero(self.n_outputs)

    def hessian(self, theta: np.ndarray, whole: bool, n_rows: int | None = None) -> Hessian:
        """Return the Hessian of the mean loss at theta, for each problem or for each column.

        With ``whole`` the matrix of each problem, otherwise its diagonal blocks: one for each of
        its K columns, which for K = 1 is the same. It is estimated from about ``n_rows`` rows.
        """
        if self._latest is not None and whole and self._latest[0] is theta:
            return self._latest[1]
        X, d, K = self.features.X, self.n_features, self.n_outputs
        rows, target = self._some_rows(n_rows)
        if self._narrow is not None:
            self._count(target.n_rows / self.n_rows)
            size = "whole" if whole else "blocks"
            order = NO_ORDER if rows is None else rows
            target = target.astype(self.dtype)
            chosen = Selection.everything(target, self._total(target), self._pos_weight)
            _, _, taken = self._narrow(
                self.features.arrays, order, self._center, chosen, theta, size
            )
            assert taken is not None
            return self._without_intercepts(taken)
        if self.is_sparse:
            return self._without_intercepts(self._sparse_hessian(theta, whole, rows, target))
        center = self._center
        shares = self._shares if rows is None else self._shares_of(target)
        logits = self._logits(theta, rows)
        slopes = self.loss.curvature(logits, target, K)
        if len(shares) == 1:
            slopes *= shares.T
        else:
            slopes *= np.repeat(shares, K, axis=0).T
        blocks = matrices.diagonal_blocks(X, rows, center, slopes, self.n_threads)
        if whole and isinstance(self.loss, Softmax):
            problems = []
            for m in range(self.n_problems):
                columns = slice(m * K, (m + 1) * K)
                own = shares[m if len(shares) > 1 else 0]
                terms = self.loss.probabilities(np.ascontiguousarray(logits[:, columns]), K)
                matrix = matrices.whole(X, rows, center, own, terms, self.n_threads)
                by_class = matrix.reshape(K, d + 1, K, d + 1)
                for k, block in enumerate(blocks[columns]):
                    by_class[k, :, k] = block
                problems.append(matrix)
            blocks = np.stack(problems)
        return self._without_intercepts(Hessian(center.astype(np.float64), blocks))

    def _sparse_hessian(
        self, theta: np.ndarray, whole: bool, rows: np.ndarray | None, target: Target
    ) -> Hessian:
        K, d = self.n_outputs, self.n_features
        logits = self._logits(theta, rows)
        features = self._of_rows(rows)
        slopes = matrices.slopes_of_pairs(self.loss, logits, target, K, whole)
        blocks = matrices.sparse_blocks(
            tuple(features.canonical), slopes, self._center, self.n_threads
        )
        if whole and K > 1:
            whole_matrices = np.empty((self.n_problems, K * (d + 1), K * (d + 1)))
            narrow.assemble(blocks, whole_matrices)
            blocks = whole_matrices
        return Hessian(self._center.astype(np.float64), blocks)

    def _without_intercepts(self, hessian: Hessian) -> Hessian:
        # Where they are fixed, their rows and columns are those of the identity.
        if not self.fit_intercept:
            d, blocks = self.n_features, hessian.blocks
            intercepts = np.arange(d, blocks.shape[1], d + 1)
            blocks[:, intercepts] = 0
            blocks[:, :, intercepts] = 0
            blocks[:, intercepts, intercepts] = 1
        return hessian

    def hessian_cost(self, whole: bool) -> float:
        """Return what :meth:`hessian` over all rows costs, in passes."""
        d, M, K = self.n_features, self.n_problems, self.n_outputs
        if self.is_sparse:
            row = self.features.entries / max(self.n_rows, 1)
            pairs = (K - 1) / 2 if whole and K > 1 else 1.0
            return 1 + pairs * row**2 / (30 + 3 * row)
        work = narrow.work_of_hessian(d, M, K, whole) * (
            0.5 if d >= MANY_FEATURES else 1
        )  # float32
        row = narrow.work_of_pass(d, M * K) + narrow.WORK_OF_CALLS / self.n_rows
        return 1 + work / row

    @property
    def hessian_comes_along(self) -> bool:
        """Whether :meth:`value_and_grad` takes the whole Hessian for little more than a pass."""
        return self._narrow is not None and self.hessian_cost(whole=True) <= _CHEAP

    @property
    def has_small_passes(self) -> bool:
        """Whether calls between passes take longer than they do: :meth:`newton_point` has none."""
        return self._small is not None and self._small.has_small_passes

    def newton_point(self, theta: np.ndarray) -> NewtonPoint:
        """Return a point from which compiled steps of Newton's method go."""
        point = NewtonPoint.at(theta, self._center)
        self.newton_step(point, (0.0,) * 5)
        return point

    def newton_step(self, point: NewtonPoint, limits: tuple[float, ...]) -> int:
        """Move a point, and return how it ended: a code of :mod:`fastclf.kernels.steps.newton`.

        ``limits`` are those that the kernel names.
        """
        assert self._small is not None  # there is one problem
        before = point.passes
        end = self._small.newton_step(point, self.penalty, limits, self.n_threads)
        self._count(point.passes - before)
        return end

    @property
    def has_label_blocks(self) -> bool:
        """Whether :meth:`label_blocks` are faster than passes over all problems."""
        entries = None if self.is_sparse else self.features.entries
        kind = self.loss.kind(self.target)
        return kind == passes.SIGMOID and blocks_pay(self.penalty.strength, entries)

    def label_blocks(self, theta: np.ndarray, memory: int) -> list[LabelBlock]:
        """Return blocks of all problems at theta, for limited-memory BFGS with so many pairs.

        Labels that are as frequent take about as many steps, so they share a block.
        """
        positive, negative = self._masses
        order = np.argsort(positive / (positive + negative), kind="stable")
        groups = np.array_split(order, -(-order.size // LANES))
        return [LabelBlock.at(theta, labels, memory) for labels in groups]

    def advance_blocks(
        self,
        blocks: list[LabelBlock],
        moments: tuple[np.ndarray, ...],
        single: bool,
        limits: tuple[float, ...],
        most_steps: int,
        most_passes: int,
    ) -> None:
        """Move blocks, in up to so many passes; see :mod:`fastclf.kernels.steps.labels`."""
        numbers = single, limits, most_steps, most_passes
        strength = self.penalty.strength
        self._count(self._label_descent(blocks, strength, moments, *numbers))

    @property
    def passes_of_blocks(self) -> int:
        """How many passes blocks should take before those with few problems are joined."""
        return self._label_descent.most_passes

    @cached_property
    def _label_descent(self) -> LabelDescent:
        return LabelDescent(self.features, self._everything, self.fit_intercept, self.n_threads)

    @cached_property
    def _masses(self) -> tuple[np.ndarray, np.ndarray]:
        # The weights of both classes in each problem with a sigmoid loss.
        weights, soft = self.target.weights, self.target.soft
        if len(weights) == 1:
            positive = (weights @ soft)[0].astype(np.float64)
        else:
            positive = np.einsum("mn,nm->m", weights, soft, dtype=np.float64)
        return positive * self._pos_weight, self.total_weight - positive

    def constant_optimum(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the best logits (M,) without features, and the mean curvature there.

        For sigmoid losses. Problems with a single class have no such logit, and get 0.
        """
        positive, negative = self._masses
        both = (positive > 0) & (negative > 0)
        rates = np.where(both, positive / (positive + negative), 0.5)
        curvature = (positive + negative) / self.total_weight * rates * (1 - rates)
        return scipy.special.logit(rates), curvature

    @property
    def settles_columns(self) -> bool:
        """Whether :meth:`settle` goes over columns of X, for as many features as there are."""
        return small_problem.settles_columns(self.features, self.loss.kind(self.target))

    @property
    def descent_work(self) -> float:
        """Nanoseconds or so of a pass of :meth:`settle`; infinity where there is no such thing."""
        return np.inf if self._small is None else self._small.descent_work

    def descend(
        self, theta: np.ndarray, gradient: np.ndarray, share: float, most: int, damping: float
    ) -> tuple[np.ndarray, float, float]:
        """Return where coordinate descent on the columns of X leads, for one problem.

        It minimises the quadratic model at theta (d + 1, K) with the L1 penalty, until violations
        are a share of what they were or X was read ``most`` times. With a damping of 1 each class's
        loss is below its model, with 0 the model is the Taylor series. Also return the model's
        decrease, and the part of that of first order.
        """
        logits = self._logits(theta, None)
        model = ColumnModel.at(logits, self.loss, self.target, self._shares_of(self.target))
        columns = self.features.by_column
        return model.minimise(columns, theta, gradient, self.penalty, damping, share, most)

    def proximal_point(self, theta: np.ndarray) -> ProximalPoint | ColumnsPoint:
        """Return a point for :meth:`settle`."""
        if self.settles_columns:
            return ColumnsPoint.at(theta, self.n_rows)
        return ProximalPoint.at(theta, self._center)

    def settle(
        self,
        point: ProximalPoint | ColumnsPoint,
        limits: tuple[float, float, float],
        most: int,
    ) -> int:
        """Take up to ``most`` compiled steps of Newton's method with the L1 penalty.

        Return how it ended: a code of :mod:`fastclf.kernels.steps.proximal`, which names the
        limits, too.
        """
        assert self._small is not None  # there is one problem
        before = point.passes
        end = self._small.settle(point, self.penalty, limits, most)
        self._count(point.passes - before)
        return end

    def curvature(
        self, full: bool, theta: np.ndarray | None = None, n_rows: int | None = None
    ) -> Curvature:
        """Return second moments of the features, for preconditioning and standardising.

        Rows count with the loss's curvature at theta, or all alike with that at equal logits.
        ``full`` asks for a matrix, where the features can afford it, instead of its diagonal. It is
        estimated from about ``n_rows`` rows.
        """
        columns = self.n_problems * self.n_outputs
        rows, target = self._some_rows(n_rows)
        weights = target.weights.mean(axis=0, dtype=np.float64)
        logits = np.full(columns, self.loss.largest_curvature(self.n_outputs))
        if theta is not None:
            slopes = self.loss.curvature(self._logits(theta, rows), target, self.n_outputs)
            logits = weights @ slopes / weights.sum()
            weights = weights * slopes.mean(axis=1)
        if isinstance(self.features, DenseFeatures):
            center, second = self.features.moments(weights, full, self.n_threads, rows)
            if full and theta is None and rows is not None:
                # A sample takes features that few rows have to be constant.
                told = second.diagonal()
                second.flat[:: len(second) + 1] = np.maximum(told, self._variances)
        else:
            center, second = self._of_rows(rows).moments(weights, full, self.n_threads)
        self._count(weights.size / self.n_rows)
        found = Curvature(center, second, logits)
        return found if self.fit_intercept else found.about_zero()

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
        )
        part._whole = self
        return part

    def with_penalty(self, penalty: Penalty) -> "InMemoryObjective":
        """Return the same problems with another penalty; its passes count here, too."""
        part = copy.copy(self)
        part.penalty = penalty
        part.passes = 0.0
        part._latest = None
        part._whole = self
        return part

    @cached_property
    def in_single(self) -> "InMemoryObjective | None":
        """The same objective computed in float32, if that is faster; its passes count here, too.

        X is copied block by block alone.
        """
        features = self.features
        if self.n_problems > 1 or self.dtype == np.float32 or self._loops_over_rows:
            return None
        if self.is_sparse or not features.gains_by_single(self.n_outputs):
            return None
        single = copy.copy(self)
        single.dtype = np.dtype(np.float32)
        single.passes = 0.0
        single._whole = self
        return single

    def part(
        self, features: np.ndarray | None, chosen: np.ndarray, n_threads: int | None
    ) -> "InMemoryObjective":
        """Return some of the problems (k,), on some of the features (s,) or on all.

        It counts passes of its own. Few features take a copy of their columns.
        """
        pick = self.target.columns if self.loss.is_sigmoid else self.target.problems
        return InMemoryObjective(
            self.features if features is None else self.features.columns(features),
            pick(chosen),
            self.loss.problems(chosen),
            self.n_outputs * chosen.size,
            self.penalty.problems(chosen),
            self.fit_intercept,
            n_threads,
        )

    def entries(self, features: np.ndarray | None = None) -> int:
        """Return how many entries of X are stored, in all or in some columns."""
        return self.features.entries if features is None else self.features.entries_of(features)

    def _some_rows(self, n_rows: int | None) -> tuple[np.ndarray | None, Target]:
        # Rows that stand for all, None for all of them, and their targets.
        if n_rows is None or n_rows >= self.n_rows:
            return None, self.target
        rows, up = representative_rows(self.target, n_rows)
        target = self.target.rows(rows)
        if not target.weights.any(axis=1).all():  # they tell nothing of some problem
            return None, self.target
        return rows, replace(target, weights=target.weights * up.astype(self.dtype))

    def _logits(self, theta: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        theta = theta.astype(self.dtype)
        n = self.n_rows if rows is None else rows.size
        self._count(n / self.n_rows)
        if n * self.n_features <= 1 << 15:
            X = self.features.X if rows is None else self.features.X[rows]
            return X @ theta[:-1] + theta[-1]
        logits = np.empty((n, theta.shape[1]), self.dtype)
        w, b = self.features.to_kernel(theta[:-1]), theta[-1].copy()
        entries = self.features.entries / max(self.n_rows, 1)
        pieces = threads.chunks(n, entries * (1 + 0.1 * theta.shape[1]))
        features = self._of_rows(rows) if self.is_sparse else self.features

        def task(i: int) -> None:
            piece = slice(*pieces[i])
            if self.is_sparse:
                passes.decision_sparse(features.arrays, w, b, *pieces[i], logits[piece])
                return
            X = self.features.X[piece if rows is None else rows[piece]]
            logits[piece] = X @ theta[:-1] + theta[-1]

        with threads.single_threaded_blas():
            threads.run(task, len(pieces), self.n_threads)
        return logits

    def _of_rows(self, rows: np.ndarray | None) -> CSRFeatures:
        # Gathering sparse rows takes as long as a pass over them; they are asked for twice.
        assert isinstance(self.features, CSRFeatures)
        if rows is None:
            return self.features
        if self._gathered is None or self._gathered[0] is not rows:
            self._gathered = rows, self.features.rows(rows)
        return self._gathered[1]

    @cached_property
    def _shares(self) -> np.ndarray:
        return self._shares_of(self.target)

    @cached_property
    def _variances(self) -> np.ndarray:
        weights = self.target.weights.mean(axis=0, dtype=np.float64)
        self._count(1)
        return self.features.moments(weights, False, self.n_threads)[1]

    @cached_property
    def _center(self) -> np.ndarray:
        # Any point amid the data will do, so a few rows tell it well enough.
        if self._part_of is not None:
            return self._part_of.center.astype(self.dtype)
        if not self.fit_intercept:
            return np.zeros(self.n_features, self.dtype)
        some = slice(None, None, max(1, self.n_rows // 4096))
        weights = self.target.weights[:, some].mean(axis=0, dtype=np.float64)
        if not weights.any():
            weights[:] = 1
        return (weights @ self.features.X[some] / weights.sum()).astype(self.dtype)

    def _count(self, passes: float) -> None:
        self.passes += passes
        if self._whole is not None:
            self._whole._count(passes * self.n_rows / self._whole.n_rows)

    def run_batches(
        self, rule: Rule, state: Any, order: np.ndarray | None, first: int, last: int
    ) -> None:
        """Run batches first to last of an epoch over rows in an order, updating ``state``."""
        assert order is not None  # this objective has none of its own
        kernel = self.features.run_batches[self.loss.kind(self.target)]
        codes, soft, teacher = self.target.codes, self.target.soft, self.target.teacher
        state.step = kernel(
            self.features.arrays,
            order,
            (codes, soft, teacher),
            self.target.weights,
            self._pos_weight,
            self.loss.parameters,
            rule.batch_size,
            first,
            last,
            state.rates(last - first),
            state.step,
            rule.kernel_rule,
            rule.kernel_parameters,
            float(rule.clip_norm or 0.0),
            state.average_from,
            state.penalty.astype(self.dtype),
            rule.decay(self).astype(self.dtype),
            self.fit_intercept,
            state.center,
            state.inverse_scale,
            self.by_feature,
            state.u,
            state.u0,
            state.moments,
            state.moments0,
            state.average,
            state.average0,
            state.values,
        )
        rows = min(last * rule.batch_size, order.size) - first * rule.batch_size
        self._count(rows / self.n_rows)

    def _select(self, active: np.ndarray | None) -> Selection:
        # Gathering the columns of some problems costs a copy of the targets, so do it when it
        # saves a quarter of the work, and compute a few finished problems until then.
        if active is None or self.n_problems == 1 or active.all():
            return self._everything
        if (active & ~self._selection.mask).any():
            self._selection = self._everything
        if active.sum() <= 0.75 * self._selection.mask.sum():
            self._selection = self._everything.part(active.copy(), self.loss.is_sigmoid)
        return self._selection

    @property
    def selected(self) -> np.ndarray:
        """The problems whose columns are gathered (M,); see :meth:`value_and_grad`."""
        return self._selection.mask

    def has_hessian(self, theta: np.ndarray) -> bool:
        """Tell whether a pass has taken the whole Hessian along at this very array."""
        return self._latest is not None and self._latest[0] is theta

    def _total(self, target: Target) -> np.ndarray:
        return np.broadcast_to(self._weight_of(target), (self.n_problems,))

    def _weight_of(self, target: Target) -> np.ndarray:
        return target.total_weight if self._part_of is None else self._part_of.total_weight

    def _shares_of(self, target: Target) -> np.ndarray:
        # Weights that sum to 1, in each problem.
        return target.weights / self._weight_of(target)[:, None].astype(target.weights.dtype)

    def _to_kernel(self, theta: np.ndarray, chosen: Selection) -> tuple[np.ndarray, np.ndarray]:
        theta = chosen.columns(theta)
        weights = self.features.to_kernel(theta[:-1])
        return weights.astype(self.dtype, copy=False), theta[-1].astype(self.dtype)

    def _gather(self, gw: np.ndarray, gb: np.ndarray) -> np.ndarray:
        # Partial gradients of all chunks, as one (d + 1, C).
        weights = self.features.from_kernel(gw.sum(axis=0, dtype=np.float64))
        gradient = np.empty((weights.shape[0] + 1, weights.shape[1]))
        gradient[:-1] = weights
        gradient[-1] = gb.sum(axis=0, dtype=np.float64)
        return gradient

    def _clear(self, values: np.ndarray, gradient: np.ndarray, active: np.ndarray | None) -> None:
        # Intercepts that are fixed, and what was computed, or is the penalty, of problems that
        # nobody asked for.
        if not self.fit_intercept:
            gradient[-1] = 0
        if self.n_problems > 1 and active is not None and not active.all():
            values[~active] = 0
            gradient[:, np.repeat(~active, self.n_outputs)] = 0

    def _chunks(self, n_coefficients: int) -> tuple[list[tuple[int, int]], float]:
        # Rows of chunks, and the work of all of them together.
        if n_coefficients not in self._cuts:
            row = self.features.entries / max(self.n_rows, 1)
            most = max(1, int(_GRADIENT_SHARE * self.features.entries / max(n_coefficients, 1)))
            columns = self.n_problems * self.n_outputs
            work = 0.1 * row * columns + row + 2 * columns
            pieces = threads.chunks(self.n_rows, work, most)
            self._cuts[n_coefficients] = pieces, self.n_rows * work
        return self._cuts[n_coefficients]

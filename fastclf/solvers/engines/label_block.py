"""Blocks of sigmoid problems, whose steps are compiled; a block stays in cache."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.special

from fastclf import threads
from fastclf.kernels.runtime.lanes import LANES
from fastclf.kernels.steps import labels as kernels
from fastclf.objective import Objective
from fastclf.objective.features import CSRFeatures
from fastclf.targets import for_kernels


@dataclass(frozen=True)
class LabelBlock:
    """State of up to LANES problems, whose numbers are ``labels`` (k,).

    The other arrays are those of :class:`fastclf.kernels.steps.labels.Block`, and the ``center``
    (d,) of the features to which the factors move the intercepts.
    """

    labels: np.ndarray
    theta: np.ndarray
    gradient: np.ndarray
    direction: np.ndarray
    steps: np.ndarray
    changes: np.ndarray
    rhos: np.ndarray
    numbers: np.ndarray
    places: np.ndarray
    factors: np.ndarray
    center: np.ndarray

    @classmethod
    def at(cls, theta: np.ndarray, labels: np.ndarray, memory: int) -> "LabelBlock":
        """Return the block of some problems at theta (d + 1, M), before the first pass."""
        rows = len(theta)
        own, gradient = np.zeros((2, rows, LANES))
        direction = np.zeros((rows, LANES), np.float32)
        own[:, : labels.size] = theta[:, labels]
        steps, changes = np.zeros((2, memory, rows, LANES), np.float32)
        numbers = np.zeros((kernels.NUMBERS, LANES))
        numbers[kernels.SCALE] = 1
        numbers[kernels.STATE] = kernels.EMPTY
        numbers[kernels.STATE, : labels.size] = kernels.NEW
        places = np.array([-1, 0])
        rhos = np.zeros((memory, LANES))
        bases = np.empty((0, 0, LANES), np.float32), np.empty(0)
        return cls(labels, own, gradient, direction, steps, changes, rhos, numbers, places, *bases)

    def over(self, center: np.ndarray, factors: dict[int, np.ndarray]) -> "LabelBlock":
        """Return the block with a factor (d + 1, d + 1) of each label's Hessian, and no pairs.

        Only the upper triangles of the factors are read. Labels that are done need no factor.
        """
        running = np.flatnonzero(self.running)
        side = len(self.theta)
        own = np.zeros((side, side, LANES), np.float32)
        own[np.arange(side), np.arange(side)] = 1
        for lane in running.tolist():
            own[:, :, lane] = np.triu(factors[int(self.labels[lane])])
        numbers, direction = self.numbers.copy(), np.zeros_like(self.direction)
        numbers[kernels.STATE, running] = kernels.RENEWED
        numbers[kernels.SCALE, running] = 1
        numbers[kernels.LENGTH] = 0
        changed = {"numbers": numbers, "direction": direction, "places": np.array([-1, 0])}
        return replace(self, factors=own, center=center, **changed)

    @property
    def running(self) -> np.ndarray:
        """Mask of the problems that aren't done (k,)."""
        return self.number(kernels.STATE) == kernels.RUNNING

    def number(self, which: int) -> np.ndarray:
        """Return a number of the kernel for each problem (k,), e.g. VALUE, NORM or COUNT."""
        return self.numbers[which, : self.labels.size]


def blocks_at(objective: Objective, theta: np.ndarray, memory: int) -> list[LabelBlock]:
    """Return blocks of all problems at theta, for L-BFGS with ``memory`` pairs.

    Labels of similar frequency share a block, because they take about as many steps.
    """
    positive, negative = _masses(objective)
    order = np.argsort(positive / (positive + negative), kind="stable")
    groups = np.array_split(order, -(-order.size // LANES))
    return [LabelBlock.at(theta, labels, memory) for labels in groups]


def constant_optimum(objective: Objective) -> tuple[np.ndarray, np.ndarray]:
    """Return the optimal logits (M,) of a fit without features, and the mean curvature there.

    For problems with a single class there is no optimum; they get a logit of 0.
    """
    positive, negative = _masses(objective)
    both = (positive > 0) & (negative > 0)
    rates = np.where(both, positive / (positive + negative), 0.5)
    curvature = (positive + negative) / objective.total_weight * rates * (1 - rates)
    return scipy.special.logit(rates), curvature


def _masses(objective: Objective) -> tuple[np.ndarray, np.ndarray]:
    # The weights of both classes in each problem.
    assert objective.arrays is not None
    own = objective.arrays.selection
    weights, soft = own.target.weights, own.target.soft
    if len(weights) == 1:
        positive = (weights @ soft)[0].astype(np.float64)
    else:
        positive = np.einsum("mn,nm->m", weights, soft, dtype=np.float64)
    return positive * own.pos_weight, objective.total_weight - positive


def joined(blocks: list[LabelBlock]) -> list[LabelBlock]:
    """Return the blocks with running labels; those less than half full are joined."""
    full = [block for block in blocks if 2 * block.running.sum() >= LANES]
    sparse = [block for block in blocks if 0 < 2 * block.running.sum() < LANES]
    total = sum(int(block.running.sum()) for block in sparse)
    count = -(-total // LANES)
    if count == len(sparse):
        return [*full, *sparse]
    lanes = [(block, lane) for block in sparse for lane in np.flatnonzero(block.running).tolist()]
    bounds = [total * i // count for i in range(count + 1)]
    groups = (lanes[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True))
    return [*full, *(_joined(group) for group in groups)]


def _joined(lanes: list[tuple[LabelBlock, int]]) -> LabelBlock:
    # All blocks have the same number of pairs, at the same indices.
    first = lanes[0][0]
    made = {}
    names = ("theta", "gradient", "direction", "steps", "changes", "rhos", "numbers", "factors")
    for name in names:
        array = np.zeros_like(getattr(first, name))
        for lane, (block, own) in enumerate(lanes):
            array[..., lane] = getattr(block, name)[..., own]
        made[name] = array
    labels = np.array([block.labels[own] for block, own in lanes])
    side = len(first.factors)
    made["factors"][np.arange(side), np.arange(side), labels.size :] = 1
    made["numbers"][kernels.STATE, labels.size :] = kernels.EMPTY
    made["numbers"][kernels.SCALE, labels.size :] = 1
    return LabelBlock(labels=labels, places=first.places.copy(), center=first.center, **made)


class LabelDescent:
    """Takes steps with the blocks of an objective of sigmoid problems in memory."""

    def __init__(self, objective: Objective) -> None:
        arrays = objective.arrays
        assert arrays is not None
        self.arrays = arrays
        self.features = arrays.features
        self.selection = selection = arrays.selection
        self.n_threads = objective.n_threads
        self.costs = objective.costs
        weights, soft = selection.target.weights, selection.target.soft
        alike = len(weights) == 1 and (weights == 1).all()
        self._is_plain = bool(alike and (selection.pos_weight == 1).all())
        codes = soft.astype(np.uint8)  # a byte each, if they are classes
        self._soft = codes if (codes == soft).all() else soft
        self._targets: dict[bytes, tuple[np.ndarray, ...]] = {}

    def __call__(
        self,
        blocks: list[LabelBlock],
        penalty: np.ndarray,
        moments: tuple[np.ndarray, ...],
        single: bool,
        limits: tuple[float, ...],
        most_steps: int,
        most_passes: int,
    ) -> float:
        """Take steps with each block in up to ``most_passes``; return the mean passes of a problem.

        The arguments are those of the kernel, with penalty (M,) and moments of all problems.
        """
        for block in blocks:
            self._check(block)
        passes = np.zeros(len(blocks))
        arrays = self._arrays(single)
        labels = {block.labels.tobytes(): block.labels for block in blocks}
        self._targets = {
            key: self._targets.get(key) or self._target(own) for key, own in labels.items()
        }

        def task(i: int) -> None:
            block = blocks[i]
            passes[i] = block.labels.size * kernels.descend(
                *arrays,
                self._targets[block.labels.tobytes()],
                _lanes(penalty, block.labels, 1.0),
                _of_lanes(moments, block),
                self.arrays.fit_intercept,
                single,
                limits,
                most_steps,
                most_passes,
                tuple(getattr(block, name) for name in kernels.Block._fields),
            )

        threads.run(task, len(blocks), self.n_threads)
        return float(passes.sum()) / penalty.size

    @property
    def most_passes(self) -> int:
        """Passes after which joining blocks costs little beside the passes themselves."""
        n, d = self.features.shape
        nanoseconds = 4 * self.features.entries + 50 * n + 300 * d
        fewest, most = self.costs.block_passes
        return most if most * nanoseconds <= self.costs.block_time else fewest

    def _arrays(self, single: bool) -> tuple[tuple, tuple]:
        # X as the kernel reads it, and X for passes in float32.
        X: Any = self.features.arrays
        if isinstance(self.features, CSRFeatures):
            return X, X
        nothing = np.empty((0, self.features.shape[1]), np.float32)
        return (X,), (self._single if single else nothing,)

    @cached_property
    def _single(self) -> np.ndarray:
        return self.features.X.astype(np.float32)

    def _target(self, labels: np.ndarray) -> tuple[np.ndarray, ...]:
        n, own = self.selection.target.n_rows, self.selection.target.weights
        soft = np.zeros((n, LANES), self._soft.dtype)
        soft[:, : labels.size] = self._soft[:, labels]
        weights = np.empty((0, 1), own.dtype)
        if not self._is_plain and len(own) == 1:
            weights = own.reshape(n, 1)
        elif not self._is_plain:
            weights = np.zeros((n, LANES), own.dtype)
            weights[:, : labels.size] = own[labels].T
        weights = for_kernels(weights)  # read-only in each case, or the kernel is compiled twice
        scale = _lanes(self.selection.scale, labels, 0.0)
        return soft, weights, scale, _lanes(self.selection.pos_weight, labels, 1.0)

    def _check(self, block: LabelBlock) -> None:
        # A block may come from a file, and kernels don't check bounds.
        rows = self.features.shape[1] + 1
        coefficients, memory = (rows, LANES), len(block.rhos)
        shapes = {
            "theta": coefficients,
            "gradient": coefficients,
            "direction": coefficients,
            "steps": (memory, *coefficients),
            "changes": (memory, *coefficients),
            "rhos": (memory, LANES),
            "numbers": (kernels.NUMBERS, LANES),
            "places": (2,),
            "factors": (rows, rows, LANES) if block.factors.size else (0, 0, LANES),
            "center": (rows - 1,) if block.factors.size else (0,),
        }
        fit = (
            all(getattr(block, name).shape == shape for name, shape in shapes.items())
            and memory > 0
            and -1 <= block.places[0] < memory
            and 0 <= block.places[1] <= memory
            and block.labels.size <= LANES
            and 0 <= block.labels.min()
            and block.labels.max() < self.selection.scale.size
        )
        if not fit:
            raise ValueError("this block of labels is one of another problem")


def _lanes(values: np.ndarray, labels: np.ndarray, rest: float) -> np.ndarray:
    out = np.full(LANES, rest)
    out[: labels.size] = values[labels]
    return out


def _of_lanes(moments: tuple[np.ndarray, ...], block: LabelBlock) -> tuple[np.ndarray, ...]:
    center, second, curvature, ridge, basis = moments
    lanes = _lanes(curvature, block.labels, 1.0), _lanes(ridge, block.labels, 1.0)
    return block.center if block.factors.size else center, second, *lanes, basis

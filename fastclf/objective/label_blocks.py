"""Sigmoid problems over a sparse X, in blocks that go from start to end in cache."""

from dataclasses import dataclass

import numpy as np

from fastclf import threads
from fastclf.kernels import label_descent
from fastclf.kernels.label_descent import COUNT, EMPTY, NEW, NORM, NUMBERS, RUNNING, STATE, VALUE
from fastclf.kernels.lanes import LANES
from fastclf.objective.features import CSRFeatures
from fastclf.objective.selection import Selection

_SLICE = 5e6
"""Nanoseconds for which blocks run on before those with few labels left are joined."""

_FEWEST, _MOST = 5, 10
"""Passes in that time."""


def blocks_pay(is_sparse: bool, n_problems: int) -> bool:
    """Tell whether so many sigmoid problems over an X go faster in blocks than together."""
    return is_sparse and n_problems > LANES


@dataclass(frozen=True)
class LabelBlock:
    """Where up to LANES problems stand, in the layout of :mod:`fastclf.kernels.label_descent`.

    Parameters
    ----------
    labels : ndarray of shape (k,)
        Which problems they are.
    theta, gradient, direction : ndarray of shape (d + 1, LANES)
    steps, changes : ndarray of shape (memory, d + 1, LANES)
    rhos : ndarray of shape (memory, LANES)
    numbers : ndarray of shape (NUMBERS, LANES)
    places : ndarray of shape (2,)
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

    @classmethod
    def at(cls, theta: np.ndarray, labels: np.ndarray, memory: int) -> "LabelBlock":
        """Return the block of some problems at theta (d + 1, M), where nothing is known yet."""
        rows = len(theta)
        own, gradient = np.zeros((2, rows, LANES))
        direction = np.zeros((rows, LANES), np.float32)
        own[:, : labels.size] = theta[:, labels]
        steps, changes = np.zeros((2, memory, rows, LANES), np.float32)
        numbers = np.zeros((NUMBERS, LANES))
        numbers[label_descent.SCALE] = 1
        numbers[STATE] = EMPTY
        numbers[STATE, : labels.size] = NEW
        places = np.array([-1, 0])
        rhos = np.zeros((memory, LANES))
        return cls(labels, own, gradient, direction, steps, changes, rhos, numbers, places)

    @property
    def running(self) -> np.ndarray:
        """Which of the problems aren't done (k,)."""
        return self.states == RUNNING

    @property
    def states(self) -> np.ndarray:
        """How each problem ended, or that it runs (k,): a code of the kernel."""
        return self.numbers[STATE, : self.labels.size]

    @property
    def values(self) -> np.ndarray:
        """The objectives (k,)."""
        return self.numbers[VALUE, : self.labels.size]

    @property
    def norms(self) -> np.ndarray:
        """The largest absolute entries of the gradients (k,)."""
        return self.numbers[NORM, : self.labels.size]

    @property
    def counts(self) -> np.ndarray:
        """The steps that each problem took (k,)."""
        return self.numbers[COUNT, : self.labels.size].astype(int)


def joined(blocks: list[LabelBlock]) -> list[LabelBlock]:
    """Return blocks of what runs: those that are less than half full are put together."""
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
    # All have as many pairs, in the same places.
    first = lanes[0][0]
    made = {}
    for name in ("theta", "gradient", "direction", "steps", "changes", "rhos", "numbers"):
        array = np.zeros_like(getattr(first, name))
        for lane, (block, own) in enumerate(lanes):
            array[..., lane] = getattr(block, name)[..., own]
        made[name] = array
    labels = np.array([block.labels[own] for block, own in lanes])
    made["numbers"][STATE, labels.size :] = EMPTY
    made["numbers"][label_descent.SCALE, labels.size :] = 1
    return LabelBlock(labels=labels, places=first.places.copy(), **made)


class LabelDescent:
    """Moves blocks over a sparse X; the penalty comes with each call.

    Parameters
    ----------
    features : CSRFeatures
    selection : Selection
        All of the problems.
    fit_intercept : bool
    n_threads : int, optional
    """

    def __init__(
        self,
        features: CSRFeatures,
        selection: Selection,
        fit_intercept: bool,
        n_threads: int | None,
    ) -> None:
        self.features = features
        self.selection = selection
        self.fit_intercept = fit_intercept
        self.n_threads = n_threads
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
        """Move each block in up to ``most_passes``; return the passes of a problem on average.

        The arguments are those of the kernel, with penalty (M,) and moments of all problems.
        """
        for block in blocks:
            self._check(block)
        passes = np.zeros(len(blocks))
        labels = {block.labels.tobytes(): block.labels for block in blocks}
        self._targets = {
            key: self._targets.get(key) or self._target(own) for key, own in labels.items()
        }

        def task(i: int) -> None:
            block = blocks[i]
            passes[i] = block.labels.size * label_descent.descend(
                self.features.arrays,
                self._targets[block.labels.tobytes()],
                _lanes(penalty, block.labels, 1.0),
                _of_lanes(moments, block.labels),
                self.fit_intercept,
                single,
                limits,
                most_steps,
                most_passes,
                block.theta,
                block.gradient,
                block.direction,
                block.steps,
                block.changes,
                block.rhos,
                block.numbers,
                block.places,
            )

        threads.run(task, len(blocks), self.n_threads)
        return float(passes.sum()) / penalty.size

    @property
    def most_passes(self) -> int:
        """How many passes take long enough that looking at the blocks costs little beside them."""
        n, d = self.features.shape
        nanoseconds = 4 * self.features.entries + 50 * n + 300 * d
        return int(np.clip(_SLICE / nanoseconds, _FEWEST, _MOST))

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
            "numbers": (NUMBERS, LANES),
            "places": (2,),
        }
        fit = all(getattr(block, name).shape == shape for name, shape in shapes.items())
        newest, used = block.places
        fit = (
            fit
            and memory > 0
            and -1 <= newest < memory
            and 0 <= used <= memory
            and block.labels.size <= LANES
        )
        fit = fit and 0 <= block.labels.min() and block.labels.max() < self.selection.scale.size
        if not fit:
            raise ValueError("this block of labels is one of another problem")


def _lanes(values: np.ndarray, labels: np.ndarray, rest: float) -> np.ndarray:
    out = np.full(LANES, rest)
    out[: labels.size] = values[labels]
    return out


def _of_lanes(moments: tuple[np.ndarray, ...], labels: np.ndarray) -> tuple[np.ndarray, ...]:
    center, second, curvature, ridge = moments
    return center, second, _lanes(curvature, labels, 1.0), _lanes(ridge, labels, 1.0)

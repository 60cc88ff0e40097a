"""Minibatch rules: SGD, Adam and AdamW over slices of an epoch.

The order of the rows in an epoch is a function of (seed, epoch), so a position is (epoch, batch)
and nothing else. The rules work in standardised coordinates (see
:mod:`fastclf.kernels.passes.minibatch`), so default learning rates serve raw features.
"""

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastclf.errors import InputError
from fastclf.kernels.passes import minibatch as kernels
from fastclf.objective import Curvature
from fastclf.plan import MEASURED, Costs, Plan, Shape, engines
from fastclf.solvers import schedules
from fastclf.solvers.checks import check_integer, check_limits
from fastclf.solvers.ending import NOT_FINITE
from fastclf.solvers.optimality import warn_of_extremes
from fastclf.solvers.schedules import Schedule

_BACKOFF = 0.25
_MOST_EXPLOSIONS = 20


@dataclass
class MinibatchState:
    """Standardised coefficients ``u, u0``, moments of the rule, average, and the position."""

    u: np.ndarray
    u0: np.ndarray
    moments: np.ndarray
    moments0: np.ndarray
    average: np.ndarray
    average0: np.ndarray
    center: np.ndarray
    inverse_scale: np.ndarray
    penalty: np.ndarray
    by_feature: bool
    schedule: Schedule
    average_from: int
    ceiling: float
    seed: int
    values: np.ndarray
    iteration: int = 0
    batch: int = 0
    step: int = 0
    rate_share: float = 1.0
    explosions: int = 0
    objective: float = np.inf
    best: float = np.inf
    stale: int = 0
    status: str = "running"
    gradient_norm: None = None
    checkpoint: tuple[Any, ...] = ()

    def rates(self, count: int) -> np.ndarray:
        """Return the learning rates of the next ``count`` steps."""
        return np.array([self.rate_share * self.schedule(self.step + i) for i in range(count)])

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        return self.rate_share * self.schedule(max(self.step - 1, 0))

    def theta(self) -> np.ndarray:
        """Return the coefficients now, (d + 1, M * K), averaged if the rule averages."""
        averaged = self.average.size > 0 and self.step > self.average_from
        return self.raw(*((self.average, self.average0) if averaged else (self.u, self.u0)))

    def raw(self, u: np.ndarray, u0: np.ndarray) -> np.ndarray:
        """Return theta (d + 1, M * K) of standardised coefficients."""
        u = u if self.by_feature else u.T
        w = u.astype(np.float64) * self.inverse_scale.astype(np.float64)[:, None]
        b = u0.astype(np.float64)
        if self.center.size:
            b = b - self.center.astype(np.float64) @ w
        return np.vstack([w, b])

    def standardised(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return standardised coefficients of theta (d + 1, M * K), the inverse of :meth:`raw`."""
        w, b = theta[:-1], theta[-1]
        if self.center.size:
            b = b + self.center.astype(np.float64) @ w
        u = w / self.inverse_scale.astype(np.float64)[:, None]
        u = np.ascontiguousarray(u if self.by_feature else u.T, dtype=self.u.dtype)
        return u, b.astype(self.u.dtype)

    def save(self) -> None:
        """Save this point, to go back to it if the objective diverges in the epoch."""
        arrays = (self.u, self.u0, self.moments, self.moments0, self.average, self.average0)
        self.checkpoint = (tuple(array.copy() for array in arrays), self.step)

    def restore(self) -> None:
        """Go back to the point that was saved, and start the epoch again."""
        arrays, self.step = self.checkpoint
        self.u, self.u0, self.moments, self.moments0, self.average, self.average0 = (
            array.copy() for array in arrays
        )
        self.batch = 0


@dataclass(frozen=True, kw_only=True)
class Minibatch:
    """Base of all minibatch rules.

    Parameters
    ----------
    learning_rate : float, Schedule or None
        The peak rate, or a function from the step to the rate. None: a rate that suits the rule
        and the number of features.
    batch_size : int
        Rows of a step; the last batch of an epoch may be smaller.
    schedule : {"constant", "inverse_time", "step", "cosine"}
        How the rate changes over the whole training, unless `learning_rate` is a Schedule.
    warmup : int
        Steps over which the rate grows linearly at first.
    clip_norm : float, optional
        Largest norm of a gradient, in standardised coordinates; a longer one is scaled down.
    average : bool
        Return the mean of the coefficients over all steps after the first epoch.
    early_stopping : int, optional
        Stop after so many epochs without a better validation loss, and keep the best epoch.
    validation_fraction : float
        Share of the rows to split off for early stopping where no validation set is given.
    patience : int
        Stop after so many epochs that each improve the objective by less than `tol`, relatively.
    tol : float, optional
        Smallest relative improvement that counts; 0 runs all epochs. None: the estimator's.
    max_iter : int, optional
        Epochs. None: the estimator's.
    seed : int, optional
        Seed of the order of the rows. None: the estimator's `random_state`.
    """

    learning_rate: float | Schedule | None = None
    batch_size: int = 256
    schedule: str = "constant"
    warmup: int = 0
    clip_norm: float | None = None
    average: bool = False
    early_stopping: int | None = None
    validation_fraction: float = 0.1
    patience: int = 5
    tol: float | None = None
    max_iter: int | None = None
    seed: int | None = None

    needs: ClassVar[tuple[str, ...]] = ("value_and_grad", "curvature", "run_batches")
    kernel_rule: ClassVar[int]

    def __post_init__(self) -> None:
        """Check what can be checked without data."""
        rate = self.learning_rate
        if rate is not None and not callable(rate) and not rate > 0:
            raise InputError(f"learning_rate must be positive or a Schedule, got {rate!r}")
        for name, least in (("batch_size", 1), ("warmup", 0), ("patience", 1)):
            check_integer(name, getattr(self, name), least)
        if self.early_stopping is not None:
            check_integer("early_stopping", self.early_stopping, 1)
        check_limits(self.tol, self.max_iter)
        if self.schedule not in schedules.NAMES:
            names = ", ".join(schedules.NAMES)
            raise InputError(f"schedule must be one of {names}; got {self.schedule!r}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise InputError(f"clip_norm must be positive or None, got {self.clip_norm!r}")
        if not 0 < self.validation_fraction < 1:
            raise InputError(
                f"validation_fraction must be between 0 and 1, got {self.validation_fraction!r}"
            )

    @property
    def kernel_parameters(self) -> tuple[float, float, float]:
        """The rule's own hyperparameters, as the kernel takes them."""
        raise NotImplementedError

    def default_rate(self, n_features: int) -> float:
        """Return the learning rate to use if none is given."""
        raise NotImplementedError

    def gradient_penalty(self, penalty: np.ndarray) -> np.ndarray:
        """Return the strength of the penalty that is added to the gradient."""
        return penalty

    def decay(self, objective: Any) -> np.ndarray:
        """Return the decoupled weight decay of each column."""
        return np.zeros(objective.n_problems * objective.n_outputs)

    def init(self, objective: Any, theta: np.ndarray) -> MinibatchState:
        """Return the first state."""
        return self.start(objective, theta, objective.curvature(full=False))

    def plan(self, shape: Shape, costs: Costs = MEASURED) -> Plan:
        """Return the plan for a problem of this shape."""
        return engines.batches(shape, costs, type(self).__name__.lower(), self.batch_size)

    def start(self, objective: Any, theta: np.ndarray, curvature: Curvature) -> MinibatchState:
        """Return the first state, in coordinates standardised by the moments of the features."""
        dtype = objective.dtype
        if objective.shape.is_sparse:  # centred features wouldn't be sparse
            curvature = curvature.about_zero()
        columns = objective.penalty.columns(theta.shape[1])
        scale = _scale(curvature, columns.mean(), dtype)
        by_feature = objective.shape.is_sparse
        u = theta[:-1] * scale[:, None]
        u0 = theta[-1] + curvature.center @ theta[:-1]
        u = np.ascontiguousarray(u if by_feature else u.T, dtype=dtype)
        batches = -(-objective.n_rows // self.batch_size)
        total_steps = batches * (self.max_iter or 1)
        schedule = self.learning_rate
        if not callable(schedule):
            rate = self.default_rate(objective.n_features) if schedule is None else schedule
            schedule = schedules.by_name(self.schedule, rate, total_steps, self.warmup)
        worst = objective.value_at_zero
        if theta.any():  # a start that may be worse than zeros, e.g. of other data
            worst = max(worst, float(objective.value_and_grad(theta)[0].mean()))
        empty = np.empty((0, 0), dtype)
        state = MinibatchState(
            u=u,
            u0=u0.astype(dtype),
            moments=np.zeros((2, *u.shape), dtype),
            moments0=np.zeros((2, u0.size), dtype),
            average=np.zeros_like(u) if self.average else empty,
            average0=np.zeros(u0.size if self.average else 0, dtype),
            center=(curvature.center if curvature.center.any() else np.empty(0)).astype(dtype),
            inverse_scale=(1 / scale).astype(dtype),
            penalty=self.gradient_penalty(columns),
            by_feature=by_feature,
            schedule=schedule,
            average_from=batches,
            ceiling=2 * worst,
            seed=self.seed or 0,
            values=np.zeros(objective.n_problems),
        )
        state.status = "running" if np.isfinite(scale).all() else NOT_FINITE
        warn_of_extremes(scale)
        return state

    def step(self, objective: Any, state: MinibatchState) -> None:
        """Run a slice of an epoch; at the end of the epoch check whether to back off or stop."""
        n = objective.n_rows
        n_batches = -(-n // self.batch_size)
        if state.batch == 0:
            state.save()
            state.values[:] = 0
        work = self.batch_size * state.u.size
        last = min(state.batch + max(1, int(objective.costs.slice_work / work)), n_batches)
        objective.run_batches(self, state, state.batch, last)
        state.batch = last
        if last == n_batches:
            self._end_epoch(objective, state)

    def _end_epoch(self, objective: Any, state: MinibatchState) -> None:
        theta = state.theta()
        values = state.values / objective.total_weight
        objective.penalty.add(theta, values, np.zeros_like(theta))
        value = float(values.mean())
        if not (value <= state.ceiling and np.isfinite(theta).all()):
            self._back_off(state)
            return
        state.batch = 0
        state.iteration += 1
        state.objective = value
        if state.explosions:
            warnings.warn(
                f"the objective diverged in epoch {state.iteration}, so that epoch was repeated "
                f"with the learning rate {state.learning_rate:.3g}; set a smaller learning_rate",
                ConvergenceWarning,
                stacklevel=2,
            )
            state.explosions = 0
        tol = self.tol or 0.0
        if value < state.best * (1 - tol):
            state.best, state.stale = value, 0
        else:
            state.best = min(state.best, value)
            state.stale += 1
        if tol > 0 and state.stale >= self.patience and self.early_stopping is None:
            state.status = "converged"

    def _back_off(self, state: MinibatchState) -> None:
        rate = state.learning_rate
        if state.explosions >= _MOST_EXPLOSIONS:
            raise InputError(
                f"the objective diverges in epoch {state.iteration + 1} even at learning rate "
                f"{rate:.3g}: set a much smaller learning_rate, or scale the features"
            )
        state.restore()
        state.rate_share *= _BACKOFF
        state.explosions += 1


def _scale(curvature: Curvature, penalty: float, dtype: np.dtype) -> np.ndarray:
    # D² is the variance plus the penalty in units of the variance. Where both are only rounding, D
    # is 1, so that 1 / D doesn't overflow.
    variance = curvature.second + penalty / curvature.logits.mean()
    limits = np.finfo(dtype)
    rounding = (4 * limits.eps * curvature.center) ** 2
    nothing = variance <= np.maximum(rounding, float(limits.tiny) ** 0.75)
    return np.sqrt(np.where(nothing, 1.0, variance))


@dataclass(frozen=True, kw_only=True)
class SGD(Minibatch):
    """Stochastic gradient descent with momentum.

    ``v ← μ v + g; u ← u - rate (g + μ v)`` with Nesterov, ``u ← u - rate v`` without (Sutskever et
    al., *On the importance of initialization and momentum in deep learning*, ICML 2013).

    Parameters
    ----------
    momentum : float
        μ in [0, 1).
    nesterov : bool
        Look ahead along the momentum.
    learning_rate, batch_size, schedule, warmup, clip_norm, average, early_stopping, \
validation_fraction, patience, tol, max_iter, seed
        As for :class:`Minibatch`.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> import fastclf
    >>> X, y = load_wine(return_X_y=True)
    >>> clf = fastclf.LogisticRegression(solver=SGD(schedule="cosine"), random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.95)
    True
    """

    momentum: float = 0.9
    nesterov: bool = True

    kernel_rule: ClassVar[int] = kernels.SGD

    def __post_init__(self) -> None:
        """Check what can be checked without data."""
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise InputError(f"momentum must be in [0, 1), got {self.momentum!r}")

    @property
    def kernel_parameters(self) -> tuple[float, float, float]:
        """Momentum and whether it looks ahead."""
        return float(self.momentum), float(self.nesterov), 0.0

    def default_rate(self, n_features: int) -> float:
        """Return a rate below the inverse of the largest curvature that features can add up to."""
        return (1 - self.momentum) * min(4.0, 40.0 / (n_features + 1))


@dataclass(frozen=True, kw_only=True)
class Adam(Minibatch):
    """Adam (Kingma and Ba, *Adam: a method for stochastic optimization*, ICLR 2015).

    Parameters
    ----------
    beta1, beta2 : float
        Decay of the running mean of the gradient and of its square.
    epsilon : float
        Keeps the division safe.
    learning_rate, batch_size, schedule, warmup, clip_norm, average, early_stopping, \
validation_fraction, patience, tol, max_iter, seed
        As for :class:`Minibatch`.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> import fastclf
    >>> X, y = load_wine(return_X_y=True)
    >>> clf = fastclf.LogisticRegression(solver=Adam(batch_size=32), random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.95)
    True
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    kernel_rule: ClassVar[int] = kernels.ADAM

    def __post_init__(self) -> None:
        """Check what can be checked without data."""
        super().__post_init__()
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} must be in [0, 1), got {getattr(self, name)!r}")
        if not self.epsilon > 0:
            raise InputError(f"epsilon must be positive, got {self.epsilon!r}")

    @property
    def kernel_parameters(self) -> tuple[float, float, float]:
        """Both decays and epsilon."""
        return float(self.beta1), float(self.beta2), float(self.epsilon)

    def default_rate(self, n_features: int) -> float:
        """Return a rate that falls with the number of features that move together."""
        return 0.05 / float(np.sqrt(n_features + 1))


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).

    Parameters
    ----------
    weight_decay : float, optional
        Strength λ of the decay, ``u ← u - rate λ u / D²``, with D = 1 for standardised features.
        None: the strength of the penalty, 1 / (C Σw), which then acts by decay alone.
    beta1, beta2, epsilon
        As for :class:`Adam`.
    learning_rate, batch_size, schedule, warmup, clip_norm, average, early_stopping, \
validation_fraction, patience, tol, max_iter, seed
        As for :class:`Minibatch`.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> import fastclf
    >>> X, y = load_wine(return_X_y=True)
    >>> solver = AdamW(batch_size=32, weight_decay=0.01)
    >>> clf = fastclf.LogisticRegression(solver=solver, random_state=0).fit(X, y)
    >>> bool(clf.score(X, y) > 0.95)
    True
    """

    weight_decay: float | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without data."""
        super().__post_init__()
        if self.weight_decay is not None and not self.weight_decay >= 0:
            raise InputError(f"weight_decay must be None or >= 0, got {self.weight_decay!r}")

    def gradient_penalty(self, penalty: np.ndarray) -> np.ndarray:
        """Return zeros: the penalty acts by decay."""
        return np.zeros_like(penalty)

    def decay(self, objective: Any) -> np.ndarray:
        """Return the decoupled weight decay of each column."""
        columns = objective.penalty.columns(objective.n_problems * objective.n_outputs)
        if self.weight_decay is None:
            return columns
        return np.full_like(columns, self.weight_decay)

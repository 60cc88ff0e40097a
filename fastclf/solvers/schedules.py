"""Schedules: a learning rate for each step, counted from 0 over the whole training.

Each is a function ``step -> float``; for the first ``warmup`` steps the rate grows linearly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

Schedule = Callable[[int], float]


def _warm(step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / (warmup + 1))


@dataclass(frozen=True)
class Constant:
    """The same rate at every step.

    Parameters
    ----------
    rate : float
        The constant learning rate.
    warmup : int
        Steps at the start in which the rate grows linearly.

    Examples
    --------
    >>> schedule = Constant(0.1, warmup=1)
    >>> [schedule(step) for step in range(3)]
    [0.05, 0.1, 0.1]
    """

    rate: float
    warmup: int = 0

    def __call__(self, step: int) -> float:
        """Return the rate at a step."""
        return self.rate * _warm(step, self.warmup)


@dataclass(frozen=True)
class InverseTime:
    """``rate / (1 + step / half_life)``: half the rate after ``half_life`` steps.

    Parameters
    ----------
    rate : float
        The largest learning rate.
    half_life : float
        Steps after which the rate is halved.
    warmup : int
        Steps at the start in which the rate grows linearly.

    Examples
    --------
    >>> InverseTime(0.1, half_life=10)(10)
    0.05
    """

    rate: float
    half_life: float
    warmup: int = 0

    def __call__(self, step: int) -> float:
        """Return the rate at a step."""
        after = max(step - self.warmup, 0)
        return self.rate * _warm(step, self.warmup) / (1 + after / self.half_life)


@dataclass(frozen=True)
class Step:
    """The rate times ``factor`` after every ``every`` steps.

    Parameters
    ----------
    rate : float
        The first learning rate.
    every : int
        Steps between two changes.
    factor : float
        What the rate is multiplied by at a change.
    warmup : int
        Steps at the start in which the rate grows linearly.

    Examples
    --------
    >>> schedule = Step(1.0, every=100, factor=0.5)
    >>> [schedule(step) for step in (0, 99, 100, 200)]
    [1.0, 1.0, 0.5, 0.25]
    """

    rate: float
    every: int
    factor: float = 0.1
    warmup: int = 0

    def __call__(self, step: int) -> float:
        """Return the rate at a step."""
        after = max(step - self.warmup, 0)
        return self.rate * _warm(step, self.warmup) * self.factor ** (after // self.every)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from the rate down to ``rate * final`` at ``total`` steps.

    The source is Loshchilov and Hutter, *SGDR: stochastic gradient descent with warm restarts*,
    ICLR 2017, with no restart.

    Parameters
    ----------
    rate : float
        The largest learning rate.
    total : int
        Steps after which the rate is ``rate * final`` and stays there.
    final : float
        Share of the rate that is left at the end.
    warmup : int
        Steps at the start in which the rate grows linearly.

    Examples
    --------
    >>> schedule = Cosine(1.0, total=100)
    >>> [round(schedule(step), 3) for step in (0, 50, 100)]
    [1.0, 0.5, 0.0]
    """

    rate: float
    total: int
    final: float = 0.0
    warmup: int = 0

    def __call__(self, step: int) -> float:
        """Return the rate at a step."""
        span = max(self.total - self.warmup, 1)
        after = min(max(step - self.warmup, 0) / span, 1.0)
        share = self.final + (1 - self.final) * 0.5 * (1 + cos(pi * after))
        return self.rate * _warm(step, self.warmup) * share


def by_name(name: str, rate: float, total: int, warmup: int) -> Schedule:
    """Return one of the schedules that a recipe names, over a training of ``total`` steps.

    "inverse_time" halves the rate after a tenth of the steps; "step" divides it by 10 after each
    third of them.
    """
    if name == "constant":
        return Constant(rate, warmup)
    if name == "inverse_time":
        return InverseTime(rate, max(total / 10, 1), warmup)
    if name == "step":
        return Step(rate, max(total // 3, 1), 0.1, warmup)
    return Cosine(rate, total, 0.0, warmup)


NAMES = ("constant", "inverse_time", "step", "cosine")

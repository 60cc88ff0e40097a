"""Comparison of the times of two versions: paired ratios, a confidence interval, and a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

LIMIT = 1.05
"""A row counts as slower if its ratio of times is larger."""

FEWEST = 3
"""Smallest number of pairs of times for a verdict."""

OUTSIDE = 0.05
"""Largest probability that the true median ratio lies outside the interval (two-sided)."""


@dataclass(frozen=True)
class Comparison:
    """The times of one row in seconds, for the base version and for this one ("here").

    Parameters
    ----------
    base_least, base_median, here_least, here_median : float
        The minimum and the median of the seconds of each version.
    ratio : float
        The median of the paired ratios, here over base; above 1 if this version is slower.
    low, high : float
        A confidence interval for the true median ratio.
    pairs : int
        The number of paired ratios.
    """

    base_least: float
    base_median: float
    here_least: float
    here_median: float
    ratio: float
    low: float
    high: float
    pairs: int

    @property
    def verdict(self) -> str:
        """Return "slower", "faster", "same" or, for fewer than three pairs, "too few".

        A row is slower if both the whole interval and the ratio of the minima are above the limit.
        Both are needed, because a single disturbance changes only one of them.
        """
        if self.pairs < FEWEST:
            return "too few"
        of_least = self.here_least / self.base_least
        if min(self.low, of_least) > LIMIT:
            return "slower"
        if max(self.high, of_least) < 1 / LIMIT:
            return "faster"
        return "same"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return a 95 % confidence interval for the true median, by the sign test.

    Its ends are two of the values. Each value is above the true median with probability one half,
    so the number of such values is binomial. Five values or fewer are too few for 95 %: the result
    is then their minimum and maximum.
    """
    ordered = sorted(values)
    n = len(ordered)
    left_out = 0
    while 2 * sum(comb(n, k) for k in range(left_out + 2)) / 2**n <= OUTSIDE:
        left_out += 1
    return ordered[left_out], ordered[n - 1 - left_out]


def compare(base: Sequence[float], here: Sequence[float]) -> Comparison:
    """Compare the seconds of two versions that ran in turn; equal positions form a pair."""
    ratios = [mine / other for other, mine in zip(base, here, strict=True)]
    low, high = interval(ratios)
    return Comparison(
        base_least=min(base),
        base_median=median(base),
        here_least=min(here),
        here_median=median(here),
        ratio=median(ratios),
        low=low,
        high=high,
        pairs=len(ratios),
    )


def slower(found: dict[str, Comparison], without: Sequence[str] = ()) -> list[str]:
    """Return the names of the rows that became slower, except those in ``without``."""
    return [
        name
        for name, comparison in found.items()
        if comparison.verdict == "slower" and name not in without
    ]

"""How two versions of the package are compared: paired ratios, their spread, and a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

LIMIT = 1.05
"""The ratio of times from which on a row counts as slower."""

FEWEST = 3
"""Pairs of times that a verdict needs."""

OUTSIDE = 0.05
"""The largest chance with which the true median ratio lies outside the spread, both sides taken."""


@dataclass(frozen=True)
class Comparison:
    """The times of one row in seconds, and what follows from them.

    Parameters
    ----------
    base_least, base_median, here_least, here_median : float
        The minimum and the median of the seconds of each version.
    ratio : float
        The median of the paired ratios, here over base: above 1 this version is slower.
    low, high : float
        An interval for the true median ratio.
    pairs : int
        How many paired ratios there are.
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
        """Return "slower", "faster", "same" or, of fewer than three pairs, "too few".

        Slower means that the whole interval of the paired ratios and the ratio of the minima are
        above the limit. Both are asked for because a single disturbance moves only one of them.
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
    """Return two of the values between which the true median lies, as the sign test tells.

    Each value lies above the true median with a chance of one half, so how many do is binomial.
    Up to five values are too few for the chance of 0.95: then it is the least and the largest.
    """
    ordered = sorted(values)
    n = len(ordered)
    left_out = 0
    while 2 * sum(comb(n, k) for k in range(left_out + 2)) / 2**n <= OUTSIDE:
        left_out += 1
    return ordered[left_out], ordered[n - 1 - left_out]


def compare(base: Sequence[float], here: Sequence[float]) -> Comparison:
    """Compare the seconds of two versions that ran in turn; those of the same turn are a pair."""
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
    """Return the names of the rows that became slower, except some."""
    return [
        name
        for name, comparison in found.items()
        if comparison.verdict == "slower" and name not in without
    ]

"""The bootstrap: draws of rows, and the differences between two models on the same rows.

`fastclf.runs.intervals` says what is drawn, and what an interval means.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

N_DRAWS = 1000
MOST_ROWS = 100_000
"""Number of rows above which there are no draws."""

_PERCENTILES = (2.5, 97.5)
_NORMAL = 1.959963984540054  # the percentile 97.5 of the normal distribution
_LEAST_DRAWS = 200
MOST_DRAWN = 10_000_000  # rows in all draws, unless there are so few draws; about 0.2 s
_BLOCK = 1 << 18  # numbers in a block of draws, which then stays in cache

Interval = tuple[float, float]


class Ratio(NamedTuple):
    """A metric that is the ratio of two sums over rows, by the terms of each row, shape (n,)."""

    above: np.ndarray
    below: np.ndarray


class Difference(NamedTuple):
    """How much larger a metric of the second model is than that of the first, on the same rows.

    Parameters
    ----------
    value : float
    interval : tuple of float
        The lower and upper end of its interval of 95 %.
    """

    value: float
    interval: Interval

    @property
    def exceeds_noise(self) -> bool:
        """Whether the interval is on one side of zero."""
        return not self.interval[0] <= 0 <= self.interval[1]


def paired_differences(
    first: Mapping[str, Ratio], second: Mapping[str, Ratio], seed: int, n_draws: int = N_DRAWS
) -> dict[str, Difference]:
    """Return the differences between two models' metrics on the same rows, with intervals.

    Both models get the same draws, so that what makes a row easy or hard for both cancels out.

    Parameters
    ----------
    first, second : mapping of str to Ratio
        The `fastclf.runs.intervals.row_terms` of both models, of the same rows in the same order.
    seed : int
    n_draws : int
        As for `fastclf.runs.intervals.intervals_of`.

    Returns
    -------
    dict of str to Difference
        For each metric that both have: the second model's minus the first one's.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.runs.bootstrap import Ratio, paired_differences
    >>> each = np.ones(100)
    >>> a, b = Ratio(np.arange(100) % 4 > 0, each), Ratio(np.arange(100) % 10 > 0, each)
    >>> found = paired_differences({"accuracy": a}, {"accuracy": b}, seed=0)["accuracy"]
    >>> round(found.value, 2), found.exceeds_noise
    (0.15, True)
    """
    names = [name for name in first if name in second]
    linear = {name: (influence_of(first[name]), influence_of(second[name])) for name in names}
    values = {name: b - a for name, ((a, _), (b, _)) in linear.items()}
    n = len(next(iter(first.values())).above)
    ends: dict[str, Interval | None]
    if n > MOST_ROWS:
        ends = {
            name: normal_interval(values[name], own[1] - other[1])
            for name, (other, own) in linear.items()
        }
    else:
        drawn: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for counts in drawn_counts(n, seed, n_draws):
            for name in names:
                drawn[name].append(values_of(second[name], counts) - values_of(first[name], counts))
        ends = {name: percentile_interval(np.concatenate(found)) for name, found in drawn.items()}
    return {
        name: Difference(values[name], found) for name, found in ends.items() if found is not None
    }


def drawn_counts(n: int, seed: int, n_draws: int) -> Iterator[np.ndarray]:
    """Yield how often each of n rows was drawn, in blocks of shape (draws, n)."""
    rng = np.random.default_rng(seed)
    n_draws = min(n_draws, max(_LEAST_DRAWS, MOST_DRAWN // n))
    step = max(1, _BLOCK // n)
    for start in range(0, n_draws, step):
        draws = min(step, n_draws - start)
        rows = rng.integers(n, size=(draws, n))
        rows += n * np.arange(draws)[:, None]
        counts = np.bincount(rows.ravel(), minlength=draws * n)
        yield counts.reshape(draws, n).astype(np.float64)


def values_of(ratio: Ratio, counts: np.ndarray) -> np.ndarray:
    """Return a metric for each draw, NaN where it isn't defined."""
    # einsum, unlike BLAS, adds in an order that doesn't depend on threads
    above, below = (np.einsum("bn,n->b", counts, terms) for terms in ratio)
    with np.errstate(invalid="ignore"):
        return above / below


def influence_of(ratio: Ratio) -> tuple[float, np.ndarray]:
    """Return a metric, and each row's influence on it, shape (n,), with mean 0."""
    below = ratio.below.mean()
    value = ratio.above.mean() / below if below else np.nan
    return float(value), (ratio.above - value * ratio.below) / (below or np.nan)


def normal_interval(value: float, influence: np.ndarray) -> Interval:
    """Return the interval of 95 % of the normal distribution, for each row's influence."""
    error = _NORMAL * float(influence.std()) / len(influence) ** 0.5
    return value - error, value + error


def percentile_interval(values: np.ndarray) -> Interval | None:
    """Return the interval of the values of draws; None if most of them aren't defined."""
    known = values[~np.isnan(values)]
    if 2 * len(known) < len(values):
        return None
    low, high = np.percentile(known, _PERCENTILES)
    return float(low), float(high)

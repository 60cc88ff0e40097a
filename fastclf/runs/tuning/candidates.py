"""The candidates of a search, their scores on the folds, and the choice among them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastclf.config import LogRange, Range, TuneTable


@dataclass(frozen=True)
class Candidate:
    """Values of the keys that are searched, and their scores.

    Attributes
    ----------
    keys : dict
        The values by dotted key, as in ``--set``.
    scores : tuple of float
        The score on each fold.
    """

    keys: dict[str, Any]
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean score."""
        return float(np.mean(self.scores))

    @property
    def standard_error(self) -> float | None:
        """The standard error of the mean; None for one fold."""
        n = len(self.scores)
        return float(np.std(self.scores, ddof=1) / np.sqrt(n)) if n > 1 else None

    def as_json(self) -> dict[str, Any]:
        """Return the candidate as JSON values."""
        return {
            "keys": self.keys,
            "mean": self.mean,
            "standard_error": self.standard_error,
            "scores": list(self.scores),
        }


def choose(candidates: Sequence[Candidate], rule: str, lower_is_better: bool) -> Candidate:
    """Return the chosen one of some candidates, of which only those with most scores count.

    Of equal means it is the first with the smallest C. With the rule "one_se" it is the one with
    the smallest C, and else the keys of the best, whose mean is within one standard error of the
    best one's.
    """
    most = max(len(one.scores) for one in candidates)
    sign = 1 if lower_is_better else -1
    complete = [one for one in candidates if len(one.scores) == most]
    best = min(complete, key=lambda one: (sign * one.mean, one.keys["model.C"]))
    if rule == "best" or best.standard_error is None:
        return best

    def others(one: Candidate) -> dict[str, Any]:
        return {key: value for key, value in one.keys.items() if key != "model.C"}

    limit = sign * best.mean + best.standard_error
    near = [one for one in complete if others(one) == others(best) and sign * one.mean <= limit]
    return min(near, key=lambda one: one.keys["model.C"])


def at_ends(table: TuneTable, chosen: Mapping[str, Any]) -> Iterator[str]:
    """Yield a warning for each chosen value at an end of its range, with the wider range to try."""
    strengths = table.strengths()
    C = chosen["model.C"]
    if len(strengths) > 1 and C in (strengths[0], strengths[-1]):
        low, high = strengths[0], strengths[-1]
        is_low = strengths[0] == C
        wider = f"{low / 1000:g}, high = {high:g}" if is_low else f"{low:g}, high = {high * 1000:g}"
        n = len(strengths) if isinstance(table.C, LogRange) else 17
        yield _at_end("model.C", C, is_low, f"tune.C = {{low = {wider}, n = {n}}}")
    for key, space in table.others.items():
        if not isinstance(space, Range):
            continue
        value, low, high = chosen[key], space.low, space.high
        place = (
            math.log(value / low) / math.log(high / low)
            if space.log
            else (value - low) / (high - low)
        )
        if 0.02 < place < 0.98:
            continue
        is_low = place < 0.5
        step = (high / low if space.log else high - low) if not is_low else 0
        if is_low:
            new = low * low / high if space.log else low - (high - low)
            wider = f"low = {new:g}, high = {high:g}"
        else:
            new = high * step if space.log else high + step
            wider = f"low = {low:g}, high = {new:g}"
        log = ", log = true" if space.log else ""
        yield _at_end(key, value, is_low, f'tune."{key}" = {{{wider}{log}}}')


def _at_end(key: str, value: float, is_low: bool, wider: str) -> str:
    end = "lower" if is_low else "upper"
    return f"the best {key}, {value:g}, is at the {end} end of its range; try {wider}"

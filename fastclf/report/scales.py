"""Scales of chart axes: the mapping from values to positions, and the tick values."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from fastclf.report.wording import MINUS, scientific_text

_LARGEST = 1e290
_SMALLEST = 1e-290
_LEAST_SPAN = 0.1  # of an axis, relative to its largest value: smaller changes look flat


@dataclass(frozen=True)
class Scale:
    """The range of values of an axis.

    Parameters
    ----------
    low, high : float
        ``low < high``; both above 0 if ``log``.
    log : bool
        Whether the axis is logarithmic.
    whole : bool
        Whether all ticks are integers.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def position(self, value: float) -> float:
        """Return the relative position of a value: 0 at ``low``, 1 at ``high``."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return (math.log(value) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)

    def contains(self, value: float) -> bool:
        """Tell whether a value is on the axis; NaN isn't."""
        return self.low <= value <= self.high

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Return round tick values with their labels, about ``most`` of them.

        A logarithmic scale has at least two.

        Examples
        --------
        >>> from fastclf.report.scales import Scale
        >>> Scale(0, 43, whole=True).ticks()
        [(0.0, '0'), (10.0, '10'), (20.0, '20'), (30.0, '30'), (40.0, '40')]
        >>> [text for _, text in Scale(3e-5, 2.0, log=True).ticks()]
        ['10⁻⁴', '10⁻³', '10⁻²', '10⁻¹', '1']
        """
        if self.log:
            values = _powers(self.low, self.high, most)
            small = min(values) < 0.001 or max(values) >= 10_000
            return [
                (value, scientific_text(value) if small else f"{value:,.4g}") for value in values
            ]
        step = _step((self.high - self.low) / most, self.whole)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        if digits and _has_fraction(step):
            digits += 1
        ticks = [number * step for number in range(first, last + 1)]
        largest = max(map(abs, ticks), default=0.0)
        if largest >= 1e6 or digits > 4:
            power = math.floor(math.log10(largest) + 1e-9) if largest else 0
            digits = max(0, power - math.floor(math.log10(step) + 1e-9))
            digits += _has_fraction(step)
            return [(tick, _times_power(tick, power, digits)) for tick in ticks]
        return [(tick, _signed(f"{tick:,.{digits}f}")) for tick in ticks]


def scale_of(
    values: Iterable[float], *, log: bool = False, whole: bool = False, zero: bool = False
) -> Scale:
    """Return a scale that contains all values, with a small margin; its ends are round numbers.

    A linear scale spans at least 10 % of its largest absolute value, so that small changes of a
    large value look small.

    Parameters
    ----------
    values : iterable of float
        Values that aren't finite are ignored; on a logarithmic scale, also those that aren't > 0.
    log, whole : bool
        As in `Scale`.
    zero : bool
        Whether the scale must contain 0.
    """
    known = [_bounded(value) for value in values if math.isfinite(value)]
    known = [value for value in known if value > 0 or not log]
    if not known:
        return Scale(0.1, 1, log=True) if log else Scale(0, 1, whole=whole)
    low, high = min(known), max(known)
    if log:
        low, high = (low / 2, high * 2) if high < low * 1.5 else (low / 1.15, high * 1.15)
        if high > 30 * low:  # ends at powers of ten
            low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
        return Scale(max(low, _SMALLEST), min(high, _LARGEST), log=True)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = max(abs(low) * 0.1, 1 if whole else 1e-3)
        around = Scale(low - room, high + room, whole=whole)
        return around if whole else _with_round_ends(around)
    if whole:
        return Scale(low, high, whole=True)
    room = max(0.04 * (high - low), (_LEAST_SPAN * max(abs(low), abs(high)) - (high - low)) / 2)
    return _with_round_ends(
        Scale(low if zero and low == 0 else low - room, high if zero and high == 0 else high + room)
    )


def _with_round_ends(scale: Scale) -> Scale:
    """Return a scale that begins and ends near ticks, so that the last values are below a tick."""
    step = _step((scale.high - scale.low) / 5, False)
    low, high = math.floor(scale.low / step), math.ceil(scale.high / step)
    return Scale(low * step, high * step)


def _bounded(value: float) -> float:
    """Clip a value so that arithmetic on it neither overflows nor underflows."""
    return max(min(value, _LARGEST), -_LARGEST) if abs(value) > _SMALLEST else 0.0


def _step(smallest: float, whole: bool) -> float:
    power = 10.0 ** math.floor(math.log10(smallest))
    steps = (power * factor for factor in (1, 2, 2.5, 5, 10))
    step = next(step for step in steps if step >= smallest * (1 - 1e-9))
    return max(1.0, float(math.ceil(step))) if whole else step


def _powers(low: float, high: float, most: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    decades = list(range(first, last + 1))
    if len(decades) >= 2:
        every = -(-len(decades) // most)
        return [10.0**decade for decade in decades if (decade - last) % every == 0]
    between = [
        factor * 10.0**decade
        for decade in range(math.floor(math.log10(low)), last + 1)
        for factor in (1, 2, 5)
    ]
    inside = [value for value in between if low <= value <= high]
    return inside if len(inside) >= 2 else [low * (high / low) ** part for part in (0.1, 0.9)]


def _has_fraction(step: float) -> bool:
    """Tell whether a step is 2.5 times a power of ten, rather than 1, 2 or 5 times."""
    return round(step / 10.0 ** math.floor(math.log10(step) + 1e-9), 6) % 1 > 0


def _times_power(value: float, power: int, digits: int) -> str:
    """Return a value as a multiple of ``10**power``, such as ``2.5·10⁶``; 0 as ``0``."""
    unit = 10.0**power
    return f"{_signed(f'{value / unit:.{digits}f}')}·{scientific_text(unit)}" if value else "0"


def _signed(text: str) -> str:
    return text.replace("-", MINUS) if text.strip("-0.,") else text.removeprefix("-")

"""Numbers, durations and metric names as text for readers."""

import math
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

MINUS = "\N{MINUS SIGN}"
UNDEFINED = "\N{EN DASH}"

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SPOKEN = {
    "average_precision": "average precision",
    "balanced_accuracy": "balanced accuracy",
    "brier": "Brier score",
    "cross_entropy": "cross-entropy",
    "ece": "ECE",
    "fit_seconds": "fit, seconds",
    "hamming_loss": "Hamming loss",
    "kl_divergence": "KL divergence",
    "kl_to_teacher": "KL to the teacher",
    "lrap": "LRAP",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "roc_auc": "ROC AUC",
}
_PARTS = {
    "train": "training rows",
    "test": "test rows",
    "uncalibrated": "test rows, uncalibrated",
}


def metric_title(key: str) -> str:
    """Return the readable name of a metric or of another key of the summary."""
    return _SPOKEN.get(key, key.replace("_", " "))


def part_title(name: str) -> str:
    """Return the readable name of a part of the data: ``training rows``."""
    return _PARTS.get(name, name)


def capital(text: str) -> str:
    """Return a text with a capital first letter."""
    return text[:1].upper() + text[1:]


def count_text(value: float) -> str:
    """Return a whole number with thousands separators: ``1,347``."""
    return f"{round(value):,}".replace("-", MINUS)


def percent_text(share: float) -> str:
    r"""Return a share of rows as a percentage with one decimal: ``97.8 %``.

    Examples
    --------
    >>> from fastclf.report.wording import percent_text
    >>> [percent_text(share) for share in (0.97812, 1.0, 0.0002)]
    ['97.8\xa0%', '100.0\xa0%', '<0.1\xa0%']
    """
    text = "<0.1" if 0 < share < 0.0005 else f"{100 * share:.1f}"
    return f"{text}\N{NO-BREAK SPACE}%"


def number_text(value: Any) -> str:
    """Return a number with about four significant digits; a dash for None, NaN and infinity.

    Examples
    --------
    >>> from fastclf.report.wording import number_text
    >>> number_text(0.97333333), number_text(12345.678), number_text(3.2e-7), number_text(None)
    ('0.9733', '12,346', '3.2·10⁻⁷', '–')
    """
    if value is None or isinstance(value, float) and not math.isfinite(value):
        return UNDEFINED
    size = abs(value)
    if isinstance(value, int) or size >= 1000:
        return count_text(value) if size < 1e7 else scientific_text(value)
    if size < 5e-5 and value:
        return scientific_text(value)
    digits = 4 if size < 10 else 2 if size < 100 else 1
    return f"{value:.{digits}f}".replace("-", MINUS)


def interval_text(ends: Sequence[float] | None) -> str:
    """Return the ends of an interval: ``0.9211 to 0.9868``; nothing if there is none."""
    return "" if ends is None else f"{number_text(ends[0])} to {number_text(ends[1])}"


def short_number_text(value: float) -> str:
    """Return a number with about three significant digits: ``−2.64``."""
    size = abs(value)
    if not math.isfinite(value) or size >= 1000 or 0 < size < 5e-4:
        return number_text(value)
    digits = 2 - math.floor(math.log10(size)) if size else 0
    return f"{value:.{digits}f}".replace("-", MINUS)


def plain_text(value: float) -> str:
    """Return a number that someone chose, with up to four significant digits: ``10,000``.

    Examples
    --------
    >>> from fastclf.report.wording import plain_text
    >>> [plain_text(value) for value in (1e4, 0.5, 1e-5, 3162.2776)]
    ['10,000', '0.5', '10⁻⁵', '3,162']
    """
    if 0 < abs(value) < 1e-4 or abs(value) >= 1e7:
        return scientific_text(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def signed_text(value: float) -> str:
    """Return a number with about three significant digits and its sign: ``+2.64``."""
    text = short_number_text(value)
    return text if value < 0 else f"+{text}"


def scientific_text(value: float) -> str:
    """Return a number in scientific notation: ``2·10⁻⁵``, or ``10⁻⁵`` for a mantissa of 1."""
    mantissa, exponent = f"{value:.1e}".split("e")
    if int(exponent) == 0:
        return mantissa.removesuffix(".0").replace("-", MINUS)
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    mantissa = mantissa.removesuffix(".0").replace("-", MINUS)
    return {"1": power, f"{MINUS}1": f"{MINUS}{power}"}.get(mantissa, f"{mantissa}·{power}")


def duration_text(value: float) -> str:
    """Return a duration, given in seconds, in a suitable unit.

    Examples
    --------
    >>> from fastclf.report.wording import duration_text
    >>> duration_text(0.00042), duration_text(0.042), duration_text(4.2), duration_text(4200)
    ('0.42 ms', '42 ms', '4.2 s', '1 h 10 min')
    """
    if value < 0.001:
        return f"{value * 1000:.2g} ms"
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if value < 120:
        return f"{value:.3g} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def date_text(moment: str) -> str:
    """Return a moment in ISO format as a date and a time of day: ``30 November 2026, 17:40 UTC``.

    Text that isn't a moment is returned unchanged.
    """
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return f"{found.day} {found:%B %Y, %H:%M} {found.tzname() or ''}".rstrip()


def text_width(text: str, size: float) -> float:
    """Return the approximate width of a text in a sans-serif font of the given size."""
    return size * sum(_wide(character) for character in text)


def shortened(text: str, room: float, size: float) -> str:
    """Return a text cut to a width of at most ``room``, with an ellipsis if it was cut."""
    text = " ".join(text.split()) or "(empty)"
    if text_width(text, size) <= room:
        return text
    room -= size * 0.9
    for end, character in enumerate(text):
        room -= size * _wide(character)
        if room < 0:
            return f"{text[:end].rstrip()}…"
    return text


def _wide(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in " .,:;|!'ijlftI()[]":
        return 0.36
    return 0.9 if character in "mwMW@%" else 0.72 if character.isupper() else 0.61

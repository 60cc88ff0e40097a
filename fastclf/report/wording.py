"""Numbers and names as people read them."""

import math
import unicodedata
from typing import Any

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SPOKEN = {
    "balanced_accuracy": "balanced accuracy",
    "brier": "Brier score",
    "cross_entropy": "cross-entropy",
    "ece": "calibration error (ECE)",
    "fit_seconds": "fit, seconds",
    "hamming_loss": "Hamming loss",
    "kl_divergence": "KL divergence",
    "kl_to_teacher": "KL to the teacher",
    "log_loss": "log-loss",
    "lrap": "ranking precision",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "roc_auc": "ROC AUC",
}


def spoken(key: str) -> str:
    """Return what a key of a summary is called in a sentence."""
    return _SPOKEN.get(key, key.replace("_", " "))


def count(value: float) -> str:
    """Return a whole number, its thousands apart: ``1,347``."""
    return f"{round(value):,}".replace("-", MINUS)


def figure(value: Any) -> str:
    """Return a figure with four significant digits or so; a dash for one that is undefined.

    Examples
    --------
    >>> from fastclf.report.wording import figure
    >>> figure(0.97333333), figure(12345.678), figure(3.2e-7), figure(None)
    ('0.9733', '12,346', '3.2·10⁻⁷', '–')
    """
    if value is None or isinstance(value, float) and not math.isfinite(value):
        return NOTHING
    size = abs(value)
    if isinstance(value, int) or size >= 1000:
        return count(value) if size < 1e7 else scientific(value)
    if size < 5e-4 and value:
        return scientific(value)
    digits = 4 if size < 10 else 2 if size < 100 else 1
    return f"{value:.{digits}f}".replace("-", MINUS)


def brief(value: float) -> str:
    """Return a figure with three significant digits or so: ``−2.64``."""
    size = abs(value)
    if not math.isfinite(value) or size >= 1000 or 0 < size < 5e-4:
        return figure(value)
    digits = 2 - math.floor(math.log10(size)) if size else 0
    return f"{value:.{digits}f}".replace("-", MINUS)


def scientific(value: float) -> str:
    """Return a figure as a power of ten, ``2·10⁻⁵``; 1 isn't written before it."""
    mantissa, exponent = f"{value:.1e}".split("e")
    if int(exponent) == 0:
        return mantissa.removesuffix(".0").replace("-", MINUS)
    power = f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    mantissa = mantissa.removesuffix(".0").replace("-", MINUS)
    return {"1": power, f"{MINUS}1": f"{MINUS}{power}"}.get(mantissa, f"{mantissa}·{power}")


def seconds(value: float) -> str:
    """Return a length of time in the unit that suits it.

    Examples
    --------
    >>> from fastclf.report.wording import seconds
    >>> seconds(0.00042), seconds(0.042), seconds(4.2), seconds(4200)
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


def width(text: str, size: float) -> float:
    """Return about how wide a text is in a sans-serif font of some size."""
    return size * sum(_wide(character) for character in text)


def shortened(text: str, room: float, size: float) -> str:
    """Return a text, cut so that it is at most so wide, with an ellipsis where it was cut."""
    text = " ".join(text.split()) or "(empty)"
    if width(text, size) <= room:
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

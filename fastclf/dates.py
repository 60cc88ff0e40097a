"""Parsing of dates and time stamps in ISO 8601 format into numbers."""

import re
from collections.abc import Iterable
from datetime import datetime

import numpy as np

PARTS = ("year", "month", "weekday", "hour", "days")
"""The parts of a date: year, month (1 to 12), weekday (0 for Monday), hour of the day with its
fraction, and days since 1 January 1970 with the fraction of the day."""

HOUR = PARTS.index("hour")

_EPOCH = datetime(1970, 1, 1).toordinal()
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?( ?(Z|[+-]\d\d(:?\d\d)?))?)?"
)


def is_date(text: str) -> bool:
    """Tell whether some text is a date, such as 2024-02-29, or a date with a time.

    Examples
    --------
    >>> from fastclf.dates import is_date
    >>> [is_date(text) for text in ("2024-02-29", "2024-02-29 12:30", "2023-02-29", "20240229")]
    [True, True, False, False]
    """
    return moment(text) is not None


def date_parts(texts: Iterable[str]) -> np.ndarray:
    """Return the parts of dates as numbers of shape (k, 5), with NaN for text that isn't a date.

    Times are local: an offset from UTC is ignored.

    Examples
    --------
    >>> from fastclf.dates import date_parts
    >>> date_parts(["2024-02-29T12:30:00Z"]).tolist()
    [[2024.0, 2.0, 3.0, 12.5, 19782.520833333332]]
    """
    rows = [_numbers(moment(text)) for text in texts]
    return np.array(rows, np.float64).reshape(len(rows), len(PARTS))


def moment(text: str) -> datetime | None:
    """Return text as a local date and time, or None if it isn't a date; an offset is ignored.

    Examples
    --------
    >>> from fastclf.dates import moment
    >>> moment("2024-02-29") == moment("2024-02-29 00:00:00.000")
    True
    """
    if _ISO.fullmatch(text) is None:
        return None
    try:
        written = text[:10] + text[10:].replace(" ", "T", 1).replace(" ", "")
        return datetime.fromisoformat(written).replace(tzinfo=None)
    except ValueError:
        return None  # a day that doesn't exist, such as 30 February


def _numbers(date: datetime | None) -> tuple[float, ...]:
    if date is None:
        return (np.nan,) * len(PARTS)
    seconds = 60 * date.minute + date.second + date.microsecond / 1e6
    hour = date.hour + seconds / 3600
    days = date.toordinal() - _EPOCH + hour / 24
    return date.year, date.month, date.weekday(), hour, days

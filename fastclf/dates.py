"""Dates and time stamps as text, the way ISO 8601 writes them, and the numbers they are made of."""

import re
from collections.abc import Iterable
from datetime import datetime

import numpy as np

PARTS = ("year", "month", "weekday", "hour", "days")
"""What a date is taken apart into: the year, the month from 1 on, the day of the week from 0 for
Monday on, the hour of the day with its fraction, and the days since the first of January 1970."""

HOUR = PARTS.index("hour")

_EPOCH = datetime(1970, 1, 1).toordinal()
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?( ?(Z|[+-]\d\d(:?\d\d)?))?)?"
)


def is_date(text: str) -> bool:
    """Tell whether some text is a date or a time stamp: 2024-02-29, or with a time behind it.

    Examples
    --------
    >>> from fastclf.dates import is_date
    >>> [is_date(text) for text in ("2024-02-29", "2024-02-29 12:30", "2023-02-29", "20240229")]
    [True, True, False, False]
    """
    return moment(text) is not None


def date_parts(texts: Iterable[str]) -> np.ndarray:
    """Return the parts of dates as numbers, (k, 5); NaN for what is no date.

    A time is that of the clock it was read from: an offset from UTC behind it doesn't move it.

    Examples
    --------
    >>> from fastclf.dates import date_parts
    >>> date_parts(["2024-02-29T12:30:00Z"]).tolist()
    [[2024.0, 2.0, 3.0, 12.5, 19782.520833333332]]
    """
    rows = [_numbers(moment(text)) for text in texts]
    return np.array(rows, np.float64).reshape(len(rows), len(PARTS))


def moment(text: str) -> datetime | None:
    """Return what a date or a time stamp says of the clock and the calendar; None of other text.

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
        return None  # such as the 30th of February


def _numbers(date: datetime | None) -> tuple[float, ...]:
    if date is None:
        return (np.nan,) * len(PARTS)
    seconds = 60 * date.minute + date.second + date.microsecond / 1e6
    hour = date.hour + seconds / 3600
    days = date.toordinal() - _EPOCH + hour / 24
    return date.year, date.month, date.weekday(), hour, days

"""Columns of text that should have been numbers."""

from collections.abc import Mapping

_MANY = 10  # as many different numbers, nearly all of a column, are no categories
_NEARLY_ALL = 0.95


def is_number(text: str) -> bool:
    """Tell whether some text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_nearly_numeric(counts: Mapping[str, int]) -> bool:
    """Tell whether values with their numbers of rows are many numbers and a little text."""
    numeric = [count for text, count in counts.items() if is_number(text)]
    return len(numeric) >= _MANY and sum(numeric) >= _NEARLY_ALL * sum(counts.values())

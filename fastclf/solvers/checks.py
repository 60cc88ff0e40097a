"""Checks of hyperparameters that need no data."""

from typing import Any

from fastclf.errors import InputError


def check_integer(name: str, value: Any, least: int) -> None:
    """Refuse what isn't an integer of at least ``least``."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise InputError(f"{name} must be an integer >= {least}, got {value!r}")


def check_limits(tol: Any, max_iter: Any) -> None:
    """Refuse a tolerance or a number of iterations that is neither None nor >= 0."""
    if tol is not None and not tol >= 0:
        raise InputError(f"tol must be None or >= 0, got {tol!r}")
    if max_iter is not None:
        check_integer("max_iter", max_iter, 0)

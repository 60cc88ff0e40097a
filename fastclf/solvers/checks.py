"""Checks of hyperparameters."""

from typing import Any

from fastclf.errors import InputError


def check_integer(name: str, value: Any, least: int) -> None:
    """Raise InputError unless the value is an integer of at least ``least``."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
        raise InputError(f"{name} must be an integer >= {least}, got {value!r}")


def check_limits(tol: Any, max_iter: Any) -> None:
    """Raise InputError unless ``tol`` and ``max_iter`` are None or >= 0."""
    if tol is not None and not tol >= 0:
        raise InputError(f"tol must be None or >= 0, got {tol!r}")
    if max_iter is not None:
        check_integer("max_iter", max_iter, 0)

"""The results of a search in the terminal."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

MOST = 10
"""Largest number of results in a table that doesn't show all."""


def print_results(summary: Mapping[str, Any], console: Console, every: bool = False) -> None:
    """Print the best results of a search, the chosen one marked; all of them if ``every``."""
    lower = summary["lower_is_better"]
    results = sorted(summary["results"], key=lambda one: one["mean"] if lower else -one["mean"])
    chosen = next(one for one in results if one["keys"] == summary["best"])
    shown = results if every else results[:MOST]
    if chosen not in shown:
        shown.append(chosen)
    keys = list(summary["best"])
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for title in (*map(_short, keys), summary["scoring"], "std. error", "folds", ""):
        table.add_column(escape(title), justify="left" if title == "" else "right", no_wrap=True)
    for one in shown:
        error = one["standard_error"]
        table.add_row(
            *(escape(_value(one["keys"][key])) for key in keys),
            f"{one['mean']:.4f}",
            "" if error is None else f"{error:.4f}",
            str(len(one["scores"])),
            "chosen" if one is chosen else "",
        )
    console.print(table)
    if len(results) > len(shown):
        console.print(f"and {len(results) - len(shown)} more, which --verbose shows")
    fits = sum(len(one["scores"]) for one in results)
    values = ", ".join(f"{_short(key)} = {_value(value)}" for key, value in summary["best"].items())
    console.print(
        f"compared {len(results)} combinations with {fits} fits; the run has {values}",
        soft_wrap=True,
    )


def _short(key: str) -> str:
    return key.rpartition(".")[2]


def _value(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)


def number(value: float) -> str:
    """Return a number with four digits, without an exponent from 1e-5 to 1e7.

    Examples
    --------
    >>> from fastclf.runs.tuning.tables import number
    >>> number(1e4), number(31.622776), number(1e-4), number(1e-9)
    ('10000', '31.62', '0.0001', '1e-09')
    """
    if not 1e-5 <= abs(value) < 1e7:
        return f"{value:.4g}"
    return np.format_float_positional(value, 4, unique=False, fractional=False, trim="-")

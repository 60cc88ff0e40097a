"""The results of a search in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

MOST = 10
"""Largest number of results in a table that doesn't show all."""


def print_results(summary: Mapping[str, Any], console: Console, every: bool = False) -> None:
    """Print the results of a search, the chosen one marked, and how many are as good.

    Results that differ in C alone are in the order of C. Others are in that of their score; the
    best of them are printed, or all if ``every``.
    """
    results = summary["results"]
    chosen = next(one for one in results if one["keys"] == summary["best"])
    keys = list(summary["best"])
    by_C = keys == ["model.C"]
    sign = 1 if summary["lower_is_better"] else -1
    results = sorted(
        results, key=lambda one: one["keys"]["model.C"] if by_C else sign * one["mean"]
    )
    shown = results if every or by_C else results[:MOST]
    if chosen not in shown:
        shown.append(chosen)
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for title in (*map(_short, keys), summary["scoring"], "std. error", "folds", ""):
        table.add_column(escape(title), justify="left" if title == "" else "right", no_wrap=True)
    for one in shown:
        error = one["standard_error"]
        table.add_row(
            *(escape(value_text(one["keys"][key])) for key in keys),
            f"{one['mean']:.4f}",
            "" if error is None else f"{error:.4f}",
            str(len(one["scores"])),
            "chosen" if one is chosen else "",
        )
    console.print(table)
    if len(results) > len(shown):
        console.print(f"and {len(results) - len(shown)} more, which --verbose shows")
    console.print(_conclusion(results, sign, summary["seconds"]), highlight=False)


def _conclusion(results: Sequence[Mapping[str, Any]], sign: int, seconds: float) -> str:
    """Return how many fits there were, and how many results are about as good as the best."""
    fits = sum(len(one["scores"]) for one in results)
    line = f"{fits:,} fits in {seconds:.1f} s"
    best = min(results, key=lambda one: sign * one["mean"])
    if best["standard_error"] is None:
        return line
    most = best["standard_error"]
    near = sum(sign * (one["mean"] - best["mean"]) <= most for one in results)
    return f"{line}; {near} of {len(results)} results are within one standard error of the best"


def _short(key: str) -> str:
    return key.rpartition(".")[2]


def value_text(value: Any) -> str:
    """Return the value of a key as text: of a float four digits, without an exponent if short.

    Examples
    --------
    >>> from fastclf.runs.tuning.tables import value_text
    >>> [value_text(value) for value in (31622.7766, 1000.0, 0.013981961, 1e-05, 3, "adam")]
    ['31620', '1000', '0.01398', '1e-05', '3', 'adam']
    """
    if not isinstance(value, float) or not 1e-4 <= abs(value) < 1e6:
        return f"{value:.4g}" if isinstance(value, float) else str(value)
    return np.format_float_positional(value, 4, unique=False, fractional=False, trim="-")

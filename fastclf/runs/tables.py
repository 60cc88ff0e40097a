"""Tables of metrics for a terminal, and which way of a metric is better."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

INTERVAL = "95 % interval"
MOST_COLUMNS = 20  # a larger confusion matrix isn't printed; it is in evaluation.json

Figures = Mapping[str, float]

LOWER_IS_BETTER = {
    "log_loss",
    "brier",
    "hamming_loss",
    "cross_entropy",
    "kl_divergence",
    "kl_to_teacher",
    "ece",
    "coverage_error",
}


def metrics_table(
    parts: Mapping[str, Figures], intervals: Mapping[str, Mapping[str, Sequence[float]]]
) -> Table:
    """Return a table with a row for each metric and a column for each part of the data or model.

    A part with ``intervals`` of its metrics has another column for them.
    """
    table = Table("metric")
    for part in parts:
        table.add_column(escape(part), justify="right")
        if part in intervals:
            table.add_column(INTERVAL, justify="right", no_wrap=True)
    for metric in dict.fromkeys(metric for figures in parts.values() for metric in figures):
        cells = []
        for part, figures in parts.items():
            cells.append(shown(figures.get(metric)))
            if part in intervals:
                cells.append(interval_text(intervals[part].get(metric)))
        table.add_row(metric, *cells)
    return table


def interval_text(ends: Sequence[float] | None) -> str:
    """Return the ends of an interval as text, empty if there is none."""
    return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def names_table(kind: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table with a row for each class or label, from ``per_class`` or ``per_label``."""
    table = Table(kind)
    keys = [key for key in rows[0] if key != "name"]
    for key in keys:
        table.add_column(key, justify="right")
    for row in rows:
        table.add_row(escape(row["name"]), *(shown(row[key]) for key in keys))
    return table


def confusion_table(confusion: Mapping[str, Any]) -> Table:
    """Return the confusion matrix: a row for each true class, a column for each predicted class."""
    table = Table("true \\ predicted")
    for name in confusion["classes"]:
        table.add_column(escape(name), justify="right")
    for name, counts in zip(confusion["classes"], confusion["counts"], strict=True):
        table.add_row(escape(name), *map(str, counts))
    return table


def print_tables(tables: Mapping[str, Any], console: Console) -> None:
    """Print the tables of an `Evaluation`."""
    for kind in ("class", "label"):
        if f"per_{kind}" in tables:
            console.print(names_table(kind, tables[f"per_{kind}"]))
    if len(tables.get("confusion_matrix", {}).get("classes", ())) in range(1, MOST_COLUMNS + 1):
        console.print(confusion_table(tables["confusion_matrix"]))


def shown(value: Any) -> str:
    """Return a value of a table as text: floats with four decimals, None as an empty text."""
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else escape(str(value))

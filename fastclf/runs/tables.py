"""Tables of metrics for a terminal, and which way of a metric is better."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fastclf.table import listed

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
    parts: Mapping[str, Figures],
    intervals: Mapping[str, Mapping[str, Sequence[float]]],
    baseline: Mapping[str, Figures],
) -> Table:
    """Return a table with a row for each metric and a column for each part of the data or model.

    A part with ``intervals`` of its metrics has another column for them. The last part with a
    ``baseline`` has a column for it. Micro F1 is omitted beside accuracy, which it equals.
    """
    compared = [part for part in parts if baseline.get(part)][-1:]
    table = Table("metric")
    for part in parts:
        table.add_column(escape(part), justify="right")
        if part in intervals:
            table.add_column(INTERVAL, justify="right", no_wrap=True)
        if part in compared:
            table.add_column("baseline", justify="right")
    names = dict.fromkeys(metric for figures in parts.values() for metric in figures)
    if "accuracy" in names:
        names.pop("micro_f1", None)
    for metric in names:
        cells = []
        for part, figures in parts.items():
            cells.append(shown(figures.get(metric)))
            if part in intervals:
                cells.append(interval_text(intervals[part].get(metric)))
            if part in compared:
                cells.append(shown(baseline[part].get(metric)))
        table.add_row(metric, *cells)
    return table


def baseline_line(predicts: str | Sequence[str]) -> str:
    """Return a line that explains the column "baseline"; ``predicts`` has one class or labels."""
    if isinstance(predicts, str):
        return f"baseline: always predicts {predicts}, the most frequent class in training"
    labels = listed(predicts) if predicts else "none"
    return f"baseline: always predicts the labels that most training rows have: {labels}"


def undefined_lines(reasons: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return a line for each metric that isn't defined on a part of the data."""
    return [
        f"{metric} is missing on {part}: {reason}"
        for part, found in reasons.items()
        for metric, reason in found.items()
    ]


def interval_text(ends: Sequence[float] | None) -> str:
    """Return the ends of an interval as text, empty if there is none."""
    return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def names_table(kind: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table with a row for each class or label, from ``per_class`` or ``per_label``."""
    table = Table()
    table.add_column(kind, overflow="fold")
    keys = [key for key in rows[0] if key != "name"]
    for key in keys:
        table.add_column("rows" if key == "support" else key, justify="right")
    for row in rows:
        table.add_row(escape(row["name"]), *(shown(row[key]) for key in keys))
    return table


def confusion_table(confusion: Mapping[str, Any]) -> Table:
    """Return the confusion matrix: a row for each true class, a column for each predicted class."""
    table = Table()
    table.add_column("true \\ predicted", overflow="fold")
    for name in confusion["classes"]:
        table.add_column(escape(name), justify="right", overflow="fold")
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


def memory_text(n_bytes: float) -> str:
    """Return a number of bytes as text, with a decimal unit.

    Examples
    --------
    >>> from fastclf.runs.tables import memory_text
    >>> memory_text(8_000), memory_text(1_234_567), memory_text(2.5e9)
    ('8 kB', '1.2 MB', '2.5 GB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return (
                f"{n_bytes / size:.3g} {unit}"
                if n_bytes >= 10 * size
                else f"{n_bytes / size:.1f} {unit}"
            )
    return f"{n_bytes / 1e3:.0f} kB"

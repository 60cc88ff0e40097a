"""Facts about a data file, for the comment at the top of a drafted recipe."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastclf.data import Dataset
from fastclf.data.facts import (
    ColumnFacts,
    amounts_warning,
    looks_like_amounts,
    placeholder_warnings,
)
from fastclf.table import Table, listed, shortened

SHOWN = 40  # columns listed in the comment


def size_fact(file: Path, dataset: Dataset, columns: Sequence[ColumnFacts]) -> str:
    """Return a sentence about the size and the layout of a file."""
    width = dataset.features.shape[1]
    text = f"{file.name}: {dataset.n_rows:,} rows, {width:,} column{'s' if width != 1 else ''}"
    if columns:
        texts = sum(facts.is_text for facts in columns)
        categorical = sum(facts.kind == "categories" for facts in columns) - texts
        incomplete = sum(facts.missing > 0 for facts in columns)
        for count, what in ((categorical, "categorical"), (texts, "of text")):
            text += f", {count} {what}" if count else ""
        if incomplete:
            text += f", missing values in {incomplete}"
        if dataset.layout is not None and dataset.layout.unusual():
            text += f"; {dataset.layout}"
        return f"{text}."
    dense = isinstance(dataset.features, np.ndarray)
    return f"{text}, a {'dense' if dense else 'sparse'} matrix of {dataset.features.dtype}."


def warning_facts(dataset: Dataset) -> Iterator[str]:
    """Yield warnings about data that look like a mistake."""
    if isinstance(dataset.features, Table):
        yield from (f"Warning: {text}." for text in placeholder_warnings(dataset.features))
    if isinstance(dataset.features, Table) and looks_like_amounts(
        dataset.y, len(dataset.class_names)
    ):
        yield f"Warning: {amounts_warning(len(dataset.class_names))}."


def classes_fact(dataset: Dataset, options: Mapping[str, Any]) -> str:
    """Return a sentence with the classes or labels and their frequencies."""
    target = options.get("target")
    of = f" of {target}" if isinstance(target, str) else ""
    if dataset.y.ndim == 2:
        what = "Distributions over the classes" if dataset.is_soft else "Labels, any number a row"
        shares = np.nanmean(dataset.y, axis=0).tolist()
        named = [
            f"{shortened(name)} ({share:.0%})"
            for name, share in zip(dataset.class_names, shares, strict=True)
        ]
        return f"{what}{of}: {listed(named)}."
    labels, counts = np.unique(dataset.y, return_counts=True)
    named = [
        f"{shortened(str(label))} ({count:,})"
        for label, count in zip(labels.tolist(), counts.tolist(), strict=True)
    ]
    return f"Classes{of}: {listed(named)}."


def column_lines(columns: Sequence[ColumnFacts], options: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each column, up to `SHOWN` of them."""
    if columns:
        yield "Columns:"
    width = max((len(facts.name) for facts in columns[:SHOWN]), default=0)
    for facts in columns[:SHOWN]:
        left_out = ", left out" if facts.name in options.get("drop", ()) else ""
        yield f"  {facts.name:<{width}}  {facts}{left_out}"
    if len(columns) > SHOWN:
        yield f"  and {len(columns) - SHOWN} more"

"""Facts about a data file, for the comment at the top of a drafted recipe."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
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
    n_columns = dataset.features.shape[1]
    text = f"{file.name}: {dataset.n_rows:,} rows, {n_columns:,} column{'s' * (n_columns != 1)}"
    if columns:
        texts = sum(facts.is_text for facts in columns)
        categorical = sum(facts.kind == "categories" for facts in columns) - texts
        incomplete = sum(facts.missing > 0 for facts in columns)
        missing = f", missing values in {incomplete}" if incomplete else ""
        of_text = f", {texts} of text" if texts else ""
        text += f", {categorical} categorical{of_text}{missing}"
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
    """Yield a line for each column, or for several alike in a row, up to `SHOWN` of them."""
    if columns:
        yield "Columns:"
    lines = []
    for _, group in groupby(columns, lambda facts: _likeness(facts, options)):
        first, *others = group
        name = f"{first.name} to {others[-1].name}" if others else first.name
        lines.append((name, _line(first, len(others) + 1, options)))
    width = max((len(name) for name, _ in lines[:SHOWN]), default=0)
    for name, text in lines[:SHOWN]:
        yield f"  {name:<{width}}  {text}"
    if len(lines) > SHOWN:
        yield f"  and {len(lines) - SHOWN} more"


def _likeness(facts: ColumnFacts, options: Mapping[str, Any]) -> tuple:
    """Return what columns have in common that one line tells: f0, f1 and so on, all of numbers."""
    family = re.sub(r"\d+", "#", facts.name)
    if family == facts.name or facts.kind != "numbers" or facts.is_constant:
        return (facts.name,)
    return family, _left_out(facts, options), facts.missing > 0


def _line(facts: ColumnFacts, count: int, options: Mapping[str, Any]) -> str:
    text = str(facts)
    if count > 1:
        text = f"{count:,} columns of numbers" + (", some missing" if facts.missing else "")
    elif facts.is_constant:
        text = "the same value in every row"
    return text + _left_out(facts, options)


def _left_out(facts: ColumnFacts, options: Mapping[str, Any]) -> str:
    if facts.name not in options.get("drop", ()):
        return ""
    return ", left out: identifies rows" if facts.is_identifier else ", left out"

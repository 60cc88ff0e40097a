"""Warnings about data that can be trained on but look like a mistake."""

from collections.abc import Collection

from fastclf.data import Dataset
from fastclf.data.facts import (
    amounts_warning,
    constant_names,
    identifiers,
    identifiers_warning,
    looks_like_amounts,
    placeholder_warnings,
)
from fastclf.runs.streamed import StreamedData
from fastclf.table import Table, listed


def constant_warning(names: Collection[str]) -> str:
    """Return the warning that columns have the same value in every row."""
    return f"{listed(list(names))}: the same value in every row, which carries no information"


def data_warnings(data: Dataset | StreamedData, categorical: Collection[str]) -> list[str]:
    """Return warnings about features and labels.

    For a stream the training rows that are in memory are examined.

    Parameters
    ----------
    data : Dataset or StreamedData
    categorical : collection of str
        The columns that the recipe declares as categorical.
    """
    if isinstance(data, StreamedData):
        features, y = data.train.X, data.labels
    else:
        features, y = data.features, data.y
    if not isinstance(features, Table):
        return []
    found = []
    text = data.text if isinstance(data, Dataset) else ()
    if names := [name for name in identifiers(features) if name not in text]:
        found.append(identifiers_warning(names))
    if constant := constant_names(features):
        found.append(constant_warning(constant))
    found += placeholder_warnings(features, {*categorical, *text})
    if data.task != "multilabel" and looks_like_amounts(y, len(data.class_names)):
        found.append(amounts_warning(len(data.class_names)))
    return found

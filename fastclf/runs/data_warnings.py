"""Warnings about data that can be trained on but look like a mistake."""

from collections.abc import Collection

from fastclf.data import Dataset
from fastclf.data.facts import (
    amounts_warning,
    identifiers,
    identifiers_warning,
    looks_like_amounts,
    placeholder_warnings,
)
from fastclf.runs.streamed import StreamedData
from fastclf.table import Table


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
    found += placeholder_warnings(features, {*categorical, *text})
    if data.task != "multilabel" and looks_like_amounts(y, len(data.class_names)):
        found.append(amounts_warning(len(data.class_names)))
    return found

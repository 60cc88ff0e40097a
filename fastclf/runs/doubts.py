"""Warnings about data that can be trained on, but look like a mistake."""

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


def doubts_of(data: Dataset | StreamedData, categorical: Collection[str]) -> list[str]:
    """Return warnings about features and labels; of a stream the features are those to test on."""
    if isinstance(data, StreamedData):
        features, y = data.test.X, data.labels
    else:
        features, y = data.features, data.y
    if not isinstance(features, Table):
        return []
    doubts = []
    if names := identifiers(features):
        doubts.append(identifiers_warning(names))
    doubts += placeholder_warnings(features, categorical)
    if data.task != "multilabel" and looks_like_amounts(y, len(data.class_names)):
        doubts.append(amounts_warning(len(data.class_names)))
    return doubts

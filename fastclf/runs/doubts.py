"""What looks wrong with data that can be trained on."""

from collections.abc import Collection

from fastclf.data import Dataset
from fastclf.data.facts import (
    identifiers,
    looks_like_amounts,
    told_of_amounts,
    told_of_identifiers,
    told_of_marks,
)
from fastclf.runs.streamed import StreamedData
from fastclf.table import Table


def doubts_of(data: Dataset | StreamedData, categorical: Collection[str]) -> list[str]:
    """Return what is to be thought of; of rows that aren't in memory by those to test on."""
    if isinstance(data, StreamedData):
        features, y = data.test.X, data.labels
    else:
        features, y = data.features, data.y
    if not isinstance(features, Table):
        return []
    doubts = []
    if names := identifiers(features):
        doubts.append(told_of_identifiers(names))
    doubts += told_of_marks(features, categorical)
    if data.task != "multilabel" and looks_like_amounts(y, len(data.class_names)):
        doubts.append(told_of_amounts(len(data.class_names)))
    return doubts

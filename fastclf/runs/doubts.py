"""What looks wrong with data that can be trained on."""

from fastclf.data import Dataset
from fastclf.data.facts import (
    identifiers,
    looks_like_amounts,
    told_of_amounts,
    told_of_identifiers,
)
from fastclf.runs.streamed import StreamedData
from fastclf.table import Table


def doubts_of(data: Dataset | StreamedData) -> list[str]:
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
    if data.task != "multilabel" and looks_like_amounts(y, len(data.class_names)):
        doubts.append(told_of_amounts(len(data.class_names)))
    return doubts

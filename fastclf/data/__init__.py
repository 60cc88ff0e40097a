"""From a dataset card to arrays: cards, readers, splits and scaling."""

from fastclf.data.cards import DatasetCard, read_card
from fastclf.data.readers import BUILT_IN, Dataset, load_built_in, load_card
from fastclf.data.scaling import fit_scaling
from fastclf.data.splits import split_rows

__all__ = [
    "BUILT_IN",
    "Dataset",
    "DatasetCard",
    "fit_scaling",
    "load_built_in",
    "load_card",
    "read_card",
    "split_rows",
]

"""Loading of data sets from names, cards and files: readers, targets, splits and preprocessing."""

from typing import TYPE_CHECKING

from fastclf.late import loading

_HOMES = {
    "BUILT_IN": "fastclf.data.bundled",
    "Dataset": "fastclf.data.dataset",
    "DatasetCard": "fastclf.data.cards",
    "FETCHED": "fastclf.data.fetched",
    "FileOptions": "fastclf.data.options",
    "FrameEncoder": "fastclf.data.frame_encoder",
    "GENERATORS": "fastclf.data.bundled",
    "Stream": "fastclf.data.stream",
    "fit_encoder": "fastclf.data.columns",
    "fit_scaling": "fastclf.data.scaling",
    "load_built_in": "fastclf.data.bundled",
    "load_card": "fastclf.data.sources",
    "load_file": "fastclf.data.files",
    "load_matrix": "fastclf.data.arrays",
    "open_table": "fastclf.data.tables",
    "read_card": "fastclf.data.cards",
    "read_table": "fastclf.data.tables",
    "read_teacher_outputs": "fastclf.data.arrays",
    "split_rows": "fastclf.data.splits",
    "stream_table": "fastclf.data.tables",
}

__all__ = [
    "BUILT_IN",
    "FETCHED",
    "GENERATORS",
    "Dataset",
    "DatasetCard",
    "FileOptions",
    "FrameEncoder",
    "Stream",
    "fit_encoder",
    "fit_scaling",
    "load_built_in",
    "load_card",
    "load_file",
    "load_matrix",
    "open_table",
    "read_teacher_outputs",
    "read_card",
    "read_table",
    "split_rows",
    "stream_table",
]

if TYPE_CHECKING:
    from fastclf.data.arrays import load_matrix, read_teacher_outputs
    from fastclf.data.bundled import BUILT_IN, GENERATORS, load_built_in
    from fastclf.data.cards import DatasetCard, read_card
    from fastclf.data.columns import fit_encoder
    from fastclf.data.dataset import Dataset
    from fastclf.data.fetched import FETCHED
    from fastclf.data.files import load_file
    from fastclf.data.frame_encoder import FrameEncoder
    from fastclf.data.options import FileOptions
    from fastclf.data.scaling import fit_scaling
    from fastclf.data.sources import load_card
    from fastclf.data.splits import split_rows
    from fastclf.data.stream import Stream
    from fastclf.data.tables import open_table, read_table, stream_table

__getattr__ = loading("fastclf.data", _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)

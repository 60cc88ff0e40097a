"""Loading of data sets from names, cards and files: readers, targets, splits and preprocessing."""

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

"""Dataset cards: what a data set is, where it comes from, and who may use it.

A card is a TOML file; ``datasets/`` holds those of this project. The facts in a card are checked
against the data whenever they are read.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from fastclf.data.options import FileOptions, FilePath
from fastclf.errors import DataError
from fastclf.toml import Document, Table

Task = Literal["binary", "multiclass", "multilabel"]
Text = Annotated[str, Field(min_length=1)]


class BundledSource(Table):
    """Data that come with scikit-learn: ``loader = "iris"`` is ``sklearn.datasets.load_iris``."""

    kind: Literal["sklearn"]
    loader: str


class GeneratedSource(Table):
    """Data that scikit-learn generates: ``generator = "blobs"`` is ``make_blobs``.

    ``parameters`` are its keyword arguments. Without a ``random_state`` it is 0: a card always
    means the same data.
    """

    kind: Literal["generated"]
    generator: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class FileSource(FileOptions):
    """Data in a file beside the card, read as `FileOptions` say.

    ``path`` is relative to the card's folder, and ``sha256`` is that of the file.
    """

    kind: Literal["file"]
    path: FilePath
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class DatasetCard(Table):
    """One data set.

    Attributes
    ----------
    name : str
        Its name.
    description : str
        What a row is, and what is to be predicted.
    task : {"binary", "multiclass", "multilabel"}
        Two classes, more classes, or several labels a row.
    licence : str
        The terms of use; an SPDX identifier where there is one.
    origin : str
        Where the data come from: a DOI, an address, or how they are generated.
    n_rows, n_features : int
        The size: rows, without those of a test file; and columns that are features.
    classes : tuple of str
        Names of the classes or labels, in the order of the source's codes.
    source : BundledSource, GeneratedSource or FileSource
        How the data are read.
    """

    name: Text
    description: Text
    task: Task
    licence: Text
    origin: Text
    n_rows: Annotated[int, Field(ge=1)]
    n_features: Annotated[int, Field(ge=1)]
    classes: Annotated[tuple[str, ...], Strict(False), Field(min_length=1)]
    source: Annotated[BundledSource | GeneratedSource | FileSource, Field(discriminator="kind")]


def read_card(path: Path) -> DatasetCard:
    """Read the card at ``path``.

    Raises
    ------
    DataError
        If the file can't be read or isn't a dataset card.
    """
    return Document.read(path, DataError).parse(DatasetCard)

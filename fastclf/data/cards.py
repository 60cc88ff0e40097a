"""Dataset cards: description, origin and licence of a data set, and how to read it.

A card is a TOML file; those of this project are in ``datasets/``. Whenever the data are read,
they are checked against the card.
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
    """Data that are part of scikit-learn: ``loader = "iris"`` calls ``load_iris``.

    Attributes
    ----------
    kind : "sklearn"
        The kind of source.
    loader : str
        A key of `fastclf.data.BUILT_IN`.
    """

    kind: Literal["sklearn"]
    loader: str


class GeneratedSource(Table):
    """Data that scikit-learn generates: ``generator = "blobs"`` calls ``make_blobs``.

    Attributes
    ----------
    kind : "generated"
        The kind of source.
    generator : str
        A key of `fastclf.data.GENERATORS`.
    parameters : dict
        Its keyword arguments. random_state is 0 by default, so that a card always gives the same
        data.
    """

    kind: Literal["generated"]
    generator: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class FileSource(FileOptions):
    """Data in a file, which is read by the keys of `FileOptions`.

    Attributes
    ----------
    kind : "file"
        The kind of source.
    path : str
        The file, relative to the card's folder.
    sha256 : str
        The checksum of the file, in hexadecimal.
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
        What a row is, and what is predicted.
    task : {"binary", "multiclass", "multilabel"}
        Two classes, more classes, or several labels per row.
    licence : str
        The terms of use, as an SPDX identifier if there is one.
    origin : str
        Where the data come from: a DOI, a URL, or how they are generated.
    n_rows, n_features : int
        The number of rows, without those of a test file, and of columns that are features.
    classes : tuple of str
        The names of the classes or labels, in the order of the codes in the source.
    source : BundledSource, GeneratedSource or FileSource
        How to get the data.

    Examples
    --------
    >>> from fastclf.data import DatasetCard
    >>> card = DatasetCard(
    ...     name="iris",
    ...     description="Three species of iris, by the size of sepals and petals",
    ...     task="multiclass",
    ...     licence="CC-BY-4.0",
    ...     origin="https://doi.org/10.24432/C56C76",
    ...     n_rows=150,
    ...     n_features=4,
    ...     classes=("setosa", "versicolor", "virginica"),
    ...     source={"kind": "sklearn", "loader": "iris"},
    ... )
    >>> card.source.loader
    'iris'
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
    """Read a dataset card.

    Parameters
    ----------
    path : Path
        A TOML file.

    Returns
    -------
    DatasetCard
        Paths in it are absolute.

    Raises
    ------
    DataError
        If the file can't be read or isn't a dataset card.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastclf.data import read_card
    >>> text = '''
    ... name = "blobs"
    ... description = "Two clouds of points"
    ... task = "binary"
    ... licence = "CC0-1.0"
    ... origin = "generated"
    ... n_rows = 100
    ... n_features = 2
    ... classes = ["left", "right"]
    ... source = {kind = "generated", generator = "blobs", parameters = {centers = 2}}
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "blobs.toml")
    ...     _ = path.write_text(text)
    ...     card = read_card(path)
    >>> card.name, card.source.generator
    ('blobs', 'blobs')
    """
    return Document.read(path, DataError).parse(DatasetCard)

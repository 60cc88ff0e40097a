"""Loading of the data that a dataset card describes; they are checked against the card."""

import hashlib
from dataclasses import replace
from pathlib import Path

from fastclf.data.bundled import load_built_in, load_generated
from fastclf.data.cards import BundledSource, DatasetCard, FileSource, read_card
from fastclf.data.dataset import Dataset
from fastclf.data.files import load_file
from fastclf.errors import DataError, located


def load_card(path: Path) -> Dataset:
    """Return the data set that the card at ``path`` describes.

    Parameters
    ----------
    path : Path
        The card, a TOML file.

    Returns
    -------
    Dataset
        Its name is that of the card.

    Raises
    ------
    DataError
        If the card can't be used, or the data differ from its description.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastclf.data import load_card
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
    ...     blobs = load_card(path)
    >>> blobs.features.shape, blobs.class_names
    ((100, 2), ('left', 'right'))
    """
    card = read_card(path)
    with located(path):
        dataset = replace(_load(card), name=card.name)
        _check(dataset, card)
    return dataset


def _load(card: DatasetCard) -> Dataset:
    source = card.source
    if isinstance(source, BundledSource):
        return load_built_in(source.loader)
    if isinstance(source, FileSource):
        _check_bytes(source)
        return load_file(Path(source.path), source)
    return load_generated(source, card.name, card.classes)


def _check_bytes(source: FileSource) -> None:
    """Compare the file with the checksum in its card."""
    try:
        with open(source.path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise DataError(f"{source.path}: can't be read: {problem.strerror}") from None
    if found != source.sha256:
        raise DataError(
            f"{source.path}: the sha256 is {found}, but the card says {source.sha256}; get the "
            "file "
            "again, or correct the card"
        )


def _check(dataset: Dataset, card: DatasetCard) -> None:
    """Compare the data with the facts in their card."""
    found = {
        "n_rows": dataset.n_rows,
        "n_features": dataset.features.shape[1],
        "task": dataset.task,
        "classes": sorted(dataset.class_names),
    }
    expected = {
        "n_rows": card.n_rows,
        "n_features": card.n_features,
        "task": card.task,
        "classes": sorted(card.classes),
    }
    for fact, value in found.items():
        if value != expected[fact]:
            raise DataError(f"the card says {fact} = {expected[fact]}, but the data have {value}")

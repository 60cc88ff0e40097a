"""The data sets that a recipe can name: those of scikit-learn, and dataset cards in a folder."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn import datasets

from fastclf.data.bundled import BUILT_IN, GENERATORS
from fastclf.data.cards import DatasetCard, read_card
from fastclf.data.fetched import FETCHED, OPENML
from fastclf.errors import DataError

DEFAULT_FOLDER = Path("datasets")


@dataclass(frozen=True)
class Entry:
    """A data set that a recipe can name.

    Attributes
    ----------
    kind : {"built-in", "fetched", "generator", "card"}
    name : str
        The name of the data set, or the path of the card.
    description : str
    recipe : str
        The key and value with which a recipe or a card names it.
    card : DatasetCard or None
        The card, if ``kind`` is "card".
    """

    kind: str
    name: str
    description: str
    recipe: str
    card: DatasetCard | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as values that JSON can hold."""
        fields = {
            "kind": self.kind,
            "name": self.name,
            "description": self.description,
            "recipe": self.recipe,
        }
        return fields if self.card is None else fields | {"card": self.card.model_dump(mode="json")}


def catalogue() -> Iterator[Entry]:
    """Yield the data sets that scikit-learn includes, fetches or generates."""
    for name, load in BUILT_IN.items():
        yield Entry("built-in", name, _about(load), f'[data] name = "{name}"')
    for name in FETCHED:
        load = getattr(datasets, f"fetch_{name}")
        yield Entry("fetched", name, _about(load), f'[data] name = "{name}"')
    openml = "any data set of OpenML, by number or by name"
    yield Entry("fetched", f"{OPENML}NAME", openml, f'[data] name = "{OPENML}31"')
    for name, make in GENERATORS.items():
        source = f'a card with [source] kind = "generated", generator = "{name}"'
        yield Entry("generator", name, _about(make), source)


def find_datasets(folder: Path | None = None) -> tuple[list[Entry], list[str]]:
    """Return the data sets of scikit-learn and the cards in a folder.

    Parameters
    ----------
    folder : Path, optional
        The folder of cards; by default ``datasets``, if there is such a folder.

    Returns
    -------
    entries : list of Entry
    problems : list of str
        A line for each TOML file in the folder that isn't a card.

    Raises
    ------
    DataError
        If ``folder`` is given and doesn't exist.
    """
    entries = list(catalogue())
    if folder is None and not DEFAULT_FOLDER.is_dir():
        return entries, []
    cards, problems = cards_in(folder or DEFAULT_FOLDER)
    return entries + cards, problems


def cards_in(folder: Path) -> tuple[list[Entry], list[str]]:
    """Return the dataset cards in a folder, and a line for each TOML file that isn't one.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    entries, problems = [], []
    for path in sorted(folder.glob("*.toml")):
        try:
            card = read_card(path)
        except DataError as problem:
            problems.append(str(problem))
        else:
            use = f'[data] card = "{path}"'
            entries.append(Entry("card", str(path), card.description, use, card))
    return entries, problems


def _about(function: Any) -> str:
    line = (inspect.getdoc(function) or "").partition("\n")[0].rstrip(".")
    return re.sub("^(Load and return the|Load the|Generate an?) ", "", line)

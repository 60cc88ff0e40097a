"""The data sets that a recipe can name: those of scikit-learn, and dataset cards in a folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastclf.data.cards import DatasetCard, read_card
from fastclf.errors import DataError

DEFAULT_FOLDER = Path("datasets")
MOST_LETTERS = 20  # of all classes together; of more classes there is the number


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
    n_rows, n_features : int or None
        The number of rows and of features; None if there are any number.
    target : str
        What is predicted: the target column and the classes or labels.
    card : DatasetCard or None
        The card, if ``kind`` is "card".
    """

    kind: str
    name: str
    description: str
    recipe: str
    n_rows: int | None = None
    n_features: int | None = None
    target: str = ""
    card: DatasetCard | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the entry as values that JSON can hold."""
        keys = ("kind", "name", "description", "recipe", "n_rows", "n_features", "target")
        fields = {key: getattr(self, key) for key in keys}
        return fields if self.card is None else fields | {"card": self.card.model_dump(mode="json")}


# Name, rows, features, target and description. They stand here, although scikit-learn knows most of
# it, because importing scikit-learn takes longer than all else that a listing does.
_BUILT_IN = (
    ("breast_cancer", 569, 30, "benign, malignant", "measurements of cell nuclei, Wisconsin"),
    ("digits", 1797, 64, "10 digits", "images of handwritten digits, 8 x 8 pixels"),
    ("iris", 150, 4, "3 species", "measurements of iris flowers"),
    ("wine", 178, 13, "3 cultivars", "chemical analyses of Italian wines"),
)
_FETCHED = (
    ("20newsgroups_vectorized", 18846, 130107, "20 newsgroups", "word counts of messages"),
    ("covtype", 581012, 54, "7 cover types", "forest cover by cartographic variables"),
    ("kddcup99", 494021, 41, "23 kinds", "network connections, normal ones and attacks"),
    ("rcv1", 804414, 47236, "103 labels", "news stories of Reuters, several topics a story"),
)
_GENERATORS = (
    ("blobs", "Gaussian clusters, one for each class"),
    ("classification", "classes of several clusters, with redundant features"),
    ("multilabel_classification", "counts of words, with several labels a row"),
)


def catalogue() -> Iterator[Entry]:
    """Yield the data sets that scikit-learn includes, fetches or generates."""
    for kind, sets in (("built-in", _BUILT_IN), ("fetched", _FETCHED)):
        for name, n_rows, n_features, target, description in sets:
            use = f'[data] name = "{name}"'
            yield Entry(kind, name, description, use, n_rows, n_features, target)
    openml = "any data set of OpenML, by its number or its name"
    yield Entry("fetched", "openml:NAME", openml, '[data] name = "openml:31"')
    for name, description in _GENERATORS:
        source = f'a card with [source] kind = "generated", generator = "{name}"'
        yield Entry("generator", name, description, source)


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
            entries.append(_of_card(path, card))
    return entries, problems


def _of_card(path: Path, card: DatasetCard) -> Entry:
    few = len(", ".join(card.classes)) <= MOST_LETTERS
    nouns = "labels" if card.task == "multilabel" else "classes"
    target = ", ".join(card.classes) if few else f"{len(card.classes)} {nouns}"
    column = getattr(card.source, "target", None)
    if isinstance(column, str):
        target = f"{column}: {target}"
    use = f'[data] card = "{path}"'
    return Entry(
        "card", str(path), card.description, use, card.n_rows, card.n_features, target, card
    )

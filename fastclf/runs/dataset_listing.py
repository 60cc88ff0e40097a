"""The tables of data sets that ``fastclf datasets`` prints."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fastclf.data.catalogue import Entry

USE = (
    "A recipe names a built-in or fetched data set with data.name, and a card with data.card. "
    "Fetched data are downloaded once. A generator needs a card."
)

_FACTS = {"task": "task", "rows": "n_rows", "features": "n_features", "description": "description"}
_ORIGIN = {"licence": "licence", "origin": "origin"}


def print_datasets(entries: Sequence[Entry], console: Console, verbose: bool = False) -> None:
    """Print scikit-learn's data sets, then the cards, and if ``verbose`` licences and origins."""
    cards = [entry for entry in entries if entry.card is not None]
    table = _table("kind", "name", "description")
    for entry in entries:
        if entry.card is None:
            table.add_row(*map(escape, (entry.kind, entry.name, _plain(entry.description))))
    console.print(table)
    for columns in (_FACTS, *([_ORIGIN] if verbose else [])) if cards else ():
        table = _table("card", *columns)
        for entry in cards:
            facts = (str(getattr(entry.card, key) or "") for key in columns.values())
            table.add_row(*map(escape, (entry.name, *facts)))
        console.print()
        console.print(table)
    console.print(f"\n{USE}")


def _table(*titles: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title in titles:
        right = title in ("rows", "features")
        table.add_column(
            title, overflow="fold", no_wrap=title == "card", justify="right" if right else "left"
        )
    return table


def _plain(description: str) -> str:
    """Return a description without the words that scikit-learn's docstrings have around it."""
    text = description.removesuffix(".").removesuffix("(classification)").strip()
    text = text.removesuffix(" dataset").removeprefix("Load and vectorize ")
    return text[:1].upper() + text[1:]

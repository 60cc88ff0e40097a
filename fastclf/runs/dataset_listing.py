"""The list of data sets that ``fastclf datasets`` prints."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from fastclf.data.catalogue import Entry

TITLES = {
    "built-in": "Built in",
    "fetched": "Downloaded when first used",
    "generator": "Generated, by a card that names the generator",
    "card": "Cards",
}


def print_datasets(entries: Sequence[Entry], console: Console, verbose: bool = False) -> None:
    """Print the data sets by kind: name, rows, features, target, and the description below.

    With ``verbose`` also the line of a recipe that names each one, and a card's licence and origin.
    """
    widest = min(max((len(entry.name) for entry in entries), default=0), 40)
    for kind, group in groupby(entries, lambda entry: entry.kind):
        has_sizes = kind != "generator"
        head = ("rows", "features", "target") if has_sizes else ()
        console.print(_line((f"[bold]{TITLES[kind]}[/bold]", *head), widest))
        for entry in group:
            numbers = (
                "" if size is None else f"{size:,}" for size in (entry.n_rows, entry.n_features)
            )
            cells = (entry.name, *numbers, entry.target) if has_sizes else (entry.name,)
            console.print(_line([f"  {escape(cells[0])}", *map(escape, cells[1:])], widest))
            for text in (entry.description, *(_more(entry) if verbose else ())):
                console.print(Padding(escape(text), (0, 0, 0, 4), expand=False), highlight=False)
        console.print()


def _line(cells: Sequence[str], width: int) -> Table | str:
    if len(cells) == 1:
        return cells[0]
    line = Table.grid(padding=(0, 2))
    line.add_column(min_width=width + 2)
    line.add_column(min_width=7, justify="right")
    line.add_column(min_width=8, justify="right")
    line.add_column()
    line.add_row(*cells)
    return line


def _more(entry: Entry) -> list[str]:
    more = [entry.recipe]
    if entry.card is not None:
        more += [f"licence: {entry.card.licence}", f"origin: {entry.card.origin}"]
    return more

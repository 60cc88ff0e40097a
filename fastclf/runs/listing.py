"""The data sets that recipes can name, for a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fastclf.data.catalogue import Entry

COLUMNS = {"task": "task", "rows": "n_rows", "features": "n_features"}


def print_datasets(entries: Sequence[Entry], console: Console, verbose: bool = False) -> None:
    """Print a row for each data set; more of what cards say if ``verbose``."""
    more = {"licence": "licence", "origin": "origin"} if verbose else {}
    columns = COLUMNS | more
    table = Table("kind")
    table.add_column("name", no_wrap=True)
    for title in (*columns, "description"):
        table.add_column(title)
    for entry in entries:
        facts = ("" if entry.card is None else getattr(entry.card, key) for key in columns.values())
        cells = (entry.kind, entry.name, *facts, entry.description)
        table.add_row(*(escape(str(cell or "")) for cell in cells))
    console.print(table)

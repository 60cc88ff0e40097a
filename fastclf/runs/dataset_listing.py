"""The table of data sets that ``fastclf datasets`` prints."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fastclf.data.catalogue import Entry

COLUMNS = {"task": "task", "rows": "n_rows", "features": "n_features"}


def print_datasets(entries: Sequence[Entry], console: Console, verbose: bool = False) -> None:
    """Print a row for each data set, with licence and origin if ``verbose``."""
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

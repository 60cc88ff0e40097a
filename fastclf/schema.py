"""Descriptions of the keys of tables, and JSON schemas with these descriptions.

The descriptions are taken from the Attributes sections of the tables' docstrings.
"""

import inspect
from collections.abc import Iterator
from typing import Any, get_args

from fastclf.toml import Table, tables_in


def descriptions(table: type[Table]) -> dict[str, str]:
    """Return the description of each key, from the docstrings of a table and its base classes.

    Examples
    --------
    >>> from fastclf.toml import Table
    >>> class Fruit(Table):
    ...     '''Fruit.
    ...
    ...     Attributes
    ...     ----------
    ...     weight : float
    ...         In
    ...         grams.
    ...     '''
    ...     weight: float
    >>> descriptions(Fruit)
    {'weight': 'In grams.'}
    """
    found: dict[str, str] = {}
    for kind in reversed(table.__mro__):
        if issubclass(kind, Table):
            found |= _attributes(inspect.cleandoc(kind.__doc__ or ""))
    return {key: found[key] for key in table.model_fields if key in found}


def _attributes(docstring: str) -> dict[str, str]:
    section = docstring.partition("Attributes\n----------\n")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if line.startswith(" "):
            for name in names:
                text = f"{found.get(name, '')} {line.strip()}"
                found[name] = text.strip().replace("`", "")
        else:
            names = line.partition(" : ")[0].split(", ")
    return found


def json_schema(table: type[Table]) -> dict[str, Any]:
    """Return the JSON schema of a table and of all tables in it, with descriptions."""
    schema = table.model_json_schema()
    for kind in {table, *_inner(table)}:
        part = schema if kind is table else schema["$defs"][kind.__name__]
        part["description"] = _first_sentence(kind)
        for key, text in descriptions(kind).items():
            part["properties"][key]["description"] = text
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _inner(table: type[Table]) -> Iterator[type[Table]]:
    annotations = [info.annotation for info in table.model_fields.values()]
    if table.model_config.get("extra") == "allow":
        annotations += get_args(table.__annotations__["__pydantic_extra__"])
    for annotation in annotations:
        for kind in tables_in(annotation):
            yield kind
            yield from _inner(kind)


def _first_sentence(table: type[Table]) -> str:
    paragraph = inspect.cleandoc(table.__doc__ or "").partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("`", "")

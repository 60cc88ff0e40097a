"""Descriptions of the keys of tables and of their values, and JSON schemas with these descriptions.

The descriptions are taken from the Attributes sections of the tables' docstrings, and the values
from the types of the fields.
"""

import inspect
import json
from collections.abc import Iterator, Sequence
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


def allowed_values(table: type[Table]) -> dict[str, str]:
    """Return the allowed values of each key in words, from the types of a table's fields.

    Examples
    --------
    >>> from typing import Annotated, Literal
    >>> from pydantic import Field
    >>> from fastclf.toml import Table
    >>> class Fruit(Table):
    ...     colour: Literal["red", "green"]
    ...     weight: Annotated[float, Field(gt=0)] | list[bool] | None = None
    >>> allowed_values(Fruit)
    {'colour': '"red" or "green"', 'weight': 'a number above 0 or a list of true or false'}
    """
    properties = table.model_json_schema().get("properties", {})
    return {key: _values(properties[key]) for key in table.model_fields if key in properties}


def alternatives(words: Sequence[str]) -> str:
    """Return words as an enumeration of which one is meant: ``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


_NOUNS = {"number": "number", "integer": "whole number"}


def _values(schema: dict[str, Any], plural: bool = False) -> str:
    """Return the values that a JSON schema allows, in words; null is left out."""
    if "anyOf" in schema:
        members = [member for member in schema["anyOf"] if member.get("type") != "null"]
        return alternatives([_values(member, plural) for member in members])
    if "enum" in schema or "const" in schema:
        return alternatives([json.dumps(v) for v in schema.get("enum", [schema.get("const")])])
    kind = schema.get("type")
    if kind == "boolean":
        return "true or false"
    if kind in _NOUNS:
        noun = f"{_NOUNS[kind]}s" if plural else f"a {_NOUNS[kind]}"
        return f"{noun}{_range(schema)}"
    if kind == "array":
        return f"a list of {_values(schema['items'], plural=True)}"
    if isinstance(inner := schema.get("additionalProperties"), dict):
        return f"a table of {_values(inner, plural=True)}"
    return "text" if kind == "string" else "a table"


def _whole(bound: float | None) -> float | None:
    """Return a bound without a fraction that is 0, which some versions of pydantic write."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _range(schema: dict[str, Any]) -> str:
    bounds = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    low, above, high, below = (_whole(schema.get(name)) for name in bounds)
    if below is not None and below >= 2**63:  # the largest integer that is stored
        below = None
    if schema["type"] == "integer" and below is not None:
        high, below = below - 1, None
    start = f" above {above}" if above is not None else "" if low is None else f" from {low}"
    if high is not None:
        return f"{start} to {high}"
    if below is not None:
        return f"{start}{' and' if above is not None else ' to'} below {below}"
    return f" of at least {low}" if low is not None else start


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

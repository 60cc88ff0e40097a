"""The tables and keys of recipes and cards, and the recipes of ``configs/``, as Markdown.

A block named ``recipe-tables``, ``card-tables`` or ``recipe-files`` in a page is replaced by
what the classes of ``fastclf.config`` and ``fastclf.data`` say, and by the files of ``configs/``.
"""

import inspect
import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import tomlkit
from sphinx.application import Sphinx

from fastclf.config import Recipe
from fastclf.data import DatasetCard, FileOptions
from fastclf.schema import allowed_values, alternatives, descriptions
from fastclf.toml import Table, tables_in, tags

ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"\n\n\w+\n-{3,}\n")


def _literal(value: Any) -> str:
    if isinstance(value, Table):
        value = value.model_dump()
    if isinstance(value, dict):
        item = tomlkit.inline_table()
        item.update(value)
        return f"`{item.as_string()}`"
    return f"`{tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()}`"


def _text(kind: type[Table]) -> str:
    return SECTION.split(inspect.cleandoc(kind.__doc__ or "").replace("``", "`"))[0]


def _facts(kind: type[Table], key: str, tag: str, members: Sequence[type[Table]]) -> str:
    # The allowed values and the default of a key.
    info = kind.model_fields[key]
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    values = allowed_values(kind)[key]
    if key == tag:
        values = alternatives([_literal(name) for member in members for name in tags(member)])
    else:
        values = re.sub(r'"[^"]*"', r"`\g<0>`", values)
    if info.is_required() and (kind, key) != (Recipe, "name"):  # which is that of the file
        return f"{values}; required"
    return values if default is None else f"{values}; default {_literal(default)}"


def _keys(members: Sequence[type[Table]], skipped: Sequence[str] = ()) -> Iterator[str]:
    # The keys of the members of a union, as a list of definitions; equal ones of several only once.
    tag = next(
        (t for t in ("kind", "name") if len(members) > 1 and t in members[0].model_fields), ""
    )
    found: dict[tuple[str, str, str], list[type[Table]]] = {}
    for member in members:
        for key in member.model_fields:
            about = descriptions(member).get(key, "")
            if key not in skipped:
                first = members[0] if key == tag else member
                entry = key, _facts(first, key, tag, members), about
                found.setdefault(entry, []).append(member)
    for (key, facts, about), owners in found.items():
        names = [_literal(name) for owner in owners for name in tags(owner)]
        only = f" Only with `{tag}` {alternatives(names)}." if len(owners) < len(members) else ""
        yield f"`{key}`\n: {facts}\n\n  {about}{only}\n"


def _common(members: Sequence[type[Table]]) -> type[Table]:
    return next(kind for kind in members[0].__mro__ if all(issubclass(m, kind) for m in members))


def _tables(root: type[Table], title: str) -> Iterator[str]:
    # A section for the keys outside tables, and one for each table.
    fields = {name: tables_in(info.annotation) for name, info in root.model_fields.items()}
    inner = {name: members for name, members in fields.items() if members}
    yield f"### {title}\n"
    yield from _keys([root], skipped=list(inner))
    for name, members in inner.items():
        yield f"### `[{name}]`\n"
        common = _common(members)
        yield "\n\n".join(map(_text, [common] if common is not Table else members)) + "\n"
        yield from _keys(members, skipped=() if root is Recipe else [*FileOptions.model_fields])
        for key, info in members[0].model_fields.items():
            for kind in tables_in(info.annotation):
                yield f"#### `{name}.{key}` as a table\n\n{_text(kind)}\n"
                yield from _keys([kind])


def _files() -> Iterator[str]:
    # The recipes, each with the first sentence after the command that trains it.
    for path in sorted(ROOT.glob("configs/*.toml")):
        comment = takewhile(lambda line: line.startswith("#"), path.read_text().splitlines())
        text = " ".join(line.removeprefix("#").strip() for line in [*comment][1:]).strip()
        yield f":::{{dropdown}} `{path.name}`: {re.split(r'[.:](?: |$)', text)[0]}\n"
        yield f"```{{literalinclude}} ../../configs/{path.name}\n:language: toml\n```\n:::\n"


BLOCKS = {
    "recipe-tables": lambda: _tables(Recipe, "Keys outside tables"),
    "card-tables": lambda: _tables(DatasetCard, "Keys of the card"),
    "recipe-files": _files,
}


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    for name, lines in BLOCKS.items():
        block = f"```{{{name}}}\n```"
        if block in source[0]:
            source[0] = source[0].replace(block, "\n".join(lines()))


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill the blocks as pages are read."""
    app.connect("source-read", _read, priority=400)  # before links are rewritten
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The text of a drafted recipe: every key with its value, description and allowed values."""

import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import tomlkit

from fastclf.config import DataTable, Recipe
from fastclf.config.recipe import overridden
from fastclf.data.options import FileOptions
from fastclf.errors import ConfigError, printable
from fastclf.runs.files import write_output
from fastclf.runs.given import check_unused
from fastclf.schema import allowed_values, alternatives, descriptions
from fastclf.toml import Document, tables_in, tags
from fastclf.toml import Table as Keys

WIDTH = 88  # characters in a line of a comment


@dataclass(frozen=True)
class Draft:
    """The values of a recipe that aren't defaults, and the reasons for them.

    Attributes
    ----------
    values : dict of str to value
        The values by dotted key.
    facts : tuple of str
        Facts about the data, for the comment at the top.
    notes : dict of str to str
        The reason for a value, by dotted key.
    summary : str
        What is predicted, and from what.
    has_test_rows : bool
        Whether the file has test rows of its own.
    """

    values: dict[str, Any]
    facts: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    has_test_rows: bool = False

    def decisions(self) -> Iterator[str]:
        """Yield one or two lines that tell what was decided for the data."""
        share = self.values.get("data.test_size", DataTable.model_fields["test_size"].default)
        split = f"{share:.0%} of the rows are test rows" if share else "no test rows"
        if "data.test_path" in self.values:
            split = f"test rows in {self.values['data.test_path']}"
        elif self.has_test_rows:
            split = "test rows in the file"
        elif "data.split_by" in self.values:
            split += f", by {self.values['data.split_by']}"
        yield f"{self.summary}; {self.values['model.kind']} model; {split}"
        yield from self.chosen()

    def chosen(self) -> Iterator[str]:
        """Yield a line about the keys that were set for the data, if there are any."""
        if self.notes:
            texts = [
                f"{key} = {_cut(_toml(self.values[key]))} ({note})"
                for key, note in self.notes.items()
            ]
            yield f"set for these data: {'; '.join(texts)}"

    def with_assignments(
        self, assignments: Iterable[str], path: Path, tell: Callable[[str], object]
    ) -> "Draft":
        """Return the draft with other values, which are checked like those of a recipe.

        Parameters
        ----------
        assignments : iterable of str
            Such as ``"model.C=0.5"``; later ones win.
        path : Path
            The file that the recipe will have: paths in it are relative to its folder.
        tell : callable
            Is called with a line about keys that an assignment leaves out.

        Raises
        ------
        ConfigError
            If a key or a value is wrong.
        """
        tables: dict[str, Any] = {}
        for key, value in self.values.items():
            name, _, rest = key.partition(".")
            if rest:
                tables.setdefault(name, {})[rest] = value
            else:
                tables[name] = value
        document = overridden(Document(path, ConfigError, "", tables), assignments, tell)
        document.parse(Recipe)
        values: dict[str, Any] = {}
        for name, value in document.values.items():
            if isinstance(value, dict) and value:
                values |= {f"{name}.{key}": inner for key, inner in value.items()}
            else:
                values[name] = value
        notes = {
            key: note
            for key, note in self.notes.items()
            if key in values and values[key] == self.values[key]
        }
        return replace(self, values=values, notes=notes)

    def with_absolute_paths(self) -> "Draft":
        """Return the draft with absolute paths, so that its recipe may be moved to any folder."""
        tables = parsed(recipe_text(self, "recipe.toml"), Path("recipe.toml")).model_dump()
        values = dict(self.values)
        for key, value in values.items():
            name, _, rest = key.partition(".")
            if isinstance(value, str) and rest:
                values[key] = tables[name][rest]
        return replace(self, values=values)


class _Reading(Keys):
    """What ``[data]`` says about how a file is read."""

    data: FileOptions


def file_options(assignments: Iterable[str], path: Path) -> dict[str, Any]:
    """Return the keys among assignments that say how a data file is read, as `FileOptions`.

    Raises
    ------
    ConfigError
        If one of them has a wrong value.
    """
    document = Document(path, ConfigError, "", {})
    for assignment in assignments:
        document = document.override(assignment)
    data = document.values.get("data", {})
    names = data.keys() & FileOptions.model_fields.keys() if isinstance(data, dict) else ()
    known = {key: data[key] for key in names}
    checked = replace(document, values={"data": known}).parse(_Reading).data
    return {key: getattr(checked, key) for key in known}


def parsed(text: str, path: Path) -> Recipe:
    """Return the recipe that is the text of a file; paths in it are relative to its folder.

    Raises
    ------
    ConfigError
        If a key or a value is wrong.
    """
    values = {"name": path.stem, **tomllib.loads(text)}
    return Document(path, ConfigError, text, values).parse(Recipe)


def write_recipe(draft: Draft, path: Path, overwrite: bool = False) -> None:
    """Write a draft to a recipe file.

    Raises
    ------
    RunError
        If the file exists and ``overwrite`` is False, or it can't be written.
    """
    if not overwrite:
        check_unused(path)
    write_output(path, recipe_text(draft, str(path)), "name another place with --output")


def recipe_text(draft: Draft, path: str) -> str:
    """Return a draft as TOML, with each key of the recipe, its value and its description.

    Parameters
    ----------
    draft : Draft
        The values that aren't defaults.
    path : str
        The path of the recipe, for the command in its first line.
    """
    lines = [f"# fastclf train {_one_line(path)}", "#"]
    for fact in draft.facts:
        indent = " " * (len(fact) - len(fact.lstrip()) + 2) if fact.startswith(" ") else ""
        lines += [
            f"# {line}" for line in textwrap.wrap(_one_line(fact), WIDTH, subsequent_indent=indent)
        ]
    tables = {}
    for key, info in Recipe.model_fields.items():
        members = tables_in(info.annotation)
        if members:
            tables[key] = members
        else:
            lines += _key(Recipe, key, "", draft)
    for name, members in tables.items():
        is_set = any(key == name or key.startswith(f"{name}.") for key in draft.values)
        commented = Recipe.model_fields[name].default is None and not is_set
        lines += ["", f"{'# ' if commented else ''}[{name}]"]
        chosen = _chosen(members, draft.values, name)
        for key in _ordered_keys(chosen, f"{name}.", draft):
            lines += _key(chosen, key, f"{name}.", draft, members, commented)
        lines += _alternative_keys(members, chosen)
        if hasattr(chosen, "EXAMPLE"):
            about, example = chosen.EXAMPLE
            lines += ["", *_comment(about), f"# {example}"]
    return "\n".join(lines) + "\n"


def _key(
    table: type[Keys],
    key: str,
    prefix: str,
    draft: Draft,
    members: Sequence[type[Keys]] = (),
    commented: bool = False,
) -> Iterator[str]:
    """Yield the lines of a key: its description, the reason for its value, and the value."""
    dotted = prefix + key
    yield from _about(table, key, members)
    if dotted in draft.notes:
        yield from _comment(f"Here: {draft.notes[dotted]}.")
    value = draft.values[dotted] if dotted in draft.values else _default(table, key)
    if value is None:
        yield f"# {key} = ..."
    else:
        yield f"{'# ' if commented else ''}{tomlkit.key(key).as_string()} = {_toml(value)}"


def _about(table: type[Keys], key: str, members: Sequence[type[Keys]] = ()) -> Iterator[str]:
    """Yield an empty line, the description of a key, its allowed values and its default."""
    yield ""
    yield from _comment(descriptions(table).get(key, ""))
    values = allowed_values(table).get(key, "")
    if len(members) > 1 and key == next(iter(table.model_fields)):  # it chooses the member
        values = alternatives([_toml(name) for member in members for name in tags(member)])
        table = members[0]
    default = _default(table, key) if key in table.model_fields else None
    default_text = "" if default is None else f" Default: {_toml(default)}."
    if values != "text" or default_text:
        yield from _comment(f"Values: {values}.{default_text}")


def _ordered_keys(table: type[Keys], prefix: str, draft: Draft) -> Iterator[str]:
    """Yield the keys of a table, first those with a value in the draft."""
    chosen = [dotted.removeprefix(prefix) for dotted in draft.values if dotted.startswith(prefix)]
    yield from chosen
    yield from (key for key in table.model_fields if key not in chosen)


def _alternative_keys(members: Sequence[type[Keys]], chosen: type[Keys]) -> Iterator[str]:
    """Yield, commented out, the keys of the other members of a union of tables."""
    tag = next(iter(chosen.model_fields))
    owners: dict[str, list[type[Keys]]] = {}
    for member in members:
        for key in member.model_fields:
            if key not in chosen.model_fields:
                owners.setdefault(key, []).append(member)
    heading = ""
    for key, tables in owners.items():
        names = [name for table in tables for name in tags(table)]
        if heading != (heading := f"With {tag} = {alternatives([*map(_toml, names)])} also:"):
            yield from ("", f"# {heading}")
        yield from _about(tables[0], key)
        value = _default(tables[0], key)
        yield f"# {key} = {'...' if value is None else _toml(value)}"


def _chosen(members: Sequence[type[Keys]], values: Mapping[str, Any], name: str) -> type[Keys]:
    """Return the member of a union of tables that the values select; by default the first."""
    for member in members:
        tag, info = next(iter(member.model_fields.items()))
        if values.get(f"{name}.{tag}") in get_args(info.annotation):
            return member
    return members[0]


def _default(table: type[Keys], key: str) -> Any:
    info = table.model_fields[key]
    value = None if info.is_required() else info.get_default(call_default_factory=True)
    return list(value) if isinstance(value, tuple) else value


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(_one_line(text), WIDTH):
        yield f"# {line}"


def _one_line(text: str) -> str:
    # TOML forbids control characters in comments, and a comment ends at the end of its line.
    return printable(text.replace("\n", " "))


def _toml(value: Any) -> str:
    if isinstance(value, Keys):
        value = value.model_dump()
    if isinstance(value, dict):
        inline = tomlkit.inline_table()
        inline.update(value)
        return inline.as_string()
    return tomlkit.item(value).as_string()


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 4]} ..."

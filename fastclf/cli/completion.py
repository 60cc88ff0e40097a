"""Completion in the shell: keys of a recipe and their values, recipes, data files and runs.

Keys and suffixes are read from the source text of the modules that define them, by `ast`, because
to import these takes a second or more.
"""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

_PACKAGE = Path(__file__).parents[1]
_CONFIG_FILE = "config.toml"  # which every run directory has


def complete_assignment(
    context: click.Context, option: click.Parameter, incomplete: str
) -> list[str]:
    """Return what ``--set`` may continue with: keys, or after ``=`` the values of a key."""
    keys = recipe_keys()
    key, equals, start = incomplete.partition("=")
    if not equals:
        return [f"{name}=" for name in keys if name.startswith(key)]
    return [f"{key}={value}" for value in keys.get(key, ()) if value.startswith(start)]


def complete_file(
    context: click.Context, argument: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return recipes and data files; the shell's own completion where folders match, too."""
    suffixes = (".toml", *_constant("data/tables.py", "SUFFIXES"))
    compressed = tuple(_constant("data/compressed.py", "COMPRESSIONS"))
    matching = _matching(incomplete)
    found = [
        name for name, entry in matching if entry.name.lower().endswith((*suffixes, *compressed))
    ]
    return _items(found, incomplete, "file", any(entry.is_dir() for _, entry in matching))


def complete_run(
    context: click.Context, argument: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return run directories; the shell's own completion where other folders match, too."""
    folders = [(name, entry) for name, entry in _matching(incomplete) if entry.is_dir()]
    found = [name for name, entry in folders if Path(entry, _CONFIG_FILE).is_file()]
    return _items(found, incomplete, "file", len(found) < len(folders))


def recipe_keys() -> dict[str, tuple[str, ...]]:
    """Return the dotted keys of a recipe, each with the values to choose from, if they are few.

    Examples
    --------
    >>> recipe_keys()["data.stratify"], recipe_keys()["seed"]
    (('true', 'false'), ())
    """
    files = [*sorted((_PACKAGE / "config").glob("*.py")), _PACKAGE / "data" / "options.py"]
    classes: dict[str, ast.ClassDef] = {}
    aliases: dict[str, ast.expr] = {}
    for path in (*files, _PACKAGE / "data" / "tables.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                classes[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                aliases[node.targets[0].id] = node.value
    keys: dict[str, list[str]] = {}
    for name, annotation in _fields("Recipe", classes):
        tables = [inner for inner in _names(annotation) if inner in classes]
        fields = [field for table in tables for field in _fields(table, classes)]
        for key, inner in [(f"{name}.{key}", inner) for key, inner in fields] or [
            (name, annotation)
        ]:
            keys.setdefault(key, []).extend(_choices(inner, aliases))
    return {key: tuple(dict.fromkeys(values)) for key, values in keys.items()}


def _fields(name: str, classes: dict[str, ast.ClassDef]) -> Iterator[tuple[str, ast.expr]]:
    """Yield the fields of a class and its bases, and their annotations."""
    own = {
        node.target.id: node.annotation
        for node in classes[name].body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if node.target.id.islower() or len(node.target.id) == 1
        if not node.target.id.startswith("_") and "ClassVar" not in _names(node.annotation)
    }
    for base in classes[name].bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield from (field for field in _fields(base.id, classes) if field[0] not in own)
    yield from own.items()


def _choices(annotation: ast.expr, aliases: dict[str, ast.expr]) -> Iterator[str]:
    """Yield the values that an annotation lists: those of a Literal, and true and false."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Subscript) and "Literal" in _names(node.value):
            yield from (str(one.value) for one in ast.walk(node) if isinstance(one, ast.Constant))
        elif isinstance(node, ast.Name) and node.id == "bool":
            yield from ("true", "false")
        elif isinstance(node, ast.Name) and node.id in aliases:
            yield from _choices(aliases[node.id], aliases)


def _names(node: ast.expr) -> list[str]:
    return [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]


def _constant(file: str, name: str) -> dict[str, str]:
    """Return a dict that a module defines."""
    for node in ast.parse((_PACKAGE / file).read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if name in [getattr(target, "id", "") for target in targets]:
            found: dict[str, str] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
            return found
    raise KeyError(name)


def _matching(incomplete: str) -> list[tuple[str, os.DirEntry]]:
    """Return the entries of a folder that begin as the given path does, and their paths."""
    folder, slash, start = incomplete.rpartition("/")
    try:
        entries = sorted(os.scandir((folder + slash) or "."), key=lambda entry: entry.name)
    except OSError:
        return []
    return [
        (f"{folder}{slash}{entry.name}", entry)
        for entry in entries
        if entry.name.startswith(start) and (start or not entry.name.startswith("."))
    ]


def _items(
    found: list[str], incomplete: str, otherwise: str, is_more: bool
) -> list[CompletionItem]:
    if is_more or not found:
        return [CompletionItem(incomplete, type=otherwise)]
    return [CompletionItem(name) for name in found]


class Bash(BashComplete):
    """Completion in Bash, which takes ``KEY=VALUE`` for three words."""

    source_template = BashComplete.source_template.replace(
        "COMPREPLY+=($value)",
        "COMPREPLY+=($value)\n            [[ $value == *= ]] && compopt -o nospace",
    )
    _is_split = False

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the complete words and the incomplete one, with words joined around ``=``."""
        args, incomplete = super().get_completion_args()
        words: list[str] = []
        for word in (*args, incomplete):
            if words and (word == "=" or self._is_split):
                words[-1] += word
            else:
                words.append(word)
            self._is_split = word == "="
        self._is_split = len(words) <= len(args) and "=" in words[-1]
        return words[:-1], words[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """Return an item for the shell; of a value without its key, which Bash has already."""
        if self._is_split and not item.value.endswith("="):
            item.value = item.value.rpartition("=")[2]
        return super().format_completion(item)


add_completion_class(Bash)

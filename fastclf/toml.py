"""Reading TOML files into strict pydantic tables, with error messages of one line.

Recipes and dataset cards are read by this module. A message names the file, the line, the key and,
if there is a similar one, the right key or value. The module doesn't know any particular table.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin

import tomlkit
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from fastclf.errors import ConfigError, FastclfError, nearest


class Table(BaseModel):
    """A TOML table: frozen, strictly typed, without unknown keys, and with finite numbers.

    Attributes
    ----------
    OTHER_NAMES : mapping of str to str
        For a key that similar tables have under another name: what an error message says about it,
        after the name of the chosen member of the union.
    """

    OTHER_NAMES: ClassVar[Mapping[str, str]] = {}

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        ser_json_inf_nan="constants",
    )


TableT = TypeVar("TableT", bound=Table)
Key = tuple[str | int, ...]

_TAGS = ("kind", "name")  # keys whose value selects a member of a union of tables


AS_TUPLE = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""Lets a list be given for a tuple in a union of types, where pydantic before 2.11 refuses it."""


def with_default_tag(key: str, value: str) -> BeforeValidator:
    """Return a validator that gives the tag ``key`` of a union of tables a default value."""
    return BeforeValidator(
        lambda table: {key: value, **table} if isinstance(table, dict) else table
    )


def mistake(key: str, text: str) -> PydanticCustomError:
    """Return the exception for a validator to raise about a dotted key; ``text`` is the message."""
    return PydanticCustomError("mistake", "{text}", {"text": text, "key": key.split(".")})


def to_toml(table: Table) -> str:
    """Return a table with all its defaults as TOML, from which an equal table can be read.

    Keys with the value None are left out, because TOML has no null and None is their default.

    Raises
    ------
    ConfigError
        If a value, such as a path, holds bytes that aren't text in the locale's encoding.
    """
    values = table.model_dump(mode="json", exclude_none=True)
    for key, leaf in _leaves(values):
        if isinstance(leaf, str) and re.search("[\ud800-\udfff]", leaf):
            raise ConfigError(
                f"{'.'.join(map(str, key))} = {ascii(leaf)}: isn't text in the encoding of this "
                "locale; rename the file, or set PYTHONUTF8=1"
            )
    return tomlkit.dumps(values)


@dataclass(frozen=True)
class Document:
    """The values of a TOML file, and the text and overrides that they come from.

    Attributes
    ----------
    path : Path
        The file.
    error : type of FastclfError
        The class of the exceptions about this file.
    text : str
        The text of the file, in which line numbers are looked up.
    values : dict
        The parsed values, including the overrides.
    overrides : mapping of str to str
        The assignment of each dotted key that was overridden.
    """

    path: Path
    error: type[FastclfError]
    text: str
    values: dict[str, Any]
    overrides: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, error: type[FastclfError]) -> "Document":
        """Read and parse the file at ``path``."""
        text = ""
        try:
            text = path.read_text(encoding="utf-8-sig")
            values = tomllib.loads(text)
        except FileNotFoundError:
            siblings = [sibling.name for sibling in path.parent.glob("*.toml")]
            raise error(f"{path}: no such file{nearest(path.name, siblings)}") from None
        except OSError as problem:
            raise error(f"{path}: can't be read: {problem.strerror}") from None
        except UnicodeDecodeError:
            raise _not_utf8(path, error) from None
        except (ValueError, RecursionError) as problem:  # bad syntax, a huge number, deep nesting
            if "\0" in text:
                raise _not_utf8(path, error) from None
            raise error(f"{path}: not valid TOML: {problem}") from None
        document = cls(path, error, text, values)
        for key, wrong in _too_large(values):
            raise error(f"{document._place(key)}: {wrong}")
        return document

    def override(self, assignment: str) -> "Document":
        """Return a copy with ``"a.b=value"`` applied.

        The value is TOML (``3``, ``0.5``, ``true``, ``["a", "b"]``). Text that isn't valid TOML is
        taken as a string, so that words need no quotes.
        """
        assignment = assignment.replace("\n", " ")  # every error is one line
        dotted, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals or not all(dotted.split(".")):
            raise self.error(f"--set {assignment}: write it as KEY=VALUE, like model.C=0.5")
        try:
            parsed = tomllib.loads(f"value = {text}")
        except (ValueError, RecursionError):
            parsed = {}
        value = parsed["value"] if parsed.keys() == {"value"} else text
        for _, wrong in _too_large(value, (dotted,)):
            raise self.error(f"--set {dotted}=...: {wrong}")

        *tables, last = dotted.split(".")
        values = table = dict(self.values)
        for depth, part in enumerate(tables, 1):
            inner = table.get(part, {})
            if not isinstance(inner, dict):
                raise self.error(
                    f"--set {assignment}: {'.'.join(tables[:depth])} is not a table in {self.path}"
                )
            table[part] = dict(inner)
            table = table[part]
        table[last] = value
        return replace(self, values=values, overrides={**self.overrides, dotted: assignment})

    def parse(self, model: type[TableT]) -> TableT:
        """Return the values as a ``model``; relative paths are relative to the file's folder."""
        try:
            return model.model_validate(self.values, context={"folder": self.path.parent})
        except ValidationError as problems:
            raise self.error(self._describe(problems.errors(), model)) from None

    def _describe(self, problems: list[ErrorDetails], model: type[Table]) -> str:
        # One problem is reported. An unknown key comes first: if it is misspelt, pydantic also
        # reports the right key as missing. Else the deepest key; for a union pydantic reports a
        # problem of each member, and all those of the same key are joined.
        keyed = [(problem["type"] == "extra_forbidden", self._key(problem)) for problem in problems]
        chosen = max(keyed, key=lambda item: (item[0], len(item[1])))
        reported = [
            problem for problem, item in zip(problems, keyed, strict=True) if item == chosen
        ]
        first, key = reported[0], chosen[1]
        dotted = ".".join(map(str, key))
        if first["type"] == "extra_forbidden":
            message = f"unknown key {dotted}{_right_keys(model, first['loc'])}"
        elif first["type"] == "missing":
            message = f"{dotted} is missing"
        elif first["type"] == "mistake":
            message = first["msg"]
        else:
            expected = " or ".join(dict.fromkeys(map(_expectation, reported)))
            value = self._value(key)
            right = [word for problem in reported for word in _choices(problem)]
            message = f"{dotted} = {_shown(value)}: must {expected}{nearest(str(value), right)}"
        return f"{self._place(key)}: {message}"

    def _key(self, problem: ErrorDetails) -> Key:
        """Return the key of a problem: pydantic's location without the names of union members."""
        if "key" in problem.get("ctx", {}):
            return tuple(problem["ctx"]["key"])
        location = problem["loc"]
        if problem["type"] == "union_tag_invalid":
            location += (problem["ctx"]["discriminator"].strip("'"),)
        key: list[str | int] = []
        value: Any = self.values
        for part in location:
            inside_list = isinstance(value, list) and isinstance(part, int)
            if inside_list or isinstance(value, dict) and part in value:
                value = value[part]
                key.append(part)
        if problem["type"] == "missing":
            key.append(location[-1])
        return tuple(key)

    def _value(self, key: Key) -> Any:
        value: Any = self.values
        for part in key:
            value = value[part]
        return value

    def _place(self, key: Key) -> str:
        """Return where a key was set: an assignment, or file and line; else where its table was."""
        places = [(dotted, f"--set {text}") for dotted, text in self.overrides.items()]
        places += [
            (dotted, f"{self.path}:{number}")
            for dotted, number in _lines(self.text)
            if not any(f"{dotted}.".startswith(f"{set_}.") for set_ in self.overrides)
        ]
        for end in range(len(key), 0, -1):
            wanted = ".".join(map(str, key[:end]))
            for dotted, place in places:
                if dotted == wanted or dotted.startswith(f"{wanted}."):
                    return place
        return str(self.path)


def dotted(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys of nested dicts, such as "model.C", and their values."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _not_utf8(path: Path, error: type[FastclfError]) -> FastclfError:
    return error(f"{path}: isn't UTF-8 text, as TOML must be; save it as UTF-8")


def _leaves(value: Any, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Yield all values in nested tables and lists, with their keys."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*key, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*key, number))
    else:
        yield key, value


def _too_large(value: Any, key: Key = ()) -> Iterator[tuple[Key, str]]:
    """Yield the keys of integers that are too large for a float, each with an error message."""
    for place, leaf in _leaves(value, key):
        if isinstance(leaf, int) and leaf.bit_length() > 1023:
            dotted = ".".join(map(str, place))
            yield place, f"{dotted}: an integer of {leaf.bit_length()} bits is too large"


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """Yield dotted keys and table names with their line numbers.

    The text is searched line by line and not parsed, so keys of inline tables aren't found;
    their errors name the line of the table.
    """
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+([^\[\]]+)\]", line):
            table = _bare(header[1])
            yield table, number
            table += "."
        elif assignment := re.match(r"\s*([^#=]+)=", line):
            yield table + _bare(assignment[1]), number


def _bare(dotted: str) -> str:
    return ".".join(part.strip(" \t\"'") for part in dotted.split("."))


def _right_keys(model: type[Table], location: Key) -> str:
    """Return the hint for an unknown key: a similar key, and all keys of its table."""
    tables = members = [model]
    for part in location[:-1]:
        fields = tables[0].model_fields
        if len(tables) == 1 and part in fields:
            tables = members = tables_in(fields[str(part)].annotation)
        else:  # in a union, pydantic's location holds the tag of the chosen member
            tables = [table for table in members if part in tags(table)]
    right = list(tables[0].model_fields)
    wrong = str(location[-1])
    owners = [table for table in members if wrong in table.model_fields]
    elsewhere = [key for key in _dotted_keys(model) if key.endswith(f".{wrong}")]
    hint = nearest(wrong, right)
    if wrong in tables[0].OTHER_NAMES:
        hint = f" ({' or '.join(tags(tables[0]))} {tables[0].OTHER_NAMES[wrong]})"
    elif owners:
        names = [f'"{tag}"' for table in owners for tag in tags(table)]
        tag = next(tag for tag in _TAGS if tag in owners[0].model_fields)
        hint = f" (it needs {location[0]}.{tag} = {' or '.join(names)})"
    elif elsewhere and not hint:
        hint = f" (did you mean {elsewhere[0]}?)"
    return f"{hint}; the keys there are {', '.join(right)}"


def tables_in(annotation: Any) -> list[type[Table]]:
    """Return the table classes in an annotation: the table itself, or the members of a union."""
    members = get_args(annotation) or (annotation,)
    return [kind for kind in members if isinstance(kind, type) and issubclass(kind, Table)]


def tags(table: type[Table]) -> tuple[str, ...]:
    """Return the tags that select a member of a union: the values of its field kind or name."""
    kinds = [table.model_fields[tag].annotation for tag in _TAGS if tag in table.model_fields]
    literals = [get_args(kind) for kind in kinds if get_origin(kind) is Literal]
    return literals[0] if literals else ()


def _dotted_keys(model: type[Table]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield name
        for table in tables_in(info.annotation):
            yield from (f"{name}.{key}" for key in _dotted_keys(table))


def _expectation(problem: ErrorDetails) -> str:
    """Return the text after "must", from pydantic's "Input should ...", "String should ..."."""
    if problem["type"] == "union_tag_invalid":
        return f"be one of {problem['ctx']['expected_tags']}"
    if problem["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return "be a table"
    if problem["type"] in {"list_type", "tuple_type"}:
        return "be a list"
    return re.sub(r"^\w+ should | after validation", "", problem["msg"])


def _choices(problem: ErrorDetails) -> list[str]:
    context = problem.get("ctx", {})
    return re.findall("'([^']*)'", context.get("expected_tags") or str(context.get("expected")))


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."

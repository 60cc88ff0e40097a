"""TOML files read into strict pydantic tables; each mistake becomes one line.

Recipes and dataset cards share this: a message names the file, the line, the key and, where there
is one, the nearest right key or value. It is on the floor of ``errors.py``: it knows no table.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import tomlkit
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from fastclf.errors import ConfigError, FastclfError, nearest


class Table(BaseModel):
    """A TOML table: frozen, strictly typed, without unknown keys, its numbers finite."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        ser_json_inf_nan="constants",
    )


TableT = TypeVar("TableT", bound=Table)
Key = tuple[str | int, ...]

_TAGS = ("kind", "name")  # by which the members of a union of tables are told apart


AS_TUPLE = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""For a tuple that is one of several kinds of value: pydantic before 2.11 refuses lists for it."""


def with_default_tag(key: str, value: str) -> BeforeValidator:
    """Return a validator that sets the tag ``key`` of a union of tables where it is left out."""
    return BeforeValidator(
        lambda table: {key: value, **table} if isinstance(table, dict) else table
    )


def mistake(key: str, text: str) -> PydanticCustomError:
    """Return the error that a check of a table raises about a dotted key, ``text`` being whole."""
    return PydanticCustomError("mistake", "{text}", {"text": text, "key": key.split(".")})


def to_toml(table: Table) -> str:
    """Return a table with all its defaults as TOML; reading that gives an equal table.

    A key that is None is left out: TOML has no null, and absence means the same.

    Raises
    ------
    ConfigError
        If a value, such as a path, holds bytes that aren't text: TOML can't hold it.
    """
    values = table.model_dump(mode="json", exclude_none=True)
    for key, leaf in _leaves(values):
        if isinstance(leaf, str) and re.search("[\ud800-\udfff]", leaf):
            raise ConfigError(
                f"{'.'.join(map(str, key))} = {ascii(leaf)}: isn't text in the encoding of this "
                "locale; rename it, or set PYTHONUTF8=1"
            )
    return tomlkit.dumps(values)


@dataclass(frozen=True)
class Document:
    """The values of a TOML file, with what is needed to say where each came from.

    Attributes
    ----------
    path : Path
        The file.
    error : type of FastclfError
        What its mistakes are raised as.
    text : str
        The file's text, in which lines are looked up.
    values : dict
        The parsed values, overrides included.
    overrides : mapping of str to str
        Dotted key to the assignment that set it.
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

        The value is TOML (``3``, ``0.5``, ``true``, ``["a", "b"]``); what isn't is taken as a
        string, so that words need no quotes.
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
        """Return the values as a ``model``; relative paths start at the file's folder."""
        try:
            return model.model_validate(self.values, context={"folder": self.path.parent})
        except ValidationError as problems:
            raise self.error(self._describe(problems.errors(), model)) from None

    def _describe(self, problems: list[ErrorDetails], model: type[Table]) -> str:
        # A misspelt key comes first, because the right one is then reported as missing; else the
        # deepest, because each member of a union reports what it expected.
        keyed = [(problem["type"] == "extra_forbidden", self._key(problem)) for problem in problems]
        first = max(keyed, key=lambda item: (item[0], len(item[1])))
        told = [problem for problem, item in zip(problems, keyed, strict=True) if item == first]
        key = first[1]
        dotted = ".".join(map(str, key))
        if told[0]["type"] == "extra_forbidden":
            message = f"unknown key {dotted}{_right_keys(model, told[0]['loc'])}"
        elif told[0]["type"] == "missing":
            message = f"{dotted} is missing"
        elif told[0]["type"] == "mistake":
            message = told[0]["msg"]
        else:
            expected = " or ".join(dict.fromkeys(map(_expectation, told)))
            value = self._value(key)
            right = [word for problem in told for word in _choices(problem)]
            message = f"{dotted} = {_shown(value)}: must {expected}{nearest(str(value), right)}"
        return f"{self._place(key)}: {message}"

    def _key(self, problem: ErrorDetails) -> Key:
        """Return the key that a problem is about, without pydantic's names of union members."""
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
        """Return where a key was set, or else its table: an assignment, or the file and line."""
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


def _not_utf8(path: Path, error: type[FastclfError]) -> FastclfError:
    return error(f"{path}: isn't UTF-8 text, as TOML must be; save it as UTF-8")


def _leaves(value: Any, key: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Yield all values in tables and lists, with their keys."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*key, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*key, number))
    else:
        yield key, value


def _too_large(value: Any, key: Key = ()) -> Iterator[tuple[Key, str]]:
    """Yield the keys of integers that are too large for a float, and what is wrong, in words."""
    for place, leaf in _leaves(value, key):
        if isinstance(leaf, int) and leaf.bit_length() > 1023:
            dotted = ".".join(map(str, place))
            yield place, f"{dotted}: an integer of {leaf.bit_length()} bits is too large"


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """Yield dotted keys and table names with their line numbers.

    A search by lines, not a parser: the keys of inline tables are found at the table's line.
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
    """Return the hint for an unknown key: the nearest right one, and all that its table has."""
    tables = members = [model]
    for part in location[:-1]:
        fields = tables[0].model_fields
        if len(tables) == 1 and part in fields:
            tables = members = tables_in(fields[str(part)].annotation)
        else:  # pydantic puts the tag of the chosen member of a union into the location
            tables = [table for table in members if part in _tags(table)]
    right = list(tables[0].model_fields)
    wrong = str(location[-1])
    owners = [table for table in members if wrong in table.model_fields]
    elsewhere = [key for key in _dotted_keys(model) if key.endswith(f".{wrong}")]
    hint = nearest(wrong, right)
    if owners:
        tags = [f'"{tag}"' for table in owners for tag in _tags(table)]
        hint = f" (it belongs to {' or '.join(tags)})"
    elif elsewhere and not hint:
        hint = f" (did you mean {elsewhere[0]}?)"
    return f"{hint}; the keys there are {', '.join(right)}"


def tables_in(annotation: Any) -> list[type[Table]]:
    """Return the table classes of an annotation: a table, or a union with tables."""
    members = get_args(annotation) or (annotation,)
    return [kind for kind in members if isinstance(kind, type) and issubclass(kind, Table)]


def _tags(table: type[Table]) -> tuple[str, ...]:
    """Return what a member of a union is chosen by: the values of its field kind or name."""
    kinds = [table.model_fields[tag].annotation for tag in _TAGS if tag in table.model_fields]
    literals = [get_args(kind) for kind in kinds if get_origin(kind) is Literal]
    return literals[0] if literals else ()


def _dotted_keys(model: type[Table]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield name
        for table in tables_in(info.annotation):
            yield from (f"{name}.{key}" for key in _dotted_keys(table))


def _expectation(problem: ErrorDetails) -> str:
    """Return what follows "must", from pydantic's "Input should ...", "String should ..."."""
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

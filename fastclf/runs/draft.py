"""``fastclf init``: a complete, commented recipe, with settings chosen for a data file."""

import os
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import scipy.sparse
import tomlkit

from fastclf.config import Recipe
from fastclf.data import Dataset, FileOptions, load_file
from fastclf.data.columns import MANY_DATES
from fastclf.data.facts import (
    ColumnFacts,
    column_facts,
)
from fastclf.data.prediction_rows import naming
from fastclf.data.tables import TABLES, format_of, open_table
from fastclf.data.targets import USUAL_NAMES, target_columns
from fastclf.errors import DataError, InputError, RunError, nearest, printable
from fastclf.runs.build import KINDS
from fastclf.runs.draft_facts import classes_fact, column_lines, size_fact, warning_facts
from fastclf.runs.draft_split import choose_split, without_single_rows
from fastclf.runs.files import write_output
from fastclf.runs.parts import check_two_classes, left_out_lines
from fastclf.schema import descriptions
from fastclf.table import Categories, Table, listed
from fastclf.toml import Table as Keys
from fastclf.toml import tables_in

if TYPE_CHECKING:
    from fastclf.data.tables import TableFile

SEPARATORS = (";", "|")  # between the labels of a list
MANY_CATEGORIES = 50  # a column with more groups its rare categories
RARE = 5  # rows; the value of data.min_frequency that groups them
MUCH_LARGER = 1000  # ratio of the largest feature to the median one, from which on to scale
LIKE_TEXT = 0.05  # share of nonzeros below which sparse features are taken for word counts
SPARSE_ITERATIONS = 1000  # the value of solver.max_iter for sparse features
TEXT_C = 10.0  # the value of model.C for columns of raw text
FEW_TEXTS, MANY_TEXTS = 200, 100_000  # rows: with fewer each word is kept, with more those of RARE
WIDTH = 88  # characters in a line of a comment

OTHER_TARGETS = (
    ("distribution", "drop", "without those rows each one sums to 1"),
    ("indicators", "error", "the targets are probabilities, but don't sum to 1 in each row"),
    ("indicators", "keep", "not all labels are known in all rows"),
    ("counts", "error", "the targets are numbers such as votes, and don't sum to 1"),
    ("counts", "drop", "the targets are numbers such as votes, and don't sum to 1"),
    ("logits", "error", "some targets are negative, so they can only be logits"),
    ("logits", "drop", "some targets are negative, so they can only be logits"),
)
"""Settings to try for several target columns that are neither 0/1 indicators nor distributions.

Each entry has a value of data.target_kind, a value of data.missing_target, and the reason that is
written into the recipe. The first entry with which the data can be loaded is taken.
"""


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
    """

    values: dict[str, Any]
    facts: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)


def write_recipe(draft: Draft, path: Path, overwrite: bool = False) -> None:
    """Write a draft to a recipe file.

    Raises
    ------
    RunError
        If the file exists and ``overwrite`` is False, or it can't be written.
    """
    if path.is_file() and not overwrite:
        raise RunError(f"{path} exists; name another file with -o, or overwrite it with --force")
    write_output(path, recipe_text(draft, str(path)), "name another place with --output")


def default_draft() -> Draft:
    """Return a draft with the default of every key, for a built-in data set."""
    facts = (
        "Every key with its default. A key that is commented out has no default, or belongs to "
        "another choice of its table.",
    )
    return Draft({"name": "iris", "data.name": "iris"}, facts)


def draft_for_file(
    file: Path,
    targets: Sequence[str] = (),
    folder: Path = Path(),
    text: Mapping[str, str] | None = None,
) -> Draft:
    """Return a draft of a recipe for a data file, with settings chosen from its contents.

    Parameters
    ----------
    file : Path
        A file in any format that fastclf can train on.
    targets : sequence of str
        The target columns: names, patterns such as ``label_*``, or indices such as -1; or for NPY
        the file of the targets. By default the column with a usual name, such as ``target``.
    folder : Path
        The folder of the recipe, to which its paths are relative.
    text : mapping of str to str, optional
        "delimiter", "decimal" and "encoding" of a text file; by default detected.

    Raises
    ------
    DataError
        If the file can't be read, or the target can't be used.
    """
    kind = format_of(file)
    options: dict[str, Any] = dict(text or {})
    notes: dict[str, str] = {}
    if len(targets) == 1 and targets[0].endswith(".npy"):
        options["target_path"] = targets[0]
    elif kind in TABLES:
        options["target"] = _target(file, targets, options)
        notes |= _detect_label_lists(file, options)
    elif targets:
        options["target"] = _one_or_list([_index(target) for target in targets])
    try:
        dataset = load_file(file, FileOptions.model_validate(options))
    except DataError:
        found = _load_with_other_target_kind(file, options, notes)
        if found is None:
            raise
        dataset, options, notes = found
    if dataset.layout is not None:
        for key, value in dataset.layout.unusual().items():
            if key not in options:
                options[key] = value
                notes[f"data.{key}"] = "detected from the text"
    if dataset.y.ndim == 1:
        check_two_classes(str(file), dataset.class_names)
    dataset = without_single_rows(file, dataset, options, notes)
    columns = _table_facts(dataset, options, notes)
    for_text = _for_text(dataset, options, notes)
    values = {
        "name": re.sub(r"[/\\\x00-\x1f]+", "-", dataset.name).lstrip(".")[:100] or "run",
        "data.path": os.path.relpath(file, folder),
        **{f"data.{key}": value for key, value in options.items()},
        "model.kind": KINDS[dataset.task],
        **for_text,
    }
    if "target_path" in options:
        values["data.target_path"] = os.path.relpath(options["target_path"], folder)
    if not isinstance(dataset.features, Table) and dataset.features.dtype == np.float32:
        values["data.dtype"] = "float32"
        notes["data.dtype"] = "as in the file"
    if scipy.sparse.issparse(dataset.features):
        values["solver.max_iter"] = SPARSE_ITERATIONS
        notes["solver.max_iter"] = "solvers for sparse features need more iterations"
        if _differ_in_size(dataset.features):
            values["data.scale"] = "standard"
            notes["data.scale"] = "features differ in size; sparse ones are scaled, not shifted"
    choose_split(file, dataset, values, notes)
    facts = (
        size_fact(file, dataset, columns),
        *(f"{line[0].upper()}{line[1:]}." for line in left_out_lines(dataset.all_left_out)),
        *warning_facts(dataset),
        classes_fact(dataset, options),
        *column_lines(columns, options),
    )
    return Draft(values, facts, notes)


def recipe_text(draft: Draft, path: str) -> str:
    """Return a draft as TOML, with each key of the recipe, its value and its description.

    Parameters
    ----------
    draft : Draft
        The values that aren't defaults.
    path : str
        The path of the recipe, for the command in its first line.
    """
    lines = [f"# fastclf train --config {_one_line(path)}", "#"]
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
        has_default = Recipe.model_fields[name].default is not None
        lines += ["", f"{'' if has_default else '# '}[{name}]"]
        chosen = _chosen(members, draft.values, name)
        for key in _ordered_keys(chosen, f"{name}.", draft):
            lines += _key(chosen, key, f"{name}.", draft, commented=not has_default)
        lines += _alternative_keys(members, chosen)
        if hasattr(chosen, "EXAMPLE"):
            about, example = chosen.EXAMPLE
            lines += ["", *_comment(about), f"# {example}"]
    return "\n".join(lines) + "\n"


def _key(
    table: type[Keys], key: str, prefix: str, draft: Draft, commented: bool = False
) -> Iterator[str]:
    """Yield the lines of a key: its description, the reason for its value, and the value."""
    dotted = prefix + key
    yield ""
    yield from _comment(descriptions(table).get(key, ""))
    if dotted in draft.notes:
        yield from _comment(f"Here: {draft.notes[dotted]}.")
    value = draft.values.get(dotted, _default(table, key))
    if value is None:
        yield f"# {key} = ..."
    else:
        yield f"{'# ' if commented else ''}{key} = {_toml(value)}"


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
        names = [name for table in tables for name in get_args(table.model_fields[tag].annotation)]
        yield ""
        if heading != (heading := f"With {tag} = {' or '.join(map(_toml, names))} also:"):
            yield from (f"# {heading}", "")
        yield from _comment(descriptions(tables[0]).get(key, ""))
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


def _target(file: Path, targets: Sequence[str], text: Mapping[str, str]) -> Any:
    """Return the target columns: those that ``targets`` match, or the one with a usual name.

    Raises
    ------
    InputError
        If a target matches no column, or none is given and not exactly one column has a usual name.
    """
    names = _open(file, text).names
    if not targets:
        usual = [name for name in names if name.lower() in USUAL_NAMES]
        if len(usual) != 1:
            raise InputError(
                f"{file}: name the column to predict with --target; there are {listed(names)}"
            )
        return usual[0]
    found: list[Any] = []
    for target in targets:
        matching = [name for name in names if name == target or fnmatchcase(name, target)]
        if not matching and isinstance(_index(target), str):
            raise InputError(
                f"{file}: --target {target}: there is no such column{nearest(target, list(names))};"
                f" there are {listed(names)}"
            )
        found += matching or [_index(target)]
    return _one_or_list(list(dict.fromkeys(found)))


def _open(file: Path, text: Mapping[str, Any]) -> "TableFile":
    layout = {key: text.get(key) for key in ("delimiter", "decimal", "encoding")}
    return open_table(file, **layout)


def _one_or_list(targets: list[Any]) -> Any:
    return targets[0] if len(targets) == 1 else targets


def _index(target: str) -> int | str:
    try:
        return int(target)
    except ValueError:
        return target


def _detect_label_lists(file: Path, options: dict[str, Any]) -> dict[str, str]:
    """Add ``label_separator`` to the options if the target seems to contain lists of labels.

    Returns
    -------
    dict of str to str
        The note for that key, if it was added.
    """
    if isinstance(options["target"], list):
        return {}
    opened = _open(file, options)
    with naming(file):
        columns = target_columns(opened.names, FileOptions.model_validate(options))
    (values,) = opened.read(columns).columns.values()
    if not isinstance(values, Categories) or not values.names:
        return {}
    for separator in SEPARATORS:
        parts = [name.split(separator) for name in values.names]
        different = {part.strip() for group in parts for part in group}
        if len(different) < len(values.names) and max(map(len, parts)) > 1:
            options["label_separator"] = separator
            example = next(name for name in values.names if separator in name)
            return {"data.label_separator": f'the target has lists such as "{example}"'}
    return {}


def _table_facts(
    dataset: Dataset, options: dict[str, Any], notes: dict[str, str]
) -> list[ColumnFacts]:
    """Return facts about the columns; add options, with notes, that drop or group some of them."""
    if not isinstance(dataset.features, Table):
        return []
    columns = column_facts(dataset.features)
    drop = [facts.name for facts in columns if facts.is_identifier]
    if drop and len(drop) < len(columns):
        options["drop"] = drop
        notes["data.drop"] = "identifiers: a different value in nearly every row"
    kept = [facts for facts in columns if facts.name not in options.get("drop", ())]
    text = [facts.name for facts in kept if facts.is_text]
    if text:
        options["text"] = text
        notes["data.text"] = "many words, and different ones in most rows"
    dates = [facts.name for facts in kept if facts.is_date and facts.distinct > MANY_DATES]
    if dates:
        options["dates"] = "parts"
        notes["data.dates"] = f"{listed(dates)} would get a category for each date"
    most = max(
        (f.distinct for f in kept if f.kind == "categories" and f.name not in {*dates, *text}),
        default=0,
    )
    if most > MANY_CATEGORIES:
        options["min_frequency"] = RARE
        notes["data.min_frequency"] = f"a column has {most:,} categories"
    return columns


def _for_text(
    dataset: Dataset, options: Mapping[str, Any], notes: dict[str, str]
) -> dict[str, Any]:
    """Return values for data with columns of raw text, by dotted key, and add their notes."""
    if "text" not in options:
        return {}
    values: dict[str, Any] = {"model.C": TEXT_C, "solver.max_iter": SPARSE_ITERATIONS}
    notes["model.C"] = "rows of text are scaled to length 1, which needs a weaker penalty"
    notes["solver.max_iter"] = "solvers for sparse features need more iterations"
    if dataset.n_rows >= MANY_TEXTS:
        values["data.text_min_frequency"] = RARE
        notes["data.text_min_frequency"] = f"of {dataset.n_rows:,} rows"
    elif dataset.n_rows < FEW_TEXTS:
        values["data.text_min_frequency"] = 1
        notes["data.text_min_frequency"] = "few rows, in which few words occur twice"
    return values


def _differ_in_size(X: Any) -> bool:
    """Tell whether some sparse features are much larger than most.

    False for features as sparse as word counts: scaling would make the rarest words the largest.
    """
    if X.nnz < LIKE_TEXT * X.shape[0] * X.shape[1]:
        return False
    largest = abs(X).max(axis=0).toarray().ravel()
    largest = largest[largest > 0]
    return bool(len(largest) and largest.max() > MUCH_LARGER * np.median(largest))


def _load_with_other_target_kind(
    file: Path, options: dict[str, Any], notes: dict[str, str]
) -> tuple[Dataset, dict[str, Any], dict[str, str]] | None:
    """Load the data with the first of `OTHER_TARGETS` that works, or without rows lacking a target.

    Returns
    -------
    tuple or None
        The data, the options with which they were loaded, and the notes; None if nothing works.
    """
    several = isinstance(options.get("target"), list) or format_of(file) not in TABLES
    for kind, missing, why in OTHER_TARGETS if several else ():
        chosen = {**options, "target_kind": kind}
        reasons = {**notes, "data.target_kind": why}
        if missing != "error":
            chosen["missing_target"] = missing
            reasons["data.missing_target"] = "some rows lack the target, or a part of it"
        try:
            dataset = load_file(file, FileOptions.model_validate(chosen))
        except DataError:
            continue
        if dataset.y.ndim == 2 and dataset.y.shape[1] > 1:
            return dataset, chosen, reasons
    chosen = {**options, "missing_target": "drop"}
    reasons = {**notes, "data.missing_target": "some rows have no target"}
    try:
        return load_file(file, FileOptions.model_validate(chosen)), chosen, reasons
    except DataError:
        return None

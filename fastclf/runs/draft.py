"""A first recipe: complete, commented, and fit for the data that it is for."""

import os
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args

import numpy as np
import scipy.sparse
import tomlkit

from fastclf.config import Recipe
from fastclf.data import Dataset, FileOptions, load_file
from fastclf.data.columns import MANY_DATES
from fastclf.data.facts import (
    ColumnFacts,
    amounts_warning,
    column_facts,
    looks_like_amounts,
    placeholder_warnings,
)
from fastclf.data.prediction_rows import naming
from fastclf.data.tables import TABLES, format_of, open_table
from fastclf.data.targets import USUAL_NAMES, target_columns
from fastclf.errors import DataError, InputError, RunError, nearest, printable
from fastclf.runs.build import KINDS
from fastclf.runs.draft_split import choose_split, without_single_rows
from fastclf.runs.files import write_output
from fastclf.runs.parts import check_two_classes, left_out_lines
from fastclf.schema import descriptions
from fastclf.table import Categories, Table, listed, shortened
from fastclf.toml import Table as Keys
from fastclf.toml import tables_in

SEPARATORS = (";", "|")  # between the labels of a list
MANY_CATEGORIES = 50  # from which on rare ones are grouped
RARE = 5  # rows
MUCH_LARGER = 1000
LIKE_TEXT = 0.05  # of the features aren't 0
SPARSE_ITERATIONS = 1000
SHOWN = 40  # columns that the first comment tells of
WIDTH = 88

OTHER_TARGETS = (
    ("distribution", "drop", "without those rows each one sums to 1"),
    ("indicators", "error", "the targets are probabilities, but don't sum to 1 in each row"),
    ("indicators", "keep", "not all labels are known in all rows"),
    ("counts", "error", "the targets are numbers such as votes, and don't sum to 1"),
    ("counts", "drop", "the targets are numbers such as votes, and don't sum to 1"),
    ("logits", "error", "some targets are negative, so they can only be logits"),
    ("logits", "drop", "some targets are negative, so they can only be logits"),
)
"""What several targets may be that are neither 0 and 1 nor distributions, with what happens to rows
without one; and why it is that. The first that the data can be is taken.
"""


@dataclass(frozen=True)
class Draft:
    """What a recipe says that isn't a default, and why.

    Attributes
    ----------
    values : dict of str to value
        The keys, dotted.
    facts : tuple of str
        What was seen, for the comment at the top.
    notes : dict of str to str
        Why a key has its value.
    """

    values: dict[str, Any]
    facts: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)


def write_recipe(draft: Draft, path: Path, overwrite: bool = False) -> None:
    """Write a draft as a file.

    Raises
    ------
    RunError
        If there is one already, and it isn't to be overwritten; or it can't be written.
    """
    if path.is_file() and not overwrite:
        raise RunError(f"{path} exists; name another file with -o, or overwrite it with --force")
    write_output(path, recipe_text(draft, str(path)), "name another place with --output")


def draft_for_nothing() -> Draft:
    """Return the recipe of every default, for a built-in data set."""
    facts = ("Every key with its default. Keys behind a # have none, or belong to other choices.",)
    return Draft({"name": "iris", "data.name": "iris"}, facts)


def draft_for_file(
    file: Path,
    targets: Sequence[str] = (),
    folder: Path = Path(),
    text: Mapping[str, str] | None = None,
) -> Draft:
    """Return a recipe for a data file, after a look at it.

    Parameters
    ----------
    file : Path
        In any format that can be trained from.
    targets : sequence of str
        What is to be predicted: names of columns, patterns such as ``label_*``, an index such as
        -1, or for NPY the file of the targets. By default the column that has a usual name.
    folder : Path
        Where the recipe will be.
    text : mapping of str to str, optional
        The delimiter and the decimal mark of text; by default what its first rows show.

    Raises
    ------
    DataError
        If the file can't be read, or what is to be predicted can't be.
    """
    kind = format_of(file)
    options: dict[str, Any] = dict(text or {})
    notes: dict[str, str] = {}
    if len(targets) == 1 and targets[0].endswith(".npy"):
        options["target_path"] = targets[0]
    elif kind in TABLES:
        options["target"] = _target(file, targets, options)
        notes |= _look_at_lists(file, options)
    elif targets:
        options["target"] = _few([_index(target) for target in targets])
    try:
        dataset = load_file(file, FileOptions.model_validate(options))
    except DataError:
        found = _otherwise(file, options, notes)
        if found is None:
            raise
        dataset, options, notes = found
    if dataset.layout is not None:
        for key, value in dataset.layout.unusual().items():
            if key not in options:
                options[key] = value
                notes[f"data.{key}"] = "as the first rows show"
    if dataset.y.ndim == 1:
        check_two_classes(str(file), dataset.class_names)
    dataset = without_single_rows(file, dataset, options, notes)
    columns = _table_facts(dataset, options, notes)
    values = {
        "name": re.sub(r"[/\\\x00-\x1f]+", "-", dataset.name).lstrip(".")[:100] or "run",
        "data.path": os.path.relpath(file, folder),
        **{f"data.{key}": value for key, value in options.items()},
        "model.kind": KINDS[dataset.task],
    }
    if "target_path" in options:
        values["data.target_path"] = os.path.relpath(options["target_path"], folder)
    if not isinstance(dataset.features, Table) and dataset.features.dtype == np.float32:
        values["data.dtype"] = "float32"
        notes["data.dtype"] = "as in the file"
    if scipy.sparse.issparse(dataset.features):
        values["solver.max_iter"] = SPARSE_ITERATIONS
        notes["solver.max_iter"] = "sparse features have no matrix of derivatives, and need more"
        if _differ_in_size(dataset.features):
            values["data.scale"] = "standard"
            notes["data.scale"] = "features differ in size; sparse ones are divided, not shifted"
    choose_split(file, dataset, values, notes)
    facts = (
        _size(file, dataset, columns),
        *(f"{line[0].upper()}{line[1:]}." for line in left_out_lines(dataset.all_left_out)),
        *_warnings(dataset),
        _classes(dataset, options),
        *_columns(columns, options),
    )
    return Draft(values, facts, notes)


def recipe_text(draft: Draft, path: str) -> str:
    """Return a draft as TOML: each key of the recipe with its value and what it means.

    Parameters
    ----------
    draft : Draft
        What isn't a default.
    path : str
        What the file is called, for the command at its top.
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
        is_there = Recipe.model_fields[name].default is not None
        lines += ["", f"{'' if is_there else '# '}[{name}]"]
        chosen = _chosen(members, draft.values, name)
        for key in _in_order(chosen, f"{name}.", draft):
            lines += _key(chosen, key, f"{name}.", draft, commented=not is_there)
        lines += _others(members, chosen)
    return "\n".join(lines) + "\n"


def _key(
    table: type[Keys], key: str, prefix: str, draft: Draft, commented: bool = False
) -> Iterator[str]:
    """Yield the lines of a key: what it means, why it has its value, and the value."""
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


def _in_order(table: type[Keys], prefix: str, draft: Draft) -> Iterator[str]:
    """Yield the keys of a table, first those that were chosen for these data."""
    chosen = [dotted.removeprefix(prefix) for dotted in draft.values if dotted.startswith(prefix)]
    yield from chosen
    yield from (key for key in table.model_fields if key not in chosen)


def _others(members: Sequence[type[Keys]], chosen: type[Keys]) -> Iterator[str]:
    """Yield the keys that a table has with another value of its first key, behind a #."""
    tag = next(iter(chosen.model_fields))
    owners: dict[str, list[type[Keys]]] = {}
    for member in members:
        for key in member.model_fields:
            if key not in chosen.model_fields:
                owners.setdefault(key, []).append(member)
    said = ""
    for key, tables in owners.items():
        names = [name for table in tables for name in get_args(table.model_fields[tag].annotation)]
        yield ""
        if said != (said := f"With {tag} = {' or '.join(map(_toml, names))} there are:"):
            yield from (f"# {said}", "")
        yield from _comment(descriptions(tables[0]).get(key, ""))
        value = _default(tables[0], key)
        yield f"# {key} = {'...' if value is None else _toml(value)}"


def _chosen(members: Sequence[type[Keys]], values: Mapping[str, Any], name: str) -> type[Keys]:
    """Return the member of a union of tables that the values choose; by default the first."""
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
    # A comment of TOML may hold no control characters, and ends with its line.
    return printable(text.replace("\n", " "))


def _toml(value: Any) -> str:
    return tomlkit.item(value).as_string() if value != {} else "{}"


def _target(file: Path, targets: Sequence[str], text: Mapping[str, str]) -> Any:
    """Return the target columns that are named, matched or usual."""
    names = open_table(file, delimiter=text.get("delimiter"), decimal=text.get("decimal")).names
    if not targets:
        usual = [name for name in names if name.lower() in USUAL_NAMES]
        if len(usual) != 1:
            raise InputError(
                f"{file}: which column is to be predicted? Name it with --target; there are "
                f"{listed(names)}"
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
    return _few(list(dict.fromkeys(found)))


def _few(targets: list[Any]) -> Any:
    return targets[0] if len(targets) == 1 else targets


def _index(target: str) -> int | str:
    try:
        return int(target)
    except ValueError:
        return target


def _look_at_lists(file: Path, options: dict[str, Any]) -> dict[str, str]:
    """Add the separator of lists of labels to the options, if the target seems to hold such."""
    if isinstance(options["target"], list):
        return {}
    opened = open_table(file, delimiter=options.get("delimiter"), decimal=options.get("decimal"))
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
    """Return the facts of columns, and say what is to be left out or grouped."""
    if not isinstance(dataset.features, Table):
        return []
    columns = column_facts(dataset.features)
    drop = [facts.name for facts in columns if facts.is_identifier]
    if drop and len(drop) < len(columns):
        options["drop"] = drop
        notes["data.drop"] = "columns with a value of its own in nearly every row tell nothing"
    kept = [facts for facts in columns if facts.name not in options.get("drop", ())]
    dates = [facts.name for facts in kept if facts.is_date and facts.distinct > MANY_DATES]
    if dates:
        options["dates"] = "parts"
        notes["data.dates"] = f"{listed(dates)} would be a category for each date"
    most = max(
        (f.distinct for f in kept if f.kind == "categories" and f.name not in dates), default=0
    )
    if most > MANY_CATEGORIES:
        options["min_frequency"] = RARE
        notes["data.min_frequency"] = f"there is a column of {most:,} categories"
    return columns


def _differ_in_size(X: Any) -> bool:
    """Tell whether some sparse features are much larger than most, and they aren't those of text.

    Dividing counts of words would make the rarest ones the largest.
    """
    if X.nnz < LIKE_TEXT * X.shape[0] * X.shape[1]:
        return False
    largest = abs(X).max(axis=0).toarray().ravel()
    largest = largest[largest > 0]
    return bool(len(largest) and largest.max() > MUCH_LARGER * np.median(largest))


def _otherwise(
    file: Path, options: dict[str, Any], notes: dict[str, str]
) -> tuple[Dataset, dict[str, Any], dict[str, str]] | None:
    """Return data whose several targets are of another kind, with more options and notes."""
    several = isinstance(options.get("target"), list) or format_of(file) not in TABLES
    for kind, missing, why in OTHER_TARGETS if several else ():
        chosen = {**options, "target_kind": kind}
        told = {**notes, "data.target_kind": why}
        if missing != "error":
            chosen["missing_target"] = missing
            told["data.missing_target"] = "some rows have no target, or not all of it"
        try:
            dataset = load_file(file, FileOptions.model_validate(chosen))
        except DataError:
            continue
        if dataset.y.ndim == 2 and dataset.y.shape[1] > 1:
            return dataset, chosen, told
    chosen = {**options, "missing_target": "drop"}
    told = {**notes, "data.missing_target": "some rows have no target"}
    try:
        return load_file(file, FileOptions.model_validate(chosen)), chosen, told
    except DataError:
        return None


def _size(file: Path, dataset: Dataset, columns: Sequence[ColumnFacts]) -> str:
    text = f"{file.name}: {dataset.n_rows:,} rows, {dataset.features.shape[1]:,} columns"
    if columns:
        categorical = sum(facts.kind == "categories" for facts in columns)
        incomplete = sum(facts.missing > 0 for facts in columns)
        text += f", {categorical} categorical, missing values in {incomplete}"
        if dataset.layout is not None and dataset.layout.unusual():
            text += f"; {dataset.layout}"
        return f"{text}."
    dense = isinstance(dataset.features, np.ndarray)
    return f"{text}, a {'dense' if dense else 'sparse'} matrix of {dataset.features.dtype}."


def _warnings(dataset: Dataset) -> Iterator[str]:
    if isinstance(dataset.features, Table):
        yield from (f"Warning: {told}." for told in placeholder_warnings(dataset.features))
    if isinstance(dataset.features, Table) and looks_like_amounts(
        dataset.y, len(dataset.class_names)
    ):
        yield f"Warning: {amounts_warning(len(dataset.class_names))}."


def _classes(dataset: Dataset, options: Mapping[str, Any]) -> str:
    target = options.get("target")
    of = f" of {target}" if isinstance(target, str) else ""
    if dataset.y.ndim == 2:
        what = "Distributions over the classes" if dataset.is_soft else "Labels, any number a row"
        shares = np.nanmean(dataset.y, axis=0).tolist()
        named = [
            f"{shortened(name)} ({share:.0%})"
            for name, share in zip(dataset.class_names, shares, strict=True)
        ]
        return f"{what}{of}: {listed(named)}."
    labels, counts = np.unique(dataset.y, return_counts=True)
    named = [
        f"{shortened(str(label))} ({count:,})"
        for label, count in zip(labels.tolist(), counts.tolist(), strict=True)
    ]
    return f"Classes{of}: {listed(named)}."


def _columns(columns: Sequence[ColumnFacts], options: Mapping[str, Any]) -> Iterator[str]:
    if columns:
        yield "Columns:"
    width = max((len(facts.name) for facts in columns[:SHOWN]), default=0)
    for facts in columns[:SHOWN]:
        left_out = ", left out" if facts.name in options.get("drop", ()) else ""
        yield f"  {facts.name:<{width}}  {facts}{left_out}"
    if len(columns) > SHOWN:
        yield f"  and {len(columns) - SHOWN} more"

"""``fastclf init``: a complete, commented recipe, with settings chosen for a data file."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

from fastclf.data import Dataset, FileOptions, load_file
from fastclf.data.columns import MANY_DATES
from fastclf.data.facts import (
    ColumnFacts,
    column_facts,
)
from fastclf.data.prediction_rows import naming
from fastclf.data.tables import TABLES, format_of, open_table
from fastclf.data.targets import USUAL_NAMES, target_columns
from fastclf.errors import DataError, InputError, nearest
from fastclf.runs.build import KINDS
from fastclf.runs.draft_facts import classes_fact, column_lines, size_fact, warning_facts
from fastclf.runs.draft_split import choose_split, without_single_rows
from fastclf.runs.draft_text import Draft, file_options
from fastclf.runs.parts import check_two_classes, left_out_lines
from fastclf.table import SHOWN_NAMES, Categories, Table, listed

if TYPE_CHECKING:
    from fastclf.data.columnar import ColumnarFile
    from fastclf.data.text import TextFile

SEPARATORS = (";", "|")  # between the labels of a list
MANY_CATEGORIES = 50  # a column with more groups its rare categories
RARE = 5  # rows; the value of data.min_frequency that groups them
MUCH_LARGER = 1000  # ratio of the largest feature to the median one, from which on to scale
LIKE_TEXT = 0.05  # share of nonzeros below which sparse features are taken for word counts
SPARSE_ITERATIONS = 1000  # the value of solver.max_iter for sparse features
TEXT_C = 10.0  # the value of model.C for columns of raw text
FEW_TEXTS, MANY_TEXTS = 200, 100_000  # rows: with fewer each word is kept, with more those of RARE

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
    given: Mapping[str, Any] | None = None,
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
    given : mapping, optional
        Keys of `fastclf.data.FileOptions` that are given, such as "delimiter".

    Raises
    ------
    DataError
        If the file can't be read, or the target can't be used.
    """
    options: dict[str, Any] = dict(given or {})
    kind = format_of(file, options.get("format"))
    notes: dict[str, str] = {}
    if len(targets) == 1 and targets[0].endswith(".npy"):
        options["target_path"] = targets[0]
    elif kind in TABLES and "target_path" not in options:
        if targets or "target" not in options:
            options["target"] = _target(file, targets, options)
        if "label_separator" not in options:
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
                notes[f"data.{key}"] = "detected from the first rows"
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
    summary = _summary(file, dataset, values)
    return Draft(values, facts, notes, summary, dataset.test is not None)


def draft_with(
    file: Path,
    targets: Sequence[str],
    text: Mapping[str, str],
    assignments: Sequence[str],
    path: Path,
    tell: Callable[[str], object],
) -> Draft:
    """Return a draft for a data file that respects what was given on the command line.

    Parameters
    ----------
    file, targets
        As in `draft_for_file`.
    text : mapping of str to str
        "delimiter" and "decimal" of a text file, if given.
    assignments, path, tell
        As in `Draft.with_assignments`. Keys that say how the file is read count before it is read.

    Raises
    ------
    FastclfError
        If the file, the target or an assignment can't be used. The message names options of the
        command line.
    """
    given = {**text, **file_options(assignments, path)}
    try:
        draft = draft_for_file(file, targets, path.parent, given)
    except DataError as problem:
        raise DataError(_with_options(str(problem))) from None
    return draft.with_assignments(assignments, path, tell)


def _with_options(message: str) -> str:
    """Return an error message about a file with options of the command line for keys."""

    def option(found: re.Match) -> str:
        key, value = found.groups()
        if key in ("delimiter", "decimal"):
            return f"give --{key}"
        return f"use --set data.{key}={value or 'VALUE'}"

    message = re.sub(r"\bset data\.(\w+)(?: to (\w+))?", option, message)
    return re.sub(r"\b(?:in|with) data\.target\b", "with --target", message)


def _summary(file: Path, dataset: Dataset, values: Mapping[str, Any]) -> str:
    """Return what is predicted, and from how many columns."""
    target = values.get("data.target", values.get("data.target_path", "the targets in the file"))
    several = isinstance(target, list | tuple)
    named = listed([str(one) for one in target]) if several else str(target)
    what = "labels" if dataset.task == "multilabel" else "classes"
    n_columns = dataset.features.shape[1]
    if isinstance(dataset.features, Table):
        n_columns -= len(set(values.get("data.drop", ())) & set(dataset.feature_names))
    columns = f"{n_columns:,} column{'s' * (n_columns != 1)}"
    return f"{file.name}: predicts {named} ({len(dataset.class_names)} {what}) from {columns}"


def _open(file: Path, options: Mapping[str, Any]) -> "TextFile | ColumnarFile":
    return open_table(
        file, **{key: options.get(key) for key in ("format", "header", "delimiter", "decimal")}
    )


def _target(file: Path, targets: Sequence[str], options: Mapping[str, Any]) -> Any:
    """Return the target columns: those that ``targets`` match, or the one with a usual name.

    Raises
    ------
    InputError
        If a target matches no column, or none is given and not exactly one column has a usual name.
    """
    names = list(_open(file, options).names)
    if not targets:
        usual = [name for name in names if name.lower() in USUAL_NAMES]
        if len(usual) != 1:
            last = f"; the last one is {names[-1]}" if len(names) > SHOWN_NAMES else ""
            raise InputError(
                f"{file}: name the column to predict with --target; there are {listed(names)}{last}"
            )
        return usual[0]
    found: list[Any] = []
    for target in targets:
        matching = [name for name in names if name == target or fnmatchcase(name, target)]
        if not matching and isinstance(_index(target), str):
            raise InputError(
                f"{file}: --target {target}: there is no such column{nearest(target, names)};"
                f" there are {listed(names)}"
            )
        found += matching or [_index(target)]
    return _one_or_list(list(dict.fromkeys(found)))


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
    if isinstance(options["target"], list | tuple):
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
    if drop and len(drop) < len(columns) and "drop" not in options:
        options["drop"] = drop
        notes["data.drop"] = "identifiers: a different value in nearly every row"
    kept = [facts for facts in columns if facts.name not in options.get("drop", ())]
    text = [facts.name for facts in kept if facts.is_text]
    if text and "text" not in options:
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
    several = isinstance(options.get("target"), list | tuple)
    several = several or format_of(file, options.get("format")) not in TABLES
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

"""The split settings of a drafted recipe, chosen so that the recipe trains without changes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastclf.config import DataTable, Recipe
from fastclf.data import Dataset
from fastclf.errors import DataError
from fastclf.runs.parts import split_and_prepare
from fastclf.table import Table, listed

SEED = Recipe.model_fields["seed"].default


def without_single_rows(
    file: Path, dataset: Dataset, options: dict[str, Any], notes: dict[str, str]
) -> Dataset:
    """Leave out classes with a single row, which can't be both in the training and the test rows.

    Parameters
    ----------
    file : Path
        The data file, for messages.
    dataset : Dataset
    options, notes : dict
        ``data.classes``, and the reason for it, are added if a class is left out.

    Raises
    ------
    DataError
        If fewer than two classes are left.
    """
    if dataset.test is not None or dataset.y.ndim == 2:
        return dataset
    labels, counts = np.unique(dataset.y, return_counts=True)
    if counts.min() > 1:
        return dataset
    names = [str(label) for label in labels[counts < 2].tolist()]
    single, several = listed(names), len(names) > 1
    kept = labels[counts > 1].tolist()
    if len(kept) < 2:
        if several and dataset.y.dtype.kind in "iu":
            raise DataError(
                f"{file}: the target has {len(labels)} different whole numbers, nearly all in one "
                "row each; it looks like a number to predict, and fastclf only classifies; name "
                "another column with --target"
            )
        has, it = ("have one row each", "them") if several else ("has one row only", "it")
        raise DataError(
            f"{file}: {single} {has}, and without {it} there are fewer than two classes; "
            f"correct {'the classes' if several else 'the class'}, or add rows"
        )
    options["classes"] = kept
    notes["data.classes"] = f"without {single}, which " + (
        "have one row each" if several else "has one row only"
    )
    return dataset.keep_classes(kept)


def choose_split(
    file: Path, dataset: Dataset, values: dict[str, Any], notes: dict[str, str]
) -> None:
    """Change the split settings if the defaults don't work; check that the rows can be prepared.

    Parameters
    ----------
    file : Path
    dataset : Dataset
        The rows of the file that are used.
    values, notes : dict
        The recipe's values by dotted key, and the reasons for them; changed settings are added.

    Raises
    ------
    DataError
        If no split lets the recipe train.
    """
    _stratify(dataset, values, notes)
    dataset = _without_columns(dataset, values.get("data.drop", ()))
    keys = {key.removeprefix("data."): values[key] for key in values if key.startswith("data.")}
    table = DataTable.model_validate({**keys, "path": str(file)})
    try:
        split_and_prepare(dataset, table, SEED).for_fit()
    except DataError:
        if "data.stratify" not in values:
            raise
        split_and_prepare(dataset, table.model_copy(update={"test_size": 0.0}), SEED)
        values["data.test_size"] = 0.0
        notes["data.test_size"] = (
            "too few rows: test rows would leave a class without training rows"
        )


def _without_columns(dataset: Dataset, names: Sequence[str]) -> Dataset:
    if not isinstance(dataset.features, Table):
        return dataset
    kept = [name for name in dataset.feature_names if name not in names]
    features = dataset.features.select(kept)
    return replace(dataset, features=features, feature_names=tuple(kept))


def _stratify(dataset: Dataset, values: dict[str, Any], notes: dict[str, str]) -> None:
    if dataset.test is not None or dataset.y.ndim == 2 and not dataset.is_soft:
        return
    labels, counts = np.unique(dataset.hard_labels, return_counts=True)
    test_rows = np.ceil(dataset.n_rows * DataTable.model_fields["test_size"].default)
    if counts.min() < 2 or test_rows < len(labels):
        values["data.stratify"] = False
        notes["data.stratify"] = "too few rows of a class, or in the test part"

"""How the rows of a first recipe are split, so that it trains as it stands."""

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
    """Leave out the classes of one row, which can't be both learned and tested.

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
    alone = listed([str(label) for label in labels[counts < 2].tolist()])
    kept = labels[counts > 1].tolist()
    if len(kept) < 2:
        raise DataError(
            f"{file}: of {alone} there is one row only, and without it there are no two classes to "
            "be told apart; correct it, or add rows"
        )
    options["classes"] = kept
    notes["data.classes"] = f"without {alone}, of which there is one row only"
    return dataset.keep_classes(kept)


def choose_split(
    file: Path, dataset: Dataset, values: dict[str, Any], notes: dict[str, str]
) -> None:
    """Change how rows are split where the default can't be, and split and prepare them.

    Parameters
    ----------
    file : Path
    dataset : Dataset
        The rows of the file that are used.
    values, notes : dict
        The keys of the recipe and why they have their values; what is changed is added.

    Raises
    ------
    DataError
        If the recipe would not train.
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
        notes["data.test_size"] = "too few rows; with some held out, a class would have none left"


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
        notes["data.stratify"] = "there are too few rows for that"

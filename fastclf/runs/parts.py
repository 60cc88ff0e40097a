"""The rows of a run: read, split, and scaled for the fit."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fastclf.config import DataTable
from fastclf.data import Dataset, fit_scaling, load_built_in, load_card, split_rows
from fastclf.linear_model import Affine, LinearModel


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the rows, as they were read."""

    X: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class Parts:
    """The training rows, the test rows, and the scaling that the training rows decide.

    Attributes
    ----------
    train, test : Part
        The rows.
    scaling : Affine or None
        What the estimator's rows went through.
    feature_names : tuple of str
        Names of the columns.
    label_names : tuple of str or None
        Names of the labels, where a row has several.
    """

    train: Part
    test: Part
    scaling: Affine | None
    feature_names: tuple[str, ...]
    label_names: tuple[str, ...] | None

    def scaled(self, X: np.ndarray) -> np.ndarray:
        """Return rows as the estimators see them."""
        return X if self.scaling is None else self.scaling.apply(X)

    def for_raw_rows(self, model: LinearModel) -> LinearModel:
        """Return a model of scaled rows as one of rows as they were read, with all names."""
        classes = model.classes if self.label_names is None else np.array(self.label_names)
        return replace(
            model,
            classes=classes,
            preprocessing=self.scaling,
            feature_names=self.feature_names,
        )


def read_dataset(table: DataTable) -> Dataset:
    """Return the data that a recipe's ``[data]`` names, with the classes that it keeps."""
    if table.name is not None:
        dataset = load_built_in(table.name)
    else:
        assert table.card is not None  # the table has exactly one of the two
        dataset = load_card(Path(table.card))
    return dataset if table.classes is None else dataset.keep_classes(table.classes)


def split_and_scale(dataset: Dataset, table: DataTable, seed: int) -> Parts:
    """Return a data set's training and test rows."""
    X = dataset.X.astype(table.dtype)
    train_rows, test_rows = split_rows(
        dataset, test_size=table.test_size, stratify=table.stratify, seed=seed
    )
    train = Part(X[train_rows], dataset.y[train_rows])
    test = Part(X[test_rows], dataset.y[test_rows])
    return Parts(
        train,
        test,
        scaling=fit_scaling(train.X, table.scale),
        feature_names=dataset.feature_names,
        label_names=dataset.class_names if dataset.task == "multilabel" else None,
    )

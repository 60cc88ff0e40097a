"""The rows of a run: read, split, and made ready for the fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastclf.config import CalibrateTable, DataTable, DistillTable
from fastclf.data import (
    Dataset,
    fit_encoder,
    fit_scaling,
    load_built_in,
    load_card,
    load_file,
    read_teacher_outputs,
    split_rows,
)
from fastclf.data.columns import date_columns
from fastclf.errors import DataError, located
from fastclf.finite import first_not_finite
from fastclf.linear_model import Affine, LinearModel
from fastclf.preprocessing import Encoder
from fastclf.table import Table, listed


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the rows.

    Attributes
    ----------
    X : ndarray of shape (n, d), CSR matrix of shape (n, d), or Table
        As they were read.
    y : ndarray of shape (n,), (n, L) or (n, K)
        Labels, indicators (NaN where not known), or with ``is_soft`` distributions.
    is_soft : bool
        Whether ``y`` holds distributions.
    told : ndarray of shape (n, K), optional
        What a teacher said of each row, where that is known.
    weights : ndarray of shape (n,), optional
        How much each row counts in a fit; None for all alike.
    rows : ndarray of shape (n,), optional
        The number of each row in its file, for messages.
    """

    X: Any
    y: np.ndarray
    is_soft: bool = False
    told: np.ndarray | None = None
    weights: np.ndarray | None = None
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Parts:
    """The training rows, the test rows, and what the training rows decide.

    Attributes
    ----------
    source : str
        Where the rows are from, for messages.
    train : Part
        The rows to train on.
    test : Part
        The rows to test on; there may be none.
    preparation : Affine, Encoder or None
        What the rows go through before the fit.
    feature_names : tuple of str
        Names of the features that are fitted.
    class_names : tuple of str or None
        Names of the labels, or of the classes of distributions; None where the labels are known to
        the estimator.
    held_out : Part, optional
        Training rows that the model isn't fitted to, but calibrated on.
    """

    source: str
    train: Part
    test: Part
    preparation: Affine | Encoder | None
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...] | None
    held_out: Part | None = None

    @property
    def n_rows(self) -> int:
        """The number of rows in all parts."""
        held_out = 0 if self.held_out is None else len(self.held_out)
        return len(self.train) + held_out + len(self.test)

    def for_fit(self) -> Any:
        """Return the training rows as the estimators see them.

        The other rows of a table are encoded, too: rather than after the fit, what is wrong with
        them is told before.

        Raises
        ------
        DataError
            If a value can't be encoded.
        """
        X = self.prepared(self.train.X)
        for part in (self.held_out, self.test):
            if part is not None and isinstance(part.X, Table):
                self.prepared(part.X)
        return X

    def prepared(self, X: Any) -> Any:
        """Return rows as the estimators see them.

        Raises
        ------
        DataError
            If a value can't be encoded.
        """
        if self.preparation is None:
            return X
        with located(self.source), np.errstate(over="ignore"):
            features = self.preparation.apply(X)
            if isinstance(X, Table):
                _check_precision(features, X.rows, self.feature_names)
        return features

    def for_raw_rows(self, model: LinearModel) -> LinearModel:
        """Return a model of prepared rows as one of rows as they were read, with all names."""
        classes = model.classes if self.class_names is None else np.array(self.class_names)
        named = replace(model, classes=classes, feature_names=self.feature_names)
        if isinstance(self.preparation, Encoder):
            return replace(named, encoder=self.preparation)
        return replace(named, preprocessing=self.preparation)


def read_dataset(table: DataTable, distill: DistillTable | None = None) -> Dataset:
    """Return the data that a recipe's ``[data]`` names, with the classes that it keeps.

    With them comes what a teacher said of the rows, where ``[distill]`` names its file or columns.
    """
    if table.name is not None:
        with located("data.name"):
            dataset = load_built_in(table.name, table.data_home, table.download)
    elif table.path is not None:
        columns = (distill and distill.teacher_columns) or ()
        dataset = load_file(Path(table.path), table, columns)
    else:
        assert table.card is not None  # the table has exactly one of the three
        dataset = load_card(Path(table.card))
    if distill is not None and distill.teacher_file is not None:
        dataset = replace(
            dataset, teacher_outputs=read_teacher_outputs(Path(distill.teacher_file), dataset)
        )
    dataset = without_others(dataset, table)
    if dataset.y.ndim == 1:
        check_two_classes(dataset.name if table.path is None else table.path, dataset.class_names)
    return dataset


def check_two_classes(source: str, names: Sequence[str]) -> None:
    """Refuse rows with one label each that are all of one class.

    Raises
    ------
    DataError
        If there are fewer than two names.
    """
    if len(names) < 2:
        raise DataError(
            f"{source}: all rows are of one class, {listed(names)}, so there is nothing to be told "
            "apart; add rows of another class, or name another column with data.target"
        )


def without_others(dataset: Dataset, table: DataTable) -> Dataset:
    """Return the rows of the classes that ``[data]`` keeps.

    Raises
    ------
    DataError
        If it names one that isn't there, or leaves fewer than two.
    """
    if table.ignore_index is not None:
        with located("data.ignore_index"):
            return dataset.ignoring(table.ignore_index)
    if table.classes is not None:
        with located("data.classes"):
            return dataset.keep_classes(table.classes)
    return dataset


def left_out_lines(counts: Mapping[str, int]) -> list[str]:
    """Return a line for each reason for which rows are left out, from their numbers by reason."""
    return [f"left out: {n:,} row{'s' * (n > 1)} {why}" for why, n in counts.items()]


def split_and_prepare(
    dataset: Dataset, table: DataTable, seed: int, calibrate: CalibrateTable | None = None
) -> Parts:
    """Return a data set's training and test rows, and fit what prepares them.

    Those to calibrate on are split off from the training rows, in the same way.

    Raises
    ------
    DataError
        If the data are too few to be split, or a column can't be prepared.
    """
    if not isinstance(dataset.features, Table):
        dataset = _in_dtype(dataset, table.dtype)
    if dataset.test is not None:
        train, test = dataset, dataset.test
    else:
        train_rows, test_rows = split_rows(
            dataset,
            test_size=table.test_size,
            stratify=table.stratify,
            seed=seed,
            split_kind=table.split_kind,
        )
        train, test = dataset.take(train_rows), dataset.take(test_rows)
    held_out = None
    if calibrate is not None:
        train_rows, held_out_rows = split_rows(
            train,
            test_size=calibrate.validation_fraction,
            stratify=table.stratify,
            seed=seed,
            split_kind=table.split_kind,
            key="calibrate.validation_fraction",
        )
        train, held_out = train.take(train_rows), train.take(held_out_rows)
        _check_classes(train, held_out)
    _check_classes(train, test)
    preparation: Affine | Encoder | None
    feature_names = dataset.feature_names
    source = table.path or dataset.name
    with located(source):
        if isinstance(train.features, Table):
            preparation = fit_encoder(
                train.features,
                scale=table.scale,
                impute=table.impute,
                min_frequency=table.min_frequency,
                dtype=table.dtype,
                dates=_dates(train.features, table),
            )
            feature_names = preparation.feature_names
        else:
            preparation = fit_scaling(train.features, table.scale)
    return Parts(
        source,
        _part(train),
        _part(test),
        preparation,
        feature_names,
        dataset.class_names if dataset.y.ndim == 2 else None,
        None if held_out is None else _part(held_out),
    )


def _dates(rows: Table, table: DataTable) -> list[str]:
    """Return the columns of dates that are to be taken apart."""
    if table.dates != "parts":
        return []
    return [name for name in date_columns(rows) if name not in table.categorical]


def _part(rows: Dataset) -> Part:
    return Part(rows.features, rows.y, rows.is_soft, rows.teacher_outputs, rows.weights, rows.rows)


def _in_dtype(dataset: Dataset, dtype: str) -> Dataset:
    test = None if dataset.test is None else _in_dtype(dataset.test, dtype)
    with np.errstate(over="ignore"):
        features = dataset.features.astype(dtype, copy=False)
    if features is not dataset.features:
        with located(dataset.name):
            _check_precision(features, dataset.rows, dataset.feature_names)
    return replace(dataset, features=features, test=test)


def _check_precision(X: Any, rows: np.ndarray, names: Sequence[str]) -> None:
    """Refuse finite numbers that single precision can't hold."""
    found = first_not_finite(X) if X.dtype == np.float32 else None
    if found is not None:
        where = found.described(rows[found.row], names)
        raise DataError(f'{where} in single precision; correct it, or set data.dtype to "float64"')


def _check_classes(train: Dataset, test: Dataset) -> None:
    """Refuse a split that leaves a class without a row to learn it from."""
    if train.y.ndim == 2:
        return
    known = set(np.unique(train.y).tolist())
    unseen = [str(label) for label in np.unique(test.y).tolist() if label not in known]
    if unseen:
        raise DataError(
            f"{train.name}: all rows of {listed(unseen)} are held out, "
            "so nothing can be learned of it; split otherwise, or leave the class out with "
            "data.classes"
        )

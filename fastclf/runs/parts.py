"""Reading, splitting and preparing the rows of a run that are held in memory."""

from collections.abc import Collection, Mapping, Sequence
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
    """A subset of the rows: the training, test or calibration rows.

    Attributes
    ----------
    X : ndarray of shape (n, d), CSR matrix of shape (n, d), or Table
        The raw features.
    y : ndarray of shape (n,), (n, L) or (n, K)
        Labels, indicators (NaN where unknown), or with ``is_soft`` distributions.
    is_soft : bool
        Whether ``y`` holds distributions.
    teacher_outputs : ndarray of shape (n, K) or (n, 1), optional
        A teacher's logits or probabilities, from a file or from columns of the data.
    weights : ndarray of shape (n,), optional
        The weight of each row in the fit; by default 1.
    rows : ndarray of shape (n,), optional
        The number of each row in its file, for messages.
    """

    X: Any
    y: np.ndarray
    is_soft: bool = False
    teacher_outputs: np.ndarray | None = None
    weights: np.ndarray | None = None
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Parts:
    """The training, test and calibration rows, and the preparation fitted to the training rows.

    Attributes
    ----------
    source : str
        The file or name of the data, for messages.
    train : Part
        The training rows.
    test : Part
        The test rows; possibly none.
    preparation : Affine, Encoder or None
        The scaling or encoding of the features before the fit.
    feature_names : tuple of str
        The names of the prepared features.
    class_names : tuple of str or None
        The names of the labels of multi-label data, or of the classes of distributions. None for
        one label per row, whose classes the estimator knows.
    held_out : Part, optional
        The rows to calibrate the model on, split off from the training rows.
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
        """Return the prepared features of the training rows.

        The other rows of a table are encoded too, so that an error in them is raised before the
        fit rather than after it.

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
        """Return the prepared features of raw rows.

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
                check_precision(features, X.rows, self.feature_names)
        return features

    def for_raw_rows(self, model: LinearModel) -> LinearModel:
        """Return a model that takes raw rows from one that takes prepared rows; add all names."""
        classes = model.classes if self.class_names is None else np.array(self.class_names)
        named = replace(model, classes=classes, feature_names=self.feature_names)
        if isinstance(self.preparation, Encoder):
            return replace(named, encoder=self.preparation)
        return replace(named, preprocessing=self.preparation)


def read_dataset(table: DataTable, distill: DistillTable | None = None) -> Dataset:
    """Read the data that a recipe's ``[data]`` names, without the rows that it leaves out.

    If ``[distill]`` names a file or columns with a teacher's outputs, these are read too.
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
    dataset = kept_rows(dataset, table)
    if dataset.y.ndim == 1:
        check_two_classes(dataset.name if table.path is None else table.path, dataset.class_names)
    return dataset


def check_two_classes(source: str, names: Sequence[str]) -> None:
    """Check that data with one label per row have at least two classes.

    Raises
    ------
    DataError
        If there are fewer than two names.
    """
    if len(names) < 2:
        raise DataError(
            f"{source}: all rows belong to one class, {listed(names)}; add rows of another class, "
            "or name another column with data.target"
        )


def kept_rows(dataset: Dataset, table: DataTable) -> Dataset:
    """Apply ``data.ignore_index`` or ``data.classes``: drop the rows of the other classes.

    Raises
    ------
    DataError
        If a named class doesn't occur, or fewer than two classes are left.
    """
    if table.ignore_index is not None:
        with located("data.ignore_index"):
            return dataset.ignoring(table.ignore_index)
    if table.classes is not None:
        with located("data.classes"):
            return dataset.keep_classes(table.classes)
    return dataset


def left_out_lines(counts: Mapping[str, int]) -> list[str]:
    """Return a message for each reason to leave out rows, from the number of rows by reason."""
    return [f"left out: {n:,} row{'s' * (n > 1)} {why}" for why, n in counts.items()]


def split_test_rows(dataset: Dataset, table: DataTable, seed: int) -> tuple[Dataset, Dataset]:
    """Return the training and the test rows of a data set, a matrix in the recipe's precision.

    Raises
    ------
    DataError
        If there are too few rows to split.
    """
    if not isinstance(dataset.features, Table):
        dataset = in_dtype(dataset, table.dtype)
    if dataset.test is not None:
        return dataset, dataset.test
    return _split(dataset, table, seed, table.test_size, "data.test_size")


def _split(
    rows: Dataset, table: DataTable, seed: int, share: float, key: str
) -> tuple[Dataset, Dataset]:
    """Split off a share of some rows; ``key`` is its key in the recipe, for messages."""
    kept, taken = split_rows(
        rows,
        test_size=share,
        stratify=table.stratify,
        seed=seed,
        split_kind=table.split_kind,
        key=key,
    )
    return rows.take(kept), rows.take(taken)


def split_and_prepare(
    dataset: Dataset, table: DataTable, seed: int, calibrate: CalibrateTable | None = None
) -> Parts:
    """Split a data set into training and test rows, and fit the preparation to the training rows.

    With ``calibrate``, calibration rows are then split off from the training rows.

    Raises
    ------
    DataError
        If there are too few rows to split, or a column can't be prepared.
    """
    train, test = split_test_rows(dataset, table, seed)
    held_out = None
    if calibrate is not None:
        share, key = calibrate.validation_fraction, "calibrate.validation_fraction"
        train, held_out = _split(train, table, seed, share, key)
        _check_split(train, held_out)
    return prepare(train, test, table, held_out)


def prepare(
    train: Dataset, test: Dataset, table: DataTable, held_out: Dataset | None = None
) -> Parts:
    """Return parts of the rows, with the preparation fitted to the training rows.

    Raises
    ------
    DataError
        If a class has no training rows, or a column can't be prepared.
    """
    _check_split(train, test)
    preparation: Affine | Encoder | None
    feature_names = train.feature_names
    source = table.path or train.name
    with located(source):
        if isinstance(train.features, Table):
            preparation = fit_encoder(
                train.features,
                scale=table.scale,
                impute=table.impute,
                min_frequency=table.min_frequency,
                dtype=table.dtype,
                dates=_dates(train.features, table, train.text),
                text=train.text,
                text_options=table.text_options,
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
        train.class_names if train.y.ndim == 2 else None,
        None if held_out is None else _part(held_out),
    )


def _dates(rows: Table, table: DataTable, text: Collection[str]) -> list[str]:
    """Return the date columns to encode as numbers (year, month, ...) rather than categories."""
    if table.dates != "parts":
        return []
    return [name for name in date_columns(rows) if name not in {*table.categorical, *text}]


def _part(rows: Dataset) -> Part:
    return Part(rows.features, rows.y, rows.is_soft, rows.teacher_outputs, rows.weights, rows.rows)


def in_dtype(dataset: Dataset, dtype: str) -> Dataset:
    """Return a data set whose matrix has another dtype.

    Raises
    ------
    DataError
        If a number overflows.
    """
    test = None if dataset.test is None else in_dtype(dataset.test, dtype)
    with np.errstate(over="ignore"):
        features = dataset.features.astype(dtype, copy=False)
    if features is not dataset.features:
        with located(dataset.name):
            check_precision(features, dataset.rows, dataset.feature_names)
    return replace(dataset, features=features, test=test)


def check_precision(X: Any, rows: np.ndarray, names: Sequence[str]) -> None:
    """Check that no number overflowed when it was converted to float32."""
    found = first_not_finite(X) if X.dtype == np.float32 else None
    if found is not None:
        where = found.described(rows[found.row], names)
        raise DataError(f'{where} in single precision; correct it, or set data.dtype to "float64"')


def check_classes(source: str, known: Sequence[str], y: np.ndarray) -> None:
    """Check that each label (m,) of held-out rows also occurs in the training rows.

    Raises
    ------
    DataError
        If one isn't among the ``known`` names.
    """
    names = set(known)
    unseen = [str(label) for label in np.unique(y).tolist() if str(label) not in names]
    if y.ndim == 1 and unseen:
        raise DataError(
            f"{source}: all rows of {listed(unseen)} are held out, "
            "so the class can't be learned; split otherwise, or leave the class out with "
            "data.classes"
        )


def _check_split(train: Dataset, other: Dataset) -> None:
    if train.y.ndim == 1:
        check_classes(train.name, [str(label) for label in np.unique(train.y).tolist()], other.y)

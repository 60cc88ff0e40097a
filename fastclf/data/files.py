"""Loading of a data file as a `Dataset`: chooses the features and targets, and checks them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fastclf.data.arrays import load_arrays
from fastclf.data.compressed import stem
from fastclf.data.dataset import Dataset
from fastclf.data.labels import matched_labels
from fastclf.data.nulls import KnownNames, without_nulls
from fastclf.data.options import FileOptions
from fastclf.data.tables import TABLES, format_of, open_table, read_exact, set_known_names
from fastclf.data.target_files import read_target_file
from fastclf.data.targets import (
    Targets,
    check_rows,
    read_targets,
    row_weights,
    target_columns,
)
from fastclf.errors import DataError, located, nearest
from fastclf.finite import first_not_finite
from fastclf.preprocessing import as_numbers
from fastclf.table import Categories, Lists, Numbers, Table, as_categories, check_columns, listed


def load_file(
    path: Path,
    options: FileOptions,
    teacher_columns: Sequence[str] = (),
    known: KnownNames | None = None,
) -> Dataset:
    r"""Return the data set in a file of any format.

    Parameters
    ----------
    path : Path
        The file, or a folder of Parquet files.
    options : FileOptions
        How to read it.
    teacher_columns : sequence of str
        Numeric columns with the outputs of a teacher, which aren't features.
    known : KnownNames, optional
        Names that a model knows: they are values in this file, too, even if they read "NA".

    Returns
    -------
    Dataset
        With a Table as features for files of named columns, otherwise with a matrix.

    Raises
    ------
    DataError
        If the file can't be read, a column is missing, or a value can't be used; the message names
        the file and, if known, the row and the column.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastclf.data import FileOptions, load_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "loans.csv")
    ...     _ = path.write_text("id,age,city,approved\n1,30,Bern,yes\n2,,Faro,no\n3,45,Bern,no\n")
    ...     loans = load_file(path, FileOptions(target="approved", drop=("id",)))
    >>> loans.feature_names, loans.y.tolist()
    (('age', 'city'), ['yes', 'no', 'no'])
    >>> loans.features.columns["age"].values.tolist()
    [30.0, nan, 45.0]
    """
    dataset = _load(path, options, teacher_columns, known=known)
    if options.test_path is None:
        return dataset
    test_path = Path(options.test_path)
    test = _load(test_path, options, teacher_columns, like=dataset)
    return replace(dataset, test=replace(test, test=None))


def _load(
    path: Path,
    options: FileOptions,
    teacher_columns: Sequence[str],
    like: Dataset | None = None,
    known: KnownNames | None = None,
) -> Dataset:
    if like is not None and isinstance(like.features, Table):
        found = like.features.columns.items()
        texts = {name: column.names for name, column in found if isinstance(column, Categories)}
        known = KnownNames(texts, like.class_names)
    kind = format_of(path, options.format)
    beside = read_target_file(options)
    with located(path, once=True):
        if kind in TABLES:
            dataset = _load_table(path, options, teacher_columns, like, beside, known)
        elif teacher_columns:
            raise DataError("teacher_columns needs a file of named columns; use teacher_file")
        else:
            dataset = load_arrays(path, kind, options, like, beside)
        if like is not None:
            return _as_test(dataset, like)
        if dataset.test is not None:
            return replace(dataset, test=_as_test(dataset.test, dataset))
        return dataset


def _load_table(
    path: Path,
    options: FileOptions,
    teacher_columns: Sequence[str],
    like: Dataset | None,
    beside: Targets | None,
    known: KnownNames | None,
) -> Dataset:
    file = open_table(
        path,
        format=options.format,
        header=options.header,
        delimiter=options.delimiter,
        decimal=options.decimal,
        encoding=options.encoding,
        expected=None if like is None else like.feature_names,
    )
    targets = () if beside is not None else target_columns(file.names, options)
    if like is None:
        names = feature_columns(file.names, [*targets, *teacher_columns], options)
    else:
        names = list(like.feature_names)
        check_columns(names, file.names)
    split_by = [] if options.split_by is None else [options.split_by]
    weight = [] if options.weight is None or like is not None else [options.weight]
    for key, columns in (("teacher_columns", teacher_columns), ("weight", weight)):
        with located(key):
            check_columns(columns, file.names)
    wanted = list(dict.fromkeys([*names, *targets, *split_by, *teacher_columns, *weight]))
    text = {*options.categorical, *options.text}
    if options.label_separator is not None:
        text |= set(targets)  # a list such as "1,2" must not become a number
    if like is not None and isinstance(like.features, Table):
        own = like.features.columns.items()
        text |= {name for name, column in own if not isinstance(column, Numbers)}
        text &= set(file.names)
    if known is not None:
        classes = {targets[0]: known.classes} if len(targets) == 1 else {}
        set_known_names(file, {**known.columns, **classes})
    table = read_exact(file, wanted, [*targets, *split_by], text)
    if known is not None:
        table = without_nulls(table, known.columns)
    table = without_nulls(table, dict.fromkeys(options.text, ()))  # as rows to predict for
    if not table.n_rows:
        raise DataError("there are no rows")
    found = beside or read_targets(
        table.select(targets), options, like.class_names if like is not None else None
    )
    check_rows(found, table.n_rows)
    if found.kept is not None:
        table = table.take(found.kept)
    features = table.select(names)
    weights = found.weights
    if weight:
        weights = row_weights(table.columns[weight[0]], weight[0], table.rows)
    for name, column in features.columns.items():
        if isinstance(column, Lists):
            raise DataError(f'column "{name}" holds lists; leave it out with data.drop')
        if isinstance(column, Numbers):
            infinite = first_not_finite(column.values[:, None], allow_nan=True)
            if infinite is not None:
                where = infinite.described(features.rows[infinite.row], [name])
                raise DataError(f"{where}; correct it")
    return Dataset(
        stem(path),
        features,
        found.y,
        tuple(names),
        found.class_names,
        is_soft=found.is_soft,
        groups=_groups(table, options.split_by),
        teacher_outputs=teacher_outputs(table, teacher_columns) if teacher_columns else None,
        weights=weights,
        left_out=found.left_out,
        layout=file.layout,
        text=options.text,
    )


def feature_columns(
    names: Sequence[str], targets: Sequence[str], options: FileOptions
) -> list[str]:
    """Return the names of the features, in the order of the file or of ``columns``."""
    split_by = () if options.split_by is None else (options.split_by,)
    for key, wanted in (
        ("drop", options.drop),
        ("columns", options.columns or ()),
        ("categorical", options.categorical),
        ("text", options.text),
        ("split_by", split_by),
    ):
        with located(key):
            check_columns(wanted, names)
    if options.columns is None:
        left_out = {*targets, *options.drop, *split_by, options.weight}
        kept = [name for name in names if name not in left_out]
    else:
        left_out = {*targets, *options.drop, options.weight}
        kept = [name for name in dict.fromkeys(options.columns) if name not in left_out]
    if not kept:
        raise DataError(f"no column is left to be a feature; there are {listed(names)}")
    for name in options.text:
        if name not in kept:
            raise DataError(
                f'text: column "{name}" isn\'t a feature, because another key names it or leaves '
                "it out; remove it from text"
            )
    return kept


def teacher_outputs(table: Table, names: Sequence[str]) -> np.ndarray:
    """Return the columns with a teacher's outputs, finite numbers (n, K)."""
    columns = []
    for name in names:
        column = table.columns[name]
        if isinstance(column, Lists):
            raise DataError(f'teacher_columns: column "{name}" holds lists; name numeric columns')
        columns.append(as_numbers(name, column, table.rows).values.astype(np.float64))
    outputs = np.stack(columns, axis=1)
    found = first_not_finite(outputs)
    if found is not None:
        where = found.described(table.rows[found.row], names)
        raise DataError(f"teacher_columns: {where}; correct it, or drop the row")
    return outputs


def _groups(table: Table, name: str | None) -> np.ndarray | None:
    """Return the values of the column by which rows are split: numbers, or codes of categories."""
    if name is None:
        return None
    column = table.columns[name]
    missing = column.missing
    if missing.any():
        row = table.rows[missing.argmax()]
        raise DataError(
            f'row {row}, column "{name}": a missing value, but split_by needs one; fill it in'
        )
    if isinstance(column, Lists):
        raise DataError(f'column "{name}" holds lists; split_by needs numbers or categories')
    return column.values if isinstance(column, Numbers) else as_categories(column).codes


def _missing_in_test_only(table: Table) -> str:
    """Return the error that a test row has a missing value, where no training row has one."""
    columns = table.columns.items()
    name, missing = next((name, x.missing) for name, x in columns if x.missing.any())
    row = int(table.rows[int(missing.argmax())])
    return (
        f'row {row}, column "{name}": a missing value, though none is missing in the '
        "training rows; "
        "fill it in, or leave the row out"
    )


def _as_test(test: Dataset, dataset: Dataset) -> Dataset:
    """Return test rows with the labels and names of the training data."""
    d, wanted = test.features.shape[1], dataset.features.shape[1]
    if d != wanted:
        raise DataError(f"the test rows have {d} features, but the training rows have {wanted}")
    if isinstance(dataset.features, Table) != isinstance(test.features, Table):
        dense = test.features
        if isinstance(dense, Table):
            raise DataError(_missing_in_test_only(dense))
        columns = zip(dataset.feature_names, dense.T, strict=True)
        test = replace(test, features=Table({name: Numbers(x) for name, x in columns}))
    if dataset.task == "multilabel" or dataset.is_soft:
        if test.class_names != dataset.class_names or test.is_soft != dataset.is_soft:
            raise DataError(
                f"the labels of the test rows are {listed(test.class_names)}, and those of the "
                f"training rows {listed(dataset.class_names)}"
            )
        return test
    y = labels_to_test(test.y, dataset.class_names)
    known = dataset.labels  # in the order of `class_names`
    order = {name: code for code, name in enumerate(dataset.class_names)}
    names, codes = np.unique(y, return_inverse=True)
    y = known[[order[name] for name in names.tolist()]][codes]
    return replace(test, y=y, class_names=dataset.class_names)


def labels_to_test(y: np.ndarray, known: Sequence[str]) -> np.ndarray:
    """Return the labels of test rows, spelt as in the training rows.

    Raises
    ------
    DataError
        If the training rows don't have a label.
    """
    found = matched_labels(y, known)
    for name, count in found.unknown.items():
        raise DataError(
            f'the class "{name}"{nearest(name, list(known))} isn\'t in the training rows, whose '
            f"classes are {listed(known)}; leave its rows out, or correct them ({count} of "
            f"{len(y)})"
        )
    return found.y

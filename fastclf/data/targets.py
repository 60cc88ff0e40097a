"""Reading targets from columns: labels, indicators of several labels, or distributions.

Labels are text, or integers if the column holds numbers. A row without a label is an error, or is
dropped, as ``missing_target`` says. An empty list of labels isn't missing: no label applies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastclf import functional
from fastclf.data.options import FileOptions
from fastclf.errors import DataError, located
from fastclf.functional.rounding import ROUNDING, off_sum
from fastclf.table import (
    Categories,
    Column,
    Lists,
    Numbers,
    Table,
    as_whole_numbers,
    category_names,
    check_columns,
    listed,
)

USUAL_NAMES = ("target", "label", "class", "y")

WITHOUT_TARGET = 'without a target (data.missing_target = "drop")'
"""Why rows without a target are left out."""

_FLAGS = {"true", "false", "0", "1"}


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of n rows, which were read from a file of N rows.

    Attributes
    ----------
    y : ndarray of shape (n,), (n, L) or (n, K)
        Labels, indicators (0, 1 or a probability; NaN is unknown) or distributions.
    class_names : tuple of str
        The names of the classes in sorted order of the labels, or of the columns of ``y``.
    is_soft : bool
        Whether ``y`` holds distributions.
    kept : ndarray of bool of shape (N,), optional
        A mask of the rows of the file that have a target; None if all have.
    weights : ndarray of shape (n,), optional
        The weight of each row, if ``count_weights`` derives it from its votes.
    """

    y: np.ndarray
    class_names: tuple[str, ...]
    is_soft: bool = False
    kept: np.ndarray | None = None
    weights: np.ndarray | None = None

    @property
    def left_out(self) -> dict[str, int]:
        """How many rows were left out, by reason."""
        if self.kept is None:
            return {}
        return {WITHOUT_TARGET: int((~self.kept).sum())}

    @property
    def n_rows_of_file(self) -> int:
        """The number N of rows in the file, including those without a target."""
        return len(self.y if self.kept is None else self.kept)


def target_columns(names: Sequence[str], options: FileOptions) -> tuple[str, ...]:
    """Return the names of the target columns.

    Raises
    ------
    DataError
        If a column doesn't exist; or if ``target`` isn't set and not exactly one column has a usual
        name.
    """
    if options.target is None:
        usual = [name for name in names if name.lower() in USUAL_NAMES]
        if len(usual) == 1:
            return (usual[0],)
        hint = "; is data.delimiter right?" if len(names) == 1 else ""
        raise DataError(
            f"which column is the target? Set data.target to one of {listed(names)}{hint}"
        )
    wanted = options.target if isinstance(options.target, tuple) else (options.target,)
    found = tuple(name if isinstance(name, str) else _at(name, names) for name in wanted)
    with located("target"):
        check_columns(found, names)
    if len(set(found)) < len(found):
        raise DataError(f"target names a column twice: {', '.join(found)}")
    return found


def _at(index: int, names: Sequence[str]) -> str:
    if not -len(names) <= index < len(names):
        raise DataError(
            f"target = {index}: columns are numbered 0 to {len(names) - 1}, and -1 is the last"
        )
    return names[index]


def check_rows(found: Targets, n_rows: int) -> None:
    """Refuse targets whose number of rows differs from that of the features, and empty data."""
    if found.n_rows_of_file != n_rows:
        raise DataError(f"there are {n_rows} rows of features, but {found.n_rows_of_file} targets")
    if not n_rows:
        raise DataError("there are no rows")


def row_weights(column: Column, name: str, rows: np.ndarray) -> np.ndarray:
    """Return the weights in a column, which aren't all 0; otherwise as `checked_weights`."""
    weights = checked_weights(column, name, rows)
    if not weights.any():
        raise DataError(f'weight: all values of column "{name}" are 0')
    return weights


def checked_weights(column: Column, name: str, rows: np.ndarray) -> np.ndarray:
    """Return the weights of some rows.

    Parameters
    ----------
    column : Column
    name : str
        The column's name, for messages.
    rows : ndarray of int of shape (n,)
        The number of each row in the file.

    Raises
    ------
    DataError
        If a weight is missing, negative or infinite.
    """
    if not isinstance(column, Numbers):
        raise DataError(f'weight: column "{name}" holds text; name a column of numbers')
    weights = column.values.astype(np.float64)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        at = int(wrong.argmax())
        value = "missing" if np.isnan(weights[at]) else f"{weights[at]:g}"
        raise DataError(
            f'row {rows[at]}, column "{name}": the weight is {value}; weights must be finite '
            "and >= 0"
        )
    return weights


def read_targets(
    table: Table,
    options: FileOptions,
    labels: Sequence[str] | None = None,
    is_part: bool = False,
) -> Targets:
    """Return the targets that columns hold.

    Parameters
    ----------
    table : Table
        The target columns, and no others.
    options : FileOptions
        ``target_kind``, ``target_temperature``, ``count_weights``, ``label_separator`` and
        ``missing_target`` are used.
    labels : sequence of str, optional
        For lists: all possible labels, in order; by default those in the column.
    is_part : bool
        Whether these are some of the rows, of which none need have a target.

    Raises
    ------
    DataError
        If a value is missing or can't be a target; the message names the row.
    """
    table = Table({name: _plain(column) for name, column in table.columns.items()}, table.rows)
    kind = target_kind(table, options)
    single = kind in ("labels", "label_lists")
    if single and len(table.columns) > 1:
        raise DataError(
            f'target_kind = "{kind}" needs one target column, and there are '
            f"{', '.join(table.names)}"
        )
    if kind == "label_lists":
        return _label_lists(table, options, labels)
    if kind in ("distribution", "counts", "logits") and len(table.columns) < 2:
        raise DataError(f'target_kind = "{kind}" needs a column for each class, two or more')
    columns = [column.missing for column in table.columns.values()]
    keep = options.missing_target == "keep"
    if keep and kind != "indicators":
        raise DataError(
            'missing_target = "keep" needs a column for each of several labels; set it to "drop" '
            'or "error"'
        )
    missing = np.all(columns, axis=0) if keep else np.any(columns, axis=0)
    if kind == "counts":
        missing = missing | _without_votes(table)
    kept = None
    if missing.any():
        if options.missing_target == "error":
            partly = ""
            if kind == "indicators":
                partly = ', or to "keep" if other labels of such rows are known'
            others = int(missing.sum()) - 1
            more = f", nor have {others} other rows" if others else ""
            raise DataError(
                f"row {table.rows[missing.argmax()]} has no target ({', '.join(table.names)})"
                f'{more}; fill it in, or set data.missing_target to "drop"{partly}'
            )
        kept = ~missing
        table = table.take(kept)
    if not table.n_rows and not is_part:
        raise DataError(f"no row has a target ({', '.join(table.names)})")
    if kind == "labels":
        y, names = _labels(table)
        return Targets(y, names, kept=kept)
    if kind == "indicators":
        return Targets(_indicators(table), table.names, kept=kept)
    P, votes = _distributions(table, kind, options.target_temperature)
    weights = votes if options.count_weights else None
    return Targets(P, table.names, is_soft=True, kept=kept, weights=weights)


def _plain(column: Column) -> Column:
    # Integers of a categorical type are the same target as plain ones.
    if not isinstance(column, Categories) or not column.of_integers or column.missing.all():
        return column
    if not column.missing.any():
        return as_whole_numbers(column) or column
    return Numbers(np.array([*map(float, column.names), np.nan])[column.codes])


def target_kind(table: Table, options: FileOptions) -> str:
    """Return what target columns hold: ``options.target_kind``, or what it stands for."""
    if options.target_kind != "auto":
        return options.target_kind
    columns = list(table.columns.values())
    if len(columns) > 1:
        if options.missing_target == "keep":
            return "indicators"
        values = [_as_flags(column) for column in columns]
        return "distribution" if any(flags is None for flags in values) else "indicators"
    lists = isinstance(columns[0], Lists) or options.label_separator is not None
    return "label_lists" if lists else "labels"


def _labels(table: Table) -> tuple[np.ndarray, tuple[str, ...]]:
    (name, column), *_ = table.columns.items()
    if isinstance(column, Lists):
        raise DataError(f'column "{name}" holds lists; set data.target_kind to "label_lists"')
    if isinstance(column, Categories):
        present, codes = np.unique(column.codes, return_inverse=True)
        names = np.array(column.names)[present]
        return names[codes], tuple(names.tolist())
    y = column.values
    if y.dtype.kind == "f":
        whole = (y == np.floor(y)) & (np.abs(y) < 2**53)
        if not whole.all():
            row, value = table.rows[(~whole).argmax()], y[~whole][0]
            where = f'row {row}, column "{name}": {value} can\'t be a class'
            if value == np.floor(value):
                raise DataError(f"{where}: whole numbers from 2^53 on must be stored as integers")
            raise DataError(
                f"{where}: the column looks like a number to predict, and fastclf only "
                "classifies; name another column in data.target"
            )
        y = y.astype(np.int64)
    return y, tuple(map(str, np.unique(y).tolist()))


def _indicators(table: Table) -> np.ndarray:
    # uint8 if all are 0 or 1; else floats, with NaN for unknown indicators.
    columns: list[np.ndarray] = []
    for name, column in table.columns.items():
        values = _as_flags(column)
        if values is None and isinstance(column, Numbers) and not _outside(column).any():
            values = np.clip(column.values.astype(np.float64), 0, 1)
        if values is None:
            row = table.rows[_first_other(column)]
            raise DataError(
                f'row {row}, column "{name}": indicators are 0, 1 or probabilities; correct it, or '
                "set data.target_kind"
            )
        missing = column.missing
        columns.append(np.where(missing, np.nan, values) if missing.any() else values)
    return np.stack(columns, axis=1)


def _outside(column: Numbers) -> np.ndarray:
    return (column.values < -ROUNDING) | (column.values > 1 + ROUNDING)


def _as_flags(column: Column) -> np.ndarray | None:
    """Return values of 0 and 1 (0 for a missing one), or None if there are other values."""
    if isinstance(column, Numbers):
        known = column.missing | (column.values == 0) | (column.values == 1)
        return (column.values == 1).astype(np.uint8) if known.all() else None
    if isinstance(column, Categories):
        spelt = [name.lower() for name in column.names]
        if set(spelt) <= _FLAGS:
            return np.array([name in ("true", "1") for name in spelt] + [0], np.uint8)[column.codes]
    return None


def _first_other(column: Column) -> int:
    """Return the index of the first row whose value isn't an indicator."""
    if isinstance(column, Numbers):
        return int(_outside(column).argmax())
    if isinstance(column, Categories):
        return int(np.array([n.lower() not in _FLAGS for n in column.names])[column.codes].argmax())
    return 0


def _distributions(
    table: Table, kind: str, temperature: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return distributions (n, K), and for counts the number of votes of each row (n,)."""
    P = _numbers(table)
    if kind == "distribution":
        P[(P < 0) & (P >= -ROUNDING)] = 0
    what = {"distribution": "probabilities", "counts": "numbers of votes"}.get(kind, "logits")
    wrong = ~np.isfinite(P).all(axis=1)
    if kind != "logits":
        wrong |= (P < 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        wanted = "finite" if kind == "logits" else "finite and not negative"
        remedy = (
            "" if kind == "logits" else '; if they are logits, set data.target_kind to "logits"'
        )
        raise DataError(
            f"row {table.rows[row]}: {what} must be {wanted}; got "
            f"{', '.join(f'{p:g}' for p in P[row, :10])}{remedy}"
        )
    if kind == "logits":
        return functional.softmax(P, temperature), None
    sums = P.sum(axis=1)
    if kind == "counts":
        return P / sums[:, None], sums
    wrong = off_sum(sums)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"row {table.rows[row]}: the probabilities of {', '.join(table.names[:10])} sum to "
            f"{sums[row]:.6g}; divide each row by its sum, or set data.target_kind to counts "
            "(numbers of votes), logits, or indicators (several labels can be true)"
        )
    return P / sums[:, None], None


def _numbers(table: Table) -> np.ndarray:
    for name, column in table.columns.items():
        if not isinstance(column, Numbers):
            raise DataError(
                f'column "{name}" holds text, but several target columns must hold probabilities, '
                "counts, logits, or 0 and 1"
            )
    columns = [c.values for c in table.columns.values() if isinstance(c, Numbers)]
    return np.stack(columns, axis=1).astype(np.float64)


def _without_votes(table: Table) -> np.ndarray:
    """Return a mask of the rows without votes; they are treated as rows without a target."""
    return np.asarray((_numbers(table) == 0).all(axis=1))


def _label_lists(table: Table, options: FileOptions, labels: Sequence[str] | None) -> Targets:
    (name, column), *_ = table.columns.items()
    lists = _lists(table, options)
    known = tuple(sorted(lists.names) if labels is None else labels)
    position = {label: i for i, label in enumerate(known)}
    for label in lists.names:
        if label not in position:
            raise DataError(
                f'column "{name}": unknown label "{label}"; the labels are {listed(known)}'
            )
    if not known:
        raise DataError(f'column "{name}" has no label in any row')
    y = np.zeros((len(lists), len(known)), np.uint8)
    rows = np.repeat(np.arange(len(lists)), np.diff(lists.offsets))
    moved = np.array([position[label] for label in lists.names], dtype=np.int64)
    y[rows, moved[lists.codes]] = 1
    return Targets(y, known)


def list_names(table: Table, options: FileOptions) -> tuple[str, ...]:
    """Return the labels in a column of lists of labels."""
    return _lists(table, options).names


def _lists(table: Table, options: FileOptions) -> Lists:
    (name, column), *_ = table.columns.items()
    return column if isinstance(column, Lists) else _split(name, column, options)


def _split(name: str, column: Numbers | Categories, options: FileOptions) -> Lists:
    """Split a column of text into lists of labels."""
    if options.label_separator is None:
        raise DataError(
            f'column "{name}": set data.label_separator to the text between two labels, like ";"'
        )
    separator = options.label_separator
    texts: list[str]
    codes: np.ndarray
    if isinstance(column, Numbers):  # each row has one label, a number
        distinct, codes = np.unique(column.values, return_inverse=True)
        texts = ["" if np.isnan(v) else category_names(np.array([v]))[0] for v in distinct]
    else:
        texts, codes = [*column.names, ""], column.codes
    parts = [[part.strip() for part in text.split(separator) if part.strip()] for text in texts]
    names = sorted({part for group in parts for part in group})
    position = {part: i for i, part in enumerate(names)}
    counts = np.array([len(group) for group in parts])[codes]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    known = [np.array([position[part] for part in group], np.int64) for group in parts]
    flat = np.concatenate([known[code] for code in codes.tolist()] or [np.empty(0, np.int64)])
    return Lists(offsets, flat, tuple(names))

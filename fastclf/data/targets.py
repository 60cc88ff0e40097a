"""From columns to targets: labels, indicators of several labels, or distributions.

Labels are text, or integers where the column holds numbers. A row without a label is an error that
names it, or is dropped; in a list of labels it is a row that no label applies to.
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
    category_names,
    check_columns,
    listed,
)

USUAL_NAMES = ("target", "label", "class", "y")

_FLAGS = {"true", "false", "0", "1"}


@dataclass(frozen=True, eq=False)
class Targets:
    """What is to be predicted.

    Attributes
    ----------
    y : ndarray of shape (n,), (n, L) or (n, K)
        Labels, indicators (0 and 1, or probabilities; NaN is not known) or distributions.
    class_names : tuple of str
        Of the classes in sorted order of the labels in ``y``, or of its columns.
    is_soft : bool
        Whether ``y`` holds distributions.
    kept : ndarray of shape (N,), optional
        Which rows of the file are there; None for all.
    weights : ndarray of shape (n,), optional
        How much each row counts, where its votes say so.
    """

    y: np.ndarray
    class_names: tuple[str, ...]
    is_soft: bool = False
    kept: np.ndarray | None = None
    weights: np.ndarray | None = None

    @property
    def left_out(self) -> dict[str, int]:
        """Why rows were left out, and how many."""
        if self.kept is None:
            return {}
        return {'without a target (data.missing_target = "drop")': int((~self.kept).sum())}

    @property
    def n_rows_of_file(self) -> int:
        """The number of rows in the file, with those that aren't there."""
        return len(self.y if self.kept is None else self.kept)


def target_columns(names: Sequence[str], options: FileOptions) -> tuple[str, ...]:
    """Return the names of the columns that are to be predicted.

    Raises
    ------
    DataError
        If one isn't there, or none is named and none has a usual name.
    """
    if options.target is None:
        usual = [name for name in names if name.lower() in USUAL_NAMES]
        if len(usual) == 1:
            return (usual[0],)
        hint = "; is data.delimiter right?" if len(names) == 1 else ""
        raise DataError(
            f"which column is to be predicted? Set data.target to one of {listed(names)}{hint}"
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
        raise DataError(f"target = {index}: the columns are 0 to {len(names) - 1}, or -1 for last")
    return names[index]


def check_rows(found: Targets, n_rows: int) -> None:
    """Refuse targets of another number of rows than there are, or of none."""
    if found.n_rows_of_file != n_rows:
        raise DataError(f"there are {n_rows} rows of features, and {found.n_rows_of_file} targets")
    if not n_rows:
        raise DataError("has no rows")


def row_weights(column: Column, name: str, first_row: int | np.ndarray) -> np.ndarray:
    """Return the weights in a column, whose rows are numbered from one on or by an array.

    Raises
    ------
    DataError
        If one is missing, negative or infinite, or all are 0.
    """
    if not isinstance(column, Numbers):
        raise DataError(f'weight: column "{name}" holds text; name a column of numbers')
    weights = column.values.astype(np.float64)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        at = int(wrong.argmax())
        row = first_row + at if isinstance(first_row, int) else first_row[at]
        value = "missing" if np.isnan(weights[at]) else f"{weights[at]:g}"
        raise DataError(
            f'row {row}, column "{name}": the weight is {value}; weights are numbers from 0 on'
        )
    if not weights.any():
        raise DataError(f'weight: all of column "{name}" is 0')
    return weights


def read_targets(
    table: Table, options: FileOptions, labels: Sequence[str] | None = None
) -> Targets:
    """Return the targets that columns hold.

    Parameters
    ----------
    table : Table
        The target columns alone.
    options : FileOptions
        Of which the keys that begin with target, and label_separator, count.
    labels : sequence of str, optional
        For lists: all labels there may be, in order; by default those in the column.

    Raises
    ------
    DataError
        If a value is missing or can't be a target; it names the row.
    """
    kind: str = options.target_kind
    if kind == "auto":
        kind = _kind(table, options)
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
            'missing_target = "keep" goes with a column for each of several labels; set it to '
            '"drop" or "error"'
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
            more = f"nor have {others} others; " if others else ""
            raise DataError(
                f"row {table.rows[missing.argmax()]} has no target ({', '.join(table.names)}), "
                f"{more}fill it in, or set "
                f'data.missing_target to "drop"{partly}'
            )
        kept = ~missing
        table = table.take(kept)
    if not table.n_rows:
        raise DataError(f"no row has a target ({', '.join(table.names)})")
    if kind == "labels":
        y, names = _labels(table)
        return Targets(y, names, kept=kept)
    if kind == "indicators":
        return Targets(_indicators(table), table.names, kept=kept)
    P, votes = _distributions(table, kind, options.target_temperature)
    weights = votes if options.count_weights else None
    return Targets(P, table.names, is_soft=True, kept=kept, weights=weights)


def _kind(table: Table, options: FileOptions) -> str:
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
            row = table.rows[(~whole).argmax()]
            raise DataError(
                f'row {row}, column "{name}": {y[~whole][0]} can\'t be a class: classes are text '
                "or whole numbers, and those from 2^53 on integers; name another column in "
                "data.target"
            )
        y = y.astype(np.int64)
    return y, tuple(map(str, np.unique(y).tolist()))


def _indicators(table: Table) -> np.ndarray:
    # 0 and 1 as small integers; floats where there are probabilities, or NaN for what isn't known.
    columns: list[np.ndarray] = []
    for name, column in table.columns.items():
        values = _as_flags(column)
        if values is None and isinstance(column, Numbers) and not _outside(column).any():
            values = np.clip(column.values.astype(np.float64), 0, 1)
        if values is None:
            row = table.rows[_first_other(column)]
            raise DataError(
                f'row {row}, column "{name}": indicators are 0 or 1, or probabilities between; '
                "correct it, or set data.target_kind"
            )
        missing = column.missing
        columns.append(np.where(missing, np.nan, values) if missing.any() else values)
    return np.stack(columns, axis=1)


def _outside(column: Numbers) -> np.ndarray:
    return (column.values < -ROUNDING) | (column.values > 1 + ROUNDING)


def _as_flags(column: Column) -> np.ndarray | None:
    """Return 0/1 values (a missing one is 0), or None where there are others."""
    if isinstance(column, Numbers):
        known = column.missing | (column.values == 0) | (column.values == 1)
        return (column.values == 1).astype(np.uint8) if known.all() else None
    if isinstance(column, Categories):
        spelt = [name.lower() for name in column.names]
        if set(spelt) <= _FLAGS:
            return np.array([name in ("true", "1") for name in spelt] + [0], np.uint8)[column.codes]
    return None


def _first_other(column: Column) -> int:
    """Return the first row that holds no indicator."""
    if isinstance(column, Numbers):
        return int(_outside(column).argmax())
    if isinstance(column, Categories):
        return int(np.array([n.lower() not in _FLAGS for n in column.names])[column.codes].argmax())
    return 0


def _distributions(
    table: Table, kind: str, temperature: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return probabilities (n, K) from probabilities, counts or logits; and the votes of counts."""
    P = _numbers(table)
    if kind == "distribution":
        P[(P < 0) & (P >= -ROUNDING)] = 0
    what = {"distribution": "probabilities", "counts": "numbers of votes"}.get(kind, "logits")
    wrong = ~np.isfinite(P).all(axis=1)
    if kind != "logits":
        wrong |= (P < 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        never = "infinite" if kind == "logits" else "negative or infinite"
        remedy = "" if kind == "logits" else '; set data.target_kind to "logits" if they are such'
        raise DataError(
            f"row {table.rows[row]}: {what} aren't {never}; got "
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
            f"{sums[row]:.6g}; divide each row by its sum, or set data.target_kind: counts are "
            "numbers of votes, logits any numbers, indicators labels of which several can be true"
        )
    return P / sums[:, None], None


def _numbers(table: Table) -> np.ndarray:
    for name, column in table.columns.items():
        if not isinstance(column, Numbers):
            raise DataError(
                f'column "{name}" holds text, and several target columns hold probabilities, '
                "counts, logits, or 0 and 1"
            )
    columns = [c.values for c in table.columns.values() if isinstance(c, Numbers)]
    return np.stack(columns, axis=1).astype(np.float64)


def _without_votes(table: Table) -> np.ndarray:
    """Return which rows have no votes at all; they are as good as without a target."""
    return np.asarray((_numbers(table) == 0).all(axis=1))


def _label_lists(table: Table, options: FileOptions, labels: Sequence[str] | None) -> Targets:
    (name, column), *_ = table.columns.items()
    lists = column if isinstance(column, Lists) else _split(name, column, options)
    known = tuple(sorted(lists.names) if labels is None else labels)
    position = {label: i for i, label in enumerate(known)}
    for label in lists.names:
        if label not in position:
            raise DataError(f'column "{name}": the label "{label}" is unknown; there are {known}')
    if not known:
        raise DataError(f'column "{name}" has no label in any row')
    y = np.zeros((len(lists), len(known)), np.uint8)
    rows = np.repeat(np.arange(len(lists)), np.diff(lists.offsets))
    moved = np.array([position[label] for label in lists.names], dtype=np.int64)
    y[rows, moved[lists.codes]] = 1
    return Targets(y, known)


def _split(name: str, column: Numbers | Categories, options: FileOptions) -> Lists:
    """Return the lists that a column of text holds."""
    if options.label_separator is None:
        raise DataError(
            f'column "{name}": set data.label_separator to what is between two labels, like ";"'
        )
    separator = options.label_separator
    texts: list[str]
    codes: np.ndarray
    if isinstance(column, Numbers):  # single labels that are numbers
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

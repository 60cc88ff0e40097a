"""Targets of a stream: each chunk is read by the code that reads targets in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from fastclf.data.options import FileOptions
from fastclf.data.targets import list_names, read_targets, target_kind
from fastclf.errors import DataError
from fastclf.table import Table


class ReadTargets(NamedTuple):
    """The targets of a chunk of M rows.

    Parameters
    ----------
    y : ndarray of shape (m,), (m, L) or (m, K)
    weights : ndarray of shape (m,), optional
        The numbers of votes, if they are weights.
    kept : ndarray of int of shape (m,), optional
        The rows of the chunk that aren't left out; None if all M are kept.
    """

    y: np.ndarray
    weights: np.ndarray | None
    kept: np.ndarray | None


@dataclass(frozen=True)
class TargetReader:
    """How the target columns of a stream are read.

    Attributes
    ----------
    options : FileOptions
        With a ``target_kind`` that isn't "auto".
    names : tuple of str
        The target columns.
    labels : tuple of str, optional
        For lists: all labels, in order.
    chosen : ClassChoice
        Which classes are kept.
    """

    options: FileOptions
    names: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    chosen: "ClassChoice" = field(default_factory=lambda: ClassChoice())

    @property
    def several(self) -> bool:
        """Whether y is 2-D."""
        return self.options.target_kind != "labels"

    @property
    def is_soft(self) -> bool:
        """Whether y holds distributions."""
        return self.options.target_kind in ("distribution", "counts", "logits")

    @property
    def y_names(self) -> tuple[str, ...] | None:
        """The names of the columns of a 2-D y: labels, or the classes of distributions."""
        if not self.several:
            return None
        return self.names if self.labels is None else self.labels

    def read(self, table: Table) -> ReadTargets:
        """Return the targets in a chunk, a table of the target columns.

        Raises
        ------
        DataError
            If a value is missing or can't be a target; the message names the row.
        """
        found = read_targets(table, self.options, self.labels, is_part=True)
        kept = None if found.kept is None else np.flatnonzero(found.kept)
        if not self.chosen.is_all:
            mask = self.chosen.mask(found.y)
            kept = np.flatnonzero(mask) if kept is None else kept[mask]
            found = replace(found, y=found.y[mask])  # weights are of counts, and those have no mask
        return ReadTargets(found.y, found.weights, kept)


@dataclass(frozen=True)
class ClassChoice:
    """Which classes of a recipe are kept.

    Attributes
    ----------
    only : tuple of str, optional
        The classes to keep.
    ignored : str, optional
        The label that is no class.
    """

    only: tuple[str, ...] | None = None
    ignored: str | None = None

    @property
    def is_all(self) -> bool:
        """Whether all classes are kept."""
        return self.only is None and self.ignored is None

    def mask(self, y: np.ndarray) -> np.ndarray:
        """Return which rows have a label (m,) that is kept."""
        names = y.astype(str)
        return names != self.ignored if self.only is None else np.isin(names, self.only)


def opened_targets(
    columns: Sequence[str], options: FileOptions, chunks: Iterable[Table]
) -> TargetReader:
    """Return how targets are read, whose kind the first chunk may decide.

    Parameters
    ----------
    columns : sequence of str
        The target columns.
    options : FileOptions
    chunks : iterable of Table
        The target columns of all rows. For lists of labels all are read, to find all labels.

    Raises
    ------
    DataError
        If the kind can't be known from a part of the rows, or doesn't go with the columns.
    """
    names = tuple(columns)
    if options.target_kind == "auto" and len(names) > 1 and options.missing_target != "keep":
        raise DataError(
            "several target columns of a stream can be indicators of labels or probabilities of "
            'classes, which only all rows show; set data.target_kind = "indicators" or '
            '"distribution", or name one column'
        )
    labels: set[str] = set()
    kind = None
    for chunk in chunks:
        if kind is None:
            kind = target_kind(chunk, options)
            options = options.model_copy(update={"target_kind": kind})
        if kind != "label_lists":
            break
        labels |= {*list_names(chunk, options)}
    known = tuple(sorted(labels)) if kind == "label_lists" else None
    if known == ():
        raise DataError(f'column "{names[0]}" has no label in any row')
    return TargetReader(options, names, known)

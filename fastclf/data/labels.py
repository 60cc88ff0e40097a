"""Labels of one file in terms of those of another: a model's, or those to train on."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastclf.errors import DataError, nearest
from fastclf.table import listed, matched_names, shown

_SHOWN = 5  # strange names that a message tells of


@dataclass(frozen=True, eq=False)
class Matched:
    """Labels under the names that are known.

    Attributes
    ----------
    y : ndarray of str of shape (n,)
        The known name of each row's label, or its own where it has none.
    known : tuple of str
        The known names.
    strange : dict of str to int
        The names that aren't known, and how many rows have them.
    """

    y: np.ndarray
    known: tuple[str, ...]
    strange: dict[str, int]

    def warn(self) -> None:
        """Warn of the names that a model doesn't know.

        Raises
        ------
        DataError
            If it knows none.
        """
        if not self.strange:
            return
        rows = sum(self.strange.values())
        names = strange_names(self.strange, self.known)
        if rows == len(self.y):
            raise DataError(
                f"none of its labels is a class of the model, which knows {listed(self.known)}: "
                f"{names}; write the labels as the model has them"
            )
        warnings.warn(
            f"{rows} of {len(self.y)} rows have a label that the model doesn't know, and so can't "
            f"predict: {names}; it knows {listed(self.known)}",
            stacklevel=3,
        )


def matched_labels(y: np.ndarray, known: Sequence[str]) -> Matched:
    """Return labels (n,) in terms of known names; see `fastclf.table.matched_names`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.data.labels import matched_labels
    >>> matched_labels(np.array([True, False]), ["false", "true"]).y.tolist()
    ['true', 'false']
    >>> matched_labels(np.array(["yes", "Yes"]), ["no", "yes"]).strange
    {'Yes': 1}
    """
    values, codes = np.unique(y.astype(str) if y.dtype.kind == "O" else y, return_inverse=True)
    names = [str(value) for value in values.tolist()]
    counts = dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))
    matches = matched_names(names, known) or {}
    strange = {name: count for name, count in counts.items() if name not in matches}
    spelt = np.array([matches.get(name, name) for name in names], dtype=str)
    return Matched(spelt[codes], tuple(known), strange)


def strange_names(counts: dict[str, int], known: Sequence[str]) -> str:
    """Return names that aren't known, with their rows, and which known ones they are near to."""
    most = sorted(counts, key=lambda name: -counts[name])[:_SHOWN]
    rows = {name: f"{counts[name]} row{'s' * (counts[name] != 1)}" for name in most}
    told = [f"{shown(name)} ({rows[name]}){nearest(name, list(known))}" for name in most]
    more = len(counts) - len(most)
    return ", ".join(told) + (f" and {more} more" if more else "")

"""Matching of the labels in a file with the known names of classes, of a model or of training."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastclf.errors import DataError, nearest
from fastclf.table import listed, matched_names, quoted

_SHOWN = 5  # largest number of unknown names in a message


@dataclass(frozen=True, eq=False)
class MatchedLabels:
    """Labels that were matched with known names.

    Attributes
    ----------
    y : ndarray of str of shape (n,)
        The known name of each row's label; or the label itself if it is unknown.
    known : tuple of str
        The known names.
    unknown : dict of str to int
        The unknown labels, with their numbers of rows.
    """

    y: np.ndarray
    known: tuple[str, ...]
    unknown: dict[str, int]

    def warn(self) -> None:
        """Warn about labels that aren't classes of the model.

        Raises
        ------
        DataError
            If no row has a known label.
        """
        if not self.unknown:
            return
        rows = sum(self.unknown.values())
        names = describe_unknown(self.unknown, self.known)
        if rows == len(self.y):
            raise DataError(
                f"none of the labels is a class of the model: {names}; its classes are "
                f"{listed(self.known)}; write the labels in the same way"
            )
        warnings.warn(
            f"{rows} of {len(self.y)} rows have a label that isn't a class of the model, so it "
            "can't "
            f"be predicted: {names}; the classes are {listed(self.known)}",
            stacklevel=3,
        )


def matched_labels(y: np.ndarray, known: Sequence[str]) -> MatchedLabels:
    """Match labels (n,) with known names, by the rules of `fastclf.table.matched_names`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.data.labels import matched_labels
    >>> matched_labels(np.array([True, False]), ["false", "true"]).y.tolist()
    ['true', 'false']
    >>> matched_labels(np.array(["yes", "Yes"]), ["no", "yes"]).unknown
    {'Yes': 1}
    """
    values, codes = np.unique(y.astype(str) if y.dtype.kind == "O" else y, return_inverse=True)
    names = [str(value) for value in values.tolist()]
    counts = dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))
    matches = matched_names(names, known) or {}
    unknown = {name: count for name, count in counts.items() if name not in matches}
    spelt = np.array([matches.get(name, name) for name in names], dtype=str)
    return MatchedLabels(spelt[codes], tuple(known), unknown)


def describe_unknown(counts: dict[str, int], known: Sequence[str]) -> str:
    """Describe unknown names for a message: each with its number of rows and a similar name."""
    most = sorted(counts, key=lambda name: -counts[name])[:_SHOWN]
    rows = {name: f"{counts[name]} row{'s' * (counts[name] != 1)}" for name in most}
    parts = [f"{quoted(name)} ({rows[name]}){nearest(name, list(known))}" for name in most]
    more = len(counts) - len(most)
    return ", ".join(parts) + (f" and {more} more" if more else "")

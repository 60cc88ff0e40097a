"""Columns of categories none of which a model knows: other spellings, or other data."""

import warnings
from typing import Any

import numpy as np

from fastclf.preprocessing import MISSING, CategoricalColumn, Encoder
from fastclf.table import Lists, Table, as_categories, listed, shown

_SHOWN = 5  # values that a warning shows


class Unmatched:
    """Finds columns, in rows that come in parts, none of whose values a model knows.

    Parameters
    ----------
    encoder : Encoder, optional
        Of the model.
    """

    def __init__(self, encoder: Encoder | None) -> None:
        columns = () if encoder is None else encoder.columns
        self._waiting = {
            column.name: column
            for column in columns
            if isinstance(column, CategoricalColumn) and {*column.categories} - {MISSING}
        }
        self._found: dict[str, list[str]] = {}

    def see(self, X: Any) -> None:
        """Look at some rows; what isn't a table has no categories."""
        if not isinstance(X, Table):
            return
        for name, column in list(self._waiting.items()):
            raw = X.columns.get(name)
            if raw is None or isinstance(raw, Lists):
                continue  # what it can't encode a model refuses
            texts = as_categories(raw)
            counts = np.bincount(texts.codes[~texts.missing], minlength=len(texts.names))
            names = [texts.names[code] for code in np.flatnonzero(counts).tolist()]
            if names and column.matched(names) is None:
                self._found.setdefault(name, names[:_SHOWN])
            elif names:
                del self._waiting[name]

    def warn(self) -> None:
        """Warn of each such column."""
        for name, values in self._found.items():
            if name in self._waiting:
                known = [text for text in self._waiting[name].categories if text != MISSING]
                warnings.warn(
                    f'column "{name}": the model knows none of its values, such as '
                    f"{', '.join(map(shown, values))}; it knows {listed(known)}; write them as "
                    "the model has them, or train without the column",
                    stacklevel=2,
                )

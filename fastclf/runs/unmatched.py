"""Columns of categories that a model doesn't know: other spellings, other data, or lost zeros."""

import warnings
from typing import Any

import numpy as np

from fastclf.data.text_columns import has_leading_zero
from fastclf.preprocessing import MISSING, CategoricalColumn, Encoder
from fastclf.table import Lists, Table, as_categories, listed, quoted

_SHOWN = 5  # values that a warning shows


class Unmatched:
    """Finds columns, in rows that come in parts, none of whose values a model knows.

    And for codes that have lost their leading zeros, such as 501 where the model knows 00501.

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
        self._codes = {name: codes for name, x in self._waiting.items() if (codes := _codes(x))}
        self._lost: dict[str, str] = {}

    def see(self, X: Any) -> None:
        """Look at some rows; what isn't a table has no categories."""
        if not isinstance(X, Table):
            return
        for name in list(self._waiting | self._codes):
            raw = X.columns.get(name)
            if raw is None or isinstance(raw, Lists):
                continue  # what it can't encode a model refuses
            texts = as_categories(raw)
            counts = np.bincount(texts.codes[~texts.missing], minlength=len(texts.names))
            names = [texts.names[code] for code in np.flatnonzero(counts).tolist()]
            self._see_codes(name, names)
            if not names or name not in self._waiting:
                continue
            if self._waiting[name].matched(names) is None:
                self._found.setdefault(name, names[:_SHOWN])
            else:
                del self._waiting[name]

    def _see_codes(self, name: str, values: list[str]) -> None:
        codes = self._codes.get(name, {})
        lost = next((text for text in values if text in codes), None)
        if lost is not None:
            self._lost[name] = f"{quoted(lost)}, where the model knows {quoted(codes[lost])}"
            del self._codes[name]

    def warn(self) -> None:
        """Warn of each such column."""
        for name, example in self._lost.items():
            warnings.warn(
                f'column "{name}": codes have lost their leading zeros, such as {example}; write '
                'them in full, or read them as text, as by dtype={"%s": str} in pandas' % name,
                stacklevel=2,
            )
        for name, values in self._found.items():
            if name in self._waiting and name not in self._lost:
                known = [text for text in self._waiting[name].categories if text != MISSING]
                warnings.warn(
                    f'column "{name}": the model knows none of its values, such as '
                    f"{', '.join(map(quoted, values))}; it knows {listed(known)}; write them as "
                    "the model has them, or train without the column",
                    stacklevel=2,
                )


def _codes(column: CategoricalColumn) -> dict[str, str]:
    """Return the codes with leading zeros by their rest, unless the model knows that, too."""
    codes = {text.lstrip("0") or "0": text for text in column.categories if has_leading_zero(text)}
    return {lost: code for lost, code in codes.items() if lost not in column.categories}
